{{ config(materialized='table') }}

select r_regionkey::bigint as region_key, r_name::text as region
from {{ source('demo', 'region') }}

{{ config(materialized='materialized_view') }}

select r_regionkey as region_key, r_name as region
from {{ source('demo', 'region') }}

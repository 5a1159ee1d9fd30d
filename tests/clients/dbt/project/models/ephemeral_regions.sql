{{ config(materialized='ephemeral') }}

select region, count(*) as nations
from {{ ref('nations') }}
group by region

{{ config(materialized='incremental', incremental_strategy='delete+insert', unique_key='day') }}

select
    o_orderdate as day,
    count(*) as orders
from {{ source('demo', 'orders') }}
where o_orderdate <= date '{{ var("last_day", "1992-01-10") }}'
{% if is_incremental() %}
    and o_orderdate >= (select max(day) from {{ this }})
{% endif %}
group by o_orderdate

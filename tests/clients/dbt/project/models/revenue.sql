{{ config(materialized='table') }}

select
    nations.nation,
    sum(orders.o_totalprice) as revenue
from {{ ref('nations') }} as nations
join {{ source('demo', 'customer') }} as customer
    on customer.c_nationkey = nations.nation_key
join {{ source('demo', 'orders') }} as orders
    on orders.o_custkey = customer.c_custkey
group by nations.nation

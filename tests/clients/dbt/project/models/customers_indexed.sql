{{ config(materialized='table', indexes=[{'columns': ['customer_key'], 'unique': true}]) }}

select c_custkey as customer_key, c_name as customer
from {{ source('demo', 'customer') }}
where c_custkey <= 100

{{ config(grants={'select': [target.user]}) }}

select n_nationkey as nation_key
from {{ source('demo', 'nation') }}

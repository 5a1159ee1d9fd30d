{{ config(persist_docs={'relation': true, 'columns': true}) }}

select n_nationkey as nation_key
from {{ source('demo', 'nation') }}

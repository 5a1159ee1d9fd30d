-- Fails (returns a row) when the model lost or doubled orders.
select model.total, source.total as expected
from (select sum(revenue) as total from {{ ref('revenue') }}) as model
cross join (select sum(o_totalprice) as total from {{ source('demo', 'orders') }}) as source
where model.total <> source.total

select
    n.n_nationkey as nation_key,
    n.n_name as nation,
    r.r_name as region
from {{ source('demo', 'nation') }} as n
join {{ source('demo', 'region') }} as r on r.r_regionkey = n.n_regionkey

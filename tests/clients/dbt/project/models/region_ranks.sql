select
    r_regionkey as region_key,
    r_name as region,
    case when r_name = 'ASIA' then {{ var('rank_of_asia', 1) }} else 9 end as rank
from {{ source('demo', 'region') }}

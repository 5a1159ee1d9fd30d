select region
from {{ ref('ephemeral_regions') }}
where nations >= 5

"""Writes server/src/session/variables/postgres.tsv from the settings of a real PostgreSQL 15.

In: a running PostgreSQL with nothing configured, reached through psql and the usual PG*
environment variables. Out: a line for each setting named here: what becomes of it on our server,
and how PostgreSQL describes it. Refuses to know what our server does with a value.
"""

import pathlib
import subprocess

OUT = pathlib.Path(__file__).resolve().parents[2] / "server/src/session/variables/postgres.tsv"

# Any value PostgreSQL takes is taken: it changes nothing here, and no answer.
ACCEPTED = """
backslash_quote check_function_bodies client_connection_check_interval commit_delay
commit_siblings constraint_exclusion cpu_index_tuple_cost cpu_operator_cost cpu_tuple_cost
cursor_tuple_fraction deadlock_timeout default_statistics_target default_tablespace
default_toast_compression default_transaction_deferrable effective_cache_size
effective_io_concurrency enable_async_append enable_bitmapscan enable_gathermerge enable_hashagg
enable_hashjoin enable_incremental_sort enable_indexonlyscan enable_indexscan enable_material
enable_memoize enable_mergejoin enable_nestloop enable_parallel_append enable_parallel_hash
enable_partition_pruning enable_partitionwise_aggregate enable_partitionwise_join enable_seqscan
enable_sort enable_tidscan escape_string_warning force_parallel_mode from_collapse_limit geqo
geqo_effort geqo_generations geqo_pool_size geqo_seed geqo_selection_bias geqo_threshold
gin_fuzzy_search_limit gin_pending_list_limit hash_mem_multiplier jit jit_above_cost
jit_expressions jit_inline_above_cost jit_optimize_above_cost jit_tuple_deforming
join_collapse_limit lc_messages lc_monetary lc_numeric lc_time lo_compat_privileges
logical_decoding_work_mem maintenance_io_concurrency maintenance_work_mem
max_parallel_maintenance_workers max_parallel_workers max_parallel_workers_per_gather
min_parallel_index_scan_size min_parallel_table_scan_size parallel_leader_participation
parallel_setup_cost parallel_tuple_cost plan_cache_mode quote_all_identifiers random_page_cost
recursive_worktable_factor row_security seq_page_cost session_replication_role
stats_fetch_consistency synchronize_seqscans synchronous_commit tcp_keepalives_count
tcp_keepalives_idle tcp_keepalives_interval tcp_user_timeout temp_buffers track_counts
track_functions track_io_timing transaction_deferrable vacuum_cost_limit vacuum_freeze_min_age
vacuum_freeze_table_age wal_compression wal_skip_threshold work_mem xmlbinary xmloption
""".split()

# Another value than the default would have to change answers: it is refused.
DEFAULT_ONLY = """
array_nulls default_text_search_config exit_on_error password_encryption temp_tablespaces
timezone_abbreviations track_activities transform_null_equals
""".split()

# Shown and never set, where PostgreSQL's value is true of our server as well.
SHOWN = """
archive_mode block_size cluster_name data_checksums logging_collector
max_function_args max_prepared_transactions max_replication_slots max_wal_senders
session_preload_libraries shared_preload_libraries unix_socket_directories
""".split()

# What is true here, where PostgreSQL's default is not.
OTHER_VALUES = {"max_wal_senders": "0", "max_replication_slots": "0",
                "unix_socket_directories": "", "jit": "off", "track_counts": "off",
                "default_text_search_config": "pg_catalog.simple",
                "effective_io_concurrency": "1", "timezone_abbreviations": "Default",
                "lc_messages": "C"}

# Settings that the server has itself (variables/table.rs): how PostgreSQL files them.
OURS = """
application_name bytea_output client_encoding client_min_messages datestyle
default_table_access_method default_transaction_isolation default_transaction_read_only
extra_float_digits idle_in_transaction_session_timeout idle_session_timeout in_hot_standby
integer_datetimes intervalstyle is_superuser lc_collate lc_ctype listen_addresses
lock_timeout log_min_duration_statement max_connections max_identifier_length max_index_keys
port search_path
server_encoding server_version server_version_num session_authorization ssl
standard_conforming_strings statement_timeout superuser_reserved_connections timezone
track_activity_query_size transaction_isolation transaction_read_only wal_level
""".split()

# Settings that pg_settings leaves out.
UNLISTED = ["internal", "Preset Options", "bool", "", "off", "", "", ""]

SQL = """
SELECT lower(name), context, category, vartype, coalesce(unit, ''), boot_val, coalesce(min_val, ''),
       coalesce(max_val, ''), coalesce(array_to_string(enumvals, ','), '')
FROM pg_settings"""


def main():
    out = subprocess.run(["psql", "-XAt", "-F", "\t", "-c", SQL], check=True, text=True,
                         capture_output=True).stdout
    known = {row[0]: row for row in (line.split("\t") for line in out.splitlines())}
    lines = []
    for mode, names in (("accepted", ACCEPTED), ("default", DEFAULT_ONLY), ("shown", SHOWN),
                        ("ours", OURS)):
        for name in names:
            row = known.get(name) or [name, *UNLISTED]
            row[5] = OTHER_VALUES.get(name, row[5])
            lines.append("\t".join([row[0], mode, *row[1:]]) + "\n")
    OUT.write_text("".join(sorted(lines)))


if __name__ == "__main__":
    main()

//! Names of the system's relations and of what is in them.
//!
//! In: tables and columns as written. Out: the same with `pg_catalog.` before a table that the
//! system brings, and without it before a column.
//! Refuses to know other schemas: the search path is applied where tables are fetched.

use std::collections::HashSet;

use datafusion::sql::sqlparser::ast::{Expr, Ident, ObjectName, ObjectNamePart, TableFactor};

use super::build::{self, is_system_schema};

/// Relations of `pg_catalog` that have no rows on this server, ever: it has none of the objects
/// they list. The server's tests hold it to that.
pub const NEVER_ROWS: &[&str] = &[
    "pg_attrdef",
    "pg_depend",
    "pg_enum",
    "pg_event_trigger",
    "pg_extension",
    "pg_foreign_data_wrapper",
    "pg_foreign_server",
    "pg_foreign_table",
    "pg_inherits",
    "pg_init_privs",
    "pg_largeobject",
    "pg_largeobject_metadata",
    "pg_matviews",
    "pg_partitioned_table",
    "pg_policies",
    "pg_policy",
    "pg_publication",
    "pg_publication_namespace",
    "pg_publication_rel",
    "pg_publication_tables",
    "pg_rewrite",
    "pg_rules",
    "pg_seclabel",
    "pg_seclabels",
    "pg_sequence",
    "pg_sequences",
    "pg_shdepend",
    "pg_shdescription",
    "pg_shseclabel",
    "pg_statistic",
    "pg_statistic_ext",
    "pg_statistic_ext_data",
    "pg_stats",
    "pg_stats_ext",
    "pg_stats_ext_exprs",
    "pg_subscription",
    "pg_subscription_rel",
    "pg_transform",
    "pg_trigger",
    "pg_user_mapping",
    "pg_user_mappings",
];

/// The other relations of `pg_catalog`.
const OTHERS: &[&str] = &[
    "pg_aggregate",
    "pg_am",
    "pg_amop",
    "pg_amproc",
    "pg_attribute",
    "pg_auth_members",
    "pg_authid",
    "pg_available_extension_versions",
    "pg_available_extensions",
    "pg_backend_memory_contexts",
    "pg_cast",
    "pg_class",
    "pg_collation",
    "pg_config",
    "pg_constraint",
    "pg_conversion",
    "pg_cursors",
    "pg_database",
    "pg_db_role_setting",
    "pg_default_acl",
    "pg_description",
    "pg_file_settings",
    "pg_group",
    "pg_hba_file_rules",
    "pg_ident_file_mappings",
    "pg_index",
    "pg_indexes",
    "pg_language",
    "pg_locks",
    "pg_namespace",
    "pg_opclass",
    "pg_operator",
    "pg_opfamily",
    "pg_parameter_acl",
    "pg_prepared_statements",
    "pg_prepared_xacts",
    "pg_proc",
    "pg_range",
    "pg_replication_origin",
    "pg_replication_origin_status",
    "pg_replication_slots",
    "pg_roles",
    "pg_settings",
    "pg_shadow",
    "pg_shmem_allocations",
    "pg_stat_activity",
    "pg_stat_all_indexes",
    "pg_stat_all_tables",
    "pg_stat_archiver",
    "pg_stat_bgwriter",
    "pg_stat_database",
    "pg_stat_database_conflicts",
    "pg_stat_gssapi",
    "pg_stat_progress_analyze",
    "pg_stat_progress_basebackup",
    "pg_stat_progress_cluster",
    "pg_stat_progress_copy",
    "pg_stat_progress_create_index",
    "pg_stat_progress_vacuum",
    "pg_stat_recovery_prefetch",
    "pg_stat_replication",
    "pg_stat_replication_slots",
    "pg_stat_slru",
    "pg_stat_ssl",
    "pg_stat_subscription",
    "pg_stat_subscription_stats",
    "pg_stat_sys_indexes",
    "pg_stat_sys_tables",
    "pg_stat_user_functions",
    "pg_stat_user_indexes",
    "pg_stat_user_tables",
    "pg_stat_wal",
    "pg_stat_wal_receiver",
    "pg_stat_xact_all_tables",
    "pg_stat_xact_sys_tables",
    "pg_stat_xact_user_functions",
    "pg_stat_xact_user_tables",
    "pg_statio_all_indexes",
    "pg_statio_all_sequences",
    "pg_statio_all_tables",
    "pg_statio_sys_indexes",
    "pg_statio_sys_sequences",
    "pg_statio_sys_tables",
    "pg_statio_user_indexes",
    "pg_statio_user_sequences",
    "pg_statio_user_tables",
    "pg_tables",
    "pg_tablespace",
    "pg_timezone_abbrevs",
    "pg_timezone_names",
    "pg_ts_config",
    "pg_ts_config_map",
    "pg_ts_dict",
    "pg_ts_parser",
    "pg_ts_template",
    "pg_type",
    "pg_user",
    "pg_views",
];

/// True for the name of a relation of `pg_catalog`.
pub(super) fn is_pg_relation(name: &str) -> bool {
    NEVER_ROWS.contains(&name) || OTHERS.contains(&name)
}

/// The name in `pg_catalog` that a table stands for, if it stands for one.
pub(super) fn pg_relation(name: &ObjectName, common: &HashSet<String>) -> Option<String> {
    match build::parts(name).as_slice() {
        [name] if is_pg_relation(name) && !common.contains(name) => Some(name.clone()),
        [schema, name] if schema == "pg_catalog" => Some(name.clone()),
        _ => None,
    }
}

/// `pg_class` becomes `pg_catalog.pg_class AS pg_class`: the system's relations are found before
/// those of the search path, and their columns are qualified by the bare name.
pub(super) fn qualify(table: &mut TableFactor, common: &HashSet<String>) {
    let TableFactor::Table { name, alias, args: None, .. } = table else {
        return;
    };
    let parts = build::parts(name);
    let is_system = match parts.as_slice() {
        [name] => is_pg_relation(name) && !common.contains(name),
        [schema, _] => is_system_schema(schema),
        _ => false,
    };
    let Some(ObjectNamePart::Identifier(last)) = name.0.last().cloned() else {
        return;
    };
    if !is_system {
        return;
    }
    if parts.len() == 1 {
        *name = ObjectName::from(vec![Ident::new("pg_catalog"), last.clone()]);
    }
    if alias.is_none() {
        *alias = Some(build::alias(last, vec![]));
    }
}

/// `pg_catalog.pg_class.oid` becomes `pg_class.oid`.
pub(super) fn strip_prefix(expr: &mut Expr) {
    if let Expr::CompoundIdentifier(idents) = expr
        && idents.len() == 3
        && is_system_schema(&build::folded(&idents[0]))
    {
        idents.remove(0);
    }
}

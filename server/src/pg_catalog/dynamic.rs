//! Which system relations have rows that depend on the view, and who makes them.
//!
//! In: a system relation and the view. Out: its rows as one batch, or nothing.
//! Refuses to know how a row is made; a relation that is not named here has no such rows.

use datafusion::arrow::array::RecordBatch;
use datafusion::common::Result;

use super::cells::{self, Sparse};
use super::layout::{PG_CATALOG, SystemRelation};
use super::{
    CatalogView, comments, information, keys, relation_rows, role_rows, server_rows, table_stats,
};

/// The rows of `relation` that come from the view.
pub(super) fn batch(relation: &SystemRelation, view: &CatalogView) -> Result<Option<RecordBatch>> {
    let rows = if relation.schema == PG_CATALOG {
        pg_catalog(relation.name, view)
    } else {
        information::rows(relation.name, view)
    };
    rows.map(|rows| cells::batch_from_sparse(&relation.arrow, rows)).transpose()
}

fn pg_catalog<'a>(name: &str, view: &'a CatalogView) -> Option<Vec<Sparse<'a>>> {
    Some(match name {
        "pg_attribute" => relation_rows::pg_attribute(view),
        "pg_class" => relation_rows::pg_class(view),
        "pg_namespace" => relation_rows::pg_namespace(view),
        "pg_tables" => relation_rows::pg_tables(view),
        "pg_views" => relation_rows::pg_views(view),
        "pg_auth_members" => role_rows::pg_auth_members(view),
        "pg_authid" => role_rows::pg_authid(view),
        "pg_constraint" => keys::pg_constraint(view),
        "pg_database" => server_rows::pg_database(view),
        "pg_db_role_setting" => role_rows::pg_db_role_setting(view),
        "pg_default_acl" => role_rows::pg_default_acl(view),
        "pg_description" => comments::pg_description(view),
        "pg_group" => role_rows::pg_group(view),
        "pg_index" => keys::pg_index(view),
        "pg_indexes" => keys::pg_indexes(view),
        "pg_roles" => role_rows::pg_roles(view),
        "pg_settings" => server_rows::pg_settings(view),
        "pg_shadow" => role_rows::pg_shadow(view),
        "pg_timezone_names" => server_rows::pg_timezone_names(),
        "pg_user" => role_rows::pg_user(view),
        other => return table_stats::rows(other, view),
    })
}

//! `pg_*_is_visible`: whether an object's bare name means it.
//!
//! In: an oid. Out: true or false, or NULL if there is no such object.
//! Refuses to look at objects other than relations, types and functions: those of other kinds
//! are the system's, all in `pg_catalog`, which is always searched.

use datafusion::common::Result;

use super::rows::Kind::Int;
use super::rows::{Arg, Function, strict};
use crate::pg_catalog::cells::Cell;
use crate::pg_catalog::layout::PG_CATALOG_OID;
use crate::pg_catalog::lookup::proc_by_oid;
use crate::pg_catalog::{CatalogView, type_names};

pub(super) const FUNCTIONS: &[Function] = &[
    strict("pg_table_is_visible", &[Int], "bool", table),
    strict("pg_type_is_visible", &[Int], "bool", type_),
    strict("pg_function_is_visible", &[Int], "bool", function),
    strict("pg_collation_is_visible", &[Int], "bool", always),
    strict("pg_conversion_is_visible", &[Int], "bool", always),
    strict("pg_opclass_is_visible", &[Int], "bool", always),
    strict("pg_operator_is_visible", &[Int], "bool", always),
    strict("pg_opfamily_is_visible", &[Int], "bool", always),
    strict("pg_statistics_obj_is_visible", &[Int], "bool", always),
    strict("pg_ts_config_is_visible", &[Int], "bool", always),
    strict("pg_ts_dict_is_visible", &[Int], "bool", always),
    strict("pg_ts_parser_is_visible", &[Int], "bool", always),
    strict("pg_ts_template_is_visible", &[Int], "bool", always),
];

fn table(view: &CatalogView, args: &[Arg<'_>]) -> Result<Cell> {
    let found = view.relation(args[0].oid());
    Ok(found.map(|relation| view.is_visible(&relation)).into())
}

fn type_(view: &CatalogView, args: &[Arg<'_>]) -> Result<Cell> {
    Ok(type_names::by_oid(args[0].oid()).map(|row| in_path(view, row.namespace)).into())
}

fn function(view: &CatalogView, args: &[Arg<'_>]) -> Result<Cell> {
    Ok(proc_by_oid(args[0].oid()).map(|row| in_path(view, row.namespace)).into())
}

fn in_path(view: &CatalogView, namespace: u32) -> bool {
    let searched = |schema: &str| view.schema_oid(schema) == Some(namespace);
    namespace == PG_CATALOG_OID || view.visible_schemas().any(searched)
}

fn always(_: &CatalogView, _: &[Arg<'_>]) -> Result<Cell> {
    Ok(true.into())
}

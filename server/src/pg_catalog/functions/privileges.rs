//! `has_*_privilege`: whoever may see an object in a catalog may use it.
//!
//! In: any arguments of the right number. Out: true.
//! Refuses to know grants: statements are checked where they are planned, not here.

use datafusion::common::Result;

use super::rows::Kind::{Object, Text};
use super::rows::{Arg, Function, Kind, strict};
use crate::pg_catalog::CatalogView;
use crate::pg_catalog::cells::Cell;

/// Object and privilege, with the role before them or not.
const ONE: &[Kind] = &[Object, Object, Text];
/// The same with a column.
const COLUMN: &[Kind] = &[Object, Object, Object, Text];

pub(super) const FUNCTIONS: &[Function] = &[
    strict("has_any_column_privilege", ONE, "bool", granted).optional(1),
    strict("has_column_privilege", COLUMN, "bool", granted).optional(1),
    strict("has_database_privilege", ONE, "bool", granted).optional(1),
    strict("has_foreign_data_wrapper_privilege", ONE, "bool", granted).optional(1),
    strict("has_function_privilege", ONE, "bool", granted).optional(1),
    strict("has_language_privilege", ONE, "bool", granted).optional(1),
    strict("has_parameter_privilege", ONE, "bool", granted).optional(1),
    strict("has_schema_privilege", ONE, "bool", granted).optional(1),
    strict("has_sequence_privilege", ONE, "bool", granted).optional(1),
    strict("has_server_privilege", ONE, "bool", granted).optional(1),
    strict("has_table_privilege", ONE, "bool", granted).optional(1),
    strict("has_tablespace_privilege", ONE, "bool", granted).optional(1),
    strict("has_type_privilege", ONE, "bool", granted).optional(1),
    strict("pg_has_role", ONE, "bool", granted).optional(1),
];

fn granted(_: &CatalogView, _: &[Arg<'_>]) -> Result<Cell> {
    Ok(true.into())
}

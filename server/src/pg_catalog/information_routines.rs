//! Rows of `information_schema` about functions.
//!
//! In: the rows of `pg_proc`. Out: sparse rows of `routines` and `parameters`.
//! Refuses to show defaults: those of the system's functions are not kept.

use super::cells::Sparse;
use super::information::yes_or_no;
use super::lookup::{PROCS, ProcRow};
use super::{CatalogView, static_rows, type_names};

/// The rows of that relation, or `None` if it is not one of these.
pub(super) fn rows<'a>(name: &str, view: &'a CatalogView) -> Option<Vec<Sparse<'a>>> {
    Some(match name {
        "routines" => PROCS.iter().map(|row| routine(view, row)).collect(),
        "parameters" => PROCS.iter().flat_map(|row| parameters(view, row)).collect(),
        _ => return None,
    })
}

/// The name that only one function has.
fn specific<'a>(view: &'a CatalogView, row: &'static ProcRow) -> Sparse<'a> {
    vec![
        ("specific_catalog", view.database.as_str().into()),
        ("specific_schema", view.schema_name(row.namespace).into()),
        ("specific_name", format!("{}_{}", row.name, row.oid).into()),
    ]
}

fn routine<'a>(view: &'a CatalogView, row: &'static ProcRow) -> Sparse<'a> {
    let mut languages = static_rows::lines("pg_language");
    let language = languages.find(|line| line.first() == Some(&row.language));
    let language = language.and_then(|line| line.get(1).map(|name| name.to_uppercase()));
    let body = if language.as_deref() == Some("SQL") { "SQL" } else { "EXTERNAL" };
    let of_type = type_names::by_oid(row.return_type);
    let kind = match row.kind {
        "f" => Some("FUNCTION"),
        "p" => Some("PROCEDURE"),
        _ => None,
    };
    let mut cells = specific(view, row);
    cells.extend([
        ("routine_catalog", view.database.as_str().into()),
        ("routine_schema", view.schema_name(row.namespace).into()),
        ("routine_name", row.name.into()),
        ("routine_type", kind.into()),
        ("data_type", word(row.return_type).into()),
        ("type_udt_catalog", view.database.as_str().into()),
        ("type_udt_schema", of_type.and_then(|row| view.schema_name(row.namespace)).into()),
        ("type_udt_name", of_type.map(|row| row.name).into()),
        ("dtd_identifier", "0".into()),
        ("routine_body", body.into()),
        ("external_language", language.into()),
        ("parameter_style", "GENERAL".into()),
        ("is_deterministic", yes_or_no(row.volatility == "i").into()),
        ("sql_data_access", "MODIFIES".into()),
        ("is_null_call", yes_or_no(row.strict).into()),
        ("schema_level_routine", "YES".into()),
        ("max_dynamic_result_sets", 0.into()),
        ("security_type", "INVOKER".into()),
        ("as_locator", "NO".into()),
        ("is_udt_dependent", "NO".into()),
    ]);
    cells
}

fn parameters<'a>(
    view: &'a CatalogView,
    row: &'static ProcRow,
) -> impl Iterator<Item = Sparse<'a>> + use<'a> {
    let types = if row.all_types.is_empty() { &row.input_types } else { &row.all_types };
    types.iter().enumerate().map(move |(at, &of_type)| {
        let mode = match row.modes.get(at).copied() {
            Some("o" | "t") => "OUT",
            Some("b") => "INOUT",
            _ => "IN",
        };
        let name = row.names.get(at).copied().filter(|name| !name.is_empty());
        let found = type_names::by_oid(of_type);
        let mut cells = specific(view, row);
        cells.extend([
            ("ordinal_position", (at as i64 + 1).into()),
            ("parameter_mode", mode.into()),
            ("is_result", "NO".into()),
            ("as_locator", "NO".into()),
            ("parameter_name", name.into()),
            ("data_type", word(of_type).into()),
            ("udt_catalog", view.database.as_str().into()),
            ("udt_schema", found.and_then(|row| view.schema_name(row.namespace)).into()),
            ("udt_name", found.map(|row| row.name).into()),
            ("dtd_identifier", (at + 1).to_string().into()),
        ]);
        cells
    })
}

/// What the standard calls a type: an array is one whatever its items are.
fn word(of_type: u32) -> String {
    let is_array = type_names::by_oid(of_type)
        .is_some_and(|row| row.element != 0 && row.len == -1 && row.array == 0);
    if is_array { "ARRAY".to_owned() } else { type_names::format_type(of_type, None) }
}

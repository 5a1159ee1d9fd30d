//! `pg_get_function_*`: functions as `\df` shows them.
//!
//! In: the oid of a row of `pg_proc`. Out: its arguments and its result in words.
//! Arguments with defaults come from a file, since their expressions are not kept.

use datafusion::common::Result;

use super::rows::Kind::{Bool, Int};
use super::rows::{Arg, Function, strict};
use crate::pg_catalog::cells::{Cell, unescape};
use crate::pg_catalog::lookup::{ProcRow, proc_by_oid, quote_ident};
use crate::pg_catalog::type_names::format_type;
use crate::pg_catalog::{CatalogView, static_rows};

pub(super) const FUNCTIONS: &[Function] = &[
    strict("pg_get_function_result", &[Int], "text", |_, args| shown(args, result)),
    strict("pg_get_function_arguments", &[Int], "text", |_, args| shown(args, arguments)),
    strict("pg_get_function_identity_arguments", &[Int], "text", |_, args| shown(args, identity)),
    strict("pg_get_function_arg_default", &[Int, Int], "text", null),
    strict("pg_get_function_sqlbody", &[Int], "text", null),
    strict("pg_get_triggerdef", &[Int, Bool], "text", null).optional(1),
];

fn null(_: &CatalogView, _: &[Arg<'_>]) -> Result<Cell> {
    Ok(Cell::Null)
}

fn shown(args: &[Arg<'_>], show: fn(&ProcRow) -> Option<String>) -> Result<Cell> {
    Ok(proc_by_oid(args[0].oid()).and_then(show).into())
}

/// Each argument as mode, type and name.
fn all(row: &ProcRow) -> impl Iterator<Item = (&str, u32, &str)> {
    let types = match row.all_types.is_empty() {
        true => &row.input_types,
        false => &row.all_types,
    };
    let at = |at: usize, of_type: u32| {
        let name = row.names.get(at).copied().unwrap_or("");
        (row.modes.get(at).copied().unwrap_or("i"), of_type, name)
    };
    (0..types.len()).map(move |i| at(i, types[i]))
}

fn named(name: &str, of_type: u32) -> String {
    match name {
        "" => format_type(of_type, None),
        name => format!("{} {}", quote_ident(name), format_type(of_type, None)),
    }
}

/// Arguments as they are declared.
pub(super) fn arguments(row: &ProcRow) -> Option<String> {
    with_defaults(row, 1).or_else(|| plain_arguments(row))
}

/// Arguments as they tell one function from another.
fn identity(row: &ProcRow) -> Option<String> {
    with_defaults(row, 2).or_else(|| plain_arguments(row))
}

/// A field of the line about a function that has defaults.
fn with_defaults(row: &ProcRow, field: usize) -> Option<String> {
    let oid = row.oid.to_string();
    let mut lines = static_rows::lines("mobula_arguments");
    let line = lines.find(|line| line.first() == Some(&oid.as_str()))?;
    line.get(field).map(|text| unescape(text))
}

fn plain_arguments(row: &ProcRow) -> Option<String> {
    let is_variadic = row.variadic != 0 && row.modes.is_empty();
    let count = row.input_types.len();
    let shown = all(row).enumerate().filter(|(_, (mode, ..))| *mode != "t");
    let shown = shown.map(|(at, (mode, of_type, name))| {
        let word = match mode {
            "o" => "OUT ",
            "b" => "INOUT ",
            "v" => "VARIADIC ",
            _ if is_variadic && at + 1 == count => "VARIADIC ",
            _ => "",
        };
        format!("{word}{}", named(name, of_type))
    });
    Some(shown.collect::<Vec<_>>().join(", "))
}

/// What it returns; a procedure returns nothing.
pub(super) fn result(row: &ProcRow) -> Option<String> {
    if row.kind == "p" {
        return None;
    }
    let columns = all(row).filter(|(mode, ..)| *mode == "t");
    let columns: Vec<_> = columns.map(|(_, of_type, name)| named(name, of_type)).collect();
    if !columns.is_empty() {
        return Some(format!("TABLE({})", columns.join(", ")));
    }
    let set = if row.returns_set { "SETOF " } else { "" };
    Some(format!("{set}{}", format_type(row.return_type, None)))
}

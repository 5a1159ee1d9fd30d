//! `pg_get_functiondef`: the statement that would make a function.
//!
//! In: the oid of a row of `pg_proc`. Out: `CREATE OR REPLACE FUNCTION ...` as PostgreSQL has it.
//! Refuses aggregates, as PostgreSQL does, and functions whose body is SQL: it is not kept.

use datafusion::common::Result;

use super::procs::{arguments, result};
use super::refusal;
use super::reg::PROC;
use super::rows::Kind::Int;
use super::rows::{Arg, Function, strict};
use crate::error::SqlState;
use crate::pg_catalog::cells::{Cell, unescape};
use crate::pg_catalog::lookup::{ProcRow, proc_by_oid, quote_ident};
use crate::pg_catalog::{CatalogView, static_rows};

pub(super) const FUNCTIONS: &[Function] =
    &[strict("pg_get_functiondef", &[Int], "text", definition)];

/// Columns of `pg_proc`, as far as only this needs them.
const COST: usize = 5;
const ROWS: usize = 6;
const SUPPORT: usize = 8;
const SECURITY_DEFINER: usize = 10;
const LEAKPROOF: usize = 11;
const PARALLEL: usize = 15;
const SOURCE: usize = 25;
const LIBRARY: usize = 26;

fn definition(view: &CatalogView, args: &[Arg<'_>]) -> Result<Cell> {
    let Some(row) = proc_by_oid(args[0].oid()) else {
        return Ok(Cell::Null);
    };
    if row.kind == "a" {
        let message = format!("\"{}\" is an aggregate function", row.name);
        return Err(refusal(SqlState::WrongObjectType, message));
    }
    let oid = row.oid.to_string();
    let line = static_rows::lines("pg_proc").find(|line| line.first() == Some(&oid.as_str()));
    let line = line.unwrap_or_default();
    let field = |at: usize| line.get(at).copied().unwrap_or("\\N");
    let source = unescape(field(SOURCE));
    if source.is_empty() {
        let message = format!("the definition of function \"{}\" is not supported", row.name);
        return Err(refusal(SqlState::FeatureNotSupported, message));
    }
    let text = head(view, row) + &options(view, row, field);
    let library = field(LIBRARY);
    let library = match library {
        "\\N" => String::new(),
        path => format!("'{}', ", unescape(path)),
    };
    let mark = if row.kind == "p" { "$procedure$" } else { "$function$" };
    Ok(format!("{text}AS {library}{mark}{source}{mark}\n").into())
}

fn head(view: &CatalogView, row: &ProcRow) -> String {
    let what = if row.kind == "p" { "PROCEDURE" } else { "FUNCTION" };
    let schema = quote_ident(view.schema_name(row.namespace).unwrap_or_default());
    let name = quote_ident(row.name);
    let arguments = arguments(row).unwrap_or_default();
    let returns = result(row).map(|result| format!(" RETURNS {result}\n")).unwrap_or_default();
    let mut languages = static_rows::lines("pg_language");
    let language = languages.find(|line| line.first() == Some(&row.language));
    let language = language.and_then(|line| line.get(1).copied()).unwrap_or_default();
    let language = quote_ident(language);
    format!(
        "CREATE OR REPLACE {what} {schema}.{name}({arguments})\n{returns} LANGUAGE {language}\n"
    )
}

/// What is not said when it is the default.
fn options<'a>(view: &CatalogView, row: &ProcRow, field: impl Fn(usize) -> &'a str) -> String {
    let words = [
        (row.kind == "w", " WINDOW"),
        (row.volatility == "i", " IMMUTABLE"),
        (row.volatility == "s", " STABLE"),
        (field(PARALLEL) == "s", " PARALLEL SAFE"),
        (field(PARALLEL) == "r", " PARALLEL RESTRICTED"),
        (row.strict, " STRICT"),
        (field(SECURITY_DEFINER) == "t", " SECURITY DEFINER"),
        (field(LEAKPROOF) == "t", " LEAKPROOF"),
    ];
    let said = words.iter().filter(|(said, _)| *said).map(|(_, word)| *word);
    let mut text: String = said.collect();
    // Those written in C cost 1, all others 100.
    let usual_cost = if row.is_compiled() { "1" } else { "100" };
    if field(COST) != usual_cost {
        text += &format!(" COST {}", field(COST));
    }
    if row.returns_set && field(ROWS) != "1000" {
        text += &format!(" ROWS {}", field(ROWS));
    }
    if let Some(support) = field(SUPPORT).parse().ok().filter(|&oid: &u32| oid != 0) {
        text += &format!(" SUPPORT {}", PROC.shown(view, support));
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text
}

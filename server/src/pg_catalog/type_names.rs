//! Types by oid and by name, for all of `pg_type`.
//!
//! In: the static rows of `pg_type`. Out: what other catalogs repeat about a type, the name SQL
//! has for it, and the oid behind a name. The few types that travel on the wire are described in
//! [`crate::types`]; this adds the rest, which only catalogs mention.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::layout::PG_CATALOG_OID;
use super::lookup::quote_ident;
use super::static_rows;
use crate::types;

/// A row of `pg_type`, as far as other catalogs repeat it.
#[derive(Debug)]
pub(super) struct TypeRow {
    pub oid: u32,
    pub name: &'static str,
    pub namespace: u32,
    pub len: i32,
    pub by_value: bool,
    pub element: u32,
    pub array: u32,
    pub align: &'static str,
    pub storage: &'static str,
    pub collation: u32,
}

static ROWS: LazyLock<Vec<TypeRow>> =
    LazyLock::new(|| static_rows::lines("pg_type").filter_map(|line| row(&line)).collect());

static BY_OID: LazyLock<HashMap<u32, &'static TypeRow>> =
    LazyLock::new(|| ROWS.iter().map(|row| (row.oid, row)).collect());

static BY_NAME: LazyLock<HashMap<&'static str, &'static TypeRow>> =
    LazyLock::new(|| ROWS.iter().map(|row| (row.name, row)).collect());

fn row(line: &[&'static str]) -> Option<TypeRow> {
    let number = |at: usize| line.get(at)?.parse().ok();
    Some(TypeRow {
        oid: number(0)?,
        name: line.get(1)?,
        namespace: number(2)?,
        len: line.get(4)?.parse().ok()?,
        by_value: *line.get(5)? == "t",
        element: number(13)?,
        array: number(14)?,
        align: line.get(22)?,
        storage: line.get(23)?,
        collation: number(28)?,
    })
}

/// The type with that oid.
pub(super) fn by_oid(oid: u32) -> Option<&'static TypeRow> {
    BY_OID.get(&oid).copied()
}

/// The type with that `typname`.
pub(super) fn by_name(name: &str) -> Option<&'static TypeRow> {
    BY_NAME.get(name).copied()
}

/// PostgreSQL's `format_type`; `None` is a call with NULL for the modifier.
pub(super) fn format_type(oid: u32, typmod: Option<i32>) -> String {
    if types::type_by_oid(oid).is_some() {
        return types::format_type(oid, typmod);
    }
    let Some(row) = by_oid(oid) else {
        return types::format_type(oid, typmod);
    };
    if row.element != 0 && row.len == -1 && row.array == 0 {
        return format_type(row.element, typmod) + "[]";
    }
    match row.name {
        // With a modifier of -1, the word alone would mean bit(1).
        "bit" if typmod == Some(-1) => "\"bit\"".into(),
        "bit" => "bit".into(),
        "varbit" => "bit varying".into(),
        "timetz" => "time with time zone".into(),
        name if row.namespace == PG_CATALOG_OID => quote_ident(name),
        name => format!("information_schema.{}", quote_ident(name)),
    }
}

/// The oid of a type written as SQL writes it: `int4`, `integer`, `numeric(10,2)`, `text[]`,
/// `pg_catalog.name`, `timestamp with time zone`.
pub(super) fn parse(text: &str) -> Option<u32> {
    let text = text.trim();
    if let Some(element) = text.strip_suffix("[]") {
        return by_oid(parse(element)?).map(|row| row.array).filter(|&oid| oid != 0);
    }
    if text == "\"char\"" {
        return by_name("char").map(|row| row.oid);
    }
    let bare = text.strip_prefix("pg_catalog.").unwrap_or(text);
    let bare = bare.strip_prefix("information_schema.").unwrap_or(bare).replace('"', "");
    let plain = without_modifier(&bare).to_lowercase();
    let name = match plain.as_str() {
        "boolean" => "bool",
        "smallint" => "int2",
        "integer" | "int" => "int4",
        "bigint" => "int8",
        "real" => "float4",
        "double precision" | "float" => "float8",
        "decimal" | "dec" => "numeric",
        "character varying" | "char varying" => "varchar",
        "character" | "char" => "bpchar",
        "bit varying" => "varbit",
        "timestamp without time zone" => "timestamp",
        "timestamp with time zone" => "timestamptz",
        "time without time zone" => "time",
        "time with time zone" => "timetz",
        other => other,
    };
    by_name(name).map(|row| row.oid)
}

/// `numeric(10,2)` as `numeric`, `timestamp(3) with time zone` without its `(3)`.
fn without_modifier(text: &str) -> String {
    match (text.find('('), text.find(')')) {
        (Some(open), Some(close)) if open < close => {
            let rest = format!("{}{}", &text[..open], &text[close + 1..]);
            rest.trim().to_owned()
        }
        _ => text.to_owned(),
    }
}

//! Functions that put an object into words.
//!
//! In: oids and names. Out: what PostgreSQL's own functions of the same names tell of them.
//! What we do not have (rules, triggers, defaults ...) is answered with NULL, as PostgreSQL answers
//! about an oid that no object has.

use datafusion::common::Result;

use super::reg::{self, CLASS};
use super::rows::Kind::{Bool, Int, Object, Text};
use super::rows::{Arg, Function, strict};
use crate::pg_catalog::cells::Cell;
use crate::pg_catalog::lookup::{AnyRelation, proc_by_oid, quote_ident};
use crate::pg_catalog::relation_rows::is_publishable;
use crate::pg_catalog::type_names::{by_oid, format_type};
use crate::pg_catalog::{CatalogView, comments, keys};

pub(super) const FUNCTIONS: &[Function] = &[
    strict("format_type", &[Int, Int], "text", formatted).sees_nulls(),
    strict("pg_get_userbyid", &[Int], "name", user),
    strict("pg_get_viewdef", &[Object, Bool], "text", viewdef).optional(1),
    strict("pg_get_expr", &[Text, Int, Bool], "text", |_, args| expr(args)).optional(1),
    strict("pg_get_indexdef", &[Int, Int, Bool], "text", indexdef).optional(2),
    strict("pg_get_constraintdef", &[Int, Bool], "text", constraintdef).optional(1),
    strict("pg_get_ruledef", &[Int, Bool], "text", null).optional(1),
    strict("pg_get_partkeydef", &[Int], "text", null),
    strict("pg_get_partition_constraintdef", &[Int], "text", null),
    strict("pg_get_statisticsobjdef", &[Int], "text", null),
    strict("pg_get_statisticsobjdef_columns", &[Int], "text", null),
    strict("pg_get_serial_sequence", &[Text, Text], "text", null),
    strict("pg_index_column_has_property", &[Object, Int, Text], "bool", null),
    strict("pg_tablespace_location", &[Int], "text", |_, _| Ok("".into())),
    strict("obj_description", &[Int, Text], "text", comment).optional(1),
    strict("col_description", &[Int, Int], "text", column_comment),
    strict("shobj_description", &[Int, Text], "text", null),
    strict("pg_describe_object", &[Int, Int, Int], "text", described),
    strict("pg_relation_is_publishable", &[Object], "bool", publishable),
    strict("pg_encoding_to_char", &[Int], "name", |_, args| Ok(encoding_name(&args[0]).into())),
    strict("pg_char_to_encoding", &[Text], "int4", |_, args| Ok(encoding(args[0].text()).into())),
    strict("pg_relation_is_updatable", &[Object, Bool], "int4", |_, _| Ok(0.into())),
    strict("pg_column_is_updatable", &[Object, Int, Bool], "bool", |_, _| Ok(false.into())),
    strict("pg_index_has_property", &[Object, Text], "bool", null),
    strict("pg_collation_actual_version", &[Int], "text", null),
    strict("pg_database_collation_actual_version", &[Int], "text", null),
    strict("pg_get_statisticsobjdef_expressions", &[Int], "_text", null),
    strict("pg_sequence_last_value", &[Object], "int8", null),
    strict("pg_trigger_depth", &[], "int4", |_, _| Ok(0.into())),
    strict("row_security_active", &[Object], "bool", |_, _| Ok(false.into())),
    strict("pg_get_replica_identity_index", &[Object], "regclass", null),
    strict("pg_partition_root", &[Object], "regclass", null),
    strict("pg_relation_filenode", &[Object], "oid", filenode),
    strict("pg_encoding_max_length", &[Int], "int4", |_, args| Ok(widest(&args[0]).into())),
];

/// Oids of the catalogs whose objects `pg_describe_object` knows.
const PG_CLASS: u32 = 1259;
const PG_TYPE: u32 = 1247;
const PG_PROC: u32 = 1255;
const PG_NAMESPACE: u32 = 2615;

/// PostgreSQL's encodings by number, from 0.
const ENCODINGS: [&str; 42] = [
    "SQL_ASCII",
    "EUC_JP",
    "EUC_CN",
    "EUC_KR",
    "EUC_TW",
    "EUC_JIS_2004",
    "UTF8",
    "MULE_INTERNAL",
    "LATIN1",
    "LATIN2",
    "LATIN3",
    "LATIN4",
    "LATIN5",
    "LATIN6",
    "LATIN7",
    "LATIN8",
    "LATIN9",
    "LATIN10",
    "WIN1256",
    "WIN1258",
    "WIN866",
    "WIN874",
    "KOI8R",
    "WIN1251",
    "WIN1252",
    "ISO_8859_5",
    "ISO_8859_6",
    "ISO_8859_7",
    "ISO_8859_8",
    "WIN1250",
    "WIN1253",
    "WIN1254",
    "WIN1255",
    "WIN1257",
    "KOI8U",
    "SJIS",
    "BIG5",
    "GBK",
    "UHC",
    "GB18030",
    "JOHAB",
    "SHIFT_JIS_2004",
];

fn null(_: &CatalogView, _: &[Arg<'_>]) -> Result<Cell> {
    Ok(Cell::Null)
}

fn indexdef(view: &CatalogView, args: &[Arg<'_>]) -> Result<Cell> {
    let column = args.get(1).map_or(0, Arg::int);
    Ok(keys::index_definition(view, args[0].oid(), column).into())
}

fn constraintdef(view: &CatalogView, args: &[Arg<'_>]) -> Result<Cell> {
    Ok(keys::definition(view, args[0].oid()).into())
}

fn comment(view: &CatalogView, args: &[Arg<'_>]) -> Result<Cell> {
    let catalog = match args.get(1).map(Arg::text) {
        None => None,
        Some("pg_class") => Some(comments::PG_CLASS),
        Some("pg_namespace") => Some(comments::PG_NAMESPACE),
        Some(_) => return Ok(Cell::Null),
    };
    Ok(comments::comment(view, catalog, args[0].oid(), 0).into())
}

fn column_comment(view: &CatalogView, args: &[Arg<'_>]) -> Result<Cell> {
    let (oid, column) = (args[0].oid(), args[1].int());
    let catalog = Some(comments::PG_CLASS);
    Ok(comments::comment(view, catalog, oid, column).filter(|_| column > 0).into())
}

fn formatted(_: &CatalogView, args: &[Arg<'_>]) -> Result<Cell> {
    if matches!(args[0], Arg::Null) {
        return Ok(Cell::Null);
    }
    let typmod = match args[1] {
        Arg::Int(typmod) => i32::try_from(typmod).ok(),
        _ => None,
    };
    Ok(format_type(args[0].oid(), typmod).into())
}

fn user(view: &CatalogView, args: &[Arg<'_>]) -> Result<Cell> {
    let oid = args[0].oid();
    Ok(view.role_name(oid).map_or_else(|| format!("unknown (OID={oid})"), str::to_owned).into())
}

fn viewdef(view: &CatalogView, args: &[Arg<'_>]) -> Result<Cell> {
    let oid = reg::resolve(view, &CLASS, &args[0])?;
    let Some(AnyRelation::User(row)) = view.relation(oid) else {
        return Ok(Cell::Null);
    };
    let text = row.definition.as_deref().map(|text| text.trim().trim_end_matches(';'));
    // PostgreSQL's text begins with a space, and clients print or cut it by that.
    Ok(text.map(|text| format!(" {text};")).into())
}

/// Our catalogs keep no expression trees; what stands in such a column is the text itself.
fn expr(args: &[Arg<'_>]) -> Result<Cell> {
    Ok(args[0].text().into())
}

fn described(view: &CatalogView, args: &[Arg<'_>]) -> Result<Cell> {
    let oid = args[1].oid();
    Ok(match args[0].oid() {
        PG_CLASS => view.relation(oid).map(|found| {
            let noun = match found {
                AnyRelation::User(row) if row.kind.letter() == "v" => "view",
                AnyRelation::System(row) if row.kind == "v" => "view",
                _ => "table",
            };
            format!("{noun} {}", view.shown_relation(&found))
        }),
        PG_TYPE => by_oid(oid).map(|row| format!("type {}", format_type(row.oid, None))),
        PG_PROC => proc_by_oid(oid).map(|row| {
            let types = row.input_types.iter().map(|&oid| format_type(oid, None));
            format!("function {}({})", row.name, types.collect::<Vec<_>>().join(","))
        }),
        PG_NAMESPACE => view.schema_name(oid).map(|name| format!("schema {}", quote_ident(name))),
        _ => None,
    }
    .into())
}

fn publishable(view: &CatalogView, args: &[Arg<'_>]) -> Result<Cell> {
    let oid = reg::resolve(view, &CLASS, &args[0])?;
    Ok(view.relation(oid).map(|found| is_publishable(&found)).into())
}

/// The number that names a relation's files; a view has none.
fn filenode(view: &CatalogView, args: &[Arg<'_>]) -> Result<Cell> {
    let oid = reg::resolve(view, &CLASS, &args[0])?;
    let is_table = view.relation(oid).is_some_and(|found| match found {
        AnyRelation::User(row) => row.kind.letter() == "r",
        AnyRelation::System(row) => row.kind == "r",
    });
    Ok(is_table.then_some(oid).into())
}

/// How many bytes a character of an encoding takes at most.
fn widest(encoding: &Arg<'_>) -> Option<i32> {
    Some(match encoding_name(encoding) {
        "" => return None,
        "UTF8" | "EUC_TW" | "MULE_INTERNAL" | "GB18030" => 4,
        "EUC_JP" | "EUC_CN" | "EUC_KR" | "EUC_JIS_2004" | "JOHAB" => 3,
        "SJIS" | "BIG5" | "GBK" | "UHC" | "SHIFT_JIS_2004" => 2,
        _ => 1,
    })
}

fn encoding_name(arg: &Arg<'_>) -> &'static str {
    usize::try_from(arg.int()).ok().and_then(|at| ENCODINGS.get(at)).copied().unwrap_or("")
}

/// The number of an encoding, whose names are compared without case and punctuation.
fn encoding(name: &str) -> i32 {
    let plain = |text: &str| -> String {
        text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
    };
    let wanted = match plain(name).as_str() {
        "unicode" => "utf8".to_owned(),
        other => other.to_owned(),
    };
    let at = ENCODINGS.iter().position(|known| plain(known) == wanted);
    at.and_then(|at| i32::try_from(at).ok()).unwrap_or(-1)
}

//! The shape of the system relations.
//!
//! In: `data/relations.tsv` and our own `data/mobula_relations.tsv`. Out: every system relation
//! with its oid, columns and Arrow schema.
//! Refuses to know the rows.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use datafusion::arrow::datatypes::{DataType, Field, IntervalUnit, Schema, SchemaRef, TimeUnit};

use crate::types::PG_TYPE_KEY;

/// Name of the schema of the system catalogs.
pub(super) const PG_CATALOG: &str = "pg_catalog";
/// Name of the schema that the SQL standard defines.
pub(super) const INFORMATION_SCHEMA: &str = "information_schema";
/// Oid of `pg_catalog`, the same on every PostgreSQL.
pub(super) const PG_CATALOG_OID: u32 = 11;
/// Oid of `information_schema` on the server that `data/` was read from.
pub(super) const INFORMATION_SCHEMA_OID: u32 = 13207;
/// Name of the schema of what runs here. It is never searched for a bare name: the role of that
/// name would find its views before the tables of users.
pub(crate) const MOBULA: &str = "mobula";
/// Oid of `mobula`, above those of PostgreSQL and below those of users.
const MOBULA_OID: u32 = 15_000;
/// Name of the schema of what Ray knows, whoever's it is.
pub(crate) const RAY: &str = "ray";
/// Oid of `ray`.
const RAY_OID: u32 = 15_010;
/// The schemas that the system brings.
pub(crate) const SYSTEM_SCHEMAS: [(u32, &str); 4] = [
    (PG_CATALOG_OID, PG_CATALOG),
    (INFORMATION_SCHEMA_OID, INFORMATION_SCHEMA),
    (MOBULA_OID, MOBULA),
    (RAY_OID, RAY),
];
/// Oid of the bootstrap superuser, who owns everything the system brings.
pub(super) const BOOTSTRAP_OID: u32 = 10;

/// A relation that the system brings.
#[derive(Debug)]
pub(super) struct SystemRelation {
    pub oid: u32,
    pub schema: &'static str,
    pub name: &'static str,
    /// `r` or `v`, as in `pg_class.relkind`.
    pub kind: &'static str,
    pub columns: Vec<SystemColumn>,
    pub arrow: SchemaRef,
}

/// A column of such a relation.
#[derive(Debug)]
pub(super) struct SystemColumn {
    pub name: &'static str,
    /// `pg_type.typname`; for a domain, the domain's.
    pub type_name: &'static str,
    pub not_null: bool,
}

impl SystemRelation {
    /// Oid of the schema it is in.
    pub(super) fn schema_oid(&self) -> u32 {
        let mine = SYSTEM_SCHEMAS.iter().find(|(_, name)| *name == self.schema);
        mine.map_or(PG_CATALOG_OID, |(oid, _)| *oid)
    }
}

/// All system relations, by ascending oid.
pub(super) static RELATIONS: LazyLock<Vec<SystemRelation>> = LazyLock::new(|| {
    let ours = include_str!("data/mobula_relations.tsv").lines();
    include_str!("data/relations.tsv").lines().chain(ours).filter_map(relation).collect()
});

/// What `pg_get_keywords()` returns. The planner's rewrite reads it in the function's place.
pub(super) static KEYWORDS: LazyLock<SystemRelation> = LazyLock::new(|| {
    let columns = "word:text catcode:char barelabel:bool catdesc:text baredesc:text";
    made(0, PG_CATALOG, "mobula_keywords", "v", columns)
});

static BY_NAME: LazyLock<HashMap<(&'static str, &'static str), usize>> = LazyLock::new(|| {
    RELATIONS.iter().enumerate().map(|(at, found)| ((found.schema, found.name), at)).collect()
});

/// The system relation of that name.
pub(super) fn find(schema: &str, name: &str) -> Option<&'static SystemRelation> {
    BY_NAME.get(&(schema, name)).map(|&at| &RELATIONS[at])
}

fn relation(line: &'static str) -> Option<SystemRelation> {
    let mut parts = line.split('\t');
    let oid = parts.next()?.parse().ok()?;
    let (schema, name, kind) = (parts.next()?, parts.next()?, parts.next()?);
    Some(made(oid, schema, name, kind, parts.next()?))
}

fn made(
    oid: u32,
    schema: &'static str,
    name: &'static str,
    kind: &'static str,
    columns: &'static str,
) -> SystemRelation {
    let columns: Vec<_> = columns.split(' ').filter_map(column).collect();
    let arrow = Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()));
    SystemRelation { oid, schema, name, kind, columns, arrow }
}

fn column(text: &'static str) -> Option<SystemColumn> {
    let (name, type_name) = text.split_once(':')?;
    let not_null = type_name.ends_with('!');
    Some(SystemColumn { name, type_name: type_name.trim_end_matches('!'), not_null })
}

fn field(column: &SystemColumn) -> Field {
    typed_field(column.name, column.type_name, !column.not_null)
}

/// A field of that PostgreSQL type. The type name travels with it where Arrow's type alone
/// would be shown as another one.
pub(super) fn typed_field(name: &str, type_name: &str, nullable: bool) -> Field {
    let base = base_of_domain(type_name);
    let (data_type, says_itself) = arrow_type(base);
    let field = Field::new(name, data_type, nullable);
    if says_itself {
        return field;
    }
    let shown = if base == "anyarray" { "_text" } else { base };
    field.with_metadata(HashMap::from([(PG_TYPE_KEY.to_owned(), shown.to_owned())]))
}

/// The base type of the domains of `information_schema`: rows travel as that.
pub(super) fn base_of_domain(type_name: &str) -> &str {
    match type_name {
        "sql_identifier" => "name",
        "cardinal_number" => "int4",
        "character_data" | "yes_or_no" => "varchar",
        "time_stamp" => "timestamptz",
        other => other,
    }
}

/// Arrow's type for a PostgreSQL type, and whether it says by itself which one it is.
fn arrow_type(type_name: &str) -> (DataType, bool) {
    match type_name {
        "bool" => (DataType::Boolean, true),
        "int2" => (DataType::Int16, true),
        "int4" => (DataType::Int32, true),
        "int8" => (DataType::Int64, true),
        "float4" => (DataType::Float32, true),
        "float8" => (DataType::Float64, true),
        "numeric" => (DataType::Decimal128(38, 0), true),
        "bytea" => (DataType::Binary, true),
        "text" => (DataType::Utf8, true),
        "timestamp" => (DataType::Timestamp(TimeUnit::Microsecond, None), true),
        "timestamptz" => (DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), true),
        "interval" => (DataType::Interval(IntervalUnit::MonthDayNano), true),
        "oid" | "xid" | "cid" | "regproc" | "regprocedure" | "regoper" | "regoperator"
        | "regclass" | "regtype" | "regnamespace" | "regrole" => (DataType::UInt32, false),
        "int2vector" => (list_of("int2"), false),
        "oidvector" => (list_of("oid"), false),
        "anyarray" => (list_of("text"), false),
        array if array.starts_with('_') => (list_of(&array[1..]), false),
        // Everything else is shown as text: name, "char", varchar, inet, pg_node_tree ...
        _ => (DataType::Utf8, false),
    }
}

fn list_of(type_name: &str) -> DataType {
    DataType::List(Arc::new(Field::new("item", arrow_type(type_name).0, true)))
}

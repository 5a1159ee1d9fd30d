//! Rows about schemas, relations and columns.
//!
//! In: the view for users' relations, the layout for the system's own. Out: sparse rows of
//! `pg_class`, `pg_attribute`, `pg_namespace`, `pg_tables` and `pg_views`.
//! Refuses to know `information_schema`.

use std::sync::OnceLock;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::Field;
use datafusion::common::{Result, internal_datafusion_err};

use super::cells::{self, Sparse};
use super::layout::{
    self, BOOTSTRAP_OID, PG_CATALOG, RELATIONS, SYSTEM_SCHEMAS, SystemColumn, SystemRelation,
};
use super::lookup::AnyRelation;
use super::{CatalogView, RelationKind, RelationRow, keys, type_names};
use crate::meta::{Constraint, Oid, Says};
use crate::types::{self, ColumnType};

/// Oid of the access method `heap`, which `pg_am` has and clients expect of a table.
const HEAP_OID: u32 = 2;
/// Oids of the collations `default` and `C`.
const DEFAULT_COLLATION: u32 = 100;
const C_COLLATION: u32 = 950;
/// Columns without a modifier say so with this.
const NO_TYPMOD: i32 = -1;

impl RelationKind {
    /// `pg_class.relkind`.
    pub(super) fn letter(self) -> &'static str {
        match self {
            RelationKind::Table => "r",
            RelationKind::View => "v",
        }
    }
}

/// Whether replication could publish it; the system's own relations never.
pub(super) fn is_publishable(relation: &AnyRelation<'_>) -> bool {
    matches!(relation, AnyRelation::User(row) if row.kind == RelationKind::Table)
}

/// The rows about the system's own relations, made once and shared by all sessions.
pub(super) fn system_batch(name: &str) -> Option<Result<RecordBatch>> {
    static CLASSES: OnceLock<RecordBatch> = OnceLock::new();
    static ATTRIBUTES: OnceLock<RecordBatch> = OnceLock::new();
    let (cache, rows): (_, fn() -> Vec<Sparse<'static>>) = match name {
        "pg_class" => (&CLASSES, || RELATIONS.iter().map(system_class).collect()),
        "pg_attribute" => (&ATTRIBUTES, || RELATIONS.iter().flat_map(system_attributes).collect()),
        _ => return None,
    };
    if let Some(batch) = cache.get() {
        return Some(Ok(batch.clone()));
    }
    Some(system(name, rows()).map(|batch| cache.get_or_init(|| batch).clone()))
}

fn system(name: &str, rows: Vec<Sparse<'_>>) -> Result<RecordBatch> {
    let relation = layout::find(PG_CATALOG, name)
        .ok_or_else(|| internal_datafusion_err!("no layout of {name}"))?;
    cells::batch_from_sparse(&relation.arrow, rows)
}

fn system_class(row: &SystemRelation) -> Sparse<'static> {
    let columns = row.columns.len();
    let owner = BOOTSTRAP_OID;
    let mut cells = class(row.oid, row.name.into(), row.schema_oid(), owner, row.kind, columns);
    cells.push(("relreplident", "n".into()));
    cells
}

/// `pg_class`: users' relations.
pub(super) fn pg_class(view: &CatalogView) -> Vec<Sparse<'_>> {
    let referring = keys::referring(view);
    let user = |row: &RelationRow| {
        let columns = row.columns.fields().len();
        let name = row.name.clone();
        let owner = row.owner_oid;
        let mut cells = class(row.oid, name, row.schema_oid, owner, row.kind.letter(), columns);
        if let Some(found) = view.rights.snapshot().relation_by_oid(Oid(row.oid)) {
            let is_indexed = |key: &Constraint| !matches!(key.says, Says::References(..));
            cells.push(("relhasindex", found.constraints.iter().any(is_indexed).into()));
            // References are kept by triggers in PostgreSQL, and clients look for them there.
            cells.push(("relhastriggers", referring.contains(&found.oid).into()));
            cells.push(("relacl", view.acl(found.acl.as_ref())));
        }
        cells
    };
    let mut rows: Vec<_> = view.relations.iter().map(user).collect();
    rows.extend(keys::index_classes(view));
    rows
}

fn class(
    oid: u32,
    name: String,
    schema: u32,
    owner: u32,
    kind: &'static str,
    columns: usize,
) -> Sparse<'static> {
    let is_table = kind == "r";
    vec![
        ("oid", oid.into()),
        ("relname", name.into()),
        ("relnamespace", schema.into()),
        ("relowner", owner.into()),
        ("relam", if is_table { HEAP_OID } else { 0 }.into()),
        ("relfilenode", if is_table { oid } else { 0 }.into()),
        // PostgreSQL's word for "never analyzed".
        ("reltuples", cells::Cell::Float(-1.0)),
        ("relpersistence", "p".into()),
        ("relkind", kind.into()),
        ("relnatts", (columns as i64).into()),
        ("relhasrules", (kind == "v").into()),
        ("relispopulated", true.into()),
        ("relreplident", if is_table { "d" } else { "n" }.into()),
    ]
}

fn system_attributes(row: &'static SystemRelation) -> impl Iterator<Item = Sparse<'static>> {
    let attribute_of = move |(at, column): (usize, &SystemColumn)| {
        let oid = type_names::by_name(column.type_name).map_or(types::oid::TEXT, |t| t.oid);
        let of_type = ColumnType { oid, typlen: 0, typmod: NO_TYPMOD };
        let mut cells = attribute(row.oid, column.name.into(), at, of_type, column.not_null);
        // The texts of the system's own tables are sorted the same everywhere.
        let is_table = row.kind == "r";
        if is_table && type_names::by_oid(oid).is_some_and(|row| row.collation == DEFAULT_COLLATION)
        {
            cells.push(("attcollation", C_COLLATION.into()));
        }
        cells
    };
    row.columns.iter().enumerate().map(attribute_of)
}

/// `pg_attribute`: columns of users' relations.
pub(super) fn pg_attribute(view: &CatalogView) -> Vec<Sparse<'_>> {
    let of_relation = |row: &RelationRow| {
        let columns = row.columns.fields().iter().enumerate();
        let attribute_of = |(at, field): (usize, &std::sync::Arc<Field>)| {
            let of_type = types::pg_type_of(field);
            let name = field.name().clone();
            let mut cells = attribute(row.oid, name, at, of_type, !field.is_nullable());
            if let Some(found) = view.rights.snapshot().relation_by_oid(Oid(row.oid)) {
                cells.push(("attacl", view.acl(found.column_acls.get(field.name()))));
            }
            cells
        };
        columns.map(attribute_of).collect::<Vec<_>>()
    };
    let mut rows: Vec<_> = view.relations.iter().flat_map(of_relation).collect();
    rows.extend(keys::index_attributes(view));
    rows
}

fn attribute(
    relation: u32,
    name: String,
    at: usize,
    of_type: ColumnType,
    not_null: bool,
) -> Sparse<'static> {
    let row = type_names::by_oid(of_type.oid);
    let dimensions = row.is_some_and(|row| row.element != 0 && row.array == 0);
    vec![
        ("attrelid", relation.into()),
        ("attname", name.into()),
        ("atttypid", of_type.oid.into()),
        ("attstattarget", (-1).into()),
        ("attlen", row.map_or(-1, |row| row.len).into()),
        ("attnum", (at as i64 + 1).into()),
        ("attndims", i32::from(dimensions).into()),
        ("attcacheoff", (-1).into()),
        ("atttypmod", of_type.typmod.into()),
        ("attbyval", row.is_some_and(|row| row.by_value).into()),
        ("attalign", row.map_or("i", |row| row.align).into()),
        ("attstorage", row.map_or("x", |row| row.storage).into()),
        ("attnotnull", not_null.into()),
        ("attislocal", true.into()),
        ("attcollation", row.map_or(0, |row| row.collation).into()),
    ]
}

/// `pg_namespace`: the system's schemas and the view's.
pub(super) fn pg_namespace(view: &CatalogView) -> Vec<Sparse<'_>> {
    let system = SYSTEM_SCHEMAS.map(|(oid, name)| (oid, name, BOOTSTRAP_OID));
    let user = view.schemas.iter().map(|row| (row.oid, row.name.as_str(), row.owner_oid));
    let is_new = |row: &(u32, &str, u32)| system.iter().all(|known| known.1 != row.1);
    let all = system.into_iter().chain(user.filter(is_new));
    all.map(|(oid, name, owner)| {
        let found = view.rights.snapshot().schema(name).filter(|found| found.oid.0 == oid);
        let acl = found.and_then(|found| found.acl.as_ref());
        vec![
            ("oid", oid.into()),
            ("nspname", name.into()),
            ("nspowner", owner.into()),
            ("nspacl", view.acl(acl)),
        ]
    })
    .collect()
}

/// `pg_tables`: the system's tables and the view's.
pub(super) fn pg_tables(view: &CatalogView) -> Vec<Sparse<'_>> {
    let row = |schema: Option<&str>, name: &str, owner: u32| {
        vec![
            ("schemaname", schema.into()),
            ("tablename", name.into()),
            ("tableowner", view.role_name(owner).into()),
            ("hasindexes", false.into()),
            ("hasrules", false.into()),
            ("hastriggers", false.into()),
            ("rowsecurity", false.into()),
        ]
    };
    let system = RELATIONS.iter().filter(|found| found.kind == "r");
    let system = system.map(|found| row(Some(found.schema), found.name, BOOTSTRAP_OID));
    let user = view.relations.iter().filter(|found| found.kind == RelationKind::Table);
    let user =
        user.map(|found| row(view.schema_name(found.schema_oid), &found.name, found.owner_oid));
    system.chain(user).collect()
}

/// `pg_views`: the view's. The system's are not views here, so they have no definition to show.
pub(super) fn pg_views(view: &CatalogView) -> Vec<Sparse<'_>> {
    let user = view.relations.iter().filter(|found| found.kind == RelationKind::View);
    user.map(|found| {
        vec![
            ("schemaname", view.schema_name(found.schema_oid).into()),
            ("viewname", found.name.as_str().into()),
            ("viewowner", view.role_name(found.owner_oid).into()),
            ("definition", found.definition.as_deref().into()),
        ]
    })
    .collect()
}

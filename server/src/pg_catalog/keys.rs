//! Keys as they were declared, which nothing checks: primary keys, unique ones, references.
//!
//! In: the view. Out: sparse rows of `pg_constraint`, of `pg_index` with what `pg_class` has of an
//! index, of `information_schema`, and the words for one of them. BI tools draw joins from these,
//! drivers ask for primary keys by their indexes: so there is a row for the index that PostgreSQL
//! would have, though there is no index to read.

use std::collections::BTreeSet;

use super::cells::{Cell, Sparse};
use super::information::{prefix, yes_or_no};
use super::lookup::quote_ident;
use super::type_names;
use super::{CatalogView, RelationRow};
use crate::meta::{Constraint, Oid, Relation, Says};
use crate::types;

/// Oid of the access method `btree`, which clients expect of an index.
const BTREE_OID: u32 = 403;

/// A key, the relation that has it, and how the view has that.
struct Key<'a> {
    row: &'a RelationRow,
    relation: &'a Relation,
    key: &'a Constraint,
}

fn all(view: &CatalogView) -> impl Iterator<Item = Key<'_>> {
    view.relations.iter().flat_map(|row| {
        let found = view.rights.snapshot().relation_by_oid(Oid(row.oid));
        found.into_iter().flat_map(move |relation| {
            let relation = relation.as_ref();
            relation.constraints.iter().map(move |key| Key { row, relation, key })
        })
    })
}

/// Keys that an index would serve.
fn indexed(view: &CatalogView) -> impl Iterator<Item = Key<'_>> {
    all(view).filter(|key| !matches!(key.key.says, Says::References(..)))
}

impl Key<'_> {
    fn is_primary(&self) -> bool {
        matches!(self.key.says, Says::PrimaryKey)
    }

    /// What the standard calls it.
    fn words(&self) -> &'static str {
        match self.key.says {
            Says::PrimaryKey => "PRIMARY KEY",
            Says::Unique => "UNIQUE",
            Says::References(..) => "FOREIGN KEY",
        }
    }
}

/// The numbers of columns by their names.
fn numbers(row: &RelationRow, names: &[String]) -> Vec<i64> {
    let number = |name: &String| {
        let at = row.columns.fields().iter().position(|field| field.name() == name);
        at.map_or(0, |at| at as i64 + 1)
    };
    names.iter().map(number).collect()
}

fn list(numbers: Vec<i64>) -> Cell {
    Cell::List(numbers.into_iter().map(Cell::from).collect())
}

fn named(names: &[String]) -> String {
    names.iter().map(|name| quote_ident(name)).collect::<Vec<_>>().join(", ")
}

/// `pg_constraint`.
pub(super) fn pg_constraint(view: &CatalogView) -> Vec<Sparse<'_>> {
    all(view).map(|key| constraint(view, &key)).collect()
}

fn constraint<'a>(view: &'a CatalogView, found: &Key<'a>) -> Sparse<'a> {
    let Key { row, key, .. } = found;
    let mut cells = vec![
        ("oid", key.oid.0.into()),
        ("conname", key.name.as_str().into()),
        ("connamespace", row.schema_oid.into()),
        ("conrelid", row.oid.into()),
        ("conislocal", true.into()),
        ("connoinherit", true.into()),
        ("conkey", list(numbers(row, &key.columns))),
        ("confupdtype", " ".into()),
        ("confdeltype", " ".into()),
        ("confmatchtype", " ".into()),
        (
            "contype",
            match key.says {
                Says::PrimaryKey => "p",
                Says::Unique => "u",
                Says::References(..) => "f",
            }
            .into(),
        ),
        ("conindid", key.index_oid.0.into()),
    ];
    if let Says::References(target, columns) = &key.says {
        let target_row = view.relations.iter().find(|row| row.oid == target.0);
        let numbers = target_row.map(|row| numbers(row, columns)).unwrap_or_default();
        cells.extend([
            ("confrelid", target.0.into()),
            ("confkey", list(numbers)),
            ("confupdtype", "a".into()),
            ("confdeltype", "a".into()),
            ("confmatchtype", "s".into()),
            ("conindid", index_of(view, *target, columns).into()),
        ]);
    }
    cells
}

/// The index of the key that a reference names; 0 when it names none.
fn index_of(view: &CatalogView, target: Oid, columns: &[String]) -> u32 {
    let mut keys = indexed(view).filter(|key| key.relation.oid == target);
    keys.find(|key| key.key.columns == columns).map_or(0, |key| key.key.index_oid.0)
}

/// The relations that refer to others, and those.
pub(super) fn referring(view: &CatalogView) -> BTreeSet<Oid> {
    let ends = |found: Key<'_>| match found.key.says {
        Says::References(target, ..) => vec![found.relation.oid, target],
        _ => vec![],
    };
    all(view).flat_map(ends).collect()
}

/// `pg_index`.
pub(super) fn pg_index(view: &CatalogView) -> Vec<Sparse<'_>> {
    let row = |found: Key<'_>| {
        let count = found.key.columns.len();
        let zeros = || list(vec![0; count]);
        vec![
            ("indexrelid", found.key.index_oid.0.into()),
            ("indrelid", found.row.oid.into()),
            ("indnatts", Cell::Int(count as i64)),
            ("indnkeyatts", Cell::Int(count as i64)),
            ("indisunique", true.into()),
            ("indisprimary", found.is_primary().into()),
            ("indimmediate", true.into()),
            ("indisvalid", true.into()),
            ("indisready", true.into()),
            ("indislive", true.into()),
            ("indkey", list(numbers(found.row, &found.key.columns))),
            ("indcollation", zeros()),
            ("indclass", zeros()),
            ("indoption", zeros()),
        ]
    };
    indexed(view).map(row).collect()
}

/// The rows of `pg_class` for those.
pub(super) fn index_classes(view: &CatalogView) -> Vec<Sparse<'_>> {
    let row = |found: Key<'_>| {
        vec![
            ("oid", found.key.index_oid.0.into()),
            ("relname", found.key.name.clone().into()),
            ("relnamespace", found.row.schema_oid.into()),
            ("relowner", found.row.owner_oid.into()),
            ("relam", BTREE_OID.into()),
            ("reltuples", Cell::Float(-1.0)),
            ("relpersistence", "p".into()),
            ("relkind", "i".into()),
            ("relnatts", Cell::Int(found.key.columns.len() as i64)),
            ("relispopulated", true.into()),
            ("relreplident", "n".into()),
        ]
    };
    indexed(view).map(row).collect()
}

/// `pg_indexes`.
pub(super) fn pg_indexes(view: &CatalogView) -> Vec<Sparse<'_>> {
    let row = |found: Key<'_>| {
        vec![
            ("schemaname", view.schema_name(found.row.schema_oid).map(str::to_owned).into()),
            ("tablename", found.row.name.clone().into()),
            ("indexname", found.key.name.clone().into()),
            ("indexdef", index_words(view, &found).into()),
        ]
    };
    indexed(view).map(row).collect()
}

fn index_words(view: &CatalogView, found: &Key<'_>) -> String {
    let schema = view.schema_name(found.row.schema_oid).unwrap_or_default();
    format!(
        "CREATE UNIQUE INDEX {} ON {}.{} USING btree ({})",
        quote_ident(&found.key.name),
        quote_ident(schema),
        quote_ident(&found.row.name),
        named(&found.key.columns)
    )
}

/// `pg_get_indexdef`: the whole, or one column of it by its number.
pub(super) fn index_definition(view: &CatalogView, oid: u32, column: i64) -> Option<String> {
    let found = indexed(view).find(|found| found.key.index_oid.0 == oid)?;
    if column == 0 {
        return Some(index_words(view, &found));
    }
    let at = usize::try_from(column - 1).ok()?;
    Some(found.key.columns.get(at).map(|name| quote_ident(name)).unwrap_or_default())
}

/// `pg_get_constraintdef`.
pub(super) fn definition(view: &CatalogView, oid: u32) -> Option<String> {
    let found = all(view).find(|found| found.key.oid.0 == oid)?;
    let mut text = format!("{} ({})", found.words(), named(&found.key.columns));
    if let Says::References(target, columns) = &found.key.says {
        let target = view.relation(target.0);
        let target = target.map(|found| view.shown_relation(&found)).unwrap_or_default();
        text += &format!(" REFERENCES {target}({})", named(columns));
    }
    Some(text + " NOT ENFORCED")
}

/// The rows of a relation of `information_schema` about keys, or `None` if it is not one of these.
pub(super) fn information<'a>(name: &str, view: &'a CatalogView) -> Option<Vec<Sparse<'a>>> {
    Some(match name {
        "table_constraints" => all(view).map(|key| table_constraint(view, &key)).collect(),
        "key_column_usage" => all(view).flat_map(|key| key_columns(view, &key)).collect(),
        "referential_constraints" => {
            all(view).filter_map(|key| referential_constraint(view, &key)).collect()
        }
        "constraint_column_usage" => all(view).flat_map(|key| used_columns(view, &key)).collect(),
        "constraint_table_usage" => all(view)
            .filter_map(|found| {
                let (row, _) = used(view, &found)?;
                let mut cells = prefix(view, row);
                cells.extend(constraint_name(view, &found));
                Some(cells)
            })
            .collect(),
        _ => return None,
    })
}

fn constraint_name<'a>(view: &'a CatalogView, found: &Key<'a>) -> Sparse<'a> {
    vec![
        ("constraint_catalog", view.database.as_str().into()),
        ("constraint_schema", view.schema_name(found.row.schema_oid).into()),
        ("constraint_name", found.key.name.as_str().into()),
    ]
}

fn table_constraint<'a>(view: &'a CatalogView, found: &Key<'a>) -> Sparse<'a> {
    let mut cells = constraint_name(view, found);
    cells.extend(prefix(view, found.row));
    cells.extend([
        ("constraint_type", found.words().into()),
        ("is_deferrable", "NO".into()),
        ("initially_deferred", "NO".into()),
        ("enforced", yes_or_no(false).into()),
    ]);
    cells
}

fn key_columns<'a>(view: &'a CatalogView, found: &Key<'a>) -> Vec<Sparse<'a>> {
    let is_reference = matches!(found.key.says, Says::References(..));
    let columns = found.key.columns.iter().zip(1_i64..);
    columns
        .map(|(column, number)| {
            let mut cells = constraint_name(view, found);
            cells.extend(prefix(view, found.row));
            cells.extend([
                ("column_name", column.as_str().into()),
                ("ordinal_position", Cell::Int(number)),
                ("position_in_unique_constraint", is_reference.then_some(number).into()),
            ]);
            cells
        })
        .collect()
}

/// The relation and the columns that a key is about: of a reference, what it refers to.
fn used<'a>(view: &'a CatalogView, found: &Key<'a>) -> Option<(&'a RelationRow, &'a [String])> {
    match &found.key.says {
        Says::References(target, columns) => {
            let row = view.relations.iter().find(|row| row.oid == target.0)?;
            Some((row, columns))
        }
        _ => Some((found.row, &found.key.columns)),
    }
}

fn used_columns<'a>(view: &'a CatalogView, found: &Key<'a>) -> Vec<Sparse<'a>> {
    let Some((row, columns)) = used(view, found) else { return vec![] };
    columns
        .iter()
        .map(|column| {
            let mut cells = prefix(view, row);
            cells.push(("column_name", column.as_str().into()));
            cells.extend(constraint_name(view, found));
            cells
        })
        .collect()
}

fn referential_constraint<'a>(view: &'a CatalogView, found: &Key<'a>) -> Option<Sparse<'a>> {
    let Says::References(target, columns) = &found.key.says else { return None };
    let mut keys = indexed(view).filter(|key| key.relation.oid == *target);
    let unique = keys.find(|key| key.key.columns == *columns);
    let mut cells = constraint_name(view, found);
    if let Some(unique) = unique {
        cells.extend([
            ("unique_constraint_catalog", view.database.as_str().into()),
            ("unique_constraint_schema", view.schema_name(unique.row.schema_oid).into()),
            ("unique_constraint_name", unique.key.name.as_str().into()),
        ]);
    }
    cells.extend([
        ("match_option", "NONE".into()),
        ("update_rule", "NO ACTION".into()),
        ("delete_rule", "NO ACTION".into()),
    ]);
    Some(cells)
}

/// `pg_attribute`: an index has columns, too.
pub(super) fn index_attributes(view: &CatalogView) -> Vec<Sparse<'_>> {
    let of_key = |found: Key<'_>| {
        let columns = found.key.columns.iter().zip(1_i64..);
        let cells = columns.filter_map(|(name, number)| {
            let field = found.row.columns.field_with_name(name).ok()?;
            let of_type = types::pg_type_of(field);
            let known = type_names::by_oid(of_type.oid);
            Some(vec![
                ("attrelid", found.key.index_oid.0.into()),
                ("attname", name.clone().into()),
                ("atttypid", of_type.oid.into()),
                ("attstattarget", (-1).into()),
                ("attlen", known.map_or(-1, |row| row.len).into()),
                ("attnum", Cell::Int(number)),
                ("attcacheoff", (-1).into()),
                ("atttypmod", of_type.typmod.into()),
                ("attbyval", known.is_some_and(|row| row.by_value).into()),
                ("attalign", known.map_or("i", |row| row.align).into()),
                ("attstorage", known.map_or("x", |row| row.storage).into()),
                ("attislocal", true.into()),
                ("attcollation", known.map_or(0, |row| row.collation).into()),
            ])
        });
        cells.collect::<Vec<Sparse<'static>>>()
    };
    indexed(view).flat_map(of_key).collect()
}

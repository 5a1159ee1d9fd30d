//! What COMMENT ON said.
//!
//! In: the view. Out: rows of `pg_description`, and the comment of one object for the functions
//! that ask for it. The system's own objects have none here.

use super::cells::Sparse;
use super::{CatalogView, RelationRow};
use crate::meta::{Oid, Relation};

/// Oids of the catalogs whose objects have comments.
pub(super) const PG_CLASS: u32 = 1259;
pub(super) const PG_NAMESPACE: u32 = 2615;

/// A comment on an object of a catalog; on a column when the number is not 0.
struct Comment<'a> {
    catalog: u32,
    oid: u32,
    column: i64,
    text: &'a str,
}

/// `pg_description`.
pub(super) fn pg_description(view: &CatalogView) -> Vec<Sparse<'_>> {
    let row = |comment: Comment<'_>| {
        vec![
            ("objoid", comment.oid.into()),
            ("classoid", comment.catalog.into()),
            ("objsubid", comment.column.into()),
            ("description", comment.text.into()),
        ]
    };
    all(view).map(row).collect()
}

/// The comment on an object of one of the catalogs; of any when none is given.
pub(super) fn comment(
    view: &CatalogView,
    catalog: Option<u32>,
    oid: u32,
    column: i64,
) -> Option<&str> {
    let is_it = |comment: &Comment<'_>| {
        comment.oid == oid
            && comment.column == column
            && catalog.is_none_or(|catalog| catalog == comment.catalog)
    };
    all(view).find(is_it).map(|comment| comment.text)
}

fn all(view: &CatalogView) -> impl Iterator<Item = Comment<'_>> {
    let now = view.rights.snapshot();
    let seen = |oid: u32| view.schemas.iter().any(|row| row.oid == oid);
    let schemas = now.schemas().filter(move |schema| seen(schema.oid.0));
    let schemas = schemas.filter_map(|schema| {
        let text = schema.comment.as_deref()?;
        Some(Comment { catalog: PG_NAMESPACE, oid: schema.oid.0, column: 0, text })
    });
    let relations = view.relations.iter().flat_map(move |row| {
        now.relation_by_oid(Oid(row.oid)).map(|found| of_relation(row, found)).unwrap_or_default()
    });
    schemas.chain(relations)
}

fn of_relation<'a>(row: &RelationRow, found: &'a Relation) -> Vec<Comment<'a>> {
    let comment = |column, text| Comment { catalog: PG_CLASS, oid: row.oid, column, text };
    let columns = row.columns.fields().iter().zip(1..);
    let of_columns = columns.filter_map(|(field, number)| {
        found.column_comments.get(field.name()).map(|text| comment(number, text.as_str()))
    });
    found.comment.iter().map(|text| comment(0, text.as_str())).chain(of_columns).collect()
}

//! Rows of the statistics views: one for each table, of which nothing is counted here.
//!
//! In: the view. Out: sparse rows of `pg_stat_*_tables` and `pg_statio_*_tables`, whose counters
//! are NULL.
//! Refuses to count: what a query reads is told in `mobula.queries`.

use super::cells::Sparse;
use super::layout::RELATIONS;
use super::{CatalogView, RelationKind};

/// The rows of that relation, or `None` if it is not one of these.
pub(super) fn rows<'a>(name: &str, view: &'a CatalogView) -> Option<Vec<Sparse<'a>>> {
    let rest = name.strip_prefix("pg_statio_").or_else(|| name.strip_prefix("pg_stat_xact_"));
    let which = rest.or_else(|| name.strip_prefix("pg_stat_"))?;
    Some(match which {
        "all_tables" => system().chain(user(view)).collect(),
        "sys_tables" => system().collect(),
        "user_tables" => user(view).collect(),
        _ => return None,
    })
}

fn system<'a>() -> impl Iterator<Item = Sparse<'a>> {
    let tables = RELATIONS.iter().filter(|found| found.kind == "r");
    tables.map(|found| row(found.oid, Some(found.schema), found.name))
}

fn user(view: &CatalogView) -> impl Iterator<Item = Sparse<'_>> {
    let tables = view.relations.iter().filter(|found| found.kind == RelationKind::Table);
    tables.map(|found| row(found.oid, view.schema_name(found.schema_oid), &found.name))
}

fn row<'a>(oid: u32, schema: Option<&str>, name: &str) -> Sparse<'a> {
    vec![("relid", oid.into()), ("schemaname", schema.into()), ("relname", name.into())]
}

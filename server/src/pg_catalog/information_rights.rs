//! Rows of `information_schema` about roles and what they may do.
//!
//! In: the view. Out: sparse rows of `enabled_roles` and of the privileges on tables and columns.
//! Refuses to know grants: an owner has every privilege, and nobody else has one that is listed.

use super::cells::Sparse;
use super::information::{prefix, relations, yes_or_no};
use super::{CatalogView, RelationRow};

/// What an owner may do with a table.
const OF_TABLES: [&str; 7] =
    ["INSERT", "SELECT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"];
/// What an owner may do with a column.
const OF_COLUMNS: [&str; 4] = ["INSERT", "SELECT", "UPDATE", "REFERENCES"];

/// The rows of that relation, or `None` if it is not one of these.
pub(super) fn rows<'a>(name: &str, view: &'a CatalogView) -> Option<Vec<Sparse<'a>>> {
    Some(match name {
        "enabled_roles" => view
            .roles
            .iter()
            .filter(|role| is_enabled(view, role.oid))
            .map(|role| vec![("role_name", role.name.as_str().into())])
            .collect(),
        "table_privileges" | "role_table_grants" => {
            relations(view).flat_map(|row| on_table(view, row)).collect()
        }
        "column_privileges" | "role_column_grants" => {
            relations(view).flat_map(|row| on_columns(view, row)).collect()
        }
        _ => return None,
    })
}

/// Roles that the session's role may act as: itself, and all for a superuser.
fn is_enabled(view: &CatalogView, oid: u32) -> bool {
    let mine = view.roles.iter().find(|role| role.oid == view.user_oid);
    oid == view.user_oid || mine.is_some_and(|role| role.superuser)
}

fn granted<'a>(view: &'a CatalogView, row: &'a RelationRow, privilege: &'static str) -> Sparse<'a> {
    let owner = view.role_name(row.owner_oid);
    let mut cells = prefix(view, row);
    cells.extend([
        ("grantor", owner.into()),
        ("grantee", owner.into()),
        ("privilege_type", privilege.into()),
        ("is_grantable", "YES".into()),
    ]);
    cells
}

fn on_table<'a>(
    view: &'a CatalogView,
    row: &'a RelationRow,
) -> impl Iterator<Item = Sparse<'a>> + use<'a> {
    OF_TABLES.into_iter().map(move |privilege| {
        let mut cells = granted(view, row, privilege);
        cells.push(("with_hierarchy", yes_or_no(privilege == "SELECT").into()));
        cells
    })
}

fn on_columns<'a>(
    view: &'a CatalogView,
    row: &'a RelationRow,
) -> impl Iterator<Item = Sparse<'a>> + use<'a> {
    row.columns.fields().iter().flat_map(move |field| {
        OF_COLUMNS.into_iter().map(move |privilege| {
            let mut cells = granted(view, row, privilege);
            cells.push(("column_name", field.name().as_str().into()));
            cells
        })
    })
}

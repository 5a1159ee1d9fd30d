//! Rows of `information_schema` about roles and what they may do.
//!
//! In: the view. Out: sparse rows of `enabled_roles` and of the privileges on tables and columns.
//! Of what was granted it lists what a role that the session has the rights of has, or gave.

use super::cells::Sparse;
use super::information::{prefix, relations, yes_or_no};
use super::{CatalogView, RelationRow};
use crate::meta::Oid;
use crate::meta::acl::{Acl, AclItem, EVERYBODY, Object, Privilege};

/// The rows of that relation, or `None` if it is not one of these.
pub(super) fn rows<'a>(name: &str, view: &'a CatalogView) -> Option<Vec<Sparse<'a>>> {
    Some(match name {
        "enabled_roles" => view
            .roles
            .iter()
            .filter(|role| view.rights.has_role(role.oid))
            .map(|role| vec![("role_name", role.name.as_str().into())])
            .collect(),
        "table_privileges" | "role_table_grants" => {
            let all = relations(view).flat_map(|row| on_table(view, row));
            all.filter(|grant| grant.is_listed(view, name)).map(|grant| grant.row(view)).collect()
        }
        "column_privileges" | "role_column_grants" => {
            let all = relations(view).flat_map(|row| on_columns(view, row));
            all.filter(|grant| grant.is_listed(view, name)).map(|grant| grant.row(view)).collect()
        }
        _ => return None,
    })
}

/// One privilege that one role has by another.
struct Granted<'a> {
    row: &'a RelationRow,
    column: Option<&'a str>,
    grantor: Oid,
    grantee: Oid,
    privilege: Privilege,
    grantable: bool,
}

impl<'a> Granted<'a> {
    /// Whether a relation has it; those about roles leave out what all roles have.
    fn is_listed(&self, view: &CatalogView, relation: &str) -> bool {
        let to_all = self.grantee == EVERYBODY && !relation.starts_with("role_");
        to_all || view.rights.has_role(self.grantor) || view.rights.has_role(self.grantee)
    }

    fn row(&self, view: &'a CatalogView) -> Sparse<'a> {
        let grantee = match self.grantee {
            EVERYBODY => Some("PUBLIC"),
            Oid(oid) => view.role_name(oid),
        };
        let mut cells = prefix(view, self.row);
        cells.extend([
            ("grantor", view.role_name(self.grantor.0).into()),
            ("grantee", grantee.into()),
            ("privilege_type", self.privilege.word().into()),
            ("is_grantable", yes_or_no(self.grantable).into()),
        ]);
        cells.push(match self.column {
            Some(column) => ("column_name", column.into()),
            None => ("with_hierarchy", yes_or_no(self.privilege == Privilege::Select).into()),
        });
        cells
    }
}

/// What was granted on a relation; without a grant its owner may give everything on.
fn on_table<'a>(view: &CatalogView, row: &'a RelationRow) -> Vec<Granted<'a>> {
    let owner = Oid(row.owner_oid);
    let found = view.rights.snapshot().relation_by_oid(Oid(row.oid));
    let acl = found.and_then(|found| found.acl.clone());
    of_list(row, None, owner, &acl.unwrap_or_else(|| Acl::of_relation(owner)))
}

fn on_columns<'a>(view: &CatalogView, row: &'a RelationRow) -> Vec<Granted<'a>> {
    let whole = on_table(view, row);
    let found = view.rights.snapshot().relation_by_oid(Oid(row.oid));
    let owner = Oid(row.owner_oid);
    let mut all = vec![];
    for field in row.columns.fields() {
        let column = Some(field.name().as_str());
        let of_columns = Object::Column.privileges();
        let wide = whole.iter().filter(|grant| of_columns.contains(&grant.privilege));
        all.extend(wide.map(|grant| Granted { column, ..*grant }));
        if let Some(acl) = found.and_then(|found| found.column_acls.get(field.name())) {
            all.extend(of_list(row, column, owner, acl));
        }
    }
    all
}

fn of_list<'a>(
    row: &'a RelationRow,
    column: Option<&'a str>,
    owner: Oid,
    acl: &Acl,
) -> Vec<Granted<'a>> {
    let of_item = |item: &AclItem| {
        let (grantor, grantee) = (item.grantor, item.grantee);
        let one = move |(privilege, grantable)| {
            let grantable = grantable || grantee == owner;
            Granted { row, column, grantor, grantee, privilege, grantable }
        };
        item.privileges().map(one).collect::<Vec<_>>()
    };
    acl.items().iter().flat_map(of_item).collect()
}

//! Rows about roles: who there is, who is a member of whom, what their sessions begin with and what
//! they grant.
//!
//! In: the view; it has the roles that the session may see. Out: sparse rows.
//! Refuses to show a password, also to superusers.

use super::CatalogView;
use super::cells::{Cell, Sparse};
use super::lookup::quote_ident;
use crate::meta::acl::{Acl, EVERYBODY, Object};
use crate::meta::{Oid, Role};

/// Shown where a password would be.
const HIDDEN: &str = "********";

impl CatalogView {
    /// Whether the session may see a role.
    fn shows_role(&self, oid: Oid) -> bool {
        self.roles.iter().any(|role| role.oid == oid)
    }

    /// An access control list as PostgreSQL prints it, of roles that the session may see; NULL when
    /// nothing was granted.
    pub(super) fn acl(&self, acl: Option<&Acl>) -> Cell {
        let shown = |oid: Oid| oid == EVERYBODY || self.shows_role(oid);
        let name = |oid: Oid| self.role_name(oid.0).map_or_else(|| oid.to_string(), quote_ident);
        let item = |item: &crate::meta::acl::AclItem| Cell::Text(item.text(name));
        acl.map_or(Cell::Null, |acl| {
            let items = acl.items().iter();
            Cell::List(items.filter(|item| shown(item.grantee)).map(item).collect())
        })
    }
}

/// `pg_authid`.
pub(super) fn pg_authid(view: &CatalogView) -> Vec<Sparse<'_>> {
    view.roles.iter().map(|role| attributes(role)).collect()
}

/// `pg_roles`.
pub(super) fn pg_roles(view: &CatalogView) -> Vec<Sparse<'_>> {
    let shown = |row: &std::sync::Arc<Role>| {
        let mut cells = attributes(row);
        cells.push(("rolpassword", HIDDEN.into()));
        cells.push(("rolconfig", config(row)));
        cells
    };
    view.roles.iter().map(shown).collect()
}

fn attributes(row: &Role) -> Sparse<'static> {
    vec![
        ("oid", row.oid.0.into()),
        ("rolname", row.name.clone().into()),
        ("rolsuper", row.superuser.into()),
        ("rolinherit", row.inherit.into()),
        ("rolcreaterole", row.create_role.into()),
        ("rolcreatedb", row.create_db.into()),
        ("rolcanlogin", row.login.into()),
        ("rolreplication", row.replication.into()),
        ("rolbypassrls", row.bypass_rls.into()),
        ("rolconnlimit", row.connection_limit.into()),
        ("rolvaliduntil", row.valid_until_micros.into()),
    ]
}

/// `name=value` of the settings that the role's sessions begin with; NULL without any.
fn config(row: &Role) -> Cell {
    if row.settings.is_empty() {
        return Cell::Null;
    }
    let settings = row.settings.iter();
    Cell::List(settings.map(|(name, value)| format!("{name}={value}").into()).collect())
}

/// `pg_db_role_setting`.
pub(super) fn pg_db_role_setting(view: &CatalogView) -> Vec<Sparse<'_>> {
    let with_settings = view.roles.iter().filter(|role| !role.settings.is_empty());
    with_settings
        .map(|role| vec![("setrole", role.oid.0.into()), ("setconfig", config(role))])
        .collect()
}

/// `pg_user`.
pub(super) fn pg_user(view: &CatalogView) -> Vec<Sparse<'_>> {
    let shown = |row: &std::sync::Arc<Role>| {
        let mut cells = login(row);
        cells.push(("passwd", HIDDEN.into()));
        cells
    };
    view.roles.iter().filter(|row| row.login).map(shown).collect()
}

/// `pg_shadow`.
pub(super) fn pg_shadow(view: &CatalogView) -> Vec<Sparse<'_>> {
    view.roles.iter().filter(|row| row.login).map(|role| login(role)).collect()
}

fn login(row: &Role) -> Sparse<'static> {
    vec![
        ("usename", row.name.clone().into()),
        ("usesysid", row.oid.0.into()),
        ("usecreatedb", row.create_db.into()),
        ("usesuper", row.superuser.into()),
        ("userepl", row.replication.into()),
        ("usebypassrls", row.bypass_rls.into()),
        ("valuntil", row.valid_until_micros.into()),
        ("useconfig", config(row)),
    ]
}

/// `pg_group`: roles that cannot log in, with their members.
pub(super) fn pg_group(view: &CatalogView) -> Vec<Sparse<'_>> {
    let groups = view.roles.iter().filter(|row| !row.login);
    groups
        .map(|row| {
            let memberships = view.rights.snapshot().memberships();
            let members = memberships
                .filter(|(role, member, _)| *role == row.oid && view.shows_role(*member));
            let members = members.map(|(_, member, _)| member.0.into()).collect();
            vec![
                ("groname", row.name.as_str().into()),
                ("grosysid", row.oid.0.into()),
                ("grolist", Cell::List(members)),
            ]
        })
        .collect()
}

/// `pg_auth_members`. A membership has no number of its own here: that of the member stands for it.
pub(super) fn pg_auth_members(view: &CatalogView) -> Vec<Sparse<'_>> {
    let all = view.rights.snapshot().memberships();
    let seen = all.filter(|(role, member, _)| view.shows_role(*role) && view.shows_role(*member));
    seen.map(|(role, member, how)| {
        let inherits = view.roles.iter().any(|one| one.oid == member && one.inherit);
        vec![
            ("oid", member.0.into()),
            ("roleid", role.0.into()),
            ("member", member.0.into()),
            ("grantor", how.grantor.0.into()),
            ("admin_option", how.admin.into()),
            ("inherit_option", inherits.into()),
            ("set_option", true.into()),
        ]
    })
    .collect()
}

/// `pg_default_acl`.
pub(super) fn pg_default_acl(view: &CatalogView) -> Vec<Sparse<'_>> {
    let all = view.rights.snapshot().default_acls();
    let seen = all.filter(|default| view.shows_role(default.key.0));
    seen.map(|default| {
        let (role, schema, object) = default.key;
        vec![
            ("oid", default.oid.0.into()),
            ("defaclrole", role.0.into()),
            ("defaclnamespace", schema.map_or(0, |schema| schema.0).into()),
            ("defaclobjtype", if object == Object::Schema { "n" } else { "r" }.into()),
            ("defaclacl", view.acl(Some(&default.acl))),
        ]
    })
    .collect()
}

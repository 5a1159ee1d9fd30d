//! Rows about the database, the roles, the settings and the one session that asks.
//!
//! In: the view. Out: sparse rows. Other sessions are not shown: the view does not know them.
//! Refuses to know relations.

use chrono::{Offset, TimeZone, Utc};
use chrono_tz::{OffsetComponents, OffsetName, TZ_VARIANTS};

use super::cells::{Cell, Sparse};
use super::{CatalogView, RoleRow, SettingRow};

/// `pg_char_to_encoding('UTF8')`; texts are UTF-8 everywhere.
pub(super) const UTF8: i32 = 6;
/// Oid of the tablespace `pg_default`.
const PG_DEFAULT_OID: u32 = 1663;

/// `pg_database`: the one there is.
pub(super) fn pg_database(view: &CatalogView) -> Vec<Sparse<'_>> {
    let owner = view.roles.iter().find(|role| role.superuser).map_or(10, |role| role.oid);
    vec![vec![
        ("oid", view.database_oid.into()),
        ("datname", view.database.as_str().into()),
        ("datdba", owner.into()),
        ("encoding", UTF8.into()),
        ("datlocprovider", "c".into()),
        ("datallowconn", true.into()),
        ("datconnlimit", (-1).into()),
        ("dattablespace", PG_DEFAULT_OID.into()),
        ("datcollate", "C".into()),
        ("datctype", "C".into()),
    ]]
}

/// `pg_authid`, whose passwords nobody sees.
pub(super) fn pg_authid(view: &CatalogView) -> Vec<Sparse<'_>> {
    view.roles.iter().map(role).collect()
}

/// `pg_roles`.
pub(super) fn pg_roles(view: &CatalogView) -> Vec<Sparse<'_>> {
    let shown = |row: &RoleRow| {
        let mut cells = role(row);
        cells.push(("rolpassword", "********".into()));
        cells
    };
    view.roles.iter().map(shown).collect()
}

fn role(row: &RoleRow) -> Sparse<'static> {
    vec![
        ("oid", row.oid.into()),
        ("rolname", row.name.clone().into()),
        ("rolsuper", row.superuser.into()),
        ("rolinherit", true.into()),
        ("rolcreaterole", row.superuser.into()),
        ("rolcreatedb", row.superuser.into()),
        ("rolcanlogin", row.login.into()),
        ("rolreplication", false.into()),
        ("rolbypassrls", row.superuser.into()),
        ("rolconnlimit", (-1).into()),
    ]
}

/// `pg_user`.
pub(super) fn pg_user(view: &CatalogView) -> Vec<Sparse<'_>> {
    let shown = |row: &RoleRow| {
        let mut cells = login(row);
        cells.push(("passwd", "********".into()));
        cells
    };
    view.roles.iter().filter(|row| row.login).map(shown).collect()
}

/// `pg_group`: roles that cannot log in. None has members here.
pub(super) fn pg_group(view: &CatalogView) -> Vec<Sparse<'_>> {
    let shown = |row: &RoleRow| -> Sparse<'static> {
        let name = ("groname", row.name.clone().into());
        vec![name, ("grosysid", row.oid.into()), ("grolist", Cell::List(vec![]))]
    };
    view.roles.iter().filter(|row| !row.login).map(shown).collect()
}

/// `pg_shadow`, whose passwords nobody sees either.
pub(super) fn pg_shadow(view: &CatalogView) -> Vec<Sparse<'_>> {
    view.roles.iter().filter(|row| row.login).map(login).collect()
}

fn login(row: &RoleRow) -> Sparse<'static> {
    vec![
        ("usename", row.name.clone().into()),
        ("usesysid", row.oid.into()),
        ("usecreatedb", row.superuser.into()),
        ("usesuper", row.superuser.into()),
        ("userepl", false.into()),
        ("usebypassrls", row.superuser.into()),
    ]
}

/// `pg_settings`.
pub(super) fn pg_settings(view: &CatalogView) -> Vec<Sparse<'_>> {
    let shown = |row: &SettingRow| -> Sparse<'static> {
        let changed = row.setting != row.default;
        vec![
            ("name", row.name.clone().into()),
            ("setting", row.setting.clone().into()),
            ("unit", row.unit.clone().into()),
            ("category", row.category.clone().into()),
            ("short_desc", row.short_desc.clone().into()),
            ("context", row.context.clone().into()),
            ("vartype", row.vartype.clone().into()),
            ("source", if changed { "session" } else { "default" }.into()),
            ("boot_val", row.default.clone().into()),
            ("reset_val", row.default.clone().into()),
            ("pending_restart", false.into()),
        ]
    };
    view.settings.iter().map(shown).collect()
}

/// `pg_stat_activity`: the session that asks.
pub(super) fn pg_stat_activity(view: &CatalogView) -> Vec<Sparse<'_>> {
    vec![vec![
        ("datid", view.database_oid.into()),
        ("datname", view.database.as_str().into()),
        ("pid", view.backend_pid.into()),
        ("usesysid", view.user_oid.into()),
        ("usename", view.user.as_str().into()),
        ("application_name", view.setting("application_name").unwrap_or_default().into()),
        ("state", "active".into()),
        ("backend_type", "client backend".into()),
    ]]
}

/// `pg_stat_database`: the database, of which nothing is counted.
pub(super) fn pg_stat_database(view: &CatalogView) -> Vec<Sparse<'_>> {
    vec![vec![("datid", view.database_oid.into()), ("datname", view.database.as_str().into())]]
}

/// `pg_timezone_names`, as of now.
pub(super) fn pg_timezone_names() -> Vec<Sparse<'static>> {
    let now = Utc::now().naive_utc();
    let shown = |zone: &chrono_tz::Tz| {
        let offset = zone.offset_from_utc_datetime(&now);
        let seconds = i64::from(offset.fix().local_minus_utc());
        vec![
            ("name", zone.name().into()),
            ("abbrev", offset.abbreviation().into()),
            ("utc_offset", Cell::Int(seconds)),
            ("is_dst", (!offset.dst_offset().is_zero()).into()),
        ]
    };
    TZ_VARIANTS.iter().map(shown).collect()
}

impl CatalogView {
    /// The session's value of a setting; names of settings ignore case.
    pub(super) fn setting(&self, name: &str) -> Option<&str> {
        let found = self.settings.iter().find(|row| row.name.eq_ignore_ascii_case(name));
        found.map(|row| row.value.as_str())
    }
}

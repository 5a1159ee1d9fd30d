//! `has_*_privilege`: what a role may do with an object.
//!
//! In: a role or none, an object by name or oid, a privilege or several. Out: true, false, or
//! NULL for an oid that no object has.
//! Refuses to enforce: statements are checked where they are planned. What a role may do is
//! decided in one place, [`may`].

use datafusion::common::Result;

use super::refusal;
use super::reg::{self, CLASS, NAMESPACE, PROCEDURE, ROLE, Reg, TYPE};
use super::rows::Kind::{Object, Text};
use super::rows::{Arg, Function, Kind, strict};
use crate::error::SqlState::{self, InvalidCatalogName, UndefinedObject};
use crate::pg_catalog::cells::Cell;
use crate::pg_catalog::layout::BOOTSTRAP_OID;
use crate::pg_catalog::lookup::{AnyRelation, proc_by_oid};
use crate::pg_catalog::{CatalogView, RoleRow, static_rows, type_names};

/// Object and privilege, with the role before them or not.
const ONE: &[Kind] = &[Object, Object, Text];
/// The same with a column.
const COLUMN: &[Kind] = &[Object, Object, Object, Text];

pub(super) const FUNCTIONS: &[Function] = &[
    strict("has_any_column_privilege", ONE, "bool", |v, a| one(v, a, &COLUMNS)).optional(1),
    strict("has_column_privilege", COLUMN, "bool", column).optional(1),
    strict("has_database_privilege", ONE, "bool", |v, a| one(v, a, &DATABASE)).optional(1),
    strict("has_foreign_data_wrapper_privilege", ONE, "bool", |v, a| one(v, a, &WRAPPER))
        .optional(1),
    strict("has_function_privilege", ONE, "bool", |v, a| one(v, a, &FUNCTION)).optional(1),
    strict("has_language_privilege", ONE, "bool", |v, a| one(v, a, &LANGUAGE)).optional(1),
    strict("has_parameter_privilege", ONE, "bool", |v, a| one(v, a, &PARAMETER)).optional(1),
    strict("has_schema_privilege", ONE, "bool", |v, a| one(v, a, &SCHEMA)).optional(1),
    strict("has_sequence_privilege", ONE, "bool", |v, a| one(v, a, &SEQUENCE)).optional(1),
    strict("has_server_privilege", ONE, "bool", |v, a| one(v, a, &SERVER)).optional(1),
    strict("has_table_privilege", ONE, "bool", |v, a| one(v, a, &TABLE)).optional(1),
    strict("has_tablespace_privilege", ONE, "bool", |v, a| one(v, a, &TABLESPACE)).optional(1),
    strict("has_type_privilege", ONE, "bool", |v, a| one(v, a, &TYPE_OBJECT)).optional(1),
    strict("pg_has_role", ONE, "bool", has_role).optional(1),
];

/// A kind of object that privileges are on.
pub(in crate::pg_catalog) struct ObjectKind {
    /// The privileges there are.
    privileges: &'static [&'static str],
    /// Names to oids.
    reg: &'static Reg,
    /// The owner of the object with that oid.
    owner: fn(&CatalogView, u32) -> Option<u32>,
    /// What every role may do with it unless that is revoked.
    of_all: &'static [&'static str],
}

const TABLE_WORDS: &[&str] =
    &["SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER", "RULE"];
const COLUMN_WORDS: &[&str] = &["SELECT", "INSERT", "UPDATE", "REFERENCES"];

const TABLE: ObjectKind =
    ObjectKind { privileges: TABLE_WORDS, reg: &CLASS, owner: relation_owner, of_all: &[] };
const COLUMNS: ObjectKind = ObjectKind { privileges: COLUMN_WORDS, ..TABLE };
const SEQUENCE: ObjectKind = ObjectKind { privileges: &["USAGE", "SELECT", "UPDATE"], ..TABLE };
const SCHEMA: ObjectKind = ObjectKind {
    privileges: &["CREATE", "USAGE"],
    reg: &NAMESPACE,
    owner: schema_owner,
    of_all: &["USAGE"],
};
const DATABASE: ObjectKind = ObjectKind {
    privileges: &["CREATE", "TEMPORARY", "TEMP", "CONNECT"],
    reg: &DATABASE_NAMES,
    owner: |view, oid| (oid == view.database_oid).then_some(BOOTSTRAP_OID),
    of_all: &["TEMPORARY", "TEMP", "CONNECT"],
};
const FUNCTION: ObjectKind = ObjectKind {
    privileges: &["EXECUTE"],
    reg: &PROCEDURE,
    owner: |_, oid| proc_by_oid(oid).map(|_| BOOTSTRAP_OID),
    of_all: &["EXECUTE"],
};
const TYPE_OBJECT: ObjectKind = ObjectKind {
    privileges: &["USAGE"],
    reg: &TYPE,
    owner: |_, oid| type_names::by_oid(oid).map(|_| BOOTSTRAP_OID),
    of_all: &["USAGE"],
};
const LANGUAGE: ObjectKind = ObjectKind {
    privileges: &["USAGE"],
    reg: &LANGUAGE_NAMES,
    owner: |_, oid| has_row("pg_language", oid),
    of_all: &["USAGE"],
};
const TABLESPACE: ObjectKind = ObjectKind {
    privileges: &["CREATE"],
    reg: &TABLESPACE_NAMES,
    owner: |_, oid| has_row("pg_tablespace", oid),
    of_all: &[],
};
const WRAPPER: ObjectKind =
    ObjectKind { privileges: &["USAGE"], reg: &WRAPPER_NAMES, owner: |_, _| None, of_all: &[] };
const SERVER: ObjectKind = ObjectKind { reg: &SERVER_NAMES, ..WRAPPER };
const MEMBERSHIP: ObjectKind = ObjectKind { privileges: &["MEMBER", "USAGE", "SET"], ..WRAPPER };
const PARAMETER: ObjectKind = ObjectKind {
    privileges: &["SET", "ALTER SYSTEM"],
    reg: &PARAMETER_NAMES,
    owner: |_, _| Some(BOOTSTRAP_OID),
    of_all: &[],
};

const DATABASE_NAMES: Reg = Reg::names("database", InvalidCatalogName, |view, text| {
    (text == view.database).then_some(view.database_oid)
});
const LANGUAGE_NAMES: Reg =
    Reg::names("language", UndefinedObject, |_, text| named("pg_language", text));
const TABLESPACE_NAMES: Reg =
    Reg::names("tablespace", UndefinedObject, |_, text| named("pg_tablespace", text));
const WRAPPER_NAMES: Reg = Reg::names("foreign-data wrapper", UndefinedObject, |_, _| None);
const SERVER_NAMES: Reg = Reg::names("server", UndefinedObject, |_, _| None);
/// Settings have no oids; any name will do, as in PostgreSQL.
const PARAMETER_NAMES: Reg = Reg::names("parameter", UndefinedObject, |_, _| Some(0));

/// Whether a role may do that with an object. This is all that is known of rights here: a
/// superuser and the owner may do anything, all others what PostgreSQL grants to all.
pub(in crate::pg_catalog) fn may(
    role: &RoleRow,
    owner: u32,
    privilege: &str,
    kind: &ObjectKind,
) -> bool {
    role.superuser || role.oid == owner || kind.of_all.contains(&privilege)
}

fn one(view: &CatalogView, args: &[Arg<'_>], kind: &ObjectKind) -> Result<Cell> {
    let (role, rest) = match args {
        [role, rest @ ..] if rest.len() == 2 => (Some(role), rest),
        rest => (None, rest),
    };
    decide(view, role, &rest[0], rest[1].text(), kind)
}

fn column(view: &CatalogView, args: &[Arg<'_>]) -> Result<Cell> {
    let (role, rest) = match args {
        [role, rest @ ..] if rest.len() == 3 => (Some(role), rest),
        rest => (None, rest),
    };
    if !has_column(view, &rest[0], &rest[1])? {
        return Ok(Cell::Null);
    }
    decide(view, role, &rest[0], rest[2].text(), &COLUMNS)
}

/// False for a number that no column has; a name must be one's.
fn has_column(view: &CatalogView, table: &Arg<'_>, column: &Arg<'_>) -> Result<bool> {
    let found = view.relation(reg::resolve(view, &CLASS, table)?);
    let names = match &found {
        Some(AnyRelation::User(row)) => {
            row.columns.fields().iter().map(|field| field.name().as_str()).collect()
        }
        Some(AnyRelation::System(row)) => row.columns.iter().map(|column| column.name).collect(),
        None => vec![],
    };
    match column {
        Arg::Text(name) if found.is_some() && !names.contains(name) => {
            let table = found.map(|found| found.name().to_owned()).unwrap_or_default();
            let message = format!("column \"{name}\" of relation \"{table}\" does not exist");
            Err(refusal(SqlState::UndefinedColumn, message))
        }
        Arg::Text(_) => Ok(true),
        number => Ok((1..=names.len() as i64).contains(&number.int())),
    }
}

fn decide(
    view: &CatalogView,
    role: Option<&Arg<'_>>,
    object: &Arg<'_>,
    privileges: &str,
    kind: &ObjectKind,
) -> Result<Cell> {
    let role = role_of(view, role)?;
    let wanted = words(privileges, kind)?;
    let oid = reg::resolve(view, kind.reg, object)?;
    let Some(owner) = (kind.owner)(view, oid) else {
        return Ok(Cell::Null);
    };
    let has = |word: &String| role.is_some_and(|role| may(role, owner, word, kind));
    Ok(wanted.iter().any(has).into())
}

/// The role that is asked about: the session's, or the one that is named.
fn role_of<'a>(view: &'a CatalogView, role: Option<&Arg<'_>>) -> Result<Option<&'a RoleRow>> {
    let oid = match role {
        None => view.user_oid,
        Some(Arg::Text(name)) if name.eq_ignore_ascii_case("public") => 0,
        Some(role) => reg::resolve(view, &ROLE, role)?,
    };
    Ok(view.roles.iter().find(|row| row.oid == oid))
}

/// `SELECT, insert WITH GRANT OPTION` as words.
fn words(privileges: &str, kind: &ObjectKind) -> Result<Vec<String>> {
    let word = |text: &str| {
        let upper = text.trim().to_uppercase();
        let options = [" WITH GRANT OPTION", " WITH ADMIN OPTION"];
        let plain = options.iter().find_map(|option| upper.strip_suffix(option));
        let plain = plain.unwrap_or(&upper).to_owned();
        match kind.privileges.contains(&plain.as_str()) {
            true => Ok(plain),
            false => {
                let message = format!("unrecognized privilege type: \"{}\"", text.trim());
                Err(refusal(SqlState::InvalidParameterValue, message))
            }
        }
    };
    privileges.split(',').map(word).collect()
}

/// Whether one role may act as another. Roles have no members here.
fn has_role(view: &CatalogView, args: &[Arg<'_>]) -> Result<Cell> {
    let (role, rest) = match args {
        [role, rest @ ..] if rest.len() == 2 => (Some(role), rest),
        rest => (None, rest),
    };
    words(rest[1].text(), &MEMBERSHIP)?;
    let other = reg::resolve(view, &ROLE, &rest[0])?;
    let role = role_of(view, role)?;
    Ok(role.is_some_and(|role| role.superuser || role.oid == other).into())
}

fn relation_owner(view: &CatalogView, oid: u32) -> Option<u32> {
    view.relation(oid).map(|found| match found {
        AnyRelation::User(row) => row.owner_oid,
        AnyRelation::System(_) => BOOTSTRAP_OID,
    })
}

fn schema_owner(view: &CatalogView, oid: u32) -> Option<u32> {
    let user = view.schemas.iter().find(|row| row.oid == oid).map(|row| row.owner_oid);
    user.or_else(|| view.schema_name(oid).map(|_| BOOTSTRAP_OID))
}

fn has_row(catalog: &str, oid: u32) -> Option<u32> {
    let oid = oid.to_string();
    static_rows::lines(catalog).any(|line| line.first() == Some(&oid.as_str())).then_some(10)
}

fn named(catalog: &str, name: &str) -> Option<u32> {
    let mut lines = static_rows::lines(catalog);
    lines.find(|line| line.get(1) == Some(&name))?.first()?.parse().ok()
}

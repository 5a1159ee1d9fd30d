//! `has_*_privilege`: what a role may do with an object.
//!
//! In: a role or none, an object by name or oid, a privilege or several. Out: true, false, or
//! NULL for an oid that no object has.
//! Decides nothing: what a role may do is known to [`Rights`], as it is where statements are
//! checked; of the system's own objects PostgreSQL's defaults hold.

use std::sync::Arc;

use datafusion::common::Result;

use super::refusal;
use super::reg::{self, CLASS, NAMESPACE, PROCEDURE, ROLE, Reg, TYPE};
use super::rows::Kind::{Object, Text};
use super::rows::{Arg, Function, Kind, strict};
use crate::error::SqlState::{self, InvalidCatalogName, UndefinedObject};
use crate::meta::acl::Privilege;
use crate::meta::{Oid, Relation};
use crate::pg_catalog::cells::Cell;
use crate::pg_catalog::lookup::{AnyRelation, proc_by_oid};
use crate::pg_catalog::{CatalogView, static_rows, type_names};
use crate::rights::Rights;

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
    strict("pg_has_role", ONE, "bool", |v, a| one(v, a, &MEMBERSHIP)).optional(1),
];

/// A kind of object that privileges are on.
struct ObjectKind {
    /// The privileges there are.
    privileges: &'static [&'static str],
    /// Names to oids.
    reg: &'static Reg,
    /// Whether a role may do that; none when there is no such object.
    may: fn(&CatalogView, &Rights, u32, &Wanted) -> Option<bool>,
}

/// A privilege as it was asked for.
struct Wanted {
    word: String,
    /// Whether it is to be given on.
    grantable: bool,
}

impl Wanted {
    fn privilege(&self) -> Option<Privilege> {
        Privilege::named(&self.word)
    }
}

const TABLE_WORDS: &[&str] =
    &["SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER", "RULE"];
const COLUMN_WORDS: &[&str] = &["SELECT", "INSERT", "UPDATE", "REFERENCES"];
const USAGE: &[&str] = &["USAGE"];

const TABLE: ObjectKind = ObjectKind { privileges: TABLE_WORDS, reg: &CLASS, may: relation };
const COLUMNS: ObjectKind = ObjectKind { privileges: COLUMN_WORDS, reg: &CLASS, may: some_column };
const SEQUENCE: ObjectKind = ObjectKind { privileges: &["USAGE", "SELECT", "UPDATE"], ..TABLE };
const SCHEMA: ObjectKind =
    ObjectKind { privileges: &["CREATE", "USAGE"], reg: &NAMESPACE, may: schema };
const DATABASE: ObjectKind = ObjectKind {
    privileges: &["CREATE", "TEMPORARY", "TEMP", "CONNECT"],
    reg: &DATABASE_NAMES,
    may: database,
};
const FUNCTION: ObjectKind = ObjectKind {
    privileges: &["EXECUTE"],
    reg: &PROCEDURE,
    may: |_, rights, oid, wanted| proc_by_oid(oid).map(|_| of_all(rights, wanted)),
};
const TYPE_OBJECT: ObjectKind = ObjectKind {
    privileges: USAGE,
    reg: &TYPE,
    may: |_, rights, oid, wanted| type_names::by_oid(oid).map(|_| of_all(rights, wanted)),
};
const LANGUAGE: ObjectKind = ObjectKind {
    privileges: USAGE,
    reg: &LANGUAGE_NAMES,
    may: |_, rights, oid, wanted| has_row("pg_language", oid).then(|| of_all(rights, wanted)),
};
const TABLESPACE: ObjectKind = ObjectKind {
    privileges: &["CREATE"],
    reg: &TABLESPACE_NAMES,
    may: |_, rights, oid, _| has_row("pg_tablespace", oid).then(|| rights.is_superuser()),
};
const WRAPPER: ObjectKind =
    ObjectKind { privileges: USAGE, reg: &WRAPPER_NAMES, may: |_, _, _, _| None };
const SERVER: ObjectKind = ObjectKind { reg: &SERVER_NAMES, ..WRAPPER };
const MEMBERSHIP: ObjectKind =
    ObjectKind { privileges: &["MEMBER", "USAGE", "SET"], reg: &ROLE, may: membership };
const PARAMETER: ObjectKind = ObjectKind {
    privileges: &["SET", "ALTER SYSTEM"],
    reg: &PARAMETER_NAMES,
    may: |_, rights, _, _| Some(rights.is_superuser()),
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

/// What is granted to all roles, and may be given on by superusers.
fn of_all(rights: &Rights, wanted: &Wanted) -> bool {
    !wanted.grantable || rights.is_superuser()
}

fn relation(view: &CatalogView, rights: &Rights, oid: u32, wanted: &Wanted) -> Option<bool> {
    of_relation(view, rights, oid, wanted, |found, privilege| match wanted.grantable {
        true => rights.may_grant(found.acl.as_ref(), found.owner, privilege),
        false => rights.relation(found, privilege),
    })
}

fn some_column(view: &CatalogView, rights: &Rights, oid: u32, wanted: &Wanted) -> Option<bool> {
    of_relation(view, rights, oid, wanted, |found, privilege| {
        let mut lists =
            std::iter::once(found.acl.as_ref()).chain(found.column_acls.values().map(Some));
        match wanted.grantable {
            true => lists.any(|acl| rights.may_grant(acl, found.owner, privilege)),
            false => rights.any_column(found, privilege),
        }
    })
}

/// What `asks` says of a user's relation; of the system's own all roles may read.
fn of_relation(
    view: &CatalogView,
    rights: &Rights,
    oid: u32,
    wanted: &Wanted,
    asks: impl Fn(&Relation, Privilege) -> bool,
) -> Option<bool> {
    let found = view.relation(oid)?;
    let Some(privilege) = wanted.privilege() else { return Some(false) };
    let AnyRelation::User(_) = found else {
        let reads = privilege == Privilege::Select && !wanted.grantable;
        return Some(reads || rights.is_superuser());
    };
    rights.snapshot().relation_by_oid(Oid(oid)).map(|found| asks(found, privilege))
}

fn schema(view: &CatalogView, rights: &Rights, oid: u32, wanted: &Wanted) -> Option<bool> {
    let name = view.schema_name(oid)?;
    let privilege = wanted.privilege()?;
    let Some(found) = rights.snapshot().schema(name).filter(|found| found.oid.0 == oid) else {
        let uses = privilege == Privilege::Usage && !wanted.grantable;
        return Some(uses || rights.is_superuser());
    };
    Some(match wanted.grantable {
        true => rights.may_grant(found.acl.as_ref(), found.owner, privilege),
        false => rights.schema(found, privilege),
    })
}

fn database(view: &CatalogView, rights: &Rights, oid: u32, wanted: &Wanted) -> Option<bool> {
    if oid != view.database_oid {
        return None;
    }
    let (privilege, now) = (wanted.privilege()?, rights.snapshot());
    Some(match wanted.grantable {
        true => rights.may_grant(now.database_acl(), now.database_owner(), privilege),
        false => rights.database(privilege),
    })
}

/// Whether one role may act as another.
fn membership(_: &CatalogView, rights: &Rights, oid: u32, wanted: &Wanted) -> Option<bool> {
    let role = Oid(oid);
    if wanted.grantable {
        let mut all = rights.snapshot().memberships();
        let is_admin =
            all.any(|(of, member, how)| of == role && how.admin && rights.may_become(member));
        return Some(is_admin || rights.is_superuser());
    }
    Some(match wanted.word.as_str() {
        "USAGE" => rights.has_role(role),
        _ => rights.may_become(role),
    })
}

fn one(view: &CatalogView, args: &[Arg<'_>], kind: &ObjectKind) -> Result<Cell> {
    let (role, rest) = split(args, 2);
    let rights = rights_of(view, role)?;
    let wanted = words(rest[1].text(), kind)?;
    let oid = reg::resolve(view, kind.reg, &rest[0])?;
    let answers = wanted.iter().map(|wanted| (kind.may)(view, &rights, oid, wanted));
    let answers: Option<Vec<bool>> = answers.collect();
    Ok(answers.map(|answers| answers.contains(&true)).into())
}

fn column(view: &CatalogView, args: &[Arg<'_>]) -> Result<Cell> {
    let (role, rest) = split(args, 3);
    let Some(name) = column_name(view, &rest[0], &rest[1])? else {
        return Ok(Cell::Null);
    };
    let rights = rights_of(view, role)?;
    let wanted = words(rest[2].text(), &COLUMNS)?;
    let oid = reg::resolve(view, &CLASS, &rest[0])?;
    let may = |wanted: &Wanted| {
        of_relation(view, &rights, oid, wanted, |found, privilege| match wanted.grantable {
            true => [found.acl.as_ref(), found.column_acls.get(&name)]
                .into_iter()
                .any(|acl| rights.may_grant(acl, found.owner, privilege)),
            false => rights.column(found, &name, privilege),
        })
    };
    let answers: Option<Vec<bool>> = wanted.iter().map(may).collect();
    Ok(answers.map(|answers| answers.contains(&true)).into())
}

/// The role, if it is named, before `count` other arguments.
fn split<'a, 'b>(args: &'a [Arg<'b>], count: usize) -> (Option<&'a Arg<'b>>, &'a [Arg<'b>]) {
    match args {
        [role, rest @ ..] if rest.len() == count => (Some(role), rest),
        rest => (None, rest),
    }
}

/// The name of a column that is named or numbered; none for a number that no column has.
fn column_name(view: &CatalogView, table: &Arg<'_>, column: &Arg<'_>) -> Result<Option<String>> {
    let found = view.relation(reg::resolve(view, &CLASS, table)?);
    let names: Vec<&str> = match &found {
        Some(AnyRelation::User(row)) => {
            row.columns.fields().iter().map(|field| field.name().as_str()).collect()
        }
        Some(AnyRelation::System(row)) => row.columns.iter().map(|column| column.name).collect(),
        None => vec![],
    };
    let name = match column {
        Arg::Text(name) if found.is_some() && !names.contains(name) => {
            let table = found.map(|found| found.name().to_owned()).unwrap_or_default();
            let message = format!("column \"{name}\" of relation \"{table}\" does not exist");
            return Err(refusal(SqlState::UndefinedColumn, message));
        }
        Arg::Text(name) => Some(*name),
        number => usize::try_from(number.int() - 1).ok().and_then(|at| names.get(at).copied()),
    };
    Ok(name.map(str::to_owned))
}

/// What the role may do that is asked about: the session's, or the one that is named.
fn rights_of(view: &CatalogView, role: Option<&Arg<'_>>) -> Result<Arc<Rights>> {
    let oid = match role {
        None => return Ok(Arc::clone(&view.rights)),
        Some(Arg::Text(name)) if name.eq_ignore_ascii_case("public") => 0,
        Some(role) => reg::resolve(view, &ROLE, role)?,
    };
    Ok(Arc::new(Rights::of(view.rights.snapshot(), Oid(oid))))
}

/// `SELECT, insert WITH GRANT OPTION` as words.
fn words(privileges: &str, kind: &ObjectKind) -> Result<Vec<Wanted>> {
    let word = |text: &str| {
        let upper = text.trim().to_uppercase();
        let options = [" WITH GRANT OPTION", " WITH ADMIN OPTION"];
        let plain = options.iter().find_map(|option| upper.strip_suffix(option));
        let wanted =
            Wanted { word: plain.unwrap_or(&upper).to_owned(), grantable: plain.is_some() };
        if kind.privileges.contains(&wanted.word.as_str()) {
            return Ok(wanted);
        }
        let message = format!("unrecognized privilege type: \"{}\"", text.trim());
        Err(refusal(SqlState::InvalidParameterValue, message))
    };
    privileges.split(',').map(word).collect()
}

fn has_row(catalog: &str, oid: u32) -> bool {
    let oid = oid.to_string();
    static_rows::lines(catalog).any(|line| line.first() == Some(&oid.as_str()))
}

fn named(catalog: &str, name: &str) -> Option<u32> {
    let mut lines = static_rows::lines(catalog);
    lines.find(|line| line.get(1) == Some(&name))?.first()?.parse().ok()
}

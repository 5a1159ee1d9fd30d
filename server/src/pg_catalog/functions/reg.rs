//! `reg*`: an object's oid from its name, and its name from its oid.
//!
//! In: a name as SQL writes it, or an oid. Out: the other one.
//! `mobula_regclass(x)` stands for `x::regclass`, and so on; the planner's rewrite writes them.
//! Refuses to know where names are looked up; see `lookup` and `type_names`.

use datafusion::common::Result;

use super::refusal;
use super::rows::Kind::{Object, Text};
use super::rows::{Arg, Function, strict};
use crate::encode::OidNames;
use crate::error::SqlState;
use crate::pg_catalog::cells::Cell;
use crate::pg_catalog::layout::{PG_CATALOG, PG_CATALOG_OID};
use crate::pg_catalog::lookup::{self, ProcRow, quote_ident, split_name};
use crate::pg_catalog::type_names::{self, format_type};
use crate::pg_catalog::{CatalogView, static_rows};
use crate::types::oid;

/// A kind of object with names: for each of the `reg*` types one.
pub(super) struct Reg {
    /// What its objects are called in an error.
    noun: &'static str,
    /// What the error is when there is none of that name.
    missing: SqlState,
    oid_of: fn(&CatalogView, &str) -> Option<u32>,
    name_of: fn(&CatalogView, u32) -> Option<String>,
}

impl Reg {
    /// A kind whose objects are only looked up.
    pub(super) const fn names(
        noun: &'static str,
        missing: SqlState,
        oid_of: fn(&CatalogView, &str) -> Option<u32>,
    ) -> Self {
        Self { noun, missing, oid_of, name_of: |_, _| None }
    }

    /// An oid without an object is shown as a number, as in PostgreSQL.
    pub(super) fn shown(&self, view: &CatalogView, oid: u32) -> String {
        match oid {
            0 => "-".to_owned(),
            oid => (self.name_of)(view, oid).unwrap_or_else(|| oid.to_string()),
        }
    }
}

pub(super) const FUNCTIONS: &[Function] = &[
    strict("mobula_oid", &[Object], "oid", |_, args| number(&args[0])),
    strict("mobula_regclass", &[Object], "regclass", |v, a| oid_of(v, &CLASS, a)),
    strict("to_regclass", &[Text], "regclass", |v, a| maybe(v, &CLASS, a)),
    strict("mobula_regtype", &[Object], "regtype", |v, a| oid_of(v, &TYPE, a)),
    strict("to_regtype", &[Text], "regtype", |v, a| maybe(v, &TYPE, a)),
    strict("mobula_regproc", &[Object], "regproc", |v, a| oid_of(v, &PROC, a)),
    strict("to_regproc", &[Text], "regproc", |v, a| maybe(v, &PROC, a)),
    strict("mobula_regprocedure", &[Object], "regprocedure", |v, a| oid_of(v, &PROCEDURE, a)),
    strict("to_regprocedure", &[Text], "regprocedure", |v, a| maybe(v, &PROCEDURE, a)),
    strict("mobula_regoper", &[Object], "regoper", |v, a| oid_of(v, &OPER, a)),
    strict("to_regoper", &[Text], "regoper", |v, a| maybe(v, &OPER, a)),
    strict("to_regoperator", &[Text], "regoperator", |v, a| maybe(v, &OPERATOR, a)),
    strict("mobula_regoperator", &[Object], "regoperator", |v, a| oid_of(v, &OPERATOR, a)),
    strict("mobula_regnamespace", &[Object], "regnamespace", |v, a| oid_of(v, &NAMESPACE, a)),
    strict("to_regnamespace", &[Text], "regnamespace", |v, a| maybe(v, &NAMESPACE, a)),
    strict("mobula_regrole", &[Object], "regrole", |v, a| oid_of(v, &ROLE, a)),
    strict("to_regrole", &[Text], "regrole", |v, a| maybe(v, &ROLE, a)),
];

/// Relations.
pub(super) const CLASS: Reg = Reg {
    noun: "relation",
    missing: SqlState::UndefinedTable,
    oid_of: |view, text| view.relation_named(text).map(|found| found.oid()),
    name_of: |view, oid| view.relation(oid).map(|found| view.shown_relation(&found)),
};

/// Types.
pub(super) const TYPE: Reg = Reg {
    noun: "type",
    missing: SqlState::UndefinedObject,
    oid_of: |_, text| type_names::parse(text),
    name_of: |_, oid| type_names::by_oid(oid).map(|row| format_type(row.oid, None)),
};

/// Functions by their names alone.
pub(super) const PROC: Reg = Reg {
    noun: "function",
    missing: SqlState::UndefinedFunction,
    oid_of: |_, text| {
        let mut named = procs(text);
        named.next().filter(|_| named.next().is_none()).map(|row| row.oid)
    },
    name_of: |view, oid| {
        let row = lookup::proc_by_oid(oid)?;
        let name = proc_name(view, row);
        // A name that several functions have is shown with its schema.
        let alone = lookup::procs_named(row.name).nth(1).is_none() || name.contains('.');
        Some(if alone { name } else { format!("{PG_CATALOG}.{name}") })
    },
};

/// Functions with the types of their arguments.
pub(super) const PROCEDURE: Reg = Reg {
    noun: "function",
    missing: SqlState::UndefinedFunction,
    oid_of: |_, text| procedure(text),
    name_of: |view, oid| {
        let row = lookup::proc_by_oid(oid)?;
        Some(format!("{}({})", proc_name(view, row), type_list(&row.input_types)))
    },
};

const OPER: Reg = Reg {
    noun: "operator",
    missing: SqlState::UndefinedFunction,
    oid_of: |_, text| {
        let bare = text.trim();
        let bare = bare.strip_prefix("pg_catalog.").unwrap_or(bare);
        let mut named = operators().filter(|row| row.1 == bare);
        named.next().filter(|_| named.next().is_none()).map(|row| row.0)
    },
    name_of: |_, oid| {
        let (_, name, _) = operators().find(|row| row.0 == oid)?;
        // A name that several operators have is shown with its schema.
        let alone = operators().filter(|row| row.1 == name).nth(1).is_none();
        Some(if alone { name.to_owned() } else { format!("{PG_CATALOG}.{name}") })
    },
};

const OPERATOR: Reg = Reg {
    noun: "operator",
    missing: SqlState::UndefinedFunction,
    oid_of: |_, text| operator_oid(text),
    name_of: |_, oid| operator_name(oid),
};

/// Schemas.
pub(super) const NAMESPACE: Reg = Reg {
    noun: "schema",
    missing: SqlState::InvalidSchemaName,
    oid_of: |view, text| view.schema_oid(split_name(text)?.first()?),
    name_of: |view, oid| view.schema_name(oid).map(quote_ident),
};

/// Roles.
pub(super) const ROLE: Reg = Reg {
    noun: "role",
    missing: SqlState::UndefinedObject,
    oid_of: |view, text| {
        let wanted = split_name(text)?.into_iter().next()?;
        view.roles.iter().find(|row| row.name == wanted).map(|row| row.oid.0)
    },
    name_of: |view, oid| view.role_name(oid).map(quote_ident),
};

/// The oid that an argument means: its number, or that of the object it names.
pub(super) fn resolve(view: &CatalogView, reg: &Reg, arg: &Arg<'_>) -> Result<u32> {
    let Arg::Text(text) = arg else {
        return Ok(arg.oid());
    };
    if *text == "-" {
        return Ok(0);
    }
    let found = text.parse().ok().or_else(|| (reg.oid_of)(view, text));
    found.ok_or_else(|| match procs(text).nth(1) {
        Some(_) if reg.noun == PROC.noun => {
            refusal(SqlState::AmbiguousFunction, format!("more than one function named \"{text}\""))
        }
        _ => refusal(reg.missing, format!("{} \"{text}\" does not exist", reg.noun)),
    })
}

fn oid_of(view: &CatalogView, reg: &Reg, args: &[Arg<'_>]) -> Result<Cell> {
    Ok(resolve(view, reg, &args[0])?.into())
}

impl OidNames for CatalogView {
    fn name(&self, type_oid: u32, value: u32) -> String {
        let reg = match type_oid {
            oid::REGCLASS => &CLASS,
            oid::REGTYPE => &TYPE,
            oid::REGPROC => &PROC,
            oid::REGPROCEDURE => &PROCEDURE,
            oid::REGOPER => &OPER,
            oid::REGOPERATOR => &OPERATOR,
            oid::REGNAMESPACE => &NAMESPACE,
            oid::REGROLE => &ROLE,
            _ => return value.to_string(),
        };
        reg.shown(self, value)
    }
}

fn maybe(view: &CatalogView, reg: &Reg, args: &[Arg<'_>]) -> Result<Cell> {
    Ok(resolve(view, reg, &args[0]).ok().into())
}

fn number(arg: &Arg<'_>) -> Result<Cell> {
    let Arg::Text(text) = arg else {
        return Ok(arg.oid().into());
    };
    let parsed = text.trim().parse::<u32>().ok();
    let wrong = || {
        let message = format!("invalid input syntax for type oid: \"{text}\"");
        refusal(SqlState::InvalidTextRepresentation, message)
    };
    Ok(parsed.ok_or_else(wrong)?.into())
}

/// Functions of that name, with `pg_catalog.` or without.
fn procs(text: &str) -> impl Iterator<Item = &'static ProcRow> + use<> {
    let parts = split_name(text).unwrap_or_default();
    let name = match parts.as_slice() {
        [name] => Some(name.clone()),
        [schema, name] if schema == PG_CATALOG => Some(name.clone()),
        _ => None,
    };
    name.into_iter().flat_map(|name| lookup::procs_named(&name).collect::<Vec<_>>())
}

fn proc_name(view: &CatalogView, row: &ProcRow) -> String {
    let name = quote_ident(row.name);
    match view.schema_name(row.namespace) {
        Some(schema) if row.namespace != PG_CATALOG_OID => format!("{schema}.{name}"),
        _ => name,
    }
}

fn procedure(text: &str) -> Option<u32> {
    let (name, arguments) = text.trim().strip_suffix(')')?.split_once('(')?;
    let given = arguments.split(',').filter(|part| !part.trim().is_empty());
    let wanted = given.map(type_names::parse).collect::<Option<Vec<_>>>()?;
    procs(name).find(|row| row.input_types == wanted).map(|row| row.oid)
}

fn type_list(oids: &[u32]) -> String {
    oids.iter().map(|&oid| format_type(oid, None)).collect::<Vec<_>>().join(",")
}

/// An operator's line: its oid, name, and the types on its left and right.
fn operators() -> impl Iterator<Item = (u32, &'static str, [u32; 2])> {
    static_rows::lines("pg_operator").filter_map(|line| {
        let types = [line.get(7)?.parse().ok()?, line.get(8)?.parse().ok()?];
        Some((line.first()?.parse().ok()?, *line.get(1)?, types))
    })
}

fn operator_name(oid: u32) -> Option<String> {
    let (_, name, sides) = operators().find(|row| row.0 == oid)?;
    let side = |oid: u32| if oid == 0 { "NONE".to_owned() } else { format_type(oid, None) };
    Some(format!("{name}({},{})", side(sides[0]), side(sides[1])))
}

fn operator_oid(text: &str) -> Option<u32> {
    let bare = text.trim();
    let bare = bare.strip_prefix("pg_catalog.").unwrap_or(bare);
    let (name, sides) = bare.strip_suffix(')')?.split_once('(')?;
    let side = |text: &str| match text.trim() {
        "NONE" | "none" => Some(0),
        text => type_names::parse(text),
    };
    let (left, right) = sides.split_once(',')?;
    let wanted = [side(left)?, side(right)?];
    operators().find(|row| row.1 == name && row.2 == wanted).map(|row| row.0)
}

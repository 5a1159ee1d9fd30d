//! Names to oids and back.
//!
//! In: a view, names as SQL writes them, oids. Out: the objects meant, quoted names.
//! Refuses to know Arrow and functions' arguments.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::layout::{self, PG_CATALOG, RELATIONS, SYSTEM_SCHEMAS};
use super::{CatalogView, RelationRow, static_rows};

/// A relation of either kind.
#[derive(Debug, Clone, Copy)]
pub(super) enum AnyRelation<'a> {
    User(&'a RelationRow),
    System(&'static layout::SystemRelation),
}

impl AnyRelation<'_> {
    pub(super) fn oid(&self) -> u32 {
        match self {
            AnyRelation::User(row) => row.oid,
            AnyRelation::System(row) => row.oid,
        }
    }
    pub(super) fn name(&self) -> &str {
        match self {
            AnyRelation::User(row) => &row.name,
            AnyRelation::System(row) => row.name,
        }
    }
    pub(super) fn schema_oid(&self) -> u32 {
        match self {
            AnyRelation::User(row) => row.schema_oid,
            AnyRelation::System(row) => row.schema_oid(),
        }
    }
}

impl CatalogView {
    /// The relation with that oid.
    pub(super) fn relation(&self, oid: u32) -> Option<AnyRelation<'_>> {
        if let Some(row) = self.relations.iter().find(|row| row.oid == oid) {
            return Some(AnyRelation::User(row));
        }
        let at = RELATIONS.binary_search_by_key(&oid, |row| row.oid).ok()?;
        Some(AnyRelation::System(&RELATIONS[at]))
    }

    /// The relation of that name in that schema.
    pub(super) fn relation_in(&self, schema: &str, name: &str) -> Option<AnyRelation<'_>> {
        if let Some(found) = layout::find(schema, name) {
            return Some(AnyRelation::System(found));
        }
        let schema_oid = self.schema_oid(schema)?;
        let matches = |row: &&RelationRow| row.schema_oid == schema_oid && row.name == name;
        self.relations.iter().find(matches).map(AnyRelation::User)
    }

    /// The relation that a name means: `t`, `s.t`, `d.s.t`, with quotes where needed.
    pub(super) fn relation_named(&self, text: &str) -> Option<AnyRelation<'_>> {
        let parts = split_name(text)?;
        match parts.as_slice() {
            [name] => self.visible_schemas().find_map(|schema| self.relation_in(schema, name)),
            [schema, name] => self.relation_in(schema, name),
            [database, schema, name] if *database == self.database => {
                self.relation_in(schema, name)
            }
            _ => None,
        }
    }

    /// True if the relation's bare name means it.
    pub(super) fn is_visible(&self, relation: &AnyRelation<'_>) -> bool {
        let mut schemas = self.visible_schemas();
        let first = schemas.find_map(|schema| self.relation_in(schema, relation.name()));
        first.is_some_and(|found| found.oid() == relation.oid())
    }

    /// The schemas in which bare names are looked up, `pg_catalog` first as in PostgreSQL.
    pub(super) fn visible_schemas(&self) -> impl Iterator<Item = &str> {
        let named = self.search_path.iter().map(String::as_str);
        let explicit = self.search_path.iter().any(|schema| schema == PG_CATALOG);
        (!explicit).then_some(PG_CATALOG).into_iter().chain(named)
    }

    /// Those schemas of the search path that exist.
    pub(super) fn existing_path(&self) -> impl Iterator<Item = &str> {
        let path = self.search_path.iter().map(String::as_str);
        path.filter(|schema| self.schema_oid(schema).is_some())
    }

    /// The oid of a schema.
    pub(super) fn schema_oid(&self, name: &str) -> Option<u32> {
        let system = SYSTEM_SCHEMAS.iter().find(|(_, system)| *system == name);
        let user = || self.schemas.iter().find(|row| row.name == name).map(|row| row.oid);
        system.map(|(oid, _)| *oid).or_else(user)
    }

    /// The name of a schema.
    pub(super) fn schema_name(&self, oid: u32) -> Option<&str> {
        let system = SYSTEM_SCHEMAS.iter().find(|(system, _)| *system == oid);
        let user = || self.schemas.iter().find(|row| row.oid == oid);
        system.map(|(_, name)| *name).or_else(|| user().map(|row| row.name.as_str()))
    }

    /// The name of a role. The system's objects belong to the bootstrap superuser, who here is
    /// whichever role has that oid, else the first superuser.
    pub(super) fn role_name(&self, oid: u32) -> Option<&str> {
        let named = self.roles.iter().find(|row| row.oid.0 == oid);
        let bootstrap = || self.roles.iter().find(|row| row.superuser);
        let found = match oid {
            layout::BOOTSTRAP_OID => named.or_else(bootstrap),
            _ => named,
        };
        found.map(|row| row.name.as_str())
    }

    /// The name a relation is shown under: with its schema where the bare name means another.
    pub(super) fn shown_relation(&self, relation: &AnyRelation<'_>) -> String {
        let name = quote_ident(relation.name());
        match self.schema_name(relation.schema_oid()) {
            Some(schema) if !self.is_visible(relation) => {
                format!("{}.{name}", quote_ident(schema))
            }
            _ => name,
        }
    }
}

/// A function of `pg_proc`, as far as its name and its arguments go.
#[derive(Debug)]
pub(super) struct ProcRow {
    pub oid: u32,
    pub name: &'static str,
    pub namespace: u32,
    /// Oid of its language, as it is written.
    pub language: &'static str,
    /// `i`, `s` or `v`.
    pub volatility: &'static str,
    /// Whether a NULL makes it NULL.
    pub strict: bool,
    /// Oid of the type of the variadic argument's items, or 0.
    pub variadic: u32,
    /// `f`, `a`, `w` or `p`.
    pub kind: &'static str,
    pub returns_set: bool,
    pub return_type: u32,
    pub input_types: Vec<u32>,
    /// Types of all arguments, modes (`i`, `o`, `b`, `v`, `t`) and names, where they are told.
    pub all_types: Vec<u32>,
    pub modes: Vec<&'static str>,
    pub names: Vec<&'static str>,
}

impl ProcRow {
    /// Whether it is written in C, as are those of the languages `internal` and `c`.
    pub(super) fn is_compiled(&self) -> bool {
        matches!(self.language, "12" | "13")
    }
}

/// All functions, by ascending oid.
pub(super) static PROCS: LazyLock<Vec<ProcRow>> =
    LazyLock::new(|| static_rows::lines("pg_proc").filter_map(|line| proc_row(&line)).collect());

static PROCS_BY_NAME: LazyLock<HashMap<&'static str, Vec<usize>>> = LazyLock::new(|| {
    let mut named: HashMap<_, Vec<usize>> = HashMap::new();
    for (at, row) in PROCS.iter().enumerate() {
        named.entry(row.name).or_default().push(at);
    }
    named
});

fn proc_row(line: &[&'static str]) -> Option<ProcRow> {
    Some(ProcRow {
        oid: line.first()?.parse().ok()?,
        name: line.get(1)?,
        namespace: line.get(2)?.parse().ok()?,
        language: line.get(4)?,
        volatility: line.get(14)?,
        strict: *line.get(12)? == "t",
        variadic: line.get(7)?.parse().ok()?,
        kind: line.get(9)?,
        returns_set: *line.get(13)? == "t",
        return_type: line.get(18)?.parse().ok()?,
        input_types: line.get(19)?.split(' ').filter_map(|oid| oid.parse().ok()).collect(),
        all_types: items(line.get(20)?).filter_map(|oid| oid.parse().ok()).collect(),
        modes: items(line.get(21)?).collect(),
        names: items(line.get(22)?).collect(),
    })
}

/// The items of `{a,b,""}`; none of `\N`.
fn items(text: &'static str) -> impl Iterator<Item = &'static str> {
    let inner = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap_or("");
    inner.split(',').filter(|item| !item.is_empty()).map(|item| item.trim_matches('"'))
}

/// The function with that oid.
pub(super) fn proc_by_oid(oid: u32) -> Option<&'static ProcRow> {
    PROCS.binary_search_by_key(&oid, |row| row.oid).ok().map(|at| &PROCS[at])
}

/// All functions of that bare name.
pub(super) fn procs_named(name: &str) -> impl Iterator<Item = &'static ProcRow> {
    PROCS_BY_NAME.get(name).into_iter().flatten().map(|&at| &PROCS[at])
}

/// The parts of a dotted name, folded to lower case where they are not quoted.
pub(super) fn split_name(text: &str) -> Option<Vec<String>> {
    let mut parts = vec![String::new()];
    let mut chars = text.trim().chars().peekable();
    let mut quoted = false;
    while let Some(c) = chars.next() {
        let part = parts.last_mut()?;
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                part.push('"');
            }
            '"' => quoted = !quoted,
            '.' if !quoted => parts.push(String::new()),
            c if quoted => part.push(c),
            c => part.extend(c.to_lowercase()),
        }
    }
    let complete = !quoted && parts.iter().all(|part| !part.is_empty());
    complete.then_some(parts)
}

/// An identifier as SQL must write it. Words that PostgreSQL reserves are quoted too.
pub(crate) fn quote_ident(name: &str) -> String {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '$';
    let starts_well = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
    if starts_well && name.chars().all(plain) && !KEYWORDS.contains_key(name) {
        return name.to_owned();
    }
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Words that may not stand bare where a name is meant.
static KEYWORDS: LazyLock<HashMap<&'static str, ()>> = LazyLock::new(|| {
    let lines = include_str!("data/mobula_keywords.tsv").lines();
    let reserved = lines.filter_map(|line| {
        let (word, rest) = line.split_once('\t')?;
        (!rest.starts_with('U')).then_some((word, ()))
    });
    reserved.collect()
});

//! What the store holds, as values: oids, schemas, relations, roles, and all of them at one moment.
//! In: rows. Out: [`Snapshot`]. It changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, Row};

use crate::error::PgError;

/// The number of an object: stored, stable, never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Oid(pub u32);

/// The first oid of objects that users make, as in PostgreSQL.
pub const FIRST_OID: Oid = Oid(16_384);
/// The schema `public`.
pub const PUBLIC_OID: Oid = Oid(2_200);
/// The role that owns what exists from the start.
pub const ADMIN_OID: Oid = Oid(10);
/// Its name at the first start.
pub const ADMIN_ROLE: &str = "mobula";

impl fmt::Display for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromSql for Oid {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        u32::column_result(value).map(Self)
    }
}

impl ToSql for Oid {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        self.0.to_sql()
    }
}

/// What a change came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change<T> {
    /// It is done and durable.
    Made(T),
    /// Nothing to do under IF [NOT] EXISTS: the notice for the client.
    Skipped(PgError),
}

/// A schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schema {
    /// Its number.
    pub oid: Oid,
    /// Its name.
    pub name: String,
    /// The role it belongs to.
    pub owner: Oid,
}

/// What a relation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RelationKind {
    /// Files that someone else keeps.
    External,
    /// Files that we wrote under the data directory.
    Managed,
    /// A stored query.
    View,
}

impl RelationKind {
    /// The word in the store.
    pub const fn word(self) -> &'static str {
        match self {
            Self::External => "external",
            Self::Managed => "managed",
            Self::View => "view",
        }
    }

    /// The noun in messages, as PostgreSQL says it.
    pub const fn noun(self) -> &'static str {
        match self {
            Self::External | Self::Managed => "table",
            Self::View => "view",
        }
    }

    /// Whether it is dropped and replaced as a table.
    pub const fn is_table(self) -> bool {
        matches!(self, Self::External | Self::Managed)
    }
}

impl FromSql for RelationKind {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match value.as_str()? {
            "external" => Ok(Self::External),
            "managed" => Ok(Self::Managed),
            "view" => Ok(Self::View),
            _ => Err(FromSqlError::InvalidType),
        }
    }
}

/// A table or a view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relation {
    /// Its number.
    pub oid: Oid,
    /// The schema it is in.
    pub schema_oid: Oid,
    /// That schema's name.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// The role it belongs to.
    pub owner: Oid,
    /// What it is.
    pub kind: RelationKind,
    /// PARQUET, CSV ...; empty for a view.
    pub format: String,
    /// Where its files are; empty for a view.
    pub location: String,
    /// The options of its format, as JSON.
    pub options: String,
    /// Its columns as JSON, declared or found; the store does not look inside.
    pub columns: String,
    /// Its partition columns, as JSON.
    pub partition_columns: String,
    /// The SQL text that makes it.
    pub definition: String,
    /// When it was made, in microseconds since 1970 UTC.
    pub created_at_micros: i64,
    /// The relations that its definition names, which cannot go while it stays.
    pub needs: BTreeSet<Oid>,
}

/// Text that no log, error or Debug print shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<hidden>")
    }
}

/// A role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// Its number.
    pub oid: Oid,
    /// Its name.
    pub name: String,
    /// Whether it may do everything.
    pub superuser: bool,
    /// Whether it may log in.
    pub login: bool,
    /// What its password is checked against; none: no password fits.
    pub verifier: Option<Secret>,
}

/// All objects at one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    version: u64,
    schemas: BTreeMap<String, Arc<Schema>>,
    /// By schema, then name: looked up without building a key.
    relations: BTreeMap<String, BTreeMap<String, Arc<Relation>>>,
    by_oid: BTreeMap<Oid, Arc<Relation>>,
    roles: BTreeMap<String, Arc<Role>>,
}

impl Snapshot {
    /// Grows with every change, also over restarts: equal versions are equal contents.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// All schemas, by name.
    pub fn schemas(&self) -> impl Iterator<Item = &Arc<Schema>> {
        self.schemas.values()
    }

    /// One schema.
    pub fn schema(&self, name: &str) -> Option<&Arc<Schema>> {
        self.schemas.get(name)
    }

    /// All relations, by oid.
    pub fn relations(&self) -> impl Iterator<Item = &Arc<Relation>> {
        self.by_oid.values()
    }

    /// The relations of a schema, by name.
    pub fn relations_in(&self, schema: &str) -> impl Iterator<Item = &Arc<Relation>> {
        self.relations.get(schema).into_iter().flat_map(BTreeMap::values)
    }

    /// One relation by schema and name.
    pub fn relation(&self, schema: &str, name: &str) -> Option<&Arc<Relation>> {
        self.relations.get(schema)?.get(name)
    }

    /// One relation by oid.
    pub fn relation_by_oid(&self, oid: Oid) -> Option<&Arc<Relation>> {
        self.by_oid.get(&oid)
    }

    /// All roles, by name.
    pub fn roles(&self) -> impl Iterator<Item = &Arc<Role>> {
        self.roles.values()
    }

    /// One role.
    pub fn role(&self, name: &str) -> Option<&Arc<Role>> {
        self.roles.get(name)
    }
}

const RELATIONS: &str = "
SELECT r.oid, r.schema_oid, s.name AS schema, r.name, r.owner, r.kind, r.format, r.location,
       r.options, r.columns, r.partition_columns, r.definition, r.created_at
FROM relations r JOIN schemas s ON s.oid = r.schema_oid";

fn relation(row: &Row<'_>) -> rusqlite::Result<Relation> {
    Ok(Relation {
        oid: row.get("oid")?,
        schema_oid: row.get("schema_oid")?,
        schema: row.get("schema")?,
        name: row.get("name")?,
        owner: row.get("owner")?,
        kind: row.get("kind")?,
        format: row.get("format")?,
        location: row.get("location")?,
        options: row.get("options")?,
        columns: row.get("columns")?,
        partition_columns: row.get("partition_columns")?,
        definition: row.get("definition")?,
        created_at_micros: row.get("created_at")?,
        needs: BTreeSet::new(),
    })
}

/// Reads everything.
pub(super) fn load(connection: &Connection) -> rusqlite::Result<Snapshot> {
    let version = "SELECT value FROM counters WHERE name = 'version'";
    let mut snapshot = Snapshot {
        version: connection.query_row(version, [], |row| row.get::<_, i64>(0))?.unsigned_abs(),
        ..Snapshot::default()
    };
    let mut statement = connection.prepare_cached("SELECT oid, name, owner FROM schemas")?;
    let schemas = statement.query_map([], |row| {
        Ok(Schema { oid: row.get(0)?, name: row.get(1)?, owner: row.get(2)? })
    })?;
    for schema in schemas {
        let schema = schema?;
        snapshot.schemas.insert(schema.name.clone(), Arc::new(schema));
    }
    let mut needs = load_needs(connection)?;
    let mut statement = connection.prepare_cached(RELATIONS)?;
    for found in statement.query_map([], relation)? {
        let mut found = found?;
        found.needs = needs.remove(&found.oid).unwrap_or_default();
        let found = Arc::new(found);
        snapshot.by_oid.insert(found.oid, Arc::clone(&found));
        let schema = snapshot.relations.entry(found.schema.clone()).or_default();
        schema.insert(found.name.clone(), found);
    }
    let sql = "SELECT oid, name, superuser, login, verifier FROM roles";
    let mut statement = connection.prepare_cached(sql)?;
    let roles = statement.query_map([], |row| {
        Ok(Role {
            oid: row.get(0)?,
            name: row.get(1)?,
            superuser: row.get(2)?,
            login: row.get(3)?,
            verifier: row.get::<_, Option<String>>(4)?.map(Secret),
        })
    })?;
    for role in roles {
        let role = role?;
        snapshot.roles.insert(role.name.clone(), Arc::new(role));
    }
    Ok(snapshot)
}

fn load_needs(connection: &Connection) -> rusqlite::Result<BTreeMap<Oid, BTreeSet<Oid>>> {
    let sql = "SELECT relation_oid, needs_oid FROM dependencies";
    let mut statement = connection.prepare_cached(sql)?;
    let mut needs: BTreeMap<Oid, BTreeSet<Oid>> = BTreeMap::new();
    for pair in statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))? {
        let (relation, needed): (Oid, Oid) = pair?;
        needs.entry(relation).or_default().insert(needed);
    }
    Ok(needs)
}

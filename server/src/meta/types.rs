//! What the store holds, as values: oids, schemas, relations. It decides nothing and changes
//! nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};

use serde::{Deserialize, Serialize};

use super::acl::Acl;
use crate::error::PgError;

/// The number of an object: stored, stable, never used again.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
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
    /// Who may do what with it; none: what [`Acl::of_schema`] says.
    pub acl: Option<Acl>,
    /// What COMMENT ON said of it.
    pub comment: Option<String>,
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
    /// Who may do what with it; none: what [`Acl::of_relation`] says.
    pub acl: Option<Acl>,
    /// Who may do what with single columns, by name.
    pub column_acls: BTreeMap<String, Acl>,
    /// What COMMENT ON said of it.
    pub comment: Option<String>,
    /// And of its columns, by name.
    pub column_comments: BTreeMap<String, String>,
    /// What was said of its rows.
    pub constraints: Vec<Constraint>,
    /// The relations that its definition names, which cannot go while it stays.
    pub needs: BTreeSet<Oid>,
}

/// What is said of a table's rows and never checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Constraint {
    /// Its number.
    pub oid: Oid,
    /// The number of the index that PostgreSQL would have for it; there is none to read.
    pub index_oid: Oid,
    /// Its name.
    pub name: String,
    /// What it says.
    pub says: Says,
    /// Of these columns.
    pub columns: Vec<String>,
}

/// What a [`Constraint`] says of its columns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Says {
    /// They name a row.
    PrimaryKey,
    /// No two rows have the same.
    Unique,
    /// They name a row of that table by these columns of it.
    References(Oid, Vec<String>),
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

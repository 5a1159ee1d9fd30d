//! The tables of the store, as steps from version to version (`PRAGMA user_version`).
//! In: a connection of any earlier version. Out: the current one. A step, once released, is never
//! edited: a change is a new step.

use rusqlite::{Connection, TransactionBehavior};

use super::failed;
use crate::error::{PgError, PgResult, SqlState};

/// Step `n` leads from version `n` to `n + 1`.
const STEPS: &[&str] = &[FIRST];

/// 16384 is PostgreSQL's first oid for user objects; 2200 its `public`; 10 its first role.
const FIRST: &str = "
CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO counters VALUES ('oid', 16384), ('version', 1);

CREATE TABLE roles (
    oid INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    superuser INTEGER NOT NULL,
    login INTEGER NOT NULL,
    verifier TEXT
) STRICT;
INSERT INTO roles VALUES (10, 'mobula', 1, 1, NULL);

CREATE TABLE schemas (
    oid INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    owner INTEGER NOT NULL REFERENCES roles (oid)
) STRICT;
INSERT INTO schemas VALUES (2200, 'public', 10);

CREATE TABLE relations (
    oid INTEGER PRIMARY KEY,
    schema_oid INTEGER NOT NULL REFERENCES schemas (oid),
    name TEXT NOT NULL,
    owner INTEGER NOT NULL REFERENCES roles (oid),
    kind TEXT NOT NULL CHECK (kind IN ('external', 'managed', 'view')),
    format TEXT NOT NULL,
    location TEXT NOT NULL,
    options TEXT NOT NULL,
    columns TEXT NOT NULL,
    partition_columns TEXT NOT NULL,
    definition TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (schema_oid, name)
) STRICT;

CREATE TABLE dependencies (
    relation_oid INTEGER NOT NULL REFERENCES relations (oid) ON DELETE CASCADE,
    needs_oid INTEGER NOT NULL REFERENCES relations (oid),
    PRIMARY KEY (relation_oid, needs_oid)
) STRICT, WITHOUT ROWID;
CREATE INDEX dependencies_by_needs ON dependencies (needs_oid);

CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
";

/// Applies the steps that are missing, each whole or not at all.
pub fn to_current(connection: &mut Connection) -> PgResult<()> {
    let version: u32 =
        connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(failed)?;
    let Some(missing) = STEPS.get(version as usize..) else {
        return Err(PgError::fatal(
            SqlState::ObjectNotInPrerequisiteState,
            format!("the data directory was written by a newer version (format {version})"),
        )
        .hint("Start the newer version, or another --data-dir."));
    };
    for (next, step) in (version + 1..).zip(missing) {
        let tx =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        tx.execute_batch(step).map_err(failed)?;
        tx.pragma_update(None, "user_version", next).map_err(failed)?;
        tx.commit().map_err(failed)?;
    }
    Ok(())
}

//! The tables of the store, as steps from version to version (`PRAGMA user_version`).
//! In: a connection of any earlier version. Out: the current one. A step, once released, is never
//! edited: a change is a new step.

use rusqlite::{Connection, TransactionBehavior};

use super::failed;
use crate::error::{PgError, PgResult, SqlState};

/// Step `n` leads from version `n` to `n + 1`.
const STEPS: &[&str] = &[FIRST, RIGHTS];

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

/// Roles get attributes and memberships, objects get owners' grants and comments. The roles that
/// PostgreSQL has from the start have its oids; the numbers in the list of `public` are the
/// privileges of [`super::acl::Privilege`]: all for its owner, USAGE for everybody.
const RIGHTS: &str = r#"
ALTER TABLE roles ADD COLUMN inherit INTEGER NOT NULL DEFAULT 1;
ALTER TABLE roles ADD COLUMN create_role INTEGER NOT NULL DEFAULT 0;
ALTER TABLE roles ADD COLUMN create_db INTEGER NOT NULL DEFAULT 0;
ALTER TABLE roles ADD COLUMN replication INTEGER NOT NULL DEFAULT 0;
ALTER TABLE roles ADD COLUMN bypass_rls INTEGER NOT NULL DEFAULT 0;
ALTER TABLE roles ADD COLUMN connection_limit INTEGER NOT NULL DEFAULT -1;
ALTER TABLE roles ADD COLUMN valid_until INTEGER;
ALTER TABLE roles ADD COLUMN settings TEXT NOT NULL DEFAULT '{}';
UPDATE roles SET create_role = 1, create_db = 1, replication = 1, bypass_rls = 1 WHERE oid = 10;
INSERT INTO roles (oid, name, superuser, login) VALUES
    (3373, 'pg_monitor', 0, 0), (3374, 'pg_read_all_settings', 0, 0),
    (3375, 'pg_read_all_stats', 0, 0), (3377, 'pg_stat_scan_tables', 0, 0),
    (4200, 'pg_signal_backend', 0, 0), (4569, 'pg_read_server_files', 0, 0),
    (4570, 'pg_write_server_files', 0, 0), (4571, 'pg_execute_server_program', 0, 0),
    (6171, 'pg_database_owner', 0, 0), (6181, 'pg_read_all_data', 0, 0),
    (6182, 'pg_write_all_data', 0, 0);

CREATE TABLE memberships (
    role_oid INTEGER NOT NULL REFERENCES roles (oid),
    member_oid INTEGER NOT NULL REFERENCES roles (oid),
    admin INTEGER NOT NULL,
    grantor_oid INTEGER NOT NULL,
    PRIMARY KEY (role_oid, member_oid)
) STRICT, WITHOUT ROWID;
INSERT INTO memberships VALUES (3374, 3373, 0, 10), (3375, 3373, 0, 10), (3377, 3373, 0, 10);

CREATE TABLE default_acls (
    oid INTEGER NOT NULL,
    role_oid INTEGER NOT NULL REFERENCES roles (oid),
    schema_oid INTEGER NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('relation', 'schema')),
    acl TEXT NOT NULL,
    PRIMARY KEY (role_oid, schema_oid, kind)
) STRICT, WITHOUT ROWID;

ALTER TABLE schemas ADD COLUMN acl TEXT;
ALTER TABLE schemas ADD COLUMN comment TEXT;
UPDATE schemas SET acl = '[{"grantee":10,"grantor":10,"privileges":384,"grantable":0},
    {"grantee":0,"grantor":10,"privileges":128,"grantable":0}]' WHERE oid = 2200;
ALTER TABLE relations ADD COLUMN acl TEXT;
ALTER TABLE relations ADD COLUMN column_acls TEXT NOT NULL DEFAULT '{}';
ALTER TABLE relations ADD COLUMN comment TEXT;
ALTER TABLE relations ADD COLUMN column_comments TEXT NOT NULL DEFAULT '{}';
ALTER TABLE relations ADD COLUMN constraints TEXT NOT NULL DEFAULT '[]';
"#;

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

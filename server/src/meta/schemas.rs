//! Changes to schemas. In: names. Out: durable changes with PostgreSQL's words and codes.

use std::sync::Arc;

use rusqlite::params;

use super::relations::{dependents, drop_all, must_cascade};
use super::{Change, Meta, Oid, Relation, Schema, Snapshot, failed, next_oid};
use crate::error::{PgError, PgResult, SqlState};
use crate::pg_catalog::SYSTEM_SCHEMAS;

/// Whether every database has that schema and nobody makes it.
fn is_system(name: &str) -> bool {
    SYSTEM_SCHEMAS.iter().any(|(_, system)| *system == name)
}

/// The schema `name`, or PostgreSQL's error.
pub(super) fn find<'s>(snapshot: &'s Snapshot, name: &str) -> PgResult<&'s Arc<Schema>> {
    snapshot.schema(name).ok_or_else(|| missing(name))
}

fn missing(name: &str) -> PgError {
    PgError::new(SqlState::InvalidSchemaName, format!("schema \"{name}\" does not exist"))
}

impl Meta {
    /// CREATE SCHEMA: its oid.
    pub fn create_schema(
        &self,
        name: &str,
        owner: Oid,
        if_not_exists: bool,
    ) -> PgResult<Change<Oid>> {
        self.change(|tx| {
            if self.snapshot().schema(name).is_some() || is_system(name) {
                let message = format!("schema \"{name}\" already exists");
                return if if_not_exists {
                    let message = format!("{message}, skipping");
                    Ok(Change::Skipped(PgError::notice(SqlState::DuplicateSchema, message)))
                } else {
                    Err(PgError::new(SqlState::DuplicateSchema, message))
                };
            }
            if name.starts_with("pg_") {
                let message = format!("unacceptable schema name \"{name}\"");
                return Err(PgError::new(SqlState::InvalidSchemaName, message)
                    .detail("The prefix \"pg_\" is reserved for system schemas."));
            }
            let oid = next_oid(tx)?;
            tx.execute(
                "INSERT INTO schemas (oid, name, owner) VALUES (?1, ?2, ?3)",
                params![oid, name, owner],
            )
            .map_err(failed)?;
            Ok(Change::Made(oid))
        })
    }

    /// DROP SCHEMA: the relations that went with it, for whoever deletes their files.
    pub fn drop_schema(
        &self,
        name: &str,
        if_exists: bool,
        cascade: bool,
    ) -> PgResult<Change<Vec<Arc<Relation>>>> {
        self.change(|tx| {
            let snapshot = self.snapshot();
            if is_system(name) {
                let message =
                    format!("cannot drop schema {name} because it is required by the system");
                return Err(PgError::new(SqlState::DependentObjectsExist, message));
            }
            let Some(schema) = snapshot.schema(name) else {
                return if if_exists {
                    let message = format!("schema \"{name}\" does not exist, skipping");
                    Ok(Change::Skipped(PgError::notice(SqlState::InvalidSchemaName, message)))
                } else {
                    Err(missing(name))
                };
            };
            let own: Vec<_> = snapshot.relations_in(name).map(Arc::clone).collect();
            let doomed = dependents(&snapshot, own);
            if !cascade && !doomed.is_empty() {
                let object = format!("schema {name}");
                return Err(must_cascade(&object, doomed.iter().map(|one| (one, &*object))));
            }
            drop_all(tx, &doomed)?;
            tx.execute("DELETE FROM schemas WHERE oid = ?1", [schema.oid]).map_err(failed)?;
            Ok(Change::Made(doomed))
        })
    }

    /// ALTER SCHEMA ... RENAME TO. Views name their tables with the schema, so one that is read
    /// by a view stays.
    pub fn rename_schema(&self, name: &str, to: &str) -> PgResult<Change<()>> {
        self.change(|tx| {
            let snapshot = self.snapshot();
            let schema = find(&snapshot, name)?;
            if snapshot.schema(to).is_some() || is_system(to) {
                let message = format!("schema \"{to}\" already exists");
                return Err(PgError::new(SqlState::DuplicateSchema, message));
            }
            if to.starts_with("pg_") {
                let message = format!("unacceptable schema name \"{to}\"");
                return Err(PgError::new(SqlState::InvalidSchemaName, message)
                    .detail("The prefix \"pg_\" is reserved for system schemas."));
            }
            for relation in snapshot.relations_in(name) {
                super::relations::refuse_if_needed(&snapshot, relation, "rename")?;
            }
            let sql = "UPDATE schemas SET name = ?2 WHERE oid = ?1";
            tx.execute(sql, params![schema.oid, to]).map_err(failed)?;
            Ok(Change::Made(()))
        })
    }
}

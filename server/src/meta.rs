//! The server's memory of its own objects: schemas, relations, roles, settings, in SQLite.
//! In: typed changes. Out: the same, durable before the call returns, and [`Snapshot`]s to read.
//! Blocking: callers use `spawn_blocking`. It parses no SQL and opens no table's files.

mod migrate;
mod open;
mod relations;
mod roles;
mod schemas;
mod types;

#[cfg(test)]
mod tests;

pub use relations::{DropRelation, NewRelation};
pub use roles::NewRole;
pub use types::{
    ADMIN_OID, ADMIN_ROLE, Change, FIRST_OID, Oid, PUBLIC_OID, Relation, RelationKind, Role,
    Schema, Secret, Snapshot,
};

use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use rusqlite::{Connection, ErrorCode, OptionalExtension, Transaction, TransactionBehavior};

use crate::error::{PgError, PgResult, SqlState};

/// The metadata store of one data directory.
#[derive(Debug)]
pub struct Meta {
    connection: Mutex<Connection>,
    snapshot: RwLock<Arc<Snapshot>>,
    /// Held, not read: the lock on the data directory ends with it.
    _lock: File,
}

impl Meta {
    /// Opens the store in the data directory `dir`, making both if they are not there, and locks
    /// the directory against a second server.
    pub fn open(dir: &Path) -> PgResult<Self> {
        open::make_folder(dir)?;
        let lock = open::lock(dir)?;
        let mut connection = open::connect(dir)?;
        migrate::to_current(&mut connection)?;
        let snapshot = types::load(&connection).map_err(failed)?;
        Ok(Self {
            connection: Mutex::new(connection),
            snapshot: RwLock::new(Arc::new(snapshot)),
            _lock: lock,
        })
    }

    /// All objects as of now. Never blocks on a change being written; cheap.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// A stored setting.
    pub fn setting(&self, name: &str) -> PgResult<Option<String>> {
        self.connection()
            .query_row("SELECT value FROM settings WHERE name = ?1", [name], |row| row.get(0))
            .optional()
            .map_err(failed)
    }

    /// Stores a setting, durably.
    pub fn set_setting(&self, name: &str, value: &str) -> PgResult<()> {
        self.change(|tx| {
            tx.execute(
                "INSERT INTO settings (name, value) VALUES (?1, ?2)
                 ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                [name, value],
            )
            .map_err(failed)?;
            Ok(Change::Made(()))
        })
        .map(drop)
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        // A panic inside a change rolled its transaction back: the connection is sound.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs one change as a transaction. When this returns a made change it is on disk and in
    /// the snapshot; an error or a skip leaves everything as it was.
    fn change<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> PgResult<Change<T>>,
    ) -> PgResult<Change<T>> {
        let mut connection = self.connection();
        let tx =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        let change = work(&tx)?;
        if let Change::Made(_) = change {
            next(&tx, "version")?;
            // Read before the commit: after it nothing may fail, or an acknowledged object would
            // be missing from the snapshot. All rows again, since DDL is rare: 10,000 relations
            // take some 10 ms.
            let snapshot = types::load(&tx).map_err(failed)?;
            tx.commit().map_err(failed)?;
            *self.snapshot.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(snapshot);
        }
        Ok(change)
    }
}

/// Increments the counter and returns its value from before.
fn next(tx: &Transaction<'_>, counter: &str) -> PgResult<i64> {
    let sql = "UPDATE counters SET value = value + 1 WHERE name = ?1 RETURNING value - 1";
    tx.query_row(sql, [counter], |row| row.get(0)).map_err(failed)
}

/// The next oid. One sequence for all objects; the counter only grows, so none is used again.
fn next_oid(tx: &Transaction<'_>) -> PgResult<Oid> {
    let oid = u32::try_from(next(tx, "oid")?);
    oid.map(Oid).map_err(|_| PgError::new(SqlState::ProgramLimitExceeded, "all oids are used up"))
}

/// The store itself failed: the log has SQLite's words, the client a plain sentence.
fn failed(error: rusqlite::Error) -> PgError {
    tracing::error!(%error, "the metadata store failed");
    let (state, message) = match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => {
            (SqlState::DiskFull, "no space left on the data directory's disk")
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            (SqlState::DataCorrupted, "the metadata store is damaged")
        }
        Some(ErrorCode::OutOfMemory) => (SqlState::OutOfMemory, "out of memory"),
        Some(
            ErrorCode::SystemIoFailure
            | ErrorCode::CannotOpen
            | ErrorCode::ReadOnly
            | ErrorCode::PermissionDenied,
        ) => (SqlState::IoError, "could not read or write the metadata store"),
        _ => (SqlState::InternalError, "the metadata store failed"),
    };
    PgError::new(state, message)
}

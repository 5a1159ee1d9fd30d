//! The server's memory of its own objects: schemas, relations, roles, settings, in SQLite.
//! In: changes from one [`Snapshot`] to the next. Out: the same, durable before the call returns,
//! and snapshots to read. Blocking: callers use `spawn_blocking`. It parses no SQL, opens no
//! table's files and does not ask who may change what.

pub mod acl;
mod constraints;
mod defaults;
mod migrate;
mod open;
mod pending;
mod relations;
mod roles;
mod rows;
mod schemas;
mod snapshot;
mod types;

#[cfg(test)]
mod tests;

pub use acl::Object;
pub use pending::Pending;
pub use relations::{DropRelation, NewRelation};
pub use roles::{DefaultAcl, DefaultAclKey, Membership, Role, RoleChange};
pub use snapshot::Snapshot;
pub use types::{
    ADMIN_OID, ADMIN_ROLE, Change, Constraint, FIRST_OID, Oid, PUBLIC_OID, Relation, RelationKind,
    Says, Schema, Secret,
};

use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use rusqlite::{Connection, ErrorCode, OptionalExtension, TransactionBehavior};

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
        let snapshot = rows::load(&connection).map_err(failed)?;
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
        let sql = "INSERT OR REPLACE INTO settings (name, value) VALUES (?1, ?2)";
        self.connection().execute(sql, [name, value]).map(drop).map_err(failed)
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        // A panic inside a change rolled its transaction back: the connection is sound.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes one change. When this returns a made change it is on disk and in the snapshot; an
    /// error or a skip leaves everything as it was.
    ///
    /// # Errors
    /// The change's own, or what the store says.
    pub fn change<T>(
        &self,
        work: impl FnOnce(&mut Snapshot) -> PgResult<Change<T>>,
    ) -> PgResult<Change<T>> {
        // Held to the end: changes come one after the other.
        let mut connection = self.connection();
        let before = self.snapshot();
        // A copy of all names, since definitions are rare: 10,000 relations take about 2 ms.
        let mut after = before.as_ref().clone();
        let change = work(&mut after)?;
        if let Change::Made(_) = change {
            after.version = after.counters.next_version();
            let immediate = TransactionBehavior::Immediate;
            let tx = connection.transaction_with_behavior(immediate).map_err(failed)?;
            rows::save(&tx, &before, &after).map_err(failed)?;
            tx.commit().map_err(failed)?;
            *self.snapshot.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(after);
        }
        Ok(change)
    }
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

//! Opening the data directory: folder, lock, SQLite file, with the rights and durability we need.
//! In: a path. Out: a held lock and a connection. It knows no table.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;

use super::failed;
use crate::durable::sync_folder;
use crate::error::{PgError, PgResult, SqlState};

/// The SQLite file in the data directory.
const CATALOG: &str = "catalog.sqlite";

/// Makes the data directory, for this user only, and makes its name durable.
pub fn make_folder(dir: &Path) -> PgResult<()> {
    if dir.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|error| {
        io_failed(format!("cannot make the data directory {}", dir.display()), &error)
    })?;
    // A lost name would lose everything acknowledged below it.
    let parent = match dir.parent() {
        Some(parent) if parent == Path::new("") => Path::new("."),
        Some(parent) => parent,
        None => Path::new("/"),
    };
    sync_folder(parent).map_err(|error| {
        io_failed(format!("cannot make the data directory {} durable", dir.display()), &error)
    })
}

/// Takes the lock that one server holds on a data directory. It ends with the process, however
/// that ends; the number in the file is only for the message.
pub fn lock(dir: &Path) -> PgResult<File> {
    let shown = dir.display();
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(dir.join("lock"))
        .map_err(|error| io_failed(format!("cannot open the lock file in {shown}"), &error))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut process = String::new();
            let _ = file.read_to_string(&mut process);
            let message = format!("the data directory {shown} is in use by another server");
            let error = PgError::fatal(SqlState::ObjectNotInPrerequisiteState, message)
                .hint("Stop that server, or start this one with another --data-dir.");
            return Err(match process.trim() {
                "" => error,
                number => error.detail(format!("It is process {number}.")),
            });
        }
        Err(TryLockError::Error(error)) => {
            return Err(io_failed(format!("cannot lock the data directory {shown}"), &error));
        }
    }
    let note = |file: &mut File| -> io::Result<()> {
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "{}", std::process::id())
    };
    note(&mut file)
        .map_err(|error| io_failed(format!("cannot write the lock file in {shown}"), &error))?;
    Ok(file)
}

/// Opens the SQLite file: readable by this user only, write-ahead log, every commit synced.
pub fn connect(dir: &Path) -> PgResult<Connection> {
    let path = dir.join(CATALOG);
    // SQLite would create it as readable as the umask allows; its log files follow this mode.
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
        Ok(_) => sync_folder(dir)
            .map_err(|error| io_failed("cannot make the metadata store durable".into(), &error))?,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => {
            return Err(io_failed(format!("cannot create {}", path.display()), &error));
        }
    }
    let connection = Connection::open(&path).map_err(failed)?;
    // Only a backup tool may be reading at the same time; it must not fail a CREATE TABLE.
    connection.busy_timeout(Duration::from_secs(5)).map_err(failed)?;
    connection
        .pragma_update_and_check(None, "journal_mode", "wal", |row| row.get::<_, String>(0))
        .map_err(failed)?;
    // FULL syncs the log at each commit; WAL's default (NORMAL) may lose the last ones.
    connection.pragma_update(None, "synchronous", "full").map_err(failed)?;
    connection.pragma_update(None, "foreign_keys", true).map_err(failed)?;
    Ok(connection)
}

/// Only at start, to the operator: so the path may be said.
fn io_failed(what: String, error: &io::Error) -> PgError {
    let state = match error.kind() {
        io::ErrorKind::StorageFull => SqlState::DiskFull,
        _ => SqlState::IoError,
    };
    PgError::fatal(state, format!("{what}: {error}"))
}

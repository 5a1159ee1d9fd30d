//! One client's session, without its socket: who it is, its settings, its transaction, what it
//! prepared. In: what statements decide. Out: what statements need. Runs nothing.

pub mod limits;
pub mod link;
mod savepoints;
pub mod settings;
pub mod variables;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use pgwire::messages::response::TransactionStatus;

use crate::error::{PgError, PgResult, SqlState};
use crate::meta::{Pending, Snapshot};
use crate::notify::pending::Wishes;
use crate::shared::Shared;
use savepoints::Savepoint;
use settings::Variables;

/// Who is connected, fixed at login.
#[derive(Debug)]
pub struct Identity {
    /// The process id the client was told.
    pub pid: i32,
    /// The role that logged in.
    pub user: String,
    /// The client's address, for views and logs.
    pub peer: String,
}

/// Where a session stands in a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transaction {
    /// None is open: each statement stands alone.
    Idle,
    /// Between BEGIN and COMMIT; `now()` is its start.
    Open(SystemTime),
    /// A statement failed; only its end is accepted.
    Failed(SystemTime),
}

/// What a transaction defined and has not committed; none until it defines something. The statement
/// that runs and the session share it.
pub type Aside = Arc<Mutex<Option<Pending>>>;

impl Transaction {
    /// When it began, if it did.
    pub fn since(self) -> Option<SystemTime> {
        match self {
            Self::Idle => None,
            Self::Open(since) | Self::Failed(since) => Some(since),
        }
    }
}

/// A client's session.
#[derive(Debug)]
pub struct Session {
    /// Who.
    pub identity: Arc<Identity>,
    /// Settings.
    pub variables: Variables,
    /// The transaction.
    pub transaction: Transaction,
    /// Whether statements come together that succeed or fail as one, though nobody said BEGIN:
    /// those of one message, or up to one Sync.
    pub is_implicit: bool,
    /// What the transaction keeps aside.
    pub aside: Aside,
    /// What it asked of the channels.
    pub notes: Wishes,
    /// Places in it to return to, the last one last.
    savepoints: Vec<Savepoint>,
}

impl Session {
    /// A session right after login.
    pub fn new(identity: Identity, variables: Variables) -> Self {
        Self {
            identity: Arc::new(identity),
            variables,
            transaction: Transaction::Idle,
            is_implicit: false,
            aside: Aside::default(),
            notes: Wishes::default(),
            savepoints: vec![],
        }
    }

    /// Whether what statements define waits for a COMMIT, said or not.
    pub fn keeps_aside(&self) -> bool {
        self.is_implicit || self.transaction != Transaction::Idle
    }

    /// All objects as the next statement sees them: with what its transaction keeps aside.
    pub fn snapshot(&self, shared: &Shared) -> Arc<Snapshot> {
        if self.keeps_aside()
            && let Some(pending) = &*self.aside.lock().unwrap_or_else(PoisonError::into_inner)
        {
            return Arc::clone(pending.snapshot());
        }
        shared.meta.snapshot()
    }

    /// The byte ReadyForQuery carries.
    pub fn status(&self) -> TransactionStatus {
        match self.transaction {
            Transaction::Idle => TransactionStatus::Idle,
            Transaction::Open(_) => TransactionStatus::Transaction,
            Transaction::Failed(_) => TransactionStatus::Error,
        }
    }

    /// Notes that a statement failed.
    pub fn failed(&mut self) {
        if let Transaction::Open(since) = self.transaction {
            self.transaction = Transaction::Failed(since);
        }
    }

    /// When `now()` is: the start of the transaction, or of this statement.
    pub fn now(&self) -> SystemTime {
        self.transaction.since().unwrap_or_else(SystemTime::now)
    }

    /// BEGIN. Inside a transaction it only warns, as in PostgreSQL.
    pub fn begin(&mut self) -> Option<PgError> {
        if self.transaction == Transaction::Idle {
            self.transaction = Transaction::Open(SystemTime::now());
            self.variables.begin();
            return None;
        }
        let message = "there is already a transaction in progress";
        Some(PgError::warning(SqlState::ActiveSqlTransaction, message))
    }

    /// COMMIT or ROLLBACK: the tag, and a warning outside a transaction.
    pub fn end(&mut self, commit: bool) -> (&'static str, Option<PgError>) {
        let before = std::mem::replace(&mut self.transaction, Transaction::Idle);
        let committed = commit && matches!(before, Transaction::Open(_));
        self.savepoints.clear();
        self.variables.end(committed);
        self.notes.end(committed || commit && before == Transaction::Idle);
        let warning = (before == Transaction::Idle).then(|| {
            let message = "there is no transaction in progress";
            PgError::warning(SqlState::NoActiveSqlTransaction, message)
        });
        let tag = if committed || (commit && before == Transaction::Idle) {
            "COMMIT"
        } else {
            "ROLLBACK"
        };
        (tag, warning)
    }

    /// Refuses what cannot be undone by ROLLBACK.
    ///
    /// # Errors
    /// 25001 inside a transaction block.
    pub fn outside_transaction(&self, what: &str) -> PgResult<()> {
        if self.transaction == Transaction::Idle {
            return Ok(());
        }
        let message = format!("{what} cannot run inside a transaction block");
        Err(PgError::new(SqlState::ActiveSqlTransaction, message)
            .hint("ROLLBACK could not undo it. End the transaction first, or use autocommit."))
    }
}

/// 25P02, for every statement in a failed transaction but its end.
pub fn in_failed_transaction() -> PgError {
    let message = "current transaction is aborted, commands ignored until end of transaction block";
    PgError::new(SqlState::InFailedSqlTransaction, message)
}

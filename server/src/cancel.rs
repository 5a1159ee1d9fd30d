//! One way to end a statement. In: who wants it ended. Out: a token every part of the statement
//! watches, and the error the client gets. A cancel request reaches only the statement that runs
//! when it arrives, never the next one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio_util::sync::CancellationToken;

use crate::error::{PgError, SqlState};
use crate::meta::Oid;

/// Why a statement ends early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The client asked for it.
    Request,
    /// `statement_timeout`.
    Timeout,
    /// Nobody is there to read the answer.
    ClientGone,
    /// The server stops.
    Shutdown,
}

impl Reason {
    /// What the client is told.
    pub fn error(self) -> PgError {
        match self {
            Self::Request => {
                PgError::new(SqlState::QueryCanceled, "canceling statement due to user request")
            }
            Self::Timeout => PgError::new(
                SqlState::QueryCanceled,
                "canceling statement due to statement timeout",
            ),
            Self::ClientGone => {
                PgError::fatal(SqlState::ConnectionFailure, "connection to client lost")
            }
            Self::Shutdown => shutdown(),
        }
    }
}

/// 57P01.
pub fn shutdown() -> PgError {
    let message = "terminating connection due to administrator command";
    PgError::fatal(SqlState::AdminShutdown, message)
}

/// One statement's end. The first reason stays.
#[derive(Debug, Clone, Default)]
pub struct Cancel {
    token: CancellationToken,
    reason: Arc<OnceLock<Reason>>,
}

impl Cancel {
    /// Ends the statement.
    pub fn cancel(&self, reason: Reason) {
        // A statement ends once; a later reason is too late to matter.
        let _ = self.reason.set(reason);
        self.token.cancel();
    }

    /// Waits until the statement is ended, and says why.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn cancelled(&self) -> Reason {
        self.token.cancelled().await;
        self.reason.get().copied().unwrap_or(Reason::Request)
    }

    /// Why the statement was ended, if it was.
    pub fn reason(&self) -> Option<Reason> {
        self.reason.get().copied()
    }
}

/// The statement a session runs now, if any.
type Running = Arc<Mutex<Option<Cancel>>>;

/// All sessions, by process id.
#[derive(Debug, Default)]
pub struct Sessions {
    sessions: Mutex<HashMap<i32, Entry>>,
}

/// Why there is no room for a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// The server has as many as it may.
    All,
    /// The role has.
    Role,
}

#[derive(Debug)]
struct Entry {
    role: Oid,
    secret: Vec<u8>,
    running: Running,
}

/// A session's place among all; gone when dropped.
#[derive(Debug)]
pub struct Registration {
    sessions: Arc<Sessions>,
    /// The process id, which the client learns.
    pub pid: i32,
    /// The secret a cancel request must show.
    pub secret: Vec<u8>,
    running: Running,
}

impl Sessions {
    /// Gives a session of a role a process id and a secret of `secret_bytes`.
    ///
    /// # Errors
    /// When `max` are there, or `of_role_max` of the role.
    pub fn register(
        self: &Arc<Self>,
        secret_bytes: usize,
        max: usize,
        role: Oid,
        of_role_max: Option<usize>,
    ) -> Result<Registration, Full> {
        let mut sessions = lock(&self.sessions);
        if sessions.len() >= max {
            return Err(Full::All);
        }
        if let Some(most) = of_role_max
            && sessions.values().filter(|entry| entry.role == role).count() >= most
        {
            return Err(Full::Role);
        }
        let mut secret = vec![0u8; secret_bytes];
        rand::fill(&mut secret[..]);
        let pid = loop {
            let pid = rand::random_range(1..i32::MAX);
            if !sessions.contains_key(&pid) {
                break pid;
            }
        };
        let running = Running::default();
        let entry = Entry { role, secret: secret.clone(), running: Arc::clone(&running) };
        sessions.insert(pid, entry);
        Ok(Registration { sessions: Arc::clone(self), pid, secret, running })
    }

    /// Sessions now.
    pub fn count(&self) -> usize {
        lock(&self.sessions).len()
    }

    /// A cancel request. A wrong secret does nothing and says nothing.
    pub fn cancel(&self, pid: i32, secret: &[u8]) {
        let running = {
            let sessions = lock(&self.sessions);
            let known = sessions.get(&pid).filter(|entry| equal(&entry.secret, secret));
            known.map(|entry| Arc::clone(&entry.running))
        };
        if let Some(cancel) = running.and_then(|running| lock(&running).clone()) {
            cancel.cancel(Reason::Request);
        }
    }

    /// Ends what every session runs.
    pub fn cancel_all(&self, reason: Reason) {
        for entry in lock(&self.sessions).values() {
            if let Some(cancel) = lock(&entry.running).as_ref() {
                cancel.cancel(reason);
            }
        }
    }
}

impl Registration {
    /// A statement begins: from now on a cancel request ends it, until the guard is dropped.
    pub fn begin(&self) -> (Cancel, StatementGuard) {
        let cancel = Cancel::default();
        *lock(&self.running) = Some(cancel.clone());
        (cancel, StatementGuard(Arc::clone(&self.running)))
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        lock(&self.sessions.sessions).remove(&self.pid);
    }
}

/// While it lives, its statement is the one a cancel request ends.
#[derive(Debug)]
pub struct StatementGuard(Running);

impl Drop for StatementGuard {
    fn drop(&mut self) {
        lock(&self.0).take();
    }
}

/// Compares in a time that does not depend on where the first difference is.
fn equal(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len() && left.iter().zip(right).fold(0, |diff, (a, b)| diff | (a ^ b)) == 0
}

/// A map of plain values is whole even if a thread died while holding it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_running_statement_and_only_with_the_secret() {
        let sessions = Arc::new(Sessions::default());
        let registration = sessions.register(4, 1, Oid(1), None).expect("room");
        assert_eq!(sessions.register(4, 1, Oid(2), None).err(), Some(Full::All));
        assert_eq!(sessions.register(4, 2, Oid(1), Some(1)).err(), Some(Full::Role));
        let (cancel, guard) = registration.begin();
        sessions.cancel(registration.pid, b"nope");
        assert_eq!(cancel.reason(), None);
        drop(guard);
        sessions.cancel(registration.pid, &registration.secret);
        assert_eq!(cancel.reason(), None, "too late");
        let (next, _guard) = registration.begin();
        sessions.cancel(registration.pid, &registration.secret);
        assert_eq!(next.reason(), Some(Reason::Request));
        drop(registration);
        assert_eq!(sessions.count(), 0);
    }
}

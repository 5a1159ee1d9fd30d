//! All sessions. In: who is connected and what each does. Out: a place for each among all, through
//! which others see it, cancel its statement or end it. A cancel request reaches only the statement
//! that runs when it arrives, never the next one. Knows no rights: who may do what is decided by
//! those who ask.

pub mod advisory;
pub mod now;
pub mod totals;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use tokio_util::sync::CancellationToken;

use crate::cancel::{Cancel, Reason};
use crate::meta::Oid;
use crate::notify::{Channels, Inbox};
use advisory::Locks;
use now::Now;
use totals::Totals;

/// All sessions, by process id.
#[derive(Debug, Default)]
pub struct Sessions {
    members: Mutex<BTreeMap<i32, Arc<Member>>>,
    /// Who listens to what.
    pub channels: Channels,
    /// What is counted.
    pub totals: Totals,
    /// Advisory locks.
    pub locks: Locks,
}

/// Who logs in.
#[derive(Debug)]
pub struct Who {
    /// The role.
    pub user: String,
    /// The client's address.
    pub peer: SocketAddr,
    /// The address that it connected to.
    pub local: Option<SocketAddr>,
    /// Whether the connection is encrypted.
    pub is_encrypted: bool,
}

/// Why there is no room for a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// The server has as many as it may.
    All,
    /// The role has.
    Role,
}

/// One session as others see it.
#[derive(Debug)]
pub struct Member {
    /// The process id, which the client learns.
    pub pid: i32,
    /// Who it is.
    pub who: Who,
    /// The role that logged in, whatever it is called now.
    pub role: Oid,
    /// When it began.
    pub since: SystemTime,
    secret: Vec<u8>,
    running: Mutex<Option<Cancel>>,
    now: Mutex<Now>,
    end: Cancel,
    gone: CancellationToken,
    /// What others tell it.
    pub inbox: Inbox,
}

/// A session's place among all; gone when dropped.
#[derive(Debug)]
pub struct Registration {
    sessions: Arc<Sessions>,
    member: Arc<Member>,
}

impl Sessions {
    /// Gives a session of a role a process id and a secret of `secret_bytes`.
    ///
    /// # Errors
    /// When `max` are there, or `of_role_max` of the role.
    pub fn register(
        self: &Arc<Self>,
        who: Who,
        role: Oid,
        secret_bytes: usize,
        max: usize,
        of_role_max: Option<usize>,
    ) -> Result<Registration, Full> {
        let mut members = lock(&self.members);
        if members.len() >= max {
            return Err(Full::All);
        }
        if let Some(most) = of_role_max
            && members.values().filter(|member| member.role == role).count() >= most
        {
            return Err(Full::Role);
        }
        let mut secret = vec![0u8; secret_bytes];
        rand::fill(&mut secret[..]);
        let pid = loop {
            let pid = rand::random_range(1..i32::MAX);
            if !members.contains_key(&pid) {
                break pid;
            }
        };
        let member = Arc::new(Member {
            pid,
            who,
            role,
            since: SystemTime::now(),
            secret,
            running: Mutex::default(),
            now: Mutex::default(),
            end: Cancel::default(),
            gone: CancellationToken::new(),
            inbox: Inbox::default(),
        });
        members.insert(pid, Arc::clone(&member));
        self.totals.session_began();
        Ok(Registration { sessions: Arc::clone(self), member })
    }

    /// Sessions now.
    pub fn count(&self) -> usize {
        lock(&self.members).len()
    }

    /// All of them, by process id.
    pub fn all(&self) -> Vec<Arc<Member>> {
        lock(&self.members).values().cloned().collect()
    }

    /// One of them.
    pub fn get(&self, pid: i32) -> Option<Arc<Member>> {
        lock(&self.members).get(&pid).cloned()
    }

    /// A cancel request. A wrong secret does nothing and says nothing.
    pub fn cancel(&self, pid: i32, secret: &[u8]) {
        if let Some(member) = self.get(pid).filter(|member| equal(&member.secret, secret)) {
            member.cancel(Reason::Request);
        }
    }

    /// Ends what every session runs.
    pub fn cancel_all(&self, reason: Reason) {
        for member in self.all() {
            member.cancel(reason);
        }
    }
}

impl Member {
    /// Ends the statement that it runs, if any.
    pub fn cancel(&self, reason: Reason) {
        if let Some(cancel) = lock(&self.running).as_ref() {
            cancel.cancel(reason);
        }
    }

    /// Ends the session, idle or not.
    pub fn end(&self, reason: Reason) {
        self.end.cancel(reason);
        self.cancel(reason);
    }

    /// Waits until someone ends the session, and says why.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn ended(&self) -> Reason {
        self.end.cancelled().await
    }

    /// Why it was ended, if it was.
    pub fn end_reason(&self) -> Option<Reason> {
        self.end.reason()
    }

    /// Waits until it is gone.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn gone(&self) {
        self.gone.cancelled().await;
    }

    /// What ends the statement that it runs.
    pub fn running(&self) -> Option<Cancel> {
        lock(&self.running).clone()
    }

    /// What it does.
    pub fn now(&self) -> MutexGuard<'_, Now> {
        lock(&self.now)
    }
}

impl Registration {
    /// As others see it.
    pub fn member(&self) -> &Arc<Member> {
        &self.member
    }

    /// Its process id.
    pub fn pid(&self) -> i32 {
        self.member.pid
    }

    /// The secret a cancel request must show.
    pub fn secret(&self) -> &[u8] {
        &self.member.secret
    }

    /// A statement begins: from now on a cancel request ends it, until the guard is dropped.
    pub fn begin(&self) -> (Cancel, StatementGuard) {
        let cancel = Cancel::default();
        *lock(&self.member.running) = Some(cancel.clone());
        // Whoever ended the session before did not find this statement.
        if let Some(reason) = self.member.end.reason() {
            cancel.cancel(reason);
        }
        (cancel, StatementGuard(Arc::clone(&self.member)))
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.sessions.channels.leave(self.member.pid);
        self.sessions.locks.leave(self.member.pid);
        lock(&self.sessions.members).remove(&self.member.pid);
        self.member.gone.cancel();
    }
}

/// While it lives, its statement is the one a cancel request ends.
#[derive(Debug)]
pub struct StatementGuard(Arc<Member>);

impl Drop for StatementGuard {
    fn drop(&mut self) {
        lock(&self.0.running).take();
    }
}

/// Compares in a time that does not depend on where the first difference is.
fn equal(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len() && left.iter().zip(right).fold(0, |diff, (a, b)| diff | (a ^ b)) == 0
}

/// A map of plain values is whole even if a thread died while holding it.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who() -> Who {
        let peer = SocketAddr::from(([127, 0, 0, 1], 5));
        Who { user: "u".to_owned(), peer, local: None, is_encrypted: false }
    }

    #[test]
    fn only_the_running_statement_and_only_with_the_secret() {
        let sessions = Arc::new(Sessions::default());
        let register = |role, max, own| sessions.register(who(), Oid(role), 4, max, own);
        let registration = register(1, 1, None).expect("room");
        assert_eq!(register(2, 1, None).err(), Some(Full::All));
        assert_eq!(register(1, 2, Some(1)).err(), Some(Full::Role));
        let (cancel, guard) = registration.begin();
        sessions.cancel(registration.pid(), b"nope");
        assert_eq!(cancel.reason(), None);
        drop(guard);
        sessions.cancel(registration.pid(), registration.secret());
        assert_eq!(cancel.reason(), None, "too late");
        let (next, _guard) = registration.begin();
        sessions.cancel(registration.pid(), registration.secret());
        assert_eq!(next.reason(), Some(Reason::Request));
        drop(registration);
        assert_eq!(sessions.count(), 0);
    }

    #[test]
    fn an_ended_session_runs_nothing_more() {
        let sessions = Arc::new(Sessions::default());
        let registration = sessions.register(who(), Oid(1), 4, 1, None).expect("room");
        registration.member().end(Reason::Shutdown);
        assert_eq!(registration.begin().0.reason(), Some(Reason::Shutdown));
        assert_eq!(registration.member().end_reason(), Some(Reason::Shutdown));
    }
}

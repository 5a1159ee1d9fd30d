//! What the functions of a statement see of their session, and what they ask of it. In: the
//! session's settings as its statement begins. Out: wishes, which the connection grants when the
//! statement has ended well, and notices. Functions run on other threads than the session; this is
//! what both have.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Semaphore;

use super::limits::Limits;
use super::settings::{AllShown, check};
use crate::conn::Named;
use crate::cursors::Declared;
use crate::error::{PgError, PgResult, SqlState, engine};
use crate::limits::WAITS_MAX_COUNT;
use crate::notify::pending::sayable;
use crate::sessions::{Member, Sessions, lock};

/// What a function asks of its session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// `set_config`; no value is the default.
    Set {
        /// The setting.
        name: String,
        /// Its value, checked.
        value: Option<String>,
        /// Until the transaction ends.
        is_local: bool,
    },
    /// `pg_notify`.
    Notify {
        /// Where.
        channel: String,
        /// What.
        payload: String,
    },
}

/// A session as its functions reach it.
#[derive(Debug, Default)]
pub struct Link {
    place: Option<Place>,
    /// Its prepared statements.
    pub statements: Named,
    state: Mutex<State>,
    has_transaction_locks: AtomicBool,
}

/// Where it is among all.
#[derive(Debug)]
struct Place {
    sessions: Arc<Sessions>,
    member: Arc<Member>,
}

#[derive(Debug, Default)]
struct State {
    settings: AllShown,
    limits: Limits,
    cursors: Vec<Arc<Declared>>,
    asked: Vec<Asked>,
    notices: Vec<PgError>,
}

/// Waits within functions, of all sessions.
static WAITS: Semaphore = Semaphore::const_new(WAITS_MAX_COUNT);

impl Link {
    /// Of a session.
    pub fn new(sessions: Arc<Sessions>, member: Arc<Member>) -> Self {
        Self { place: Some(Place { sessions, member }), ..Self::default() }
    }

    /// A statement begins with these settings and cursors.
    pub fn begin(&self, settings: AllShown, limits: Limits, cursors: Vec<Arc<Declared>>) {
        let mut state = lock(&self.state);
        state.settings = settings;
        state.limits = limits;
        state.cursors = cursors;
    }

    /// What was asked, and what the client is to be told.
    pub fn take(&self) -> (Vec<Asked>, Vec<PgError>) {
        let mut state = lock(&self.state);
        (std::mem::take(&mut state.asked), std::mem::take(&mut state.notices))
    }

    /// What the client is to be told so far.
    pub fn take_notices(&self) -> Vec<PgError> {
        std::mem::take(&mut lock(&self.state).notices)
    }

    /// All sessions.
    ///
    /// # Errors
    /// Where there is none: an internal error.
    pub fn sessions(&self) -> PgResult<&Arc<Sessions>> {
        self.place().map(|place| &place.sessions)
    }

    /// This session among them.
    ///
    /// # Errors
    /// As [`Link::sessions`].
    pub fn member(&self) -> PgResult<&Arc<Member>> {
        self.place().map(|place| &place.member)
    }

    fn place(&self) -> PgResult<&Place> {
        self.place.as_ref().ok_or_else(|| engine::incident(&"a function without a session"))
    }

    /// The settings, as they were when the statement began.
    pub fn settings(&self) -> AllShown {
        Arc::clone(&lock(&self.state).settings)
    }

    /// The cursors, as they were then.
    pub fn cursors(&self) -> Vec<Arc<Declared>> {
        lock(&self.state).cursors.clone()
    }

    /// A setting's value, as this statement has set it.
    pub fn setting(&self, name: &str) -> Option<String> {
        let state = lock(&self.state);
        let found = state.settings.iter().find(|shown| shown.name.eq_ignore_ascii_case(name));
        let asked = state.asked.iter().rev().find_map(|asked| match asked {
            Asked::Set { name: set, value, .. } if set.eq_ignore_ascii_case(name) => Some(value),
            _ => None,
        });
        match asked {
            Some(Some(value)) => Some(value.clone()),
            Some(None) => Some(found.map(|found| found.reset.to_string()).unwrap_or_default()),
            None => found.map(|found| found.value.to_string()),
        }
    }

    /// `set_config`; the value that it gives the setting.
    ///
    /// # Errors
    /// Those of SET.
    pub fn set(&self, name: &str, value: Option<&str>, is_local: bool) -> PgResult<String> {
        let is_superuser = self.setting("is_superuser").is_some_and(|value| value == "on");
        let shown = self.setting(name);
        let given = value.or(shown.as_deref()).unwrap_or_default();
        let (name, checked) = check(name, given, is_superuser)?;
        lock(&self.state).limits.check(&name, &checked)?;
        let (name, value) = (name.into_owned(), value.map(|_| checked));
        lock(&self.state).asked.push(Asked::Set { name: name.clone(), value, is_local });
        Ok(self.setting(&name).unwrap_or_default())
    }

    /// `pg_notify`.
    ///
    /// # Errors
    /// 22023 for a channel or a payload that cannot be.
    pub fn notify(&self, channel: &str, payload: &str) -> PgResult<()> {
        sayable(channel, payload)?;
        let (channel, payload) = (channel.to_owned(), payload.to_owned());
        lock(&self.state).asked.push(Asked::Notify { channel, payload });
        Ok(())
    }

    /// Tells the client something.
    pub fn notice(&self, notice: PgError) {
        lock(&self.state).notices.push(notice);
    }

    /// A lock was taken that ends with the transaction.
    pub fn note_transaction_lock(&self) {
        self.has_transaction_locks.store(true, Ordering::Relaxed);
    }

    /// The transaction ends, and with it its locks.
    pub fn end_transaction(&self) {
        if self.has_transaction_locks.swap(false, Ordering::Relaxed)
            && let Some(Place { sessions, member }) = &self.place
        {
            sessions.locks.end_transaction(member.pid);
        }
    }

    /// Waits on this thread until something has happened, `time` at most, or until the statement is
    /// ended; none when the time is over.
    ///
    /// # Errors
    /// Why the statement is ended; 53400 when too many wait.
    pub fn wait<F: Future>(&self, what: F, time: Option<Duration>) -> PgResult<Option<F::Output>> {
        let Ok(_permit) = WAITS.try_acquire() else {
            let message = format!("more than {WAITS_MAX_COUNT} statements wait in functions");
            return Err(PgError::new(SqlState::ConfigurationLimit, message));
        };
        let running = self.member()?.running();
        let runtime =
            tokio::runtime::Handle::try_current().map_err(|error| engine::incident(&error))?;
        let ended = async {
            match &running {
                Some(cancel) => cancel.cancelled().await,
                None => std::future::pending().await,
            }
        };
        let over = async {
            match time {
                Some(time) => tokio::time::sleep(time).await,
                None => std::future::pending().await,
            }
        };
        // The runtime goes on with another thread meanwhile.
        tokio::task::block_in_place(|| {
            runtime.block_on(async {
                tokio::select! {
                    biased;
                    reason = ended => Err(reason.error()),
                    done = what => Ok(Some(done)),
                    () = over => Ok(None),
                }
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::settings::Variables;

    #[test]
    fn a_statement_sees_what_it_has_set() {
        let link = Link::default();
        let mut variables = Variables::default();
        variables.set("work_mem", "8MB", false).expect("known");
        link.begin(variables.all(), Limits::default(), vec![]);
        assert_eq!(link.setting("WORK_MEM").as_deref(), Some("8MB"));
        assert_eq!(link.set("Work_Mem", Some("65536"), false).as_deref(), Ok("64MB"));
        assert_eq!(link.setting("work_mem").as_deref(), Some("64MB"));
        assert_eq!(link.set("work_mem", None, true).as_deref(), Ok("4MB"));
        assert_eq!(link.set("app.user", Some("7"), true).as_deref(), Ok("7"));
        assert_eq!(link.setting("app.user").as_deref(), Some("7"));
        assert!(link.set("work_mem", Some("soon"), false).is_err());
        assert_eq!(link.take().0.len(), 3);
        assert_eq!(link.setting("work_mem").as_deref(), Some("8MB"));
        assert_eq!(link.setting("app.user"), None);
    }
}

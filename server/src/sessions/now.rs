//! What a session does now. In: its statements as they begin, its transaction as it changes. Out: a
//! row of `pg_stat_activity`. Kept by each session for itself: a statement costs it a lock nobody
//! waits for and two looks at the clock.

use std::sync::Arc;
use std::time::SystemTime;

use crate::queries::beginning;
use crate::session::Transaction;

/// What a session does now.
#[derive(Debug, Clone)]
pub struct Now {
    /// What state it is in.
    pub state: State,
    /// Since when.
    pub changed: SystemTime,
    /// The beginning of the last statement's text.
    pub query: Arc<str>,
    /// When that began.
    pub query_began: Option<SystemTime>,
    /// When its transaction began, if it is in one.
    pub transaction_began: Option<SystemTime>,
    /// What the client calls itself.
    pub application: Arc<str>,
}

/// What state a session is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It runs a statement.
    Active,
    /// It waits for its client.
    Idle(Transaction),
}

impl State {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Idle(Transaction::Idle) => "idle",
            Self::Idle(Transaction::Open(_)) => "idle in transaction",
            Self::Idle(Transaction::Failed(_)) => "idle in transaction (aborted)",
        }
    }
}

impl Default for Now {
    fn default() -> Self {
        Self {
            state: State::Idle(Transaction::Idle),
            changed: SystemTime::now(),
            query: "".into(),
            query_began: None,
            transaction_began: None,
            application: "".into(),
        }
    }
}

impl Now {
    /// A statement begins.
    pub fn begin(&mut self, text: &Arc<str>, transaction: Transaction) {
        let now = SystemTime::now();
        self.state = State::Active;
        self.changed = now;
        self.query = beginning(text);
        self.query_began = Some(now);
        self.transaction_began = Some(transaction.since().unwrap_or(now));
    }

    /// The client is waited for.
    pub fn wait(&mut self, transaction: Transaction) {
        self.state = State::Idle(transaction);
        self.changed = SystemTime::now();
        self.transaction_began = transaction.since();
    }
}

//! The queries that run here, and the last that ran. In: statements as they begin and end. Out:
//! what the views of schema `mobula` show. Nothing waits for it and nothing is decided by it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use exec::job::log::JobLog;
use exec::job::news::{News, Teller};
use tokio::sync::mpsc;

use crate::error::{PgError, PgResult, SqlState};

/// Ended queries that are kept of each runner: many small local ones leave the staged.
const ENDED_MAX: usize = 100;
/// Attempts that ended queries may have together, some 200 bytes each; the oldest go first.
const ATTEMPTS_MAX: usize = 50_000;
/// The beginning of a text that is kept, as `track_activity_query_size` is in PostgreSQL.
const TEXT_MAX_BYTES: usize = 4 << 10;

/// The word for what runs a query in one process.
pub const LOCAL: &str = "local";

/// All that is known.
#[derive(Debug, Default)]
pub struct Queries {
    last_id: AtomicU64,
    log: Mutex<Log>,
}

#[derive(Debug, Default)]
struct Log {
    running: BTreeMap<u64, Arc<Query>>,
    local: VecDeque<Arc<Query>>,
    /// With the attempts each had when it ended, and their sum.
    staged: VecDeque<(Arc<Query>, usize)>,
    attempts: usize,
}

/// Who asks, and what.
#[derive(Debug)]
pub struct Asked<'a> {
    /// The session's process id.
    pub pid: i32,
    /// Its role.
    pub user: &'a str,
    /// What is to run it, if it can: the word for it.
    pub runner: &'static str,
    /// The statement.
    pub text: &'a Arc<str>,
}

/// One query.
#[derive(Debug)]
pub struct Query {
    /// Unique in a server process, and growing.
    pub id: u64,
    /// The session's process id.
    pub pid: i32,
    /// Its role.
    pub user: String,
    /// The beginning of the statement, or of the message it came in.
    pub text: Arc<str>,
    /// When it began.
    pub started: SystemTime,
    begun: Instant,
    asked_runner: &'static str,
    /// Known when it is planned: its job, none when it runs in one process.
    job: Mutex<Option<Option<Arc<JobLog>>>>,
    news: mpsc::UnboundedSender<News>,
    end: OnceLock<End>,
}

/// How a query ended.
#[derive(Debug)]
pub struct End {
    /// What became of it.
    pub state: State,
    /// How long it took.
    pub elapsed: Duration,
    /// Rows that were sent, when it is done.
    pub rows: Option<usize>,
    /// What the client was told.
    pub error: Option<String>,
}

/// What became of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It ended as it should.
    Done,
    /// It ended with an error.
    Failed,
    /// Someone ended it: the client, a limit of time, the server that stops.
    Cancelled,
}

impl State {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    fn of(error: &PgError) -> Self {
        match error.state {
            SqlState::QueryCanceled | SqlState::ConnectionFailure | SqlState::AdminShutdown => {
                Self::Cancelled
            }
            _ => Self::Failed,
        }
    }
}

impl Query {
    /// What runs it.
    pub fn runner(&self) -> &'static str {
        match &*self.placed_as() {
            Some(Some(_)) => self.asked_runner,
            None if self.end.get().is_none() => self.asked_runner,
            _ => LOCAL,
        }
    }

    /// What its tasks do, when it is staged.
    pub fn job(&self) -> Option<Arc<JobLog>> {
        self.placed_as().clone().flatten()
    }

    fn placed_as(&self) -> MutexGuard<'_, Option<Option<Arc<JobLog>>>> {
        self.job.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It is planned, perhaps again; `job` is none when it runs in one process.
    pub fn placed(&self, job: Option<Arc<JobLog>>) {
        *self.placed_as() = Some(job);
    }

    /// Tells who waits for it what happens.
    pub fn teller(&self) -> Teller {
        Teller::new(self.news.clone())
    }

    /// How it ended, if it has.
    pub fn end(&self) -> Option<&End> {
        self.end.get()
    }

    /// How long it took or has taken.
    pub fn elapsed(&self) -> Duration {
        self.end().map_or_else(|| self.begun.elapsed(), |end| end.elapsed)
    }
}

impl Queries {
    /// A query begins.
    pub fn begin(self: &Arc<Self>, asked: &Asked<'_>) -> Watch {
        let (tell, news) = mpsc::unbounded_channel();
        let query = Arc::new(Query {
            id: self.last_id.fetch_add(1, Ordering::Relaxed) + 1,
            pid: asked.pid,
            user: asked.user.to_owned(),
            text: beginning(asked.text),
            started: SystemTime::now(),
            begun: Instant::now(),
            asked_runner: asked.runner,
            job: Mutex::default(),
            news: tell,
            end: OnceLock::new(),
        });
        self.log().running.insert(query.id, Arc::clone(&query));
        Watch { queries: Arc::clone(self), query, sent: 0, news }
    }

    /// All that run and those that are kept, in the order they began.
    pub fn all(&self) -> Vec<Arc<Query>> {
        let mut all: Vec<_> = {
            let log = self.log();
            let ended = log.staged.iter().map(|(query, _)| query).chain(&log.local);
            ended.chain(log.running.values()).cloned().collect()
        };
        all.sort_unstable_by_key(|query| query.id);
        all
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// As much of a text as is kept.
pub fn beginning(text: &Arc<str>) -> Arc<str> {
    match text.floor_char_boundary(TEXT_MAX_BYTES) {
        all if all == text.len() => Arc::clone(text),
        cut => text[..cut].into(),
    }
}

impl Log {
    fn end(&mut self, query: &Arc<Query>) {
        self.running.remove(&query.id);
        let Some(job) = query.job() else {
            self.local.push_back(Arc::clone(query));
            if self.local.len() > ENDED_MAX {
                self.local.pop_front();
            }
            return;
        };
        let attempts = job.attempt_count();
        self.attempts += attempts;
        self.staged.push_back((Arc::clone(query), attempts));
        // The last one stays, however large it was.
        while self.staged.len() > ENDED_MAX || self.attempts > ATTEMPTS_MAX && self.staged.len() > 1
        {
            let Some((_, attempts)) = self.staged.pop_front() else { return };
            self.attempts -= attempts;
        }
    }
}

/// A query while it lasts. Dropped without an end, nobody wanted the rest of it.
#[derive(Debug)]
pub struct Watch {
    queries: Arc<Queries>,
    query: Arc<Query>,
    /// Rows that were sent before its portal waited.
    sent: usize,
    news: mpsc::UnboundedReceiver<News>,
}

impl Watch {
    /// The query.
    pub fn query(&self) -> &Arc<Query> {
        &self.query
    }

    /// What happens to it next that is worth telling.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn news(&mut self) -> News {
        match self.news.recv().await {
            Some(news) => news,
            // The query holds the other end.
            None => std::future::pending().await,
        }
    }

    /// Some rows were sent, and the rest waits until it is asked for.
    pub fn sent(&mut self, rows: usize) {
        self.sent += rows;
    }

    /// What it came to: the rows that were sent, or what the client is told.
    pub fn ended(self, result: &PgResult<usize>) {
        match result {
            Ok(rows) => self.end(State::Done, Some(self.sent + rows), None),
            Err(error) => self.end(State::of(error), None, Some(error.message.clone())),
        }
    }

    fn end(&self, state: State, rows: Option<usize>, error: Option<String>) {
        let elapsed = self.query.begun.elapsed();
        if self.query.end.set(End { state, elapsed, rows, error }).is_ok() {
            self.queries.log().end(&self.query);
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.end(State::Cancelled, None, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin(queries: &Arc<Queries>, text: &str) -> Watch {
        queries.begin(&Asked { pid: 1, user: "u", runner: LOCAL, text: &text.into() })
    }

    #[test]
    fn those_that_run_and_the_last_that_ran() {
        let queries = Arc::new(Queries::default());
        let first = begin(&queries, "first");
        for _ in 0..2 * ENDED_MAX {
            begin(&queries, "small").ended(&Ok(1));
        }
        let all = queries.all();
        assert_eq!((all.len(), &*all[0].text), (ENDED_MAX + 1, "first"));
        assert!(all[0].end().is_none() && all[1].end().is_some());
        drop(first);
        let last = queries.all().into_iter().find(|query| &*query.text == "first");
        let end = last.as_ref().and_then(|query| query.end()).expect("it ended last");
        assert_eq!((end.state, end.rows), (State::Cancelled, None));
    }

    #[test]
    fn an_error_says_how_it_ended() {
        let queries = Arc::new(Queries::default());
        for (error, state) in [
            (crate::cancel::Reason::Timeout.error(), State::Cancelled),
            (PgError::new(SqlState::DivisionByZero, "division by zero"), State::Failed),
        ] {
            begin(&queries, "one").ended(&Err(error.clone()));
            let last = queries.all().pop().expect("it is kept");
            let end = last.end().expect("it ended");
            assert_eq!((end.state, end.error.as_ref()), (state, Some(&error.message)));
        }
    }

    #[test]
    fn a_long_text_is_cut() {
        let queries = Arc::new(Queries::default());
        let watch = begin(&queries, &"ä".repeat(TEXT_MAX_BYTES));
        assert_eq!(watch.query().text.len(), TEXT_MAX_BYTES);
    }
}

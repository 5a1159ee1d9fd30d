//! What the one who waits for a query may like to know. In: what happens to its job. Out: a line
//! now and then, as it happens. Misfortune that comes at once is told once.

use std::fmt;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

/// How long misfortune is gathered before it is told: a node takes several tasks with it.
const GATHER: Duration = Duration::from_millis(200);

/// Something worth telling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// Tasks run again.
    Again {
        /// Why.
        words: String,
        /// How many.
        tasks: usize,
        /// Of how many the query has.
        of: usize,
    },
    /// Nothing of it runs for lack of room.
    Waiting {
        /// CPUs it waits for.
        cpus: usize,
    },
}

impl fmt::Display for News {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Again { words, tasks, of } => {
                write!(f, "{words}, re-running {tasks} of {of} tasks")
            }
            Self::Waiting { cpus } => write!(f, "waiting for {cpus} CPUs"),
        }
    }
}

/// Where news go; to nobody by default.
#[derive(Debug, Clone, Default)]
pub struct Teller(Option<mpsc::UnboundedSender<News>>);

impl Teller {
    /// Tells this one.
    pub fn new(to: mpsc::UnboundedSender<News>) -> Self {
        Self(Some(to))
    }

    /// Tells, if anybody listens.
    pub fn tell(&self, news: News) {
        if let Some(to) = &self.0 {
            let _ = to.send(news);
        }
    }
}

/// Misfortune that was not told yet.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    words: String,
    tasks: usize,
    since: Option<Instant>,
}

impl Gathered {
    /// So many tasks run again.
    pub(super) fn add(&mut self, words: &str, tasks: usize) {
        if tasks > 0 {
            if self.since.is_none() {
                words.clone_into(&mut self.words);
            }
            self.since.get_or_insert_with(Instant::now);
            self.tasks += tasks;
        }
    }

    /// Waits until it is time to tell; for ever when there is nothing.
    ///
    /// # Cancel safety
    /// Safe.
    pub(super) async fn due(&self) {
        match self.since {
            Some(since) => tokio::time::sleep_until(since + GATHER).await,
            None => std::future::pending().await,
        }
    }

    /// What there is to tell.
    pub(super) fn take(&mut self, of: usize) -> News {
        let Self { words, tasks, .. } = std::mem::take(self);
        News::Again { words, tasks: tasks.min(of), of }
    }
}

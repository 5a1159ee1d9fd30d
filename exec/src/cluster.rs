//! What runs tasks for us. In: tasks, and outputs of earlier ones. Out: their outputs, and reports.
//! The seam between jobs and where they run.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use datafusion::common::{DataFusionError, Result};

use crate::admission::Admitted;
use crate::job::attempt::AttemptWatch;
use crate::job::state::{Attempt, Reason};
use crate::output::Buffer;
use crate::stage::TaskId;
use crate::task::{Report, TaskPlan};

/// One buffer that a task wrote, where the cluster keeps it. Dropping the last of these for a
/// buffer releases it.
#[async_trait]
pub trait TaskOutput: Any + fmt::Debug + Send + Sync {
    /// Its content; for what the query's head reads.
    ///
    /// # Errors
    /// A buffer that was lost.
    async fn fetch(&self) -> Result<Arc<Buffer>>;
}

/// The buffers of earlier tasks that a task reads, for each of its inputs.
pub type Inputs = Vec<Vec<Arc<dyn TaskOutput>>>;

/// A task that is done.
#[derive(Debug, Clone)]
pub struct Done {
    /// Its buffers: one for each task that reads.
    pub outputs: Vec<Arc<dyn TaskOutput>>,
    /// What it did.
    pub report: Report,
}

/// What a worker's machine had not enough of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lack {
    /// Memory: its processes, not the query's own account.
    Memory,
    /// Disk, or room for outputs.
    Disk,
}

/// What ended a task that is not the task's fault: others may do better. Found within whatever the
/// engine wraps an error in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The worker died, or was lost.
    Worker {
        /// Its last words.
        words: String,
        /// What it had not enough of, if that is why.
        lack: Option<Lack>,
    },
    /// Outputs the task reads are gone.
    Lost {
        /// Of which stages, of which of their tasks.
        outputs: Vec<(usize, usize)>,
        /// What took them.
        words: String,
    },
    /// The query was given up.
    GivenUp {
        /// Why.
        reason: Reason,
        /// The last words of a worker, if that is why.
        words: String,
        /// What that had not enough of.
        lack: Option<Lack>,
    },
    /// The cluster cannot be reached; why.
    Unreachable(String),
    /// It did not begin: so many others were running.
    Busy {
        /// Queries that run at the same time.
        running: usize,
        /// How long it waited; not at all when too many others did.
        waited: Duration,
    },
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Worker { words, .. } => write!(f, "{words}"),
            Self::Lost { outputs, words } => write!(f, "{words}: {} outputs lost", outputs.len()),
            Self::GivenUp {
                reason: Reason::Workers(Attempt { stage, task, .. }), words, ..
            } => {
                write!(f, "task {task} of stage {stage} failed again and again: {words}")
            }
            Self::GivenUp { reason: Reason::Losses(stage, task), words, .. } => {
                write!(
                    f,
                    "outputs of task {task} of stage {stage} were lost again and again: {words}"
                )
            }
            Self::GivenUp { reason: Reason::Unrepeatable, .. } => {
                write!(f, "rows were lost that cannot be made again as they were")
            }
            Self::Unreachable(words) => write!(f, "the cluster cannot be reached: {words}"),
            Self::Busy { running, waited } if waited.is_zero() => {
                write!(f, "too many queries wait while {running} run")
            }
            Self::Busy { running, waited } => {
                let seconds = waited.as_secs();
                write!(f, "no room for the query in {seconds} s: {running} others run")
            }
        }
    }
}

impl std::error::Error for Failure {}

impl Failure {
    /// Rows are gone that cannot be made again as they were.
    pub fn unrepeatable() -> Self {
        Self::GivenUp { reason: Reason::Unrepeatable, words: String::new(), lack: None }
    }

    /// The failure an error stands for; none for an error of the query itself.
    pub fn of(error: &DataFusionError) -> Option<&Self> {
        match error.find_root() {
            DataFusionError::External(inner) => inner.downcast_ref(),
            _ => None,
        }
    }
}

impl From<Failure> for DataFusionError {
    fn from(failure: Failure) -> Self {
        Self::External(Box::new(failure))
    }
}

/// Runs tasks and keeps their outputs.
#[async_trait]
pub trait Cluster: fmt::Debug + Send + Sync {
    /// How many tasks run at the same time.
    fn slots(&self) -> usize;

    /// How long a task that has begun may give no sign of life before another attempt takes its
    /// place.
    fn patience(&self) -> Duration;

    /// Lets a query begin, when there is room.
    ///
    /// # Errors
    /// [`Failure::Busy`].
    async fn admit(&self) -> Result<Admitted, Failure>;

    /// Runs one attempt at a task, when there is room. Dropping the future cancels the task, and
    /// nothing of it is kept. Tells `watch` when it begins.
    ///
    /// # Errors
    /// What the task said, or why it cannot run.
    async fn run(
        &self,
        id: TaskId,
        task: TaskPlan,
        inputs: Inputs,
        watch: &AttemptWatch,
    ) -> Result<Done>;
}

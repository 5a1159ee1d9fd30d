//! What runs tasks for us. In: tasks, and outputs of earlier ones. Out: their outputs, and reports.
//! The seam between jobs and where they run.

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
pub trait TaskOutput: fmt::Debug + Send + Sync {
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

/// What ended a task that is not the task's fault: others may do better. Found within whatever the
/// engine wraps an error in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The worker died, or was lost; its last words.
    Worker(String),
    /// An output the task reads is gone.
    Lost {
        /// Of which stage.
        stage: usize,
        /// Of which of its tasks.
        task: usize,
    },
    /// The query was given up.
    GivenUp(Reason),
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
            Self::Worker(words) => write!(f, "a worker failed: {words}"),
            Self::Lost { stage, task } => {
                write!(f, "the output of task {task} of stage {stage} was lost")
            }
            Self::GivenUp(Reason::Workers(Attempt { stage, task, .. })) => {
                write!(f, "workers failed task {task} of stage {stage} again and again")
            }
            Self::GivenUp(Reason::Unrepeatable) => {
                write!(f, "rows were lost that cannot be made again as they were")
            }
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

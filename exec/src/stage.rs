//! A query as stages of tasks. In: what the planner cut. Out: types that the job, the cluster and
//! the tasks share. Decides nothing and runs nothing.
//!
//! A task is a pure function of its plan and its input bytes: it may run anywhere and any number
//! of times, and keeps nothing.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::TreeNode;
use datafusion::physical_plan::ExecutionPlan;

use crate::exchange::ExchangeExec;

/// A query as stages. A stage's inputs come before it.
#[derive(Debug)]
pub struct StageGraph {
    /// The stages that run as tasks on a cluster.
    pub stages: Vec<Stage>,
    /// What is left to do where the rows are wanted: merging and counting, nothing that takes
    /// memory or time of its own. It reads outputs while they come.
    pub head: Arc<dyn ExecutionPlan>,
    /// The stages the head reads, in the order its exchanges count them.
    pub head_inputs: Vec<Input>,
    /// Partitions of a task, at most: CPUs of its slot.
    pub threads: usize,
    /// What every task of the query needs besides its plan: see [`crate::codec::Settings`].
    pub settings: Bytes,
}

impl StageGraph {
    /// The result's columns.
    pub fn schema(&self) -> SchemaRef {
        self.head.schema()
    }

    /// Whether nobody but the head reads what a stage writes.
    pub fn is_for_head(&self, stage: usize) -> bool {
        let is = |input: &Input| input.stage == stage;
        let reads = |other: &Stage| {
            let broadcast = other.broadcast.iter().flat_map(|broadcast| &broadcast.work.inputs);
            other.work.inputs.iter().chain(broadcast).any(is)
        };
        self.head_inputs.iter().any(is) && !self.stages.iter().any(reads)
    }
}

/// A piece of a query's plan between exchanges.
#[derive(Debug)]
pub struct Stage {
    /// What its tasks do.
    pub work: Work,
    /// Where the rows go.
    pub output: Output,
    /// Whether each task also writes which keys its rows have, for filters in other stages; in a
    /// buffer after all others. They are those of the repartition at the root of the task's plan.
    pub keys: bool,
    /// What its tasks do for the same rows when another stage wrote little.
    pub broadcast: Option<Broadcast>,
}

/// What the tasks of a stage do.
#[derive(Debug)]
pub struct Work {
    /// The whole piece, with all partitions of its leaves; for people.
    pub plan: Arc<dyn ExecutionPlan>,
    /// Each task's plan, encoded.
    pub tasks: Vec<Bytes>,
    /// What the plan's exchanges read, in the order they count.
    pub inputs: Vec<Input>,
    /// Whether a task that runs again gives the same rows.
    pub determinism: Determinism,
}

impl Work {
    /// Whether it takes nothing but what other stages wrote: no files, nothing of its own making.
    pub fn reads_only_stages(&self) -> bool {
        let other =
            self.plan.exists(|node| Ok(node.children().is_empty() && !node.is::<ExchangeExec>()));
        other.is_ok_and(|other| !other)
    }
}

/// A join of rows by hash as a broadcast of its build side: it joins where the probe side is made.
#[derive(Debug)]
pub struct Broadcast {
    /// The stage of the build side.
    pub build: usize,
    /// How much that may write, bytes.
    pub bytes_max: usize,
    /// The stage of the probe side; nobody else reads it.
    pub probe: usize,
    /// The work of both stages in one. It has no more tasks than the stage would have.
    pub work: Work,
}

impl Stage {
    /// Whether another stage writes the same rows to as many that read.
    pub fn does_the_same(&self, other: &Self) -> bool {
        let (work, others) = (&self.work, &other.work);
        work.determinism == Determinism::Determinate
            && (&work.tasks, &work.inputs) == (&others.tasks, &others.inputs)
            && (self.output, self.keys) == (other.output, other.keys)
    }
}

/// One stage's outputs as another stage reads them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Input {
    /// The stage, by its place in the graph.
    pub stage: usize,
    /// Which of them.
    pub read: Read,
}

/// Which buffers of a stage a task reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Read {
    /// From each task the buffer made for this one: an exchange by hash.
    Own,
    /// From each task its only buffer: a gather when one task reads it, a broadcast when many do.
    All,
    /// From each task all buffers: a broadcast of what was made for an exchange by hash.
    Every,
    /// From each task which keys its rows have.
    Keys,
}

/// The buffers a task writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Rows by the hash of their keys: so many buffers, one for each task that reads. The keys
    /// and the number of partitions are at the root of the task's plan.
    Hash {
        /// Tasks that read.
        readers: usize,
    },
    /// All rows in one buffer, each partition's in their order.
    Whole,
}

impl Output {
    /// Buffers of a task.
    pub fn buffers(self) -> usize {
        match self {
            Self::Hash { readers } => readers,
            Self::Whole => 1,
        }
    }
}

/// What running a task again gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Determinism {
    /// The same rows in every partition, in any order.
    Determinate,
    /// Perhaps others: an output that is lost after part of it was read cannot be made again.
    Indeterminate,
}

impl Determinism {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Determinate => "determinate",
            Self::Indeterminate => "indeterminate",
        }
    }
}

/// The share of `count` partitions that task `task` of `tasks` has. Every use of one count and one
/// number of tasks gives the same shares, so that partitions that belong together meet.
pub fn share(task: usize, tasks: usize, count: usize) -> Range<usize> {
    let at = |task: usize| (task * count).div_ceil(tasks);
    at(task)..at(task + 1)
}

/// Which attempt at which task of which job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskId {
    /// The query, as its client can see it.
    pub query: u64,
    /// The job; unique in a server process.
    pub job: u64,
    /// The stage, by its place in the graph.
    pub stage: usize,
    /// The task, by its place in the stage.
    pub task: usize,
    /// From 0.
    pub attempt: usize,
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { query, job, stage, task, attempt } = self;
        write!(f, "query {query} job {job} stage {stage} task {task} attempt {attempt}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_cover_all_once() {
        for tasks in 1..9 {
            for count in 0..40 {
                let shares = (0..tasks).flat_map(|task| share(task, tasks, count));
                assert_eq!(shares.collect::<Vec<_>>(), (0..count).collect::<Vec<_>>());
            }
        }
        assert_eq!(share(0, 3, 1), 0..1);
    }
}

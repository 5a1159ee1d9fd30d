//! What a job's progress is told and what it says: the shape of its stages, what happened, what to
//! do.

use std::ops::Range;

/// One stage, as far as its progress matters.
#[derive(Debug, Clone)]
pub struct Shape {
    /// Its number of tasks.
    pub tasks: usize,
    /// The stages it reads; each may be named more than once.
    pub inputs: Vec<usize>,
    /// Those of them that it reads by hash, when its tasks are alike: then one can do the work of
    /// others.
    pub by_hash: Vec<usize>,
    /// Whether the query's head reads it, and how.
    pub answers: Answers,
    /// Whether a task that runs again gives the same rows.
    pub repeatable: bool,
    /// Another way to make its rows.
    pub broadcast: Option<Broadcast>,
}

/// A stage's shape when it reads a small stage whole and does the work of another one, too.
#[derive(Debug, Clone)]
pub struct Broadcast {
    /// The stage that may turn out to be small. The stage that is spared reads it.
    pub build: usize,
    /// How small, bytes.
    pub bytes_max: usize,
    /// The stage that is spared; only this one reads it.
    pub probe: usize,
    /// The number of tasks then; no more than planned.
    pub tasks: usize,
    /// The stages it reads then.
    pub inputs: Vec<usize>,
    /// Those of them that it reads by hash.
    pub by_hash: Vec<usize>,
    /// Whether its tasks can run again then.
    pub repeatable: bool,
}

/// How the query's head reads a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answers {
    /// Not at all.
    No,
    /// The outputs of all tasks together.
    Together,
    /// One task's output after another's.
    InTurn,
}

/// One attempt at a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Attempt {
    /// The task's stage.
    pub stage: usize,
    /// The task.
    pub task: usize,
    /// Which attempt; never the same for two.
    pub number: usize,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// An attempt wrote its outputs; the bytes of each.
    Done(Attempt, Vec<usize>),
    /// The worker failed, not the task.
    Failed(Attempt),
    /// Nothing was heard of an attempt for too long.
    Silent(Attempt),
    /// The attempt could not read outputs: of these stages and tasks.
    Missing(Attempt, Vec<(usize, usize)>),
    /// The head could not be given the outputs of this stage's task.
    Unanswered(usize, usize),
    /// The head waits for the outputs of this stage's task.
    Asked(usize, usize),
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// A stage has fewer tasks than planned: each reads what was made for these. The others are
    /// done, and wrote nothing.
    Group(usize, Vec<Range<usize>>),
    /// A stage runs as its [`Broadcast`], and its probe side's stage does not run; the bytes of the
    /// build side.
    Broadcast(usize, usize),
    /// Stop an attempt: another takes its place.
    Abandon(Attempt),
    /// Run a task: all it reads is there.
    Submit(Attempt),
    /// Keep an attempt's outputs: they are its task's.
    Keep(Attempt),
    /// Give a task's outputs to the query's head.
    Answer(usize, usize),
    /// Forget a task's outputs: nobody will read them again, or they are lost.
    Release(usize, usize),
    /// This job cannot answer the query.
    GiveUp(Reason),
}

/// Why a job ends without an answer that no task is to blame for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Workers failed one task too often.
    Workers(Attempt),
    /// Outputs of this stage's task were lost too often.
    Losses(usize, usize),
    /// Rows that cannot be made again as they were are lost, and another task or the head read
    /// them.
    Unrepeatable,
}

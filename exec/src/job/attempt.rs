//! One attempt at a task as people see it. In: that it was submitted, began and ended. Out: its
//! state and times. The job decides nothing by it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use datafusion::common::Result;

use super::log::JobLog;
use crate::cluster::{Done, Failure};
use crate::pulse::Pulse;
use crate::task::Report;

/// Where an attempt is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptState {
    /// It waits for room.
    Queued,
    /// It runs.
    Running,
    /// It wrote its outputs.
    Done,
    /// It ended with an error.
    Failed,
    /// Nobody wants it any more.
    Cancelled,
}

impl AttemptState {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// An attempt at one moment.
#[derive(Debug, Clone)]
pub struct AttemptFigures {
    /// The task's stage.
    pub stage: usize,
    /// The task.
    pub task: usize,
    /// Which try at this task, from 1.
    pub attempt: usize,
    /// Where it is.
    pub state: AttemptState,
    /// The node where it ran or runs, as far as that is known.
    pub node: Arc<str>,
    /// How long it waited, or has waited, for room.
    pub queued: Duration,
    /// How long it ran, or has run.
    pub run: Duration,
    /// What it did, when it is done.
    pub report: Option<Report>,
    /// What it failed of, when that was not its own fault; else it is the query's error.
    pub failure: Option<String>,
}

/// An attempt as the log keeps it.
#[derive(Debug)]
pub(super) struct Entry {
    task: usize,
    attempt: usize,
    submitted: Instant,
    started: Option<Instant>,
    node: Arc<str>,
    end: Option<End>,
}

#[derive(Debug)]
struct End {
    at: Instant,
    state: AttemptState,
    report: Option<Report>,
    failure: Option<String>,
}

impl Entry {
    /// The `attempt`th at a task, submitted now.
    pub(super) fn new(task: usize, attempt: usize) -> Self {
        Self { task, attempt, submitted: Instant::now(), started: None, node: "".into(), end: None }
    }

    /// Its task.
    pub(super) fn task(&self) -> usize {
        self.task
    }

    /// What it did, when it is done.
    pub(super) fn report(&self) -> Option<&Report> {
        self.end.as_ref().and_then(|end| end.report.as_ref())
    }

    /// Whether it waits for room.
    pub(super) fn is_queued(&self) -> bool {
        self.started.is_none() && self.end.is_none()
    }

    /// Whether it runs.
    pub(super) fn is_running(&self) -> bool {
        self.started.is_some() && self.end.is_none()
    }

    /// Whether it ended with an error.
    pub(super) fn has_failed(&self) -> bool {
        self.end.as_ref().is_some_and(|end| end.state == AttemptState::Failed)
    }

    fn start(&mut self) {
        self.started.get_or_insert_with(Instant::now);
    }

    /// The first end stays.
    fn end(&mut self, state: AttemptState, report: Option<Report>, failure: Option<String>) {
        self.end.get_or_insert_with(|| End { at: Instant::now(), state, report, failure });
    }

    /// What there is to see of it now.
    pub(super) fn figures(&self, stage: usize) -> AttemptFigures {
        let end = self.end.as_ref();
        let until = end.map_or_else(Instant::now, |end| end.at);
        let running =
            if self.started.is_some() { AttemptState::Running } else { AttemptState::Queued };
        let queued = self.started.unwrap_or(until).duration_since(self.submitted);
        let run = self.started.map_or(Duration::ZERO, |started| until.duration_since(started));
        let report = self.report().cloned();
        let node = report.as_ref().map_or(&self.node, |report| &report.node);
        AttemptFigures {
            stage,
            task: self.task,
            attempt: self.attempt,
            node: Arc::clone(node),
            state: end.map_or(running, |end| end.state),
            queued: report.as_ref().map_or(queued, |report| report.queued),
            run: report.as_ref().map_or(run, |report| report.elapsed),
            report,
            failure: end.and_then(|end| end.failure.clone()),
        }
    }
}

/// An attempt while it lasts: tells the log what becomes of it. Dropped without an end, it was
/// cancelled.
#[derive(Debug)]
pub struct AttemptWatch {
    log: Arc<JobLog>,
    stage: usize,
    /// In the log's list of the stage's attempts.
    place: usize,
    pulse: Pulse,
}

impl AttemptWatch {
    pub(super) fn new(log: Arc<JobLog>, stage: usize, place: usize) -> Self {
        Self { log, stage, place, pulse: Pulse::default() }
    }

    /// There is room for it, and it begins; what it says again is not heard.
    pub fn started(&self) {
        self.pulse.beat();
        self.log.change(self.stage, self.place, Entry::start);
    }

    /// It runs, and where.
    pub fn started_on(&self, node: &str) {
        self.started();
        self.log.change(self.stage, self.place, |entry| entry.node = node.into());
    }

    /// It still waits for room.
    pub fn waits(&self, cpus: usize) {
        self.log.waits(cpus);
    }

    /// Where it gives signs of life.
    pub fn pulse(&self) -> &Pulse {
        &self.pulse
    }

    /// What it came to.
    pub fn ended(self, result: &Result<Done>) {
        self.log.change(self.stage, self.place, |entry| match result {
            Ok(done) => entry.end(AttemptState::Done, Some(done.report.clone()), None),
            Err(error) => {
                let failure = Failure::of(error).map(Failure::to_string);
                entry.end(AttemptState::Failed, None, failure);
            }
        });
    }
}

impl Drop for AttemptWatch {
    fn drop(&mut self) {
        let cancel = |entry: &mut Entry| entry.end(AttemptState::Cancelled, None, None);
        self.log.change(self.stage, self.place, cancel);
    }
}

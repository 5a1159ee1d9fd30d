//! What a job's tasks do and did. In: attempts as they come and go, and what was decided on the
//! way. Out: each attempt, and figures for each stage.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::attempt::{AttemptFigures, AttemptWatch, Entry};
use super::news::{News, Teller};
use super::state::Attempt;
use crate::stage::{Determinism, StageGraph};

/// How often it is told that a query waits.
const WAITS_EVERY: Duration = Duration::from_secs(30);

/// The log of one job, by stage.
#[derive(Debug)]
pub struct JobLog {
    stages: Mutex<Vec<StageLog>>,
    teller: Teller,
    /// When it was told last that the query waits.
    waits: Mutex<Option<Instant>>,
}

#[derive(Debug)]
struct StageLog {
    tasks: usize,
    determinism: Determinism,
    attempts: Vec<Entry>,
    lost: usize,
    decisions: Vec<Decision>,
}

/// What was decided about a stage when the sizes of what it reads were known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It runs another number of tasks.
    Tasks {
        /// As the planner had it.
        planned: usize,
        /// As it runs.
        ran: usize,
    },
    /// It reads a build side whole and does the work of its probe side's stage, too.
    Broadcast {
        /// The stage of the build side.
        build: usize,
        /// What that wrote, bytes.
        bytes: usize,
        /// Tasks it has now.
        tasks: usize,
    },
    /// It does not run: another stage does its work.
    Spared {
        /// Which.
        by: usize,
    },
}

impl Decision {
    /// How many tasks the stage has now.
    fn tasks(self) -> usize {
        match self {
            Self::Tasks { ran, .. } => ran,
            Self::Broadcast { tasks, .. } => tasks,
            Self::Spared { .. } => 0,
        }
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tasks { planned, ran } => write!(f, "tasks: {ran} instead of {planned}"),
            Self::Broadcast { build, bytes, .. } => {
                write!(f, "broadcast of stage {build}, {bytes} bytes")
            }
            Self::Spared { by } => write!(f, "not needed, stage {by} does its work"),
        }
    }
}

/// A stage's tasks together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageFigures {
    /// Tasks it has.
    pub tasks: usize,
    /// Tasks that are done.
    pub done: usize,
    /// Rows read from other stages.
    pub rows_in: usize,
    /// Bytes of them.
    pub bytes_in: usize,
    /// Bytes of them that were on the node of the task that read them.
    pub bytes_at_hand: usize,
    /// The nodes that tasks ran on, and how many on each, by name; none when there is but this
    /// process.
    pub nodes: Vec<(Arc<str>, usize)>,
    /// Rows written.
    pub rows_out: usize,
    /// Bytes of them.
    pub bytes_out: usize,
    /// Bytes of outputs and of operators' state that went to disk.
    pub spilled: u64,
    /// The most memory that one task held, bytes.
    pub memory: usize,
    /// The shortest, the middle and the longest time of a task.
    pub elapsed: [Duration; 3],
    /// The longest time a task waited for room.
    pub queued: Duration,
    /// Attempts that failed, and outputs that were lost.
    pub failed: usize,
    /// Whether a task that runs again gives the same rows.
    pub determinism: Determinism,
    /// What was decided about it.
    pub decisions: Vec<Decision>,
}

impl JobLog {
    /// A log for the stages of a graph; what is worth telling is told as it happens.
    pub fn new(graph: &StageGraph, teller: Teller) -> Self {
        let stages = graph.stages.iter().map(|stage| &stage.work);
        let stages = stages.map(|work| (work.tasks.len(), work.determinism));
        Self::of(stages, teller)
    }

    fn of(stages: impl Iterator<Item = (usize, Determinism)>, teller: Teller) -> Self {
        let stage = |(tasks, determinism)| StageLog {
            tasks,
            determinism,
            attempts: vec![],
            lost: 0,
            decisions: vec![],
        };
        let stages = Mutex::new(stages.map(stage).collect());
        Self { stages, teller, waits: Mutex::default() }
    }

    /// Who is told.
    pub fn teller(&self) -> &Teller {
        &self.teller
    }

    /// An attempt is on its way to the cluster.
    pub fn submitted(self: &Arc<Self>, attempt: Attempt) -> AttemptWatch {
        let Attempt { stage, task, .. } = attempt;
        let mut place = 0;
        if let Some(log) = self.stages().get_mut(stage) {
            place = log.attempts.len();
            let before = log.attempts.iter().filter(|entry| entry.task() == task).count();
            log.attempts.push(Entry::new(task, before + 1));
        }
        AttemptWatch::new(Arc::clone(self), stage, place)
    }

    /// Attempts of so many CPUs wait for room. Told now and then when nothing of the query runs.
    pub(super) fn waits(&self, cpus: usize) {
        let waiting = {
            let stages = self.stages();
            let attempts = || stages.iter().flat_map(|stage| &stage.attempts);
            match attempts().any(Entry::is_running) {
                true => return,
                false => attempts().filter(|entry| entry.is_queued()).count(),
            }
        };
        let mut told = self.waits.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_none_or(|told| told.elapsed() > WAITS_EVERY) {
            *told = Some(Instant::now());
            self.teller.tell(News::Waiting { cpus: waiting * cpus });
        }
    }

    /// An output of a task that was done is gone.
    pub fn lost(&self, stage: usize) {
        if let Some(log) = self.stages().get_mut(stage) {
            log.lost += 1;
        }
    }

    /// Something was decided about a stage, before its tasks are submitted.
    pub fn decided(&self, stage: usize, decision: Decision) {
        if let Some(log) = self.stages().get_mut(stage) {
            log.tasks = decision.tasks();
            log.decisions.push(decision);
        }
    }

    /// All begins again, as it was planned.
    pub fn planned_again(&self, graph: &StageGraph) {
        for (log, stage) in self.stages().iter_mut().zip(&graph.stages) {
            log.tasks = stage.work.tasks.len();
            log.decisions.clear();
        }
    }

    /// The figures of each stage.
    pub fn figures(&self) -> Vec<StageFigures> {
        self.stages().iter().map(StageLog::figures).collect()
    }

    /// All attempts, by stage, in the order they were submitted.
    pub fn attempts(&self) -> Vec<AttemptFigures> {
        let stages = self.stages();
        let of_stage = |(stage, log): (usize, &StageLog)| {
            log.attempts.iter().map(|entry| entry.figures(stage)).collect::<Vec<_>>()
        };
        stages.iter().enumerate().flat_map(of_stage).collect()
    }

    /// How many attempts there were.
    pub fn attempt_count(&self) -> usize {
        self.stages().iter().map(|stage| stage.attempts.len()).sum()
    }

    /// Changes the entry of one attempt.
    pub(super) fn change(&self, stage: usize, place: usize, change: impl FnOnce(&mut Entry)) {
        let mut stages = self.stages();
        let entry = stages.get_mut(stage).and_then(|log| log.attempts.get_mut(place));
        entry.map(change);
    }

    fn stages(&self) -> MutexGuard<'_, Vec<StageLog>> {
        self.stages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StageLog {
    fn figures(&self) -> StageFigures {
        let done = self.attempts.iter().filter(|entry| entry.report().is_some());
        let reports: Vec<_> = self.attempts.iter().filter_map(Entry::report).collect();
        let mut elapsed: Vec<_> = reports.iter().map(|report| report.elapsed).collect();
        elapsed.sort_unstable();
        let mut nodes: BTreeMap<Arc<str>, usize> = BTreeMap::new();
        for report in reports.iter().filter(|report| !report.node.is_empty()) {
            *nodes.entry(Arc::clone(&report.node)).or_default() += 1;
        }
        let at = |place: usize| elapsed.get(place).copied().unwrap_or_default();
        let last = reports.len().saturating_sub(1);
        StageFigures {
            tasks: self.tasks,
            done: done.map(Entry::task).collect::<HashSet<_>>().len(),
            bytes_at_hand: reports.iter().map(|report| report.bytes_at_hand).sum(),
            nodes: nodes.into_iter().collect(),
            rows_in: reports.iter().map(|report| report.rows_in).sum(),
            bytes_in: reports.iter().map(|report| report.bytes_in).sum(),
            rows_out: reports.iter().map(|report| report.rows).sum(),
            bytes_out: reports.iter().map(|report| report.bytes).sum(),
            spilled: reports.iter().map(|report| report.spilled).sum(),
            memory: reports.iter().map(|report| report.memory).max().unwrap_or_default(),
            elapsed: [at(0), at(last / 2), at(last)],
            queued: reports.iter().map(|report| report.queued).max().unwrap_or_default(),
            failed: self.lost + self.attempts.iter().filter(|entry| entry.has_failed()).count(),
            determinism: self.determinism,
            decisions: self.decisions.clone(),
        }
    }
}

#[cfg(test)]
mod tests;

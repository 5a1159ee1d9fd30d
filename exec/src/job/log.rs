//! What a job's tasks did. In: reports. Out: figures for each stage.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::task::Report;

/// The reports of one job, by stage.
#[derive(Debug)]
pub struct JobLog {
    stages: Mutex<Vec<StageLog>>,
}

#[derive(Debug, Clone, Default)]
struct StageLog {
    reports: Vec<Report>,
    failed: usize,
}

/// A stage's tasks together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StageFigures {
    /// Tasks that are done.
    pub tasks: usize,
    /// Rows read from other stages.
    pub rows_in: usize,
    /// Bytes of them.
    pub bytes_in: usize,
    /// Rows written.
    pub rows_out: usize,
    /// Bytes of them.
    pub bytes_out: usize,
    /// Bytes of outputs that went to disk.
    pub spilled: u64,
    /// The shortest, the middle and the longest time of a task.
    pub elapsed: [Duration; 3],
    /// The longest time a task waited for room.
    pub queued: Duration,
    /// Attempts that failed.
    pub failed: usize,
}

impl JobLog {
    /// A log for so many stages.
    pub fn new(stages: usize) -> Self {
        Self { stages: Mutex::new(vec![StageLog::default(); stages]) }
    }

    /// A task is done.
    pub fn done(&self, stage: usize, report: Report) {
        if let Some(log) = self.stages().get_mut(stage) {
            log.reports.push(report);
        }
    }

    /// An attempt failed and not the query.
    pub fn failed(&self, stage: usize) {
        if let Some(log) = self.stages().get_mut(stage) {
            log.failed += 1;
        }
    }

    /// The figures of each stage.
    pub fn figures(&self) -> Vec<StageFigures> {
        self.stages().iter().map(figures).collect()
    }

    fn stages(&self) -> MutexGuard<'_, Vec<StageLog>> {
        self.stages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn figures(log: &StageLog) -> StageFigures {
    let reports = &log.reports;
    let mut elapsed: Vec<_> = reports.iter().map(|report| report.elapsed).collect();
    elapsed.sort_unstable();
    let at = |place: usize| elapsed.get(place).copied().unwrap_or_default();
    let last = reports.len().saturating_sub(1);
    StageFigures {
        tasks: reports.len(),
        rows_in: reports.iter().map(|report| report.rows_in).sum(),
        bytes_in: reports.iter().map(|report| report.bytes_in).sum(),
        rows_out: reports.iter().map(|report| report.rows).sum(),
        bytes_out: reports.iter().map(|report| report.bytes).sum(),
        spilled: reports.iter().map(|report| report.spilled).sum(),
        elapsed: [at(0), at(last / 2), at(last)],
        queued: reports.iter().map(|report| report.queued).max().unwrap_or_default(),
        failed: log.failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_add_up() {
        let log = JobLog::new(2);
        for millis in [9, 1, 5] {
            let elapsed = Duration::from_millis(millis);
            log.done(
                1,
                Report { rows: 2, bytes: 10, elapsed, queued: elapsed, ..Report::default() },
            );
        }
        let [empty, three] = log.figures()[..] else { panic!("two stages") };
        assert_eq!(empty, StageFigures::default());
        assert_eq!((three.tasks, three.rows_out, three.bytes_out), (3, 6, 30));
        assert_eq!(three.elapsed.map(|time| time.as_millis()), [1, 5, 9]);
        assert_eq!(three.queued.as_millis(), 9);
    }
}

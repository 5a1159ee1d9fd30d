//! Where a query runs. In: a plan, and what the session says of it. Out: the plan as it is, or its
//! stages on a cluster. What cannot be staged runs in this process; EXPLAIN says why.

use std::sync::Arc;

use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::SessionConfig;
use exec::engine::share_small_builds;
use exec::lossy::Lossy;
use exec::repeat::Repeat;
use exec::staged::StagedExec;
use planner::stages::{Local, Width};

use crate::session::settings::Variables;
use crate::shared::Shared;

/// Scans smaller than this are not shared among tasks, bytes: reading is cheaper than asking.
const SPLIT_BYTES: usize = 1 << 20;

/// How many times as many tasks a query has of which a join did not fit.
const MORE_TASKS: usize = 4;
/// Of a stage that is given more tasks: each writes as many buffers as there are readers.
const PARTITIONS_MAX: usize = 256;

/// What runs a session's queries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runner {
    /// One plan in this process.
    Local,
    /// Stages of tasks.
    Staged {
        /// How wide they are.
        width: Width,
        /// Whether each task runs twice, for a comparison.
        repeat: bool,
        /// Whether outputs are lost, for a test.
        lose: bool,
    },
}

impl Runner {
    /// The session's choice.
    pub fn of(variables: &Variables, threads: usize) -> Self {
        if variables.value("mobula.runner") != "staged" {
            return Self::Local;
        }
        let number = |name| variables.value(name).parse().ok().filter(|number| *number > 0);
        let tasks = number("mobula.stage_tasks").unwrap_or(threads);
        let partitions = number("mobula.task_partitions").unwrap_or(1);
        let broadcast_bytes = number("mobula.broadcast_bytes").unwrap_or(0);
        let width = Width { tasks, partitions, broadcast_bytes };
        let on = |name| variables.value(name) == "on";
        let (repeat, lose) = (on("mobula.repeat_tasks"), on("mobula.lose_outputs"));
        Self::Staged { width, repeat, lose }
    }

    /// Takes several times as many tasks for a stage; not where there are none, or enough.
    pub fn add_tasks(&mut self) -> bool {
        let Self::Staged { width, .. } = self else { return false };
        let tasks = width.tasks * MORE_TASKS;
        if tasks * width.partitions > PARTITIONS_MAX {
            return false;
        }
        width.tasks = tasks;
        true
    }

    /// Settings of planning for it.
    pub fn configure(self, config: &mut SessionConfig) {
        let Self::Staged { width, .. } = self else { return };
        let options = config.options_mut();
        options.execution.target_partitions = width.total();
        share_small_builds(options, width.total());
        // Each task makes its own, which takes memory besides the time.
        options.optimizer.hash_join_single_partition_threshold /= 2;
        // A task's partitions keep to their own files: it has to give the same rows again.
        options.execution.enable_file_stream_work_stealing = false;
        options.optimizer.repartition_file_min_size = SPLIT_BYTES;
    }

    /// A plan where it is to run, and why it does not run in stages.
    pub fn place(
        self,
        shared: &Shared,
        plan: Arc<dyn ExecutionPlan>,
        config: &SessionConfig,
    ) -> (Arc<dyn ExecutionPlan>, Option<Local>) {
        let Self::Staged { width, repeat, lose } = self else { return (plan, None) };
        let mut cluster = Arc::clone(&shared.cluster);
        if repeat {
            cluster = Arc::new(Repeat::new(cluster));
        }
        if lose {
            cluster = Arc::new(Lossy::new(cluster));
        }
        let footers = shared.engine.runtime().cache_manager.get_file_metadata_cache();
        match planner::stages::stage(&plan, width, &shared.codec, config, footers.as_ref()) {
            Ok(graph) => (Arc::new(StagedExec::new(graph, cluster)), None),
            Err(local) => {
                tracing::debug!(%local, "a query runs in one process");
                (plan, Some(local))
            }
        }
    }
}

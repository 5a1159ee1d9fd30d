//! Where a query runs. In: a plan, and what the session says of it. Out: the plan as it is, or its
//! stages on a cluster. What cannot be staged runs in this process; EXPLAIN says why.

use std::sync::Arc;

use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::SessionConfig;
use exec::cluster::Cluster;
use exec::engine::share_small_builds;
use exec::job::JobOptions;
use exec::lossy::Lossy;
use exec::repeat::Repeat;
use exec::staged::StagedExec;
use planner::stages::{Local, Width};
use ray_bridge::cluster::Ray;
use ray_bridge::nodes::Nodes;

use crate::queries::{LOCAL, Query};
use crate::session::settings::Variables;
use crate::session::variables::parse_bytes;
use crate::shared::Shared;

/// Scans smaller than this are not shared among tasks, bytes: reading is cheaper than asking.
const SPLIT_BYTES: usize = 1 << 20;

/// How many times as many tasks a query has of which a join did not fit.
const MORE_TASKS: usize = 4;
/// Of a stage that is given more tasks: each writes as many buffers as there are readers.
const PARTITIONS_MAX: usize = 256;

/// CPUs of a task on Ray.
const TASK_CPUS_MAX: usize = 4;
/// Tasks of a stage on Ray: every one that writes may have an object for each that reads.
const TASKS_MAX: usize = 128;

/// What runs a session's queries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runner {
    /// One plan in this process.
    Local,
    /// Stages of tasks.
    Staged {
        /// Whether on Ray; else in this process.
        on_ray: bool,
        /// Tasks of a stage and partitions of a task, as the session has them.
        given: (Option<usize>, Option<usize>),
        /// How wide they are.
        width: Width,
        /// CPUs that a query may have at a time.
        cpus_max: Option<usize>,
        /// Whether each task runs twice, for a comparison.
        repeat: bool,
        /// Whether outputs are lost, for a test.
        lose: bool,
    },
}

impl Runner {
    /// The session's choice.
    pub fn of(variables: &Variables, shared: &Shared) -> Self {
        let on_ray = match variables.value("mobula.runner").as_str() {
            "ray" => true,
            "staged" => false,
            _ => return Self::Local,
        };
        let some = |name| variables.value(name).parse::<usize>().ok().filter(|number| *number > 0);
        let cpus_max = some("mobula.max_cpus");
        let given = (some("mobula.stage_tasks"), some("mobula.task_partitions"));
        let tasks = given.0.unwrap_or(shared.settings.threads);
        let partitions = given.1.unwrap_or(1);
        let bytes = |name| parse_bytes(&variables.value(name)).unwrap_or(0);
        let broadcast_bytes = bytes("mobula.broadcast_bytes") as usize;
        let local_bytes = if on_ray { bytes("mobula.local_threshold") } else { 0 };
        let width = Width { tasks, partitions, local_bytes, broadcast_bytes };
        let on = |name| variables.value(name) == "on";
        let (repeat, lose) = (on("mobula.repeat_tasks"), on("mobula.lose_outputs"));
        Self::Staged { on_ray, given, width, cpus_max, repeat, lose }.sized(shared)
    }

    /// As wide as the cluster is now, where that was not given.
    pub fn sized(mut self, shared: &Shared) -> Self {
        if let Self::Staged { on_ray: true, given, width, cpus_max, .. } = &mut self
            && let Some(ray) = &shared.ray
        {
            let (tasks, partitions) = slots(&ray.nodes(), given.1, *cpus_max);
            width.tasks = given.0.unwrap_or(tasks);
            width.partitions = partitions;
        }
        self
    }

    /// The cluster whose nodes are not known yet, if that is what it needs.
    pub fn unknown(self, shared: &Shared) -> Option<Arc<Ray>> {
        let ray = shared.ray.as_ref().filter(|ray| ray.nodes().usable.is_empty())?;
        matches!(self, Self::Staged { on_ray: true, .. }).then(|| Arc::clone(ray))
    }

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Local => LOCAL,
            Self::Staged { on_ray: false, .. } => "staged",
            Self::Staged { on_ray: true, .. } => "ray",
        }
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
        query: Option<&Query>,
    ) -> (Arc<dyn ExecutionPlan>, Option<Local>) {
        let Self::Staged { on_ray, width, cpus_max, repeat, lose, .. } = self else {
            return (plan, None);
        };
        let mut cluster: Arc<dyn Cluster> = match &shared.ray {
            Some(ray) if on_ray => Arc::<Ray>::clone(ray),
            _ => Arc::clone(&shared.cluster),
        };
        if repeat && !on_ray {
            cluster = Arc::new(Repeat::new(cluster));
        }
        if lose && !on_ray {
            cluster = Arc::new(Lossy::new(cluster));
        }
        let footers = shared.engine.runtime().cache_manager.get_file_metadata_cache();
        match planner::stages::stage(&plan, width, &shared.codec, config, footers.as_ref()) {
            Ok(graph) => {
                let teller = query.map(Query::teller).unwrap_or_default();
                let query = query.map_or(0, |query| query.id);
                let options = JobOptions { query, cpus_max };
                (Arc::new(StagedExec::new(graph, cluster, options, teller)), None)
            }
            Err(local) => {
                tracing::debug!(%local, "a query runs in one process");
                (plan, Some(local))
            }
        }
    }
}

/// Tasks of a stage on Ray, and CPUs of each: a few wide tasks on each node, for tasks exchange
/// rows and the partitions of a task need not.
fn slots(nodes: &Nodes, given: Option<usize>, cpus_max: Option<usize>) -> (usize, usize) {
    let offered = nodes.usable.iter().map(|node| node.cpus as usize).filter(|cpus| *cpus > 0);
    let most = cpus_max.unwrap_or(usize::MAX);
    let cpus = given.unwrap_or_else(|| offered.min().unwrap_or(1).min(TASK_CPUS_MAX).min(most));
    let tasks = nodes.cpus(cpus).min(most) / cpus.max(1);
    (tasks.clamp(1, TASKS_MAX), cpus.max(1))
}

#[cfg(test)]
mod tests {
    use ray_bridge::messages::Node;

    use super::*;

    #[test]
    fn a_few_wide_tasks_on_each_node() {
        let nodes = |cpus: &[f64]| {
            let node = |(number, cpus): (usize, &f64)| Node {
                id: number.to_string(),
                cpus: *cpus,
                ..Node::default()
            };
            Nodes { usable: cpus.iter().enumerate().map(node).collect(), ..Nodes::default() }
        };
        assert_eq!(slots(&nodes(&[]), None, None), (1, 1));
        assert_eq!(slots(&nodes(&[2.0, 2.0, 2.0]), None, None), (3, 2));
        assert_eq!(slots(&nodes(&[0.0, 16.0, 17.5]), None, None), (8, 4));
        assert_eq!(slots(&nodes(&[16.0, 16.0]), Some(2), Some(6)), (3, 2));
        assert_eq!(slots(&nodes(&[16.0, 16.0]), None, Some(3)), (1, 3));
    }
}

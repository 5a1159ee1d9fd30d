//! From a physical plan to stages. In: a plan for one process. Out: the same query as stages of
//! tasks, each encoded, or why it cannot be; then it runs in one process, which is never an error.
//!
//! The steps, in order:
//! 1. [`build_rows`]: joins that emit rows of their build side do not have it in every task; among
//!    them [`not_in`], which asks of the subquery as a whole.
//! 2. [`row_groups`]: scans come apart where row groups begin.
//! 3. [`early`]: a last stage that only scans has small pieces, so that rows come soon.
//! 4. [`cut`]: the plan comes apart at its exchanges; [`join_filters`] go from stage to stage.
//! 5. [`split`]: a stage's plan becomes its tasks', each with a share of the leaves; [`sent`]: its
//!    rows leave it.
//! 6. [`determinism`]: whether a task that runs again gives the same rows.
//! 7. [`broadcast`]: what a join does when its build side turns out to be small.

mod broadcast;
mod build_rows;
mod cut;
mod determinism;
mod early;
mod explain;
mod filters;
mod join_filters;
mod not_in;
mod row_groups;
mod scalars;
mod scans;
mod sent;
mod split;

use std::fmt;
use std::sync::Arc;

use datafusion::common::DataFusionError;
use datafusion::execution::cache::cache_manager::FileMetadataCache;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::SessionConfig;
use exec::codec::Codec;
use exec::stage::StageGraph;

pub use explain::{explain, work};
pub use scans::bytes as scanned_bytes;

/// How wide stages are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Width {
    /// Tasks of a stage, at most.
    pub tasks: usize,
    /// Partitions of a task: threads that work in it.
    pub partitions: usize,
    /// A query that reads less runs in one process, bytes of files.
    pub local_bytes: u64,
    /// What a build side that every task reads may have at most, when it is known, bytes.
    pub broadcast_bytes: usize,
}

impl Width {
    /// Partitions to plan for.
    pub fn total(self) -> usize {
        self.tasks * self.partitions
    }

    /// Tasks for so many partitions.
    fn tasks_for(self, partitions: usize) -> usize {
        partitions.div_ceil(self.partitions).clamp(1, self.tasks)
    }
}

/// Why a query runs in one process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Local(pub String);

impl fmt::Display for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<DataFusionError> for Local {
    fn from(error: DataFusionError) -> Self {
        Self(error.strip_backtrace())
    }
}

/// Cuts a plan that was made for [`Width::total`] partitions. `footers` are those that planning has
/// read.
///
/// # Errors
/// Why it has to run in one process.
pub fn stage(
    plan: &Arc<dyn ExecutionPlan>,
    width: Width,
    codec: &Codec,
    config: &SessionConfig,
    footers: &FileMetadataCache,
) -> Result<StageGraph, Local> {
    if !scans::any(plan) {
        return Err(Local("it reads no files".to_owned()));
    }
    let bytes = scans::bytes(plan);
    if bytes < width.local_bytes {
        let most = width.local_bytes;
        let why = format!("it reads {bytes} bytes of files; mobula.local_threshold is {most}");
        return Err(Local(why));
    }
    let plan = build_rows::once(Arc::clone(plan), width)?;
    let plan = row_groups::aligned(&plan, footers)?;
    cut::cut(&plan, width, codec, config)
}

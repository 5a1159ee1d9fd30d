//! Joins that give way. In: a physical plan. Out: the same plan, in which every join that can make
//! many rows from few yields to its runtime now and then. DataFusion yields at the leaves alone; a
//! cross join makes a million batches from one leaf batch, and would not notice a cancel meanwhile.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::joins::{
    CrossJoinExec, HashJoinExec, NestedLoopJoinExec, SortMergeJoinExec,
};
use datafusion::physical_plan::unnest::UnnestExec;
use datafusion::physical_plan::{ChildrenPropertiesMode, ExecutionPlan, ReplaceChildrenOptions};
use exec::slices::SliceExec;

/// The rule; runs before filters found at run time are pushed to the leaves, since it replaces
/// nodes above them.
#[derive(Debug)]
pub(crate) struct CooperativeJoins;

impl PhysicalOptimizerRule for CooperativeJoins {
    fn name(&self) -> &str {
        "cooperative_joins"
    }

    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let wrapped = plan.transform_up(|node| {
            let node = slice_probe_side(node)?;
            if multiplies(&*node) {
                return Ok(Transformed::yes(Arc::new(CooperativeExec::new(node))));
            }
            Ok(Transformed::no(node))
        });
        wrapped.map(|transformed| transformed.data)
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// A nested-loop join may compare for minutes without one match to hand on.
fn slice_probe_side(node: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    if !node.is::<NestedLoopJoinExec>() {
        return Ok(node);
    }
    let mut children: Vec<_> = node.children().into_iter().cloned().collect();
    if let Some(probe) = children.last_mut() {
        *probe = Arc::new(SliceExec::new(Arc::clone(probe)));
    }
    let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
    node.replace_children(children, options)
}

fn multiplies(node: &dyn ExecutionPlan) -> bool {
    node.is::<CrossJoinExec>()
        || node.is::<NestedLoopJoinExec>()
        || node.is::<HashJoinExec>()
        || node.is::<SortMergeJoinExec>()
        || node.is::<UnnestExec>()
}

//! Rows that are skipped, and the order they are skipped in. In: a physical plan. Out: what
//! DataFusion's rule for sorts makes of it, but no sort goes below an `OFFSET`, nor is the one
//! there taken away: the rule takes a limit for a node that any order may be asked of, and that
//! needs none when its rows show none. The rows skipped would be others.

use std::fmt;
use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::execution::TaskContext;
use datafusion::physical_expr::{OrderingRequirements, PhysicalExpr};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::limit::GlobalLimitExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, SendableRecordBatchStream,
};

use crate::children::map_children;

/// DataFusion's rule, kept above offsets.
#[derive(Debug)]
pub(crate) struct SortsAboveOffsets {
    sorts: Arc<dyn PhysicalOptimizerRule + Send + Sync>,
}

impl SortsAboveOffsets {
    /// `sorts` places sorts.
    pub(crate) fn new(sorts: Arc<dyn PhysicalOptimizerRule + Send + Sync>) -> Self {
        Self { sorts }
    }
}

impl PhysicalOptimizerRule for SortsAboveOffsets {
    fn name(&self) -> &str {
        self.sorts.name()
    }

    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let mut found = false;
        let marked = plan.transform_up(|node| {
            let skips =
                node.downcast_ref::<GlobalLimitExec>().is_some_and(|limit| limit.skip() > 0);
            found |= skips;
            if !skips {
                return Ok(Transformed::no(node));
            }
            let kept = map_children(&node, keep_sort)?;
            Ok(Transformed::yes(Arc::new(KeptExec { input: kept }) as _))
        })?;
        let sorted = self.sorts.optimize(marked.data, config)?;
        if !found {
            return Ok(sorted);
        }
        let unmarked = sorted.transform_up(|node| {
            Ok(match node.downcast_ref::<KeptExec>() {
                Some(kept) => Transformed::yes(Arc::clone(&kept.input)),
                None => Transformed::no(node),
            })
        });
        unmarked.map(|unmarked| unmarked.data)
    }

    fn schema_check(&self) -> bool {
        self.sorts.schema_check()
    }
}

/// Marks the sort that a limit takes its rows from; a projection may be between, without the keys.
fn keep_sort(node: &Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    if node.is::<SortExec>() {
        return Ok(Arc::new(KeptExec { input: Arc::clone(node) }));
    }
    match node.maintains_input_order().as_slice() {
        [true] => map_children(node, keep_sort),
        _ => Ok(Arc::clone(node)),
    }
}

/// A limit that skips rows, or the sort below it, as the rule sees it: it needs the order its input
/// has, and does not pass on what is asked of it.
#[derive(Debug)]
struct KeptExec {
    input: Arc<dyn ExecutionPlan>,
}

impl DisplayAs for KeptExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeptExec")
    }
}

impl ExecutionPlan for KeptExec {
    fn name(&self) -> &str {
        "KeptExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn required_input_ordering(&self) -> Vec<Option<OrderingRequirements>> {
        vec![self.input.properties().output_ordering().cloned().map(OrderingRequirements::from)]
    }

    /// It does, but then sorts would be pushed through it.
    fn maintains_input_order(&self) -> Vec<bool> {
        vec![false]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(Self { input: children.swap_remove(0) }))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        self.input.execute(partition, context)
    }
}

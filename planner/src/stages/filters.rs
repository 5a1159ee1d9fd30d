//! Dynamic filters in a stage. In: a stage's plan. Out: the same without filters that nobody in the
//! stage finds: they would let every row pass. And joins that keep theirs when they change.

use std::any::Any;
use std::collections::HashSet;
use std::sync::Arc;

use datafusion::common::Result as EngineResult;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::physical_expr::expressions::DynamicFilterPhysicalExpr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::joins::{HashJoinExec, PartitionMode};
use exec::dynamic_filter::DynamicFilterExec;

use super::{Local, scalars};
use crate::children::change_up;

/// Leaves those filters that a node of the plan finds.
pub(super) fn live(plan: &Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>, Local> {
    let mut found = HashSet::new();
    plan.apply(|node| {
        let produced = node.dynamic_expressions_produced();
        found.extend(produced.iter().filter_map(|filter| filter.expression_id()));
        Ok(TreeNodeRecursion::Continue)
    })?;
    change_up(plan, &mut |node| {
        let Some(place) = node.downcast_ref::<DynamicFilterExec>() else { return Ok(None) };
        // One that needs a scalar subquery is not worth the ways to give it the value.
        Ok(Some(place.retain(|filter| {
            filter.expression_id().is_some_and(|id| found.contains(&id)) && !scalars::within(filter)
        })))
    })
}

/// The filter that a join makes for scans under its probe side.
pub(super) fn of(join: &HashJoinExec) -> Option<Arc<DynamicFilterPhysicalExpr>> {
    let filter = join.dynamic_expressions_produced().into_iter().next()?;
    (filter as Arc<dyn Any + Send + Sync>).downcast().ok()
}

/// A join of other inputs, in another mode, that makes the same filter: a new one would be asked by
/// no scan.
pub(super) fn rejoined(
    join: &HashJoinExec,
    mode: PartitionMode,
    children: Vec<Arc<dyn ExecutionPlan>>,
) -> EngineResult<Arc<dyn ExecutionPlan>> {
    let builder = join.builder().with_partition_mode(mode).with_new_children(children)?;
    Ok(match of(join) {
        Some(filter) => Arc::new(builder.build()?.with_dynamic_filter_expr(filter)?),
        None => Arc::new(builder.build()?),
    })
}

//! Dynamic filters in a stage. In: a stage's plan. Out: the same without filters that nobody in the
//! stage finds: they would let every row pass.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::physical_plan::ExecutionPlan;
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

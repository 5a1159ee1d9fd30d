//! Where filters that are found at run time meet rows. In: a physical plan. Out: the same plan with
//! a [`DynamicFilterExec`] above each scan that a far join (or TopK) gives a filter. Two rules: one
//! makes the places before DataFusion pushes filters down, one removes what is not worth having.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::projection::ProjectionExec;
use exec::dynamic_filter::DynamicFilterExec;

use crate::barriers::BarrierExec;
use crate::children::map_children;

/// Makes a place for filters above every scan and the filter over it; runs before filters are
/// pushed down.
#[derive(Debug)]
pub(crate) struct PlaceDynamicFilters;

impl PhysicalOptimizerRule for PlaceDynamicFilters {
    fn name(&self) -> &str {
        "place_dynamic_filters"
    }

    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let placed = plan.transform_down(|node| {
            if !is_scan(&*node) {
                return Ok(Transformed::no(node));
            }
            let place: Arc<dyn ExecutionPlan> = Arc::new(DynamicFilterExec::new(node));
            Ok(Transformed::new(place, true, TreeNodeRecursion::Jump))
        });
        placed.map(|transformed| transformed.data)
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// A source of rows, or filters over one. One with a limit is not: the limit would count rows
/// before they are dropped.
fn is_scan(node: &dyn ExecutionPlan) -> bool {
    match node.downcast_ref::<FilterExec>() {
        Some(filter) => filter.fetch().is_none() && is_scan(filter.input().as_ref()),
        None => node.is::<DataSourceExec>() && node.fetch().is_none(),
    }
}

/// Removes barriers, the places that got no filter, and those that got one from the node right
/// above only: its own look at a row costs what the filter's does. Beside the filters of others it
/// is kept, for it may be the strictest.
#[derive(Debug)]
pub(crate) struct TrimDynamicFilters;

impl PhysicalOptimizerRule for TrimDynamicFilters {
    fn name(&self) -> &str {
        "trim_dynamic_filters"
    }

    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        trim(&plan, &[])
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// `near` are the filters of the closest node above that can drop rows by one.
fn trim(node: &Arc<dyn ExecutionPlan>, near: &[u64]) -> Result<Arc<dyn ExecutionPlan>> {
    if let Some(barrier) = node.downcast_ref::<BarrierExec>() {
        return trim(barrier.input(), near);
    }
    if let Some(place) = node.downcast_ref::<DynamicFilterExec>() {
        let kept = if place.has_other_than(near) { node } else { place.input() };
        return Ok(Arc::clone(kept));
    }
    let own: Vec<u64>;
    let near = if is_thin(&**node) {
        near
    } else {
        let produced = node.dynamic_expressions_produced();
        own = produced.iter().filter_map(|filter| filter.expression_id()).collect();
        &own
    };
    map_children(node, |child| trim(child, near))
}

/// Whether rows come through a node about as cheaply as they come to it.
fn is_thin(node: &dyn ExecutionPlan) -> bool {
    node.is::<ProjectionExec>() || node.is::<FilterExec>() || node.is::<CooperativeExec>()
}

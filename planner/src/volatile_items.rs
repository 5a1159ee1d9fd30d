//! Calls that do something stay where they were written. DataFusion moves a select list below the
//! filter or the join that it reads from, where that has fewer columns to carry; a function that
//! ends sessions would be called for rows that the filter leaves out. In: the rule that moves. Out:
//! the same rule, which does not see what is under a select list with volatile calls.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::{DataFusionError, Result};
use datafusion::physical_expr_common::physical_expr::is_volatile;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::projection::ProjectionExec;

use crate::barriers::BarrierExec;
use crate::children::{change_up, map_children};

/// A rule that leaves select lists with volatile calls alone.
#[derive(Debug)]
pub(crate) struct VolatileItemsStay(Arc<dyn PhysicalOptimizerRule + Send + Sync>);

/// The rules that move select lists.
const MOVES: &str = "ProjectionPushdown";

/// The rules, with this around those that move select lists.
pub(crate) fn stay(rules: &mut [Arc<dyn PhysicalOptimizerRule + Send + Sync>]) {
    for rule in rules.iter_mut().filter(|rule| rule.name() == MOVES) {
        *rule = Arc::new(VolatileItemsStay(Arc::clone(rule)));
    }
}

impl PhysicalOptimizerRule for VolatileItemsStay {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let mut is_barred = false;
        let barred = change_up::<DataFusionError>(&plan, &mut |node| {
            let items = node.downcast_ref::<ProjectionExec>();
            if !items.is_some_and(|items| items.expr().iter().any(|it| is_volatile(&it.expr))) {
                return Ok(None);
            }
            is_barred = true;
            let barrier = |input: &_| Ok(BarrierExec::before(Arc::clone(input)));
            map_children::<DataFusionError>(node, barrier).map(Some)
        })?;
        let moved = self.0.optimize(barred, config)?;
        if !is_barred {
            return Ok(moved);
        }
        change_up(&moved, &mut |node| {
            let barrier = node.downcast_ref::<BarrierExec>();
            Ok(barrier.map(|barrier| Arc::clone(barrier.input())))
        })
    }

    fn schema_check(&self) -> bool {
        self.0.schema_check()
    }
}

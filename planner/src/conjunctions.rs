//! Filters with several conditions. In: a physical plan. Out: the same plan, the conditions of a
//! filter as one [`Conjunction`] where that is faster. The last rule: others look into `AND`s.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::filter::{FilterExec, FilterExecBuilder};
use exec::conjunction::Conjunction;

use crate::children::map_children;

/// The rule.
#[derive(Debug)]
pub(crate) struct Conjunctions;

impl PhysicalOptimizerRule for Conjunctions {
    fn name(&self) -> &str {
        "conjunctions"
    }

    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        rewrite(&plan)
    }

    fn schema_check(&self) -> bool {
        true
    }
}

fn rewrite(node: &Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let node = map_children(node, rewrite)?;
    let Some(filter) = node.downcast_ref::<FilterExec>() else { return Ok(node) };
    let Some(all) = Conjunction::of(filter.predicate(), &filter.input().schema()) else {
        return Ok(node);
    };
    let faster = FilterExecBuilder::from(filter).with_predicate(Arc::new(all)).build()?;
    Ok(Arc::new(faster))
}

//! Sums beside a `count(DISTINCT x)`. In: an aggregate. Out: what DataFusion's rule makes of it,
//! groups of groups, with the types it had: of a decimal the rule makes a sum of sums, which has
//! ten digits more than those above it were told.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::tree_node::Transformed;
use datafusion::logical_expr::LogicalPlan;
use datafusion::logical_expr::expr_rewriter::coerce_plan_expr_for_schema;
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};

/// The name of DataFusion's rule.
const RULE: &str = "single_distinct_aggregation_to_group_by";

/// DataFusion's rules, that one with the types it had.
pub(crate) fn with_their_types(
    rules: Vec<Arc<dyn OptimizerRule + Send + Sync>>,
) -> Vec<Arc<dyn OptimizerRule + Send + Sync>> {
    let typed = |rule: Arc<dyn OptimizerRule + Send + Sync>| match rule.name() {
        RULE => Arc::new(DistinctSums { rule }) as _,
        _ => rule,
    };
    rules.into_iter().map(typed).collect()
}

#[derive(Debug)]
struct DistinctSums {
    rule: Arc<dyn OptimizerRule + Send + Sync>,
}

impl OptimizerRule for DistinctSums {
    fn name(&self) -> &str {
        RULE
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        self.rule.apply_order()
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        config: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        let schema = Arc::clone(plan.schema());
        let rewritten = self.rule.rewrite(plan, config)?;
        if !rewritten.transformed {
            return Ok(rewritten);
        }
        rewritten.map_data(|plan| coerce_plan_expr_for_schema(plan, &schema))
    }
}

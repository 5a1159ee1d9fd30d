//! Whether a stage's task gives the same rows when it runs again. In: the stage's plan. Out: its
//! class. Order does not count: whoever reads a stage takes its rows as a set, or merges by an
//! order. What depends on an order that is not total does: which rows a limit keeps, the number a
//! window gives a row, the first value of a group.

use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::Volatility;
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode};
use datafusion::physical_plan::limit::{GlobalLimitExec, LocalLimitExec};
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::windows::{BoundedWindowAggExec, WindowAggExec};
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use exec::stage::Determinism;

/// Aggregates whose value does not depend on the order of a group's rows.
const ORDERLESS: &[&str] = &[
    "avg",
    "bit_and",
    "bit_or",
    "bit_xor",
    "bool_and",
    "bool_or",
    "corr",
    "count",
    "covar",
    "covar_pop",
    "covar_samp",
    "grouping",
    "max",
    "mean",
    "median",
    "min",
    "percentile_cont",
    "regr_avgx",
    "regr_avgy",
    "regr_count",
    "regr_intercept",
    "regr_r2",
    "regr_slope",
    "regr_sxx",
    "regr_sxy",
    "regr_syy",
    "stddev",
    "stddev_pop",
    "stddev_samp",
    "sum",
    "var",
    "var_pop",
    "var_samp",
];

/// The class of a stage.
pub(super) fn of(plan: &Arc<dyn ExecutionPlan>) -> Determinism {
    let mut class = Determinism::Determinate;
    let visited = plan.apply(|node| {
        if depends_on_order(node) || calls_volatile(node)? {
            class = Determinism::Indeterminate;
            return Ok(TreeNodeRecursion::Stop);
        }
        Ok(TreeNodeRecursion::Continue)
    });
    if visited.is_ok() { class } else { Determinism::Indeterminate }
}

fn depends_on_order(node: &Arc<dyn ExecutionPlan>) -> bool {
    if let Some(aggregate) = node.downcast_ref::<AggregateExec>() {
        let mut aggregates = aggregate.aggr_expr().iter();
        let limited = aggregate.limit_options().is_some();
        // Where it hardly makes rows fewer it hands them on, and which were first decides that.
        let gives_up = *aggregate.mode() == AggregateMode::Partial && is_mixed(aggregate.input());
        return limited
            || gives_up
            || aggregates.any(|call| !ORDERLESS.contains(&call.fun().name()));
    }
    node.fetch().is_some()
        || node.is::<GlobalLimitExec>()
        || node.is::<LocalLimitExec>()
        || node.is::<WindowAggExec>()
        || node.is::<BoundedWindowAggExec>()
}

/// Whether rows come in an order that depends on threads.
fn is_mixed(plan: &Arc<dyn ExecutionPlan>) -> bool {
    let mixes = |node: &Arc<dyn ExecutionPlan>| {
        let repartition = node.downcast_ref::<RepartitionExec>();
        Ok(repartition.is_some_and(|mix| mix.input().output_partitioning().partition_count() > 1))
    };
    plan.exists(mixes).unwrap_or(true)
}

fn calls_volatile(node: &Arc<dyn ExecutionPlan>) -> datafusion::common::Result<bool> {
    let mut found = ControlFlow::Continue(());
    node.apply_expressions(&mut |expr: &Arc<dyn PhysicalExpr>| {
        expr.apply(|part| {
            let call = part.downcast_ref::<ScalarFunctionExpr>();
            if call.is_some_and(|c| c.fun().signature().volatility == Volatility::Volatile) {
                found = ControlFlow::Break(());
            }
            Ok(TreeNodeRecursion::Continue)
        })
    })?;
    Ok(found.is_break())
}

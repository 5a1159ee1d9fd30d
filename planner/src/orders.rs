//! Keys that stand twice in one order. In: the `ORDER BY` of an aggregate, a `DISTINCT ON`. Out:
//! the first of each key, which decides alone. DataFusion drops the others in one place, counts
//! them in another and panics.

use std::collections::HashSet;

use datafusion::logical_expr::{Distinct, DistinctOn, LogicalPlan, SortExpr};

/// Each key once.
pub(crate) fn once(order: &mut Vec<SortExpr>) {
    let mut seen = HashSet::new();
    order.retain(|key| seen.insert(key.expr.clone()));
}

/// A `DISTINCT ON` with each key once.
pub(crate) fn distinct_on(mut distinct: DistinctOn) -> LogicalPlan {
    let mut seen = HashSet::new();
    distinct.on_expr.retain(|key| seen.insert(key.clone()));
    if let Some(order) = &mut distinct.sort_expr {
        once(order);
    }
    LogicalPlan::Distinct(Distinct::On(distinct))
}

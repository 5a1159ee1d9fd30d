//! Scalar subqueries in expressions. In: expressions. Out: whether one needs the value of a scalar
//! subquery, which is only there within the nodes that are told of it.

use std::sync::Arc;

use datafusion::common::tree_node::TreeNode;
use datafusion::physical_expr::scalar_subquery::ScalarSubqueryExpr;
use datafusion::physical_expr::{ConstExpr, EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};

/// Whether an expression has a scalar subquery in it.
pub(super) fn within(expr: &Arc<dyn PhysicalExpr>) -> bool {
    expr.exists(|part| Ok(part.is::<ScalarSubqueryExpr>())).unwrap_or(true)
}

/// What holds of a node's rows, as far as it needs no scalar subquery to be said.
pub(super) fn known_without(node: &Arc<dyn ExecutionPlan>) -> EquivalenceProperties {
    let all = node.equivalence_properties();
    let of_classes = all.eq_group().iter().any(|class| class.iter().any(within));
    let of_orders = all.oeq_class().iter().flatten().any(|sort| within(&sort.expr));
    if !of_classes && !of_orders {
        return all.clone();
    }
    let mut known = EquivalenceProperties::new(node.schema());
    for constant in all.constants().into_iter().filter(|constant| !within(&constant.expr)) {
        // An expression that is another schema's cannot be added; nothing is lost by that.
        let _ = known.add_constants([ConstExpr::new(constant.expr, constant.across_partitions)]);
    }
    for order in all.oeq_class().iter() {
        known.add_ordering(order.iter().take_while(|sort| !within(&sort.expr)).cloned());
    }
    known
}

//! The types of outer columns. In: a subquery in an expression, the columns of the node it is in.
//! Out: the subquery, in which references to these columns have the columns' types. They were
//! written down when SQL was read, and rules have given some columns other types since: a join
//! made of the subquery would compare values of two types.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, ExprSchema, Result};
use datafusion::logical_expr::logical_plan::Subquery;
use datafusion::logical_expr::{Expr, LogicalPlan};

/// The subquery below columns of `outer`.
pub(crate) fn settle(subquery: Subquery, outer: &DFSchema) -> Result<Subquery> {
    if subquery.outer_ref_columns.is_empty() {
        return Ok(subquery);
    }
    let Subquery { subquery: plan, outer_ref_columns, spans } = subquery;
    let plan = LogicalPlan::clone(&plan).transform_down_with_subqueries(|node| {
        node.map_expressions(|expr| expr.transform_down(|expr| Ok(typed(expr, outer))))
    })?;
    let columns = outer_ref_columns.into_iter().map(|column| typed(column, outer).data);
    Ok(Subquery { subquery: Arc::new(plan.data), outer_ref_columns: columns.collect(), spans })
}

fn typed(expr: Expr, outer: &DFSchema) -> Transformed<Expr> {
    if let Expr::OuterReferenceColumn(field, column) = &expr
        && let Ok(found) = outer.field_from_column(column)
        && field.data_type() != found.data_type()
    {
        let reference = Expr::OuterReferenceColumn(Arc::clone(found), column.clone());
        return Transformed::yes(reference);
    }
    Transformed::no(expr)
}

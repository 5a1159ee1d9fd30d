//! Unions of columns of several types. In: a union whose inputs have their types. Out: the union
//! with the types that all its inputs fit, and its inputs cast to them. DataFusion does this later
//! and until then says of a union what its first input is; sums and operators above would be
//! chosen by that.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::logical_expr::expr_rewriter::coerce_plan_expr_for_schema;
use datafusion::logical_expr::{LogicalPlan, Union};
use datafusion::optimizer::analyzer::type_coercion::coerce_union_schema;

/// The union with settled types. One whose inputs do not fit together is left for DataFusion to
/// refuse.
pub(crate) fn settle(union: Union) -> Result<LogicalPlan> {
    let Ok(schema) = coerce_union_schema(&union.inputs) else {
        return Ok(LogicalPlan::Union(union));
    };
    let settled =
        |input| coerce_plan_expr_for_schema(Arc::unwrap_or_clone(input), &schema).map(Arc::new);
    let inputs = union.inputs.into_iter().map(settled).collect::<Result<_>>()?;
    Ok(LogicalPlan::Union(Union { inputs, schema: Arc::new(schema) }))
}

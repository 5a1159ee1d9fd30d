//! Queries as values. In: a scalar subquery. Out: one whose value may be NULL, as that of a query
//! without rows is: DataFusion says of the value what the query says of its column.

use std::sync::Arc;

use datafusion::common::{Result, ScalarValue};
use datafusion::functions::core::nullif;
use datafusion::logical_expr::logical_plan::Subquery;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};

/// The subquery, its column able to be NULL. One that looks outside becomes a join, which says so.
pub(crate) fn nullable(mut subquery: Subquery) -> Result<Subquery> {
    let schema = subquery.subquery.schema();
    let never_null = schema.fields().first().is_some_and(|field| !field.is_nullable());
    if !never_null || !subquery.outer_ref_columns.is_empty() {
        return Ok(subquery);
    }
    let null = ScalarValue::try_from(schema.field(0).data_type())?;
    let columns = schema.columns().into_iter().take(1).map(|column| {
        let name = column.name.clone();
        let args = vec![Expr::Column(column), Expr::Literal(null.clone(), None)];
        nullif().call(args).alias(name)
    });
    let columns: Vec<_> = columns.collect();
    let plan = LogicalPlanBuilder::from(LogicalPlan::clone(&subquery.subquery));
    subquery.subquery = Arc::new(plan.project(columns)?.build()?);
    Ok(subquery)
}

//! `IN (SELECT ...)` where NULL is not false. In: a logical plan as SQL was read. Out: the same
//! plan, in which conditions answer by PostgreSQL's rules:
//!
//! - `x NOT IN (q)` beside `OR` is `x IN (q)` being false, no NULL in `q`, and `x` not NULL unless
//!   `q` is empty;
//! - within any other expression `x IN (q)` is a `CASE` that may be NULL;
//! - `x NOT IN (q)` where `q` refers to columns outside is `NOT EXISTS` of a row of `q` that equals
//!   `x`, or may.
//!
//! DataFusion answers true or false to all but a lone `NOT IN` of a query that stands for itself.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, ExprSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::InSubquery;
use datafusion::logical_expr::logical_plan::Subquery;
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{
    BinaryExpr, Expr, ExprSchemable, Filter, LogicalPlan, LogicalPlanBuilder, Operator, exists,
    lit, when,
};
use datafusion::optimizer::AnalyzerRule;

/// The rule; runs before types are settled.
#[derive(Debug)]
pub(crate) struct NullAwareIn;

impl AnalyzerRule for NullAwareIn {
    fn name(&self) -> &str {
        "null_aware_in"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_down_with_subqueries(|node| match node {
            LogicalPlan::Filter(filter) if has_in(&filter.predicate) => {
                rewrite_filter(filter).map(Transformed::yes)
            }
            other => Ok(Transformed::no(other)),
        })
        .map(|rewritten| rewritten.data)
    }
}

fn has_in(expr: &Expr) -> bool {
    expr.exists(|part| Ok(matches!(part, Expr::InSubquery(_)))).unwrap_or(false)
}

fn rewrite_filter(filter: Filter) -> Result<LogicalPlan> {
    let Filter { predicate, input, .. } = filter;
    let schema = Arc::clone(input.schema());
    let conditions =
        split_conjunction_owned(predicate).into_iter().map(|condition| {
            match negated_in(condition) {
                Ok(not_in) => lone(not_in, &schema),
                Err(condition) => rewrite_condition(condition, &schema),
            }
        });
    let conditions = conditions.collect::<Result<Vec<_>>>()?;
    let predicate = conjunction(conditions).unwrap_or_else(|| lit(true));
    Filter::try_new(predicate, input).map(LogicalPlan::Filter)
}

/// `x NOT IN (q)` or `NOT x IN (q)`, as the `x IN (q)` that is negated.
fn negated_in(condition: Expr) -> std::result::Result<InSubquery, Expr> {
    match condition {
        Expr::InSubquery(list) if list.negated => Ok(InSubquery { negated: false, ..list }),
        Expr::Not(inner) => match *inner {
            Expr::InSubquery(list) if !list.negated => Ok(list),
            other => Err(not(other)),
        },
        other => Err(other),
    }
}

/// Part of a condition for which NULL is as good as false.
fn rewrite_condition(condition: Expr, schema: &DFSchema) -> Result<Expr> {
    match negated_in(condition) {
        Ok(not_in) => beside_or(not_in, schema),
        Err(plain @ Expr::InSubquery(_)) => Ok(plain),
        Err(Expr::BinaryExpr(BinaryExpr {
            left,
            op: op @ (Operator::And | Operator::Or),
            right,
        })) => {
            let left = Box::new(rewrite_condition(*left, schema)?);
            let right = Box::new(rewrite_condition(*right, schema)?);
            Ok(Expr::BinaryExpr(BinaryExpr { left, op, right }))
        }
        Err(other) => rewrite_exactly(other, schema),
    }
}

/// An expression in which NULL is not false.
fn rewrite_exactly(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    let rewritten = expr.transform_up(|part| match part {
        Expr::InSubquery(list) => {
            let negated = list.negated;
            let list = InSubquery { negated: false, ..list };
            let exact = exactly(list, schema)?;
            Ok(Transformed::yes(if negated { not(exact) } else { exact }))
        }
        other => Ok(Transformed::no(other)),
    });
    rewritten.map(|rewritten| rewritten.data)
}

/// `NOT IN` that a row must pass. DataFusion has a join for it unless the query looks outside.
fn lone(list: InSubquery, schema: &DFSchema) -> Result<Expr> {
    if list.subquery.outer_ref_columns.is_empty() || !may_be_null(&list, schema) {
        return Ok(Expr::InSubquery(InSubquery { negated: true, ..list }));
    }
    let InSubquery { expr, subquery, .. } = list;
    let Some(outer) = seen_from_within(&expr, schema) else {
        let list = InSubquery { expr, subquery, negated: false };
        return Ok(not(exactly(list, schema)?));
    };
    let value = first_column(&subquery);
    let may_equal = outer.clone().eq(value.clone()).or(value.is_null()).or(outer.is_null());
    has_row(&subquery, Some(may_equal)).map(not)
}

fn beside_or(list: InSubquery, schema: &DFSchema) -> Result<Expr> {
    let no_match = |list| Expr::InSubquery(InSubquery { negated: true, ..list });
    if !may_be_null(&list, schema) {
        return Ok(no_match(list));
    }
    let no_null = not(has_row(&list.subquery, Some(first_column(&list.subquery).is_null()))?);
    let empty = not(has_row(&list.subquery, None)?);
    let known = list.expr.clone().is_not_null().or(empty);
    Ok(no_match(list).and(no_null).and(known))
}

fn exactly(list: InSubquery, schema: &DFSchema) -> Result<Expr> {
    if !may_be_null(&list, schema) {
        return Ok(Expr::InSubquery(list));
    }
    let null = || lit(ScalarValue::Boolean(None));
    let has_null = has_row(&list.subquery, Some(first_column(&list.subquery).is_null()))?;
    let any = has_row(&list.subquery, None)?;
    let unknown = list.expr.clone().is_null().and(any);
    when(Expr::InSubquery(list), lit(true))
        .when(has_null, null())
        .when(unknown, null())
        .otherwise(lit(false))
}

fn may_be_null(list: &InSubquery, schema: &DFSchema) -> bool {
    let inner = list.subquery.subquery.schema();
    list.expr.nullable(schema).unwrap_or(true)
        || inner.fields().first().is_none_or(|field| field.is_nullable())
}

fn first_column(subquery: &Subquery) -> Expr {
    let columns = subquery.subquery.schema().columns();
    columns.into_iter().next().map_or_else(|| lit(ScalarValue::Null), Expr::Column)
}

/// An expression as a subquery of its node writes it; none where that is not possible.
fn seen_from_within(expr: &Expr, schema: &DFSchema) -> Option<Expr> {
    let seen = expr.clone().transform_up(|part| match part {
        Expr::Column(column) => {
            let field = schema.field_from_column(&column)?;
            Ok(Transformed::yes(Expr::OuterReferenceColumn(Arc::clone(field), column)))
        }
        other => Ok(Transformed::no(other)),
    });
    let seen = seen.ok()?.data;
    let nested = seen.exists(|part| {
        Ok(matches!(part, Expr::Exists(_) | Expr::InSubquery(_) | Expr::ScalarSubquery(_)))
    });
    (!nested.unwrap_or(true)).then_some(seen)
}

/// Whether the subquery has a row, or one of which that is true. A query that stands for itself
/// need not look for a second.
fn has_row(subquery: &Subquery, of: Option<Expr>) -> Result<Expr> {
    let mut plan = LogicalPlanBuilder::from(LogicalPlan::clone(&subquery.subquery));
    if let Some(condition) = of {
        plan = plan.filter(condition)?;
    }
    if subquery.outer_ref_columns.is_empty() {
        plan = plan.limit(0, Some(1))?;
    }
    Ok(exists(Arc::new(plan.build()?)))
}

fn not(expr: Expr) -> Expr {
    Expr::Not(Box::new(expr))
}

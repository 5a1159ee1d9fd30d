//! `avg` of integers and decimals as `sum` divided by `count`, for PostgreSQL rounds the exact
//! quotient where DataFusion cuts it. In: a node that computes averages. Out: one that computes
//! sums and counts, and a projection that divides them.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Column, DFSchema, Result, ScalarValue};
use datafusion::functions_aggregate::{count::count_udaf, sum::sum_udaf};
use datafusion::logical_expr::expr::{AggregateFunction, ScalarFunction, WindowFunction};
use datafusion::logical_expr::{
    Aggregate, Expr, ExprSchemable, LogicalPlan, Projection, Window, WindowFunctionDefinition,
};

use crate::arithmetic::{call, widen_argument};
use crate::decimals::DIV;

/// Averages of groups.
pub(crate) fn of_groups(aggregate: Aggregate, schema: &DFSchema) -> Result<LogicalPlan> {
    let mut columns = aggregate.schema.columns();
    columns.truncate(columns.len() - aggregate.aggr_expr.len());
    let Some((parts, outputs)) = split(&aggregate.aggr_expr, columns, schema) else {
        return Ok(LogicalPlan::Aggregate(aggregate));
    };
    let parts = Aggregate::try_new(aggregate.input, aggregate.group_expr, parts)?;
    let input = Arc::new(LogicalPlan::Aggregate(parts));
    Ok(LogicalPlan::Projection(Projection::try_new(outputs, input)?))
}

/// Averages of windows.
pub(crate) fn of_windows(window: Window, schema: &DFSchema) -> Result<LogicalPlan> {
    let columns = window.input.schema().columns();
    let Some((parts, outputs)) = split(&window.window_expr, columns, schema) else {
        return Ok(LogicalPlan::Window(window));
    };
    let input = Arc::new(LogicalPlan::Window(Window::try_new(parts, window.input)?));
    Ok(LogicalPlan::Projection(Projection::try_new(outputs, input)?))
}

/// What is computed instead of `calls`, and `columns` with the values of the calls made of it; none
/// when no average is among them.
fn split(
    calls: &[Expr],
    columns: Vec<Column>,
    schema: &DFSchema,
) -> Option<(Vec<Expr>, Vec<Expr>)> {
    let averages: Vec<_> = calls.iter().map(|call| exact_average(call, schema)).collect();
    if averages.iter().all(Option::is_none) {
        return None;
    }
    let mut parts = Vec::new();
    let mut outputs: Vec<_> = columns.into_iter().map(Expr::Column).collect();
    for (call, average) in calls.iter().zip(averages) {
        outputs.push(match average {
            None => part(&mut parts, call.clone()),
            Some((total, rows)) => {
                let (total, rows) = (part(&mut parts, total), part(&mut parts, rows));
                quotient(total, rows).alias(call.schema_name().to_string())
            }
        });
    }
    Some((parts, outputs))
}

/// `sum / count`, NULL where nothing was counted.
fn quotient(total: Expr, rows: Expr) -> Expr {
    let zero = Expr::Literal(ScalarValue::Int64(Some(0)), None);
    let counted = ScalarFunction::new_udf(datafusion::functions::core::nullif(), vec![rows, zero]);
    call(&DIV, total, Expr::ScalarFunction(counted)).data
}

/// Adds an aggregate unless it is there, and refers to it.
fn part(parts: &mut Vec<Expr>, expr: Expr) -> Expr {
    let name = expr.schema_name().to_string();
    if !parts.iter().any(|have| have.schema_name().to_string() == name) {
        parts.push(expr);
    }
    Expr::Column(Column::new_unqualified(name))
}

/// The sum and the count of an average of exact numbers.
fn exact_average(expr: &Expr, schema: &DFSchema) -> Option<(Expr, Expr)> {
    match expr {
        Expr::Alias(alias) => exact_average(&alias.expr, schema),
        Expr::AggregateFunction(average)
            if average.func.name() == "avg" && is_exact(&average.params.args, schema) =>
        {
            let with = |func| AggregateFunction { func, ..average.clone() };
            let mut total = with(sum_udaf());
            widen_argument(&mut total.params.args, schema);
            let rows = with(count_udaf());
            Some((Expr::AggregateFunction(total), Expr::AggregateFunction(rows)))
        }
        Expr::WindowFunction(average)
            if average.fun.name() == "avg" && is_exact(&average.params.args, schema) =>
        {
            let with = |udaf| {
                let fun = WindowFunctionDefinition::AggregateUDF(udaf);
                WindowFunction { fun, ..average.as_ref().clone() }
            };
            let mut total = with(sum_udaf());
            widen_argument(&mut total.params.args, schema);
            Some((Expr::from(total), Expr::from(with(count_udaf()))))
        }
        _ => None,
    }
}

fn is_exact(arguments: &[Expr], schema: &DFSchema) -> bool {
    let [argument] = arguments else { return false };
    let exact = |t: DataType| t.is_signed_integer() || matches!(t, DataType::Decimal128(..));
    argument.get_type(schema).is_ok_and(exact)
}

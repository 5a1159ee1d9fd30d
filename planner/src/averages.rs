//! `avg` of integers and decimals as `sum` divided by `count`, for PostgreSQL rounds the exact
//! quotient where DataFusion cuts it. In: a node that computes averages. Out: one that computes
//! sums and counts, and a projection that divides them.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Column, DFSchema, Result, ScalarValue};
use datafusion::functions_aggregate::{count::count_udaf, sum::sum_udaf};
use datafusion::logical_expr::expr::{AggregateFunction, ScalarFunction, WindowFunction};
use datafusion::logical_expr::{
    Aggregate, AggregateUDF, Expr, ExprSchemable, LogicalPlan, Projection, Window,
    WindowFunctionDefinition,
};

use crate::arithmetic::{call, widen_argument, widen_sum};
use crate::decimals::DIV;

/// Averages of groups.
pub(crate) fn of_groups(aggregate: Aggregate, schema: &DFSchema) -> Result<LogicalPlan> {
    if !aggregate.aggr_expr.iter().any(|e| exact_average(e, schema).is_some()) {
        return Ok(LogicalPlan::Aggregate(aggregate));
    }
    let mut parts: Vec<Expr> = Vec::new();
    let mut outputs: Vec<Expr> = Vec::new();
    let groups = aggregate.schema.fields().len() - aggregate.aggr_expr.len();
    for index in 0..groups {
        outputs.push(Expr::Column(aggregate.schema.columns()[index].clone()));
    }
    for expr in &aggregate.aggr_expr {
        let name = expr.schema_name().to_string();
        let Some(average) = exact_average(expr, schema) else {
            outputs.push(part(&mut parts, expr.clone()));
            continue;
        };
        let with = |udaf| AggregateFunction { func: udaf, ..average.clone() };
        let total = part(&mut parts, widen_sum(with(sum_udaf()), schema).data);
        let rows = part(&mut parts, Expr::AggregateFunction(with(count_udaf())));
        outputs.push(quotient(total, rows).alias(name));
    }
    let split = Aggregate::try_new(aggregate.input, aggregate.group_expr, parts)?;
    let input = Arc::new(LogicalPlan::Aggregate(split));
    Ok(LogicalPlan::Projection(Projection::try_new(outputs, input)?))
}

/// Averages of windows.
pub(crate) fn of_windows(window: Window, schema: &DFSchema) -> Result<LogicalPlan> {
    if !window.window_expr.iter().any(|e| exact_window(e, schema).is_some()) {
        return Ok(LogicalPlan::Window(window));
    }
    let mut parts: Vec<Expr> = Vec::new();
    let mut outputs: Vec<Expr> =
        window.input.schema().columns().into_iter().map(Expr::Column).collect();
    for expr in &window.window_expr {
        let name = expr.schema_name().to_string();
        let Some(average) = exact_window(expr, schema) else {
            outputs.push(part(&mut parts, expr.clone()));
            continue;
        };
        let with = |udaf: Arc<AggregateUDF>| {
            let fun = WindowFunctionDefinition::AggregateUDF(udaf);
            WindowFunction { fun, ..average.clone() }
        };
        let mut total = with(sum_udaf());
        widen_argument(&mut total.params.args, schema);
        let total = part(&mut parts, Expr::from(total));
        let rows = part(&mut parts, Expr::from(with(count_udaf())));
        outputs.push(quotient(total, rows).alias(name));
    }
    let input = Arc::new(LogicalPlan::Window(Window::try_new(parts, window.input)?));
    Ok(LogicalPlan::Projection(Projection::try_new(outputs, input)?))
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

fn exact_average<'a>(expr: &'a Expr, schema: &DFSchema) -> Option<&'a AggregateFunction> {
    let function = match expr {
        Expr::AggregateFunction(function) => function,
        Expr::Alias(alias) => return exact_average(&alias.expr, schema),
        _ => return None,
    };
    let is_average = function.func.name() == "avg";
    (is_average && is_exact(&function.params.args, schema)).then_some(function)
}

fn exact_window<'a>(expr: &'a Expr, schema: &DFSchema) -> Option<&'a WindowFunction> {
    let function = match expr {
        Expr::WindowFunction(function) => function,
        Expr::Alias(alias) => return exact_window(&alias.expr, schema),
        _ => return None,
    };
    let is_average = function.fun.name() == "avg";
    (is_average && is_exact(&function.params.args, schema)).then_some(function)
}

fn is_exact(arguments: &[Expr], schema: &DFSchema) -> bool {
    let [argument] = arguments else { return false };
    let exact = |t: DataType| t.is_signed_integer() || matches!(t, DataType::Decimal128(..));
    argument.get_type(schema).is_ok_and(exact)
}

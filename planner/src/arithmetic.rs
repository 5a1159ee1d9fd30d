//! Number types and arithmetic as PostgreSQL has them, on the logical plan before DataFusion
//! settles types. In: a plan as SQL was read. Out: the same plan with
//! - integer literals of four bytes where they fit,
//! - `+ - *` on integers that fail when out of range, `/` on decimals with enough digits,
//! - `avg` of decimals and integers as `sum / count`, so that it has those digits too
//!   ([`crate::averages`]),
//! - `sum` of eight-byte integers as a decimal,
//! - NULLs apart from the lists of `IN` ([`crate::in_lists`]), keys of orders once
//!   ([`crate::orders`]), sums of constants kept whole ([`crate::sums`]),
//! - values of queries that may be NULL ([`crate::scalars`]),
//! - the types of unions and of columns outside settled ([`crate::unions`],
//!   [`crate::outer_types`]),
//! - casts and dates by PostgreSQL's rules ([`crate::casts`], [`crate::dates`]).

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::{AggregateFunction, ScalarFunction};
use datafusion::logical_expr::expr_rewriter::{NamePreserver, coerce_plan_expr_for_schema};
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    BinaryExpr, Cast, Distinct, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, Operator,
    RecursiveQuery, ScalarUDF, Values,
};
use datafusion::optimizer::AnalyzerRule;

use crate::averages;
use crate::casts::{Casts, TextForms};
use crate::dates;
use crate::decimals::DIV;
use crate::floats::FLOAT_QUOTIENT;
use crate::in_lists;
use crate::integers::{self, INTEGERS};
use crate::{grouping_sets, orders, outer_types, rounding, scalars, sums, unions};

/// The functions this rule plants, for those who decode plans.
pub fn functions() -> Vec<Arc<ScalarUDF>> {
    [&*INTEGERS, &*DIV, &*FLOAT_QUOTIENT].map(Arc::clone).to_vec()
}

/// The rule; runs before DataFusion's type coercion.
#[derive(Debug)]
pub(crate) struct PgArithmetic {
    forms: Arc<dyn TextForms>,
}

impl PgArithmetic {
    pub(crate) fn new(forms: Arc<dyn TextForms>) -> Self {
        Self { forms }
    }
}

impl AnalyzerRule for PgArithmetic {
    fn name(&self) -> &str {
        "pg_arithmetic"
    }

    fn analyze(&self, plan: LogicalPlan, config: &ConfigOptions) -> Result<LogicalPlan> {
        let zone = config.execution.time_zone.clone().unwrap_or_default();
        let casts = Casts { forms: Arc::clone(&self.forms), zone };
        rewrite_plan(plan, &casts)
    }
}

/// From the leaves up; subqueries of a node once its inputs have their types.
fn rewrite_plan(plan: LogicalPlan, casts: &Casts) -> Result<LogicalPlan> {
    let rewritten = plan.transform_up(|node| {
        let outer = merge_schema(&node.inputs());
        let node = node.map_subqueries(|subquery| match subquery {
            LogicalPlan::Subquery(subquery) => {
                let mut subquery = outer_types::settle(subquery, &outer)?;
                let plan = rewrite_plan(Arc::unwrap_or_clone(subquery.subquery), casts)?;
                subquery.subquery = Arc::new(plan);
                Ok(Transformed::yes(LogicalPlan::Subquery(subquery)))
            }
            other => Ok(Transformed::no(other)),
        })?;
        rewrite_node(node.data, casts).map(Transformed::yes)
    });
    rewritten.map(|rewritten| rewritten.data)
}

fn rewrite_node(node: LogicalPlan, casts: &Casts) -> Result<LogicalPlan> {
    match node {
        LogicalPlan::Values(values) => narrow_values(values),
        LogicalPlan::Union(union) => unions::settle(union),
        LogicalPlan::Distinct(Distinct::On(distinct)) => {
            rewrite_expressions(orders::distinct_on(distinct), casts)
        }
        LogicalPlan::RecursiveQuery(query) => keep_working_table(query),
        node => rewrite_expressions(node, casts),
    }
}

fn rewrite_expressions(node: LogicalPlan, casts: &Casts) -> Result<LogicalPlan> {
    // A limit and the arguments of a window function want the types they have.
    let typed = matches!(node, LogicalPlan::Limit(_) | LogicalPlan::Window(_));
    let schema = merge_schema(&node.inputs());
    let names = NamePreserver::new(&node);
    let rewrite = |expr: Expr| {
        let name = names.save(&expr);
        let rewritten = match typed {
            true => expr.transform_up(|e| rewrite_typed(e, &schema, casts))?.data,
            false => rewrite_tree(expr, &schema, casts)?,
        };
        Ok(name.restore(rewritten))
    };
    let node = node.map_expressions(|expr| {
        let rewritten = match expr {
            // Its columns are named by what is in it.
            Expr::GroupingSet(set) => grouping_sets::map(set, rewrite).map(Expr::GroupingSet),
            other => rewrite(other),
        };
        rewritten.map(Transformed::yes)
    })?;
    match node.data.recompute_schema()? {
        LogicalPlan::Aggregate(aggregate) => averages::of_groups(aggregate, &schema),
        LogicalPlan::Window(window) => averages::of_windows(window, &schema),
        other => Ok(other),
    }
}

/// What is rewritten where integer literals must stay as they are.
fn rewrite_typed(expr: Expr, schema: &DFSchema, casts: &Casts) -> Result<Transformed<Expr>> {
    let Expr::WindowFunction(mut window) = expr else { return casts.rewrite(expr, schema) };
    let widened = window.fun.name() == "sum" && widen_argument(&mut window.params.args, schema);
    Ok(Transformed::new_transformed(Expr::WindowFunction(window), widened))
}

/// A column of integers in a list of values is four bytes wide where all of them fit.
fn narrow_values(mut list: Values) -> Result<LogicalPlan> {
    let narrow = |expr: &Expr| match expr {
        Expr::Literal(ScalarValue::Int64(Some(value)), _) => i32::try_from(*value).ok().map(Some),
        Expr::Literal(ScalarValue::Int64(None) | ScalarValue::Null, _) => Some(None),
        _ => None,
    };
    let fields = list.schema.fields().clone();
    let mut changed = false;
    for (index, _) in fields.iter().enumerate().filter(|(_, f)| *f.data_type() == DataType::Int64) {
        let column = list.values.iter().map(|row| narrow(&row[index]));
        let Some(column) = column.collect::<Option<Vec<_>>>() else { continue };
        for (row, value) in list.values.iter_mut().zip(column) {
            row[index] = Expr::Literal(ScalarValue::Int32(value), None);
        }
        changed = true;
    }
    if !changed {
        return Ok(LogicalPlan::Values(list));
    }
    LogicalPlanBuilder::values(list.values)?.build()
}

/// The recursive term reads a working table whose types are settled: both terms keep to them.
fn keep_working_table(mut query: RecursiveQuery) -> Result<LogicalPlan> {
    let settled = |term: Arc<LogicalPlan>| {
        coerce_plan_expr_for_schema(Arc::unwrap_or_clone(term), &query.schema).map(Arc::new)
    };
    (query.static_term, query.recursive_term) =
        (settled(query.static_term)?, settled(query.recursive_term)?);
    Ok(LogicalPlan::RecursiveQuery(query))
}

fn rewrite_tree(expr: Expr, schema: &DFSchema, casts: &Casts) -> Result<Expr> {
    // count(*) is counted as count(1), a literal the optimizer knows by its type.
    if let Expr::AggregateFunction(aggregate) = &expr
        && matches!(aggregate.params.args.as_slice(), [Expr::Literal(..)])
    {
        return Ok(expr);
    }
    expr.transform_up(|e| rewrite_expr(e, schema, casts)).map(|rewritten| rewritten.data)
}

fn rewrite_expr(expr: Expr, schema: &DFSchema, casts: &Casts) -> Result<Transformed<Expr>> {
    match expr {
        Expr::Literal(ScalarValue::Int64(Some(value)), metadata) => {
            let literal = match i32::try_from(value) {
                Ok(small) => ScalarValue::Int32(Some(small)),
                Err(_) => ScalarValue::Int64(Some(value)),
            };
            Ok(Transformed::yes(Expr::Literal(literal, metadata)))
        }
        Expr::BinaryExpr(binary) if of_integers(&binary, schema) => {
            Ok(Transformed::yes(integers::combine(binary.op, *binary.left, *binary.right)))
        }
        Expr::BinaryExpr(binary) => match quotient(&binary, schema) {
            Some(udf) => Ok(call(udf, *binary.left, *binary.right)),
            None => match dates::rewrite(binary, schema) {
                Ok(changed) => Ok(Transformed::yes(changed)),
                Err(binary) => casts.rewrite(Expr::BinaryExpr(binary), schema),
            },
        },
        Expr::InList(list) => Ok(in_lists::nulls_apart(list)),
        Expr::ScalarSubquery(subquery) => {
            Ok(Transformed::yes(Expr::ScalarSubquery(scalars::nullable(subquery)?)))
        }
        Expr::Between(between) => {
            Ok(Transformed::yes(Expr::Between(dates::rewrite_between(between, schema))))
        }
        Expr::Negative(inner) if is_integer(&inner, schema) => Ok(match *inner {
            // The smallest int8 is written as a minus and a number that does not fit.
            Expr::Literal(ScalarValue::Int32(Some(value)), metadata) => {
                let literal = ScalarValue::Int32(Some(-value));
                Transformed::yes(Expr::Literal(literal, metadata))
            }
            inner => {
                Transformed::yes(minus(Expr::Literal(ScalarValue::Int16(Some(0)), None), inner))
            }
        }),
        Expr::AggregateFunction(call) => Ok(Transformed::yes(rewrite_aggregate(call, schema))),
        Expr::ScalarFunction(call) if call.name() == "date_part" => {
            Ok(dates::rewrite_part(call, schema))
        }
        Expr::ScalarFunction(call) => {
            let rounded = rounding::rewrite(call, schema);
            if rounded.transformed {
                return Ok(rounded);
            }
            casts.rewrite(rounded.data, schema)
        }
        other => casts.rewrite(other, schema),
    }
}

/// A sum of integers that fails when out of range.
pub(crate) fn plus(left: Expr, right: Expr) -> Expr {
    integers::combine(Operator::Plus, left, right)
}

/// A difference of integers that fails when out of range.
pub(crate) fn minus(left: Expr, right: Expr) -> Expr {
    integers::combine(Operator::Minus, left, right)
}

pub(crate) fn call(udf: &Arc<ScalarUDF>, left: Expr, right: Expr) -> Transformed<Expr> {
    let function = ScalarFunction::new_udf(Arc::clone(udf), vec![left, right]);
    Transformed::yes(Expr::ScalarFunction(function))
}

/// `+`, `-`, `*` on integers.
fn of_integers(binary: &BinaryExpr, schema: &DFSchema) -> bool {
    let integer = |expr: &Expr| {
        integers::is_tree(expr) || expr.get_type(schema).is_ok_and(|found| found.is_integer())
    };
    matches!(binary.op, Operator::Plus | Operator::Minus | Operator::Multiply)
        && integer(&binary.right)
        && integer(&binary.left)
}

/// The function for a `/` that DataFusion's is not right for.
fn quotient(binary: &BinaryExpr, schema: &DFSchema) -> Option<&'static Arc<ScalarUDF>> {
    if binary.op != Operator::Divide {
        return None;
    }
    let (left, right) = (binary.left.get_type(schema).ok()?, binary.right.get_type(schema).ok()?);
    if decimals(&left, &right) {
        return Some(&DIV);
    }
    // A constant that is not zero needs no check.
    (floats(&left, &right) && !is_nonzero(&binary.right)).then_some(&*FLOAT_QUOTIENT)
}

/// At least one decimal, the other one too or an integer; 256 bits are DataFusion's to divide.
fn decimals(left: &DataType, right: &DataType) -> bool {
    let exact = |t: &DataType| matches!(t, DataType::Decimal128(..)) || t.is_integer();
    exact(left) && exact(right) && !(left.is_integer() && right.is_integer())
}

/// At least one float, the other one any number.
fn floats(left: &DataType, right: &DataType) -> bool {
    left.is_numeric() && right.is_numeric() && (left.is_floating() || right.is_floating())
}

fn is_nonzero(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(value, _) => value
            .cast_to(&DataType::Float64)
            .is_ok_and(|value| !matches!(value, ScalarValue::Float64(Some(0.0) | None))),
        _ => false,
    }
}

fn is_integer(expr: &Expr, schema: &DFSchema) -> bool {
    integers::is_tree(expr)
        || expr.get_type(schema).is_ok_and(|data_type| data_type.is_signed_integer())
}

fn rewrite_aggregate(mut call: AggregateFunction, schema: &DFSchema) -> Expr {
    orders::once(&mut call.params.order_by);
    if matches!(call.func.name(), "sum" | "avg") {
        sums::keep_whole(&mut call.params.args, schema);
    }
    if call.func.name() == "sum" {
        widen_argument(&mut call.params.args, schema);
    }
    Expr::AggregateFunction(call)
}

/// Eight-byte integers are summed as decimals.
pub(crate) fn widen_argument(arguments: &mut [Expr], schema: &DFSchema) -> bool {
    let [argument] = arguments else { return false };
    if !matches!(argument.get_type(schema), Ok(DataType::Int64)) {
        return false;
    }
    let old = std::mem::take(argument);
    *argument = Expr::Cast(Cast::new(Box::new(old), DataType::Decimal128(19, 0)));
    true
}

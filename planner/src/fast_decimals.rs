//! Decimal arithmetic by faster kernels. In: an optimized plan. Out: the same plan, in which `+`,
//! `-`, `*` on decimals are functions of ours where the result has room for every digit, so that
//! rows need no check. The last rule: those before it know operators better.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::type_coercion::binary::BinaryTypeCoercer;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, LogicalPlan, Operator, ScalarUDF};
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};

use crate::decimals::{ADD, MUL, SUB, result_of};

/// The functions this rule plants, for those who decode plans.
pub(crate) fn functions() -> Vec<Arc<ScalarUDF>> {
    [&*ADD, &*SUB, &*MUL].map(Arc::clone).to_vec()
}

/// The rule.
#[derive(Debug)]
pub(crate) struct FastDecimals;

impl OptimizerRule for FastDecimals {
    fn name(&self) -> &str {
        "fast_decimals"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        _: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        let schema = merge_schema(&plan.inputs());
        let names = NamePreserver::new(&plan);
        plan.map_expressions(|expr| {
            let name = names.save(&expr);
            let rewritten = expr.transform_up(|expr| rewrite(expr, &schema))?;
            Ok(rewritten.update_data(|expr| name.restore(expr)))
        })
    }
}

/// Nested calls deeper than this stay operators: DataFusion types calls again at every level.
const NESTED_MAX: usize = 8;

fn is_deeper(expr: &Expr, levels: usize) -> bool {
    let deeper = |inner: &Expr| levels == 0 || is_deeper(inner, levels - 1);
    match expr {
        Expr::BinaryExpr(binary) => deeper(&binary.left) || deeper(&binary.right),
        Expr::ScalarFunction(call) => call.args.iter().any(deeper),
        Expr::Cast(cast) => deeper(&cast.expr),
        _ => false,
    }
}

fn rewrite(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let Expr::BinaryExpr(binary) = expr else { return Ok(Transformed::no(expr)) };
    let Some(function) = function(&binary, schema) else {
        return Ok(Transformed::no(Expr::BinaryExpr(binary)));
    };
    let args = vec![*binary.left, *binary.right];
    let call = ScalarFunction::new_udf(Arc::clone(function), args);
    Ok(Transformed::yes(Expr::ScalarFunction(call)))
}

fn function(binary: &BinaryExpr, schema: &DFSchema) -> Option<&'static Arc<ScalarUDF>> {
    let function = match binary.op {
        Operator::Plus => &*ADD,
        Operator::Minus => &*SUB,
        Operator::Multiply => &*MUL,
        _ => return None,
    };
    if is_deeper(&binary.left, NESTED_MAX) || is_deeper(&binary.right, NESTED_MAX) {
        return None;
    }
    let (left, right) = (binary.left.get_type(schema).ok()?, binary.right.get_type(schema).ok()?);
    let exact = result_of(binary.op, &left, &right)?;
    let result = BinaryTypeCoercer::new(&left, &binary.op, &right).get_result_type().ok()?;
    (result == exact).then_some(function)
}

//! Sums of a decimal and a constant. In: the argument of a `sum`. Out: `x - -1.25` for `x + 1.25`.
//! DataFusion makes `sum(x) + 1.25 * count(x)` of two sums of the latter, with the count as a
//! number that has the constant's digits, of which there may be one before the point.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::DFSchema;
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, Operator};

/// The argument, kept whole.
pub(crate) fn keep_whole(arguments: &mut [Expr], schema: &DFSchema) {
    let [argument @ Expr::BinaryExpr(BinaryExpr { op: Operator::Plus, .. })] = arguments else {
        return;
    };
    if !matches!(argument.get_type(schema), Ok(DataType::Decimal128(..))) {
        return;
    }
    let Expr::BinaryExpr(BinaryExpr { left, right, .. }) = std::mem::take(argument) else { return };
    *argument = match (negated(&left), negated(&right)) {
        (_, Some(constant)) => *left - constant,
        (Some(constant), None) => *right - constant,
        (None, None) => Expr::BinaryExpr(BinaryExpr { left, op: Operator::Plus, right }),
    };
}

fn negated(expr: &Expr) -> Option<Expr> {
    let Expr::Literal(value, metadata) = expr else { return None };
    Some(Expr::Literal(value.arithmetic_negate().ok()?, metadata.clone()))
}

//! Calls of the rounding functions by the types of their arguments. In: a call. Out: for a decimal
//! the function that keeps it one, for `round` of a float the one that rounds half to even.
//! Everything else stays DataFusion's.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, Operator};

use crate::functions;

/// Rewrites a call whose arguments are rewritten.
pub(crate) fn rewrite(call: ScalarFunction, schema: &DFSchema) -> Transformed<Expr> {
    let types: Vec<_> = call.args.iter().map_while(|arg| arg.get_type(schema).ok()).collect();
    match (call.name(), types.as_slice()) {
        ("round", [DataType::Float32 | DataType::Float64]) => {
            Transformed::yes(function(functions::rint(), call.args))
        }
        ("mod", [left, right]) if decimals(left, right) => {
            let [left, right] = <[Expr; 2]>::try_from(call.args).unwrap_or_default();
            let (left, right) = (Box::new(left), Box::new(right));
            let modulo = BinaryExpr { left, op: Operator::Modulo, right };
            Transformed::yes(Expr::BinaryExpr(modulo))
        }
        (name, [DataType::Decimal128(..)]) => match functions::numeric_cut(name) {
            Some(udf) => {
                let [number] = <[Expr; 1]>::try_from(call.args).unwrap_or_default();
                let digits = Expr::Literal(ScalarValue::Int32(Some(0)), None);
                Transformed::yes(function(udf, vec![number, digits]))
            }
            None => Transformed::no(Expr::ScalarFunction(call)),
        },
        ("trunc", [DataType::Decimal128(..), DataType::Int32])
            if matches!(call.args[1], Expr::Literal(ScalarValue::Int32(Some(_)), _)) =>
        {
            match functions::numeric_cut("trunc") {
                Some(udf) => Transformed::yes(function(udf, call.args)),
                None => Transformed::no(Expr::ScalarFunction(call)),
            }
        }
        _ => Transformed::no(Expr::ScalarFunction(call)),
    }
}

fn function(udf: std::sync::Arc<datafusion::logical_expr::ScalarUDF>, args: Vec<Expr>) -> Expr {
    Expr::ScalarFunction(ScalarFunction::new_udf(udf, args))
}

/// At least one decimal and no float.
fn decimals(left: &DataType, right: &DataType) -> bool {
    let decimal = |t: &DataType| matches!(t, DataType::Decimal128(..));
    let exact = |t: &DataType| decimal(t) || t.is_integer();
    exact(left) && exact(right) && (decimal(left) || decimal(right))
}

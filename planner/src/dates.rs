//! Arithmetic on dates as PostgreSQL has it. In: an operation and the types it stands on. Out: the
//! same operation where a number is days, a difference is a number, and a date and an interval are
//! a timestamp. Zones and clocks it does not know.

use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::expr::{Between, ScalarFunction};
use datafusion::logical_expr::{BinaryExpr, Cast, Expr, ExprSchemable, Operator};

use crate::arithmetic::{minus, plus};

const TIMESTAMP: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);

/// What a date takes part in, rewritten; the operation itself where no date does.
pub(crate) fn rewrite(binary: BinaryExpr, schema: &DFSchema) -> Result<Expr, BinaryExpr> {
    let types = (binary.left.get_type(schema), binary.right.get_type(schema));
    let (Ok(left_type), Ok(right_type)) = types else { return Err(binary) };
    if left_type != DataType::Date32 && right_type != DataType::Date32 {
        return Err(binary);
    }
    let BinaryExpr { left, op, right } = binary;
    match (left_type, op, right_type) {
        (DataType::Date32, Operator::Minus, DataType::Date32) => {
            Ok(minus(cast(*left, DataType::Int32), cast(*right, DataType::Int32)))
        }
        (DataType::Date32, Operator::Plus, number) if number.is_integer() => {
            Ok(date(plus(cast(*left, DataType::Int32), cast(*right, DataType::Int32))))
        }
        (number, Operator::Plus, DataType::Date32) if number.is_integer() => {
            Ok(date(plus(cast(*left, DataType::Int32), cast(*right, DataType::Int32))))
        }
        (DataType::Date32, Operator::Minus, number) if number.is_integer() => {
            Ok(date(minus(cast(*left, DataType::Int32), cast(*right, DataType::Int32))))
        }
        (DataType::Date32, Operator::Plus | Operator::Minus, DataType::Interval(_)) => {
            let moment = Box::new(cast(*left, TIMESTAMP));
            Ok(Expr::BinaryExpr(BinaryExpr::new(moment, op, right)))
        }
        (DataType::Interval(_), Operator::Plus, DataType::Date32) => {
            let moment = Box::new(cast(*right, TIMESTAMP));
            Ok(Expr::BinaryExpr(BinaryExpr::new(moment, op, left)))
        }
        (DataType::Date32, op, _) if op.supports_propagation() => {
            Ok(Expr::BinaryExpr(BinaryExpr::new(left, op, Box::new(midnight(*right, schema)))))
        }
        (_, op, DataType::Date32) if op.supports_propagation() => {
            Ok(Expr::BinaryExpr(BinaryExpr::new(Box::new(midnight(*left, schema)), op, right)))
        }
        _ => Err(BinaryExpr { left, op, right }),
    }
}

/// The same for `BETWEEN`.
pub(crate) fn rewrite_between(between: Between, schema: &DFSchema) -> Between {
    if !matches!(between.expr.get_type(schema), Ok(DataType::Date32)) {
        return between;
    }
    let Between { expr, negated, low, high } = between;
    let (low, high) = (midnight(*low, schema), midnight(*high, schema));
    Between { expr, negated, low: Box::new(low), high: Box::new(high) }
}

/// `extract` of what has a fraction: seconds and the epoch are numerics with microseconds.
pub(crate) fn rewrite_part(call: ScalarFunction, schema: &DFSchema) -> Transformed<Expr> {
    let (field, data_type) = match call.args.as_slice() {
        [Expr::Literal(field, _), value] if call.name() == "date_part" => {
            (field.try_as_str().flatten().unwrap_or("").to_lowercase(), value.get_type(schema).ok())
        }
        _ => return Transformed::no(Expr::ScalarFunction(call)),
    };
    let micros = DataType::Decimal128(20, 6);
    match (field.as_str(), data_type) {
        ("second" | "seconds", Some(DataType::Timestamp(..) | DataType::Time64(_))) => {
            let ScalarFunction { func, mut args } = call;
            args[0] = Expr::Literal(ScalarValue::from("microsecond"), None);
            let all = Expr::ScalarFunction(ScalarFunction::new_udf(func, args));
            let all = Box::new(cast(all, DataType::Decimal128(10, 0)));
            let unit = Box::new(Expr::Literal(ScalarValue::Decimal128(Some(1), 7, 6), None));
            let seconds = Expr::BinaryExpr(BinaryExpr::new(all, Operator::Multiply, unit));
            Transformed::yes(cast(seconds, micros))
        }
        ("epoch", Some(DataType::Timestamp(..) | DataType::Interval(_))) => {
            Transformed::yes(cast(Expr::ScalarFunction(call), micros))
        }
        ("epoch", Some(DataType::Date32)) => {
            Transformed::yes(cast(Expr::ScalarFunction(call), DataType::Decimal128(20, 0)))
        }
        _ => Transformed::no(Expr::ScalarFunction(call)),
    }
}

/// A date and a constant interval of whole days as the date it is, so that a column of dates is
/// compared with a date: scans are pruned by it, and nothing is converted for each row.
fn midnight(expr: Expr, schema: &DFSchema) -> Expr {
    let Expr::BinaryExpr(BinaryExpr { left, op, right }) = expr else { return expr };
    let whole = matches!(
        right.as_ref(),
        Expr::Literal(ScalarValue::IntervalMonthDayNano(Some(it)), _) if it.nanoseconds == 0
    );
    match *left {
        Expr::Cast(Cast { expr: inner, field })
            if whole
                && *field.data_type() == TIMESTAMP
                && matches!(inner.get_type(schema), Ok(DataType::Date32)) =>
        {
            Expr::BinaryExpr(BinaryExpr::new(inner, op, right))
        }
        left => Expr::BinaryExpr(BinaryExpr { left: Box::new(left), op, right }),
    }
}

fn cast(expr: Expr, data_type: DataType) -> Expr {
    Expr::Cast(Cast::new(Box::new(expr), data_type))
}

fn date(days: Expr) -> Expr {
    cast(days, DataType::Date32)
}

#[cfg(test)]
mod tests {
    use datafusion::common::ScalarValue;
    use datafusion::logical_expr::{binary_expr, lit};

    use super::*;

    fn day() -> Expr {
        lit(ScalarValue::Date32(Some(1)))
    }

    fn type_of(left: Expr, op: Operator, right: Expr) -> Option<DataType> {
        let schema = DFSchema::empty();
        let binary = BinaryExpr::new(Box::new(left), op, Box::new(right));
        rewrite(binary, &schema).ok().and_then(|expr| expr.get_type(&schema).ok())
    }

    #[test]
    fn types_are_postgres() {
        assert_eq!(type_of(day(), Operator::Minus, day()), Some(DataType::Int32));
        assert_eq!(type_of(day(), Operator::Plus, lit(1_i32)), Some(DataType::Date32));
        let interval = lit(ScalarValue::new_interval_mdn(0, 1, 0));
        assert_eq!(type_of(day(), Operator::Plus, interval), Some(TIMESTAMP));
    }

    #[test]
    fn whole_days_compare_as_dates() {
        let schema = DFSchema::empty();
        let sum = |nanos| {
            let interval = lit(ScalarValue::new_interval_mdn(0, 1, nanos));
            binary_expr(cast(day(), TIMESTAMP), Operator::Plus, interval)
        };
        assert_eq!(midnight(sum(0), &schema).get_type(&schema).ok(), Some(DataType::Date32));
        assert_eq!(midnight(sum(1), &schema).get_type(&schema).ok(), Some(TIMESTAMP));
    }
}

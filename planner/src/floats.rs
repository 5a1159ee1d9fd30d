//! `/` on floats. In: two floats of one type. Out: their quotient, or PostgreSQL's refusal to
//! divide by zero, for which IEEE has an infinity. Other overflows it does not know.

use std::sync::{Arc, LazyLock};

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Datum};
use datafusion::arrow::compute::kernels::numeric;
use datafusion::arrow::datatypes::{DataType, Float32Type, Float64Type};
use datafusion::arrow::error::ArrowError;
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::{Operator, ScalarUDF};

use crate::operators::{OperatorFunction, Types};

/// The function.
pub(crate) static FLOAT_QUOTIENT: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| {
    let signature = OperatorFunction::signature();
    let (types, kernel) = (common, quotient);
    OperatorFunction { name: "float_div", op: Operator::Divide, types, kernel, signature }.build()
});

/// Only two four-byte floats have a four-byte quotient.
fn common(op: Operator, left: &DataType, right: &DataType) -> Result<Types> {
    let result = match (left, right) {
        (DataType::Float32, DataType::Float32) => DataType::Float32,
        _ if left.is_numeric() && right.is_numeric() => DataType::Float64,
        _ => return plan_err!("operator does not exist: {left} {op} {right}"),
    };
    Ok(Types { operands: [result.clone(), result.clone()], result })
}

fn quotient(
    _: Operator,
    left: &dyn Datum,
    right: &dyn Datum,
    _: &DataType,
) -> Result<ArrayRef, ArrowError> {
    if has_zero(right.get().0) && divides_by_zero(left, right) {
        return Err(ArrowError::DivideByZero);
    }
    numeric::div(left, right)
}

/// A quick look at the values alone, NULLs included: most divisors have no zero at all.
fn has_zero(divisor: &dyn Array) -> bool {
    match divisor.data_type() {
        DataType::Float32 => divisor.as_primitive::<Float32Type>().values().contains(&0.0),
        DataType::Float64 => divisor.as_primitive::<Float64Type>().values().contains(&0.0),
        _ => false,
    }
}

/// Whether a zero stands where both sides have a value.
fn divides_by_zero(left: &dyn Datum, right: &dyn Datum) -> bool {
    let ((left, left_scalar), (right, right_scalar)) = (left.get(), right.get());
    let is_zero = |row: usize| match right.data_type() {
        DataType::Float32 => right.as_primitive::<Float32Type>().value(row) == 0.0,
        _ => right.as_primitive::<Float64Type>().value(row) == 0.0,
    };
    let rows = if left_scalar { right.len() } else { left.len() };
    (0..rows).any(|row| {
        let (at, by) = (if left_scalar { 0 } else { row }, if right_scalar { 0 } else { row });
        left.is_valid(at) && right.is_valid(by) && is_zero(by)
    })
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::Float64Array;

    use super::*;

    #[test]
    fn zeros_count_only_under_values() {
        let left = Float64Array::from(vec![Some(1.0), None]);
        let under_null = Float64Array::from(vec![Some(2.0), Some(0.0)]);
        let under_value = Float64Array::from(vec![Some(0.0), Some(1.0)]);
        assert!(has_zero(&under_null) && !divides_by_zero(&left, &under_null));
        assert!(divides_by_zero(&left, &under_value));
    }
}

//! Arithmetic on decimals. In: decimals, integers. Out: quotients with PostgreSQL's digits, an
//! error for division by zero; and `+`, `-`, `*` without looking for overflow where digits cannot
//! overflow, which takes a third of the time. [`crate::arithmetic`] plants the first,
//! [`crate::fast_decimals`] the others.

use std::cell::Cell;
use std::sync::{Arc, LazyLock};

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Datum, Decimal128Array};
use datafusion::arrow::compute::kernels::{arity::binary, numeric};
use datafusion::arrow::datatypes::{DataType, Decimal128Type, i256};
use datafusion::arrow::error::ArrowError;
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::{Operator, ScalarUDF};

use crate::operators::{OperatorFunction, Types};

/// Digits after the point of a quotient, at least: PostgreSQL gives 16 significant ones or more.
const QUOTIENT_SCALE_MIN: i8 = 16;
/// Digits of a decimal.
const PRECISION: u8 = 38;

/// `/` with PostgreSQL's digits rather than four more than the dividend's.
pub(crate) static DIV: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| {
    let (types, kernel) = (quotient_types, quotient);
    let signature = OperatorFunction::signature();
    OperatorFunction { name: "numeric_div", op: Operator::Divide, types, kernel, signature }.build()
});
pub(crate) static ADD: LazyLock<Arc<ScalarUDF>> =
    LazyLock::new(|| unchecked("numeric_add", Operator::Plus));
pub(crate) static SUB: LazyLock<Arc<ScalarUDF>> =
    LazyLock::new(|| unchecked("numeric_sub", Operator::Minus));
pub(crate) static MUL: LazyLock<Arc<ScalarUDF>> =
    LazyLock::new(|| unchecked("numeric_mul", Operator::Multiply));

fn unchecked(name: &'static str, op: Operator) -> Arc<ScalarUDF> {
    let (types, kernel) = (exact_types, exact);
    let signature = OperatorFunction::signature();
    OperatorFunction { name, op, types, kernel, signature }.build()
}

/// The type of `left op right` with all digits it can have. Where 38 are not enough a product has
/// that many, a sum none that we calculate.
pub(crate) fn result_of(op: Operator, left: &DataType, right: &DataType) -> Option<DataType> {
    let (DataType::Decimal128(p1, s1), DataType::Decimal128(p2, s2)) = (left, right) else {
        return None;
    };
    let whole = |p: u8, s: i8| i16::from(p) - i16::from(s);
    let (digits, scale) = match op {
        Operator::Multiply => {
            let digits = i16::from(*p1) + i16::from(*p2) + 1;
            (digits.min(i16::from(PRECISION)), s1.checked_add(*s2)?)
        }
        Operator::Plus | Operator::Minus => {
            let scale = *s1.max(s2);
            (whole(*p1, *s1).max(whole(*p2, *s2)) + i16::from(scale) + 1, scale)
        }
        _ => return None,
    };
    let digits = u8::try_from(digits).ok().filter(|digits| *digits <= PRECISION)?;
    let scales = [*s1, *s2, PRECISION as i8 - scale];
    scales.iter().all(|s| *s >= 0).then_some(DataType::Decimal128(digits, scale))
}

fn exact_types(op: Operator, left: &DataType, right: &DataType) -> Result<Types> {
    match result_of(op, left, right) {
        Some(result) => Ok(Types { operands: [left.clone(), right.clone()], result }),
        None => plan_err!("{left} {op} {right} can overflow"),
    }
}

/// Sums and products. Those of values that have the digits their types say cannot leave 128 bits,
/// but for products that may need more than 38 digits.
fn exact(
    op: Operator,
    left: &dyn Datum,
    right: &dyn Datum,
    result: &DataType,
) -> Result<ArrayRef, ArrowError> {
    let scale = scale_of(result);
    let factor = |side: &dyn Datum| {
        let digits = scale - scale_of(side.get().0.data_type());
        10_i128.wrapping_pow(u32::try_from(digits).unwrap_or(0))
    };
    let (f, g) = (factor(left), factor(right));
    let values = match (op, f, g) {
        (Operator::Multiply, ..) if precision_of(result) == PRECISION => product(left, right),
        (Operator::Multiply, ..) => both(left, right, i128::wrapping_mul),
        (Operator::Plus, 1, 1) => both(left, right, i128::wrapping_add),
        (Operator::Minus, 1, 1) => both(left, right, i128::wrapping_sub),
        (Operator::Plus, ..) => {
            both(left, right, |l, r| l.wrapping_mul(f).wrapping_add(r.wrapping_mul(g)))
        }
        _ => both(left, right, |l, r| l.wrapping_mul(f).wrapping_sub(r.wrapping_mul(g))),
    };
    Ok(Arc::new(values?.with_data_type(result.clone())))
}

/// A product that may overflow. Most values fit 64 bits, and then the product fits 128.
fn product(left: &dyn Datum, right: &dyn Datum) -> Result<Decimal128Array, ArrowError> {
    let doubtful = Cell::new(false);
    let values = both(left, right, |l, r| match (i64::try_from(l), i64::try_from(r)) {
        (Ok(l), Ok(r)) => i128::from(l) * i128::from(r),
        _ => l.checked_mul(r).unwrap_or_else(|| {
            doubtful.set(true);
            0
        }),
    })?;
    if !doubtful.get() {
        return Ok(values);
    }
    // An error, unless what overflowed lies under a NULL.
    numeric::mul(left, right).map(|exact| exact.as_primitive::<Decimal128Type>().clone())
}

fn both(
    left: &dyn Datum,
    right: &dyn Datum,
    f: impl Fn(i128, i128) -> i128,
) -> Result<Decimal128Array, ArrowError> {
    let ((left, left_scalar), (right, right_scalar)) = (left.get(), right.get());
    let (left, right) =
        (left.as_primitive::<Decimal128Type>(), right.as_primitive::<Decimal128Type>());
    let none = |rows| Ok(Decimal128Array::new_null(rows));
    match (left_scalar, right_scalar) {
        (true, false) if left.is_null(0) => none(right.len()),
        (false, true) if right.is_null(0) => none(left.len()),
        (true, false) => {
            let constant = left.value(0);
            Ok(right.unary(|value| f(constant, value)))
        }
        (false, true) => {
            let constant = right.value(0);
            Ok(left.unary(|value| f(value, constant)))
        }
        _ => binary(left, right, f),
    }
}

fn quotient_types(_: Operator, left: &DataType, right: &DataType) -> Result<Types> {
    let operands = [as_decimal(left)?, as_decimal(right)?];
    let scale = scale_of(&operands[0]).max(scale_of(&operands[1])).max(QUOTIENT_SCALE_MIN);
    Ok(Types { operands, result: DataType::Decimal128(PRECISION, scale) })
}

fn quotient(
    _: Operator,
    left: &dyn Datum,
    right: &dyn Datum,
    result: &DataType,
) -> Result<ArrayRef, ArrowError> {
    let ((left, left_scalar), (right, right_scalar)) = (left.get(), right.get());
    let rows = if left_scalar { right.len() } else { left.len() };
    let quotient = Quotient::new(left, right, scale_of(result));
    let at = |row: usize| {
        quotient.at(if left_scalar { 0 } else { row }, if right_scalar { 0 } else { row })
    };
    let values = (0..rows).map(at).collect::<Result<Decimal128Array, ArrowError>>()?;
    Ok(Arc::new(values.with_data_type(result.clone())))
}

fn precision_of(data_type: &DataType) -> u8 {
    match data_type {
        DataType::Decimal128(precision, _) => *precision,
        _ => 0,
    }
}

fn scale_of(data_type: &DataType) -> i8 {
    match data_type {
        DataType::Decimal128(_, scale) => *scale,
        _ => 0,
    }
}

fn as_decimal(data_type: &DataType) -> Result<DataType> {
    Ok(match data_type {
        DataType::Decimal128(..) => data_type.clone(),
        DataType::Decimal32(p, s) | DataType::Decimal64(p, s) => DataType::Decimal128(*p, *s),
        DataType::Int8 | DataType::Int16 | DataType::UInt8 => DataType::Decimal128(5, 0),
        DataType::Int32 | DataType::UInt16 => DataType::Decimal128(10, 0),
        DataType::Int64 | DataType::UInt32 | DataType::UInt64 => DataType::Decimal128(20, 0),
        DataType::Null => DataType::Decimal128(PRECISION, 0),
        other => return plan_err!("{other} is not a decimal"),
    })
}

struct Quotient<'a> {
    left: &'a Decimal128Array,
    right: &'a Decimal128Array,
    /// What the dividend is multiplied by, so that the quotient has its scale.
    factor: i256,
    small_factor: Option<i128>,
}

impl<'a> Quotient<'a> {
    fn new(left: &'a dyn Array, right: &'a dyn Array, scale: i8) -> Self {
        let (left, right) =
            (left.as_primitive::<Decimal128Type>(), right.as_primitive::<Decimal128Type>());
        let digits = i32::from(scale) - i32::from(left.scale()) + i32::from(right.scale());
        let digits = u32::try_from(digits).unwrap_or(0);
        let factor = i256::from_i128(10).wrapping_pow(digits);
        Self { left, right, factor, small_factor: 10i128.checked_pow(digits) }
    }

    fn at(&self, left: usize, right: usize) -> Result<Option<i128>, ArrowError> {
        if self.left.is_null(left) || self.right.is_null(right) {
            return Ok(None);
        }
        let (dividend, divisor) = (self.left.value(left), self.right.value(right));
        if divisor == 0 {
            return Err(ArrowError::DivideByZero);
        }
        if let Some(scaled) = self.small_factor.and_then(|f| dividend.checked_mul(f)) {
            return Ok(Some(rounded(scaled, divisor)));
        }
        self.wide(dividend, divisor).map(Some)
    }

    /// The same in 256 bits, for dividends that do not fit when scaled.
    fn wide(&self, dividend: i128, divisor: i128) -> Result<i128, ArrowError> {
        let overflow = || ArrowError::ArithmeticOverflow("numeric field overflow".to_owned());
        let divisor = i256::from_i128(divisor);
        let scaled = i256::from_i128(dividend).checked_mul(self.factor).ok_or_else(overflow)?;
        let (quotient, rest) = (scaled.wrapping_div(divisor), scaled.wrapping_rem(divisor));
        let twice = rest.wrapping_abs().wrapping_mul(i256::from_i128(2));
        let away = if (scaled < i256::ZERO) == (divisor < i256::ZERO) { 1 } else { -1 };
        let step = if twice >= divisor.wrapping_abs() { away } else { 0 };
        quotient.wrapping_add(i256::from_i128(step)).to_i128().ok_or_else(overflow)
    }
}

/// The quotient rounded half away from zero.
fn rounded(dividend: i128, divisor: i128) -> i128 {
    let (quotient, rest) = (dividend / divisor, dividend % divisor);
    let half = divisor.unsigned_abs().div_ceil(2);
    match rest.unsigned_abs() >= half {
        true if (dividend < 0) == (divisor < 0) => quotient + 1,
        true => quotient - 1,
        false => quotient,
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::Scalar;

    use super::*;

    #[test]
    fn an_exact_result_has_room_for_every_digit() {
        let decimal = DataType::Decimal128;
        let result = |op, left, right| result_of(op, &left, &right);
        let product = result(Operator::Multiply, decimal(15, 2), decimal(16, 2));
        assert_eq!(product, Some(decimal(32, 4)));
        let sum = result(Operator::Plus, decimal(10, 0), decimal(15, 2));
        assert_eq!(sum, Some(decimal(16, 2)));
        let long = result(Operator::Multiply, decimal(20, 2), decimal(18, 2));
        assert_eq!(long, Some(decimal(38, 4)));
        assert_eq!(result(Operator::Multiply, decimal(38, 20), decimal(38, 20)), None);
        assert_eq!(result(Operator::Minus, decimal(38, 2), decimal(1, 0)), None);
        assert_eq!(result(Operator::Plus, decimal(5, -2), decimal(1, 0)), None);
    }

    #[test]
    fn a_product_that_overflows_is_an_error() {
        let long = DataType::Decimal128(38, 0);
        let array = |value| {
            let values = vec![Some(i128::MAX / 4), None, Some(3)];
            let one = Decimal128Array::from(vec![value; 1]).with_data_type(long.clone());
            (Decimal128Array::from(values).with_data_type(long.clone()), Scalar::new(one))
        };
        let (values, two) = array(2);
        let doubled = product(&values, &two).expect("fits");
        assert_eq!(doubled.value(0), i128::MAX / 4 * 2);
        assert!(doubled.is_null(1));
        assert_eq!(doubled.value(2), 6);
        let (values, nine) = array(9);
        assert!(matches!(product(&values, &nine), Err(ArrowError::ArithmeticOverflow(_))));
    }

    #[test]
    fn scales_are_brought_together() {
        let one =
            Decimal128Array::from(vec![Some(100), None]).with_data_type(DataType::Decimal128(5, 0));
        let two = Decimal128Array::from(vec![Some(25), Some(1)])
            .with_data_type(DataType::Decimal128(5, 2));
        let result = result_of(Operator::Minus, one.data_type(), two.data_type()).expect("fits");
        let got = exact(Operator::Minus, &one, &two, &result).expect("exact");
        let want = Decimal128Array::from(vec![Some(9_975), None]).with_data_type(result);
        assert_eq!(got.as_primitive::<Decimal128Type>(), &want);
    }

    #[test]
    fn rounds_half_away_from_zero() {
        let cases =
            [(7, 2, 4), (-7, 2, -4), (7, -2, -4), (1, 3, 0), (2, 3, 1), (0, 5, 0), (-1, 3, 0)];
        for (dividend, divisor, want) in cases {
            assert_eq!(rounded(dividend, divisor), want, "{dividend} / {divisor}");
        }
    }
}

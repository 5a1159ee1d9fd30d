//! Arithmetic that fails where PostgreSQL's fails. In: integers or decimals. Out: their sum,
//! difference, product or quotient; out of range and division by zero are errors, never a wrapped
//! value. [`crate::arithmetic`] puts these functions in the place of DataFusion's operators.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Decimal128Array};
use datafusion::arrow::compute::kernels::numeric;
use datafusion::arrow::datatypes::{DataType, Decimal128Type, i256};
use datafusion::arrow::error::ArrowError;
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, Operator, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::physical_expr_common::datum::apply;

/// Digits after the point of a quotient, at least: PostgreSQL gives 16 significant ones or more.
const QUOTIENT_SCALE_MIN: i8 = 16;
/// Digits of a decimal.
const PRECISION: u8 = 38;

/// `+`, `-`, `*` on integers.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct CheckedInteger {
    op: Operator,
    signature: Signature,
}

impl CheckedInteger {
    pub(crate) fn new(op: Operator) -> Self {
        Self { op, signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for CheckedInteger {
    fn name(&self) -> &str {
        match self.op {
            Operator::Plus => "int_add",
            Operator::Minus => "int_sub",
            _ => "int_mul",
        }
    }

    fn display_name(&self, args: &[Expr]) -> Result<String> {
        Ok(infix(args, self.op))
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        Ok(infix(args, self.op))
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let wide = wider(types)?;
        Ok(vec![wide.clone(), wide])
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        wider(types)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let kernel = match self.op {
            Operator::Plus => numeric::add,
            Operator::Minus => numeric::sub,
            _ => numeric::mul,
        };
        apply(&args.args[0], &args.args[1], kernel)
    }
}

/// The wider of two integer types; signed when either is.
fn wider(types: &[DataType]) -> Result<DataType> {
    let rank = |data_type: &DataType| match data_type {
        DataType::Int8 => Ok(0),
        DataType::Int16 | DataType::UInt8 => Ok(1),
        DataType::Int32 | DataType::UInt16 => Ok(2),
        DataType::Int64 | DataType::UInt32 => Ok(3),
        DataType::UInt64 => Ok(4),
        other => plan_err!("{other} is not an integer"),
    };
    let ranks = types.iter().map(rank).collect::<Result<Vec<i32>>>()?;
    Ok(match ranks.into_iter().max() {
        Some(0 | 1) => DataType::Int16,
        Some(2) => DataType::Int32,
        Some(4) if types.iter().all(|t| *t == DataType::UInt64) => DataType::UInt64,
        _ => DataType::Int64,
    })
}

pub(crate) fn infix(args: &[Expr], op: Operator) -> String {
    match args {
        [left, right] => format!("{left} {op} {right}"),
        _ => op.to_string(),
    }
}

/// `/` on decimals, with PostgreSQL's digits rather than four more than the dividend's.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct DecimalQuotient {
    signature: Signature,
}

impl DecimalQuotient {
    pub(crate) fn new() -> Self {
        Self { signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for DecimalQuotient {
    fn name(&self) -> &str {
        "numeric_div"
    }

    fn display_name(&self, args: &[Expr]) -> Result<String> {
        Ok(infix(args, Operator::Divide))
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        Ok(infix(args, Operator::Divide))
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        types.iter().map(as_decimal).collect()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        let scale =
            |t: &DataType| Ok::<i8, datafusion::error::DataFusionError>(scale_of(&as_decimal(t)?));
        let (left, right) = (scale(&types[0])?, scale(&types[1])?);
        Ok(DataType::Decimal128(PRECISION, left.max(right).max(QUOTIENT_SCALE_MIN)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let scale = scale_of(args.return_field.data_type());
        apply(&args.args[0], &args.args[1], |left, right| {
            let (left, left_scalar) = left.get();
            let (right, right_scalar) = right.get();
            let rows = if left_scalar { right.len() } else { left.len() };
            let quotient = Quotient::new(left, right, scale);
            let at = |row: usize| {
                quotient.at(if left_scalar { 0 } else { row }, if right_scalar { 0 } else { row })
            };
            let values = (0..rows).map(at).collect::<Result<Decimal128Array, ArrowError>>()?;
            Ok(Arc::new(values.with_precision_and_scale(PRECISION, scale)?) as ArrayRef)
        })
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
    use super::rounded;

    #[test]
    fn rounds_half_away_from_zero() {
        let cases =
            [(7, 2, 4), (-7, 2, -4), (7, -2, -4), (1, 3, 0), (2, 3, 1), (0, 5, 0), (-1, 3, 0)];
        for (dividend, divisor, want) in cases {
            assert_eq!(rounded(dividend, divisor), want, "{dividend} / {divisor}");
        }
    }
}

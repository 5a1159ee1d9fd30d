//! `trunc`, `ceil`, `floor` and `sign` of decimals. In: a decimal and a constant number of digits.
//! Out: a decimal of exactly those digits, where DataFusion keeps the argument's or makes a float.
//! Which calls become these functions it does not know.

use std::sync::{Arc, LazyLock};

use datafusion::arrow::array::{ArrayRef, AsArray, Decimal128Array};
use datafusion::arrow::datatypes::{
    DECIMAL128_MAX_PRECISION, DataType, Decimal128Type, Field, FieldRef,
};
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};

/// What is done with the digits cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Cut {
    Trunc,
    Ceil,
    Floor,
    Sign,
}

static CUTS: LazyLock<[Arc<ScalarUDF>; 4]> = LazyLock::new(|| {
    [Cut::Trunc, Cut::Ceil, Cut::Floor, Cut::Sign].map(|cut| {
        let signature = Signature::any(2, Volatility::Immutable);
        Arc::new(ScalarUDF::from(NumericCut { cut, signature }))
    })
});

/// The function for decimals under a name of PostgreSQL's.
pub(crate) fn named(name: &str) -> Option<Arc<ScalarUDF>> {
    let place = match name {
        "trunc" => 0,
        "ceil" | "ceiling" => 1,
        "floor" => 2,
        "sign" | "signum" => 3,
        _ => return None,
    };
    Some(Arc::clone(&CUTS[place]))
}

/// All of them.
pub(crate) fn all() -> Vec<Arc<ScalarUDF>> {
    CUTS.to_vec()
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct NumericCut {
    cut: Cut,
    signature: Signature,
}

impl Cut {
    /// `unscaled` has `digits` more digits after its point than are wanted.
    fn apply(self, unscaled: i128, unit: i128) -> i128 {
        let (whole, rest) = (unscaled / unit, unscaled % unit);
        match self {
            Self::Trunc => whole,
            Self::Ceil if rest > 0 => whole + 1,
            Self::Floor if rest < 0 => whole - 1,
            Self::Ceil | Self::Floor => whole,
            Self::Sign => unscaled.signum(),
        }
    }
}

impl ScalarUDFImpl for NumericCut {
    fn name(&self) -> &str {
        match self.cut {
            Cut::Trunc => "numeric_trunc",
            Cut::Ceil => "numeric_ceil",
            Cut::Floor => "numeric_floor",
            Cut::Sign => "numeric_sign",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        plan_err!("the digits decide about the type of {}", self.name())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let (DataType::Decimal128(precision, scale), Some(Some(ScalarValue::Int32(Some(digits))))) =
            (args.arg_fields[0].data_type(), args.scalar_arguments.get(1))
        else {
            return plan_err!("function {} does not exist", self.name());
        };
        let kept = i32::from(*scale).min(*digits).max(0) as i8;
        // One digit more: a ceiling may need it.
        let left = (i32::from(*precision) - i32::from(*scale) + i32::from(kept) + 1).max(1);
        let precision = (left as u8).min(DECIMAL128_MAX_PRECISION);
        let nullable = args.arg_fields[0].is_nullable();
        Ok(Arc::new(Field::new(self.name(), DataType::Decimal128(precision, kept), nullable)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let ColumnarValue::Scalar(ScalarValue::Int32(Some(digits))) = args.args[1] else {
            return exec_err!("{} without its digits", self.name());
        };
        let DataType::Decimal128(precision, kept) = *args.return_field.data_type() else {
            return exec_err!("{} of a decimal is one", self.name());
        };
        let array = args.args[0].to_array(1)?;
        let values = array.as_primitive::<Decimal128Type>();
        let power = |n: i32| u32::try_from(n).ok().and_then(|n| 10_i128.checked_pow(n));
        let unit = power(i32::from(values.scale()) - digits.min(values.scale().into()));
        let zeros = power((-digits).max(0));
        // So many digits left of the point leave nothing of any decimal.
        let (unit, zeros) = (unit.unwrap_or(i128::MAX), zeros.unwrap_or(0));
        let cut: Decimal128Array = values.unary(|v| self.cut.apply(v, unit) * zeros);
        let cut: ArrayRef = Arc::new(cut.with_precision_and_scale(precision, kept)?);
        match args.args[0] {
            ColumnarValue::Scalar(_) => {
                Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&cut, 0)?))
            }
            ColumnarValue::Array(_) => Ok(ColumnarValue::Array(cut)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Cut;

    #[test]
    fn cuts_towards_where_it_should() {
        let cases = [
            (Cut::Trunc, -15, 10, -1),
            (Cut::Ceil, 12, 10, 2),
            (Cut::Ceil, -12, 10, -1),
            (Cut::Floor, -12, 10, -2),
            (Cut::Floor, 12, 10, 1),
            (Cut::Sign, -12, 10, -1),
        ];
        for (cut, value, unit, want) in cases {
            assert_eq!(cut.apply(value, unit), want, "{cut:?} {value}");
        }
    }
}

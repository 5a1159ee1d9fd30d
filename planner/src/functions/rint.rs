//! Rounding of floats to integers. In: float8 or float4. Out: the nearest whole number, of two the
//! even one, as PostgreSQL casts a float to an integer. Ranges it does not know: the cast checks.

use std::sync::{Arc, LazyLock};

use datafusion::arrow::array::{ArrayRef, AsArray};
use datafusion::arrow::datatypes::{DataType, Float32Type, Float64Type};
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

/// The function.
pub(crate) static RINT: LazyLock<Arc<ScalarUDF>> =
    LazyLock::new(|| Arc::new(ScalarUDF::from(Rint::new())));

#[derive(Debug, PartialEq, Eq, Hash)]
struct Rint {
    signature: Signature,
}

impl Rint {
    fn new() -> Self {
        Self { signature: Signature::any(1, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for Rint {
    fn name(&self) -> &str {
        "rint"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match &types[0] {
            DataType::Float32 | DataType::Float64 => Ok(types[0].clone()),
            other => plan_err!("function rint({other}) does not exist"),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let array = args.args[0].to_array(1)?;
        let rounded: ArrayRef = match array.data_type() {
            DataType::Float32 => {
                let floats = array.as_primitive::<Float32Type>();
                Arc::new(floats.unary::<_, Float32Type>(f32::round_ties_even))
            }
            _ => {
                let floats = array.as_primitive::<Float64Type>();
                Arc::new(floats.unary::<_, Float64Type>(f64::round_ties_even))
            }
        };
        match &args.args[0] {
            ColumnarValue::Scalar(_) => {
                let value = datafusion::common::ScalarValue::try_from_array(&rounded, 0)?;
                Ok(ColumnarValue::Scalar(value))
            }
            ColumnarValue::Array(_) => Ok(ColumnarValue::Array(rounded)),
        }
    }
}

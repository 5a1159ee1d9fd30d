//! `to_char`: values by a pattern. In: a timestamp, date or number and PostgreSQL's template. Out:
//! text. A template that is only partly understood is refused: half of it would be a wrong answer.
//! `moment` has the templates of dates and times, `number` those of numbers; `from_text` and
//! `reading` go the other way.

use std::sync::{Arc, LazyLock};

use datafusion::arrow::array::{Array, ArrayRef, AsArray, StringViewBuilder};
use datafusion::arrow::datatypes::{
    DataType, Decimal128Type, Float64Type, TimeUnit, TimestampMicrosecondType,
};
use datafusion::common::{DataFusionError, Result, ScalarValue, not_impl_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use crate::encode::SessionZone;
use crate::error::PgError;
use crate::session::variables::session_zone;

mod from_text;
mod moment;
mod number;
mod reading;

pub use from_text::{TO_DATE, TO_TIMESTAMP};

/// The function.
pub static TO_CHAR: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| {
    let signature = Signature::user_defined(Volatility::Stable);
    Arc::new(ScalarUDF::from(ToChar { signature }))
});

#[derive(Debug, PartialEq, Eq, Hash)]
struct ToChar {
    signature: Signature,
}

/// 0A000 for a whole template.
fn unsupported(pattern: &str) -> DataFusionError {
    let what = format!("to_char pattern \"{pattern}\"");
    DataFusionError::External(Box::new(PgError::unsupported(what)))
}

impl ScalarUDFImpl for ToChar {
    fn name(&self) -> &str {
        "to_char"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let [value, _] = types else {
            return plan_err!("function to_char does not exist for these arguments");
        };
        let value = match value {
            DataType::Timestamp(_, Some(_)) => {
                DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
            }
            DataType::Timestamp(..) | DataType::Date32 => {
                DataType::Timestamp(TimeUnit::Microsecond, None)
            }
            DataType::Decimal128(..) => value.clone(),
            DataType::Float32 | DataType::Float64 | DataType::Null => DataType::Float64,
            number if number.is_integer() => DataType::Decimal128(20, 0),
            other => return not_impl_err!("to_char of {other}"),
        };
        Ok(vec![value, DataType::Utf8])
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8View)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let zone = args.config_options.execution.time_zone.as_deref().unwrap_or("UTC");
        let zone = session_zone(zone).map_or(SessionZone::UTC, |(zone, _)| zone);
        let scalar = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let patterns = arrays[1].as_string::<i32>();
        let mut texts = StringViewBuilder::with_capacity(patterns.len());
        let mut template = None;
        for row in 0..patterns.len() {
            if arrays[0].is_null(row) || patterns.is_null(row) {
                texts.append_null();
                continue;
            }
            let pattern = patterns.value(row);
            // Nearly always the same one for all rows.
            let template = match &mut template {
                Some((same, template)) if *same == pattern => template,
                other => {
                    let parsed = Template::parse(pattern, arrays[0].data_type())?;
                    &mut other.insert((pattern, parsed)).1
                }
            };
            texts.append_value(template.apply(&arrays[0], row, &zone));
        }
        let texts = texts.finish();
        if scalar {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&texts, 0)?));
        }
        Ok(ColumnarValue::Array(Arc::new(texts)))
    }
}

/// A pattern, parsed.
enum Template {
    Moment(Vec<moment::Piece>),
    Number(number::Picture),
}

impl Template {
    fn parse(pattern: &str, data_type: &DataType) -> Result<Self> {
        let parsed = match data_type {
            DataType::Timestamp(..) => moment::parse(pattern).map(Self::Moment),
            _ => number::parse(pattern).map(Self::Number),
        };
        parsed.ok_or_else(|| unsupported(pattern))
    }

    fn apply(&self, array: &ArrayRef, row: usize, zone: &SessionZone) -> String {
        match self {
            Self::Moment(pieces) => {
                let micros = array.as_primitive::<TimestampMicrosecondType>().value(row);
                let zoned = matches!(array.data_type(), DataType::Timestamp(_, Some(_)));
                moment::format(pieces, micros, zoned.then_some(zone))
            }
            Self::Number(picture) => match array.data_type() {
                DataType::Decimal128(_, scale) => {
                    let unscaled = array.as_primitive::<Decimal128Type>().value(row);
                    picture.decimal(unscaled, *scale)
                }
                _ => picture.float(array.as_primitive::<Float64Type>().value(row)),
            },
        }
    }
}

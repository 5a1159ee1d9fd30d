//! `to_timestamp` and `to_date`: moments from texts by a template, and from seconds since 1970. In:
//! arrays and the session's zone. Out: timestamps with time zone, dates.

use std::sync::{Arc, LazyLock};

use chrono::NaiveDateTime;
use datafusion::arrow::array::{Array, AsArray, Date32Array, TimestampMicrosecondArray};
use datafusion::arrow::datatypes::{DataType, Float64Type, TimeUnit};
use datafusion::common::{DataFusionError, Result, ScalarValue, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::{moment, reading};
use crate::encode::SessionZone;
use crate::error::{PgError, SqlState};
use crate::session::variables::session_zone;

/// `to_timestamp`.
pub static TO_TIMESTAMP: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| function("to_timestamp"));
/// `to_date`.
pub static TO_DATE: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| function("to_date"));

fn function(name: &'static str) -> Arc<ScalarUDF> {
    let signature = Signature::user_defined(Volatility::Stable);
    Arc::new(ScalarUDF::from(FromText { name, signature }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct FromText {
    name: &'static str,
    signature: Signature,
}

fn zoned() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

impl FromText {
    fn is_date(&self) -> bool {
        self.name == "to_date"
    }
}

impl ScalarUDFImpl for FromText {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        match types {
            [_, _] => Ok(vec![DataType::Utf8, DataType::Utf8]),
            [_] if !self.is_date() => Ok(vec![DataType::Float64]),
            _ => plan_err!("function {} does not exist for these arguments", self.name),
        }
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(if self.is_date() { DataType::Date32 } else { zoned() })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let scalar = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let answer: Arc<dyn Array> = if arrays.len() == 1 {
            let seconds = arrays[0].as_primitive::<Float64Type>().iter();
            let micros = seconds.map(|seconds| seconds.map(of_seconds).transpose());
            Arc::new(micros.collect::<Result<TimestampMicrosecondArray>>()?.with_timezone("UTC"))
        } else {
            let texts = arrays[0].as_string::<i32>().iter();
            let mut reader = Reader::default();
            let moments = texts.zip(arrays[1].as_string::<i32>().iter()).map(|pair| match pair {
                (Some(text), Some(pattern)) => reader.read(text, pattern).map(Some),
                _ => Ok(None),
            });
            let moments = moments.collect::<Result<Vec<Option<NaiveDateTime>>>>()?;
            if self.is_date() {
                let days = |moment: NaiveDateTime| moment.and_utc().timestamp().div_euclid(86_400);
                let days = moments.into_iter().map(|moment| moment.map(|it| days(it) as i32));
                Arc::new(days.collect::<Date32Array>())
            } else {
                let zone = args.config_options.execution.time_zone.as_deref().unwrap_or("UTC");
                let zone = session_zone(zone).map_or(SessionZone::UTC, |(zone, _)| zone);
                let micros = |moment: NaiveDateTime| {
                    let local = moment.and_utc();
                    let offset = zone.offset_of_local(local.timestamp());
                    local.timestamp_micros() - i64::from(offset) * 1_000_000
                };
                let micros = moments.into_iter().map(|moment| moment.map(micros));
                Arc::new(micros.collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
            }
        };
        if scalar {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&answer, 0)?));
        }
        Ok(ColumnarValue::Array(answer))
    }
}

/// Texts of one call, nearly always by one template.
#[derive(Default)]
struct Reader(Option<(String, Vec<moment::Piece>)>);

impl Reader {
    fn read(&mut self, text: &str, pattern: &str) -> Result<NaiveDateTime> {
        let unsupported = || {
            let what = format!("the pattern \"{pattern}\" to read with");
            DataFusionError::External(Box::new(PgError::unsupported(what)))
        };
        let pieces = match &mut self.0 {
            Some((same, pieces)) if same == pattern => pieces,
            other => {
                let pieces = moment::parse(pattern).ok_or_else(unsupported)?;
                &mut other.insert((pattern.to_owned(), pieces)).1
            }
        };
        let read = reading::read(text, pieces).ok_or_else(unsupported)?;
        read.map_err(|error| DataFusionError::External(Box::new(error)))
    }
}

fn of_seconds(seconds: f64) -> Result<i64> {
    let micros = (seconds * 1e6).round();
    if micros.abs() < 9.2e18 {
        return Ok(micros as i64);
    }
    let message = format!("timestamp out of range: \"{seconds}\"");
    let error = PgError::new(SqlState::DatetimeOverflow, message);
    Err(DataFusionError::External(Box::new(error)))
}

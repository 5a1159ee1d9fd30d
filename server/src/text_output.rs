//! Values to and from text inside of queries, by the same code as on the wire. In: arrays, and the
//! session's time zone in the engine's configuration. Out: `pg_text(x)`, which prints, and
//! `pg_input(text, null)`, which reads the type of its second argument. Which casts call them is
//! the planner's decision. Other settings than the zone do not reach a running query.

use std::sync::{Arc, LazyLock};

use bytes::BytesMut;
use datafusion::arrow::array::{Array, AsArray, StringViewBuilder, new_empty_array};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::config::ConfigOptions;
use datafusion::common::{DataFusionError, Result, ScalarValue, exec_err, internal_err};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};
use planner::casts::TextForms;
use planner::types::is_unsized_numeric;

use crate::encode::{ColumnWriter, Format, FormatOptions};
use crate::error::PgError;
use crate::params::decode_param;
use crate::session::variables::session_zone;
use crate::text_format::FORMAT;
use crate::to_char::{TO_CHAR, TO_DATE, TO_TIMESTAMP};
use crate::types::pg_type_of;

/// The wire's texts for casts.
#[derive(Debug)]
pub struct WireText;

static TO_TEXT: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| {
    let signature = Signature::any(1, Volatility::Stable);
    Arc::new(ScalarUDF::from(PgText { signature }))
});
static FROM_TEXT: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| {
    let signature = Signature::any(2, Volatility::Stable);
    Arc::new(ScalarUDF::from(PgInput { signature }))
});

impl TextForms for WireText {
    fn read(&self, text: &str, target: &Field, zone: &str) -> Result<ScalarValue> {
        read(text, target, &options(zone))
    }

    fn text_input(&self) -> Arc<ScalarUDF> {
        Arc::clone(&FROM_TEXT)
    }

    fn to_text(&self) -> Arc<ScalarUDF> {
        Arc::clone(&TO_TEXT)
    }

    fn printers(&self) -> Vec<Arc<ScalarUDF>> {
        [&*FORMAT, &*TO_CHAR, &*TO_DATE, &*TO_TIMESTAMP].map(Arc::clone).into()
    }
}

fn options(zone: &str) -> FormatOptions {
    let default = FormatOptions::default();
    let time_zone = session_zone(zone).map_or(default.time_zone, |(zone, _)| zone);
    FormatOptions { time_zone, ..default }
}

pub(crate) fn configured(config: &ConfigOptions) -> FormatOptions {
    options(config.execution.time_zone.as_deref().unwrap_or("UTC"))
}

fn foreign(error: PgError) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// A value of the target's type. A numeric without a size keeps the digits of its text. An array
/// of more dimensions stays one: PostgreSQL's types do not say how many there are.
fn read(text: &str, target: &Field, options: &FormatOptions) -> Result<ScalarValue> {
    let oid = pg_type_of(target).oid;
    let value = decode_param(oid, Format::Text, Some(text.as_bytes()), options).map_err(foreign)?;
    let nested = |t: &DataType| matches!(t, DataType::List(e) if e.data_type().is_nested());
    let exact = is_unsized_numeric(target);
    if exact || nested(&value.data_type()) || value.data_type() == *target.data_type() {
        return Ok(value);
    }
    value.cast_to(target.data_type())
}

/// `pg_text(x)`: what the client would see.
#[derive(Debug, PartialEq, Eq, Hash)]
struct PgText {
    signature: Signature,
}

impl ScalarUDFImpl for PgText {
    fn name(&self) -> &str {
        "pg_text"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8View)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let (Some(value), Some(field)) = (args.args.first(), args.arg_fields.first()) else {
            return internal_err!("pg_text without an argument");
        };
        let array = value.to_array(1)?;
        let options = configured(&args.config_options);
        let writer = ColumnWriter::bind(field, array.as_ref(), Format::Text, &options);
        let writer = writer.map_err(foreign)?;
        let mut texts = StringViewBuilder::with_capacity(array.len());
        let mut buffer = BytesMut::new();
        for row in 0..array.len() {
            if writer.is_null(row) {
                texts.append_null();
                continue;
            }
            buffer.clear();
            writer.write(row, &mut buffer).map_err(foreign)?;
            match std::str::from_utf8(&buffer) {
                Ok(text) => texts.append_value(text),
                Err(error) => return exec_err!("a value whose text is not UTF-8: {error}"),
            }
        }
        let texts = texts.finish();
        match value {
            ColumnarValue::Scalar(_) => {
                Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&texts, 0)?))
            }
            ColumnarValue::Array(_) => Ok(ColumnarValue::Array(Arc::new(texts))),
        }
    }
}

/// `pg_input(text, null)`: what the text means to the type of the NULL.
#[derive(Debug, PartialEq, Eq, Hash)]
struct PgInput {
    signature: Signature,
}

impl ScalarUDFImpl for PgInput {
    fn name(&self) -> &str {
        "pg_input"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(types.last().cloned().unwrap_or(DataType::Null))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let Some(target) = args.arg_fields.last() else {
            return internal_err!("pg_input without a type");
        };
        let field = target.as_ref().clone().with_name(self.name()).with_nullable(true);
        Ok(Arc::new(field))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let Some(value) = args.args.first() else {
            return internal_err!("pg_input without a text");
        };
        let target = &args.return_field;
        let options = configured(&args.config_options);
        let texts = value.cast_to(&DataType::Utf8, None)?.to_array(1)?;
        let one = |text: Option<&str>| match text {
            Some(text) => read(text, target, &options)?.cast_to(target.data_type()),
            None => ScalarValue::try_from(target.data_type()),
        };
        let values = texts.as_string::<i32>().iter().map(one).collect::<Result<Vec<_>>>()?;
        match (value, values.into_iter()) {
            (ColumnarValue::Scalar(_), mut values) => match values.next() {
                Some(value) => Ok(ColumnarValue::Scalar(value)),
                None => internal_err!("pg_input of no rows"),
            },
            (_, values) if values.len() == 0 => {
                Ok(ColumnarValue::Array(new_empty_array(target.data_type())))
            }
            (_, values) => Ok(ColumnarValue::Array(ScalarValue::iter_to_array(values)?)),
        }
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::datatypes::{IntervalUnit, TimeUnit};

    use super::*;

    fn printed(text: &str, data_type: DataType, zone: &str) -> String {
        let field = Arc::new(Field::new("x", data_type, true));
        let value = WireText.read(text, &field, zone).expect("a value");
        let mut config = ConfigOptions::default();
        config.execution.time_zone = Some(zone.to_owned());
        let args = ScalarFunctionArgs {
            args: vec![ColumnarValue::Scalar(value)],
            arg_fields: vec![field],
            number_rows: 1,
            return_field: Arc::new(Field::new("text", DataType::Utf8View, true)),
            config_options: Arc::new(config),
        };
        TO_TEXT.invoke_with_args(args).expect("a text").to_string()
    }

    #[test]
    fn prints_what_it_read() {
        let tz = || DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        let cases = [
            ("2024-07-01 12:00:00+00", tz(), "2024-07-01 14:00:00+02"),
            ("1 day 02:03:04", DataType::Interval(IntervalUnit::MonthDayNano), "1 day 02:03:04"),
            ("\\x00fF", DataType::Binary, "\\x00ff"),
            ("1e20", DataType::Float64, "1e+20"),
            ("{1,NULL, 3}", DataType::new_list(DataType::Int32, true), "{1,NULL,3}"),
        ];
        for (text, data_type, want) in cases {
            assert!(printed(text, data_type, "Europe/Berlin").contains(want), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_value() {
        let field = Field::new("x", DataType::Binary, true);
        assert!(WireText.read("\\x0", &field, "UTC").is_err());
    }
}

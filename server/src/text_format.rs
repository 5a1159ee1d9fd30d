//! `format`: values put into a text, as PostgreSQL does it. In: a text with `%s`, `%I`, `%L`, each
//! perhaps with a position and a width, and values of any types. Out: text. Values are written as
//! the client would see them.

use std::sync::{Arc, LazyLock};

use bytes::BytesMut;
use datafusion::arrow::array::{Array, StringViewBuilder};
use datafusion::arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use crate::encode::{ColumnWriter, Format};
use crate::error::{PgError, PgResult, SqlState};
use crate::pg_catalog::quote_ident;
use crate::text_output::configured;

/// The function.
pub static FORMAT: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| {
    let signature = Signature::variadic_any(Volatility::Stable);
    Arc::new(ScalarUDF::from(PgFormat { signature }))
});

#[derive(Debug, PartialEq, Eq, Hash)]
struct PgFormat {
    signature: Signature,
}

impl ScalarUDFImpl for PgFormat {
    fn name(&self) -> &str {
        "format"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8View)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let foreign = |error: PgError| DataFusionError::External(Box::new(error));
        let scalar = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let options = configured(&args.config_options);
        let bind = |(array, field): (&Arc<dyn Array>, &FieldRef)| {
            ColumnWriter::bind(field, array.as_ref(), Format::Text, &options)
        };
        let writers = arrays.iter().zip(&args.arg_fields).map(bind);
        let writers = writers.collect::<PgResult<Vec<_>>>().map_err(foreign)?;
        let rows = arrays.first().map_or(0, |array| array.len());
        let mut texts = StringViewBuilder::with_capacity(rows);
        for row in 0..rows {
            let mut values = writers.iter().map(|writer| value(writer, row));
            let Some(template) = values.next().transpose().map_err(foreign)?.flatten() else {
                texts.append_null();
                continue;
            };
            let values = values.collect::<PgResult<Vec<_>>>().map_err(foreign)?;
            texts.append_value(formatted(&template, &values).map_err(foreign)?);
        }
        let texts = texts.finish();
        if scalar {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&texts, 0)?));
        }
        Ok(ColumnarValue::Array(Arc::new(texts)))
    }
}

fn value(writer: &ColumnWriter, row: usize) -> PgResult<Option<String>> {
    if writer.is_null(row) {
        return Ok(None);
    }
    let mut buffer = BytesMut::new();
    writer.write(row, &mut buffer)?;
    Ok(Some(String::from_utf8_lossy(&buffer).into_owned()))
}

fn wrong(message: impl Into<String>) -> PgError {
    PgError::new(SqlState::InvalidParameterValue, message)
}

/// Where a template is read, and which value comes next.
struct Reader<'a> {
    rest: &'a str,
    values: &'a [Option<String>],
    next: usize,
}

fn formatted(template: &str, values: &[Option<String>]) -> PgResult<String> {
    let mut reader = Reader { rest: template, values, next: 0 };
    let mut text = String::with_capacity(template.len());
    while let Some(at) = reader.rest.find('%') {
        text.push_str(&reader.rest[..at]);
        reader.rest = &reader.rest[at + 1..];
        if let Some(rest) = reader.rest.strip_prefix('%') {
            text.push('%');
            reader.rest = rest;
        } else {
            text.push_str(&reader.item()?);
        }
    }
    text.push_str(reader.rest);
    Ok(text)
}

impl Reader<'_> {
    /// What stands behind a percent sign: `[position$][-][width]type`.
    fn item(&mut self) -> PgResult<String> {
        let position = self.position()?;
        let mut to_left = false;
        while let Some(rest) = self.rest.strip_prefix('-') {
            (to_left, self.rest) = (true, rest);
        }
        let width = if let Some(rest) = self.rest.strip_prefix('*') {
            self.rest = rest;
            let of_width = self.position()?;
            let given = self.take(of_width)?;
            let number = given.as_deref().map_or(Ok(0), str::parse::<i64>);
            number.map_err(|_| wrong("the width of a format is no number"))?
        } else {
            self.number()?.unwrap_or(0)
        };
        let kind = self.rest.chars().next();
        let kind = kind.ok_or_else(|| {
            wrong("unterminated format() type specifier").hint("For a single \"%\" use \"%%\".")
        })?;
        if !matches!(kind, 's' | 'I' | 'L') {
            let message = format!("unrecognized format() type specifier \"{kind}\"");
            return Err(wrong(message).hint("For a single \"%\" use \"%%\"."));
        }
        self.rest = &self.rest[1..];
        let shown = match (kind, self.take(position)?) {
            ('s', value) => value.unwrap_or_default(),
            ('I', Some(value)) => quote_ident(&value),
            ('I', None) => {
                let message = "null values cannot be formatted as an SQL identifier";
                return Err(PgError::new(SqlState::NullNotAllowed, message));
            }
            (_, value) => value.map_or_else(|| "NULL".to_owned(), |value| quote_literal(&value)),
        };
        let wide = usize::try_from(width.unsigned_abs()).unwrap_or(usize::MAX).min(WIDTH_MAX);
        Ok(match to_left || width < 0 {
            true => format!("{shown:<wide$}"),
            false => format!("{shown:>wide$}"),
        })
    }

    /// `n$`.
    fn position(&mut self) -> PgResult<Option<usize>> {
        let before = self.rest;
        let number = self.number()?;
        match (number, self.rest.strip_prefix('$')) {
            (Some(0), Some(_)) => {
                Err(wrong("format specifies argument 0, but arguments are numbered from 1"))
            }
            (Some(number), Some(rest)) => {
                self.rest = rest;
                Ok(usize::try_from(number).ok())
            }
            _ => {
                self.rest = before;
                Ok(None)
            }
        }
    }

    fn number(&mut self) -> PgResult<Option<i64>> {
        let digits = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            return Ok(None);
        }
        let number = self.rest[..digits].parse::<i32>();
        self.rest = &self.rest[digits..];
        let number = number
            .map_err(|_| PgError::new(SqlState::NumericOutOfRange, "number is out of range"))?;
        Ok(Some(number.into()))
    }

    /// The value at a position, or the one behind the last one.
    fn take(&mut self, position: Option<usize>) -> PgResult<Option<String>> {
        let at = position.map_or(self.next, |position| position - 1);
        self.next = at + 1;
        let found = self.values.get(at);
        found.cloned().ok_or_else(|| wrong("too few arguments for format()"))
    }
}

/// Blanks that a width may add: texts of a gigabyte are nobody's wish.
const WIDTH_MAX: usize = 1 << 20;

/// A text as a literal of SQL.
fn quote_literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    match quoted.contains('\\') {
        true => format!("E'{}'", quoted.replace('\\', "\\\\")),
        false => format!("'{quoted}'"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_as_postgres() {
        let values = ["a", "B c", "it's", "5"].map(|value| Some(value.to_owned()));
        let values: Vec<_> = values.into_iter().chain([None]).collect();
        for (template, want) in [
            ("%s %I %L", "a \"B c\" 'it''s'"),
            ("100%% %s", "100% a"),
            ("%3$s %s %1$I", "it's 5 a"),
            ("|%3s|%-4s|", "|  a|B c |"),
            ("|%1$*4$s|", "|    a|"),
            ("%5$s|%5$L", "|NULL"),
        ] {
            assert_eq!(formatted(template, &values).as_deref(), Ok(want), "{template}");
        }
        for (template, state) in [
            ("%d", SqlState::InvalidParameterValue),
            ("%", SqlState::InvalidParameterValue),
            ("%6$s", SqlState::InvalidParameterValue),
            ("%0$s", SqlState::InvalidParameterValue),
            ("%5$I", SqlState::NullNotAllowed),
        ] {
            assert_eq!(formatted(template, &values).expect_err(template).state, state);
        }
        assert_eq!(quote_literal("a\\'b"), "E'a\\\\''b'");
    }
}

//! Parameters and literals from the client. In: bytes in text or binary format and the oid of
//! their type. Out: a DataFusion scalar of the type `types::arrow_type_of` names, or the error
//! PostgreSQL gives. It knows no statement: which parameter was wrong the caller adds.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;

use crate::encode::{Format, FormatOptions};
use crate::error::{PgError, PgResult, SqlState};
use crate::inet::Inet;
use crate::types::{arrow_type_of, oid, type_by_oid};

mod array;
mod binary;
mod clock;
mod datetime;
mod interval;
mod numeric;
mod text;
mod zone;

/// The scalar a client sent; `None` is NULL. Numerics have the scale of their text and arrays of
/// more dimensions are lists of lists, so that those two may differ from `arrow_type_of`; a name
/// given for a reg* type stays a text, which only the catalog can resolve.
pub fn decode_param(
    type_oid: u32,
    format: Format,
    bytes: Option<&[u8]>,
    options: &FormatOptions,
) -> PgResult<ScalarValue> {
    let Some(bytes) = bytes else { return null_of(type_oid) };
    if let Some(element_oid) = element_of(type_oid) {
        return match format {
            Format::Text if type_by_oid(type_oid).is_some_and(|t| !t.is_array()) => {
                array::decode_vector(utf8(bytes)?, element_oid, options)
            }
            Format::Text => array::decode_text(utf8(bytes)?, element_oid, options),
            Format::Binary => array::decode_binary(bytes, element_oid, options),
        };
    }
    match format {
        Format::Text => decode_text(type_oid, utf8(bytes)?, options),
        Format::Binary => binary::decode(type_oid, bytes),
    }
}

/// NULL of a type.
fn null_of(type_oid: u32) -> PgResult<ScalarValue> {
    let data_type = arrow_type_of(type_oid).unwrap_or(DataType::Utf8);
    ScalarValue::try_from(&data_type).map_err(|_| PgError::unsupported("a parameter of this type"))
}

/// The element type of an array or vector.
fn element_of(type_oid: u32) -> Option<u32> {
    let t = type_by_oid(type_oid).filter(|t| t.oid != oid::NAME)?;
    (t.elem_oid != 0).then_some(t.elem_oid)
}

/// A scalar from its text, as PostgreSQL's input function reads it.
fn decode_text(type_oid: u32, it: &str, options: &FormatOptions) -> PgResult<ScalarValue> {
    Ok(match type_oid {
        oid::BOOL => ScalarValue::Boolean(Some(text::boolean(it)?)),
        oid::INT2 => ScalarValue::Int16(Some(text::integer(it, "smallint")?)),
        oid::INT4 => ScalarValue::Int32(Some(text::integer(it, "integer")?)),
        oid::INT8 => ScalarValue::Int64(Some(text::integer(it, "bigint")?)),
        oid::OID => ScalarValue::UInt32(Some(text::oid(it, "oid")?)),
        oid::XID => ScalarValue::UInt32(Some(text::oid(it, "xid")?)),
        oid::CID => ScalarValue::UInt32(Some(text::oid(it, "cid")?)),
        oid::FLOAT4 => ScalarValue::Float32(Some(text::float(it, "real")?)),
        oid::FLOAT8 => ScalarValue::Float64(Some(text::float(it, "double precision")?)),
        oid::NUMERIC => numeric::from_text(it)?,
        oid::BYTEA => ScalarValue::Binary(Some(text::bytea(it)?)),
        oid::DATE => ScalarValue::Date32(Some(datetime::date(it, options)?)),
        oid::TIME => ScalarValue::Time64Microsecond(Some(datetime::time(it, options)?)),
        oid::TIMESTAMP => {
            ScalarValue::TimestampMicrosecond(Some(datetime::timestamp(it, options)?), None)
        }
        oid::TIMESTAMPTZ => ScalarValue::TimestampMicrosecond(
            Some(datetime::timestamptz(it, options)?),
            Some("UTC".into()),
        ),
        oid::INTERVAL => {
            ScalarValue::IntervalMonthDayNano(Some(interval::parse(it, options.interval_style)?))
        }
        oid::UUID => ScalarValue::Utf8(Some(text::uuid(it)?)),
        oid::INET => {
            let inet = Inet::parse(it).ok_or_else(|| invalid("inet", it))?;
            ScalarValue::Utf8(Some(inet.to_string()))
        }
        oid::JSON | oid::JSONB => ScalarValue::Utf8(Some(text::json(it)?.to_owned())),
        oid::NAME => ScalarValue::Utf8(Some(text::name(it).to_owned())),
        oid::CHAR => ScalarValue::Utf8(Some(it.chars().take(1).collect())),
        reg if crate::types::is_reg(reg) => match it {
            "-" => ScalarValue::UInt32(Some(0)),
            _ if it.bytes().all(|b| b.is_ascii_digit()) => {
                ScalarValue::UInt32(Some(text::oid(it, "oid")?))
            }
            _ => ScalarValue::Utf8(Some(it.to_owned())),
        },
        oid::RECORD => return Err(PgError::unsupported("input of anonymous composite types")),
        _ => ScalarValue::Utf8(Some(it.to_owned())),
    })
}

/// The bytes as text; the error shows the first sequence that is none, as PostgreSQL does.
fn utf8(bytes: &[u8]) -> PgResult<&str> {
    let bad = |at: usize, length: usize| {
        let shown: Vec<_> = bytes[at..].iter().take(length).map(|b| format!("0x{b:02x}")).collect();
        PgError::new(
            SqlState::CharacterNotInRepertoire,
            format!("invalid byte sequence for encoding \"UTF8\": {}", shown.join(" ")),
        )
    };
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        let length = match bytes[at] {
            0xc0..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf7 => 4,
            _ => 1,
        };
        bad(at, length)
    })?;
    match text.bytes().position(|b| b == 0) {
        Some(at) => Err(bad(at, 1)),
        None => Ok(text),
    }
}

/// A text that its type does not have.
fn invalid(type_name: &str, text: &str) -> PgError {
    PgError::new(
        SqlState::InvalidTextRepresentation,
        format!("invalid input syntax for type {type_name}: \"{text}\""),
    )
}

/// A number its type cannot hold.
fn out_of_range(type_name: &str, text: &str) -> PgError {
    PgError::new(
        SqlState::NumericOutOfRange,
        format!("value \"{text}\" is out of range for type {type_name}"),
    )
}

/// Bytes that are not the binary form of their type.
fn malformed() -> PgError {
    PgError::new(SqlState::InvalidBinaryRepresentation, "incorrect binary data format")
}

#[cfg(test)]
mod tests;

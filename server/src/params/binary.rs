//! Scalars from the binary format, as PostgreSQL's receive functions read it.
//! In: the bytes of one value. Out: a scalar. Arrays are in `array`.

use datafusion::arrow::datatypes::IntervalMonthDayNano;
use datafusion::common::ScalarValue;

use super::{malformed, numeric, text, utf8};
use crate::encode::{DAY_MICROS, EPOCH_DAYS};
use crate::error::{PgError, PgResult, SqlState};
use crate::inet::Inet;
use crate::types::{is_reg, oid, type_by_oid};

/// Decodes a value of a type that is not an array.
pub(super) fn decode(type_oid: u32, bytes: &[u8]) -> PgResult<ScalarValue> {
    let utc = || Some("UTC".into());
    Ok(match type_oid {
        oid::BOOL => ScalarValue::Boolean(Some(exactly::<1>(bytes)? != [0])),
        oid::INT2 => ScalarValue::Int16(Some(i16::from_be_bytes(exactly(bytes)?))),
        oid::INT4 => ScalarValue::Int32(Some(i32::from_be_bytes(exactly(bytes)?))),
        oid::INT8 => ScalarValue::Int64(Some(i64::from_be_bytes(exactly(bytes)?))),
        oid::FLOAT4 => ScalarValue::Float32(Some(f32::from_be_bytes(exactly(bytes)?))),
        oid::FLOAT8 => ScalarValue::Float64(Some(f64::from_be_bytes(exactly(bytes)?))),
        oid::NUMERIC => numeric::from_binary(bytes)?,
        oid::BYTEA => ScalarValue::Binary(Some(bytes.to_vec())),
        oid::DATE => ScalarValue::Date32(Some(date(i32::from_be_bytes(exactly(bytes)?))?)),
        oid::TIME => {
            let micros = i64::from_be_bytes(exactly(bytes)?);
            if !(0..=DAY_MICROS).contains(&micros) {
                return Err(beyond("time"));
            }
            ScalarValue::Time64Microsecond(Some(micros))
        }
        oid::TIMESTAMP => ScalarValue::TimestampMicrosecond(Some(timestamp(bytes)?), None),
        oid::TIMESTAMPTZ => ScalarValue::TimestampMicrosecond(Some(timestamp(bytes)?), utc()),
        oid::INTERVAL => ScalarValue::IntervalMonthDayNano(Some(interval(bytes)?)),
        oid::UUID => ScalarValue::Utf8(Some(text::uuid_text(exactly(bytes)?))),
        oid::INET => {
            let inet = Inet::from_binary(bytes).ok_or_else(malformed)?;
            ScalarValue::Utf8(Some(inet.to_string()))
        }
        oid::JSON => ScalarValue::Utf8(Some(text::json(utf8(bytes)?)?.to_owned())),
        oid::JSONB => match bytes {
            [1, json @ ..] => ScalarValue::Utf8(Some(text::json(utf8(json)?)?.to_owned())),
            [version, ..] => {
                let message = format!("unsupported jsonb version number {version}");
                return Err(PgError::new(SqlState::InternalError, message));
            }
            [] => return Err(malformed()),
        },
        oid::CHAR => {
            let [byte] = exactly(bytes)?;
            let it = if byte == 0 { String::new() } else { utf8(&[byte])?.to_owned() };
            ScalarValue::Utf8(Some(it))
        }
        oid::NAME => ScalarValue::Utf8(Some(text::name(utf8(bytes)?).to_owned())),
        id if is_reg(id) || matches!(id, oid::OID | oid::XID | oid::CID) => {
            ScalarValue::UInt32(Some(u32::from_be_bytes(exactly(bytes)?)))
        }
        oid::ACLITEM | oid::RECORD | oid::PG_NODE_TREE => {
            let name = type_by_oid(type_oid).map_or("unknown", |t| t.sql_name);
            return Err(PgError::new(
                SqlState::UndefinedFunction,
                format!("no binary input function available for type {name}"),
            ));
        }
        _ => ScalarValue::Utf8(Some(utf8(bytes)?.to_owned())),
    })
}

fn exactly<const N: usize>(bytes: &[u8]) -> PgResult<[u8; N]> {
    bytes.try_into().map_err(|_| malformed())
}

/// The end of both calendars stays what it is; every other day moves by 30 years.
fn date(days: i32) -> PgResult<i32> {
    match days {
        i32::MAX | i32::MIN => Ok(days),
        _ => days.checked_add(EPOCH_DAYS).ok_or_else(|| beyond("date")),
    }
}

fn timestamp(bytes: &[u8]) -> PgResult<i64> {
    let micros = i64::from_be_bytes(exactly(bytes)?);
    match micros {
        i64::MAX | i64::MIN => Ok(micros),
        _ => micros
            .checked_add(i64::from(EPOCH_DAYS) * DAY_MICROS)
            .ok_or_else(|| beyond("timestamp")),
    }
}

fn interval(bytes: &[u8]) -> PgResult<IntervalMonthDayNano> {
    let bytes: [u8; 16] = exactly(bytes)?;
    let number = u128::from_be_bytes(bytes);
    let (micros, days, months) = ((number >> 64) as i64, (number >> 32) as i32, number as i32);
    let nanos = micros.checked_mul(1000).ok_or_else(|| beyond("interval"))?;
    Ok(IntervalMonthDayNano::new(months, days, nanos))
}

fn beyond(what: &str) -> PgError {
    PgError::new(SqlState::DatetimeOverflow, format!("{what} out of range"))
}

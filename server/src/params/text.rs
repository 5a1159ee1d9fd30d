//! Scalars without a calendar from text: booleans, numbers, bytes, uuids, json.
//! In: the text. Out: the value, or PostgreSQL's error.

use std::str::FromStr;

use bytes::BytesMut;

use super::{invalid, out_of_range};
use crate::encode::{parse_uuid, put_uuid};
use crate::error::{PgError, PgResult, SqlState};

/// What C's `isspace` takes for space.
fn trimmed(text: &str) -> &str {
    text.trim_matches(|c| matches!(c, ' ' | '\t'..='\r'))
}

/// Any prefix of true, false, yes, no, on, off that means only one of them, and 1 and 0.
pub(super) fn boolean(text: &str) -> PgResult<bool> {
    let word = trimmed(text).to_ascii_lowercase();
    let is = |full: &str, least: usize| word.len() >= least && full.starts_with(&word);
    if is("true", 1) || is("yes", 1) || is("on", 2) || word == "1" {
        Ok(true)
    } else if is("false", 1) || is("no", 1) || is("off", 2) || word == "0" {
        Ok(false)
    } else {
        Err(invalid("boolean", text))
    }
}

/// A decimal integer with an optional sign.
pub(super) fn integer<T: FromStr>(text: &str, type_name: &str) -> PgResult<T> {
    let number = trimmed(text);
    let digits = number.strip_prefix(['-', '+']).unwrap_or(number);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(invalid(type_name, text));
    }
    number.parse().map_err(|_| out_of_range(type_name, text))
}

/// An oid; negative numbers are their 32 bits without sign, as in C.
pub(super) fn oid(text: &str, type_name: &str) -> PgResult<u32> {
    let number: i64 = integer(text, type_name)?;
    u32::try_from(number)
        .or_else(|_| i32::try_from(number).map(i32::cast_unsigned))
        .map_err(|_| out_of_range(type_name, text))
}

/// A floating-point number that is neither too large nor too small for its type.
pub(super) fn float<T>(text: &str, type_name: &str) -> PgResult<T>
where
    T: FromStr + Copy + PartialEq + Into<f64>,
{
    let number = trimmed(text);
    let value: T = number.parse().map_err(|_| invalid(type_name, text))?;
    let wide: f64 = value.into();
    let has_digits = number.bytes().any(|b| b.is_ascii_digit());
    let mantissa = number.split(['e', 'E']).next().unwrap_or(number);
    let overflowed = wide.is_infinite() && has_digits;
    let underflowed = wide == 0.0 && mantissa.bytes().any(|b| (b'1'..=b'9').contains(&b));
    if overflowed || underflowed {
        return Err(PgError::new(
            SqlState::NumericOutOfRange,
            format!("\"{number}\" is out of range for type {type_name}"),
        ));
    }
    Ok(value)
}

/// Bytes, in hex after `\x`, else with backslash escapes.
pub(super) fn bytea(text: &str) -> PgResult<Vec<u8>> {
    match text.strip_prefix("\\x") {
        Some(hex) => bytea_hex(hex),
        None => bytea_escaped(text.as_bytes()).ok_or_else(|| {
            PgError::new(SqlState::InvalidTextRepresentation, "invalid input syntax for type bytea")
        }),
    }
}

fn bytea_hex(hex: &str) -> PgResult<Vec<u8>> {
    let bad = |message: String| PgError::new(SqlState::InvalidParameterValue, message);
    let digit =
        |c: char| c.to_digit(16).ok_or_else(|| bad(format!("invalid hexadecimal digit: \"{c}\"")));
    let mut bytes = Vec::with_capacity(hex.len() / 2);
    let mut digits = hex.chars();
    while let Some(first) = digits.next() {
        if matches!(first, ' ' | '\n' | '\t' | '\r') {
            continue;
        }
        let high = digit(first)?;
        let Some(second) = digits.next() else {
            return Err(bad("invalid hexadecimal data: odd number of digits".into()));
        };
        bytes.push((high << 4 | digit(second)?) as u8);
    }
    Ok(bytes)
}

fn bytea_escaped(mut text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    loop {
        text = match text {
            [] => return Some(bytes),
            [b'\\', b'\\', rest @ ..] => {
                bytes.push(b'\\');
                rest
            }
            [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', rest @ ..] => {
                bytes.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                rest
            }
            [b'\\', ..] => return None,
            [byte, rest @ ..] => {
                bytes.push(*byte);
                rest
            }
        }
    }
}

/// A uuid in its usual form, whatever form it came in.
pub(super) fn uuid(text: &str) -> PgResult<String> {
    parse_uuid(text).map(uuid_text).ok_or_else(|| invalid("uuid", text))
}

/// The usual form of a uuid.
pub(super) fn uuid_text(bytes: [u8; 16]) -> String {
    let mut text = BytesMut::with_capacity(36);
    put_uuid(bytes, &mut text);
    text.iter().map(|b| char::from(*b)).collect()
}

/// Json, checked and kept as it is.
pub(super) fn json(text: &str) -> PgResult<&str> {
    match serde_json::from_str::<serde::de::IgnoredAny>(text) {
        Ok(_) => Ok(text),
        Err(error) => Err(PgError::new(
            SqlState::InvalidTextRepresentation,
            "invalid input syntax for type json",
        )
        .detail(format!("{error}."))),
    }
}

/// The longest name, in bytes.
const NAME_BYTES: usize = 63;

/// A name, cut as PostgreSQL cuts it.
pub(super) fn name(text: &str) -> &str {
    &text[..text.floor_char_boundary(NAME_BYTES)]
}

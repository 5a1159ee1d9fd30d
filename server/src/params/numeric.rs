//! `numeric` from text and binary to the decimal that has exactly its digits.
//! In: text, or base-10000 digits. Out: Decimal128, or Decimal256 beyond 38 digits.

use datafusion::arrow::datatypes::i256;
use datafusion::common::ScalarValue;

use super::{invalid, malformed, out_of_range};
use crate::error::{PgError, PgResult};

/// The most digits of a Decimal128, and of a Decimal256.
const DIGITS: (usize, usize) = (38, 76);

/// Digits with an optional sign, point and exponent.
pub(super) fn from_text(text: &str) -> PgResult<ScalarValue> {
    let number = text.trim_matches(|c: char| c.is_ascii_whitespace());
    let (negative, unsigned) = match number.as_bytes() {
        [b'-', ..] => (true, &number[1..]),
        [b'+', ..] => (false, &number[1..]),
        _ => (false, number),
    };
    if ["nan", "infinity", "inf"].iter().any(|word| unsigned.eq_ignore_ascii_case(word)) {
        return Err(special());
    }
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => {
            let digits = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
            if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
                return Err(invalid("numeric", text));
            }
            (mantissa, exponent.parse().map_err(|_| too_wide(text))?)
        }
        None => (unsigned, 0_i32),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut digits = [whole, fraction].concat();
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(invalid("numeric", text));
    }
    let scale = fraction.len() as i64 - i64::from(exponent);
    if scale.unsigned_abs() > 2 * DIGITS.1 as u64 {
        return Err(too_wide(text));
    }
    if scale < 0 {
        digits.extend(std::iter::repeat_n('0', scale.unsigned_abs() as usize));
    }
    decimal(negative, &digits, scale.max(0) as usize).ok_or_else(|| too_wide(text))
}

/// The binary form: number of digits, weight, sign, scale, digits of base 10000.
pub(super) fn from_binary(bytes: &[u8]) -> PgResult<ScalarValue> {
    let (header, digits) = bytes.split_first_chunk::<8>().ok_or_else(malformed)?;
    let field = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    let (count, weight) = (usize::from(field(0)), i32::from(field(2).cast_signed()));
    let negative = match field(4) {
        0 => false,
        0x4000 => true,
        0xc000 | 0xd000 | 0xf000 => return Err(special()),
        _ => return Err(malformed()),
    };
    let scale = usize::from(field(6));
    let groups: Vec<_> =
        digits.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
    if digits.len() != 2 * count || groups.iter().any(|group| *group > 9999) {
        return Err(malformed());
    }
    // Text of any length could be asked for by a weight or scale; what fits is far shorter.
    if weight.unsigned_abs() as usize > DIGITS.1 || scale > DIGITS.1 {
        return Err(too_wide("numeric"));
    }
    let group_at = |place: i32| {
        let index = usize::try_from(weight - place).ok();
        index.and_then(|i| groups.get(i)).copied().unwrap_or(0)
    };
    let last = -(scale.div_ceil(4) as i32);
    let mut text: String =
        (last..=weight.max(0)).rev().map(|place| format!("{:04}", group_at(place))).collect();
    text.truncate(text.len() - (scale.next_multiple_of(4) - scale));
    decimal(negative, &text, scale).ok_or_else(|| too_wide("numeric"))
}

/// The decimal with these digits, of which the last `scale` stand behind the point.
fn decimal(negative: bool, digits: &str, scale: usize) -> Option<ScalarValue> {
    let digits = digits.trim_start_matches('0');
    let precision = digits.len().max(scale).max(1);
    let text = format!("{}0{digits}", if negative { "-" } else { "" });
    let (p, s) = (u8::try_from(precision).ok()?, i8::try_from(scale).ok()?);
    if precision <= DIGITS.0 {
        Some(ScalarValue::Decimal128(Some(text.parse().ok()?), p, s))
    } else if precision <= DIGITS.1 {
        Some(ScalarValue::Decimal256(Some(i256::from_string(&text)?), p, s))
    } else {
        None
    }
}

fn special() -> PgError {
    PgError::unsupported("NaN or infinity of type numeric")
}

fn too_wide(text: &str) -> PgError {
    out_of_range("numeric", text).detail(format!("A numeric has at most {} digits.", DIGITS.1))
}

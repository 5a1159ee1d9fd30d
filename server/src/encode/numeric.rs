//! Decimals of any width as PostgreSQL's `numeric`, text and binary.
//! In: an unscaled integer and its scale. Out: digits. Both formats start from the decimal digits,
//! so that 76 digits take the same road as two.

use bytes::BytesMut;
use datafusion::arrow::datatypes::i256;

use super::number::StackText;

/// The most digits a decimal has: 2^255 has 77.
type Digits = StackText<80>;

/// An integer a decimal is stored as.
pub(crate) trait Unscaled: Copy + Send + Sync + 'static {
    /// Calls `put` with its sign and its digits, without leading zeros ("0" for zero).
    fn with_digits(self, put: impl FnOnce(bool, &[u8]));
}

macro_rules! small_unscaled {
    ($($t:ty),+) => {$(
        impl Unscaled for $t {
            #[inline]
            fn with_digits(self, put: impl FnOnce(bool, &[u8])) {
                #[allow(unused_comparisons, reason = "one macro for signed and unsigned")]
                let negative = self < 0;
                // All of these fit in 65 bits; only the least i64 needs the unsigned absolute.
                let size = i128::from(self).unsigned_abs() as u64;
                put(negative, itoa::Buffer::new().format(size).as_bytes());
            }
        }
    )+};
}

small_unscaled!(i8, i16, i32, i64, u8, u16, u32, u64);

impl Unscaled for i128 {
    #[inline]
    fn with_digits(self, put: impl FnOnce(bool, &[u8])) {
        let size = self.unsigned_abs();
        // Almost every decimal fits in 64 bits, whose digits cost a fraction of those of 128.
        match u64::try_from(size) {
            Ok(small) => put(self < 0, itoa::Buffer::new().format(small).as_bytes()),
            Err(_) => put(self < 0, itoa::Buffer::new().format(size).as_bytes()),
        }
    }
}

impl Unscaled for i256 {
    fn with_digits(self, put: impl FnOnce(bool, &[u8])) {
        if let Some(small) = self.to_i128() {
            return small.with_digits(put);
        }
        // 38 digits at a time. Remainders have the sign of the number, so that the least i256,
        // which has no absolute value, needs no care.
        let chunk = i256::from_i128(10_i128.pow(38));
        let mut rest = self;
        let mut chunks = [0_u128; 3];
        for part in &mut chunks {
            *part = rest.wrapping_rem(chunk).as_i128().unsigned_abs();
            rest = rest.wrapping_div(chunk);
        }
        let mut digits = Digits::new();
        for part in chunks.iter().rev() {
            let mut buffer = itoa::Buffer::new();
            let text = buffer.format(*part).as_bytes();
            if digits.as_bytes().is_empty() {
                digits.extend(if *part == 0 { b"" } else { text });
            } else {
                (text.len()..38).for_each(|_| digits.push(b'0'));
                digits.extend(text);
            }
        }
        put(self.is_negative(), digits.as_bytes());
    }
}

/// The text of `unscaled * 10^-scale`, keeping the scale: "0.10".
#[inline]
pub(crate) fn put_text(unscaled: impl Unscaled, scale: i8, out: &mut BytesMut) {
    unscaled.with_digits(|negative, digits| {
        if negative {
            out.extend_from_slice(b"-");
        }
        let fraction = usize::try_from(scale).unwrap_or(0);
        if fraction == 0 {
            out.extend_from_slice(digits);
            if digits != b"0" {
                zeros(scale.unsigned_abs(), out);
            }
        } else if digits.len() > fraction {
            let (whole, fraction) = digits.split_at(digits.len() - fraction);
            out.extend_from_slice(whole);
            out.extend_from_slice(b".");
            out.extend_from_slice(fraction);
        } else {
            out.extend_from_slice(b"0.");
            zeros((fraction - digits.len()) as u8, out);
            out.extend_from_slice(digits);
        }
    });
}

#[inline]
fn zeros(count: u8, out: &mut BytesMut) {
    out.extend(std::iter::repeat_n(b'0', usize::from(count)));
}

const NEGATIVE: u16 = 0x4000;
/// Header and the groups of 77 digits with a scale that splits them unevenly.
const BINARY_BYTES: usize = 8 + 2 * 21;

/// The binary form: groups of four decimal digits, aligned at the point, without leading and
/// trailing groups of zeros.
pub(crate) fn put_binary(unscaled: impl Unscaled, scale: i8, out: &mut BytesMut) {
    unscaled.with_digits(|negative, digits| {
        let mut bytes = [0_u8; BINARY_BYTES];
        let mut weight = 0;
        let mut group_count = 0;
        if digits != b"0" {
            let whole = digits.len() as i32 - i32::from(scale);
            weight = (whole + 3).div_euclid(4) - 1;
            let padding = ((weight + 1) * 4 - whole) as usize;
            let groups = (padding + digits.len()).div_ceil(4);
            for group in 0..groups {
                let value = (4 * group..4 * group + 4).fold(0_u16, |value, place| {
                    // Places left and right of the digits are zeros.
                    let digit = place.checked_sub(padding).and_then(|i| digits.get(i));
                    value * 10 + digit.map_or(0, |d| u16::from(d - b'0'))
                });
                bytes[8 + 2 * group..10 + 2 * group].copy_from_slice(&value.to_be_bytes());
                if value != 0 {
                    group_count = group + 1;
                }
            }
        }
        bytes[0..2].copy_from_slice(&(group_count as u16).to_be_bytes());
        bytes[2..4].copy_from_slice(&(weight as i16).to_be_bytes());
        bytes[4..6].copy_from_slice(&(if negative { NEGATIVE } else { 0 }).to_be_bytes());
        bytes[6..8].copy_from_slice(&(scale.max(0) as u16).to_be_bytes());
        out.extend_from_slice(&bytes[..8 + 2 * group_count]);
    });
}

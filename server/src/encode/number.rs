//! Integers and floating-point numbers as PostgreSQL prints them.
//! In: one number. Out: its digits. Numbers with a fixed scale are in `numeric`.

use std::fmt::{self, Write as _};

use bytes::BytesMut;

/// A text on the stack, for what is composed before it is appended. What does not fit is cut: each
/// user knows the longest text it makes.
#[derive(Clone, Copy)]
pub(crate) struct StackText<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> StackText<N> {
    /// An empty text.
    #[inline]
    pub(crate) const fn new() -> Self {
        Self { bytes: [0; N], len: 0 }
    }

    /// What it holds.
    #[inline]
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// Appends one byte.
    #[inline]
    pub(crate) fn push(&mut self, byte: u8) {
        if let Some(slot) = self.bytes.get_mut(self.len) {
            *slot = byte;
            self.len += 1;
        }
    }

    /// Appends bytes.
    #[inline]
    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        let end = (self.len + bytes.len()).min(N);
        let taken = end - self.len;
        self.bytes[self.len..end].copy_from_slice(&bytes[..taken]);
        self.len = end;
    }

    /// Appends two decimal digits.
    #[inline]
    pub(crate) fn push_2(&mut self, number: u32) {
        self.extend(&[b'0' + (number / 10 % 10) as u8, b'0' + (number % 10) as u8]);
    }

    /// Takes the zeros off the end.
    #[inline]
    pub(crate) fn trim_zeros(&mut self) {
        while self.len > 0 && self.bytes[self.len - 1] == b'0' {
            self.len -= 1;
        }
    }
}

impl<const N: usize> fmt::Write for StackText<N> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.extend(text.as_bytes());
        Ok(())
    }
}

/// An integer in decimal.
#[inline]
pub(crate) fn put_int<T: itoa::Integer>(value: T, out: &mut BytesMut) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// What differs between the two widths of floating-point numbers.
pub(crate) trait Float: ryu::Float + PartialEq + fmt::LowerExp + std::str::FromStr {
    /// C's `DBL_DIG` or `FLT_DIG`: also the first power of ten printed with an exponent.
    const DIGITS: i32;
    /// True for neither infinity nor NaN.
    fn finite(self) -> bool;
    /// The name of what is not finite.
    fn special(self) -> &'static str;
    /// The integer it is, if it is one that prints without an exponent (and is not -0).
    fn small_integer(self) -> Option<i64>;
    /// The number in units of 0.0001 if it is a whole number of them, and few enough that no other
    /// decimal as short as that one is the same number.
    fn ten_thousandths(self) -> Option<i64>;
    /// Mantissa and power of two; the third is true where the next lower number is half as far.
    fn parts(self) -> (u64, i32, bool);
}

macro_rules! float {
    ($t:ident, $digits:literal, $mantissa_bits:literal, $bias:literal, $integer_limit:literal) => {
        impl Float for $t {
            const DIGITS: i32 = $digits;

            #[inline]
            fn finite(self) -> bool {
                self.is_finite()
            }

            fn special(self) -> &'static str {
                match self {
                    $t::INFINITY => "Infinity",
                    $t::NEG_INFINITY => "-Infinity",
                    _ => "NaN",
                }
            }

            #[inline]
            fn small_integer(self) -> Option<i64> {
                let it = self as i64;
                let same = it as $t == self && it.unsigned_abs() < $integer_limit;
                (same && (it != 0 || self.is_sign_positive())).then_some(it)
            }

            #[inline]
            fn ten_thousandths(self) -> Option<i64> {
                let scaled = (self * 10_000.0).round();
                let it = scaled as i64;
                // The division is rounded once, so that equality proves the decimal reads back.
                let same = scaled / 10_000.0 == self && it.unsigned_abs() < $integer_limit;
                (same && it != 0).then_some(it)
            }

            fn parts(self) -> (u64, i32, bool) {
                let bits = u64::from(self.abs().to_bits());
                let fraction = bits & ((1 << $mantissa_bits) - 1);
                let exponent = (bits >> $mantissa_bits) as i32;
                match exponent {
                    0 => (fraction, 1 - $bias - $mantissa_bits, false),
                    e => {
                        let mantissa = fraction | (1 << $mantissa_bits);
                        (mantissa, e - $bias - $mantissa_bits, fraction == 0 && e > 1)
                    }
                }
            }
        }
    };
}

float!(f64, 15, 52, 1023, 1_000_000_000_000_000);
float!(f32, 6, 23, 127, 1_000_000);

/// A floating-point number, by `extra_float_digits`: the shortest text that reads back as the same
/// number where it is above 0, else that many digits more or fewer than are always exact.
#[inline]
pub(crate) fn put_float<T: Float>(value: T, extra_digits: i32, out: &mut BytesMut) {
    if !value.finite() {
        out.extend_from_slice(value.special().as_bytes());
    } else if extra_digits <= 0 {
        put_rounded(value, (T::DIGITS + extra_digits).max(1), out);
    } else if let Some(integer) = value.small_integer() {
        put_int(integer, out);
    } else if let Some(short) = value.ten_thousandths() {
        // Amounts of money and measurements: a third of the time of the general way.
        put_ten_thousandths(short, out);
    } else {
        put_shortest(value, out);
    }
}

/// Ten-thousandths as a decimal without trailing zeros.
#[inline]
fn put_ten_thousandths(number: i64, out: &mut BytesMut) {
    let size = number.unsigned_abs();
    if number < 0 {
        out.extend_from_slice(b"-");
    }
    put_int(size / 10_000, out);
    let mut fraction = StackText::<5>::new();
    fraction.push(b'.');
    fraction.push_2((size % 10_000) as u32 / 100);
    fraction.push_2((size % 10_000) as u32 % 100);
    fraction.trim_zeros();
    out.extend_from_slice(fraction.as_bytes());
}

fn put_shortest<T: Float>(value: T, out: &mut BytesMut) {
    let mut buffer = ryu::Buffer::new();
    let text = buffer.format_finite(value).as_bytes();
    if let Some(plain) = as_plain(text, T::DIGITS) {
        out.extend_from_slice(plain);
        return;
    }
    let mut number = Scientific::parse(text);
    if number.is_boundary(value) {
        number = inside_boundary(value).unwrap_or(number);
    }
    number.put(out);
}

/// Ryu's text where PostgreSQL prints no exponent either: from 0.0001 to below `10^digits`.
#[inline]
fn as_plain(text: &[u8], digits: i32) -> Option<&[u8]> {
    let body = text.strip_prefix(b"-").unwrap_or(text);
    let point = body.iter().position(|b| *b == b'.')?;
    let (whole, fraction) = (&body[..point], &body[point + 1..]);
    let plain = match whole {
        b"0" => !fraction.starts_with(b"0000"),
        _ => whole.len() as i32 <= digits,
    };
    if !plain || fraction.contains(&b'e') {
        return None;
    }
    Some(if fraction == b"0" { &text[..text.len() - 2] } else { text })
}

/// Digits and the power of ten of the first one.
struct Scientific {
    negative: bool,
    digits: StackText<24>,
    exponent: i32,
}

impl Scientific {
    /// Reads what ryu or `{:e}` wrote: digits with or without point and exponent.
    fn parse(text: &[u8]) -> Self {
        let negative = text.first() == Some(&b'-');
        let mut it = Self { negative, digits: StackText::new(), exponent: 0 };
        let (mut point, mut position, mut first) = (None, 0, None);
        let mut rest = text.iter().skip(usize::from(negative));
        for byte in rest.by_ref() {
            match byte {
                b'.' => point = Some(position),
                b'e' => break,
                _ => {
                    if *byte != b'0' || first.is_some() {
                        first = first.or(Some(position));
                        it.digits.push(*byte);
                    }
                    position += 1;
                }
            }
        }
        let exponent: String = rest.map(|b| char::from(*b)).collect();
        it.exponent =
            exponent.parse().unwrap_or(0) + point.unwrap_or(position) - 1 - first.unwrap_or(0);
        it.digits.trim_zeros();
        it
    }

    /// True if the decimal lies exactly between the number and a neighbour. Ryu takes those for
    /// an even mantissa, trusting the reader to round to even; PostgreSQL does not.
    fn is_boundary<T: Float>(&self, value: T) -> bool {
        let (mantissa, binary_exponent, lower_is_near) = value.parts();
        let digits = self.digits.as_bytes();
        let Ok(ten_exponent) = u32::try_from(self.exponent + 1 - digits.len() as i32) else {
            return false; // a fraction with so few digits is never a boundary
        };
        let decimal = digits.iter().fold(0_u128, |n, d| n * 10 + u128::from(d - b'0'));
        let Some(odd) = 5_u128.checked_pow(ten_exponent).and_then(|p| decimal.checked_mul(p))
        else {
            return false; // boundaries have at most 54 bits
        };
        // decimal * 10^k == b * 2^(e-2)  <=>  odd * 2^(k-e+2) == b, with b of a few more bits.
        let shift = ten_exponent as i32 - binary_exponent + 2;
        let scaled = |bound: u64| match shift {
            0..=63 => {
                odd.checked_shl(shift as u32).filter(|s| s >> shift == odd)
                    == Some(u128::from(bound))
            }
            -63..=-1 => u128::from(bound) << -shift == odd,
            _ => false,
        };
        scaled(4 * mantissa + 2) || scaled(4 * mantissa - if lower_is_near { 1 } else { 2 })
    }

    fn put(&self, out: &mut BytesMut) {
        let mut text = StackText::<32>::new();
        if self.negative {
            text.push(b'-');
        }
        let (first, rest) = self.digits.as_bytes().split_at(1);
        text.extend(first);
        if !rest.is_empty() {
            text.push(b'.');
            text.extend(rest);
        }
        put_exponent(self.exponent, &mut text);
        out.extend_from_slice(text.as_bytes());
    }
}

fn put_exponent<const N: usize>(exponent: i32, text: &mut StackText<N>) {
    text.extend(if exponent < 0 { b"e-" } else { b"e+" });
    let size = exponent.unsigned_abs();
    if size >= 100 {
        text.push(b'0' + (size / 100) as u8);
    }
    text.push_2(size % 100);
}

/// The shortest decimal strictly between the boundaries of a number. Rare, so not quick.
fn inside_boundary<T: Float>(value: T) -> Option<Scientific> {
    (0..18).find_map(|precision| {
        let mut text = StackText::<40>::new();
        write!(text, "{value:.precision$e}").ok()?;
        let reads_back = std::str::from_utf8(text.as_bytes()).ok()?.parse::<T>().ok()? == value;
        let number = Scientific::parse(text.as_bytes());
        (reads_back && !number.is_boundary(value)).then_some(number)
    })
}

/// C's `%.{digits}g`.
fn put_rounded<T: Float>(value: T, digits: i32, out: &mut BytesMut) {
    let mut text = StackText::<48>::new();
    // Writing into a stack text cannot fail.
    let _ = write!(text, "{value:.*e}", digits as usize - 1);
    let number = Scientific::parse(text.as_bytes());
    if number.digits.as_bytes().is_empty() {
        out.extend_from_slice(if number.negative { b"-0" } else { b"0" });
        return;
    }
    if number.exponent < -4 || number.exponent >= digits {
        number.put(out);
        return;
    }
    if number.negative {
        out.extend_from_slice(b"-");
    }
    let significant = number.digits.as_bytes();
    let whole = number.exponent + 1;
    if whole <= 0 {
        out.extend_from_slice(b"0.");
        out.extend_from_slice(&b"0000"[..whole.unsigned_abs() as usize]);
        out.extend_from_slice(significant);
        return;
    }
    let whole = whole as usize;
    let split = whole.min(significant.len());
    out.extend_from_slice(&significant[..split]);
    out.extend(std::iter::repeat_n(b'0', whole - split));
    if split < significant.len() {
        out.extend_from_slice(b".");
        out.extend_from_slice(&significant[split..]);
    }
}

//! Writers for numbers, texts and bytes. In: an array, the type it is sent as, the format.
//! Out: a bound cell. Dates and times are in `temporal`, lists and structs in `array` and `json`.

use bytes::BytesMut;
use datafusion::arrow::array::{Array, ArrayAccessor, ArrowPrimitiveType, AsArray, BooleanArray};
use datafusion::arrow::datatypes::{DataType, Float16Type, Float32Type, Float64Type};

use super::cell::{BoxCell, Fixed, Indexed, Unwritable, Written};
use super::number::{put_float, put_int};
use super::numeric::{self, Unscaled};
use super::options::{Format, FormatOptions};
use crate::inet::Inet;
use crate::types::{is_reg, oid};

/// Binds a primitive array to the function that writes one of its values.
pub(super) fn primitive<T, F>(array: &dyn Array, put: F) -> BoxCell
where
    T: ArrowPrimitiveType,
    F: Fn(T::Native, &mut BytesMut) -> Written + Send + Sync + 'static,
{
    let array = array.as_primitive::<T>();
    Fixed::boxed(array.values().clone(), array.nulls(), put)
}

/// Booleans.
pub(super) fn boolean(array: &BooleanArray, format: Format) -> BoxCell {
    let hint = array.len();
    let symbols = match format {
        Format::Text => [b"f", b"t"],
        Format::Binary => [&[0], &[1]],
    };
    Indexed::boxed(array.clone(), hint, move |a: &BooleanArray, row, out| {
        out.extend_from_slice(symbols[usize::from(a.value(row))]);
        Ok(())
    })
}

/// Integers; `None` where the type has no binary form for them.
pub(super) fn integer<T>(array: &dyn Array, type_oid: u32, format: Format) -> Option<BoxCell>
where
    T: ArrowPrimitiveType,
    T::Native: Into<i128> + itoa::Integer + Unscaled,
{
    Some(match (format, type_oid) {
        // A "char" is its byte in either format.
        (_, oid::CHAR) => primitive::<T, _>(array, |value, out| {
            let value: i128 = value.into();
            let byte = i8::try_from(value).map(i8::cast_unsigned).or(u8::try_from(value));
            out.extend_from_slice(&[byte.map_err(|_| Unwritable::Number)?]);
            Ok(())
        }),
        (Format::Text, _) => primitive::<T, _>(array, |value, out| {
            put_int(value, out);
            Ok(())
        }),
        (Format::Binary, oid::INT2) => primitive::<T, _>(array, |value, out| {
            out.extend_from_slice(&narrowed::<i16>(value.into())?.to_be_bytes());
            Ok(())
        }),
        (Format::Binary, oid::INT4) => primitive::<T, _>(array, |value, out| {
            out.extend_from_slice(&narrowed::<i32>(value.into())?.to_be_bytes());
            Ok(())
        }),
        (Format::Binary, oid::INT8) => primitive::<T, _>(array, |value, out| {
            out.extend_from_slice(&narrowed::<i64>(value.into())?.to_be_bytes());
            Ok(())
        }),
        (Format::Binary, oid::NUMERIC) => primitive::<T, _>(array, |value, out| {
            numeric::put_binary(value, 0, out);
            Ok(())
        }),
        (Format::Binary, id) if is_oid(id) => primitive::<T, _>(array, |value, out| {
            out.extend_from_slice(&narrowed::<u32>(value.into())?.to_be_bytes());
            Ok(())
        }),
        _ => return None,
    })
}

#[inline]
fn narrowed<W: TryFrom<i128>>(value: i128) -> Result<W, Unwritable> {
    W::try_from(value).map_err(|_| Unwritable::Number)
}

/// True for what travels as four unsigned bytes.
fn is_oid(type_oid: u32) -> bool {
    matches!(type_oid, oid::OID | oid::XID | oid::CID) || is_reg(type_oid)
}

/// Floating-point numbers; `None` as for integers.
pub(super) fn float(
    array: &dyn Array,
    type_oid: u32,
    format: Format,
    options: &FormatOptions,
) -> Option<BoxCell> {
    let digits = options.extra_float_digits;
    Some(match (array.data_type(), format, type_oid) {
        (DataType::Float16, Format::Text, _) => {
            primitive::<Float16Type, _>(array, move |v, out| {
                put_float(v.to_f32(), digits, out);
                Ok(())
            })
        }
        (DataType::Float32, Format::Text, _) => {
            primitive::<Float32Type, _>(array, move |v, out| {
                put_float(v, digits, out);
                Ok(())
            })
        }
        (DataType::Float64, Format::Text, _) => {
            primitive::<Float64Type, _>(array, move |v, out| {
                put_float(v, digits, out);
                Ok(())
            })
        }
        (DataType::Float16, _, oid::FLOAT4) => primitive::<Float16Type, _>(array, |v, out| {
            out.extend_from_slice(&v.to_f32().to_be_bytes());
            Ok(())
        }),
        (DataType::Float32, _, oid::FLOAT4) => primitive::<Float32Type, _>(array, |v, out| {
            out.extend_from_slice(&v.to_be_bytes());
            Ok(())
        }),
        (DataType::Float32, _, oid::FLOAT8) => primitive::<Float32Type, _>(array, |v, out| {
            out.extend_from_slice(&f64::from(v).to_be_bytes());
            Ok(())
        }),
        (DataType::Float64, _, oid::FLOAT8) => primitive::<Float64Type, _>(array, |v, out| {
            out.extend_from_slice(&v.to_be_bytes());
            Ok(())
        }),
        _ => return None,
    })
}

/// Decimals of any width; `None` as for integers.
pub(super) fn decimal<T>(
    array: &dyn Array,
    scale: i8,
    type_oid: u32,
    format: Format,
) -> Option<BoxCell>
where
    T: ArrowPrimitiveType,
    T::Native: Unscaled,
{
    match (format, type_oid) {
        (Format::Text, _) => Some(primitive::<T, _>(array, move |value, out| {
            numeric::put_text(value, scale, out);
            Ok(())
        })),
        (Format::Binary, oid::NUMERIC) => Some(primitive::<T, _>(array, move |value, out| {
            numeric::put_binary(value, scale, out);
            Ok(())
        })),
        _ => None,
    }
}

/// Texts in any of Arrow's layouts; `hint` is how many bytes they have. `None` as for integers.
pub(super) fn text<A>(array: A, hint: usize, type_oid: u32, format: Format) -> Option<BoxCell>
where
    A: Array + 'static,
    for<'a> &'a A: ArrayAccessor<Item = &'a str>,
{
    Some(match (format, type_oid) {
        (_, oid::CHAR) => Indexed::boxed(array, hint, move |a: &A, row, out| {
            let byte = (&a).value(row).bytes().next();
            // The empty "char" is a zero byte, and prints as nothing.
            match (byte, format) {
                (Some(byte), _) => out.extend_from_slice(&[byte]),
                (None, Format::Binary) => out.extend_from_slice(&[0]),
                (None, Format::Text) => {}
            }
            Ok(())
        }),
        (Format::Binary, oid::UUID) => Indexed::boxed(array, hint, |a: &A, row, out| {
            let bytes = parse_uuid((&a).value(row)).ok_or(Unwritable::Malformed)?;
            out.extend_from_slice(&bytes);
            Ok(())
        }),
        (Format::Binary, oid::INET) => Indexed::boxed(array, hint, |a: &A, row, out| {
            let inet = Inet::parse((&a).value(row)).ok_or(Unwritable::Malformed)?;
            out.extend_from_slice(&inet.to_binary());
            Ok(())
        }),
        (Format::Binary, oid::JSONB) => Indexed::boxed(array, hint, |a: &A, row, out| {
            out.extend_from_slice(&[JSONB_VERSION]);
            out.extend_from_slice((&a).value(row).as_bytes());
            Ok(())
        }),
        (Format::Binary, id) if is_oid(id) => Indexed::boxed(array, hint, |a: &A, row, out| {
            let number = match (&a).value(row) {
                "-" => 0, // how the reg* types print the oid 0
                text => text.parse::<u32>().map_err(|_| Unwritable::Malformed)?,
            };
            out.extend_from_slice(&number.to_be_bytes());
            Ok(())
        }),
        (Format::Text, _) => plain_text(array, hint),
        (Format::Binary, id) if is_textual(id) => plain_text(array, hint),
        _ => return None,
    })
}

/// The byte before a binary jsonb.
pub(super) const JSONB_VERSION: u8 = 1;

fn plain_text<A>(array: A, hint: usize) -> BoxCell
where
    A: Array + 'static,
    for<'a> &'a A: ArrayAccessor<Item = &'a str>,
{
    Indexed::boxed(array, hint, |a: &A, row, out| {
        out.extend_from_slice((&a).value(row).as_bytes());
        Ok(())
    })
}

/// True for the types whose binary form is their text.
fn is_textual(type_oid: u32) -> bool {
    matches!(
        type_oid,
        oid::TEXT
            | oid::VARCHAR
            | oid::BPCHAR
            | oid::NAME
            | oid::JSON
            | oid::UNKNOWN
            | oid::CSTRING
            | oid::PG_NODE_TREE
            | oid::VOID
    )
}

/// Byte strings in any of Arrow's layouts; `None` as for integers.
pub(super) fn bytes<A>(
    array: A,
    hint: usize,
    type_oid: u32,
    (format, hex): (Format, bool),
) -> Option<BoxCell>
where
    A: Array + 'static,
    for<'a> &'a A: ArrayAccessor<Item = &'a [u8]>,
{
    Some(match (format, type_oid) {
        (_, oid::UUID) => Indexed::boxed(array, hint, move |a: &A, row, out| {
            let value = <[u8; 16]>::try_from((&a).value(row)).map_err(|_| Unwritable::Malformed)?;
            match format {
                Format::Text => put_uuid(value, out),
                Format::Binary => out.extend_from_slice(&value),
            }
            Ok(())
        }),
        (Format::Text, _) if hex => Indexed::boxed(array, 2 * hint, |a: &A, row, out| {
            out.extend_from_slice(b"\\x");
            put_hex((&a).value(row), out);
            Ok(())
        }),
        (Format::Text, _) => Indexed::boxed(array, 2 * hint, |a: &A, row, out| {
            put_escaped((&a).value(row), out);
            Ok(())
        }),
        (Format::Binary, oid::BYTEA) => Indexed::boxed(array, hint, |a: &A, row, out| {
            out.extend_from_slice((&a).value(row));
            Ok(())
        }),
        _ => return None,
    })
}

const HEX: &[u8; 16] = b"0123456789abcdef";

fn put_hex(bytes: &[u8], out: &mut BytesMut) {
    for chunk in bytes.chunks(32) {
        let mut digits = [0_u8; 64];
        for (pair, byte) in digits.chunks_exact_mut(2).zip(chunk) {
            pair[0] = HEX[usize::from(byte >> 4)];
            pair[1] = HEX[usize::from(byte & 15)];
        }
        out.extend_from_slice(&digits[..2 * chunk.len()]);
    }
}

/// `bytea_output = escape`: backslash doubled, octal for what is not printable ASCII.
fn put_escaped(bytes: &[u8], out: &mut BytesMut) {
    for byte in bytes {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            b' '..=b'~' => out.extend_from_slice(&[*byte]),
            _ => out.extend_from_slice(&[
                b'\\',
                b'0' + (byte >> 6),
                b'0' + (byte >> 3 & 7),
                b'0' + (byte & 7),
            ]),
        }
    }
}

/// 8-4-4-4-12 digits.
pub(crate) fn put_uuid(bytes: [u8; 16], out: &mut BytesMut) {
    for (group, range) in [0..4, 4..6, 6..8, 8..10, 10..16].into_iter().enumerate() {
        if group > 0 {
            out.extend_from_slice(b"-");
        }
        put_hex(&bytes[range], out);
    }
}

/// Reads what PostgreSQL takes for a uuid: 32 digits, perhaps in braces, perhaps with a hyphen
/// after any group of four.
pub(crate) fn parse_uuid(text: &str) -> Option<[u8; 16]> {
    let inner = text.strip_prefix('{').map_or(Some(text), |t| t.strip_suffix('}'))?;
    let mut rest = inner.as_bytes();
    let mut bytes = [0; 16];
    for (place, byte) in bytes.iter_mut().enumerate() {
        if place % 2 == 0 && place > 0 {
            rest = rest.strip_prefix(b"-").unwrap_or(rest);
        }
        let (pair, tail) = rest.split_at_checked(2)?;
        let digit = |d: u8| char::from(d).to_digit(16);
        *byte = (digit(pair[0])? * 16 + digit(pair[1])?) as u8;
        rest = tail;
    }
    rest.is_empty().then_some(bytes)
}

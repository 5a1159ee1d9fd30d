//! Arrays from text and binary. In: `{1,NULL,"a b"}` or PostgreSQL's binary array, and the type of
//! the elements. Out: a list; an array of more dimensions is a list of lists.

use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::common::ScalarValue;

use super::{binary, decode_param, decode_text as decode_scalar, invalid, malformed, null_of};
use crate::encode::{Format, FormatOptions};
use crate::error::{PgError, PgResult, SqlState};
use crate::types::{oid, type_by_oid};

/// PostgreSQL's MAXDIM.
const DIMENSIONS_MAX: usize = 6;

/// An array literal.
pub(super) fn decode_text(
    text: &str,
    element_oid: u32,
    options: &FormatOptions,
) -> PgResult<ScalarValue> {
    let bad = |detail: &str| {
        PgError::new(
            SqlState::InvalidTextRepresentation,
            format!("malformed array literal: \"{text}\""),
        )
        .detail(detail)
    };
    let mut literal =
        Literal { rest: without_bounds(text), lengths: Vec::new(), items: Vec::new() };
    if !literal.rest.starts_with('{') {
        return Err(bad("Array value must start with \"{\" or dimension information."));
    }
    literal.braces(0).map_err(&bad)?;
    if !literal.rest.trim_matches(SPACES).is_empty() {
        return Err(bad("Junk after closing right brace."));
    }
    let values = literal.items.into_iter().map(|item| match item {
        Some(item) => decode_scalar(element_oid, &item, options),
        None => null_of(element_oid),
    });
    let lengths: Vec<_> = literal.lengths.into_iter().map(|l| l.unwrap_or(0)).collect();
    nested(values.collect::<PgResult<_>>()?, &lengths, element_oid)
}

const SPACES: [char; 6] = [' ', '\t', '\n', '\u{b}', '\u{c}', '\r'];

/// The literal after lower and upper bounds (`[0:2]=`), which lists do not have.
fn without_bounds(text: &str) -> &str {
    let trimmed = text.trim_start_matches(SPACES);
    match trimmed.strip_prefix('[').and_then(|t| t.split_once('=')) {
        Some((bounds, rest)) if bounds.ends_with(']') => rest.trim_start_matches(SPACES),
        _ => trimmed,
    }
}

/// An array literal being read.
struct Literal<'a> {
    rest: &'a str,
    /// Of each dimension, once its first list has ended.
    lengths: Vec<Option<usize>>,
    /// The elements in order; `None` for NULL.
    items: Vec<Option<String>>,
}

type Read<T> = Result<T, &'static str>;

const END: &str = "Unexpected end of input.";
const UNEVEN: &str = "Multidimensional arrays must have sub-arrays with matching dimensions.";

impl Literal<'_> {
    /// Skips spaces and tells what comes.
    fn peek(&mut self) -> Read<char> {
        self.rest = self.rest.trim_start_matches(SPACES);
        self.rest.chars().next().ok_or(END)
    }

    fn skip(&mut self) {
        self.rest = &self.rest[1..];
    }

    /// A list in braces, of the dimension `depth`.
    fn braces(&mut self, depth: usize) -> Read<()> {
        if depth == DIMENSIONS_MAX {
            return Err("Array has too many dimensions.");
        }
        // The first element found fixes how many dimensions there are.
        if self.lengths.len() == depth {
            if !self.items.is_empty() {
                return Err(UNEVEN);
            }
            self.lengths.push(None);
        }
        self.skip();
        let mut length = 0;
        if self.peek()? == '}' && depth == 0 {
            self.skip();
            self.lengths.clear();
            return Ok(());
        }
        loop {
            match self.peek()? {
                '{' => self.braces(depth + 1)?,
                '}' => return Err("Unexpected \"}\" character."),
                ',' => return Err("Unexpected \",\" character."),
                _ if self.lengths.len() > depth + 1 => return Err(UNEVEN),
                _ => {
                    let item = self.item()?;
                    self.items.push(item);
                }
            }
            length += 1;
            match self.peek()? {
                ',' => self.skip(),
                '}' => break,
                _ => return Err("Unexpected array element."),
            }
        }
        self.skip();
        if *self.lengths[depth].get_or_insert(length) != length {
            return Err(UNEVEN);
        }
        Ok(())
    }

    /// One element, with or without quotes.
    fn item(&mut self) -> Read<Option<String>> {
        let quoted = self.rest.starts_with('"');
        if quoted {
            self.skip();
        }
        let mut item = String::new();
        let mut escaped = false;
        let mut chars = self.rest.char_indices();
        loop {
            let (at, c) = chars.next().ok_or(END)?;
            match c {
                '\\' => {
                    item.push(chars.next().ok_or(END)?.1);
                    escaped = true;
                }
                '"' if quoted => {
                    self.rest = &self.rest[at + 1..];
                    return Ok(Some(item));
                }
                '"' | '{' if !quoted => return Err("Unexpected array element."),
                ',' | '}' if !quoted => {
                    self.rest = &self.rest[at..];
                    // Trailing spaces are not part of it, unless one was escaped.
                    if !escaped {
                        item.truncate(item.trim_end_matches(SPACES).len());
                    }
                    let null = !escaped && item.eq_ignore_ascii_case("null");
                    return Ok((!null).then_some(item));
                }
                _ => item.push(c),
            }
        }
    }
}

/// oidvector and int2vector: numbers between spaces.
pub(super) fn decode_vector(
    text: &str,
    element_oid: u32,
    options: &FormatOptions,
) -> PgResult<ScalarValue> {
    let values: Vec<_> = text
        .split_ascii_whitespace()
        .map(|item| decode_scalar(element_oid, item, options))
        .collect::<PgResult<_>>()?;
    let lengths = [values.len()];
    nested(values, &lengths, element_oid)
}

/// The binary form: dimensions, a flag, the element type, lengths and bounds, elements.
pub(super) fn decode_binary(
    bytes: &[u8],
    element_oid: u32,
    options: &FormatOptions,
) -> PgResult<ScalarValue> {
    let mut rest = bytes;
    let dimensions = next_int(&mut rest)?;
    let _has_null = next_int(&mut rest)?;
    let sent_oid = next_int(&mut rest)?.cast_unsigned();
    if sent_oid != element_oid && !(element_oid == oid::TEXT && sent_oid == oid::VARCHAR) {
        let name = |id| type_by_oid(id).map_or("unknown", |t| t.sql_name);
        return Err(PgError::new(
            SqlState::DatatypeMismatch,
            format!(
                "binary data has array element type {sent_oid} ({}) instead of expected \
                 {element_oid} ({})",
                name(sent_oid),
                name(element_oid)
            ),
        ));
    }
    if !(0..=DIMENSIONS_MAX as i32).contains(&dimensions) {
        return Err(malformed());
    }
    let mut lengths = Vec::new();
    for _ in 0..dimensions {
        lengths.push(usize::try_from(next_int(&mut rest)?).map_err(|_| malformed())?);
        let _lower_bound = next_int(&mut rest)?;
    }
    let count = match lengths.as_slice() {
        [] => Some(0),
        all => all.iter().try_fold(1_usize, |n, length| n.checked_mul(*length)),
    };
    // Each element has at least its length, so that a lie about the count costs nothing.
    let count = count.filter(|n| *n <= rest.len() / 4).ok_or_else(malformed)?;
    let mut values = Vec::with_capacity(count);
    for _ in 0..count {
        let item = match next_int(&mut rest)? {
            -1 => None,
            length => {
                let length = usize::try_from(length).map_err(|_| malformed())?;
                let (item, tail) = rest.split_at_checked(length).ok_or_else(malformed)?;
                rest = tail;
                Some(item)
            }
        };
        values.push(match item {
            Some(item) => binary::decode(element_oid, item)?,
            None => decode_param(element_oid, Format::Binary, None, options)?,
        });
    }
    if !rest.is_empty() {
        return Err(malformed());
    }
    nested(values, &lengths, element_oid)
}

fn next_int(rest: &mut &[u8]) -> PgResult<i32> {
    let (head, tail) = rest.split_first_chunk::<4>().ok_or_else(malformed)?;
    *rest = tail;
    Ok(i32::from_be_bytes(*head))
}

/// Puts the elements into lists, the innermost first.
fn nested(values: Vec<ScalarValue>, lengths: &[usize], element_oid: u32) -> PgResult<ScalarValue> {
    let mut data_type = null_of(element_oid)?.data_type();
    let mut values = values;
    if element_oid == oid::NUMERIC && values.iter().any(|v| !v.is_null()) {
        values = aligned(values, &mut data_type)?;
    }
    if let Some(mixed) = values.iter().find(|v| v.data_type() != data_type) {
        return Err(invalid("oid", &mixed.to_string()));
    }
    let empty: Vec<ScalarValue> = Vec::new();
    let inner = lengths.iter().skip(1).rev().filter(|_| !values.is_empty());
    for length in inner.copied().collect::<Vec<_>>() {
        let lists = values
            .chunks(length)
            .map(|chunk| ScalarValue::List(ScalarValue::new_list_nullable(chunk, &data_type)))
            .collect();
        data_type = DataType::List(Field::new_list_field(data_type, true).into());
        values = lists;
    }
    let elements = if values.is_empty() { &empty } else { &values };
    Ok(ScalarValue::List(ScalarValue::new_list_nullable(elements, &data_type)))
}

/// Numerics of one list must share a decimal type: that with the most digits on either side.
fn aligned(values: Vec<ScalarValue>, data_type: &mut DataType) -> PgResult<Vec<ScalarValue>> {
    let sizes = values.iter().filter(|v| !v.is_null()).filter_map(|v| match v {
        ScalarValue::Decimal128(_, p, s) | ScalarValue::Decimal256(_, p, s) => Some((*p, *s)),
        _ => None,
    });
    let (whole, scale) = sizes.fold((0_u8, 0_i8), |(whole, scale), (p, s)| {
        (whole.max(p - s.unsigned_abs()), scale.max(s))
    });
    let precision = (whole + scale.unsigned_abs()).max(1);
    *data_type = match precision {
        0..=38 => DataType::Decimal128(precision, scale),
        39..=76 => DataType::Decimal256(precision, scale),
        _ => return Err(super::out_of_range("numeric", "array")),
    };
    let cast = |v: ScalarValue| v.cast_to(data_type);
    values.into_iter().map(cast).collect::<Result<_, _>>().map_err(|error| {
        PgError::new(SqlState::NumericOutOfRange, "numeric field overflow")
            .detail(error.to_string())
    })
}

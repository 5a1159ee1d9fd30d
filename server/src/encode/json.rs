//! What has no PostgreSQL type of its own (structs, maps, unions, lists of them) as json text, laid
//! out as `to_json` does. In: a nested array. Out: a cell that writes json. Scalars in it are
//! written by the text cells, with dates in the ISO style whatever the session says.

use bytes::BytesMut;
use datafusion::arrow::array::{Array, AsArray, MapArray, StructArray, UnionArray};
use datafusion::arrow::buffer::{NullBuffer, OffsetBuffer};
use datafusion::arrow::datatypes::{DataType, Field};

use super::array::ListRows;
use super::bind::{Binding, bind};
use super::cell::{BoxCell, Cell, Written, null_at};
use super::number::StackText;
use super::scalar::JSONB_VERSION;
use crate::error::{PgError, PgResult};
use crate::types::{oid, pg_type_of};

/// Binds a field's values as json.
pub(super) fn bind_json(field: &Field, array: &dyn Array, how: &Binding) -> PgResult<BoxCell> {
    Ok(match array.data_type() {
        DataType::Struct(_) => Box::new(JsonStruct::bind(array.as_struct(), how)?),
        DataType::Map(_, _) => Box::new(JsonMap::bind(array.as_map(), how)?),
        DataType::Union(_, _) => Box::new(JsonUnion::bind(array.as_union(), how)?),
        data_type => match (crate::types::list_element(data_type), ListRows::of(array)) {
            (Some(element), Some((rows, values))) => {
                let elements = bind_json(element, values.as_ref(), how)?;
                Box::new(JsonList { rows, elements })
            }
            _ => Box::new(JsonScalar {
                quotes: Quotes::of(pg_type_of(field).oid),
                text: bind(array, pg_type_of(field).oid, how)?,
            }),
        },
    })
}

/// When a scalar is a json string.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Quotes {
    /// Never: it is json already.
    Never,
    /// Never, and `t` is `true`.
    Boolean,
    /// Unless it is a number: NaN is not one in json.
    UnlessNumber,
    /// Always.
    Always,
}

impl Quotes {
    fn of(type_oid: u32) -> Self {
        match type_oid {
            oid::BOOL => Self::Boolean,
            oid::JSON | oid::JSONB => Self::Never,
            oid::INT2 | oid::INT4 | oid::INT8 | oid::FLOAT4 | oid::FLOAT8 | oid::NUMERIC => {
                Self::UnlessNumber
            }
            _ => Self::Always,
        }
    }
}

struct JsonScalar {
    quotes: Quotes,
    text: BoxCell,
}

impl Cell for JsonScalar {
    fn is_null(&self, row: usize) -> bool {
        self.text.is_null(row)
    }

    fn put(&self, row: usize, out: &mut BytesMut) -> Written {
        let at = out.len();
        match self.quotes {
            Quotes::Never => self.text.put(row, out)?,
            Quotes::Boolean => {
                self.text.put(row, out)?;
                let word: &[u8] = if out.last() == Some(&b't') { b"true" } else { b"false" };
                out.truncate(at);
                out.extend_from_slice(word);
            }
            Quotes::UnlessNumber => {
                self.text.put(row, out)?;
                if !out.last().is_some_and(u8::is_ascii_digit) {
                    out.truncate(at);
                    put_string(self.text.as_ref(), row, out)?;
                }
            }
            Quotes::Always => put_string(self.text.as_ref(), row, out)?,
        }
        Ok(())
    }

    fn bytes_hint(&self) -> usize {
        self.text.bytes_hint()
    }
}

/// Appends what the cell writes as a json string.
fn put_string(text: &dyn Cell, row: usize, out: &mut BytesMut) -> Written {
    out.extend_from_slice(b"\"");
    let at = out.len();
    text.put(row, out)?;
    escape_from(at, out);
    out.extend_from_slice(b"\"");
    Ok(())
}

/// Escapes the text from `at` on, in place. Almost always there is nothing to do.
fn escape_from(at: usize, out: &mut BytesMut) {
    let growth: usize = out[at..].iter().map(|b| escape(*b).as_bytes().len() - 1).sum();
    if growth == 0 {
        return;
    }
    let mut from = out.len();
    let mut to = from + growth;
    out.resize(to, 0);
    // From the back, so that nothing is overwritten before it has moved.
    while from < to {
        from -= 1;
        let escaped = escape(out[from]);
        let start = to - escaped.as_bytes().len();
        out[start..to].copy_from_slice(escaped.as_bytes());
        to = start;
    }
}

/// A byte of a json string as it is written.
#[inline]
fn escape(byte: u8) -> StackText<6> {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut text = StackText::new();
    match byte {
        b'"' => text.extend(b"\\\""),
        b'\\' => text.extend(b"\\\\"),
        b'\n' => text.extend(b"\\n"),
        b'\r' => text.extend(b"\\r"),
        b'\t' => text.extend(b"\\t"),
        8 => text.extend(b"\\b"),
        12 => text.extend(b"\\f"),
        0..0x20 => {
            text.extend(b"\\u00");
            text.push(HEX[usize::from(byte >> 4)]);
            text.push(HEX[usize::from(byte & 15)]);
        }
        _ => text.push(byte),
    }
    text
}

fn put_or_null(cell: &dyn Cell, row: usize, out: &mut BytesMut) -> Written {
    if cell.is_null(row) {
        out.extend_from_slice(b"null");
        return Ok(());
    }
    cell.put(row, out)
}

struct JsonList {
    rows: ListRows,
    elements: BoxCell,
}

impl Cell for JsonList {
    fn is_null(&self, row: usize) -> bool {
        self.rows.is_null(row)
    }

    fn put(&self, row: usize, out: &mut BytesMut) -> Written {
        out.extend_from_slice(b"[");
        for (place, element) in self.rows.span(row).enumerate() {
            if place > 0 {
                out.extend_from_slice(b",");
            }
            put_or_null(self.elements.as_ref(), element, out)?;
        }
        out.extend_from_slice(b"]");
        Ok(())
    }

    fn bytes_hint(&self) -> usize {
        self.elements.bytes_hint() + 2 * self.rows.row_count()
    }
}

struct JsonStruct {
    nulls: Option<NullBuffer>,
    /// Each with its name as `"name":`.
    fields: Vec<(BytesMut, BoxCell)>,
    row_count: usize,
}

impl JsonStruct {
    fn bind(array: &StructArray, how: &Binding) -> PgResult<Self> {
        let fields = array.fields().iter().zip(array.columns()).map(|(field, column)| {
            let mut name = BytesMut::from("\"");
            name.extend_from_slice(field.name().as_bytes());
            escape_from(1, &mut name);
            name.extend_from_slice(b"\":");
            Ok::<_, PgError>((name, bind_json(field, column.as_ref(), how)?))
        });
        let (nulls, row_count) = (array.nulls().cloned(), array.len());
        Ok(Self { nulls, fields: fields.collect::<PgResult<_>>()?, row_count })
    }
}

impl Cell for JsonStruct {
    fn is_null(&self, row: usize) -> bool {
        null_at(self.nulls.as_ref(), row)
    }

    fn put(&self, row: usize, out: &mut BytesMut) -> Written {
        out.extend_from_slice(b"{");
        for (place, (name, value)) in self.fields.iter().enumerate() {
            if place > 0 {
                out.extend_from_slice(b",");
            }
            out.extend_from_slice(name);
            put_or_null(value.as_ref(), row, out)?;
        }
        out.extend_from_slice(b"}");
        Ok(())
    }

    fn bytes_hint(&self) -> usize {
        self.fields.iter().map(|(n, f)| f.bytes_hint() + self.row_count * (n.len() + 1)).sum()
    }
}

struct JsonMap {
    nulls: Option<NullBuffer>,
    offsets: OffsetBuffer<i32>,
    /// As text: a key is a string whatever its type.
    keys: BoxCell,
    values: BoxCell,
}

impl JsonMap {
    fn bind(array: &MapArray, how: &Binding) -> PgResult<Self> {
        let [key_field, value_field] = array.entries().fields().as_ref() else {
            return Err(PgError::unsupported("a map without keys and values"));
        };
        Ok(Self {
            nulls: array.nulls().cloned(),
            offsets: array.offsets().clone(),
            keys: bind(array.keys().as_ref(), pg_type_of(key_field).oid, how)?,
            values: bind_json(value_field, array.values().as_ref(), how)?,
        })
    }
}

impl Cell for JsonMap {
    fn is_null(&self, row: usize) -> bool {
        null_at(self.nulls.as_ref(), row)
    }

    fn put(&self, row: usize, out: &mut BytesMut) -> Written {
        out.extend_from_slice(b"{");
        let (start, end) = (self.offsets[row] as usize, self.offsets[row + 1] as usize);
        for entry in start..end {
            if entry > start {
                out.extend_from_slice(b",");
            }
            put_string(self.keys.as_ref(), entry, out)?;
            out.extend_from_slice(b":");
            put_or_null(self.values.as_ref(), entry, out)?;
        }
        out.extend_from_slice(b"}");
        Ok(())
    }

    fn bytes_hint(&self) -> usize {
        self.keys.bytes_hint() + self.values.bytes_hint() + 2 * self.offsets.len()
    }
}

struct JsonUnion {
    array: UnionArray,
    /// By type id.
    children: Vec<Option<BoxCell>>,
}

impl JsonUnion {
    fn bind(array: &UnionArray, how: &Binding) -> PgResult<Self> {
        let DataType::Union(fields, _) = array.data_type() else {
            return Err(PgError::unsupported("a union without variants"));
        };
        let mut children: Vec<Option<BoxCell>> = Vec::new();
        for (type_id, field) in fields.iter() {
            let slot = usize::try_from(type_id).unwrap_or(0);
            if children.len() <= slot {
                children.resize_with(slot + 1, || None);
            }
            children[slot] = Some(bind_json(field, array.child(type_id).as_ref(), how)?);
        }
        Ok(Self { array: array.clone(), children })
    }

    fn variant(&self, row: usize) -> Option<(&dyn Cell, usize)> {
        let slot = usize::try_from(self.array.type_id(row)).ok()?;
        Some((self.children.get(slot)?.as_deref()?, self.array.value_offset(row)))
    }
}

impl Cell for JsonUnion {
    fn is_null(&self, row: usize) -> bool {
        self.variant(row).is_none_or(|(cell, index)| cell.is_null(index))
    }

    fn put(&self, row: usize, out: &mut BytesMut) -> Written {
        self.variant(row).map_or(Ok(()), |(cell, index)| cell.put(index, out))
    }

    fn bytes_hint(&self) -> usize {
        self.children.iter().flatten().map(|c| c.bytes_hint()).sum()
    }
}

/// Json as the type jsonb in binary: a version byte before it.
pub(super) struct Versioned(pub(super) BoxCell);

impl Cell for Versioned {
    fn is_null(&self, row: usize) -> bool {
        self.0.is_null(row)
    }

    fn put(&self, row: usize, out: &mut BytesMut) -> Written {
        out.extend_from_slice(&[JSONB_VERSION]);
        self.0.put(row, out)
    }

    fn bytes_hint(&self) -> usize {
        self.0.bytes_hint()
    }
}

//! From values one by one to Arrow columns.
//!
//! In: rows of [`Cell`]s, or text in COPY format. Out: record batches.
//! Refuses to know which catalog the rows belong to.

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Decimal128Array, Float32Array, Float64Array, Int16Array,
    Int32Array, Int64Array, IntervalMonthDayNanoArray, ListArray, RecordBatch, StringArray,
    TimestampMicrosecondArray, UInt32Array, new_null_array,
};
use datafusion::arrow::buffer::{NullBuffer, OffsetBuffer};
use datafusion::arrow::datatypes::{
    DataType, FieldRef, IntervalMonthDayNano, IntervalMonthDayNanoType, SchemaRef,
};
use datafusion::common::{Result, exec_datafusion_err, exec_err};

/// One value of a row.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell {
    Null,
    Bool(bool),
    /// Any integer type; timestamps as microseconds; an interval as seconds.
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Cell>),
}

impl From<bool> for Cell {
    fn from(value: bool) -> Self {
        Cell::Bool(value)
    }
}
impl From<i32> for Cell {
    fn from(value: i32) -> Self {
        Cell::Int(value.into())
    }
}
impl From<u32> for Cell {
    fn from(value: u32) -> Self {
        Cell::Int(value.into())
    }
}
impl From<i64> for Cell {
    fn from(value: i64) -> Self {
        Cell::Int(value)
    }
}
impl From<&str> for Cell {
    fn from(value: &str) -> Self {
        Cell::Text(value.to_owned())
    }
}
impl From<String> for Cell {
    fn from(value: String) -> Self {
        Cell::Text(value)
    }
}
impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Cell::Null, Into::into)
    }
}

/// A row written as the columns that matter; the others get what says nothing: NULL where the
/// column allows it, else zero, false or the empty string. Of two values, the later one counts.
pub(super) type Sparse<'a> = Vec<(&'a str, Cell)>;

/// A batch from rows written sparsely.
pub(super) fn batch_from_sparse(schema: &SchemaRef, rows: Vec<Sparse<'_>>) -> Result<RecordBatch> {
    let blank: Vec<Cell> = schema.fields().iter().map(blank).collect();
    let full = rows.into_iter().map(|row| {
        let mut cells = blank.clone();
        for (name, cell) in row {
            let at = schema.index_of(name)?;
            cells[at] = cell;
        }
        Ok(cells)
    });
    batch(schema, full.collect::<Result<Vec<_>>>()?)
}

fn blank(field: &FieldRef) -> Cell {
    match field.data_type() {
        _ if field.is_nullable() => Cell::Null,
        DataType::Boolean => Cell::Bool(false),
        DataType::Utf8 => Cell::Text(String::new()),
        DataType::List(_) => Cell::List(vec![]),
        DataType::Float32 | DataType::Float64 => Cell::Float(0.0),
        _ => Cell::Int(0),
    }
}

/// A batch from complete rows.
pub(super) fn batch(schema: &SchemaRef, rows: Vec<Vec<Cell>>) -> Result<RecordBatch> {
    let mut columns: Vec<Vec<Cell>> =
        schema.fields().iter().map(|_| Vec::with_capacity(rows.len())).collect();
    for row in rows {
        if row.len() != columns.len() {
            return exec_err!("a catalog row has {} of {} columns", row.len(), columns.len());
        }
        for (column, cell) in columns.iter_mut().zip(row) {
            column.push(cell);
        }
    }
    let fields = schema.fields().iter().zip(&columns);
    let arrays = fields.map(|(field, cells)| column(field.data_type(), cells));
    Ok(RecordBatch::try_new(Arc::clone(schema), arrays.collect::<Result<Vec<_>>>()?)?)
}

/// An array of that type.
pub(super) fn column(data_type: &DataType, cells: &[Cell]) -> Result<ArrayRef> {
    if cells.iter().all(|cell| *cell == Cell::Null) {
        return Ok(new_null_array(data_type, cells.len()));
    }
    let ints = || cells.iter().map(int);
    Ok(match data_type {
        DataType::Boolean => Arc::new(cells.iter().map(boolean).collect::<BooleanArray>()),
        DataType::Int16 => Arc::new(narrow::<i16>(cells)?.into_iter().collect::<Int16Array>()),
        DataType::Int32 => Arc::new(narrow::<i32>(cells)?.into_iter().collect::<Int32Array>()),
        DataType::UInt32 => Arc::new(narrow::<u32>(cells)?.into_iter().collect::<UInt32Array>()),
        DataType::Int64 => Arc::new(ints().collect::<Int64Array>()),
        DataType::Decimal128(precision, scale) => Arc::new(
            ints()
                .map(|value| value.map(i128::from))
                .collect::<Decimal128Array>()
                .with_precision_and_scale(*precision, *scale)?,
        ),
        DataType::Float32 => {
            Arc::new(cells.iter().map(|c| float(c).map(|v| v as f32)).collect::<Float32Array>())
        }
        DataType::Float64 => Arc::new(cells.iter().map(float).collect::<Float64Array>()),
        DataType::Utf8 => Arc::new(cells.iter().map(text).collect::<StringArray>()),
        DataType::Binary => {
            Arc::new(cells.iter().map(|c| text(c).map(str::as_bytes)).collect::<BinaryArray>())
        }
        DataType::Timestamp(_, zone) => {
            Arc::new(ints().collect::<TimestampMicrosecondArray>().with_timezone_opt(zone.clone()))
        }
        DataType::Interval(_) => {
            Arc::new(ints().map(|v| v.map(seconds_interval)).collect::<IntervalMonthDayNanoArray>())
        }
        DataType::List(item) => list(item, cells)?,
        other => return exec_err!("catalogs have no column of type {other}"),
    })
}

fn list(item: &FieldRef, cells: &[Cell]) -> Result<ArrayRef> {
    let mut values = vec![];
    let mut lengths = Vec::with_capacity(cells.len());
    for cell in cells {
        let before = values.len();
        if let Cell::List(items) = cell {
            values.extend(items.iter().cloned());
        }
        lengths.push(values.len() - before);
    }
    let nulls: NullBuffer = cells.iter().map(|cell| *cell != Cell::Null).collect();
    let values = column(item.data_type(), &values)?;
    let offsets = OffsetBuffer::from_lengths(lengths);
    Ok(Arc::new(ListArray::try_new(Arc::clone(item), offsets, values, Some(nulls))?))
}

fn seconds_interval(seconds: i64) -> IntervalMonthDayNano {
    IntervalMonthDayNanoType::make_value(0, 0, seconds * 1_000_000_000)
}

fn int(cell: &Cell) -> Option<i64> {
    if let Cell::Int(value) = cell { Some(*value) } else { None }
}

fn narrow<T: TryFrom<i64>>(cells: &[Cell]) -> Result<Vec<Option<T>>> {
    let fit = |value| T::try_from(value).map_err(|_| exec_datafusion_err!("{value} is too large"));
    cells.iter().map(|cell| int(cell).map(fit).transpose()).collect()
}

fn boolean(cell: &Cell) -> Option<bool> {
    if let Cell::Bool(value) = cell { Some(*value) } else { None }
}

fn float(cell: &Cell) -> Option<f64> {
    if let Cell::Float(value) = cell { Some(*value) } else { None }
}

fn text(cell: &Cell) -> Option<&str> {
    if let Cell::Text(value) = cell { Some(value) } else { None }
}

/// A cell from its text in COPY format.
pub(super) fn parse(data_type: &DataType, text: &str) -> Result<Cell> {
    if text == "\\N" {
        return Ok(Cell::Null);
    }
    let number = |_| exec_datafusion_err!("{text:?} is not a number");
    Ok(match data_type {
        DataType::Boolean => Cell::Bool(text == "t"),
        DataType::Utf8 => Cell::Text(unescape(text)),
        DataType::Float32 | DataType::Float64 => {
            Cell::Float(text.parse().map_err(|_| exec_datafusion_err!("{text:?}: no number"))?)
        }
        DataType::List(item) => Cell::List(parse_list(item.data_type(), text)?),
        _ => Cell::Int(text.parse().map_err(number)?),
    })
}

/// Items of `{a,b}` or, for the vector types, of `1 2`. No static row has a quoted item.
fn parse_list(item: &DataType, text: &str) -> Result<Vec<Cell>> {
    let (inner, separator) = match text.strip_prefix('{').and_then(|t| t.strip_suffix('}')) {
        Some(inner) => (inner, ','),
        None => (text, ' '),
    };
    let items = inner.split(separator).filter(|part| !part.is_empty());
    items.map(|part| parse(item, part.trim_matches('"'))).collect()
}

/// What a field in COPY format stands for.
pub(super) fn unescape(text: &str) -> String {
    if !text.contains('\\') {
        return text.to_owned();
    }
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => plain.extend(chars.next().map(|escaped| match escaped {
                'n' => '\n',
                't' => '\t',
                other => other,
            })),
            c => plain.push(c),
        }
    }
    plain
}

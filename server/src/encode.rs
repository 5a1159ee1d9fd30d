//! Rows as the client gets them: the hot path. In: record batches, the formats of Bind, the
//! session's options. Out: complete DataRow messages, or the text of single values.
//! It knows no socket and no query; a refused value leaves the rows before it whole.
//!
//! `bind` gives each column a writer (`cell`) for its Arrow and PostgreSQL types; the writers are
//! in `scalar`, `temporal`, `array` and `json`; how a value looks is in `number`, `numeric`,
//! `calendar`, `datetime` and `interval`. `copy` puts the same values into the messages of COPY.

use std::ops::Range;
use std::sync::Arc;

use bytes::BytesMut;
use datafusion::arrow::array::{Array, RecordBatch};
use datafusion::arrow::datatypes::{Field, Schema};

use crate::error::{PgError, PgResult, SqlState};
use crate::types::pg_type_of;

mod array;
mod bind;
mod calendar;
mod cell;
mod copy;
mod datetime;
mod interval;
mod json;
mod number;
mod numeric;
mod oid_names;
mod options;
mod scalar;
mod temporal;

pub use copy::{CopyEncoder, CopyForm, Lines, Quoting};
pub(crate) use datetime::{DAY_MICROS, EPOCH_DAYS};
pub use oid_names::{OidNames, named, named_type};
pub use options::{DateOrder, DateStyle, Format, FormatOptions, IntervalStyle, SessionZone};
pub(crate) use scalar::{parse_uuid, put_uuid};

use bind::{Binding, bind};
use cell::{BoxCell, Unwritable};

/// The limit of PostgreSQL's own tuples; the message could count to 32767.
const COLUMNS_MAX: usize = 1664;
/// Type byte, length, number of columns.
const ROW_HEADER_BYTES: usize = 7;

/// A column bound for writing single values: for COPY, casts and functions.
pub struct ColumnWriter(BoxCell);

impl ColumnWriter {
    /// Binds an array to the type of its field.
    pub fn bind(
        field: &Field,
        array: &dyn Array,
        format: Format,
        options: &FormatOptions,
    ) -> PgResult<Self> {
        bind(array, pg_type_of(field).oid, &Binding::new(format, options)).map(Self)
    }

    /// True if the row has no value.
    pub fn is_null(&self, row: usize) -> bool {
        self.0.is_null(row)
    }

    /// Appends the bytes of a value; nothing for NULL.
    pub fn write(&self, row: usize, out: &mut BytesMut) -> PgResult<()> {
        if self.0.is_null(row) {
            return Ok(());
        }
        Ok(self.0.put(row, out)?)
    }

    /// Appends a value with its length before it, -1 for NULL, as DataRow and binary COPY have it.
    pub fn write_field(&self, row: usize, out: &mut BytesMut) -> PgResult<()> {
        Ok(self.0.put_field(row, out)?)
    }
}

/// Appends one value as PostgreSQL prints it; false, and nothing appended, for NULL. For many rows
/// of an array bind a [`ColumnWriter`] once.
pub fn encode_value_text(
    array: &dyn Array,
    row: usize,
    options: &FormatOptions,
    out: &mut BytesMut,
) -> PgResult<bool> {
    let field = Field::new("", array.data_type().clone(), true);
    let value = array.slice(row, 1);
    let writer = ColumnWriter::bind(&field, value.as_ref(), Format::Text, options)?;
    writer.write(0, out)?;
    Ok(!writer.is_null(0))
}

/// The columns of one result, and how they are sent.
struct Columns {
    /// The type of each, and its format.
    columns: Vec<(u32, Format)>,
    options: FormatOptions,
    /// What oids are called, where some print as names.
    names: Option<Arc<dyn OidNames>>,
}

impl Columns {
    /// Binds some rows of a batch.
    fn bind(&self, batch: &RecordBatch, rows: &Range<usize>) -> PgResult<Vec<BoxCell>> {
        if batch.num_columns() != self.columns.len() {
            let message = "a batch of the result has another number of columns";
            return Err(PgError::new(SqlState::InternalError, message));
        }
        let columns = self.columns.iter().zip(batch.columns());
        columns
            .map(|((oid, format), array)| {
                // Sliced first, so that a small range of a large batch is cheap to bind.
                let mut array = array.slice(rows.start, rows.len());
                if let (Format::Text, Some(names)) = (format, &self.names) {
                    array = named(array, *oid, names.as_ref());
                }
                bind(array.as_ref(), *oid, &Binding::new(*format, &self.options))
            })
            .collect()
    }
}

/// Encodes the rows of one result.
pub struct RowEncoder(Columns);

impl RowEncoder {
    /// For results of this schema. As in Bind, no format means text for all columns, and a single
    /// one is for all.
    pub fn new(schema: &Schema, formats: &[Format], options: &FormatOptions) -> PgResult<Self> {
        let fields = schema.fields();
        if fields.len() > COLUMNS_MAX {
            return Err(PgError::new(
                SqlState::TooManyColumns,
                format!("target lists can have at most {COLUMNS_MAX} entries"),
            ));
        }
        if formats.len() > 1 && formats.len() != fields.len() {
            let (got, has) = (formats.len(), fields.len());
            return Err(PgError::new(
                SqlState::ProtocolViolation,
                format!("bind message has {got} result formats but query has {has} columns"),
            ));
        }
        let column = |(place, field): (usize, &Field)| {
            let format = formats.get(place).or(formats.first()).copied().unwrap_or_default();
            (pg_type_of(field).oid, format)
        };
        let columns = fields.iter().map(AsRef::as_ref).enumerate().map(column).collect();
        Ok(Self(Columns { columns, options: *options, names: None }))
    }

    /// The same with names for what prints as one.
    pub fn with_names(self, names: Option<Arc<dyn OidNames>>) -> Self {
        Self(Columns { names, ..self.0 })
    }

    /// Appends a DataRow for each of these rows of a batch. After an error `out` ends with the last
    /// row that could be written.
    pub fn encode(
        &mut self,
        batch: &RecordBatch,
        rows: Range<usize>,
        out: &mut BytesMut,
    ) -> PgResult<()> {
        let cells = self.0.bind(batch, &rows)?;
        let hint: usize = cells.iter().map(|cell| cell.bytes_hint()).sum();
        out.reserve(hint + ROW_HEADER_BYTES * rows.len());
        for row in 0..rows.len() {
            let at = out.len();
            if let Err(why) = put_row(&cells, row, out) {
                out.truncate(at);
                return Err(why.into());
            }
        }
        Ok(())
    }
}

/// One DataRow.
fn put_row(cells: &[BoxCell], row: usize, out: &mut BytesMut) -> Result<(), Unwritable> {
    let at = out.len();
    let [high, low] = (cells.len() as u16).to_be_bytes();
    out.extend_from_slice(&[b'D', 0, 0, 0, 0, high, low]);
    for cell in cells {
        cell.put_field(row, out)?;
    }
    end_message(out, at)
}

/// Writes how long the message is that begins at `at` and ends here.
fn end_message(out: &mut BytesMut, at: usize) -> Result<(), Unwritable> {
    // This length, unlike that of a field, counts its own four bytes.
    let length = i32::try_from(out.len() - at - 1).map_err(|_| Unwritable::TooLong)?;
    out[at + 1..at + 5].copy_from_slice(&length.to_be_bytes());
    Ok(())
}

#[cfg(test)]
mod tests;

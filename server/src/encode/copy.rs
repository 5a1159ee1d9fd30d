//! Rows as COPY sends them. In: record batches, what the statement says of their form. Out:
//! CopyData messages, one for each row as PostgreSQL has them, with what goes before the first and
//! after the last. The values are those of DataRow; here they only get their separators, escapes
//! and quotes. How COPY is written is not known here.

use std::ops::Range;
use std::sync::Arc;

use bytes::BytesMut;
use datafusion::arrow::array::RecordBatch;

use super::cell::{BoxCell, Unwritable};
use super::options::{Format, FormatOptions};
use super::{Columns, OidNames, end_message};
use crate::error::PgResult;
use crate::types::oid;
use crate::wire::backend::ResultColumn;

/// Type byte and length.
const MESSAGE_HEADER: [u8; 5] = [b'd', 0, 0, 0, 0];
/// What a binary COPY begins with: a signature, no flags, no extension.
const BINARY_HEAD: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// What it ends with: the number of columns that no row has.
const BINARY_TAIL: [u8; 2] = (-1_i16).to_be_bytes();
/// Besides letters and digits, what numbers and times may have in their texts.
const NUMBERS_AND_TIMES: &[u8] = b" +-:./@";

/// How the rows look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CopyForm {
    /// A line of text for each.
    Lines(Lines),
    /// Lengths and values.
    Binary,
}

/// How lines look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lines {
    /// Between two values.
    pub delimiter: u8,
    /// In place of NULL.
    pub null: Vec<u8>,
    /// Whether the names of the columns are the first line.
    pub has_header: bool,
    /// CSV; without it special characters have a backslash before them.
    pub quoting: Option<Quoting>,
}

/// How CSV is quoted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quoting {
    /// Around a value that needs it.
    pub quote: u8,
    /// Before a quote, and before itself, within one.
    pub escape: u8,
    /// The columns of which every value is quoted.
    pub forced: Vec<bool>,
}

impl CopyForm {
    /// The format of every value, as CopyOutResponse tells it.
    pub fn format(&self) -> Format {
        match self {
            Self::Lines(_) => Format::Text,
            Self::Binary => Format::Binary,
        }
    }
}

/// Encodes the rows of one COPY.
pub struct CopyEncoder {
    columns: Columns,
    writer: Writer,
    /// Whether what goes before the first row was written.
    has_begun: bool,
}

enum Writer {
    Lines(LineWriter),
    Binary,
}

impl CopyEncoder {
    /// For results of these columns.
    pub fn new(
        columns: &[ResultColumn],
        names: Option<Arc<dyn OidNames>>,
        form: &CopyForm,
        options: &FormatOptions,
    ) -> Self {
        let format = form.format();
        let writer = match form {
            CopyForm::Lines(lines) => Writer::Lines(LineWriter::new(columns, lines)),
            CopyForm::Binary => Writer::Binary,
        };
        let columns = columns.iter().map(|column| (column.column_type.oid, format)).collect();
        let columns = Columns { columns, options: *options, names };
        Self { columns, writer, has_begun: false }
    }

    /// Appends a message for each of these rows of a batch. After an error `out` ends with the last
    /// row that could be written.
    pub fn encode(
        &mut self,
        batch: &RecordBatch,
        rows: Range<usize>,
        out: &mut BytesMut,
    ) -> PgResult<()> {
        let cells = self.columns.bind(batch, &rows)?;
        let hint: usize = cells.iter().map(|cell| cell.bytes_hint()).sum();
        out.reserve(hint + (MESSAGE_HEADER.len() + 2) * rows.len());
        for row in 0..rows.len() {
            let at = out.len();
            if let Err(why) = self.put_row(&cells, row, out) {
                out.truncate(at);
                return Err(why.into());
            }
        }
        Ok(())
    }

    /// Appends what follows the last row.
    pub fn finish(&mut self, out: &mut BytesMut) -> PgResult<()> {
        self.begin(out)?;
        if matches!(self.writer, Writer::Binary) {
            let at = out.len();
            self.open(out);
            out.extend_from_slice(&BINARY_TAIL);
            end_message(out, at)?;
        }
        Ok(())
    }

    fn put_row(
        &mut self,
        cells: &[BoxCell],
        row: usize,
        out: &mut BytesMut,
    ) -> Result<(), Unwritable> {
        self.begin(out)?;
        let at = out.len();
        self.open(out);
        match &mut self.writer {
            Writer::Lines(writer) => writer.put_row(cells, row, out)?,
            Writer::Binary => {
                out.extend_from_slice(&(cells.len() as u16).to_be_bytes());
                for cell in cells {
                    cell.put_field(row, out)?;
                }
            }
        }
        end_message(out, at)
    }

    /// A message of its own for the names of the columns.
    fn begin(&mut self, out: &mut BytesMut) -> Result<(), Unwritable> {
        let Writer::Lines(writer) = &mut self.writer else { return Ok(()) };
        if std::mem::replace(&mut self.has_begun, true) || writer.names.is_empty() {
            return Ok(());
        }
        let at = out.len();
        out.extend_from_slice(&MESSAGE_HEADER);
        writer.put_names(out);
        end_message(out, at)
    }

    /// Begins a message. The head of a binary COPY has none of its own.
    fn open(&mut self, out: &mut BytesMut) {
        out.extend_from_slice(&MESSAGE_HEADER);
        if matches!(self.writer, Writer::Binary) && !self.has_begun {
            self.has_begun = true;
            out.extend_from_slice(BINARY_HEAD);
        }
    }
}

/// Writes lines.
struct LineWriter {
    lines: Lines,
    /// Of the columns, when they are the first line.
    names: Vec<String>,
    /// Of each column, whether its values can have nothing special in them.
    is_plain: Vec<bool>,
    /// Of each byte: what stands for it behind a backslash, or in CSV that it makes quotes
    /// necessary. 0 where it may stand as it is.
    special: Box<[u8; 256]>,
    /// A value, while it is put differently.
    value: Vec<u8>,
}

impl LineWriter {
    fn new(columns: &[ResultColumn], lines: &Lines) -> Self {
        let names = match lines.has_header {
            true => columns.iter().map(|column| column.name.clone()).collect(),
            false => vec![],
        };
        let is_plain = columns.iter().map(|column| is_plain(column.column_type.oid, lines));
        Self {
            names,
            is_plain: is_plain.collect(),
            special: special(lines),
            value: vec![],
            lines: lines.clone(),
        }
    }

    fn put_row(
        &mut self,
        cells: &[BoxCell],
        row: usize,
        out: &mut BytesMut,
    ) -> Result<(), Unwritable> {
        for (place, cell) in cells.iter().enumerate() {
            if place > 0 {
                out.extend_from_slice(&[self.lines.delimiter]);
            }
            if cell.is_null(row) {
                out.extend_from_slice(&self.lines.null);
                continue;
            }
            let at = out.len();
            cell.put(row, out)?;
            let quoting = self.lines.quoting.as_ref();
            let is_forced = quoting.is_some_and(|quoting| quoting.forced.get(place) == Some(&true));
            if is_forced || !self.is_plain[place] {
                self.guard(at, is_forced, cells.len() == 1, out);
            }
        }
        out.extend_from_slice(b"\n");
        Ok(())
    }

    fn put_names(&mut self, out: &mut BytesMut) {
        let names = std::mem::take(&mut self.names);
        for (place, name) in names.iter().enumerate() {
            if place > 0 {
                out.extend_from_slice(&[self.lines.delimiter]);
            }
            let at = out.len();
            out.extend_from_slice(name.as_bytes());
            self.guard(at, false, names.len() == 1, out);
        }
        out.extend_from_slice(b"\n");
    }

    /// Escapes or quotes the value that begins at `at`, if it needs that.
    fn guard(&mut self, at: usize, is_forced: bool, is_alone: bool, out: &mut BytesMut) {
        let Some(quoting) = &self.lines.quoting else {
            self.escape(at, out);
            return;
        };
        let value = &out[at..];
        let is_needed = is_forced
            || value == self.lines.null
            // Alone on a line it would end the data.
            || is_alone && value == b"\\."
            || value.iter().any(|byte| self.special[usize::from(*byte)] != 0);
        if !is_needed {
            return;
        }
        let (quote, escape) = (quoting.quote, quoting.escape);
        self.value.clear();
        self.value.extend_from_slice(value);
        out.truncate(at);
        out.extend_from_slice(&[quote]);
        let mut rest = self.value.as_slice();
        while let Some(end) = rest.iter().position(|byte| *byte == quote || *byte == escape) {
            out.extend_from_slice(&rest[..end]);
            out.extend_from_slice(&[escape, rest[end]]);
            rest = &rest[end + 1..];
        }
        out.extend_from_slice(rest);
        out.extend_from_slice(&[quote]);
    }

    fn escape(&mut self, at: usize, out: &mut BytesMut) {
        let special =
            |bytes: &[u8]| bytes.iter().position(|byte| self.special[usize::from(*byte)] != 0);
        let Some(first) = special(&out[at..]) else { return };
        self.value.clear();
        self.value.extend_from_slice(&out[at + first..]);
        out.truncate(at + first);
        let mut rest = self.value.as_slice();
        while let Some(end) = special(rest) {
            out.extend_from_slice(&rest[..end]);
            out.extend_from_slice(&[b'\\', self.special[usize::from(rest[end])]]);
            rest = &rest[end + 1..];
        }
        out.extend_from_slice(rest);
    }
}

fn special(lines: &Lines) -> Box<[u8; 256]> {
    let mut special = Box::new([0; 256]);
    let mut set = |byte: u8, letter| special[usize::from(byte)] = letter;
    set(lines.delimiter, lines.delimiter);
    match &lines.quoting {
        Some(quoting) => [quoting.quote, b'\n', b'\r'].into_iter().for_each(|byte| set(byte, byte)),
        None => {
            let letters = [
                (b'\\', b'\\'),
                (8, b'b'),
                (b'\t', b't'),
                (b'\n', b'n'),
                (11, b'v'),
                (12, b'f'),
                (b'\r', b'r'),
            ];
            letters.into_iter().for_each(|(byte, letter)| set(byte, letter));
        }
    }
    special
}

/// Whether no value of the type has anything in its text that lines use otherwise.
fn is_plain(type_oid: u32, lines: &Lines) -> bool {
    let is_simple = matches!(
        type_oid,
        oid::BOOL
            | oid::INT2
            | oid::INT4
            | oid::INT8
            | oid::OID
            | oid::FLOAT4
            | oid::FLOAT8
            | oid::NUMERIC
            | oid::DATE
            | oid::TIME
            | oid::TIMESTAMP
            | oid::TIMESTAMPTZ
            | oid::INTERVAL
            | oid::UUID
    );
    let is_foreign = |byte: &u8| !byte.is_ascii_alphanumeric() && !NUMBERS_AND_TIMES.contains(byte);
    let keeps_apart = |quoting: &Quoting| {
        let null = &lines.null;
        is_foreign(&quoting.quote) && (null.is_empty() || null.iter().any(is_foreign))
    };
    is_simple && is_foreign(&lines.delimiter) && lines.quoting.as_ref().is_none_or(keeps_apart)
}

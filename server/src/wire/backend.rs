//! What clients get. In: values. Out: messages appended to a buffer. The rows themselves are
//! written by [`crate::encode`].

use bytes::{BufMut, BytesMut};
use pgwire::messages::Message as _;
use pgwire::messages::response::{
    CommandComplete, EmptyQueryResponse, ErrorResponse, NoticeResponse, ReadyForQuery,
    TransactionStatus,
};
use pgwire::messages::startup::{Authentication, ParameterStatus};
use pgwire::messages::{data, extendedquery as extended};

use crate::encode::Format;
use crate::error::{PgError, Severity};
use crate::types::ColumnType;

/// Text fields of an error beyond this are cut: libpq refuses messages over 30,000 bytes.
const FIELD_MAX_BYTES: usize = 8_000;

/// One column of a result, as RowDescription tells it.
#[derive(Debug, Clone, PartialEq)]
pub struct ResultColumn {
    /// Shown name.
    pub name: String,
    /// The type.
    pub column_type: ColumnType,
}

/// Appends an ErrorResponse or NoticeResponse.
pub fn error(out: &mut BytesMut, error: &PgError) {
    let fields = fields(error);
    let written = match error.severity {
        Severity::Notice | Severity::Warning => NoticeResponse::new(fields).encode(out),
        Severity::Error | Severity::Fatal => ErrorResponse::new(fields).encode(out),
    };
    debug_assert!(written.is_ok(), "fields are cut to fit");
}

fn fields(error: &PgError) -> Vec<(u8, String)> {
    let word = error.severity.word().to_owned();
    let mut fields = vec![
        (b'S', word.clone()),
        (b'V', word),
        (b'C', error.state.code().to_owned()),
        (b'M', clean(&error.message)),
    ];
    fields.extend(error.detail.as_deref().map(|text| (b'D', clean(text))));
    fields.extend(error.hint.as_deref().map(|text| (b'H', clean(text))));
    fields.extend(error.position.map(|position| (b'P', position.to_string())));
    fields
}

/// Without NUL, which ends a field on the wire, and not longer than a client accepts.
fn clean(text: &str) -> String {
    let mut text = text.replace('\0', "");
    if text.len() > FIELD_MAX_BYTES {
        text.truncate(text.floor_char_boundary(FIELD_MAX_BYTES));
        text.push_str("...");
    }
    text
}

/// Appends a CommandComplete.
pub fn complete(out: &mut BytesMut, tag: &str) {
    put(out, &CommandComplete::new(tag.to_owned()));
}

/// Appends an EmptyQueryResponse.
pub fn empty_query(out: &mut BytesMut) {
    put(out, &EmptyQueryResponse::new());
}

/// Appends a ReadyForQuery.
pub fn ready(out: &mut BytesMut, status: TransactionStatus) {
    put(out, &ReadyForQuery::new(status));
}

/// Appends a ParameterStatus.
pub fn parameter(out: &mut BytesMut, name: &str, value: &str) {
    put(out, &ParameterStatus::new(name.to_owned(), value.to_owned()));
}

/// Appends an Authentication request or answer.
pub fn authentication(out: &mut BytesMut, message: &Authentication) {
    put(out, message);
}

/// Appends a BackendKeyData: what a cancel request must show.
pub fn key_data(out: &mut BytesMut, pid: i32, secret: &[u8]) {
    out.put_u8(b'K');
    out.put_i32(8 + secret.len() as i32);
    out.put_i32(pid);
    out.put_slice(secret);
}

/// Appends a NotificationResponse: what session `pid` said on a channel.
pub fn notification(out: &mut BytesMut, pid: i32, channel: &str, payload: &str) {
    out.put_u8(b'A');
    out.put_i32(4 + 4 + channel.len() as i32 + 1 + payload.len() as i32 + 1);
    out.put_i32(pid);
    for text in [channel, payload] {
        out.put_slice(text.as_bytes());
        out.put_u8(0);
    }
}

/// Appends a NegotiateProtocolVersion: the newest minor version, and options not known here.
pub fn negotiate_version(out: &mut BytesMut, minor: u16, unknown: &[String]) {
    out.put_u8(b'v');
    let bytes: usize = unknown.iter().map(|name| name.len() + 1).sum();
    out.put_i32(12 + bytes as i32);
    out.put_i32((3 << 16) | i32::from(minor));
    out.put_i32(unknown.len() as i32);
    for name in unknown {
        out.put_slice(name.as_bytes());
        out.put_u8(0);
    }
}

/// Appends a ParseComplete.
pub fn parse_complete(out: &mut BytesMut) {
    put(out, &extended::ParseComplete::new());
}

/// Appends a BindComplete.
pub fn bind_complete(out: &mut BytesMut) {
    put(out, &extended::BindComplete::new());
}

/// Appends a CloseComplete.
pub fn close_complete(out: &mut BytesMut) {
    put(out, &extended::CloseComplete::new());
}

/// Appends a PortalSuspended.
pub fn suspended(out: &mut BytesMut) {
    put(out, &extended::PortalSuspended::new());
}

/// Appends a NoData.
pub fn no_data(out: &mut BytesMut) {
    put(out, &data::NoData::new());
}

/// Appends a ParameterDescription.
pub fn parameters(out: &mut BytesMut, types: &[u32]) {
    put(out, &data::ParameterDescription::new(types.to_vec()));
}

/// Appends a RowDescription. Written here and not by pgwire, whose length limit is below what
/// 1,600 columns with long names need.
pub fn row_description(out: &mut BytesMut, columns: &[ResultColumn], formats: &[Format]) {
    out.put_u8(b'T');
    let start = out.len();
    out.put_i32(0);
    out.put_i16(columns.len() as i16);
    for (index, column) in columns.iter().enumerate() {
        out.put_slice(column.name.replace('\0', "").as_bytes());
        out.put_u8(0);
        // The base table and column are not known after planning.
        out.put_i32(0);
        out.put_i16(0);
        out.put_u32(column.column_type.oid);
        out.put_i16(column.column_type.typlen);
        out.put_i32(column.column_type.typmod);
        let binary = formats.get(index).is_some_and(|format| *format == Format::Binary);
        out.put_i16(i16::from(binary));
    }
    let length = (out.len() - start) as i32;
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
}

/// Appends a CopyOutResponse: so many columns will come in CopyData, all in this format.
pub fn copy_out(out: &mut BytesMut, columns: usize, format: Format) {
    out.put_u8(b'H');
    out.put_i32(4 + 1 + 2 + 2 * columns as i32);
    out.put_u8(format.code() as u8);
    out.put_i16(columns as i16);
    for _ in 0..columns {
        out.put_i16(format.code());
    }
}

/// Appends a CopyDone.
pub fn copy_done(out: &mut BytesMut) {
    out.put_u8(b'c');
    out.put_i32(4);
}

fn put<M: pgwire::messages::Message>(out: &mut BytesMut, message: &M) {
    let written = message.encode(out);
    debug_assert!(written.is_ok(), "messages of ours are small");
}

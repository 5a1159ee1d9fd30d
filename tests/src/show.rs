//! A server's message as one line of text, as wire scripts have it. In: a message. Out: its name
//! and what of it does not differ between servers. Knows no script.

use serde_json::{Value, json};

use crate::wire::{Message, cells, described, report, texts};

/// The line for a message: a name, then JSON where there is something to tell.
pub fn line(message: &Message, binary: &[bool]) -> String {
    let (name, value) = parts(message, binary);
    match value {
        Value::Null => name.to_owned(),
        value => format!("{name} {value}"),
    }
}

/// Name and content.
pub fn parts(message: &Message, binary: &[bool]) -> (&'static str, Value) {
    let body = &message.body;
    match message.tag {
        b'1' => ("ParseComplete", Value::Null),
        b'2' => ("BindComplete", Value::Null),
        b'3' => ("CloseComplete", Value::Null),
        b'A' => ("NotificationResponse", json!(texts(body.get(4..).unwrap_or_default()))),
        b'C' => ("CommandComplete", json!(texts(body).concat())),
        b'D' => ("DataRow", row(message, binary)),
        b'E' => ("ErrorResponse", fields(message)),
        b'H' => ("CopyOutResponse", copied(body)),
        b'I' => ("EmptyQueryResponse", Value::Null),
        b'K' => ("BackendKeyData", Value::Null),
        b'N' => ("NoticeResponse", fields(message)),
        b'R' => ("Authentication", json!(body.get(3))),
        b'S' => ("ParameterStatus", json!(texts(body))),
        b'T' => ("RowDescription", columns(message)),
        b'c' => ("CopyDone", Value::Null),
        b'd' => ("CopyData", data(body)),
        b'Z' => ("ReadyForQuery", json!(String::from_utf8_lossy(body))),
        b'n' => ("NoData", Value::Null),
        b's' => ("PortalSuspended", Value::Null),
        b't' => ("ParameterDescription", types(body)),
        b'v' => ("NegotiateProtocolVersion", Value::Null),
        _ => ("Unknown", json!([message.tag, body.len()])),
    }
}

fn fields(message: &Message) -> Value {
    let report = report(&message.body);
    let told = report.fields.into_iter().map(|(letter, text)| (letter.to_string(), json!(text)));
    Value::Object(told.collect())
}

fn columns(message: &Message) -> Value {
    let column = |(name, oid, format): (String, u32, u16)| match format {
        0 => format!("{name}:{oid}"),
        _ => format!("{name}:{oid}:binary"),
    };
    described(&message.body).into_iter().map(column).collect()
}

fn row(message: &Message, binary: &[bool]) -> Value {
    let cells = cells(&message.body).into_iter().enumerate().map(|(index, cell)| match cell {
        None => Value::Null,
        Some(cell) if binary.get(index) == Some(&true) => {
            json!(cell.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
        }
        Some(cell) => json!(String::from_utf8_lossy(&cell)),
    });
    cells.collect()
}

/// The format of a COPY and that of each column.
fn copied(body: &[u8]) -> Value {
    let formats = body.get(3..).unwrap_or_default().chunks(2).map(|code| code.last());
    json!([body.first(), formats.collect::<Vec<_>>()])
}

/// Text, or what is none in hexadecimal digits.
fn data(body: &[u8]) -> Value {
    match std::str::from_utf8(body) {
        Ok(text) => json!(text),
        Err(_) => json!({ "hex": body.iter().map(|b| format!("{b:02x}")).collect::<String>() }),
    }
}

fn types(body: &[u8]) -> Value {
    let number = |chunk: &[u8]| chunk.iter().fold(0, |sum: u32, byte| sum << 8 | u32::from(*byte));
    body.get(2..).unwrap_or_default().chunks(4).map(number).collect()
}

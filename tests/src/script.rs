//! Conversations with a server as text files: messages sent, messages seen. In: a script, a URI.
//! Out: a sentence for the first message that is not the expected one.
//!
//! ```text
//! # A comment. The line `mobula-only` keeps a script from PostgreSQL.
//! send Query "select 1"
//! expect
//! RowDescription ["?column?:23"]
//! DataRow ["1"]
//! CommandComplete "SELECT 1"
//! ReadyForQuery "I"
//! ```
//!
//! A block of `expect` ends with an empty line; each line of it is one message. What a line says
//! in JSON must be in the message: an object may leave out fields, a name alone any content.
//! `Closed` stands for the end of the connection, `reconnect` starts a session anew, `open` a
//! connection without one, and `bytes 58 00 ...` sends just these.

use std::str::FromStr;

use serde_json::Value;

use crate::frames::{self, Bind};
use crate::show;
use crate::uri::Uri;
use crate::wire::{Message, Wire, described};

/// A parsed script.
#[derive(Debug)]
pub struct Script {
    /// Not for PostgreSQL: it shows what is our own.
    pub mobula_only: bool,
    steps: Vec<(usize, Step)>,
}

#[derive(Debug)]
enum Step {
    Send(Vec<u8>),
    Expect(String),
    Reconnect,
    Open,
}

impl FromStr for Script {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut script = Self { mobula_only: false, steps: vec![] };
        let mut expecting = false;
        for (index, line) in text.lines().enumerate() {
            let line = line.trim_end();
            if line.starts_with('#') {
                continue;
            }
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            let step = match word {
                "" => {
                    expecting = false;
                    continue;
                }
                _ if expecting => Step::Expect(line.to_owned()),
                "expect" => {
                    expecting = true;
                    continue;
                }
                "mobula-only" => {
                    script.mobula_only = true;
                    continue;
                }
                "reconnect" => Step::Reconnect,
                "open" => Step::Open,
                "bytes" => Step::Send(hex(rest).ok_or_else(|| wrong(index, line))?),
                "send" => Step::Send(frame(rest).ok_or_else(|| wrong(index, line))?),
                _ => return Err(wrong(index, line)),
            };
            script.steps.push((index + 1, step));
        }
        Ok(script)
    }
}

fn wrong(index: usize, line: &str) -> String {
    format!("line {}: not a step: {line}", index + 1)
}

fn hex(text: &str) -> Option<Vec<u8>> {
    text.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).ok()).collect()
}

/// The bytes of `Parse {"sql": ...}` and the like.
fn frame(text: &str) -> Option<Vec<u8>> {
    let (name, json) = text.split_once(' ').unwrap_or((text, "null"));
    let value: Value = serde_json::from_str(json).ok()?;
    let word = |key: &str| value[key].as_str().unwrap_or_default();
    let numbers = |key: &str| value[key].as_array().cloned().unwrap_or_default();
    let kind =
        || if value["statement"].is_string() { (b'S', "statement") } else { (b'P', "portal") };
    Some(match name {
        "Query" => frames::query(value.as_str()?),
        "Parse" => {
            let types = numbers("types");
            let types: Vec<_> = types.iter().filter_map(Value::as_u64).map(|t| t as u32).collect();
            frames::parse(word("name"), word("sql"), &types)
        }
        "Bind" => {
            let codes =
                |key| numbers(key).iter().filter_map(Value::as_u64).map(|c| c as u16).collect();
            let values = numbers("values").iter().map(parameter).collect::<Option<Vec<_>>>()?;
            Bind {
                portal: word("portal"),
                statement: word("statement"),
                formats: codes("formats"),
                values,
                results: codes("results"),
            }
            .frame()
        }
        "CopyData" => frames::message(b'd', value.as_str()?.as_bytes()),
        "CopyDone" => frames::message(b'c', b""),
        "CopyFail" => frames::message(b'f', &frames::text(value.as_str()?)),
        "Describe" => frames::describe(kind().0, word(kind().1)),
        "Close" => frames::close(kind().0, word(kind().1)),
        "Execute" => {
            frames::execute(word("portal"), value["max_rows"].as_u64().unwrap_or(0) as u32)
        }
        "Flush" => frames::flush(),
        "Sync" => frames::sync(),
        "Terminate" => frames::terminate(),
        _ => return None,
    })
}

/// A parameter: text, null, or `{"hex": "00 01"}`.
fn parameter(value: &Value) -> Option<Option<Vec<u8>>> {
    match value {
        Value::Null => Some(None),
        Value::String(text) => Some(Some(text.clone().into_bytes())),
        other => hex(other["hex"].as_str()?).map(Some),
    }
}

/// Plays a script in a fresh session.
///
/// # Errors
/// The first message that was not expected.
pub async fn play(script: &Script, uri: &Uri) -> Result<(), String> {
    let mut wire = Wire::login(uri).await;
    let mut binary: Vec<bool> = vec![];
    for (line, step) in &script.steps {
        match step {
            // A server that has closed the connection is seen by what is expected next.
            Step::Send(bytes) => drop(wire.try_send(bytes).await),
            Step::Reconnect => wire = Wire::login(uri).await,
            Step::Open => wire = Wire::open(uri).await.map_err(|error| error.to_string())?,
            Step::Expect(expected) => {
                let message = wire.receive().await;
                if let Some(Message { tag: b'T', body }) = &message {
                    binary =
                        described(body).into_iter().map(|(_, _, format)| format == 1).collect();
                }
                let got = message.as_ref().map(|message| show::line(message, &binary));
                if !matches(expected, message.as_ref(), &binary) {
                    let got = got.unwrap_or_else(|| "Closed".to_owned());
                    return Err(format!("line {line}: expected {expected}\n  got {got}"));
                }
            }
        }
    }
    Ok(())
}

fn matches(expected: &str, message: Option<&Message>, binary: &[bool]) -> bool {
    let (name, json) = expected.split_once(' ').unwrap_or((expected, ""));
    let Some(message) = message else { return name == "Closed" };
    let (got_name, got) = show::parts(message, binary);
    if name != got_name {
        return false;
    }
    if json.is_empty() {
        return true;
    }
    match (serde_json::from_str::<Value>(json), got) {
        (Ok(Value::Object(wanted)), Value::Object(got)) => {
            wanted.iter().all(|(key, value)| got.get(key) == Some(value))
        }
        (Ok(wanted), got) => wanted == got,
        (Err(_), _) => false,
    }
}

//! What clients send, read strictly. In: one exact frame. Out: a message, or 08P01. Every count is
//! checked against the bytes that are there before anything is allocated, every text against its
//! encoding (22021). pgwire's decoders are not used: they repair bad UTF-8 and panic on short
//! bodies.

use bytes::{Buf, Bytes};

use super::frame::Frame;
use crate::error::{PgError, PgResult, SqlState};

/// A message of a session.
#[derive(Debug, PartialEq, Eq)]
pub enum Message {
    /// `Q`: statements as text.
    Query(String),
    /// `P`: prepare a statement.
    Parse {
        /// The statement's name; empty for the unnamed one.
        name: String,
        /// Its text.
        sql: String,
        /// The types of its first parameters; 0 for one that is not told.
        types: Vec<u32>,
    },
    /// `B`: a portal from a statement and values.
    Bind(Bind),
    /// `D`: describe a statement or a portal.
    Describe(Target),
    /// `E`: run a portal, at most so many rows (0: all).
    Execute {
        /// The portal's name.
        portal: String,
        /// Rows at most; 0 for all.
        max_rows: usize,
    },
    /// `C`: close a statement or a portal.
    Close(Target),
    /// `H`
    Flush,
    /// `S`
    Sync,
    /// `X`
    Terminate,
    /// `d`, `c`, `f`: parts of a COPY that this session is not in; ignored, as PostgreSQL does.
    Copy,
    /// `p`: an answer in a login.
    Password(Bytes),
}

/// A Bind message.
#[derive(Debug, PartialEq, Eq)]
pub struct Bind {
    /// The portal's name; empty for the unnamed one.
    pub portal: String,
    /// The statement's name.
    pub statement: String,
    /// 0 text, 1 binary; none, one for all, or one for each value.
    pub formats: Vec<i16>,
    /// The values; none for NULL.
    pub values: Vec<Option<Bytes>>,
    /// As `formats`, for the result.
    pub result_formats: Vec<i16>,
}

/// What Describe and Close name.
#[derive(Debug, PartialEq, Eq)]
pub enum Target {
    /// A prepared statement.
    Statement(String),
    /// A portal.
    Portal(String),
}

/// Reads one message.
///
/// # Errors
/// 08P01 (fatal) for what is no message, 22021 for text that is not UTF-8.
pub fn read(frame: Frame) -> PgResult<Message> {
    let mut body = Body(frame.body);
    let message = match frame.kind {
        b'Q' => Message::Query(body.text()?),
        b'P' => Message::Parse { name: body.text()?, sql: body.text()?, types: body.types()? },
        b'B' => Message::Bind(Bind {
            portal: body.text()?,
            statement: body.text()?,
            formats: body.formats()?,
            values: body.values()?,
            result_formats: body.formats()?,
        }),
        b'D' => Message::Describe(body.target()?),
        b'C' => Message::Close(body.target()?),
        b'E' => Message::Execute { portal: body.text()?, max_rows: body.max_rows()? },
        b'H' => Message::Flush,
        b'S' => Message::Sync,
        b'X' => Message::Terminate,
        b'd' | b'c' | b'f' => return Ok(Message::Copy),
        b'p' => return Ok(Message::Password(body.0)),
        kind => {
            let message = format!("invalid frontend message type {kind}");
            return Err(PgError::protocol(message));
        }
    };
    if body.0.has_remaining() { Err(malformed()) } else { Ok(message) }
}

struct Body(Bytes);

impl Body {
    fn text(&mut self) -> PgResult<String> {
        let end = self.0.iter().position(|byte| *byte == 0).ok_or_else(malformed)?;
        let text = self.0.split_to(end);
        self.0.advance(1);
        match std::str::from_utf8(&text) {
            Ok(text) => Ok(text.to_owned()),
            Err(error) => Err(bad_encoding(&text, error.valid_up_to())),
        }
    }

    fn count(&mut self, item_bytes: usize) -> PgResult<usize> {
        let count = usize::from(self.0.try_get_u16().map_err(|_| malformed())?);
        if count * item_bytes > self.0.len() { Err(malformed()) } else { Ok(count) }
    }

    fn types(&mut self) -> PgResult<Vec<u32>> {
        let count = self.count(4)?;
        Ok((0..count).map(|_| self.0.get_u32()).collect())
    }

    fn formats(&mut self) -> PgResult<Vec<i16>> {
        let count = self.count(2)?;
        Ok((0..count).map(|_| self.0.get_i16()).collect())
    }

    fn values(&mut self) -> PgResult<Vec<Option<Bytes>>> {
        let count = self.count(4)?;
        (0..count).map(|_| self.value()).collect()
    }

    fn value(&mut self) -> PgResult<Option<Bytes>> {
        match self.0.try_get_i32().map_err(|_| malformed())? {
            -1 => Ok(None),
            length => match usize::try_from(length) {
                Ok(length) if length <= self.0.len() => Ok(Some(self.0.split_to(length))),
                _ => Err(malformed()),
            },
        }
    }

    fn target(&mut self) -> PgResult<Target> {
        match self.0.try_get_u8().map_err(|_| malformed())? {
            b'S' => Ok(Target::Statement(self.text()?)),
            b'P' => Ok(Target::Portal(self.text()?)),
            _ => Err(malformed()),
        }
    }

    /// Zero and below mean all rows. The number is a limit and never a size to allocate.
    fn max_rows(&mut self) -> PgResult<usize> {
        let rows = self.0.try_get_i32().map_err(|_| malformed())?;
        Ok(usize::try_from(rows).unwrap_or(0))
    }
}

fn malformed() -> PgError {
    PgError::protocol("invalid message format")
}

/// 22021 with the first bad byte, as PostgreSQL writes it.
pub fn bad_encoding(bytes: &[u8], valid: usize) -> PgError {
    let bad: Vec<String> = bytes[valid..].iter().take(1).map(|b| format!("0x{b:02x}")).collect();
    PgError::new(
        SqlState::CharacterNotInRepertoire,
        format!("invalid byte sequence for encoding \"UTF8\": {}", bad.join(" ")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, body: &[u8]) -> Frame {
        Frame { kind, body: Bytes::copy_from_slice(body) }
    }

    #[test]
    fn every_cut_of_a_message_is_an_error_and_no_panic() {
        let whole: &[(u8, &[u8])] = &[
            (b'Q', b"select 1\0"),
            (b'P', b"s\0select $1\0\0\x01\0\0\0\x17"),
            (b'B', b"p\0s\0\0\x01\0\x01\0\x01\0\0\0\x04\0\0\0\x07\0\x01\0\x01"),
            (b'D', b"Ss\0"),
            (b'E', b"p\0\x7f\xff\xff\xff"),
            (b'C', b"Pp\0"),
        ];
        for (kind, body) in whole {
            assert!(read(frame(*kind, body)).is_ok());
            for end in 0..body.len() {
                assert!(read(frame(*kind, &body[..end])).is_err(), "{kind} cut at {end}");
            }
            let longer = [body, &b"\0"[..]].concat();
            assert!(read(frame(*kind, &longer)).is_err(), "{kind} with a byte more");
        }
    }

    #[test]
    fn a_count_is_not_believed() {
        let error = read(frame(b'B', b"\0\0\xff\xff")).expect_err("short");
        assert_eq!(error.state, SqlState::ProtocolViolation);
    }

    #[test]
    fn bad_utf8_is_named() {
        let error = read(frame(b'Q', b"select '\xff'\0")).expect_err("not UTF-8");
        assert_eq!(error.state, SqlState::CharacterNotInRepertoire);
    }
}

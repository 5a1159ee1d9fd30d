//! Exact, bounded frames from a byte stream. In: a socket and the longest message allowed now. Out:
//! a message's type and body, cut exactly. Memory follows the bytes that arrive, never the length
//! a frame claims. Knows no message.

use std::io;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadHalf, WriteHalf};

use crate::error::{PgError, PgResult};
use crate::limits::{IDLE_BUFFER_BYTES, READ_STEP_BYTES};

/// One message: its type byte and the bytes after its length.
#[derive(Debug)]
pub struct Frame {
    /// The type byte; 0 for the untyped messages before the session.
    pub kind: u8,
    /// The body, without type and length.
    pub body: Bytes,
}

/// Reads frames. Bytes after a frame stay for the next one.
#[derive(Debug)]
pub struct FrameReader<S> {
    stream: S,
    buffer: BytesMut,
    closed: bool,
}

impl<S: AsyncRead + Unpin> FrameReader<S> {
    /// Reads from `stream`.
    pub fn new(stream: S) -> Self {
        Self { stream, buffer: BytesMut::new(), closed: false }
    }

    /// Bytes read and not yet taken.
    pub fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// Whether the client closed its side.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// The stream, when nothing was read beyond the last frame.
    pub fn into_inner(self) -> S {
        self.stream
    }

    /// The next message of a session; none when the client left between messages.
    ///
    /// # Errors
    /// 08P01 for a length that cannot be; an end inside a message or a broken socket as such.
    ///
    /// # Cancel safety
    /// Safe: what was read stays.
    pub async fn message(&mut self, longest: usize) -> PgResult<Option<Frame>> {
        loop {
            if let Some(frame) = self.buffered_message(longest)? {
                return Ok(Some(frame));
            }
            if self.fill_up_to(longest).await.map_err(lost)? == 0 {
                return if self.buffer.is_empty() { Ok(None) } else { Err(cut_short()) };
            }
        }
    }

    /// The next message if all of it has been read.
    ///
    /// # Errors
    /// 08P01 for a length that cannot be.
    pub fn buffered_message(&mut self, longest: usize) -> PgResult<Option<Frame>> {
        let Some((&kind, rest)) = self.buffer.split_first() else { return Ok(None) };
        let Some(length) = claimed(rest) else { return Ok(None) };
        if length < 4 || length > longest {
            return Err(bad_length(length));
        }
        if self.buffer.len() < 1 + length {
            return Ok(None);
        }
        self.buffer.advance(5);
        let body = self.buffer.split_to(length - 4).freeze();
        Ok(Some(Frame { kind, body }))
    }

    /// The next untyped message (startup, SSLRequest, CancelRequest); none when the client left.
    ///
    /// # Errors
    /// As [`FrameReader::message`].
    ///
    /// # Cancel safety
    /// Safe: what was read stays.
    pub async fn untyped(&mut self, longest: usize) -> PgResult<Option<Frame>> {
        loop {
            if let Some(length) = claimed(&self.buffer) {
                if length < 8 || length > longest {
                    return Err(PgError::protocol("invalid length of startup packet"));
                }
                if self.buffer.len() >= length {
                    self.buffer.advance(4);
                    let body = self.buffer.split_to(length - 4).freeze();
                    return Ok(Some(Frame { kind: 0, body }));
                }
            }
            if self.fill_up_to(longest).await.map_err(lost)? == 0 {
                return if self.buffer.is_empty() { Ok(None) } else { Err(cut_short()) };
            }
        }
    }

    /// The number an untyped message begins with, without taking the message; none when the client
    /// left.
    ///
    /// # Errors
    /// As [`FrameReader::message`].
    ///
    /// # Cancel safety
    /// Safe: what was read stays.
    pub async fn untyped_code(&mut self, longest: usize) -> PgResult<Option<u32>> {
        loop {
            if let Some(length) = claimed(&self.buffer) {
                if length < 8 || length > longest {
                    return Err(PgError::protocol("invalid length of startup packet"));
                }
                if let Some(code) = self.buffer.get(4..).and_then(|rest| rest.first_chunk::<4>()) {
                    return Ok(Some(u32::from_be_bytes(*code)));
                }
            }
            if self.fill_up_to(longest).await.map_err(lost)? == 0 {
                return if self.buffer.is_empty() { Ok(None) } else { Err(cut_short()) };
            }
        }
    }

    /// The stream, to answer on.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.stream
    }

    /// Reads what is there, at most a step; 0 when the client closed its side.
    ///
    /// # Errors
    /// A broken socket.
    ///
    /// # Cancel safety
    /// Safe: `read_buf` either reads or does not.
    pub async fn fill(&mut self) -> io::Result<usize> {
        self.fill_up_to(usize::MAX).await
    }

    /// The same with at most a byte more in the buffer than a message of `longest`: the type byte,
    /// or one that shows that something follows.
    async fn fill_up_to(&mut self, longest: usize) -> io::Result<usize> {
        // An idle session holds a small buffer; a large message grows it as its bytes arrive.
        if self.buffer.is_empty() && self.buffer.capacity() > IDLE_BUFFER_BYTES {
            self.buffer = BytesMut::new();
        }
        let step = if self.buffer.is_empty() { IDLE_BUFFER_BYTES } else { READ_STEP_BYTES };
        // Never 0, which would look like the end.
        let room = step.min(longest.saturating_sub(self.buffer.len()).saturating_add(1));
        self.buffer.reserve(room);
        // The buffer may have grown by more than was asked.
        let read = self.stream.read_buf(&mut (&mut self.buffer).limit(room)).await?;
        self.closed |= read == 0;
        Ok(read)
    }
}

/// The length a frame claims, its own four bytes included.
fn claimed(bytes: &[u8]) -> Option<usize> {
    let length = bytes.first_chunk::<4>()?;
    // A negative length is one too large.
    Some(u32::from_be_bytes(*length) as usize)
}

impl<S: AsyncRead + AsyncWrite> FrameReader<S> {
    /// Parts the stream into its two directions; what was read stays with the reader.
    pub fn split(self) -> (FrameReader<ReadHalf<S>>, WriteHalf<S>) {
        let (stream, writer) = tokio::io::split(self.stream);
        (FrameReader { stream, buffer: self.buffer, closed: self.closed }, writer)
    }
}

fn bad_length(length: usize) -> PgError {
    PgError::protocol("invalid message length").detail(format!("The length is {length} bytes."))
}

fn cut_short() -> PgError {
    PgError::protocol("unexpected end of the connection inside a message")
}

fn lost(error: io::Error) -> PgError {
    PgError::fatal(crate::error::SqlState::ConnectionFailure, "connection to client lost")
        .detail(error.kind().to_string())
}

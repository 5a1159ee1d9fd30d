//! Fuzzes the bytes of a session. In: what a client sends after its login. Out: nothing, or a panic
//! when they are not cut exactly where their lengths say, when a message is not what its bytes are,
//! when the pieces in which they arrive matter, or when more is held than arrived.

#![no_main]

use bytes::{BufMut, Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;
use mobula_fuzz::error::{PgError, PgResult, Severity};
use mobula_fuzz::limits::READ_STEP_BYTES;
use mobula_fuzz::memory;
use mobula_fuzz::stream::{TcpStream, finish, once};
use mobula_fuzz::wire::frame::{Frame, FrameReader};
use mobula_fuzz::wire::frontend::{Bind, Message, Target, read};

/// The default of `max_message_size`: far more than arrives, so that a claim that is believed
/// shows in the memory.
const LONGEST: usize = 64 << 20;
/// A bound that many lengths exceed.
const SHORT: usize = 300;
/// Longer streams are not sent byte by byte: that takes too long.
const BY_BYTE_MAX: usize = 4 << 10;

/// How messages are asked for.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    /// One after the other, as a login does.
    Message,
    /// From what was read, and then more is read, as a session does.
    Fill,
}

fuzz_target!(|data: &[u8]| {
    // Pieces that the fuzzer chooses.
    let pieces: Vec<usize> = data.iter().take(8).map(|byte| usize::from(*byte) + 1).collect();
    let pieces = if pieces.is_empty() { vec![1] } else { pieces };
    let whole = messages(data, &[usize::MAX], LONGEST, Way::Message);
    assert_eq!(whole, messages(data, &pieces, LONGEST, Way::Fill), "the pieces matter");
    if data.len() <= BY_BYTE_MAX {
        assert_eq!(whole, messages(data, &[1], LONGEST, Way::Message), "single bytes matter");
    }
    let short = messages(data, &pieces, SHORT, Way::Message);
    assert_eq!(short, messages(data, &[usize::MAX], SHORT, Way::Fill), "the pieces matter");
    // Some streams with long messages around them, where the buffer has grown over many steps.
    // Few: they take a hundred times as long.
    if data.iter().fold(0, |sum: u8, byte| sum.wrapping_mul(31).wrapping_add(*byte)) == 0 {
        let long = [long_message().as_ref(), data, long_message().as_ref()].concat();
        let pieces: Vec<usize> = pieces.iter().map(|size| size * 1024).collect();
        let found = messages(&long, &pieces, LONGEST, Way::Fill);
        assert_eq!(found, messages(&long, &[usize::MAX], LONGEST, Way::Fill), "the pieces matter");
        assert_eq!(found, messages(&long, &[usize::MAX], LONGEST, Way::Message), "how matters");
        assert!(found.get(1..).is_some_and(|rest| rest.starts_with(&whole)), "a neighbour matters");
    }
});

/// Part of a COPY, three steps long.
fn long_message() -> Bytes {
    let length = 3 * READ_STEP_BYTES;
    let mut out = BytesMut::zeroed(1 + length);
    out[0] = b'd';
    out[1..5].copy_from_slice(&u32::try_from(length).expect("a length of 32 bits").to_be_bytes());
    out.freeze()
}

/// All messages of a stream up to its end or the first that cannot be.
fn messages(data: &[u8], pieces: &[usize], longest: usize, way: Way) -> Vec<PgResult<Message>> {
    let socket = TcpStream::new(data, pieces);
    let record = socket.record();
    let mut reader = FrameReader::new(socket);
    let mut at = 0;
    let mut found = Vec::new();
    loop {
        let (frame, held) = memory::peak(|| match way {
            Way::Message => by_message(&mut reader, longest),
            Way::Fill => by_fill(&mut reader, longest),
        });
        // A buffer that doubles, and its successor while it is copied.
        let most = 4 * (data.len() + READ_STEP_BYTES);
        assert!(held <= most, "{held} bytes held for a stream of {}", data.len());
        let taken = frame.as_ref().map_or(0, |f| f.as_ref().map_or(0, |f| 5 + f.body.len()));
        let kept = taken + reader.buffered();
        // Only a session reads on while there is room.
        let more = if way == Way::Message { 1 } else { READ_STEP_BYTES };
        assert!(kept <= longest + more, "{kept} bytes kept, {longest} allowed");
        match (cut(&data[at..], longest), frame) {
            (Cut::Frame(kind, body), Ok(Some(frame))) => {
                assert!(frame.kind == kind && frame.body == body, "another frame at {at}");
                at += taken;
                assert_eq!(record.read.get() - reader.buffered(), at, "taken otherwise");
                found.push(decoded(frame));
            }
            (Cut::End, Ok(None)) => return found,
            (Cut::Broken, Err(error)) => {
                assert_eq!((error.state.code(), error.severity), ("08P01", Severity::Fatal));
                return found;
            }
            (_, frame) => panic!("at {at} the stream is cut into {frame:?}"),
        }
    }
}

/// Waits for a message; whoever waits is interrupted before each piece and begins again.
fn by_message(reader: &mut FrameReader<TcpStream>, longest: usize) -> PgResult<Option<Frame>> {
    loop {
        if let Some(frame) = once(reader.message(longest)) {
            return frame;
        }
    }
}

/// Reads on while there is no whole message.
fn by_fill(reader: &mut FrameReader<TcpStream>, longest: usize) -> PgResult<Option<Frame>> {
    loop {
        if let Some(frame) = reader.buffered_message(longest)? {
            return Ok(Some(frame));
        }
        let read = finish(reader.fill()).expect("this socket does not break");
        assert!(read <= READ_STEP_BYTES, "{read} bytes are more than a step");
        if read == 0 {
            assert!(reader.is_closed());
            let cut = PgError::protocol("cut short");
            return if reader.buffered() == 0 { Ok(None) } else { Err(cut) };
        }
    }
}

/// What comes next, told without the server's code.
enum Cut<'a> {
    Frame(u8, &'a [u8]),
    /// Not one byte.
    End,
    /// A length that cannot be, or fewer bytes than it.
    Broken,
}

fn cut(rest: &[u8], longest: usize) -> Cut<'_> {
    let Some((kind, rest)) = rest.split_first() else { return Cut::End };
    let Some(length) = rest.first_chunk::<4>() else { return Cut::Broken };
    let length = u32::from_be_bytes(*length) as usize;
    if length < 4 || length > longest {
        return Cut::Broken;
    }
    rest.get(4..length).map_or(Cut::Broken, |body| Cut::Frame(*kind, body))
}

/// The message of a frame, checked against the frame's bytes.
fn decoded(frame: Frame) -> PgResult<Message> {
    let (kind, body) = (frame.kind, frame.body.clone());
    let (message, held) = memory::peak(|| read(frame));
    // A value takes 32 bytes in a list that doubles, and at least four in the message.
    assert!(held <= 16 * body.len() + 4096, "{held} bytes held for {}", body.len());
    match &message {
        Ok(message) => assert!(is(message, kind, &body), "{message:?} is not {kind} {body:?}"),
        Err(error) => {
            let how = (error.state.code(), error.severity);
            let known = [("08P01", Severity::Fatal), ("22021", Severity::Error)];
            assert!(known.contains(&how), "{error:?}");
        }
    }
    message
}

/// Whether a message is what these bytes say and nothing else: it is written again.
fn is(message: &Message, kind: u8, body: &Bytes) -> bool {
    let mut out = BytesMut::new();
    let expected = match message {
        Message::Copy => return b"dcf".contains(&kind),
        Message::Password(data) => return kind == b'p' && data == body,
        Message::Execute { portal, max_rows } => {
            text(&mut out, portal);
            // Whatever is negative means all rows.
            let sent = body.last_chunk::<4>().map_or(0, |sent| i32::from_be_bytes(*sent));
            assert_eq!(*max_rows, usize::try_from(sent).unwrap_or(0));
            out.put_i32(sent);
            b'E'
        }
        Message::Query(sql) => {
            text(&mut out, sql);
            b'Q'
        }
        Message::Parse { name, sql, types } => {
            text(&mut out, name);
            text(&mut out, sql);
            count(&mut out, types.len());
            types.iter().for_each(|oid| out.put_u32(*oid));
            b'P'
        }
        Message::Bind(bind) => {
            put_bind(&mut out, bind);
            b'B'
        }
        Message::Describe(target) => {
            put_target(&mut out, target);
            b'D'
        }
        Message::Close(target) => {
            put_target(&mut out, target);
            b'C'
        }
        Message::Flush => b'H',
        Message::Sync => b'S',
        Message::Terminate => b'X',
    };
    kind == expected && out == body
}

fn put_bind(out: &mut BytesMut, bind: &Bind) {
    text(out, &bind.portal);
    text(out, &bind.statement);
    count(out, bind.formats.len());
    bind.formats.iter().for_each(|format| out.put_i16(*format));
    count(out, bind.values.len());
    for value in &bind.values {
        match value {
            None => out.put_i32(-1),
            Some(value) => {
                out.put_i32(i32::try_from(value.len()).expect("a value fits its message"));
                out.put_slice(value);
            }
        }
    }
    count(out, bind.result_formats.len());
    bind.result_formats.iter().for_each(|format| out.put_i16(*format));
}

fn put_target(out: &mut BytesMut, target: &Target) {
    let (kind, name) = match target {
        Target::Statement(name) => (b'S', name),
        Target::Portal(name) => (b'P', name),
    };
    out.put_u8(kind);
    text(out, name);
}

fn text(out: &mut BytesMut, text: &str) {
    out.put_slice(text.as_bytes());
    out.put_u8(0);
}

fn count(out: &mut BytesMut, count: usize) {
    out.put_u16(u16::try_from(count).expect("a count of 16 bits"));
}

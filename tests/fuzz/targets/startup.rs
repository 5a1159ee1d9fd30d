//! Fuzzes the bytes before a session: encryption and cancel requests, the startup packet, SASL.
//! In: one byte (bit 0: TLS is configured; the rest: how the bytes arrive), then what a client
//! sends. Out: nothing, or a panic when the connection ended otherwise than the protocol says.

#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use mobula_fuzz::error::{PgError, Severity};
use mobula_fuzz::limits::{PRE_AUTH_MAX_BYTES, STARTUP_PACKET_MAX_BYTES};
use mobula_fuzz::memory;
use mobula_fuzz::opening::{End, open};
use mobula_fuzz::shared::Shared;
use mobula_fuzz::stream::{TcpStream, finish};

/// Settings of a startup packet are kept as pairs of texts: 48 bytes for each three that arrive,
/// in a list that doubles, beside the packet's own buffer.
const LOGIN_MAX_BYTES: usize = 1 << 20;
const TLS_HANDSHAKE: u8 = 0x16;
const CANCEL_REQUEST: u32 = 80_877_102;
const SSL_REQUEST: u32 = 80_877_103;
const GSSENC_REQUEST: u32 = 80_877_104;

fuzz_target!(|data: &[u8]| {
    let Some((how, sent)) = data.split_first() else { return };
    let tls = how & 1 == 1;
    // 8: a request for encryption alone, as a client that waits for the answer sends it.
    let piece = [usize::MAX, 8, 1, 4][usize::from(how >> 1) % 4];
    let shared = Arc::new(Shared::new(tls));
    let socket = TcpStream::new(sent, &[piece]);
    let record = socket.record();
    let (end, held) = memory::peak(|| finish(open(&shared, socket)));
    assert!(held <= LOGIN_MAX_BYTES, "a stranger made the server hold {held} bytes");
    let asked = record.asked.get();
    assert!(asked <= PRE_AUTH_MAX_BYTES, "one read before the login takes {asked} bytes");
    if let End::Refused(error) = &end {
        is_whole(error);
    }
    let first = first_message(sent);
    let written = record.written.borrow();
    let canceled = shared.sessions.canceled.lock().expect("one thread");
    match first {
        First::Nothing => assert!(matches!(end, End::Left) && written.is_empty()),
        First::Broken => {
            assert_eq!(refusal(&end), Some("08P01"), "{end:?}");
            assert!(written.is_empty(), "a broken message got an answer");
        }
        First::Cancel(body) => {
            let told = body.split_first_chunk::<4>().filter(|(_, secret)| !secret.is_empty());
            let told = told.map(|(pid, secret)| (i32::from_be_bytes(*pid), secret.to_vec()));
            assert!(matches!(end, End::Left) && written.is_empty());
            assert_eq!(*canceled, Vec::from_iter(told), "a cancel request as it was sent");
        }
        First::Encrypt(length) if piece == usize::MAX && sent.len() > length => {
            assert_eq!(refusal(&end), Some("08P01"), "bytes before the handshake were read");
        }
        First::Encrypt(_) => {}
        First::Other => assert!(!written.starts_with(b"S"), "nobody asked for TLS"),
    }
    assert!(tls || !written.contains(&b'S'), "there is no TLS");
    // Logged in means: asked, challenged, told at the end.
    assert!(!matches!(end, End::Session) || written.ends_with(b"1230"), "let in unasked");
});

/// What the first message is, told without the server's code.
enum First<'a> {
    /// The client left.
    Nothing,
    /// A length that cannot be, or fewer bytes than it.
    Broken,
    /// A cancel request; what follows its code.
    Cancel(&'a [u8]),
    /// A request for encryption of this length.
    Encrypt(usize),
    /// A startup packet, or TLS.
    Other,
}

fn first_message(sent: &[u8]) -> First<'_> {
    match sent.first() {
        None => return First::Nothing,
        Some(&TLS_HANDSHAKE) => return First::Other,
        Some(_) => {}
    }
    let Some(length) = sent.first_chunk::<4>() else { return First::Broken };
    let length = u32::from_be_bytes(*length) as usize;
    if !(8..=STARTUP_PACKET_MAX_BYTES).contains(&length) {
        return First::Broken;
    }
    let Some(message) = sent.get(4..length) else { return First::Broken };
    let (code, rest) = message.split_first_chunk::<4>().expect("a length of 8 has a code");
    match u32::from_be_bytes(*code) {
        CANCEL_REQUEST => First::Cancel(rest),
        SSL_REQUEST | GSSENC_REQUEST => First::Encrypt(length),
        _ => First::Other,
    }
}

fn refusal(end: &End) -> Option<&'static str> {
    if let End::Refused(error) = end { Some(error.state.code()) } else { None }
}

/// An error that a client can be told. What the settings say is made FATAL where it is written.
fn is_whole(error: &PgError) {
    let code = error.state.code();
    let fits = |byte: u8| byte.is_ascii_digit() || byte.is_ascii_uppercase();
    assert!(code.len() == 5 && code.bytes().all(fits), "{code} is no SQLSTATE");
    assert!(!error.message.is_empty(), "an error says something");
    assert!(matches!(error.severity, Severity::Fatal | Severity::Error));
}

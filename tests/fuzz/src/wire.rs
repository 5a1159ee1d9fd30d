//! The server's `wire` module: its own `frame.rs` and `frontend.rs`. In: a stream. Out: messages.
//! What is written back is pgwire's work and not fuzzed, so `backend` only marks that it was.

#[path = "../../../server/src/wire/frame.rs"]
pub mod frame;
#[path = "../../../server/src/wire/frontend.rs"]
pub mod frontend;

/// One byte for each message that the login writes.
pub mod backend {
    use bytes::{BufMut, BytesMut};

    use crate::messages::startup::Authentication;

    /// NegotiateProtocolVersion.
    pub fn negotiate_version(out: &mut BytesMut, minor: u16, unknown: &[String]) {
        assert!(minor <= 2, "a version that nobody speaks");
        assert!(unknown.iter().all(|name| name.starts_with("_pq_.")), "a setting is no option");
        out.put_u8(b'v');
    }

    /// AuthenticationOk and the steps of SASL.
    pub fn authentication(out: &mut BytesMut, message: &Authentication) {
        out.put_u8(match message {
            Authentication::Ok => b'0',
            Authentication::SASL(_) => b'1',
            Authentication::SASLContinue(_) => b'2',
            Authentication::SASLFinal(_) => b'3',
        });
    }
}

//! The first bytes: SSLRequest, GSSENCRequest, CancelRequest, direct TLS. In: a fresh socket. Out:
//! a reader whose next untyped message is the startup packet, in clear or encrypted. Bytes a client
//! sent in clear before its handshake are never read as if they were encrypted: they end it.

use std::sync::Arc;

use bytes::{Buf, Bytes};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::send;
use crate::error::{PgError, PgResult, SqlState};
use crate::limits::{NEGOTIATIONS_MAX_COUNT, STARTUP_PACKET_MAX_BYTES};
use crate::shared::Shared;
use crate::tls::{client_name, require_alpn};
use crate::wire::frame::FrameReader;

const CANCEL_REQUEST: u32 = 80_877_102;
const SSL_REQUEST: u32 = 80_877_103;
const GSSENC_REQUEST: u32 = 80_877_104;
/// The first byte of a TLS handshake; no startup packet is long enough to begin with it.
const TLS_HANDSHAKE: u8 = 0x16;

/// What a handshake has shown.
pub(super) struct Secured {
    /// The server's certificate.
    pub(super) certificate: Arc<Vec<u8>>,
    /// The name in the client's, if it showed one.
    pub(super) client: Option<String>,
}

/// How a connection opened.
pub(super) enum Opening {
    /// In clear.
    Plain(FrameReader<TcpStream>),
    /// Encrypted.
    Tls(Box<FrameReader<TlsStream<TcpStream>>>, Secured),
    /// A cancel request, or a client that left.
    Ended,
}

/// Negotiates up to the startup packet, which is left to be read.
pub(super) async fn negotiate(shared: &Arc<Shared>, socket: TcpStream) -> PgResult<Opening> {
    let mut first = [0];
    let peeked = socket.peek(&mut first).await;
    if !matches!(peeked, Ok(1..)) {
        return Ok(Opening::Ended);
    }
    if first == [TLS_HANDSHAKE] {
        // A client that begins with a handshake must name the protocol it means.
        return encrypted(shared, socket, true).await;
    }
    let mut reader = FrameReader::new(socket);
    let mut asked = Vec::new();
    loop {
        let Some(code) = reader.untyped_code(STARTUP_PACKET_MAX_BYTES).await? else {
            return Ok(Opening::Ended);
        };
        match code {
            SSL_REQUEST | GSSENC_REQUEST => {
                if asked.contains(&code) || asked.len() >= NEGOTIATIONS_MAX_COUNT {
                    return Err(PgError::protocol("encryption was asked for twice"));
                }
                asked.push(code);
                reader.untyped(STARTUP_PACKET_MAX_BYTES).await?;
                // Whatever follows a request before its answer was not meant for us, or not sent
                // by who it seems (CVE-2021-23214 and its class).
                if reader.buffered() > 0 {
                    return Err(PgError::protocol("received unencrypted data after a request"));
                }
                if code == SSL_REQUEST && shared.tls.is_some() {
                    send(reader.get_mut(), b"S").await?;
                    return encrypted(shared, reader.into_inner(), false).await;
                }
                send(reader.get_mut(), b"N").await?;
            }
            CANCEL_REQUEST => {
                if let Some(frame) = reader.untyped(STARTUP_PACKET_MAX_BYTES).await? {
                    cancel(shared, frame.body);
                }
                return Ok(Opening::Ended);
            }
            _ => return Ok(Opening::Plain(reader)),
        }
    }
}

async fn encrypted(shared: &Arc<Shared>, socket: TcpStream, direct: bool) -> PgResult<Opening> {
    let Some(tls) = &shared.tls else { return Err(PgError::protocol("TLS is not configured")) };
    let identity = tls.current();
    let handshake = identity.acceptor().accept(socket).await;
    let stream = handshake.map_err(|error| {
        PgError::fatal(SqlState::ProtocolViolation, "TLS handshake failed")
            .detail(error.to_string())
    })?;
    if direct {
        require_alpn(stream.get_ref().1)?;
    }
    let client = client_name(stream.get_ref().1);
    let mut reader = FrameReader::new(stream);
    let code = reader.untyped_code(STARTUP_PACKET_MAX_BYTES).await?;
    if code == Some(CANCEL_REQUEST) {
        if let Some(frame) = reader.untyped(STARTUP_PACKET_MAX_BYTES).await? {
            cancel(shared, frame.body);
        }
        return Ok(Opening::Ended);
    }
    Ok(Opening::Tls(Box::new(reader), Secured { certificate: identity.certificate_pem(), client }))
}

fn cancel(shared: &Shared, mut body: Bytes) {
    // Code, process id, secret: four bytes in protocol 3.0, up to 256 in 3.2.
    if body.len() > 8 {
        body.advance(4);
        let pid = body.get_i32();
        shared.sessions.cancel(pid, &body);
    }
}

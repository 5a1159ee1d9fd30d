//! A connection up to its session, as the server's `net.rs` leads it. In: a socket. Out: how it
//! ended. The two steps are the server's own files; only the order of calls is written again.

#[path = "../../../server/src/net/login.rs"]
mod login;
#[path = "../../../server/src/net/startup.rs"]
mod startup;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio_real::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use crate::error::{PgError, PgResult};
use crate::limits::PRE_AUTH_MAX_BYTES;
use crate::shared::Shared;
use crate::stream::TcpStream;
use crate::wire::frame::FrameReader;
use startup::Opening;

/// How a connection ended.
#[derive(Debug)]
pub enum End {
    /// Logged in.
    Session,
    /// A cancel request, or a client that left.
    Left,
    /// With an error.
    Refused(PgError),
}

/// Leads one connection to its end.
pub async fn open(shared: &Arc<Shared>, socket: TcpStream) -> End {
    match startup::negotiate(shared, socket).await {
        Ok(Opening::Plain(reader)) => log_in(shared, reader, None).await,
        Ok(Opening::Tls(reader, certificate)) => log_in(shared, *reader, Some(certificate)).await,
        Ok(Opening::Ended) => End::Left,
        Err(error) => End::Refused(error),
    }
}

async fn log_in<S: AsyncRead + AsyncWrite + Unpin>(
    shared: &Arc<Shared>,
    reader: FrameReader<S>,
    certificate: Option<Arc<Vec<u8>>>,
) -> End {
    let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
    assert!(reader.buffered() <= PRE_AUTH_MAX_BYTES, "held before the startup packet");
    let (mut reader, mut writer) = reader.split();
    let mut attempt = login::Attempt::default();
    let login = login::log_in(
        shared,
        &mut reader,
        &mut writer,
        certificate,
        (peer, None),
        &mut attempt,
    );
    let login = login.await;
    assert!(attempt.method.is_empty() || !attempt.user.is_empty(), "who proves it is known");
    assert!(reader.buffered() <= PRE_AUTH_MAX_BYTES, "held at the end of the login");
    match login {
        Ok(Some(_)) => End::Session,
        Ok(None) => End::Left,
        Err(error) => End::Refused(error),
    }
}

/// As in `net.rs`.
type Ends = (SocketAddr, Option<SocketAddr>);

/// As in `net.rs`.
async fn send<W: AsyncWrite + Unpin>(writer: &mut W, bytes: &[u8]) -> PgResult<()> {
    let lost = |_| crate::cancel::Reason::ClientGone.error();
    writer.write_all(bytes).await.map_err(lost)?;
    writer.flush().await.map_err(lost)
}

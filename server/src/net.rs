//! From an accepted socket to a session. In: a TCP connection. Out: a [`Connection`] that serves
//! itself, or nothing. Everything before the session is bounded in bytes and in time, and every
//! error there is FATAL and closes.

mod login;
mod startup;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::BytesMut;
use tokio::io::{AsyncWriteExt, WriteHalf};
use tokio::net::{TcpListener, TcpStream};

use crate::conn::{Connection, Stream};
use crate::error::{PgError, PgResult, SqlState};
use crate::limits::OUTPUT_CHUNK_BYTES;
use crate::shared::Shared;
use crate::wire::backend;
use crate::wire::frame::FrameReader;
use login::Attempt;
use startup::{Opening, Secured};

/// Where logins are logged, those that succeed and those that fail.
const AUDIT: &str = "audit";

/// Accepts connections until the server stops.
pub async fn accept(shared: Arc<Shared>, listener: TcpListener) {
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((socket, peer)) => spawn(&shared, socket, peer),
                // Out of file descriptors, most likely: wait for one rather than spin.
                Err(error) => {
                    tracing::warn!(%error, "could not accept a connection");
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                }
            },
            () = shared.stopping.cancelled() => return,
        }
    }
}

/// Rows the kernel keeps for a connection before the network takes them, bytes: two chunks.
#[cfg(target_os = "linux")]
const SOCKET_UNSENT_BYTES: u32 = 2 * OUTPUT_CHUNK_BYTES as u32;

fn spawn(shared: &Arc<Shared>, socket: TcpStream, peer: SocketAddr) {
    let half_open = shared.half_open.fetch_add(1, Ordering::Relaxed);
    let guard = HalfOpen(Arc::clone(shared));
    if half_open >= shared.settings.max_prelogin_connections {
        // Dropped without a word: words to strangers are what a flood wants us to spend.
        drop(guard);
        return;
    }
    let shared = Arc::clone(shared);
    let tracker = shared.connections.clone();
    tracker.spawn(async move {
        // A latency-bound protocol: small answers leave at once.
        let _ = socket.set_nodelay(true);
        // What waits in the kernel is what a cancel comes too late for.
        #[cfg(target_os = "linux")]
        let _ = socket2::SockRef::from(&socket).set_tcp_notsent_lowat(SOCKET_UNSENT_BYTES);
        let ends = (peer, socket.local_addr().ok());
        open(shared, socket, ends, guard).await;
    });
}

/// Counts a connection that has not logged in.
struct HalfOpen(Arc<Shared>);

impl Drop for HalfOpen {
    fn drop(&mut self) {
        self.0.half_open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A connection's two addresses: the client's, and ours.
type Ends = (SocketAddr, Option<SocketAddr>);

async fn open(shared: Arc<Shared>, socket: TcpStream, ends: Ends, guard: HalfOpen) {
    let peer = ends.0;
    let limit = shared.settings.authentication_timeout;
    let deadline = tokio::time::Instant::now() + limit;
    let opening = tokio::time::timeout_at(deadline, startup::negotiate(&shared, socket)).await;
    match opening {
        Ok(Ok(Opening::Plain(reader))) => log_in(shared, reader, None, ends, deadline, guard).await,
        Ok(Ok(Opening::Tls(reader, secured))) => {
            log_in(shared, *reader, Some(secured), ends, deadline, guard).await;
        }
        Ok(Ok(Opening::Ended)) => {}
        Ok(Err(error)) => tracing::debug!(%peer, %error, "connection refused"),
        Err(_) => tracing::debug!(%peer, "no startup within the authentication timeout"),
    }
}

async fn log_in<S: Stream + 'static>(
    shared: Arc<Shared>,
    reader: FrameReader<S>,
    secured: Option<Secured>,
    ends: Ends,
    deadline: tokio::time::Instant,
    guard: HalfOpen,
) {
    let (mut reader, mut writer) = reader.split();
    let (is_encrypted, mut attempt) = (secured.is_some(), Attempt::default());
    let peer = ends.0;
    let login = login::log_in(&shared, &mut reader, &mut writer, secured, ends, &mut attempt);
    let result = tokio::time::timeout_at(deadline, login).await.unwrap_or_else(|_| {
        let message = "canceling authentication due to timeout";
        Err(PgError::fatal(SqlState::QueryCanceled, message))
    });
    drop(guard);
    let Attempt { user, method } = attempt;
    match result {
        Ok(Some((session, registration))) => {
            let pid = registration.pid();
            tracing::info!(target: AUDIT, user, %peer, method, tls = is_encrypted, pid, "login");
            // Boxed: the state of a session is large, that of the login beside it is not needed.
            let connection = Connection::new(shared, session, registration, reader, writer);
            Box::pin(connection.serve()).await;
        }
        Ok(None) => {}
        Err(error) => {
            let tls = is_encrypted;
            tracing::info!(target: AUDIT, user, %peer, method, tls, %error, "login failed");
            refuse(&mut writer, error).await;
        }
    }
}

/// Tells why, FATAL, and closes.
async fn refuse<S: Stream>(writer: &mut WriteHalf<S>, error: PgError) {
    let mut out = BytesMut::new();
    let error = PgError { severity: crate::error::Severity::Fatal, ..error };
    backend::error(&mut out, &error);
    let tell = async {
        writer.write_all(&out).await?;
        writer.shutdown().await
    };
    // Whoever does not read it has closed already or never will.
    let _ = tokio::time::timeout(std::time::Duration::from_secs(1), tell).await;
}

/// Writes during startup and login, where nothing is large.
async fn send<W: tokio::io::AsyncWrite + Unpin>(writer: &mut W, bytes: &[u8]) -> PgResult<()> {
    let lost = |_| crate::cancel::Reason::ClientGone.error();
    writer.write_all(bytes).await.map_err(lost)?;
    writer.flush().await.map_err(lost)
}

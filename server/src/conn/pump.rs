//! Waiting for a statement without losing sight of the client. In: work on another runtime, or
//! chunks of rows. Out: its result, or the reason it was ended: a cancel request, the time limit,
//! a client that is gone.

use exec::job::news::News;
use tokio::io::AsyncWriteExt;
use tokio::task::JoinHandle;

use super::{Connection, Running, Stream, sleep_until};
use crate::cancel::Reason;
use crate::error::{PgError, PgResult, Severity, SqlState, engine};
use crate::queries::Watch;
use crate::statement::rows::{End, Run};
use crate::wire::backend;

/// Messages a client may send ahead while a statement runs, bytes. Beyond this they wait in the
/// socket, and a client that leaves is noticed when we write.
const READ_AHEAD_MAX_BYTES: usize = 256 << 10;

impl<S: Stream> Connection<S> {
    /// Waits for work on another runtime.
    pub(super) async fn wait<T>(
        &mut self,
        running: &Running,
        mut work: JoinHandle<PgResult<T>>,
    ) -> PgResult<T> {
        loop {
            tokio::select! {
                biased;
                reason = running.cancel.cancelled() => {
                    work.abort();
                    return Err(reason.error());
                }
                done = &mut work => return done.unwrap_or_else(|error| Err(panicked(&error))),
                news = news(&mut self.query) => self.tell(&news).await?,
                read = self.reader.fill(), if self.may_read() => self.note_read(running, read),
                () = sleep_until(running.deadline) => running.cancel.cancel(Reason::Timeout),
            }
        }
    }

    /// Sends rows as they come.
    pub(super) async fn pump(&mut self, running: &Running, mut run: Run) -> PgResult<End> {
        loop {
            tokio::select! {
                biased;
                reason = running.cancel.cancelled() => return Err(reason.error()),
                chunk = run.chunks.recv() => match chunk {
                    Some(chunk) => {
                        self.flush().await?;
                        let written = tokio::select! {
                            biased;
                            written = self.writer.write_all(&chunk) => written,
                            reason = self.registration.member().ended() => {
                                return Err(reason.error());
                            }
                        };
                        if written.is_err() {
                            running.cancel.cancel(Reason::ClientGone);
                        }
                    }
                    None => break,
                },
                news = news(&mut self.query) => self.tell(&news).await?,
                read = self.reader.fill(), if self.may_read() => self.note_read(running, read),
                () = sleep_until(running.deadline) => running.cancel.cancel(Reason::Timeout),
            }
        }
        run.end.await.unwrap_or_else(|error| Err(panicked(&error)))
    }

    /// Sends a notice at once, if the client wants any.
    async fn tell(&mut self, news: &News) -> PgResult<()> {
        let notice = PgError::notice(SqlState::SuccessfulCompletion, news.to_string());
        self.put_notice(&notice);
        self.flush().await
    }

    /// Tells of a notice or a warning, if the client wants such.
    pub(super) fn put_notice(&mut self, notice: &PgError) {
        let least = self.session.variables.value("client_min_messages");
        let is_wanted = match least.as_str() {
            "error" => false,
            "warning" => notice.severity != Severity::Notice,
            _ => true,
        };
        if is_wanted {
            backend::error(&mut self.out, notice);
        }
    }

    fn may_read(&self) -> bool {
        !self.reader.is_closed() && self.reader.buffered() < READ_AHEAD_MAX_BYTES
    }

    fn note_read(&self, running: &Running, read: std::io::Result<usize>) {
        if !matches!(read, Ok(1..)) {
            running.cancel.cancel(Reason::ClientGone);
        }
    }
}

async fn news(query: &mut Option<Watch>) -> News {
    match query {
        Some(query) => query.news().await,
        None => std::future::pending().await,
    }
}

fn panicked(error: &tokio::task::JoinError) -> PgError {
    engine::incident(error)
}

//! Waiting for a statement without losing sight of the client. In: work on another runtime, or
//! chunks of rows. Out: its result, or the reason it was ended: a cancel request, the time limit,
//! a client that is gone.

use tokio::io::AsyncWriteExt;
use tokio::task::JoinHandle;

use super::{Connection, Running, Stream, sleep_until};
use crate::cancel::Reason;
use crate::error::{PgError, PgResult, engine};
use crate::statement::rows::{End, Run};

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
                        let written = self.writer.write_all(&chunk).await;
                        if written.is_err() {
                            running.cancel.cancel(Reason::ClientGone);
                        }
                    }
                    None => break,
                },
                read = self.reader.fill(), if self.may_read() => self.note_read(running, read),
                () = sleep_until(running.deadline) => running.cancel.cancel(Reason::Timeout),
            }
        }
        run.end.await.unwrap_or_else(|error| Err(panicked(&error)))
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

fn panicked(error: &tokio::task::JoinError) -> PgError {
    engine::incident(error)
}

//! Rows on their way to the client. In: a source of rows, formats, a limit. Out: chunks of encoded
//! rows through a short channel, so that a slow client holds back the engine and not memory. A
//! portal that was suspended goes on where it stopped.

use std::sync::Arc;
use std::task::Poll;

use bytes::BytesMut;
use datafusion::arrow::array::RecordBatch;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::execute_stream;
use futures::StreamExt;
use tokio::sync::mpsc;

use super::replan::Again;
use super::{Shape, Source};
use crate::cancel::Cancel;
use crate::encode::{Format, FormatOptions, RowEncoder};
use crate::error::{PgResult, engine, memory};
use crate::limits::{CHUNKS_IN_FLIGHT_COUNT, OUTPUT_CHUNK_BYTES};
use crate::shared::Shared;

/// Rows encoded at a stretch, at most: between two looks at the buffer's size.
const ROWS_AT_ONCE_MAX: usize = 2_048;

/// The rest of a result.
pub struct Rows {
    source: Option<Source>,
    stream: Option<SendableRecordBatchStream>,
    /// Until the first batch: what to do when the memory is not enough.
    again: Option<Box<Again>>,
    encoder: RowEncoder,
    batch: Option<(RecordBatch, usize)>,
}

impl std::fmt::Debug for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rows").finish_non_exhaustive()
    }
}

/// How a run of a portal ended.
#[derive(Debug)]
pub enum End {
    /// No rows are left; so many were sent.
    Complete(usize),
    /// The limit was reached; the rest waits.
    Suspended(usize, Box<Rows>),
}

/// A run of a portal: chunks as they come, then how it ended.
#[derive(Debug)]
pub struct Run {
    /// Encoded rows.
    pub chunks: mpsc::Receiver<BytesMut>,
    /// The end, after the last chunk.
    pub end: tokio::task::JoinHandle<PgResult<End>>,
}

impl Rows {
    /// All rows of a source.
    ///
    /// # Errors
    /// Formats that do not fit the columns.
    pub fn new(
        source: Source,
        shape: &Shape,
        formats: &[Format],
        options: &FormatOptions,
    ) -> PgResult<Self> {
        let encoder = RowEncoder::new(&shape.schema, formats, options)?;
        Ok(Self { source: Some(source), stream: None, again: None, encoder, batch: None })
    }

    /// The rows if they are all there already, encoded without leaving this thread.
    ///
    /// # Errors
    /// A value that cannot be told.
    pub fn encode_now(&mut self, out: &mut BytesMut) -> PgResult<Option<usize>> {
        let Some(Source::Batch(batch)) = &self.source else { return Ok(None) };
        if batch.num_rows() > 1 {
            return Ok(None);
        }
        self.encoder.encode(batch, 0..batch.num_rows(), out)?;
        Ok(Some(batch.num_rows()))
    }

    /// Starts to compute and encode, at most `limit` rows.
    pub fn run(self, shared: &Arc<Shared>, cancel: Cancel, limit: Option<usize>) -> Run {
        let (sender, chunks) = mpsc::channel(CHUNKS_IN_FLIGHT_COUNT);
        let produce = async move {
            tokio::select! {
                biased;
                reason = cancel.cancelled() => Err(reason.error()),
                end = self.produce(limit, &sender) => end,
            }
        };
        Run { chunks, end: shared.execution.spawn(produce) }
    }

    async fn produce(
        mut self,
        limit: Option<usize>,
        chunks: &mpsc::Sender<BytesMut>,
    ) -> PgResult<End> {
        let mut out = BytesMut::new();
        let mut sent = 0;
        loop {
            if limit == Some(sent) {
                flush(chunks, &mut out).await;
                return Ok(End::Suspended(sent, Box::new(self)));
            }
            if self.batch.is_none() {
                let next = self.next_batch(chunks, &mut out).await?;
                let Some(batch) = next else {
                    flush(chunks, &mut out).await;
                    return Ok(End::Complete(sent));
                };
                self.batch = (batch.num_rows() > 0).then_some((batch, 0));
                continue;
            }
            sent += self.encode_some(limit.map(|limit| limit - sent), &mut out)?;
            if out.len() >= OUTPUT_CHUNK_BYTES {
                flush(chunks, &mut out).await;
            }
        }
    }

    fn encode_some(&mut self, limit: Option<usize>, out: &mut BytesMut) -> PgResult<usize> {
        let Some((batch, start)) = &mut self.batch else { return Ok(0) };
        // Wide rows are encoded a few at a time, so that a chunk stays about its size.
        let row_bytes = (batch.get_array_memory_size() / batch.num_rows()).max(1);
        let rows = (OUTPUT_CHUNK_BYTES / row_bytes).clamp(1, ROWS_AT_ONCE_MAX);
        let rows = rows.min(limit.unwrap_or(usize::MAX)).min(batch.num_rows() - *start);
        self.encoder.encode(batch, *start..*start + rows, out)?;
        *start += rows;
        if *start == batch.num_rows() {
            self.batch = None;
        }
        Ok(rows)
    }

    /// The next batch. Rows that are encoded do not wait for one that is still being computed.
    async fn next_batch(
        &mut self,
        chunks: &mpsc::Sender<BytesMut>,
        out: &mut BytesMut,
    ) -> PgResult<Option<RecordBatch>> {
        let engine_error = |error| engine::from_engine(&error, "");
        match self.source.take() {
            Some(Source::Batch(batch)) => return Ok(Some(batch)),
            Some(Source::Plan(plan, context, again)) => {
                self.stream = Some(execute_stream(plan, context).map_err(engine_error)?);
                self.again = Some(again);
            }
            None => {}
        }
        loop {
            let Some(stream) = &mut self.stream else { return Ok(None) };
            let next = match futures::poll!(stream.next()) {
                Poll::Ready(next) => next,
                Poll::Pending => {
                    flush(chunks, out).await;
                    stream.next().await
                }
            };
            match (next.transpose(), self.again.take()) {
                (Err(error), Some(again)) if memory::is_hash_join(&error) => {
                    let Some(again) = again.with_smaller_joins() else {
                        return Err(engine_error(error));
                    };
                    // The first plan's memory is given back before the second asks for it.
                    self.stream = None;
                    let (placed, again) = again.place().await?;
                    let stream = execute_stream(placed.plan, placed.task);
                    self.stream = Some(stream.map_err(engine_error)?);
                    self.again = Some(again);
                }
                (next, _) => return next.map_err(engine_error),
            }
        }
    }
}

/// Hands a chunk to the connection. When it is gone the statement is being cancelled, and the
/// caller notices that at its next wait.
async fn flush(chunks: &mpsc::Sender<BytesMut>, out: &mut BytesMut) {
    if !out.is_empty() && chunks.send(std::mem::take(out)).await.is_err() {
        // Nobody reads: wait for the cancellation that follows.
        std::future::pending::<()>().await;
    }
}

//! Rows on their way to the client. In: a source of rows, their form, a limit. Out: chunks of
//! encoded rows through a short channel, so that a slow client holds back the engine and not
//! memory. A portal that was suspended goes on where it stopped.

use std::ops::Range;
use std::sync::Arc;

use bytes::BytesMut;
use datafusion::arrow::array::RecordBatch;
use tokio::sync::mpsc;

use super::feed::{Encoded, Feed};
use super::{Shape, Source};
use crate::cancel::Cancel;
use crate::encode::{CopyEncoder, Format, FormatOptions, RowEncoder};
use crate::error::PgResult;
use crate::limits::{CHUNKS_IN_FLIGHT_COUNT, OUTPUT_CHUNK_BYTES};
use crate::shared::Shared;

/// Rows encoded at a stretch, at most: between two looks at the buffer's size.
const ROWS_AT_ONCE_MAX: usize = 2_048;

/// The rest of a result.
pub struct Rows {
    feed: Feed,
    encoder: Encoder,
}

/// What makes messages of them.
enum Encoder {
    Rows(RowEncoder),
    Copy(CopyEncoder),
}

impl Encoder {
    fn encode(
        &mut self,
        batch: &RecordBatch,
        rows: Range<usize>,
        out: &mut BytesMut,
    ) -> PgResult<()> {
        match self {
            Self::Rows(encoder) => encoder.encode(batch, rows, out),
            Self::Copy(encoder) => encoder.encode(batch, rows, out),
        }
    }

    /// After the last row.
    fn finish(&mut self, out: &mut BytesMut) -> PgResult<()> {
        match self {
            Self::Rows(_) => Ok(()),
            Self::Copy(encoder) => encoder.finish(out),
        }
    }
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
        Self::of(Feed::new(source), shape, formats, options)
    }

    /// The rest of a query's rows.
    ///
    /// # Errors
    /// Formats that do not fit the columns.
    pub fn of(
        feed: Feed,
        shape: &Shape,
        formats: &[Format],
        options: &FormatOptions,
    ) -> PgResult<Self> {
        let encoder = RowEncoder::new(&shape.schema, formats, options)?;
        let encoder = Encoder::Rows(encoder.with_names(shape.names.clone()));
        Ok(Self { feed, encoder })
    }

    /// All rows of a source, as COPY sends them.
    pub fn copied(source: Source, encoder: CopyEncoder) -> Self {
        Self { feed: Feed::new(source), encoder: Encoder::Copy(encoder) }
    }

    /// What is left, for another encoding.
    pub fn into_feed(self) -> Feed {
        self.feed
    }

    /// The rows if they are all there already, encoded without leaving this thread.
    ///
    /// # Errors
    /// A value that cannot be told.
    pub fn encode_now(&mut self, out: &mut BytesMut) -> PgResult<Option<usize>> {
        let Some(batch) = self.feed.only_row() else { return Ok(None) };
        self.encoder.encode(batch, 0..batch.num_rows(), out)?;
        self.encoder.finish(out)?;
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
                Encoded { chunks, out: &mut out }.flush().await;
                return Ok(End::Suspended(sent, Box::new(self)));
            }
            if !self.feed.has_rows(Some(Encoded { chunks, out: &mut out })).await? {
                self.encoder.finish(&mut out)?;
                Encoded { chunks, out: &mut out }.flush().await;
                return Ok(End::Complete(sent));
            }
            sent += self.encode_some(limit.map(|limit| limit - sent), &mut out)?;
            if out.len() >= OUTPUT_CHUNK_BYTES {
                Encoded { chunks, out: &mut out }.flush().await;
            }
        }
    }

    fn encode_some(&mut self, limit: Option<usize>, out: &mut BytesMut) -> PgResult<usize> {
        let Some(batch) = self.feed.batch() else { return Ok(0) };
        // Wide rows are encoded a few at a time, so that a chunk stays about its size.
        let row_bytes = (batch.get_array_memory_size() / batch.num_rows()).max(1);
        let rows = (OUTPUT_CHUNK_BYTES / row_bytes).clamp(1, ROWS_AT_ONCE_MAX);
        let Some((batch, rows)) = self.feed.take(rows.min(limit.unwrap_or(usize::MAX))) else {
            return Ok(0);
        };
        let count = rows.len();
        self.encoder.encode(&batch, rows, out)?;
        Ok(count)
    }
}

//! A query's rows as the engine gives them, batch by batch. In: a source. Out: parts of batches, as
//! many rows as are asked for; the rest waits. Knows no client.

use std::ops::Range;
use std::sync::Arc;
use std::task::Poll;

use bytes::BytesMut;
use datafusion::arrow::array::RecordBatch;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::memory_pool::MemoryPool;
use datafusion::physical_plan::execute_stream;
use futures::StreamExt;
use tokio::sync::mpsc;

use super::Source;
use super::replan::Again;
use crate::error::{PgResult, engine, memory};

/// The rest of a query's rows.
#[derive(Default)]
pub struct Feed {
    source: Option<Source>,
    stream: Option<SendableRecordBatchStream>,
    /// Until the first batch: what to do when the memory is not enough.
    again: Option<Box<Again>>,
    /// With the first row that was not given.
    batch: Option<(RecordBatch, usize)>,
}

impl std::fmt::Debug for Feed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Feed").finish_non_exhaustive()
    }
}

/// Encoded rows, which do not wait for those that are still being computed.
#[derive(Debug)]
pub struct Encoded<'a> {
    /// To the connection.
    pub chunks: &'a mpsc::Sender<BytesMut>,
    /// Not handed to it yet.
    pub out: &'a mut BytesMut,
}

impl Encoded<'_> {
    /// Hands a chunk to the connection. When it is gone the statement is being cancelled, and the
    /// caller notices that at its next wait.
    pub async fn flush(&mut self) {
        if !self.out.is_empty() && self.chunks.send(std::mem::take(self.out)).await.is_err() {
            // Nobody reads: wait for the cancellation that follows.
            std::future::pending::<()>().await;
        }
    }
}

impl Feed {
    /// All rows of a source.
    pub fn new(source: Source) -> Self {
        Self { source: Some(source), ..Self::default() }
    }

    /// All rows if they are there and are one or none.
    pub fn only_row(&self) -> Option<&RecordBatch> {
        match &self.source {
            Some(Source::Batch(batch)) if batch.num_rows() <= 1 => Some(batch),
            _ => None,
        }
    }

    /// What its query takes memory from.
    pub fn memory_pool(&self) -> Option<Arc<dyn MemoryPool>> {
        match &self.source {
            Some(Source::Plan(_, task, _)) => Some(Arc::clone(task.memory_pool())),
            _ => None,
        }
    }

    /// Waits for rows; false when there are none left.
    ///
    /// # Errors
    /// The query's.
    pub async fn has_rows(&mut self, mut encoded: Option<Encoded<'_>>) -> PgResult<bool> {
        while self.batch.is_none() {
            let Some(batch) = self.next_batch(encoded.as_mut()).await? else { return Ok(false) };
            self.batch = (batch.num_rows() > 0).then_some((batch, 0));
        }
        Ok(true)
    }

    /// The batch whose rows are next.
    pub fn batch(&self) -> Option<&RecordBatch> {
        self.batch.as_ref().map(|(batch, _)| batch)
    }

    /// Takes so many of the next batch's rows, at most.
    pub fn take(&mut self, rows_max: usize) -> Option<(RecordBatch, Range<usize>)> {
        let (batch, start) = self.batch.take()?;
        let rows = start..batch.num_rows().min(start.saturating_add(rows_max));
        if rows.end < batch.num_rows() {
            self.batch = Some((batch.clone(), rows.end));
        }
        Some((batch, rows))
    }

    /// Passes over rows; how many there were.
    ///
    /// # Errors
    /// The query's.
    pub async fn skip(&mut self, rows: Option<usize>) -> PgResult<usize> {
        let mut skipped = 0;
        while rows != Some(skipped) && self.has_rows(None).await? {
            let most = rows.map_or(usize::MAX, |rows| rows - skipped);
            skipped += self.take(most).map_or(0, |(_, rows)| rows.len());
        }
        Ok(skipped)
    }

    /// The next batch.
    async fn next_batch(
        &mut self,
        mut encoded: Option<&mut Encoded<'_>>,
    ) -> PgResult<Option<RecordBatch>> {
        let engine_error = |error| engine::from_engine(&error, "");
        match self.source.take() {
            Some(Source::Batch(batch)) => return Ok(Some(batch)),
            Some(Source::Plan(plan, context, again)) => {
                self.stream = Some(execute_stream(plan, context).map_err(engine_error)?);
                self.again = Some(again);
            }
            Some(Source::Batches(mut batches)) => {
                let next = batches.pop_front();
                self.source = Some(Source::Batches(batches));
                return Ok(next);
            }
            None => {}
        }
        loop {
            let Some(stream) = &mut self.stream else { return Ok(None) };
            let next = match futures::poll!(stream.next()) {
                Poll::Ready(next) => next,
                Poll::Pending => {
                    if let Some(encoded) = &mut encoded {
                        encoded.flush().await;
                    }
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

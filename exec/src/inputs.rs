//! What a task reads. In: the buffers of the stages before it, some of which may still be made.
//! Out: their batches, in place. Travels to the plan's leaves as an extension of the settings.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::buffer::Buffer as ArrowBuffer;
use datafusion::arrow::ipc::reader::StreamDecoder;
use datafusion::common::{DataFusionError, Result, internal_datafusion_err};
use futures::future::{BoxFuture, Shared};
use futures::{FutureExt, Stream, stream};

use crate::output::{Buffer, Segment};

/// A buffer that is there, or will be.
pub type Arriving = Shared<BoxFuture<'static, Result<Arc<Buffer>, Arc<DataFusionError>>>>;

/// A buffer that is there.
pub fn arrived(buffer: Arc<Buffer>) -> Arriving {
    futures::future::ready(Ok(buffer)).boxed().shared()
}

/// The inputs of one task, as its exchanges count them. Of each the buffers, one for each task that
/// wrote.
#[derive(Debug, Default)]
pub struct TaskInputs {
    inputs: Mutex<Vec<Vec<Option<Arriving>>>>,
    once: bool,
}

impl TaskInputs {
    /// Inputs that may be read again.
    pub fn new(inputs: Vec<Vec<Arriving>>) -> Self {
        let some = |buffers: Vec<_>| buffers.into_iter().map(Some).collect();
        Self { inputs: Mutex::new(inputs.into_iter().map(some).collect()), once: false }
    }

    /// Inputs that are read once: a buffer that was read is not kept.
    pub fn once(inputs: Vec<Vec<Arriving>>) -> Self {
        Self { once: true, ..Self::new(inputs) }
    }

    /// The buffers of an input: all, or those of one task.
    ///
    /// # Errors
    /// An input that the task does not have, or has read; a bug.
    pub fn buffers(&self, input: usize, task: Option<usize>) -> Result<Vec<Arriving>> {
        let mut inputs = self.inputs.lock().unwrap_or_else(PoisonError::into_inner);
        let missing = || internal_datafusion_err!("a task without its input {input}");
        let buffers = inputs.get_mut(input).ok_or_else(missing)?.iter_mut();
        let (skip, take) = task.map_or((0, usize::MAX), |task| (task, 1));
        let read = |buffer: &mut Option<Arriving>| match self.once {
            true => buffer.take(),
            false => buffer.clone(),
        };
        buffers.skip(skip).take(take).map(|buffer| read(buffer).ok_or_else(missing)).collect()
    }
}

/// The batches of one partition of buffers, or of all their partitions, buffer by buffer.
pub fn batches(
    buffers: Vec<Arriving>,
    partition: Option<usize>,
) -> impl Stream<Item = Result<RecordBatch>> + Send {
    let reading =
        Reading { buffers: buffers.into(), partition, segments: VecDeque::new(), open: None };
    stream::try_unfold(reading, Reading::next)
}

struct Reading {
    buffers: VecDeque<Arriving>,
    partition: Option<usize>,
    segments: VecDeque<Segment>,
    open: Option<(StreamDecoder, ArrowBuffer)>,
}

impl Reading {
    async fn next(mut self) -> Result<Option<(RecordBatch, Self)>> {
        loop {
            if let Some((decoder, rest)) = &mut self.open {
                match decoder.decode(rest)? {
                    Some(batch) => return Ok(Some((batch, self))),
                    None => self.open = None,
                }
            }
            if let Some(segment) = self.segments.pop_front() {
                self.open =
                    Some((StreamDecoder::new(), ArrowBuffer::from(segment.stream.read().await?)));
                continue;
            }
            let Some(buffer) = self.buffers.pop_front() else { return Ok(None) };
            let buffer = buffer.await.map_err(DataFusionError::Shared)?;
            let wanted = |segment: &&Segment| {
                self.partition.is_none_or(|partition| partition == segment.partition)
            };
            self.segments.extend(buffer.segments.iter().filter(wanted).cloned());
        }
    }
}

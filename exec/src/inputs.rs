//! What a task reads. In: the buffers of the stages before it, some of which may still be made.
//! Out: their batches, in place. Travels to the plan's leaves as an extension of the settings.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Buf, Bytes};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::buffer::Buffer as ArrowBuffer;
use datafusion::arrow::ipc::reader::StreamDecoder;
use datafusion::arrow::ipc::root_as_message;
use datafusion::common::{DataFusionError, Result, exec_datafusion_err, internal_datafusion_err};
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
    open: Option<Messages>,
}

impl Reading {
    async fn next(mut self) -> Result<Option<(RecordBatch, Self)>> {
        loop {
            if let Some(messages) = &mut self.open {
                match messages.next()? {
                    Some(batch) => return Ok(Some((batch, self))),
                    None => self.open = None,
                }
            }
            if let Some(segment) = self.segments.pop_front() {
                self.open = Some(Messages::of(segment.stream.read().await?));
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

/// Reads an IPC stream message by message, each an allocation of its own: operators count for a
/// batch all that its buffers are slices of, and a sort that counted the whole stream for each of
/// its batches would spill them one by one.
struct Messages {
    decoder: StreamDecoder,
    message: ArrowBuffer,
    rest: Bytes,
}

impl Messages {
    fn of(stream: Bytes) -> Self {
        let message = ArrowBuffer::from(Bytes::new());
        Self { decoder: StreamDecoder::new(), message, rest: stream }
    }

    fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            // The decoder sees a message without a body (a batch without columns) to its end only
            // when there is more: what is left of the next one, or of the stream's end, stays.
            if let Some(batch) = self.decoder.decode(&mut self.message)? {
                return Ok(Some(batch));
            }
            if self.rest.is_empty() {
                return Ok(None);
            }
            self.message = take_message(&mut self.rest)?.into();
        }
    }
}

/// Takes the next message off an IPC stream: its metadata and its body, or the mark of the end.
///
/// # Errors
/// Bytes that are no such stream.
fn take_message(stream: &mut Bytes) -> Result<Bytes> {
    const CONTINUES: u32 = u32::MAX;
    let broken = || exec_datafusion_err!("an input that is no Arrow stream");
    let mut rest = &stream[..];
    let mut number = || rest.try_get_u32_le().map_err(|_| broken());
    let (begin, metadata_bytes) = (number()?, number()? as usize);
    if begin != CONTINUES {
        return Err(broken());
    }
    let metadata = rest.get(..metadata_bytes).ok_or_else(broken)?;
    let body_bytes = match metadata {
        [] => 0,
        _ => root_as_message(metadata).map_err(|_| broken())?.bodyLength(),
    };
    let body_bytes = usize::try_from(body_bytes).map_err(|_| broken())?;
    let bytes = 2 * size_of::<u32>() + metadata_bytes + body_bytes;
    if bytes > stream.len() {
        return Err(broken());
    }
    Ok(stream.split_to(bytes))
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{Int64Array, RecordBatchOptions, StringViewArray};
    use datafusion::arrow::datatypes::Schema;
    use datafusion::arrow::ipc::writer::StreamWriter;
    use datafusion::physical_plan::spill::get_record_batch_memory_size;

    use super::*;

    #[test]
    fn a_batch_counts_what_it_holds_and_not_the_whole_stream() {
        let rows = |from: i64| {
            let numbers = Int64Array::from_iter_values(from..from + 1_000);
            let texts = (from..from + 1_000).map(|n| format!("a text that is not inlined: {n}"));
            let texts = StringViewArray::from_iter_values(texts);
            RecordBatch::try_from_iter([
                ("n", Arc::new(numbers) as Arc<dyn datafusion::arrow::array::Array>),
                ("t", Arc::new(texts)),
            ])
            .expect("columns of a length")
        };
        let batches: Vec<_> = (0..50).map(|n| rows(n * 1_000)).collect();
        let mut writer = StreamWriter::try_new(vec![], &batches[0].schema()).expect("writes");
        batches.iter().for_each(|batch| writer.write(batch).expect("writes"));
        let read = all(writer).expect("is a stream");
        assert_eq!(read, batches);
        for (read, batch) in read.iter().zip(&batches) {
            let (counted, held) = [read, batch].map(get_record_batch_memory_size).into();
            assert!(counted < 2 * held, "{counted} bytes counted for {held}");
        }
        Messages::of(Bytes::from_static(b"not a stream")).next().expect_err("it is not");
    }

    #[test]
    fn batches_without_columns_keep_their_rows() {
        let schema = Arc::new(Schema::empty());
        let rows = |count| {
            let options = RecordBatchOptions::new().with_row_count(Some(count));
            RecordBatch::try_new_with_options(Arc::clone(&schema), vec![], &options).expect("rows")
        };
        let mut writer = StreamWriter::try_new(vec![], &schema).expect("writes");
        [7, 0, 3].map(rows).iter().for_each(|batch| writer.write(batch).expect("writes"));
        let read = all(writer).expect("is a stream");
        assert_eq!(read.iter().map(RecordBatch::num_rows).collect::<Vec<_>>(), [7, 0, 3]);
    }

    fn all(writer: StreamWriter<Vec<u8>>) -> Result<Vec<RecordBatch>> {
        let mut messages = Messages::of(Bytes::from(writer.into_inner()?));
        std::iter::from_fn(|| messages.next().transpose()).collect()
    }
}

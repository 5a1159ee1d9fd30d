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
    open: Option<(StreamDecoder, Bytes)>,
}

impl Reading {
    async fn next(mut self) -> Result<Option<(RecordBatch, Self)>> {
        loop {
            if let Some((decoder, rest)) = &mut self.open {
                match next_message(rest)? {
                    Some(mut message) => {
                        if let Some(batch) = decoder.decode(&mut message)? {
                            return Ok(Some((batch, self)));
                        }
                    }
                    None => self.open = None,
                }
                continue;
            }
            if let Some(segment) = self.segments.pop_front() {
                self.open = Some((StreamDecoder::new(), segment.stream.read().await?));
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

/// Takes the next message off an IPC stream: a schema, or a batch with its body. As an allocation of
/// its own: operators count for a batch all that its buffers are slices of, and a sort that counted
/// the whole stream for each of its batches would spill them one by one.
///
/// # Errors
/// Bytes that are no such stream.
fn next_message(stream: &mut Bytes) -> Result<Option<ArrowBuffer>> {
    const CONTINUES: u32 = u32::MAX;
    let broken = || exec_datafusion_err!("an input that is no Arrow stream");
    let mut rest = &stream[..];
    let mut number = || rest.try_get_u32_le().map_err(|_| broken());
    if stream.is_empty() {
        return Ok(None);
    }
    let (begin, metadata_bytes) = (number()?, number()? as usize);
    if begin != CONTINUES {
        return Err(broken());
    }
    if metadata_bytes == 0 {
        return Ok(None);
    }
    let metadata = rest.get(..metadata_bytes).ok_or_else(broken)?;
    let message = root_as_message(metadata).map_err(|_| broken())?;
    let body_bytes = usize::try_from(message.bodyLength()).map_err(|_| broken())?;
    let bytes = 2 * size_of::<u32>() + metadata_bytes + body_bytes;
    if bytes > stream.len() {
        return Err(broken());
    }
    Ok(Some(stream.split_to(bytes).into()))
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{Int64Array, StringViewArray};
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
        let mut stream = Bytes::from(writer.into_inner().expect("ends"));
        let (mut decoder, mut read) = (StreamDecoder::new(), vec![]);
        while let Some(mut message) = next_message(&mut stream).expect("is a stream") {
            let batch = decoder.decode(&mut message).expect("is a message");
            assert!(message.is_empty());
            read.extend(batch);
        }
        assert_eq!(read, batches);
        for (read, batch) in read.iter().zip(&batches) {
            let (counted, held) = [read, batch].map(get_record_batch_memory_size).into();
            assert!(counted < 2 * held, "{counted} bytes counted for {held}");
        }
        next_message(&mut Bytes::from_static(b"not a stream")).expect_err("it is not");
    }
}

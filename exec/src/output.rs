//! What a task writes. In: its batches. Out: one buffer for each task that reads, as Arrow IPC in
//! segments of a few megabytes: written once, read in place.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::compute::BatchCoalescer;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::ipc::writer::StreamWriter;
use datafusion::common::Result;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::metrics::Time;
use datafusion::physical_plan::repartition::BatchPartitioner;

use crate::keys::{Keys, KeysWriter};
use crate::spool::{Kept, Spool};
use crate::stage::share;

/// A segment is closed when it has this many bytes: large beside its schema, small enough that
/// growing it copies little.
const SEGMENT_BYTES: usize = 1 << 20;

/// Rows of one partition as an Arrow IPC stream of its own.
#[derive(Debug, Clone)]
pub struct Segment {
    /// The partition, counted within the task that reads.
    pub partition: usize,
    /// The stream.
    pub stream: Kept,
}

/// What one task wrote for one task that reads.
#[derive(Debug, Clone, Default)]
pub struct Buffer {
    /// In the order the rows were made, for each partition.
    pub segments: Vec<Segment>,
    /// Rows in all segments.
    pub rows: usize,
}

impl Buffer {
    /// Bytes of all segments.
    pub fn bytes(&self) -> usize {
        self.segments.iter().map(|segment| segment.stream.len()).sum()
    }

    /// Adds what another partition of the same task wrote for the same reader.
    pub fn append(&mut self, other: Self) {
        self.segments.extend(other.segments);
        self.rows += other.rows;
    }
}

/// How rows are told apart, and what is kept of them besides.
#[derive(Debug, Clone)]
pub(crate) struct Routing {
    /// Where each row goes.
    pub(crate) to: Destination,
    /// The keys to be summed up, if any.
    pub(crate) keys: Option<Vec<Arc<dyn PhysicalExpr>>>,
}

/// Where rows go.
#[derive(Debug, Clone)]
pub(crate) enum Destination {
    /// By the hash of `keys` into `partitions`, which `readers` tasks share.
    Hash {
        /// What is hashed.
        keys: Vec<Arc<dyn PhysicalExpr>>,
        /// Of all readers together.
        partitions: usize,
        /// Tasks that read.
        readers: usize,
    },
    /// Not at all.
    Whole,
}

/// Writes what one partition of a task's plan makes.
pub(crate) struct OutputWriter {
    partitioner: Option<BatchPartitioner>,
    keys: Option<KeysWriter>,
    /// One for each partition of the routing.
    partitions: Vec<PartitionWriter>,
    /// Tasks that read.
    readers: usize,
}

impl OutputWriter {
    /// A writer for batches of `schema`, which are put together to `batch_rows`.
    ///
    /// # Errors
    /// A routing without partitions.
    pub(crate) fn new(
        schema: &SchemaRef,
        routing: &Routing,
        batch_rows: usize,
        spool: &Arc<Spool>,
    ) -> Result<Self> {
        let (partitioner, count, readers) = match &routing.to {
            Destination::Hash { keys, partitions, readers } => {
                let time = Time::new();
                let by_hash =
                    BatchPartitioner::new_hash_partitioner(keys.clone(), *partitions, time)?;
                (Some(by_hash), *partitions, *readers)
            }
            Destination::Whole => (None, 1, 1),
        };
        let keys = routing.keys.clone().map(|keys| KeysWriter::new(keys, schema)).transpose()?;
        let new = |_| PartitionWriter::new(Arc::clone(schema), batch_rows, Arc::clone(spool));
        Ok(Self { partitioner, keys, partitions: (0..count).map(new).collect(), readers })
    }

    /// Writes a batch.
    ///
    /// # Errors
    /// What computing the keys said, or a type that Arrow IPC has no form for.
    pub(crate) fn write(&mut self, batch: RecordBatch) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        if let Some(keys) = &mut self.keys {
            keys.add(&batch)?;
        }
        let Some(partitioner) = &mut self.partitioner else {
            return self.partitions[0].write(batch);
        };
        for routed in partitioner.partition_iter(batch)? {
            let (partition, batch) = routed?;
            self.partitions[partition].write(batch)?;
        }
        Ok(())
    }

    /// What was written, for each task that reads, and the keys of it.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub(crate) fn finish(self) -> Result<(Vec<Buffer>, Option<Keys>)> {
        let keys = self.keys.map(KeysWriter::finish).transpose()?;
        let count = self.partitions.len();
        let mut partitions = self.partitions.into_iter();
        let buffers = (0..self.readers).map(|reader| {
            let mut buffer = Buffer::default();
            for (partition, writer) in
                (&mut partitions).take(share(reader, self.readers, count).len()).enumerate()
            {
                let (segments, rows) = writer.finish()?;
                buffer.rows += rows;
                buffer
                    .segments
                    .extend(segments.into_iter().map(|stream| Segment { partition, stream }));
            }
            Ok(buffer)
        });
        Ok((buffers.collect::<Result<_>>()?, keys))
    }
}

/// A buffer of the keys of a whole task.
pub(crate) fn keys_buffer(keys: &Keys, spool: &Arc<Spool>) -> Result<Buffer> {
    let row = keys.to_batch()?;
    let mut stream = StreamWriter::try_new(Vec::new(), &row.schema())?;
    stream.write(&row)?;
    let stream = spool.keep(stream.into_inner()?)?;
    Ok(Buffer { segments: vec![Segment { partition: 0, stream }], rows: 0 })
}

/// Writes the rows of one partition. They are put together first: a batch told apart by hash is in
/// small pieces, and a piece of a view array would take all that it is a view of with it.
struct PartitionWriter {
    whole: BatchCoalescer,
    segments: Vec<Kept>,
    open: Option<StreamWriter<Vec<u8>>>,
    rows: usize,
    spool: Arc<Spool>,
}

impl PartitionWriter {
    fn new(schema: SchemaRef, batch_rows: usize, spool: Arc<Spool>) -> Self {
        let whole = BatchCoalescer::new(schema, batch_rows);
        Self { whole, segments: vec![], open: None, rows: 0, spool }
    }

    fn write(&mut self, batch: RecordBatch) -> Result<()> {
        self.rows += batch.num_rows();
        self.whole.push_batch(batch)?;
        self.write_whole()
    }

    fn write_whole(&mut self) -> Result<()> {
        while let Some(batch) = self.whole.next_completed_batch() {
            let mut stream = match self.open.take() {
                Some(stream) => stream,
                None => StreamWriter::try_new(Vec::new(), &self.whole.schema())?,
            };
            stream.write(&batch)?;
            if stream.get_ref().len() >= SEGMENT_BYTES {
                self.segments.push(self.spool.keep(stream.into_inner()?)?);
            } else {
                self.open = Some(stream);
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Result<(Vec<Kept>, usize)> {
        self.whole.finish_buffered_batch()?;
        self.write_whole()?;
        if let Some(stream) = self.open {
            self.segments.push(self.spool.keep(stream.into_inner()?)?);
        }
        Ok((self.segments, self.rows))
    }
}

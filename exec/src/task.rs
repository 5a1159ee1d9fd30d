//! Runs one task. In: its plan, the query's settings and its inputs, as bytes. Out: a buffer for
//! each task that reads, and a report. Keeps nothing: the same bytes give the same rows again, here
//! or elsewhere.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use datafusion::common::runtime::JoinSet;
use datafusion::common::{DataFusionError, Result, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::Partitioning;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use futures::StreamExt;

use crate::codec::Codec;
use crate::engine::{Engine, task_context};
use crate::inputs::TaskInputs;
use crate::output::{Buffer, OutputWriter, Routing};
use crate::settings::Settings;
use crate::spool::Spool;
use crate::stage::{Determinism, Output};

/// What a process runs tasks with.
#[derive(Debug, Clone)]
pub struct Worker {
    engine: Arc<Engine>,
    codec: Codec,
}

/// A task as it travels.
#[derive(Debug, Clone)]
pub struct TaskPlan {
    /// The encoded plan; rows that go by hash have a repartition at its root.
    pub plan: Bytes,
    /// See [`Settings`].
    pub settings: Bytes,
    /// Where the rows go.
    pub output: Output,
    /// Whether it may run again.
    pub determinism: Determinism,
}

/// What a task did.
#[derive(Debug, Clone, Copy, Default)]
pub struct Report {
    /// Rows read from other stages.
    pub rows_in: usize,
    /// Bytes of them.
    pub bytes_in: usize,
    /// Rows written.
    pub rows: usize,
    /// Bytes written.
    pub bytes: usize,
    /// Bytes of them on disk.
    pub spilled: u64,
    /// From the first byte read to the last written.
    pub elapsed: Duration,
    /// Waiting for room before that.
    pub queued: Duration,
}

impl Worker {
    /// A worker that shares the engine's memory, spill space, caches and files.
    pub fn new(engine: Arc<Engine>, codec: Codec) -> Self {
        Self { engine, codec }
    }

    /// Runs a task: all partitions of its plan at once, for operators wait for each other's
    /// partitions. Dropping the future ends it at the next batch.
    ///
    /// # Errors
    /// What the plan said; bytes that cannot be read.
    pub async fn run(&self, task: &TaskPlan, inputs: TaskInputs) -> Result<(Vec<Buffer>, Report)> {
        let begin = Instant::now();
        let context = self.context(&task.settings, inputs)?;
        let plan = self.codec.decode(&task.plan, &context)?;
        let (plan, routing) = routing(plan, task.output)?;
        let spool = Spool::new(context.runtime_env());
        let mut writing = JoinSet::new();
        for partition in 0..plan.output_partitioning().partition_count() {
            let stream = plan.execute(partition, Arc::clone(&context))?;
            let batch_rows = context.session_config().batch_size();
            let writer = OutputWriter::new(&plan.schema(), &routing, batch_rows, &spool)?;
            writing.spawn(async move { Ok((partition, write(stream, writer).await?)) });
        }
        let mut written = Vec::new();
        while let Some(done) = writing.join_next().await {
            let done: Result<_> = done.map_err(joined)?;
            written.push(done?);
        }
        // In the order of the partitions, whichever ended first.
        written.sort_by_key(|(partition, _)| *partition);
        let mut buffers = vec![Buffer::default(); task.output.buffers()];
        for (_, parts) in written {
            buffers.iter_mut().zip(parts).for_each(|(buffer, part)| buffer.append(part));
        }
        let report = Report {
            rows: buffers.iter().map(|buffer| buffer.rows).sum(),
            bytes: buffers.iter().map(Buffer::bytes).sum(),
            spilled: spool.spilled(),
            elapsed: begin.elapsed(),
            ..Report::default()
        };
        Ok((buffers, report))
    }

    fn context(&self, settings: &[u8], inputs: TaskInputs) -> Result<Arc<TaskContext>> {
        let settings = Settings::decode(settings)?;
        let config = settings.session_config()?.with_extension(Arc::new(inputs));
        let pins = settings.pins().map(|(path, e_tag)| (path.into(), e_tag.to_owned()));
        let pins: HashMap<_, _> = pins.collect();
        Ok(task_context(config, self.engine.task_runtime(pins)))
    }
}

/// The error of a task of the runtime that did not come to its end.
pub(crate) fn joined(error: tokio::task::JoinError) -> DataFusionError {
    DataFusionError::ExecutionJoin(Box::new(error))
}

async fn write(
    mut stream: SendableRecordBatchStream,
    mut writer: OutputWriter,
) -> Result<Vec<Buffer>> {
    while let Some(batch) = stream.next().await {
        writer.write(batch?)?;
    }
    writer.finish()
}

/// Takes the repartition off a plan whose rows go by hash.
fn routing(
    plan: Arc<dyn ExecutionPlan>,
    output: Output,
) -> Result<(Arc<dyn ExecutionPlan>, Routing)> {
    let Output::Hash { readers } = output else { return Ok((plan, Routing::Whole)) };
    let Some(root) = plan.downcast_ref::<RepartitionExec>() else {
        return internal_err!("an exchange by hash without its keys");
    };
    let Partitioning::Hash(keys, partitions) = root.partitioning().clone() else {
        return internal_err!("an exchange by hash without its keys");
    };
    Ok((Arc::clone(root.input()), Routing::Hash { keys, partitions, readers }))
}

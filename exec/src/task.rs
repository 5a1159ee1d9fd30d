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

use crate::account::Account;
use crate::codec::Codec;
use crate::engine::{Engine, sort_reservation, task_context};
use crate::inputs::TaskInputs;
use crate::keys::Keys;
use crate::output::{Buffer, Destination, OutputWriter, Routing, keys_buffer};
use crate::pulse::Pulse;
use crate::settings::Settings;
use crate::spool::Spool;
use crate::stage::{Determinism, Output};

/// What a process runs tasks with.
#[derive(Debug, Clone)]
pub struct Worker {
    engine: Arc<Engine>,
    codec: Codec,
    share_bytes: usize,
}

/// A task as it travels.
#[derive(Debug, Clone)]
pub struct TaskPlan {
    /// The encoded plan; rows that go by hash, or whose keys are wanted, have a repartition at its
    /// root.
    pub plan: Bytes,
    /// See [`Settings`].
    pub settings: Bytes,
    /// Where the rows go.
    pub output: Output,
    /// Whether the last buffer has the keys of the rows.
    pub keys: bool,
    /// Whether it may run again.
    pub determinism: Determinism,
    /// Partitions of its plan: what works at the same time.
    pub threads: usize,
    /// CPUs that its job may have at a time; does not travel.
    pub cpus_max: usize,
    /// Whether it only works on what other stages wrote, and only the query's head reads the rows:
    /// a cluster may run it where the head is. Does not travel.
    pub is_last: bool,
}

/// What a task did.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Rows read from other stages.
    pub rows_in: usize,
    /// Bytes of them.
    pub bytes_in: usize,
    /// Rows written.
    pub rows: usize,
    /// Bytes written.
    pub bytes: usize,
    /// Bytes of each buffer.
    pub buffer_bytes: Vec<usize>,
    /// Bytes of them on disk, and bytes that operators spilled while it ran.
    pub spilled: u64,
    /// The most its operators and outputs held in memory, bytes.
    pub memory: usize,
    /// From the first byte read to the last written.
    pub elapsed: Duration,
    /// Waiting for room before that.
    pub queued: Duration,
    /// Where it ran, as the cluster calls it.
    pub node: Arc<str>,
    /// Bytes of what it read that were there already.
    pub bytes_at_hand: usize,
}

impl Worker {
    /// A worker that shares the engine's spill space, caches and files; each task has so many bytes
    /// of its memory at most.
    pub fn new(engine: Arc<Engine>, codec: Codec, share_bytes: usize) -> Self {
        Self { engine, codec, share_bytes }
    }

    /// Runs a task: all partitions of its plan at once, for operators wait for each other's
    /// partitions. Dropping the future ends it at the next batch. `pulse` beats with every batch
    /// that is read or written.
    ///
    /// # Errors
    /// What the plan said; bytes that cannot be read.
    pub async fn run(
        &self,
        task: &TaskPlan,
        inputs: TaskInputs,
        pulse: &Pulse,
    ) -> Result<(Vec<Buffer>, Report)> {
        let begin = Instant::now();
        let context = self.context(&task.settings, inputs, pulse)?;
        let plan = self.codec.decode(&task.plan, &context)?;
        let (plan, routing) = routing(plan, task)?;
        let spool = Spool::new(context.runtime_env(), Arc::clone(self.engine.outputs()));
        let mut writing = JoinSet::new();
        for partition in 0..plan.output_partitioning().partition_count() {
            let stream = plan.execute(partition, Arc::clone(&context))?;
            let batch_rows = context.session_config().batch_size();
            let writer = OutputWriter::new(&plan.schema(), &routing, batch_rows, &spool)?;
            let pulse = pulse.clone();
            writing.spawn(async move { Ok((partition, write(stream, writer, &pulse).await?)) });
        }
        let mut written = Vec::new();
        while let Some(done) = writing.join_next().await {
            let done: Result<_> = done.map_err(joined)?;
            written.push(done?);
        }
        // In the order of the partitions, whichever ended first.
        written.sort_by_key(|(partition, _)| *partition);
        let mut buffers = vec![Buffer::default(); task.output.buffers()];
        let mut all_keys: Option<Keys> = None;
        for (_, (parts, keys)) in written {
            buffers.iter_mut().zip(parts).for_each(|(buffer, part)| buffer.append(part));
            match (&mut all_keys, keys) {
                (Some(all), Some(keys)) => all.merge(&keys)?,
                (all, keys) => *all = keys,
            }
        }
        if let Some(keys) = all_keys {
            buffers.push(keys_buffer(&keys, &spool)?);
        }
        let report = Report {
            rows: buffers.iter().map(|buffer| buffer.rows).sum(),
            bytes: buffers.iter().map(Buffer::bytes).sum(),
            buffer_bytes: buffers.iter().map(Buffer::bytes).collect(),
            spilled: spool.spilled() + spilled_by(&plan),
            memory: peak(&context),
            elapsed: begin.elapsed(),
            ..Report::default()
        };
        Ok((buffers, report))
    }

    fn context(
        &self,
        settings: &[u8],
        inputs: TaskInputs,
        pulse: &Pulse,
    ) -> Result<Arc<TaskContext>> {
        let settings = Settings::decode(settings)?;
        let mut config = settings
            .session_config()?
            .with_extension(Arc::new(inputs))
            .with_extension(Arc::new(pulse.clone()));
        // Who planned it does not know the share of who runs it.
        config.options_mut().execution.sort_spill_reservation_bytes =
            sort_reservation(self.share_bytes);
        let pins = settings.pins().map(|(path, e_tag)| (path.into(), e_tag.to_owned()));
        let pins: HashMap<_, _> = pins.collect();
        Ok(task_context(config, self.engine.task_runtime(pins, self.share_bytes, pulse)))
    }
}

/// The error of a task of the runtime that did not come to its end.
pub(crate) fn joined(error: tokio::task::JoinError) -> DataFusionError {
    DataFusionError::ExecutionJoin(Box::new(error))
}

/// Bytes that operators of a plan that has run put on disk.
fn spilled_by(plan: &Arc<dyn ExecutionPlan>) -> u64 {
    let of_node = plan.metrics().and_then(|metrics| metrics.spilled_bytes()).unwrap_or(0);
    of_node as u64 + plan.children().into_iter().map(spilled_by).sum::<u64>()
}

fn peak(context: &TaskContext) -> usize {
    context.memory_pool().downcast_ref::<Account>().map_or(0, Account::peak)
}

async fn write(
    mut stream: SendableRecordBatchStream,
    mut writer: OutputWriter,
    pulse: &Pulse,
) -> Result<(Vec<Buffer>, Option<Keys>)> {
    while let Some(batch) = stream.next().await {
        pulse.beat();
        writer.write(batch?)?;
    }
    writer.finish()
}

/// Takes the repartition off a plan whose rows go by hash, or whose keys are wanted.
fn routing(
    plan: Arc<dyn ExecutionPlan>,
    task: &TaskPlan,
) -> Result<(Arc<dyn ExecutionPlan>, Routing)> {
    if task.output == Output::Whole && !task.keys {
        return Ok((plan, Routing { to: Destination::Whole, keys: None }));
    }
    let root = plan.downcast_ref::<RepartitionExec>();
    let Some((root, Partitioning::Hash(keys, partitions))) =
        root.map(|root| (root, root.partitioning().clone()))
    else {
        return internal_err!("a task without the keys of its rows");
    };
    let wanted = task.keys.then(|| keys.clone());
    let to = match task.output {
        Output::Hash { readers } => Destination::Hash { keys, partitions, readers },
        Output::Whole => Destination::Whole,
    };
    Ok((Arc::clone(root.input()), Routing { to, keys: wanted }))
}

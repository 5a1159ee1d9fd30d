//! A cluster inside this process. In: tasks, as bytes. Out: their outputs, kept in memory. Every
//! task takes the way it would take on another node: it is read from its bytes and runs alone.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use datafusion::common::Result;

use crate::admission::{Admission, Admitted};
use crate::cluster::{Cluster, Done, Failure, Inputs, TaskOutput};
use crate::inputs::{TaskInputs, arrived};
use crate::job::attempt::AttemptWatch;
use crate::output::Buffer;
use crate::stage::TaskId;
use crate::task::{Report, TaskPlan, Worker};
use crate::window::{Ask, Window};

/// A task that neither reads nor writes for so long does not work any more.
const SILENCE_MAX: Duration = Duration::from_secs(600);

/// Runs tasks on the threads of the runtime it is called from.
pub struct InProcess {
    worker: Worker,
    window: Window,
    admission: Admission,
}

impl fmt::Debug for InProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InProcess").finish_non_exhaustive()
    }
}

impl InProcess {
    /// A cluster that runs `slots` tasks at the same time, of as many queries as are admitted.
    pub fn new(worker: Worker, slots: usize, admission: Admission) -> Self {
        Self { worker, window: Window::new(slots), admission }
    }
}

#[async_trait]
impl Cluster for InProcess {
    fn slots(&self) -> usize {
        self.window.slots()
    }

    fn patience(&self) -> Duration {
        SILENCE_MAX
    }

    async fn admit(&self) -> Result<Admitted, Failure> {
        self.admission.enter().await
    }

    async fn run(
        &self,
        id: TaskId,
        task: TaskPlan,
        inputs: Inputs,
        watch: &AttemptWatch,
    ) -> Result<Done> {
        let asked = Instant::now();
        let _room =
            self.window.acquire(Ask { job: id.job, cpus: 1, cpus_max: task.cpus_max }).await;
        watch.started();
        tracing::trace!(%id, "task starts");
        let queued = asked.elapsed();
        let (mut rows_in, mut bytes_in) = (0, 0);
        let mut read = Vec::with_capacity(inputs.len());
        for input in &inputs {
            let mut buffers = Vec::with_capacity(input.len());
            for output in input {
                let buffer = output.fetch().await?;
                rows_in += buffer.rows;
                bytes_in += buffer.bytes();
                buffers.push(arrived(buffer));
            }
            read.push(buffers);
        }
        let (buffers, report) =
            self.worker.run(&task, TaskInputs::new(read), watch.pulse()).await?;
        let report = Report { rows_in, bytes_in, queued, ..report };
        tracing::trace!(%id, ?report, "task is done");
        let keep = |buffer| Arc::new(Kept(Arc::new(buffer))) as Arc<dyn TaskOutput>;
        Ok(Done { outputs: buffers.into_iter().map(keep).collect(), report })
    }
}

/// A buffer in this process's memory.
struct Kept(Arc<Buffer>);

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} rows in {} bytes", self.0.rows, self.0.bytes())
    }
}

#[async_trait]
impl TaskOutput for Kept {
    async fn fetch(&self) -> Result<Arc<Buffer>> {
        Ok(Arc::clone(&self.0))
    }
}

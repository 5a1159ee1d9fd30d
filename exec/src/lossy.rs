//! A cluster that loses outputs, for tests of what then happens. In: a cluster. Out: one where each
//! task's first output is lost: of every second task before it is read, of the others after it was
//! read once.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use datafusion::common::Result;

use crate::admission::Admitted;
use crate::cluster::{Cluster, Done, Failure, Inputs, TaskOutput};
use crate::job::attempt::AttemptWatch;
use crate::output::Buffer;
use crate::stage::TaskId;
use crate::task::TaskPlan;

/// Loses outputs.
#[derive(Debug)]
pub struct Lossy {
    cluster: Arc<dyn Cluster>,
    /// The stages' tasks that have run.
    seen: Mutex<HashSet<(usize, usize)>>,
}

impl Lossy {
    /// Over this cluster, for one query.
    pub fn new(cluster: Arc<dyn Cluster>) -> Self {
        Self { cluster, seen: Mutex::default() }
    }
}

#[async_trait]
impl Cluster for Lossy {
    fn slots(&self) -> usize {
        self.cluster.slots()
    }

    fn patience(&self) -> Duration {
        self.cluster.patience()
    }

    async fn admit(&self) -> Result<Admitted, Failure> {
        self.cluster.admit().await
    }

    async fn run(
        &self,
        id: TaskId,
        task: TaskPlan,
        inputs: Inputs,
        watch: &AttemptWatch,
    ) -> Result<Done> {
        let mut done = self.cluster.run(id, task, inputs, watch).await?;
        let first = {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.insert((id.stage, id.task))
        };
        if first {
            let reads = Arc::new(AtomicUsize::new(id.task % 2));
            let lose = |output| {
                let reads = Arc::clone(&reads);
                Arc::new(Lost { output, reads, stage: id.stage, task: id.task }) as _
            };
            done.outputs = done.outputs.into_iter().map(lose).collect();
        }
        Ok(done)
    }
}

/// An output that can be read so many times.
#[derive(Debug)]
struct Lost {
    output: Arc<dyn TaskOutput>,
    reads: Arc<AtomicUsize>,
    stage: usize,
    task: usize,
}

#[async_trait]
impl TaskOutput for Lost {
    async fn fetch(&self) -> Result<Arc<Buffer>> {
        let less = |reads: usize| reads.checked_sub(1);
        match self.reads.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less) {
            Ok(_) => self.output.fetch().await,
            Err(_) => {
                let outputs = vec![(self.stage, self.task)];
                Err(Failure::Lost { outputs, words: "output lost".to_owned() }.into())
            }
        }
    }
}

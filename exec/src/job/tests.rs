//! Jobs on a cluster that is made up.

use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use datafusion::arrow::datatypes::Schema;
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_plan::empty::EmptyExec;

use super::*;
use crate::admission::{Admission, Admitted};
use crate::exchange::{Exchange, ExchangeExec};
use crate::job::attempt::AttemptWatch;
use crate::job::news::Teller;
use crate::output::Buffer;
use crate::stage::{Determinism, Output, Stage};
use crate::task::Report;

/// Answers at once; but never a task's first attempt, if it is so.
#[derive(Debug)]
struct MadeUp {
    hangs: bool,
    admission: Admission,
    ran: Mutex<Vec<TaskId>>,
}

#[derive(Debug)]
struct Nothing;

#[async_trait]
impl TaskOutput for Nothing {
    async fn fetch(&self) -> Result<Arc<Buffer>> {
        Ok(Arc::default())
    }
}

#[async_trait]
impl Cluster for MadeUp {
    fn slots(&self) -> usize {
        2
    }

    fn patience(&self) -> Duration {
        Duration::from_millis(50)
    }

    async fn admit(&self) -> Result<Admitted, Failure> {
        self.admission.enter().await
    }

    async fn run(&self, id: TaskId, _: TaskPlan, _: Inputs, watch: &AttemptWatch) -> Result<Done> {
        watch.started();
        self.ran.lock().expect("not poisoned").push(id);
        if self.hangs && id.attempt < self.slots() {
            std::future::pending::<()>().await;
        }
        Ok(Done { outputs: vec![Arc::new(Nothing)], report: Report::default() })
    }
}

/// A job of one stage, whose tasks' outputs the head reads in turn.
fn job(hangs: bool, tasks: usize) -> (Arc<MadeUp>, TaskInputs, SpawnedTask<()>) {
    let schema = Arc::new(Schema::empty());
    let work = Work {
        plan: Arc::new(EmptyExec::new(Arc::clone(&schema))),
        tasks: vec![Bytes::new(); tasks],
        inputs: vec![],
        determinism: Determinism::Determinate,
    };
    let stage = Stage { work, output: Output::Whole, keys: false, broadcast: None };
    let known = EquivalenceProperties::new(schema);
    let graph = Arc::new(StageGraph {
        stages: vec![stage],
        head: Arc::new(ExchangeExec::new(0, Exchange::Gather, known)),
        head_inputs: vec![Input { stage: 0, read: Read::All }],
        threads: 1,
        settings: Bytes::new(),
    });
    let admission = Admission::new(1, Duration::ZERO);
    let cluster = Arc::new(MadeUp { hangs, admission, ran: Mutex::default() });
    let log = Arc::new(JobLog::new(&graph, Teller::default()));
    let (inputs, job) = start(graph, Arc::<MadeUp>::clone(&cluster), log, JobOptions::default());
    (cluster, inputs, job)
}

#[tokio::test]
async fn a_task_that_hangs_is_given_to_another_attempt() {
    let (cluster, inputs, job) = job(true, 2);
    for output in inputs.buffers(0, None).expect("an input") {
        output.await.expect("an output");
    }
    job.join().await.expect("ends");
    let ran = cluster.ran.lock().expect("not poisoned");
    let tasks: Vec<_> = ran.iter().map(|id| (id.task, id.attempt)).collect();
    assert_eq!(tasks[..2], [(0, 0), (1, 1)]);
    assert_eq!(tasks.len(), 4, "one more attempt at each: {tasks:?}");
}

#[tokio::test]
async fn what_the_head_does_not_ask_for_is_not_run() {
    let (cluster, inputs, job) = job(false, 9);
    let outputs = inputs.buffers(0, None).expect("an input");
    outputs[0].clone().await.expect("an output");
    outputs[1].clone().await.expect("an output");
    drop(job);
    let most = cluster.ran.lock().expect("not poisoned").iter().map(|id| id.task).max();
    assert!(most < Some(2 + cluster.slots()), "{most:?}");
}

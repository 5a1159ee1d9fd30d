//! Runs a stage graph. In: the graph, a cluster. Out: what the query's head reads, as it comes. One
//! way to end: when the job is dropped (cancel, timeout, a client that left, a limit that is
//! reached) or failed, its tasks are cancelled and its outputs released. What is done next is
//! decided in [`state`].

pub mod attempt;
pub mod log;
pub mod state;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use datafusion::common::runtime::{JoinSet, SpawnedTask};
use datafusion::common::{DataFusionError, Result, internal_datafusion_err};
use futures::FutureExt;
use tokio::sync::oneshot;

use self::log::JobLog;
use self::state::{Action, Attempt, Event, Progress, Shape};
use crate::cluster::{Cluster, Done, Failure, Inputs, TaskOutput};
use crate::inputs::{Arriving, TaskInputs};
use crate::output::Buffer;
use crate::stage::{Determinism, Input, Read, StageGraph, TaskId};
use crate::task::{TaskPlan, joined};

/// Counts the jobs of this process.
static NEXT_JOB: AtomicU64 = AtomicU64::new(1);

type Answer = Result<Arc<Buffer>, Arc<DataFusionError>>;
/// Where the outputs of the stages go that the head reads, by stage and task.
type Answers = HashMap<(usize, usize), oneshot::Sender<Answer>>;

/// Starts a job on the current runtime. Returns what the head reads, and the job, which ends when
/// it is dropped.
pub fn start(
    graph: Arc<StageGraph>,
    cluster: Arc<dyn Cluster>,
    log: Arc<JobLog>,
) -> (TaskInputs, SpawnedTask<()>) {
    let mut answers = Answers::new();
    let mut arriving = HashMap::new();
    for input in &graph.head_inputs {
        for task in 0..graph.stages[input.stage].tasks.len() {
            arriving.entry((input.stage, task)).or_insert_with(|| {
                let (sender, receiver) = oneshot::channel();
                answers.insert((input.stage, task), sender);
                let gone = || Arc::new(internal_datafusion_err!("a job that ended early"));
                let arrives = receiver.map(move |sent| sent.unwrap_or_else(|_| Err(gone())));
                arrives.boxed().shared()
            });
        }
    }
    let read = |input: &Input| -> Vec<Arriving> {
        let tasks = 0..graph.stages[input.stage].tasks.len();
        tasks.map(|task| arriving[&(input.stage, task)].clone()).collect()
    };
    let inputs = TaskInputs::new(graph.head_inputs.iter().map(read).collect());
    let id = NEXT_JOB.fetch_add(1, Ordering::Relaxed);
    let (running, outputs) = (JoinSet::new(), HashMap::new());
    let job = Job { id, graph, cluster, log, running, outputs, ended: None, answers };
    (inputs, SpawnedTask::spawn(job.run()))
}

struct Job {
    id: u64,
    graph: Arc<StageGraph>,
    cluster: Arc<dyn Cluster>,
    log: Arc<JobLog>,
    running: JoinSet<(Attempt, Result<Done>)>,
    /// The outputs that are kept, by stage and task.
    outputs: HashMap<(usize, usize), Done>,
    /// Of the attempt that ended last, until it is known whether it is kept.
    ended: Option<Done>,
    answers: Answers,
}

impl Job {
    async fn run(mut self) {
        if let Err(error) = self.drive().await {
            // Every reader of the head is told, whichever waits.
            let error = Arc::new(error);
            for (_, answer) in self.answers.drain() {
                let _ = answer.send(Err(Arc::clone(&error)));
            }
        }
    }

    async fn drive(&mut self) -> Result<()> {
        let mut progress = Progress::new(self.shapes());
        let mut actions = progress.begin();
        loop {
            let mut unanswered = None;
            for action in actions {
                unanswered = self.act(action).await?.or(unanswered);
            }
            if let Some(event) = unanswered {
                actions = progress.on(event);
                continue;
            }
            let Some(ended) = self.running.join_next().await else { return Ok(()) };
            let (attempt, result) = ended.map_err(joined)?;
            let event = match result {
                Ok(done) => {
                    self.ended = Some(done);
                    Event::Done(attempt)
                }
                Err(error) => self.misfortune(attempt, error)?,
            };
            actions = progress.on(event);
        }
    }

    /// What an error means to the job; an error of the query itself is its end.
    fn misfortune(&self, attempt: Attempt, error: DataFusionError) -> Result<Event> {
        let event = match Failure::of(&error) {
            Some(Failure::Worker(_)) => Event::Failed(attempt),
            Some(Failure::Lost { stage, task }) => Event::Missing(attempt, *stage, *task),
            Some(Failure::GivenUp(_)) | None => return Err(error),
        };
        tracing::info!(job = self.id, ?attempt, %error, "a task runs again");
        Ok(event)
    }

    fn shapes(&self) -> Vec<Shape> {
        let answers = |stage| self.graph.head_inputs.iter().any(|input| input.stage == stage);
        let stages = self.graph.stages.iter().enumerate();
        let shapes = stages.map(|(number, stage)| Shape {
            tasks: stage.tasks.len(),
            inputs: stage.inputs.iter().map(|input| input.stage).collect(),
            answers: answers(number),
            repeatable: stage.determinism == Determinism::Determinate,
        });
        shapes.collect()
    }

    /// Does what was decided; an event when that did not work.
    async fn act(&mut self, action: Action) -> Result<Option<Event>> {
        match action {
            Action::Submit(attempt) => self.submit(attempt)?,
            Action::Keep(Attempt { stage, task, .. }) => {
                if let Some(done) = self.ended.take() {
                    self.outputs.insert((stage, task), done);
                }
            }
            Action::Release(stage, task) => {
                self.outputs.remove(&(stage, task));
            }
            Action::Answer(stage, task) => {
                let buffer = match self.output(stage, task, 0)?.fetch().await {
                    Err(error) if Failure::of(&error).is_some() => {
                        self.log.lost(stage);
                        return Ok(Some(Event::Unanswered(stage, task)));
                    }
                    fetched => fetched?,
                };
                if let Some(answer) = self.answers.remove(&(stage, task)) {
                    // A head that has all it wants does not listen any more.
                    let _ = answer.send(Ok(buffer));
                }
            }
            Action::Restart => {
                tracing::info!(job = self.id, "the query begins again");
                self.running = JoinSet::new();
                self.outputs.clear();
            }
            Action::GiveUp(reason) => return Err(Failure::GivenUp(reason).into()),
        }
        Ok(None)
    }

    fn submit(&mut self, attempt: Attempt) -> Result<()> {
        let Attempt { stage, task, number } = attempt;
        let spec = &self.graph.stages[stage];
        let plan = TaskPlan {
            plan: spec.tasks[task].clone(),
            settings: self.graph.settings.clone(),
            output: spec.output,
            determinism: spec.determinism,
        };
        let inputs: Inputs =
            spec.inputs.iter().map(|input| self.read(input, task)).collect::<Result<_>>()?;
        let id = TaskId { job: self.id, stage, task, attempt: number };
        let cluster = Arc::clone(&self.cluster);
        let watch = self.log.submitted(attempt);
        self.running.spawn(async move {
            let result = cluster.run(id, plan, inputs, &watch).await;
            watch.ended(&result);
            (attempt, result)
        });
        Ok(())
    }

    /// The buffers of an input that one task reads.
    fn read(&self, input: &Input, reader: usize) -> Result<Vec<Arc<dyn TaskOutput>>> {
        let buffer = match input.read {
            Read::Own => reader,
            Read::All => 0,
        };
        let tasks = 0..self.graph.stages[input.stage].tasks.len();
        tasks.map(|task| self.output(input.stage, task, buffer)).collect()
    }

    fn output(&self, stage: usize, task: usize, buffer: usize) -> Result<Arc<dyn TaskOutput>> {
        let done = self.outputs.get(&(stage, task));
        let output = done.and_then(|done| done.outputs.get(buffer)).cloned();
        output.ok_or_else(|| internal_datafusion_err!("stage {stage} has no output of task {task}"))
    }
}

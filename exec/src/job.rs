//! Runs a stage graph. In: the graph, a cluster. Out: what the query's head reads, as it comes. One
//! way to end: when the job is dropped (cancel, timeout, a client that left, a limit that is
//! reached) or failed, its tasks are cancelled and its outputs released. What is done next is
//! decided in [`state`].

pub mod attempt;
mod head;
pub mod log;
pub mod news;
mod shapes;
pub mod state;

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use datafusion::common::runtime::{JoinSet, SpawnedTask};
use datafusion::common::{DataFusionError, Result, internal_datafusion_err};
use tokio::task::AbortHandle;

use self::head::Head;
use self::log::{Decision, JobLog};
use self::news::Gathered;
use self::state::{Action, Attempt, Event, Progress};
use crate::cluster::{Cluster, Done, Failure, Inputs, Lack, TaskOutput};
use crate::inputs::TaskInputs;
use crate::pulse::Pulse;
use crate::stage::{Input, Read, StageGraph, TaskId, Work};
use crate::task::{TaskPlan, joined};

/// How often it is looked whether tasks are alive, in the time that they may be silent.
const LOOKS_PER_PATIENCE: u32 = 10;

/// Counts the jobs of this process.
static NEXT_JOB: AtomicU64 = AtomicU64::new(1);

/// For whom a job runs.
#[derive(Debug, Clone, Copy, Default)]
pub struct JobOptions {
    /// The query, as its client can see it.
    pub query: u64,
    /// CPUs that it may have at a time; no limit by default.
    pub cpus_max: Option<usize>,
}

/// Starts a job on the current runtime. Returns what the head reads, and the job, which ends when
/// it is dropped.
pub fn start(
    graph: Arc<StageGraph>,
    cluster: Arc<dyn Cluster>,
    log: Arc<JobLog>,
    options: JobOptions,
) -> (TaskInputs, SpawnedTask<()>) {
    let (inputs, head) = Head::new(&graph);
    let id = NEXT_JOB.fetch_add(1, Ordering::Relaxed);
    let job = Job {
        id,
        graph,
        cluster,
        log,
        options,
        running: JoinSet::new(),
        attempts: HashMap::new(),
        outputs: HashMap::new(),
        groups: HashMap::new(),
        broadcast: HashSet::new(),
        ended: None,
        misfortune: Misfortune::default(),
        gathered: Gathered::default(),
        head,
    };
    (inputs, SpawnedTask::spawn(job.run()))
}

struct Job {
    id: u64,
    graph: Arc<StageGraph>,
    cluster: Arc<dyn Cluster>,
    log: Arc<JobLog>,
    options: JobOptions,
    running: JoinSet<(Attempt, Result<Done>)>,
    attempts: HashMap<Attempt, Watched>,
    /// The outputs that are kept, by stage and task.
    outputs: HashMap<(usize, usize), Done>,
    /// Of stages with fewer tasks than planned: whose inputs each task reads.
    groups: HashMap<usize, Vec<Range<usize>>>,
    /// The stages that run as their broadcast.
    broadcast: HashSet<usize>,
    /// Of the attempt that ended last, until it is known whether it is kept.
    ended: Option<Done>,
    misfortune: Misfortune,
    gathered: Gathered,
    head: Head,
}

/// What befell a task or an output last.
#[derive(Default)]
struct Misfortune {
    words: String,
    lack: Option<Lack>,
}

impl Misfortune {
    fn new(words: &str, lack: Option<Lack>) -> Self {
        Self { words: words.to_owned(), lack }
    }
}

/// An attempt that runs.
struct Watched {
    task: AbortHandle,
    pulse: Pulse,
    /// Its beats when they were last seen to grow, and when that was.
    heard: (u64, Instant),
}

impl Job {
    async fn run(mut self) {
        if let Err(error) = self.drive().await {
            self.head.fail(error);
        }
    }

    async fn drive(&mut self) -> Result<()> {
        let _admitted = self.cluster.admit().await?;
        let mut progress = Progress::new(shapes::of(&self.graph), self.cluster.slots());
        let mut actions = progress.begin();
        loop {
            let mut unanswered = None;
            for action in actions {
                unanswered = self.act(action).await?.or(unanswered);
            }
            let event = match unanswered {
                Some(event) => event,
                None if progress.is_complete() => return Ok(()),
                None => self.event().await?,
            };
            actions = progress.on(event);
            self.gathered.add(&self.misfortune.words, progress.take_set_back());
        }
    }

    /// What happens next.
    async fn event(&mut self) -> Result<Event> {
        let mut watch = tokio::time::interval(self.cluster.patience() / LOOKS_PER_PATIENCE);
        loop {
            let ended = tokio::select! {
                Some(ended) = self.running.join_next() => ended,
                Some((stage, task)) = self.head.asked() => return Ok(Event::Asked(stage, task)),
                () = self.gathered.due() => {
                    self.tell();
                    continue;
                }
                _ = watch.tick() => match self.silent() {
                    Some(attempt) => return Ok(Event::Silent(attempt)),
                    None => continue,
                },
            };
            let (attempt, result) = match ended {
                // It was abandoned.
                Err(ended) if ended.is_cancelled() => continue,
                ended => ended.map_err(joined)?,
            };
            self.attempts.remove(&attempt);
            return match result {
                Ok(done) => {
                    let sizes = done.report.buffer_bytes.clone();
                    self.ended = Some(done);
                    Ok(Event::Done(attempt, sizes))
                }
                Err(error) => self.misfortune(attempt, error),
            };
        }
    }

    /// An attempt that has begun and gives no sign of life any more.
    fn silent(&mut self) -> Option<Attempt> {
        let (now, patience) = (Instant::now(), self.cluster.patience());
        let silent = self.attempts.iter_mut().find_map(|(attempt, watched)| {
            let beats = watched.pulse.beats();
            if beats == 0 || beats != watched.heard.0 {
                watched.heard = (beats, now);
            }
            (now.duration_since(watched.heard.1) > patience).then_some(*attempt)
        });
        if let Some(attempt) = silent {
            tracing::warn!(job = self.id, ?attempt, "a task gives no sign of life");
            self.misfortune = Misfortune::new("no sign of life", None);
        }
        silent
    }

    /// Tells what was gathered.
    fn tell(&mut self) {
        let of = (0..self.graph.stages.len()).map(|stage| self.tasks(stage)).sum();
        let news = self.gathered.take(of);
        self.log.teller().tell(news);
    }

    /// What an error means to the job; an error of the query itself is its end.
    fn misfortune(&mut self, attempt: Attempt, error: DataFusionError) -> Result<Event> {
        let event = match Failure::of(&error) {
            Some(Failure::Worker { words, lack }) => {
                self.misfortune = Misfortune::new(words, *lack);
                Event::Failed(attempt)
            }
            Some(Failure::Lost { outputs, words }) => {
                self.misfortune = Misfortune::new(words, None);
                Event::Missing(attempt, outputs.clone())
            }
            _ => return Err(error),
        };
        tracing::info!(job = self.id, ?attempt, %error, "a task runs again");
        Ok(event)
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
            Action::Group(stage, groups) => {
                let planned = self.work(stage).tasks.len();
                self.log.decided(stage, Decision::Tasks { planned, ran: groups.len() });
                self.groups.insert(stage, groups);
            }
            Action::Broadcast(stage, bytes) => {
                if let Some(broadcast) = &self.graph.stages[stage].broadcast {
                    let (build, tasks) = (broadcast.build, broadcast.work.tasks.len());
                    self.log.decided(stage, Decision::Broadcast { build, bytes, tasks });
                    self.log.decided(broadcast.probe, Decision::Spared { by: stage });
                    self.broadcast.insert(stage);
                }
            }
            Action::Abandon(attempt) => {
                if let Some(running) = self.attempts.remove(&attempt) {
                    running.task.abort();
                }
            }
            Action::Answer(stage, task) => {
                let fetched = match task < self.tasks(stage) {
                    true => self.output(stage, task, 0)?.fetch().await,
                    false => Ok(Arc::default()),
                };
                let buffer = match fetched {
                    Ok(buffer) => buffer,
                    Err(error) => {
                        let Some(Failure::Lost { words, .. }) = Failure::of(&error) else {
                            return Err(error);
                        };
                        self.misfortune = Misfortune::new(words, None);
                        self.log.lost(stage);
                        return Ok(Some(Event::Unanswered(stage, task)));
                    }
                };
                self.head.answer(stage, task, buffer);
            }
            Action::GiveUp(reason) => {
                let Misfortune { words, lack } = std::mem::take(&mut self.misfortune);
                return Err(Failure::GivenUp { reason, words, lack }.into());
            }
        }
        Ok(None)
    }

    fn submit(&mut self, attempt: Attempt) -> Result<()> {
        let Attempt { stage, task, number } = attempt;
        let (spec, work) = (&self.graph.stages[stage], self.work(stage));
        let plan = TaskPlan {
            plan: work.tasks[task].clone(),
            settings: self.graph.settings.clone(),
            output: spec.output,
            keys: spec.keys,
            determinism: work.determinism,
            threads: self.graph.threads,
            cpus_max: self.options.cpus_max.unwrap_or(usize::MAX),
            is_last: self.graph.is_for_head(stage) && work.reads_only_stages(),
        };
        let read = |input| self.read(stage, task, input);
        let inputs: Inputs = work.inputs.iter().map(read).collect::<Result<_>>()?;
        let id = TaskId { query: self.options.query, job: self.id, stage, task, attempt: number };
        let cluster = Arc::clone(&self.cluster);
        let watch = self.log.submitted(attempt);
        let pulse = watch.pulse().clone();
        let task = self.running.spawn(async move {
            let result = cluster.run(id, plan, inputs, &watch).await;
            watch.ended(&result);
            (attempt, result)
        });
        let heard = (0, Instant::now());
        self.attempts.insert(attempt, Watched { task, pulse, heard });
        Ok(())
    }

    /// What a stage's tasks do, as was decided.
    fn work(&self, stage: usize) -> &Work {
        let spec = &self.graph.stages[stage];
        let broadcast = spec.broadcast.as_ref().filter(|_| self.broadcast.contains(&stage));
        broadcast.map_or(&spec.work, |broadcast| &broadcast.work)
    }

    /// Tasks of a stage that run.
    fn tasks(&self, stage: usize) -> usize {
        self.groups.get(&stage).map_or(self.work(stage).tasks.len(), Vec::len)
    }

    /// The buffers of an input that one task of a stage reads.
    fn read(&self, stage: usize, task: usize, input: &Input) -> Result<Vec<Arc<dyn TaskOutput>>> {
        let buffers = match input.read {
            Read::Own => match self.groups.get(&stage) {
                Some(groups) => groups[task].clone(),
                None => task..task + 1,
            },
            Read::All => 0..1,
            Read::Every => 0..self.graph.stages[input.stage].output.buffers(),
            Read::Keys => {
                let keys = self.graph.stages[input.stage].output.buffers();
                keys..keys + 1
            }
        };
        let wrote = 0..self.tasks(input.stage);
        let of = |task| buffers.clone().map(move |buffer| self.output(input.stage, task, buffer));
        wrote.flat_map(of).collect()
    }

    fn output(&self, stage: usize, task: usize, buffer: usize) -> Result<Arc<dyn TaskOutput>> {
        let done = self.outputs.get(&(stage, task));
        let output = done.and_then(|done| done.outputs.get(buffer)).cloned();
        output.ok_or_else(|| internal_datafusion_err!("stage {stage} has no output of task {task}"))
    }
}

#[cfg(test)]
mod tests;

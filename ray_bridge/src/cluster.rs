//! A cluster on Ray. In: tasks. Out: their outputs, which Ray keeps. Ray finds room for each where
//! most of its bytes are. What a worker or a node took with it is done again by the job, which
//! knows what may be repeated; so Ray does not repeat anything by itself.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use datafusion::common::runtime::SpawnedTask;
use datafusion::common::{DataFusionError, Result, internal_datafusion_err};
use exec::admission::{Admission, Admitted};
use exec::cluster::{Cluster, Done, Failure, Inputs, Lack, TaskOutput};
use exec::job::attempt::AttemptWatch;
use exec::stage::TaskId;
use exec::task::{Report, TaskPlan};
use exec::window::{Ask, Permit, Window};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::driver::{Connection, Driver, State};
use crate::messages::{self, Outcome, QueryError, RunReply, RunRequest, StateRequest};
use crate::nodes::{Nodes, Watcher};
use crate::objects::{self, Object, Release, releasing};
use crate::options::Options;
use crate::place::{self, Part};
use crate::reads::{Read, missing, reads};
use crate::whereabouts::Whereabouts;

/// A task is watched by its worker; the driver that stops to answer is another matter.
const SILENCE_MAX: Duration = Duration::from_secs(600);
/// Between two signs of life of a task that Ray has.
const BEAT_EVERY: Duration = Duration::from_secs(30);
/// How long a query waits for Ray.
const READY_MAX: Duration = Duration::from_secs(30);
/// How long after a node was lost a task must be known to run elsewhere: Ray is told a second late.
const SETTLE: Duration = Duration::from_secs(2);
/// When it is looked where a task runs, and whether it does.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// When a task that waits for other tasks of ours is said to wait.
const WAIT_MAX: Duration = Duration::from_secs(4);

/// How long a view of Ray's state may take.
const STATE_MAX: Duration = Duration::from_secs(15);

/// The node of a task that ran where the query's head is.
const HERE: &str = "server";

pub(crate) const NODE_LOST: &str = "node lost";
const UNHEARD: &str = "Ray's head does not answer";

/// Makes the engine's error of what a worker said.
pub type ReadError = fn(QueryError) -> DataFusionError;

/// Runs tasks on Ray.
pub struct Ray {
    driver: Arc<Driver>,
    nodes: watch::Receiver<Arc<Nodes>>,
    window: Window,
    admission: Admission,
    here: Arc<dyn Cluster>,
    read_error: ReadError,
    release: Release,
    whereabouts: Whereabouts,
    _watching: SpawnedTask<()>,
    _releasing: SpawnedTask<()>,
}

impl fmt::Debug for Ray {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ray").finish_non_exhaustive()
    }
}

impl Ray {
    /// Starts the driver on the current runtime. What is left to do with a few rows runs `here`.
    pub fn start(
        options: Options,
        admission: Admission,
        here: Arc<dyn Cluster>,
        read_error: ReadError,
    ) -> Self {
        let driver = Arc::new(Driver::start(options));
        let window = Window::new(1);
        let (tell, nodes) = watch::channel(Arc::default());
        let watcher = Watcher::new(Arc::clone(&driver), tell, window.clone());
        let (release, released) = mpsc::unbounded_channel();
        Self {
            driver,
            nodes,
            window,
            admission,
            here,
            read_error,
            release,
            whereabouts: Whereabouts::default(),
            _watching: SpawnedTask::spawn(watcher.run()),
            _releasing: SpawnedTask::spawn(releasing(released)),
        }
    }

    /// The nodes that can be used.
    pub fn nodes(&self) -> Arc<Nodes> {
        Arc::clone(&self.nodes.borrow())
    }

    /// Waits until Ray's nodes are known, or it is known that Ray cannot be reached.
    pub async fn ready(&self) {
        if let Err(error) = self.connection().await {
            tracing::debug!(%error, "no connection to Ray");
        }
    }

    /// What Ray knows of its `nodes`, `tasks` or `actors`, each as an object of JSON.
    ///
    /// # Errors
    /// Ray does not answer.
    pub async fn state(&self, of: &str) -> Result<Vec<String>> {
        let mut connection = self.connection().await?;
        let asked = connection.client.state(StateRequest { of: of.to_owned() });
        let told = tokio::time::timeout(STATE_MAX, asked).await;
        let failed = |words: String| DataFusionError::from(Failure::Unreachable(words));
        let told = told.map_err(|_| failed(UNHEARD.to_owned()))?;
        Ok(told.map_err(|status| failed(status.message().to_owned()))?.into_inner().rows)
    }

    /// A driver that answers, and nodes it knows of.
    async fn connection(&self) -> Result<Connection, Failure> {
        let mut nodes = self.nodes.clone();
        let mut state = self.driver.state();
        let ready = async {
            let known = |nodes: &Arc<Nodes>| !nodes.usable.is_empty() || nodes.unheard;
            let unheard = nodes.wait_for(known).await.is_ok_and(|nodes| nodes.unheard);
            if unheard {
                return Err(UNHEARD.into());
            }
            let is_ready = |state: &State| matches!(state, State::Ready(_));
            let found = state.wait_for(is_ready).await;
            match found.as_deref() {
                Ok(State::Ready(connection)) => Ok(connection.clone()),
                _ => Err("the driver ended".into()),
            }
        };
        let late = async {
            tokio::time::sleep(READY_MAX).await;
            match &*self.driver.state().borrow() {
                State::Down { words, .. } => Arc::clone(words),
                _ => "the driver does not answer".into(),
            }
        };
        let found = tokio::select! {
            found = ready => found,
            words = late => Err(words),
            words = self.refused() => Err(words),
        };
        found.map_err(|words| Failure::Unreachable(words.to_string()))
    }

    /// Why no driver could be started, when several attempts failed.
    async fn refused(&self) -> Arc<str> {
        let mut state = self.driver.state();
        let refused =
            |state: &State| matches!(state, State::Down { attempts, .. } if *attempts > 1);
        let words = match state.wait_for(refused).await.as_deref() {
            Ok(State::Down { words, .. }) => Some(Arc::clone(words)),
            _ => None,
        };
        match words {
            Some(words) => words,
            None => std::future::pending().await,
        }
    }

    /// Room for a task among ours.
    async fn room(&self, ask: Ask, watch: &AttemptWatch) -> Permit {
        let room = self.window.acquire(ask);
        tokio::pin!(room);
        loop {
            match tokio::time::timeout(WAIT_MAX, &mut room).await {
                Ok(permit) => return permit,
                Err(_) => watch.waits(ask.cpus),
            }
        }
    }

    /// What the driver is told of a task and its place; `is_extra` when it runs beside others.
    fn request(
        id: TaskId,
        task: &TaskPlan,
        (ids, reads): (Vec<messages::Objects>, &[Read]),
        nodes: &Nodes,
        is_extra: bool,
    ) -> RunRequest {
        let cpus = task.threads.max(1);
        let parts = reads.iter().map(|(.., part)| part);
        let node = place::of(nodes, id.task, !ids.is_empty(), parts);
        // Beside others of ours, on a node that has CPUs; Ray takes any for a task without.
        let in_turn = place::in_turn(nodes, id.task);
        let beside = is_extra && in_turn.is_some();
        // Ray may send a task to a node that we know is lost and Ray does not, yet.
        let insists = nodes.doubtful || beside;
        let node = if insists { node.or(in_turn) } else { node };
        RunRequest {
            name: format!("mobula {id}"),
            inputs: ids,
            buffers: u32::try_from(task.output.buffers() + usize::from(task.keys))
                .unwrap_or(u32::MAX),
            cpus: if beside { 0 } else { u32::try_from(cpus).unwrap_or(u32::MAX) },
            memory_bytes: nodes.memory_bytes(cpus),
            task: task.encode().into(),
            node,
            insists,
            asks: nodes.doubtful,
        }
    }

    /// Waits for a task's end; or until it is known that it will not come, or not soon. None for a
    /// task that no worker had when a node was lost: the one that was to find room for it, perhaps.
    /// `losses` is how many were lost when it was known that all is there that the task reads.
    async fn reply(
        &self,
        request: RunRequest,
        mut connection: Connection,
        reads: &[Read],
        mut losses: usize,
        watch: &AttemptWatch,
    ) -> Result<Option<RunReply>> {
        let (name, cpus, asks) = (request.name.clone(), request.cpus as usize, request.asks);
        let mut nodes = self.nodes.clone();
        let mut ask = connection.clone();
        let call = connection.client.run(request);
        tokio::pin!(call);
        let mut beat = tokio::time::interval(BEAT_EVERY);
        let mut look = tokio::time::interval_at(Instant::now() + LOOK_EVERY, LOOK_EVERY);
        let mut runs = false;
        loop {
            let mut is_lost = false;
            tokio::select! {
                reply = &mut call => return Ok(Some(ask.answered(reply).await?.into_inner())),
                Ok(()) = nodes.changed() => {
                    let now = nodes.borrow_and_update();
                    if now.unheard {
                        return Err(Failure::Unreachable(UNHEARD.to_owned()).into());
                    }
                    is_lost = now.losses > losses;
                    losses = now.losses;
                    if !is_lost {
                        continue;
                    }
                }
                _ = look.tick(), if !runs => {}
                _ = beat.tick() => {
                    watch.pulse().beat();
                    continue;
                }
            }
            let due = Instant::now() + if is_lost { SETTLE } else { Duration::ZERO };
            let node = tokio::select! {
                reply = &mut call => return Ok(Some(ask.answered(reply).await?.into_inner())),
                node = self.whereabouts.of(&name, due, &mut ask) => node,
            };
            let lacks = is_lost && asks && !missing(reads, &self.nodes()).is_empty();
            match node {
                // It goes on if it runs, for then it has all it reads; unless it asks for that.
                Some(node) if !self.nodes().is_gone(&node) && !lacks => {
                    runs = true;
                    watch.started_on(&node);
                }
                None if is_lost && missing(reads, &self.nodes()).is_empty() => return Ok(None),
                _ if is_lost => return Err(self.lost(reads).into()),
                _ if self.nodes().cpus_free() < cpus => watch.waits(cpus),
                _ => {}
            }
        }
    }

    /// A node is lost, and a task with it, or what the task would have read.
    fn lost(&self, reads: &[Read]) -> Failure {
        let words = NODE_LOST.to_owned();
        match missing(reads, &self.nodes()) {
            outputs if outputs.is_empty() => Failure::Worker { words, lack: None },
            outputs => Failure::Lost { outputs, words },
        }
    }

    /// The task's end, as the job knows it.
    fn done(
        &self,
        id: TaskId,
        reply: RunReply,
        reads: &[Read],
        connection: &Connection,
        asked: Instant,
    ) -> Result<Done> {
        let RunReply { ids, outcome, failure } = reply;
        if let Some(failure) = failure {
            let is_lost = |(id, ..): &&(u64, _, _)| failure.lost == Some(*id);
            let mut outputs = missing(reads, &self.nodes());
            outputs.extend(reads.iter().find(is_lost).map(|(_, output, _)| *output));
            return Err(match outputs.is_empty() {
                false => Failure::Lost { outputs, words: failure.words },
                true => Failure::Worker { lack: lack(&failure), words: failure.words },
            }
            .into());
        }
        let outcome =
            outcome.ok_or_else(|| internal_datafusion_err!("a task without an outcome"))?;
        let Outcome { report, error, node, small } = outcome;
        if let Some(error) = error {
            return Err((self.read_error)(error));
        }
        let report = Report::decode(&report)?;
        let at_hand = reads.iter().filter(|(.., part)| part.is_at(&node));
        let bytes_at_hand = at_hand.map(|(.., part)| part.bytes).sum();
        let node: Arc<str> = node.into();
        let queued = asked.elapsed().saturating_sub(report.elapsed);
        let small = small.into_iter().map(|small| Some(objects::small(small)));
        let small = small.chain(std::iter::repeat(None));
        let keep = |((id_of, bytes), small)| {
            Arc::new(Object {
                connection: connection.clone(),
                id: id_of,
                output: (id.stage, id.task),
                part: Part { node: Arc::clone(&node), bytes },
                small,
                nodes: self.nodes.clone(),
                release: self.release.clone(),
            }) as Arc<dyn TaskOutput>
        };
        let sizes = report.buffer_bytes.iter().copied().chain(std::iter::repeat(usize::MAX));
        let outputs = ids.into_iter().zip(sizes).zip(small).map(keep).collect();
        let report = Report { queued, bytes_at_hand, node: Arc::clone(&node), ..report };
        Ok(Done { outputs, report })
    }
}

#[async_trait]
impl Cluster for Ray {
    fn slots(&self) -> usize {
        self.window.slots()
    }

    fn patience(&self) -> Duration {
        SILENCE_MAX
    }

    async fn admit(&self) -> Result<Admitted, Failure> {
        self.connection().await?;
        self.admission.enter().await
    }

    async fn run(
        &self,
        id: TaskId,
        task: TaskPlan,
        inputs: Inputs,
        watch: &AttemptWatch,
    ) -> Result<Done> {
        if task.is_last && objects::are_small(&inputs) {
            let Done { outputs, report } = self.here.run(id, task, inputs, watch).await?;
            let bytes_at_hand = report.bytes_in;
            return Ok(Done {
                outputs,
                report: Report { node: HERE.into(), bytes_at_hand, ..report },
            });
        }
        let asked = Instant::now();
        let cpus = task.threads.max(1);
        let room = self.room(Ask { job: id.job, cpus, cpus_max: task.cpus_max }, watch).await;
        loop {
            let connection = self.connection().await?;
            let (ids, reads) = reads(&inputs, &connection)?;
            let nodes = self.nodes();
            let outputs = missing(&reads, &nodes);
            if !outputs.is_empty() {
                return Err(Failure::Lost { outputs, words: NODE_LOST.to_owned() }.into());
            }
            let request = Self::request(id, &task, (ids, &reads), &nodes, room.is_extra());
            let losses = nodes.losses;
            let reply = self.reply(request, connection.clone(), &reads, losses, watch).await?;
            if let Some(reply) = reply {
                return self.done(id, reply, &reads, &connection, asked);
            }
            tracing::debug!(%id, "a node was lost before a worker had this task: it is sent again");
        }
    }
}

fn lack(failure: &messages::Failure) -> Option<Lack> {
    match failure.lack() {
        messages::Lack::Nothing => None,
        messages::Lack::Memory => Some(Lack::Memory),
        messages::Lack::Disk => Some(Lack::Disk),
    }
}

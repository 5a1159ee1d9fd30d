//! The driver: a Python process that owns our job on Ray. In: how to start it. Out: a client of it,
//! as long as it lives. It is started again when it ends, and ends with this process.

use std::io;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use datafusion::common::Result;
use datafusion::common::runtime::SpawnedTask;
use exec::cluster::Failure;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::{Notify, watch};
use tonic::Status;
use tonic::transport::{Channel, Endpoint};

use crate::MESSAGE_BYTES_MAX;
use crate::options::{Line, Options};
use crate::service::bridge_client::BridgeClient;

/// How long it may take to connect to Ray, or to start one.
const START_MAX: Duration = Duration::from_secs(120);
/// Between two attempts to start, at first and at most.
const PAUSE_MIN: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// How soon after a call that failed it must be known that the driver ended.
const END_MAX: Duration = Duration::from_secs(2);

/// A driver that answers.
#[derive(Debug, Clone)]
pub struct Connection {
    /// For calls.
    pub client: BridgeClient<Channel>,
    /// Which driver it is: objects of another one are gone.
    pub number: u64,
    /// Closed when it is known that the driver ended.
    pub(crate) alive: watch::Receiver<()>,
}

impl Connection {
    /// What the driver said. When it did not, all that it kept is gone, and the query begins again:
    /// with another driver, so not before it is known that this one ended.
    ///
    /// # Errors
    /// [`Failure::unrepeatable`].
    pub(crate) async fn answered<T>(&self, reply: std::result::Result<T, Status>) -> Result<T> {
        match reply {
            Ok(reply) => Ok(reply),
            Err(status) => {
                tracing::warn!(%status, "Ray's driver does not answer");
                let mut alive = self.alive.clone();
                // It may be well, and what failed something else.
                let _ = tokio::time::timeout(END_MAX, alive.changed()).await;
                Err(Failure::unrepeatable().into())
            }
        }
    }
}

/// Where the driver is.
#[derive(Debug, Clone)]
pub enum State {
    /// On its way.
    Starting,
    /// It answers.
    Ready(Connection),
    /// It ended; it will be started again.
    Down {
        /// Why.
        words: Arc<str>,
        /// How many have ended in a row that never answered.
        attempts: usize,
    },
}

/// Starts and watches the driver until this is dropped.
#[derive(Debug)]
pub struct Driver {
    state: watch::Receiver<State>,
    restart: Arc<Notify>,
    _supervisor: SpawnedTask<()>,
}

impl Driver {
    /// Starts one on the current runtime.
    pub fn start(options: Options) -> Self {
        let (tell, state) = watch::channel(State::Starting);
        let restart = Arc::new(Notify::new());
        let supervisor = supervise(options, tell, Arc::clone(&restart));
        Self { state, restart, _supervisor: SpawnedTask::spawn(supervisor) }
    }

    /// Ends the driver that there is: it is of no use any more. Another one is started.
    pub fn restart(&self) {
        self.restart.notify_one();
    }

    /// Where it is, now and later.
    pub fn state(&self) -> watch::Receiver<State> {
        self.state.clone()
    }
}

async fn supervise(options: Options, tell: watch::Sender<State>, restart: Arc<Notify>) {
    let mut pause = PAUSE_MIN;
    let mut attempts = 0;
    for number in 1.. {
        let (living, alive) = watch::channel(());
        let words = match run(&options, (number, alive), &tell, &restart).await {
            Ok(words) => words,
            Err(error) => error.to_string(),
        };
        let answered = matches!(*tell.borrow(), State::Ready(_));
        (attempts, pause) = if answered { (0, PAUSE_MIN) } else { (attempts + 1, pause) };
        tracing::warn!(words, "Ray's driver ended; it is started again");
        tell.send_replace(State::Down { words: words.into(), attempts });
        drop(living);
        tokio::time::sleep(pause).await;
        pause = PAUSE_MAX.min(2 * pause);
    }
}

/// Starts a driver and waits for its end; its last words.
async fn run(
    options: &Options,
    (number, alive): (u64, watch::Receiver<()>),
    tell: &watch::Sender<State>,
    restart: &Notify,
) -> io::Result<String> {
    let folder = options.folder.clone();
    tokio::task::spawn_blocking(move || crate::package::write(&folder)).await??;
    // Names of sockets are short.
    let sockets = tempfile::Builder::new().prefix("mobula-ray-").tempdir()?;
    let socket = sockets.path().join("driver");
    let mut child = spawn(options)?;
    let Options { address, sends, worker, .. } = options;
    let line = Line { socket: socket.clone(), address, sends: *sends, worker };
    let line = serde_json::to_string(&line)? + "\n";
    // Dropped with this future: the driver ends when it is closed.
    let _held: Option<ChildStdin> = match child.stdin.take() {
        Some(mut stdin) => {
            stdin.write_all(line.as_bytes()).await?;
            Some(stdin)
        }
        None => None,
    };
    let words = SpawnedTask::spawn(last_words(child.stderr.take()));
    let ended = |words: Option<String>| words.unwrap_or_else(|| "it said nothing".to_owned());
    let mut said = BufReader::new(child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?).lines();
    let ready = tokio::time::timeout(START_MAX, said.next_line()).await;
    if !matches!(&ready, Ok(Ok(Some(_)))) {
        child.start_kill()?;
        child.wait().await?;
        return Ok(ended(words.join().await.unwrap_or_default()));
    }
    let endpoint = Endpoint::try_from(format!("unix://{}", socket.display()));
    let channel = endpoint.map_err(io::Error::other)?.connect().await.map_err(io::Error::other)?;
    let client = BridgeClient::new(channel)
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX);
    tracing::info!(address = options.address, "connected to Ray");
    tell.send_replace(State::Ready(Connection { client, number, alive }));
    tokio::select! {
        ended = child.wait() => drop(ended?),
        () = restart.notified() => {
            child.start_kill()?;
            child.wait().await?;
            return Ok("its own node of Ray was lost".to_owned());
        }
    }
    Ok(ended(words.join().await.unwrap_or_default()))
}

fn spawn(options: &Options) -> io::Result<Child> {
    Command::new(&options.python)
        .args(["-m", "mobula_ray"])
        .env("PYTHONPATH", &options.folder)
        .env("RAY_USAGE_STATS_ENABLED", "0")
        // The server says what went wrong.
        .env("RAY_IGNORE_UNHANDLED_ERRORS", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // Ctrl-C in a terminal is for the server, which ends it in its own time.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| {
            io::Error::new(error.kind(), format!("{}: {error}", options.python.display()))
        })
}

/// Logs what it says on standard error; the last line of that.
async fn last_words(stderr: Option<tokio::process::ChildStderr>) -> Option<String> {
    let mut lines = BufReader::new(stderr?).lines();
    let mut last = None;
    while let Ok(Some(line)) = lines.next_line().await {
        tracing::debug!(line, "Ray's driver");
        if !line.trim().is_empty() {
            last = Some(line);
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_end_of_a_driver_is_known_before_a_query_begins_again() {
        let (living, alive) = watch::channel(());
        let client = BridgeClient::new(Endpoint::from_static("http://nobody").connect_lazy());
        let connection = Connection { client, number: 1, alive };
        let lost = || connection.answered::<()>(Err(Status::unavailable("broken pipe")));
        let failing = lost();
        tokio::pin!(failing);
        let soon = Duration::from_millis(50);
        tokio::time::timeout(soon, &mut failing).await.expect_err("it waits");
        drop(living);
        let error = failing.await.expect_err("it is gone");
        assert!(matches!(Failure::of(&error), Some(Failure::GivenUp { .. })));
        tokio::time::timeout(soon, lost()).await.expect("known").expect_err("gone");
        assert_eq!(connection.answered(Ok(1)).await.expect("an answer"), 1);
    }
}

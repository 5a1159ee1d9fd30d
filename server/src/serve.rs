//! Start and stop of the server. In: settings. Out: a process that serves until a signal. Assembles
//! the parts; each part starts itself.

mod runtimes;

use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use exec::admission::Admission;
use exec::codec::Codec;
use exec::in_process::InProcess;
use exec::task::Worker;
use exec::{Engine, EngineOptions, Roots};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::auth::{Throttle, prepare_admin};
use crate::cancel::Reason;
use crate::config::{Launch, Settings};
use crate::error::{PgError, PgResult, SqlState, engine};
use crate::functions::base_state;
use crate::meta::Meta;
use crate::sessions::Sessions;
use crate::shared::Shared;
use crate::statement::copy::{STAGING_FOLDER, sweep_tables};
use crate::tls::{Files, Tls};
use runtimes::Runtimes;

/// Names directly below the data directory that SQL neither reads nor writes.
pub const PRIVATE_NAMES: &[&str] = &[
    "catalog.sqlite",
    "catalog.sqlite-wal",
    "catalog.sqlite-shm",
    "catalog.sqlite-journal",
    "connection",
    ".connection.new",
    "lock",
    "mobula.toml",
    "spill",
    "ray",
    STAGING_FOLDER,
];

/// What a task may come to hold for each byte that it counts: an operator that spills has its state
/// twice for a moment, and decoders and allocators keep what nobody counts. TPC-H's Q18 at SF 10
/// with 1 GiB took all of 2 GiB when tasks counted up to the whole of it.
pub(crate) const HELD_PER_COUNTED: usize = 2;
/// The folder for spilled data below the configured one: emptied at start, so it is ours alone.
const SPILL_FOLDER: &str = "mobula-spill";

/// Runs the server until it is told to stop.
///
/// # Errors
/// What keeps it from starting.
pub fn run(launch: Launch) -> PgResult<()> {
    crate::config::raise_open_files();
    crate::freed::give_back_above_half(crate::config::memory_bytes())
        .map_err(|e| io("start threads", &e))?;
    let runtimes = Runtimes::new(launch.settings.threads).map_err(|e| io("start threads", &e))?;
    let network = runtimes.network.handle().clone();
    let result = network.block_on(serve(launch, &runtimes));
    runtimes.stop();
    result
}

async fn serve(launch: Launch, runtimes: &Runtimes) -> PgResult<()> {
    let settings = launch.settings;
    let data_dir = make_data_dir(&settings.data_dir)?;
    let meta = Meta::open(&data_dir)?;
    sweep_tables(&data_dir, &meta.snapshot());
    let tls = match (&settings.tls_cert, &settings.tls_key) {
        (Some(cert), Some(key)) => {
            let (cert, key, client_ca) =
                (cert.clone(), key.clone(), settings.tls_client_ca.clone());
            Some(Tls::open(Files { cert, key, client_ca })?)
        }
        _ => None,
    };
    let engine = Arc::new(make_engine(&settings, &data_dir)?);
    let base = base_state(&engine).map_err(|error| engine::from_engine(&error, ""))?;
    let codec = Codec::new(Arc::new(planner::session::functions_of(&base)));
    let admission = Admission::new(settings.max_queries, settings.queue_timeout);
    let share_bytes = memory_bytes(&settings) / settings.threads / HELD_PER_COUNTED;
    let worker = Worker::new(Arc::clone(&engine), codec.clone(), share_bytes);
    let cluster = Arc::new(InProcess::new(worker, settings.threads, admission));
    let ray = crate::ray::start(
        &settings,
        &data_dir,
        Arc::<InProcess>::clone(&cluster),
        &runtimes.network,
    );
    let address = (settings.listen.host.as_str(), settings.listen.port);
    let listener = TcpListener::bind(address)
        .await
        .map_err(|error| io(&format!("listen on {}", settings.listen), &error))?;
    let port = listener.local_addr().map_err(|error| io("listen", &error))?.port();
    let demo = make_demo(&settings, &data_dir, runtimes).await?;
    let host = settings.listen.host.clone();
    let admin = prepare_admin(&meta, &data_dir, &host, port, launch.reset_password)?;
    let shared = Arc::new(Shared {
        settings,
        data_dir,
        engine,
        codec,
        cluster,
        ray,
        base,
        meta,
        tables: Default::default(),
        constants: Default::default(),
        sessions: Arc::new(Sessions::default()),
        queries: Default::default(),
        mock: admin.mock,
        throttle: Throttle::default(),
        tls,
        planning: runtimes.planning.handle().clone(),
        execution: runtimes.execution.lanes(),
        stopping: CancellationToken::new(),
        connections: TaskTracker::new(),
        half_open: AtomicUsize::new(0),
    });
    crate::demo_tables::register(&shared, &demo).await?;
    announce(&shared, port, admin.uri.expose(), admin.fresh);
    let accepting = runtimes.network.spawn(crate::net::accept(Arc::clone(&shared), listener));
    until_stopped(&shared).await?;
    // The listener closes with its task: new clients are refused by the system from here on.
    let _ = accepting.await;
    Ok(())
}

fn make_data_dir(path: &Path) -> PgResult<PathBuf> {
    let failed =
        |error: std::io::Error| io(&format!("use the data directory {}", path.display()), &error);
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)?;
    path.canonicalize().map_err(failed)
}

fn make_engine(settings: &Settings, data_dir: &Path) -> PgResult<Engine> {
    let spill_dir = settings.spill_dir.join(SPILL_FOLDER);
    let staging_dir = data_dir.join(STAGING_FOLDER);
    for folder in [&spill_dir, &staging_dir] {
        exec::publish::sweep(folder).map_err(|e| io("empty a working folder", &e))?;
    }
    let roots = Roots::open(data_dir, PRIVATE_NAMES, &settings.allow_path)
        .map_err(|error| io("use an allowed path", &error))?;
    let options = EngineOptions {
        memory_bytes: memory_bytes(settings),
        spill_dir,
        spill_bytes: settings.spill_limit.0,
        threads: settings.threads,
        staging_dir,
    };
    Engine::new(options, Arc::new(roots)).map_err(|error| engine::from_engine(&error, ""))
}

/// What the engine may use.
fn memory_bytes(settings: &Settings) -> usize {
    usize::try_from(settings.memory_limit.0).unwrap_or(usize::MAX)
}

async fn make_demo(
    settings: &Settings,
    data_dir: &Path,
    runtimes: &Runtimes,
) -> PgResult<Vec<crate::demo::DemoTable>> {
    if !settings.demo {
        return Ok(vec![]);
    }
    let (dir, scale, threads) = (data_dir.to_owned(), settings.demo_scale, settings.threads);
    let made =
        runtimes.planning.spawn_blocking(move || crate::demo::generate(&dir, scale, threads));
    made.await.unwrap_or_else(|error| Err(engine::incident(&error)))
}

/// What a person at a terminal needs next.
fn announce(shared: &Shared, port: u16, uri: &str, fresh: bool) {
    let file = shared.data_dir.join("connection");
    let listen = &shared.settings.listen.host;
    tracing::info!(host = listen, port, data_dir = %shared.data_dir.display(), "ready");
    let mut out = std::io::stdout().lock();
    let told = if fresh {
        writeln!(out, "\nConnect with:\n\n    psql \"{uri}\"\n")
    } else {
        writeln!(out, "\nConnect with:\n\n    psql \"$(cat {})\"\n", file.display())
    };
    // Nobody at the other end of stdout is no reason not to serve.
    let _ = told.and_then(|()| out.flush());
}

/// Waits for a signal, then for the sessions: idle ones end at once, running ones get the grace.
async fn until_stopped(shared: &Arc<Shared>) -> PgResult<()> {
    let failed = |error: std::io::Error| io("wait for signals", &error);
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut hangup = signal(SignalKind::hangup()).map_err(failed)?;
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => if let Some(tls) = &shared.tls { tls.reload() },
        }
    }
    tracing::info!("stopping");
    shared.stopping.cancel();
    shared.connections.close();
    tokio::select! {
        () = shared.connections.wait() => return Ok(()),
        () = tokio::time::sleep(shared.settings.shutdown_grace) => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    shared.sessions.cancel_all(Reason::Shutdown);
    // A cancelled statement ends within its next poll; what does not is left to the process's end.
    let _ =
        tokio::time::timeout(std::time::Duration::from_secs(1), shared.connections.wait()).await;
    Ok(())
}

fn io(what: &str, error: &std::io::Error) -> PgError {
    PgError::fatal(SqlState::IoError, format!("could not {what}: {error}"))
}

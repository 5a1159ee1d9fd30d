//! Runs a task in a worker of Ray. In: the server's options, the task and the buffers it reads.
//! Out: its outcome and its buffers. The interpreter is free meanwhile, and asked whether the task
//! was cancelled.

use std::path::{Path, PathBuf};
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, mpsc};
use std::time::{Duration, Instant};

use datafusion::common::{DataFusionError, Result, internal_err};
use exec::codec::Codec;
use exec::inputs::{Arriving, TaskInputs, arrived};
use exec::pulse::Pulse;
use exec::task::{Report, TaskPlan, Worker};
use exec::{Engine, EngineOptions, Roots};
use prost::Message;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};
use ray_bridge::messages::{Outcome, QueryError};
use ray_bridge::options::WorkerOptions;
use server::error::SqlState;
use server::error::engine::from_engine;
use tokio::runtime::Runtime;

use crate::buffers::{self, Parts};

/// Between two looks whether the task was cancelled.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// A task that reads and writes nothing for so long does not work any more.
const SILENCE_MAX: Duration = Duration::from_secs(600);
/// As the server's: expressions nest.
const STACK_BYTES: usize = 16 << 20;

/// What a process runs its tasks with, one after another.
struct Process {
    worker: Worker,
    runtime: Runtime,
    /// Memory and threads.
    slot: (usize, usize),
}

/// The last one: tasks of like slots share it.
static PROCESS: OnceLock<Mutex<Option<Arc<Process>>>> = OnceLock::new();

/// Runs a task on a node, in a process that may use a folder; its outcome, and each buffer as rows,
/// partitions and segments.
#[pyfunction]
pub fn run_task<'py>(
    py: Python<'py>,
    place: (String, PathBuf),
    options: &str,
    memory_bytes: usize,
    task: &[u8],
    counts: Vec<usize>,
    read: &Bound<'py, PyTuple>,
) -> PyResult<(Bound<'py, PyBytes>, Vec<Parts>)> {
    let (node, folder) = place;
    let broken = |error: DataFusionError| PyRuntimeError::new_err(error.to_string());
    let buffers = read.iter().map(|object| buffers::read(&object).map(arrived));
    let buffers: Vec<Arriving> = buffers.collect::<PyResult<_>>()?;
    let task = TaskPlan::decode(task).map_err(broken)?;
    let slot = (memory_bytes, task.threads.max(1));
    let process = py.detach(|| process(options, &folder, slot)).map_err(broken)?;
    let (ended, end) = mpsc::channel();
    // The interpreter's rules want it shareable.
    let end = Mutex::new(end);
    let worker = process.worker.clone();
    let buffers_written = task.output.buffers() + usize::from(task.keys);
    let pulse = Pulse::default();
    let beating = pulse.clone();
    let mut heard = (0, Instant::now());
    let running = process.runtime.spawn(async move {
        let result = run(&worker, &task, counts, buffers, &beating).await;
        // Who asked may have been cancelled.
        let _ = ended.send(result);
    });
    let result = loop {
        match py
            .detach(|| end.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(LOOK_EVERY))
        {
            Ok(result) => break result,
            Err(RecvTimeoutError::Timeout) => {
                py.check_signals().inspect_err(|_| running.abort())?;
                if pulse.beats() != heard.0 {
                    heard = (pulse.beats(), Instant::now());
                }
                if heard.1.elapsed() > SILENCE_MAX {
                    running.abort();
                    return Err(PyRuntimeError::new_err("the task gave no sign of life"));
                }
            }
            Err(RecvTimeoutError::Disconnected) => {
                return Err(PyRuntimeError::new_err("a task ended without a result"));
            }
        }
    };
    let (outcome, written) = match result {
        Ok((report, written)) => {
            let (report, small) = (report.encode().into(), buffers::small(&written));
            (Outcome { report, error: None, node, small }, written)
        }
        Err(error) => {
            let nothing = || (0, vec![], vec![]);
            let outcome = Outcome {
                report: Default::default(),
                error: Some(told(&error)),
                node,
                small: vec![],
            };
            (outcome, std::iter::repeat_with(nothing).take(buffers_written).collect())
        }
    };
    Ok((PyBytes::new(py, &outcome.encode_to_vec()), written))
}

async fn run(
    worker: &Worker,
    task: &TaskPlan,
    counts: Vec<usize>,
    read: Vec<Arriving>,
    pulse: &Pulse,
) -> Result<(Report, Vec<Parts>)> {
    let (mut rows_in, mut bytes_in) = (0, 0);
    for buffer in &read {
        let buffer = buffer.clone().await.map_err(DataFusionError::Shared)?;
        rows_in += buffer.rows;
        bytes_in += buffer.bytes();
    }
    let mut read = read.into_iter();
    let inputs: Vec<Vec<_>> =
        counts.into_iter().map(|count| (&mut read).take(count).collect()).collect();
    let (buffers, report) = worker.run(task, TaskInputs::new(inputs), pulse).await?;
    let mut written = vec![];
    for buffer in buffers {
        written.push(buffers::parts(buffer).await?);
    }
    Ok((Report { rows_in, bytes_in, ..report }, written))
}

/// An error as the server knows it; that of memory as the engine said it, for the server may plan
/// the query another way.
fn told(error: &DataFusionError) -> QueryError {
    let exhausted = match error.find_root() {
        DataFusionError::ResourcesExhausted(words) => Some(words.clone()),
        _ => None,
    };
    let mut error = from_engine(error, "");
    if error.state == SqlState::UndefinedFile {
        error = error.hint("Every node of the cluster has to see the files under the same path.");
    }
    QueryError {
        exhausted,
        state: error.state.code().to_owned(),
        message: error.message,
        detail: error.detail,
        hint: error.hint,
    }
}

fn process(options: &str, folder: &Path, slot: (usize, usize)) -> Result<Arc<Process>> {
    let last = PROCESS.get_or_init(Mutex::default);
    let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(process) = last.as_ref().filter(|process| process.slot == slot) {
        return Ok(Arc::clone(process));
    }
    let process = Arc::new(make(options, folder, slot)?);
    *last = Some(Arc::clone(&process));
    Ok(process)
}

fn make(options: &str, folder: &Path, slot: (usize, usize)) -> Result<Process> {
    let (memory_bytes, threads) = slot;
    let Ok(options) = serde_json::from_str::<WorkerOptions>(options) else {
        return internal_err!("options that cannot be read");
    };
    let io = |error: std::io::Error| DataFusionError::IoError(error);
    let scratch = scratch(folder).map_err(io)?;
    let private: Vec<&str> = options.private_names.iter().map(String::as_str).collect();
    // A node has what it mounts; the server's own folder may be the server's alone.
    let data_dir = if options.data_dir.is_dir() { &options.data_dir } else { &scratch };
    let mut allowed = options.allow_path.clone();
    allowed.retain(|path| path.exists());
    let roots = Roots::open(data_dir, &private, &allowed).map_err(io)?;
    let engine = Engine::new(
        EngineOptions {
            memory_bytes,
            spill_dir: scratch.join("spill"),
            spill_bytes: options.spill_bytes,
            threads,
            staging_dir: scratch,
        },
        Arc::new(roots),
    )?;
    let functions = server::functions::all(&engine)?;
    let codec = Codec::new(Arc::new(functions));
    let worker = Worker::new(Arc::new(engine), codec, memory_bytes / options.held_per_counted);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_stack_size(STACK_BYTES)
        .enable_all()
        .build()
        .map_err(io)?;
    Ok(Process { worker, runtime, slot })
}

/// A folder of this process's own; those of processes that are gone are removed.
fn scratch(folder: &Path) -> std::io::Result<PathBuf> {
    let all = folder.join("workers");
    let own = all.join(std::process::id().to_string());
    std::fs::create_dir_all(own.join("spill"))?;
    for entry in std::fs::read_dir(&all)?.flatten() {
        let lives = PathBuf::from("/proc").join(entry.file_name()).exists();
        if !lives {
            // Another worker may remove it at the same time.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
    Ok(own)
}

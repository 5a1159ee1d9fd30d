//! Where the server's calls arrive in the driver. In: calls over a Unix socket. Out: calls of
//! Python's half, which talks to Ray; and what came of them. Keeps the references to objects, by
//! number.

use std::collections::HashMap;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use prost::Message;
use pyo3::call::PyCallArgs;
use pyo3::conversion::FromPyObjectOwned;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use ray_bridge::messages::{
    Demand, Failure, FetchRequest, Node, NodesReply, Nothing, Objects, Outcome, Piece, Place,
    PlacesReply, RunReply, RunRequest, StateReply, StateRequest, WarmRequest,
};
use ray_bridge::service::bridge_server::{Bridge, BridgeServer};
use ray_bridge::{MESSAGE_BYTES_MAX, PIECE_BYTES};
use tokio::net::UnixListener;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::{Request, Response, Status};

use crate::buffers;

/// How long a cancelled task may go on.
const GRACE: Duration = Duration::from_millis(700);

type Object = Arc<Py<PyAny>>;

/// Serves the bridge until the process ends.
#[pyfunction]
pub fn serve(py: Python<'_>, socket: PathBuf, driver: Py<PyAny>) -> PyResult<()> {
    py.detach(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(async {
            let calls = UnixListenerStream::new(UnixListener::bind(socket)?);
            // The server waits for this line.
            println!("ready");
            let shared = Shared { driver, objects: Mutex::default(), next: AtomicU64::new(1) };
            let service = BridgeServer::new(Calls(Arc::new(shared)))
                .max_decoding_message_size(MESSAGE_BYTES_MAX)
                .max_encoding_message_size(MESSAGE_BYTES_MAX);
            let server = tonic::transport::Server::builder().add_service(service);
            let served = server.serve_with_incoming(calls).await;
            served.map_err(|error| PyRuntimeError::new_err(error.to_string()))
        })
    })
}

struct Shared {
    driver: Py<PyAny>,
    objects: Mutex<HashMap<u64, Object>>,
    next: AtomicU64,
}

struct Calls(Arc<Shared>);

impl Shared {
    fn objects(&self) -> MutexGuard<'_, HashMap<u64, Object>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, object: Py<PyAny>) -> u64 {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        self.objects().insert(id, Arc::new(object));
        id
    }

    /// Submits a task; the references of its outcome and of its buffers.
    fn submit(
        &self,
        py: Python<'_>,
        request: RunRequest,
        ended: Ended,
    ) -> PyResult<Vec<Py<PyAny>>> {
        let counts: Vec<_> = request.inputs.iter().map(|input| input.ids.len()).collect();
        let inputs = {
            let objects = self.objects();
            let found = |id: &u64| objects.get(id).cloned();
            let ids = request.inputs.iter().flat_map(|input| &input.ids);
            ids.map(|id| found(id).ok_or(*id)).collect::<Result<Vec<_>, _>>()
        };
        let inputs = inputs.map_err(|id| PyRuntimeError::new_err(format!("no object {id}")))?;
        let inputs: Vec<_> = inputs.iter().map(|object| object.clone_ref(py)).collect();
        let RunRequest { name, task, buffers, cpus, memory_bytes, node, insists, asks, .. } =
            request;
        let place = (node, insists);
        let task = (PyBytes::new(py, &task), counts, inputs, asks, buffers);
        let arguments = (name, task, cpus, memory_bytes, place, ended);
        self.driver.bind(py).call_method1("submit", arguments)?.extract()
    }

    /// The number of a buffer among those that a task reads.
    fn number(&self, py: Python<'_>, request: &[Objects], hex: &str) -> Option<u64> {
        let is = |object: &Object| {
            let name = object.bind(py).call_method0("hex").ok()?;
            name.extract::<String>().ok().filter(|name| name == hex)
        };
        let ids = request.iter().flat_map(|input| &input.ids).copied();
        let objects: Vec<_> = {
            let objects = self.objects();
            ids.filter_map(|id| Some((id, Arc::clone(objects.get(&id)?)))).collect()
        };
        objects.iter().find_map(|(id, object)| is(object).map(|_| *id))
    }
}

/// What Python calls when a task has ended: its outcome, or the lost object and Ray's words.
#[pyclass(frozen)]
struct Ended(Waiting);

/// Who waits for a task's end; empty when it has ended.
type Waiting = Arc<Mutex<Option<oneshot::Sender<End>>>>;

enum End {
    Told(Vec<u8>),
    Failed { lost: Option<String>, words: String, lack: i32 },
}

#[pymethods]
impl Ended {
    fn __call__(
        &self,
        outcome: Option<Vec<u8>>,
        lost: Option<String>,
        words: Option<String>,
        lack: i32,
    ) {
        let end = match outcome {
            Some(outcome) => End::Told(outcome),
            None => End::Failed { lost, words: words.unwrap_or_default(), lack },
        };
        let sender = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(sender) = sender {
            // The call may have been dropped.
            let _ = sender.send(end);
        }
    }
}

/// Cancels a task that nobody waits for any more; with its worker, if it does not listen.
struct Cancelling {
    shared: Arc<Shared>,
    outcome: Option<Py<PyAny>>,
    waiting: Waiting,
}

impl Drop for Cancelling {
    fn drop(&mut self) {
        let Some(outcome) = self.outcome.take() else { return };
        let (shared, waiting) = (Arc::clone(&self.shared), Arc::clone(&self.waiting));
        let outcome = Arc::new(outcome);
        let cancel = move |force: bool| {
            let (shared, outcome) = (Arc::clone(&shared), Arc::clone(&outcome));
            spawn_blocking(move || {
                Python::attach(|py| {
                    // One that has ended meanwhile cannot be cancelled.
                    let _ =
                        shared.driver.bind(py).call_method1("cancel", (outcome.bind(py), force));
                    drop(outcome);
                });
            })
        };
        tokio::spawn(async move {
            let _ = cancel(false).await;
            tokio::time::sleep(GRACE).await;
            let runs = waiting.lock().unwrap_or_else(PoisonError::into_inner).is_some();
            if runs {
                let _ = cancel(true).await;
            }
            // The last reference goes where Python may be asked.
            spawn_blocking(move || Python::attach(|_| drop(cancel)));
        });
    }
}

fn broken(error: impl std::fmt::Display) -> Status {
    Status::internal(error.to_string())
}

#[tonic::async_trait]
impl Bridge for Calls {
    async fn run(&self, request: Request<RunRequest>) -> Result<Response<RunReply>, Status> {
        let request = request.into_inner();
        let inputs = request.inputs.clone();
        let (ended, end) = oneshot::channel();
        let waiting: Waiting = Arc::new(Mutex::new(Some(ended)));
        let ended = Ended(Arc::clone(&waiting));
        let shared = Arc::clone(&self.0);
        let submitting =
            spawn_blocking(move || Python::attach(|py| shared.submit(py, request, ended)));
        let mut references = submitting.await.map_err(broken)?.map_err(broken)?.into_iter();
        let mut cancelling =
            Cancelling { shared: Arc::clone(&self.0), outcome: references.next(), waiting };
        let end = end.await.map_err(broken)?;
        cancelling.outcome = None;
        let reply = match end {
            End::Told(outcome) => {
                let outcome = Outcome::decode(outcome.as_slice()).map_err(broken)?;
                let kept = outcome.error.is_none();
                let ids = references.filter(|_| kept).map(|object| self.0.keep(object)).collect();
                RunReply { ids, outcome: Some(outcome), failure: None }
            }
            End::Failed { lost, words, lack } => {
                let shared = Arc::clone(&self.0);
                let finding =
                    spawn_blocking(move || Python::attach(|py| shared.number(py, &inputs, &lost?)));
                let lost = finding.await.map_err(broken)?;
                let failure = Some(Failure { lost, words, lack });
                RunReply { ids: vec![], outcome: None, failure }
            }
        };
        Ok(Response::new(reply))
    }

    type FetchStream = Pin<Box<dyn Stream<Item = Result<Piece, Status>> + Send>>;

    async fn fetch(
        &self,
        request: Request<FetchRequest>,
    ) -> Result<Response<Self::FetchStream>, Status> {
        let id = request.into_inner().id;
        let object = self.0.objects().get(&id).cloned();
        let object = object.ok_or_else(|| broken(format!("no object {id}")))?;
        let shared = Arc::clone(&self.0);
        let reading = spawn_blocking(move || {
            Python::attach(|py| {
                let found = shared.driver.bind(py).call_method1("fetch", (object.bind(py),))?;
                if found.is_none() { Ok(None) } else { buffers::read(&found).map(Some) }
            })
        });
        let found: PyResult<_> = reading.await.map_err(broken)?;
        let Some(buffer) = found.map_err(broken)? else {
            let gone = Piece { lost: true, ..Piece::default() };
            return Ok(Response::new(stream::iter([Ok(gone)]).boxed()));
        };
        let mut segments = vec![];
        for segment in &buffer.segments {
            segments.push(segment.stream.read().await.map_err(broken)?);
        }
        let first = Piece {
            rows: buffer.rows as u64,
            partitions: buffer.segments.iter().map(|segment| segment.partition as u64).collect(),
            lengths: segments.iter().map(|segment| segment.len() as u64).collect(),
            ..Piece::default()
        };
        let rest = segments.into_iter().flat_map(pieces);
        let all = std::iter::once(first).chain(rest).map(Ok);
        Ok(Response::new(stream::iter(all).boxed()))
    }

    async fn release(&self, request: Request<Objects>) -> Result<Response<Nothing>, Status> {
        let released: Vec<_> = {
            let mut objects = self.0.objects();
            request.into_inner().ids.iter().filter_map(|id| objects.remove(id)).collect()
        };
        // Python counts references: it is attached for that.
        spawn_blocking(move || Python::attach(|_| drop(released))).await.map_err(broken)?;
        Ok(Response::new(Nothing {}))
    }

    async fn nodes(&self, _: Request<Nothing>) -> Result<Response<NodesReply>, Status> {
        let (nodes, own): (Vec<NodeCells>, String) = self.ask("nodes", ()).await?;
        let node = |cells| {
            let (id, address, port, cpus, cpus_free, memory_bytes, gpus, store_bytes) = cells;
            Node { id, address, cpus, memory_bytes, port, cpus_free, gpus, store_bytes }
        };
        let nodes = nodes.into_iter().map(node).collect();
        Ok(Response::new(NodesReply { nodes, own }))
    }

    async fn places(&self, _: Request<Nothing>) -> Result<Response<PlacesReply>, Status> {
        let running: Vec<(String, String)> = self.ask("places", ()).await?;
        let running = running.into_iter().map(|(name, node)| Place { name, node }).collect();
        Ok(Response::new(PlacesReply { running }))
    }

    async fn warm(&self, request: Request<WarmRequest>) -> Result<Response<Nothing>, Status> {
        let WarmRequest { node, workers } = request.into_inner();
        let _: Option<bool> = self.ask("warm", (node, workers)).await?;
        Ok(Response::new(Nothing {}))
    }

    async fn state(&self, request: Request<StateRequest>) -> Result<Response<StateReply>, Status> {
        let rows: Vec<String> = self.ask("state", (request.into_inner().of,)).await?;
        Ok(Response::new(StateReply { rows }))
    }

    async fn demand(&self, request: Request<Demand>) -> Result<Response<Nothing>, Status> {
        let _: Option<bool> = self.ask("demand", (request.into_inner().cpus,)).await?;
        Ok(Response::new(Nothing {}))
    }
}

/// Name, address, port, CPUs, free CPUs, memory, GPUs, store.
type NodeCells = (String, String, u32, f64, f64, f64, f64, f64);

impl Calls {
    /// Calls a method of Python's half.
    async fn ask<T, A>(&self, method: &'static str, arguments: A) -> Result<T, Status>
    where
        T: for<'py> FromPyObjectOwned<'py> + Send + 'static,
        A: for<'py> PyCallArgs<'py> + Send + 'static,
    {
        let shared = Arc::clone(&self.0);
        let asking = spawn_blocking(move || {
            Python::attach(|py| {
                let told = shared.driver.bind(py).call_method1(method, arguments)?;
                told.extract::<T>().map_err(Into::into)
            })
        });
        asking.await.map_err(broken)?.map_err(|error: PyErr| broken(error))
    }
}

fn pieces(mut segment: Bytes) -> impl Iterator<Item = Piece> {
    std::iter::from_fn(move || {
        let bytes = segment.split_to(segment.len().min(PIECE_BYTES));
        (!bytes.is_empty()).then(|| Piece { bytes, ..Piece::default() })
    })
}

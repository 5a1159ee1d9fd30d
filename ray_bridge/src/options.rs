//! What the driver and the workers are told when they start.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// For the driver, and where to find what it needs.
#[derive(Debug, Clone)]
pub struct Options {
    /// The interpreter that has Ray.
    pub python: PathBuf,
    /// `auto`, `HOST:PORT`, or `local` for a Ray of our own.
    pub address: String,
    /// A folder of ours for the Python package.
    pub folder: PathBuf,
    /// Whether the package's native half is sent to the nodes; else they have the package.
    pub sends: bool,
    /// For each worker.
    pub worker: WorkerOptions,
}

/// For a worker: what the server's own engine has, too. The paths are the same on every node.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct WorkerOptions {
    /// The server's data directory.
    pub data_dir: PathBuf,
    /// Names in it that queries do not read.
    pub private_names: Vec<String>,
    /// Other paths that may be read.
    pub allow_path: Vec<PathBuf>,
    /// Of a slot's memory, what a task may hold for each byte that it counts.
    pub held_per_counted: usize,
    /// Spilled data of one worker, bytes.
    pub spill_bytes: u64,
}

/// The line the driver reads first.
#[derive(Debug, Serialize)]
pub(crate) struct Line<'a> {
    pub(crate) socket: PathBuf,
    pub(crate) address: &'a str,
    pub(crate) sends: bool,
    pub(crate) worker: &'a WorkerOptions,
}

//! What the server and the driver say to each other.

use bytes::Bytes;
use prost::Message;

/// Run a task; who does not want it any more drops the call.
#[derive(Clone, PartialEq, Message)]
pub struct RunRequest {
    /// As Ray's dashboard shows it.
    #[prost(string, tag = "1")]
    pub name: String,
    /// See [`exec::task::TaskPlan::encode`].
    #[prost(bytes = "bytes", tag = "2")]
    pub task: Bytes,
    /// What it reads, for each of its inputs.
    #[prost(message, repeated, tag = "3")]
    pub inputs: Vec<Objects>,
    /// How many buffers it writes.
    #[prost(uint32, tag = "4")]
    pub buffers: u32,
    /// CPUs of its slot; none if it is to run beside others of ours that have them all.
    #[prost(uint32, tag = "5")]
    pub cpus: u32,
    /// Memory of its slot, bytes.
    #[prost(uint64, tag = "6")]
    pub memory_bytes: u64,
    /// The node where it would run best.
    #[prost(string, optional, tag = "7")]
    pub node: Option<String>,
    /// Whether it rather waits for that node than to run elsewhere.
    #[prost(bool, tag = "8")]
    pub insists: bool,
    /// Whether its worker asks for what it reads, and not Ray before it starts.
    #[prost(bool, tag = "9")]
    pub asks: bool,
}

/// Buffers by the numbers that the driver gave them.
#[derive(Clone, PartialEq, Message)]
pub struct Objects {
    /// The numbers.
    #[prost(uint64, repeated, tag = "1")]
    pub ids: Vec<u64>,
}

/// What became of a task: it is done, or it failed.
#[derive(Clone, PartialEq, Message)]
pub struct RunReply {
    /// The task's buffers.
    #[prost(uint64, repeated, tag = "1")]
    pub ids: Vec<u64>,
    /// What the worker said.
    #[prost(message, optional, tag = "2")]
    pub outcome: Option<Outcome>,
    /// Why the worker said nothing.
    #[prost(message, optional, tag = "3")]
    pub failure: Option<Failure>,
}

/// What a worker says at a task's end: a report or an error.
#[derive(Clone, PartialEq, Message)]
pub struct Outcome {
    /// See [`exec::task::Report::encode`].
    #[prost(bytes = "bytes", tag = "1")]
    pub report: Bytes,
    /// The query's own error.
    #[prost(message, optional, tag = "2")]
    pub error: Option<QueryError>,
    /// Ray's name of the node.
    #[prost(string, tag = "3")]
    pub node: String,
    /// The buffers, if they are small together: who is where the query's head is has them at once.
    #[prost(message, repeated, tag = "4")]
    pub small: Vec<Small>,
}

/// A buffer in one message.
#[derive(Clone, PartialEq, Message)]
pub struct Small {
    /// Rows in it.
    #[prost(uint64, tag = "1")]
    pub rows: u64,
    /// The partition of each segment.
    #[prost(uint64, repeated, tag = "2")]
    pub partitions: Vec<u64>,
    /// The bytes of each.
    #[prost(bytes = "bytes", repeated, tag = "3")]
    pub segments: Vec<Bytes>,
}

/// An error of the query, which no other worker would be spared.
#[derive(Clone, PartialEq, Message)]
pub struct QueryError {
    /// What the engine said when the memory was not enough: the server may plan another way.
    #[prost(string, optional, tag = "1")]
    pub exhausted: Option<String>,
    /// SQLSTATE.
    #[prost(string, tag = "2")]
    pub state: String,
    /// For the client.
    #[prost(string, tag = "3")]
    pub message: String,
    /// For the client.
    #[prost(string, optional, tag = "4")]
    pub detail: Option<String>,
    /// For the client.
    #[prost(string, optional, tag = "5")]
    pub hint: Option<String>,
}

/// Why there is no word of a worker.
#[derive(Clone, PartialEq, Message)]
pub struct Failure {
    /// The buffer that was to be read and is gone.
    #[prost(uint64, optional, tag = "1")]
    pub lost: Option<u64>,
    /// What happened, in a few words.
    #[prost(string, tag = "2")]
    pub words: String,
    /// What was not enough.
    #[prost(enumeration = "Lack", tag = "3")]
    pub lack: i32,
}

/// What a worker's machine had not enough of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum Lack {
    /// Something else happened.
    Nothing = 0,
    /// Memory.
    Memory = 1,
    /// Disk, or room for objects.
    Disk = 2,
}

/// Send a buffer.
#[derive(Clone, PartialEq, Message)]
pub struct FetchRequest {
    /// Which.
    #[prost(uint64, tag = "1")]
    pub id: u64,
}

/// A part of a buffer. The first says what the buffer is, the others have its bytes.
#[derive(Clone, PartialEq, Message)]
pub struct Piece {
    /// Rows in the buffer.
    #[prost(uint64, tag = "1")]
    pub rows: u64,
    /// The partition of each segment.
    #[prost(uint64, repeated, tag = "2")]
    pub partitions: Vec<u64>,
    /// Bytes of each segment.
    #[prost(uint64, repeated, tag = "3")]
    pub lengths: Vec<u64>,
    /// The next bytes, of one segment after another.
    #[prost(bytes = "bytes", tag = "4")]
    pub bytes: Bytes,
    /// The buffer is gone.
    #[prost(bool, tag = "5")]
    pub lost: bool,
}

/// The cluster's nodes.
#[derive(Clone, PartialEq, Message)]
pub struct NodesReply {
    /// Those that are alive.
    #[prost(message, repeated, tag = "1")]
    pub nodes: Vec<Node>,
    /// The one that the driver belongs to.
    #[prost(string, tag = "2")]
    pub own: String,
}

/// A node.
#[derive(Clone, PartialEq, Message)]
pub struct Node {
    /// Ray's name of it.
    #[prost(string, tag = "1")]
    pub id: String,
    /// Where it is.
    #[prost(string, tag = "2")]
    pub address: String,
    /// CPUs that it offers.
    #[prost(double, tag = "3")]
    pub cpus: f64,
    /// Memory that it offers to tasks, bytes.
    #[prost(double, tag = "4")]
    pub memory_bytes: f64,
    /// Where its raylet listens.
    #[prost(uint32, tag = "5")]
    pub port: u32,
    /// CPUs that nobody has.
    #[prost(double, tag = "6")]
    pub cpus_free: f64,
    /// GPUs that it offers.
    #[prost(double, tag = "7")]
    pub gpus: f64,
    /// Memory for objects, bytes.
    #[prost(double, tag = "8")]
    pub store_bytes: f64,
}

/// Where tasks of ours are that have not ended, as far as Ray knows; it is a second behind.
#[derive(Clone, PartialEq, Message)]
pub struct PlacesReply {
    /// Those that run.
    #[prost(message, repeated, tag = "1")]
    pub running: Vec<Place>,
}

/// Where a task runs.
#[derive(Clone, PartialEq, Message)]
pub struct Place {
    /// The task's, see [`RunRequest::name`].
    #[prost(string, tag = "1")]
    pub name: String,
    /// The node's.
    #[prost(string, tag = "2")]
    pub node: String,
}

/// Have workers ready on a node.
#[derive(Clone, PartialEq, Message)]
pub struct WarmRequest {
    /// Which.
    #[prost(string, tag = "1")]
    pub node: String,
    /// How many.
    #[prost(uint32, tag = "2")]
    pub workers: u32,
}

/// What Ray knows of its nodes, tasks or actors, whoever has them.
#[derive(Clone, PartialEq, Message)]
pub struct StateRequest {
    /// `nodes`, `tasks` or `actors`.
    #[prost(string, tag = "1")]
    pub of: String,
}

/// The rows of one of these.
#[derive(Clone, PartialEq, Message)]
pub struct StateReply {
    /// Each an object of JSON, by column.
    #[prost(string, repeated, tag = "1")]
    pub rows: Vec<String>,
}

/// What we could use; Ray may add nodes.
#[derive(Clone, PartialEq, Message)]
pub struct Demand {
    /// CPUs, in all.
    #[prost(uint32, tag = "1")]
    pub cpus: u32,
}

/// Nothing.
#[derive(Clone, PartialEq, Message)]
pub struct Nothing {}

//! The cluster that lives on Ray: tasks as Ray tasks, outputs as Ray objects. In: tasks from
//! `exec`. Out: their outputs. Knows neither SQL nor Postgres.
//!
//! The server starts [`driver`], a Python process (`python/mobula_ray`) that owns our job on Ray
//! and ends with the server. [`cluster`] talks to the Rust half inside it (`module`) in
//! [`messages`] over a Unix socket. Ray's workers load the same module to run tasks.

pub mod cluster;
pub mod driver;
pub mod messages;
pub mod nodes;
mod objects;
pub mod options;
pub mod package;
mod place;
pub mod probe;
mod reads;
mod whereabouts;

/// The calls of [`messages`], for both ends.
#[allow(missing_docs, reason = "made by build.rs")]
pub mod service {
    include!(concat!(env!("OUT_DIR"), "/mobula.ray.Bridge.rs"));
}

/// The largest message: a plan. Rows come in pieces.
pub const MESSAGE_BYTES_MAX: usize = 256 << 20;
/// Rows of a buffer in one message, bytes.
pub const PIECE_BYTES: usize = 1 << 20;
/// Buffers that travel with their task's report have no more together, bytes.
pub const SMALL_BYTES: usize = 64 << 10;

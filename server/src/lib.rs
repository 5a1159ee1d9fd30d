//! Postgres: bytes, sessions, rows, SQLSTATE; catalog, roles. The only crate that knows the wire
//! and the only one that reads configuration.
//!
//! The life of a query, as the files it passes:
//! 1. [`net`] accepts, encrypts and logs in ([`auth`], [`tls`]); [`conn`] takes the session.
//! 2. [`wire`] cuts a frame and reads a message; `conn/simple.rs` or `conn/extended.rs` answers it.
//! 3. [`statement`] says what kind it is and who runs it; [`catalog`] finds its names.
//! 4. The planner crate plans it on the planning threads (`statement/query.rs`).
//! 5. The engine runs it on its own threads; `statement/rows.rs` encodes rows with [`encode`].
//! 6. `conn/pump.rs` writes them, watching for a [`cancel`], a time limit, a client that left.

pub mod auth;
pub mod cancel;
pub mod catalog;
pub mod config;
pub mod conn;
pub mod constants;
pub mod cursors;
pub mod demo;
pub mod demo_tables;
pub mod durable;
pub mod encode;
pub mod error;
pub mod freed;
pub mod functions;
mod inet;
pub mod lanes;
pub mod limits;
pub mod meta;
pub mod net;
pub mod notify;
pub mod params;
pub mod pg_catalog;
pub mod queries;
mod ray;
pub mod rights;
pub mod serve;
pub mod session;
pub mod sessions;
pub mod shared;
pub mod statement;
pub mod text_format;
mod text_output;
pub mod tls;
mod to_char;
pub mod types;
pub mod wire;

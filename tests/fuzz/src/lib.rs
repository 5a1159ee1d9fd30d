//! The message layer without the server. In: bytes as a client would send them. Out: the server's
//! own reader, decoder and login, which the targets drive and watch. What those files use of the
//! rest of the server is in `stand_ins.rs`; the crates they name are this one under their names.

// The server's files import these crates. Here they are stand-ins: building the real ones would
// take longer than fuzzing.
extern crate self as pgwire;
extern crate self as planner;
extern crate self as tokio;
extern crate self as tokio_rustls;
extern crate self as tracing;

#[path = "../../../server/src/limits.rs"]
pub mod limits;

pub mod memory;
pub mod opening;
mod stand_ins;
pub mod stream;
pub mod wire;

pub use stand_ins::{auth, cancel, depth, messages, server, session, sessions, shared, tls};

/// The server's `error.rs`, without what knows DataFusion (see `build.rs`).
pub mod error {
    include!(concat!(env!("OUT_DIR"), "/error.rs"));
}

/// `tokio::io`, the real one.
pub mod io {
    pub use tokio_real::io::*;
}

/// `tokio::net`, with a socket made of bytes.
pub mod net {
    pub use crate::stream::TcpStream;
}

/// `tracing::debug`: nobody reads it here.
#[macro_export]
macro_rules! debug {
    ($($anything:tt)*) => {};
}

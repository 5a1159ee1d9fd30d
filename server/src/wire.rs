//! Bytes and messages. [`frame`] cuts exact, bounded frames from a socket; [`frontend`] reads what
//! clients send; [`backend`] writes what they get. Knows no session and no SQL.

pub mod backend;
pub mod frame;
pub mod frontend;

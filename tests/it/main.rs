//! Tests from outside, in one program so that it is linked once. Each module asks one question.

mod datafusion;
mod errors;
mod hostile;
mod login;
mod pitfalls;
mod plans;
mod psql;
mod slt;
mod start;
mod tidy;
mod wire;

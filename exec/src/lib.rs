//! Runs plans. In: a physical plan, the engine's resources. Out: streams of record batches.
//! Knows neither SQL text, nor Postgres, nor Ray: a Ray worker loads it without the SQL half.
//!
//! - [`roots`] and [`store`]: which files may be read, and reading one version of each.
//! - [`engine`]: memory, spill, caches, settings of the embedded engine.
//! - [`slices`]: an operator that lets a join be cancelled.
//! - [`conjunction`]: an expression that compares before it copies.
//! - [`dynamic_filter`]: an operator that drops rows a far join will not want.
//! - [`publish`]: files appear whole or not at all.

pub mod conjunction;
pub mod dynamic_filter;
pub mod engine;
pub mod publish;
pub mod roots;
pub mod slices;
pub mod store;
mod walk;

pub use engine::{Engine, EngineOptions};
pub use roots::Roots;

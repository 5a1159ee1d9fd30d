//! Runs plans. In: a physical plan, the engine's resources. Out: streams of record batches.
//! Knows neither SQL text, nor Postgres, nor Ray: a Ray worker loads it without the SQL half.
//!
//! - [`roots`] and [`store`]: which files may be read, and reading one version of each.
//! - [`engine`]: memory, spill, caches, settings of the embedded engine; [`account`]: who has how
//!   much of its memory.
//! - [`slices`]: an operator that lets a join be cancelled.
//! - [`conjunction`]: an expression that compares before it copies.
//! - [`dynamic_filter`]: an operator that drops rows a far join will not want; [`key_filter`]: the
//!   same when the join is in another stage.
//! - [`forget`]: an operator that says less of its rows than the engine would.
//! - [`stage`], [`staged`], [`job`]: a query as stages of tasks, and running it on a cluster.
//! - [`cluster`], [`in_process`], [`window`]: what runs tasks, and room for them; [`admission`]:
//!   which queries may begin; [`pulse`]: whether a task still works.
//! - [`task`], [`inputs`], [`output`], [`spool`], [`exchange`]: one task, what it reads and what it
//!   writes; [`codec`], [`settings`], `travel`: how it travels; [`file_scan`]: its leaves.
//! - [`repeat`], [`lossy`]: clusters that check that tasks can be repeated, and make them be.
//! - [`publish`]: files appear whole or not at all.

pub mod account;
pub mod admission;
mod bloom;
pub mod cluster;
pub mod codec;
pub mod conjunction;
pub mod dynamic_filter;
pub mod engine;
pub mod exchange;
pub mod file_scan;
pub mod forget;
pub mod in_process;
pub mod inputs;
pub mod job;
pub mod key_filter;
mod keys;
pub mod lossy;
mod may_contain;
mod nodes;
pub mod output;
pub mod publish;
pub mod pulse;
pub mod repeat;
pub mod roots;
pub mod settings;
pub mod slices;
pub mod spool;
pub mod stage;
pub mod staged;
pub mod store;
pub mod task;
mod travel;
mod walk;
pub mod window;

pub use engine::{Engine, EngineOptions};
pub use roots::Roots;

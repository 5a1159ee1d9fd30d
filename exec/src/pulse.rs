//! Signs of life of a task. In: what it reads and writes. Out: a count that grows while it works,
//! for those who wait for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts what a task does; all clones count together.
#[derive(Debug, Clone, Default)]
pub struct Pulse(Arc<AtomicU64>);

impl Pulse {
    /// The task did something.
    pub fn beat(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// How often it did; 0 before it begins.
    pub fn beats(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

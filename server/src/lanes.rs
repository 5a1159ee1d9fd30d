//! Threads that run and encode queries, in several groups. In: a query. Out: it runs on the group
//! that has the fewest. One query has a thread for each core, as fast as can be; a small one beside
//! a large one has threads of its own, between which the system shares the cores in milliseconds.
//! In one group it would wait for a batch of the large one at each of its steps, a tenth of a
//! second where the expressions are costly. Knows nothing of plans.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinHandle;

use crate::limits::EXECUTION_STACK_BYTES;

/// Groups: with as many large queries the next one shares a group again.
const LANES: usize = 4;

/// The groups, as those see them who run queries.
#[derive(Debug, Clone)]
pub struct Lanes(Vec<Lane>);

#[derive(Debug, Clone)]
struct Lane {
    handle: Handle,
    queries: Arc<AtomicUsize>,
}

/// A query on a lane.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Lanes {
    /// Runs a query, or what is asked of a portal, where the fewest run.
    pub fn spawn<F>(&self, query: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let least = self.0.iter().min_by_key(|lane| lane.queries.load(Ordering::Relaxed));
        let lane = least.unwrap_or(&self.0[0]);
        lane.queries.fetch_add(1, Ordering::Relaxed);
        let counted = Counted(Arc::clone(&lane.queries));
        lane.handle.spawn(async move {
            let _counted = counted;
            query.await
        })
    }
}

/// Owns the threads.
#[derive(Debug)]
pub struct LaneThreads(Vec<Runtime>);

impl LaneThreads {
    /// So many threads in each group.
    ///
    /// # Errors
    /// No thread could be made.
    pub fn new(threads: usize) -> io::Result<Self> {
        let lane = |_| {
            Builder::new_multi_thread()
                .worker_threads(threads)
                .thread_name("mobula-exec")
                .thread_stack_size(EXECUTION_STACK_BYTES)
                .enable_all()
                .build()
        };
        (0..LANES).map(lane).collect::<io::Result<_>>().map(Self)
    }

    /// For those who run queries.
    pub fn lanes(&self) -> Lanes {
        let lane =
            |runtime: &Runtime| Lane { handle: runtime.handle().clone(), queries: Arc::default() };
        Lanes(self.0.iter().map(lane).collect())
    }

    /// Ends all threads; what still runs is dropped.
    pub fn stop(self) {
        for runtime in self.0 {
            runtime.shutdown_timeout(Duration::from_millis(100));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_beside_others_has_threads_of_its_own() {
        let threads = LaneThreads::new(1).expect("threads");
        let lanes = threads.lanes();
        let (release, held) = std::sync::mpsc::channel::<()>();
        // It does not yield: what shares its only thread would wait for it.
        let large = lanes.spawn(async move { held.recv().is_err() });
        let Ok(small) = futures::executor::block_on(lanes.spawn(async { 42 })) else {
            panic!("it ends");
        };
        assert_eq!(small, 42);
        drop(release);
        assert!(futures::executor::block_on(large).expect("ends"));
        let running = |lane: &Lane| lane.queries.load(Ordering::Relaxed);
        assert_eq!(lanes.0.iter().map(running).sum::<usize>(), 0);
        threads.stop();
    }
}

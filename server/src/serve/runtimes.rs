//! Three kinds of threads. The network's answer within microseconds whatever the others do; the
//! planner's have stacks for the deepest statement; the engine's run and encode
//! ([`crate::lanes`]). A query that takes every core leaves the others to the system's scheduler,
//! which is fair where a runtime is not.

use std::io;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use crate::lanes::LaneThreads;
use crate::limits::PLANNING_STACK_BYTES;

/// Network threads: enough for tens of thousands of small answers a second on one machine.
const NETWORK_THREADS: usize = 2;

/// Planning threads, at least; otherwise twice the cores. A statement of thousands of terms takes
/// seconds to plan and cannot be interrupted; others are planned beside it.
const PLANNING_THREADS_MIN: usize = 8;

/// The server's threads.
#[derive(Debug)]
pub(super) struct Runtimes {
    pub(super) network: Runtime,
    pub(super) planning: Runtime,
    pub(super) execution: LaneThreads,
}

impl Runtimes {
    pub(super) fn new(threads: usize) -> io::Result<Self> {
        let network = Builder::new_multi_thread()
            .worker_threads(NETWORK_THREADS)
            .thread_name("mobula-net")
            .enable_all()
            .build()?;
        let planning = Builder::new_multi_thread()
            .worker_threads(PLANNING_THREADS_MIN.max(2 * threads))
            .thread_name("mobula-plan")
            .thread_stack_size(PLANNING_STACK_BYTES)
            .enable_all()
            .build()?;
        let execution = LaneThreads::new(threads)?;
        Ok(Self { network, planning, execution })
    }

    /// Ends all threads; what still runs is dropped.
    pub(super) fn stop(self) {
        self.network.shutdown_timeout(Duration::from_millis(200));
        self.execution.stop();
        self.planning.shutdown_timeout(Duration::from_millis(200));
    }
}

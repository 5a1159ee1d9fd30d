//! What is counted of all sessions since the start. In: events. Out: the numbers of
//! `pg_stat_database`. Decides nothing.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident, $count:ident;)+) => {
        /// Numbers since the server began.
        #[derive(Debug, Default)]
        pub struct Totals { $($name: AtomicU64,)+ }

        impl Totals {
            $($(#[$doc])* pub fn $count(&self) {
                self.$name.fetch_add(1, Ordering::Relaxed);
            }

            /// How many.
            pub fn $name(&self) -> u64 {
                self.$name.load(Ordering::Relaxed)
            })+
        }
    };
}

counters! {
    /// A client logged in.
    sessions, session_began;
    /// A session ended because its client vanished.
    abandoned, session_abandoned;
    /// A session was ended by someone else.
    killed, session_killed;
    /// A session ended with an error.
    fatal, session_failed;
    /// A transaction was committed.
    commits, committed;
    /// A transaction was rolled back.
    rollbacks, rolled_back;
}

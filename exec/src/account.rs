//! The memory of one task or statement, counted. In: reservations of its operators. Out: whether
//! they are granted: by its share and by what is left of the engine's memory; and how much it holds
//! and has held at most.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use datafusion::common::Result;
use datafusion::execution::memory_pool::{
    FairSpillPool, MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation,
};

/// Counts what is taken from a pool.
#[derive(Debug)]
pub struct Account {
    /// All memory of the process.
    all: Arc<dyn MemoryPool>,
    /// What this one may take of it; fair among its operators that can spill.
    share: Option<FairSpillPool>,
    used: AtomicUsize,
    peak: AtomicUsize,
}

impl Account {
    /// An account that may take all.
    pub fn new(all: Arc<dyn MemoryPool>) -> Self {
        Self { all, share: None, used: AtomicUsize::new(0), peak: AtomicUsize::new(0) }
    }

    /// An account that may take so many bytes.
    pub fn with_share(all: Arc<dyn MemoryPool>, bytes: usize) -> Self {
        Self { share: Some(FairSpillPool::new(bytes)), ..Self::new(all) }
    }

    /// The most it ever held, bytes.
    pub fn peak(&self) -> usize {
        self.peak.load(Ordering::Relaxed)
    }

    fn took(&self, bytes: usize) {
        let used = self.used.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.peak.fetch_max(used, Ordering::Relaxed);
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "account(used: {})", self.reserved())
    }
}

impl MemoryPool for Account {
    fn name(&self) -> &str {
        "account"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        self.all.register(consumer);
        if let Some(share) = &self.share {
            share.register(consumer);
        }
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        self.all.unregister(consumer);
        if let Some(share) = &self.share {
            share.unregister(consumer);
        }
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.all.grow(reservation, additional);
        if let Some(share) = &self.share {
            share.grow(reservation, additional);
        }
        self.took(additional);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.all.shrink(reservation, shrink);
        if let Some(share) = &self.share {
            share.shrink(reservation, shrink);
        }
        self.used.fetch_sub(shrink, Ordering::Relaxed);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        if let Some(share) = &self.share {
            share.try_grow(reservation, additional)?;
        }
        let granted = self.all.try_grow(reservation, additional);
        match (&granted, &self.share) {
            (Ok(()), _) => self.took(additional),
            (Err(_), Some(share)) => share.shrink(reservation, additional),
            (Err(_), None) => {}
        }
        granted
    }

    fn reserved(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    fn memory_limit(&self) -> MemoryLimit {
        match &self.share {
            Some(share) => share.memory_limit(),
            None => self.all.memory_limit(),
        }
    }
}

#[cfg(test)]
mod tests {
    use datafusion::execution::memory_pool::GreedyMemoryPool;

    use super::*;

    #[test]
    fn a_share_is_not_exceeded_and_what_is_given_back_is_free() {
        let all: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(100));
        let account = Arc::new(Account::with_share(Arc::clone(&all), 60));
        let pool: Arc<dyn MemoryPool> = Arc::<Account>::clone(&account);
        let task = MemoryConsumer::new("a task").register(&pool);
        task.try_grow(50).expect("within the share");
        task.try_grow(20).expect_err("more than the share");
        let other = MemoryConsumer::new("another").register(&all);
        other.try_grow(45).expect("within all");
        task.try_grow(8).expect_err("more than is left");
        assert_eq!((account.reserved(), all.reserved(), account.peak()), (50, 95, 50));
        drop(task);
        assert_eq!((account.reserved(), all.reserved(), account.peak()), (0, 45, 50));
        let again = MemoryConsumer::new("again").register(&pool);
        again.try_grow(55).expect("both are free again");
    }
}

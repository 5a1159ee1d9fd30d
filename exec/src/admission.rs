//! Which queries may begin. In: queries that want to run. Out: room, in the order they asked; those
//! beyond it wait for a while, and when too many wait, or one waits too long, it is turned away.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::cluster::Failure;

/// Lets so many queries in.
#[derive(Debug)]
pub struct Admission {
    room: Arc<Semaphore>,
    running_max: usize,
    waiting: AtomicUsize,
    waiting_max: usize,
    patience: Duration,
}

/// Room for a query, until it is dropped.
#[derive(Debug)]
pub struct Admitted {
    _permit: OwnedSemaphorePermit,
}

impl Admission {
    /// So many run, ten times as many wait, none longer than `patience`.
    pub fn new(running_max: usize, patience: Duration) -> Self {
        let room = Arc::new(Semaphore::new(running_max));
        let waiting = AtomicUsize::new(0);
        Self { room, running_max, waiting, waiting_max: running_max.saturating_mul(10), patience }
    }

    /// Room for a query, when there is some.
    ///
    /// # Errors
    /// [`Failure::Busy`].
    ///
    /// # Cancel safety
    /// One that is dropped gives up its place.
    pub async fn enter(&self) -> Result<Admitted, Failure> {
        if let Ok(permit) = Arc::clone(&self.room).try_acquire_owned() {
            return Ok(Admitted { _permit: permit });
        }
        let busy = |waited| Failure::Busy { running: self.running_max, waited };
        let _place = Place::take(&self.waiting, self.waiting_max).ok_or(busy(Duration::ZERO))?;
        let asked = Arc::clone(&self.room).acquire_owned();
        match tokio::time::timeout(self.patience, asked).await {
            Ok(Ok(permit)) => Ok(Admitted { _permit: permit }),
            _ => Err(busy(self.patience)),
        }
    }
}

/// A place among those who wait.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicUsize, most: usize) -> Option<Self> {
        let place = Self(waiting);
        // A place that is not there is given back at once.
        (waiting.fetch_add(1, Ordering::Relaxed) < most).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn one_that_waits_too_long_is_turned_away() {
        let patience = Duration::from_millis(20);
        let door = Admission::new(1, patience);
        let first = door.enter().await.expect("room");
        let busy = Failure::Busy { running: 1, waited: patience };
        assert_eq!(door.enter().await.expect_err("no room"), busy);
        drop(first);
        door.enter().await.expect("room again");
    }

    #[tokio::test]
    async fn too_many_do_not_wait() {
        let door = Admission::new(1, Duration::from_secs(600));
        let first = door.enter().await.expect("room");
        let mut waiting: Vec<_> = (0..10).map(|_| Box::pin(door.enter())).collect();
        assert!(waiting.iter_mut().all(|waits| waits.now_or_never().is_none()));
        let turned_away = Failure::Busy { running: 1, waited: Duration::ZERO };
        assert_eq!(door.enter().await.expect_err("too many"), turned_away);
        drop(waiting.pop());
        drop(first);
        for waits in waiting {
            drop(waits.await.expect("room, one after another"));
        }
        assert_eq!(door.waiting.load(Ordering::Relaxed), 0);
    }
}

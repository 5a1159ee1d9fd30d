//! Room for tasks, shared fairly. In: jobs that want to run a task. Out: permits, in turns between
//! jobs and not in the order they asked: a job of a thousand tasks does not make one of two wait.
//! A job that has nothing running does not wait at all, up to as many such jobs as there are slots.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// A window of tasks in flight.
#[derive(Debug, Clone)]
pub struct Window {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    slots: usize,
    running: usize,
    /// Tasks running, by job; a job without any is not here.
    of_job: HashMap<u64, usize>,
    /// Those who wait, by job; whose turn it is comes first.
    waiting: VecDeque<(u64, VecDeque<oneshot::Sender<Permit>>)>,
}

/// Room for one task, until it is dropped.
#[derive(Debug)]
pub struct Permit {
    window: Window,
    job: u64,
}

impl Window {
    /// A window of so many slots.
    pub fn new(slots: usize) -> Self {
        let state = State { slots, running: 0, of_job: HashMap::new(), waiting: VecDeque::new() };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// How many there are.
    pub fn slots(&self) -> usize {
        self.state().slots
    }

    /// Room for a task of `job`, when there is some.
    pub async fn acquire(&self, job: u64) -> Permit {
        let asked = {
            let mut state = self.state();
            if state.has_room(job) {
                state.take(job);
                return Permit { window: self.clone(), job };
            }
            state.wait(job)
        };
        match asked.await {
            Ok(permit) => permit,
            // The sender is only dropped with the window's state, which this holds.
            Err(_) => std::future::pending().await,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands room to those whose turn it is.
    fn hand_out(&self) {
        loop {
            let mut state = self.state();
            let Some((job, asker)) = state.next() else { return };
            state.take(job);
            drop(state);
            // One that does not wait any more drops its permit, which hands out again.
            let _ = asker.send(Permit { window: self.clone(), job });
        }
    }
}

impl State {
    fn has_room(&self, job: u64) -> bool {
        let spare = !self.of_job.contains_key(&job) && self.running < 2 * self.slots;
        self.running < self.slots || spare
    }

    fn take(&mut self, job: u64) {
        self.running += 1;
        *self.of_job.entry(job).or_default() += 1;
    }

    fn wait(&mut self, job: u64) -> oneshot::Receiver<Permit> {
        let (sender, receiver) = oneshot::channel();
        match self.waiting.iter_mut().find(|(waits, _)| *waits == job) {
            Some((_, askers)) => askers.push_back(sender),
            None => self.waiting.push_back((job, VecDeque::from([sender]))),
        }
        receiver
    }

    /// Whose turn it is, if there is room; the job goes to the end of the line.
    fn next(&mut self) -> Option<(u64, oneshot::Sender<Permit>)> {
        let turn = (0..self.waiting.len()).find(|turn| self.has_room(self.waiting[*turn].0))?;
        let (job, mut askers) = self.waiting.remove(turn)?;
        let asker = askers.pop_front()?;
        if !askers.is_empty() {
            self.waiting.push_back((job, askers));
        }
        Some((job, asker))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        {
            let mut state = self.window.state();
            state.running -= 1;
            if let Some(count) = state.of_job.get_mut(&self.job) {
                *count -= 1;
                if *count == 0 {
                    state.of_job.remove(&self.job);
                }
            }
        }
        self.window.hand_out();
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    /// Whether a task of a job gets room at once.
    fn try_acquire(window: &Window, job: u64) -> Option<Permit> {
        window.acquire(job).now_or_never()
    }

    #[tokio::test]
    async fn jobs_take_turns() {
        let window = Window::new(2);
        let first =
            [try_acquire(&window, 1), try_acquire(&window, 1)].map(|permit| permit.expect("room"));
        let mut waiting: Vec<_> = [1, 1, 2, 2].map(|job| Box::pin(window.acquire(job))).into();
        // Job 2 has nothing running: one task of it does not wait.
        let polled: Vec<_> = waiting.iter_mut().map(|asks| asks.now_or_never()).collect();
        let got: Vec<_> = polled.iter().map(Option::is_some).collect();
        assert_eq!(got, [false, false, true, false]);
        drop(polled);
        drop(first);
        let third = waiting.remove(0).await;
        let fourth = waiting.remove(2).await;
        assert_eq!((third.job, fourth.job), (1, 2));
    }

    #[tokio::test]
    async fn one_that_left_is_passed_over() {
        let window = Window::new(1);
        let held = try_acquire(&window, 1).expect("room");
        let mut leaves = Box::pin(window.acquire(1));
        assert!((&mut leaves).now_or_never().is_none());
        let mut stays = Box::pin(window.acquire(1));
        assert!((&mut stays).now_or_never().is_none());
        drop(leaves);
        drop(held);
        drop(stays.await);
        assert_eq!(window.state().running, 0);
    }
}

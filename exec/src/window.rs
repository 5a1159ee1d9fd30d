//! Room for tasks, shared fairly. In: jobs that want to run a task. Out: permits, in turns between
//! jobs and not in the order they asked: a job of a thousand tasks does not make one of two wait.
//! A job that has nothing running does not wait at all, up to twice the room there is.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// A window of tasks in flight.
#[derive(Debug, Clone)]
pub struct Window {
    state: Arc<Mutex<State>>,
}

/// What a task asks for.
#[derive(Debug, Clone, Copy)]
pub struct Ask {
    /// Its job.
    pub job: u64,
    /// The CPUs it takes.
    pub cpus: usize,
    /// The CPUs that its job may have at a time.
    pub cpus_max: usize,
}

#[derive(Debug)]
struct State {
    /// CPUs.
    slots: usize,
    /// CPUs of tasks that run.
    running: usize,
    /// The same by job; a job without any is not here.
    of_job: HashMap<u64, usize>,
    /// Those who wait, by job; whose turn it is comes first.
    waiting: VecDeque<(u64, VecDeque<Asker>)>,
}

type Asker = (Ask, oneshot::Sender<Permit>);

/// Room for one task, until it is dropped.
#[derive(Debug)]
pub struct Permit {
    window: Window,
    ask: Ask,
    extra: bool,
}

impl Permit {
    /// Whether it is beyond the room there is: that of a job that would have to wait for others.
    pub fn is_extra(&self) -> bool {
        self.extra
    }
}

impl Window {
    /// A window of so many CPUs.
    pub fn new(slots: usize) -> Self {
        let state = State { slots, running: 0, of_job: HashMap::new(), waiting: VecDeque::new() };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// How many CPUs there are.
    pub fn slots(&self) -> usize {
        self.state().slots
    }

    /// CPUs that tasks have, and those that others wait for.
    pub fn demand(&self) -> (usize, usize) {
        let state = self.state();
        let waiting = state.waiting.iter().flat_map(|(_, askers)| askers);
        (state.running, waiting.map(|(ask, _)| ask.cpus).sum())
    }

    /// Has another number of CPUs from now on.
    pub fn set_slots(&self, slots: usize) {
        self.state().slots = slots;
        self.hand_out();
    }

    /// Room for a task, when there is some.
    pub async fn acquire(&self, ask: Ask) -> Permit {
        let asked = {
            let mut state = self.state();
            if state.has_room(ask) {
                return self.permit(ask, &mut state);
            }
            state.wait(ask)
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

    fn permit(&self, ask: Ask, state: &mut State) -> Permit {
        state.running += ask.cpus;
        *state.of_job.entry(ask.job).or_default() += ask.cpus;
        Permit { window: self.clone(), ask, extra: state.running > state.slots }
    }

    /// Hands room to those whose turn it is.
    fn hand_out(&self) {
        loop {
            let mut state = self.state();
            let Some((ask, asker)) = state.next() else { return };
            let permit = self.permit(ask, &mut state);
            drop(state);
            // One that does not wait any more drops its permit, which hands out again.
            let _ = asker.send(permit);
        }
    }
}

impl State {
    fn has_room(&self, ask: Ask) -> bool {
        match self.of_job.get(&ask.job) {
            // However large it is, one of a job runs.
            None => self.running == 0 || self.running + ask.cpus <= 2 * self.slots,
            Some(has) => self.running + ask.cpus <= self.slots && has + ask.cpus <= ask.cpus_max,
        }
    }

    fn wait(&mut self, ask: Ask) -> oneshot::Receiver<Permit> {
        let (sender, receiver) = oneshot::channel();
        match self.waiting.iter_mut().find(|(waits, _)| *waits == ask.job) {
            Some((_, askers)) => askers.push_back((ask, sender)),
            None => self.waiting.push_back((ask.job, VecDeque::from([(ask, sender)]))),
        }
        receiver
    }

    /// Whose turn it is, if there is room; the job goes to the end of the line.
    fn next(&mut self) -> Option<Asker> {
        let fits = |(_, askers): &(u64, VecDeque<Asker>)| {
            askers.front().is_some_and(|(ask, _)| self.has_room(*ask))
        };
        let turn = self.waiting.iter().position(fits)?;
        let (job, mut askers) = self.waiting.remove(turn)?;
        let asker = askers.pop_front()?;
        if !askers.is_empty() {
            self.waiting.push_back((job, askers));
        }
        Some(asker)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        {
            let mut state = self.window.state();
            state.running -= self.ask.cpus;
            if let Some(has) = state.of_job.get_mut(&self.ask.job) {
                *has -= self.ask.cpus;
                if *has == 0 {
                    state.of_job.remove(&self.ask.job);
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
        window.acquire(small(job)).now_or_never()
    }

    fn small(job: u64) -> Ask {
        Ask { job, cpus: 1, cpus_max: usize::MAX }
    }

    #[tokio::test]
    async fn jobs_take_turns() {
        let window = Window::new(2);
        let first =
            [try_acquire(&window, 1), try_acquire(&window, 1)].map(|permit| permit.expect("room"));
        let mut waiting: Vec<_> =
            [1, 1, 2, 2].map(|job| Box::pin(window.acquire(small(job)))).into();
        // Job 2 has nothing running: one task of it does not wait.
        let polled: Vec<_> = waiting.iter_mut().map(|asks| asks.now_or_never()).collect();
        let got: Vec<_> = polled.iter().map(Option::is_some).collect();
        assert_eq!(got, [false, false, true, false]);
        let extra = polled.into_iter().flatten().map(|permit| permit.is_extra());
        assert_eq!((first[1].is_extra(), extra.collect::<Vec<_>>()), (false, vec![true]));
        drop(first);
        let third = waiting.remove(0).await;
        let fourth = waiting.remove(2).await;
        assert_eq!((third.ask.job, fourth.ask.job), (1, 2));
    }

    #[tokio::test]
    async fn one_that_left_is_passed_over() {
        let window = Window::new(1);
        let held = try_acquire(&window, 1).expect("room");
        let mut leaves = Box::pin(window.acquire(small(1)));
        assert!((&mut leaves).now_or_never().is_none());
        let mut stays = Box::pin(window.acquire(small(1)));
        assert!((&mut stays).now_or_never().is_none());
        drop(leaves);
        drop(held);
        drop(stays.await);
        assert_eq!(window.state().running, 0);
    }

    #[tokio::test]
    async fn wide_tasks_take_more_and_a_job_no_more_than_it_may() {
        let window = Window::new(4);
        let ask = Ask { job: 1, cpus: 2, cpus_max: 3 };
        let first = window.acquire(ask).await;
        let second = Box::pin(window.acquire(ask));
        assert!(second.now_or_never().is_none(), "its job has enough");
        let other = window.acquire(Ask { job: 2, cpus: 9, cpus_max: 9 }).now_or_never();
        assert!(other.is_none(), "not beside another");
        assert_eq!(window.demand(), (2, 11));
        drop(first);
        assert!(window.acquire(Ask { job: 2, cpus: 9, cpus_max: 9 }).now_or_never().is_some());
    }
}

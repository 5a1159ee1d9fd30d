//! Which task is next. In: a stage graph's shape, and what happened to its tasks. Out: what to do.
//! Decides without doing, so that each rule is a test; the simulator below runs thousands of jobs
//! with failures, lost outputs, late and repeated reports.
//!
//! A task runs when all stages it reads are complete. Then the sizes of what it reads are known,
//! and tasks that would read little by hash become one; a join whose build side is small is done
//! where its probe side is made. What the head reads in turn is made a few
//! tasks ahead of it: a slow client holds back tasks and not memory, and one that has enough ends
//! them. One that its worker failed runs again, a few times. An output that is lost is made again
//! by its task, and what that reads before it, as far back as it was released; but never an
//! indeterminate one that was read before: then the job ends, and who reads its rows may begin
//! another one.

mod broadcast;
mod event;

use std::ops::Range;

pub use event::{Action, Answers, Attempt, Broadcast, Event, Reason, Shape};

/// Attempts at one task that its worker may fail.
pub const FAILURES_MAX: usize = 4;
/// Times one task's outputs may be lost: a cluster that loses so much is not worth waiting for.
pub const LOSSES_MAX: usize = 20;
/// What one task reads by hash at least, bytes, as long as there is so much: the cost of a task is
/// that of about as many.
pub const READ_BYTES_MIN: usize = 1 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Task {
    Waiting,
    Running(usize),
    Done,
    /// Its outputs were released, for all that read them were complete.
    Released,
    /// Another does its work.
    Spared,
}

#[derive(Debug)]
struct Stage {
    shape: Shape,
    readers: Vec<usize>,
    tasks: Vec<Task>,
    failures: Vec<usize>,
    /// How often the outputs of each task were lost.
    losses: Vec<usize>,
    answered: Vec<bool>,
    /// Which attempt was done last.
    made: Vec<Option<usize>>,
    /// Bytes each task wrote for each that reads.
    sizes: Vec<Vec<usize>>,
    /// Whether it is decided how many of its tasks run.
    grouped: bool,
    /// Tasks that the head has asked for, if it reads in turn.
    asked: usize,
}

/// The progress of a job.
#[derive(Debug)]
pub struct Progress {
    stages: Vec<Stage>,
    next_attempt: usize,
    ended: bool,
    ahead: usize,
    set_back: usize,
}

impl Progress {
    /// A job that has not begun. What the head reads in turn is made `ahead` tasks before it asks.
    pub fn new(shapes: Vec<Shape>, ahead: usize) -> Self {
        let stage = |shape: Shape| Stage {
            readers: vec![],
            tasks: vec![Task::Waiting; shape.tasks],
            failures: vec![0; shape.tasks],
            losses: vec![0; shape.tasks],
            answered: vec![false; shape.tasks],
            made: vec![None; shape.tasks],
            sizes: vec![vec![]; shape.tasks],
            grouped: false,
            asked: 0,
            shape,
        };
        let stages = shapes.into_iter().map(stage).collect();
        let mut progress = Self { stages, next_attempt: 0, ended: false, ahead, set_back: 0 };
        progress.find_readers();
        progress
    }

    /// Finds who reads each stage, as the stages' shapes are now.
    fn find_readers(&mut self) {
        for number in 0..self.stages.len() {
            let reads = |reader: &usize| self.stages[*reader].shape.inputs.contains(&number);
            self.stages[number].readers = (0..self.stages.len()).filter(reads).collect();
        }
    }

    /// Begins: the stages that read no other.
    pub fn begin(&mut self) -> Vec<Action> {
        let mut actions = vec![];
        self.submit_ready(&mut actions);
        actions
    }

    /// What to do after something happened.
    pub fn on(&mut self, event: Event) -> Vec<Action> {
        let mut actions = vec![];
        match event {
            Event::Done(attempt, sizes) if self.is_wanted(attempt) => {
                self.stages[attempt.stage].sizes[attempt.task] = sizes;
                self.done(attempt, &mut actions);
            }
            Event::Failed(attempt) if self.is_wanted(attempt) => {
                self.failed(attempt, &mut actions);
            }
            Event::Silent(attempt) if self.is_wanted(attempt) => {
                actions.push(Action::Abandon(attempt));
                self.failed(attempt, &mut actions);
            }
            Event::Missing(attempt, outputs) if self.is_wanted(attempt) => {
                self.stages[attempt.stage].tasks[attempt.task] = Task::Waiting;
                // What was made again since that attempt began is not what it missed.
                let missed = |(stage, task): &(usize, usize)| {
                    self.stages[*stage].made[*task].is_none_or(|made| made < attempt.number)
                };
                for (stage, task) in outputs.into_iter().filter(missed).collect::<Vec<_>>() {
                    self.lost(stage, task, &mut actions);
                }
            }
            Event::Unanswered(stage, task) if !self.ended => {
                self.stages[stage].answered[task] = false;
                self.lost(stage, task, &mut actions);
            }
            Event::Asked(stage, task) if !self.ended => {
                let stage = &mut self.stages[stage];
                stage.asked = stage.asked.max(task + 1);
            }
            _ => return actions,
        }
        self.submit_ready(&mut actions);
        actions
    }

    /// Whether a report is one that is waited for, and not of an attempt that was given up, or one
    /// that came twice.
    fn is_wanted(&self, attempt: Attempt) -> bool {
        let task = self.stages[attempt.stage].tasks[attempt.task];
        !self.ended && task == Task::Running(attempt.number)
    }

    /// How many tasks have to run again since this was asked last, because of what happened to
    /// them or to their outputs.
    pub fn take_set_back(&mut self) -> usize {
        std::mem::take(&mut self.set_back)
    }

    /// Whether nothing is left to do.
    pub fn is_complete(&self) -> bool {
        self.ended || self.stages.iter().all(Stage::is_over)
    }

    fn done(&mut self, attempt: Attempt, actions: &mut Vec<Action>) {
        let Attempt { stage, task, .. } = attempt;
        let progress = &mut self.stages[stage];
        progress.tasks[task] = Task::Done;
        progress.made[task] = Some(attempt.number);
        actions.push(Action::Keep(attempt));
        if progress.shape.answers != Answers::No && !progress.answered[task] {
            for (other, state) in progress.tasks.iter_mut().enumerate() {
                let spared = *state == Task::Spared && !progress.answered[other];
                if other == task || spared {
                    progress.answered[other] = true;
                    actions.push(Action::Answer(stage, other));
                }
            }
        }
        if progress.shape.answers != Answers::No && progress.readers.is_empty() {
            // The head has it, and nobody else wants it.
            progress.tasks[task] = Task::Released;
            actions.push(Action::Release(stage, task));
        }
        if progress.is_over() {
            // What it read is released before what reads it begins: the memory may be needed.
            for input in progress.shape.inputs.clone() {
                self.release_if_read(input, actions);
            }
            self.release_if_read(stage, actions);
        }
    }

    fn failed(&mut self, attempt: Attempt, actions: &mut Vec<Action>) {
        let stage = &mut self.stages[attempt.stage];
        stage.tasks[attempt.task] = Task::Waiting;
        stage.failures[attempt.task] += 1;
        self.set_back += 1;
        if stage.failures[attempt.task] >= FAILURES_MAX {
            self.give_up(Reason::Workers(attempt), actions);
        }
    }

    /// A task's outputs are gone.
    fn lost(&mut self, stage: usize, task: usize, actions: &mut Vec<Action>) {
        let before = self.stages[stage].tasks[task];
        if self.ended || !matches!(before, Task::Done | Task::Released) {
            // Known already.
            return;
        }
        if !self.stages[stage].shape.repeatable && self.was_read(stage, task) {
            return self.give_up(Reason::Unrepeatable, actions);
        }
        self.stages[stage].losses[task] += 1;
        if self.stages[stage].losses[task] >= LOSSES_MAX {
            return self.give_up(Reason::Losses(stage, task), actions);
        }
        self.stages[stage].tasks[task] = Task::Waiting;
        self.set_back += 1;
        if before == Task::Done {
            actions.push(Action::Release(stage, task));
        }
        // What it reads must be there again, as far back as it was released.
        for input in self.stages[stage].shape.inputs.clone() {
            self.revive(input, actions);
        }
    }

    fn revive(&mut self, stage: usize, actions: &mut Vec<Action>) {
        let released = |task: &Task| *task == Task::Released;
        if self.ended || !self.stages[stage].tasks.iter().any(released) {
            return;
        }
        if !self.stages[stage].shape.repeatable {
            return self.give_up(Reason::Unrepeatable, actions);
        }
        for task in &mut self.stages[stage].tasks {
            if *task == Task::Released {
                *task = Task::Waiting;
                self.set_back += 1;
            }
        }
        for input in self.stages[stage].shape.inputs.clone() {
            self.revive(input, actions);
        }
    }

    /// Whether the head has read a task's outputs, or another task has begun to.
    fn was_read(&self, stage: usize, task: usize) -> bool {
        let begun = |reader: &usize| self.stages[*reader].tasks.iter().any(|task| task.has_begun());
        self.stages[stage].answered[task] || self.stages[stage].readers.iter().any(begun)
    }

    fn give_up(&mut self, reason: Reason, actions: &mut Vec<Action>) {
        self.ended = true;
        actions.push(Action::GiveUp(reason));
    }

    fn submit_ready(&mut self, actions: &mut Vec<Action>) {
        if self.ended {
            return;
        }
        self.broadcast_what_is_small(actions);
        for number in 0..self.stages.len() {
            let inputs = &self.stages[number].shape.inputs;
            if !inputs.iter().all(|input| self.stages[*input].is_there()) {
                continue;
            }
            self.group(number, actions);
            let stage = &mut self.stages[number];
            let in_turn = stage.shape.answers == Answers::InTurn && stage.readers.is_empty();
            let until = if in_turn { stage.asked + self.ahead } else { usize::MAX };
            for (task, state) in stage.tasks.iter_mut().enumerate().take(until) {
                if *state == Task::Waiting {
                    *state = Task::Running(self.next_attempt);
                    let attempt = Attempt { stage: number, task, number: self.next_attempt };
                    actions.push(Action::Submit(attempt));
                    self.next_attempt += 1;
                }
            }
        }
    }

    /// Decides how many of a stage's tasks run, when all they read is there.
    fn group(&mut self, number: usize, actions: &mut Vec<Action>) {
        if self.stages[number].grouped {
            return;
        }
        self.stages[number].grouped = true;
        let (tasks, inputs) = (self.stages[number].shape.tasks, &self.stages[number].shape.by_hash);
        if inputs.is_empty() || tasks == 1 {
            return;
        }
        let written = |reader: usize| -> usize {
            let sizes = inputs.iter().flat_map(|input| &self.stages[*input].sizes);
            sizes.filter_map(|sizes| sizes.get(reader)).sum()
        };
        let groups = groups((0..tasks).map(written));
        if groups.len() < tasks {
            self.stages[number].tasks[groups.len()..].fill(Task::Spared);
            actions.push(Action::Group(number, groups));
        }
    }

    /// Forgets a stage's outputs once all that read them are complete.
    fn release_if_read(&mut self, stage: usize, actions: &mut Vec<Action>) {
        let read = |reader: &usize| self.stages[*reader].is_over();
        if !self.stages[stage].readers.iter().all(read) || !self.stages[stage].is_over() {
            return;
        }
        for (task, state) in self.stages[stage].tasks.iter_mut().enumerate() {
            if *state == Task::Done {
                *state = Task::Released;
                actions.push(Action::Release(stage, task));
            }
        }
    }
}

impl Stage {
    /// Whether all outputs are there to be read.
    fn is_there(&self) -> bool {
        self.tasks.iter().all(|task| matches!(task, Task::Done | Task::Spared))
    }

    /// Whether all tasks have been done.
    fn is_over(&self) -> bool {
        let is_over = |task: &Task| matches!(task, Task::Done | Task::Released | Task::Spared);
        self.tasks.iter().all(is_over)
    }
}

impl Task {
    fn has_begun(self) -> bool {
        !matches!(self, Self::Waiting | Self::Spared)
    }
}

/// Neighbours together until they have [`READ_BYTES_MIN`].
fn groups(sizes: impl Iterator<Item = usize>) -> Vec<Range<usize>> {
    let mut groups: Vec<Range<usize>> = vec![];
    let mut open = 0;
    for (reader, size) in sizes.enumerate() {
        match groups.last_mut() {
            Some(group) if open + size <= READ_BYTES_MIN => {
                group.end = reader + 1;
                open += size;
            }
            _ => {
                groups.push(reader..reader + 1);
                open = size;
            }
        }
    }
    groups
}

#[cfg(test)]
mod simulator;
#[cfg(test)]
mod tests;

//! Which task is next. In: a stage graph's shape, and what happened to its tasks. Out: what to do.
//! Decides without doing, so that each rule is a test; the simulator below runs thousands of jobs
//! with failures, lost outputs, late and repeated reports.
//!
//! A task runs when all stages it reads are complete. One that its worker failed runs again, a few
//! times. An output that is lost is made again by its task, and what that reads before it, as far
//! back as it was released; but never an indeterminate one that was read before: then the whole
//! query begins again, or ends when the head has read something.

/// Attempts at one task that its worker may fail.
pub const FAILURES_MAX: usize = 4;
/// Times a query begins again.
pub const RESTARTS_MAX: usize = 3;

/// One stage, as far as its progress matters.
#[derive(Debug, Clone)]
pub struct Shape {
    /// Its number of tasks.
    pub tasks: usize,
    /// The stages it reads; each may be named more than once.
    pub inputs: Vec<usize>,
    /// Whether the query's head reads it.
    pub answers: bool,
    /// Whether a task that runs again gives the same rows.
    pub repeatable: bool,
}

/// One attempt at a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Attempt {
    /// The task's stage.
    pub stage: usize,
    /// The task.
    pub task: usize,
    /// Which attempt; never the same for two.
    pub number: usize,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// An attempt wrote its outputs.
    Done(Attempt),
    /// The worker failed, not the task.
    Failed(Attempt),
    /// The attempt could not read an output: of this stage and task.
    Missing(Attempt, usize, usize),
    /// The head could not be given the outputs of this stage's task.
    Unanswered(usize, usize),
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Run a task: all it reads is there.
    Submit(Attempt),
    /// Keep an attempt's outputs: they are its task's.
    Keep(Attempt),
    /// Give a task's outputs to the query's head.
    Answer(usize, usize),
    /// Forget a task's outputs: nobody will read them again, or they are lost.
    Release(usize, usize),
    /// Stop all attempts and forget all outputs; what follows begins the query again.
    Restart,
    /// The query cannot be answered.
    GiveUp(Reason),
}

/// Why a query ends without an answer that no task is to blame for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Workers failed one task too often.
    Workers(Attempt),
    /// Rows that cannot be made again were lost after some were answered, or too often.
    Unrepeatable,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Task {
    Waiting,
    Running(usize),
    Done,
    /// Its outputs were released, for all that read them were complete.
    Released,
}

#[derive(Debug)]
struct Stage {
    shape: Shape,
    readers: Vec<usize>,
    tasks: Vec<Task>,
    failures: Vec<usize>,
    answered: Vec<bool>,
}

/// The progress of a job.
#[derive(Debug)]
pub struct Progress {
    stages: Vec<Stage>,
    next_attempt: usize,
    restarts: usize,
    ended: bool,
}

impl Progress {
    /// A job that has not begun.
    pub fn new(shapes: Vec<Shape>) -> Self {
        let readers = |stage| {
            let reads = |reader: &usize| shapes[*reader].inputs.contains(&stage);
            (0..shapes.len()).filter(reads).collect()
        };
        let stage = |(number, shape): (usize, &Shape)| Stage {
            readers: readers(number),
            tasks: vec![Task::Waiting; shape.tasks],
            failures: vec![0; shape.tasks],
            answered: vec![false; shape.tasks],
            shape: shape.clone(),
        };
        let stages = shapes.iter().enumerate().map(stage).collect();
        Self { stages, next_attempt: 0, restarts: 0, ended: false }
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
            Event::Done(attempt) if self.is_wanted(attempt) => self.done(attempt, &mut actions),
            Event::Failed(attempt) if self.is_wanted(attempt) => {
                self.failed(attempt, &mut actions);
            }
            Event::Missing(attempt, stage, task) if self.is_wanted(attempt) => {
                self.stages[attempt.stage].tasks[attempt.task] = Task::Waiting;
                self.lost(stage, task, &mut actions);
            }
            Event::Unanswered(stage, task) if !self.ended => {
                self.stages[stage].answered[task] = false;
                self.lost(stage, task, &mut actions);
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

    /// Whether nothing is left to do.
    pub fn is_complete(&self) -> bool {
        self.ended || self.stages.iter().all(Stage::is_over)
    }

    fn done(&mut self, attempt: Attempt, actions: &mut Vec<Action>) {
        let Attempt { stage, task, .. } = attempt;
        let progress = &mut self.stages[stage];
        progress.tasks[task] = Task::Done;
        actions.push(Action::Keep(attempt));
        if progress.shape.answers && !progress.answered[task] {
            progress.answered[task] = true;
            actions.push(Action::Answer(stage, task));
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
        if stage.failures[attempt.task] >= FAILURES_MAX {
            self.give_up(Reason::Workers(attempt), actions);
        }
    }

    /// A task's outputs are gone.
    fn lost(&mut self, stage: usize, task: usize, actions: &mut Vec<Action>) {
        let before = self.stages[stage].tasks[task];
        if !matches!(before, Task::Done | Task::Released) {
            // Known already.
            return;
        }
        if !self.stages[stage].shape.repeatable && self.was_read(stage, task) {
            return self.restart(actions);
        }
        self.stages[stage].tasks[task] = Task::Waiting;
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
            return self.restart(actions);
        }
        for task in &mut self.stages[stage].tasks {
            if *task == Task::Released {
                *task = Task::Waiting;
            }
        }
        for input in self.stages[stage].shape.inputs.clone() {
            self.revive(input, actions);
        }
    }

    /// Whether the head has read a task's outputs, or another task has begun to.
    fn was_read(&self, stage: usize, task: usize) -> bool {
        let begun =
            |reader: &usize| self.stages[*reader].tasks.iter().any(|task| *task != Task::Waiting);
        self.stages[stage].answered[task] || self.stages[stage].readers.iter().any(begun)
    }

    /// Begins again, as long as the head has read nothing.
    fn restart(&mut self, actions: &mut Vec<Action>) {
        let answered = self.stages.iter().any(|stage| stage.answered.contains(&true));
        if answered || self.restarts == RESTARTS_MAX {
            return self.give_up(Reason::Unrepeatable, actions);
        }
        self.restarts += 1;
        for stage in &mut self.stages {
            stage.tasks.fill(Task::Waiting);
        }
        actions.push(Action::Restart);
    }

    fn give_up(&mut self, reason: Reason, actions: &mut Vec<Action>) {
        self.ended = true;
        actions.push(Action::GiveUp(reason));
    }

    fn submit_ready(&mut self, actions: &mut Vec<Action>) {
        if self.ended {
            return;
        }
        for number in 0..self.stages.len() {
            let inputs = &self.stages[number].shape.inputs;
            if !inputs.iter().all(|input| self.stages[*input].is_there()) {
                continue;
            }
            for (task, state) in self.stages[number].tasks.iter_mut().enumerate() {
                if *state == Task::Waiting {
                    *state = Task::Running(self.next_attempt);
                    let attempt = Attempt { stage: number, task, number: self.next_attempt };
                    actions.push(Action::Submit(attempt));
                    self.next_attempt += 1;
                }
            }
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
        self.tasks.iter().all(|task| *task == Task::Done)
    }

    /// Whether all tasks have been done.
    fn is_over(&self) -> bool {
        self.tasks.iter().all(|task| matches!(task, Task::Done | Task::Released))
    }
}

#[cfg(test)]
mod simulator;
#[cfg(test)]
mod tests;

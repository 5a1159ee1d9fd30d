//! Joins whose build side turns out to be small. In: the sizes of what is complete. Out: which
//! stages do the work of their probe side's stage, too, so that its rows need not travel.
//!
//! The probe side's stage reads the build side's keys, so it has not begun when this is decided.
//! Of a chain of joins, where one's probe side is the next, the one that is decided first counts:
//! each was planned with the others as they are.

use super::{Action, Broadcast, Progress, Task};

impl Progress {
    /// Decides about each join whose build side is complete.
    pub(super) fn broadcast_what_is_small(&mut self, actions: &mut Vec<Action>) {
        for number in 0..self.stages.len() {
            let planned = self.stages[number].shape.broadcast.as_ref();
            if !planned.is_some_and(|planned| self.stages[planned.build].is_there()) {
                continue;
            }
            let Some(broadcast) = self.stages[number].shape.broadcast.take() else { continue };
            let bytes = self.written(broadcast.build);
            if bytes <= broadcast.bytes_max {
                self.broadcast(number, broadcast);
                actions.push(Action::Broadcast(number, bytes));
            }
        }
    }

    /// All that a stage's tasks wrote, bytes.
    fn written(&self, stage: usize) -> usize {
        self.stages[stage].sizes.iter().flatten().sum()
    }

    fn broadcast(&mut self, number: usize, broadcast: Broadcast) {
        let Broadcast { probe, tasks, inputs, by_hash, repeatable, .. } = broadcast;
        let stage = &mut self.stages[number];
        stage.tasks[tasks..].fill(Task::Spared);
        stage.shape = super::Shape { tasks, inputs, by_hash, repeatable, ..stage.shape.clone() };
        let spared = &mut self.stages[probe];
        spared.tasks.fill(Task::Spared);
        spared.shape.inputs.clear();
        spared.shape.broadcast = None;
        for stage in &mut self.stages {
            // It would do the work of this stage as it was planned.
            stage.shape.broadcast.take_if(|other| other.probe == number);
        }
        self.find_readers();
    }
}

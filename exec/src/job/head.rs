//! What a query's head reads of its job. In: outputs, as the job has them. Out: the head's inputs,
//! and word of what it waits for.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DataFusionError, Result, internal_datafusion_err};
use futures::FutureExt;
use tokio::sync::{mpsc, oneshot};

use crate::exchange::{Exchange, ExchangeExec};
use crate::inputs::{Arriving, TaskInputs};
use crate::output::Buffer;
use crate::stage::{Input, StageGraph};

/// An output: of which stage, of which of its tasks.
type Place = (usize, usize);
type Answer = Result<Arc<Buffer>, Arc<DataFusionError>>;

/// The job's side of what the head reads.
#[derive(Debug)]
pub(super) struct Head {
    /// Where the outputs go.
    waiting: HashMap<Place, oneshot::Sender<Answer>>,
    asked: mpsc::UnboundedReceiver<Place>,
}

impl Head {
    /// What the head of a graph reads, and where it comes from.
    pub(super) fn new(graph: &StageGraph) -> (TaskInputs, Self) {
        let (ask, asked) = mpsc::unbounded_channel();
        let mut waiting = HashMap::new();
        let mut arriving: HashMap<Place, Arriving> = HashMap::new();
        for input in &graph.head_inputs {
            for task in 0..graph.stages[input.stage].work.tasks.len() {
                let place = (input.stage, task);
                arriving.entry(place).or_insert_with(|| {
                    let (sender, receiver) = oneshot::channel();
                    waiting.insert(place, sender);
                    arrives(place, ask.clone(), receiver)
                });
            }
        }
        let read = |input: &Input| -> Vec<Arriving> {
            let tasks = 0..graph.stages[input.stage].work.tasks.len();
            tasks.map(|task| arriving[&(input.stage, task)].clone()).collect()
        };
        let inputs = TaskInputs::once(graph.head_inputs.iter().map(read).collect());
        (inputs, Self { waiting, asked })
    }

    /// What the head waits for next; none when it is gone.
    ///
    /// # Cancel safety
    /// Safe.
    pub(super) async fn asked(&mut self) -> Option<Place> {
        self.asked.recv().await
    }

    /// Gives the head an output.
    pub(super) fn answer(&mut self, stage: usize, task: usize, buffer: Arc<Buffer>) {
        if let Some(waits) = self.waiting.remove(&(stage, task)) {
            // A head that has all it wants does not listen any more.
            let _ = waits.send(Ok(buffer));
        }
    }

    /// Tells every reader of the head, whichever waits.
    pub(super) fn fail(&mut self, error: DataFusionError) {
        let error = Arc::new(error);
        for (_, waits) in self.waiting.drain() {
            let _ = waits.send(Err(Arc::clone(&error)));
        }
    }
}

fn arrives(
    place: Place,
    ask: mpsc::UnboundedSender<Place>,
    receiver: oneshot::Receiver<Answer>,
) -> Arriving {
    let arrives = async move {
        // A job that has ended has answered, or the receiver says so.
        let _ = ask.send(place);
        let gone = || Arc::new(internal_datafusion_err!("a job that ended early"));
        receiver.await.unwrap_or_else(|_| Err(gone()))
    };
    arrives.boxed().shared()
}

/// The stages whose outputs the head reads one task after another.
pub(super) fn read_in_turn(graph: &StageGraph) -> HashSet<usize> {
    let mut gathered = HashSet::new();
    let _ = graph.head.apply(|node| {
        if let Some(read) = node.downcast_ref::<ExchangeExec>()
            && matches!(read.exchange(), Exchange::Gather)
        {
            gathered.insert(graph.head_inputs[read.input()].stage);
        }
        Ok(TreeNodeRecursion::Continue)
    });
    gathered
}

//! What a job's progress has to know of a stage graph. In: the graph. Out: the shape of each stage.

use super::head;
use super::state::{Answers, Broadcast, Shape};
use crate::stage::{Determinism, Input, Read, StageGraph, Work};

/// The shapes of a graph's stages, in their order.
pub(super) fn of(graph: &StageGraph) -> Vec<Shape> {
    let in_turn = head::read_in_turn(graph);
    let stages = graph.stages.iter().enumerate();
    let shapes = stages.map(|(number, stage)| {
        let read = graph.head_inputs.iter().any(|input| input.stage == number);
        Shape {
            tasks: stage.work.tasks.len(),
            inputs: inputs(&stage.work),
            by_hash: by_hash(&stage.work),
            answers: match read {
                true if in_turn.contains(&number) => Answers::InTurn,
                true => Answers::Together,
                false => Answers::No,
            },
            repeatable: is_repeatable(&stage.work),
            broadcast: stage.broadcast.as_ref().map(|broadcast| Broadcast {
                build: broadcast.build,
                bytes_max: broadcast.bytes_max,
                probe: broadcast.probe,
                tasks: broadcast.work.tasks.len(),
                inputs: inputs(&broadcast.work),
                by_hash: by_hash(&broadcast.work),
                repeatable: is_repeatable(&broadcast.work),
            }),
        }
    });
    shapes.collect()
}

fn inputs(work: &Work) -> Vec<usize> {
    work.inputs.iter().map(|input| input.stage).collect()
}

/// What is read by hash by tasks that are alike: one can do the work of others.
fn by_hash(work: &Work) -> Vec<usize> {
    let alike = work.tasks.windows(2).all(|pair| pair[0] == pair[1]);
    let by_hash = |input: &&Input| alike && input.read == Read::Own;
    work.inputs.iter().filter(by_hash).map(|input| input.stage).collect()
}

fn is_repeatable(work: &Work) -> bool {
    work.determinism == Determinism::Determinate
}

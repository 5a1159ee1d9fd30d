//! What a task reads. In: outputs of earlier tasks. Out: the same as the driver knows them, and
//! where they are; which of them are lost, with whose output.

use std::any::Any;

use datafusion::common::{Result, internal_datafusion_err};
use exec::cluster::{Failure, Inputs};

use crate::driver::Connection;
use crate::messages::Objects;
use crate::nodes::Nodes;
use crate::objects::Object;
use crate::place::Part;

/// An object that a task reads: its number, whose output it is, how much and where.
pub(crate) type Read = (u64, (usize, usize), Part);

/// The outputs among what a task reads that went with their nodes.
pub(crate) fn missing(reads: &[Read], nodes: &Nodes) -> Vec<(usize, usize)> {
    let lost = reads.iter().filter(|(.., part)| part.is_lost(nodes));
    let mut lost: Vec<_> = lost.map(|(_, output, _)| *output).collect();
    lost.dedup();
    lost
}

/// What a task reads: as the driver knows it, input by input; and each object.
pub(crate) fn reads(inputs: &Inputs, connection: &Connection) -> Result<(Vec<Objects>, Vec<Read>)> {
    let (mut of_inputs, mut reads) = (vec![], vec![]);
    let mut of_another = vec![];
    for input in inputs {
        let mut ids = vec![];
        for output in input {
            let output: &dyn Any = &**output;
            let object = output.downcast_ref::<Object>();
            let object =
                object.ok_or_else(|| internal_datafusion_err!("a buffer that is not Ray's"))?;
            if object.connection.number != connection.number {
                of_another.push(object.output);
            }
            ids.push(object.id);
            reads.push((object.id, object.output, object.part.clone()));
        }
        of_inputs.push(Objects { ids });
    }
    of_another.dedup();
    match of_another.is_empty() {
        true => Ok((of_inputs, reads)),
        false => {
            let words = "Ray's driver was lost".to_owned();
            Err(Failure::Lost { outputs: of_another, words }.into())
        }
    }
}

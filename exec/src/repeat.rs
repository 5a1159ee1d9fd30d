//! Checks that tasks can be repeated. In: a cluster. Out: one that runs each task twice and
//! compares what it wrote, unless the planner said that it may differ. For tests and for doubts: a
//! query takes twice its time.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float64Type};
use datafusion::arrow::row::{RowConverter, SortField};
use datafusion::common::{Result, exec_err};
use futures::{StreamExt, TryStreamExt};

use crate::admission::Admitted;
use crate::cluster::{Cluster, Done, Failure, Inputs, TaskOutput};
use crate::inputs::{arrived, batches};
use crate::job::attempt::AttemptWatch;
use crate::stage::{Determinism, Output, TaskId};
use crate::task::TaskPlan;

/// Floating-point sums depend on the order of rows; so many digits must be equal.
const FLOAT_DIGITS: usize = 9;

/// Runs every task twice.
#[derive(Debug)]
pub struct Repeat {
    cluster: Arc<dyn Cluster>,
}

impl Repeat {
    /// Over this cluster.
    pub fn new(cluster: Arc<dyn Cluster>) -> Self {
        Self { cluster }
    }
}

#[async_trait]
impl Cluster for Repeat {
    fn slots(&self) -> usize {
        self.cluster.slots()
    }

    fn patience(&self) -> Duration {
        self.cluster.patience()
    }

    async fn admit(&self) -> Result<Admitted, Failure> {
        self.cluster.admit().await
    }

    async fn run(
        &self,
        id: TaskId,
        task: TaskPlan,
        inputs: Inputs,
        watch: &AttemptWatch,
    ) -> Result<Done> {
        let first = self.cluster.run(id, task.clone(), inputs.clone(), watch).await?;
        let again = TaskId { attempt: id.attempt + 1, ..id };
        let second = self.cluster.run(again, task.clone(), inputs, watch).await?;
        if task.determinism == Determinism::Determinate {
            for (first, second) in first.outputs.iter().zip(&second.outputs) {
                if rows(first, task.output).await? != rows(second, task.output).await? {
                    return exec_err!("{id} wrote other rows when it was repeated");
                }
            }
        }
        Ok(first)
    }
}

/// The rows of a buffer as bytes, sorted, each with its partition where that matters.
async fn rows(output: &Arc<dyn TaskOutput>, kind: Output) -> Result<Vec<(usize, Vec<u8>)>> {
    let buffer = output.fetch().await?;
    let partitions = match kind {
        Output::Hash { .. } => buffer.segments.iter().map(|segment| segment.partition + 1).max(),
        Output::Whole => Some(1),
    };
    let mut rows = vec![];
    for partition in 0..partitions.unwrap_or(0) {
        let stream = batches(vec![arrived(Arc::clone(&buffer))], Some(partition)).boxed();
        for batch in stream.try_collect::<Vec<_>>().await? {
            rows.extend(comparable(&batch)?.into_iter().map(|row| (partition, row)));
        }
    }
    rows.sort_unstable();
    Ok(rows)
}

fn comparable(batch: &RecordBatch) -> Result<Vec<Vec<u8>>> {
    let columns: Vec<ArrayRef> = batch.columns().iter().map(rounded).collect::<Result<_>>()?;
    if columns.is_empty() {
        return Ok(vec![vec![]; batch.num_rows()]);
    }
    let fields = columns.iter().map(|column| SortField::new(column.data_type().clone()));
    let converter = RowConverter::new(fields.collect())?;
    let rows = converter.convert_columns(&columns)?;
    Ok(rows.iter().map(|row| row.data().to_vec()).collect())
}

/// Floats to the digits that must be equal, other columns as they are.
fn rounded(column: &ArrayRef) -> Result<ArrayRef> {
    if !column.data_type().is_floating() {
        return Ok(Arc::clone(column));
    }
    let floats = cast(column, &DataType::Float64)?;
    let digits = floats.as_primitive::<Float64Type>().iter();
    let digits = digits.map(|float| float.map(|float| format!("{float:.FLOAT_DIGITS$e}")));
    Ok(Arc::new(digits.collect::<datafusion::arrow::array::StringArray>()))
}

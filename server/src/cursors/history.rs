//! The rows of a cursor that goes back. In: a query's rows. Out: any of them that were read. They
//! are kept in memory, which is accounted for, as long as the cursor is there.

use std::collections::VecDeque;
use std::ops::RangeInclusive;

use datafusion::arrow::array::{RecordBatch, UInt64Array};
use datafusion::arrow::compute::take_record_batch;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};

use crate::error::{PgResult, engine};
use crate::statement::feed::Feed;

/// The consumer's name, as an error for want of memory tells it.
const CONSUMER: &str = "scroll cursor";

/// Rows that were read, and the rest.
#[derive(Debug)]
pub struct History {
    feed: Feed,
    /// With the number of the row before the first one of each.
    batches: Vec<(u64, RecordBatch)>,
    rows: u64,
    memory: Option<MemoryReservation>,
}

impl History {
    /// Nothing is read yet.
    pub fn new(feed: Feed) -> Self {
        let pool = feed.memory_pool();
        let memory = pool.map(|pool| MemoryConsumer::new(CONSUMER).register(&pool));
        Self { feed, batches: vec![], rows: 0, memory }
    }

    /// How many rows were read.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Reads until so many rows are known, or all.
    ///
    /// # Errors
    /// The query's; 53200 when there is no room to keep them.
    pub async fn read(&mut self, rows: Option<u64>) -> PgResult<()> {
        while rows.is_none_or(|rows| self.rows < rows) && self.feed.has_rows(None).await? {
            let Some((batch, _)) = self.feed.take(usize::MAX) else { break };
            if let Some(memory) = &self.memory {
                memory.try_grow(batch.get_array_memory_size()).map_err(|error| {
                    engine::from_engine(&error, "").hint(
                        "A cursor with SCROLL keeps the rows that were read. Declare it without, \
                         or limit its query.",
                    )
                })?;
            }
            let before = self.rows;
            self.rows += batch.num_rows() as u64;
            self.batches.push((before, batch));
        }
        Ok(())
    }

    /// Rows by their numbers, from 1; the last first when `is_reversed`.
    ///
    /// # Errors
    /// None but a bug.
    pub fn get(
        &self,
        rows: &RangeInclusive<u64>,
        is_reversed: bool,
    ) -> PgResult<VecDeque<RecordBatch>> {
        let mut found = VecDeque::new();
        for (before, batch) in &self.batches {
            let first = (*rows.start()).max(before + 1) - before;
            let last = (*rows.end()).min(before + batch.num_rows() as u64).saturating_sub(*before);
            if first > last {
                continue;
            }
            if is_reversed {
                let indices: UInt64Array = (first - 1..last).rev().collect();
                let part = take_record_batch(batch, &indices);
                found.push_front(part.map_err(|error| engine::incident(&error))?);
            } else {
                let count = (last + 1 - first) as usize;
                found.push_back(batch.slice((first - 1) as usize, count));
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{Array, AsArray, Int32Array};
    use datafusion::arrow::datatypes::{DataType, Field, Int32Type, Schema};

    use super::*;
    use crate::statement::Source;

    fn batch(values: std::ops::Range<i32>) -> RecordBatch {
        let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int32, false)]));
        let values = Arc::new(values.collect::<Int32Array>()) as Arc<dyn Array>;
        RecordBatch::try_new(schema, vec![values]).expect("a batch")
    }

    fn values(batches: VecDeque<RecordBatch>) -> Vec<i32> {
        let of =
            |batch: &RecordBatch| batch.column(0).as_primitive::<Int32Type>().values().to_vec();
        batches.iter().flat_map(of).collect()
    }

    #[tokio::test]
    async fn rows_across_batches_in_both_orders() {
        let batches = [batch(1..4), batch(4..4), batch(4..8)].into();
        let mut history = History::new(Feed::new(Source::Batches(batches)));
        history.read(Some(2)).await.expect("rows");
        assert_eq!(history.rows(), 3, "whole batches are read");
        history.read(None).await.expect("rows");
        assert_eq!(history.rows(), 7);
        let get = |rows, back| values(history.get(&rows, back).expect("rows"));
        assert_eq!(get(2..=5, false), [2, 3, 4, 5]);
        assert_eq!(get(2..=5, true), [5, 4, 3, 2]);
        assert_eq!(get(7..=7, true), [7]);
        assert_eq!(get(RangeInclusive::new(4, 3), false), [0; 0]);
    }
}

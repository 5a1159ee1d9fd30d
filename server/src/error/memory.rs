//! Out of memory, in words. In: the engine's text, which names the operator that asked last. Out:
//! that operator as EXPLAIN has it, and what to do.

use datafusion::common::DataFusionError;

use crate::error::{PgError, SqlState};

/// How the engine names memory: what it starts with, and whose it is.
const OPERATORS: &[(&str, &str)] = &[
    ("HashJoinInput", "a hash join"),
    ("NestedLoopJoin", "a nested-loop join"),
    ("CrossJoinExec", "a cross join"),
    ("SMJStream", "a merge join"),
    ("PiecewiseMergeJoinInput", "a merge join"),
    ("SymmetricHashJoinStream", "a hash join"),
    ("ExternalSorter", "a sort"),
    ("SortPreservingMergeExec", "a merge of sorted rows"),
    ("TopK", "a sort with a limit"),
    ("PartitionedTopK", "a window with a limit"),
    ("RepartitionExec", "an exchange"),
    ("RecursiveQuery", "a recursive query"),
    ("ParquetSink", "writing Parquet"),
    ("output of a task", "the output of a task"),
];

/// 53200, or 53100 when it is the disk that is full.
pub fn exhausted(text: &str) -> PgError {
    if text.contains("disk") || text.contains("temp") {
        return PgError::new(SqlState::DiskFull, "the query needs more spill space than allowed")
            .hint("Raise spill_limit, or let the query work on less at once.");
    }
    tracing::info!(text, "out of memory");
    let error = PgError::new(SqlState::OutOfMemory, "out of memory")
        .hint("Raise memory_limit, or let the query work on less at once.");
    match consumer(text) {
        Some(name) => error.detail(format!("{} asked for more than is left.", operator(name))),
        None => error,
    }
}

/// Whether a hash join did not get the memory for its build side; a merge join could do with less.
pub fn is_hash_join(error: &DataFusionError) -> bool {
    match error.find_root() {
        DataFusionError::ResourcesExhausted(text) => {
            consumer(text).is_some_and(|name| name.starts_with("HashJoinInput"))
        }
        _ => false,
    }
}

/// Who asked: "allocate additional 1.0 KB for NAME with ...", "allocation failed for NAME with
/// ...".
fn consumer(text: &str) -> Option<&str> {
    let (_, after) = text.split_once("llocat")?;
    let (_, after) = after.split_once(" for ")?;
    after.split_once(" with ").map(|(name, _)| name)
}

fn operator(name: &str) -> String {
    let known = OPERATORS.iter().find(|(start, _)| name.starts_with(start));
    match known {
        Some((_, operator)) => {
            let (first, rest) = operator.split_at(1);
            format!("{}{rest}", first.to_uppercase())
        }
        None if name.contains("Aggregate") => "An aggregate".to_owned(),
        None => name.split(['[', '(', '#']).next().unwrap_or(name).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operator_that_asked_is_named() {
        let of = |text: &str| exhausted(text).detail.unwrap_or_default();
        let fair = "Failed to allocate additional 1.0 MB for HashJoinInput[3] with 5.0 MB already";
        assert_eq!(of(fair), "A hash join asked for more than is left.");
        let error = DataFusionError::ResourcesExhausted(fair.to_owned());
        assert!(is_hash_join(&error.context("somewhere")));
        let tracked =
            "Additional allocation failed for ExternalSorter[0] with top memory consumers";
        assert_eq!(of(tracked), "A sort asked for more than is left.");
        let other = "Failed to allocate additional 1 B for FinalHashAggregateStream[1] with 5 B";
        assert_eq!(of(other), "An aggregate asked for more than is left.");
        assert_eq!(of("no memory"), "");
    }
}

//! Scans whose rows go straight to the client. In: a plan that only reads, filters and computes.
//! Out: the same plan over smaller pieces of its files, the first ones the smallest: the first rows
//! come when a small task is done, a limit that is reached leaves most tasks undone, and what a
//! slow client has not asked for is not read yet.

use std::sync::Arc;

use datafusion::datasource::listing::{FileRange, PartitionedFile};
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder};
use datafusion::physical_expr::Partitioning;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::limit::{GlobalLimitExec, LocalLimitExec};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::{ChildrenPropertiesMode, ExecutionPlan, ReplaceChildrenOptions};
use exec::file_scan;

use super::Local;
use super::split::partitions;

/// The first piece, bytes; the next ones are each twice as large.
const FIRST_BYTES: i64 = 1 << 20;
/// The largest pieces, bytes, as long as there are no more than [`PIECES_MAX`].
const PIECE_BYTES: i64 = 16 << 20;
const PIECES_MAX: i64 = 256;

type Plan = Arc<dyn ExecutionPlan>;

/// A plan whose last stage is a scan in small pieces, and that stage; none for another plan.
pub(super) fn pieces(plan: &Plan) -> Result<Option<(Plan, Plan)>, Local> {
    if partitions(plan) > 1 {
        return Ok(in_pieces(plan)?.map(|last| (Arc::clone(&last), last)));
    }
    let gathers = plan.is::<CoalescePartitionsExec>();
    if !gathers && !plan.is::<GlobalLimitExec>() && !plan.is::<ProjectionExec>() {
        return Ok(None);
    }
    match plan.children()[..] {
        [input] if gathers || partitions(input) == 1 => {
            let Some((input, last)) = pieces(input)? else { return Ok(None) };
            Ok(Some((replace(plan, input)?, last)))
        }
        _ => Ok(None),
    }
}

fn in_pieces(node: &Plan) -> Result<Option<Plan>, Local> {
    if let Some((scan, config)) = file_scan::of(node.as_ref()) {
        if config.file_compression_type.is_compressed()
            || !config.file_source.supports_repartitioning()
            || config.output_partitioning.is_some()
        {
            return Ok(None);
        }
        let files: Vec<_> = config.file_groups.iter().flat_map(FileGroup::iter).collect();
        let groups = split(&files).into_iter().map(|piece| FileGroup::new(vec![piece]));
        let config = FileScanConfigBuilder::from(config.clone());
        let config = config.with_file_groups(groups.collect()).build();
        return Ok(Some(Arc::new(scan.clone().with_data_source(Arc::new(config)))));
    }
    if let Some(spread) = node.downcast_ref::<RepartitionExec>() {
        // Pieces are spread enough.
        return match spread.partitioning() {
            Partitioning::RoundRobinBatch(_) => in_pieces(spread.input()),
            _ => Ok(None),
        };
    }
    let only_computes = node.is::<FilterExec>()
        || node.is::<ProjectionExec>()
        || node.is::<CooperativeExec>()
        || node.is::<LocalLimitExec>();
    match node.children()[..] {
        [input] if only_computes => match in_pieces(input)? {
            Some(input) => Ok(Some(replace(node, input)?)),
            None => Ok(None),
        },
        _ => Ok(None),
    }
}

fn replace(node: &Plan, input: Plan) -> Result<Plan, Local> {
    let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
    Ok(Arc::clone(node).replace_children(vec![input], options)?)
}

/// Files, or ranges of files, as pieces in the same order.
fn split(files: &[&PartitionedFile]) -> Vec<PartitionedFile> {
    let range = |file: &PartitionedFile| match &file.range {
        Some(range) => (range.start, range.end),
        None => (0, i64::try_from(file.object_meta.size).unwrap_or(i64::MAX)),
    };
    let total: i64 = files.iter().map(|file| range(file)).map(|(start, end)| end - start).sum();
    let largest = PIECE_BYTES.max(total / PIECES_MAX);
    let mut bytes = FIRST_BYTES;
    let mut pieces = vec![];
    for file in files {
        let (mut start, end) = range(file);
        while start < end {
            // What would be left is not worth a piece of its own.
            let until = if end - start < bytes * 3 / 2 { end } else { start + bytes };
            let mut piece = PartitionedFile::clone(file);
            piece.range = Some(FileRange { start, end: until });
            pieces.push(piece);
            start = until;
            bytes = (bytes * 2).min(largest);
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_grow_and_cover_all() {
        let size = 100 << 20;
        let mut second = PartitionedFile::new("b", size);
        second.range = Some(FileRange { start: 5, end: 10 });
        let first = PartitionedFile::new("a", size);
        let pieces = split(&[&first, &second]);
        let ranges: Vec<_> = pieces
            .iter()
            .filter_map(|piece| piece.range.clone())
            .map(|r| (r.start, r.end))
            .collect();
        let mib = |range: &(i64, i64)| (range.1 - range.0) >> 20;
        assert_eq!(ranges.iter().map(mib).collect::<Vec<_>>(), [1, 2, 4, 8, 16, 16, 16, 16, 21, 0]);
        assert!(ranges.windows(2).all(|pair| pair[0].1 == pair[1].0 || pair[1] == (5, 10)));
        assert_eq!((ranges[0].0, ranges[8].1), (0, size as i64));
    }
}

//! Scans come apart where row groups begin. In: a plan whose files were split by bytes, and footers
//! that planning has read. Out: the same scans with about the same bytes in each part, where each
//! part is whole row groups: one that begins in a part is read there, so a part in which none
//! begins is a task with nothing to do.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::datasource::listing::{FileRange, PartitionedFile};
use datafusion::datasource::physical_plan::parquet::metadata::CachedParquetMetaData;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfig, FileScanConfigBuilder};
use datafusion::execution::cache::cache_manager::FileMetadataCache;
use datafusion::parquet::file::metadata::RowGroupMetaData;
use datafusion::physical_plan::ExecutionPlan;
use exec::file_scan;

use super::Local;
use crate::children::change_up;

/// A row group: where it begins, and its bytes.
struct RowGroup {
    start: i64,
    bytes: i64,
}

/// Aligns the scans of files whose footers are known; others stay as they are.
pub(super) fn aligned(
    plan: &Arc<dyn ExecutionPlan>,
    footers: &FileMetadataCache,
) -> Result<Arc<dyn ExecutionPlan>, Local> {
    change_up(plan, &mut |node| {
        let Some((scan, config)) = file_scan::of(node.as_ref()) else { return Ok(None) };
        // What is sorted or partitioned by its values keeps its groups.
        if !config.output_ordering.is_empty() || config.output_partitioning.is_some() {
            return Ok(None);
        }
        let groups = whole_files(config).and_then(|files| {
            let read = files.into_iter().map(|file| Some((row_groups(&file, footers)?, file)));
            Some(shared(&read.collect::<Option<Vec<_>>>()?, config.file_groups.len()))
        });
        Ok(groups.map(|groups| {
            let config = FileScanConfigBuilder::from(config.clone()).with_file_groups(groups);
            Arc::new(scan.clone().with_data_source(Arc::new(config.build()))) as _
        }))
    })
}

/// The files of a scan, in their order, if it reads all of each.
fn whole_files(config: &FileScanConfig) -> Option<Vec<PartitionedFile>> {
    let mut files: Vec<PartitionedFile> = vec![];
    let mut read: HashMap<_, Vec<(i64, i64)>> = HashMap::new();
    for file in config.file_groups.iter().flat_map(FileGroup::iter) {
        let ranges = read.entry(file.object_meta.location.clone()).or_insert_with(|| {
            files.push(file.clone());
            vec![]
        });
        let all = (0, file.object_meta.size as i64);
        ranges.push(file.range.as_ref().map_or(all, |range| (range.start, range.end)));
    }
    let is_whole = |file: &PartitionedFile| {
        let mut ranges = read.remove(&file.object_meta.location).unwrap_or_default();
        ranges.sort_unstable();
        let end = ranges.into_iter().try_fold(0, |at, (start, end)| (start == at).then_some(end));
        end == Some(file.object_meta.size as i64)
    };
    files.iter().all(is_whole).then_some(files)
}

/// The row groups of a file, if its footer is known.
fn row_groups(file: &PartitionedFile, footers: &FileMetadataCache) -> Option<Vec<RowGroup>> {
    let footer = footers.get(&file.object_meta.location)?;
    let footer =
        Some(footer).filter(|footer| footer.is_valid_for(&file.object_meta))?.file_metadata;
    let footer = footer.as_any().downcast_ref::<CachedParquetMetaData>()?.parquet_metadata();
    let row_group = |row_group: &RowGroupMetaData| {
        // The reader has it begin there.
        let first = row_group.columns().first()?;
        let start = first.dictionary_page_offset().unwrap_or_else(|| first.data_page_offset());
        Some(RowGroup { start, bytes: row_group.compressed_size() })
    };
    let row_groups: Vec<_> = footer.row_groups().iter().map(row_group).collect::<Option<_>>()?;
    row_groups.is_sorted_by(|one, next| one.start < next.start).then_some(row_groups)
}

/// Files in so many groups: each row group where the middle of its bytes falls.
fn shared(files: &[(Vec<RowGroup>, PartitionedFile)], count: usize) -> Vec<FileGroup> {
    let all: i64 = files.iter().flat_map(|(row_groups, _)| row_groups).map(|it| it.bytes).sum();
    let mut groups = vec![FileGroup::default(); count];
    let mut before = 0;
    for (row_groups, file) in files {
        let mut starts = HashMap::new();
        for row_group in row_groups {
            let middle = before + row_group.bytes / 2;
            let place = (middle * count as i64 / all.max(1)).clamp(0, count as i64 - 1) as usize;
            starts.entry(place).or_insert(row_group.start);
            before += row_group.bytes;
        }
        let mut starts: Vec<_> = starts.into_iter().collect();
        starts.sort_unstable();
        for (place, (group, start)) in starts.iter().enumerate() {
            let end = starts.get(place + 1).map_or(file.object_meta.size as i64, |next| next.1);
            let range = (starts.len() > 1).then_some(FileRange { start: *start, end });
            groups[*group].push(PartitionedFile { range, ..file.clone() });
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, row_groups: &[(i64, i64)]) -> (Vec<RowGroup>, PartitionedFile) {
        let row_group = |(start, bytes): &(i64, i64)| RowGroup { start: *start, bytes: *bytes };
        (row_groups.iter().map(row_group).collect(), PartitionedFile::new(name, 1_000))
    }

    fn parts(files: &[(Vec<RowGroup>, PartitionedFile)], count: usize) -> Vec<Vec<String>> {
        let part = |file: &PartitionedFile| match &file.range {
            Some(range) => format!("{}:{}..{}", file.path(), range.start, range.end),
            None => file.path().to_string(),
        };
        shared(files, count).iter().map(|group| group.iter().map(part).collect()).collect()
    }

    #[test]
    fn parts_are_whole_row_groups_of_about_the_same_bytes() {
        let none: Vec<String> = vec![];
        let a = file("a", &[(4, 300), (304, 300), (604, 300)]);
        assert_eq!(parts(&[a], 2), [["a:4..304"], ["a:304..1000"]]);
        let (one, other) = (file("a", &[(4, 900)]), file("b", &[(4, 100), (104, 800)]));
        assert_eq!(parts(&[one, other], 2), [["a"], ["b"]]);
        let whole = || file("a", &[(4, 900)]);
        assert_eq!(parts(&[whole()], 3), [none.clone(), vec!["a".to_owned()], none.clone()]);
        assert_eq!(parts(&[file("empty", &[]), whole()], 1), [["a"]]);
        assert_eq!(parts(&[file("empty", &[])], 2), [none.clone(), none]);
    }
}

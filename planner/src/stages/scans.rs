//! Scans of files as leaves of stages. In: a plan or a scan. Out: whether there is one, a share of
//! its files, their versions.

use std::sync::Arc;

use datafusion::common::Statistics;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder};
use datafusion::physical_plan::ExecutionPlan;
use exec::file_scan;
use exec::settings::Settings;
use exec::stage::share;

use super::Local;

/// Whether a plan reads files.
pub(super) fn any(plan: &Arc<dyn ExecutionPlan>) -> bool {
    let mut found = false;
    let _ = plan.apply(|node| {
        found |= is_scan(node);
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    found
}

/// Bytes of all files, or parts of files, that a plan reads.
pub fn bytes(plan: &Arc<dyn ExecutionPlan>) -> u64 {
    let mut bytes = 0;
    let _ = plan.apply(|node| {
        let files = file_scan::of(node.as_ref());
        let groups = files.iter().flat_map(|(_, config)| &config.file_groups);
        bytes += groups.flat_map(FileGroup::iter).map(|file| file.effective_size()).sum::<u64>();
        Ok(TreeNodeRecursion::Continue)
    });
    bytes
}

/// Whether a node reads files.
pub(super) fn is_scan(node: &Arc<dyn ExecutionPlan>) -> bool {
    file_scan::of(node.as_ref()).is_some()
}

/// Keeps the versions of all files a plan reads.
pub(super) fn pin(plan: &Arc<dyn ExecutionPlan>, settings: &mut Settings) {
    let _ = plan.apply(|node| {
        let files = file_scan::of(node.as_ref());
        for group in files.iter().flat_map(|(_, config)| &config.file_groups) {
            group.iter().for_each(|file| settings.pin(&file.object_meta));
        }
        Ok(TreeNodeRecursion::Continue)
    });
}

/// A task's share of a scan; none when it has no files. What planning knew of the files' contents
/// is left behind: it would be larger than the plan.
pub(super) fn part(
    node: &Arc<dyn ExecutionPlan>,
    task: usize,
    tasks: usize,
) -> Result<Option<Arc<dyn ExecutionPlan>>, Local> {
    let Some((scan, config)) = file_scan::of(node.as_ref()) else {
        return Err(Local(format!("{} cannot be shared among tasks", node.name())));
    };
    if tasks > 1 && config.output_partitioning.is_some() {
        return Err(Local("files are partitioned by their values".to_owned()));
    }
    let groups = share(task, tasks, config.file_groups.len());
    if config.file_groups[groups.clone()].iter().all(FileGroup::is_empty) {
        return Ok(None);
    }
    let bare = |group: &FileGroup| {
        let files = group.iter().cloned().map(|mut file| {
            file.statistics = None;
            file
        });
        FileGroup::new(files.collect())
    };
    let groups = config.file_groups[groups].iter().map(bare).collect();
    let unknown = Statistics::new_unknown(config.file_source.table_schema().table_schema());
    let config = FileScanConfigBuilder::from(config.clone())
        .with_file_groups(groups)
        .with_statistics(unknown)
        .build();
    Ok(Some(Arc::new(scan.clone().with_data_source(Arc::new(config)))))
}

//! One version of every file for the length of a query. In: a physical plan. Out: the e-tag each of
//! its files had when it was planned; the store reads with them as preconditions, so that a file
//! replaced meanwhile ends the query instead of mixing old and new rows.

use std::sync::Arc;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::datasource::physical_plan::FileScanConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::Result;
use datafusion::physical_plan::ExecutionPlan;

use crate::store::Pins;

/// The files a plan will read, each with its e-tag at planning time.
///
/// # Errors
/// None of its own; the walk's type asks for a result.
pub fn of_plan(plan: &Arc<dyn ExecutionPlan>) -> Result<Pins> {
    let mut pins = Pins::new();
    plan.apply(|node| {
        let source = node.downcast_ref::<DataSourceExec>().map(DataSourceExec::data_source);
        if let Some(scan) = source.and_then(|s| s.downcast_ref::<FileScanConfig>()) {
            for file in scan.file_groups.iter().flat_map(|group| group.iter()) {
                if let Some(e_tag) = &file.object_meta.e_tag {
                    pins.insert(file.object_meta.location.clone(), e_tag.clone());
                }
            }
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(pins)
}

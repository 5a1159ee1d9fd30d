//! Scans of files within plans. In: a node. Out: the scan it is, and what it reads; nothing for
//! other nodes and other sources. Knows no format.

use datafusion::datasource::physical_plan::FileScanConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_plan::ExecutionPlan;

/// The scan a node is, and its files.
pub fn of(node: &dyn ExecutionPlan) -> Option<(&DataSourceExec, &FileScanConfig)> {
    let scan = node.downcast_ref::<DataSourceExec>()?;
    Some((scan, scan.data_source().downcast_ref()?))
}

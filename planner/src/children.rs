//! Changes below a node that leave the node itself as it is. In: a node of a physical plan and what
//! becomes of each child. Out: the node over its new children. For the last rules: recomputing a
//! node's properties, as DataFusion's own walk does, could make it forget a filter it has pushed.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::physical_plan::{ChildrenPropertiesMode, ExecutionPlan, ReplaceChildrenOptions};

/// The node with each child changed by `change`; itself when none is.
pub(crate) fn map_children(
    node: &Arc<dyn ExecutionPlan>,
    change: impl FnMut(&Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>>,
) -> Result<Arc<dyn ExecutionPlan>> {
    let old = node.children();
    let new = old.iter().copied().map(change).collect::<Result<Vec<_>>>()?;
    if old.iter().zip(&new).all(|(old, new)| Arc::ptr_eq(old, new)) {
        return Ok(Arc::clone(node));
    }
    let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Keep);
    Arc::clone(node).replace_children(new, options)
}

//! Changes below a node that leave the node itself as it is. In: a node of a physical plan and what
//! becomes of each child. Out: the node over its new children. For the last rules: recomputing a
//! node's properties, as DataFusion's own walk does, could make it forget a filter it has pushed.

use std::sync::Arc;

use datafusion::common::{DataFusionError, Result};
use datafusion::physical_plan::{ChildrenPropertiesMode, ExecutionPlan, ReplaceChildrenOptions};

/// The node with each child changed by `change`; itself when none is.
pub(crate) fn map_children<E: From<DataFusionError>>(
    node: &Arc<dyn ExecutionPlan>,
    change: impl FnMut(&Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>, E>,
) -> Result<Arc<dyn ExecutionPlan>, E> {
    let old = node.children();
    let new = old.iter().copied().map(change).collect::<Result<Vec<_>, E>>()?;
    if old.iter().zip(&new).all(|(old, new)| Arc::ptr_eq(old, new)) {
        return Ok(Arc::clone(node));
    }
    let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Keep);
    Ok(Arc::clone(node).replace_children(new, options)?)
}

/// What becomes of a node; none when it stays.
pub(crate) type Change<'a, E> = &'a mut dyn FnMut(&Arc<dyn ExecutionPlan>) -> Changed<E>;
type Changed<E> = Result<Option<Arc<dyn ExecutionPlan>>, E>;

/// A plan with each node changed, from the leaves up.
pub(crate) fn change_up<E: From<DataFusionError>>(
    node: &Arc<dyn ExecutionPlan>,
    change: Change<'_, E>,
) -> Result<Arc<dyn ExecutionPlan>, E> {
    let node = map_children(node, |child| change_up(child, change))?;
    Ok(change(&node)?.unwrap_or(node))
}

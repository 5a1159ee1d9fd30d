//! Joins that emit rows of their build side. In: a plan. Out: the same plan with no such join over
//! a build side that every task would have: each would emit the rows that others have matched.
//! After this the plan still runs in one process.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{JoinType, Result};
use datafusion::physical_expr::{Partitioning, PhysicalExprRef};
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::joins::{HashJoinExec, NestedLoopJoinExec, PartitionMode};
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::{ChildrenPropertiesMode, ExecutionPlan, ReplaceChildrenOptions};
use exec::dynamic_filter::DynamicFilterExec;

use super::split::partitions;
use super::{Width, filters, not_in};

/// Makes sure that each build row is emitted by one task only.
pub(super) fn once(plan: Arc<dyn ExecutionPlan>, width: Width) -> Result<Arc<dyn ExecutionPlan>> {
    if width.tasks == 1 {
        return Ok(plan);
    }
    let changed = plan.transform_up(|node| {
        if let Some(join) = node.downcast_ref::<HashJoinExec>()
            && *join.partition_mode() == PartitionMode::CollectLeft
            && emits_build_rows(*join.join_type())
            && partitions(join.right()) > 1
        {
            let changed = match join.null_aware {
                true => not_in::by_hash(join, width.total())?.map_or_else(|| in_one(join), Ok),
                false => by_hash(join, width.total()),
            };
            return changed.map(Transformed::yes);
        }
        if let Some(join) = node.downcast_ref::<NestedLoopJoinExec>()
            && emits_build_rows(*join.join_type())
            && partitions(join.right()) > 1
        {
            let children = vec![Arc::clone(join.left()), gathered(join.right())];
            let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
            return Arc::clone(&node).replace_children(children, options).map(Transformed::yes);
        }
        Ok(Transformed::no(node))
    });
    changed.map(|changed| changed.data)
}

/// Whether a join of this type emits rows of its left side that no single row of its right side
/// decides.
pub(super) fn emits_build_rows(join_type: JoinType) -> bool {
    use JoinType::{Full, Left, LeftAnti, LeftMark, LeftSemi};
    matches!(join_type, Left | Full | LeftSemi | LeftAnti | LeftMark)
}

/// Both sides by the hash of the keys: each row meets its matches in one partition.
fn by_hash(join: &HashJoinExec, count: usize) -> Result<Arc<dyn ExecutionPlan>> {
    let left_keys = join.on().iter().map(|(left, _)| Arc::clone(left));
    let right_keys = join.on().iter().map(|(_, right)| Arc::clone(right));
    let left = match join.left().downcast_ref::<CoalescePartitionsExec>() {
        Some(gather) if gather.fetch().is_none() => gather.input(),
        _ => join.left(),
    };
    let left = repartition(left, left_keys.collect(), count)?;
    // The scan under its probe side had no place for the join's filter, for it was right below it.
    let right = match filters::of(join) {
        Some(filter) => DynamicFilterExec::asking(join.right(), filter),
        None => Arc::clone(join.right()),
    };
    let right = repartition(&right, right_keys.collect(), count)?;
    filters::rejoined(join, PartitionMode::Partitioned, vec![left, right])
}

fn repartition(
    input: &Arc<dyn ExecutionPlan>,
    keys: Vec<PhysicalExprRef>,
    count: usize,
) -> Result<Arc<dyn ExecutionPlan>> {
    let by_keys = Partitioning::Hash(keys, count);
    Ok(Arc::new(RepartitionExec::try_new(Arc::clone(input), by_keys)?))
}

/// All in one task: whether a NULL is among the rows of either side matters for every row.
fn in_one(join: &HashJoinExec) -> Result<Arc<dyn ExecutionPlan>> {
    let children = vec![Arc::clone(join.left()), gathered(join.right())];
    join.builder().with_new_children(children)?.build_exec()
}

fn gathered(input: &Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
    Arc::new(CoalescePartitionsExec::new(Arc::clone(input)))
}

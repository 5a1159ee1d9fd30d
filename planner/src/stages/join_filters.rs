//! Join filters from stage to stage. In: a join whose build side is made in other tasks than the
//! scans that its filter is for. Out: which keys the build side's stage has to find, and the scans'
//! stage with those keys as an input: it begins when the build side is complete, and sends only
//! rows that may meet one.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{NullEquality, Result};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{Column, DynamicFilterPhysicalExpr};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::joins::{HashJoinExec, PartitionMode};
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use exec::dynamic_filter::DynamicFilterExec;
use exec::key_filter::{KeyFilter, KeyFilterExec};
use exec::stage::{Input, Read};

use super::filters;

type Plan = Arc<dyn ExecutionPlan>;

/// A filter that a join makes for scans in other stages.
#[derive(Debug, Clone)]
pub(super) struct Source {
    id: u64,
    filter: Arc<DynamicFilterPhysicalExpr>,
    /// What it is made of, in the rows of the build side.
    pub(super) keys: Vec<Arc<dyn PhysicalExpr>>,
}

/// The filter of a join for scans that are beyond an exchange, if it has one that can travel.
pub(super) fn source(join: &HashJoinExec) -> Option<Source> {
    let filter = filters::of(join)?;
    let id = filter.expression_id()?;
    let (left, right) = (join.left().schema(), join.right().schema());
    let travels = |(key, probe): &(Arc<dyn PhysicalExpr>, Arc<dyn PhysicalExpr>)| {
        let types = (key.data_type(&left), probe.data_type(&right));
        probe.is::<Column>() && matches!(types, (Ok(key), Ok(probe)) if key == probe)
    };
    // Where NULL meets NULL, or decides for all rows, keys without NULL say too little.
    if join.null_equality() != NullEquality::NullEqualsNothing
        || join.null_aware
        || !join.on().iter().all(travels)
        || !asks_beyond(join.right(), id, false)
    {
        return None;
    }
    let keys = join.on().iter().map(|(key, _)| Arc::clone(key)).collect();
    Some(Source { id, filter, keys })
}

/// Whether a scan asks the filter `id`, on the other side of an exchange.
fn asks_beyond(node: &Plan, id: u64, beyond: bool) -> bool {
    if let Some(place) = node.downcast_ref::<DynamicFilterExec>() {
        return beyond && place.asks(id);
    }
    let exchanges = node.is::<RepartitionExec>()
        || node.is::<CoalescePartitionsExec>()
        || node.is::<SortPreservingMergeExec>();
    let join = node.downcast_ref::<HashJoinExec>();
    let build = join.filter(|join| *join.partition_mode() == PartitionMode::CollectLeft);
    node.children().into_iter().any(|child| {
        let replicated = build.is_some_and(|join| Arc::ptr_eq(join.left(), child));
        asks_beyond(child, id, beyond || exchanges || replicated)
    })
}

/// The filters whose keys stages have found, and which.
#[derive(Debug, Default)]
pub(super) struct Found(HashMap<u64, (usize, Arc<DynamicFilterPhysicalExpr>)>);

impl Found {
    /// A stage finds the keys of a filter.
    pub(super) fn add(&mut self, source: Source, stage: usize) {
        self.0.insert(source.id, (stage, source.filter));
    }

    /// A stage's plan where the filters that its scans ask are told the keys that others found.
    pub(super) fn tell(&self, plan: Plan, inputs: &mut Vec<Input>) -> Result<Plan> {
        let mut asked = vec![];
        plan.apply(|node| {
            if let Some(place) = node.downcast_ref::<DynamicFilterExec>() {
                asked.extend(self.0.iter().filter(|(id, _)| place.asks(**id)));
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
        asked.sort_by_key(|(id, _)| **id);
        asked.dedup_by_key(|(id, _)| **id);
        if asked.is_empty() {
            return Ok(plan);
        }
        let tell = |(_, (stage, filter)): (&u64, &(usize, Arc<DynamicFilterPhysicalExpr>))| {
            inputs.push(Input { stage: *stage, read: Read::Keys });
            KeyFilter { filter: Arc::clone(filter), input: inputs.len() - 1 }
        };
        let filters = asked.into_iter().map(tell).collect();
        Ok(Arc::new(KeyFilterExec::new(plan, filters)))
    }
}

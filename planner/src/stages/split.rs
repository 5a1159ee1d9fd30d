//! A stage's plan as its tasks'. In: the whole plan, a task. Out: the same plan over the task's
//! share of the leaves. All tasks together give what the whole plan gives, for every node with
//! several partitions works on each of them alone; what has one partition is in one task.

use std::sync::Arc;

use datafusion::common::Result as EngineResult;
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_expr::Partitioning;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::joins::{
    CrossJoinExec, HashJoinExec, NestedLoopJoinExec, PartitionMode,
};
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::union::{InterleaveExec, UnionExec};
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use exec::exchange::{Exchange, ExchangeExec};
use exec::stage::share;

use super::build_rows::emits_build_rows;
use super::{Local, Width, scans};
use crate::children::{change_up, map_children};

/// What a node is over the share of a task; none when the task has no share of it.
type Part = Result<Option<Arc<dyn ExecutionPlan>>, Local>;

/// One task among several.
#[derive(Debug, Clone, Copy)]
pub(super) struct Share {
    pub(super) task: usize,
    pub(super) tasks: usize,
    pub(super) width: Width,
}

impl Share {
    /// This task's part of a stage.
    pub(super) fn of(self, plan: &Arc<dyn ExecutionPlan>) -> Part {
        let part = self.part(plan)?;
        part.map(|part| narrow(&part, self.width)).transpose()
    }

    fn part(self, node: &Arc<dyn ExecutionPlan>) -> Part {
        let count = partitions(node);
        if let Some(exchange) = node.downcast_ref::<ExchangeExec>()
            && let Exchange::Hash { partitions, .. } = exchange.exchange()
        {
            let here = share(self.task, self.tasks, *partitions).len();
            let part = || Arc::new(exchange.with_partitions(here)) as _;
            return Ok((here > 0).then(part));
        }
        if count == 1 || self.tasks == 1 {
            let here = !share(self.task, self.tasks, 1).is_empty();
            return Ok(if here { Some(whole(node)?) } else { None });
        }
        if node.is::<DataSourceExec>() {
            return scans::part(node, self.task, self.tasks);
        }
        if let Some(repartition) = node.downcast_ref::<RepartitionExec>() {
            return self.below(node, &[repartition.input()]);
        }
        if node.is::<UnionExec>() {
            return self.union(node);
        }
        if node.is::<InterleaveExec>() {
            return self.below(node, &node.children());
        }
        if let Some((build, probe)) = replicated(node)? {
            let Some(probe) = self.part(probe)? else { return Ok(None) };
            let children = vec![Arc::clone(build), probe];
            return Ok(Some(replace(node, children)?));
        }
        let children = node.children();
        if children.is_empty() || children.iter().any(|child| partitions(child) != count) {
            return Err(Local(format!("{} cannot be shared among tasks", node.name())));
        }
        self.below(node, &children)
    }

    /// A node whose children's partitions are its own.
    fn below(self, node: &Arc<dyn ExecutionPlan>, children: &[&Arc<dyn ExecutionPlan>]) -> Part {
        let parts: Vec<_> =
            children.iter().map(|child| self.part(child)).collect::<Result<_, _>>()?;
        if parts.iter().all(Option::is_none) {
            return Ok(None);
        }
        match parts.into_iter().collect::<Option<Vec<_>>>() {
            Some(parts) => Ok(Some(replace(node, parts)?)),
            None => Err(Local(format!("the inputs of {} have other partitions", node.name()))),
        }
    }

    /// Those inputs that the task has a share of.
    fn union(self, node: &Arc<dyn ExecutionPlan>) -> Part {
        let parts = node.children().into_iter().map(|child| self.part(child));
        let parts: Vec<_> = parts.collect::<Result<_, _>>()?;
        let mut parts: Vec<_> = parts.into_iter().flatten().collect();
        match parts.first() {
            None => return Ok(None),
            // A union of one is that one, under names that are not the union's.
            Some(only) if parts.len() == 1 => parts.push(Arc::new(EmptyExec::new(only.schema()))),
            Some(_) => {}
        }
        Ok(Some(UnionExec::try_new(parts)?))
    }
}

/// A plan in one task, with the scans that are its leaves.
fn whole(plan: &Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>, Local> {
    change_up(plan, &mut |node| {
        if !scans::is_scan(node) {
            return Ok(None);
        }
        let empty = || Arc::new(EmptyExec::new(node.schema())) as _;
        Ok(Some(scans::part(node, 0, 1)?.unwrap_or_else(empty)))
    })
}

/// Round-robin exchanges spread rows over a task's threads and not over all tasks'.
fn narrow(plan: &Arc<dyn ExecutionPlan>, width: Width) -> Result<Arc<dyn ExecutionPlan>, Local> {
    change_up(plan, &mut |node| {
        let Some(repartition) = node.downcast_ref::<RepartitionExec>() else { return Ok(None) };
        if !matches!(repartition.partitioning(), Partitioning::RoundRobinBatch(_)) {
            return Ok(None);
        }
        let spread = Partitioning::RoundRobinBatch(width.partitions);
        let input = Arc::clone(repartition.input());
        Ok(Some(Arc::new(RepartitionExec::try_new(input, spread)?) as _))
    })
}

pub(super) fn partitions(plan: &Arc<dyn ExecutionPlan>) -> usize {
    plan.output_partitioning().partition_count()
}

/// A node over other children.
pub(super) fn replace(
    node: &Arc<dyn ExecutionPlan>,
    children: Vec<Arc<dyn ExecutionPlan>>,
) -> EngineResult<Arc<dyn ExecutionPlan>> {
    let mut children = children.into_iter();
    map_children(node, |old| Ok(children.next().unwrap_or_else(|| Arc::clone(old))))
}

/// The sides of a join that every task has the whole left side of.
type Sides<'a> = Option<(&'a Arc<dyn ExecutionPlan>, &'a Arc<dyn ExecutionPlan>)>;

/// The sides of a join whose left side is replicated; an error when that would be wrong.
pub(super) fn replicated(node: &Arc<dyn ExecutionPlan>) -> Result<Sides<'_>, Local> {
    let (left, right, join_type) = if let Some(join) = node.downcast_ref::<HashJoinExec>() {
        if *join.partition_mode() == PartitionMode::Partitioned {
            return Ok(None);
        }
        (join.left(), join.right(), Some(*join.join_type()))
    } else if let Some(join) = node.downcast_ref::<NestedLoopJoinExec>() {
        (join.left(), join.right(), Some(*join.join_type()))
    } else if let Some(join) = node.downcast_ref::<CrossJoinExec>() {
        (join.left(), join.right(), None)
    } else {
        return Ok(None);
    };
    if partitions(right) > 1 && join_type.is_some_and(emits_build_rows) {
        return Err(Local(format!(
            "{} would emit rows of its build side in every task",
            node.name()
        )));
    }
    Ok(Some((left, right)))
}

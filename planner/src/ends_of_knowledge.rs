//! Where what is known of rows ends. In: a physical plan. Out: the same plan, which forgets
//! ([`ForgetExec`]) that columns are constant, equal or in order
//! - on the sides of outer joins that get NULLs: a constant is one no more, and neither is an
//!   expression equal to a column that is NULL where the expression is not;
//! - below grouping sets, which put NULLs into some of the columns;
//! - on the side of a join whose rows come again and again, when both sides are in order.
//!
//! DataFusion keeps it in all three, and then leaves out keys of sorts and takes groups and
//! partitions of windows for sorted that are not. Runs before sorts are placed by what is known.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{JoinType, Result};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::joins::{HashJoinExec, NestedLoopJoinExec, SortMergeJoinExec};
use datafusion::physical_plan::{
    ChildrenPropertiesMode, ExecutionPlan, ExecutionPlanProperties, ReplaceChildrenOptions,
};
use exec::forget::ForgetExec;

/// The rule.
#[derive(Debug)]
pub(crate) struct EndsOfKnowledge;

impl PhysicalOptimizerRule for EndsOfKnowledge {
    fn name(&self) -> &str {
        "ends_of_knowledge"
    }

    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(forget_below).map(|transformed| transformed.data)
    }

    fn schema_check(&self) -> bool {
        true
    }
}

fn forget_below(node: Arc<dyn ExecutionPlan>) -> Result<Transformed<Arc<dyn ExecutionPlan>>> {
    let forgets = ends_below(&node);
    if !forgets.contains(&true) {
        return Ok(Transformed::no(node));
    }
    let children = node.children().into_iter().zip(forgets).map(|(child, forget)| {
        let child = Arc::clone(child);
        if forget { Arc::new(ForgetExec::new(child)) } else { child }
    });
    let children = children.collect();
    let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
    node.replace_children(children, options).map(Transformed::yes)
}

/// For each child, whether something is known of it that is not so above the node.
fn ends_below(node: &Arc<dyn ExecutionPlan>) -> Vec<bool> {
    if let (Some(join_type), [left, right]) = (join_type(node.as_ref()), &*node.children()) {
        let (null_left, null_right) = gets_nulls(join_type);
        let again = node.is::<HashJoinExec>() && rows_come_again(join_type, left, right);
        return vec![again || null_left && no_null(left), null_right && no_null(right)];
    }
    match node.downcast_ref::<AggregateExec>() {
        Some(aggregate) if aggregate.group_expr().has_grouping_set() => {
            let known = aggregate.input().equivalence_properties();
            vec![!known.eq_group().is_empty() || !known.oeq_class().is_empty()]
        }
        _ => vec![],
    }
}

fn join_type(node: &dyn ExecutionPlan) -> Option<JoinType> {
    let hash = || node.downcast_ref::<HashJoinExec>().map(|join| join.join_type);
    let merge = || node.downcast_ref::<SortMergeJoinExec>().map(SortMergeJoinExec::join_type);
    let loops = || node.downcast_ref::<NestedLoopJoinExec>().map(|join| *join.join_type());
    hash().or_else(merge).or_else(loops)
}

/// The sides whose columns are NULL in rows without a partner.
fn gets_nulls(join_type: JoinType) -> (bool, bool) {
    match join_type {
        JoinType::Left => (false, true),
        JoinType::Right => (true, false),
        JoinType::Full => (true, true),
        _ => (false, false),
    }
}

/// Whether rows of the left side come in order, and that order begins anew with each right row:
/// DataFusion takes the rows for sorted by the right side's order and then the left's.
fn rows_come_again(
    join_type: JoinType,
    left: &Arc<dyn ExecutionPlan>,
    right: &Arc<dyn ExecutionPlan>,
) -> bool {
    let probes_right = matches!(join_type, JoinType::Inner | JoinType::Right);
    probes_right && may_be_ordered(left) && may_be_ordered(right)
}

/// Whether a plan has an order, or may have one once sorts are placed.
fn may_be_ordered(plan: &Arc<dyn ExecutionPlan>) -> bool {
    let needs_order = || plan.required_input_ordering().iter().any(Option::is_some);
    plan.output_ordering().is_some()
        || needs_order()
        || plan.children().into_iter().any(may_be_ordered)
}

/// Whether it is known of the rows what is not so where all their columns are NULL.
fn no_null(side: &Arc<dyn ExecutionPlan>) -> bool {
    let known = side.equivalence_properties();
    known.eq_group().iter().any(|class| {
        let constant = class.first().is_some_and(|expr| known.is_expr_constant(expr).is_some());
        constant || !class.iter().all(|expr| expr.is::<Column>())
    })
}

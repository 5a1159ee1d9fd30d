//! How a stage's rows leave it. In: a task's plan. Out: the same with what its rows need before
//! they leave, and with the values of scalar subqueries that its stage reads.

use std::sync::Arc;

use datafusion::logical_expr::physical_planning_context::ScalarSubqueryResults;
use datafusion::physical_expr::{EquivalenceProperties, LexOrdering, Partitioning};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::limit::LocalLimitExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::scalar_subquery::{ScalarSubqueryExec, ScalarSubqueryLink};
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use exec::exchange::{Exchange, ExchangeExec};
use exec::stage::Output;

use super::Local;
use super::join_filters::Source;

type Plan = Arc<dyn ExecutionPlan>;

/// How a stage's rows leave it.
#[derive(Debug, Clone)]
pub(super) enum Sent {
    /// By hash of a repartition that stays at the root of the plan.
    Hash { by: Partitioning, readers: usize, keys: bool },
    /// As they come.
    Whole,
    /// As they come, with their keys: a repartition by them, which is not done, is at the root.
    Keyed(Partitioning),
    /// So many of each partition at most.
    Limited(usize),
    /// Each task's in an order.
    Ordered { ordering: LexOrdering, fetch: Option<usize> },
}

/// Scalar subqueries: a stage with the value of each.
#[derive(Debug, Clone)]
pub(super) struct Scope {
    pub(super) subqueries: Vec<(usize, ScalarSubqueryLink)>,
    pub(super) results: ScalarSubqueryResults,
}

impl Scope {
    /// Whether another scope has the same values.
    pub(super) fn is(&self, other: &Self) -> bool {
        let values = |scope: &Self| -> Vec<_> {
            scope.subqueries.iter().map(|(stage, link)| (*stage, link.index)).collect()
        };
        values(self) == values(other)
    }
}

impl Sent {
    /// As they come; with their keys, if those are wanted.
    pub(super) fn whole(source: Option<&Source>) -> Self {
        match source {
            Some(source) => Self::Keyed(Partitioning::Hash(source.keys.clone(), 1)),
            None => Self::Whole,
        }
    }

    /// Whether the keys of the rows are kept.
    pub(super) fn keys(&self) -> bool {
        matches!(self, Self::Hash { keys: true, .. } | Self::Keyed(_))
    }

    /// Whether it depends on an order which rows leave.
    pub(super) fn is_limited(&self) -> bool {
        matches!(self, Self::Limited(_) | Self::Ordered { fetch: Some(_), .. })
    }

    /// Where the rows go.
    pub(super) fn output(&self) -> Output {
        match self {
            Self::Hash { readers, .. } => Output::Hash { readers: *readers },
            _ => Output::Whole,
        }
    }

    /// A task's plan with what its rows need before they leave.
    pub(super) fn wrap(&self, plan: Plan) -> Result<Plan, Local> {
        Ok(match self {
            Self::Hash { by, .. } | Self::Keyed(by) => {
                Arc::new(RepartitionExec::try_new(plan, by.clone())?)
            }
            Self::Whole => plan,
            Self::Limited(fetch) => Arc::new(LocalLimitExec::new(plan, *fetch)),
            Self::Ordered { ordering, fetch } => {
                let merge = SortPreservingMergeExec::new(ordering.clone(), plan);
                Arc::new(merge.with_fetch(*fetch))
            }
        })
    }

    /// A wrapped plan over the values of scalar subqueries, read from the inputs from `first` on.
    pub(super) fn with_scalars(
        &self,
        plan: Plan,
        scope: &Scope,
        first: usize,
    ) -> Result<Plan, Local> {
        let link = |(place, (_, link)): (usize, &(usize, ScalarSubqueryLink))| {
            let known = EquivalenceProperties::new(link.plan.schema());
            let value = ExchangeExec::new(first + place, Exchange::Gather, known);
            ScalarSubqueryLink { plan: Arc::new(value), index: link.index }
        };
        let links = scope.subqueries.iter().enumerate().map(link).collect();
        let over = |plan| Arc::new(ScalarSubqueryExec::new(plan, links, scope.results.clone()));
        match (self, plan.downcast_ref::<RepartitionExec>()) {
            // The repartition of an exchange stays at the root.
            (Self::Hash { .. } | Self::Keyed(_), Some(root)) => {
                self.wrap(over(Arc::clone(root.input())))
            }
            _ => Ok(over(plan)),
        }
    }
}

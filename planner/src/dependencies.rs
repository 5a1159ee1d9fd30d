//! Columns that depend on others. In: a logical plan, a relation of a FROM clause. Out: the same,
//! without dependencies that are none. When a grouped query is joined, its key may be there several
//! times; DataFusion still says of an aggregate over the join that the key decides all of a group,
//! and even that it is unique. It then leaves out keys of sorts and groups, `DISTINCT` and joins.
//!
//! - [`TrueDependencies`] says of every aggregate only that its groups are different, and nothing
//!   of what repeats rows. It runs
//!   before each rule that asks, for every plan made anew has the wrong ones again.
//! - [`Independent`] forgets dependencies in FROM, by which the planner of SQL would add keys to a
//!   `GROUP BY`. PostgreSQL has none there either.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::common::{
    DFSchema, DFSchemaRef, Dependency, FunctionalDependence, FunctionalDependencies, Result,
};
use datafusion::logical_expr::planner::{
    PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning,
};
use datafusion::logical_expr::{Aggregate, LogicalPlan};
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};
use datafusion::sql::sqlparser::ast::TableFactor;

/// The rules that ask what depends on what.
const ASKING: &[&str] = &[
    "replace_distinct_aggregate",
    "eliminate_join",
    "eliminate_duplicated_expr",
    "optimize_projections",
];

/// DataFusion's rules, each that asks after [`TrueDependencies`].
pub(crate) fn before_those_who_ask(
    rules: Vec<Arc<dyn OptimizerRule + Send + Sync>>,
) -> Vec<Arc<dyn OptimizerRule + Send + Sync>> {
    let with = |rule: Arc<dyn OptimizerRule + Send + Sync>| {
        let first: Option<Arc<dyn OptimizerRule + Send + Sync>> =
            ASKING.contains(&rule.name()).then(|| Arc::new(TrueDependencies) as _);
        first.into_iter().chain([rule])
    };
    rules.into_iter().flat_map(with).collect()
}

/// The rule for logical plans.
#[derive(Debug)]
pub(crate) struct TrueDependencies;

impl OptimizerRule for TrueDependencies {
    fn name(&self) -> &str {
        "true_dependencies"
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        _: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        let mut wrong = false;
        plan.apply_with_subqueries(|node| {
            wrong |= match node {
                LogicalPlan::Aggregate(aggregate) => says_too_much(aggregate),
                LogicalPlan::Unnest(unnest) => has_any(&unnest.schema),
                _ => false,
            };
            Ok(if wrong { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
        })?;
        if !wrong {
            return Ok(Transformed::no(plan));
        }
        plan.transform_up_with_subqueries(|node| {
            if !carries(&node) {
                return Ok(Transformed::no(node));
            }
            let mut node = node.recompute_schema()?;
            if let LogicalPlan::Aggregate(aggregate) = &mut node
                && says_too_much(aggregate)
            {
                aggregate.schema = with_dependencies(&aggregate.schema, groups_differ(aggregate))?;
            }
            // It repeats rows, so that nothing in them is unique any more.
            if let LogicalPlan::Unnest(unnest) = &mut node {
                let none = FunctionalDependencies::empty();
                unnest.schema = with_dependencies(&unnest.schema, none)?;
            }
            Ok(Transformed::yes(node))
        })
    }
}

/// Whether a node has a schema of its own, with the dependencies of its input.
fn carries(node: &LogicalPlan) -> bool {
    matches!(
        node,
        LogicalPlan::Projection(_)
            | LogicalPlan::Filter(_)
            | LogicalPlan::Window(_)
            | LogicalPlan::Join(_)
            | LogicalPlan::Aggregate(_)
            | LogicalPlan::SubqueryAlias(_)
            | LogicalPlan::Unnest(_)
    )
}

fn has_any(schema: &DFSchemaRef) -> bool {
    !schema.functional_dependencies().is_empty()
}

/// Whether some of the keys of an aggregate are said to decide the others.
fn says_too_much(aggregate: &Aggregate) -> bool {
    let said = aggregate.schema.functional_dependencies();
    said.iter().any(|dependency| dependency.source_indices.len() < keys(aggregate))
}

/// The columns of groups: a key that is written twice is one.
fn keys(aggregate: &Aggregate) -> usize {
    aggregate.schema.fields().len() - aggregate.aggr_expr.len()
}

/// All keys decide the row.
fn groups_differ(aggregate: &Aggregate) -> FunctionalDependencies {
    let fields = aggregate.schema.fields();
    let keys: Vec<_> = (0..keys(aggregate)).collect();
    let nullable = keys.iter().any(|key| fields[*key].is_nullable());
    let row = (0..fields.len()).collect();
    let unique = FunctionalDependence::new(keys, row, nullable).with_mode(Dependency::Single);
    FunctionalDependencies::new(vec![unique])
}

fn with_dependencies(
    schema: &DFSchemaRef,
    dependencies: FunctionalDependencies,
) -> Result<DFSchemaRef> {
    DFSchema::clone(schema).with_functional_dependencies(dependencies).map(Arc::new)
}

/// The planner of relations, for one statement: it asks for DataFusion's plan of a relation, and
/// is then asked for that relation again.
#[derive(Debug, Default)]
pub(crate) struct Independent {
    asked: AtomicBool,
}

impl RelationPlanner for Independent {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
        let query = matches!(relation, TableFactor::Derived { .. } | TableFactor::Table { .. });
        if !query || self.asked.swap(false, Ordering::Relaxed) {
            return Ok(RelationPlanning::Original(Box::new(relation)));
        }
        self.asked.store(true, Ordering::Relaxed);
        let mut plan = context.plan(relation)?;
        let schema = match &mut plan {
            LogicalPlan::SubqueryAlias(alias) => Some(&mut alias.schema),
            LogicalPlan::Projection(projection) => Some(&mut projection.schema),
            LogicalPlan::Aggregate(aggregate) => Some(&mut aggregate.schema),
            _ => None,
        };
        if let Some(schema) = schema {
            *schema = with_dependencies(schema, FunctionalDependencies::empty())?;
        }
        Ok(RelationPlanning::Planned(Box::new(PlannedRelation { plan, alias: None })))
    }
}

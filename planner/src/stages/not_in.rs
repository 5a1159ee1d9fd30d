//! `NOT IN (SELECT ...)` among many tasks. In: an anti join that knows of NULL, which must see all
//! rows of the subquery in one place. Out: an anti join by the hash of the keys, and beside it what
//! SQL asks of the subquery as a whole: how many rows it has, and in how many the key is not NULL.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Result, ScalarValue};
use datafusion::functions_aggregate::count::count_udaf;
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::aggregate::{AggregateExprBuilder, AggregateFunctionExpr};
use datafusion::physical_expr::expressions::{Column, binary, is_not_null, lit};
use datafusion::physical_expr::{PhysicalExpr, PhysicalExprRef};
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode, PhysicalGroupBy};
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::joins::{CrossJoinExec, HashJoinExec, PartitionMode};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::{ExecutionPlan, Partitioning};

type Plan = Arc<dyn ExecutionPlan>;

/// Rows of the subquery, and those with a key, in the order of their columns.
const FACTS: [&str; 2] = ["rows", "keyed"];

/// The join in `count` partitions; none when it cannot be.
pub(super) fn by_hash(join: &HashJoinExec, count: usize) -> Result<Option<Plan>> {
    let [(key, sub_key)] = join.on() else { return Ok(None) };
    if join.filter().is_some() {
        return Ok(None);
    }
    let left = match join.left().downcast_ref::<CoalescePartitionsExec>() {
        Some(gather) if gather.fetch().is_none() => gather.input(),
        _ => join.left(),
    };
    let left = repartition(left, key, count)?;
    let right = repartition(join.right(), sub_key, count)?;
    let facts = facts(&right, sub_key)?;
    // The subquery's filter by the keys of the join would be one of the facts' rows too.
    let unmatched = join
        .builder()
        .with_partition_mode(PartitionMode::Partitioned)
        .with_null_aware(false)
        .with_projection(None)
        .with_new_children(vec![left, right])?
        .build_exec()?;
    let both: Plan = Arc::new(CrossJoinExec::new(facts, unmatched));
    let holds = holds(key, &both)?;
    let kept: Plan = Arc::new(FilterExec::try_new(holds, both)?);
    let schema = join.schema();
    let all: Vec<usize> = (0..join.left().schema().fields().len()).collect();
    let columns = join.projection.as_deref().unwrap_or(&all);
    let columns = columns.iter().zip(schema.fields()).map(|(index, field)| {
        let column = Column::new(field.name(), index + FACTS.len());
        (Arc::new(column) as PhysicalExprRef, field.name().clone())
    });
    Ok(Some(Arc::new(ProjectionExec::try_new(columns, kept)?)))
}

fn repartition(input: &Plan, key: &PhysicalExprRef, count: usize) -> Result<Plan> {
    let by_key = Partitioning::Hash(vec![Arc::clone(key)], count);
    Ok(Arc::new(RepartitionExec::try_new(Arc::clone(input), by_key)?))
}

/// One row: [`FACTS`].
fn facts(subquery: &Plan, key: &PhysicalExprRef) -> Result<Plan> {
    let schema = subquery.schema();
    let count = |of: PhysicalExprRef, name: &str| -> Result<Arc<AggregateFunctionExpr>> {
        let count = AggregateExprBuilder::new(count_udaf(), vec![of]);
        Ok(Arc::new(count.schema(Arc::clone(&schema)).alias(name).build()?))
    };
    let counts = vec![count(lit(1_i64), FACTS[0])?, count(Arc::clone(key), FACTS[1])?];
    let aggregate = |mode, input| {
        let (all, schema) = (PhysicalGroupBy::new_single(vec![]), Arc::clone(&schema));
        AggregateExec::try_new(mode, all, counts.clone(), vec![None; FACTS.len()], input, schema)
    };
    let partial = Arc::new(aggregate(AggregateMode::Partial, Arc::clone(subquery))?);
    let gathered = Arc::new(CoalescePartitionsExec::new(partial));
    Ok(Arc::new(aggregate(AggregateMode::Final, gathered)?))
}

/// `rows = 0 OR (rows = keyed AND key IS NOT NULL)`, of rows that met none of the subquery's.
fn holds(key: &PhysicalExprRef, both: &Plan) -> Result<Arc<dyn PhysicalExpr>> {
    let schema = both.schema();
    let (rows, keyed) = (Arc::new(Column::new(FACTS[0], 0)), Arc::new(Column::new(FACTS[1], 1)));
    let zero = lit(ScalarValue::Int64(Some(0)));
    let none = binary(Arc::clone(&rows) as _, Operator::Eq, zero, &schema)?;
    let no_null = binary(rows, Operator::Eq, keyed, &schema)?;
    let has_key = is_not_null(shifted(key)?)?;
    let differs = binary(no_null, Operator::And, has_key, &schema)?;
    binary(none, Operator::Or, differs, &schema)
}

/// An expression over the rows of the join, where the facts come first.
fn shifted(key: &PhysicalExprRef) -> Result<PhysicalExprRef> {
    let shift = |expr: PhysicalExprRef| {
        Ok(match expr.downcast_ref::<Column>() {
            Some(column) => {
                let moved = Column::new(column.name(), column.index() + FACTS.len());
                Transformed::yes(Arc::new(moved) as PhysicalExprRef)
            }
            None => Transformed::no(expr),
        })
    };
    Ok(Arc::clone(key).transform(shift)?.data)
}

//! Joins by hash whose build side may turn out to be small. In: the stages of a query. Out: for a
//! stage that joins two others by hash, what it does when the first of them wrote little: its tasks
//! read that whole, and do the work of the second one, whose rows then need not travel.
//!
//! The second one has to be read by nobody else, and to ask for the keys of the first: so it begins
//! after that is complete, and nothing is held up. Spark's adaptive execution decides the same from
//! the same sizes, but after both sides were written (Fan et al., "Spark SQL adaptive execution").

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::common::{Result, internal_err};
use datafusion::physical_expr::{Distribution, PhysicalExpr};
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::joins::{HashJoinExec, PartitionMode};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, ExecutionPlan, ExecutionPlanProperties, ReplaceChildrenOptions,
};
use exec::dynamic_filter::DynamicFilterExec;
use exec::exchange::{Exchange, ExchangeExec};
use exec::key_filter::{KeyFilter, KeyFilterExec};
use exec::stage::{Broadcast, Input, Read, Stage};

use super::build_rows::emits_build_rows;
use super::cut::{Cutter, Made};
use super::filters;
use super::split::replace;

type Plan = Arc<dyn ExecutionPlan>;

/// Gives each stage that has one its broadcast.
pub(super) fn plan(cutter: &mut Cutter, head_inputs: &[Input], bytes_max: usize) {
    if bytes_max == 0 {
        return;
    }
    for number in 0..cutter.stages.len() {
        let found = find(cutter, number, head_inputs);
        cutter.stages[number].broadcast = found.and_then(|found| found.plan(cutter, bytes_max));
    }
}

/// A stage's join by hash that can be done where its probe side is made.
struct Found {
    stage: usize,
    join: Plan,
    /// Which input of the stage is the build side, and which the probe side.
    inputs: (usize, usize),
    /// Their stages.
    build: usize,
    probe: usize,
    /// The filter that the probe side's stage has from the keys of the build side.
    filter: u64,
}

fn find(cutter: &Cutter, stage: usize, head_inputs: &[Input]) -> Option<Found> {
    let work = &cutter.stages[stage].work;
    let by_hash = work.inputs.iter().filter(|input| input.read == Read::Own).count();
    let node = join(&work.plan).filter(|_| by_hash == 2)?;
    let join = node.downcast_ref::<HashJoinExec>()?;
    let filter = filters::of(join)?.expression_id()?;
    let inputs = (read_by_hash(join.left())?, read_by_hash(join.right())?);
    let (build, probe) = (work.inputs[inputs.0].stage, work.inputs[inputs.1].stage);
    let readers = cutter.stages.iter().flat_map(|stage| &stage.work.inputs).chain(head_inputs);
    let alone = readers.filter(|input| input.stage == probe).count() == 1;
    let asks = asks(&cutter.stages[probe], filter, build);
    let tasks = cutter.stages[probe].work.tasks.len() <= work.tasks.len();
    let same_values = same_values(&cutter.made[stage], &cutter.made[probe]);
    (alone && asks && tasks && same_values).then(|| Found {
        stage,
        join: Arc::clone(node),
        inputs,
        build,
        probe,
        filter,
    })
}

/// The join by hash below nodes that take any partitions.
fn join(node: &Plan) -> Option<&Plan> {
    if let Some(join) = node.downcast_ref::<HashJoinExec>()
        && *join.partition_mode() == PartitionMode::Partitioned
    {
        return (!emits_build_rows(*join.join_type()) && !join.null_aware).then_some(node);
    }
    let wanted = node.input_distribution_requirements().into_per_child();
    let mut below = node.children().into_iter().zip(wanted);
    below.find_map(|(child, wanted)| match wanted {
        Distribution::UnspecifiedDistribution => join(child),
        _ => None,
    })
}

/// The input that is the only leaf of a side of a join, if it is read by hash.
fn read_by_hash(side: &Plan) -> Option<usize> {
    if let Some(exchange) = side.downcast_ref::<ExchangeExec>() {
        let by_hash = matches!(exchange.exchange(), Exchange::Hash { .. });
        return by_hash.then(|| exchange.input());
    }
    let passes = side.is::<FilterExec>()
        || side.is::<ProjectionExec>()
        || side.is::<DynamicFilterExec>()
        || side.is::<KeyFilterExec>();
    side.children().first().filter(|_| passes).and_then(|input| read_by_hash(input))
}

/// Whether a stage has the keys of another one for a filter.
fn asks(stage: &Stage, filter: u64, of: usize) -> bool {
    let mut inputs = stage.work.inputs.iter();
    let told = stage.work.plan.downcast_ref::<KeyFilterExec>();
    inputs.any(|input| *input == Input { stage: of, read: Read::Keys })
        && told.is_some_and(|told| told.filters().iter().any(|told| is(told, filter)))
}

fn is(told: &KeyFilter, filter: u64) -> bool {
    told.filter.expression_id() == Some(filter)
}

/// Whether two stages have the same scalar subqueries.
fn same_values(one: &Made, other: &Made) -> bool {
    match (&one.scope, &other.scope) {
        (Some(one), Some(other)) => one.is(other),
        (one, other) => one.is_none() && other.is_none(),
    }
}

impl Found {
    /// The work of both stages in one; none when it cannot be shared among tasks.
    fn plan(&self, cutter: &Cutter, bytes_max: usize) -> Option<Broadcast> {
        let (joins, makes) = (&cutter.stages[self.stage], &cutter.stages[self.probe]);
        let made = &cutter.made[self.stage];
        let mut inputs = vec![];
        let joined = without(self.inputs.1, &joins.work.inputs[..made.inputs], &mut inputs);
        inputs[joined[&self.inputs.0]] = Input { stage: self.build, read: Read::Every };
        let asks = makes.work.plan.downcast_ref::<KeyFilterExec>()?;
        let told = asks.filters().iter().find(|told| is(told, self.filter))?.input;
        let makes_inputs = &makes.work.inputs[..cutter.made[self.probe].inputs];
        let scanned = without(told, makes_inputs, &mut inputs);
        let probe = self.renumbered(&makes.work.plan, &scanned, None).ok()?;
        let plan = self.renumbered(&joins.work.plan, &joined, Some(&probe)).ok()?;
        let work = cutter.work(plan, inputs, makes.work.tasks.len(), made).ok()?;
        Some(Broadcast { build: self.build, bytes_max, probe: self.probe, work })
    }

    /// A plan that reads its inputs at other places. With a probe side, the join is done over it.
    fn renumbered(
        &self,
        node: &Plan,
        places: &HashMap<usize, usize>,
        probe: Option<&Plan>,
    ) -> Result<Plan> {
        if let Some(exchange) = node.downcast_ref::<ExchangeExec>() {
            return Ok(match (places.get(&exchange.input()), probe) {
                (Some(place), Some(_)) if exchange.input() == self.inputs.0 => {
                    Arc::new(exchange.gathered(*place))
                }
                (Some(place), _) => Arc::new(exchange.of_input(*place)),
                (None, Some(probe)) => Arc::clone(probe),
                (None, None) => return internal_err!("an exchange without its input"),
            });
        }
        let below = |child: &Plan| self.renumbered(child, places, probe);
        let children: Vec<_> = node.children().into_iter().map(below).collect::<Result<_>>()?;
        if let Some(told) = node.downcast_ref::<KeyFilterExec>() {
            return Ok(renumbered_keys(told, &children[0], places));
        }
        if Arc::ptr_eq(node, &self.join)
            && let Some(join) = node.downcast_ref::<HashJoinExec>()
        {
            return filters::rejoined(join, PartitionMode::CollectLeft, children);
        }
        rebuilt(node, children)
    }
}

/// Adds all inputs but one to others; where each is now.
fn without(one: usize, all: &[Input], inputs: &mut Vec<Input>) -> HashMap<usize, usize> {
    let mut places = HashMap::new();
    for (place, input) in all.iter().enumerate().filter(|(place, _)| *place != one) {
        places.insert(place, inputs.len());
        inputs.push(*input);
    }
    places
}

/// The filters whose keys are still told.
fn renumbered_keys(told: &KeyFilterExec, input: &Plan, places: &HashMap<usize, usize>) -> Plan {
    let at = |told: &KeyFilter| {
        let input = *places.get(&told.input)?;
        Some(KeyFilter { filter: Arc::clone(&told.filter), input })
    };
    let filters: Vec<_> = told.filters().iter().filter_map(at).collect();
    match filters.is_empty() {
        true => Arc::clone(input),
        false => Arc::new(KeyFilterExec::new(Arc::clone(input), filters)),
    }
}

/// A node over new children, which may have other partitions.
fn rebuilt(node: &Plan, children: Vec<Plan>) -> Result<Plan> {
    let old = node.children();
    let differs =
        |(old, new): (&&Plan, &Plan)| old.output_partitioning() != new.output_partitioning();
    if !old.iter().zip(&children).any(differs) {
        return replace(node, children);
    }
    if let Some(join) = node.downcast_ref::<HashJoinExec>() {
        return filters::rejoined(join, *join.partition_mode(), children);
    }
    let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
    Arc::clone(node).replace_children(children, options)
}

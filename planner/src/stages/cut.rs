//! Where a plan comes apart: under a repartition by hash (an exchange by hash), under a node that
//! puts partitions together (a gather, which keeps an order that is claimed), at the build side of
//! a join that every task has whole (a broadcast), and at a scalar subquery. In: a plan. Out: its
//! stages, encoded, and the head.

use std::sync::Arc;

use bytes::Bytes;
use datafusion::execution::TaskContext;
use datafusion::physical_expr::{EquivalenceProperties, Partitioning};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::joins::HashJoinExec;
use datafusion::physical_plan::limit::GlobalLimitExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::scalar_subquery::ScalarSubqueryExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::prelude::SessionConfig;
use exec::codec::Codec;
use exec::exchange::{Exchange, ExchangeExec};
use exec::settings::Settings;
use exec::stage::{Determinism, Input, Read, Stage, StageGraph, Work};

use super::join_filters::{self, Found, Source};
use super::sent::{Scope, Sent};
use super::split::{Share, partitions, replicated};
use super::{Local, Width, broadcast, determinism, early, filters, scalars, scans};
use crate::children::map_children;

type Plan = Arc<dyn ExecutionPlan>;

/// Cuts a plan.
pub(super) fn cut(
    plan: &Plan,
    width: Width,
    codec: &Codec,
    config: &SessionConfig,
) -> Result<StageGraph, Local> {
    let mut settings = Settings::of(config);
    scans::pin(plan, &mut settings);
    let in_pieces = early::pieces(plan)?;
    let (plan, pieces) = match in_pieces {
        Some((plan, last)) => (&plan.clone(), Some(last)),
        None => (plan, None),
    };
    let (wanted, found) = (vec![], Found::default());
    let (stages, made, scope) = (vec![], vec![], None);
    let mut cutter = Cutter { width, codec, stages, made, scope, wanted, found, pieces };
    let tasks = cutter.tasks(plan);
    let mut inputs = vec![];
    let last = cutter.below(plan, &mut inputs, tasks)?;
    if !is_light(&last) {
        let stage = cutter.finish(last, inputs, tasks, Sent::Whole)?;
        inputs = vec![Input { stage, read: Read::All }];
        let known = EquivalenceProperties::new(plan.schema());
        let head = Arc::new(ExchangeExec::new(0, Exchange::Gather, known));
        return Ok(cutter.graph(head, inputs, &settings));
    }
    Ok(cutter.graph(last, inputs, &settings))
}

pub(super) struct Cutter<'a> {
    width: Width,
    codec: &'a Codec,
    pub(super) stages: Vec<Stage>,
    /// What each stage was made of.
    pub(super) made: Vec<Made>,
    /// The scalar subqueries whose values the stage being cut may need.
    scope: Option<Scope>,
    /// Build sides about to be cut whose keys are wanted.
    wanted: Vec<(Plan, Source)>,
    /// Filters whose keys are found by stages that are cut.
    found: Found,
    /// The last stage, when it has a task for each few of its partitions, however many there are.
    pieces: Option<Plan>,
}

/// What a stage was made of besides its plan.
pub(super) struct Made {
    pub(super) sent: Sent,
    pub(super) scope: Option<Scope>,
    /// Its inputs without the values of scalar subqueries, which come after them.
    pub(super) inputs: usize,
}

impl Cutter<'_> {
    fn graph(mut self, head: Plan, head_inputs: Vec<Input>, settings: &Settings) -> StageGraph {
        let bytes_max = self.width.broadcast_bytes;
        broadcast::plan(&mut self, &head_inputs, bytes_max);
        let threads = self.width.partitions;
        StageGraph { stages: self.stages, head, head_inputs, threads, settings: settings.encode() }
    }

    /// Tasks of the stage that a node is in.
    fn tasks(&self, node: &Plan) -> usize {
        match &self.pieces {
            Some(last) if Arc::ptr_eq(last, node) => {
                partitions(node).div_ceil(self.width.partitions).max(1)
            }
            _ => self.width.tasks_for(spread(node)),
        }
    }

    /// Makes a stage of a plan.
    fn stage(&mut self, plan: &Plan, sent: Sent) -> Result<usize, Local> {
        let scope = self.scope.clone();
        let tasks = self.tasks(plan);
        let mut inputs = vec![];
        let cut = self.below(plan, &mut inputs, tasks)?;
        let stage = self.finish(cut, inputs, tasks, sent)?;
        self.scope = scope;
        Ok(stage)
    }

    /// The plan of a stage, cut where other stages begin.
    fn below(&mut self, node: &Plan, inputs: &mut Vec<Input>, tasks: usize) -> Result<Plan, Local> {
        if let Some(repartition) = node.downcast_ref::<RepartitionExec>()
            && let by @ Partitioning::Hash(keys, count) = repartition.partitioning()
        {
            if repartition.preserve_order() {
                return Err(Local("an exchange by hash has to keep an order".to_owned()));
            }
            if keys.iter().any(scalars::within) {
                return Err(Local("a scalar subquery is the key of an exchange".to_owned()));
            }
            let source = self.wanted(node).filter(|source| source.keys == *keys);
            let sent = Sent::Hash { by: by.clone(), readers: tasks, keys: source.is_some() };
            let stage = self.stage(repartition.input(), sent)?;
            self.finds(source, stage);
            let exchange = Exchange::Hash { keys: keys.clone(), partitions: *count };
            return Ok(reading(inputs, stage, exchange, node));
        }
        if let Some(gather) = node.downcast_ref::<CoalescePartitionsExec>()
            && partitions(gather.input()) > 1
        {
            let source = self.wanted(node).filter(|_| gather.fetch().is_none());
            let sent = match gather.fetch() {
                Some(fetch) => Sent::Limited(fetch),
                None => Sent::whole(source.as_ref()),
            };
            let stage = self.stage(gather.input(), sent)?;
            self.finds(source, stage);
            let read = reading(inputs, stage, Exchange::Gather, node);
            return Ok(match gather.fetch() {
                // Whoever reads, reads the same rows in the same order.
                Some(fetch) => Arc::new(GlobalLimitExec::new(read, 0, Some(fetch))),
                None => read,
            });
        }
        if let Some(merge) = node.downcast_ref::<SortPreservingMergeExec>()
            && partitions(merge.input()) > 1
        {
            let (ordering, fetch) = (merge.expr().clone(), merge.fetch());
            let sent = Sent::Ordered { ordering: ordering.clone(), fetch };
            let stage = self.stage(merge.input(), sent)?;
            let tasks = self.stages[stage].work.tasks.len();
            let exchange = Exchange::Merge { tasks, ordering: ordering.clone() };
            let read = reading(inputs, stage, exchange, merge.input());
            return Ok(Arc::new(SortPreservingMergeExec::new(ordering, read).with_fetch(fetch)));
        }
        if let Some(subqueries) = node.downcast_ref::<ScalarSubqueryExec>() {
            self.scope = Some(self.scope_of(subqueries)?);
            return self.below(subqueries.input(), inputs, tasks);
        }
        if let Some(join) = node.downcast_ref::<HashJoinExec>()
            && let Some(source) = join_filters::source(join)
        {
            self.wanted.push((Arc::clone(join.left()), source));
        }
        let build = if tasks > 1 { replicated(node)?.map(|(build, _)| build) } else { None };
        map_children(node, |child| match build {
            Some(build) if Arc::ptr_eq(build, child) => self.broadcast(child, inputs, tasks),
            _ => self.below(child, inputs, tasks),
        })
    }

    /// A build side that every task reads whole. What gathers anyway is cut there.
    fn broadcast(
        &mut self,
        node: &Plan,
        inputs: &mut Vec<Input>,
        tasks: usize,
    ) -> Result<Plan, Local> {
        let gathers = node.downcast_ref::<CoalescePartitionsExec>();
        if gathers.is_some_and(|gather| partitions(gather.input()) > 1) {
            return self.below(node, inputs, tasks);
        }
        let source = self.wanted(node);
        let stage = self.stage(node, Sent::whole(source.as_ref()))?;
        self.finds(source, stage);
        Ok(reading(inputs, stage, Exchange::Gather, node))
    }

    /// The filter that a build side which is cut here is to find the keys of.
    fn wanted(&mut self, build: &Plan) -> Option<Source> {
        let place = self.wanted.iter().position(|(wanted, _)| Arc::ptr_eq(wanted, build));
        place.map(|place| self.wanted.swap_remove(place).1)
    }

    fn finds(&mut self, source: Option<Source>, stage: usize) {
        if let Some(source) = source {
            self.found.add(source, stage);
        }
    }

    fn scope_of(&mut self, node: &ScalarSubqueryExec) -> Result<Scope, Local> {
        if self.scope.is_some() {
            return Err(Local("scalar subqueries are nested in one stage".to_owned()));
        }
        let mut subqueries = vec![];
        for link in node.subqueries() {
            let stage = self.stage(&link.plan, Sent::Whole)?;
            subqueries.push((stage, link.clone()));
        }
        Ok(Scope { subqueries, results: node.results().clone() })
    }

    /// Makes the tasks of a stage whose plan is cut.
    fn finish(
        &mut self,
        plan: Plan,
        mut inputs: Vec<Input>,
        tasks: usize,
        sent: Sent,
    ) -> Result<usize, Local> {
        let plan = filters::live(&self.found.tell(plan, &mut inputs)?)?;
        let made = Made { sent, scope: self.scope.clone(), inputs: inputs.len() };
        let work = self.work(plan, inputs, tasks, &made)?;
        let (output, keys) = (made.sent.output(), made.sent.keys());
        let stage = Stage { work, output, keys, broadcast: None };
        // What is the same runs once: a common table expression, a table joined with itself.
        if let Some(same) = self.stages.iter().position(|other| other.does_the_same(&stage)) {
            return Ok(same);
        }
        self.stages.push(stage);
        self.made.push(made);
        Ok(self.stages.len() - 1)
    }

    /// What the tasks of a stage do.
    pub(super) fn work(
        &self,
        plan: Plan,
        mut inputs: Vec<Input>,
        tasks: usize,
        made: &Made,
    ) -> Result<Work, Local> {
        let mut parts = vec![];
        for task in 0..tasks {
            let share = Share { task, tasks, width: self.width };
            if let Some(part) = share.of(&plan)? {
                parts.push(made.sent.wrap(part)?);
            }
        }
        let by_place = inputs.iter().any(|input| input.read == Read::Own);
        if by_place && parts.len() != tasks {
            return Err(Local("a stage has other tasks than its inputs were made for".to_owned()));
        }
        if parts.is_empty() {
            // A table without files still has an answer.
            parts.push(made.sent.wrap(Arc::new(EmptyExec::new(plan.schema())))?);
        }
        let tasks = self.encoded(parts, &mut inputs, made)?;
        let limited = made.sent.is_limited();
        let determinism = if limited { Determinism::Indeterminate } else { determinism::of(&plan) };
        Ok(Work { plan, tasks, inputs, determinism })
    }

    /// The bytes of a stage's tasks. Where they need the values of scalar subqueries, those become
    /// inputs of the stage.
    fn encoded(
        &self,
        parts: Vec<Plan>,
        inputs: &mut Vec<Input>,
        Made { sent, scope: values, .. }: &Made,
    ) -> Result<Vec<Bytes>, Local> {
        let mut encoded = vec![];
        let mut scalars = None;
        for mut part in parts {
            if let Some((scope, first)) = &scalars {
                part = sent.with_scalars(part, scope, *first)?;
            }
            let mut bytes = self.codec.encode(&part)?;
            if bytes.needs_scalars && scalars.is_none() {
                let scope = values.clone();
                let scope = scope.ok_or_else(|| Local("a value of another stage".to_owned()))?;
                part = sent.with_scalars(part, &scope, inputs.len())?;
                let stages = scope.subqueries.iter().map(|(stage, _)| *stage);
                scalars = Some((scope.clone(), inputs.len()));
                inputs.extend(stages.map(|stage| Input { stage, read: Read::All }));
                bytes = self.codec.encode(&part)?;
            }
            encoded.push(bytes.bytes);
        }
        // What cannot be read there is found here.
        if let Some(first) = encoded.first() {
            self.codec.decode(first, &TaskContext::default())?;
        }
        Ok(encoded)
    }
}

/// A leaf that reads a stage, counted among the inputs.
fn reading(inputs: &mut Vec<Input>, stage: usize, exchange: Exchange, stands_for: &Plan) -> Plan {
    let read = if matches!(exchange, Exchange::Hash { .. }) { Read::Own } else { Read::All };
    inputs.push(Input { stage, read });
    Arc::new(ExchangeExec::new(inputs.len() - 1, exchange, scalars::known_without(stands_for)))
}

/// Partitions that can be shared among the tasks of a node's stage.
fn spread(node: &Plan) -> usize {
    let gathers = node.is::<CoalescePartitionsExec>() || node.is::<SortPreservingMergeExec>();
    let repartition = node.downcast_ref::<RepartitionExec>();
    if gathers
        || matches!(repartition.map(RepartitionExec::partitioning), Some(Partitioning::Hash(..)))
    {
        return partitions(node);
    }
    if let Some(subqueries) = node.downcast_ref::<ScalarSubqueryExec>() {
        return spread(subqueries.input());
    }
    if partitions(node) == 1 {
        return 1;
    }
    if let Ok(Some((_, probe))) = replicated(node) {
        return spread(probe);
    }
    let children = node.children().into_iter().map(spread);
    children.max().unwrap_or_else(|| partitions(node))
}

/// Whether a plan only puts rows together, which takes neither memory nor time, nor the value of a
/// scalar subquery.
fn is_light(node: &Plan) -> bool {
    let merges = |merge: &SortPreservingMergeExec| {
        !merge.expr().iter().any(|sort| scalars::within(&sort.expr))
    };
    let projects = |projection: &ProjectionExec| {
        let mut columns = projection.expr().iter().map(|column| &column.expr);
        columns.all(|expr| expr.children().is_empty() && !scalars::within(expr))
    };
    let is_light_node = node.is::<ExchangeExec>()
        || node.is::<GlobalLimitExec>()
        || node.downcast_ref().is_some_and(merges)
        || node.downcast_ref().is_some_and(projects);
    is_light_node && node.children().into_iter().all(is_light)
}

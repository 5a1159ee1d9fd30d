//! Filters that are found while a query runs, applied to rows. In: a plan's batches, and filters
//! such as "the key is in that join's build side". Out: the rows that pass, in whole batches.
//! DataFusion gives these filters to scans, which skip files and row groups by them; rows that a
//! far join will drop are still shuffled, hashed and copied on their way there. Here they go first.
//!
//! A filter only ever drops rows that the node it came from would drop, so any of them may be left
//! out at any time: one that lets most rows pass is not asked again for a while.

use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray, BooleanArray, RecordBatch};
use datafusion::arrow::compute::{BatchCoalescer, and, filter_record_batch, prep_null_mask_filter};
use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::execution::TaskContext;
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::DynamicFilterPhysicalExpr;
use datafusion::physical_plan::filter_pushdown::{
    ChildPushdownResult, FilterDescription, FilterPushdownPhase, FilterPushdownPropagation,
};
use datafusion::physical_plan::metrics::{
    BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet, RecordOutput,
};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, SendableRecordBatchStream,
};
use futures::{StreamExt, stream};

/// Rows after which a filter is judged.
const TRIAL_ROWS: usize = 4 * 8_192;
/// Of a hundred rows, those that may pass a filter that is worth its cost.
const PASS_PERCENT_MAX: usize = 60;
/// Rows for which a filter that is not is left out: it may become stricter, and data change.
const PAUSE_ROWS: usize = 16 * TRIAL_ROWS;

/// Drops rows by the dynamic filters that are pushed down through it.
#[derive(Debug)]
pub struct DynamicFilterExec {
    input: Arc<dyn ExecutionPlan>,
    filters: Vec<Arc<dyn PhysicalExpr>>,
    metrics: ExecutionPlanMetricsSet,
}

impl DynamicFilterExec {
    /// A place for filters above `input`; it has none yet.
    pub fn new(input: Arc<dyn ExecutionPlan>) -> Self {
        Self::with_filters(input, vec![])
    }

    /// Drops rows of `input` by these.
    pub(crate) fn with_filters(
        input: Arc<dyn ExecutionPlan>,
        filters: Vec<Arc<dyn PhysicalExpr>>,
    ) -> Self {
        Self { input, filters, metrics: ExecutionPlanMetricsSet::new() }
    }

    /// Drops rows of `input` by a filter whose columns are its own.
    pub fn asking(
        input: &Arc<dyn ExecutionPlan>,
        filter: Arc<DynamicFilterPhysicalExpr>,
    ) -> Arc<dyn ExecutionPlan> {
        Arc::new(Self::with_filters(Arc::clone(input), vec![filter]))
    }

    /// With those filters only that `keep` wants; without any, its input alone.
    pub fn retain(&self, keep: impl Fn(&Arc<dyn PhysicalExpr>) -> bool) -> Arc<dyn ExecutionPlan> {
        let filters: Vec<_> = self.filters.iter().filter(|filter| keep(filter)).cloned().collect();
        let input = Arc::clone(&self.input);
        if filters.is_empty() { input } else { Arc::new(Self::with_filters(input, filters)) }
    }

    /// The filters it has.
    pub(crate) fn filters(&self) -> &[Arc<dyn PhysicalExpr>] {
        &self.filters
    }

    /// Whether it has a filter beside those of the given identities.
    pub fn has_other_than(&self, ids: &[u64]) -> bool {
        let known = |filter: &Arc<dyn PhysicalExpr>| {
            filter.expression_id().is_some_and(|id| ids.contains(&id))
        };
        !self.filters.iter().all(known)
    }

    /// Whether it asks the filter of this identity.
    pub fn asks(&self, id: u64) -> bool {
        self.filters.iter().any(|filter| filter.expression_id() == Some(id))
    }

    /// What it filters.
    pub fn input(&self) -> &Arc<dyn ExecutionPlan> {
        &self.input
    }
}

impl DisplayAs for DynamicFilterExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DynamicFilterExec: ")?;
        for (index, filter) in self.filters.iter().enumerate() {
            let comma = if index > 0 { ", " } else { "" };
            write!(f, "{comma}{filter}")?;
        }
        Ok(())
    }
}

impl ExecutionPlan for DynamicFilterExec {
    fn name(&self) -> &str {
        "DynamicFilterExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        for filter in &self.filters {
            if f(filter)? == TreeNodeRecursion::Stop {
                return Ok(TreeNodeRecursion::Stop);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let filters = self.filters.clone();
        Ok(Arc::new(Self::with_filters(children.swap_remove(0), filters)))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let input = self.input.execute(partition, Arc::clone(&context))?;
        let schema = input.schema();
        let batch_size = context.session_config().batch_size();
        let filtered = Filtered {
            input,
            gates: self.filters.iter().cloned().map(Gate::new).collect(),
            // A batch that nothing was dropped from is handed on as it is.
            whole: BatchCoalescer::new(Arc::clone(&schema), batch_size)
                .with_biggest_coalesce_batch_size(Some(batch_size / 2)),
            ended: false,
            metrics: BaselineMetrics::new(&self.metrics, partition),
        };
        let stream = stream::try_unfold(filtered, Filtered::next);
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, stream)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn gather_filters_for_pushdown(
        &self,
        _: FilterPushdownPhase,
        parent_filters: Vec<Arc<dyn PhysicalExpr>>,
        _: &ConfigOptions,
    ) -> Result<FilterDescription> {
        FilterDescription::from_children(parent_filters, &self.children())
    }

    /// Keeps a copy of each dynamic filter; what those above are told is the input's answer, for
    /// rows that do not pass may still come out of here.
    fn handle_child_pushdown_result(
        &self,
        _: FilterPushdownPhase,
        result: ChildPushdownResult,
        _: &ConfigOptions,
    ) -> Result<FilterPushdownPropagation<Arc<dyn ExecutionPlan>>> {
        let dynamic = result.parent_filters.iter().map(|parent| &parent.filter);
        let dynamic = dynamic.filter(|filter| filter.is::<DynamicFilterPhysicalExpr>());
        let filters: Vec<_> = self.filters.iter().chain(dynamic).cloned().collect();
        let told = FilterPushdownPropagation::if_all(result);
        if filters.len() == self.filters.len() {
            return Ok(told);
        }
        let kept = Self::with_filters(Arc::clone(&self.input), filters);
        Ok(told.with_updated_node(Arc::new(kept)))
    }
}

/// One partition being filtered.
struct Filtered {
    input: SendableRecordBatchStream,
    gates: Vec<Gate>,
    whole: BatchCoalescer,
    ended: bool,
    metrics: BaselineMetrics,
}

impl Filtered {
    async fn next(mut self) -> Result<Option<(RecordBatch, Self)>> {
        loop {
            if let Some(batch) = self.whole.next_completed_batch() {
                return Ok(Some((batch.record_output(&self.metrics), self)));
            }
            if self.ended {
                return Ok(None);
            }
            match self.input.next().await.transpose()? {
                Some(batch) => self.push(batch)?,
                None => {
                    self.ended = true;
                    self.whole.finish_buffered_batch()?;
                }
            }
        }
    }

    /// Asks the strictest filter first, and the others of the rows that are left.
    fn push(&mut self, mut batch: RecordBatch) -> Result<()> {
        let time = self.metrics.elapsed_compute().clone();
        let _timer = time.timer();
        let mut passing: Option<BooleanArray> = None;
        let mut judged = false;
        for gate in &mut self.gates {
            let Some(mask) = gate.ask(&batch)? else { continue };
            judged |= gate.seen == 0;
            let mask = match passing {
                Some(before) => and(&before, &mask)?,
                None => mask,
            };
            if mask.true_count() * 2 < mask.len() {
                batch = filter_record_batch(&batch, &mask)?;
                passing = None;
            } else {
                passing = Some(mask);
            }
        }
        if judged {
            self.gates.sort_by_key(|gate| gate.pass_percent);
        }
        match passing {
            Some(mask) if mask.true_count() < mask.len() => {
                self.whole.push_batch_with_filter(batch, &mask)?;
            }
            _ if batch.num_rows() > 0 => self.whole.push_batch(batch)?,
            _ => {}
        }
        Ok(())
    }
}

/// One filter, and whether it has been worth asking.
struct Gate {
    filter: Arc<dyn PhysicalExpr>,
    /// Of a hundred rows that came to it, those that passed, in the last trial.
    pass_percent: usize,
    seen: usize,
    passed: usize,
    pause: usize,
}

impl Gate {
    fn new(filter: Arc<dyn PhysicalExpr>) -> Self {
        Self { filter, pass_percent: 0, seen: 0, passed: 0, pause: 0 }
    }

    /// Which rows pass; none when that is not asked, or not known yet.
    fn ask(&mut self, batch: &RecordBatch) -> Result<Option<BooleanArray>> {
        let rows = batch.num_rows();
        if self.pause > 0 {
            self.pause = self.pause.saturating_sub(rows);
            return Ok(None);
        }
        let mask = match self.filter.evaluate(batch)? {
            ColumnarValue::Array(mask) => mask,
            // Before its node has found it, a filter is the constant "true".
            ColumnarValue::Scalar(scalar) if scalar == true.into() => return Ok(None),
            ColumnarValue::Scalar(scalar) => scalar.to_array_of_size(rows)?,
        };
        let mask = mask.as_boolean();
        let mask = match mask.null_count() {
            0 => mask.clone(),
            _ => prep_null_mask_filter(mask),
        };
        self.count(rows, mask.true_count());
        Ok(Some(mask))
    }

    fn count(&mut self, rows: usize, passed: usize) {
        self.seen += rows;
        self.passed += passed;
        if self.seen >= TRIAL_ROWS {
            self.pass_percent = self.passed * 100 / self.seen;
            if self.pass_percent > PASS_PERCENT_MAX {
                self.pause = PAUSE_ROWS;
            }
            (self.seen, self.passed) = (0, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::Int32Array;
    use datafusion::arrow::datatypes::{DataType, Field, Int32Type, Schema};
    use datafusion::datasource::memory::MemorySourceConfig;
    use datafusion::logical_expr::Operator;
    use datafusion::physical_expr::expressions::{binary, col, lit};
    use datafusion::physical_plan::collect;

    use super::*;

    const ROWS: i32 = 20_000;

    fn schema() -> Arc<Schema> {
        Arc::new(Schema::new(vec![Field::new("a", DataType::Int32, true)]))
    }

    /// A filter on `a` that is not known yet.
    fn unknown() -> Arc<DynamicFilterPhysicalExpr> {
        let column = col("a", &schema()).expect("a column");
        Arc::new(DynamicFilterPhysicalExpr::new(vec![column], lit(true)))
    }

    fn compare(op: Operator, value: i32) -> Arc<dyn PhysicalExpr> {
        binary(col("a", &schema()).expect("a column"), op, lit(value), &schema()).expect("compares")
    }

    /// What is left of `0..ROWS` and a NULL.
    async fn left(filters: &[&Arc<DynamicFilterPhysicalExpr>]) -> Vec<Option<i32>> {
        let values = Int32Array::from_iter((0..ROWS).map(Some).chain([None]));
        let batch = RecordBatch::try_new(schema(), vec![Arc::new(values)]).expect("a batch");
        let input =
            MemorySourceConfig::try_new_exec(&[vec![batch]], schema(), None).expect("a source");
        let filters = filters.iter().map(|filter| Arc::clone(*filter) as _).collect();
        let plan = DynamicFilterExec { filters, ..DynamicFilterExec::new(input) };
        let batches = collect(Arc::new(plan), Arc::default()).await.expect("runs");
        batches.iter().flat_map(|b| b.column(0).as_primitive::<Int32Type>().iter()).collect()
    }

    #[tokio::test]
    async fn rows_go_once_a_filter_is_known() {
        let (above, below) = (unknown(), unknown());
        assert_eq!(left(&[&above, &below]).await.len(), ROWS as usize + 1);
        above.update(compare(Operator::Gt, 9_000)).expect("updates");
        assert_eq!(left(&[&above, &below]).await, (9_001..ROWS).map(Some).collect::<Vec<_>>());
        below.update(compare(Operator::Lt, 9_003)).expect("updates");
        assert_eq!(left(&[&above, &below]).await, [Some(9_001), Some(9_002)]);
        below.update(lit(false)).expect("updates");
        assert!(left(&[&above, &below]).await.is_empty());
    }

    #[test]
    fn a_filter_that_drops_little_is_left_alone_for_a_while() {
        let mut gate = Gate::new(lit(true));
        gate.count(TRIAL_ROWS, TRIAL_ROWS / 4);
        assert_eq!((gate.pause, gate.pass_percent), (0, 25));
        gate.count(TRIAL_ROWS, TRIAL_ROWS);
        assert_eq!(gate.pause, PAUSE_ROWS);
    }
}

//! Batches in slices. In: a plan's batches. Out: the same rows in batches as small as their
//! consumer is slow, each with a chance to yield. A nested-loop join compares a whole probe batch
//! with a whole build side before it looks up; with a slice that takes milliseconds and not
//! minutes, so that a cancelled query ends. Costs nothing beside the comparisons themselves.

use std::sync::Arc;
use std::time::{Duration, Instant};

use datafusion::arrow::array::RecordBatch;
use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::execution::TaskContext;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::execution_plan::SchedulingType;
use datafusion::physical_plan::filter_pushdown::{
    ChildPushdownResult, FilterDescription, FilterPushdownPhase, FilterPushdownPropagation,
};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, SendableRecordBatchStream,
};
use futures::{StreamExt, stream};

use crate::pulse::Pulse;

/// Rows of the first slice: with a million build rows four million comparisons, some 50 ms.
const FIRST_ROWS: usize = 4;
/// A consumer that takes longer than this for a slice gets smaller ones, and the runtime a chance
/// to end the query in between.
const SLOW: Duration = Duration::from_millis(40);
/// One that is faster than this gets larger ones.
const FAST: Duration = Duration::from_millis(5);

/// Cuts its input's batches into slices.
#[derive(Debug)]
pub struct SliceExec {
    input: Arc<dyn ExecutionPlan>,
    properties: Arc<PlanProperties>,
}

impl SliceExec {
    /// Slices of `input`.
    pub fn new(input: Arc<dyn ExecutionPlan>) -> Self {
        let properties = PlanProperties::clone(input.properties())
            .with_scheduling_type(SchedulingType::Cooperative);
        Self { input, properties: Arc::new(properties) }
    }
}

impl DisplayAs for SliceExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SliceExec")
    }
}

impl ExecutionPlan for SliceExec {
    fn name(&self) -> &str {
        "SliceExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(Self::new(children.swap_remove(0))))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let pulse = context.session_config().get_extension::<Pulse>().unwrap_or_default();
        let input = self.input.execute(partition, context)?;
        let schema = input.schema();
        let (rows, handed) = (FIRST_ROWS, Instant::now());
        let slices = Slices { input, batch: None, rows, handed, pulse };
        let stream = stream::try_unfold(slices, Slices::next);
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, stream)))
    }

    fn gather_filters_for_pushdown(
        &self,
        _: FilterPushdownPhase,
        parent_filters: Vec<Arc<dyn PhysicalExpr>>,
        _: &ConfigOptions,
    ) -> Result<FilterDescription> {
        FilterDescription::from_children(parent_filters, &self.children())
    }

    fn handle_child_pushdown_result(
        &self,
        _: FilterPushdownPhase,
        result: ChildPushdownResult,
        _: &ConfigOptions,
    ) -> Result<FilterPushdownPropagation<Arc<dyn ExecutionPlan>>> {
        Ok(FilterPushdownPropagation::if_all(result))
    }
}

/// What is left of a batch, and how fast the last slice was taken.
struct Slices {
    input: SendableRecordBatchStream,
    batch: Option<RecordBatch>,
    rows: usize,
    handed: Instant,
    pulse: Arc<Pulse>,
}

impl Slices {
    async fn next(mut self) -> Result<Option<(RecordBatch, Self)>> {
        self.pulse.beat();
        let taken = self.handed.elapsed();
        if taken > SLOW {
            self.rows = (self.rows / 2).max(1);
        } else if taken < FAST {
            self.rows = self.rows.saturating_mul(2);
        }
        if taken > FAST {
            tokio::task::yield_now().await;
        }
        let batch = match self.batch.take() {
            Some(batch) => batch,
            None => match self.input.next().await.transpose()? {
                Some(batch) => batch,
                None => return Ok(None),
            },
        };
        let rows = self.rows.min(batch.num_rows());
        if rows < batch.num_rows() {
            self.batch = Some(batch.slice(rows, batch.num_rows() - rows));
        }
        self.handed = Instant::now();
        Ok(Some((batch.slice(0, rows), self)))
    }
}

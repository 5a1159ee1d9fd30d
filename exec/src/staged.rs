//! A staged query as a plan. In: a stage graph and a cluster. Out: the query's rows, so that who
//! asks for them need not know where they are made. A job that lost what cannot be made again as it
//! was is followed by another one, as long as no row has left.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::common::runtime::SpawnedTask;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::physical_expr::{EquivalenceProperties, Partitioning, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, SchedulingType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, SendableRecordBatchStream,
    execute_stream,
};
use futures::{StreamExt, stream};

use crate::cluster::{Cluster, Failure};
use crate::engine::task_context;
use crate::job::log::JobLog;
use crate::job::news::{News, Teller};
use crate::job::state::Reason;
use crate::job::{self, JobOptions};
use crate::stage::StageGraph;

/// Times a query begins again, each time because of a loss.
const RESTARTS_MAX: usize = 10;

/// Runs a stage graph and answers with its rows.
#[derive(Debug)]
pub struct StagedExec {
    graph: Arc<StageGraph>,
    cluster: Arc<dyn Cluster>,
    log: Arc<JobLog>,
    options: JobOptions,
    properties: Arc<PlanProperties>,
}

impl StagedExec {
    /// Runs `graph` on `cluster`; what is worth telling is told as it happens.
    pub fn new(
        graph: StageGraph,
        cluster: Arc<dyn Cluster>,
        options: JobOptions,
        teller: Teller,
    ) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(graph.schema()),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        let properties = properties.with_scheduling_type(SchedulingType::Cooperative);
        let log = Arc::new(JobLog::new(&graph, teller));
        Self { graph: Arc::new(graph), cluster, log, options, properties: Arc::new(properties) }
    }

    /// What its tasks have done so far.
    pub fn log(&self) -> &Arc<JobLog> {
        &self.log
    }

    /// What it runs.
    pub fn graph(&self) -> &StageGraph {
        &self.graph
    }
}

impl DisplayAs for StagedExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StagedExec: stages={}", self.graph.stages.len())
    }
}

impl ExecutionPlan for StagedExec {
    fn name(&self) -> &str {
        "StagedExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        _: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    /// Starts the job; it ends with the stream.
    fn execute(&self, _: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let answer = Answer {
            graph: Arc::clone(&self.graph),
            cluster: Arc::clone(&self.cluster),
            log: Arc::clone(&self.log),
            options: self.options,
            context,
            reading: None,
            restarts_left: RESTARTS_MAX,
        };
        let rows = stream::try_unfold(answer, Answer::next);
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.graph.schema(), rows)))
    }
}

/// The rows of a query, from one job, or from several of which only the last was read.
struct Answer {
    graph: Arc<StageGraph>,
    cluster: Arc<dyn Cluster>,
    log: Arc<JobLog>,
    options: JobOptions,
    context: Arc<TaskContext>,
    reading: Option<(SendableRecordBatchStream, SpawnedTask<()>)>,
    /// None when a row has left.
    restarts_left: usize,
}

impl Answer {
    /// Starts a job.
    fn begin(&self) -> Result<(SendableRecordBatchStream, SpawnedTask<()>)> {
        let (graph, cluster) = (Arc::clone(&self.graph), Arc::clone(&self.cluster));
        let (inputs, job) = job::start(graph, cluster, Arc::clone(&self.log), self.options);
        let config = self.context.session_config().clone().with_extension(Arc::new(inputs));
        let context = task_context(config, self.context.runtime_env());
        Ok((execute_stream(Arc::clone(&self.graph.head), context)?, job))
    }

    async fn next(mut self) -> Result<Option<(RecordBatch, Self)>> {
        loop {
            if self.reading.is_none() {
                self.reading = Some(self.begin()?);
            }
            let Some((rows, _)) = &mut self.reading else { continue };
            match rows.next().await.transpose() {
                Ok(Some(batch)) if batch.num_rows() == 0 => {}
                Ok(batch) => {
                    self.restarts_left = 0;
                    return Ok(batch.map(|batch| (batch, self)));
                }
                Err(error) if self.restarts_left > 0 && is_unrepeatable(&error) => {
                    tracing::info!(%error, "the query begins again");
                    self.restarts_left -= 1;
                    self.reading = None;
                    self.log.planned_again(&self.graph);
                    let of = self.graph.stages.iter().map(|stage| stage.work.tasks.len()).sum();
                    let words = "rows lost that cannot be made again as they were".to_owned();
                    self.log.teller().tell(News::Again { words, tasks: of, of });
                }
                Err(error) => return Err(error),
            }
        }
    }
}

fn is_unrepeatable(error: &DataFusionError) -> bool {
    matches!(Failure::of(error), Some(Failure::GivenUp { reason: Reason::Unrepeatable, .. }))
}

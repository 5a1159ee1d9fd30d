//! A staged query as a plan. In: a stage graph and a cluster. Out: the query's rows, so that who
//! asks for them need not know where they are made.

use std::fmt;
use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::execution::TaskContext;
use datafusion::physical_expr::{EquivalenceProperties, Partitioning, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, SchedulingType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, SendableRecordBatchStream,
    execute_stream,
};
use futures::{StreamExt, stream};

use crate::cluster::Cluster;
use crate::engine::task_context;
use crate::job;
use crate::job::log::JobLog;
use crate::stage::StageGraph;

/// Runs a stage graph and answers with its rows.
#[derive(Debug)]
pub struct StagedExec {
    graph: Arc<StageGraph>,
    cluster: Arc<dyn Cluster>,
    log: Arc<JobLog>,
    properties: Arc<PlanProperties>,
}

impl StagedExec {
    /// Runs `graph` on `cluster`.
    pub fn new(graph: StageGraph, cluster: Arc<dyn Cluster>) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(graph.schema()),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        let properties = properties.with_scheduling_type(SchedulingType::Cooperative);
        let log = Arc::new(JobLog::new(&graph));
        Self { graph: Arc::new(graph), cluster, log, properties: Arc::new(properties) }
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
        let (inputs, job) =
            job::start(Arc::clone(&self.graph), Arc::clone(&self.cluster), Arc::clone(&self.log));
        let config = context.session_config().clone().with_extension(Arc::new(inputs));
        let context = task_context(config, context.runtime_env());
        let rows = execute_stream(Arc::clone(&self.graph.head), context)?;
        let rows = stream::unfold((rows, job), |(mut rows, job)| async move {
            rows.next().await.map(|batch| (batch, (rows, job)))
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.graph.schema(), rows)))
    }
}

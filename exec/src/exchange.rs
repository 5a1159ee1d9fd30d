//! The leaf of a stage that reads another stage's outputs. In: a task's inputs. Out: their batches,
//! partition by partition.

use std::fmt;
use std::sync::Arc;

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, internal_datafusion_err};
use datafusion::execution::TaskContext;
use datafusion::physical_expr::{EquivalenceProperties, LexOrdering, Partitioning, PhysicalExpr};
use datafusion::physical_plan::coop::cooperative;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, SchedulingType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, SendableRecordBatchStream,
};
use futures::StreamExt;

use crate::inputs::{TaskInputs, batches};
use crate::pulse::Pulse;

/// How the rows of an exchange come apart.
#[derive(Debug, Clone)]
pub enum Exchange {
    /// By hash of the keys: so many partitions of the buffers made for this task.
    Hash {
        /// Whose hash it is.
        keys: Vec<Arc<dyn PhysicalExpr>>,
        /// Partitions here: all of them in a stage's whole plan, a share of them in a task's.
        partitions: usize,
    },
    /// One partition with the rows of all tasks.
    Gather,
    /// A partition for each task that wrote, in the order it claims.
    Merge {
        /// Tasks that wrote.
        tasks: usize,
        /// The order of the rows of each.
        ordering: LexOrdering,
    },
}

/// Reads one of a stage's inputs.
#[derive(Debug)]
pub struct ExchangeExec {
    input: usize,
    exchange: Exchange,
    properties: Arc<PlanProperties>,
}

impl ExchangeExec {
    /// Reads input number `input` of the stage. `known` is what holds of its rows: their schema,
    /// which expressions are equal or constant, the orders of each partition.
    pub fn new(input: usize, exchange: Exchange, known: EquivalenceProperties) -> Self {
        let mut equivalences = known;
        let partitioning = match &exchange {
            Exchange::Hash { keys, partitions } => Partitioning::Hash(keys.clone(), *partitions),
            Exchange::Gather => Partitioning::UnknownPartitioning(1),
            Exchange::Merge { tasks, ordering } => {
                equivalences.add_ordering(ordering.clone());
                Partitioning::UnknownPartitioning(*tasks)
            }
        };
        let properties = PlanProperties::new(
            equivalences,
            partitioning,
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        let properties = properties.with_scheduling_type(SchedulingType::Cooperative);
        Self { input, exchange, properties: Arc::new(properties) }
    }

    /// Which input it reads.
    pub fn input(&self) -> usize {
        self.input
    }

    /// How.
    pub fn exchange(&self) -> &Exchange {
        &self.exchange
    }

    /// The same of another input.
    pub fn of_input(&self, input: usize) -> Self {
        Self::new(input, self.exchange.clone(), self.properties.equivalence_properties().clone())
    }

    /// All rows of another input in one partition.
    pub fn gathered(&self, input: usize) -> Self {
        Self::new(input, Exchange::Gather, self.properties.equivalence_properties().clone())
    }

    /// The same with another number of partitions; for exchanges by hash.
    pub fn with_partitions(&self, count: usize) -> Self {
        let mut exchange = self.exchange.clone();
        if let Exchange::Hash { partitions, .. } = &mut exchange {
            *partitions = count;
        }
        Self::new(self.input, exchange, self.properties.equivalence_properties().clone())
    }
}

impl DisplayAs for ExchangeExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let input = self.input;
        match &self.exchange {
            Exchange::Hash { keys, partitions } => {
                let keys: Vec<_> = keys.iter().map(ToString::to_string).collect();
                let keys = keys.join(", ");
                write!(f, "ExchangeExec: input={input}, hash=[{keys}], partitions={partitions}")
            }
            Exchange::Gather => write!(f, "ExchangeExec: input={input}, gather"),
            Exchange::Merge { tasks, ordering } => {
                write!(f, "ExchangeExec: input={input}, merge=[{ordering}], tasks={tasks}")
            }
        }
    }
}

impl ExecutionPlan for ExchangeExec {
    fn name(&self) -> &str {
        "ExchangeExec"
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

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let inputs = context.session_config().get_extension::<TaskInputs>();
        let inputs =
            inputs.ok_or_else(|| internal_datafusion_err!("an exchange outside a task"))?;
        let (task, wanted) = match self.exchange {
            Exchange::Hash { .. } => (None, Some(partition)),
            Exchange::Gather => (None, None),
            Exchange::Merge { .. } => (Some(partition), None),
        };
        let buffers = inputs.buffers(self.input, task)?;
        let pulse = context.session_config().get_extension::<Pulse>().unwrap_or_default();
        let stream = batches(buffers, wanted).inspect(move |_| pulse.beat()).boxed();
        let stream = RecordBatchStreamAdapter::new(self.schema(), stream);
        Ok(Box::pin(cooperative(stream)))
    }
}

//! Join filters that come from another stage. In: the keys that a join's build side has, as its
//! stage found them. Out: the node's input, whose scans drop rows without such a key before they
//! are sent to the join.

use std::fmt;
use std::sync::Arc;

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, internal_datafusion_err};
use datafusion::execution::TaskContext;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::DynamicFilterPhysicalExpr;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, SendableRecordBatchStream,
};
use futures::{TryStreamExt, stream};
use tokio::sync::OnceCell;

use crate::inputs::{TaskInputs, batches};
use crate::keys::Keys;

/// A filter, and which of the stage's inputs has its keys.
#[derive(Debug, Clone)]
pub struct KeyFilter {
    /// As the join made it: its children are the keys of the join's probe side.
    pub filter: Arc<DynamicFilterPhysicalExpr>,
    /// The input.
    pub input: usize,
}

/// Tells the filters below it which keys there are, then hands on its input.
#[derive(Debug)]
pub struct KeyFilterExec {
    input: Arc<dyn ExecutionPlan>,
    filters: Vec<KeyFilter>,
    told: Arc<OnceCell<()>>,
}

impl KeyFilterExec {
    /// Tells the filters in `input`.
    pub fn new(input: Arc<dyn ExecutionPlan>, filters: Vec<KeyFilter>) -> Self {
        Self { input, filters, told: Arc::default() }
    }

    /// The filters it tells.
    pub fn filters(&self) -> &[KeyFilter] {
        &self.filters
    }

    fn exprs(&self) -> impl Iterator<Item = Arc<dyn PhysicalExpr>> {
        self.filters.iter().map(|told| Arc::clone(&told.filter) as _)
    }
}

impl DisplayAs for KeyFilterExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyFilterExec: ")?;
        for (place, KeyFilter { filter, input }) in self.filters.iter().enumerate() {
            let comma = if place > 0 { "; " } else { "" };
            let keys: Vec<_> = filter.children().into_iter().map(ToString::to_string).collect();
            write!(f, "{comma}input={input}, keys=[{}]", keys.join(", "))?;
        }
        Ok(())
    }
}

impl ExecutionPlan for KeyFilterExec {
    fn name(&self) -> &str {
        "KeyFilterExec"
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
        for filter in self.exprs() {
            if f(&filter)? == TreeNodeRecursion::Stop {
                return Ok(TreeNodeRecursion::Stop);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    }

    fn dynamic_expressions_produced(&self) -> Vec<Arc<dyn PhysicalExpr>> {
        self.exprs().collect()
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(Self::new(children.swap_remove(0), self.filters.clone())))
    }

    /// The input begins when its filters are told: scans choose what to read by them.
    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let (input, filters) = (Arc::clone(&self.input), self.filters.clone());
        let told = Arc::clone(&self.told);
        let begin = async move {
            told.get_or_try_init(|| tell(&filters, &context)).await?;
            input.execute(partition, context)
        };
        let rows = stream::once(begin).try_flatten();
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), rows)))
    }
}

async fn tell(filters: &[KeyFilter], context: &TaskContext) -> Result<()> {
    let inputs = context.session_config().get_extension::<TaskInputs>();
    let inputs = inputs.ok_or_else(|| internal_datafusion_err!("keys outside a task"))?;
    for KeyFilter { filter, input } in filters {
        let rows = batches(inputs.buffers(*input, None)?, None);
        let add = |all: Option<Keys>, row| async move {
            let keys = Keys::from_batch(&row)?;
            let Some(mut all) = all else { return Ok(Some(keys)) };
            all.merge(&keys)?;
            Ok(Some(all))
        };
        let Some(keys) = rows.try_fold(None, add).await? else { continue };
        let columns: Vec<_> = filter.children().into_iter().cloned().collect();
        filter.update(keys.predicate(&columns))?;
        filter.mark_complete();
    }
    Ok(())
}

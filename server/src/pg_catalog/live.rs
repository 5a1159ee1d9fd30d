//! A view of what is so at the moment it is read.
//!
//! In: a source of rows. Out: a table. Refuses to keep rows: a statement that is prepared once sees
//! what is so each time it is executed.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{MemTable, Session, TableProvider};
use datafusion::common::Result;
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;

use super::cells::{self, Sparse};
use super::layout::SystemRelation;

/// Where a view's rows come from.
#[async_trait]
pub(super) trait Source: fmt::Debug + Send + Sync + 'static {
    /// Its rows now.
    async fn rows(&self, of: &SystemRelation) -> Result<Vec<Sparse<'static>>>;
}

/// A system relation and where its rows come from.
#[derive(Debug)]
pub(super) struct LiveView<S> {
    pub(super) relation: &'static SystemRelation,
    pub(super) source: S,
}

#[async_trait]
impl<S: Source> TableProvider for LiveView<S> {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.relation.arrow)
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let rows = self.source.rows(self.relation).await?;
        let batch = cells::batch_from_sparse(&self.relation.arrow, rows)?;
        let table = MemTable::try_new(self.schema(), vec![vec![batch]])?;
        table.scan(state, projection, filters, limit).await
    }
}

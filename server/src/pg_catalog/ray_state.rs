//! The views of schema `ray`: what Ray knows of its nodes, tasks and actors, whoever has them.
//!
//! In: Ray's answer of this moment. Out: rows. Refuses to keep any of it.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{MemTable, Session, TableProvider};
use datafusion::common::{DataFusionError, Result};
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;
use ray_bridge::cluster::Ray;
use serde_json::{Map, Value};

use super::cells::{self, Cell, Sparse};
use super::layout::{self, RAY, SystemRelation};
use crate::error::{PgError, SqlState};

/// A view of schema `ray`, if it has one of that name.
pub fn ray_table(name: &str, ray: Option<&Arc<Ray>>) -> Option<Arc<dyn TableProvider>> {
    let relation = layout::find(RAY, name)?;
    Some(Arc::new(RayState { relation, ray: ray.cloned() }))
}

#[derive(Debug)]
struct RayState {
    relation: &'static SystemRelation,
    ray: Option<Arc<Ray>>,
}

/// Ray is asked for, and there is none.
pub(crate) fn no_ray() -> PgError {
    let message = "this server has no Ray cluster";
    PgError::new(SqlState::ObjectNotInPrerequisiteState, message)
        .hint("Start it with --ray-address, or SET mobula.runner = 'local'.")
}

#[async_trait]
impl TableProvider for RayState {
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
        let none = || DataFusionError::External(Box::new(no_ray()));
        let told = self.ray.as_ref().ok_or_else(none)?.state(self.relation.name).await?;
        let unreadable = |error| DataFusionError::External(Box::new(error));
        let rows = told.iter().map(|row| serde_json::from_str::<Map<String, Value>>(row));
        let rows: Vec<_> = rows.collect::<Result<_, serde_json::Error>>().map_err(unreadable)?;
        let rows = rows.iter().map(|row| self.cells(row)).collect();
        let batch = cells::batch_from_sparse(&self.relation.arrow, rows)?;
        let table = MemTable::try_new(self.schema(), vec![vec![batch]])?;
        table.scan(state, projection, filters, limit).await
    }
}

impl RayState {
    /// A row's values under our names; what a later Ray may add is left out.
    fn cells<'a>(&self, row: &'a Map<String, Value>) -> Sparse<'a> {
        let known = |name: &str| self.relation.columns.iter().any(|column| column.name == name);
        let cells = row.iter().filter(|(name, _)| known(name));
        cells.map(|(name, value)| (name.as_str(), cell(value))).collect()
    }
}

fn cell(value: &Value) -> Cell {
    match value {
        Value::Null => Cell::Null,
        Value::Bool(value) => Cell::Bool(*value),
        Value::Number(number) => match number.as_i64() {
            Some(number) => Cell::Int(number),
            None => Cell::Float(number.as_f64().unwrap_or_default()),
        },
        Value::String(text) => Cell::Text(text.clone()),
        Value::Array(_) | Value::Object(_) => Cell::Text(value.to_string()),
    }
}

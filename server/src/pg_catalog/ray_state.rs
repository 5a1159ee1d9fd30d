//! The views of schema `ray`: what Ray knows of its nodes, tasks and actors, whoever has them.
//!
//! In: Ray's answer of this moment. Out: rows. Refuses to keep any of it.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::TableProvider;
use datafusion::common::{DataFusionError, Result};
use ray_bridge::cluster::Ray;
use serde_json::{Map, Value};

use super::cells::{Cell, Sparse};
use super::layout::{self, RAY, SystemRelation};
use super::live::{LiveView, Source};
use crate::error::{PgError, SqlState};

/// A view of schema `ray`, if it has one of that name.
pub fn ray_table(name: &str, ray: Option<&Arc<Ray>>) -> Option<Arc<dyn TableProvider>> {
    let relation = layout::find(RAY, name)?;
    Some(Arc::new(LiveView { relation, source: RayState(ray.cloned()) }))
}

#[derive(Debug)]
struct RayState(Option<Arc<Ray>>);

/// Ray is asked for, and there is none.
pub(crate) fn no_ray() -> PgError {
    let message = "this server has no Ray cluster";
    PgError::new(SqlState::ObjectNotInPrerequisiteState, message)
        .hint("Start it with --ray-address, or SET mobula.runner = 'local'.")
}

#[async_trait]
impl Source for RayState {
    async fn rows(&self, of: &SystemRelation) -> Result<Vec<Sparse<'static>>> {
        let none = || DataFusionError::External(Box::new(no_ray()));
        let told = self.0.as_ref().ok_or_else(none)?.state(of.name).await?;
        let unreadable = |error| DataFusionError::External(Box::new(error));
        let row = |told: &String| serde_json::from_str(told).map(|row| cells(of, &row));
        told.iter().map(row).collect::<Result<_, serde_json::Error>>().map_err(unreadable)
    }
}

/// A row's values under our names; what a later Ray may add is left out.
fn cells(of: &SystemRelation, row: &Map<String, Value>) -> Sparse<'static> {
    let known = of.columns.iter().map(|column| column.name);
    known.filter_map(|name| Some((name, cell(row.get(name)?)))).collect()
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

//! The Ray cluster, if there is one. In: settings. Out: a cluster whose errors are the client's.

use std::path::Path;
use std::sync::Arc;

use datafusion::common::DataFusionError;
use exec::admission::Admission;
use exec::cluster::Cluster;
use ray_bridge::cluster::Ray;
use ray_bridge::messages::QueryError;
use ray_bridge::options::{Options, WorkerOptions};
use tokio::runtime::Runtime;

use crate::config::Settings;
use crate::error::{PgError, SqlState};
use crate::serve::{HELD_PER_COUNTED, PRIVATE_NAMES};

/// Where the driver's Python package is, in the data directory.
const FOLDER: &str = "ray";

/// Starts to connect. The server serves meanwhile.
pub(crate) fn start(
    settings: &Settings,
    data_dir: &Path,
    here: Arc<dyn Cluster>,
    runtime: &Runtime,
) -> Option<Arc<Ray>> {
    if settings.ray_address.is_empty() {
        return None;
    }
    let options = Options {
        python: settings.ray_python.clone().into(),
        address: settings.ray_address.clone(),
        folder: data_dir.join(FOLDER),
        sends: settings.ray_send,
        worker: WorkerOptions {
            data_dir: data_dir.to_owned(),
            private_names: PRIVATE_NAMES.iter().map(ToString::to_string).collect(),
            allow_path: settings.allow_path.clone(),
            held_per_counted: HELD_PER_COUNTED,
            spill_bytes: settings.spill_limit.0,
        },
    };
    let admission = Admission::new(settings.max_queries, settings.queue_timeout);
    let _entered = runtime.enter();
    Some(Arc::new(Ray::start(options, admission, here, read_error)))
}

/// The error that a worker told, as the engine would have given it here.
fn read_error(error: QueryError) -> DataFusionError {
    if let Some(words) = error.exhausted {
        return DataFusionError::ResourcesExhausted(words);
    }
    let state = SqlState::of(&error.state).unwrap_or(SqlState::InternalError);
    let mut told = PgError::new(state, error.message);
    told.detail = error.detail;
    told.hint = error.hint;
    DataFusionError::External(Box::new(told))
}

//! Whether a Ray cluster asks for a token. In: its address. Out: yes or no. A driver must know
//! before it loads Ray: one that has a token and should not is refused as well as one that has
//! none.

use std::time::Duration;

use pyo3::prelude::*;
use ray_bridge::probe;
use tonic::Code;
use tonic::transport::Endpoint;

/// How long the answer may take; a cluster that is not there is for Ray to say.
const ANSWER_MAX: Duration = Duration::from_secs(3);
/// A call that every cluster answers, and that changes nothing.
const CALL: &str = "/ray.rpc.NodeInfoGcsService/CheckAlive";

/// Asks the cluster at `HOST:PORT` without a token; false when nothing comes.
#[pyfunction]
pub fn wants_token(py: Python<'_>, address: &str) -> PyResult<bool> {
    py.detach(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let asked = async { tokio::time::timeout(ANSWER_MAX, is_refused(address)).await };
        Ok(runtime.block_on(asked).unwrap_or(false))
    })
}

async fn is_refused(address: &str) -> bool {
    let Ok(endpoint) = Endpoint::try_from(format!("http://{address}")) else { return false };
    probe::call(endpoint.connect_lazy(), CALL).await == Code::Unauthenticated
}

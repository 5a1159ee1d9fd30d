//! What all connections share: the engine, the catalog, the sessions, the runtimes. In: a
//! configuration. Out: one value behind an `Arc`, built at start and never replaced.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use datafusion::execution::SessionState;
use exec::Engine;
use exec::cluster::Cluster;
use exec::codec::Codec;
use ray_bridge::cluster::Ray;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::auth::{MockSecret, Throttle};
use crate::catalog::TableCache;
use crate::config::Settings;
use crate::constants::ConstantCache;
use crate::lanes::Lanes;
use crate::meta::Meta;
use crate::queries::Queries;
use crate::sessions::Sessions;
use crate::tls::Tls;

/// The server's parts.
pub struct Shared {
    /// Settings, checked.
    pub settings: Settings,
    /// The data directory without links.
    pub data_dir: PathBuf,
    /// The embedded engine.
    pub engine: Arc<Engine>,
    /// Writes plans for workers.
    pub codec: Codec,
    /// What runs the tasks of staged queries.
    pub cluster: Arc<dyn Cluster>,
    /// The same on Ray, when there is one.
    pub ray: Option<Arc<Ray>>,
    /// The state each session's planning starts from.
    pub base: SessionState,
    /// Schemas, tables, views, roles.
    pub meta: Meta,
    /// Tables opened before.
    pub tables: TableCache,
    /// Answers that never change.
    pub constants: ConstantCache,
    /// Who is connected, and what each does.
    pub sessions: Arc<Sessions>,
    /// What runs and ran.
    pub queries: Arc<Queries>,
    /// For logins of users that are not there.
    pub mock: MockSecret,
    /// Logins that failed: guesses get slower.
    pub throttle: Throttle,
    /// TLS, when configured.
    pub tls: Option<Tls>,
    /// Parses and plans; big stacks, apart from running queries so that they do not wait for them.
    pub planning: Handle,
    /// Runs and encodes.
    pub execution: Lanes,
    /// Asks idle sessions to end and running ones to finish.
    pub stopping: CancellationToken,
    /// All connection tasks.
    pub connections: TaskTracker,
    /// Connections that have not logged in.
    pub half_open: AtomicUsize,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("data_dir", &self.data_dir).finish_non_exhaustive()
    }
}

//! The embedded engine's resources: memory, spill space, caches, settings. In: sizes and folders.
//! Out: the settings a session starts from, and what a plan runs with. Built once per process.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::{Result, plan_err};
use datafusion::execution::TaskContext;
use datafusion::execution::cache::cache_manager::CacheManagerConfig;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::{FairSpillPool, TrackConsumersPool};
use datafusion::execution::object_store::ObjectStoreRegistry;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::prelude::SessionConfig;
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use url::Url;

use crate::account::Account;
use crate::pulse::Pulse;
use crate::roots::Roots;
use crate::spool::Room;
use crate::store::FileStore;

/// Names the largest consumers of memory in an out-of-memory error.
const CONSUMERS_NAMED: std::num::NonZeroUsize = std::num::NonZeroUsize::new(3).unwrap();
/// Footers of Parquet files kept in memory, bytes: a footer is read once for as long as it fits.
const FOOTER_CACHE_BYTES: usize = 256 << 20;
/// Statistics of files kept in memory, bytes.
const STATISTICS_CACHE_BYTES: usize = 64 << 20;
/// Build sides that one thread makes for all, bytes and rows over threads: the others wait for it,
/// and the more there are, the sooner a shuffle is faster. With two threads TPC-H's orders at
/// SF 1 (1.5 M rows) are below, and joins with them take half the time of shuffled ones.
const SHARED_BUILD_BYTES: usize = 1 << 30;
const SHARED_BUILD_ROWS: usize = 6_000_000;
/// What a sort keeps aside, bytes: to spill it has to hold the keys of all it has at once, which
/// the memory that its rows filled has no room for. A part of a thread's share, and no more than
/// this.
const SORT_RESERVATION_BYTES_MAX: usize = 64 << 20;
const SORT_RESERVATIONS_PER_SHARE: usize = 8;
/// Files one external merge pass keeps open, each with a batch in memory: some megabyte. Fewer
/// where that is more than a part of a thread's share.
const MERGE_FAN_IN_MAX: usize = 64;
const MERGE_BYTES_PER_FILE: usize = 2 << 20;
/// Of all memory, this part is for outputs of tasks that wait to be read: what reads them needs
/// more.
const OUTPUTS_PART: usize = 4;

/// What the engine may use.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// Memory of all queries together, bytes.
    pub memory_bytes: usize,
    /// Folder for spilled data; the server's own.
    pub spill_dir: PathBuf,
    /// Spilled data of all queries together, bytes.
    pub spill_bytes: u64,
    /// Threads, and partitions of a plan.
    pub threads: usize,
    /// Folder where files are written before they are published; the server's own.
    pub staging_dir: PathBuf,
}

/// The embedded engine.
#[derive(Debug)]
pub struct Engine {
    runtime: Arc<RuntimeEnv>,
    files: FileStore,
    stores: Arc<Stores>,
    threads: usize,
    sort_reservation_bytes: usize,
    outputs: Arc<Room>,
}

impl Engine {
    /// Builds the engine; opens nothing but its spill folder.
    ///
    /// # Errors
    /// When the spill or staging folder cannot be used.
    pub fn new(options: EngineOptions, roots: Arc<Roots>) -> Result<Self> {
        let share = options.memory_bytes / options.threads;
        let merge_files = share / SORT_RESERVATIONS_PER_SHARE / MERGE_BYTES_PER_FILE;
        let merge_fan_in = merge_files.clamp(4, MERGE_FAN_IN_MAX);
        let spill = DiskManagerBuilder::default()
            .with_mode(DiskManagerMode::Directories(vec![options.spill_dir]))
            .with_max_temp_directory_size(options.spill_bytes)
            .with_max_spill_merge_fan_in(merge_fan_in);
        let pool =
            TrackConsumersPool::new(FairSpillPool::new(options.memory_bytes), CONSUMERS_NAMED);
        // Files are listed for every query: a file that was added a moment ago is seen.
        let caches = CacheManagerConfig::default()
            .with_list_files_cache_limit(0)
            .with_file_statistics_cache_limit(STATISTICS_CACHE_BYTES)
            .with_metadata_cache_limit(FOOTER_CACHE_BYTES);
        let files = FileStore::new(roots);
        let staging = LocalFileSystem::new_with_prefix(options.staging_dir)?;
        let stores =
            Arc::new(Stores { files: Arc::new(files.clone()), staging: Arc::new(staging) });
        let runtime = RuntimeEnvBuilder::new()
            .with_disk_manager_builder(spill)
            .with_memory_pool(Arc::new(pool))
            .with_cache_manager(caches)
            .with_object_store_registry(Arc::<Stores>::clone(&stores))
            .build_arc()?;
        let sort_reservation_bytes = sort_reservation(share);
        let outputs = Arc::new(Room::new(options.memory_bytes / OUTPUTS_PART));
        Ok(Self {
            runtime,
            files,
            stores,
            threads: options.threads,
            sort_reservation_bytes,
            outputs,
        })
    }

    /// The runtime that statements' runtimes come from.
    pub fn runtime(&self) -> &Arc<RuntimeEnv> {
        &self.runtime
    }

    /// Memory for outputs of tasks.
    pub(crate) fn outputs(&self) -> &Arc<Room> {
        &self.outputs
    }

    /// The folders SQL may read.
    pub fn roots(&self) -> &Arc<Roots> {
        self.files.roots()
    }

    /// The settings every session starts from.
    pub fn session_config(&self) -> SessionConfig {
        let mut config = SessionConfig::new()
            .with_target_partitions(self.threads)
            .with_information_schema(false)
            .with_create_default_catalog_and_schema(false);
        let options = config.options_mut();
        options.execution.parquet.reorder_filters = true;
        share_small_builds(options, self.threads);
        // It drops rows by min and max of columns that other min and max, of expressions, need.
        options.optimizer.enable_aggregate_dynamic_filter_pushdown = false;
        // They give a limit to groups that a window above still counts.
        options.optimizer.enable_distinct_aggregation_soft_limit = false;
        options.optimizer.enable_topk_aggregation = false;
        // It refuses plans whose columns may be NULL where the logical plan knew better: of a CASE
        // it knows more than of what optimizing made of the CASE.
        options.execution.skip_physical_aggregate_schema_check = true;
        // As PostgreSQL: NULL sorts as the largest value.
        options.sql_parser.default_null_ordering = "nulls_max".to_owned();
        options.sql_parser.collect_spans = true;
        options.sql_parser.parse_float_as_decimal = true;
        options.execution.listing_table_ignore_subdirectory = false;
        options.execution.sort_spill_reservation_bytes = self.sort_reservation_bytes;
        options.explain.show_sizes = false;
        config
    }

    /// A runtime for one statement: the shared memory, spill space and caches, and a store of its
    /// own, so that every file it meets stays the version it met.
    pub fn statement_runtime(&self) -> Arc<RuntimeEnv> {
        let account = Account::new(Arc::clone(&self.runtime.memory_pool));
        self.runtime_with(HashMap::new(), account, Pulse::default())
    }

    /// A runtime for one task: as a statement's, with the versions of files its planner met, by
    /// their paths, and a share of the memory, bytes. `pulse` beats when files are read.
    pub fn task_runtime(
        &self,
        pins: HashMap<Path, String>,
        share: usize,
        pulse: &Pulse,
    ) -> Arc<RuntimeEnv> {
        let all = Arc::clone(&self.runtime.memory_pool);
        self.runtime_with(pins, Account::with_share(all, share), pulse.clone())
    }

    fn runtime_with(
        &self,
        pins: HashMap<Path, String>,
        account: Account,
        pulse: Pulse,
    ) -> Arc<RuntimeEnv> {
        let files = Arc::new(self.files.with_pins(pins, pulse));
        let stores = Stores { files, staging: Arc::clone(&self.stores.staging) };
        let mut runtime = RuntimeEnv::clone(&self.runtime);
        runtime.object_store_registry = Arc::new(stores);
        runtime.memory_pool = Arc::new(account);
        Arc::new(runtime)
    }
}

/// What a plan runs with: the settings and the runtime it was planned with. The function tables
/// stay empty: a plan in memory holds its functions.
pub fn task_context(config: SessionConfig, runtime: Arc<RuntimeEnv>) -> Arc<TaskContext> {
    Arc::new(TaskContext::new(
        None,
        String::new(),
        config,
        HashMap::new(),
        HashMap::new(),
        HashMap::new(),
        HashMap::new(),
        runtime,
    ))
}

/// What a sort keeps aside of a share of memory, bytes.
pub(crate) fn sort_reservation(share: usize) -> usize {
    SORT_RESERVATION_BYTES_MAX.min(share / SORT_RESERVATIONS_PER_SHARE)
}

/// Sets which build sides as many that read share, instead of a shuffle of both sides: those that
/// one is done with in a moment.
pub fn share_small_builds(options: &mut ConfigOptions, readers: usize) {
    options.optimizer.hash_join_single_partition_threshold = SHARED_BUILD_BYTES / readers;
    options.optimizer.hash_join_single_partition_threshold_rows = SHARED_BUILD_ROWS / readers;
}

/// The URL of files being written, before they are published.
pub const STAGING_URL: &str = "staging://server/";

/// A closed registry: two stores, and nothing a statement says can add a third.
#[derive(Debug)]
struct Stores {
    files: Arc<dyn ObjectStore>,
    staging: Arc<dyn ObjectStore>,
}

impl ObjectStoreRegistry for Stores {
    fn register_store(&self, _: &Url, _: Arc<dyn ObjectStore>) -> Option<Arc<dyn ObjectStore>> {
        None
    }

    fn get_store(&self, url: &Url) -> Result<Arc<dyn ObjectStore>> {
        match (url.scheme(), url.host_str()) {
            ("file", None | Some("")) => Ok(Arc::clone(&self.files)),
            ("staging", Some("server")) => Ok(Arc::clone(&self.staging)),
            _ => plan_err!("no store for {}", url.scheme()),
        }
    }
}

//! The one table of settings: each key is declared here once, with type, unit, default and reason.
//! In: chosen raw values. Out: [`Settings`] and [`KEYS`], from which flags, variables, the file
//! and `--print-config` all follow. It knows neither layers nor rules between keys.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::ConfigError;
use super::layers::Chosen;
use super::values::{ByteSize, ListenAddress, Runner, Setting, Shape, Threshold};
use crate::auth::Rule;

/// What a computed default may depend on.
#[derive(Clone, Debug)]
pub struct Basis {
    /// The chosen data directory.
    pub data_dir: PathBuf,
    /// What this process may use of the machine's memory, in bytes.
    pub memory: u64,
    /// Cores this process may use.
    pub cores: usize,
}

/// A key's value when no layer sets it.
#[derive(Clone, Copy, Debug)]
pub enum Fallback {
    /// The same everywhere.
    Fixed(&'static str),
    /// Depends on the machine or on another key: how, in words, and the function.
    Computed(&'static str, fn(&Basis) -> String),
}

/// One setting's description.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// The name in the file; the flag has dashes, the variable is MOBULA_ and capitals.
    pub name: &'static str,
    /// What its value counts.
    pub unit: &'static str,
    /// The value when nothing sets it.
    pub default: Fallback,
    /// What it does and why the default is what it is.
    pub reason: &'static str,
    /// How it is written.
    pub(super) shape: Shape,
}

macro_rules! settings {
    ($($(#[doc = $reason:literal])+ $name:ident: $kind:ty, $unit:literal, $default:expr;)+) => {
        /// Every setting of the server, checked.
        #[derive(Clone, Debug)]
        pub struct Settings { $($(#[doc = $reason])+ pub $name: $kind,)+ }

        /// Every key, in the order in which `--print-config` shows them.
        pub const KEYS: &[Key] = &[$(Key {
            name: stringify!($name),
            unit: $unit,
            default: $default,
            reason: concat!($($reason),+),
            shape: <$kind as Setting>::SHAPE,
        }),+];

        impl Settings {
            /// Gives the chosen values their types.
            pub(super) fn read(chosen: &Chosen) -> Result<Self, ConfigError> {
                Ok(Self { $($name: chosen.read(stringify!($name))?,)+ })
            }

            /// Each value as TOML, in the order of [`KEYS`].
            pub(super) fn as_toml(&self) -> Vec<String> {
                vec![$(self.$name.toml()),+]
            }
        }
    };
}

use Fallback::{Computed, Fixed};

settings! {
    /// Where everything lives that outlives a restart: definitions, managed tables, the demo, the
    /// connection file. One server at a time. In the current folder, so that trying Mobula leaves
    /// nothing elsewhere.
    data_dir: PathBuf, "path", Fixed("mobula-data");

    /// Where clients connect. Only this machine can, unless told otherwise; any other address
    /// needs tls_cert and tls_key. Port 0 takes a free one.
    listen: ListenAddress, "host:port", Fixed("127.0.0.1:5432");

    /// Folders and files outside the data directory that SQL may read and write. None by default:
    /// whoever may run SQL would otherwise read whatever this process can.
    allow_path: Vec<PathBuf>, "paths", Fixed("");

    /// What runs the queries of a session that does not say otherwise (mobula.runner): local (one
    /// plan in this process), staged (stages of tasks in this process), ray. Local is fastest here.
    runner: Runner, "local | staged | ray", Fixed("local");

    /// The Ray cluster for runner = ray: auto (the one this machine belongs to), its HOST:PORT, or
    /// local (one of our own on this machine). Empty: none, and nothing of Ray is started. Whoever
    /// can reach Ray can run code as its workers.
    ray_address: String, "auto | host:port | local", Fixed("");

    /// The Python that has the package ray, of the same version as the cluster's.
    ray_python: String, "program", Fixed("python3");

    /// Send the native half of the package that runs tasks to the nodes. If false, each has the
    /// wheel that "mobula wheel" of this program makes installed, and the first query need not
    /// wait for it.
    ray_send: bool, "true | false", Fixed("true");

    /// Make the TPC-H tables at the first start.
    demo: bool, "true | false", Fixed("false");

    /// TPC-H scale factor of the demo; 1 is about 6 million lineitem rows and 0.4 GB. A tenth is
    /// ready in seconds on a laptop.
    demo_scale: f64, "scale factor", Fixed("0.1");

    /// The server's certificate and its chain, PEM. Empty: no TLS. Read again when it changes.
    tls_cert: Option<PathBuf>, "path", Fixed("");

    /// The certificate's private key, PEM, readable by this user only.
    tls_key: Option<PathBuf>, "path", Fixed("");

    /// Certificates, PEM, that those of clients must come from. Empty: clients are asked for none.
    /// Read again when it changes.
    tls_client_ca: Option<PathBuf>, "path", Fixed("");

    /// Who may connect from where and how, as in pg_hba.conf: TYPE (host, hostssl, hostnossl)
    /// DATABASE USER ADDRESS METHOD (scram-sha-256, cert, reject); the first line that fits
    /// decides, and who fits none is refused. By default a password is enough on this machine, and
    /// over TLS from everywhere: whoever stands between could say that there is no TLS.
    hba: Vec<Rule>, "lines", Fixed(
        "host all all 127.0.0.0/8 scram-sha-256; host all all ::1/128 scram-sha-256; \
         hostssl all all all scram-sha-256"
    );

    /// What all queries together may hold in memory before they spill or end with 53200. The rest
    /// of the machine is for the file cache, for result buffers and for what the pool cannot see.
    memory_limit: ByteSize, "bytes",
        Computed("60 % of the machine's or container's memory", |basis| {
            ByteSize(((basis.memory / 10 * 6) >> 20) << 20).to_string()
        });

    /// Where queries put what does not fit into memory. A fast local disk is best.
    spill_dir: PathBuf, "path", Computed("data_dir/spill", |basis| {
        join(&basis.data_dir, "spill")
    });

    /// What all queries together may spill before they end with 53100, so that one query cannot
    /// fill the disk under the data directory.
    spill_limit: ByteSize, "bytes", Fixed("100GiB");

    /// Threads that plan and run queries; the network has its own. One per core: the engine's
    /// work is CPU work.
    threads: usize, "threads",
        Computed("the cores this process may use", |basis| basis.cores.to_string());

    /// Staged queries that run at the same time; the next one waits. They share the threads task by
    /// task, so more of them make each slower and not all faster; a hundred keep small ones quick.
    max_queries: usize, "queries", Fixed("100");

    /// How long a staged query waits for room before it ends with 53400.
    queue_timeout: Duration, "time", Fixed("1min");

    /// Sessions at the same time; the next one is refused with 53300. High, because an idle
    /// session is a socket and some kilobytes here and not a process.
    max_connections: usize, "sessions", Fixed("10000");

    /// Of max_connections, kept for superusers, so that the admin gets in when clients have taken
    /// the rest.
    superuser_reserved_connections: usize, "sessions", Fixed("3");

    /// Connections that have not logged in yet. Each may hold 16 KiB, so all of them stay under
    /// 128 MiB; 5,000 stuck ones still leave room for real logins.
    max_prelogin_connections: usize, "connections", Fixed("8000");

    /// From accepting a connection to a finished login, TLS included. Long enough for a slow
    /// network, short enough that half-open connections do not pile up.
    authentication_timeout: Duration, "time", Fixed("10s");

    /// An idle session outside a transaction is ended after this (57P05). 0: never, as pools
    /// expect.
    idle_session_timeout: Duration, "time", Fixed("0");

    /// An idle session inside a transaction is ended after this (25P03). 0: never, as in
    /// PostgreSQL; nothing is locked meanwhile.
    idle_in_transaction_session_timeout: Duration, "time", Fixed("0");

    /// A statement is cancelled after this (57014); sessions may set their own. 0: never, since
    /// analytic queries may be long.
    statement_timeout: Duration, "time", Fixed("0");

    /// Statements that take at least this long are logged with their text. off: none, since texts
    /// may hold what is nobody's business; superusers may set their sessions' own.
    log_min_duration_statement: Threshold, "time | off", Fixed("off");

    /// After SIGTERM running queries have this long to finish; a second signal ends them at once.
    /// Under the usual 30 s before an orchestrator kills.
    shutdown_grace: Duration, "time", Fixed("10s");

    /// The largest message a session accepts; a larger one ends it with 08P01. Room for
    /// parameters of some megabytes; PostgreSQL allows 1 GiB, which a few clients could use to
    /// exhaust memory.
    max_message_size: ByteSize, "bytes", Fixed("64MiB");

    /// The longest SQL text that is parsed (54000). Generated INSERTs and IN lists reach some
    /// megabytes; a parsed text needs tens of times its size.
    max_query_text: ByteSize, "bytes", Fixed("16MiB");

    /// Prepared statements of one session. Drivers cache some hundreds; more is a leak.
    max_prepared_statements: usize, "statements", Fixed("5000");

    /// Open portals (cursors) of one session. Each open one may hold a running query.
    max_portals: usize, "portals", Fixed("1000");

    /// What is logged to stderr, as in "info" or "info,mobula_server=debug". RUST_LOG works too.
    log: String, "level or directives", Fixed("info");
}

fn join(folder: &Path, name: &str) -> String {
    folder.join(name).to_string_lossy().into_owned()
}

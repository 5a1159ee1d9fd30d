//! A Mobula server of our own: a free port, a temporary data directory, ended by its own process
//! id. In: options. Out: its URI and its log. The program is `MOBULA_BIN`, else the release build
//! beside this test.

use std::ffi::OsString;
use std::fs::{self, File};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tempfile::TempDir;

use crate::process::{Process, wait_until};
use crate::uri::Uri;

/// From start to the first accepted connection, the demo tables of a small scale included.
const START_DEADLINE: Duration = Duration::from_secs(120);
const STOP_DEADLINE: Duration = Duration::from_secs(30);
/// The scale of the shared server's demo tables: plans and shapes, not speed.
const DEMO_SCALE: &str = "0.01";

static SHARED: Mutex<Weak<Mobula>> = Mutex::new(Weak::new());
static DEMO: Mutex<Weak<Mobula>> = Mutex::new(Weak::new());

/// A server process.
#[derive(Debug)]
pub struct Mobula {
    process: Process,
    data_dir: PathBuf,
    /// How to connect to it.
    pub uri: Uri,
    _folder: Option<TempDir>,
}

impl Mobula {
    /// Starts a server on a data directory of its own, with more arguments.
    pub fn start(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut server = Self::start_in(&folder.path().join("data"), arguments);
        server._folder = Some(folder);
        server
    }

    /// Starts a server on this data directory, which stays.
    pub fn start_in(data_dir: &Path, arguments: &[&str]) -> Self {
        fs::create_dir_all(data_dir).expect("a data directory");
        let log = File::options().create(true).append(true).open(log_path(data_dir));
        let log = log.expect("a log file");
        let mut command = Command::new(program());
        command.args(["serve", "--listen", "127.0.0.1:0", "--threads", "2", "--data-dir"]);
        command.arg(data_dir).args(arguments).stdin(Stdio::null());
        // What is set for the one who runs the tests is not for the server under test.
        for (name, _) in std::env::vars_os().filter(|(name, _)| is_setting(name)) {
            command.env_remove(name);
        }
        command.stdout(log.try_clone().expect("a second handle of the log")).stderr(log);
        let mut process = Process::start(&mut command);
        let uri = wait_until("the server to listen", START_DEADLINE, || {
            if let Some(status) = process.ended() {
                panic!("the server ended with {status}:\n{}", read_log(data_dir));
            }
            listening(data_dir)
        });
        Self { process, data_dir: data_dir.to_owned(), uri, _folder: None }
    }

    /// A server that the tests running now share; each leaves it as it found it.
    pub fn shared() -> Arc<Self> {
        share(&SHARED, &[])
    }

    /// The same with TPC-H tables.
    pub fn demo() -> Arc<Self> {
        share(&DEMO, &["--demo", "--demo-scale", DEMO_SCALE])
    }

    /// Its data directory.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        read_log(&self.data_dir)
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// SIGTERM, and how it ended.
    pub fn stop(&mut self) -> ExitStatus {
        self.process.signal("TERM");
        self.process.wait(STOP_DEADLINE)
    }

    /// Resident memory in bytes.
    pub fn resident_bytes(&self) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<usize>().ok());
        kilobytes.expect("the server's memory") * 1024
    }
}

impl Drop for Mobula {
    fn drop(&mut self) {
        // A panic inside the server ends one query there; here it is a failed test.
        let log = self.log();
        if !std::thread::panicking() {
            assert!(!log.contains("panicked at"), "the server panicked:\n{log}");
        }
    }
}

/// The program under test.
///
/// # Panics
/// When it was not built.
pub fn program() -> PathBuf {
    if let Some(named) = std::env::var_os("MOBULA_BIN") {
        return named.into();
    }
    // This test is target/PROFILE/deps/it-HASH.
    let here = std::env::current_exe().expect("the path of this program");
    let target = here.ancestors().nth(3).map(Path::to_path_buf).unwrap_or_default();
    let built = target.join("release").join("mobula");
    assert!(built.is_file(), "{} is not built; or set MOBULA_BIN", built.display());
    built
}

fn is_setting(name: &OsString) -> bool {
    let name = name.to_string_lossy();
    (name.starts_with("MOBULA_") && name != "MOBULA_BIN") || name == "RUST_LOG"
}

fn share(place: &Mutex<Weak<Mobula>>, arguments: &[&str]) -> Arc<Mobula> {
    let mut weak = place.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(running) = weak.upgrade() {
        return running;
    }
    let started = Arc::new(Mobula::start(arguments));
    *weak = Arc::downgrade(&started);
    started
}

fn listening(data_dir: &Path) -> Option<Uri> {
    let text = fs::read_to_string(data_dir.join("connection")).ok()?;
    let uri: Uri = text.parse().ok()?;
    TcpStream::connect(uri.address()).ok().map(|_| uri)
}

fn log_path(data_dir: &Path) -> PathBuf {
    data_dir.with_extension("log")
}

fn read_log(data_dir: &Path) -> String {
    fs::read(log_path(data_dir))
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default()
}

//! A private PostgreSQL, when one is installed: initdb in a temporary folder, TCP on 127.0.0.1
//! only, ended by its own process id. In: nothing. Out: its URI. It says what right is.

use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tempfile::TempDir;

use crate::process::{Process, wait_until};
use crate::uri::Uri;

const DEADLINE: Duration = Duration::from_secs(60);
const PASSWORD: &str = "for-tests-on-this-machine-only";

static SHARED: Mutex<Weak<Postgres>> = Mutex::new(Weak::new());

/// A server process.
#[derive(Debug)]
pub struct Postgres {
    _process: Process,
    /// How to connect to it.
    pub uri: Uri,
    _folder: TempDir,
}

impl Postgres {
    /// A server that the tests running now share; none when PostgreSQL is not installed.
    pub fn shared() -> Option<Arc<Self>> {
        let programs = programs()?;
        let mut weak = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = weak.upgrade() {
            return Some(running);
        }
        let started = Arc::new(Self::start(&programs));
        *weak = Arc::downgrade(&started);
        Some(started)
    }

    fn start(programs: &Path) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let data = folder.path().join("data");
        let password = folder.path().join("password");
        fs::write(&password, PASSWORD).expect("a password file");
        // PostgreSQL refuses to run as root.
        let user = unprivileged();
        if let Some((uid, gid)) = user {
            chown(folder.path(), Some(uid), Some(gid)).expect("a folder for postgres");
            chown(&password, Some(uid), Some(gid)).expect("a file for postgres");
        }
        let command = |name: &str| {
            let mut command = Command::new(programs.join(name));
            command.current_dir(folder.path()).stdin(Stdio::null());
            if let Some((uid, gid)) = user {
                command.uid(uid).gid(gid);
            }
            command
        };
        let made = command("initdb")
            .args(["-U", "mobula", "-E", "UTF8", "--locale=C.UTF-8", "--auth=scram-sha-256"])
            .args(["--no-sync", "-D"])
            .arg(&data)
            .arg(format!("--pwfile={}", password.display()))
            .output()
            .expect("initdb");
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let port = free_port();
        let log_path = folder.path().join("log");
        let log = File::create(&log_path).expect("a log file");
        let settings = [
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "timezone=Etc/UTC",
            "fsync=off",
        ];
        let mut server = command("postgres");
        server.arg("-D").arg(&data).args(["-p", &port.to_string()]);
        server.args(settings.iter().flat_map(|setting| ["-c", setting]));
        server.stdout(log.try_clone().expect("a second handle of the log")).stderr(log);
        let mut process = Process::start(&mut server);
        let uri = Uri {
            user: "mobula".to_owned(),
            password: PASSWORD.to_owned(),
            host: "127.0.0.1".to_owned(),
            port,
            database: "postgres".to_owned(),
        };
        wait_until("PostgreSQL to be ready", DEADLINE, || {
            let log = fs::read_to_string(&log_path).unwrap_or_default();
            assert!(process.ended().is_none(), "PostgreSQL ended:\n{log}");
            log.contains("ready to accept connections").then_some(())
        });
        Self { _process: process, uri, _folder: folder }
    }
}

/// The folder with `initdb` and `postgres` of the newest version installed.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let folders = versions.filter_map(Result::ok).map(|version| version.path().join("bin"));
    let mut whole: Vec<_> = folders
        .filter(|folder| folder.join("postgres").is_file() && folder.join("initdb").is_file())
        .collect();
    whole.sort();
    whole.pop()
}

/// The user and group to run as when we are root.
fn unprivileged() -> Option<(u32, u32)> {
    let root =
        fs::metadata("/proc/self").is_ok_and(|me| std::os::unix::fs::MetadataExt::uid(&me) == 0);
    if !root {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let line = users.lines().find_map(|line| line.strip_prefix("postgres:"));
    let mut fields = line.expect("a user postgres").split(':').skip(1);
    let mut number = || fields.next().and_then(|field| field.parse().ok()).expect("an id");
    Some((number(), number()))
}

fn free_port() -> u16 {
    let probe = TcpListener::bind("127.0.0.1:0").expect("a free port");
    probe.local_addr().expect("its address").port()
}

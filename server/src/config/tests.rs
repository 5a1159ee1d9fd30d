//! Configuration: which layer wins, what is refused and in which words.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use super::machine::memory_bytes_under;
use super::values::{Raw, Setting};
use super::*;

/// A folder of its own for one test, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("mobula-config-{:x}", rand::random::<u64>()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn run(args: &[&str], env: &[(&str, &str)]) -> Result<Action, ConfigError> {
    let args = ["mobula", "serve"].iter().chain(args).map(OsString::from);
    load(args, env.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect())
}

fn launch(args: &[&str], env: &[(&str, &str)]) -> Launch {
    match run(args, env).unwrap() {
        Action::Serve(launch) => *launch,
        other => panic!("it does not serve: {other:?}"),
    }
}

fn refusal(args: &[&str], env: &[(&str, &str)]) -> String {
    run(args, env).unwrap_err().to_string()
}

#[test]
fn flags_beat_variables_beat_the_file_beats_defaults() {
    let folder = Folder::new();
    let file = folder.file("mobula.toml", "threads = 3\nmax_portals = 7\nlog = \"warn\"\n");
    let env = [("MOBULA_THREADS", "4"), ("MOBULA_MAX_PORTALS", "8")];
    let settings = launch(&["--config", &file, "--threads", "5"], &env).settings;
    assert_eq!((settings.threads, settings.max_portals), (5, 8));
    assert_eq!((settings.log.as_str(), settings.max_connections), ("warn", 10_000));
}

#[test]
fn the_file_in_the_data_directory_is_found_and_its_paths_are_relative_to_it() {
    let folder = Folder::new();
    folder.file("mobula.toml", "allow_path = [\"shared\"]\nspill_dir = \"scratch\"\n");
    folder.file("shared/x", "");
    let dir = folder.0.to_str().unwrap();
    let launch = launch(&["--data-dir", dir], &[]);
    assert_eq!(launch.file.unwrap(), folder.0.join("mobula.toml"));
    assert_eq!(launch.settings.allow_path, [folder.0.join("shared")]);
    assert_eq!(launch.settings.spill_dir, folder.0.join("scratch"));
}

#[test]
fn the_fixed_flags_are_read() {
    let folder = Folder::new();
    let dir = folder.0.to_str().unwrap();
    let args = [
        "--data-dir",
        dir,
        "--listen",
        "[::1]:0",
        "--allow-path",
        dir,
        "--allow-path",
        "/tmp",
        "--runner",
        "local",
        "--demo",
        "--demo-scale",
        "0.01",
    ];
    let settings = launch(&args, &[]).settings;
    assert_eq!(settings.listen, ListenAddress { host: "::1".into(), port: 0 });
    assert_eq!(settings.allow_path.len(), 2);
    assert!(settings.demo);
    assert_eq!(settings.demo_scale, 0.01);
    assert_eq!(settings.spill_dir, folder.0.join("spill"));
}

#[test]
fn unknown_keys_are_refused_with_the_near_name() {
    let folder = Folder::new();
    let file = folder.file("a.toml", "max_conections = 3\n");
    let text = refusal(&["--config", &file], &[]);
    assert!(text.contains("unknown key \"max_conections\"; did you mean \"max_connections\"?"));
    let file = folder.file("b.toml", "zzz = 3\n");
    assert!(refusal(&["--config", &file], &[]).contains("--print-config"));
}

#[test]
fn a_misspelt_variable_is_noted_and_an_orchestrators_is_not() {
    let env = [("MOBULA_LISTENS", "x"), ("MOBULA_SERVICE_HOST", "10.0.0.1")];
    let notes = launch(&[], &env).notes;
    assert_eq!(notes.len(), 1);
    assert!(notes[0].contains("did you mean MOBULA_LISTEN?"), "{notes:?}");
}

#[test]
fn other_machines_need_tls() {
    for listen in ["0.0.0.0:5432", "[::]:5432", "db.example.com:5432"] {
        let text = refusal(&["--listen", listen], &[]);
        assert!(text.contains("set tls_cert and tls_key, or listen on 127.0.0.1"), "{text}");
    }
    launch(&["--listen", "localhost:5432"], &[]);
    let folder = Folder::new();
    let (cert, key) = (folder.file("c.pem", ""), folder.file("k.pem", ""));
    launch(&["--listen", "0.0.0.0:5432", "--tls-cert", &cert, "--tls-key", &key], &[]);
    assert!(refusal(&["--tls-cert", &cert], &[]).contains("set both or none"));
}

#[test]
fn values_that_cannot_work_are_refused_with_their_source() {
    let cases: &[(&[&str], &str)] = &[
        (&["--threads", "many"], "threads (from --threads): \"many\" is not a whole number"),
        (&["--statement-timeout", "10"], "needs a unit"),
        (&["--memory-limit", "1MiB"], "memory_limit = 1MiB must be from 64MiB"),
        (&["--listen", "5432"], "is not HOST:PORT"),
        (&["--runner", "ray"], "needs ray_address"),
        (&["--demo-scale", "0"], "demo_scale = 0 must be from 0.001"),
        (&["--max-connections", "3"], "must be less than max_connections"),
        (&["--max-query-text", "65MiB"], "max_query_text = 65MiB must be from 1KiB to 64MiB"),
        (&["--allow-path", "/no/such/place"], "does not exist"),
        (&["--log", "info,=,x=y=z"], "log ="),
    ];
    for (args, wanted) in cases {
        let text = refusal(args, &[]);
        assert!(text.contains(wanted), "{args:?}: {text}");
    }
}

#[test]
fn what_is_printed_is_read_back_as_the_same() {
    let folder = Folder::new();
    let dir = folder.0.join("with \"quotes\" and spaces");
    let args = ["--data-dir", dir.to_str().unwrap(), "--statement-timeout", "1500ms"];
    let print = |args: &[&str]| match run(args, &[]).unwrap() {
        Action::Print(text) => text,
        _ => panic!("did not print"),
    };
    let first = print(&[&args[..], &["--print-config"]].concat());
    assert!(first.contains("statement_timeout = \"1500ms\""), "{first}");
    assert!(first.lines().all(|line| line.chars().count() <= 300));
    for key in KEYS {
        assert!(first.contains(&format!("\n{} = ", key.name)), "{} is missing", key.name);
    }
    let file = folder.file("printed.toml", &first);
    let second = print(&["--config", &file, "--print-config"]);
    let values = |text: &str| -> Vec<String> {
        text.lines().filter(|line| !line.starts_with('#')).map(String::from).collect()
    };
    assert_eq!(values(&first), values(&second));
}

#[test]
fn sizes_and_times_have_units() {
    let size = |text: &str| ByteSize::parse(text).map(ByteSize::bytes);
    assert_eq!(size("8GiB"), Ok(8 << 30));
    assert_eq!(size("1.5 MB"), Ok(3 << 19));
    assert_eq!(size("1024"), Ok(1024));
    assert!(size("lots").is_err() && size("-1").is_err() && size("9e9TiB").is_err());
    assert_eq!(ByteSize(3 << 19).to_string(), "1536KiB");
    assert_eq!(ByteSize(1000).to_string(), "1000B");
    assert_eq!(Duration::parse("250ms"), Ok(Duration::from_millis(250)));
    assert_eq!(Duration::parse("0"), Ok(Duration::ZERO));
    assert_eq!(Duration::from_secs(90).toml(), "\"90s\"");
    assert!(Duration::parse("3 fortnights").is_err());
    assert!(bool::read(&Raw::List(vec![])).is_err());
}

#[test]
fn the_strictest_cgroup_limit_counts() {
    let folder = Folder::new();
    folder.file("proc/meminfo", "MemFree: 1 kB\nMemTotal:       16777216 kB\n");
    assert_eq!(memory_bytes_under(&folder.0), 16 << 30);
    folder.file("proc/self/cgroup", "0::/a/b\n");
    folder.file("sys/fs/cgroup/a/b/memory.max", "max\n");
    folder.file("sys/fs/cgroup/a/memory.max", "4294967296\n");
    folder.file("sys/fs/cgroup/memory.max", "8589934592\n");
    assert_eq!(memory_bytes_under(&folder.0), 4 << 30);
    folder.file("proc/self/cgroup", "5:cpu,memory:/gone\n");
    folder.file("sys/fs/cgroup/memory/memory.limit_in_bytes", "2147483648\n");
    assert_eq!(memory_bytes_under(&folder.0), 2 << 30);
}

#[test]
#[cfg(target_os = "linux")]
fn what_is_taken_is_known() {
    assert!(super::resident_bytes().expect("the system says") > 1 << 20);
}

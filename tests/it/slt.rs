//! Does SQL give what the files in `tests/slt` say, through the wire, in both protocols? Where a
//! PostgreSQL is installed the same files are asked of it: it is where the answers came from.
//! `onlyif postgres` and `skipif postgres` mark where the two differ, with the reason above.

use std::path::{Path, PathBuf};

use mobula_tests::mobula::Mobula;
use mobula_tests::postgres::Postgres;
use mobula_tests::slt::{Protocol, run_file};
use mobula_tests::uri::Uri;

/// Files that use what only Mobula has (external tables, COPY to a file ...).
const MOBULA_ONLY: &str = "mobula_";

fn files() -> Vec<PathBuf> {
    let files = mobula_tests::files("tests/slt", ".slt");
    assert!(files.len() > 10, "the .slt files are gone: {files:?}");
    files
}

fn is_ours_alone(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(MOBULA_ONLY))
}

async fn run_all(files: &[PathBuf], uri: &Uri, protocol: Protocol, engine: &'static str) {
    let mut failures = Vec::new();
    for path in files {
        failures.extend(run_file(path, uri, protocol, engine).await.err());
    }
    assert!(failures.is_empty(), "{} files fail:\n{}", failures.len(), failures.join("\n"));
}

#[tokio::test]
async fn simple_protocol() {
    // Files make tables and leave some behind: each run has a server of its own.
    let server = Mobula::start(&[]);
    run_all(&files(), &server.uri, Protocol::Simple, "mobula").await;
}

#[tokio::test]
async fn extended_protocol() {
    let server = Mobula::start(&[]);
    run_all(&files(), &server.uri, Protocol::Extended, "mobula").await;
}

#[tokio::test]
async fn postgres_agrees() {
    let Some(server) = Postgres::shared() else {
        eprintln!("PostgreSQL is not installed: the answers are not compared with its own");
        return;
    };
    let files: Vec<_> = files().into_iter().filter(|path| !is_ours_alone(path)).collect();
    run_all(&files, &server.uri, Protocol::Simple, "postgres").await;
}

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
/// Where we answer otherwise than PostgreSQL: our answer, with its answer and the reason above. A
/// change, better or worse, is seen.
const DEVIATIONS: &str = "deviations";

fn files() -> Vec<PathBuf> {
    let files = mobula_tests::files("tests/slt", ".slt");
    assert!(files.len() > 10, "the .slt files are gone: {files:?}");
    files
}

fn is_deviations(path: &Path) -> bool {
    path.parent().is_some_and(|folder| folder.ends_with(DEVIATIONS))
}

fn is_ours_alone(path: &Path) -> bool {
    let named = path.file_name().is_some_and(|n| n.to_string_lossy().starts_with(MOBULA_ONLY));
    named || is_deviations(path)
}

/// A record is a deviation when a line above says so; a bug (XX000) is none.
#[test]
fn deviations_are_honest() {
    for path in files().iter().filter(|path| is_deviations(path)) {
        let text = std::fs::read_to_string(path).expect("a file of deviations");
        let name = path.display();
        assert!(!text.contains("(XX000)"), "{name}: a bug is not a deviation");
        let asked = |record: &&str| !record.contains("statement ok") && !record.trim().is_empty();
        for record in text.split("\n\n").filter(asked) {
            let reason = record.lines().find(|line| line.starts_with("# PostgreSQL: "));
            assert!(reason.is_some_and(|r| r.contains("; ")), "{name} gives no reason:\n{record}");
        }
    }
}

async fn run_all(files: &[PathBuf], uri: &Uri, protocol: Protocol, engine: &'static str) {
    let mut failures = Vec::new();
    for path in files {
        failures.extend(run_file(path, uri, protocol, engine).await);
    }
    assert!(failures.is_empty(), "{} records fail:\n{}", failures.len(), failures.join("\n"));
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

/// The same answers from stages of tasks.
#[tokio::test]
async fn staged() {
    let server = Mobula::start(&["--runner", "staged"]);
    run_all(&files(), &server.uri, Protocol::Simple, "mobula").await;
}

#[tokio::test]
async fn postgres_agrees() {
    let Some(server) = Postgres::shared() else {
        eprintln!("PostgreSQL is not installed: the answers are not compared with its own");
        return;
    };
    let files: Vec<_> = files().into_iter().filter(|path| !is_ours_alone(path)).collect();
    run_all(&files, &server.uri, Protocol::Simple, "postgres").await;
    run_all(&files, &server.uri, Protocol::Extended, "postgres").await;
}

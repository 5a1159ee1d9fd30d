//! How much of DataFusion's own SQL tests holds through our wire? Its files lie in the crate
//! `datafusion-sqllogictest`. `tests/slt/datafusion_skips.txt` lists the files that cannot mean
//! anything here, each with its reason; of the others every record runs, and the number that pass
//! only goes up. Records known to end in XX000 are listed there with a `!`; another one is a bug.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use mobula_tests::mobula::Mobula;
use mobula_tests::slt::{Letter, Protocol, Session, plain_cell};
use mobula_tests::uri::Uri;
use sqllogictest::{Normalizer, Record, Runner};

/// Records that passed when this was last raised; fewer is a regression.
const PASSED_MIN: usize = 7_440;
/// A single record must not hold the run.
const TIMEOUT: &str = "set statement_timeout = '10s'";
/// Failures of one kind that are shown.
const SHOWN_MAX: usize = 12;

/// The folder with DataFusion's files.
fn folder() -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let manifest = mobula_tests::root().join("tests").join("Cargo.toml");
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--locked", "--features", "datafusion-slt"])
        .arg("--manifest-path")
        .arg(manifest)
        .output()
        .expect("cargo metadata");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "run `cargo fetch --locked` first: {said}");
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    let found = packages.iter().find(|p| p["name"] == "datafusion-sqllogictest");
    let manifest = found.and_then(|p| p["manifest_path"].as_str()).expect("the crate's folder");
    Path::new(manifest).with_file_name("test_files")
}

/// What is not run, with the reason of each: files, folders, or first words of a record's SQL.
fn skips() -> BTreeMap<String, String> {
    let path = mobula_tests::root().join("tests/slt/datafusion_skips.txt");
    let text = std::fs::read_to_string(path).expect("the list of skips");
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, reason) = line.split_once(": ").expect("a file and its reason");
            (name.to_owned(), reason.to_owned())
        })
        .collect()
}

fn slt_files(folder: &Path) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(next) = folders.pop() {
        for path in std::fs::read_dir(next).expect("a folder").filter_map(Result::ok) {
            let path = path.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "slt") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// A cell as DataFusion's files have it: its own spelling of booleans, times and lists.
fn cell(oid: u32, cell: Option<&str>) -> String {
    let Some(text) = cell else { return plain_cell(oid, cell) };
    match oid {
        16 => if text == "t" { "true" } else { "false" }.to_owned(),
        1114 => text.replacen(' ', "T", 1),
        1184 => text.replacen(' ', "T", 1).trim_end_matches("+00").to_owned() + "Z",
        114 | 3802 => text.to_owned(),
        _ if text.starts_with('{') && text.ends_with('}') => {
            text.replace('{', "[").replace('}', "]").replace(',', ", ").replace('"', "")
        }
        _ => plain_cell(oid, cell),
    }
}

/// Equal word by word, numbers by their value: the same float is written in more than one way.
fn equal(_: Normalizer, actual: &[Vec<String>], expected: &[String]) -> bool {
    let actual: Vec<String> = actual.iter().map(|row| row.join(" ")).collect();
    let same = |(a, b): (&str, &str)| match (a.parse::<f64>(), b.parse::<f64>()) {
        _ if a == b => true,
        (Ok(a), Ok(b)) => (a - b).abs() <= 1e-9 * a.abs().max(b.abs()),
        _ => false,
    };
    let row = |(actual, expected): (&String, &String)| {
        let (a, b) = (actual.split_whitespace(), expected.split_whitespace());
        a.clone().count() == b.clone().count() && a.zip(b).all(same)
    };
    actual.len() == expected.len() && actual.iter().zip(expected).all(row)
}

/// Whether a record begins as one of the lines with a ~ says.
fn is_skipped(record: &Record<Letter>, skips: &BTreeMap<String, String>) -> bool {
    let (Record::Statement { sql, .. } | Record::Query { sql, .. }) = record else { return false };
    let sql = sql.trim_start().to_lowercase();
    skips.keys().filter_map(|skip| skip.strip_prefix('~')).any(|words| sql.starts_with(words))
}

#[derive(Default)]
struct Tally {
    passed: usize,
    skipped: usize,
    failed: BTreeMap<String, Vec<String>>,
}

impl Tally {
    async fn run(&mut self, name: &str, path: &Path, uri: &Uri, skips: &BTreeMap<String, String>) {
        let Ok(records) = sqllogictest::parse_file::<Letter>(path) else {
            self.failed.entry("cannot be parsed".to_owned()).or_default().push(name.to_owned());
            return;
        };
        let schema = name.replace(['/', '.', '-'], "_");
        let setup = format!("create schema {schema}; set search_path = {schema}; {TIMEOUT}");
        let mut runner = Runner::new(|| {
            let (uri, setup) = (uri.clone(), setup.clone());
            async move {
                let mut session = Session::login(&uri, Protocol::Simple, "DataFusion", cell).await;
                sqllogictest::AsyncDB::run(&mut session, &setup).await?;
                Ok(session)
            }
        });
        runner.with_validator(equal);
        for record in records {
            if matches!(record, Record::Halt { .. }) {
                break;
            }
            if is_skipped(&record, skips) {
                self.skipped += 1;
                continue;
            }
            let asks = matches!(record, Record::Statement { .. } | Record::Query { .. });
            match runner.run_async(record).await {
                Ok(_) if asks => self.passed += 1,
                Ok(_) => {}
                Err(error) => self.fail(&error),
            }
        }
        runner.shutdown_async().await;
    }

    fn fail(&mut self, error: &sqllogictest::TestError) {
        let text = error.display(false).to_string();
        let words = ["ERROR", "FATAL"].iter().find_map(|word| text.find(word));
        let kind = match words {
            Some(at) => text[at..].split_whitespace().nth(1).unwrap_or("").replace(':', ""),
            None => "another answer".to_owned(),
        };
        let place = error.location().to_string();
        let place = place.rsplit("test_files/").next().unwrap_or(&place).to_owned();
        self.failed.entry(kind).or_default().push(place);
    }

    fn print(&self, files: usize, skipped: usize) {
        let failed: usize = self.failed.values().map(Vec::len).sum();
        let Self { passed, skipped: records, .. } = self;
        println!("DataFusion: {passed} records pass, {failed} do not, in {files} files");
        println!("DataFusion: {skipped} files and {records} other records are skipped");
        for (kind, places) in &self.failed {
            let shown = places.iter().take(SHOWN_MAX).map(|place| format!("\n    {place}"));
            println!("  {kind} {}:{}", places.len(), shown.collect::<String>());
        }
    }
}

#[tokio::test]
async fn records_pass() {
    let (folder, skips) = (folder(), skips());
    let server = Mobula::start(&[]);
    let (mut tally, mut files, mut used) = (Tally::default(), 0, BTreeMap::new());
    for path in slt_files(&folder) {
        let name = path.strip_prefix(&folder).unwrap_or(&path).to_string_lossy().into_owned();
        let skip = skips
            .keys()
            .find(|skip| name == **skip || skip.ends_with('/') && name.starts_with(skip.as_str()));
        if let Some(skip) = skip {
            *used.entry(skip.clone()).or_insert(0) += 1;
            continue;
        }
        files += 1;
        tally.run(&name, &path, &server.uri, &skips).await;
    }
    tally.print(files, used.values().sum());
    let names = skips.keys().filter(|skip| !skip.starts_with(['~', '!']));
    let unused: Vec<_> = names.filter(|skip| !used.contains_key(*skip)).collect();
    assert!(unused.is_empty(), "skips of nothing: {unused:?}");
    let known: BTreeSet<_> = skips.keys().filter_map(|skip| skip.strip_prefix('!')).collect();
    let bugs: BTreeSet<_> =
        tally.failed.get("XX000").into_iter().flatten().map(String::as_str).collect();
    assert!(
        known.is_superset(&bugs),
        "new XX000: {:?}",
        bugs.difference(&known).collect::<Vec<_>>()
    );
    assert!(
        known.is_subset(&bugs),
        "no XX000 now: {:?}",
        known.difference(&bugs).collect::<Vec<_>>()
    );
    assert!(tally.passed >= PASSED_MIN, "{} records pass, {PASSED_MIN} did", tally.passed);
}

//! Does the source keep the house rules? Each rule is a check here: what is not checked is a wish.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use mobula_tests::{files, root};

const FILE_LINES_MAX: usize = 400;
const LINE_CHARS_MAX: usize = 100;
const FUNCTION_LINES_MAX: usize = 70;
const FOLDERS: &[&str] = &["exec", "planner", "ray_bridge", "server", "tests"];

/// A source file: its path from the root and its text.
struct Source {
    name: String,
    text: String,
}

impl Source {
    /// Tests may be long and may unwrap.
    fn is_test(&self) -> bool {
        self.name.ends_with("/tests.rs") || self.name.contains("/tests/") || self.is_outside_test()
    }

    fn is_outside_test(&self) -> bool {
        self.name.starts_with("tests/")
    }

    /// The text before the tests inside the file.
    fn production(&self) -> &str {
        self.text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default()
    }
}

fn sources() -> Vec<Source> {
    let read = |path: PathBuf| {
        let name = path.strip_prefix(root()).unwrap_or(&path).to_string_lossy().into_owned();
        Source { name, text: fs::read_to_string(&path).expect("a source file") }
    };
    // What a build makes may come and go while it is read.
    let ours = |path: &PathBuf| !path.strip_prefix(root()).unwrap_or(path).iter().any(is_target);
    let paths = FOLDERS.iter().flat_map(|folder| files(folder, ".rs")).filter(ours);
    let sources: Vec<_> = paths.map(read).collect();
    assert!(sources.len() > 30, "the sources are gone");
    sources
}

fn is_target(part: &OsStr) -> bool {
    part == "target"
}

/// Runs a check over every file and shows all that it finds.
fn check(rule: &str, look: impl Fn(&Source) -> Vec<String>) {
    let found: Vec<String> = sources()
        .iter()
        .flat_map(|source| look(source).into_iter().map(|what| format!("{}{what}", source.name)))
        .collect();
    assert!(found.is_empty(), "{rule}:\n{}", found.join("\n"));
}

#[test]
fn every_file_says_what_it_is() {
    check("a file begins with //!", |source| {
        if source.text.starts_with("//! ") { vec![] } else { vec![String::new()] }
    });
}

#[test]
fn files_are_short() {
    check("at most 400 lines", |source| {
        let count = source.text.lines().count();
        let long = count > FILE_LINES_MAX && !source.name.ends_with("/tests.rs");
        if long { vec![format!(": {count} lines")] } else { vec![] }
    });
}

#[test]
fn lines_are_short() {
    check("at most 100 columns", |source| {
        let long = |line: &str| line.chars().count() > LINE_CHARS_MAX;
        let lines = source.text.lines().enumerate().filter(|(_, line)| long(line));
        lines.map(|(index, _)| format!(":{}", index + 1)).collect()
    });
}

#[test]
fn nothing_unwraps_outside_tests() {
    check("no unwrap() outside tests", |source| {
        let lines = source.production().lines().enumerate();
        let call = concat!(".unwrap", "()");
        let found = lines.filter(|(_, line)| {
            // A constant's unwrap is the compiler's to fail.
            line.contains(call) && !line.starts_with("const ") && !line.trim().starts_with("//")
        });
        let found = found.filter(|_| !source.is_test() || source.is_outside_test());
        found.map(|(index, _)| format!(":{}", index + 1)).collect()
    });
}

#[test]
fn functions_fit_the_eye() {
    check("a function has at most 70 lines", |source| {
        if source.is_test() && !source.is_outside_test() {
            return vec![];
        }
        let lines: Vec<&str> = source.text.lines().collect();
        let long = functions(&lines).into_iter().filter(|(_, count)| *count > FUNCTION_LINES_MAX);
        long.map(|(first, count)| format!(":{}: {count} lines", first + 1)).collect()
    });
}

/// Where each function begins, and its lines: rustfmt closes it at the indent of its first line.
fn functions(lines: &[&str]) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    for (first, line) in lines.iter().enumerate() {
        let start = line.trim_start();
        let head = start.split('(').next().unwrap_or_default();
        // `fn name(`; the type `fn(` of a field has no name.
        let named = head.split_whitespace().rev().skip(1).any(|word| word == "fn");
        let named = named && !start.starts_with("//");
        if !named || head.contains('"') {
            continue;
        }
        // A body on the same line, or a declaration without one.
        if line.trim_end().ends_with(['}', ';']) {
            continue;
        }
        let indent = " ".repeat(line.len() - start.len());
        let ends = |line: &&str| {
            let here = line.strip_prefix(indent.as_str());
            here.is_some_and(|rest| rest == "}" || rest.starts_with(')') && rest.ends_with(';'))
        };
        let rest = &lines[first..];
        if let Some(length) = rest.iter().position(ends) {
            found.push((first, length + 1));
        }
    }
    found
}

#[test]
fn dependencies_point_downwards() {
    // What a crate must never know. The direction is drawn in README.md.
    let forbidden: &[(&str, &[&str])] = &[
        ("exec", &["planner", "server", "ray_bridge", "pgwire", "pyo3", "datafusion-sql"]),
        ("planner", &["server", "ray_bridge", "pgwire", "pyo3", "tonic", "tokio"]),
        ("ray_bridge", &["planner", "server", "pgwire"]),
        ("server", &["pyo3", "tonic"]),
        ("tests", &["exec", "planner", "server", "ray_bridge", "datafusion", "pgwire"]),
    ];
    let mut wrong = Vec::new();
    for (name, never) in forbidden {
        let text = fs::read_to_string(root().join(name).join("Cargo.toml")).expect("a manifest");
        let manifest: toml::Table = text.parse().expect("a manifest in TOML");
        let known: BTreeSet<String> = ["dependencies", "build-dependencies"]
            .iter()
            .filter_map(|section| manifest.get(*section)?.as_table())
            .flat_map(|table| table.keys().map(|key| key.trim_start_matches("mobula-").to_owned()))
            .collect();
        let met = never.iter().filter(|never| known.contains(**never));
        wrong.extend(met.map(|met| format!("{name} depends on {met}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_the_server_speaks_the_protocol() {
    check("the protocol's words stay in server", |source| {
        let outside = !source.name.starts_with("server/") && !source.is_outside_test();
        let uses = source.text.lines().any(|line| line.trim_start().starts_with("use pgwire"));
        if outside && uses { vec![": uses pgwire".to_owned()] } else { vec![] }
    });
}

/// A setting that is not in the configuration is one that no user can see.
#[test]
fn only_the_configuration_reads_the_environment() {
    check("variables are read in server/src/config", |source| {
        let allowed = source.name.starts_with("server/src/config");
        let production = ["exec/", "planner/", "ray_bridge/", "server/"];
        let ours = production.iter().any(|folder| source.name.starts_with(folder));
        let reads = source.production().contains("env::var");
        if ours && reads && !allowed { vec![": reads the environment".to_owned()] } else { vec![] }
    });
}

#[test]
fn every_file_is_compiled() {
    check("a file belongs to a module", |source| {
        let path = Path::new(&source.name);
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let own = ["lib", "main", "build"].contains(&&*stem) || stem == "mod";
        if own || !source.name.contains("/src/") && !source.name.contains("/it/") {
            return vec![];
        }
        let folder = path.parent().unwrap_or(path);
        let parents = [folder.with_extension("rs"), folder.join("lib.rs"), folder.join("main.rs")];
        let declared = parents.iter().any(|parent| {
            let text = fs::read_to_string(root().join(parent)).unwrap_or_default();
            let ending = format!("mod {stem};");
            text.lines().any(|line| line.trim_start_matches("    ").ends_with(&ending))
        });
        if declared { vec![] } else { vec![": no module declares it".to_owned()] }
    });
}

#[test]
fn documents_name_files_that_exist() {
    let mut missing = Vec::new();
    for document in ["README.md", "server/src/lib.rs", "planner/src/lib.rs", "exec/src/lib.rs"] {
        let text = fs::read_to_string(root().join(document)).expect("a document");
        let named = text.split('`').skip(1).step_by(2).filter(|word| {
            word.ends_with(".rs") && word.contains('/') && !word.contains([' ', '*', '<'])
        });
        let named: Vec<&str> = named.collect();
        assert!(document != "README.md" || named.len() > 5, "{document} tells no query's life");
        // From the root, or from the document's own folder.
        let folder = root().join(document).with_file_name("");
        let here = |name: &&str| root().join(name).is_file() || folder.join(name).is_file();
        let gone = named.into_iter().filter(|name| !here(name));
        missing.extend(gone.map(|name| format!("{document} names {name}")));
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn the_root_holds_what_it_should() {
    let known: BTreeSet<&str> = [
        "Cargo.lock",
        "Cargo.toml",
        "LICENSE",
        "README.md",
        "exec",
        "mobula-data",
        "planner",
        "ray_bridge",
        "rust-toolchain.toml",
        "server",
        "target",
        "tests",
    ]
    .into();
    let entries = fs::read_dir(root()).expect("the root").filter_map(Result::ok);
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let extra: Vec<_> =
        names.filter(|n| !n.starts_with('.') && !known.contains(n.as_str())).collect();
    assert!(extra.is_empty(), "nothing else at the top without a reason: {extra:?}");
}

//! Does psql, the program, show what `tests/psql` says? Its own commands ask pg_catalog in ways no
//! other client does. Skipped, with a word, where psql is not installed.

use std::process::{Command, Output};

use mobula_tests::golden;
use mobula_tests::mobula::Mobula;
use mobula_tests::process::on_path;

fn psql(server: &Mobula, arguments: &[&str]) -> Output {
    let mut command = Command::new("psql");
    command.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-P", "pager=off"]).args(arguments);
    command.env_remove("PGOPTIONS").env("PGCLIENTENCODING", "UTF8").env("PSQLRC", "/dev/null");
    command.arg(server.uri.to_string()).output().expect("psql runs")
}

fn is_missing() -> bool {
    let missing = !on_path("psql");
    if missing {
        eprintln!("psql is not installed: it is not asked");
    }
    missing
}

#[test]
fn sessions_look_as_written() {
    if is_missing() {
        return;
    }
    let server = Mobula::demo();
    let mut failures = Vec::new();
    let files = mobula_tests::files("tests/psql", ".txt");
    assert!(files.len() > 2, "the psql files are gone");
    for path in files {
        let answer = |input: &str| {
            let commands: Vec<&str> = input.lines().filter(|l| !l.starts_with('#')).collect();
            let mut arguments = vec![];
            commands.iter().for_each(|line| arguments.extend(["-c", line]));
            let output = psql(&server, &arguments);
            let text = [output.stdout, output.stderr].concat();
            String::from_utf8_lossy(&text).lines().map(|l| format!("{}\n", l.trim_end())).collect()
        };
        failures.extend(golden::check(&path, answer).err());
    }
    assert!(failures.is_empty(), "{} files differ:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn databases_are_listed() {
    if is_missing() {
        return;
    }
    // The columns of \l differ from version to version of psql; the name is always the first.
    let output = psql(&Mobula::demo(), &["-A", "-t", "-c", "\\l"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.lines().any(|line| line.starts_with("mobula|")), "{text}");
}

#[test]
fn an_error_has_its_place() {
    if is_missing() {
        return;
    }
    let output = psql(&Mobula::demo(), &["-c", "select n_nam from nation"]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("ERROR:  column \"n_nam\" does not exist"), "{text}");
    assert!(text.contains("LINE 1: select n_nam from nation"), "{text}");
    assert!(text.contains("n_name"), "the near name is told: {text}");
}

//! Do the conversations in `tests/wire` go as written, with Mobula and with PostgreSQL?

use std::fs;

use mobula_tests::mobula::Mobula;
use mobula_tests::postgres::Postgres;
use mobula_tests::script::{Script, play};
use mobula_tests::uri::Uri;

fn scripts() -> Vec<(String, Script)> {
    let read = |path: std::path::PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).expect("a script");
        let script = text.parse().unwrap_or_else(|error| panic!("{name}: {error}"));
        (name, script)
    };
    let scripts: Vec<_> = mobula_tests::files("tests/wire", ".txt").into_iter().map(read).collect();
    assert!(scripts.len() > 5, "the wire scripts are gone");
    scripts
}

async fn play_all(scripts: &[(String, Script)], uri: &Uri) {
    let mut failures = Vec::new();
    for (name, script) in scripts {
        if let Err(why) = play(script, uri).await {
            failures.push(format!("{name}: {why}"));
        }
    }
    assert!(failures.is_empty(), "{} scripts fail:\n{}", failures.len(), failures.join("\n"));
}

#[tokio::test]
async fn mobula() {
    let server = Mobula::shared();
    play_all(&scripts(), &server.uri).await;
}

#[tokio::test]
async fn postgres() {
    let Some(server) = Postgres::shared() else {
        eprintln!("PostgreSQL is not installed: the scripts are not played to it");
        return;
    };
    let mut scripts = scripts();
    scripts.retain(|(_, script)| !script.mobula_only);
    play_all(&scripts, &server.uri).await;
}

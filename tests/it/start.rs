//! Does the program keep the interface that scripts rely on: its flags, the connection file, its
//! way to end?

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use mobula_tests::mobula::{Mobula, program};
use mobula_tests::wire::Wire;

#[test]
fn version_and_configuration_are_printed() {
    let version = Command::new(program()).arg("--version").output().expect("the program");
    assert!(String::from_utf8_lossy(&version.stdout).starts_with("mobula "));
    let config = Command::new(program()).args(["serve", "--print-config"]).output();
    let config = config.expect("the program");
    let text = String::from_utf8_lossy(&config.stdout).into_owned();
    assert!(config.status.success() && text.contains("statement_timeout"), "{text}");
    let table: toml::Table = text.parse().expect("what is printed is TOML");
    assert!(table.len() > 20, "{table:?}");
}

#[test]
fn an_address_for_everyone_wants_tls() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let output = Command::new(program())
        .args(["serve", "--listen", "0.0.0.0:0", "--data-dir"])
        .arg(folder.path())
        .output()
        .expect("the program");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{said}");
    assert!(said.contains("tls_cert"), "it says what to do: {said}");
}

#[tokio::test]
async fn the_connection_file_is_private_and_lasts() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().join("data");
    let mut first = Mobula::start_in(&data, &[]);
    let mode = fs::metadata(data.join("connection")).expect("the file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let (password, mut wire) = (first.uri.password.clone(), Wire::login(&first.uri).await);
    assert!(password.len() >= 24, "a password of {} letters", password.len());
    wire.query("create schema kept").await.expect("a schema");
    assert_eq!(first.stop().code(), Some(0), "{}", first.log());
    let ended = wire.until_closed().await;
    let codes = ended.iter().map(|message| mobula_tests::wire::report(&message.body));
    assert_eq!(codes.map(|report| report.code().to_owned()).collect::<Vec<_>>(), ["57P01"]);
    drop(first);
    let second = Mobula::start_in(&data, &[]);
    assert_eq!(second.uri.password, password, "the password outlives a restart");
    let mut wire = Wire::login(&second.uri).await;
    let again = wire.query("create schema kept").await.expect_err("it is there");
    assert_eq!(again.code(), "42P06");
}

#[tokio::test]
async fn the_log_never_has_the_password_again() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().join("data");
    // Logged in, so that the first start is known to have finished: killed before it has stored the
    // password's verifier, a server makes another password and tells it.
    let first = Mobula::start_in(&data, &[]);
    Wire::login(&first.uri).await;
    drop(first);
    fs::remove_file(data.with_extension("log")).expect("the first log");
    let server = Mobula::start_in(&data, &[]);
    Wire::login(&server.uri).await.query("select 1").await.expect("an answer");
    assert!(!server.log().contains(&server.uri.password));
}

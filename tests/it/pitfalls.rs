//! Does a stranger, or a broken client, find one of the holes that a stock loop over the Postgres
//! messages has? What `login.rs` and `hostile.rs` do not ask of such a loop is asked here.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use mobula_tests::frames::{self, PROTOCOL_3_0, SSL_REQUEST};
use mobula_tests::mobula::Mobula;
use mobula_tests::process::on_path;
use mobula_tests::tls;
use mobula_tests::uri::Uri;
use mobula_tests::wire::{DEADLINE, Message, Wire, report};

const MIB: usize = 1 << 20;
const LOGIN: &[(&str, &str)] = &[("user", "mobula"), ("database", "mobula")];

fn tags(messages: &[Message]) -> String {
    messages.iter().map(|message| char::from(message.tag)).collect()
}

/// A login that the server has asked for its first SCRAM message.
async fn asked(uri: &Uri) -> Wire {
    let mut wire = Wire::open(uri).await.expect("a connection");
    wire.send(&frames::startup(PROTOCOL_3_0, LOGIN)).await;
    assert_eq!(wire.expect().await.body.first_chunk(), Some(&[0, 0, 0, 10]), "SCRAM is asked for");
    wire
}

/// A server with TLS; the folder holds its certificate.
fn encrypting(folder: &Path, more: &[&str]) -> Mobula {
    let flags = tls::flags(folder);
    Mobula::start(&flags.iter().map(String::as_str).chain(more.iter().copied()).collect::<Vec<_>>())
}

#[tokio::test]
async fn no_query_runs_after_an_error_of_the_login() {
    let server = Mobula::shared();
    let right = server.uri.password.as_str();
    let unknown = [("user", "mobula"), ("database", "nope")];
    for (parameters, password) in [(&unknown[..], right), (LOGIN, "wrong")] {
        let mut wire = Wire::open(&server.uri).await.expect("a connection");
        wire.send(&frames::startup(PROTOCOL_3_0, parameters)).await;
        let error = wire.authenticate(password).await.expect_err("a refused login");
        // The hole: such an error made the session ready, without a password.
        let _ = wire.try_send(&frames::query("select 1 as a")).await;
        let mut ready = false;
        while let Some(message) = wire.receive().await {
            assert_eq!(char::from(message.tag), 'Z', "the query runs after {error}");
            ready = true;
        }
        assert!(!ready, "the session is ready after {error}");
    }
}

#[tokio::test]
async fn a_startup_packet_in_clear_is_not_read_inside_tls() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let server = encrypting(folder.path(), &[]);
    let mut wire = Wire::open(&server.uri).await.expect("a connection");
    let both = [frames::untyped(SSL_REQUEST, b""), frames::startup(PROTOCOL_3_0, LOGIN)].concat();
    wire.send(&both).await;
    if wire.byte().await == Some(b'S') {
        // An honest client behind the man in the middle; it has not sent a startup packet.
        if let Ok(mut wire) = tls::encrypt(wire, &[]).await {
            let answer = wire.receive().await;
            assert_eq!(answer, None, "an answer inside TLS to what came before it in clear");
        }
    }
}

#[tokio::test]
async fn a_stranger_cannot_fill_the_memory() {
    let server = Mobula::start(&[]);
    drop(Wire::login(&server.uri).await);
    let before = server.resident_bytes();
    let chunk = vec![b'a'; MIB];
    for tag in *b"QPBdp" {
        let mut wire = asked(&server.uri).await;
        let header = [&[tag][..], &(300 * MIB as u32).to_be_bytes()].concat();
        let _ = wire.try_send(&header).await;
        let mut sent = 0;
        // The sockets between hold some of it; the server holds none.
        while sent < 128 {
            let taken = tokio::time::timeout(DEADLINE, wire.try_send(&chunk)).await;
            if taken.expect("it is read or refused").is_err() {
                break;
            }
            sent += 1;
        }
        let grown = server.resident_bytes().saturating_sub(before) / MIB;
        assert!(grown < 32, "{:?} of a stranger takes {grown} MiB", char::from(tag));
        assert!(sent < 64, "{:?} of a stranger is read for {sent} MiB", char::from(tag));
    }
}

#[tokio::test]
async fn a_length_below_its_own_four_bytes_panics_nothing() {
    let server = Mobula::start(&[]);
    for length in 0..4_u32 {
        for tag in *b"pBCDEPQd" {
            let before_login = tag == b'p';
            let mut wire = if before_login {
                asked(&server.uri).await
            } else {
                Wire::login(&server.uri).await
            };
            // Nothing follows: whoever believes the length reads past the end.
            wire.send(&[&[tag][..], &length.to_be_bytes()].concat()).await;
            let said = wire.receive().await;
            let what = format!("{:?} of length {length}", char::from(tag));
            assert!(!server.log().contains("panicked at"), "{what}:\n{}", server.log());
            let said = said.unwrap_or_else(|| panic!("{what} is not answered"));
            assert_eq!(char::from(said.tag), 'E', "{what}");
            let error = report(&said.body);
            assert_eq!((error.code(), error.field('S')), ("08P01", "FATAL"), "{what}");
            assert_eq!(tags(&wire.until_closed().await), "", "{what}");
        }
    }
    Wire::login(&server.uri).await.query("select 1").await.expect("the server lives");
}

#[tokio::test]
async fn half_a_tls_handshake_ends_by_itself() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let server = encrypting(folder.path(), &["--authentication-timeout", "1s"]);
    let started = Instant::now();
    let mut open = Vec::new();
    // Direct, asked for and not begun, asked for and begun, done but without a startup packet.
    for stage in 0..4 {
        let mut wire = Wire::open(&server.uri).await.expect("a connection");
        if stage > 0 {
            wire.send(&frames::untyped(SSL_REQUEST, b"")).await;
            assert_eq!(wire.byte().await, Some(b'S'));
        }
        match stage {
            0 | 2 => wire.send(b"\x16\x03\x01\x02\0\x01").await,
            3 => wire = tls::encrypt(wire, &[]).await.expect("a handshake"),
            _ => {}
        }
        open.push(wire);
    }
    for (stage, wire) in open.iter_mut().enumerate() {
        // An alert, which is no message, may come first.
        let end = tokio::time::timeout(Duration::from_secs(8), wire.receive()).await;
        assert!(end.is_ok(), "stage {stage} is held longer than a login may take");
    }
    let taken = started.elapsed();
    assert!(taken >= Duration::from_millis(900), "they were ended early: {taken:?}");
}

#[tokio::test]
async fn a_fetch_gives_no_rows_that_were_not_described() {
    let server = Mobula::shared();
    let mut wire = Wire::login(&server.uri).await;
    wire.query("declare c cursor with hold for values (1), (2), (3)").await.expect("a cursor");
    for (sql, rows) in [("fetch 2 from c", 2), ("fetch all from c", 1)] {
        wire.send(&frames::extended(sql, 0)).await;
        let said = tags(&wire.until_ready().await);
        let (undescribed, described) = said.split_once('T').expect("a description");
        assert!(!undescribed.contains('D'), "rows without a description: {said}");
        assert_eq!(described.matches('D').count(), rows, "{said}");
    }
}

#[tokio::test]
async fn is_superuser_is_on_for_superusers_only() {
    if !on_path("python3") {
        eprintln!("python3 is not installed: no second role can be made");
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data_dir = folder.path().join("data");
    let mut server = Mobula::start_in(&data_dir, &[]);
    assert_eq!(Wire::login(&server.uri).await.parameters["is_superuser"], "on");
    assert!(server.stop().success());
    drop(server);
    // No statement makes roles: one without rights is put into the store, with the same password.
    let script = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute(\"\"\"
        INSERT INTO roles (oid, name, superuser, login, verifier)
        SELECT 9000, 'reader', 0, 1, verifier FROM roles WHERE name = 'mobula'\"\"\"); c.commit()";
    let store = data_dir.join("catalog.sqlite");
    let made = Command::new("python3").args(["-c", script]).arg(store).status();
    assert!(made.is_ok_and(|status| status.success()), "a role is made");
    let server = Mobula::start_in(&data_dir, &[]);
    let reader = Uri { user: "reader".to_owned(), ..server.uri.clone() };
    let mut wire = Wire::login(&reader).await;
    assert_eq!(wire.parameters["is_superuser"], "off");
    let shown = wire.query("show is_superuser").await.expect("an answer");
    assert_eq!(shown.rows, [[Some("off".to_owned())]]);
}

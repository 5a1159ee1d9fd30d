//! Can anyone get in, or hold the server, without the password? Each test is a hole that a Postgres
//! server in front of an engine has had.

use std::time::{Duration, Instant};

use mobula_tests::frames::{self, PROTOCOL_3_0, PROTOCOL_3_2, SSL_REQUEST};
use mobula_tests::mobula::Mobula;
use mobula_tests::tls;
use mobula_tests::uri::Uri;
use mobula_tests::wire::{Report, Wire, report};

/// Starts a login and gives what the server said against it.
async fn refused(uri: &Uri, parameters: &[(&str, &str)], password: &str) -> Report {
    let mut wire = Wire::open(uri).await.expect("a connection");
    wire.send(&frames::startup(PROTOCOL_3_0, parameters)).await;
    let error = wire.authenticate(password).await.expect_err("a refused login");
    // Fatal and closed: nothing that follows is read.
    assert_eq!(error.field('S'), "FATAL", "{error}");
    let _ = wire.try_send(&frames::query("select 1")).await;
    assert!(wire.until_closed().await.is_empty());
    error
}

#[tokio::test]
async fn a_wrong_password_or_user_is_fatal_and_both_sound_alike() {
    let server = Mobula::start(&[]);
    let database = ("database", "mobula");
    let wrong = refused(&server.uri, &[("user", "mobula"), database], "wrong").await;
    let nobody = refused(&server.uri, &[("user", "nobody"), database], "wrong").await;
    assert_eq!((wrong.code(), nobody.code()), ("28P01", "28P01"));
    let message = |report: &Report| report.field('M').replace("nobody", "mobula");
    assert_eq!(message(&wrong), message(&nobody));
}

#[tokio::test]
async fn there_is_no_way_around_the_password() {
    let server = Mobula::shared();
    // A query instead of the login's second message.
    let mut wire = Wire::open(&server.uri).await.expect("a connection");
    wire.send(&frames::startup(PROTOCOL_3_0, &[("user", "mobula")])).await;
    assert_eq!(wire.expect().await.body.first_chunk(), Some(&[0, 0, 0, 10]), "SCRAM is asked for");
    wire.send(&frames::query("select 1")).await;
    let said = wire.until_closed().await;
    assert_eq!(said.iter().map(|m| m.tag).collect::<Vec<_>>(), [b'E']);
    assert_eq!(report(&said[0].body).code(), "08P01");
    // A startup packet without a user.
    let mut wire = Wire::open(&server.uri).await.expect("a connection");
    wire.send(&frames::startup(PROTOCOL_3_0, &[])).await;
    let said = wire.until_closed().await;
    assert_eq!(report(&said[0].body).code(), "28000");
}

#[tokio::test]
async fn an_unknown_database_is_refused_after_the_password() {
    let server = Mobula::shared();
    let parameters = [("user", "mobula"), ("database", "nope")];
    let error = refused(&server.uri, &parameters, &server.uri.password).await;
    assert_eq!(error.code(), "3D000");
}

#[tokio::test]
async fn a_stranger_holds_little() {
    let server = Mobula::shared();
    // A startup packet of a megabyte, and one that only claims to be huge.
    for length in [1_000_000_u32, 0x7fff_ffff] {
        let mut wire = Wire::open(&server.uri).await.expect("a connection");
        let mut packet = length.to_be_bytes().to_vec();
        packet.extend(PROTOCOL_3_0.to_be_bytes());
        packet.extend(vec![b'a'; 100_000]);
        let _ = wire.try_send(&packet).await;
        assert!(wire.until_closed().await.iter().all(|message| message.tag == b'E'));
    }
    // A SCRAM message beyond any sense.
    let mut wire = Wire::open(&server.uri).await.expect("a connection");
    wire.send(&frames::startup(PROTOCOL_3_0, &[("user", "mobula")])).await;
    wire.expect().await;
    let _ = wire.try_send(&frames::message(b'p', &vec![b'x'; 1_000_000])).await;
    let said = wire.until_closed().await;
    assert!(said.iter().all(|message| message.tag == b'E'), "{said:?}");
}

#[tokio::test]
async fn lengths_that_cannot_be_close_the_connection() {
    let server = Mobula::shared();
    for length in [0_u32, 1, 3, 4, 7, u32::MAX] {
        let mut wire = Wire::open(&server.uri).await.expect("a connection");
        let packet = [&length.to_be_bytes()[..], &PROTOCOL_3_0.to_be_bytes(), b"\0\0"].concat();
        let _ = wire.try_send(&packet).await;
        let said = wire.until_closed().await;
        assert!(said.iter().all(|message| message.tag == b'E'), "length {length}: {said:?}");
    }
    Wire::login(&server.uri).await.query("select 1").await.expect("the server lives");
}

#[tokio::test]
async fn half_a_login_ends_by_itself() {
    let server = Mobula::start(&["--authentication-timeout", "1s"]);
    let started = Instant::now();
    let mut silent = Wire::open(&server.uri).await.expect("a connection");
    let mut stuck = Wire::open(&server.uri).await.expect("a connection");
    stuck.send(&frames::startup(PROTOCOL_3_0, &[("user", "mobula")])).await;
    silent.until_closed().await;
    stuck.until_closed().await;
    let taken = started.elapsed();
    assert!(taken >= Duration::from_millis(900), "they were ended early: {taken:?}");
    assert!(taken < Duration::from_secs(8), "they were held for {taken:?}");
}

#[tokio::test]
async fn without_tls_a_request_for_it_is_declined_once() {
    let server = Mobula::shared();
    let mut wire = Wire::open(&server.uri).await.expect("a connection");
    for code in [SSL_REQUEST, frames::GSSENC_REQUEST] {
        wire.send(&frames::untyped(code, b"")).await;
        assert_eq!(wire.byte().await, Some(b'N'));
    }
    // A third question is one too many.
    let _ = wire.try_send(&frames::untyped(SSL_REQUEST, b"")).await;
    assert!(wire.until_closed().await.iter().all(|message| message.tag == b'E'));
}

#[tokio::test]
async fn newer_minor_versions_are_negotiated() {
    let server = Mobula::shared();
    let uri = &server.uri;
    for (protocol, negotiates) in [(PROTOCOL_3_0, false), (PROTOCOL_3_2, false), (196_999, true)] {
        let mut wire = Wire::open(uri).await.expect("a connection");
        let parameters = [("user", "mobula"), ("database", "mobula")];
        wire.send(&frames::startup(protocol, &parameters)).await;
        if negotiates {
            assert_eq!(wire.expect().await.tag, b'v', "protocol {protocol}");
        }
        wire.authenticate(&uri.password).await.expect("a session");
        let long = protocol != PROTOCOL_3_0;
        assert_eq!(wire.secret.len() > 4, long, "the key's length under {protocol}");
    }
    let mut wire = Wire::open(uri).await.expect("a connection");
    wire.send(&frames::startup(4 << 16, &[("user", "mobula")])).await;
    let said = wire.until_closed().await;
    assert_eq!(report(&said[0].body).field('S'), "FATAL");
}

#[tokio::test]
async fn is_superuser_is_not_announced_to_all() {
    // Settings a client names at its start are its own; is_superuser is the server's to say.
    let server = Mobula::shared();
    let forged = [("user", "mobula"), ("database", "mobula"), ("is_superuser", "on")];
    let mut wire = Wire::open(&server.uri).await.expect("a connection");
    wire.send(&frames::startup(PROTOCOL_3_0, &forged)).await;
    let error = wire.authenticate(&server.uri.password).await.expect_err("a fixed setting");
    assert_eq!((error.code(), error.field('S')), ("55P02", "FATAL"));
}

#[tokio::test]
async fn clear_bytes_before_tls_never_reach_the_session() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let flags = tls::flags(folder.path());
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let server = Mobula::start(&flags);
    // CVE-2021-23214: a man in the middle puts a message behind the SSLRequest.
    let mut wire = Wire::open(&server.uri).await.expect("a connection");
    let both = [frames::untyped(SSL_REQUEST, b""), frames::query("select 1")].concat();
    wire.send(&both).await;
    assert!(wire.until_closed().await.iter().all(|message| message.tag != b'Z'));
    // Without such bytes the session is encrypted and works.
    let mut wire = Wire::open(&server.uri).await.expect("a connection");
    wire.send(&frames::untyped(SSL_REQUEST, b"")).await;
    assert_eq!(wire.byte().await, Some(b'S'));
    let mut wire = tls::encrypt(wire, &[]).await.expect("a handshake");
    wire.send(&frames::startup(PROTOCOL_3_0, &[("user", "mobula"), ("database", "mobula")])).await;
    // TLS offers channel binding too; the client here says it cannot, which is allowed.
    wire.authenticate(&server.uri.password).await.expect("a session over TLS");
    let answer = wire.query("select 1").await.expect("an answer");
    assert_eq!(answer.rows, [[Some("1".to_owned())]]);
}

#[tokio::test]
async fn direct_tls_wants_its_protocol_named() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let flags = tls::flags(folder.path());
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let server = Mobula::start(&flags);
    let start = frames::startup(PROTOCOL_3_0, &[("user", "mobula"), ("database", "mobula")]);
    let wire = Wire::open(&server.uri).await.expect("a connection");
    let mut wire = tls::encrypt(wire, &[b"postgresql"]).await.expect("a handshake");
    wire.send(&start).await;
    wire.authenticate(&server.uri.password).await.expect("a session");
    let wire = Wire::open(&server.uri).await.expect("a connection");
    if let Ok(mut wire) = tls::encrypt(wire, &[]).await {
        let _ = wire.try_send(&start).await;
        assert!(wire.until_closed().await.iter().all(|message| message.tag == b'E'));
    }
}

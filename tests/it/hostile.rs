//! Does the server stay whole when a logged-in client is broken, slow, gone or hostile? Each entry
//! is something that a stock loop over the Postgres messages does wrong.

use std::time::{Duration, Instant};

use mobula_tests::client;
use mobula_tests::frames::{self, Bind};
use mobula_tests::mobula::Mobula;
use mobula_tests::process::wait_until;
use mobula_tests::wire::{Wire, report};

/// Minutes of work that no statistics answer.
const COMPUTE: &str = "select count(*) from generate_series(1, 1000000) as a(x), \
                       generate_series(1, 1000000) as b(y) where (x + y) % 1000003 = -1";
/// Hours of rows.
const ROWS: &str = "select x, 'a text of some forty characters in a row' as t \
                    from generate_series(1, 1000000) as a(x), generate_series(1, 10000) as b(y)";
/// Calls in calls, as deep as is allowed, are planned in a moment.
#[tokio::test]
async fn nested_calls_are_planned_or_refused() {
    let server = Mobula::start(&[]);
    let mut wire = Wire::login(&server.uri).await;
    wire.query("set statement_timeout = '60s'").await.expect("set");
    let from = "from generate_series(1, 1) as t(x)";
    let nests = [("abs(", ")", 60), ("coalesce(", ", 1)", 8), ("(2 ^ ", ")", 60), ("(", ")", 900)];
    for (open, close, most) in nests {
        for count in [most / 2, most, 2_000] {
            let sql = format!("select {}x{} {from}", open.repeat(count), close.repeat(count));
            if let Err(error) = wire.query(&sql).await {
                assert_eq!((error.code(), count), ("54001", 2_000), "{error}");
            }
        }
    }
    for count in [12, 2_000] {
        let sql = format!("select {}1{}", "(select ".repeat(count), ")".repeat(count));
        if let Err(error) = wire.query(&sql).await {
            assert_eq!((error.code(), count), ("54001", 2_000), "{error}");
        }
    }
}

/// What a cancel or a lost client may take; the machine is shared, so it is generous.
const SOON: Duration = Duration::from_secs(4);
const MIB: usize = 1 << 20;

fn tags(messages: &[mobula_tests::wire::Message]) -> String {
    messages.iter().map(|message| char::from(message.tag)).collect()
}

#[tokio::test]
async fn a_huge_row_limit_allocates_nothing() {
    let server = Mobula::start(&[]);
    let mut wire = Wire::login(&server.uri).await;
    wire.query("select 1").await.expect("warm");
    let before = server.resident_bytes();
    for max_rows in [i32::MAX as u32, i32::MAX as u32 - 1, 1 << 30] {
        wire.send(&frames::extended("select 1 as a", max_rows)).await;
        let answer = wire.answer().await.expect("an answer");
        assert_eq!(answer.rows.len(), 1);
    }
    // A negative limit means none, as in PostgreSQL.
    wire.send(&frames::extended("select 1 as a", u32::MAX)).await;
    assert_eq!(wire.answer().await.expect("an answer").rows.len(), 1);
    let grown = server.resident_bytes().saturating_sub(before);
    assert!(grown < 64 * MIB, "grew by {} MiB", grown / MIB);
}

#[tokio::test]
async fn the_extended_protocol_streams() {
    let server = Mobula::start(&[]);
    let mut wire = Wire::login(&server.uri).await;
    wire.query("select 1").await.expect("warm");
    let before = server.resident_bytes();
    wire.send(&frames::extended(ROWS, 0)).await;
    let started = Instant::now();
    // The whole result is hundreds of gigabytes: the first row says that it is not collected.
    let mut rows = 0_u32;
    while rows < 1_000_000 {
        let message = wire.expect().await;
        assert_ne!(message.tag, b'E', "{}", report(&message.body));
        if message.tag == b'D' {
            if rows == 0 {
                let first = started.elapsed();
                assert!(first < Duration::from_secs(10), "first row after {first:?}");
            }
            rows += 1;
        }
    }
    let grown = server.resident_bytes().saturating_sub(before);
    assert!(grown < 256 * MIB, "grew by {} MiB over a million rows", grown / MIB);
}

#[tokio::test]
async fn a_cancel_request_ends_computing_and_flowing_queries() {
    let server = Mobula::shared();
    for (sql, flows) in [(COMPUTE, false), (ROWS, true)] {
        for request in [frames::query(sql), frames::extended(sql, 0)] {
            let mut wire = Wire::login(&server.uri).await;
            wire.send(&request).await;
            if flows {
                while wire.expect().await.tag != b'D' {}
            }
            let started = Instant::now();
            let ended = loop {
                // Sent again until it hits: before the query has begun there is nothing to cancel.
                let mut other = Wire::open(&server.uri).await.expect("a connection");
                other.send(&frames::cancel(wire.pid, &wire.secret)).await;
                assert!(other.until_closed().await.is_empty(), "a cancel has no answer");
                let next = tokio::time::timeout(Duration::from_millis(500), wire.answer()).await;
                match next {
                    Ok(answer) => break answer,
                    Err(_) => assert!(started.elapsed() < SOON, "not cancelled: {sql}"),
                }
            };
            assert_eq!(ended.expect_err("a cancelled query").code(), "57014");
            let after = wire.query("select 2 as a").await.expect("the next statement is no victim");
            assert_eq!(after.rows, [[Some("2".to_owned())]]);
        }
    }
}

#[tokio::test]
async fn a_forged_key_cancels_nothing() {
    let server = Mobula::shared();
    let mut wire = Wire::login(&server.uri).await;
    wire.send(&frames::query("select count(*) from generate_series(1, 20000000)")).await;
    let mut forged = wire.secret.clone();
    forged[0] ^= 1;
    for secret in [&forged[..], &wire.secret[..wire.secret.len() - 1], b""] {
        let mut other = Wire::open(&server.uri).await.expect("a connection");
        let _ = other.try_send(&frames::cancel(wire.pid, secret)).await;
        other.until_closed().await;
    }
    assert_eq!(wire.answer().await.expect("an answer").rows, [[Some("20000000".to_owned())]]);
}

#[tokio::test]
async fn the_query_of_a_vanished_client_stops() {
    let server = Mobula::start(&[]);
    for request in [frames::query(COMPUTE), frames::extended(COMPUTE, 0)] {
        let mut wire = Wire::login(&server.uri).await;
        wire.send(&request).await;
        let busy = || (cpu_ticks(server.id(), 100) >= 5).then_some(());
        wait_until("the query to compute", Duration::from_secs(20), busy);
        drop(wire);
        let idle = || (cpu_ticks(server.id(), 200) <= 1).then_some(());
        wait_until("the query to stop", SOON, idle);
    }
}

/// Clock ticks of CPU time that a process uses within so many milliseconds.
fn cpu_ticks(pid: u32, window_ms: u64) -> u64 {
    let used = || {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("a process");
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
        fields[11].parse::<u64>().unwrap_or(0) + fields[12].parse::<u64>().unwrap_or(0)
    };
    let before = used();
    // The window of the measurement, not a wait for something.
    std::thread::sleep(Duration::from_millis(window_ms));
    used() - before
}

#[tokio::test]
async fn lengths_that_cannot_be_end_the_session_alone() {
    let server = Mobula::shared();
    for length in [0_u32, 1, 2, 3, 0x4000_0000, 0x8000_0000, u32::MAX] {
        let mut wire = Wire::login(&server.uri).await;
        let before = server.resident_bytes();
        let _ = wire.try_send(&[&[b'Q'][..], &length.to_be_bytes(), b"select 1\0"].concat()).await;
        let said = wire.until_closed().await;
        assert_eq!(tags(&said), "E", "length {length}");
        let error = report(&said[0].body);
        assert_eq!((error.code(), error.field('S')), ("08P01", "FATAL"), "length {length}");
        let grown = server.resident_bytes().saturating_sub(before);
        assert!(grown < 64 * MIB, "a claimed length of {length} took {} MiB", grown / MIB);
    }
}

#[tokio::test]
async fn frames_are_cut_exactly() {
    let server = Mobula::shared();
    // A second message hidden in the first one's body is no message.
    let mut wire = Wire::login(&server.uri).await;
    let hidden = [&b"select 1\0"[..], &frames::query("select 2")].concat();
    wire.send(&frames::message(b'Q', &hidden)).await;
    let said = wire.until_closed().await;
    assert_eq!(tags(&said), "E", "{said:?}");
    assert_eq!(report(&said[0].body).code(), "08P01");
    // Three messages in one packet are three, and a message in many packets is one.
    let mut wire = Wire::login(&server.uri).await;
    let three = ["select 1", "select 2", "select 3"].map(frames::query).concat();
    wire.send(&three).await;
    for number in 1..=3 {
        let answer = wire.answer().await.expect("an answer");
        assert_eq!(answer.rows, [[Some(number.to_string())]]);
    }
    for byte in frames::query("select 4") {
        wire.send(&[byte]).await;
    }
    assert_eq!(wire.answer().await.expect("an answer").rows, [[Some("4".to_owned())]]);
}

#[tokio::test]
async fn bad_utf8_is_an_error_and_not_repaired() {
    let server = Mobula::shared();
    let mut wire = Wire::login(&server.uri).await;
    wire.send(&frames::message(b'Q', b"select '\xff\xfe' as a\0")).await;
    assert_eq!(wire.answer().await.expect_err("no UTF-8").code(), "22021");
    let bind = Bind { values: vec![Some(vec![0xc3, 0x28])], ..Bind::default() };
    let parts = [
        frames::parse("", "select $1 as a", &[25]),
        bind.frame(),
        frames::execute("", 0),
        frames::sync(),
    ];
    wire.send(&parts.concat()).await;
    assert_eq!(wire.answer().await.expect_err("no UTF-8").code(), "22021");
    // NUL cannot be in a text either.
    let bind = Bind { values: vec![Some(b"a\0b".to_vec())], ..Bind::default() };
    let parts = [frames::parse("", "select $1 as a", &[25]), bind.frame(), frames::sync()];
    wire.send(&parts.concat()).await;
    assert_eq!(wire.answer().await.expect_err("a NUL").code(), "22021");
    assert_eq!(wire.query("select 1 as a").await.expect("an answer").rows.len(), 1);
}

#[tokio::test]
async fn counts_are_not_believed() {
    let server = Mobula::shared();
    // Bind that claims 65,535 values, and one whose value claims 2 GiB.
    for body in [&b"\0\0\0\0\xff\xff"[..], b"\0\0\0\0\0\x01\x7f\xff\xff\xff"] {
        let mut wire = Wire::login(&server.uri).await;
        let _ = wire.try_send(&frames::message(b'B', body)).await;
        let _ = wire.try_send(&frames::sync()).await;
        let first = wire.expect().await;
        assert_eq!(report(&first.body).code(), "08P01");
    }
    Wire::login(&server.uri).await.query("select 1").await.expect("the server lives");
}

#[tokio::test]
async fn one_sessions_settings_are_its_own() {
    let server = Mobula::shared();
    let (mut one, mut two) = (Wire::login(&server.uri).await, Wire::login(&server.uri).await);
    let sql = "select '2020-07-01 12:00:00+00'::timestamptz as a";
    one.query("set timezone = 'Asia/Tokyo'").await.expect("a setting");
    let tokyo = one.query(sql).await.expect("an answer").rows;
    let utc = two.query(sql).await.expect("an answer").rows;
    assert_eq!(tokyo, [[Some("2020-07-01 21:00:00+09".to_owned())]]);
    assert_eq!(utc, [[Some("2020-07-01 12:00:00+00".to_owned())]]);
    assert_eq!(one.parameters["TimeZone"], "Asia/Tokyo", "the change was reported");
}

#[tokio::test]
async fn a_portal_gives_its_rows_in_parts() {
    let server = Mobula::shared();
    let mut client = client::connect(&server.uri).await;
    let transaction = client.transaction().await.expect("a transaction");
    let sql = "select x::int4 from generate_series(1, 2500) as a(x) order by 1";
    let portal = transaction.bind(sql, &[]).await.expect("a portal");
    let mut sizes = Vec::new();
    let mut sum = 0_i64;
    loop {
        let rows = transaction.query_portal(&portal, 1000).await.expect("rows");
        sum += rows.iter().map(|row| i64::from(row.get::<_, i32>(0))).sum::<i64>();
        sizes.push(rows.len());
        if rows.len() < 1000 {
            break;
        }
    }
    assert_eq!((sizes, sum), (vec![1000, 1000, 500], 2500 * 2501 / 2));
}

#[tokio::test]
async fn floods_of_statements_meet_a_limit() {
    let server = Mobula::start(&["--max-prepared-statements", "100", "--max-portals", "100"]);
    let mut wire = Wire::login(&server.uri).await;
    let parses: Vec<u8> =
        (0..200).flat_map(|n| frames::parse(&format!("s{n}"), "select 1", &[])).collect();
    wire.send(&[parses, frames::sync()].concat()).await;
    assert_eq!(wire.answer().await.expect_err("a limit").code(), "53400");
    let mut wire = Wire::login(&server.uri).await;
    wire.query("begin").await.expect("a transaction");
    let name: Vec<String> = (0..200).map(|number| format!("p{number}")).collect();
    let binds: Vec<u8> =
        name.iter().flat_map(|n| Bind { portal: n, ..Bind::default() }.frame()).collect();
    let parts = [frames::parse("", "select 1", &[]), binds, frames::sync()];
    wire.send(&parts.concat()).await;
    assert_eq!(wire.answer().await.expect_err("a limit").code(), "53400");
}

#[tokio::test]
async fn a_megabyte_of_terms_is_answered_or_refused() {
    let server = Mobula::start(&[]);
    for sql in [
        format!("select 1{}", "+1".repeat(500_000)),
        format!("select 1 where 1=0{}", " or 1=1".repeat(140_000)),
        format!("select {}1{}", "(".repeat(500_000), ")".repeat(500_000)),
        format!("select 1{}", " union all select 1".repeat(55_000)),
        format!("select {}1", "- ".repeat(500_000)),
        format!("select 1 where 1 in (1{})", ",1".repeat(200_000)),
    ] {
        let mut wire = Wire::login(&server.uri).await;
        if let Err(error) = wire.query(&sql).await {
            assert!(["54000", "54001"].contains(&error.code()), "{error}: {}", &sql[..30]);
        }
        wire.query("select 1").await.expect("the session goes on");
    }
}

#[tokio::test]
async fn sessions_end_where_they_say() {
    let server = Mobula::shared();
    let mut wire = Wire::login(&server.uri).await;
    wire.query("set idle_session_timeout = '300ms'").await.expect("a setting");
    let said = wire.until_closed().await;
    assert_eq!(report(&said[0].body).code(), "57P05");
    let mut wire = Wire::login(&server.uri).await;
    wire.query("set idle_in_transaction_session_timeout = '300ms'").await.expect("a setting");
    wire.query("begin").await.expect("a transaction");
    let said = wire.until_closed().await;
    assert_eq!(report(&said[0].body).code(), "25P03");
    let mut wire = Wire::login(&server.uri).await;
    wire.send(&frames::terminate()).await;
    assert!(wire.until_closed().await.is_empty(), "Terminate has no answer");
}

#[tokio::test]
async fn connections_have_a_limit_with_room_for_the_admin() {
    let server =
        Mobula::start(&["--max-connections", "5", "--superuser-reserved-connections", "2"]);
    let mut open = Vec::new();
    for _ in 0..5 {
        open.push(Wire::login(&server.uri).await);
    }
    let start = [("user", "mobula"), ("database", "mobula")];
    let mut wire = Wire::open(&server.uri).await.expect("a connection");
    wire.send(&frames::startup(frames::PROTOCOL_3_0, &start)).await;
    let refused = wire.authenticate(&server.uri.password).await.expect_err("one too many");
    assert_eq!((refused.code(), refused.field('S')), ("53300", "FATAL"));
    drop(open.pop());
    // The place is free once the server has seen the end of the other session.
    let end = Instant::now() + SOON;
    loop {
        let mut wire = Wire::open(&server.uri).await.expect("a connection");
        wire.send(&frames::startup(frames::PROTOCOL_3_0, &start)).await;
        if wire.authenticate(&server.uri.password).await.is_ok() {
            break;
        }
        assert!(Instant::now() < end, "the place of an ended session stays taken");
    }
}

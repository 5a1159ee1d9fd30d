//! Does each wrong statement get PostgreSQL's SQLSTATE? The table is asked of Mobula in both
//! protocols and, where one is installed, of a PostgreSQL. XX000, a bug by definition, never comes.
//! Where we answer otherwise, a row says what we answer: a change, better or worse, is seen.

use std::time::Duration;

use mobula_tests::mobula::Mobula;
use mobula_tests::postgres::Postgres;
use mobula_tests::uri::Uri;
use mobula_tests::wire::Wire;

/// What one row of the table may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Made before, dropped after: what the statements below go wrong over.
const SETUP: &[&str] = &[
    "drop schema if exists full_schema cascade",
    "drop view if exists errors_v",
    "drop table if exists errors_t",
    "create table errors_t as select 1 as a, 'x'::text as b, 2.5::float8 as f",
    "create view errors_v as select a from errors_t",
    "create schema full_schema",
    "create table full_schema.inner_t as select 1 as a",
];

/// Statement and SQLSTATE. Of several lines all but the last succeed first.
const AS_POSTGRES: &[(&str, &str)] = &[
    ("selec 1", "42601"),
    ("select 1 from", "42601"),
    ("select (1", "42601"),
    ("select * from errors_t where", "42601"),
    ("select 'never closed", "42601"),
    ("select a, from errors_t", "42601"),
    ("select 1 union select 1, 2", "42601"),
    ("select nope from errors_t", "42703"),
    ("select errors_t.nope from errors_t", "42703"),
    ("select a from errors_t group by nope", "42703"),
    ("select a from errors_t order by nope", "42703"),
    ("select a from errors_t where nope > 1", "42703"),
    ("select * from nope", "42P01"),
    ("select * from nope.nope", "42P01"),
    ("drop table nope", "42P01"),
    ("drop view nope", "42P01"),
    ("create view v_nope as select * from nope", "42P01"),
    ("select nope(1)", "42883"),
    ("select nope.a from errors_t", "42P01"),
    ("select 1::nope", "42704"),
    ("select lower('a', 'b')", "42883"),
    ("select sum('x'::text)", "42883"),
    ("select 1 + true", "42883"),
    ("select date '2020-01-01' * 2", "42883"),
    ("select a, count(*) from errors_t", "42803"),
    ("select b from errors_t group by a", "42803"),
    ("select a from errors_t where sum(a) > 1", "42803"),
    ("select sum(sum(a)) from errors_t", "42803"),
    ("select a from errors_t having a > 1", "42803"),
    ("select a from errors_t x, errors_t y", "42702"),
    ("select 1 from errors_t, errors_t", "42712"),
    ("set nope = 1", "42704"),
    ("show nope", "42704"),
    ("reset nope", "42704"),
    ("select 1 union select true", "42804"),
    ("select 1 where 1", "42804"),
    ("select a from errors_t group by 5", "42P10"),
    ("select 1 order by 2", "42P10"),
    ("create table twice as select 1 as a, 2 as a", "42701"),
    ("create table errors_t as select 1 as a", "42P07"),
    ("create view errors_t as select 1 as a", "42P07"),
    ("create schema full_schema", "42P06"),
    ("drop view errors_t", "42809"),
    ("drop table errors_v", "42809"),
    ("drop table errors_t", "2BP01"),
    ("drop schema full_schema", "2BP01"),
    ("drop schema nope", "3F000"),
    ("create table nope.t as select 1 as a", "3F000"),
    ("prepare p as select 1\nprepare p as select 2", "42P05"),
    ("execute nope", "26000"),
    ("deallocate nope", "26000"),
    ("prepare p as select $1::int\nexecute p(1, 2)", "42601"),
    ("close nope", "34000"),
    ("select 1/0", "22012"),
    ("select 1 % 0", "22012"),
    ("select 1.0 / 0", "22012"),
    ("select 1.0::float8 / 0", "22012"),
    ("select a / (a - 1) from errors_t", "22012"),
    ("select f / (a - 1) from errors_t", "22012"),
    ("select 2147483647 + 1", "22003"),
    ("select 9223372036854775807 + 1", "22003"),
    ("select -9223372036854775808 - 1", "22003"),
    ("select 9223372036854775807 * 2", "22003"),
    ("select (a + 2147483646) * 2 from errors_t", "22003"),
    ("select 3000000000::int", "22003"),
    ("select 40000::smallint", "22003"),
    ("select 1e30::bigint", "22003"),
    ("select 123.45::numeric(4,2)", "22003"),
    ("select 'x'::int", "22P02"),
    ("select '1.5x'::numeric", "22P02"),
    ("select 'maybe'::bool", "22P02"),
    ("select '1e'::float8", "22P02"),
    ("select b::int from errors_t", "22P02"),
    ("select 'x'::date", "22007"),
    ("select 'x'::timestamp", "22007"),
    ("select 'x'::interval", "22007"),
    ("select '2020-02-30'::date", "22008"),
    ("select 'a' ~ '('", "2201B"),
    ("set statement_timeout = 'soon'", "22023"),
    ("set timezone = 'Nowhere/Town'", "22023"),
    ("set client_min_messages = 'loud'", "22023"),
    ("set server_version = '1'", "55P02"),
    ("select 1 limit -1", "2201W"),
    ("select 1 offset -1", "2201X"),
    ("select (select n from (values (1), (2)) as v(n))", "21000"),
    ("begin\nselect 1\nselect nope", "42703"),
    (
        "set statement_timeout = 200\nselect count(*) from generate_series(1, 1000000) as a(x), \
      generate_series(1, 1000000) as b(y) where (x + y) % 1000003 = -1",
        "57014",
    ),
    ("savepoint s", "25P01"),
    ("release savepoint s", "25P01"),
    ("rollback to savepoint s", "25P01"),
    ("rollback and chain", "25P01"),
    ("declare c cursor for select 1", "25P01"),
    ("fetch 1 from no_such_cursor", "34000"),
    ("move no_such_cursor", "34000"),
    ("fetch absolute from c", "42601"),
];

/// Where we answer otherwise: statement, what PostgreSQL answers, what we answer, why.
const DEVIATIONS: &[(&str, &str, &str, &str)] = &[
    (
        "select a from errors_t where row_number() over () > 1",
        "42P20",
        "0A000",
        "a window function in WHERE reaches the physical planner",
    ),
    ("select true::date", "42846", "0A000", "a cast that cannot be is one that is not supported"),
    (
        "select (date '2020-01-01')::int",
        "42846",
        "no error but SELECT 1",
        "the engine casts a date to its day number",
    ),
    (
        "select case when 1 then 2 end",
        "42804",
        "no error but SELECT 1",
        "the engine takes a number for a condition",
    ),
    (
        "create view twice as select 1 as a, 2 as a",
        "42701",
        "no error but CREATE VIEW",
        "columns of a view are not looked at when it is made",
    ),
];

/// What PostgreSQL answers otherwise or does not have.
const OUR_OWN: &[(&str, &str)] = &[
    ("create table t (a int)", "0A000"),
    ("insert into errors_t values (1)", "0A000"),
    ("update errors_t set a = 2", "0A000"),
    ("delete from errors_t", "0A000"),
    ("truncate errors_t", "0A000"),
    ("create index on errors_t (a)", "0A000"),
    ("create function f() returns int as 'select 1' language sql", "0A000"),
    ("grant usage on sequence s to mobula", "0A000"),
    ("select a into made from errors_t", "0A000"),
    ("select * from errors_t tablesample system (10)", "0A000"),
    ("create temporary table t as select 1 as a", "0A000"),
    ("set datafusion.execution.batch_size = 1", "42704"),
    ("set datafusion.runtime.memory_limit = '1G'", "42704"),
    ("create external table t stored as csv location '/etc/passwd'", "42501"),
    ("create external table t stored as csv location 'file:///etc/passwd'", "42501"),
    ("create external table t stored as csv location '../x'", "42501"),
    ("create external table t stored as csv location 's3://bucket/x'", "0A000"),
    ("create external table t stored as csv location 'nothing_here.csv'", "58P01"),
    (
        "copy (select 1 as a) to 'once_more.csv'\n\
         create external table t stored as avro location 'once_more.csv'",
        "0A000",
    ),
    ("copy (select 1 as a) to '/etc/made.csv'", "42501"),
    ("copy (select 1 as a) to 'out/x.xlsx'", "0A000"),
    ("copy (select 1 as a) to 'once.csv'\ncopy (select 1 as a) to 'once.csv'", "58P02"),
    ("copy (select 1/0 as a) to 'never.csv'", "22012"),
];

/// The SQLSTATE that a row of the table gets.
async fn state_of(uri: &Uri, statements: &str, extended: bool) -> String {
    let mut wire = Wire::login(uri).await;
    let mut lines: Vec<&str> = statements.lines().collect();
    let last = lines.pop().unwrap_or_default();
    for line in lines {
        if let Err(error) = wire.query(line).await {
            return format!("{} from \"{line}\"", error.code());
        }
    }
    let answer = if extended { wire.extended(last).await } else { wire.query(last).await };
    let state = match answer {
        Ok(answer) => format!("no error but {}", answer.tag),
        Err(error) => error.code().to_owned(),
    };
    // The session goes on, in a transaction too.
    let after = wire.query("rollback").await;
    if let Err(error) = after { format!("{state}, then {error}") } else { state }
}

async fn check(uri: &Uri, rows: &[(&str, &str)], extended: bool) {
    let mut setup = Wire::login(uri).await;
    for sql in SETUP {
        setup.query(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
    let mut wrong = Vec::new();
    for (statements, expected) in rows {
        // A name is used once in each protocol: files are never replaced.
        let statements = &statements.replace("once", if extended { "once_e" } else { "once_s" });
        let answer = tokio::time::timeout(PATIENCE, state_of(uri, statements, extended)).await;
        let got = answer.unwrap_or_else(|_| format!("no answer within {PATIENCE:?}"));
        if got != *expected {
            wrong.push(format!("{statements}\n  expected {expected}, got {got}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}

/// What Mobula answers to every statement here.
fn ours() -> Vec<(&'static str, &'static str)> {
    let deviations = DEVIATIONS.iter().map(|(sql, _, got, _)| (*sql, *got));
    AS_POSTGRES.iter().chain(OUR_OWN).copied().chain(deviations).collect()
}

/// What PostgreSQL answers to those that it has too.
fn theirs() -> Vec<(&'static str, &'static str)> {
    let deviations = DEVIATIONS.iter().map(|(sql, expected, _, _)| (*sql, *expected));
    AS_POSTGRES.iter().copied().chain(deviations).collect()
}

#[test]
fn deviations_are_honest() {
    for (sql, expected, got, why) in DEVIATIONS {
        assert_ne!(*got, "XX000", "{sql}: a bug is not a deviation");
        assert!(expected != got && !why.is_empty(), "{sql}");
    }
}

#[tokio::test]
async fn simple_protocol() {
    let server = Mobula::start(&[]);
    check(&server.uri, &ours(), false).await;
    println!("errors: {} as PostgreSQL, {} deviate", AS_POSTGRES.len(), DEVIATIONS.len());
}

#[tokio::test]
async fn extended_protocol() {
    let server = Mobula::start(&[]);
    check(&server.uri, &ours(), true).await;
}

#[tokio::test]
async fn postgres_agrees() {
    let Some(server) = Postgres::shared() else {
        eprintln!("PostgreSQL is not installed: the table is not compared with it");
        return;
    };
    check(&server.uri, &theirs(), false).await;
    check(&server.uri, &theirs(), true).await;
}

#[tokio::test]
async fn messages_have_places_and_hints() {
    let server = Mobula::shared();
    let mut wire = Wire::login(&server.uri).await;
    for (sql, message, position, hint) in [
        ("select nam from (values (1)) as t(name)", "column \"nam\" does not exist", "8", "name"),
        ("select * from nope", "relation \"nope\" does not exist", "15", ""),
        ("select 1 +", "syntax error at end of input", "11", ""),
        ("selec 1", "syntax error at or near \"selec\"", "1", ""),
        ("select 'é', nope", "column \"nope\" does not exist", "13", ""),
    ] {
        let error = wire.query(sql).await.expect_err(sql);
        assert_eq!(error.field('M'), message, "{sql}");
        assert_eq!(error.field('P'), position, "{sql}");
        assert!(error.field('H').contains(hint), "{sql}: {}", error.field('H'));
        assert_eq!(error.field('S'), "ERROR", "{sql}");
    }
}

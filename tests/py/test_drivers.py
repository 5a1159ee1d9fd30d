"""Drivers as their users have them: psycopg 3, asyncpg, pgjdbc and psqlodbc.

The expected values are PostgreSQL's; every test here also passes against it.
"""

import asyncio
import datetime
import decimal
import os
import threading
import uuid

import asyncpg
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

import debian
from jdbc import run_java
from process import wait_busy, wait_until
from test_slow_and_cancel import COMPUTE

UTC = datetime.timezone.utc
DATE = datetime.date(2024, 2, 29)
STAMP = datetime.datetime(2024, 2, 29, 13, 14, 15, 123456)
BIG = decimal.Decimal("12345678901234567890.1234567891")

# (SQL, Python value): one row per type, the value as psycopg and asyncpg both give it.
VALUES = [
    ("true", True),
    ("false", False),
    ("'-32768'::int2", -32768),
    ("2147483647::int4", 2147483647),
    ("(-9223372036854775808)::int8", -9223372036854775808),
    ("1.5::float4", 1.5),
    ("0.1::float8", 0.1),
    ("0.1::float", 0.1),
    ("'NaN'::float8 = 'NaN'::float8", True),
    ("'-Infinity'::float8", float("-inf")),
    ("123.450::numeric(10,3)", decimal.Decimal("123.450")),
    ("-0.00000012::numeric(20,8)", decimal.Decimal("-0.00000012")),
    ("10000::numeric(10,0)", decimal.Decimal("10000")),
    ("12345678901234567890.1234567891::numeric(38,10)", BIG),
    ("'h\u00e9llo \U0001f600'::text", "h\u00e9llo \U0001f600"),
    ("''::text", ""),
    ("'abc'::varchar(10)", "abc"),
    ("'ab'::char(4)", "ab  "),
    ("'\\x00ff10'::bytea", b"\x00\xff\x10"),
    ("'2024-02-29'::date", DATE),
    ("'1900-01-01'::date", datetime.date(1900, 1, 1)),
    ("'13:14:15.123456'::time", datetime.time(13, 14, 15, 123456)),
    ("'2024-02-29 13:14:15.123456'::timestamp", STAMP),
    ("'1969-12-31 23:59:59.5'::timestamp", datetime.datetime(1969, 12, 31, 23, 59, 59, 500000)),
    ("'2024-02-29 13:14:15.123456+00'::timestamptz", STAMP.replace(tzinfo=UTC)),
    ("'1 day 02:03:04'::interval", datetime.timedelta(days=1, hours=2, minutes=3, seconds=4)),
    ("'{1,2,NULL}'::int4[]", [1, 2, None]),
    ("ARRAY['a','b\"c,d','']::text[]", ["a", 'b"c,d', ""]),
    ("'{}'::int8[]", []),
    ("NULL::int4", None),
    ("NULL::text", None),
    ("NULL::numeric", None),
    ("NULL::interval", None),
    ("NULL::timestamptz", None),
]
# (type, Python value) sent as a parameter and read back.
PARAMETERS = [
    ("bool", True), ("int2", -7), ("int4", 70_000), ("int8", -(2**62)), ("float8", 0.1),
    ("numeric", decimal.Decimal("-12345.6789")), ("text", "a'b\\c\u00e9"), ("varchar", "abc"),
    ("bytea", b"\x00\x01\xff"), ("date", DATE), ("time", datetime.time(1, 2, 3, 4)),
    ("timestamp", STAMP), ("timestamptz", STAMP.replace(tzinfo=UTC)),
    ("interval", datetime.timedelta(days=3, seconds=5)), ("int4[]", [1, None, 3]),
    ("text[]", ["x", None, 'y"']), ("int4", None), ("text", None),
]
# (SQL, SQLSTATE), as PostgreSQL's.
ERRORS = [
    ("SELECT * FROM does_not_exist", "42P01"),
    ("SELECT does_not_exist FROM lineitem", "42703"),
    ("SELECT does_not_exist(1)", "42883"),
    ("SELEC 1", "42601"),
    ("SELECT l_orderkey FROM lineitem AS a, lineitem AS b", "42702"),
    ("SELECT l_orderkey, count(*) FROM lineitem", "42803"),
    ("SELECT 1 / 0", "22012"),
    ("SELECT 'x'::int4", "22P02"),
    ("SELECT '2020-13-45'::date", "22008"),
    ("SELECT 99999999999::int8::int4", "22003"),
    ("SELECT 9223372036854775807::int8 + 1", "22003"),
    ("SHOW does_not_exist", "42704"),
    ("SET does_not_exist = 1", "42704"),
    ("EXECUTE does_not_exist", "26000"),
    ("SELECT * FROM does_not_exist.t", "42P01"),
    ("CREATE VIEW does_not_exist.v AS SELECT 1", "3F000"),
    ("DROP TABLE does_not_exist", "42P01"),
]


@pytest.fixture(scope="module")
def connection(server):
    with server.connect() as connected:
        connected.execute("SET TimeZone = 'UTC'")
        yield connected


# --- psycopg 3 ---------------------------------------------------------------------------------

@pytest.mark.parametrize("binary", [False, True], ids=["text", "binary"])
@pytest.mark.parametrize("sql, value", VALUES, ids=[sql for sql, _ in VALUES])
def test_psycopg_values(connection, sql, value, binary):
    got = connection.execute(f"SELECT {sql} AS it", binary=binary).fetchone()[0]
    assert got == value and type(got) is type(value)


@pytest.mark.parametrize("binary", [False, True], ids=["text", "binary"])
def test_psycopg_uuid_and_json(connection, binary):
    row = connection.execute(
        "SELECT '6ba7b810-9dad-11d1-80b4-00c04fd430c8'::uuid, '{\"a\": [1, null]}'::json",
        binary=binary).fetchone()
    assert row == (uuid.UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8"), {"a": [1, None]})


@pytest.mark.parametrize("binary", [False, True], ids=["text", "binary"])
@pytest.mark.parametrize("kind, value", PARAMETERS)
def test_psycopg_parameters(connection, kind, value, binary):
    mark = "%b" if binary else "%t"
    got = connection.execute(f"SELECT {mark}::{kind}", [value], binary=binary).fetchone()[0]
    assert got == value


def test_psycopg_parameter_types_are_inferred(connection):
    row = connection.execute(
        "SELECT count(*) FROM lineitem WHERE l_orderkey = %s AND l_shipdate > %s",
        [1, datetime.date(1990, 1, 1)]).fetchone()
    want = connection.execute("SELECT count(*) FROM lineitem WHERE l_orderkey = 1").fetchone()
    assert row == want


def test_psycopg_any_array(connection):
    rows = connection.execute(
        "SELECT n_nationkey FROM nation WHERE n_nationkey = ANY(%s) ORDER BY 1", [[3, 1]])
    assert rows.fetchall() == [(1,), (3,)]


def test_psycopg_prepared(server):
    with server.connect(prepare_threshold=2) as connected:
        for number in range(10):
            got = connected.execute("SELECT %s::int4 + 1, 'x'", [number]).fetchone()
            assert got == (number + 1, "x")
        got = connected.execute("SELECT %s::text", ["now"], prepare=True).fetchone()
        assert got == ("now",)
        connected.execute("DEALLOCATE ALL")
        assert connected.execute("SELECT 1").fetchone() == (1,)


def test_psycopg_prepare_and_execute_in_sql(server):
    with server.connect() as connected:
        connected.execute("PREPARE plus AS SELECT $1::int4 + $2::int4")
        assert connected.execute("EXECUTE plus(40, 2)").fetchone() == (42,)
        with pytest.raises(psycopg.errors.DuplicatePreparedStatement):
            connected.execute("PREPARE plus AS SELECT 1")
        connected.execute("DEALLOCATE plus")
        with pytest.raises(psycopg.errors.InvalidSqlStatementName):
            connected.execute("EXECUTE plus(1, 2)")


def test_psycopg_pipeline(server):
    with server.connect() as connected, connected.pipeline():
        cursors = [connected.execute("SELECT %s::int4", [number]) for number in range(100)]
        assert [cursor.fetchone()[0] for cursor in cursors] == list(range(100))


def test_psycopg_pipeline_after_an_error(server):
    with server.connect() as connected:
        with pytest.raises(psycopg.errors.DivisionByZero), connected.pipeline():
            connected.execute("SELECT 1 / 0")
            connected.execute("SELECT 1")
        assert connected.execute("SELECT 2").fetchone() == (2,)


def test_psycopg_server_side_cursor(server):
    with server.connect(autocommit=False) as connected:
        with connected.cursor("named") as cursor:
            cursor.itersize = 1000
            cursor.execute("SELECT l_orderkey FROM lineitem WHERE l_orderkey > %s LIMIT 5000", [7])
            assert sum(1 for _ in cursor) == 5000
        with connected.cursor("any way", scrollable=True, binary=True) as cursor:
            sql = "SELECT l_orderkey, l_comment FROM lineitem ORDER BY 1, l_linenumber LIMIT 9000"
            cursor.execute(sql)
            rows = cursor.fetchall()
            assert rows == connected.execute(sql).fetchall()
            cursor.scroll(8000, mode="absolute")
            assert cursor.fetchmany(3) == rows[8000:8003]
            cursor.scroll(-5000)
            assert cursor.fetchone() == rows[3003]
        held = connected.cursor("held", withhold=True)
        held.execute("SELECT o_orderkey FROM orders ORDER BY 1 LIMIT 10")
        first = held.fetchone()
        connected.commit()
        rest = connected.execute("SELECT o_orderkey FROM orders ORDER BY 1 LIMIT 10").fetchall()
        assert [first, *held.fetchall()] == rest
        held.close()


def test_psycopg_stream(connection):
    rows = connection.cursor().stream("SELECT l_orderkey FROM lineitem LIMIT 5000")
    assert sum(1 for _ in rows) == 5000


def test_psycopg_several_statements(connection):
    cursor = connection.execute("SELECT 1; SELECT 2, 3; SELECT 4 WHERE false")
    got = [cursor.fetchall()]
    while cursor.nextset():
        got.append(cursor.fetchall())
    assert got == [[(1,)], [(2, 3)], []]


def test_psycopg_description(connection):
    cursor = connection.execute("SELECT 1 AS a, 'x'::text AS b, 1.25::numeric(10,2) AS c")
    described = [(column.name, column.type_code) for column in cursor.description]
    assert described == [("a", 23), ("b", 25), ("c", 1700)]
    assert (cursor.description[2].precision, cursor.description[2].scale) == (10, 2)


@pytest.mark.parametrize("sql, sqlstate", ERRORS, ids=[sql for sql, _ in ERRORS])
def test_psycopg_errors(connection, sql, sqlstate):
    with pytest.raises(psycopg.Error) as caught:
        connection.execute(sql)
    assert caught.value.sqlstate == sqlstate, caught.value
    assert caught.value.diag.severity_nonlocalized == "ERROR"
    assert connection.execute("SELECT 1").fetchone() == (1,)


def test_psycopg_error_position(connection):
    with pytest.raises(psycopg.errors.UndefinedColumn) as caught:
        connection.execute("SELECT l_orderkez FROM lineitem")
    assert caught.value.diag.statement_position == "8"
    assert caught.value.diag.message_primary == 'column "l_orderkez" does not exist'
    assert "l_orderkey" in caught.value.diag.message_hint


def test_psycopg_transactions(server):
    with server.connect(autocommit=False) as connected:
        status = psycopg.pq.TransactionStatus
        connected.execute("SELECT 1")
        assert connected.info.transaction_status == status.INTRANS
        with pytest.raises(psycopg.errors.DivisionByZero):
            connected.execute("SELECT 1 / 0")
        assert connected.info.transaction_status == status.INERROR
        with pytest.raises(psycopg.errors.InFailedSqlTransaction):
            connected.execute("SELECT 1")
        connected.rollback()
        assert connected.info.transaction_status == status.IDLE
        assert connected.execute("SELECT 1").fetchone() == (1,)
        connected.commit()
        assert connected.info.transaction_status == status.IDLE


def test_psycopg_settings(server):
    with server.connect(application_name="a test") as connected:
        show = lambda name: connected.execute(f"SHOW {name}").fetchone()[0]
        assert show("application_name") == "a test"
        assert show("client_encoding") == "UTF8" and show("standard_conforming_strings") == "on"
        connected.execute("SET TimeZone = 'Europe/Vienna'")
        assert connected.info.parameter_status("TimeZone") == "Europe/Vienna"
        got = connected.execute("SELECT '2024-07-01 12:00:00+00'::timestamptz::text").fetchone()[0]
        assert got == "2024-07-01 14:00:00+02"
        connected.execute("RESET TimeZone")
        assert connected.execute("SELECT current_setting('TimeZone')").fetchone()[0] != got
        connected.execute("DISCARD ALL")
    with server.connect() as other:
        assert other.execute("SHOW application_name").fetchone()[0] != "a test"


def test_psycopg_wrong_password(server):
    with pytest.raises(psycopg.OperationalError) as caught:
        psycopg.connect(server.uri, password="wrong")
    assert "password authentication failed" in str(caught.value)


# --- asyncpg -----------------------------------------------------------------------------------

AGAINST = os.environ.get("MOBULA_TESTS_AGAINST")


def with_asyncpg(server, work):
    """Runs `await work(connection)`."""

    async def run():
        connected = await asyncpg.connect(server.uri, timeout=20)
        try:
            await connected.execute("SET TimeZone = 'UTC'")
            return await work(connected)
        finally:
            await connected.close(timeout=20)

    return asyncio.run(run())


def test_asyncpg_values(server):
    async def work(connected):
        for sql, value in VALUES:
            got = await connected.fetchval(f"SELECT {sql} AS it")
            assert got == value and type(got) is type(value), sql

    with_asyncpg(server, work)


def test_asyncpg_parameters(server):
    async def work(connected):
        for kind, value in PARAMETERS:
            assert await connected.fetchval(f"SELECT $1::{kind}", value) == value, kind

    with_asyncpg(server, work)


def test_asyncpg_prepared(server):
    async def work(connected):
        statement = await connected.prepare(
            "SELECT n_name, n_nationkey + $1::int8 AS k FROM nation WHERE n_nationkey = $2::int8")
        assert [kind.name for kind in statement.get_parameters()] == ["int8", "int8"]
        assert [a.name for a in statement.get_attributes()] == ["n_name", "k"]
        for key in range(25):
            row = await statement.fetchrow(100, key)
            assert row["k"] == 100 + key

    with_asyncpg(server, work)


@pytest.mark.xfail(AGAINST != "postgres", strict=True, reason="MOVE of a portal")
def test_asyncpg_cursor(server):
    """Reads in portions through one portal: Execute with a row limit, PortalSuspended."""

    async def work(connected):
        async with connected.transaction():
            keys = [row[0] async for row in connected.cursor(
                "SELECT o_orderkey FROM orders ORDER BY o_orderkey LIMIT 10000", prefetch=777)]
            assert len(keys) == 10000 and keys == sorted(keys)
            cursor = await connected.cursor("SELECT n_nationkey FROM nation ORDER BY 1")
            assert [row[0] for row in await cursor.fetch(10)] == list(range(10))
            await cursor.forward(10)
            assert [row[0] for row in await cursor.fetch(100)] == list(range(20, 25))

    with_asyncpg(server, work)


def test_asyncpg_errors(server):
    async def work(connected):
        for sql, sqlstate in ERRORS:
            with pytest.raises(asyncpg.PostgresError) as caught:
                await connected.fetch(sql)
            assert caught.value.sqlstate == sqlstate, sql
        assert await connected.fetchval("SELECT 1") == 1

    with_asyncpg(server, work)


def test_asyncpg_timeout_cancels(server):
    async def work(connected):
        with pytest.raises(asyncio.TimeoutError):
            await connected.fetch(COMPUTE, timeout=0.5)
        for number in range(20):
            assert await connected.fetchval("SELECT $1::int4", number) == number

    with_asyncpg(server, work)


def test_asyncpg_pool(server):
    async def run():
        async with asyncpg.create_pool(server.uri, min_size=2, max_size=8) as pool:
            got = await asyncio.gather(
                *(pool.fetchval("SELECT $1::int8 * 2", number) for number in range(200)))
            assert got == [number * 2 for number in range(200)]

    asyncio.run(run())


# --- pgjdbc ------------------------------------------------------------------------------------

JDBC_CASES = [
    "types_text", "types_prepared", "types_binary", "parameters", "nulls", "fetch_size",
    "batch_of_results", "errors", "aborted_transaction", "cancel", "query_timeout",
    "metadata_product", "metadata_tables", "metadata_columns", "result_metadata", "settings",
]


@pytest.fixture(scope="module")
def jdbc(server):
    """Runs every case once: {case: what it printed}."""
    result = run_java(server, "Drivers.java", COMPUTE, *JDBC_CASES, timeout_s=300)
    lines = [line.split("\t", 2) for line in result.stdout.splitlines() if "\t" in line]
    return {line[0]: line[1:] for line in lines}, result.stderr


@pytest.mark.parametrize("case", JDBC_CASES)
def test_jdbc(jdbc, case):
    seen, stderr = jdbc
    assert case in seen, stderr[-2000:]
    assert seen[case][0] == "ok", seen[case]


# --- psqlodbc ----------------------------------------------------------------------------------

@pytest.fixture(params=["", "UseDeclareFetch=1;Fetch=1000;"], ids=["all at once", "by cursors"])
def odbc(server, request):
    try:
        debian.require("/usr/lib/*/libodbcinst.so.2", "unixodbc")
        driver = debian.require("/usr/lib/*/odbc/psqlodbcw.so", "odbc-postgresql")
    except debian.Missing as missing:
        pytest.skip(str(missing))
    import pyodbc
    parts = conninfo_to_dict(server.uri)
    connected = pyodbc.connect(
        f"DRIVER={driver};SERVER={parts['host']};PORT={parts['port']};UID={parts['user']};"
        f"PWD={parts['password']};DATABASE={parts['dbname']};{request.param}",
        autocommit=True)
    yield connected
    connected.close()


def test_odbc_values(odbc):
    row = odbc.execute(
        "SELECT true, 7::int2, 70000::int4, 5000000000::int8, 0.1::float8, 1.25::numeric(10,2),"
        " 'h\u00e9llo'::text, '2024-02-29'::date, '2024-02-29 13:14:15.123456'::timestamp,"
        " '\\x00ff'::bytea, NULL::int4").fetchone()
    assert list(row) == [
        "1", 7, 70000, 5000000000, 0.1, decimal.Decimal("1.25"), "h\u00e9llo", DATE, STAMP,
        b"\x00\xff", None]


def test_odbc_parameters(odbc):
    row = odbc.execute(
        "SELECT ?::int4 + 1, ?::text, ?::numeric(10,2), ?::date, ?::timestamp, ?::float8",
        41, "a'b", decimal.Decimal("1.25"), DATE, STAMP, 0.1).fetchone()
    assert list(row) == [42, "a'b", decimal.Decimal("1.25"), DATE, STAMP, 0.1]


def test_odbc_many_rows(odbc):
    rows = odbc.execute("SELECT o_orderkey, o_comment FROM orders LIMIT 20000").fetchall()
    assert len(rows) == 20000


def test_odbc_errors(odbc):
    import pyodbc
    # psqlodbc translates some SQLSTATEs itself; these it passes on.
    for sql, sqlstate in (("SELECT 1 / 0", "22012"), ("SELECT 'x'::int4", "22P02"),
                          ("SELECT * FROM does_not_exist", "42P01")):
        with pytest.raises(pyodbc.Error) as caught:
            odbc.execute(sql).fetchall()
        assert sqlstate in str(caught.value) or caught.value.args[0] == sqlstate, caught.value
    assert odbc.execute("SELECT 1").fetchone()[0] == 1


def test_odbc_cancel(odbc, server):
    import pyodbc
    cursor = odbc.cursor()
    failed = []

    def run():
        try:
            cursor.execute(COMPUTE)
        except pyodbc.Error as error:
            failed.append(error)

    backend = odbc.execute("SELECT pg_backend_pid()").fetchone()[0]
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    wait_busy(server.worker_pid(backend))
    cursor.cancel()
    wait_until("the query to end", lambda: failed, 20)
    thread.join(20)
    assert "canceling statement" in str(failed[0]) or failed[0].args[0] == "57014"
    assert odbc.execute("SELECT 1").fetchone()[0] == 1


def test_odbc_catalog(odbc):
    tables = {row.table_name for row in odbc.cursor().tables(schema="public")}
    assert {"lineitem", "orders", "nation"} <= tables
    columns = [row.column_name for row in odbc.cursor().columns(table="nation", schema="public")]
    assert columns == ["n_nationkey", "n_name", "n_regionkey", "n_comment"]

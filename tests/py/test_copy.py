"""COPY TO STDOUT beside PostgreSQL: the same bytes for the same statement, message by message, and
the same errors. Then the clients that read through it, and what ends a COPY in its middle.
"""

import asyncio
import io
import os
import subprocess
import time

import asyncpg
import psycopg
import pytest

import debian
from conftest import GENEROUS
from jdbc import run_java
from postgres import Postgres
from process import MIB, RssSampler, wait_busy
from test_drivers import VALUES
from test_slow_and_cancel import BLOCK_BYTES, CANCEL_S, COMPUTE, MORE_ROWS, ROWS, worker
from wire import Wire, WireError, extended, simple

FORMATS = ["text", "csv", "binary"]
# A table of the same rows, made by a query that both servers have.
TABLE = "CREATE TABLE copied AS SELECT 1 AS a, 'x'::text AS b"
PAIR = "(SELECT 1 AS a, NULL::text AS b)"
# Texts with everything that lines use otherwise.
TEXTS = [
    "''", "'\\N'", "'NULL'", "'\\.'", "'a,b'", "'a;b'", "'\"'", "'a\"\"b'", "''''", "'\\'",
    "'tab\there'", "E'line\\nfeed'", "E'carriage\\rreturn'", "E'\\b\\f\\v\\x01\\x7f'",
    "' blanks '", "'h\u00e9llo \U0001f600'", "E'\\\\n'", "NULL", "'x'",
]
OPTIONS = [
    "", "(DELIMITER '|')", "(DELIMITER ' ', NULL 'NULL')", "(NULL '')", "(HEADER)",
    "(FORMAT csv)", "(FORMAT csv, HEADER true)", "(FORMAT csv, FORCE_QUOTE *)",
    "(FORMAT csv, FORCE_QUOTE (t), NULL '\\N')", "(FORMAT csv, DELIMITER ';', QUOTE '''')",
    "(FORMAT csv, ESCAPE '\\')", "(FORMAT csv, QUOTE 'x', ESCAPE 'a')", "(FORMAT csv, NULL 'NULL')",
    "(FORMAT csv, DELIMITER E'\\t')", "WITH CSV HEADER DELIMITER AS ';' FORCE QUOTE t",
    "CSV NULL AS 'x'", "WITH NULL AS 'null' DELIMITER AS ','", "(FORMAT binary)", "BINARY",
    "(FORMAT 'text', ENCODING 'UTF8', HEADER off)", "(FORMAT csv, HEADER, DELIMITER E'\\x01')",
]
# Numbers and times that meet a delimiter, a quote or a NULL of their own kind.
NUMBERS = (
    "COPY (SELECT -1.5 AS a, 11 AS b, DATE '2024-02-29' AS c, TIME '01:02:03' AS d, "
    "true AS e, ARRAY[1,2] AS f, NULL::int4 AS g) TO STDOUT ")
NUMBER_OPTIONS = [
    "", "(DELIMITER '-')", "(DELIMITER ':')", "(FORMAT csv)", "(FORMAT csv, DELIMITER '1')",
    "(FORMAT csv, NULL '11')", "(FORMAT csv, QUOTE '1')", "(FORMAT csv, NULL 't')",
    "(FORMAT csv, FORCE_QUOTE (a, g))", "(DELIMITER '{')",
]
SHAPES = [
    "COPY copied TO STDOUT", "COPY copied (b, a) TO STDOUT", "COPY public.copied (b) TO STDOUT CSV",
    "COPY BINARY copied TO STDOUT", "COPY copied TO STDIN", "COPY copied TO STDOUT;",
    "COPY copied TO STDOUT USING DELIMITERS '|'",
    "COPY (TABLE copied) TO STDOUT", "COPY (VALUES (1, 'a'), (2, 'b')) TO STDOUT (FORMAT csv)",
    "COPY (WITH w AS (SELECT 1 AS x) SELECT x, x FROM w) TO STDOUT (HEADER)",
    "COPY (SELECT x::int4 FROM generate_series(1, 3000) AS t(x) ORDER BY x) TO STDOUT",
    "COPY (SELECT 1 AS a WHERE false) TO STDOUT (FORMAT csv, HEADER)",
    "COPY (SELECT 1 AS a WHERE false) TO STDOUT (FORMAT binary)",
    "COPY (SELECT 1 AS \"q\"\"\", 2 AS \"d,\", 3 AS \"t\t\") TO STDOUT (FORMAT csv, HEADER)",
    "COPY (SELECT 1 AS \"q\"\"\", 2 AS \"d,\", 3 AS \"t\t\") TO STDOUT (HEADER)",
]
WRONG = [
    "(FORMAT nope)", "(nope)", "(nope 1, nope)", "(FORMAT csv, FORMAT text)", "(FORMAT)",
    "(DELIMITER)", "(DELIMITER 'ab')", "(DELIMITER '')", "(DELIMITER E'\\n')", "(DELIMITER 'a')",
    "(DELIMITER '\u00e9')", "(DELIMITER ',', NULL 'a,b')", "(NULL E'a\\nb')",
    "(FORMAT binary, DELIMITER ',')", "(FORMAT binary, NULL '')", "(FORMAT binary, HEADER)",
    "(FORMAT binary, QUOTE '\"')", "(QUOTE '\"')", "(ESCAPE '\"')", "(FORMAT csv, QUOTE 'ab')",
    "(FORMAT csv, ESCAPE 'ab')", "(FORMAT csv, QUOTE ',')", "(FORMAT csv, NULL '\"')",
    "(FORCE_QUOTE *)", "(FORCE_QUOTE (a))", "(FORMAT csv, FORCE_QUOTE a)",
    "(FORMAT csv, FORCE_QUOTE (nope))", "(FORMAT csv, FORCE_QUOTE (a, a))",
    "(FORMAT csv, FORCE_QUOTE)", "(FORMAT csv, FORCE_NOT_NULL (a))", "(FORMAT csv, FORCE_NULL (a))",
    "(FORMAT csv, FORCE_NOT_NULL *)", "(FORCE_NOT_NULL (a))", "(FORCE_NULL (a))",
    "(ENCODING 'nope')", "(HEADER match)", "(HEADER maybe)", "(HEADER 2)", "(HEADER '1')",
    "(FREEZE 3)", "()", "(FORMAT csv,)", "(FORMAT csv HEADER)", "(FORMAT 'CSV')",
    "(\"FORMAT\" csv)", "NULL 'x' NULL 'y'", "CSV nope", "(FORMAT csv) HEADER",
    "CSV FORCE NOT NULL a",
]
WRONG_SHAPES = [
    "COPY (SELECT nope) TO STDOUT", "COPY (SELECT * FROM nope) TO STDOUT", "COPY nope TO STDOUT",
    "COPY copied (nope) TO STDOUT", "COPY copied (a, a) TO STDOUT",
    "COPY copied (a) TO STDOUT (FORMAT csv, FORCE_QUOTE (nope))",
    f"COPY {PAIR} FROM STDIN", "COPY copied TO", "COPY (SELECT 1; SELECT 2) TO STDOUT",
    "COPY (SELECT 1 / 0) TO STDOUT",
]
mobula_only = pytest.mark.mobula_only


@pytest.fixture(scope="module")
def pair(server):
    """A connection to the server under test, and one to PostgreSQL."""
    with Postgres() as postgres, server.connect() as ours, postgres.connect() as theirs:
        for connection in (ours, theirs):
            connection.execute("SET TimeZone = 'UTC'")
            connection.execute(TABLE)
        yield ours, theirs
        ours.execute("DROP TABLE copied")


def messages(connection, sql):
    """What a COPY gives: the CopyData messages, or the error's state, words and place."""
    try:
        with connection.cursor().copy(sql) as copy:
            return [bytes(data) for data in copy]
    except psycopg.Error as error:
        diag = error.diag
        return error.sqlstate, diag.message_primary, diag.statement_position


def check_same(pair, sql):
    got, want = (messages(connection, sql) for connection in pair)
    assert got == want, sql
    return got


# --- the same bytes ----------------------------------------------------------------------------

@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("sql", [sql for sql, _ in VALUES])
def test_values(pair, sql, form):
    assert type(check_same(pair, f"COPY (SELECT {sql} AS it) TO STDOUT (FORMAT {form})")) is list


@pytest.mark.parametrize("form", FORMATS)
def test_all_values_in_one_row(pair, form):
    columns = ", ".join(f"{sql} AS c{number}" for number, (sql, _) in enumerate(VALUES))
    got = check_same(pair, f"COPY (SELECT {columns}) TO STDOUT (FORMAT {form})")
    assert len(got) == (2 if form == "binary" else 1)


@pytest.mark.parametrize("options", OPTIONS)
def test_texts(pair, options):
    rows = ", ".join(f"({number}, {text}::text)" for number, text in enumerate(TEXTS))
    query = f"SELECT t FROM (VALUES {rows}) AS v(n, t) ORDER BY n"
    for sql in (query, query.replace("SELECT t", "SELECT t, n")):
        assert type(check_same(pair, f"COPY ({sql}) TO STDOUT {options}")) is list


@pytest.mark.parametrize("options", NUMBER_OPTIONS)
def test_numbers(pair, options):
    assert type(check_same(pair, NUMBERS + options)) is list


@pytest.mark.parametrize("sql", SHAPES)
def test_shapes(pair, sql):
    assert type(check_same(pair, sql)) is list


def test_settings(pair):
    sql = ("COPY (SELECT TIMESTAMPTZ '2024-07-01 12:00:00.5+00', DATE '2024-02-03', "
           "INTERVAL '1 day 02:03:04', '\\x00ff'::bytea) TO STDOUT (FORMAT csv)")
    settings = {"TimeZone": "Europe/Vienna", "DateStyle": "German", "bytea_output": "escape",
                "IntervalStyle": "iso_8601"}
    for name, value in settings.items():
        for connection in pair:
            connection.execute(f"SET {name} = '{value}'")
        assert type(check_same(pair, sql)) is list
    for connection in pair:
        for name in settings:
            connection.execute(f"RESET {name}")
        connection.execute("SET TimeZone = 'UTC'")


# --- the same errors ---------------------------------------------------------------------------

@pytest.mark.parametrize("options", WRONG)
def test_wrong_options(pair, options):
    assert type(check_same(pair, f"COPY {PAIR} TO STDOUT {options}")) is tuple


@pytest.mark.parametrize("sql", WRONG_SHAPES)
def test_wrong_statements(pair, sql):
    assert type(check_same(pair, sql)) is tuple
    assert pair[0].execute("SELECT 1").fetchone() == (1,)


@mobula_only
def test_other_encodings_are_not_supported(pair):
    sqlstate, message, _ = messages(pair[0], f"COPY {PAIR} TO STDOUT (ENCODING 'latin1')")
    assert sqlstate == "0A000" and "latin1" in message


# --- clients -----------------------------------------------------------------------------------

def test_psycopg_rows(server):
    with server.connect() as connection:
        kinds, values = ["int8", "text", "date"], []
        query = "SELECT o_orderkey, o_comment, o_orderdate FROM orders WHERE o_orderkey < 1000"
        want = connection.execute(f"{query} ORDER BY 1").fetchall()
        for form in ("text", "binary"):
            sql = f"COPY ({query} ORDER BY 1) TO STDOUT (FORMAT {form})"
            with connection.cursor().copy(sql) as copy:
                copy.set_types(kinds)
                values.append(list(copy.rows()))
        assert values == [want, want] and len(want) > 100


def test_psycopg_reports_the_count(server):
    with server.connect() as connection, connection.cursor() as cursor:
        with cursor.copy("COPY (SELECT * FROM nation) TO STDOUT") as copy:
            assert len(b"".join(copy).splitlines()) == 25
        assert cursor.rowcount == 25


def test_asyncpg(server):
    async def run():
        connected = await asyncpg.connect(server.uri, timeout=20)
        try:
            target = io.BytesIO()
            done = await connected.copy_from_query(
                "SELECT n_nationkey, n_name FROM nation ORDER BY 1", output=target, format="csv",
                header=True, delimiter=";", force_quote=["n_name"])
            lines = target.getvalue().decode().splitlines()
            assert done == "COPY 25" and lines[:2] == ["n_nationkey;n_name", '0;"ALGERIA"']
            target = io.BytesIO()
            await connected.copy_from_table(
                "region", columns=["r_regionkey"], output=target, format="binary")
            assert target.getvalue().startswith(b"PGCOPY\n\xff\r\n\0")
            with pytest.raises(asyncpg.DivisionByZeroError):
                await connected.copy_from_query(
                    "SELECT 1 / (x - 9000) FROM generate_series(1, 9000) AS t(x)",
                    output=io.BytesIO())
            assert await connected.fetchval("SELECT 1") == 1
        finally:
            await connected.close(timeout=20)

    asyncio.run(run())


def run_psql(server, *commands):
    options = ["-X", "-q", "-A", "-t"] + [f"-c{command}" for command in commands]
    program = f"{debian.postgres_bin()}/psql"
    return subprocess.run([program, *options, server.uri], capture_output=True, text=True,
                          timeout=60)


def test_psql_copies_to_a_file(server, tmp_path):
    query = "select r_regionkey, r_name from region order by 1"
    for options in ("csv header", "(format csv, header)"):
        path = tmp_path / "regions.csv"
        done = run_psql(server, f"\\copy ({query}) to '{path}' {options}")
        assert done.returncode == 0, done.stderr
        lines = path.read_text().splitlines()
        assert lines[:2] == ["r_regionkey,r_name", "0,AFRICA"] and len(lines) == 6
    done = run_psql(server, "copy region (r_name) to stdout", "select 42")
    assert done.stdout.splitlines() == [
        "AFRICA", "AMERICA", "ASIA", "EUROPE", "MIDDLE EAST", "42"]


@mobula_only
def test_psql_copy_from_shows_the_error_and_goes_on(server, tmp_path):
    (tmp_path / "rows.csv").write_text("1,2\n3,4\n")
    done = run_psql(server, f"\\copy region from '{tmp_path}/rows.csv' csv", "select 42")
    assert "COPY FROM STDIN is not supported" in done.stderr
    assert "HINT:" in done.stderr and done.stdout == "42\n"


@mobula_only
def test_psycopg_copy_from_fails_and_goes_on(server):
    with server.connect() as connection:
        with pytest.raises(psycopg.errors.FeatureNotSupported):
            with connection.cursor().copy("COPY region FROM STDIN") as copy:
                copy.write(b"1\tx\ty\n")
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_pgjdbc(server):
    result = run_java(server, "Copies.java", timeout_s=120)
    refused = "42P01" if os.environ.get("MOBULA_TESTS_AGAINST") == "postgres" else "0A000"
    binary = ("5047434f50590aff0d0a00000000000000000000020000000400000007"
              "00000003783b79ffff")
    assert result.stdout.splitlines() == [
        '1 a;b|7;"x;y"|', f"1 {binary}", "22012", refused, "42"], result.stderr[-2000:]


# --- its end -----------------------------------------------------------------------------------

def copy_of(query, form="text"):
    return f"COPY ({query}) TO STDOUT (FORMAT {form})"


def until_data(wire, count=1):
    """Reads so many CopyData messages."""
    while count:
        tag, body = wire.receive()
        if tag == b"E":
            raise WireError(body)
        count -= tag == b"d"


def tags_until_ready(wire):
    """The kinds of the messages up to ReadyForQuery, each once, and the error among them."""
    tags, error = [], None
    while True:
        tag, body = wire.receive()
        if tags[-1:] != [tag]:
            tags.append(tag)
        if tag == b"E":
            error = WireError(body)
        if tag == b"Z":
            return tags, error


def request(protocol, sql):
    return simple(sql) if protocol == "simple" else extended(sql)


@pytest.mark.parametrize("protocol", ["simple", "extended"])
@pytest.mark.parametrize("form", FORMATS)
def test_an_error_in_the_middle(server, protocol, form):
    """Rows, then the error and nothing else: no CopyDone and no tag."""
    late = "SELECT 10 / (400000 - x) AS q FROM generate_series(1, 400000) AS t(x)"
    with Wire(server.uri) as wire:
        wire.send(request(protocol, copy_of(late, form)))
        until_data(wire)
        tags, error = tags_until_ready(wire)
        assert tags == [b"d", b"E", b"Z"] and error.sqlstate == "22012"
        assert wire.query("SELECT 1") == [("1",)]


@pytest.mark.parametrize("protocol", ["simple", "extended"])
@pytest.mark.parametrize("state", ["computes", "rows flow", "does not read"])
def test_cancel(server, measure, protocol, state):
    small = 64 * 1024 if state == "does not read" else None
    with Wire(server.uri, receive_buffer=small) as wire:
        wire.send(request(protocol, copy_of(COMPUTE if state == "computes" else MORE_ROWS)))
        if state == "computes":
            wait_busy(worker(server, wire))
        else:
            until_data(wire, 1 if small else 100_000)
        started = time.perf_counter()
        wire.cancel()
        tags, error = tags_until_ready(wire)
        taken_s = time.perf_counter() - started
        assert tags[-2:] == [b"E", b"Z"] and b"c" not in tags and error.sqlstate == "57014"
        for number in range(20):
            assert wire.query(f"SELECT {number}") == [(str(number),)]
        measure("cancel", taken_s * 1000, "ms")
        assert taken_s < GENEROUS * CANCEL_S


def test_statement_timeout(server):
    with Wire(server.uri) as wire:
        wire.query("SET statement_timeout = '300ms'")
        wire.send(simple(copy_of(MORE_ROWS)))
        _, error = tags_until_ready(wire)
        assert error.sqlstate == "57014"
        assert wire.query("SELECT 42") == [("42",)]


@pytest.mark.parametrize("form", FORMATS)
def test_a_slow_reader_costs_little_memory(server, measure, form):
    with Wire(server.uri, receive_buffer=64 * 1024) as wire:
        wire.query("SELECT l_orderkey FROM lineitem LIMIT 1")
        with RssSampler(worker(server, wire)) as rss:
            wire.send(simple(copy_of(ROWS, form)))
            until_data(wire)
            slowly_read = 0
            for _ in range(40):
                wire.socket.settimeout(30)
                slowly_read += len(wire.socket.recv(BLOCK_BYTES))
                time.sleep(0.05)  # the slowness under test, not a wait for something
        measure("growth", rss.growth_mib, "MiB")
        wire.vanish()
    assert slowly_read < 200 * MIB, "the reader was not slow"
    assert rss.growth_mib < 64


def test_a_large_copy_is_whole(server, measure):
    """Every row once, and as many as the tag says."""
    with server.connect() as connection, connection.cursor() as cursor:
        want = connection.execute("SELECT count(*) FROM lineitem").fetchone()[0]
        for form in ("text", "csv"):
            started, lines, size = time.perf_counter(), 0, 0
            with cursor.copy(copy_of("SELECT * FROM lineitem", form)) as copy:
                for data in copy:
                    lines, size = lines + 1, size + len(data)
            assert lines == want == cursor.rowcount
            measure(form, size / MIB / (time.perf_counter() - started), "MiB/s")

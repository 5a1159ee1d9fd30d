"""psycopg2 as its users have it: one test per habit.

In: the shared server. Out: values, errors and states as PostgreSQL gives them to this driver;
every test here also passes against it. The other Python clients take `not_yet` from here.
"""

import datetime
import io
import select
import threading
import uuid

import psycopg2
import psycopg2.errors
import psycopg2.extensions
import psycopg2.extras
import psycopg2.pool
import pytest

from conftest import AGAINST_POSTGRES
from process import wait_busy, wait_until
from test_drivers import BIG, DATE, ERRORS, STAMP, UTC, VALUES
from test_slow_and_cancel import COMPUTE

IDENTIFIER = uuid.UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")
NATIONS = "SELECT n_nationkey, n_name FROM nation ORDER BY n_nationkey"
# (type, Python value): what both drivers take as a parameter and give back equal.
PARAMETERS = [
    ("bool", True), ("int2", -7), ("int4", 70_000), ("int8", -(2**62)), ("float8", 0.1),
    ("numeric(38,10)", BIG), ("text", "a'b\\c\u00e9%"), ("varchar", "abc"), ("date", DATE),
    ("time", datetime.time(1, 2, 3, 4)), ("timestamp", STAMP),
    ("timestamptz", STAMP.replace(tzinfo=UTC)),
    ("interval", datetime.timedelta(days=3, seconds=5)), ("int4[]", [1, 2, 3]),
    ("text[]", ["x", "", 'y"']), ("int4", None), ("text", None),
]


def not_yet(reason):
    """Marks a check that Mobula cannot pass yet; the day it can, the mark must go."""
    return pytest.mark.xfail(not AGAINST_POSTGRES, strict=True, reason=reason)


@pytest.fixture(scope="module")
def connection(server):
    connected = psycopg2.connect(server.uri)
    connected.autocommit = True
    connected.cursor().execute("SET TimeZone = 'UTC'")
    yield connected
    connected.close()


@pytest.fixture
def transacting(server):
    """A connection as the driver makes it: a transaction begins with the first statement."""
    connected = psycopg2.connect(server.uri)
    yield connected
    connected.close()


def rows_of(connection, sql, parameters=None):
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetchall()


@pytest.mark.parametrize("sql, value", VALUES, ids=[sql for sql, _ in VALUES])
def test_psycopg2_value(connection, sql, value):
    got = rows_of(connection, f"SELECT {sql} AS it")[0][0]
    got = bytes(got) if isinstance(got, memoryview) else got
    assert got == value and type(got) is type(value)


@pytest.mark.parametrize("kind, value", PARAMETERS)
def test_psycopg2_parameter(connection, kind, value):
    assert rows_of(connection, f"SELECT %s::{kind}", [value]) == [(value,)]


def test_psycopg2_parameter_bytea_uuid_json(connection):
    psycopg2.extras.register_uuid(conn_or_curs=connection)
    got = rows_of(connection, "SELECT %s, %s, %s::json", [
        b"\x00\x01\xff", IDENTIFIER, psycopg2.extras.Json({"a": [1, None]})])[0]
    assert (bytes(got[0]), *got[1:]) == (b"\x00\x01\xff", IDENTIFIER, {"a": [1, None]})


def test_psycopg2_parameters_of_in_and_any(connection):
    sql = "SELECT n_nationkey FROM nation WHERE n_nationkey IN %s OR n_name = ANY(%s) ORDER BY 1"
    assert rows_of(connection, sql, [(1, 3), ["CHINA", "KENYA"]]) == [(1,), (3,), (14,), (18,)]


def test_psycopg2_execute_values(connection):
    with connection.cursor() as cursor:
        got = psycopg2.extras.execute_values(
            cursor, "SELECT a + 1, b FROM (VALUES %s) AS t (a, b) ORDER BY 1",
            [(number, f"row {number}") for number in range(30)], page_size=10, fetch=True)
    assert got == [(number + 1, f"row {number}") for number in range(30)]


@not_yet("functions in FROM")
def test_psycopg2_callproc(connection):
    with connection.cursor() as cursor:
        cursor.callproc("abs", [-7])
        assert cursor.fetchall() == [(7,)]


def test_psycopg2_version(connection):
    assert connection.server_version >= 150000
    assert connection.get_parameter_status("server_version").split(".")[0].isdigit()
    assert connection.encoding == "UTF8"
    assert rows_of(connection, "SELECT version()")[0][0].startswith("PostgreSQL ")


@not_yet("varchar(n) is text in a table")
def test_psycopg2_description(connection):
    with connection.cursor() as cursor:
        cursor.execute("SELECT n_name, 1.25::numeric(10,2) AS c, 'x'::varchar(7) AS d FROM nation")
        name, number, text = cursor.description
        assert (name.name, number.name, number.type_code) == ("n_name", "c", 1700)
        assert (number.precision, number.scale, text.type_code) == (10, 2, 1043)
        table, column = name.table_oid, name.table_column
    got = rows_of(connection, "SELECT attname FROM pg_attribute WHERE attrelid = %s"
                  " AND attrelid = 'nation'::regclass AND attnum = %s", [table, column])
    assert got == [("n_name",)]


@pytest.mark.parametrize("factory", [
    psycopg2.extras.RealDictCursor, psycopg2.extras.NamedTupleCursor, psycopg2.extras.DictCursor])
def test_psycopg2_row_factory(connection, factory):
    with connection.cursor(cursor_factory=factory) as cursor:
        cursor.execute(NATIONS)
        row = cursor.fetchone()
    names = factory is psycopg2.extras.NamedTupleCursor
    assert (row.n_name if names else row["n_name"]) == "ALGERIA"


def test_psycopg2_named_cursor(transacting):
    with transacting.cursor("portion") as cursor:
        cursor.itersize = 500
        cursor.execute("SELECT l_orderkey FROM lineitem WHERE l_orderkey > %s LIMIT 3000", [7])
        assert sum(1 for _ in cursor) == 3000


def test_psycopg2_named_cursor_scrolls(transacting):
    with transacting.cursor("there and back", scrollable=True) as cursor:
        cursor.execute(NATIONS)
        assert cursor.fetchmany(3)[2][0] == 2
        cursor.scroll(10)
        assert cursor.fetchone()[0] == 13
        cursor.scroll(5, mode="absolute")
        assert cursor.fetchone()[0] == 5
        cursor.scroll(-3)
        assert cursor.fetchone()[0] == 3


def test_psycopg2_named_cursor_holds(transacting):
    with transacting.cursor("held", withhold=True) as cursor:
        cursor.execute(NATIONS)
        assert cursor.fetchone()[0] == 0
        transacting.commit()
        assert [row[0] for row in cursor] == list(range(1, 25))


@pytest.mark.parametrize("sql, sqlstate", ERRORS, ids=[sql for sql, _ in ERRORS])
def test_psycopg2_error(connection, sql, sqlstate):
    with pytest.raises(psycopg2.Error) as caught:
        rows_of(connection, sql)
    assert caught.value.pgcode == sqlstate and caught.value.diag.severity == "ERROR"
    assert type(caught.value) is psycopg2.errors.lookup(sqlstate)


def test_psycopg2_transactions(transacting):
    states, status = psycopg2.extensions, transacting.get_transaction_status
    assert status() == states.TRANSACTION_STATUS_IDLE
    rows_of(transacting, "SELECT 1")
    assert status() == states.TRANSACTION_STATUS_INTRANS
    with pytest.raises(psycopg2.errors.DivisionByZero):
        rows_of(transacting, "SELECT 1 / 0")
    assert status() == states.TRANSACTION_STATUS_INERROR
    with pytest.raises(psycopg2.errors.InFailedSqlTransaction):
        rows_of(transacting, "SELECT 1")
    transacting.rollback()
    with transacting:
        assert rows_of(transacting, "SELECT 1") == [(1,)]
    assert status() == states.TRANSACTION_STATUS_IDLE


def test_psycopg2_savepoint(transacting):
    with transacting.cursor() as cursor:
        cursor.execute("SAVEPOINT here")
        with pytest.raises(psycopg2.errors.UndefinedTable):
            cursor.execute("SELECT * FROM does_not_exist")
        cursor.execute("ROLLBACK TO SAVEPOINT here")
        cursor.execute("SELECT 2")
        assert cursor.fetchall() == [(2,)]
        cursor.execute("RELEASE SAVEPOINT here")
    transacting.commit()


@pytest.mark.parametrize("level", ["SERIALIZABLE", "REPEATABLE READ", "READ COMMITTED"])
def test_psycopg2_isolation_level(transacting, level):
    transacting.set_session(isolation_level=level, readonly=True)
    assert rows_of(transacting, "SHOW transaction_isolation") == [(level.lower(),)]
    assert rows_of(transacting, "SHOW transaction_read_only") == [("on",)]


def test_psycopg2_session_characteristics(transacting):
    """In autocommit the driver sets the session's defaults instead."""
    transacting.set_session(isolation_level="SERIALIZABLE", readonly=True, autocommit=True)
    assert rows_of(transacting, "SHOW default_transaction_isolation") == [("serializable",)]
    assert rows_of(transacting, "SHOW default_transaction_read_only") == [("on",)]


def test_psycopg2_cancel(transacting, server):
    pid = server.worker_pid(transacting.info.backend_pid)
    failed = []

    def run():
        try:
            rows_of(transacting, COMPUTE)
        except psycopg2.Error as error:
            failed.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    wait_busy(pid)
    transacting.cancel()
    wait_until("the query to end", lambda: failed, 20)
    thread.join(20)
    assert failed[0].pgcode == "57014"


def test_psycopg2_asynchronous(server):
    connection = psycopg2.connect(server.uri, async_=True)

    def wait():
        while (state := connection.poll()) != psycopg2.extensions.POLL_OK:
            waits = ([connection], []) if state == psycopg2.extensions.POLL_READ else (
                [], [connection])
            assert any(select.select(*waits, [], 20)), "nothing for 20 s"

    wait()
    cursor = connection.cursor()
    cursor.execute(NATIONS)
    wait()
    assert len(cursor.fetchall()) == 25
    connection.close()


def test_psycopg2_pool(server):
    pool = psycopg2.pool.ThreadedConnectionPool(2, 5, server.uri)
    taken = [pool.getconn() for _ in range(5)]
    assert [rows_of(one, "SELECT %s", [n])[0][0] for n, one in enumerate(taken)] == list(range(5))
    for one in taken:
        pool.putconn(one)
    pool.closeall()


def test_psycopg2_notice(transacting):
    with transacting.cursor() as cursor:
        transacting.autocommit = True
        cursor.execute("DROP VIEW IF EXISTS does_not_exist")
    assert "does not exist, skipping" in transacting.notices[-1]


def test_psycopg2_copy_to(connection):
    file = io.StringIO()
    with connection.cursor() as cursor:
        cursor.copy_expert(f"COPY ({NATIONS} LIMIT 2) TO STDOUT (FORMAT csv, HEADER)", file)
        cursor.copy_to(file, "region", columns=["r_regionkey", "r_name"])
    assert file.getvalue().splitlines()[:3] == ["n_nationkey,n_name", "0,ALGERIA", "1,ARGENTINA"]
    assert "3\tEUROPE" in file.getvalue()


def test_psycopg2_listen(connection):
    with connection.cursor() as cursor:
        cursor.execute("LISTEN news")
        cursor.execute("NOTIFY news, 'it happened'")
        cursor.execute("UNLISTEN news")
    got = connection.notifies.pop()
    assert (got.channel, got.payload, got.pid) == ("news", "it happened", connection.info.backend_pid)


@not_yet("temporary tables")
def test_psycopg2_temporary_table(transacting):
    with transacting.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE mine (a int4, b text)")
        cursor.executemany("INSERT INTO mine VALUES (%s, %s)", [(1, "x"), (2, None)])
        assert cursor.rowcount == 2
        cursor.copy_from(io.StringIO("3\tz\n"), "mine")
        cursor.execute("SELECT * FROM mine ORDER BY a")
        assert cursor.fetchall() == [(1, "x"), (2, None), (3, "z")]
    transacting.rollback()

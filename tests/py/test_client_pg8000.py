"""pg8000, the driver in Python alone, by both of its doors: the DB-API and its native one.

In: the shared server. Out: values, errors and states as PostgreSQL gives them to this driver;
every test here also passes against it. It sends every statement that has parameters unnamed and
extended, and reads all results as text.
"""

import datetime
import io

import pg8000.dbapi
import pg8000.native
import pytest
from psycopg.conninfo import conninfo_to_dict

from test_client_psycopg2 import IDENTIFIER, NATIONS, PARAMETERS, not_yet
from test_drivers import ERRORS, VALUES


def parts_of(server):
    """What pg8000 calls the parts of the server's URI."""
    parts = conninfo_to_dict(server.uri)
    return {"host": parts["host"], "port": int(parts["port"]), "user": parts["user"],
            "password": parts["password"], "database": parts["dbname"]}


@pytest.fixture(scope="module")
def native(server):
    connected = pg8000.native.Connection(**parts_of(server))
    connected.run("SET TimeZone = 'UTC'")
    yield connected
    connected.close()


@pytest.fixture
def transacting(server):
    connected = pg8000.dbapi.connect(**parts_of(server))
    yield connected
    connected.close()


def rows_of(connected, sql, parameters=()):
    cursor = connected.cursor()
    cursor.execute(sql, parameters)
    return [tuple(row) for row in cursor.fetchall()]


@pytest.mark.parametrize("sql, value", VALUES, ids=[sql for sql, _ in VALUES])
def test_pg8000_value(native, sql, value):
    got = native.run(f"SELECT {sql} AS it")[0][0]
    assert got == value and type(got) is type(value)


@pytest.mark.parametrize("kind, value", PARAMETERS)
def test_pg8000_parameter(native, kind, value):
    assert native.run(f"SELECT CAST(:it AS {kind})", it=value) == [[value]]


def test_pg8000_parameter_bytea_uuid_json(native):
    got = native.run(
        "SELECT CAST(:a AS bytea), CAST(:b AS uuid), CAST(:c AS json)",
        a=b"\x00\x01\xff", b=IDENTIFIER, c='{"a": [1, null]}')
    assert got == [[b"\x00\x01\xff", IDENTIFIER, {"a": [1, None]}]]


def test_pg8000_parameters_are_inferred(native):
    got = native.run(
        "SELECT count(*) FROM lineitem WHERE l_orderkey = :key AND l_shipdate > :day"
        " AND l_quantity > :quantity AND l_comment <> :comment",
        key=1, day=datetime.date(1990, 1, 1), quantity=0, comment="x")
    assert got == native.run("SELECT count(*) FROM lineitem WHERE l_orderkey = 1")


def test_pg8000_parameter_any(native):
    sql = "SELECT n_nationkey FROM nation WHERE n_name = ANY(CAST(:names AS text[])) ORDER BY 1"
    assert native.run(sql, names=["CHINA", "KENYA"]) == [[14], [18]]


def test_pg8000_unnest(native):
    """The idiom of its documentation for a list in IN."""
    sql = "SELECT n_name FROM nation WHERE n_nationkey IN (SELECT unnest(CAST(:k AS int[])))"
    assert sorted(native.run(sql, k=[1, 3])) == [["ARGENTINA"], ["CANADA"]]


def test_pg8000_prepared(native):
    statement = native.prepare("SELECT n_name FROM nation WHERE n_nationkey = :key")
    assert [statement.run(key=key) for key in (0, 1)] == [[["ALGERIA"]], [["ARGENTINA"]]]
    assert statement.columns[0]["name"] == "n_name"
    statement.close()


@not_yet("the description of a result names no table")
def test_pg8000_columns(native):
    native.run("SELECT n_name, 1.25::numeric(10,2) AS c FROM nation LIMIT 1")
    described = [(column["name"], column["type_oid"]) for column in native.columns]
    assert described == [("n_name", 25), ("c", 1700)] and native.row_count == 1
    table, attribute = native.columns[0]["table_oid"], native.columns[0]["column_attrnum"]
    assert native.run("SELECT attname FROM pg_attribute WHERE attrelid = :t AND attnum = :a",
                      t=table, a=attribute) == [["n_name"]]


@pytest.mark.parametrize("sql, sqlstate", ERRORS, ids=[sql for sql, _ in ERRORS])
def test_pg8000_error(native, sql, sqlstate):
    with pytest.raises(pg8000.native.DatabaseError) as caught:
        native.run(sql)
    assert caught.value.args[0]["C"] == sqlstate and caught.value.args[0]["V"] == "ERROR"
    assert native.run("SELECT 1") == [[1]]


def test_pg8000_several_statements(native):
    assert native.run("SELECT 1; SELECT 2") == [[1], [2]]


def test_pg8000_copy_to(native):
    stream = io.BytesIO()
    native.run(f"COPY ({NATIONS} LIMIT 2) TO STDOUT WITH (FORMAT csv)", stream=stream)
    assert stream.getvalue() == b"0,ALGERIA\n1,ARGENTINA\n"


def test_pg8000_notice_and_parameter_status(native):
    native.run("DROP VIEW IF EXISTS does_not_exist")
    assert b"does not exist, skipping" in native.notices.pop()[b"M"]
    statuses = dict(native.parameter_statuses)
    assert int(statuses["server_version"].split(".")[0]) >= 15


def test_pg8000_transaction(transacting):
    assert rows_of(transacting, "SELECT %s + 1", [1]) == [(2,)]
    with pytest.raises(pg8000.dbapi.DatabaseError) as caught:
        rows_of(transacting, "SELECT 1 / %s", [0])
    assert caught.value.args[0]["C"] == "22012"
    with pytest.raises(pg8000.dbapi.DatabaseError) as caught:
        rows_of(transacting, "SELECT 1")
    assert caught.value.args[0]["C"] == "25P02"
    transacting.rollback()
    assert rows_of(transacting, "SELECT 1") == [(1,)]
    transacting.commit()


def test_pg8000_savepoint(transacting):
    rows_of(transacting, "SELECT 1")
    cursor = transacting.cursor()
    cursor.execute("SAVEPOINT here")
    with pytest.raises(pg8000.dbapi.DatabaseError):
        cursor.execute("SELECT * FROM does_not_exist WHERE a = %s", [1])
    cursor.execute("ROLLBACK TO SAVEPOINT here")
    assert rows_of(transacting, "SELECT 2") == [(2,)]
    cursor.execute("RELEASE SAVEPOINT here")
    transacting.commit()


def test_pg8000_description(transacting):
    cursor = transacting.cursor()
    cursor.execute(NATIONS)
    assert [column[0] for column in cursor.description] == ["n_nationkey", "n_name"]
    assert cursor.rowcount == 25 and len(cursor.fetchmany(10)) == 10
    assert len(cursor.fetchall()) == 15


def test_pg8000_cursor_in_sql(transacting):
    """Its documentation's way to read in portions."""
    cursor = transacting.cursor()
    cursor.execute(f"DECLARE portion SCROLL CURSOR FOR {NATIONS}")
    assert rows_of(transacting, "FETCH FORWARD 5 FROM portion")[4][1] == "EGYPT"
    cursor.execute("MOVE FORWARD 5 FROM portion")
    assert rows_of(transacting, "FETCH BACKWARD 1 FROM portion")[0][0] == 8
    cursor.execute("CLOSE portion")
    transacting.commit()


@not_yet("temporary tables")
def test_pg8000_tables_it_makes(transacting):
    cursor = transacting.cursor()
    cursor.execute("CREATE TEMPORARY TABLE mine (a int4, b text)")
    cursor.executemany("INSERT INTO mine (a, b) VALUES (%s, %s)", [(1, "x"), (2, None)])
    cursor.execute("COPY mine FROM STDIN", stream=io.BytesIO(b"3\tz\n"))
    cursor.execute("INSERT INTO mine VALUES (4, 'w') RETURNING a")
    assert cursor.fetchall() == ([4],)
    assert rows_of(transacting, "SELECT * FROM mine ORDER BY a") == [
        (1, "x"), (2, None), (3, "z"), (4, "w")]
    transacting.rollback()

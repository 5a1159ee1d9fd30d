"""The ADBC driver for PostgreSQL: results as Arrow, by COPY in binary, and its metadata.

In: the shared server. Out: Arrow values and types as this driver makes them of what PostgreSQL
sends; every test here also passes against it.
"""

import datetime
import decimal
import threading

import adbc_driver_manager
import adbc_driver_postgresql
import pyarrow as pa
import pytest
from adbc_driver_postgresql import dbapi

from process import wait_busy, wait_until
from test_client_psycopg2 import NATIONS, not_yet
from test_drivers import DATE, ERRORS, STAMP, UTC
from test_slow_and_cancel import COMPUTE

USE_COPY = adbc_driver_postgresql.StatementOptions.USE_COPY.value
# (SQL, Arrow type, value)
VALUES = [
    ("true", pa.bool_(), True),
    ("'-7'::int2", pa.int16(), -7),
    ("2147483647::int4", pa.int32(), 2147483647),
    ("(-9223372036854775808)::int8", pa.int64(), -9223372036854775808),
    ("1.5::float4", pa.float32(), 1.5),
    ("0.1::float8", pa.float64(), 0.1),
    ("'h\u00e9llo'::text", pa.string(), "h\u00e9llo"),
    ("'abc'::varchar(10)", pa.string(), "abc"),
    ("'\\x00ff10'::bytea", pa.binary(), b"\x00\xff\x10"),
    ("'2024-02-29'::date", pa.date32(), DATE),
    ("'13:14:15.123456'::time", pa.time64("us"), datetime.time(13, 14, 15, 123456)),
    ("'2024-02-29 13:14:15.123456'::timestamp", pa.timestamp("us"), STAMP),
    ("'2024-02-29 13:14:15.123456+00'::timestamptz", pa.timestamp("us", "UTC"),
     STAMP.replace(tzinfo=UTC)),
    ("'1 month 2 days 00:00:03'::interval", pa.month_day_nano_interval(),
     pa.MonthDayNano([1, 2, 3_000_000_000])),
    ("'{1,2,NULL}'::int4[]", pa.list_(pa.int32()), [1, 2, None]),
    ("ARRAY['a','b\"c,d','']::text[]", pa.list_(pa.string()), ["a", 'b"c,d', ""]),
    ("NULL::int4", pa.int32(), None),
    ("NULL::text", pa.string(), None),
]
PARAMETERS = [
    ("bool", True), ("int8", -(2**62)), ("float8", 0.1), ("text", "a'b\\c\u00e9"),
    ("bytea", b"\x00\x01\xff"), ("date", DATE), ("timestamp", STAMP),
    ("timestamptz", STAMP.replace(tzinfo=UTC)), ("int8", None),
]


@pytest.fixture(scope="module")
def connection(server):
    with dbapi.connect(server.uri, autocommit=True) as connected:
        yield connected


def table_of(connected, sql, parameters=None, **options):
    with connected.cursor(adbc_stmt_kwargs=options) as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetch_arrow_table()


def objects_of(connected, **options):
    """The tree below the one catalog that these tests look at: {schema: tables}."""
    tree = connected.adbc_get_objects(**options).read_all().to_pylist()
    mine = [node for node in tree if node["catalog_name"] == connected.adbc_current_catalog]
    schemas = mine[0]["catalog_db_schemas"] or []
    return {node["db_schema_name"]: node["db_schema_tables"] for node in schemas}


# --- results -----------------------------------------------------------------------------------

@pytest.mark.parametrize("copy", ["true", "false"], ids=["COPY", "rows"])
@pytest.mark.parametrize("sql, kind, value", VALUES, ids=[line[0] for line in VALUES])
def test_adbc_value(connection, sql, kind, value, copy):
    got = table_of(connection, f"SELECT {sql} AS it", **{USE_COPY: copy})
    assert got.schema.field("it").type == kind and got.column("it").to_pylist() == [value]


@pytest.mark.parametrize("copy", ["true", "false"], ids=["COPY", "rows"])
def test_adbc_numeric(connection, copy):
    """The driver gives decimals as text, and says what they were."""
    got = table_of(connection, "SELECT -12.50::numeric(10,2) AS it", **{USE_COPY: copy})
    assert decimal.Decimal(got.column("it").to_pylist()[0]) == decimal.Decimal("-12.50")
    assert b"numeric" in got.schema.field("it").metadata[b"ADBC:postgresql:typname"]


@pytest.mark.parametrize("kind, value", PARAMETERS)
def test_adbc_parameter(connection, kind, value):
    got = table_of(connection, f"SELECT $1::{kind} AS it", [value])
    assert got.column("it").to_pylist() == [value]


def test_adbc_parameter_in_where(connection):
    sql = "SELECT n_nationkey, n_name FROM nation WHERE n_name = $1 AND n_nationkey < $2"
    assert table_of(connection, sql, ["CHINA", 20]).column("n_nationkey").to_pylist() == [18]


def test_adbc_many_parameters(connection):
    """A query for each row of what is bound; the answers follow each other."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT $1::int8 + 1 AS it", pa.record_batch({"a": [1, 2, 3]}))
        assert cursor.fetch_arrow_table().column("it").to_pylist() == [2, 3, 4]


def test_adbc_many_rows(connection):
    got = table_of(connection, "SELECT * FROM lineitem LIMIT 20000")
    assert got.num_rows == 20000 and got.num_columns == 16
    assert got.column("l_shipdate").type == pa.date32()
    assert got.column("l_comment").null_count == 0


def test_adbc_batches(connection):
    hint = adbc_driver_postgresql.StatementOptions.BATCH_SIZE_HINT_BYTES.value
    with connection.cursor(adbc_stmt_kwargs={hint: "65536"}) as cursor:
        cursor.execute("SELECT l_orderkey, l_comment FROM lineitem LIMIT 20000")
        sizes = [batch.num_rows for batch in cursor.fetch_record_batch()]
    assert sum(sizes) == 20000 and len(sizes) > 4


def test_adbc_no_rows(connection):
    got = table_of(connection, "SELECT n_name FROM nation WHERE false")
    assert got.num_rows == 0 and got.schema.names == ["n_name"]


def test_adbc_rows(connection):
    with connection.cursor() as cursor:
        cursor.execute(NATIONS)
        assert [column[0] for column in cursor.description] == ["n_nationkey", "n_name"]
        assert cursor.fetchone() == (0, "ALGERIA") and len(cursor.fetchall()) == 24


def test_adbc_execute_schema(connection):
    with connection.cursor() as cursor:
        schema = cursor.adbc_execute_schema("SELECT 1::int4 AS a, 'x'::text AS b")
    assert schema.names == ["a", "b"] and schema.types == [pa.int32(), pa.string()]


def test_adbc_prepare(connection):
    with connection.cursor() as cursor:
        schema = cursor.adbc_prepare("SELECT $1::int4 + 1, $2::text")
    assert schema.types == [pa.int32(), pa.string()]


# --- metadata ----------------------------------------------------------------------------------

def test_adbc_info(connection, server):
    info = connection.adbc_get_info()
    assert info["vendor_name"] == "PostgreSQL" and int(info["vendor_version"][:6]) >= 150000
    assert connection.adbc_current_catalog == server.uri.rpartition("/")[2]
    assert connection.adbc_current_db_schema == "public"
    assert {"table", "view"} <= set(connection.adbc_get_table_types())


def test_adbc_objects_catalogs(connection):
    assert objects_of(connection, depth="catalogs") == {}


def test_adbc_objects_schemas(connection):
    assert "public" in objects_of(connection, depth="db_schemas")


def test_adbc_objects_tables(connection):
    tables = objects_of(
        connection, depth="tables", db_schema_filter="public", table_types_filter=["table"])
    assert {"nation", "lineitem"} <= {table["table_name"] for table in tables["public"]}
    assert {table["table_type"] for table in tables["public"]} == {"table"}


@not_yet("columns in the order of a join without ORDER BY")
def test_adbc_objects_columns(connection):
    tables = objects_of(connection, depth="all", table_name_filter="nat%")["public"]
    assert [table["table_name"] for table in tables] == ["nation"]
    columns = {column["column_name"]: column for column in tables[0]["table_columns"]}
    assert list(columns) == ["n_nationkey", "n_name", "n_regionkey", "n_comment"]
    assert columns["n_name"]["ordinal_position"] == 2
    assert columns["n_name"]["xdbc_type_name"] == "text"


def test_adbc_objects_one_column(connection):
    tables = objects_of(
        connection, depth="columns", table_name_filter="nation", column_name_filter="n_n%e")
    columns = tables["public"][0]["table_columns"]
    assert [column["column_name"] for column in columns] == ["n_name"]


@pytest.mark.parametrize("options", [{}, {"db_schema_filter": "public"}])
def test_adbc_table_schema(connection, options):
    schema = connection.adbc_get_table_schema("nation", **options)
    assert schema.names == ["n_nationkey", "n_name", "n_regionkey", "n_comment"]
    assert pa.types.is_integer(schema.types[0]) and schema.types[1] == pa.string()


def test_adbc_table_schema_of_no_table(connection):
    with pytest.raises(dbapi.ProgrammingError):
        connection.adbc_get_table_schema("does_not_exist")


def test_adbc_statistics(connection):
    seen = connection.adbc_get_statistics(
        db_schema_filter="public", table_name_filter="nation", approximate=True).read_all()
    assert seen.num_rows >= 1
    assert connection.adbc_get_statistic_names().read_all().num_rows == 0


# --- errors and transactions -------------------------------------------------------------------

@pytest.mark.parametrize("sql, sqlstate", ERRORS, ids=[sql for sql, _ in ERRORS])
def test_adbc_error(connection, sql, sqlstate):
    with pytest.raises(dbapi.Error) as caught:
        table_of(connection, sql)
    assert caught.value.sqlstate == sqlstate
    assert table_of(connection, "SELECT 1 AS it").num_rows == 1


def test_adbc_transaction(server):
    with dbapi.connect(server.uri) as transacting:
        assert table_of(transacting, NATIONS).num_rows == 25
        with pytest.raises(dbapi.Error):
            table_of(transacting, "SELECT 1 / 0")
        with pytest.raises(dbapi.Error, match="in an error state; first rollback"):
            table_of(transacting, "SELECT 1")  # the driver asks libpq, not the server
        transacting.rollback()
        assert table_of(transacting, NATIONS).num_rows == 25
        transacting.commit()


def test_adbc_cancel(server):
    with dbapi.connect(server.uri, autocommit=True) as connected, connected.cursor() as cursor:
        pid = table_of(connected, "SELECT pg_backend_pid() AS it").column("it")[0].as_py()
        failed = []

        def run():
            try:
                cursor.execute(COMPUTE)
                cursor.fetch_arrow_table()
            except adbc_driver_manager.Error as error:
                failed.append(error)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        wait_busy(server.worker_pid(pid))
        cursor.adbc_cancel()
        wait_until("the query to end", lambda: failed, 20)
        thread.join(20)
        assert "cancel" in str(failed[0]).lower()


@pytest.mark.parametrize("temporary", [False, True], ids=["table", "temporary"])
@not_yet("CREATE TABLE with columns, COPY FROM")
def test_adbc_ingest(server, temporary):
    rows = pa.table({"a": [1, 2, None], "b": ["x", None, "z"], "c": [[1, 2], [], None]})
    with dbapi.connect(server.uri, autocommit=True) as connected, connected.cursor() as cursor:
        try:
            assert cursor.adbc_ingest("py_ingested", rows, "create", temporary=temporary) == 3
            assert cursor.adbc_ingest("py_ingested", rows, "append", temporary=temporary) == 3
            got = table_of(connected, "SELECT * FROM py_ingested ORDER BY a")
            assert got.column("a").to_pylist() == [1, 1, 2, 2, None, None]
        finally:
            cursor.execute("DROP TABLE IF EXISTS py_ingested")

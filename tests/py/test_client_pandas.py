"""pandas: read_sql and to_sql over SQLAlchemy's three drivers, psycopg2 itself, and ADBC.

In: the shared server. Out: frames with the values and types that PostgreSQL gives; every test
here also passes against it.
"""

import warnings

import adbc_driver_postgresql.dbapi
import pandas as pd
import psycopg2
import pytest
import sqlalchemy as sa

from test_client_psycopg2 import not_yet
from test_client_sqlalchemy import engine  # noqa: F401 (a fixture)

ORDERS = ("SELECT o_orderkey, o_totalprice, o_orderdate, o_comment FROM orders"
          " WHERE o_orderkey < 100 ORDER BY o_orderkey")
FRAME = pd.DataFrame({"a": [1, 2, 3], "b": ["x", None, "z"], "c": [0.5, None, 2.5],
                      "d": pd.to_datetime(["2024-02-29", "2024-03-01", "2024-03-02"])})


def check_orders(frame, kinds):
    assert list(frame.columns) == ["o_orderkey", "o_totalprice", "o_orderdate", "o_comment"]
    assert list(frame["o_orderkey"][:4]) == [1, 2, 3, 4] and frame["o_orderdate"].notna().all()
    assert [frame[name].dtype.kind for name in frame.columns] == list(kinds)


def test_pandas_read_sql(engine):
    check_orders(pd.read_sql(ORDERS, engine), "ifOO")


def test_pandas_read_sql_parameters(engine):
    frame = pd.read_sql(
        sa.text("SELECT n_nationkey, n_name FROM nation WHERE n_name = ANY(:names) ORDER BY 1"),
        engine, params={"names": ["CHINA", "KENYA"]}, index_col="n_nationkey")
    assert frame["n_name"].to_dict() == {14: "KENYA", 18: "CHINA"}


def test_pandas_read_sql_types(engine):
    frame = pd.read_sql(
        ORDERS, engine, parse_dates=["o_orderdate"], dtype={"o_orderkey": "int32"})
    assert frame["o_orderdate"].dtype.kind == "M" and frame["o_orderkey"].dtype == "int32"
    frame = pd.read_sql(ORDERS, engine, dtype_backend="pyarrow")
    assert str(frame["o_orderkey"].dtype) == "int64[pyarrow]"


def test_pandas_read_sql_nulls_and_stamps(engine):
    frame = pd.read_sql(
        "SELECT * FROM (VALUES (1, 0.5::float8, '2024-02-29 01:02:03'::timestamp,"
        " '2024-02-29 01:02:03+00'::timestamptz, true), (2, NULL, NULL, NULL, NULL))"
        " AS t (a, b, c, d, e) ORDER BY a", engine)
    assert frame["c"].dtype.kind == "M" and frame["c"][0] == pd.Timestamp("2024-02-29 01:02:03")
    assert frame["d"][0] == pd.Timestamp("2024-02-29 01:02:03+00:00")
    assert frame.loc[1, ["b", "c", "d", "e"]].isna().all()


def test_pandas_read_sql_table(engine):
    frame = pd.read_sql_table("nation", engine, columns=["n_name", "n_nationkey"])
    assert list(frame.columns) == ["n_name", "n_nationkey"] and len(frame) == 25
    with pytest.raises(ValueError):
        pd.read_sql_table("does_not_exist", engine)


def test_pandas_read_sql_in_chunks(engine):
    with engine.connect().execution_options(stream_results=True) as connection:
        sql = "SELECT l_orderkey, l_quantity FROM lineitem LIMIT 2500"
        assert [len(part) for part in pd.read_sql(sql, connection, chunksize=1000)] == [
            1000, 1000, 500]


def test_pandas_read_sql_by_psycopg2(server):
    connection = psycopg2.connect(server.uri)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says that only SQLAlchemy is tested
        frame = pd.read_sql("SELECT n_name FROM nation WHERE n_nationkey < %(k)s ORDER BY 1",
                            connection, params={"k": 2})
    connection.close()
    assert list(frame["n_name"]) == ["ALGERIA", "ARGENTINA"]


def test_pandas_read_sql_by_adbc(server):
    with adbc_driver_postgresql.dbapi.connect(server.uri) as connection:
        frame = pd.read_sql(ORDERS, connection)
        assert list(frame["o_orderkey"][:4]) == [1, 2, 3, 4]
        frame = pd.read_sql(ORDERS, connection, dtype_backend="pyarrow")
        assert str(frame["o_orderdate"].dtype) == "date32[day][pyarrow]"


@pytest.mark.parametrize("method", [None, "multi"])
@not_yet("CREATE TABLE with columns, INSERT")
def test_pandas_to_sql(engine, method):
    try:
        FRAME.to_sql("py_frame", engine, index=False, method=method)
        FRAME.to_sql("py_frame", engine, index=False, if_exists="append")
        FRAME.to_sql("py_frame", engine, index=False, if_exists="replace")
        got = pd.read_sql("SELECT * FROM py_frame ORDER BY a", engine)
        pd.testing.assert_frame_equal(got, FRAME, check_dtype=False)
    finally:
        with engine.begin() as connection:
            connection.execute(sa.text("DROP TABLE IF EXISTS py_frame"))


@not_yet("CREATE TABLE with columns, COPY FROM")
def test_pandas_to_sql_by_adbc(server):
    with adbc_driver_postgresql.dbapi.connect(server.uri, autocommit=True) as connection:
        try:
            FRAME.to_sql("py_frame", connection, index=False)
            got = pd.read_sql("SELECT * FROM py_frame ORDER BY a", connection)
            pd.testing.assert_frame_equal(got, FRAME, check_dtype=False)
        finally:
            connection.execute("DROP TABLE IF EXISTS py_frame")

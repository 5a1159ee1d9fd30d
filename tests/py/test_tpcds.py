"""TPC-DS, at SF 0.1 unless MOBULA_TESTS_TPCDS_SCALE says otherwise: all 99 answers, through
psycopg, equal DuckDB's over the same Parquet files, in one process, as stages of tasks of several
widths, and on three nodes of Ray.
"""

import os

import pytest

import staged
import tpcds
from conftest import AGAINST_POSTGRES
from mobula import Mobula
from postgres import Postgres
from ray_nodes import Nodes

SCALE = float(os.environ.get("MOBULA_TESTS_TPCDS_SCALE", "0.1"))
QUERY_TIMEOUT_S = 600 if AGAINST_POSTGRES else 60  # without indexes, query 14 takes minutes there

# {number: why the query runs in one process}. Keep it empty.
LOCAL = {}
WIDTHS = [None] if AGAINST_POSTGRES else [None, *staged.WIDTHS]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("tpcds")
    tpcds.generate(path, SCALE)
    return path


@pytest.fixture(scope="module")
def oracle(folder):
    with tpcds.oracle(folder) as connection:
        yield connection, tpcds.queries(connection)


@pytest.fixture(scope="module")
def tables(folder):
    """A server with the tables; not the one most tests share, where TPC-H has a `customer`."""
    with Postgres() if AGAINST_POSTGRES else Mobula(allow=[folder]) as server:
        register(server, folder)
        yield server


def register(server, folder):
    for table in tpcds.TABLES:
        server.register(table, f"{folder}/{table}/")


def test_every_query_is_here(oracle):
    assert sorted(oracle[1]) == list(tpcds.NUMBERS)


@pytest.mark.parametrize("rows, right", [
    ("1a 2b 2c", True), ("1a 2d 2c", True),
    ("1a 2b 2b", False), ("1a 2b 2e", False), ("2b 1a 2c", False), ("1a 2b", False),
])
def test_rows_that_tie_may_stand_in_any_order_and_limit_may_take_any(rows, right):
    want = tpcds.Answer(3, [[("1", "a")], [("2", "b"), ("2", "c"), ("2", "d")]])
    assert (tpcds.difference([tuple(row) for row in rows.split()], want) is None) == right


@pytest.mark.parametrize("table", tpcds.TABLES)
def test_tables_hold_the_same_rows(tables, oracle, table):
    sql = f"SELECT count(*) FROM {table}"
    with tables.connect() as client:
        assert client.execute(sql).fetchall() == oracle[0].execute(sql).fetchall()


@pytest.fixture(scope="module")
def clients(tables):
    connections = {width: staged.connect(tables, width) for width in WIDTHS}
    for connection in connections.values():
        connection.execute(f"SET statement_timeout = '{QUERY_TIMEOUT_S}s'")
    yield connections
    for connection in connections.values():
        connection.close()


@pytest.mark.parametrize("number", tpcds.NUMBERS)
def test_query(clients, oracle, number):
    duckdb, queries = oracle
    want = tpcds.answer(duckdb, queries[number])
    for width, client in clients.items():
        if width:
            assert staged.why_local(client, queries[number]) == LOCAL.get(number), width
        wrong = tpcds.difference(client.execute(queries[number]).fetchall(), want)
        assert not wrong, f"{width}: {wrong}"


@pytest.fixture(scope="module")
def ray_client(folder):
    with Nodes(3) as nodes, Mobula(allow=[folder], options=nodes.options()) as server:
        register(server, folder)
        with staged.on_ray(server) as connection:
            yield connection


@pytest.mark.mobula_only
@pytest.mark.parametrize("number", tpcds.NUMBERS)
def test_query_on_ray(ray_client, oracle, number):
    duckdb, queries = oracle
    want = tpcds.answer(duckdb, queries[number])
    assert staged.why_local(ray_client, queries[number]) is None
    wrong = tpcds.difference(ray_client.execute(queries[number]).fetchall(), want)
    assert not wrong, wrong


@pytest.mark.mobula_only
def test_all_are_staged(tables, oracle, measure):
    with staged.connect(tables, (3, 1)) as client:
        why = {n: staged.why_local(client, oracle[1][n]) for n in tpcds.NUMBERS}
    measure("staged", sum(reason is None for reason in why.values()), "of 99")
    assert {n: reason for n, reason in why.items() if reason} == LOCAL


@pytest.mark.mobula_only
@pytest.mark.parametrize("number", tpcds.NUMBERS)
def test_tasks_can_be_repeated(tables, oracle, number):
    """The server runs each task twice and compares what it wrote, unless its stage is marked."""
    with staged.connect(tables, (3, 2), **{"mobula.repeat_tasks": "on"}) as client:
        client.execute(oracle[1][number])


@pytest.mark.mobula_only
@pytest.mark.parametrize("number", tpcds.NUMBERS)
def test_lost_outputs_are_made_again(tables, oracle, number):
    """The server loses each task's first output, before it is read or after it was read once."""
    duckdb, queries = oracle
    want = tpcds.answer(duckdb, queries[number])
    with staged.connect(tables, (3, 1), **{"mobula.lose_outputs": "on"}) as client:
        got = client.execute(queries[number]).fetchall()
        measured = client.execute(f"EXPLAIN ANALYZE {queries[number]}").fetchall()
    assert not (wrong := tpcds.difference(got, want)), wrong
    assert any("failed attempts" in line for (line,) in measured), "nothing was lost"

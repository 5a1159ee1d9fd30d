"""TPC-DS on three nodes of Ray: all 99 answers equal DuckDB's over the same files, at SF 0.1 unless
MOBULA_TESTS_TPCDS_SCALE says otherwise."""

import os
import sys

import pytest

import staged
import tpcds
from mobula import Mobula
from ray_nodes import Nodes

pytestmark = pytest.mark.mobula_only
SCALE = float(os.environ.get("MOBULA_TESTS_TPCDS_SCALE", "0.1"))


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
def client(folder):
    with Nodes(3) as nodes:
        options = ["--ray-address", nodes.address, "--ray-python", sys.executable]
        with Mobula(allow=[folder], options=options) as server:
            for table in tpcds.TABLES:
                server.register(table, f"{folder}/{table}/")
            with server.connect() as connection:
                connection.execute("SET mobula.runner = 'ray'")
                connection.execute("SET mobula.local_threshold = 0")
                yield connection


@pytest.mark.parametrize("number", tpcds.NUMBERS)
def test_query(client, oracle, number):
    duckdb, queries = oracle
    want = tpcds.answer(duckdb, queries[number])
    assert staged.why_local(client, queries[number]) is None
    wrong = tpcds.difference(client.execute(queries[number]).fetchall(), want)
    assert not wrong, wrong

"""TPC-H, at SF 0.1 unless MOBULA_TESTS_SCALE says otherwise: all 22 answers, through psycopg and
through psql, equal DuckDB's over the same Parquet files."""

import csv
import io
import subprocess

import pytest

import debian
import tpch

NULL = "\u2400"


@pytest.fixture(scope="module")
def oracle(server):
    files = server.demo_files()
    assert set(files) == set(tpch.TABLES), f"demo tables found: {sorted(files)}"
    with tpch.oracle(files) as connection:
        yield connection, tpch.queries(connection)


@pytest.fixture(scope="module")
def client(server):
    with server.connect() as connection:
        yield connection


def test_every_query_is_here_and_unchanged(oracle):
    assert sorted(oracle[1]) == list(tpch.NUMBERS)
    assert tpch.ADAPTATIONS == {}


@pytest.mark.parametrize("table", tpch.TABLES)
def test_tables_hold_the_same_rows(client, oracle, table):
    sql = f"SELECT count(*) FROM {table}"
    assert client.execute(sql).fetchall() == oracle[0].execute(sql).fetchall()


@pytest.mark.parametrize("number", tpch.NUMBERS)
def test_psycopg(client, oracle, number):
    duckdb, queries = oracle
    want = duckdb.execute(queries[number]).fetchall()
    got = client.execute(tpch.adapted(number, queries[number])).fetchall()
    assert not (wrong := tpch.difference(number, got, want)), wrong


@pytest.mark.parametrize("number", tpch.NUMBERS)
def test_psql(server, oracle, number):
    duckdb, queries = oracle
    want = duckdb.execute(queries[number]).fetchall()
    got = tpch.parsed(psql_rows(server, tpch.adapted(number, queries[number])), want)
    assert not (wrong := tpch.difference(number, got, want)), wrong


def psql_rows(server, sql):
    """Rows as psql prints them: tuples of text or None."""
    result = subprocess.run(
        [f"{debian.postgres_bin()}/psql", "-X", "--csv", "-t", "-P", f"null={NULL}",
         "-v", "ON_ERROR_STOP=1", server.uri],
        input=f"{sql};\n", capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr
    rows = csv.reader(io.StringIO(result.stdout))
    return [tuple(None if cell == NULL else cell for cell in row) for row in rows]

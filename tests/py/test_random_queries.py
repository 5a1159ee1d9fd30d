"""Random queries over small tables give the same answer however they are run, and DuckDB's.

MOBULA_RANDOM_QUERIES (5000) of the seed MOBULA_SEED are run in one process and as stages of
tasks: equal rows, or the same SQLSTATE. The first COUNT_FOR_ORACLE are compared with DuckDB too.
"""

import collections
import decimal
import itertools
import os
import random
import shutil

import psycopg
import pyarrow
import pyarrow.parquet
import pytest

import random_queries
import tpch
from mobula import Mobula

pytestmark = pytest.mark.mobula_only

SEED = int(os.environ.get("MOBULA_SEED", "1"))
COUNT = int(os.environ.get("MOBULA_RANDOM_QUERIES", "5000"))
COUNT_FOR_ORACLE = 300
SCALE = 0.005
FILES = 3
ROWS_OF_NULLS = 4000
# Tasks of a stage and partitions of a task. Query i is run with the i-th of them, cyclically.
SHAPES = ((3, 1), (8, 1), (3, 4), (2, 2), (1, 4))
LOCAL = {"mobula.runner": "local"}
STAGED = [{"mobula.runner": "staged", "mobula.stage_tasks": tasks,
           "mobula.task_partitions": partitions} for tasks, partitions in SHAPES]
STATEMENT_TIMEOUT = "60s"
MOST_REPORTED = 20
LEAST_WITH_ROWS = 0.70
MOST_WITH_ERROR = 0.03

# What a client sees: names and types of the columns, the rows; or the error.
Answer = collections.namedtuple("Answer", ("columns", "rows", "error"))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """{table: glob of Parquet files}: the TPC-H tables and `sparse`, each in several files of
    several row groups, so that tasks get different parts."""
    folder = tmp_path_factory.mktemp("random-queries")
    with tpch.oracle() as source:
        source.execute(f"CALL dbgen(sf = {SCALE})")
        tables = {table: source.execute(f"FROM {table}").to_arrow_table() for table in tpch.TABLES}
    for table, rows in {**tables, "sparse": null_heavy()}.items():
        (folder / table).mkdir()
        size = -(-len(rows) // FILES)
        for number in range(FILES):
            pyarrow.parquet.write_table(
                rows.slice(number * size, size), folder / table / f"{number}.parquet",
                row_group_size=size // 3 + 1)
    yield {table: f"{folder / table}/*.parquet" for table in (*tpch.TABLES, "sparse")}
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def small(files):
    """A server that has these tables."""
    folder = os.path.dirname(os.path.dirname(files["region"]))
    with Mobula(allow=[folder]) as server:
        for table in files:
            server.register(table, f"{folder}/{table}/")
        yield server


def null_heavy():
    """Rows with a key; of the other columns a third is NULL and few values are different."""
    chance = random.Random(1)

    def column(kind, value):
        cells = [None if chance.random() < 1 / 3 else value() for _ in range(ROWS_OF_NULLS)]
        return pyarrow.array(cells, kind)

    return pyarrow.table({
        "x_id": pyarrow.array(range(1, ROWS_OF_NULLS + 1), pyarrow.int64()),
        "x_regionkey": column(pyarrow.int32(), lambda: chance.randint(0, 6)),
        "x_custkey": column(pyarrow.int64(), lambda: chance.randint(1, 300) * 3),
        "x_word": column(pyarrow.string(), lambda: chance.choice(
            ("ant", "bee", "cat", "dog", "", "Ünï"))),
        "x_day": column(pyarrow.date32(), lambda: 9000 + 20 * chance.randint(0, 39)),
        "x_price": column(pyarrow.decimal128(15, 2), lambda: decimal.Decimal(
            chance.randint(-5, 15) * 675).scaleb(-2)),
    })


class Client:
    """One connection, with the settings last asked for."""

    def __init__(self, server):
        self.connection = server.connect(prepare_threshold=None)
        self.connection.execute(f"SET statement_timeout = '{STATEMENT_TIMEOUT}'")
        self.settings = {}

    def answer(self, settings, sql):
        for name, value in settings.items():
            if self.settings.get(name) != value:
                self.connection.execute(f"SET {name} = {value!r}")
        self.settings |= settings
        try:
            cursor = self.connection.execute(sql)
        except psycopg.Error as error:
            assert not self.connection.closed, f"the connection is lost by {sql}\n{error}"
            return Answer(None, [], error)
        columns = [(column.name, column.type_code) for column in cursor.description]
        return Answer(columns, cursor.fetchall(), None)


def first_queries(count):
    return list(itertools.islice(random_queries.queries(SEED), count))


def compare(server, queries, first, second):
    """Runs each query as `first` and as `second` says, each a function from the query's number to
    settings. Returns the first's answers and a text for each difference."""
    one, two = Client(server), Client(server)
    answers, wrong = [], []
    with one.connection, two.connection:
        # All queries of one shape, then those of the next: settings change five times.
        for number in sorted(range(len(queries)), key=lambda number: number % len(SHAPES)):
            query = queries[number]
            a, b = one.answer(first(number), query.text), two.answer(second(number), query.text)
            answers.append(a)
            if what := difference(a, b, query.ordered):
                wrong.append(
                    f"query {number}, {first(number)} and {second(number)}: {what}\n{query.text}")
                if len(wrong) == MOST_REPORTED:
                    break
    return answers, wrong


def difference(one, two, ordered):
    """None when a client could not tell the answers apart, else a sentence."""
    if one.error or two.error:
        states = [answer.error and answer.error.sqlstate for answer in (one, two)]
        if states[0] == states[1]:
            return None
        return f"SQLSTATE {states[0]} and {states[1]}: {one.error} and {two.error}"
    if one.columns != two.columns:
        return f"columns {one.columns} and {two.columns}"
    # By their text: 1.0 and 1.00 are equal numbers and different answers.
    rows = [list(map(repr, answer.rows)) for answer in (one, two)]
    if not ordered:
        rows = [sorted(side) for side in rows]
    return first_difference(*rows, str.__eq__)


def first_difference(ours, theirs, equal):
    if len(ours) != len(theirs):
        return f"{len(ours)} rows and {len(theirs)}"
    for number, (a, b) in enumerate(zip(ours, theirs)):
        if not equal(a, b):
            return f"row {number} is {a} and {b}"
    return None


def report(wrong):
    texts = "\n\n".join(wrong[:MOST_REPORTED])
    assert not wrong, f"seed {SEED}: {len(wrong)} differences or more\n{texts}"


def test_staged_answers_are_the_local_ones(small, measure):
    queries = first_queries(COUNT)
    answers, wrong = compare(
        small, queries, lambda number: LOCAL, lambda number: STAGED[number % len(STAGED)])
    report(wrong)
    with_rows = sum(bool(answer.rows) for answer in answers) / COUNT
    with_error = sum(answer.error is not None for answer in answers) / COUNT
    measure("queries with rows", 100 * with_rows, "%")
    measure("queries with an error", 100 * with_error, "%")
    shares = f"seed {SEED}: {with_rows:.1%} with rows, {with_error:.1%} with an error"
    assert with_rows >= LEAST_WITH_ROWS and with_error <= MOST_WITH_ERROR, shares
    assert max(len(answer.rows) for answer in answers) <= random_queries.MOST_ROWS


def test_local_answers_are_those_of_duckdb(small, files):
    client, wrong = Client(small), []
    with client.connection, tpch.oracle() as oracle:
        # Tables, not views: over Parquet files DuckDB 1.5 cuts some orders wrongly.
        for table, files_glob in files.items():
            oracle.execute(f"CREATE TABLE {table} AS FROM read_parquet('{files_glob}')")
        # What PostgreSQL means by `/` of integers and by an order without NULLS.
        oracle.execute("SET integer_division = true")
        oracle.execute("SET default_null_order = 'nulls_last_on_asc_first_on_desc'")
        for number, query in enumerate(first_queries(COUNT_FOR_ORACLE)):
            if what := difference_from_duckdb(client, oracle, query):
                wrong.append(f"query {number}: {what}\n{query.text}")
    report(wrong)


def difference_from_duckdb(client, oracle, query):
    ours = client.answer(LOCAL, query.text)
    try:
        theirs = oracle.execute(query.text).fetchall()
    except tpch.duckdb.Error as error:
        return None if ours.error else f"only DuckDB has an error: {error}"
    if ours.error:
        return f"only Mobula has an error: {ours.error}"
    rows = ours.rows
    if not query.ordered:
        inexact = [any(isinstance(cell, float) for cell in column) for column in zip(*theirs)]
        rows, theirs = (sorted(side, key=lambda row: list(map(sort_key, row, inexact)))
                        for side in (rows, theirs))
    return first_difference(
        rows, theirs, lambda a, b: len(a) == len(b) and all(map(tpch.equal, a, b)))


def sort_key(cell, inexact):
    """Equal cells have equal keys, whichever of the two sides they are from."""
    if inexact and cell is not None:
        return f"{cell:.6e}"
    if isinstance(cell, (int, decimal.Decimal)):
        return str(decimal.Decimal(cell).normalize())
    return repr(cell)

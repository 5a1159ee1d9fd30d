"""TPC-H: the 22 queries, DuckDB's answers over given Parquet files, and what equal means.

In: {table: glob of Parquet files}. Out: query texts, answers, and a sentence for a difference.
Exact types (integers, decimals, text, dates) are compared exactly; a column that DuckDB answers
as floating point to 1e-9 relative. The sequence of the ORDER BY columns must be equal; rows that
tie on them may stand in any order.
"""

import datetime
import decimal
import math
import pathlib

import duckdb
import duckdb_extension_tpch

TABLES = ("region", "nation", "supplier", "customer", "part", "partsupp", "orders", "lineitem")
NUMBERS = range(1, 23)
RELATIVE = 1e-9

# Of each query, the answer's columns that ORDER BY names, in its order.
ORDER = {
    1: (0, 1), 2: (0, 2, 1, 3), 3: (1, 2), 4: (0,), 5: (1,), 6: (), 7: (0, 1, 2), 8: (0,),
    9: (0, 1), 10: (2,), 11: (1,), 12: (0,), 13: (1, 0), 14: (), 15: (0,), 16: (3, 0, 1, 2),
    17: (), 18: (4, 3), 19: (), 20: (0,), 21: (1, 0), 22: (0,),
}

# {number: [(text, replacement, reason)]}: what our dialect cannot say as written. Keep it empty.
ADAPTATIONS = {}


def oracle(files=None, threads=None):
    """A DuckDB with the tpch extension and, given files, a view over each table's files. With
    `threads` it is set up to be fast: it may keep the files' metadata, as we do."""
    connection = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    folder = pathlib.Path(duckdb_extension_tpch.__file__).parent
    connection.execute(f"LOAD '{next(folder.rglob('*.duckdb_extension'))}'")
    if threads:
        connection.execute(f"SET threads = {threads}")
        connection.execute("SET parquet_metadata_cache = true")
    for table, files_glob in (files or {}).items():
        connection.execute(f"CREATE VIEW {table} AS FROM read_parquet('{files_glob}')")
    return connection


def queries(connection):
    """{number: text} as the extension has them, without the closing semicolon."""
    rows = connection.execute("SELECT query_nr, query FROM tpch_queries()").fetchall()
    return {number: text.strip().rstrip(";") for number, text in rows}


def adapted(number, text):
    """The query as we must write it for Mobula."""
    for old, new, _reason in ADAPTATIONS.get(number, ()):
        assert old in text, f"query {number} no longer says {old!r}"
        text = text.replace(old, new)
    return text


def generate(folder, scale):
    """Writes the eight tables below `folder` by DuckDB; for tests of other servers."""
    connection = oracle()
    connection.execute(f"CALL dbgen(sf = {scale})")
    for table in TABLES:
        (pathlib.Path(folder) / table).mkdir(parents=True)
        connection.execute(f"COPY {table} TO '{folder}/{table}/0.parquet'")


def difference(number, got, want):
    """None when the answers are equal, else a sentence."""
    if len(got) != len(want):
        return f"{len(got)} rows, DuckDB {len(want)}"
    if want and len(got[0]) != len(want[0]):
        return f"{len(got[0])} columns, DuckDB {len(want[0])}"
    keys = ORDER[number]
    for i, (ours, theirs) in enumerate(zip(got, want)):
        if not all(equal(ours[k], theirs[k]) for k in keys):
            return f"row {i} is out of order: {ours}, DuckDB {theirs}"
    for ours, theirs in zip(sorted(got, key=_rank), sorted(want, key=_rank)):
        for column, (a, b) in enumerate(zip(ours, theirs)):
            if not equal(a, b):
                return f"column {column} of {ours}: {a!r}, DuckDB {b!r}"
    return None


def equal(ours, theirs):
    """Whether our cell is DuckDB's: exact, or to 1e-9 relative where DuckDB has a float."""
    if ours is None or theirs is None:
        return ours is theirs
    if isinstance(theirs, float):
        return math.isclose(float(ours), theirs, rel_tol=RELATIVE, abs_tol=0.0)
    if isinstance(theirs, (int, decimal.Decimal)):
        return decimal.Decimal(ours) == decimal.Decimal(theirs)
    return ours == theirs


def parsed(rows, want):
    """Rows of text (psql's) as values, typed as DuckDB's answer `want` has them."""
    if not want:
        return rows
    kinds = [next((cell for cell in column if cell is not None), "") for column in zip(*want)]
    return [tuple(_cell(text, kind) for text, kind in zip(row, kinds)) for row in rows]


def _cell(text, like):
    if text is None or isinstance(like, str):
        return text
    if isinstance(like, datetime.date):
        return datetime.date.fromisoformat(text)
    return decimal.Decimal(text)


def _rank(row):
    """A sort key under which two equal answers line up: exact cells first, floats rounded last."""
    exact, inexact = [], []
    for cell in row:
        if isinstance(cell, (int, float, decimal.Decimal)):
            inexact.append(f"{float(cell):.6e}")
        else:
            exact.append(str(cell))
    return exact, inexact

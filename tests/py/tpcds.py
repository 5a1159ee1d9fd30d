"""TPC-DS: its tables, the 99 queries, DuckDB's answers over Parquet files, and what equal means.

In: a folder for the tables. Out: query texts, answers, and a sentence for a difference. Exact
types (integers, decimals, text, dates) are compared exactly; a column that DuckDB answers as
floating point (averages, quotients, deviations) to 1e-12 relative. DuckDB is set to PostgreSQL's
meaning where the two differ: NULL is the largest value in an order, and a quotient of integers
is an integer.

Rows that tie on ORDER BY may stand in any order, and where LIMIT cuts such a group any of its
rows may be in the answer. So the right answer is kept as groups of rows that tie, in order and
without the LIMIT, with the number of rows asked for.
"""

import dataclasses
import json
import math
import pathlib

import duckdb
import duckdb_extension_tpcds

import tpch

TABLES = (
    "call_center", "catalog_page", "catalog_returns", "catalog_sales", "customer",
    "customer_address", "customer_demographics", "date_dim", "household_demographics",
    "income_band", "inventory", "item", "promotion", "reason", "ship_mode", "store",
    "store_returns", "store_sales", "time_dim", "warehouse", "web_page", "web_returns",
    "web_sales", "web_site",
)
NUMBERS = range(1, 100)
# DuckDB's are right to 1e-14; an average cut to six digits after the point is not to 1e-12.
RELATIVE = 1e-12

# {number: [(text, replacement, reason)]}: what PostgreSQL could not read as written.
ADAPTATIONS = {}


@dataclasses.dataclass
class Answer:
    """`count` rows, taken in order from `groups`; rows of one group tie. Only the last group
    may have more rows than are taken."""

    count: int
    groups: list


def oracle(folder=None):
    """A DuckDB with the tpcds extension and, given a folder, a view over each table there."""
    connection = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    package = pathlib.Path(duckdb_extension_tpcds.__file__).parent
    connection.execute(f"LOAD '{next(package.rglob('*.duckdb_extension'))}'")
    connection.execute("SET default_null_order = 'nulls_last_on_asc_first_on_desc'")
    connection.execute("SET integer_division = true")
    if folder:
        for table in TABLES:
            files = f"{folder}/{table}/*.parquet"
            connection.execute(f"CREATE VIEW {table} AS FROM read_parquet('{files}')")
    return connection


def generate(folder, scale):
    """Writes the 24 tables below `folder` by DuckDB, unless all are there at this scale."""
    folder = pathlib.Path(folder)
    complete = folder / "scale"
    if complete.exists() and complete.read_text() == str(scale):
        return
    complete.unlink(missing_ok=True)
    with oracle() as connection:
        connection.execute(f"CALL dsdgen(sf = {scale})")
        for table in TABLES:
            (folder / table).mkdir(parents=True, exist_ok=True)
            connection.execute(f"COPY {table} TO '{folder}/{table}/0.parquet'")
    complete.write_text(str(scale))


def queries(connection):
    """{number: text} as the extension has them, without the closing semicolon; adapted."""
    rows = connection.execute("SELECT query_nr, query FROM tpcds_queries()").fetchall()
    texts = {number: text.strip().rstrip(";") for number, text in rows}
    for number, changes in ADAPTATIONS.items():
        for old, new, _reason in changes:
            assert old in texts[number], f"query {number} no longer says {old!r}"
            texts[number] = texts[number].replace(old, new)
    return texts


def answer(connection, text):
    """DuckDB's Answer to a query."""
    cursor = connection.execute(text)
    names = [column[0] for column in cursor.description]
    as_written = cursor.fetchall()
    unlimited, keys, limit = _with_keys(connection, text, names)
    connection.execute(unlimited)
    count, groups, last = 0, [], None
    while row := connection.fetchone():
        key = [row[k] for k in keys]
        if groups and _tie(last, key):
            groups[-1].append(row[:len(names)])
        elif limit is not None and count >= limit:
            break
        else:
            groups.append([row[:len(names)]])
        count, last = count + 1, key
    answered = Answer(count if limit is None else min(count, limit), groups)
    wrong = difference(as_written, answered)
    assert not wrong, f"DuckDB's two answers differ: {wrong}"
    return answered


def difference(got, want):
    """None when the rows `got` are right by the Answer `want`, else a sentence."""
    if len(got) != want.count:
        return f"{len(got)} rows, DuckDB {want.count}"
    start = 0
    for group in want.groups:
        left = list(group)
        for i, ours in enumerate(got[start:start + len(group)], start):
            found = next((row for row in left if _same(ours, row)), None)
            if found is None:
                return f"row {i} is {ours}, DuckDB one of {len(left)} like {left[0]}"
            left.remove(found)
        start += len(group)
    return None


def _same(ours, theirs):
    return len(ours) == len(theirs) and all(map(_equal, ours, theirs))


def _equal(ours, theirs):
    if isinstance(theirs, float) and ours is not None:
        return math.isclose(float(ours), theirs, rel_tol=RELATIVE, abs_tol=0.0)
    return tpch.equal(ours, theirs)


def _tie(above, below):
    """Whether two sort keys tie. A floating-point key that differs by less than answers may
    differ leaves the order open, whatever the keys after it say."""
    for a, b in zip(above, below):
        if a != b:
            return isinstance(a, float) and _equal(b, a)
    return True


def _with_keys(connection, text, names):
    """The query without LIMIT and with the sort keys it does not select as further columns;
    the positions of its sort keys; its LIMIT or None."""
    tree = json.loads(_scalar(connection, "SELECT json_serialize_sql(?)", text))
    assert not tree["error"], tree
    node = tree["statements"][0]["node"]
    modifiers = {modifier["type"]: modifier for modifier in node["modifiers"]}
    limit = modifiers.pop("LIMIT_MODIFIER", None)
    keys = []
    hidden = []
    for order in modifiers.get("ORDER_MODIFIER", {"orders": []})["orders"]:
        position = _position(order["expression"], names)
        if position is None:
            position = len(names) + len(hidden)
            hidden.append(order["expression"])
        keys.append(position)
    node["modifiers"] = list(modifiers.values())
    node["select_list"] += hidden
    unlimited = _scalar(connection, "SELECT json_deserialize_sql(?)", json.dumps(tree))
    return unlimited, keys, limit and limit["limit"]["value"]["value"]


def _position(expression, names):
    """Which selected column an ORDER BY expression is, by name or number; else None."""
    if expression["class"] == "CONSTANT":
        return expression["value"]["value"] - 1
    if expression["class"] == "COLUMN_REF" and len(expression["column_names"]) == 1:
        name = expression["column_names"][0].lower()
        lower = [each.lower() for each in names]
        return lower.index(name) if name in lower else None
    return None


def _scalar(connection, sql, parameter):
    return connection.execute(sql, [parameter]).fetchone()[0]

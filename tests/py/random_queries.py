"""Random SQL over the TPC-H tables and a NULL-heavy one (`sparse`), each with one right answer.

In: a seed. Out: queries without end, the same ones for the same seed; each says whether its rows
come in an order, and has at most MOST_ROWS. The answer is determined whatever the data: a LIMIT
cuts a total order (or only rows are counted), a window's order is total where it matters, sums
are of exact numbers. It is the same in PostgreSQL and DuckDB, but for two settings of DuckDB's
that test_random_queries.py names: an average is shown and compared but not computed with, and no
decimal becomes text.

Not written, as DataFusion refuses it or answers something else (see the comments): correlated
scalar subqueries but for `column = outer value`, IS DISTINCT FROM without brackets, a column and
its cast in one GROUP BY or in two equal aggregates.

A FROM clause is written by random_sources, a call by random_calls, a value or condition by
random_values; random_tables has what they are written about.
"""

import dataclasses
import math
import random
import re

from random_calls import ROWS_WITHOUT_LIMIT
from random_sources import Sources
from random_tables import DIGITS, Column, Rows

# One of these in a hundred queries: an error must be the same error however it is run.
ERRORS = (
    "SELECT max(cast(c_name AS integer)) FROM customer",
    "SELECT count(*) FROM orders JOIN customer ON o_custkey = cast(c_name AS bigint)",
    "SELECT x_word, sum(cast(x_word AS integer)) FROM sparse GROUP BY x_word",
    "SELECT max(x_id * 9223372036854775807) FROM sparse",
    "SELECT count(*) FROM part WHERE p_size = (SELECT n_nationkey FROM nation)",
    "SELECT c_nope, count(*) FROM customer GROUP BY 1",
)
MOST_ROWS = 200


@dataclasses.dataclass(frozen=True)
class Query:
    text: str
    ordered: bool


def queries(seed):
    """The queries of a seed, without end."""
    source = random.Random(seed)
    while True:
        yield Writer(source).statement()


def _groups(keys):
    return math.prod(key.most for key in keys)


class Writer(Sources):
    """Writes one query."""

    def statement(self):
        if self.chance(0.01):
            return Query(self.pick(ERRORS), False)
        depth = self.pick((0, 0, 1, 1, 1, 2, 2, 3))
        prefix = ""
        if self.chance(0.2):
            name, body = self.name("c"), self.query(max(depth - 1, 0))
            prefix = f"WITH {name} AS ({body.text}) "
            self.shared = dataclasses.replace(body, text=name, ended=False)
        body = self.query(depth)
        ordered = body.rows > ROWS_WITHOUT_LIMIT or self.chance(0.4)
        return Query(prefix + (self.in_order(body) if ordered else body.text), ordered)

    def query(self, depth):
        form = self.random.random()
        if form < 0.15 and depth > 0:
            return self.set_operation(depth)
        if form < 0.19:
            return self.count_of_some(depth)
        return self.select(depth)

    def select(self, depth, kinds=None):
        """A SELECT whose columns have the given kinds, or any."""
        source = self.source(depth)
        tail = f"FROM {source.text}{self.where(source, depth)}"
        form = self.random.random()
        if form < 0.42:
            return self.grouped(source, tail, kinds, depth)
        if form < 0.52:
            return self.whole(source, tail, kinds)
        if form < 0.64 and kinds is None:
            return self.windowed(source, tail)
        if form < 0.69:
            return self.distinct_on(source, tail, kinds)
        return self.plain(source, tail, kinds, depth)

    def plain(self, source, tail, kinds, depth):
        values = [self.value(source.columns, kind) for kind in kinds or self.kinds()]
        if not kinds and self.chance(0.1):
            values.append(self.value(source.columns, "bool"))
        if not kinds and depth > 0 and self.chance(0.1):
            values.append(Column(self.scalar("int", depth, compared=False), "int", 1, 1))
        if self.chance(0.2):
            return self.made("SELECT DISTINCT", values, tail, min(source.rows, _groups(values)))
        if self.chance(0.25):
            limit, rows = self.limit()
            tail += f" ORDER BY {self.order(source.identity)}{limit}"
            return self.made("SELECT", values, tail, rows, ended=True)
        return self.made("SELECT", values, tail, source.rows)

    def distinct_on(self, source, tail, kinds):
        on = self.value(source.columns, self.pick(("int", "text", "date")))
        values = [self.value(source.columns, kind) for kind in kinds or self.kinds()]
        # Nothing twice, for a second time decides nothing.
        tail += f" ORDER BY {self.order(dict.fromkeys((str(on), *source.identity)))}"
        rows = min(source.rows, on.most)
        return self.made(f"SELECT DISTINCT ON ({on})", values, tail, rows, ended=True)

    def grouped(self, source, tail, kinds, depth):
        sets = not kinds and self.chance(0.25)
        wanted = kinds or self.kinds()
        count = self.number(1, len(wanted))
        keys = [self.value(source.columns, kind, plain=sets) for kind in wanted[:count]]
        calls = [self.aggregate(source, kind) for kind in wanted[count:]]
        if not kinds:
            calls += [self.aggregate(source) for _ in range(self.number(0 if calls else 1, 2))]
            if self.chance(0.12):
                order = self.order([self.aggregate(source, "int")])
                calls.append(Column(f"rank() OVER (ORDER BY {order})", "int"))
        by, rows, identity = ", ".join(map(str, keys)), _groups(keys), count
        # Only of columns.
        plain = len(set(keys)) == count and all(re.fullmatch(r"[\w.]+", str(key)) for key in keys)
        if sets and plain:
            first, others = keys[0], ", ".join(map(str, keys[1:]))
            by = self.pick((
                f"ROLLUP ({by})", f"CUBE ({by})", f"GROUPING SETS (({by}), ({first}), ())",
                f"GROUPING SETS (({first}), ({others}))"))
            rows, identity = math.prod(key.most + 1 for key in keys), None
        tail += f" GROUP BY {by}{self.having(source, depth)}"
        return self.made("SELECT", keys + calls, tail, min(rows, 8 * source.rows), identity)

    def having(self, source, depth):
        if not self.chance(0.2):
            return ""
        kind = self.pick(("int", "int", "num", "date"))
        if depth > 0 and self.chance(0.3):
            right = self.scalar(kind, depth)
        else:
            right = self.constant(kind, part=(0.0, 0.2))
        return f" HAVING {self.aggregate(source, kind)} {self.pick(('>', '>', '<>'))} {right}"

    def whole(self, source, tail, kinds):
        """Aggregates over all rows."""
        calls = [self.aggregate(source, kind) for kind in kinds or (None,) * self.number(1, 4)]
        return self.made("SELECT", calls, f"{tail}{self.having(source, 0)}", 1)

    def set_operation(self, depth):
        kinds = self.kinds()
        made = self.branch(depth - 1, kinds)
        text, rows = f"({made.text})", made.rows
        most = [column.most for column in made.columns]
        for _ in range(self.pick((1, 1, 1, 2, 3))):
            called = self.pick(("UNION", "UNION ALL", "UNION ALL", "INTERSECT", "EXCEPT"))
            if self.chance(0.12):
                branch = Rows(f"SELECT {', '.join(map(self.constant, kinds))}", (), 1, ())
            else:
                branch = self.branch(depth - 1, kinds)
            text += f" {called} ({branch.text})"
            rows += branch.rows
            most = [one + max(branch.rows, 1) for one in most]
        columns = tuple(Column(str(column), column.kind, most=count, digits=column.digits)
                        for column, count in zip(made.columns, most))
        return Rows(text, columns, rows, tuple(map(str, columns)))

    def branch(self, depth, kinds):
        """A SELECT for a set operation. DuckDB gives the wide numerics of branches the scale of
        the first, and so loses digits: here they have one."""
        made = self.select(depth, kinds)
        if all(column.digits < DIGITS - 10 for column in made.columns):
            return made
        values = [column.like(f"cast({column} AS numeric(30,6))", digits=30)
                  if column.kind == "num" else column for column in made.columns]
        return self.made("SELECT", values, f"FROM ({made.text}) AS {self.name('t')}", made.rows)

    def count_of_some(self, depth):
        """How many rows a LIMIT leaves, whichever they are."""
        inner, name = self.select(depth), self.name("t")
        some = f"SELECT * FROM ({inner.text}) AS {name}{self.limit()[0]}"
        count = Column("count(*)", "int", 1, 1)
        return self.made("SELECT", [count], f"FROM ({some}) AS q{name}", 1)

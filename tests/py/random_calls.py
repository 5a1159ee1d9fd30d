"""Random calls of aggregates and window functions, and orders; queries of named values.

In: the Rows of a FROM clause, or a query. Out: a Column whose text is the call; ORDER BY items, a
LIMIT, the query in an order; the Rows of a SELECT.
"""

from random_tables import DIGITS, Column, Rows
from random_values import Values

DIRECTIONS = ("", "", "", " DESC", " DESC", " NULLS FIRST", " DESC NULLS LAST")
# A query that may have more (by guesses that are not always high enough) gets a LIMIT.
ROWS_WITHOUT_LIMIT = 100


class Calls(Values):
    """Values, what needs more than one row, and the SELECT of either."""

    # Aggregates and windows

    def aggregate(self, source, kind=None):
        """An aggregate whose result is of that kind."""
        kind = kind or self.pick(("int", "int", "num", "num", "text", "date", "avg", "bool"))
        columns, digits = source.columns, 15
        if kind == "bool":
            text = f"{self.pick(('bool_and', 'bool_or'))}({self.condition(columns)})"
        elif kind == "avg":
            text = f"avg({self.value(columns, self.pick(('int', 'num')))})"
        elif kind == "num" and self.chance(0.8):
            text, digits = f"sum({self.value(columns, self.pick(('int', 'num')))})", DIGITS
        elif kind == "int" and self.chance(0.75):
            value = self.value(columns, self.pick(("int", "num", "text", "date")))
            text = self.pick(("count(*)", f"count({value})", f"count(DISTINCT {value})"))
        elif kind == "text" and source.rows <= 60 and self.chance(0.3):
            value = self.value(columns, "text", plain=True)
            text = f"string_agg({value}, ',' ORDER BY {value})"
        else:
            value = self.value(columns, kind)
            text, digits = f"{self.pick(('min', 'max'))}({value})", value.digits
        if self.chance(0.15):
            text += f" FILTER (WHERE {self.condition(columns)})"
        return Column(text, kind, most=source.rows, digits=digits)

    def windowed(self, source, tail):
        """Some columns and what windows give."""
        values = [self.value(source.columns, kind, plain=True) for kind in self.kinds()]
        # Of equal rows either may be the first, in one window and in another: two need a key.
        values += [self.window(source) for _ in range(self.number(1, 2 if source.solid else 1))]
        return self.made("SELECT", values, tail, source.rows)

    def window(self, source):
        columns, by = source.columns, ""
        some = self.value(columns, self.pick(("int", "text", "date")), plain=True)
        if self.chance(0.6):
            by = f"PARTITION BY {self.value(columns, self.pick(('int', 'text', 'date')))} "
        peers = f"ORDER BY {self.order([some])}"
        total = f"ORDER BY {self.order(dict.fromkeys((str(some), *source.identity)))}"
        value = self.value(columns, self.pick(("int", "num")))
        form = self.number(1, 5)
        if form == 1:
            text = f"row_number() OVER ({by}{total})"
            return Column(text, "int", 1 if by else source.rows, source.rows)
        if form == 2:
            called = self.pick(("rank()", "dense_rank()", "count(*)"))
            return Column(f"{called} OVER ({by}{peers})", "int", most=source.rows)
        if form == 3:
            rows = f"{total} ROWS BETWEEN {self.number(1, 5)} PRECEDING AND CURRENT ROW"
            text = f"sum({value}) OVER ({by}{self.pick(('', peers, rows))})"
            return Column(text, "num", most=source.rows, digits=DIGITS)
        if form == 4:
            called = self.pick((f"lag({value})", f"lead({value}, 2)", f"first_value({value})"))
            return value.skewed(f"{called} OVER ({by}{total})")
        return value.skewed(f"{self.pick(('min', 'max'))}({value}) OVER ({by})")

    # SELECT

    def made(self, head, values, tail, rows, identity=None, ended=False):
        """The query with a name for each value; so many of them as `identity` says are enough."""
        names = [self.name("n") for _ in values]
        items = ", ".join(f"{value} AS {name}" for value, name in zip(values, names))
        columns = tuple(value.like(name) for value, name in zip(values, names))
        return Rows(f"{head} {items} {tail}", columns, rows, tuple(names[:identity]), ended=ended)

    # Order

    def order(self, values):
        return ", ".join(f"{value}{self.pick(DIRECTIONS)}" for value in values)

    def limit(self):
        """A LIMIT, and how many rows it leaves at most."""
        rows = self.pick((1, 5, 20, 50, 100))
        offset = f" OFFSET {self.number(1, 8)}" if self.chance(0.08) else ""
        return f" LIMIT {rows}{offset}", rows

    def in_order(self, query, limit=False):
        """The query with an order of all its columns, cut where it may be long."""
        text, numbers = query.text, list(range(1, len(query.columns) + 1))
        self.random.shuffle(numbers)
        if query.ended:
            text = f"SELECT * FROM ({text}) AS {self.name('t')}"
        cut = limit or query.rows > ROWS_WITHOUT_LIMIT or self.chance(0.3)
        return f"{text} ORDER BY {self.order(numbers)}{self.limit()[0] if cut else ''}"

"""Random FROM clauses with their joins, and WHERE clauses with their subqueries.

In: how deep subqueries may be. Out: the Rows of a FROM clause, the text of a WHERE clause. The
queries within are those of `query`, which the class that writes queries gives.
"""

import abc
import dataclasses

from random_calls import Calls
from random_tables import (
    ROWS_OF_JOINS, WEIGHTS, Column, Rows, joined_rows, natural_pairs, stored_table)
from random_values import COMPARISONS

SMALL = ("nation", "region", "supplier")
ROWS_OF_PRODUCTS = 3_000
ROWS_OF_EXISTS = 100_000


class Sources(Calls, abc.ABC):
    """FROM and WHERE clauses of one query."""

    def __init__(self, source):
        super().__init__(source)
        self.shared = None  # a common table expression
        self.shared_used = False

    @abc.abstractmethod
    def query(self, depth):
        """Some query, as Rows."""

    # FROM

    def source(self, depth, joins=None):
        """A FROM clause: one item or several that are joined."""
        joined = self.item(depth)
        joins = self.pick((0, 0, 0, 1, 1, 1, 2)) if joins is None else joins
        for _ in range(joins):
            joined = self.join(joined, depth)
        return joined

    def item(self, depth):
        """A table, or something that takes its place."""
        form = self.random.random()
        if self.shared and (form < 0.3 or not self.shared_used):
            self.shared_used = True
            return self.named(self.shared, self.shared.text)
        if depth > 0 and form < 0.3:
            inner = self.query(depth - 1)
            text, rows = inner.text, inner.rows
            if rows > 20 and self.chance(0.15):
                text, rows = self.in_order(inner, limit=True), 20
            return self.named(dataclasses.replace(inner, rows=rows, ended=False), f"({text})")
        if form < 0.34:
            return self.literal_rows()
        return self.table(self.random.choices(list(WEIGHTS), list(WEIGHTS.values()))[0])

    def table(self, table):
        stored = stored_table(table)
        if self.chance(0.015):
            # No row at all, but no optimizer knows.
            key = stored.identity[0]
            never = self.pick((f"{key} < 0", f"{key} % 5 > 7", f"{key} + 1 < {key}"))
            table = f"(SELECT * FROM {table} WHERE {never})"
        return self.named(stored, table)

    def named(self, rows, text):
        """The rows under a name of their own."""
        name = self.name("t")
        columns = tuple(column.like(f"{name}.{column}", stored=column.stored)
                        for column in rows.columns)
        identity = tuple(f"{name}.{column}" for column in rows.identity)
        return dataclasses.replace(
            rows, text=f"{text} AS {name}", columns=columns, identity=identity)

    def literal_rows(self):
        columns = (Column("a", "int", 6, 6, 6, domain="nationkey"),
                   Column("b", "int", 1, 4, 3, domain="regionkey"), Column("c", "text", 1, 3))
        rows = [f"({i}, {self.pick((i % 3, 'NULL')) if i else 0}, '{'abc'[i % 3]}')"
                for i in range(self.number(1, 6))]
        literal = Rows("", columns, len(rows), ("a",), True)
        named = self.named(literal, f"(VALUES {', '.join(rows)})")
        return dataclasses.replace(named, text=f"{named.text} (a, b, c)")

    def join(self, left, depth):
        """The left side joined with one more item."""
        right = self.item(depth)
        related = [table for table in WEIGHTS if natural_pairs(left, stored_table(table))]
        if related and not natural_pairs(left, right) and self.chance(0.75):
            right = self.table(self.pick(related))
        if self.chance(0.12):
            both = self.join(right, depth)
            if both is not right:
                right = dataclasses.replace(both, text=f"({both.text})")
        if not (pair := self.pair(left, right)):
            right = self.table(self.pick(SMALL))
            pair = self.pair(left, right)
        if not pair:
            return left
        product = left.rows * right.rows
        if product <= ROWS_OF_PRODUCTS and self.chance(0.3):
            return self.product(left, right)
        kind = self.pick(("JOIN", "JOIN", "LEFT JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"))
        tests, rows = [f"{pair[0]} = {pair[1]}"], joined_rows(left, right, *pair)
        if self.chance(0.15) and (second := self.pair(left, right)):
            tests.append(f"{second[1]} = {second[0]}")
        if self.chance(0.15):
            tests.append(self.comparison(left, right))
        if self.chance(0.15):
            tests.append(self.condition(self.pick((left, right)).columns))
        if kind == "JOIN" and depth > 0 and self.chance(0.08):
            tests.append(f"{self.value(left.columns, 'int')} < {self.scalar('int', depth)}")
        if kind != "JOIN":
            rows += left.rows + right.rows
        text = f"{kind} {right.text} ON {' AND '.join(tests)}"
        return self.joined(left, right, text, rows, full=kind == "FULL JOIN")

    def product(self, left, right):
        """Every left row with every right row, or those that a comparison lets through."""
        rows = left.rows * right.rows
        if self.chance(0.3):
            return self.joined(left, right, f"CROSS JOIN {right.text}", rows)
        text = f"{self.pick(('JOIN', 'LEFT JOIN'))} {right.text} ON {self.comparison(left, right)}"
        return self.joined(left, right, text, rows)

    def joined(self, left, right, text, rows, full=False):
        columns = left.columns + right.columns
        solid = left.solid and right.solid
        identity = left.identity + right.identity
        if full and not solid:
            # A row of the left and one of the right side may both be NULL in all of it.
            identity = tuple(map(str, columns))
        return Rows(f"{left.text} {text}", columns, max(rows, 1), identity, solid)

    def pair(self, left, right):
        """A value of each side whose equality does not join too much, or None."""
        natural = natural_pairs(left, right)
        if natural and self.chance(0.85):
            return self.pick(natural)
        kinds = ("text",) if self.chance(0.1) else ("int", "date")
        pairs = [(one, two) for one in left.columns for two in right.columns
                 if one.kind == two.kind and one.kind in kinds
                 and joined_rows(left, right, one, two) <= ROWS_OF_JOINS]
        if not pairs:
            return None
        one, two = self.pick(pairs)
        changed = self.value((one,), one.kind), self.value((two,), two.kind)
        return changed if joined_rows(left, right, *changed) <= ROWS_OF_JOINS else (one, two)

    # WHERE

    def with_query(self, outer, depth):
        """A condition with a subquery, correlated or not."""
        inner = self.source(depth - 1, joins=self.pick((0, 0, 0, 1)))
        more = self.where(inner, depth - 1)
        also = f"{more} AND" if more else " WHERE"
        # Of a semi join there are no more rows than of its left side: more may match.
        pair = self.pair(dataclasses.replace(outer, rows=outer.rows // 100 + 1), inner)
        negation = self.pick(("", "", "NOT "))
        form = self.random.random()
        if form < 0.25:
            kind = self.pick(("int", "num", "date", "text"))
            value = self.value(outer.columns, kind)
            return f"{value} {self.pick(COMPARISONS)} {self.scalar(kind, depth)}"
        if form < 0.30 and outer.rows * inner.rows <= ROWS_OF_EXISTS:
            return f"{negation}EXISTS (SELECT 1 FROM {inner.text}{more})"
        if pair is None:
            return self.condition(outer.columns)
        theirs, own = pair
        if form < 0.55:
            test = f"{also} {own} = {theirs}"
            if self.chance(0.3):
                test += f" AND {self.comparison(inner, outer)}"
            return f"{negation}EXISTS (SELECT 1 FROM {inner.text}{test})"
        if form < 0.67 and own.stored:
            # DataFusion can plan no other than `column = outer value`.
            kind = self.pick(("int", "num", "date"))
            value = self.value(outer.columns, kind)
            query = f"SELECT {self.aggregate(inner, kind)} FROM {inner.text}{also} {own} = {theirs}"
            return f"{value} {self.pick(COMPARISONS)} ({query})"
        if self.chance(0.4):
            own = own.like(f"CASE WHEN {self.condition(inner.columns)} THEN {own} END")
        test = f"{theirs} {negation}IN (SELECT {own} FROM {inner.text}{more})"
        return f"({test} OR {self.condition(outer.columns)})" if self.chance(0.15) else test

    def scalar(self, kind, depth, compared=True):
        """An uncorrelated query with one value; an average only where it is compared."""
        inner = self.source(depth - 1, joins=0)
        more = self.where(inner, depth - 1)
        if compared and kind in ("int", "num") and self.chance(0.25):
            number = self.value(inner.columns, kind, plain=True)
            return f"(SELECT avg({number}) FROM {inner.text}{more})"
        if self.chance(0.2):
            value = self.value(inner.columns, kind)
            also = f"{more} AND" if more else " WHERE"
            tail = f"{also} {value} IS NOT NULL ORDER BY 1 DESC LIMIT 1"
            return f"(SELECT {value} FROM {inner.text}{tail})"
        return f"(SELECT {self.aggregate(inner, kind)} FROM {inner.text}{more})"

    def where(self, source, depth):
        """A WHERE clause, or nothing."""
        tests = []
        for likely in (0.4, 0.2, 0.1):
            if self.chance(likely):
                subquery = depth > 0 and self.chance(0.3)
                tests.append(self.with_query(source, depth) if subquery
                             else self.condition(source.columns))
        return " WHERE " + " AND ".join(tests) if tests else ""

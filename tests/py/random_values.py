"""Random values of a kind, and conditions, made of columns.

In: a source of randomness, columns. Out: a Column whose text is an expression; the text of a
condition, without subqueries. Values and conditions are in one class, as each has the other in it.
"""

from random_tables import DIGITS, Column

LETTERS = ("B", "M", "S", "d", "n")
LIKES = ("%a%", "%e%s%", "A%", "%0_%", "_u%", "%s", "%#00%1", "%", "")
COMPARISONS = ("<", "<=", ">", ">=")


class Values:
    """Randomness comes from `source`; names count up, so that none is twice."""

    def __init__(self, source):
        self.random = source
        self.names = 0

    # Chance

    def chance(self, share):
        return self.random.random() < share

    def pick(self, options):
        return self.random.choice(options)

    def number(self, low, high):
        return self.random.randint(low, max(low, high))

    def name(self, letter):
        self.names += 1
        return f"{letter}{self.names}"

    def kinds(self):
        count = self.number(1, 3)
        return self.random.choices(("int", "num", "text", "date"), (4, 2, 3, 2), k=count)

    # Values

    def value(self, columns, kind, plain=False):
        """A value of that kind, made of the columns."""
        if kind == "bool":
            return Column(f"({self.condition(columns)})", "bool", 1, 3)
        fitting = [column for column in columns if column.kind == kind]
        if not fitting:
            return self.converted(self.pick(columns), kind)
        column, other = self.pick(fitting), self.pick(fitting)
        if plain or self.chance(0.45):
            return column
        if other is column:
            other = Column(self.constant(kind, column), kind, 1, 1, digits=8)
        if self.chance(0.3):
            return self.with_nulls(columns, column, other)
        change = {"int": self.integer, "num": self.numeric, "text": self.words, "date": self.date}
        return change[kind](column, other, columns)

    def converted(self, column, kind):
        """A value of that kind from a column of another, by way of an integer. Something is
        added before a cast, as DataFusion calls x and cast(x) alike and refuses a name twice."""
        if column.kind == "int":
            number = column
        elif column.kind == "num" and column.stored:
            number = column.like(f"cast({column} + 0 AS bigint)", kind="int")
        elif column.kind == "text":
            number = column.skewed(f"length({column})", kind="int", high=20)
        elif column.kind == "date":
            text = f"cast(extract(year FROM {column}) AS integer)"
            number = column.skewed(text, kind="int", most=30, high=2000)
        else:
            test = f"{column} > 50" if column.kind in ("num", "avg") else column
            number = Column(f"CASE WHEN {test} THEN 7 ELSE 1 END", "int", 1, 2, 7)
        if kind == "int":
            return number
        text = {"num": f"cast({number} * 1.00 AS numeric(12,2))",
                "text": f"cast({number} + 0 AS text)",
                "date": f"(date '1995-06-01' + cast({number} % 500 AS integer))"}[kind]
        return number.like(text, kind=kind, domain="", digits=12)

    def constant(self, kind, column=None, part=(0.0, 1.0)):
        """A literal, from a part of the column's range."""
        low, high = (int(share * (column.high if column else 50)) for share in part)
        if kind == "text":
            return f"'{self.pick(column.words if column and column.words else LETTERS)}'"
        if kind == "date":
            year = self.number(1992 + int(7 * part[0]), 1991 + int(7 * part[1]))
            return f"date '{year}-{self.number(1, 12):02}-17'"
        if kind == "num" and self.chance(0.5):
            return f"{self.number(low, high)}.{self.number(0, 99):02}"
        return str(self.number(low, high))

    def with_nulls(self, columns, column, other):
        """The column with NULLs put in or taken out."""
        some, test = self.constant(column.kind, column), self.condition(columns)
        digits = max(column.digits, other.digits)
        forms = [
            column.like(f"CASE WHEN {test} THEN {column} END"),
            column.like(f"nullif({column}, {some})"),
            column.skewed(f"coalesce({column}, {some})", most=column.most + 1),
            column.skewed(f"CASE WHEN {test} THEN {column} ELSE {other} END",
                          most=column.most + other.most, digits=digits)]
        if column.kind == "int":
            forms.append(column.skewed(f"nullif({column} % 3, 0)", most=5))
        return self.pick(forms)

    def integer(self, column, other, _columns):
        k, half = self.number(2, 12), column.high // 2
        even = min(column.values, k) if column.domain else 1
        return self.pick((
            column.like(f"({column} % {k})", values=even, most=2 * k, high=k, domain=""),
            column.like(f"({column} / {k})", values=max(1, column.values // k), domain=""),
            column.like(f"({column} + {k})", domain=""),
            column.like(f"({column} * {k})", high=column.high * k, domain=""),
            column.skewed(f"({column} - {other})", most=column.most * other.most),
            column.like(f"abs({column} - {half})", values=max(1, column.values // 2), domain="")))

    def numeric(self, column, other, _columns):
        most, digits = column.most * other.most, max(column.digits, other.digits) + 3
        product = column.digits + other.digits
        forms = [column.like(f"round({column}, 1)")]
        if product <= DIGITS:
            forms.append(column.like(f"({column} * {other})", most=most, digits=product))
        if digits <= DIGITS:
            forms += [column.like(f"({column} + {other})", most=most, digits=digits),
                      column.like(f"({column} - {other})", most=most, digits=digits),
                      column.like(f"({column} * 0.9)", digits=digits)]
        if column.stored:
            # Two digits after the point: a third of it cannot lie half way between two others.
            forms.append(column.like(f"cast(round({column} / 3, 2) AS numeric(15,2))"))
        return self.pick(forms)

    def words(self, column, _other, columns):
        number = self.value(columns, "int", plain=True)
        return self.pick((
            column.like(f"upper({column})"), column.like(f"lower({column})"),
            column.skewed(f"substr({column}, 1, {self.number(1, 6)})"),
            column.skewed(f"substr({column}, {self.number(1, 12)}, 2)"),
            column.like(f"({column} || '-' || cast({number} AS text))",
                        most=column.most * number.most)))

    def date(self, column, _other, _columns):
        k = self.number(1, 40)
        month = f"cast(date_trunc('month', {column}) AS date)"
        return self.pick((
            column.like(f"({column} + {k})"), column.like(f"({column} - {k})"),
            column.like(month, values=max(1, column.values // 31), most=min(column.most, 90)),
            column.like(f"cast({column} + interval '{k} months' AS date)")))

    # Conditions

    def condition(self, columns):
        """A condition on the columns, without subqueries."""
        form = self.random.random()
        if form < 0.12:
            word = self.pick(("AND", "OR"))
            return f"({self.condition(columns)} {word} {self.condition(columns)})"
        if form < 0.16:
            return f"NOT ({self.condition(columns)})"
        if form < 0.165:
            return f"{self.value(columns, 'int')} % 7 = 9"  # never, but no optimizer knows
        column = self.pick(columns)
        if column.kind == "bool":
            return self.pick((f"{column}", f"NOT {column}", f"({column} IS NOT TRUE)"))
        if form < 0.30 or column.kind == "avg":
            return f"{column} IS {self.pick(('NULL', 'NOT NULL', 'NOT NULL', 'NOT NULL'))}"
        value = self.value(columns, column.kind, plain=self.chance(0.7))
        if form < 0.40:
            other = self.value(columns, value.kind, plain=True)
            if str(other) == str(value):
                other = self.constant(value.kind, value)
            # In brackets, or `a IS DISTINCT FROM b AND c` is read as `... FROM (b AND c)`.
            return f"({value} {self.pick(('<', '>=', '<>', 'IS DISTINCT FROM'))} {other})"
        return self.with_constants(value)

    def with_constants(self, value):
        one, low, high = (self.constant(value.kind, value, part)
                          for part in ((0.0, 1.0), (0.0, 0.5), (0.5, 1.0)))
        if value.kind == "text":
            forms = [f"{value} {self.pick(COMPARISONS)} {one}",
                     f"{value} {self.pick(('LIKE', 'LIKE', 'NOT LIKE'))} '{self.pick(LIKES)}'"]
            if value.words:
                forms += [f"{value} {self.pick(('=', '<>'))} {one}", f"{value} IN ({one}, {low})"]
            return self.pick(forms)
        forms = [f"{value} {self.pick(('<', '<='))} {high}", f"{value} > {low}",
                 f"{value} BETWEEN {low} AND {high}",
                 f"{value} NOT BETWEEN {low} AND {one}"]
        if value.kind == "int":
            k = self.number(2, 5)
            forms += [f"{value} % {k} {self.pick(('=', '<>', '<'))} {self.number(1, k - 1)}",
                      f"{value} IN ({one}, {low}, {high}, 1, 3)",
                      f"{value} NOT IN ({one}, {low}{', NULL' if self.chance(0.1) else ''})"]
        return self.pick(forms)

    def comparison(self, left, right):
        """A value of the one side compared with one of the other."""
        kind = self.pick(("int", "num", "date", "text"))
        word = self.pick((*COMPARISONS, "<>"))
        return f"{self.value(left.columns, kind)} {word} {self.value(right.columns, kind)}"

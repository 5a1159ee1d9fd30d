"""What random queries are made of: the tables, expressions and rows with guesses about them.

In: the name of a table. Out: its Rows of Columns; which columns of two Rows hold the same things,
and how many rows an equality of two columns joins.
"""

import dataclasses
import functools

# Of each table about the rows at scale 0.005, how many columns are the key, and the columns, as
# name:kind:distinct values:highest, or of text the words to ask for. Kinds: int, num (numeric),
# text, date, bool, avg. At this scale a part may have a supplier twice: partsupp needs all four.
TABLES = {
    "region": (5, 1, "r_regionkey:int:5:4 r_name:text:5:ASIA|EUROPE|AFRICA"),
    "nation": (25, 1, "n_nationkey:int:25:24 n_name:text:25:CHINA|FRANCE|PERU|KENYA "
                      "n_regionkey:int:5:4 n_comment:text:25"),
    "supplier": (50, 1, "s_suppkey:int:50:50 s_name:text:50 s_nationkey:int:25:24 "
                        "s_phone:text:50 s_acctbal:num:50:9000"),
    "customer": (750, 1, "c_custkey:int:750:750 c_name:text:750 c_nationkey:int:25:24 "
                         "c_phone:text:750 c_acctbal:num:750:9000 "
                         "c_mktsegment:text:5:BUILDING|MACHINERY|AUTOMOBILE"),
    "part": (1000, 1, "p_partkey:int:1000:1000 p_name:text:1000 p_mfgr:text:5 p_brand:text:25 "
                      "p_type:text:150 p_size:int:50:50 p_container:text:40 "
                      "p_retailprice:num:1000:1900"),
    "partsupp": (4000, 4, "ps_partkey:int:1000:1000 ps_suppkey:int:50:50 "
                          "ps_availqty:int:3300:9999 ps_supplycost:num:3900:1000"),
    "orders": (7500, 1, "o_orderkey:int:7500:30000 o_custkey:int:500:750 "
                        "o_orderstatus:text:3:F|O|P o_totalprice:num:7500:300000 "
                        "o_orderdate:date:2400 o_orderpriority:text:5:1-URGENT|5-LOW "
                        "o_clerk:text:1000 o_shippriority:int:1:0"),
    "lineitem": (30000, 2, "l_orderkey:int:7500:30000 l_linenumber:int:7:7 "
                           "l_partkey:int:1000:1000 l_suppkey:int:50:50 l_quantity:num:50:50 "
                           "l_extendedprice:num:23000:60000 l_discount:num:11:1 l_tax:num:9:1 "
                           "l_returnflag:text:3:A|N|R l_linestatus:text:2:F|O "
                           "l_shipdate:date:2500 l_receiptdate:date:2500 "
                           "l_shipmode:text:7:AIR|RAIL|TRUCK"),
    # All but the key are NULL in a third of the rows.
    "sparse": (4000, 1, "x_id:int:4000:4000 x_regionkey:int:7:6 x_custkey:int:300:900 "
                        "x_word:text:6:ant|bee|cat x_day:date:40 x_price:num:20:100"),
}
WEIGHTS = {"lineitem": 1, "orders": 3, "customer": 4, "partsupp": 2, "part": 3, "supplier": 3,
           "nation": 4, "region": 2, "sparse": 5}
# Columns of these names hold the same values wherever they are.
DOMAINS = ("orderkey", "partkey", "suppkey", "custkey", "nationkey", "regionkey")
ROWS_OF_JOINS = 10_000
DIGITS = 38


@dataclasses.dataclass(frozen=True)
class Column:
    """An expression, and guesses that keep joins small, answers short and filters useful."""

    text: str
    kind: str
    values: int = 3  # at least about so many different ones, none much more often than others
    most: int = 1000  # at most so many different ones
    high: int = 100
    words: tuple = ()
    domain: str = ""
    digits: int = 15  # of a numeric, as DuckDB counts them: no more than 38
    stored: bool = False

    def __str__(self):
        return self.text

    def like(self, text, **changes):
        """The same values under another text, but for the changes."""
        return dataclasses.replace(self, **{"text": text, "stored": False, **changes})

    def skewed(self, text, **changes):
        """Values of which many may be the same one."""
        return self.like(text, values=min(self.values, 3), domain="", **changes)


@dataclasses.dataclass(frozen=True)
class Rows:
    """A FROM item, or a query. Rows that are equal in `identity` are equal in all columns; where
    it is `solid` it is a key, and no row is NULL in all of it."""

    text: str
    columns: tuple
    rows: int
    identity: tuple
    solid: bool = False
    ended: bool = False  # a query with an ORDER BY of its own


@functools.cache
def stored_table(table):
    """The rows of a table, under its own name."""
    rows, key, described = TABLES[table]
    columns = []
    for entry in described.split(" "):
        name, kind, values, *rest = entry.split(":")
        words = tuple(rest[0].split("|")) if rest and kind == "text" else ()
        high = int(rest[0]) if rest and kind != "text" else 100
        suffix = name.partition("_")[2]
        domain = suffix if suffix in DOMAINS else ""
        # One more: NULL.
        columns.append(Column(
            name, kind, int(values), int(values) + 1, high, words, domain, stored=True))
    return Rows(table, tuple(columns), rows, tuple(map(str, columns[:key])), True)


def joined_rows(left, right, one, two):
    """About how many rows an equality of the two columns joins."""
    return left.rows * right.rows // max(one.values, two.values)


def natural_pairs(left, right):
    """The pairs of columns that hold the same things, where that does not join too much."""
    return [(one, two) for one in left.columns for two in right.columns
            if one.domain and one.domain == two.domain
            and joined_rows(left, right, one, two) <= ROWS_OF_JOINS]

"""The table of clients in `tests/CLIENTS.md`, made of the results of the tests that drive them.

In: the results of one run. Out: the table's text. `conftest.py` compares it with the file when a
run had all clients, and writes it with `UPDATE_GOLDEN=1`.
"""

import collections
import pathlib
import re

FILE = pathlib.Path(__file__).resolve().parents[1] / "CLIENTS.md"

# Title, the tests that drive it: the beginning of their ids.
CLIENTS = [
    ("psql 15, every backslash command", r"test_client_psql\.py"),
    ("psycopg 3 (libpq 18)", r"test_drivers\.py::test_psycopg|test_activity\.py"),
    ("psycopg2", r"test_client_psycopg2\.py"),
    ("pg8000", r"test_client_pg8000\.py"),
    ("asyncpg", r"test_drivers\.py::test_asyncpg"),
    ("SQLAlchemy 2 on three drivers", r"test_client_sqlalchemy"),
    ("pandas", r"test_client_pandas\.py"),
    ("ADBC", r"test_client_adbc\.py"),
    ("pgcli", r"test_client_pgcli\.py"),
    ("dbt", r"test_client_dbt\.py"),
    ("Apache Superset", r"test_client_superset\.py"),
    ("pgAdmin 4", r"test_client_pgadmin\.py"),
    ("pgjdbc", r"test_drivers\.py::test_jdbc|test_client_languages\.py::test_java"),
    ("psqlodbc, both modes", r"test_drivers\.py::test_odbc"),
    ("node: pg, postgres, knex, typeorm", r"test_client_languages\.py::test_node"),
    ("Perl: DBD::Pg", r"test_client_languages\.py::test_perl"),
    ("Go: lib/pq, pgx", r"test_client_languages\.py::test_go"),
    ("COPY through psql, psycopg, asyncpg, pgjdbc", r"test_copy\.py"),
]

# Tests that were written against PostgreSQL and were not driven here yet: part of what they ask for
# is missing.
NOT_DRIVEN = [f"test_client_{name}.py" for name in (
    "dbt", "languages", "pgadmin", "pgcli", "superset")]

HEAD = """# Clients

Made by `tests/run` from what its tests saw; each passes against PostgreSQL 15 too. A check that does
not pass here is marked in its test with the reason below, and turns red on the day it does.

| client | checks that pass | of | tests | what does not pass |
|---|---|---|---|---|
"""


class Results:
    """What became of each test, and why some may fail."""

    def __init__(self):
        self.outcomes = {}
        self.reasons = {}

    def note(self, report):
        """One report of pytest's; the last of a test counts."""
        name = report.nodeid.rsplit("/", 1)[-1]
        if report.when == "call" or report.outcome != "passed":
            if hasattr(report, "wasxfail"):
                self.outcomes[name] = "missing"
                self.reasons[name] = report.wasxfail.removeprefix("reason: ")
            else:
                self.outcomes[name] = report.outcome

    def of(self, pattern):
        return {name: outcome for name, outcome in self.outcomes.items() if re.match(pattern, name)}

    def is_whole(self):
        """Whether every client was driven that can be, and nothing failed or was left out."""
        waits = [file.removesuffix(".py") for file in NOT_DRIVEN]
        parts = [(pattern, self.of(pattern)) for _, pattern in CLIENTS]
        done = all(set(part.values()) <= {"passed", "missing"} for _, part in parts)
        return done and all(
            part or any(name in pattern for name in waits) for pattern, part in parts)

    def table(self):
        return HEAD + "".join(self._row(title, pattern) for title, pattern in CLIENTS)

    def _row(self, title, pattern):
        outcomes = self.of(pattern)
        if not outcomes:
            return f"| {title} | | | | not driven yet |\n"
        passed = sum(outcome == "passed" for outcome in outcomes.values())
        files = sorted({name.split("::")[0] for name in outcomes})
        reasons = collections.Counter(
            self.reasons[name] for name, outcome in outcomes.items() if outcome == "missing")
        missing = "; ".join(f"{reason} ({count})" for reason, count in sorted(reasons.items()))
        files = ", ".join(f"`py/{file}`" for file in files)
        return f"| {title} | {passed} | {len(outcomes)} | {files} | {missing} |\n"

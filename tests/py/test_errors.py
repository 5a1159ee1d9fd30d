"""Wrong statements: the SQLSTATE and the position are PostgreSQL's, and nothing is internal.

PostgreSQL is the judge: both have the same tables, and each wrong statement is sent to both.
"""

import psycopg
import pytest

import error_cases
import error_value_cases
from conftest import AGAINST_POSTGRES
from error_differences import DIFFERENT
from mobula import Mobula
from postgres import Postgres

pytestmark = pytest.mark.skipif(AGAINST_POSTGRES, reason="PostgreSQL is the judge here")

CASES = error_cases.CASES | error_value_cases.CASES
# Of these groups each statement is sent as it is; the others run in a transaction that is undone.
OUTSIDE = {"cursors", "transactions"}
REASONS = {statement: why for why, statements in DIFFERENT.items() for statement in statements}


@pytest.fixture(scope="module")
def both():
    with Mobula() as ours, Postgres() as theirs:
        for server in (ours, theirs):
            with server.connect() as connection:
                for statement in error_cases.SETUP:
                    connection.execute(statement)
        yield ours, theirs


def run(connection, statement):
    if "to stdout" in statement:
        with connection.cursor().copy(statement) as copy:
            for _ in copy:
                pass
    else:
        connection.execute(statement)


def answer(server, group, case):
    """The SQLSTATE and the position that the last statement of a case ends with."""
    *before, last = [case] if isinstance(case, str) else case
    with server.connect() as connection:
        for statement in before if group in OUTSIDE else ["begin", *before]:
            connection.execute(statement)
        try:
            run(connection, last)
            return None, None
        except psycopg.Error as error:
            return error.sqlstate, error.diag.statement_position
        finally:
            connection.execute("rollback")


def cases():
    for group, statements in CASES.items():
        for case in statements:
            why = REASONS.get(case)
            marks = [pytest.mark.xfail(strict=True, reason=why)] if why else []
            name = case if isinstance(case, str) else "; ".join(case)
            yield pytest.param(group, case, id=name, marks=marks)


@pytest.mark.parametrize("group, case", list(cases()))
def test_a_wrong_statement(both, group, case):
    ours, theirs = both
    want = answer(theirs, group, case)
    assert want[0] not in (None, "0A000"), "PostgreSQL does not call it wrong"
    assert answer(ours, group, case) == want


def test_nothing_was_internal(both):
    """Of all that was sent above, what differs too."""
    ours, _ = both
    assert ours.process.poll() is None
    assert "internal error" not in ours.log and "panicked" not in ours.log


def test_that_is_enough():
    every = [case for statements in CASES.values() for case in statements]
    assert len(every) == len(set(every)) and set(REASONS) <= set(every)
    assert len(set(every) - set(REASONS)) >= 200

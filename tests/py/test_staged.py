"""Staged queries: cut into stages of tasks, each task from its bytes, the answers are the same.

TPC-H at SF 0.1 (MOBULA_TESTS_SCALE) against DuckDB, with 1, 3 and 8 tasks a stage and 1 and 4
partitions a task; `test_tpch.py` compares `local` with the same oracle.
"""

import threading
import time

import psycopg
import pytest

import staged
import tpch
from conftest import GENEROUS
from process import cpu_seconds, wait_busy, wait_until

pytestmark = pytest.mark.mobula_only

# {number: why the query runs in one process}. Keep it empty.
LOCAL = {}


@pytest.fixture(scope="module")
def oracle(server):
    with tpch.oracle(server.demo_files()) as connection:
        queries = tpch.queries(connection)
        yield queries, {n: connection.execute(queries[n]).fetchall() for n in tpch.NUMBERS}


@pytest.fixture(scope="module", params=staged.WIDTHS, ids=lambda width: f"{width[0]}x{width[1]}")
def client(server, request):
    with staged.connect(server, request.param) as connection:
        yield connection


@pytest.mark.parametrize("number", tpch.NUMBERS)
def test_tpch(client, oracle, number):
    queries, answers = oracle
    sql = tpch.adapted(number, queries[number])
    assert staged.why_local(client, sql) == LOCAL.get(number)
    got = client.execute(sql).fetchall()
    assert not (wrong := tpch.difference(number, got, answers[number])), wrong


def test_all_are_staged(server, oracle, measure):
    with staged.connect(server, (3, 1)) as client:
        queries = {n: tpch.adapted(n, oracle[0][n]) for n in tpch.NUMBERS}
        why = {n: staged.why_local(client, sql) for n, sql in queries.items()}
    measure("staged", sum(reason is None for reason in why.values()), "of 22")
    assert {n: reason for n, reason in why.items() if reason} == LOCAL


@pytest.mark.parametrize("number", tpch.NUMBERS)
def test_tasks_can_be_repeated(server, oracle, number):
    """The server runs each task twice and compares what it wrote, unless its stage is marked."""
    queries, answers = oracle
    with staged.connect(server, (3, 2), **{"mobula.repeat_tasks": "on"}) as client:
        got = client.execute(tpch.adapted(number, queries[number])).fetchall()
    assert not (wrong := tpch.difference(number, got, answers[number])), wrong


def test_an_error_in_a_task_is_the_clients(server):
    with staged.connect(server, (3, 1)) as client:
        with pytest.raises(psycopg.Error) as caught:
            client.execute("SELECT sum(l_orderkey / (l_linenumber - l_linenumber)) FROM lineitem")
    assert caught.value.sqlstate == "22012"


def test_a_scalar_subquery_of_two_rows_is_an_error(server):
    sql = "SELECT count(*) FROM lineitem WHERE l_orderkey > (SELECT o_orderkey FROM orders)"
    with staged.connect(server, (3, 1)) as client:
        with pytest.raises(psycopg.Error) as caught:
            client.execute(sql)
    assert caught.value.sqlstate == "21000"


def test_explain_analyze_shows_what_tasks_did(server):
    with staged.connect(server, (3, 1)) as client:
        sql = "SELECT l_returnflag, count(*) FROM lineitem GROUP BY 1"
        rows = client.execute(f"EXPLAIN ANALYZE {sql}").fetchall()
    text = "\n".join(line for (line,) in rows)
    assert "Stage 0: 3 tasks, rows by hash to 3; reads files" in text
    assert "out: 9 rows" in text and "in: 9 rows" in text, text


@pytest.mark.parametrize("number", tpch.NUMBERS)
def test_lost_outputs_are_made_again(server, oracle, number):
    """The server loses each task's first output, before it is read or after it was read once."""
    queries, answers = oracle
    sql = tpch.adapted(number, queries[number])
    with staged.connect(server, (3, 1), **{"mobula.lose_outputs": "on"}) as client:
        got = client.execute(sql).fetchall()
        measured = client.execute(f"EXPLAIN ANALYZE {sql}").fetchall()
    assert not (wrong := tpch.difference(number, got, answers[number])), wrong
    assert any("failed attempts" in line for (line,) in measured), "nothing was lost"


def test_a_cancelled_query_leaves_no_task(server, measure):
    sql = "SELECT count(*) FROM lineitem a, lineitem b WHERE a.l_comment < b.l_comment"
    states = []
    with staged.connect(server, (3, 1)) as client:
        def run():
            with pytest.raises(psycopg.Error) as caught:
                client.execute(sql)
            states.append(caught.value.sqlstate)

        thread = threading.Thread(target=run)
        thread.start()
        wait_busy(server.pid)
        begin = time.monotonic()
        client.cancel_safe(timeout=10)
        thread.join(30)
        cancelled_s = time.monotonic() - begin
    measure("cancel", 1000 * cancelled_s, "ms")
    assert states == ["57014"] and cancelled_s < 1 * GENEROUS
    wait_until("the tasks to end", lambda: is_idle(server), 5)


def is_idle(server):
    before = cpu_seconds(server.pid)
    time.sleep(0.2)
    return cpu_seconds(server.pid) - before < 0.05

"""What runs can be seen: `mobula.queries`, `mobula.stages`, `mobula.tasks` and EXPLAIN as JSON.

One session runs, another looks. Queries are found by a word in their text that no other has.
"""

import struct
import threading
import uuid

import psycopg
import pytest
from psycopg.rows import dict_row

import staged
import tpch
from process import wait_until
from wire import Wire, extended, message

pytestmark = pytest.mark.mobula_only

DEADLINE_S = 30
HEAVY = "SELECT count(*) FROM lineitem a, lineitem b WHERE a.l_comment < b.l_comment"
GROUPS = "SELECT l_partkey, count(*) FROM lineitem GROUP BY 1"


@pytest.fixture
def watcher(server):
    with server.connect(row_factory=dict_row) as connection:
        yield connection


def marked(sql):
    """The query under a word of its own."""
    word = f"m{uuid.uuid4().hex}"
    return word, f"/* {word} */ {sql}"


def query(watcher, word):
    """The row of a query, none before it is there. The watcher's own text has the word too."""
    sql = "SELECT * FROM mobula.queries WHERE query LIKE %s AND pid <> pg_backend_pid()"
    return watcher.execute(sql, (f"%{word}%",)).fetchone()


def ended(watcher, word):
    def row():
        found = query(watcher, word)
        return found if found and found["state"] != "running" else None

    return wait_until(f"the end of {word}", row, DEADLINE_S)


def rows_of(watcher, view, found):
    sql = f"SELECT * FROM mobula.{view} WHERE query_id = %s ORDER BY 2, 3"
    return watcher.execute(sql, (found["query_id"],)).fetchall()


def runs_and_fails(client, sql):
    """Runs a query that somebody ends; `join` gives its SQLSTATE."""
    states = []

    def run():
        try:
            client.execute(sql)
        except psycopg.Error as error:
            states.append(error.sqlstate)

    thread = threading.Thread(target=run)
    thread.start()

    def join():
        thread.join(DEADLINE_S)
        return states

    return join


def test_a_query_is_seen_while_it_runs_and_when_it_is_cancelled(server, watcher):
    word, sql = marked(HEAVY)
    with staged.connect(server, (3, 1)) as client:
        join = runs_and_fails(client, sql)

        def tasks_run():
            found = query(watcher, word)
            # Of the stage that joins: between the one before and it none would be cancelled.
            tasks = rows_of(watcher, "tasks", found) if found else []
            running = {task["stage"] for task in tasks if task["state"] == "running"}
            return 1 in running

        wait_until("a task to run", tasks_run, DEADLINE_S)
        found = query(watcher, word)
        assert (found["state"], found["runner"], found["query"]) == ("running", "staged", sql)
        assert found["pid"] == client.info.backend_pid and found["usename"] == "mobula"
        assert found["tasks"] > found["tasks_done"] and found["rows"] is None, found
        assert [stage["stage"] for stage in rows_of(watcher, "stages", found)] == list(
            range(found["stages"]))
        client.cancel_safe(timeout=10)
        assert join() == ["57014"]
    found = ended(watcher, word)
    assert found["state"] == "cancelled" and "user request" in found["error"], found

    def tasks_ended():
        states = {task["state"] for task in rows_of(watcher, "tasks", found)}
        return states <= {"done", "cancelled"} and "cancelled" in states

    wait_until("its tasks to end", tasks_ended, DEADLINE_S)


def test_figures_add_up_when_it_is_done(server, watcher):
    word, sql = marked(GROUPS)
    with staged.connect(server, (3, 2)) as client:
        received = len(client.execute(sql).fetchall())
    found = ended(watcher, word)
    assert (found["state"], found["error"], found["rows"]) == ("done", None, received)
    assert found["tasks_done"] == found["tasks"] > 3 and found["elapsed_ms"] > 0
    stages, tasks = rows_of(watcher, "stages", found), rows_of(watcher, "tasks", found)
    assert sum(stage["tasks"] for stage in stages) == found["tasks"] == len(tasks)
    assert stages[-1]["rows_out"] == received and stages[0]["rows_out"] == stages[1]["rows_in"]
    for stage in stages:
        mine = [task for task in tasks if task["stage"] == stage["stage"]]
        assert stage["tasks_done"] == stage["tasks"] == len(mine)
        assert {task["state"] for task in mine} == {"done"}
        for figure in ("rows_in", "bytes_in", "rows_out", "bytes_out", "spilled_bytes"):
            assert stage[figure] == sum(task[figure] for task in mine), figure
        times = [task["run_ms"] for task in mine]
        assert (stage["min_ms"], stage["max_ms"]) == (min(times), max(times))
        assert stage["failed"] == 0 and stage["determinism"] == "determinate"


def test_a_failed_query_says_why(server, watcher):
    word, sql = marked("SELECT sum(l_orderkey / (l_linenumber - l_linenumber)) FROM lineitem")
    with staged.connect(server, (3, 1)) as client:
        with pytest.raises(psycopg.errors.DivisionByZero):
            client.execute(sql)
    found = ended(watcher, word)
    assert (found["state"], found["error"]) == ("failed", "division by zero")

    def failed():
        tasks = rows_of(watcher, "tasks", found)
        return [task for task in tasks if task["state"] == "failed"]

    tasks = wait_until("a failed task", failed, DEADLINE_S)
    assert {task["error"] for task in tasks} == {"division by zero"}


def test_lost_outputs_are_attempts_of_their_own(server, watcher):
    word, sql = marked(GROUPS)
    with staged.connect(server, (3, 1), **{"mobula.lose_outputs": "on"}) as client:
        client.execute(sql).fetchall()
    found = ended(watcher, word)
    tasks = rows_of(watcher, "tasks", found)
    assert found["state"] == "done" and found["tasks_done"] == found["tasks"] < len(tasks)
    assert max(task["attempt"] for task in tasks) > 1
    assert any("output lost" in (task["error"] or "") for task in tasks)
    assert sum(stage["failed"] for stage in rows_of(watcher, "stages", found)) > 0


def test_local_queries_are_seen_too(server, watcher):
    word, sql = marked("SELECT * FROM nation")
    with server.connect() as client:
        client.execute(sql).fetchall()
        prepared, again = marked("SELECT n_name FROM nation WHERE n_nationkey < %s")
        client.execute(again, (5,)).fetchall()
    found = ended(watcher, word)
    assert (found["runner"], found["state"], found["rows"]) == ("local", "done", 25)
    assert (found["stages"], found["tasks"]) == (0, 0)
    assert ended(watcher, prepared)["rows"] == 5


@pytest.mark.parametrize("to_the_end", [True, False])
def test_a_portal_that_waits_is_a_query_that_runs(server, watcher, to_the_end):
    word, sql = marked("SELECT n_name FROM nation")
    flush, more = message(b"H"), message(b"E", b"\0" + struct.pack("!I", 20))
    with Wire(server.uri) as wire:
        wire.send(extended(sql, max_rows=20)[:-5] + flush)
        assert sum(wire.receive()[0] == b"D" for _ in range(23)) == 20
        found = query(watcher, word)
        assert (found["state"], found["rows"]) == ("running", None)
        wire.send((more if to_the_end else b"") + message(b"S"))
        wire.until_ready()
        found = ended(watcher, word)
    want = ("done", 25) if to_the_end else ("cancelled", None)
    assert (found["state"], found["rows"]) == want


def test_ended_queries_are_forgotten(server, watcher):
    with server.connect() as client:
        for _ in range(150):
            client.execute("SELECT count(*) FROM nation").fetchall()
    sql = "SELECT count(*) AS n FROM mobula.queries WHERE runner = 'local' AND state <> 'running'"
    assert watcher.execute(sql).fetchone()["n"] == 100


def test_a_prepared_look_sees_what_runs_now(server, watcher):
    sql = "SELECT max(query_id) AS last FROM mobula.queries"
    looks = [watcher.execute(sql, prepare=True).fetchone()["last"] for _ in range(3)]
    assert looks == sorted(set(looks)), "each look is a query itself"


def test_the_schema_is_the_systems(server, watcher):
    names = watcher.execute(
        "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'mobula' "
        "ORDER BY 1").fetchall()
    assert [row["name"] for row in names] == ["nodes", "queries", "stages", "tasks"]
    found = watcher.execute(
        "SELECT c.relkind, current_schema() AS here FROM pg_class c "
        "JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE n.nspname = 'mobula' AND c.relname = 'queries'").fetchone()
    # The role is called as the schema, and "$user" comes first in the search path.
    assert found == {"relkind": "v", "here": "public"}
    for sql, state in (("CREATE SCHEMA mobula", "42P06"), ("DROP SCHEMA mobula", "2BP01"),
                       ("CREATE TABLE mobula.t AS SELECT 1 AS a", "42501"),
                       ("SELECT * FROM mobula.nope", "42P01"), ("SELECT * FROM stages", "42P01")):
        with pytest.raises(psycopg.Error) as caught:
            watcher.execute(sql)
        assert caught.value.sqlstate == state, sql
    watcher.execute("CREATE TABLE stages AS SELECT 1 AS a")
    try:
        assert watcher.execute("SELECT * FROM stages").fetchall() == [{"a": 1}]
    finally:
        watcher.execute("DROP TABLE public.stages")


def explained(client, options, sql):
    ((document,),) = client.execute(f"EXPLAIN ({options}) {sql}").fetchall()
    (plan,) = document  # psycopg reads json, so the type is right too
    return plan


def nodes(tree):
    assert tree["Node Type"] and tree["Details"], tree
    below = [node for child in tree.get("Plans", []) for node in nodes(child)]
    return [tree["Node Type"], *below]


def test_explain_json_has_the_stages_of_the_text(server):
    with tpch.oracle(server.demo_files()) as oracle:
        queries = tpch.queries(oracle)
    with staged.connect(server, (3, 2)) as client:
        for number in tpch.NUMBERS:
            sql = tpch.adapted(number, queries[number])
            plan = explained(client, "FORMAT JSON", sql)
            lines = [line for (line,) in client.execute(f"EXPLAIN (FORMAT TEXT) {sql}").fetchall()]
            stages = [line for line in lines if line.startswith("Stage ")]
            assert plan["Runner"] == "staged" and len(plan["Stages"]) == len(stages), number
            assert [stage["Stage"] for stage in plan["Stages"]] == list(range(len(stages)))
            trees = [plan["Head"]["Plan"], *(stage["Plan"] for stage in plan["Stages"])]
            printed = [line for line in lines if line.startswith("  ")]
            assert sum(len(nodes(tree)) for tree in trees) == len(printed), number
            assert {i["Read"] for stage in plan["Stages"] for i in stage["Inputs"]} <= {
                    "hash", "keys", "whole"}


def test_explain_analyze_json_has_the_figures(server):
    with staged.connect(server, (3, 1)) as client:
        received = len(client.execute(GROUPS).fetchall())
        plan = explained(client, "ANALYZE, VERBOSE, FORMAT JSON", GROUPS)
    last = plan["Stages"][-1]
    # So few rows are one task's work.
    assert (last["Rows Out"], last["Tasks"], last["Tasks Done"]) == (received, 3, 1)
    assert last["Decisions"] == ["tasks: 1 instead of 3"]
    assert last["Min Task Time"] <= last["Median Task Time"] <= last["Max Task Time"]
    assert (last["Failed Attempts"], last["Spilled Bytes"]) == (0, 0)
    assert last["Max Task Memory"] > 0


def test_explain_json_of_a_local_query(server):
    with server.connect() as client:
        plan = explained(client, "FORMAT JSON, ANALYZE false, BUFFERS off", GROUPS)
        assert plan["Runner"] == "local" and "Reason" not in plan
        assert "AggregateExec" in nodes(plan["Plan"])
        measured = explained(client, "ANALYZE, FORMAT JSON", "SELECT * FROM nation")
        assert measured["Plan"]["Actual Rows"] == 25
    with staged.connect(server, (3, 1)) as client:
        plan = explained(client, "FORMAT JSON", "SELECT * FROM mobula.queries")
        assert plan["Runner"] == "local" and plan["Reason"]


@pytest.mark.parametrize("options, state", [
    ("FORMAT XML", "0A000"), ("FORMAT YAML", "0A000"), ("BUFFERS", "0A000"), ("NOPE", "42601"),
    ("FORMAT NOPE", "42601"),
])
def test_options_that_we_do_not_have(server, options, state):
    with server.connect() as client:
        with pytest.raises(psycopg.Error) as caught:
            client.execute(f"EXPLAIN ({options}) SELECT 1")
    assert caught.value.sqlstate == state

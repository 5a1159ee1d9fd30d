"""What a staged query does when it knows more: filters that cross stages, stages that are the same,
rows that come early, queries that wait for room, joins that do not fit into memory.
"""

import re
import threading

import psycopg
import pyarrow
import pyarrow.parquet
import pytest

import staged
from mobula import Mobula
from process import wait_until

pytestmark = pytest.mark.mobula_only

HEAVY = "SELECT count(*) FROM lineitem a, lineitem b WHERE a.l_comment < b.l_comment"
DEADLINE_S = 30


def explain(client, sql, options=""):
    return [line for (line,) in client.execute(f"EXPLAIN {options} {sql}").fetchall()]


def test_the_keys_of_a_build_side_are_asked_for_in_the_other_stage(server):
    # A join by hash (its build side's rows are wanted) of a few orders with all lines.
    sql = ("SELECT count(l_linenumber), count(*) FROM (SELECT o_orderkey FROM orders "
           "WHERE o_totalprice > 400000) o LEFT JOIN lineitem ON o_orderkey = l_orderkey")
    with server.connect() as local, staged.connect(server, (2, 1)) as client:
        assert client.execute(sql).fetchall() == local.execute(sql).fetchall()
        plan = "\n".join(explain(client, sql, "ANALYZE"))
        assert "KeyFilterExec" in plan and " keys" in plan, plan
        sent = [int(line.split("out: ")[1].split(" rows")[0])
                for line in plan.splitlines() if "out: " in line]
        lines = local.execute("SELECT count(*) FROM lineitem").fetchone()[0]
        assert max(sent) < lines / 10, plan


# So wide that the planner takes the build side, of which it knows little, for too large for all.
WIDE = (256, 1)
BROADCAST = ("SELECT count(*), sum(l_quantity), max(o_comment), max(o_clerk) FROM orders "
             "JOIN lineitem ON o_orderkey = l_orderkey "
             "WHERE o_comment LIKE '%special%requests%' AND o_clerk LIKE '%7'")


def test_a_build_side_that_is_small_is_read_whole_where_the_probe_side_is_scanned(server):
    with server.connect() as local, staged.connect(server, WIDE) as client:
        planned = explain(client, BROADCAST)
        assert any("its broadcast" in line for line in planned), planned
        ran = "\n".join(explain(client, BROADCAST, "ANALYZE"))
        assert "decided: broadcast of stage" in ran and "decided: not needed" in ran, ran
        assert "mode=CollectLeft" in ran and "mode=Partitioned" not in ran, ran
        assert client.execute(BROADCAST).fetchall() == local.execute(BROADCAST).fetchall()


@pytest.mark.parametrize("bytes_max", [0, 1])
def test_a_build_side_that_is_not_small_goes_by_hash(server, bytes_max):
    settings = {"mobula.broadcast_bytes": bytes_max}
    with server.connect() as local, staged.connect(server, WIDE, **settings) as client:
        assert any("its broadcast" in line for line in explain(client, BROADCAST)) == (bytes_max > 0)
        ran = "\n".join(explain(client, BROADCAST, "ANALYZE"))
        assert "broadcast of stage" not in ran and "mode=Partitioned" in ran, ran
        assert client.execute(BROADCAST).fetchall() == local.execute(BROADCAST).fetchall()


def test_outputs_that_are_lost_around_a_broadcast_are_made_again(server):
    with server.connect() as local:
        with staged.connect(server, WIDE, **{"mobula.lose_outputs": "on"}) as client:
            ran = "\n".join(explain(client, BROADCAST, "ANALYZE"))
            assert "broadcast of stage" in ran and "failed attempts" in ran, ran
            assert client.execute(BROADCAST).fetchall() == local.execute(BROADCAST).fetchall()


def test_a_task_has_whole_row_groups_and_none_has_nothing_to_read(tmp_path):
    rows = pyarrow.table({"n": range(3_000_000)})
    pyarrow.parquet.write_table(rows, tmp_path / "three.parquet", row_group_size=1_000_000)
    with Mobula(allow=[tmp_path]) as files:
        files.register("three", tmp_path / "three.parquet")
        with staged.connect(files, (8, 1)) as client:
            sql = "SELECT count(*), sum(n) FROM three"
            assert client.execute(sql).fetchone() == (3_000_000, 2_999_999 * 1_500_000)
            ran = explain(client, sql, "ANALYZE")
    scan = next(line for line in ran if "reads files" in line)
    assert ": 3 tasks" in scan, ran
    assert any("tasks done: 3" in line for line in ran), ran


@pytest.mark.parametrize("keys", ["o_custkey", "o_custkey + 0", "nullif(o_custkey, 5)"])
@pytest.mark.parametrize("of", ["orders", "orders WHERE false",
                                "(SELECT nullif(o_custkey, 7) AS o_custkey FROM orders) n"])
@pytest.mark.parametrize("customer", ["c_custkey", "nullif(c_custkey, 9)"])
def test_not_in_is_the_same_among_many_tasks(server, keys, of, customer):
    sql = (f"SELECT count(*), sum(c_custkey), min(c_name) FROM customer "
           f"WHERE {customer} NOT IN (SELECT {keys} FROM {of})")
    with server.connect() as local, staged.connect(server, (3, 2)) as client:
        assert staged.why_local(client, sql) is None
        assert client.execute(sql).fetchall() == local.execute(sql).fetchall()


def test_a_common_table_expression_runs_once(server):
    sql = ("WITH revenue AS (SELECT l_suppkey AS s, sum(l_extendedprice) AS r FROM lineitem "
           "GROUP BY l_suppkey) SELECT s FROM revenue WHERE r = (SELECT max(r) FROM revenue)")
    with staged.connect(server, (2, 1)) as client:
        scans = [line for line in explain(client, sql) if "DataSourceExec" in line]
        assert len(scans) == 1, scans
        assert len(client.execute(sql).fetchall()) == 1


def test_rows_come_before_the_scan_is_done_and_what_nobody_reads_is_not_scanned(server):
    with staged.connect(server, (2, 1)) as client, server.connect(autocommit=True) as watcher:
        cursor = client.cursor()
        rows = cursor.stream("SELECT * FROM lineitem")
        next(rows)
        seen = watcher.execute(
            "SELECT tasks, tasks_done FROM mobula.queries WHERE query = 'SELECT * FROM lineitem' "
            "AND state = 'running'").fetchone()
        rows.close()
    assert seen and seen[0] > seen[1] > 0, seen


def test_a_limit_ends_the_scan(server):
    with staged.connect(server, (2, 1)) as client, server.connect(autocommit=True) as watcher:
        sql = "SELECT l_comment FROM lineitem LIMIT 7"
        assert len(client.execute(sql).fetchall()) == 7
        ran = watcher.execute(
            "SELECT count(*) FROM mobula.tasks JOIN mobula.queries USING (query_id) "
            "WHERE query = %s", (sql,)).fetchone()[0]
        planned = watcher.execute(
            "SELECT tasks FROM mobula.queries WHERE query = %s", (sql,)).fetchone()[0]
    assert ran < planned, (ran, planned)


def test_queries_wait_for_room_and_not_for_ever():
    options = ["--max-queries", "1", "--queue-timeout", "1s"]
    waits = "SELECT count(*) FROM orders WHERE o_totalprice > 5"
    with Mobula(demo=0.1, options=options) as server:
        with staged.connect(server, (2, 1)) as first, staged.connect(server, (2, 1)) as second:
            ended = threading.Thread(target=lambda: swallow(first, HEAVY))
            ended.start()
            with server.connect(autocommit=True) as watcher:
                wait_until("the first to run", lambda: watcher.execute(
                    "SELECT 1 FROM mobula.tasks WHERE state = 'running'").fetchone(), DEADLINE_S)
                with pytest.raises(psycopg.Error) as caught:
                    second.execute(waits)
                assert caught.value.sqlstate == "53400" and "room" in str(caught.value)
                second.rollback()
                # What runs in one process does not wait.
                assert watcher.execute("SELECT count(*) FROM region").fetchone() == (5,)
            first.cancel_safe(timeout=10)
            ended.join(DEADLINE_S)
            assert second.execute(waits).fetchone()


def swallow(client, sql):
    client.execute("SET statement_timeout = '20s'")
    with pytest.raises(psycopg.Error):
        client.execute(sql)


@pytest.mark.parametrize("width, limit, joins", [
    (None, "160MiB", ["merge joins"]),
    ((2, 1), "160MiB", ["more tasks"]),
    ((2, 1), "96MiB", ["more tasks", "merge joins"]),
])
def test_a_query_whose_join_does_not_fit_is_planned_again(width, limit, joins):
    sql = ("SELECT count(*), max(a.l_shipinstruct || a.l_shipmode || a.l_comment) "
           "FROM lineitem a JOIN lineitem b ON a.l_orderkey = b.l_orderkey "
           "AND a.l_linenumber = b.l_linenumber AND a.l_comment = b.l_comment")
    with Mobula(demo=0.5, options=["--memory-limit", limit]) as server:
        with staged.connect(server, width) as client:
            assert client.execute(sql).fetchone()[0] == 2999671
            told = re.findall("planned again with (.*)", server.log_path.read_text())
            assert told == joins
            # What EXPLAIN ANALYZE shows is what such a query does.
            lines = [line for (line,) in client.execute(f"EXPLAIN ANALYZE {sql}").fetchall()]
    assert lines[-1] == f"Planned again: {joins[-1]}, a join did not fit"
    assert any("SortMergeJoinExec" in line for line in lines) == (joins[-1] == "merge joins")


def test_out_of_memory_names_the_operator_and_the_setting():
    sql = "SELECT count(c) FROM (SELECT array_agg(l_comment) AS c FROM lineitem GROUP BY l_tax) x"
    with Mobula(demo=0.5, options=["--memory-limit", "64MiB"]) as server:
        with staged.connect(server, (2, 1)) as client:
            with pytest.raises(psycopg.Error) as caught:
                client.execute(sql)
    error = caught.value
    assert error.sqlstate == "53200"
    assert "asked for more" in error.diag.message_detail
    assert "memory_limit" in error.diag.message_hint

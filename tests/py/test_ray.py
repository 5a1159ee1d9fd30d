"""The same SQL on Ray, three nodes on this machine: the answers are those of one process, and what
a client can see of where they were made is true."""

import json
import os
import random
import signal
import stat
import sys
import tempfile
import time

import psutil
import psycopg
import pytest

import staged
import tpch
from mobula import Mobula
from process import rss_bytes, wait_until
from ray_faults import JOIN, LONG, Asked
from ray_nodes import Growing, Nodes, all_workers, install_wheel, stored_bytes, workers

pytestmark = pytest.mark.mobula_only
CANCELS = int(os.environ.get("MOBULA_TESTS_CANCELS", "10"))
MEMORY_NOISE_BYTES = 100 << 20
SEED = 4711
SCALE = float(os.environ.get("MOBULA_TESTS_SCALE", "0.1"))


@pytest.fixture(scope="module")
def nodes():
    with Nodes(3) as nodes:
        yield nodes


@pytest.fixture(scope="module")
def server(nodes):
    with Mobula(demo=SCALE, options=nodes.options()) as server:
        yield server


@pytest.fixture(scope="module")
def oracle(server):
    with tpch.oracle(server.demo_files()) as connection:
        queries = tpch.queries(connection)
        yield queries, {n: connection.execute(queries[n]).fetchall() for n in tpch.NUMBERS}


@pytest.fixture
def client(server):
    with staged.on_ray(server) as connection:
        yield connection


def idle(nodes_of):
    """Whether all CPUs are free and no task of ours runs."""
    rows = nodes_of.execute("SELECT sum(cpus), sum(cpus_free) FROM mobula.nodes").fetchone()
    return rows[0] == rows[1] and not workers()


def memory(server):
    """Of the server, its driver and the largest worker on Ray, bytes."""
    driver = psutil.Process(server.pid).children()
    on_ray = [rss_bytes(process.pid) for process in all_workers()]
    return rss_bytes(server.pid) + sum(rss_bytes(child.pid) for child in driver) + max(on_ray)


@pytest.mark.parametrize("number", tpch.NUMBERS)
def test_tpch(client, oracle, number):
    queries, answers = oracle
    sql = tpch.adapted(number, queries[number])
    assert staged.why_local(client, sql) is None
    got = client.execute(sql).fetchall()
    assert not (wrong := tpch.difference(number, got, answers[number])), wrong


def test_an_error_in_a_task_is_the_clients(client):
    with pytest.raises(psycopg.Error) as caught:
        client.execute("SELECT sum(l_orderkey / (l_linenumber - l_linenumber)) FROM lineitem")
    assert caught.value.sqlstate == "22012"
    # Nobody ran it again.
    row = client.execute("SELECT count(*) FROM mobula.tasks AS tasks JOIN mobula.queries USING (query_id)"
                         " WHERE attempt > 1 AND tasks.error LIKE '%zero%'").fetchone()
    assert row == (0,)


def test_where_it_ran(client):
    sql = "SELECT l_orderkey, count(*) FROM lineitem GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 3"
    plan = "\n".join(row[0] for row in client.execute("EXPLAIN ANALYZE " + sql))
    assert "nodes: " in plan and "read in place: " in plan
    client.execute(sql).fetchall()
    known = {row[0] for row in client.execute("SELECT node FROM mobula.nodes")}
    ran = client.execute(
        "SELECT node FROM mobula.tasks WHERE state = 'done' AND query_id ="
        " (SELECT max(query_id) FROM mobula.queries WHERE runner = 'ray' AND state = 'done')")
    ran = {row[0] for row in ran}
    # What is left to do with a few rows is done in the server.
    assert len(ran) > 1 and ran <= known | {"server"} and len(known) == 4, (ran, known)
    analyzed = client.execute("EXPLAIN (ANALYZE, FORMAT JSON) " + sql).fetchone()[0]
    analyzed = json.loads(analyzed) if isinstance(analyzed, str) else analyzed
    assert '"Nodes"' in json.dumps(analyzed)


def test_rays_own_state(client):
    client.execute("SELECT count(*) FROM lineitem WHERE l_tax > 0.01").fetchall()
    assert client.execute("SELECT count(*) FROM ray.nodes WHERE state = 'ALIVE'").fetchone() == (4,)
    query = client.execute("SELECT max(query_id) FROM mobula.queries"
                           " WHERE query LIKE '%l_tax > 0.01%' AND runner = 'ray' AND state = 'done'").fetchone()[0]

    def known():
        rows = client.execute("SELECT count(*) FROM ray.tasks WHERE state = 'FINISHED'"
                              " AND ended > started AND name LIKE %s",
                              [f"mobula query {query} job % stage 0 %"])
        return rows.fetchone()[0] > 0
    wait_until("Ray to know of the tasks", known, 10)
    assert client.execute("SELECT count(*) FROM ray.actors").fetchone() == (0,)


def test_a_small_query_runs_in_the_server(server):
    with server.connect() as client:
        client.execute("SET mobula.runner = 'ray'")
        plan = client.execute("EXPLAIN SELECT sum(n_nationkey) FROM nation").fetchall()
        assert any("mobula.local_threshold" in row[0] for row in plan), plan


def test_no_more_cpus_than_it_may_have(client):
    client.execute("SET mobula.max_cpus = 1")
    client.execute("SELECT count(*) FROM lineitem, orders WHERE l_orderkey = o_orderkey").fetchall()
    widths = client.execute(
        "SELECT max(tasks) FROM mobula.stages WHERE query_id ="
        " (SELECT max(query_id) FROM mobula.queries WHERE runner = 'ray' AND state = 'done')"
    ).fetchone()
    assert widths == (1,)


def test_cancel_frees_all_slots(server, client):
    pid = client.info.backend_pid
    with server.connect() as other:
        for _ in range(3):
            client.execute("SET statement_timeout = 700")
            with pytest.raises(psycopg.errors.QueryCanceled):
                client.execute(LONG)
            began = time.monotonic()
            wait_until("all slots to be free", lambda: idle(other), 10)
            assert time.monotonic() - began < 5
        assert client.info.backend_pid == pid
        client.execute("RESET statement_timeout")
        assert client.execute("SELECT count(*) FROM region").fetchone() == (5,)


def test_cancel_where_interrupts_are_ignored():
    """As on nodes that a script started in its background: the worker of a cancelled task stays."""
    heeded = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        nodes = Nodes(1)
    finally:
        signal.signal(signal.SIGINT, heeded)
    with nodes, Mobula(demo=SCALE, options=nodes.options()) as server:
        asked = Asked(server, LONG)
        worker, = wait_until("a task to run", workers, 60)
        asked.client.cancel()
        assert isinstance(asked.end(10).error, psycopg.errors.QueryCanceled)
        wait_until("its end", lambda: worker not in workers(), 10)
        assert worker in all_workers()


def test_cancels_leave_nothing(server, nodes, client):
    """Whatever a query was doing when it was cancelled, no task, object or memory of it stays."""
    with server.connect() as look:
        wait_until("all slots to be free", lambda: idle(look), 10)
        before = stored_bytes(nodes)
        random_s = random.Random(SEED)
        ended, held = 0, 0
        for number in range(CANCELS):
            if number == CANCELS // 2:
                wait_until("all slots to be free", lambda: idle(look), 10)
                held = memory(server)
            client.execute(f"SET statement_timeout = {random_s.randint(20, 600)}")
            try:
                client.execute(JOIN).fetchall()
                ended += 1
            except psycopg.errors.QueryCanceled:
                pass
        assert ended < CANCELS, "none was cancelled"
        wait_until("all slots to be free", lambda: idle(look), 10)
        # What an earlier query left may have gone meanwhile.
        wait_until("the stores to hold no more than before", lambda: all(
            now <= before[name] for name, now in stored_bytes(nodes).items()), 20)
        # A query reads and sends tens of megabytes.
        assert memory(server) < held + MEMORY_NOISE_BYTES, (held, memory(server))
        print(f"memory after half of the cancels {held >> 20} MiB, after all {memory(server) >> 20} MiB")
        states = look.execute("SELECT DISTINCT tasks.state FROM mobula.tasks AS tasks").fetchall()
        assert {("running",), ("queued",)}.isdisjoint(states), states


def test_a_small_query_beside_a_large_one(server, nodes):
    """It does not wait for a slot of the large one's."""
    large = Asked(server, LONG)
    wait_until("its tasks to run", lambda: len(workers()) == 3, 30)
    with staged.on_ray(server) as client:
        for _ in range(5):
            assert client.execute("SELECT sum(r_regionkey) FROM region").fetchone() == (10,)
    assert large.runs()
    large.client.cancel_safe(timeout=10)
    assert large.end(30).error.sqlstate == "57014"


def test_nodes_that_join_are_used(nodes, server, client):
    name = nodes.add()
    try:
        def used():
            client.execute("SELECT sum(l_tax) FROM lineitem").fetchall()
            rows = client.execute("SELECT count(*) FROM mobula.tasks WHERE node = %s", [name])
            return rows.fetchone()[0] > 0
        wait_until("the new node to run a task", used, 30, pause_s=0.2)
    finally:
        nodes.remove(name)
        gone = "SELECT count(*) FROM mobula.nodes WHERE node = %s"
        wait_until("the node to be gone",
                   lambda: client.execute(gone, [name]).fetchone() == (0,), 30)


def test_the_autoscaler_is_told(tmp_path):
    """Without a node with CPUs the query waits until there is one; with several queries there are
    more; when they have ended the nodes go."""
    with Growing(tmp_path) as nodes, Mobula(demo=0.1, options=nodes.options()) as server:
        with server.connect() as look:
            def count():
                return look.execute("SELECT count(*) FROM mobula.nodes WHERE cpus > 0").fetchone()[0]

            with staged.on_ray(server) as client:
                told = []
                client.add_notice_handler(lambda notice: told.append(notice.message_primary))
                sql = "SELECT sum(o_custkey) FROM orders"
                assert client.execute(sql).fetchone()[0] > 0
                assert "waiting for 1 CPUs" in told and count() == 1, told
            busy = [Asked(server, LONG) for _ in range(3)]
            wait_until("a second node", lambda: count() == 2, 60, pause_s=0.2)
            for asked in busy:
                asked.client.cancel_safe(timeout=10)
                assert asked.end(60).error.sqlstate == "57014"
            wait_until("the nodes to be gone", lambda: count() == 0, 90, pause_s=1)


def test_two_servers_share_one_cluster(nodes, server, client, oracle):
    queries, answers = oracle
    with Mobula(data_dir=None, demo=0.01, options=nodes.options()) as second:
        with staged.on_ray(second) as other:
            assert other.execute("SELECT sum(l_linenumber) FROM lineitem").fetchone()[0] > 50_000
            got = client.execute(tpch.adapted(3, queries[3])).fetchall()
            assert not tpch.difference(3, got, answers[3])


def test_a_killed_server_leaves_nothing(nodes):
    with Mobula(demo=0.01, options=nodes.options()) as server:
        with staged.on_ray(server) as client:
            assert client.execute("SELECT sum(o_custkey) FROM orders").fetchone()[0] > 0
        mine = psutil.Process(server.process.pid).children(recursive=True)
        assert any("mobula_ray" in " ".join(child.cmdline()) for child in mine), mine
        server.process.send_signal(signal.SIGKILL)
        server.process.wait()
        wait_until("its processes to end",
                   lambda: not any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE
                                   for child in mine), 60)


def test_a_ray_of_our_own():
    options = ["--ray-address", "local", "--ray-python", sys.executable]
    with Mobula(demo=0.01, options=options) as server:
        with staged.on_ray(server) as client:
            assert client.execute("SELECT sum(r_regionkey) FROM region").fetchone() == (10,)
        mine = psutil.Process(server.process.pid).children(recursive=True)
        assert any("raylet" in child.name() for child in mine), mine
        server.process.send_signal(signal.SIGKILL)
        server.process.wait()
        wait_until("Ray's processes to end",
                   lambda: not any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE
                                   for child in mine), 60)


def test_the_native_half_is_sent(tmp_path, monkeypatch):
    """It is kept where only the workers' user may write; nothing is loaded from elsewhere."""
    monkeypatch.setenv("RAY_TMPDIR", tempfile.gettempdir())
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    sql = "SELECT sum(r_regionkey) FROM region"
    with Nodes(2) as nodes:
        with Mobula(demo=0.01, options=nodes.options()) as server, staged.on_ray(server) as client:
            assert client.execute(sql).fetchone() == (10,)
        folder = tmp_path / f"mobula-{os.getuid()}"
        assert len(list(folder.glob("*.so"))) == 1 and not list(folder.glob("*.unfinished"))
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        folder.chmod(0o777)
        with Mobula(demo=0.01, options=nodes.options()) as server, staged.on_ray(server) as client:
            with pytest.raises(psycopg.Error, match="only its user may write"):
                client.execute(sql)


def test_the_package_can_be_installed(tmp_path, monkeypatch):
    """Nodes that have the wheel need not be sent anything; one of another build is refused."""
    installed = install_wheel(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(installed))
    with Nodes(1) as nodes:
        options = [*nodes.options(), "--ray-send=false"]
        with Mobula(demo=0.01, options=options) as server, staged.on_ray(server) as client:
            assert client.execute("SELECT sum(r_regionkey) FROM region").fetchone() == (10,)
        (installed / "mobula_ray" / "build.txt").write_text("another")
        with Mobula(demo=0.01, options=options) as server, staged.on_ray(server) as client:
            with pytest.raises(psycopg.Error) as caught:
                client.execute("SELECT sum(r_regionkey) FROM region")
            assert caught.value.sqlstate == "08006" and "mobula wheel" in str(caught.value)


def test_no_ray_is_said(tmp_path):
    with Mobula(demo=0.01) as server, server.connect() as client:
        client.execute("SET mobula.runner = 'ray'")
        for sql in ["SELECT sum(o_custkey) FROM orders", "SELECT * FROM ray.nodes"]:
            with pytest.raises(psycopg.Error) as caught:
                client.execute(sql)
            assert caught.value.sqlstate == "55000" and "--ray-address" in str(caught.value)
    options = ["--ray-address", "127.0.0.1:1", "--ray-python", str(tmp_path / "no-python")]
    with Mobula(demo=0.01, options=options) as server, staged.on_ray(server) as client:
        with pytest.raises(psycopg.Error) as caught:
            client.execute("SELECT sum(o_custkey) FROM orders")
        assert caught.value.sqlstate == "08006" and "no-python" in str(caught.value)
        client.execute("SET mobula.runner = 'local'")
        assert client.execute("SELECT count(*) FROM region").fetchone() == (5,)

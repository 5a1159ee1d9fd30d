"""What may happen to a cluster while a query runs: the right rows, or an error that says what
happened. Each test shows that its fault hit."""

import contextlib
import os
import pathlib
import sys
import time

import psutil
import pytest
import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

import ray_nodes
from mobula import ROOT, Mobula
from process import wait_until
from ray_faults import JOIN, Asked, connect
from ray_nodes import Nodes

sys.path.append(str(ROOT / "ray_bridge" / "python"))
from mobula_ray import task  # noqa: E402  (the line above makes it importable)

pytestmark = pytest.mark.mobula_only
SCALE = 0.3
# More bytes between two nodes than the smallest stores have.
LARGE = ("SELECT count(*), sum(l_quantity), min(l_comment), max(l_comment)"
         " FROM (SELECT DISTINCT * FROM lineitem) AS every")
# Seconds of computing.
SLOW = ("SELECT count(*) FROM lineitem a JOIN lineitem b ON a.l_suppkey = b.l_suppkey"
        " WHERE a.l_tax + b.l_tax < 0.001")
STORE_BYTES = 80 << 20
# When Ray asks the next node for an object, seconds; and so many objects that it would have to.
PULL_AGAIN_S = 10
COPIES = 40
# A second of computing.
LONGER = JOIN.replace("count(*)", "count(*), sum(sin(l_tax) * cos(l_tax))")
# A query here takes less than a second when nothing happens.
RECOVERY_S = 60


def serve(nodes, data_dir):
    return Mobula(data_dir=data_dir, demo=SCALE, options=nodes.options())


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("faults") / "data"


@pytest.fixture(scope="module")
def nodes():
    with Nodes(3) as nodes:
        yield nodes


@pytest.fixture(scope="module")
def server(nodes, data_dir):
    with serve(nodes, data_dir) as server:
        yield server


@pytest.fixture(scope="module")
def answer(server):
    with server.connect() as client:
        rows = client.execute(JOIN).fetchall()
    with connect(server) as client:
        assert client.execute(JOIN).fetchall() == rows
    return rows


@pytest.fixture(autouse=True)
def three_nodes(request):
    """Nodes that a test took away are there again for the next one."""
    yield
    if "server" not in request.fixturenames:
        return
    nodes, server = request.getfixturevalue("nodes"), request.getfixturevalue("server")
    while len(nodes.nodes) < 3:
        nodes.add()
    with server.connect() as client:
        count = "SELECT count(*) FROM mobula.nodes WHERE cpus > 0"
        wait_until("three nodes", lambda: client.execute(count).fetchone() == (3,), 60)


def is_right(outcome, answer, told):
    assert outcome.rows == answer, (outcome.error, outcome.rows)
    assert outcome.ran_again(), outcome.attempts
    assert any(told in notice and "re-running" in notice for notice in outcome.notices), (
        outcome.notices)


def test_a_worker_that_is_killed(server, nodes, answer):
    asked = Asked(server)
    asked.until_tasks_run()
    hit = wait_until("a worker to kill", lambda: ray_nodes.kill_a_worker() or not asked.runs(), 30)
    assert hit is not True, "no worker was hit"
    is_right(asked.end(RECOVERY_S), answer, "worker died")


@pytest.mark.parametrize("fault", ["remove", "kill_raylet", "freeze"])
def test_a_node_with_outputs(server, nodes, answer, fault):
    asked = Asked(server)
    node = asked.node_with_outputs()
    assert node, "the query ended before a node had outputs"
    getattr(nodes, fault)(node)
    outcome = asked.end(RECOVERY_S)
    if fault != "remove":
        nodes.replace(node)
    is_right(outcome, answer, "node lost")


def test_copies_on_a_lost_node():
    """Of the nodes that have a copy of an object Ray asks any; when it is lost and Ray does not know it
    yet, another one ten seconds later. A task that runs again then asks by itself."""
    with Nodes(3) as nodes, ray_driver(nodes):
        made, read, lost = nodes.nodes
        objects = [on(made, megabyte) for _ in range(COPIES)]
        assert ray.get(on(lost, total, *objects)) == COPIES << 20
        nodes.kill_raylet(lost)
        began = time.monotonic()
        assert ray.get(on(read, lambda asked: total(*task.gather(asked)), objects)) == COPIES << 20
        assert time.monotonic() - began < PULL_AGAIN_S


def megabyte():
    return os.urandom(1 << 20)


def total(*objects):
    return sum(map(len, objects))


def on(node, function, *arguments):
    """Calls it there and nowhere else."""
    place = NodeAffinitySchedulingStrategy(node, soft=False)
    return ray.remote(function).options(scheduling_strategy=place).remote(*arguments)


@contextlib.contextmanager
def ray_driver(nodes):
    # Workers have no modules of ours.
    for module in (sys.modules[__name__], task):
        ray.cloudpickle.register_pickle_by_value(module)
    ray.init(address=nodes.address, log_to_driver=False, logging_level="error")
    try:
        yield
    finally:
        ray.shutdown()


def test_a_node_while_its_tasks_run(server, nodes, answer):
    asked = Asked(server)
    nodes.remove(wait_until("a node to run a task", nodes.busy, 30, pause_s=0.005))
    outcome = asked.end(RECOVERY_S)
    is_right(outcome, answer, "")


def test_a_node_before_the_query(server, nodes, answer):
    nodes.kill_raylet(name := next(iter(nodes.nodes)))
    outcome = Asked(server).end(RECOVERY_S)
    nodes.replace(name)
    assert outcome.rows == answer, outcome.error


def test_rows_that_cannot_be_made_again(server, nodes):
    """A LIMIT may give other rows the second time: the query begins again as a whole."""
    sql = ("SELECT count(*), count(distinct o_orderkey) FROM"
           " (SELECT * FROM lineitem LIMIT 1500000) l JOIN orders ON l_orderkey = o_orderkey")
    with connect(server) as client:
        expected = client.execute(sql).fetchone()[0]
    asked = Asked(server, sql)
    node = asked.node_with_outputs()
    assert node, "the query ended before a node had outputs"
    nodes.remove(node)
    outcome = asked.end(RECOVERY_S)
    assert outcome.rows and outcome.rows[0][0] == expected == 1_500_000, outcome
    assert outcome.ran_again()


def test_a_task_that_always_dies(server, nodes, answer):
    asked = Asked(server)
    kills = 0
    while asked.runs():
        kills += ray_nodes.kill_a_worker() is not None
    outcome = asked.end(RECOVERY_S)
    assert kills >= 4
    assert outcome.error is not None and outcome.error.sqlstate == "08006", outcome
    assert "again and again: worker died" in str(outcome.error)
    assert Asked(server).end(RECOVERY_S).rows == answer


def test_the_driver(server, nodes, answer):
    asked = Asked(server)
    assert asked.until_tasks_run()
    children = psutil.Process(server.process.pid).children()
    driver = next(child for child in children if "mobula_ray" in " ".join(child.cmdline()))
    driver.kill()
    outcome = asked.end(RECOVERY_S)
    assert outcome.rows == answer, outcome.error
    assert outcome.ran_again()


def test_all_nodes(server, nodes, answer):
    """Without a node the query waits and says so, however many leave meanwhile that never had a task
    of it; when there are some again it ends well."""
    for name in list(nodes.nodes):
        nodes.remove(name)
    with server.connect() as client:
        def wait_for(what, where, count):
            sql = f"SELECT count(*) FROM mobula.nodes WHERE {where}"
            wait_until(what, lambda: client.execute(sql).fetchone() == (count,), 60)

        wait_for("no node", "cpus > 0", 0)
        asked = Asked(server)
        told = asked.outcome.notices
        wait_until("a notice", lambda: any("waiting for" in notice for notice in told), 30)
        for _ in range(5):
            name = nodes.add(num_cpus=0)
            wait_for("one without CPUs", f"node = '{name}'", 1)
            nodes.remove(name)
            wait_for("it to be gone", f"node = '{name}'", 0)
    nodes.add()
    assert asked.end(RECOVERY_S).rows == answer
    assert not asked.outcome.ran_again(), told


def test_objects_that_do_not_fit_the_store():
    with Nodes(2, store_bytes=STORE_BYTES) as nodes, serve(nodes, None) as server:
        with connect(server, "local") as client:
            expected = client.execute(LARGE).fetchall()
        outcome = Asked(server, LARGE).end(RECOVERY_S)
        assert outcome.rows == expected, outcome.error
        logs = pathlib.Path(nodes.cluster.head_node.get_session_dir_path(), "logs")
        told = "".join(log.read_text(errors="replace") for log in logs.glob("raylet*"))
        assert "Spilled" in told, "nothing was spilled"


@pytest.mark.parametrize("setting, sql, state, words", [
    ("RAY_local_fs_capacity_threshold=0.0001", LARGE, "53100", "disk full"),
    ("RAY_memory_usage_threshold=0.01", SLOW, "53200", "out of memory"),
])
def test_what_a_node_has_not_enough_of(monkeypatch, setting, sql, state, words):
    monkeypatch.setenv(*setting.split("="))
    with Nodes(2, store_bytes=STORE_BYTES) as nodes, serve(nodes, None) as server:
        outcome = Asked(server, sql).end(RECOVERY_S)
        assert outcome.error is not None and outcome.error.sqlstate == state, outcome
        assert words in str(outcome.error)
        with connect(server, "local") as client:
            assert len(client.execute(JOIN).fetchall()) == 3


def test_the_head(answer):
    """Without Ray's control service a query ends, well or with an error; the server goes on, and uses
    the cluster that is started in place of that one."""
    with Nodes(2) as nodes, serve(nodes, None) as server:
        assert Asked(server).end(RECOVERY_S).rows == answer
        expected = exact(Asked(server, LONGER).end(RECOVERY_S).rows)
        asked = Asked(server, LONGER)
        assert asked.until_tasks_run()
        nodes.kill_head()
        outcome = asked.end(75)
        ended_well = outcome.rows and exact(outcome.rows) == expected
        assert ended_well or outcome.error.sqlstate == "08006", outcome
        with connect(server, "local") as client:
            assert client.execute(JOIN).fetchall() == answer
        outcome = Asked(server).end(75)
        assert outcome.rows == answer or outcome.error.sqlstate == "08006", outcome.error
        assert server.process.poll() is None
        nodes.start_anew(2)
        rows = wait_until("the new cluster", lambda: Asked(server).end(75).rows, 75)
        assert rows == answer


def exact(rows):
    """Those of LONGER without its sum of floats, whose last digits are chance."""
    return [row[:2] + row[3:] for row in rows]


def test_a_head_that_is_started_again(monkeypatch, tmp_path):
    """Where Ray's control service keeps its state, a query does without it for a moment."""
    monkeypatch.setenv("RAY_gcs_storage", "rocksdb")
    monkeypatch.setenv("RAY_gcs_storage_path", str(tmp_path))
    with Nodes(2) as nodes, serve(nodes, None) as server:
        expected = exact(Asked(server, LONGER).end(RECOVERY_S).rows)
        asked = Asked(server, LONGER)
        assert asked.until_tasks_run()
        nodes.restart_head()
        assert asked.runs(), "the query ended before"
        outcome = asked.end(75)
        assert outcome.error is None and exact(outcome.rows) == expected, outcome
        assert len(Asked(server).end(RECOVERY_S).rows) == 3

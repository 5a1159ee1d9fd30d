"""How long a client waits for small things on Ray, on this machine: the first query after the server's
start, a small query by itself and beside a large one, and free slots after psql's Ctrl-C.

In: nodes of one CPU, rounds. Out: medians and slowest in ms.
"""

import os
import pathlib
import signal
import statistics
import subprocess
import tempfile
import time
from unittest import mock

import debian
import report
import staged
from mobula import Mobula
from process import wait_until
from ray_faults import LONG
from ray_nodes import Nodes, install_wheel, workers

SMALL = "SELECT n_regionkey, count(*), sum(n_nationkey) FROM small GROUP BY 1 ORDER BY 1"
SMALL_FILES = 12
SMALL_ROUNDS = 100
FIRST = "SELECT sum(l_tax) FROM lineitem"
# Of TPC-H; so small that where a query runs is not what it reads.
SCALE = 0.1


def run(asked):
    rows = []
    rows.append(["first query after the start, the native half is sent", *sent_first_ms(asked)])
    with Nodes(asked.nodes) as nodes:
        options = nodes.options()
        with Mobula(demo=SCALE, options=options) as server, staged.on_ray(server) as client:
            small_files(client)
            rows.append(["12 files, on Ray", *small_ms(client)])
            begin_long = ["psql", "--no-psqlrc", "-qc", "SET mobula.runner = 'ray'",
                          "-c", "SET mobula.local_threshold = 0", "-c", LONG, server.uri]
            with psql(begin_long, asked.nodes):
                rows.append(["the same beside a query that has all CPUs", *small_ms(client)])
            with staged.on_ray(server, **{"mobula.local_threshold": 64 << 20}) as here:
                with psql(begin_long, asked.nodes):
                    rows.append(["the same, below mobula.local_threshold", *small_ms(here)])
            freed = []
            for _ in range(asked.rounds):
                with psql(begin_long, asked.nodes) as ended:
                    pass
                freed.append(ended.freed_ms)
            rows.append(["all slots free after Ctrl-C in psql", *summary(freed)])
    rows.append(["first query after the start, the package is installed", *installed_first_ms(asked)])
    about = f"{asked.nodes} nodes of one CPU; {SMALL_ROUNDS} times the small query."
    report.publish(asked, "ray-latency", about, ["what", "median ms", "slowest ms"], rows)


def summary(taken):
    return statistics.median(taken), max(taken)


def small_files(client):
    for number in range(SMALL_FILES):
        client.execute(f"COPY (SELECT * FROM nation) TO 'small/{number}.parquet'")
    client.execute("CREATE EXTERNAL TABLE small STORED AS PARQUET LOCATION 'small/'")


def small_ms(client):
    times = []
    for _ in range(SMALL_ROUNDS):
        began = time.monotonic()
        client.execute(SMALL).fetchall()
        times.append((time.monotonic() - began) * 1000)
    return summary(times)


def first_ms(nodes, options):
    """From the moment the server says that it can reach Ray, or a client can ask it: the later one."""
    with Mobula(demo=SCALE, options=[*nodes.options(), *options]) as server:
        with staged.on_ray(server) as client, server.connect() as look:
            known = "SELECT count(*) FROM mobula.nodes"
            wait_until("Ray", lambda: look.execute(known).fetchone()[0] > 0, 60, pause_s=0.01)
            began = time.monotonic()
            client.execute(FIRST).fetchall()
            return ((time.monotonic() - began) * 1000,) * 2


def sent_first_ms(asked):
    # Where nothing is kept that was sent before. Ray's own names of sockets have to be short.
    with tempfile.TemporaryDirectory() as folder:
        fresh = {"TMPDIR": folder, "RAY_TMPDIR": tempfile.gettempdir()}
        with mock.patch.dict(os.environ, fresh), Nodes(asked.nodes) as nodes:
            return first_ms(nodes, [])


def installed_first_ms(asked):
    with tempfile.TemporaryDirectory() as folder:
        found = {"PYTHONPATH": str(install_wheel(pathlib.Path(folder)))}
        with mock.patch.dict(os.environ, found), Nodes(asked.nodes) as nodes:
            return first_ms(nodes, ["--ray-send=false"])


class psql:
    """A statement that runs on all CPUs while the body does; ended as a person would."""

    def __init__(self, command, count):
        self.command, self.count = [f"{debian.postgres_bin()}/{command[0]}", *command[1:]], count
        self.freed_ms = None

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stderr=subprocess.PIPE)
        wait_until("its tasks to run", lambda: len(workers()) >= self.count, 60, pause_s=0.05)
        return self

    def __exit__(self, *_):
        began = time.monotonic()
        self.process.send_signal(signal.SIGINT)
        wait_until("free slots", lambda: not workers(), 60, pause_s=0.02)
        self.freed_ms = (time.monotonic() - began) * 1000
        _, said = self.process.communicate()
        assert b"canceling statement" in said, said

"""A small query beside a large one that fills the threads, in stages and in one process.

In: scale, seconds. Out: its median and slowest times in ms, alone and beside, and how long the
large one takes to end when it is cancelled. The large one's expressions are costly: a batch of them
keeps a thread for a tenth of a second.
"""

import statistics
import threading
import time

import psycopg

import report
import staged
from mobula import Mobula
from process import wait_until

SMALL = "SELECT o_orderpriority, count(*) FROM orders WHERE o_orderkey < 400000 GROUP BY 1"
LARGE = ("SELECT count(*), sum(length(regexp_replace(l_comment, '[aeiou]+', 'x', 'g'))), "
         "max(md5(l_comment)), min(md5(l_shipinstruct || l_comment)) FROM lineitem")
RUNS = "SELECT 1 FROM mobula.queries WHERE state = 'running' AND pid = %s"
DEADLINE_S = 60
WIDTHS = {"in one process": None, "2 tasks": (2, 1), "64 tasks": (64, 1)}


def run(asked):
    rows = []
    with Mobula(data_dir=asked.work / f"tpch-{asked.scale:g}", demo=asked.scale) as server:
        for name, width in WIDTHS.items():
            with staged.connect(server, width) as large, staged.connect(server, width) as small:
                small.autocommit = True
                times(small, 1)
                alone = times(small, 2)
                beside, cancelled_ms = while_it_runs(server, large, small, asked.seconds)
            rows.append([name, statistics.median(alone), statistics.median(beside), max(beside),
                         cancelled_ms])
    about = f"TPC-H SF {asked.scale:g}; the small query again and again for {asked.seconds:g} s."
    titles = ["runner", "alone ms", "beside ms", "slowest ms", "cancel ms"]
    report.publish(asked, "beside", about, titles, rows)


def times(client, seconds):
    taken, until = [], time.perf_counter() + seconds
    while (begin := time.perf_counter()) < until:
        client.execute(SMALL).fetchall()
        taken.append((time.perf_counter() - begin) * 1000)
    return taken


def while_it_runs(server, large, small, seconds):
    ended = threading.Thread(target=runs_again_until_cancelled, args=(large,))
    ended.start()
    with server.connect(autocommit=True) as watcher:
        pid = large.info.backend_pid
        wait_until("it to run", lambda: watcher.execute(RUNS, [pid]).fetchone(), DEADLINE_S)
    taken = times(small, seconds)
    begin = time.perf_counter()
    # It may just be between two runs.
    while ended.is_alive():
        large.cancel_safe(timeout=10)
        ended.join(0.2)
    return taken, (time.perf_counter() - begin) * 1000


def runs_again_until_cancelled(client):
    try:
        while True:
            client.execute(LARGE).fetchall()
    except psycopg.errors.QueryCanceled:
        pass

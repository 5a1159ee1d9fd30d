"""TPC-H on nodes of Ray on this machine, against the same queries in one process; and what a small
query takes.

In: scale, nodes of one CPU, rounds. Out: per query the median of each and their ratio, the geometric
mean of the ratios; the median of an aggregate over 12 small files; the first query.
"""

import statistics
import time

import queries
import report
import staged
import tpch
from mobula import Mobula
from ray_nodes import Nodes

SMALL = "SELECT n_regionkey, count(*), sum(n_nationkey) FROM small GROUP BY 1 ORDER BY 1"
SMALL_FILES = 12
SMALL_ROUNDS = 100


def small_ms(client, one):
    """The median time of a query over 12 files of 25 rows, and the slowest but five of a hundred."""
    one.execute("DROP TABLE IF EXISTS small")
    folder = f"small-{time.time_ns()}"
    for number in range(SMALL_FILES):
        one.execute(f"COPY (SELECT * FROM nation) TO '{folder}/{number}.parquet'")
    one.execute(f"CREATE EXTERNAL TABLE small STORED AS PARQUET LOCATION '{folder}/'")
    times = []
    for _ in range(SMALL_ROUNDS):
        began = time.monotonic()
        client.execute(SMALL).fetchall()
        times.append((time.monotonic() - began) * 1000)
    return statistics.median(times), sorted(times)[-6]


def run(asked):
    data_dir = asked.work / f"tpch-{asked.scale:g}"
    size = {"cpus": 1, "store_bytes": asked.store_mib << 20, "memory_bytes": asked.memory_mib << 20}
    with Nodes(asked.nodes, **size) as nodes, tpch.oracle() as texts:
        texts = {n: text for n, text in tpch.queries(texts).items() if n in asked.queries}
        with Mobula(data_dir=data_dir, demo=asked.scale, options=nodes.options()) as server:
            with staged.on_ray(server) as many, server.connect() as one:
                began = time.monotonic()
                many.execute("SELECT sum(l_tax) FROM lineitem").fetchall()
                first_s = time.monotonic() - began
                small = small_ms(many, one)
                times = queries.measure(many, one, texts, asked.rounds)
    rows, mean = report.ratios(times)
    rows.append(mean)
    rows.append(["12 files, p50 and p95", small[0], small[1], ""])
    rows.append(["first query, right after the server's start", first_s * 1000, "", ""])
    about = (f"TPC-H SF {asked.scale:g}: {asked.nodes} nodes of Ray of one CPU on this machine, and one"
             f" process; medians of {asked.rounds} after a warm-up, by turns.")
    details = {f"Q{number}": {"ray_s": many_s, "local_s": one_s}
               for number, (many_s, one_s) in times.items()}
    titles = ["query", "Ray ms", "local ms", "ratio"]
    report.publish(asked, f"ray-{asked.scale:g}", about, titles, rows, details)

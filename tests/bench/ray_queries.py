"""TPC-H on nodes of Ray on this machine, against the same queries in one process.

In: scale, nodes of one CPU, rounds. Out: per query the median of each and their ratio, and the
geometric mean of the ratios.
"""

import queries
import report
import staged
import tpch
from mobula import Mobula
from ray_nodes import Nodes


def run(asked):
    data_dir = asked.work / f"tpch-{asked.scale:g}"
    size = {"cpus": 1, "store_bytes": asked.store_mib << 20, "memory_bytes": asked.memory_mib << 20}
    with Nodes(asked.nodes, **size) as nodes, tpch.oracle() as texts:
        texts = {n: text for n, text in tpch.queries(texts).items() if n in asked.queries}
        with Mobula(data_dir=data_dir, demo=asked.scale, options=nodes.options()) as server:
            with staged.on_ray(server) as many, server.connect() as one:
                times = queries.measure(many, one, texts, asked.rounds)
    about = (f"TPC-H SF {asked.scale:g}: {asked.nodes} nodes of Ray of one CPU on this machine, and one"
             f" process; medians of {asked.rounds} after a warm-up, by turns.")
    report.publish_ratios(asked, f"ray-{asked.scale:g}", about, ("Ray", "local"), times)

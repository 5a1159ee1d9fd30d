"""TPC-H staged, as tasks of one partition, against the same queries in one process.

In: scale, tasks of a stage, rounds. Out: per query the median of each and their ratio, and the
geometric mean of the ratios: what cutting, encoding and exchanging cost.
"""

import queries
import report
import staged
import tpch
from mobula import Mobula
from process import cores


def run(asked):
    data_dir = asked.work / f"tpch-{asked.scale:g}"
    with Mobula(data_dir=data_dir, demo=asked.scale) as server, tpch.oracle() as texts:
        texts = tpch.queries(texts)
        with staged.connect(server, (asked.tasks, 1)) as many, server.connect() as one:
            times = queries.measure(many, one, texts, asked.rounds)
    about = (f"TPC-H SF {asked.scale:g}, {cores()} threads: {asked.tasks} tasks of one partition "
             f"a stage and one process; medians of {asked.rounds} after a warm-up, by turns.")
    report.publish_ratios(asked, f"staged-{asked.scale:g}", about, ("staged", "local"), times)

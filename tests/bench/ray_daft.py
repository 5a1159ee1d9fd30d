"""TPC-H on the same nodes of Ray, on this machine, by Mobula and by Daft's runner for Ray.

In: scale, nodes of one CPU, rounds. Out: per query the median of each and their ratio, and the
geometric mean over those that both answer; what Daft cannot run. Both have the cluster for
themselves by turns, read the same files and hand all rows to Python.
"""

import contextlib
import time

import on_daft
import report
import staged
import tpch
from mobula import Mobula
from ray_nodes import Nodes

DEADLINE_S = 900


def run(asked):
    size = {"cpus": 1, "store_bytes": asked.store_mib << 20, "memory_bytes": asked.memory_mib << 20}
    with Nodes(asked.nodes, **size) as nodes:
        data_dir = asked.work / f"tpch-{asked.scale:g}"
        folder = asked.work / f"duckdb-{asked.scale:g}"
        with Mobula(data_dir=data_dir, demo=asked.scale, options=nodes.options()) as server:
            on_daft.files(server.demo_files(), folder)
        options = nodes.options()
        with Mobula(data_dir=asked.work / "beside-daft", allow=[folder], options=options) as server:
            for table in tpch.TABLES:
                server.register(table, f"{folder}/{table}/")
            with tpch.oracle({table: f"{folder}/{table}/*.parquet" for table in tpch.TABLES}) as oracle:
                times, fails = measure(server, nodes, folder, oracle, asked)
    rows, mean = report.ratios(times)
    rows.append(mean)
    rows += [[f"Q{number}", "", words[:60], ""] for number, words in fails.items()]
    about = (f"TPC-H SF {asked.scale:g}: {asked.nodes} nodes of Ray of one CPU on this machine; medians"
             f" of {asked.rounds} after a warm-up, by turns; ratio below 1: Mobula is faster.")
    details = {f"Q{number}": {"mobula_s": ours, "daft_s": theirs}
               for number, (ours, theirs) in times.items()}
    titles = ["query", "Mobula ms", "Daft ms", "ratio"]
    report.publish(asked, f"daft-{asked.scale:g}", about, titles, rows, details)


def measure(server, nodes, folder, oracle, asked):
    """{number: ([seconds of Mobula], [seconds of Daft])}, {number: why Daft has no answer}."""
    texts = tpch.queries(oracle)
    numbers = [number for number in texts if number in asked.queries]
    answers = {number: oracle.execute(texts[number]).fetchall() for number in numbers}
    times, fails = {number: ([], []) for number in numbers}, {}
    for round_number in range(asked.rounds + 1):
        for place, ask in enumerate((by_mobula(server), by_daft(nodes, folder))):
            with ask as answer:
                for number in numbers:
                    if number in fails:
                        continue
                    rows, error, seconds = answer(number, texts[number])
                    error = error or tpch.difference(number, rows, answers[number])
                    print(number, ("Mobula", "Daft")[place], error or f"{seconds:.2f} s", flush=True)
                    if error:
                        assert place == 1, f"Q{number}: {error}"
                        fails[number] = error
                    elif round_number:
                        times[number][place].append(seconds)
    return {number: pair for number, pair in times.items() if number not in fails}, fails


@contextlib.contextmanager
def by_mobula(server):
    with staged.on_ray(server) as client:
        def answer(number, text):
            began = time.monotonic()
            rows = client.execute(tpch.adapted(number, text)).fetchall()
            return rows, None, time.monotonic() - began
        yield answer


@contextlib.contextmanager
def by_daft(nodes, folder):
    with on_daft.Daft(nodes.address, folder) as daft:
        yield lambda _number, text: daft.ask(text, DEADLINE_S)

"""TPC-H on the same nodes of Ray, on this machine, by Mobula and by Daft's runner for Ray.

In: scale, nodes of one CPU, rounds. Out: per query the median of each and their ratio, and the
geometric mean over those that both answer; what Daft cannot run. Both have the cluster for
themselves by turns, read the same files and hand all rows to Python.
"""

import contextlib

import on_daft
import report
import staged
import tpch
from mobula import Mobula
from ray_nodes import Nodes

DEADLINE_S = 900


def run(asked):
    size = {"cpus": 1, "store_bytes": asked.store_mib << 20, "memory_bytes": asked.memory_mib << 20}
    folder, texts, answers = on_daft.prepared(asked)
    with Nodes(asked.nodes, **size) as nodes:
        with Mobula(allow=[folder], options=nodes.options()) as server:
            on_daft.register(server, folder)
            engines = {"Mobula": lambda: by_mobula(server), "Daft": lambda: by_daft(nodes, folder)}
            times, fails = measure(engines, texts, answers, asked.rounds)
    about = (f"TPC-H SF {asked.scale:g}: {asked.nodes} nodes of Ray of one CPU on this machine; medians"
             f" of {asked.rounds} after a warm-up, by turns; ratio below 1: Mobula is faster.")
    fails = [[f"Q{number}", "", words[:60], ""] for number, words in fails.items()]
    report.publish_ratios(asked, f"daft-{asked.scale:g}", about, tuple(engines), times, fails)


def measure(engines, texts, answers, rounds):
    """{number: ([seconds of Mobula], [seconds of Daft])}, {number: why Daft has no answer}."""
    times, fails = {number: ([], []) for number in texts}, {}
    for round_number in range(rounds + 1):
        for place, (name, engine) in enumerate(engines.items()):
            with engine() as ask:
                for number, text in texts.items():
                    if number in fails:
                        continue
                    rows, error, seconds = ask(number, text)
                    error = error or tpch.difference(number, rows, answers[number])
                    print(number, name, error or f"{seconds:.2f} s", flush=True)
                    if error:
                        assert name == "Daft", f"Q{number}: {error}"
                        fails[number] = error
                    elif round_number:
                        times[number][place].append(seconds)
    return {number: pair for number, pair in times.items() if number not in fails}, fails


@contextlib.contextmanager
def by_mobula(server):
    with staged.on_ray(server) as client:
        yield lambda number, text: on_daft.timed(client, number, text)


@contextlib.contextmanager
def by_daft(nodes, folder):
    with on_daft.Daft(nodes.address, folder) as daft:
        yield lambda _number, text: daft.ask(text, DEADLINE_S)

"""Many queries while workers are killed, nodes taken away and raylets killed, at random moments: no
wrong rows, no query that hangs, hardly any that its client has to run again.

MOBULA_TESTS_KILLS says how many (10; the long version has 300 in at least 1,000 queries), and
MOBULA_TESTS_SEED how they are chosen. What was measured is printed (`pytest -s`).
"""

import os
import random
import statistics
import time

import pytest

import ray_nodes
import tpch
from mobula import Mobula
from process import wait_until
from ray_faults import Asked, connect
from ray_nodes import Nodes

pytestmark = pytest.mark.mobula_only
KILLS = int(os.environ.get("MOBULA_TESTS_KILLS", "10"))
SEED = int(os.environ.get("MOBULA_TESTS_SEED", time.time_ns() % 1_000_000))
SCALE = float(os.environ.get("MOBULA_TESTS_SCALE", "0.3"))
# Of the faults, and how long their recovery may take: with Ray's default health check.
FAULTS = {"worker": (8, 2.0), "remove": (1, 15.0), "kill_raylet": (1, 15.0)}
HANGS_S = 120
# Queries without a fault, for each one with: times to compare with.
QUIET_OF_FAULTS = 2.4


def fire(nodes, chance, kind):
    """Lets it happen; the node that has to be replaced afterwards, and whether anything was hit."""
    if kind == "worker":
        return None, ray_nodes.kill_a_worker(chance) is not None
    name = chance.choice(sorted(nodes.nodes))
    getattr(nodes, kind)(name)
    return name, True


def whole_again(nodes, client, kind, name):
    if name and kind == "remove":
        nodes.add()
    elif name:
        nodes.replace(name)
    usable = "SELECT count(*) FROM mobula.nodes WHERE cpus > 0 AND cpus_free > 0"
    wait_until("three nodes", lambda: client.execute(usable).fetchone() == (3,), 60, pause_s=0.2)


def percentile(values, share):
    return sorted(values)[int(share * (len(values) - 1))] if values else 0.0


def test_kills():
    chance = random.Random(SEED)
    print(f"\nseed {SEED}")
    kinds = [kind for kind, (weight, _) in FAULTS.items() for _ in range(weight)]
    seen, recovery, queries, hits = [], {kind: [] for kind in FAULTS}, 0, 0
    with Nodes(3) as nodes:
        with Mobula(demo=SCALE, options=nodes.options()) as server, server.connect() as look:
            with tpch.oracle(server.demo_files()) as oracle:
                texts = tpch.queries(oracle)
                answers = {n: oracle.execute(texts[n]).fetchall() for n in tpch.NUMBERS}
            usual = {}
            with connect(server) as client:
                for n in tpch.NUMBERS:
                    times = []
                    for _ in range(3):
                        began = time.monotonic()
                        client.execute(tpch.adapted(n, texts[n])).fetchall()
                        times.append(time.monotonic() - began)
                    usual[n] = statistics.median(times)
            while hits < KILLS:
                n, kind = chance.choice(tpch.NUMBERS), chance.choice(kinds)
                asked = Asked(server, tpch.adapted(n, texts[n]))
                moment = time.monotonic() + chance.random() * usual[n]
                wait_until("its moment", lambda: time.monotonic() > moment or not asked.runs(), 60,
                           pause_s=0.001)
                name, hit = fire(nodes, chance, kind) if asked.runs() else (None, False)
                outcome = asked.end(HANGS_S)
                queries, hits = queries + 1, hits + hit
                wrong = outcome.rows is not None and tpch.difference(n, outcome.rows, answers[n])
                assert not wrong, f"seed {SEED}, Q{n} after {kind}: {wrong}"
                if outcome.error is not None:
                    seen.append((n, kind, str(outcome.error)))
                elif hit and outcome.ran_again():
                    recovery[kind].append(outcome.seconds - usual[n])
                    if recovery[kind][-1] > FAULTS[kind][1]:
                        print(f"slow: Q{n} after {kind}, {recovery[kind][-1]:.2f} s:"
                              f" {outcome.notices} {outcome.attempts}")
                if name:
                    whole_again(nodes, look, kind, name)
                with connect(server) as client:
                    while queries < hits * (1 + QUIET_OF_FAULTS):
                        n = chance.choice(tpch.NUMBERS)
                        got = client.execute(tpch.adapted(n, texts[n])).fetchall()
                        assert not tpch.difference(n, got, answers[n]), f"seed {SEED}, Q{n}"
                        queries += 1
    print(f"{hits} faults in {queries} queries; seen by clients: {seen}")
    for kind, times in recovery.items():
        print(f"{kind}: {len(times)} recovered, median {percentile(times, 0.5):.2f} s,"
              f" p95 {percentile(times, 0.95):.2f} s, most {percentile(times, 1):.2f} s")
    assert hits == KILLS and sum(map(len, recovery.values())) > 0
    assert len(seen) <= queries // 100, seen

"""A node is taken away while it holds what a query's first tasks made, by TPC-H query: Mobula, and
Daft's runner for Ray, on the same cluster.

In: scale, nodes of one CPU. Out: per query how long it takes usually and with the loss, and whether
the rows are right. The moment is the same for both: as soon as a node's object store holds something
new; after half of the query's usual time, whichever node. Once it is lost it is replaced.
"""

import random
import threading
import time

import on_daft
import report
import staged
import tpch
from mobula import Mobula
from process import wait_until
from ray_nodes import Nodes, stored_bytes

# Less may be what the engine itself keeps there.
NEW_BYTES_MIN = 64 << 10
DEADLINE_S = 180
TRIES = 5


def run(asked):
    size = {"cpus": 1, "store_bytes": asked.store_mib << 20, "memory_bytes": asked.memory_mib << 20}
    chance = random.Random(asked.seed)
    folder, texts, answers = on_daft.prepared(asked)
    with Nodes(asked.nodes, **size) as nodes:
        rows = []
        for number, text in texts.items():
            cells = [f"Q{number}"]
            for engine in (OnMobula, OnDaft):
                cells += lose(engine, nodes, folder, number, text, answers[number], chance)
            print(cells, flush=True)
            rows.append(cells)
    about = (f"TPC-H SF {asked.scale:g}, {asked.nodes} nodes of Ray of one CPU on this machine; a node is"
             f" removed while it holds outputs. Milliseconds; seed {asked.seed}.")
    titles = ["query", "Mobula", "Mobula with the loss", "tasks run again",
              "Daft", "Daft with the loss"]
    report.publish(asked, f"lost-node-{asked.scale:g}", about, titles, rows)


def lose(engine, nodes, folder, number, text, want, chance):
    """Cells: usual time, time with the loss or what happened, and what the engine tells if it does."""
    with engine(nodes, folder) as subject:
        for _ in range(2):
            rows, error, usual_s = subject.ask(number, text)
            error = error or tpch.difference(number, rows, want)
            if error:
                return ["-", error[:50], *subject.told()]
        for _ in range(TRIES):
            got = {}
            asked = threading.Thread(target=lambda: got.update(end=subject.ask(number, text)))
            before = stored_bytes(nodes)
            began = time.monotonic()
            asked.start()
            victim = holder(nodes, before, asked, began + usual_s / 2, chance)
            if victim:
                nodes.remove(victim)
                asked.join()
                rows, error, seconds = got["end"]
                error = error or tpch.difference(number, rows, want)
                told = subject.told()
                nodes.add()
                subject.whole(len(nodes.nodes))
                return [usual_s * 1000, error[:50] if error else seconds * 1000, *told]
            asked.join()
    return [usual_s * 1000, "it ended before", *subject.told()]


def holder(nodes, before, asked, half, chance):
    """The node to lose, at its moment; none when the query ended before."""
    while asked.is_alive():
        new = {name: size - before[name] for name, size in stored_bytes(nodes).items()}
        name = max(new, key=new.get)
        if new[name] >= NEW_BYTES_MIN:
            return name
        if time.monotonic() > half:
            return chance.choice(sorted(nodes.nodes))
    return None


class OnMobula:
    """Mobula; its client is told what is done again."""

    def __init__(self, nodes, folder):
        self.server = Mobula(allow=[folder], options=nodes.options())
        self.folder = folder

    def __enter__(self):
        self.server.start()
        on_daft.register(self.server, self.folder)
        self.client = staged.on_ray(self.server)
        self.look = self.server.connect()
        return self

    def __exit__(self, *_):
        self.server.close()

    def ask(self, number, text):
        return on_daft.timed(self.client, number, text)

    def told(self):
        again = self.look.execute(
            "SELECT count(*) FROM mobula.tasks WHERE attempt > 1 AND query_id ="
            " (SELECT max(query_id) FROM mobula.queries WHERE runner = 'ray')").fetchone()
        return again

    def whole(self, count):
        usable = "SELECT count(*) FROM mobula.nodes WHERE cpus > 0 AND cpus_free > 0"
        wait_until("all nodes", lambda: self.look.execute(usable).fetchone() == (count,), 60)


class OnDaft(on_daft.Daft):
    """Daft, a new session of it for each query."""

    def __init__(self, nodes, folder):
        super().__init__(nodes.address, folder)

    def ask(self, _number, text):
        return super().ask(text, DEADLINE_S)

    def told(self):
        return ()

    def whole(self, _count):
        pass

"""A Ray cluster of several nodes on this machine, and what may happen to it.

In: how many nodes, their size. Out: the cluster's address; its nodes by Ray's names; ways to end or
stop them, each of which says whom it hit.
"""

import random
import signal

import psutil
from ray.cluster_utils import Cluster

# Of a node that runs tasks. Its store takes what it needs of the machine's memory and no more.
STORE_BYTES = 400 << 20
MEMORY_BYTES = 2 << 30
# What Ray calls a process that runs a task of ours.
WORKER = "ray::mobula "


class Nodes:
    """`with Nodes(3, cpus=1) as nodes:`. The head runs no tasks: it is never the one that dies."""

    def __init__(self, count, cpus=1, store_bytes=STORE_BYTES, memory_bytes=MEMORY_BYTES):
        self.size = {"num_cpus": cpus, "object_store_memory": store_bytes, "memory": memory_bytes}
        self.cluster = Cluster(initialize_head=True, head_node_args={
            "num_cpus": 0, "include_dashboard": False, "object_store_memory": 200 << 20})
        self.nodes = {}
        for _ in range(count):
            self.add()
        self.address = self.cluster.address

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.cluster.shutdown()

    def add(self):
        """One more; its name."""
        node = self.cluster.add_node(**self.size)
        self.nodes[node.node_id] = node
        return node.node_id

    def remove(self, name):
        """Takes a node away with all its processes, as if it were unplugged."""
        self.cluster.remove_node(self.nodes.pop(name), allow_graceful=False)

    def kill_raylet(self, name):
        """Ends the node's raylet alone."""
        self._raylet(name).kill()

    def freeze(self, name):
        """Stops the node's raylet: it holds its connections and answers nothing."""
        self._raylet(name).send_signal(signal.SIGSTOP)

    def replace(self, name):
        """A new node for one that was killed or frozen."""
        self._raylet(name).kill()
        self.remove(name)
        return self.add()

    def kill_head(self):
        """Ends Ray's control service (GCS)."""
        self._process(self.cluster.head_node, "gcs_server").kill()

    def _raylet(self, name):
        return self._process(self.nodes[name], "raylet")

    @staticmethod
    def _process(node, kind):
        return node.all_processes[kind][0].process


def workers():
    """The processes that run a task of ours at this moment."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        line = process.info["cmdline"]
        if line and line[0].startswith(WORKER + "query"):
            found.append(process)
    return found


def kill_a_worker(chance=random):
    """Ends a process that runs a task; its title, or none when there is no such process."""
    found = workers()
    if not found:
        return None
    victim = chance.choice(found)
    try:
        title = victim.cmdline()[0]
        victim.kill()
    except (psutil.NoSuchProcess, IndexError):
        return None
    return title

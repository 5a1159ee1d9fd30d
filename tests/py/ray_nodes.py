"""A Ray cluster of several nodes on this machine, and what may happen to it.

In: how many nodes, their size. Out: the cluster's address; its nodes by Ray's names; ways to end or
stop them, each of which says whom it hit.
"""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys

import psutil
import ray
from ray._private.internal_api import node_stats
from ray.cluster_utils import Cluster

from mobula import binary
from process import free_port

# Of a node that runs tasks. Its store takes what it needs of the machine's memory and no more.
STORE_BYTES = 400 << 20
MEMORY_BYTES = 2 << 30
# What Ray calls a process that runs a task of ours.
WORKER = "ray::mobula "


class Nodes:
    """`with Nodes(3, cpus=1) as nodes:`. The head runs no tasks: it is never the one that dies."""

    def __init__(self, count, cpus=1, store_bytes=STORE_BYTES, memory_bytes=MEMORY_BYTES):
        self.size = {"num_cpus": cpus, "object_store_memory": store_bytes, "memory": memory_bytes}
        self._start(count)
        self.address = self.cluster.address

    def _start(self, count, port=0):
        """A head and so many nodes; at any free port unless told otherwise."""
        self.cluster = Cluster(initialize_head=True, head_node_args={
            "num_cpus": 0, "include_dashboard": False, "object_store_memory": 200 << 20,
            "gcs_server_port": port})
        self.nodes = {}
        for _ in range(count):
            self.add()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.cluster.shutdown()

    def options(self):
        """Of a server that is to use this cluster."""
        return ["--ray-address", self.address, "--ray-python", sys.executable]

    def add(self, **size):
        """One more, as large as the others unless told otherwise; its name."""
        node = self.cluster.add_node(**self.size | size)
        self.nodes[node.node_id] = node
        return node.node_id

    def busy(self):
        """One where a worker runs a task of ours at this moment, if any."""
        raylets = {self._raylet(name).pid: name for name in self.nodes}
        for process in workers():
            with contextlib.suppress(psutil.NoSuchProcess):
                if name := raylets.get(process.ppid()):
                    return name
        return None

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

    def restart_head(self):
        """Ends Ray's control service and starts it again, as a supervisor does at once."""
        self.cluster.head_node.kill_gcs_server()
        self.cluster.head_node.start_gcs_server()

    def start_anew(self, count):
        """Another cluster in place of this one, at its address."""
        self.cluster.shutdown()
        self._start(count, int(self.address.split(":")[1]))

    def _raylet(self, name):
        return self._process(self.nodes[name], "raylet")

    @staticmethod
    def _process(node, kind):
        return node.all_processes[kind][0].process


class Growing:
    """A cluster whose autoscaler adds nodes of one CPU, up to two, and takes them away when they idle.
    Ray's own way to try that on one machine; the nodes are processes of its monitor."""

    PROVIDER = {"type": "fake_multinode", "disable_launch_config_check": True,
                "disable_node_updaters": True, "foreground_node_launch": True,
                "use_node_id_as_ip": True}
    NOTHING = ["head_setup_commands", "worker_setup_commands", "head_start_ray_commands",
               "worker_start_ray_commands", "setup_commands", "initialization_commands",
               "cluster_synced_files", "rsync_exclude", "rsync_filter"]

    def __init__(self, folder):
        port = free_port()
        self.address = f"{ray.util.get_node_ip_address()}:{port}"
        head = "ray.head.default"  # Its provider calls it so; another would be started beside it.
        kinds = {head: {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0},
                 "small": {"resources": {"CPU": 1, "object_store_memory": STORE_BYTES},
                           "node_config": {}, "min_workers": 0, "max_workers": 2}}
        config = folder / "autoscaler.json"
        config.write_text(json.dumps({
            "cluster_name": "growing", "max_workers": 2, "auth": {}, "file_mounts": {},
            "provider": {**self.PROVIDER, "gcs_address": self.address},
            "available_node_types": kinds, "head_node_type": head, "upscaling_speed": 1.0,
            "idle_timeout_minutes": 0.3, "file_mounts_sync_continuously": False,
            **{name: [] for name in self.NOTHING}}))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block",
             f"--port={port}", "--num-cpus=0", "--include-dashboard=false",
             f"--object-store-memory={200 << 20}", f"--autoscaling-config={config}"],
            env=os.environ | {"RAY_FAKE_CLUSTER": "1", "AUTOSCALER_UPDATE_INTERVAL_S": "1"},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        ours = [self.process, *psutil.Process(self.process.pid).children(recursive=True)]
        for process in ours:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.wait()

    options = Nodes.options


def stored_bytes(nodes):
    """What each node's store holds."""
    def of(node):
        stats = node_stats(node.node_ip_address, node.node_manager_port, include_memory_info=False)
        return stats.store_stats.object_store_bytes_used
    return {name: of(node) for name, node in nodes.nodes.items()}


def install_wheel(folder):
    """Where the package is that nodes have which are started with this as PYTHONPATH."""
    wheel = subprocess.run([binary(), "wheel", folder, "--ray-python", sys.executable],
                           capture_output=True, text=True, check=True).stdout.strip()
    installed = folder / "installed"
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", "--no-index", "--no-deps",
                    "--target", installed, wheel], check=True)
    return installed


def all_workers(titled="ray::"):
    """Ray's worker processes on this machine."""
    return [process for process in psutil.process_iter() if title(process).startswith(titled)]


def title(process):
    """What Ray calls it; nothing when it has ended."""
    try:
        return next(iter(process.cmdline()), "")
    except psutil.NoSuchProcess:
        return ""


def workers():
    """Those that run a task of ours at this moment."""
    return all_workers(WORKER + "query")


def kill_a_worker(chance=random):
    """Ends a process that runs a task; its title, or none when there is no such process."""
    found = workers()
    if not found:
        return None
    victim = chance.choice(found)
    said = title(victim)
    try:
        victim.kill()
    except psutil.NoSuchProcess:
        return None
    return said or None

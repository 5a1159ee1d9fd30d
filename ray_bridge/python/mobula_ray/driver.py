"""The process that owns our job on Ray. It submits, gathers and cancels; it decides nothing. In: the
server's calls, through the native half. Out: Ray's."""

import json
import os
import pathlib
import sys
import threading

import ray
import ray.autoscaler.sdk
import ray.exceptions
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from mobula_ray import _native, state, wheel
from mobula_ray.task import ready, run


class Driver:
    """What the native half calls."""

    def __init__(self, worker_options, build):
        """`build` is that of the package that the nodes have; none when it is sent to them."""
        self.worker_options = worker_options
        self.build = build

    def submit(self, name, task, counts, inputs, buffers, cpus, memory_bytes, node, insists, ended):
        """Starts a task; its outcome's reference, then those of its buffers. `ended` is told.

        Ray does not run it again: the server does, which knows what may be repeated."""
        place = "DEFAULT"
        if node is not None:
            place = NodeAffinitySchedulingStrategy(
                node, soft=True, _spill_on_unavailable=not insists)
        references = run.options(
            name=name, num_returns=1 + buffers, num_cpus=cpus, memory=memory_bytes if cpus else 0,
            max_retries=0, scheduling_strategy=place,
        ).remote(self.build, self.worker_options, memory_bytes, task, counts, *inputs)
        references[0].future().add_done_callback(lambda future: tell(ended, future))
        return references

    def cancel(self, outcome, force):
        ray.cancel(outcome, force=force)

    def fetch(self, reference):
        """A buffer; none when it is gone."""
        try:
            return ray.get(reference)
        except ray.exceptions.RayError:
            return None

    def nodes(self):
        """The nodes that are alive, and which one is ours."""
        return state.nodes(), ray.get_runtime_context().get_node_id()

    def places(self):
        """Name and node of each task of ours that runs."""
        return state.running(ray.get_runtime_context().get_job_id())

    def warm(self, node, workers):
        """Has workers ready there: each starts, loads the native half and ends at once."""
        place = NodeAffinitySchedulingStrategy(node, soft=False)
        task = ready.options(name="mobula warm-up", num_cpus=0, max_retries=0,
                             scheduling_strategy=place)
        for _ in range(workers):
            task.remote()

    def state(self, of):
        """Rows of a view of Ray's state, as JSON."""
        return [json.dumps(row) for row in state.VIEWS[of]()]

    def demand(self, cpus):
        """What we could use, for Ray's autoscaler."""
        ray.autoscaler.sdk.request_resources(num_cpus=cpus)


def tell(ended, future):
    error = future.exception()
    if error is None:
        ended(future.result(), None, None, ENOUGH)
    else:
        ended(None, lost_object(error), *words(error))


def lost_object(error):
    """The object that a task could not read, if that is why it failed."""
    while error is not None:
        if isinstance(error, ray.exceptions.ObjectLostError):
            return error.object_ref_hex
        error = getattr(error, "cause", None)
    return None


# As in messages.rs.
ENOUGH, LACKS_MEMORY, LACKS_DISK = range(3)
# The first that fits.
WORDS = [
    (ray.exceptions.NodeDiedError, "node lost", ENOUGH),
    (ray.exceptions.OutOfMemoryError, "worker out of memory", LACKS_MEMORY),
    (ray.exceptions.WorkerCrashedError, "worker died", ENOUGH),
    (ray.exceptions.OutOfDiskError, "disk full", LACKS_DISK),
    (ray.exceptions.ObjectStoreFullError, "object store full", LACKS_DISK),
    (ray.exceptions.ObjectLostError, "output lost", ENOUGH),
]


def words(error):
    """What happened, and what was not enough."""
    for kind, said, lacks in WORDS:
        if isinstance(error, kind) or isinstance(getattr(error, "cause", None), kind):
            return said, lacks
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[-1] if lines else ''}", ENOUGH


def end_with_the_server():
    """The server holds the other end of our standard input: it closes when the server ends, however
    it ends."""
    sys.stdin.read()
    ending = threading.Thread(target=ray.shutdown, daemon=True)
    ending.start()
    ending.join(10)
    os._exit(0)


def connect(address, sends):
    package = pathlib.Path(__file__).parent
    if not sends:
        # Workers look where their driver does; they are to find what is installed.
        sys.path[:] = [path for path in sys.path if pathlib.Path(path) != package.parent]
    quiet = {"log_to_driver": False, "logging_level": "error"}
    try:
        if address == "local":
            # Its workers inherit where our modules are.
            ray.init(address="local", include_dashboard=False, **quiet)
        else:
            environment = {"py_modules": [str(package)]} if sends else None
            ray.init(address=address, runtime_env=environment, **quiet)
    except Exception as error:  # The server tells its clients the last line.
        sys.exit(f"{type(error).__name__}: {' '.join(str(error).split())}")


def main(options):
    threading.Thread(target=end_with_the_server, daemon=True).start()
    connect(options["address"], options["sends"])
    build = None if options["sends"] else wheel.build()
    _native.serve(options["socket"], Driver(json.dumps(options["worker"]), build))

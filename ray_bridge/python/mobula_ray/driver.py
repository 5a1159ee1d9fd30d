"""The process that owns our job on Ray. It submits, gathers and cancels; it decides nothing. In: the
server's calls, through the native half. Out: Ray's."""

import errno
import json
import os
import pathlib
import pickle
import sys
import threading

import ray
import ray.autoscaler.sdk
import ray.exceptions
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from mobula_ray import _native, state, wheel
from mobula_ray.task import ready, run

# Of the native half, when it is sent; the smallest store has room for some.
PIECE_BYTES = 8 << 20


class Driver:
    """What the native half calls."""

    def __init__(self, worker_options, half):
        """`half` is how workers have the native half: see `task.native`."""
        self.worker_options = worker_options
        self.half = half

    def submit(self, name, task, cpus, memory_bytes, place, ended):
        """Starts a task; its outcome's reference, then those of its buffers. `ended` is told.

        Ray does not run it again: the server does, which knows what may be repeated."""
        plan, counts, inputs, asks, buffers = task
        node, insists = place
        strategy = "DEFAULT"
        if node is not None:
            strategy = NodeAffinitySchedulingStrategy(
                node, soft=True, _spill_on_unavailable=not insists)
        asked, given = (inputs, []) if asks else ([], inputs)
        references = run.options(
            name=name, num_returns=1 + buffers, num_cpus=cpus, memory=memory_bytes if cpus else 0,
            max_retries=0, scheduling_strategy=strategy,
        ).remote(self.half, self.worker_options, memory_bytes, plan, counts, asked, *given)
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
            task.remote(self.half)

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
    if getattr(getattr(error, "cause", None), "errno", None) in (errno.ENOSPC, errno.EDQUOT):
        return "disk full", LACKS_DISK
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


def connect(address):
    quiet = {"log_to_driver": False, "logging_level": "error"}
    try:
        if address == "local":
            # Its workers inherit where our modules are.
            ray.init(address="local", include_dashboard=False, **quiet)
        else:
            # Workers look where their driver does; they are to find what is installed.
            own = wheel.PACKAGE.parent
            sys.path[:] = [path for path in sys.path if pathlib.Path(path) != own]
            ray.init(address=address, **quiet)
    except Exception as error:  # The server tells its clients the last line.
        sys.exit(f"{type(error).__name__}: {' '.join(str(error).split())}")


def native_half(address, sends):
    """How workers have it: the build that is installed, or what it is sent as."""
    if address == "local":
        return wheel.installed(), None
    return wheel.build(), [pieces()] if sends else None


def pieces():
    """The native half as objects; the list of them, as an object."""
    native = memoryview((wheel.PACKAGE / wheel.NATIVE).read_bytes())
    starts = range(0, len(native), PIECE_BYTES)
    return ray.put([ray.put(pickle.PickleBuffer(native[start:start + PIECE_BYTES]))
                    for start in starts])


def main(options):
    threading.Thread(target=end_with_the_server, daemon=True).start()
    address = options["address"]
    connect(address)
    driver = Driver(json.dumps(options["worker"]), native_half(address, options["sends"]))
    _native.serve(options["socket"], driver)

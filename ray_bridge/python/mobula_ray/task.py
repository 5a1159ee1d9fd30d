"""What runs in workers of Ray: the function for each task. In: a plan and the buffers it reads. Out: what
became of it, then its buffers, each an object of its own.

Ray sends the code of this module: of this package nothing need be where it runs, and its native half
is sent as objects. (Ray's own way to send packages starts new workers for them.)"""

import fcntl
import importlib.util
import pathlib
import pickle
import signal
import sys
import time

import ray

ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])


@ray.remote
def run(half, options, memory_bytes, task, counts, asked, *buffers):
    heed_interrupts()
    module = native(*half)
    node = ray.get_runtime_context().get_node_id()
    buffers = gather(asked) if asked else buffers
    outcome, written = module.run_task(node, options, memory_bytes, task, counts, buffers)
    return outcome, *(as_object(*buffer) for buffer in written)


def heed_interrupts():
    """Ray cancels by an interrupt. What a script starts in its background ignores those, and so do
    a node's workers: each cancelled task would go on until its worker is killed."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@ray.remote
def ready(half):
    """Has the native half at hand. Long enough that others like it are given workers of their own."""
    native(*half)
    time.sleep(0.2)


def gather(asked):
    """Buffers, while nodes are lost of which Ray does not know it. Ray asks one of those that have a
    copy, whichever; if that one is lost, another one ten seconds later, then after thirty. Asked
    anew, it chooses anew; what has arrived stays."""
    patience_s = 0.1
    while True:
        try:
            return tuple(ray.get(asked, timeout=patience_s))
        except ray.exceptions.GetTimeoutError:
            # Large ones take their time.
            patience_s *= 1.3


def as_object(rows, partitions, segments):
    """A buffer for Ray's store. Its segments' bytes are written there once, from where they are, and
    read where they lie."""
    return rows, partitions, [pickle.PickleBuffer(segment) for segment in segments]


def native(build, pieces):
    """The native half: of what is installed here, or from the object that lists its pieces."""
    if pieces:
        return sent(build, *pieces)
    from mobula_ray import _native, wheel
    if build != wheel.installed():
        raise RuntimeError("the package mobula_ray of this node is not the server's: install the wheel"
                           " that `mobula wheel` makes there")
    return _native


def sent(build, pieces):
    """From a file that this node keeps as long as it is of this cluster."""
    name = f"mobula_{build}._native"
    if name not in sys.modules:
        session = ray._private.worker._global_node.get_session_dir_path()
        path = pathlib.Path(session, f"mobula-{build}.so")
        with open(path.with_suffix(".lock"), "w") as lock:
            # One worker of a node writes it.
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not path.exists():
                write(path, pieces)
        spec = importlib.util.spec_from_file_location(name, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        sys.modules[name] = module
    return sys.modules[name]


def write(path, pieces):
    """All or nothing: half of it would be taken for it."""
    unfinished = path.with_suffix(".unfinished")
    with open(unfinished, "wb") as file:
        for piece in ray.get(pieces):
            file.write(*gather([piece]))
    unfinished.rename(path)

"""What runs in workers of Ray: the function for each task. In: a plan and the buffers it reads. Out: what
became of it, then its buffers, each an object of its own.

Ray sends the code of this module: of this package nothing need be where it runs, and its native half
is sent as objects. (Ray's own way to send packages starts new workers for them.)"""

import fcntl
import importlib.util
import os
import pathlib
import pickle
import signal
import stat
import sys
import tempfile
import time

import ray

ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])

# Nobody watches a task before it runs natively: what it waits for comes in time, or it fails.
ARRIVES_MAX_S = 600
# A native half that no worker loaded for so long makes room for another one.
UNUSED_MAX_S = 7 * 24 * 3600


@ray.remote
def run(half, options, memory_bytes, task, counts, asked, *buffers):
    heed_interrupts()
    module = native(*half)
    place = ray.get_runtime_context().get_node_id(), own_folder()
    buffers = gather(asked) if asked else buffers
    outcome, written = module.run_task(place, options, memory_bytes, task, counts, buffers)
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
    patience_s, end = 0.1, time.monotonic() + ARRIVES_MAX_S
    while True:
        try:
            return tuple(ray.get(asked, timeout=patience_s))
        except ray.exceptions.GetTimeoutError:
            if time.monotonic() > end:
                raise
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
    """From a file that this machine keeps: the next worker finds it, and the next cluster."""
    name = f"mobula_{build}._native"
    if name not in sys.modules:
        path = own_folder() / f"{build}.so"
        with open(path.parent / "lock", "w") as lock:
            # One worker of a machine writes it.
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not path.exists():
                remove_unused(path.parent)
                write(path, pieces)
            os.utime(path)
        spec = importlib.util.spec_from_file_location(name, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        sys.modules[name] = module
    return sys.modules[name]


def own_folder():
    """Others who may log in to this machine must not write what its workers load, nor read what they
    spill."""
    path = pathlib.Path(tempfile.gettempdir(), f"mobula-{os.getuid()}")
    path.mkdir(mode=0o700, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise RuntimeError(f"{path} is not a folder that only its user may write")
    return path


def remove_unused(folder):
    for path in folder.glob("*.so*"):
        if time.time() - path.stat().st_mtime > UNUSED_MAX_S:
            path.unlink()


def write(path, pieces):
    """All or nothing: half of it would be taken for it."""
    unfinished = path.with_suffix(".so.unfinished")
    try:
        with open(unfinished, "wb") as file:
            for piece in gather([pieces])[0]:
                file.write(*gather([piece]))
        unfinished.rename(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise

"""The function that Ray runs for each task. In: a plan and the buffers it reads. Out: what became of
it, then its buffers, each an object of its own."""

import pickle
import time

import ray

from mobula_ray import _native, wheel


@ray.remote
def run(build, options, memory_bytes, task, counts, *buffers):
    # Ray sends this function's code, which may be other than what is installed.
    if build != wheel.installed():
        raise RuntimeError("the package mobula_ray of this node is not the server's: install the wheel"
                           " that `mobula wheel` makes there")
    node = ray.get_runtime_context().get_node_id()
    outcome, written = _native.run_task(node, options, memory_bytes, task, counts, buffers)
    return outcome, *(as_object(*buffer) for buffer in written)


@ray.remote
def ready():
    """Long enough that others like it are given workers of their own."""
    time.sleep(0.2)


def as_object(rows, partitions, segments):
    """A buffer for Ray's store. Its segments' bytes are written there once, from where they are, and
    read where they lie."""
    return rows, partitions, [pickle.PickleBuffer(segment) for segment in segments]

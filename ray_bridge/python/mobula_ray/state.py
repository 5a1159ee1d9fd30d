"""What Ray knows of its nodes and tasks. In: Ray's own state, as its `nodes` and `timeline` commands
read it; no dashboard is needed. Out: plain tuples."""

import json

import ray
from ray._private.state import state as ray_state
from ray.core.generated import common_pb2

# Of `common.proto`'s TaskStatus: a task that a worker was given, as who gave it says, who outlives
# the worker's node; that runs, also while it waits for what it asked for.
GIVEN, RUNS = 5, 8
RUNNING = {GIVEN, RUNS, 9, 10}
ENDED = {11, 12}


def nodes():
    """Those that are alive: name, address, port, CPUs, free CPUs, memory, GPUs, store."""
    free = ray_state.available_resources_per_node()
    found = []
    for node in ray.nodes():
        if node["Alive"]:
            name, offers = node["NodeID"], node["Resources"]
            found.append((
                name, node["NodeManagerAddress"], node["NodeManagerPort"],
                offers.get("CPU", 0.0), free.get(name, {}).get("CPU", 0.0),
                offers.get("memory", 0.0), offers.get("GPU", 0.0),
                offers.get("object_store_memory", 0.0)))
    return found


def running(job):
    """Name and node of each task of a job that a worker has; what Ray was told a second ago."""
    found = []
    for event in ray_state._get_all_task_events():
        times = event.state_updates.state_ts_ns.keys()
        if event.job_id.hex() == job and not ENDED & times and RUNNING & times:
            found.append((event.task_info.name, event.state_updates.node_id.hex()))
    return found


def node_rows():
    """Every node that Ray remembers."""
    free = ray_state.available_resources_per_node()
    for node in ray.nodes():
        name = node["NodeID"]
        yield {
            "node_id": name, "state": "ALIVE" if node["Alive"] else "DEAD",
            "address": node["NodeManagerAddress"], "port": node["NodeManagerPort"],
            "hostname": node["NodeManagerHostname"],
            "resources_total": json.dumps(node["Resources"]),
            "resources_free": json.dumps(free.get(name, {})),
            "labels": json.dumps(node.get("Labels", {})),
        }


def task_rows():
    """The last attempts at tasks that Ray remembers, of all jobs."""
    for event in ray_state._get_all_task_events():
        info, times = event.task_info, dict(event.state_updates.state_ts_ns)
        if not times or not info.name:
            continue
        last = max(times, key=lambda state: (times[state], state))
        began, ended = times.get(RUNS), max((times.get(state, 0) for state in ENDED))
        yield {
            "task_id": event.task_id.hex(), "attempt": event.attempt_number, "name": info.name,
            "state": common_pb2.TaskStatus.Name(last), "job_id": event.job_id.hex(),
            "node_id": event.state_updates.node_id.hex() or None,
            "type": common_pb2.TaskType.Name(info.type),
            "started": began and began // 1000, "ended": ended and ended // 1000 or None,
        }


def actor_rows():
    """Every actor that Ray remembers."""
    for name, actor in ray_state.actor_table(None).items():
        address = actor["Address"]
        yield {
            "actor_id": name, "class_name": actor["ActorClassName"], "state": actor["State"],
            "name": actor["Name"] or None, "job_id": actor["JobID"],
            "node_id": address["NodeID"] or None, "pid": actor.get("Pid") or None,
        }


VIEWS = {"nodes": node_rows, "tasks": task_rows, "actors": actor_rows}

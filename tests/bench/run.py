"""Benchmarks, each against what it is measured by, in one run and by turns.

    python tests/bench/run.py tpch --scale 1          against DuckDB over the same files
    python tests/bench/run.py staged --tasks 2        stages of tasks, against one process
    python tests/bench/run.py ray --nodes 2           the same on Ray, on this machine
    python tests/bench/run.py ray-latency             small queries and cancels on Ray
    python tests/bench/run.py daft --nodes 2          both on Ray, against Daft
    python tests/bench/run.py lost-node --nodes 3     a node lost in each query, Daft the same
    python tests/bench/run.py transfer                10 M rows, against PostgreSQL
    python tests/bench/run.py select1                 round trips, against PostgreSQL
    python tests/bench/run.py slow-reader             memory while a client reads slowly
    python tests/bench/run.py idle                    memory of 1,000 idle connections
    python tests/bench/run.py half-logins             a login beside 5,000 stuck ones
    python tests/bench/run.py cancel                  how long until a query is stopped
    python tests/bench/run.py beside                  a small query beside a large one

Each prints a table in Markdown and writes NAME.json below --out. Needs the release build,
`pip install -r tests/requirements.txt`, then for Daft, which wants an older pyarrow,
`pip install -r tests/bench/requirements.txt`, and PostgreSQL's programs (installed when root).
"""

import argparse
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "py")]

import beside  # noqa: E402  (the line above makes these importable)
import cancel  # noqa: E402
import connections  # noqa: E402
import lost_node  # noqa: E402
import queries  # noqa: E402
import ray_daft  # noqa: E402
import ray_latency  # noqa: E402
import ray_queries  # noqa: E402
import round_trips  # noqa: E402
import slow_reader  # noqa: E402
import staged_queries  # noqa: E402
import transfer  # noqa: E402

COMMANDS = {
    "tpch": queries.run,
    "staged": staged_queries.run,
    "ray": ray_queries.run,
    "ray-latency": ray_latency.run,
    "daft": ray_daft.run,
    "lost-node": lost_node.run,
    "transfer": transfer.run,
    "select1": round_trips.run,
    "slow-reader": slow_reader.run,
    "idle": connections.run_idle,
    "half-logins": connections.run_half_logins,
    "cancel": cancel.run,
    "beside": beside.run,
}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    root = HERE.parents[1]
    parser.add_argument("--out", type=pathlib.Path, default=root / "target" / "bench",
                        help="folder of the JSON files")
    parser.add_argument("--work", type=pathlib.Path, default=root / "target" / "bench" / "work",
                        help="folder of generated data, kept between runs")
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("tpch")
    command.add_argument("--scale", type=float, default=1)
    command.add_argument("--rounds", type=int, default=5)
    command.add_argument("--queries", type=int, nargs="*", default=list(range(1, 23)))
    command = commands.add_parser("staged")
    command.add_argument("--scale", type=float, default=1)
    command.add_argument("--tasks", type=int, default=2)
    command.add_argument("--rounds", type=int, default=3)
    for name, nodes in (("ray", 2), ("daft", 2), ("lost-node", 3)):
        command = commands.add_parser(name)
        command.add_argument("--scale", type=float, default=1)
        command.add_argument("--nodes", type=int, default=nodes)
        command.add_argument("--rounds", type=int, default=2)
        command.add_argument("--seed", type=int, default=4711)
        command.add_argument("--queries", type=int, nargs="*", default=list(range(1, 23)))
        command.add_argument("--store-mib", type=int, default=3000, help="objects of a node")
        command.add_argument("--memory-mib", type=int, default=6144, help="memory of a node's tasks")
    command = commands.add_parser("ray-latency")
    command.add_argument("--nodes", type=int, default=2)
    command.add_argument("--rounds", type=int, default=10)
    command = commands.add_parser("transfer")
    command.add_argument("--rows", type=int, default=10_000_000)
    command.add_argument("--rounds", type=int, default=3)
    command.add_argument("--each", action="store_true", help="each column by itself too")
    command = commands.add_parser("select1")
    command.add_argument("--connections", type=int, nargs="*", default=[1, 16, 256])
    command.add_argument("--seconds", type=int, default=10)
    command.add_argument("--rounds", type=int, default=3)
    command = commands.add_parser("slow-reader")
    command.add_argument("--rows", type=int, default=10_000_000)
    command.add_argument("--seconds", type=float, default=30)
    command = commands.add_parser("idle")
    command.add_argument("--connections", type=int, default=1000)
    command = commands.add_parser("half-logins")
    command.add_argument("--connections", type=int, default=5000)
    command = commands.add_parser("cancel")
    command.add_argument("--rounds", type=int, default=10)
    command = commands.add_parser("beside")
    command.add_argument("--scale", type=float, default=10)
    command.add_argument("--seconds", type=float, default=10)
    return parser.parse_args()


if __name__ == "__main__":
    asked = arguments()
    asked.out.mkdir(parents=True, exist_ok=True)
    asked.work.mkdir(parents=True, exist_ok=True)
    COMMANDS[asked.command](asked)

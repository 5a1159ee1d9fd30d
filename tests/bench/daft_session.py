"""Daft on a cluster of Ray, in a process of its own, for it does not always come back from a lost node.

In: a socket, the cluster's address and a folder of tables; then SQL texts. Out: for each its rows as
tuples, or the error's words; and the seconds it took. Run by `on_daft.py`.
"""

import multiprocessing.connection
import os
import pathlib
import re
import sys
import time

COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def main():
    socket, address, folder = sys.argv[1:]
    with multiprocessing.connection.Client(socket) as asked:
        import daft
        import ray
        ray.init(address=address, log_to_driver=False, logging_level="error")
        daft.set_runner_ray(noop_if_initialized=True)
        names = sorted(path.name for path in pathlib.Path(folder).iterdir() if path.is_dir())
        tables = {name: daft.read_parquet(f"{folder}/{name}/*.parquet") for name in names}
        asked.send("ready")
        while True:
            sql = asked.recv()
            began = time.monotonic()
            try:
                columns = daft.sql(sql, **tables).collect().to_pydict()
                rows, error = list(zip(*columns.values())), None
            except Exception as failed:  # Whatever it is, it is the result.
                words = " ".join(COLOURS.sub("", str(failed)).split())
                rows, error = None, f"{type(failed).__name__}: {words}"
            asked.send((rows, error, time.monotonic() - began))


try:
    main()
except EOFError:
    # Nobody asks any more. Daft's threads would keep the process.
    os._exit(0)

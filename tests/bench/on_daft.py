"""Daft as something to compare with. In: a cluster of Ray, Parquet files. Out: rows or an error, and
the seconds it took. Needs `pip install -r tests/bench/requirements.txt`."""

import multiprocessing.connection
import os
import pathlib
import subprocess
import sys

import tpch

SESSION = pathlib.Path(__file__).with_name("daft_session.py")
QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "DAFT_ANALYTICS_ENABLED": "0", "DAFT_PROGRESS_BAR": "0",
         "DO_NOT_TRACK": "1"}
START_S = 120


class Daft:
    """`with Daft(address, folder) as daft: daft.ask(sql, 60)`."""

    def __init__(self, address, folder):
        with multiprocessing.connection.Listener(family="AF_UNIX") as listener:
            self.process = subprocess.Popen(
                [sys.executable, str(SESSION), listener.address, address, str(folder)],
                env=os.environ | QUIET, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            self.session = listener.accept()
        assert self.session.poll(START_S) and self.session.recv() == "ready"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.session.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def ask(self, sql, deadline_s):
        """Rows, error, seconds."""
        self.session.send(sql)
        if not self.session.poll(deadline_s):
            return None, f"no answer in {deadline_s} s", float(deadline_s)
        return self.session.recv()


def files(demo_files, folder):
    """TPC-H as DuckDB writes it, once: files of neither engine. The folder."""
    if folder.exists():
        return folder
    made = folder.with_suffix(".new")
    with tpch.oracle(demo_files) as duckdb:
        for table in tpch.TABLES:
            (made / table).mkdir(parents=True, exist_ok=True)
            duckdb.execute(f"COPY {table} TO '{made}/{table}' (FORMAT parquet, FILE_SIZE_BYTES '64MB',"
                           " ROW_GROUP_SIZE 250000, OVERWRITE)")
    made.rename(folder)
    return folder

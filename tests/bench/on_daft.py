"""Daft as something to compare with. In: a cluster of Ray, Parquet files. Out: rows or an error, and
the seconds it took. Needs `pip install -r tests/bench/requirements.txt`."""

import multiprocessing.connection
import os
import pathlib
import subprocess
import sys
import time

import psycopg

import tpch
from mobula import Mobula

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


def timed(client, number, sql):
    """A query of TPC-H by Mobula, as `Daft.ask` tells it: rows, error, seconds."""
    rows, error, began = None, None, time.monotonic()
    try:
        rows = client.execute(tpch.adapted(number, sql)).fetchall()
    except psycopg.Error as failed:
        error = f"{failed.sqlstate}: {failed}"
    return rows, error, time.monotonic() - began


def prepared(asked):
    """The folder of files for both, {number: text} of the queries asked for, {number: answer}."""
    folder = asked.work / f"duckdb-{asked.scale:g}"
    if not folder.exists():
        with Mobula(data_dir=asked.work / f"tpch-{asked.scale:g}", demo=asked.scale) as server:
            write(server.demo_files(), folder)
    with tpch.oracle({table: f"{folder}/{table}/*.parquet" for table in tpch.TABLES}) as oracle:
        texts = {n: text for n, text in tpch.queries(oracle).items() if n in asked.queries}
        return folder, texts, {n: oracle.execute(text).fetchall() for n, text in texts.items()}


def write(demo_files, folder):
    """TPC-H as DuckDB writes it: files of neither engine."""
    made = folder.with_suffix(".new")
    with tpch.oracle(demo_files) as duckdb:
        for table in tpch.TABLES:
            (made / table).mkdir(parents=True, exist_ok=True)
            duckdb.execute(f"COPY {table} TO '{made}/{table}' (FORMAT parquet, FILE_SIZE_BYTES '64MB',"
                           " ROW_GROUP_SIZE 250000, OVERWRITE)")
    made.rename(folder)


def register(server, folder):
    """Makes these files the server's tables."""
    for table in tpch.TABLES:
        server.register(table, f"{folder}/{table}/")

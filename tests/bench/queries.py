"""TPC-H: Mobula through psycopg against DuckDB in this process, over the same Parquet files.

In: scale, rounds. Out: per query the median of each and their ratio, and the geometric mean of
the ratios (below 1: Mobula is faster). Both have as many threads as there are cores, both fetch
all rows into Python values. Answers are compared before anything is timed.
"""

import time

import report
import tpch
from mobula import Mobula
from process import cores


def run(asked):
    data_dir = asked.work / f"tpch-{asked.scale:g}"
    with Mobula(data_dir=data_dir, demo=asked.scale) as server:
        oracle = tpch.oracle(server.demo_files(), threads=cores())
        queries = {n: q for n, q in tpch.queries(oracle).items() if n in asked.queries}
        with server.connect() as client:
            compare(client, oracle, queries)
            times = measure(client, oracle, queries, asked.rounds)
    about = (f"TPC-H SF {asked.scale:g}, {cores()} threads, Parquet; medians of {asked.rounds} "
             "after a warm-up, by turns; ratio below 1: Mobula is faster.")
    report.publish_ratios(asked, f"tpch-{asked.scale:g}", about, ("Mobula", "DuckDB"), times)


def compare(client, oracle, queries):
    """Raises when an answer differs."""
    wrong = {}
    for number, sql in queries.items():
        got = client.execute(tpch.adapted(number, sql)).fetchall()
        if difference := tpch.difference(number, got, oracle.execute(sql).fetchall()):
            wrong[number] = difference
    assert not wrong, f"answers differ: {wrong}"


def measure(client, oracle, queries, rounds):
    """{number: ([seconds of Mobula], [seconds of DuckDB])}; who goes first alternates."""
    times = {number: ([], []) for number in queries}
    for round_number in range(rounds + 1):
        for number, sql in queries.items():
            pair = [(client, tpch.adapted(number, sql), 0), (oracle, sql, 1)]
            for runner, text, place in pair if round_number % 2 else reversed(pair):
                started = time.perf_counter()
                runner.execute(text).fetchall()
                taken_s = time.perf_counter() - started
                if round_number > 0:
                    times[number][place].append(taken_s)
    return times

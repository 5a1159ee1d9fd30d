"""How fast a large result leaves the server: Mobula against PostgreSQL with the same rows.

In: rows, rounds. Out: per protocol and format rows per second of both and their ratio (above 1:
Mobula is faster), time to the first row, growth of the serving process's memory, and its CPU time.
The client only counts bytes; its own CPU time is reported, so that one sees it is not the limit.
Mobula reads Parquet, PostgreSQL its own table (in shared buffers, vacuumed and frozen).
"""

import statistics
import time

import report
from mobula import Mobula
from postgres import Postgres
from process import MIB, RssSampler, cpu_seconds
from rows_file import COLUMNS, rows_file
from wire import Wire, extended, simple

TABLE = "rows_to_send"


def requests(sql):
    return {"simple text": simple(sql), "extended text": extended(sql),
            "extended binary": extended(sql, binary=True)}


def run(asked):
    path = rows_file(asked.work, asked.rows)
    with (Mobula(data_dir=asked.work / "transfer", allow=[path.parent]) as mobula,
          Postgres(shared_buffers="3GB") as postgres):
        for server in (mobula, postgres):
            server.register(TABLE, path)
        assert sample(mobula) == sample(postgres), "the rows are not the same"
        names = ["*", *COLUMNS] if asked.each else ["*"]
        seen = {}
        for round_number in range(asked.rounds + 1):
            for name in names:
                for kind, request in requests(f"SELECT {name} FROM {TABLE}").items():
                    for server in (mobula, postgres) if round_number % 2 else (postgres, mobula):
                        one = measure(server, request, asked.rows)
                        if round_number > 0:
                            seen.setdefault((name, kind, server.name), []).append(one)
    rows, ratios = [], []
    for name in names:
        for kind in requests(""):
            ours, theirs = (medians(seen[name, kind, it]) for it in ("Mobula", "PostgreSQL"))
            ratio = theirs["total_s"] / ours["total_s"]
            ratios.append(ratio)
            label = "all columns" if name == "*" else name[2:]
            rows.append([f"{label}, {kind}"] + [
                cell for one in (ours, theirs) for cell in (
                    asked.rows / one["total_s"], one["bytes"] / MIB / one["total_s"],
                    one["first_row_s"] * 1000, one["growth_mib"], one["server_cpu_s"])] + [ratio])
    rows.append(["geometric mean"] + [""] * 10 + [report.geometric_mean(ratios)])
    about = (f"{asked.rows:,} rows of {', '.join(n[2:] for n in COLUMNS)}; medians of "
             f"{asked.rounds} after a warm-up, by turns; ratio above 1: Mobula is faster.")
    titles = ["result"] + [f"{system} {what}" for system in ("Mobula", "PostgreSQL") for what in (
        "rows/s", "MiB/s", "first row ms", "growth MiB", "server CPU s")] + ["ratio"]
    details = {" / ".join(key): ones for key, ones in seen.items()}
    report.publish(asked, "transfer", about, titles, rows, details)


def sample(server):
    """A thousand rows by value, and how many there are."""
    with server.connect() as connection:
        rows = connection.execute(f"SELECT * FROM {TABLE} ORDER BY a_int8 LIMIT 1000").fetchall()
        return rows, connection.execute(f"SELECT count(*) FROM {TABLE}").fetchall()


def measure(server, request, rows_count):
    """One result, read to its end on a connection of its own."""
    with Wire(server.uri, timeout_s=600) as wire:
        wire.query("SELECT 1")
        pid = server.worker_pid(wire.pid)
        cpu, own_cpu = cpu_seconds(pid), time.process_time()
        with RssSampler(pid) as rss:
            drained = wire.time_result(request)
        assert drained.rows == rows_count, f"{server.name} sent {drained.rows} rows"
        return {"total_s": drained.total_s, "first_row_s": drained.first_row_s,
                "bytes": drained.bytes, "growth_mib": rss.growth_mib,
                "server_cpu_s": cpu_seconds(pid) - cpu,
                "client_cpu_s": time.process_time() - own_cpu}


def medians(ones):
    return {key: statistics.median(one[key] for one in ones) for key in ones[0]}

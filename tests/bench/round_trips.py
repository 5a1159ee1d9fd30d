"""`SELECT 1` round trips: Mobula against PostgreSQL.

In: connection counts, seconds, rounds. Out: per protocol and count transactions per second (by
pgbench) and latency p50 and p99 of both, and the ratio of the rates (above 1: Mobula is faster).
The percentiles come from a loop of our own: pgbench 15 logs a latency of 0 for a transaction that
was answered before it looked at the clock again.
"""

import pathlib
import re
import select
import statistics
import struct
import subprocess
import tempfile
import time

import debian
import report
from mobula import Mobula
from postgres import Postgres
from process import cores
from wire import Wire, message, simple

PREPARE = (message(b"P", b"one\0select 1\0" + struct.pack("!H", 0)) + message(b"S"))
# Bind, Describe, Execute, Sync: what libpq sends for a prepared statement.
EXECUTE = (message(b"B", b"\0one\0" + struct.pack("!HHH", 0, 0, 0)) + message(b"D", b"P\0")
           + message(b"E", b"\0" + struct.pack("!I", 0)) + message(b"S"))
REQUESTS = {"simple": simple("select 1"), "prepared": EXECUTE}
READY = b"Z\0\0\0\5I"


def run(asked):
    seen = {}
    with Mobula() as mobula, Postgres(max_connections=max(asked.connections) + 20) as postgres:
        for mode in REQUESTS:
            for count in asked.connections:
                for round_number in range(asked.rounds):
                    pair = (mobula, postgres) if round_number % 2 else (postgres, mobula)
                    for server in pair:
                        one = {"tps": pgbench(server, mode, count, asked.seconds),
                               **percentiles(server, mode, count, asked.seconds / 2)}
                        seen.setdefault((mode, count, server.name), []).append(one)
    rows, ratios = [], []
    for mode in REQUESTS:
        for count in asked.connections:
            ours = medians(seen[mode, count, "Mobula"])
            theirs = medians(seen[mode, count, "PostgreSQL"])
            ratios.append(ours["tps"] / theirs["tps"])
            rows.append([f"{mode}, {count}", *ours.values(), *theirs.values(), ratios[-1]])
    rows.append(["geometric mean", *[""] * 6, report.geometric_mean(ratios)])
    about = (f"pgbench -f 'select 1;' for {asked.seconds} s, percentiles from an epoll loop; "
             f"medians of {asked.rounds}, by turns, the client on the same {cores()} cores; ratio "
             "of the rates, above 1: Mobula is faster.")
    titles = ["protocol, connections"] + [f"{system} {what}" for system in (
        "Mobula", "PostgreSQL") for what in ("tps", "p50 ms", "p99 ms")] + ["ratio"]
    details = {f"{mode} {count} {name}": ones for (mode, count, name), ones in seen.items()}
    report.publish(asked, "select1", about, titles, rows, details)


def pgbench(server, mode, count, seconds):
    """Transactions per second, the time to connect left out."""
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        script.write("select 1;\n")
        script.flush()
        result = subprocess.run(
            [pathlib.Path(debian.postgres_bin()) / "pgbench", "-n", "-f", script.name,
             "-c", str(count), "-j", str(min(cores(), count)), "-T", str(seconds), "-M", mode,
             server.uri], capture_output=True, text=True, timeout=seconds + 120)
    found = re.search(r"^tps = ([0-9.]+)", result.stdout, re.MULTILINE)
    assert result.returncode == 0 and found, (result.stdout + result.stderr)[-2000:]
    return float(found[1])


def percentiles(server, mode, count, seconds):
    """{p50_ms, p99_ms} over `count` connections, each with one request under way."""
    wires = {}
    try:
        for _ in range(count):
            wire = Wire(server.uri)
            wires[wire.socket.fileno()] = wire.socket
            if mode == "prepared":
                wire.send(PREPARE)
                wire.until_ready()
        taken = sorted(round_trips(wires, REQUESTS[mode], seconds))
    finally:
        for connected in wires.values():
            connected.close()
    return {"p50_ms": taken[len(taken) // 2] * 1000, "p99_ms": taken[len(taken) * 99 // 100] * 1000}


def round_trips(sockets, request, seconds):
    """Seconds of each round trip; the first tenth of the time is a warm-up."""
    taken, sent, now = [], {}, time.perf_counter
    poller = select.epoll()
    begin, end = now() + seconds / 10, now() + seconds
    for number, connected in sockets.items():
        poller.register(number, select.EPOLLIN)
        sent[number] = now()
        connected.send(request)
    while (at := now()) < end:
        for number, _ in poller.poll(1):
            connected = sockets[number]
            answer = connected.recv(4096)
            assert answer, "the server closed the connection"
            assert b"ERROR" not in answer, answer
            if not answer.endswith(READY):
                continue
            done = now()
            if at > begin:
                taken.append(done - sent[number])
            sent[number] = now()
            connected.send(request)
    poller.close()
    return taken


def medians(ones):
    return {key: statistics.median(one[key] for one in ones) for key in ones[0]}

"""How long until a query is stopped: by a CancelRequest, and by its client's disappearance.

In: rounds. Out: median and slowest in ms. A cancel ends when the client has the error; a vanished
client's query ends when the server's CPU use does (exact to about 20 ms).
"""

import statistics
import time

import report
from mobula import Mobula
from postgres import Postgres
from process import seconds_until_idle, wait_busy
from wire import Wire, WireError, extended

COMPUTE = (
    "SELECT count(*) FROM generate_series(1, 1000000) AS a(x), generate_series(1, 1000000) AS b(x)"
    " WHERE (a.x + b.x) % 1000003 = -1")
ROWS = ("SELECT a.x, b.x AS y FROM generate_series(1, 100000) AS a(x), "
        "generate_series(1, 100000) AS b(x)")
ROWS_FIRST = 20_000
WINDOW_S = 0.1


def run(asked):
    rows = []
    with Mobula() as mobula, Postgres() as postgres:
        for server in (mobula, postgres):
            for state, sql in (("computing", COMPUTE), ("sending rows", ROWS)):
                taken = [cancelled(server, sql) * 1000 for _ in range(asked.rounds)]
                rows.append([f"{server.name}, cancel, {state}", *summary(taken), "250"])
        for state, sql in (("computing", COMPUTE), ("sending rows", ROWS)):
            taken = [vanished(mobula, sql) * 1000 for _ in range(asked.rounds)]
            rows.append([f"Mobula, client gone, {state}", *summary(taken), "1000"])
    about = f"{asked.rounds} times each; the next statement answered every time."
    report.publish(asked, "cancel", about, ["what", "median ms", "slowest ms", "aim ms"], rows)


def summary(taken):
    return statistics.median(taken), max(taken)


def begin(server, wire, sql):
    """Sends the query and returns when it computes, or when rows have come."""
    wire.send(extended(sql))
    if sql is COMPUTE:
        wait_busy(server.worker_pid(wire.pid))
    else:
        for _ in range(ROWS_FIRST):
            wire.until_row()


def cancelled(server, sql):
    """Seconds from the CancelRequest to its error; the next statement must not be hit."""
    with Wire(server.uri) as wire:
        begin(server, wire, sql)
        started = time.perf_counter()
        wire.cancel()
        try:
            wire.until_ready()
            raise AssertionError("the query ended by itself")
        except WireError as error:
            assert error.sqlstate == "57014", error
        taken_s = time.perf_counter() - started
        assert wire.query("SELECT 1") == [("1",)]
        return taken_s


def vanished(server, sql):
    """Seconds from the client's reset to an idle server."""
    wire = Wire(server.uri)
    begin(server, wire, sql)
    pid = server.worker_pid(wire.pid)
    wire.vanish()
    return seconds_until_idle(pid, window_s=WINDOW_S)

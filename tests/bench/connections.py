"""What connections cost that do nothing: idle ones in memory, half-open logins in others' time."""

import select
import socket
import statistics
import time

import report
from mobula import Mobula
from postgres import Postgres
from process import raise_open_files, wait_until
from wire import Wire, WireError, address, startup

WARM_UP = 50
SPARE_FILES = 200
IDLE_LIMIT_KIB = 64
LOGINS = 20
LOGIN_LIMIT_MS = 1000


def run_idle(asked):
    """RSS per idle connection: fresh from the login, and after it has answered a query."""
    assert raise_open_files(asked.connections + SPARE_FILES), "raise the open-files limit"
    with Mobula() as server:
        for wire in [Wire(server.uri) for _ in range(WARM_UP)]:
            wire.query("SELECT 1")
            wire.close()
        before = settled_rss(server)
        wires = [Wire(server.uri) for _ in range(asked.connections)]
        logged_in = settled_rss(server)
        for wire in wires:
            wire.query("SELECT 1, 'x'::text")
        used = settled_rss(server)
        for wire in wires:
            wire.close()
    per_connection = [(after - before) / 1024 / asked.connections for after in (logged_in, used)]
    about = (f"{asked.connections:,} connections open at once; the aim is under "
             f"{IDLE_LIMIT_KIB} KiB each.")
    report.publish(asked, "idle", about, ["state", "KiB a connection", "RSS MiB"], [
        ["logged in", per_connection[0], logged_in / 2**20],
        ["after one query", per_connection[1], used / 2**20]])


def settled_rss(server):
    """RSS once it has stopped changing by more than 1 % within 200 ms."""
    last = [0]

    def settled():
        before, last[0] = last[0], server.rss()
        return abs(last[0] - before) <= last[0] / 100

    wait_until("memory to settle", settled, 30, pause_s=0.2)
    return last[0]


def run_half_logins(asked):
    """The time of a real login beside connections that never finish theirs."""
    assert raise_open_files(asked.connections + SPARE_FILES), "raise the open-files limit"
    rows = []
    with Mobula() as mobula, Postgres() as postgres:
        rows.append(["Mobula, alone", *login_times(mobula), ""])
        rows.append(["PostgreSQL, alone", *login_times(postgres), ""])
        for what, data in (("silent", b""), ("half a startup packet", startup("x", "x")[:7])):
            stuck = [half_login(mobula.uri, data) for _ in range(asked.connections)]
            rows.append([f"Mobula, {what}", *login_times(mobula), count_open(stuck)])
            for one in stuck:
                one.close()
    about = (f"{LOGINS} logins beside {asked.connections:,} stuck ones; the aim is under "
             f"{LOGIN_LIMIT_MS} ms; PostgreSQL alone is the scale.")
    titles = ["logins", "median ms", "slowest ms", "stuck and still open"]
    report.publish(asked, "half-logins", about, titles, rows)


def half_login(uri, data):
    one = socket.create_connection(address(uri), timeout=30)
    one.sendall(data)
    return one


def count_open(sockets):
    """How many the server has not closed yet."""
    poller = select.poll()
    for one in sockets:
        poller.register(one, select.POLLIN)
    return len(sockets) - len(poller.poll(0))


def login_times(server):
    """(median, slowest) in ms of connect, login and SELECT 1; a refused login is an error."""
    taken = []
    for number in range(LOGINS):
        started = time.perf_counter()
        try:
            with Wire(server.uri) as wire:
                assert wire.query("SELECT 1") == [("1",)]
        except (OSError, WireError) as error:
            raise AssertionError(f"login {number} failed: {error}") from error
        taken.append((time.perf_counter() - started) * 1000)
    return statistics.median(taken), max(taken)

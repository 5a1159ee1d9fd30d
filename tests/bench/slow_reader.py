"""Memory of the server while a client reads a large result slowly, and the first row's delay.

In: rows, seconds. Out: growth of memory per protocol. The client has a small receive buffer and
takes 1 MiB every 50 ms, so almost the whole result has to wait in the engine.
"""

import time

import report
from mobula import Mobula
from process import MIB, RssSampler
from rows_file import rows_file
from transfer import TABLE, requests
from wire import Wire

TAKE_BYTES = 1 << 20
PAUSE_S = 0.05
LIMIT_MIB = 64


def run(asked):
    path = rows_file(asked.work, asked.rows)
    rows = []
    for kind, request in requests(f"SELECT * FROM {TABLE}").items():
        # A new server each time: memory that an earlier run left would hide growth.
        with Mobula(data_dir=asked.work / "slow-reader", allow=[path.parent]) as server:
            server.register(TABLE, path)
            rows.append([kind, *measure(server, request, asked.seconds)])
    about = (f"{asked.rows:,} rows to a client that takes 1 MiB every 50 ms for "
             f"{asked.seconds:g} s; the aim is growth under {LIMIT_MIB} MiB.")
    titles = ["result", "first row ms", "read MiB", "RSS before MiB", "growth MiB"]
    report.publish(asked, "slow-reader", about, titles, rows)


def measure(server, request, seconds):
    """(first row in ms, MiB read, MiB before, growth in MiB)."""
    block = bytearray(TAKE_BYTES)
    with Wire(server.uri, receive_buffer=64 * 1024) as wire:
        wire.query(f"SELECT a_int8 FROM {TABLE} LIMIT 1")
        with RssSampler(server.pid) as rss:
            sent_at = time.perf_counter()
            wire.send(request)
            wire.until_row()
            first_row_s = time.perf_counter() - sent_at
            read = 0
            while time.perf_counter() - sent_at < seconds:
                read += take(wire.socket, block)
                time.sleep(PAUSE_S)  # the slowness itself
        wire.vanish()
    return first_row_s * 1000, read / MIB, rss.start / MIB, rss.growth_mib


def take(socket, block):
    """Reads up to a full block and returns its size."""
    view, got = memoryview(block), 0
    while got < len(block):
        size = socket.recv_into(view[got:])
        assert size, "the server closed the connection"
        got += size
    return got

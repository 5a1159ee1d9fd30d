"""Cancel requests of those who do not know the key: ten thousand of them end nothing.

Two statements run meanwhile, one of protocol 3.0 (a key of 4 bytes) and one of 3.2 (32 bytes);
they go on and give their answers.
"""

import random
import struct

import pytest

from peer import (GSSENC_REQUEST, PROTOCOL_3_0, PROTOCOL_3_2, SSL_REQUEST, Peer, cancel, startup,
                  untyped)
from process import wait_until
from test_attacks import INJECTED, encrypted, encrypting, server  # noqa: F401 (fixtures)
from wire import WireError, cells, simple

pytestmark = pytest.mark.mobula_only

FORGED_KEYS = 10_000
SEED = 20261129


@pytest.fixture
def waiting(server):
    """A statement of protocol 3.2 and one of 3.0 that run until `answer` lets them."""
    peers = [Peer(server.uri), Peer(server.uri)]
    with server.connect(options="-c statement_timeout=20s") as holder, peers[0], peers[1]:
        holder.execute("SELECT pg_advisory_lock(7)")
        for peer, protocol in zip(peers, (PROTOCOL_3_2, PROTOCOL_3_0)):
            peer.send(startup(protocol=protocol))
            peer.log_in().send(simple("SELECT pg_advisory_lock_shared(7), 'answer'"))

        def run():
            active = ("SELECT pid FROM pg_stat_activity WHERE state = 'active' "
                      "AND query LIKE '%_shared%' AND pid <> pg_backend_pid()")
            return {pid for pid, in holder.execute(active)} == {peer.pid for peer in peers}

        def answer():
            assert run(), "a statement ended"
            holder.execute("SELECT pg_advisory_unlock(7)")
            return [cells(row)[1] for peer in peers for row in peer.until_ready()]

        wait_until("the statements to run", run, 20)
        yield peers, answer


def request(uri, packet):
    """Sends a cancel request and waits until it has been taken, or dropped."""
    with Peer(uri) as peer:
        peer.try_send(packet)
        assert peer.said() == b""


def forgeries(peer, numbers):
    """Requests that are nearly right: 10,000 of them for both victims."""
    pid, key = peer.pid, peer.key
    for bit in range(len(key) * 8):
        yield pid, (int.from_bytes(key) ^ 1 << bit).to_bytes(len(key))
    for length in range(len(key)):
        yield pid, key[:length]
    for more in (b"\0", key, bytes(200), bytes(9_000)):
        yield pid, key + more
    for other in (pid ^ 1, pid + 1, pid - 1, 0, 1, 2**31 - 1, 2**32 - 1, ~pid % 2**32):
        yield other, key
    while True:
        yield pid, numbers.randbytes(len(key))


def test_ten_thousand_forged_keys_cancel_nothing(server, waiting, measure):
    peers, answer = waiting
    numbers, count = random.Random(SEED), 0
    for peer in peers:
        for _, (pid, key) in zip(range(FORGED_KEYS // len(peers)), forgeries(peer, numbers)):
            request(server.uri, cancel(pid, key))
            count += 1
    measure("forged keys", count, "")
    assert count == FORGED_KEYS
    assert answer() == ["answer", "answer"]


def test_the_right_key_in_a_bent_request_cancels_nothing(server, waiting):
    """Lengths that lie, and a request behind bytes that were not to be there."""
    peers, answer = waiting
    for peer in peers:
        right = cancel(peer.pid, peer.key)
        for length in (0, 4, 8, 12, len(right) - 1, len(right) + 1, 10_001, 2**31, 2**32 - 1):
            with Peer(server.uri) as other:
                other.try_send(struct.pack("!I", length) + right[4:])
                other.half_close()
                assert other.said() == b""
        for before in (untyped(SSL_REQUEST), untyped(GSSENC_REQUEST), bytes(8), startup()):
            with Peer(server.uri) as other:
                other.try_send(before + right)
                other.half_close()
                assert b"Z\0\0\0\x05" not in other.said()
        with encrypted(server) as other:
            other.send(startup() + right)
            assert b"Z\0\0\0\x05" not in other.said()
    assert answer() == ["answer", "answer"]


@pytest.mark.parametrize("way", ["in clear", "encrypted", "with bytes behind it"])
def test_the_right_key_cancels(server, waiting, way):
    """The control. What follows a request is not read."""
    peers, _ = waiting
    for peer in peers:
        right = cancel(peer.pid, peer.key)
        with (encrypted(server) if way == "encrypted" else Peer(server.uri)) as other:
            other.try_send(right + (simple(INJECTED) if way == "with bytes behind it" else b""))
            assert other.said() == b""
        with pytest.raises(WireError) as error:
            peer.until_ready()
        assert error.value.sqlstate == "57014"

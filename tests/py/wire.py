"""A bare client of the Postgres protocol: cheap, so that a measurement shows the server.

In: a URI, messages. Out: messages, or only counts for a drained result. Knows SCRAM-SHA-256 and
protocol 3.0 without TLS; converts no values. Text of errors and SQLSTATEs come as `WireError`.
"""

import base64
import hashlib
import hmac
import os
import re
import socket
import struct
import time
import urllib.parse
from dataclasses import dataclass

BLOCK_BYTES = 1 << 20
_END = re.compile(rb"C....[A-Z ]*?(\d+)\0Z\0\0\0\x05[ITE]\Z", re.DOTALL)
_READY = re.compile(rb"Z\0\0\0\x05[ITE]\Z", re.DOTALL)
_TAIL_BYTES = 64


class WireError(Exception):
    """An ErrorResponse: `sqlstate`, `message`, and all fields by their letter."""

    def __init__(self, body):
        parts = [part.decode("utf-8", "replace") for part in body.split(b"\0") if part]
        self.fields = {part[0]: part[1:] for part in parts}
        self.sqlstate = self.fields.get("C")
        self.message = self.fields.get("M")
        super().__init__(f"{self.sqlstate}: {self.message}")


@dataclass
class Drained:
    """What a drained result was: rows and bytes counted, seconds since it was asked for."""

    rows: int
    bytes: int
    first_row_s: float
    total_s: float


def address(uri):
    """(host, port) of a URI."""
    parts = urllib.parse.urlsplit(uri)
    return parts.hostname, parts.port or 5432


def message(tag, body=b""):
    """One frontend message."""
    return tag + struct.pack("!I", len(body) + 4) + body


def startup(user, database):
    """The first packet of protocol 3.0."""
    pairs = ["user", user, "database", database, "client_encoding", "UTF8"]
    body = struct.pack("!I", 196608) + b"".join(p.encode() + b"\0" for p in pairs) + b"\0"
    return struct.pack("!I", len(body) + 4) + body


def simple(sql):
    """A Query message."""
    return message(b"Q", sql.encode() + b"\0")


def extended(sql, binary=False, max_rows=0):
    """Parse, Bind, Execute and Sync of the unnamed statement and portal, no parameters."""
    formats = struct.pack("!HH", 1, 1) if binary else struct.pack("!H", 0)
    return (
        message(b"P", b"\0" + sql.encode() + b"\0" + struct.pack("!H", 0))
        + message(b"B", b"\0\0" + struct.pack("!HH", 0, 0) + formats)
        + message(b"E", b"\0" + struct.pack("!I", max_rows))
        + message(b"S"))


class Wire:
    """A logged-in connection. `receive_buffer` sets SO_RCVBUF before it connects."""

    def __init__(self, uri, receive_buffer=None, timeout_s=120):
        parts = urllib.parse.urlsplit(uri)
        self.address = address(uri)
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(timeout_s)
        self.parameters = {}
        self.pid = self.secret = None
        self._read = bytearray()
        user = urllib.parse.unquote(parts.username or "")
        password = urllib.parse.unquote(parts.password or "")
        try:
            self.socket.connect(self.address)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.send(startup(user, parts.path.lstrip("/") or user))
            self._login(password)
        except BaseException:
            self.socket.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, data):
        self.socket.sendall(data)

    def receive(self):
        """The next message: (tag, body). An error is returned as any other."""
        while True:
            if len(self._read) >= 5:
                length = struct.unpack_from("!I", self._read, 1)[0] + 1
                if len(self._read) >= length:
                    tag, body = bytes(self._read[:1]), bytes(self._read[5:length])
                    del self._read[:length]
                    return tag, body
            block = self.socket.recv(65536)
            if not block:
                raise ConnectionError("the server closed the connection")
            self._read += block

    def until_ready(self):
        """Reads to ReadyForQuery and returns the DataRow bodies; raises an error met on the way."""
        rows, error = [], None
        while True:
            tag, body = self.receive()
            if tag == b"D":
                rows.append(body)
            elif tag == b"E":
                error = WireError(body)
            elif tag == b"Z":
                if error:
                    raise error
                return rows

    def query(self, sql):
        """Rows of a simple query: tuples of text or None."""
        self.send(simple(sql))
        return [cells(row) for row in self.until_ready()]

    def until_row(self):
        """Reads to the first DataRow and returns its body; later ones stay unread."""
        while True:
            tag, body = self.receive()
            if tag == b"D":
                return body
            if tag == b"E":
                raise WireError(body)
            if tag == b"Z":
                raise AssertionError("the result had no row")

    def drain(self, sent_at):
        """Reads a whole result as cheaply as Python can: frames are not looked at between the
        first DataRow and the closing CommandComplete + ReadyForQuery."""
        first_row_s = None
        count, head, tail = len(self._read), bytes(self._read), bytes(self._read[-_TAIL_BYTES:])
        self._read.clear()
        block = bytearray(BLOCK_BYTES)
        view = memoryview(block)
        while not _READY.search(tail):
            size = self.socket.recv_into(block)
            if size == 0:
                raise ConnectionError("the server closed the connection")
            count += size
            if first_row_s is None:
                head += view[:size]
                first_row_s = time.perf_counter() - sent_at if _has_row(head) else None
            tail = (tail + bytes(view[max(0, size - _TAIL_BYTES):size]))[-_TAIL_BYTES:]
        total_s = time.perf_counter() - sent_at
        end = _END.search(tail)
        if not end:
            raise AssertionError(f"the result did not end with CommandComplete: {tail!r}")
        return Drained(int(end[1]), count, first_row_s or total_s, total_s)

    def time_result(self, request):
        """Sends a request and drains its result."""
        sent_at = time.perf_counter()
        self.send(request)
        return self.drain(sent_at)

    def cancel(self):
        """Sends a CancelRequest for this connection and waits until the server has taken it."""
        with socket.create_connection(self.address, timeout=10) as other:
            other.sendall(struct.pack("!IIII", 16, 80877102, self.pid, self.secret))
            while other.recv(64):
                pass

    def vanish(self):
        """Closes without Terminate, so that the server sees a reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self):
        try:
            self.socket.sendall(message(b"X"))
        except OSError:
            pass
        self.socket.close()

    def _login(self, password):
        scram = None
        while True:
            tag, body = self.receive()
            if tag == b"E":
                raise WireError(body)
            if tag == b"S":
                key, value, _ = body.split(b"\0")
                self.parameters[key.decode()] = value.decode()
            elif tag == b"K":
                self.pid, self.secret = struct.unpack("!II", body)
            elif tag == b"Z":
                return
            elif tag == b"R":
                step = struct.unpack_from("!I", body)[0]
                if step == 10:
                    scram = Scram(password)
                    first = scram.first()
                    self.send(message(
                        b"p", b"SCRAM-SHA-256\0" + struct.pack("!I", len(first)) + first))
                elif step == 11:
                    self.send(message(b"p", scram.final(body[4:])))
                elif step == 12:
                    scram.verify(body[4:])
                elif step != 0:
                    raise AssertionError(f"authentication {step} is not SCRAM-SHA-256")


class Scram:
    """The client's half of SCRAM-SHA-256 (RFC 5802, 7677), without channel binding."""

    def __init__(self, password):
        self.password = password.encode()
        self.bare = b"n=,r=" + base64.b64encode(os.urandom(18))

    def first(self):
        return b"n,," + self.bare

    def final(self, server_first):
        fields = dict(part.split(b"=", 1) for part in server_first.split(b","))
        salted = hashlib.pbkdf2_hmac(
            "sha256", self.password, base64.b64decode(fields[b"s"]), int(fields[b"i"]))
        client_key = hmac.digest(salted, b"Client Key", "sha256")
        without_proof = b"c=biws,r=" + fields[b"r"]
        signed = b",".join((self.bare, server_first, without_proof))
        signature = hmac.digest(hashlib.sha256(client_key).digest(), signed, "sha256")
        proof = bytes(a ^ b for a, b in zip(client_key, signature))
        server_key = hmac.digest(salted, b"Server Key", "sha256")
        self.expected = b"v=" + base64.b64encode(hmac.digest(server_key, signed, "sha256"))
        return without_proof + b",p=" + base64.b64encode(proof)

    def verify(self, server_final):
        assert server_final == self.expected, "the server does not know the password"


def cells(row):
    """A DataRow body as a tuple of text or None."""
    found, at = [], 2
    for _ in range(struct.unpack_from("!H", row)[0]):
        length = struct.unpack_from("!i", row, at)[0]
        at += 4
        found.append(None if length < 0 else row[at:at + length].decode())
        at += max(length, 0)
    return tuple(found)


def _has_row(data):
    at = 0
    while at + 5 <= len(data):
        if data[at:at + 1] == b"D":
            return True
        at += 1 + struct.unpack_from("!I", data, at + 1)[0]
    return False

"""A connection whose every byte is ours to choose: before the login, in clear or encrypted.

In: a URI, bytes. Out: what the server said until it closed. Beyond `Wire` it can ask for
encryption, log in by a SCRAM exchange that a test bends, and write past its own encryption.
"""

import base64
import hashlib
import hmac
import os
import socket
import ssl
import struct
import urllib.parse

import tls
from wire import Wire, WireError, address, message

SSL_REQUEST, GSSENC_REQUEST, CANCEL_REQUEST = 80877103, 80877104, 80877102
PROTOCOL_3_0, PROTOCOL_3_2 = 196608, 196610
PATIENCE_S = 20


def untyped(code, body=b""):
    """A message from before the session."""
    return struct.pack("!II", len(body) + 8, code) + body


def startup(user="mobula", database="mobula", protocol=PROTOCOL_3_0):
    pairs = b"".join(p.encode() + b"\0" for p in ("user", user, "database", database))
    return untyped(protocol, pairs + b"\0")


def cancel(pid, secret):
    return untyped(CANCEL_REQUEST, struct.pack("!I", pid) + secret)


class Peer(Wire):
    """A connection that has said nothing yet."""

    def __init__(self, uri, host=None):
        parts = urllib.parse.urlsplit(uri)
        self.password = urllib.parse.unquote(parts.password)
        self.address = (host or address(uri)[0], address(uri)[1])
        self.parameters, self._read = {}, bytearray()
        self.pid = self.secret = self.key = None
        self.socket = self.clear = socket.create_connection(self.address, PATIENCE_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, code=SSL_REQUEST):
        """The server's one byte for a request; nothing when it closed."""
        self.send(untyped(code))
        return self.socket.recv(1)

    def encrypt(self, protocols=()):
        """Shakes hands; the bare socket stays at hand as `clear`."""
        self.clear = self.socket.dup()
        self.clear.settimeout(PATIENCE_S)
        made = tls.context(protocols)
        self.socket = made.wrap_socket(self.socket, server_hostname="localhost")
        return self

    def try_send(self, data):
        """Sends to one who may have hung up."""
        try:
            self.send(data)
        except OSError:
            pass

    def half_close(self):
        """Says that nothing more comes, below any encryption."""
        try:
            self.clear.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def said(self):
        """All bytes until the server closes: it must within the patience there is."""
        got = bytes(self._read)
        self._read.clear()
        try:
            while block := self.socket.recv(65536):
                got += block
        except TimeoutError:
            raise AssertionError(f"the server keeps the connection; it said {got!r}") from None
        except (ConnectionError, ssl.SSLError):
            pass
        return got

    def log_in(self, exchange=None):
        """Authenticates after the startup packet, to ReadyForQuery."""
        exchange = exchange or Exchange(self.password)
        self.expect(10)
        self.send(exchange.first_message())
        self.send(exchange.final_message(self.expect(11)))
        self.expect(12)
        while True:
            tag, body = self.receive()
            if tag == b"K":
                self.pid, self.key = struct.unpack_from("!I", body)[0], body[4:]
            elif tag == b"E":
                raise WireError(body)
            elif tag == b"Z":
                return self

    def expect(self, step):
        """The data of this step of the authentication; the error it ended with is raised."""
        tag, body = self.receive()
        if tag == b"E":
            raise WireError(body)
        assert (tag, struct.unpack_from("!I", body)[0]) == (b"R", step), (tag, body)
        return body[4:]

    def close(self):
        self.clear.close()
        super().close()


class Exchange:
    """The client's half of SCRAM, each part of it open to forgery."""

    def __init__(self, password, flag=b"n", binding=b"", plus=False, says=None):
        self.password, self.plus = password.encode(), plus
        self.header = flag + b",,"
        # What the last message repeats; a forger says something else.
        self.said = says or self.header
        self.binding = binding
        self.bare = b"n=,r=" + base64.b64encode(os.urandom(18))

    def first_message(self):
        mechanism = b"SCRAM-SHA-256-PLUS\0" if self.plus else b"SCRAM-SHA-256\0"
        first = self.header + self.bare
        return message(b"p", mechanism + struct.pack("!I", len(first)) + first)

    def final_message(self, challenge, nonce=lambda nonce: nonce, proof=lambda proof: proof):
        fields = dict(part.split(b"=", 1) for part in challenge.split(b","))
        salt, count = base64.b64decode(fields[b"s"]), int(fields[b"i"])
        salted = hashlib.pbkdf2_hmac("sha256", self.password, salt, count)
        key = hmac.digest(salted, b"Client Key", "sha256")
        bound = base64.b64encode(self.said + self.binding)
        final = b"c=" + bound + b",r=" + nonce(fields[b"r"])
        signed = b",".join((self.bare, challenge, final))
        signature = hmac.digest(hashlib.sha256(key).digest(), signed, "sha256")
        made = proof(bytes(a ^ b for a, b in zip(key, signature)))
        return message(b"p", final + b",p=" + base64.b64encode(made))

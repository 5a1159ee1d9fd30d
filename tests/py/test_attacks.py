"""What reaches the server from a wire that someone else holds: injected bytes, downgrades,
replays, requests made twice. None of it is taken. (Forged cancel keys: test_forged_cancels.py)

After each test the server answers, nothing that was injected was done, and its log has no panic.
"""

import socket
import ssl
import struct

import pytest

import tls
from mobula import Mobula
from peer import GSSENC_REQUEST, SSL_REQUEST, Exchange, Peer, cancel, startup, untyped
from wire import WireError, message, simple

pytestmark = pytest.mark.mobula_only

ALPN = ("postgresql",)
INJECTED = "CREATE TABLE injected AS SELECT 1 AS a"
# Everything a client can say once it is in, each with an effect or an answer to show for it.
MESSAGES = {
    "query": simple(INJECTED),
    "parse": message(b"P", b"s\0" + INJECTED.encode() + b"\0\0\0"),
    "bind": message(b"B", b"\0s\0" + bytes(6)),
    "describe": message(b"D", b"Ss\0"),
    "execute": message(b"E", b"\0" + bytes(4)),
    "close": message(b"C", b"Ss\0"),
    "flush": message(b"H"),
    "sync": message(b"S"),
    "function call": message(b"F", bytes(10)),
    "copy data": message(b"d", b"1\n"),
    "copy done": message(b"c"),
    "copy fail": message(b"f", b"no\0"),
    "nothing known": message(b"?", b"x"),
}


@pytest.fixture(scope="module")
def encrypting(tmp_path_factory):
    """A server with a certificate."""
    folder = tmp_path_factory.mktemp("tls")
    with Mobula(data_dir=folder / "data", options=tls.options(folder)) as server:
        yield server


@pytest.fixture
def server(encrypting):
    """The same; afterwards it is whole and has done nothing that was injected."""
    yield encrypting
    with encrypting.connect() as connection:
        assert connection.execute("SELECT 1").fetchall() == [(1,)]
        assert connection.execute("SELECT to_regclass('injected')").fetchall() == [(None,)]
    assert "panicked" not in encrypting.log


def encrypted(server):
    peer = Peer(server.uri)
    assert peer.ask() == b"S"
    return peer.encrypt()


def refused(said):
    """At most one message, an error; never a question for a password, never a session."""
    if not said:
        return None
    assert said[:1] == b"E", said
    length = struct.unpack_from("!I", said, 1)[0]
    assert len(said) == length + 1, f"more than an error: {said!r}"
    return WireError(said[5:])


def hostile_packets():
    return {
        "a startup packet": startup(),
        "a query": simple(INJECTED),
        "a login and a query": startup() + Exchange("x").first_message() + simple(INJECTED),
        "one byte": b"\0",
        "half a request": untyped(SSL_REQUEST)[:5],
        "the same request": untyped(SSL_REQUEST),
        "the other request": untyped(GSSENC_REQUEST),
        "a cancel request": cancel(1, b"1234"),
        "a terminate": message(b"X"),
        "a handshake": tls.client_hello(),
        "a startup packet and a handshake": startup() + tls.client_hello(),
        "many bytes": bytes(100_000),
    }


@pytest.mark.parametrize("packet", hostile_packets())
@pytest.mark.parametrize("request_code", [SSL_REQUEST, GSSENC_REQUEST])
def test_clear_bytes_behind_a_request_end_the_connection(server, packet, request_code):
    """CVE-2021-23214: in one segment, so that they wait in the buffer as the handshake begins."""
    with Peer(server.uri) as peer:
        peer.try_send(untyped(request_code) + hostile_packets()[packet])
        assert peer.said() == b"", "the request was answered"


# A handshake is right there.
@pytest.mark.parametrize("packet", sorted(hostile_packets().keys() - {"a handshake"}))
def test_clear_bytes_between_answer_and_handshake_end_the_connection(server, packet):
    with Peer(server.uri) as peer:
        assert peer.ask() == b"S"
        peer.try_send(hostile_packets()[packet])
        peer.half_close()
        assert peer.said()[:1] in (b"", b"\x15"), "more than an alert of TLS"


@pytest.mark.parametrize("packet", hostile_packets())
@pytest.mark.parametrize("place", ["before", "behind"])
def test_clear_bytes_around_a_direct_handshake_end_the_connection(server, packet, place):
    hello, bytes_ = tls.client_hello(ALPN), hostile_packets()[packet]
    with Peer(server.uri) as peer:
        peer.try_send(bytes_ + hello if place == "before" else hello + bytes_)
        peer.half_close()
        said = peer.said()
        # In clear nothing but a question for the login's password, which the rest does not answer.
        assert b"Z\0\0\0\x05" not in said and b"SELECT 1" not in said, said


@pytest.mark.parametrize("protocols", [(), ("h2",), ("http/1.1",), ("postgresql2",)])
def test_a_direct_handshake_names_our_protocol(server, protocols):
    peer = Peer(server.uri)
    try:
        peer.encrypt(protocols)
    except (ssl.SSLError, ConnectionError):
        return
    with peer:
        peer.try_send(startup())
        refused(peer.said())


@pytest.mark.parametrize("clear", [simple(INJECTED), message(b"X"), untyped(SSL_REQUEST), b"\x15"])
@pytest.mark.parametrize("when", ["before the startup packet", "after it", "in a session"])
def test_clear_bytes_in_an_encrypted_connection_end_it(server, clear, when):
    with encrypted(server) as peer:
        if when != "before the startup packet":
            peer.send(startup())
        if when == "in a session":
            peer.log_in()
        peer.clear.sendall(clear)
        peer.half_close()
        said = peer.said()
        assert b"SELECT 1\0" not in said and b"CREATE" not in said


@pytest.mark.parametrize("code", [SSL_REQUEST, GSSENC_REQUEST])
def test_encryption_is_not_asked_for_inside_encryption(server, code):
    with encrypted(server) as peer:
        peer.send(untyped(code))
        assert refused(peer.said()).fields["S"] == "FATAL"


@pytest.mark.parametrize("codes", [
    [GSSENC_REQUEST, GSSENC_REQUEST], [GSSENC_REQUEST, GSSENC_REQUEST, SSL_REQUEST]])
def test_a_request_is_made_once(server, codes):
    with Peer(server.uri) as peer:
        answers = [peer.ask(code) for code in codes[:2]]
        assert answers == [b"N", b""]


def test_the_second_request_after_gss_is_answered_once(server):
    """GSSENC declined, then TLS, as libpq does; TLS asked for again is no handshake."""
    with Peer(server.uri) as peer:
        assert [peer.ask(GSSENC_REQUEST), peer.ask(SSL_REQUEST)] == [b"N", b"S"]
        peer.try_send(untyped(SSL_REQUEST))
        assert peer.said()[:1] in (b"", b"\x15")
    with Peer(server.uri) as peer:
        assert [peer.ask(GSSENC_REQUEST), peer.ask(SSL_REQUEST)] == [b"N", b"S"]
        peer.encrypt().send(startup())
        assert peer.log_in().query("SELECT 1") == [("1",)]


def other_addresses():
    """Addresses of this machine that are not loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing
            return [probe.getsockname()[0]]
        except OSError:
            return []


def test_from_another_machine_only_encrypted_logins_are_taken(fresh, tmp_path):
    """A man in the middle answers N for us, and a client that only prefers TLS goes on in clear."""
    host = next((a for a in other_addresses() if not a.startswith("127.")), None)
    if not host:
        pytest.skip("this machine has no address but its own")
    server = fresh(options=tls.options(tmp_path), listen="0.0.0.0")
    with Peer(server.uri, host) as peer:
        peer.send(startup())
        error = refused(peer.said())
        assert (error.sqlstate, error.fields["S"]) == ("28000", "FATAL")
    with Peer(server.uri, host) as peer:
        assert peer.ask() == b"S"
        peer.encrypt().send(startup())
        assert peer.log_in().query("SELECT 1") == [("1",)]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("version", ["TLSv1", "TLSv1_1"])
def test_old_tls_is_refused(server, version):
    made = tls.context()
    made.set_ciphers("ALL:@SECLEVEL=0")
    made.minimum_version = made.maximum_version = getattr(ssl.TLSVersion, version)
    peer = Peer(server.uri)
    assert peer.ask() == b"S"
    with pytest.raises((ssl.SSLError, ConnectionError)):
        made.wrap_socket(peer.socket, server_hostname="localhost")
    peer.clear.close()


def log_in_as(server, exchange, bend_first=None, **bend):
    """A login over TLS by this exchange; the error that ends it is raised."""
    with encrypted(server) as peer:
        peer.send(startup())
        peer.expect(10)
        peer.send(bend_first or exchange.first_message())
        peer.send(exchange.final_message(peer.expect(11), **bend))
        peer.expect(12)


BINDING = b"p=tls-server-end-point"
RIGHT = tls.end_point()
# {what is wrong: (SQLSTATE, how the exchange is made, how its last message is bent)}
FORGED = {
    "another certificate": ("28000", {"flag": BINDING, "binding": bytes(32), "plus": True}, {}),
    "half a hash": ("28000", {"flag": BINDING, "binding": RIGHT[:16], "plus": True}, {}),
    "a hash and more": ("28000", {"flag": BINDING, "binding": RIGHT + b"x", "plus": True}, {}),
    "no hash": ("28000", {"flag": BINDING, "plus": True}, {}),
    "a binding taken back": ("28000", {"flag": BINDING, "plus": True, "says": b"n,,"}, {}),
    "a binding nobody asked for": ("28000", {"says": BINDING + b",,", "binding": RIGHT}, {}),
    "a downgrade": ("28000", {"flag": b"y"}, {}),
    "a downgrade told as none": ("28000", {"flag": b"n", "says": b"y,,"}, {}),
    "plus without binding": ("08P01", {"flag": b"n", "plus": True}, {}),
    "plus with a downgrade": ("08P01", {"flag": b"y", "plus": True}, {}),
    "binding without plus": ("08P01", {"flag": BINDING, "binding": RIGHT}, {}),
    "tls-unique": ("08P01", {"flag": b"p=tls-unique", "binding": bytes(12), "plus": True}, {}),
    "no binding named": ("08P01", {"flag": b"p=", "binding": RIGHT, "plus": True}, {}),
    "another flag": ("08P01", {"flag": b"x"}, {}),
    "our nonce left out": ("08P01", {}, {"nonce": lambda nonce: nonce[:24]}),
    "a longer nonce": ("08P01", {}, {"nonce": lambda nonce: nonce + b"x"}),
    "no nonce": ("08P01", {}, {"nonce": lambda nonce: b""}),
    "no proof": ("08P01", {}, {"proof": lambda proof: b""}),
    "half a proof": ("08P01", {}, {"proof": lambda proof: proof[:16]}),
    "a proof and more": ("08P01", {}, {"proof": lambda proof: proof + b"x"}),
    "a proof of zeros": ("28P01", {}, {"proof": lambda proof: bytes(32)}),
    "a bit of the proof": ("28P01", {}, {"proof": lambda p: bytes([p[0] ^ 1]) + p[1:]}),
}


@pytest.mark.parametrize("what", FORGED)
def test_a_bent_exchange_is_refused(server, what):
    """The password is right in all of them."""
    code, made, bend = FORGED[what]
    with pytest.raises(WireError) as error:
        log_in_as(server, Exchange(Peer(server.uri).password, **made), **bend)
    assert (error.value.sqlstate, error.value.fields["S"]) == (code, "FATAL"), error.value


def test_right_exchanges_are_taken(server):
    """The control: with the binding and without."""
    for made in ({}, {"flag": BINDING, "binding": RIGHT, "plus": True}):
        log_in_as(server, Exchange(Peer(server.uri).password, **made))


def test_a_recorded_login_opens_nothing_again(server):
    """The same bytes on a new connection, in clear and encrypted: our nonce is new each time."""
    for connect in (lambda: Peer(server.uri), lambda: encrypted(server)):
        with connect() as peer:
            exchange = Exchange(peer.password)
            peer.send(startup())
            peer.expect(10)
            first = exchange.first_message()
            peer.send(first)
            last = exchange.final_message(peer.expect(11))
            peer.send(last)
            peer.expect(12)
        for _ in range(20):
            with connect() as peer:
                peer.send(startup())
                peer.expect(10)
                peer.send(first)
                peer.expect(11)
                peer.send(last)
                with pytest.raises(WireError) as error:
                    peer.expect(12)
                assert error.value.sqlstate in {"08P01", "28P01"}
                assert peer.said() == b""
        with connect() as peer:  # all at once, as a recording is played
            peer.try_send(startup() + first + last + simple(INJECTED))
            assert b"Z\0\0\0\x05" not in peer.said()


@pytest.mark.parametrize("what", MESSAGES)
def test_nothing_is_done_before_the_login(server, what):
    """Instead of a startup packet, of either SCRAM message, and behind each of them."""
    sent = MESSAGES[what]
    with Peer(server.uri) as peer:
        peer.try_send(sent + sent)
        peer.half_close()
        refused(peer.said())
    for behind in (b"", Exchange("wrong").first_message()):
        with Peer(server.uri) as peer:
            peer.send(startup())
            peer.expect(10)
            peer.try_send(behind + sent + message(b"S"))
            if behind:
                peer.expect(11)
            assert refused(peer.said()).fields["S"] == "FATAL"


@pytest.mark.parametrize("mechanism", [
    b"PLAIN", b"", b"SCRAM-SHA-1", b"SCRAM-SHA-256-PLUS", b"scram-sha-256", b"SCRAM-SHA-256 "])
def test_no_other_mechanism_is_taken(server, mechanism):
    """SCRAM-SHA-256-PLUS is none in clear."""
    with Peer(server.uri) as peer:
        peer.send(startup())
        peer.expect(10)
        peer.send(message(b"p", mechanism + b"\0" + struct.pack("!I", 4) + b"n,,n"))
        assert refused(peer.said()).sqlstate == "08P01"


@pytest.mark.parametrize("length", [0, 1, 3, 4, 7, 10_001, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff])
@pytest.mark.parametrize("connect", [lambda server: Peer(server.uri), encrypted])
def test_lengths_that_cannot_be_are_not_believed(server, length, connect):
    before = server.rss()
    with connect(server) as peer:
        peer.try_send(struct.pack("!I", length) + startup()[4:])
        refused(peer.said())
    for at in (10, 11):
        with connect(server) as peer:
            peer.send(startup())
            peer.expect(10)
            if at == 11:
                peer.send(Exchange("x").first_message())
                peer.expect(11)
            peer.try_send(b"p" + struct.pack("!I", length if length != 7 else 2) + bytes(100))
            refused(peer.said())
    assert server.rss() - before < 64 << 20

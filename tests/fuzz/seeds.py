"""Writes the seeds: one small stream of valid messages a file.

In: nothing. Out: seeds/startup/* and seeds/frames/*, next to this file.
"""

import pathlib
import struct

HERE = pathlib.Path(__file__).parent / "seeds"


def untyped(code, body=b""):
    return struct.pack(">II", 8 + len(body), code) + body


def message(kind, body=b""):
    return kind + struct.pack(">I", 4 + len(body)) + body


def counted(form, items):
    return struct.pack(f">H{len(items)}{form}", len(items), *items)


def bind(formats, values):
    body = b"p\0s\0" + counted("h", formats) + struct.pack(">H", len(values))
    for value in values:
        body += struct.pack(">i", -1) if value is None else struct.pack(">i", len(value)) + value
    return message(b"B", body + counted("h", [0, 1]))


CANCEL, SSL, GSSENC = 80877102, 80877103, 80877104
LOGIN = (
    message(b"p", b"SCRAM-SHA-256\0" + struct.pack(">I", 8) + b"n,,n=,r=")
    + message(b"p", b"c=biws,r=,p=")
)
PLAIN = untyped(3 << 16, b"user\0u\0database\0mobula\0\0") + LOGIN
OPTIONS = (
    untyped(
        3 << 16 | 2,
        b"user\0u\0database\0mobula\0_pq_.new\0x\0replication\0off\0"
        b"options\0-c a=b\\ c --d-e=f -cg=h\0\0",
    )
    + LOGIN
)

# The first byte: bit 0 for TLS; then 0 for all at once, 1 for pieces of 8, 2 of 1, 3 of 4 bytes.
STARTUP = {
    "plain": b"\0" + PLAIN,
    "options": b"\6" + OPTIONS,
    "by_byte": b"\4" + PLAIN,
    "other_version": b"\0" + untyped(2 << 16, b"user\0u\0\0"),
    "bad_text": b"\0" + untyped(3 << 16, b"user\0\xff\0\0"),
    "no_user": b"\0" + untyped(3 << 16, b"\0"),
    "cancel": b"\0" + untyped(CANCEL, struct.pack(">II", 7, 0x01020304)),
    "cancel_3_2": b"\1" + untyped(CANCEL, struct.pack(">I", 7) + bytes(32)),
    "ssl_refused": b"\2" + untyped(SSL) + untyped(GSSENC) + PLAIN,
    "ssl": b"\3" + untyped(SSL) + PLAIN,
    "ssl_and_more": b"\1" + untyped(SSL) + PLAIN,
    "direct_tls": b"\1\x16\x03\x01",
}

PARSE = message(b"P", b"s\0select $1, $2\0" + counted("I", [23, 25]))
FRAMES = {
    "query": message(b"Q", b"select 1; select 'a'\0"),
    "parse": PARSE + message(b"S"),
    "bind_text": bind([], [b"7", b"text", None]),
    "bind_binary": bind([1], [struct.pack(">i", 7), b"", None]),
    "bind_mixed": bind([0, 1], [b"7", b"\0\xff"]),
    "describe": message(b"D", b"Ss\0") + message(b"D", b"Pp\0") + message(b"H"),
    "execute": message(b"E", b"p\0" + struct.pack(">i", 10)) + message(b"E", b"\0\xff\xff\xff\xff"),
    "close": message(b"C", b"Ss\0") + message(b"C", b"Pp\0") + message(b"S"),
    "copy": message(b"d", b"1\t2\n") + message(b"c") + message(b"f", b"why\0"),
    "password": message(b"p", b"secret\0"),
    "terminate": message(b"X"),
    "all": PARSE
    + bind([0, 1], [b"7", b"x"])
    + message(b"D", b"Pp\0")
    + message(b"E", b"p\0\0\0\0\0")
    + message(b"S")
    + message(b"Q", "select 'ü'\0".encode())
    + message(b"X"),
}

for folder, seeds in {"startup": STARTUP, "frames": FRAMES}.items():
    (HERE / folder).mkdir(parents=True, exist_ok=True)
    for name, data in seeds.items():
        (HERE / folder / name).write_bytes(data)

"""TLS for tests: a certificate for localhost and clients that trust nothing else.

In: a folder. Out: options for a server, contexts for clients, the hash that SCRAM binds to.
"""

import hashlib
import os
import ssl

# Self-signed, for localhost, made for these tests and used nowhere else (as in tests/src/tls.rs).
CERTIFICATE = """-----BEGIN CERTIFICATE-----
MIIBmDCCAT6gAwIBAgIUTCdLaXSEGtvomapn21iyXO/KF3kwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMjIwNTY0N1oYDzIxMjYxMDI5
MjA1NjQ3WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAATNoUy1c1zm0rLHZ2rAbQBsaLxCXNYt+YhhLXB3T2tL1QiqZXtlKZAm
VXSWyYvPYl3Xhq6dwxtGLonK5IVPy77yo2wwajAdBgNVHQ4EFgQUJQyTjiOC//fo
bIHiwc3nXrpNSi0wHwYDVR0jBBgwFoAUJQyTjiOC//fobIHiwc3nXrpNSi0wGgYD
VR0RBBMwEYIJbG9jYWxob3N0hwR/AAABMAwGA1UdEwEB/wQCMAAwCgYIKoZIzj0E
AwIDSAAwRQIhAN7qpAhGqtMZ7F0sPeTofaoyvDUtXHKjtHVOJSh+j4P0AiB23urV
yxjhZfFADKeV72WW0BpH884mHsVoCZ0rZhWSXQ==
-----END CERTIFICATE-----
"""
KEY = """-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgSpjEUM1t7/ML5370
/DksjTLhJckTIP6TjnRBm5HMNN+hRANCAATNoUy1c1zm0rLHZ2rAbQBsaLxCXNYt
+YhhLXB3T2tL1QiqZXtlKZAmVXSWyYvPYl3Xhq6dwxtGLonK5IVPy77y
-----END PRIVATE KEY-----
"""


def options(folder):
    """Writes certificate and key below `folder`; what makes a server use them."""
    certificate, key = folder / "cert.pem", folder / "key.pem"
    certificate.write_text(CERTIFICATE)
    with open(os.open(key, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as file:
        file.write(KEY)
    return ["--tls-cert", certificate, "--tls-key", key]


def context(protocols=()):
    """A client's context that offers these application protocols."""
    made = ssl.create_default_context(cadata=CERTIFICATE)
    # Its only certificate signs itself and says that it is no authority.
    made.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
    made.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if protocols:
        made.set_alpn_protocols(list(protocols))
    return made


def client_hello(protocols=()):
    """The first bytes of a handshake."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    half = context(protocols).wrap_bio(incoming, outgoing, server_hostname="localhost")
    try:
        half.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


def end_point():
    """tls-server-end-point of the certificate."""
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(CERTIFICATE)).digest()

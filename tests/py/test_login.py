"""Who may log in, and how: lines of hba, certificates of clients, guesses of passwords."""

import subprocess
import time

import psycopg
import pytest
import trustme

from mobula import Mobula, binary

pytestmark = pytest.mark.mobula_only
RULES = [
    "hostssl all robot 127.0.0.1/32 cert",
    "host all +outside all reject",
    "hostnossl all plain all scram-sha-256",
    "hostssl mobula mobula,ann all scram-sha-256",
]


class Place:
    """A server with TLS and rules, and who signs certificates for its clients."""

    def __init__(self, folder):
        self.folder = folder
        self.ours, self.other = trustme.CA(), trustme.CA()
        served = self.ours.issue_cert("localhost", "127.0.0.1")
        self.ours.cert_pem.write_to_path(folder / "ca.pem")
        served.private_key_pem.write_to_path(folder / "key.pem")
        (folder / "key.pem").chmod(0o600)
        served.cert_chain_pems[0].write_to_path(folder / "cert.pem")

    def options(self):
        files = {"--tls-cert": "cert.pem", "--tls-key": "key.pem", "--tls-client-ca": "ca.pem"}
        options = [word for flag, name in files.items() for word in (flag, self.folder / name)]
        return [str(word) for word in options] + [word for rule in RULES for word in ("--hba", rule)]

    def certificate(self, name, by=None):
        """Parameters of a connection that shows a certificate with that name."""
        made = (by or self.ours).issue_cert("host.invalid", common_name=name)
        stem = self.folder / f"{name}-{id(by)}"
        made.private_key_pem.write_to_path(stem.with_suffix(".key"))
        stem.with_suffix(".key").chmod(0o600)
        made.cert_chain_pems[0].write_to_path(stem.with_suffix(".crt"))
        return {"sslcert": str(stem.with_suffix(".crt")), "sslkey": str(stem.with_suffix(".key"))}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return Place(tmp_path_factory.mktemp("login"))


@pytest.fixture(scope="module")
def guarded(place):
    with Mobula(options=place.options()) as server:
        with server.connect() as connection:
            for sql in ("CREATE ROLE robot LOGIN", "CREATE ROLE outside",
                        "CREATE ROLE ann LOGIN PASSWORD 'a' IN ROLE outside",
                        "CREATE ROLE plain LOGIN PASSWORD 'p'",
                        "CREATE ROLE guest LOGIN PASSWORD 'g'"):
                connection.execute(sql)
        yield server


def log_in(server, user, password=None, **options):
    """The user that the server sees, or what it says instead."""
    options = {"sslmode": "require", "user": user, "password": password, **options}
    try:
        with psycopg.connect(server.uri, autocommit=True, **options) as connection:
            return connection.execute("SELECT session_user").fetchone()[0]
    except psycopg.OperationalError as error:
        return str(error)


def test_a_certificate_with_the_name_of_the_role(guarded, place):
    assert log_in(guarded, "robot", **place.certificate("robot")) == "robot"
    # The password of nobody is asked for, and none helps.
    assert "requires a valid client certificate" in log_in(guarded, "robot", "x", sslcert="none")
    other = log_in(guarded, "robot", **place.certificate("ann"))
    assert 'certificate authentication failed for user "robot"' in other
    forged = log_in(guarded, "robot", **place.certificate("robot", place.other))
    assert "unknown ca" in forged


def test_a_role_that_is_gone_or_may_not_log_in(guarded, place):
    with guarded.connect() as connection:
        connection.execute("ALTER ROLE robot NOLOGIN")
        refused = log_in(guarded, "robot", **place.certificate("robot"))
        connection.execute("ALTER ROLE robot LOGIN")
    assert "certificate authentication failed" in refused


def test_the_first_line_that_fits_decides(guarded):
    assert log_in(guarded, "mobula", None) == "mobula"
    rejected = log_in(guarded, "ann", "a")
    assert "pg_hba.conf rejects connection" in rejected and "SSL encryption" in rejected
    with guarded.connect() as connection:
        connection.execute("REVOKE outside FROM ann")
        assert log_in(guarded, "ann", "a") == "ann"
        connection.execute("GRANT outside TO ann")
    assert log_in(guarded, "plain", "p", sslmode="disable") == "plain"
    assert "no pg_hba.conf entry" in log_in(guarded, "plain", "p")
    words = 'no pg_hba.conf entry for host "127.0.0.1", user "guest", database "mobula", no encr'
    assert words in log_in(guarded, "guest", "g", sslmode="disable")
    # Nor does a name that nobody has tell that it is none.
    assert 'user "nobody"' in log_in(guarded, "nobody", "x")


def test_downgrade(guarded):
    refused = log_in(guarded, "mobula", sslmode="disable")
    assert "no pg_hba.conf entry" in refused and "no encryption" in refused


@pytest.mark.parametrize("options, words", [
    (["--hba", "host all all all trust"], "scram-sha-256, cert or reject"),
    (["--hba", "host all all all cert"], "hostssl"),
    (["--hba", "hostssl all all all cert"], "tls_client_ca"),
    (["--hba", "hostssl all all all scram-sha-256"], "tls_cert"),
    (["--hba", "host all all 10.0.0.0/40 scram-sha-256"], "10.0.0.0/40"),
    (["--hba", "host postgres all all scram-sha-256"], "the only database"),
])
def test_lines_that_are_none(tmp_path, options, words):
    ended = subprocess.run(
        [binary(), "serve", "--data-dir", tmp_path / "d", "--listen", "127.0.0.1:0", *options],
        capture_output=True, text=True, timeout=60)
    assert ended.returncode != 0 and words in ended.stderr, ended.stderr
    assert not (tmp_path / "d").exists()


def test_guesses_get_slower():
    with Mobula() as server:
        with server.connect() as connection:
            connection.execute("CREATE ROLE ann LOGIN PASSWORD 'a'")
        begun = time.monotonic()
        for _ in range(6):
            assert "password authentication failed" in log_in(server, "ann", "b", sslmode="disable")
        # 3 are free; then 0.1, 0.2 and 0.4 seconds lie before the next.
        assert log_in(server, "ann", "a", sslmode="disable") == "ann"
        assert time.monotonic() - begun > 0.1 + 0.2 + 0.4
        # Whoever knew it in the end is not held up.
        assert "failed" in log_in(server, "ann", "b", sslmode="disable")
        assert log_in(server, "ann", "a", sslmode="disable") == "ann"

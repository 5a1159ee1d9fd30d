"""A private PostgreSQL to compare with: initdb in a temporary folder, TCP on 127.0.0.1 only.

In: settings. Out: the same face as Mobula's helper (uri, connect, register, worker_pid). JIT is
off (it only adds noise at these sizes), fsync is off (we compare no durability with it).
"""

import os
import pathlib
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile

import psycopg

import debian
from process import cpu_seconds, die_with_parent, free_port, rss_bytes, wait_until

SETTINGS = {
    "shared_buffers": "512MB",
    "jit": "off",
    "fsync": "off",
    "max_wal_size": "4GB",
    "max_connections": "100",
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "client_connection_check_interval": "500",
    "timezone": "UTC",
}
ROWS_PER_LOAD = 1_000_000


class Postgres:
    """One server. `with Postgres(max_connections=300) as server:` starts and stops it."""

    name = "PostgreSQL"

    def __init__(self, **settings):
        self.settings = {**SETTINGS, **{key: str(value) for key, value in settings.items()}}
        self.bin = debian.postgres_bin()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="postgres-"))
        self.port = free_port()
        self.password = secrets.token_hex(12)
        self.process = None
        # PostgreSQL refuses to run as root.
        self._as = {"cwd": self.folder}
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(self.folder, user.pw_uid, user.pw_gid)
            self._as |= {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(self, *_):
        self.close()

    def start(self):
        """initdb, start, and return once a client could connect."""
        secret = self.folder / "password"
        secret.write_text(self.password)
        if "user" in self._as:
            os.chown(secret, self._as["user"], self._as["group"])
        subprocess.run(
            [f"{self.bin}/initdb", "-D", self.folder / "data", "-U", "mobula", "-E", "UTF8",
             "--locale=C.UTF-8", "--auth=scram-sha-256", f"--pwfile={secret}", "--no-sync"],
            check=True, stdout=subprocess.DEVNULL, **self._as)
        command = [f"{self.bin}/postgres", "-D", str(self.folder / "data"), "-p", str(self.port)]
        for key, value in self.settings.items():
            command += ["-c", f"{key}={value}"]
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                preexec_fn=die_with_parent, **self._as)
        wait_until("PostgreSQL to answer", self._answers, 60, pause_s=0.05)
        return self

    def close(self):
        """Fast shutdown, then the folder goes."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.send_signal(signal.SIGQUIT)
                self.process.wait(30)
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def pid(self):
        return self.process.pid

    @property
    def uri(self):
        return f"postgresql://mobula:{self.password}@127.0.0.1:{self.port}/postgres"

    @property
    def log(self):
        return (self.folder / "log").read_text(errors="replace")

    def connect(self, **options):
        """A psycopg connection in autocommit."""
        return psycopg.connect(self.uri, **{"autocommit": True, **options})

    def rss(self):
        return rss_bytes(self.pid)

    def cpu(self):
        return cpu_seconds(self.pid)

    def worker_pid(self, connection_pid):
        """The process that works for a connection: the pid its login announced."""
        return connection_pid

    def register(self, table, path):
        """Loads a Parquet file or folder into a table, with COPY, vacuumed and in cache."""
        import duckdb
        source = duckdb.connect()
        source.execute("SET TimeZone = 'UTC'")
        source.execute(f"CREATE VIEW source AS FROM read_parquet('{path}')")
        columns = source.execute("DESCRIBE source").fetchall()
        declared = ", ".join(f"{name} {_type(kind)}" for name, kind, *_ in columns)
        rows_count = source.execute("SELECT count(*) FROM source").fetchone()[0]
        with self.connect() as target:
            target.execute(f"DROP TABLE IF EXISTS {table}")
            target.execute(f"CREATE UNLOGGED TABLE {table} ({declared})")
            for start in range(0, rows_count, ROWS_PER_LOAD):
                self._load(source, target, table, start)
            target.execute(f"VACUUM (FREEZE, ANALYZE) {table}")

    def _load(self, source, target, table, start):
        chunk = self.folder / "chunk.csv"
        source.execute(
            f"COPY (FROM source LIMIT {ROWS_PER_LOAD} OFFSET {start}) TO '{chunk}' "
            "(FORMAT csv, HEADER false)")
        with target.cursor().copy(f"COPY {table} FROM STDIN (FORMAT csv)") as copy:
            with open(chunk, "rb") as file:
                while block := file.read(1 << 20):
                    copy.write(block)
        chunk.unlink()

    def _answers(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"PostgreSQL ended: {self.log[-2000:]}")
        try:
            with self.connect(connect_timeout=5):
                return True
        except psycopg.Error:
            return False


def _type(duckdb_type):
    names = {"DOUBLE": "double precision", "VARCHAR": "text", "TIMESTAMP": "timestamp"}
    return names.get(duckdb_type, duckdb_type)

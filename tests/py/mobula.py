"""A Mobula server of our own: started on a free port, stopped by its own process id.

In: a data directory (or none: a temporary one), allowed folders, the scale of the demo tables.
Out: its URI, connections, memory and CPU time, exit code, log. The program is `MOBULA_BIN`,
else `target/release/mobula` of this checkout.
"""

import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

import psycopg

from process import cpu_seconds, die_with_parent, free_port, rss_bytes, wait_until

ROOT = pathlib.Path(__file__).resolve().parents[2]
START_DEADLINE_S = 180
STOP_DEADLINE_S = 30


def binary():
    """The program to test."""
    path = pathlib.Path(os.environ.get("MOBULA_BIN", ROOT / "target" / "release" / "mobula"))
    if not path.exists():
        raise FileNotFoundError(f"{path}: build it (cargo build --release) or set MOBULA_BIN")
    return path


class Mobula:
    """One server process. `with Mobula(demo=0.1) as server:` starts and stops it."""

    name = "Mobula"

    def __init__(self, data_dir=None, allow=(), demo=None, options=(), listen="127.0.0.1"):
        self._temporary = None if data_dir else tempfile.mkdtemp(prefix="mobula-")
        self.data_dir = pathlib.Path(data_dir or pathlib.Path(self._temporary) / "data")
        self.allow = [str(path) for path in allow]
        self.demo = demo
        self.options = list(options)
        self.listen, self.port = listen, free_port()
        self.process = None
        self.log_path = self.data_dir.parent / f"{self.data_dir.name}.log"

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(self, *_):
        self.close()

    def start(self):
        """Starts the server and returns once a client could connect (and see the demo tables)."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        command = [binary(), "serve", "--data-dir", self.data_dir]
        command += ["--listen", f"{self.listen}:{self.port}", "--runner", "local"]
        for path in self.allow:
            command += ["--allow-path", path]
        if self.demo is not None:
            command += ["--demo", "--demo-scale", str(self.demo)]
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [*map(str, command), *self.options], stdin=subprocess.DEVNULL, stderr=log,
                stdout=log, preexec_fn=die_with_parent)
        deadline_s = START_DEADLINE_S + 120 * (self.demo or 0)
        wait_until("the server to answer", self._answers, deadline_s, pause_s=0.05)
        return self

    def stop(self):
        """SIGTERM; returns the exit code (0 is right)."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(STOP_DEADLINE_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def kill(self):
        """kill -9, as a crash."""
        if self.process and self.process.poll() is None:
            self.process.kill()
        if self.process:
            self.process.wait()

    def close(self):
        """Ends the process, whatever its state, and removes a temporary data directory."""
        try:
            if self.process and self.process.poll() is None:
                self.stop()
        finally:
            self.kill()
            if self._temporary:
                shutil.rmtree(self._temporary, ignore_errors=True)

    @property
    def pid(self):
        return self.process.pid

    @property
    def uri(self):
        """The URI the server wrote for its owner."""
        line = (self.data_dir / "connection").read_text().strip()
        if not line.startswith("postgresql://"):
            raise FileNotFoundError(f"the connection file has no URI yet: {line!r}")
        return line

    @property
    def log(self):
        return self.log_path.read_text(errors="replace")

    def connect(self, **options):
        """A psycopg connection in autocommit."""
        return psycopg.connect(self.uri, **{"autocommit": True, **options})

    def rss(self):
        return rss_bytes(self.pid)

    def cpu(self):
        return cpu_seconds(self.pid)

    def worker_pid(self, _connection_pid):
        """The process that works for a connection: here there is one for all."""
        return self.pid

    def demo_files(self):
        """Of each demo table, the glob of its Parquet files."""
        return find_tables(self.data_dir / "demo")

    def register(self, table, path):
        """Makes a Parquet file or folder (below an allowed root) a table."""
        with self.connect() as connection:
            connection.execute(f"DROP TABLE IF EXISTS {table}")
            connection.execute(f"CREATE EXTERNAL TABLE {table} STORED AS PARQUET LOCATION '{path}'")

    def _answers(self):
        if self.process.poll() is not None:
            code = self.process.returncode
            raise RuntimeError(f"the server ended with {code}: {self.log[-2000:]}")
        try:
            with self.connect(connect_timeout=5) as connection:
                connection.execute("SELECT 1").fetchall()
                if self.demo is not None:
                    connection.execute("SELECT l_orderkey FROM lineitem LIMIT 1").fetchall()
        except (psycopg.Error, FileNotFoundError):
            return False
        return True


def find_tables(folder):
    """{table: glob of its Parquet files} for the eight TPC-H tables somewhere below `folder`."""
    import tpch
    tables = {}
    for table in tpch.TABLES:
        files = sorted(pathlib.Path(folder).glob(f"**/{table}/*.parquet"))
        files = files or sorted(pathlib.Path(folder).glob(f"**/{table}*.parquet"))
        if files:
            same_name = files[0].parent.name == table
            tables[table] = str(files[0].parent / ("*.parquet" if same_name else files[0].name))
    return tables

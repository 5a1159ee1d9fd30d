"""Fixtures: a server for the whole run (TPC-H at SF 0.1), fresh servers, and measurements.

`MOBULA_TESTS_AGAINST=postgres` runs what is not special to Mobula against a private PostgreSQL
with the same tables: it shows that a test asks for what PostgreSQL does. `MOBULA_TESTS_SCALE=1`
makes the TPC-H tables larger.
"""

import os
import pathlib
import shutil
import tempfile

import pytest

import tpch
from clients_table import FILE, NOT_DRIVEN, Results
from mobula import Mobula, find_tables
from postgres import Postgres

SCALE = float(os.environ.get("MOBULA_TESTS_SCALE", "0.1"))
# Where an acceptance line gives a time, a test fails only beyond this multiple of it: the
# machine is shared. The measured value is reported either way.
GENEROUS = 4
AGAINST_POSTGRES = os.environ.get("MOBULA_TESTS_AGAINST") == "postgres"
INDEXES = (("lineitem", "l_partkey, l_suppkey"), ("lineitem", "l_orderkey"))
collect_ignore = NOT_DRIVEN
_MEASURED = []
_RESULTS = Results()


class Demo(Postgres):
    """A PostgreSQL that has the demo tables too."""

    def start(self):
        super().start()
        self.demo_folder = pathlib.Path(tempfile.mkdtemp(prefix="demo-"))
        tpch.generate(self.demo_folder / "sf", SCALE)
        for table, files in self.demo_files().items():
            self.register(table, files)
        with self.connect() as connection:
            for table, columns in INDEXES:  # queries 17 and 20 take hours without
                connection.execute(f"CREATE INDEX ON {table} ({columns})")
        return self

    def close(self):
        super().close()
        shutil.rmtree(self.demo_folder, ignore_errors=True)

    def demo_files(self):
        return find_tables(self.demo_folder)


def pytest_configure(config):
    config.addinivalue_line("markers", "mobula_only: PostgreSQL has nothing to compare with")


def pytest_collection_modifyitems(items):
    if AGAINST_POSTGRES:
        for item in items:
            if item.get_closest_marker("mobula_only"):
                item.add_marker(pytest.mark.skip(reason="special to Mobula"))


@pytest.fixture(scope="session")
def server():
    """The server that most tests share; they leave it as they found it."""
    with Demo() if AGAINST_POSTGRES else Mobula(demo=SCALE) as started:
        yield started


@pytest.fixture
def fresh(tmp_path):
    """Starts servers on data directories below this test's folder: fresh(allow=[...])."""
    started = []

    def start(name="data", **options):
        server = Mobula(data_dir=tmp_path / name, **options)
        started.append(server)
        return server.start()

    yield start
    for server in started:
        server.close()


@pytest.fixture
def measure(request):
    """measure("cancel", 12.3, "ms"): shown at the end of the run, decides nothing."""

    def note(what, value, unit):
        _MEASURED.append((request.node.name, what, value, unit))
        request.node.user_properties.append((what, f"{value:.3g} {unit}"))

    return note


def pytest_runtest_logreport(report):
    _RESULTS.note(report)


def pytest_sessionfinish(session):
    """The table of clients says what their tests saw."""
    if AGAINST_POSTGRES or not _RESULTS.is_whole():
        return
    table = _RESULTS.table()
    if os.environ.get("UPDATE_GOLDEN"):
        FILE.write_text(table)
    elif session.exitstatus == 0 and (not FILE.exists() or FILE.read_text() != table):
        print(f"\n{FILE.name} is not what the tests saw; UPDATE_GOLDEN=1 writes it")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter):
    if _MEASURED:
        terminalreporter.section("measured")
        for test, what, value, unit in _MEASURED:
            terminalreporter.write_line(f"{test}: {what} {value:.3g} {unit}")

"""What was acknowledged stays, what failed leaves nothing, a changed file gives no mixed answer.

A test that kills or replaces something also asserts that it did so in the middle. The seed of each
random choice is printed; `MOBULA_SEED` sets it.
"""

import itertools
import os
import pathlib
import random
import shutil
import struct
import threading
import time

import duckdb
import psycopg
import pytest

from process import wait_busy, wait_until
from wire import Wire, WireError, cells, extended

pytestmark = pytest.mark.mobula_only

STATEMENTS_COUNT = 100  # the kill comes among so many; the client goes on until it is cut off
CLEAN_UP_DEADLINE_S = 10
CONNECTION_LOST = {None, "57P01", "57P02", "57P03", "08006"}
# Files that may come and go in the data directory: the metadata database and the connection line.
OWN_FILES = (".sqlite", ".sqlite-wal", ".sqlite-shm", ".sqlite-journal", ".db", ".db-wal",
             ".db-shm", ".db-journal", ".lock", "connection")


@pytest.fixture
def chance():
    seed = int(os.environ.get("MOBULA_SEED", random.SystemRandom().randrange(10**6)))
    print(f"MOBULA_SEED={seed}")
    return random.Random(seed)


# --- kill -9 during DDL ------------------------------------------------------------------------

def ddl(number):
    """(statement, what it leaves): tables with rows, views, schemas, and drops of earlier ones."""
    name = f"made_{number}"
    return (
        (f"CREATE TABLE {name} AS SELECT {number} AS x", ("table", name)),
        (f"CREATE VIEW {name} AS SELECT {number} AS x", ("view", name)),
        (f"CREATE SCHEMA {name}", ("schema", name)),
        (f"DROP TABLE made_{number - 3}", ("gone", f"made_{number - 3}")),
    )[number % 4]


def is_there(connection, kind, name):
    """Whether the effect of a statement can be seen."""
    number = name.removeprefix("made_")
    try:
        if kind == "schema":
            connection.execute(f"CREATE SCHEMA {name}")
            connection.execute(f"DROP SCHEMA {name}")
            return False
        rows = connection.execute(f"SELECT x FROM {name}").fetchall()
        return kind != "gone" and rows == [(int(number),)]
    except psycopg.errors.DuplicateSchema:
        return True
    except psycopg.errors.UndefinedTable:
        return kind == "gone"


@pytest.mark.parametrize("round_number", range(5))
def test_kill_9_during_ddl_loses_nothing_acknowledged(fresh, chance, round_number):
    server = fresh()
    kill_after = chance.randrange(10, STATEMENTS_COUNT)
    statements_later = chance.random() * 5
    acknowledged, lost, reached = [], [], threading.Event()

    def run():
        try:
            with server.connect() as connection:
                for number in itertools.count():
                    statement, effect = ddl(number)
                    connection.execute(statement)
                    acknowledged.append(effect)
                    if number == kill_after:
                        reached.set()
        except psycopg.Error as error:
            lost.append(error)
        reached.set()

    thread = threading.Thread(target=run)
    started = time.monotonic()
    thread.start()
    assert reached.wait(120)
    statement_s = (time.monotonic() - started) / kill_after
    time.sleep(statements_later * statement_s)  # the random moment, not a wait for something
    server.kill()
    thread.join(30)
    assert len(acknowledged) > kill_after
    assert lost and lost[0].sqlstate in CONNECTION_LOST, f"not killed in the middle: {lost}"

    server.start()
    dropped = {name for kind, name in acknowledged if kind == "gone"}
    unsure = ddl(len(acknowledged))[1]  # in flight when it died: either way is right
    with server.connect() as connection:
        for kind, name in acknowledged:
            if name == unsure[1] or (kind == "table" and name in dropped):
                continue
            assert is_there(connection, kind, name), f"{kind} {name} was acknowledged and is lost"
        connection.execute("CREATE TABLE after_the_crash AS SELECT 1 AS x")
    assert server.stop() == 0


def test_everything_survives_a_graceful_stop(fresh, tmp_path):
    (tmp_path / "files").mkdir()
    duckdb.sql("SELECT 7 AS v").write_parquet(str(tmp_path / "files" / "0.parquet"))
    server = fresh(allow=[tmp_path / "files"])
    with server.connect() as connection:
        connection.execute(
            f"CREATE EXTERNAL TABLE e STORED AS PARQUET LOCATION '{tmp_path}/files/'")
        connection.execute("CREATE TABLE t AS SELECT v + 1 AS v FROM e")
        connection.execute("CREATE VIEW v AS SELECT v + 1 AS v FROM t")
    assert server.stop() == 0
    server.start()
    with server.connect() as connection:
        for table, value in (("e", 7), ("t", 8), ("v", 9)):
            assert connection.execute(f"SELECT v FROM {table}").fetchall() == [(value,)]


# --- failed COPY and CREATE TABLE AS -----------------------------------------------------------

ROWS_COUNT = 4_000_000
# Fails after half of its rows: files of every format have been begun by then.
HALF_WAY = (f"SELECT i, 100 / (i - {ROWS_COUNT // 2}) AS x "
            f"FROM generate_series(1, {ROWS_COUNT}) AS g(i)")
ENDLESS = ("SELECT a.i, random() AS x FROM generate_series(1, 100000) AS a(i), "
           "generate_series(1, 1000000) AS b(i)")
KINDS = ["x.parquet", "x.csv", "x.json", "folder/"]


def files(server):
    """{path: bytes} of what anybody can see below the data directory: neither our bookkeeping
    nor what is being staged."""
    return {path: size for path, size in all_files(server).items() if not is_staged(path)}


def staged_bytes(server):
    return sum(size for path, size in all_files(server).items() if is_staged(path))


def is_staged(path):
    return any(part[0] in "._" or part in ("staging", "tmp") for part in path.parts)


def all_files(server):
    """{path: bytes}; os.walk, unlike rglob, passes over folders that go while it looks."""
    found = {}
    for folder, _, names in os.walk(server.data_dir):
        for path in (pathlib.Path(folder) / name for name in names):
            try:
                if path.is_file() and not path.name.endswith(OWN_FILES):
                    found[path.relative_to(server.data_dir)] = path.stat().st_size
            except FileNotFoundError:
                pass
    return found


def copy_to(server, kind, sql):
    target = server.data_dir / "export" / kind
    suffix = "/" if kind.endswith("/") else ""
    stored = " STORED AS PARQUET" if suffix else ""
    return f"COPY ({sql}) TO '{target}{suffix}'{stored}"


def assert_nothing_new(server, before):
    wait_until("the failed statement's files to go", lambda: files(server) == before,
               CLEAN_UP_DEADLINE_S)
    wait_until("staged bytes to go", lambda: staged_bytes(server) == 0, CLEAN_UP_DEADLINE_S)


@pytest.fixture(scope="module")
def writer(tmp_path_factory):
    from mobula import Mobula
    with Mobula(data_dir=tmp_path_factory.mktemp("writer") / "data") as server:
        yield server


@pytest.mark.parametrize("kind", KINDS)
def test_a_copy_that_works_is_there(writer, kind):
    """The control: what the tests below look for does appear when nothing fails."""
    before = files(writer)
    with writer.connect() as connection:
        connection.execute(copy_to(writer, f"works-{kind}", "SELECT 1 AS i"))
    assert set(files(writer)) > set(before)


@pytest.mark.parametrize("kind", KINDS)
def test_a_failed_copy_leaves_no_file(writer, kind):
    before = files(writer)
    with writer.connect() as connection:
        with pytest.raises(psycopg.errors.DivisionByZero):
            connection.execute(copy_to(writer, kind, HALF_WAY))
        assert_nothing_new(writer, before)
        assert connection.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize("kind", KINDS)
def test_a_failed_copy_leaves_the_old_file(writer, kind):
    """Over something that is there: either refused, or the old content stays whole."""
    with writer.connect() as connection:
        connection.execute(copy_to(writer, f"old-{kind}", "SELECT 1 AS i, 2 AS x"))
        target = writer.data_dir / "export" / f"old-{kind}"
        content = {p: p.read_bytes() for p in [target, *target.rglob("*")] if p.is_file()}
        assert content
        with pytest.raises(psycopg.Error):
            connection.execute(copy_to(writer, f"old-{kind}", HALF_WAY))
    assert content == {p: p.read_bytes() for p in [target, *target.rglob("*")] if p.is_file()}


@pytest.mark.parametrize("kind", KINDS)
def test_a_cancelled_copy_leaves_no_file(writer, kind):
    before = files(writer)
    failed = []
    with writer.connect() as connection:
        def run():
            try:
                connection.execute(copy_to(writer, kind, ENDLESS))
            except psycopg.Error as error:
                failed.append(error.sqlstate)

        thread = threading.Thread(target=run)
        thread.start()
        wait_busy(writer.pid)
        connection.cancel_safe(timeout=10)
        thread.join(30)
    assert failed == ["57014"]
    assert_nothing_new(writer, before)


def test_a_failed_create_table_as_leaves_no_table(writer):
    before = files(writer)
    with writer.connect() as connection:
        for _ in range(2):  # the second try must not meet what the first left
            with pytest.raises(psycopg.errors.DivisionByZero):
                connection.execute(f"CREATE TABLE half AS {HALF_WAY}")
            with pytest.raises(psycopg.errors.UndefinedTable):
                connection.execute("SELECT * FROM half")
            assert_nothing_new(writer, before)
        connection.execute("CREATE TABLE half AS SELECT 1 AS i")
        assert connection.execute("SELECT * FROM half").fetchall() == [(1,)]
        connection.execute("DROP TABLE half")


@pytest.mark.parametrize("statement", ["copy", "create table"])
def test_kill_9_while_writing_leaves_nothing_visible(fresh, statement):
    server = fresh()
    before = files(server)
    connection = server.connect()
    failed = []

    def run():
        sql = (copy_to(server, "x.parquet", ENDLESS) if statement == "copy"
               else f"CREATE TABLE half AS {ENDLESS}")
        try:
            connection.execute(sql)
        except psycopg.Error as error:
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        wait_until("bytes to be written", lambda: sum(all_files(server).values()) > 1 << 20, 60)
    finally:
        server.kill()
        thread.join(30)
        connection.close()
    assert failed, "the statement was not running any more"
    assert files(server) == before
    server.start()
    assert_nothing_new(server, before)
    with server.connect() as again, pytest.raises(psycopg.errors.UndefinedTable):
        again.execute("SELECT * FROM half")


def test_readers_of_a_target_see_all_or_nothing(writer):
    """While a COPY runs nobody sees its file at all; afterwards every row."""
    target = writer.data_dir / "export" / "whole.parquet"
    slow = f"SELECT i, random() AS x FROM generate_series(1, {ROWS_COUNT}) AS g(i)"
    seen = set()
    with writer.connect() as connection:
        thread = threading.Thread(
            target=connection.execute, args=(copy_to(writer, "whole.parquet", slow),))
        thread.start()
        while thread.is_alive():
            try:
                seen.add(duckdb.sql(f"SELECT count(*) FROM '{target}'").fetchone()[0])
            except duckdb.IOException:
                seen.add(0)
        thread.join()
    assert 0 in seen and seen <= {0, ROWS_COUNT}
    assert duckdb.sql(f"SELECT count(*) FROM '{target}'").fetchone() == (ROWS_COUNT,)


# --- a file that changes during a query --------------------------------------------------------

CHANGED_ROWS = 1_000_000


def generation(path, number):
    """Writes a Parquet file of about CHANGED_ROWS rows: v = number, and 100 bytes of noise, more
    than a server may buffer. Row groups are small, so that a reader comes back for more."""
    duckdb.sql(
        f"COPY (SELECT {number}::BIGINT AS v, md5((i + {number})::text) || md5(i::text) || "
        f"md5((-i)::text) AS noise FROM range({CHANGED_ROWS + number}) AS r(i)) TO '{path}' "
        "(FORMAT parquet, ROW_GROUP_SIZE 20480)")


def replace(path, other):
    """A new file takes the name: what a careful writer does."""
    shutil.copyfile(other, f"{path}.new")
    os.rename(f"{path}.new", path)


def rewrite(path, other):
    """The same inode gets new content: what a careless writer does."""
    with open(path, "r+b") as file:
        file.truncate(0)
        file.write(pathlib.Path(other).read_bytes())


def remove(path, _other):
    os.unlink(path)


@pytest.fixture(scope="module")
def generations(tmp_path_factory):
    folder = tmp_path_factory.mktemp("generations")
    for number in (1, 2):
        generation(folder / f"{number}.parquet", number)
    return folder


@pytest.mark.parametrize("change", [replace, rewrite, remove])
@pytest.mark.parametrize("files_count", [1, 3])
def test_a_file_that_changes_gives_no_mixed_answer(
        fresh, tmp_path, generations, change, files_count):
    """The change happens after the first row has come and while most are still to be read."""
    folder = tmp_path / "table"
    folder.mkdir()
    paths = [folder / f"{number}.parquet" for number in range(files_count)]
    for path in paths:
        shutil.copyfile(generations / "1.parquet", path)
    server = fresh(allow=[folder])
    with server.connect() as connection:
        connection.execute(f"CREATE EXTERNAL TABLE t STORED AS PARQUET LOCATION '{folder}/'")
    old = (CHANGED_ROWS + 1) * files_count
    with Wire(server.uri, receive_buffer=64 * 1024) as wire:
        wire.send(extended("SELECT v, noise FROM t"))
        counts = {cells(wire.until_row())[0]: 1}
        for path in paths:
            change(path, generations / "2.parquet")
        error = None
        while True:
            tag, body = wire.receive()
            if tag == b"D":
                length = struct.unpack_from("!i", body, 2)[0]
                value = body[6:6 + length].decode()
                counts[value] = counts.get(value, 0) + 1
            elif tag == b"E":
                error = WireError(body)
            elif tag == b"Z":
                break
    if error:
        assert error.sqlstate == "40001", error
        assert set(counts) == {"1"}, f"new rows among the old, then an error: {counts}"
    else:
        assert counts == {"1": old}, "neither the old answer nor an error"
    if change is not remove:
        with server.connect() as connection:
            row = connection.execute("SELECT count(*), min(v), max(v) FROM t").fetchone()
        assert row == ((CHANGED_ROWS + 2) * files_count, 2, 2), "the next query sees the new file"


def test_aggregates_over_a_file_that_keeps_changing(fresh, tmp_path, generations):
    """Replacing as fast as it goes: every answer is one generation's, or 40001."""
    path = tmp_path / "table" / "0.parquet"
    path.parent.mkdir()
    shutil.copyfile(generations / "1.parquet", path)
    server = fresh(allow=[path.parent])
    ended, changes = threading.Event(), [0]

    def change():
        while not ended.is_set():
            replace(path, generations / f"{changes[0] % 2 + 1}.parquet")
            changes[0] += 1

    with server.connect() as connection:
        connection.execute(f"CREATE EXTERNAL TABLE t STORED AS PARQUET LOCATION '{path}'")
        thread = threading.Thread(target=change)
        thread.start()
        outcomes = {"answered": 0, "40001": 0}
        try:
            for _ in range(60):
                try:
                    row = connection.execute(
                        "SELECT min(v), max(v + length(noise) - 96), count(noise) FROM t"
                    ).fetchone()
                    assert row in ((1, 1, CHANGED_ROWS + 1), (2, 2, CHANGED_ROWS + 2)), row
                    outcomes["answered"] += 1
                except psycopg.Error as error:
                    assert error.sqlstate == "40001", error
                    outcomes["40001"] += 1
        finally:
            ended.set()
            thread.join()
    assert changes[0] > 10, f"the file changed only {changes[0]} times"
    print(outcomes)

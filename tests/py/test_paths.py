"""More ways to name what is outside, at every place where SQL takes a path or makes a file.

As the admin, as a role that may neither read nor write the server's files, through views and
prepared statements over what changes behind them, and by the names of tables themselves. Nothing
outside may be read or made.
"""

import os
import re

import psycopg
import pytest

from places import (CONSTANTS, MARKER, NAMES, NO_SUCH_THING, NOT_THERE, REFUSED,
                    STATEMENT_TIMEOUT_MS, Nowhere, Place, external, more_tricks, quoted, refused,
                    targets, tricks, write_files)

pytestmark = pytest.mark.mobula_only

# Read literally there is no such file, no such kind of storage, or no such name on this system.
HONEST = NOT_THERE | NO_SUCH_THING | {"22023", "22021", "58030", "42809", "42602", "54000"}
CASES_MIN = 400
LOW, PASSWORD = "low", "a password"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    made = Place(tmp_path_factory.mktemp("paths"))
    with made.server:
        with made.server.connect() as connection:
            connection.execute(f"CREATE ROLE {LOW} LOGIN PASSWORD '{PASSWORD}'")
            connection.execute(f"GRANT CREATE ON SCHEMA public TO {LOW}")
            connection.execute(f"GRANT CREATE ON DATABASE mobula TO {LOW}")
            connection.execute(external("CSV", f"{made.root}/data.csv").replace("stolen", "open"))
            connection.execute(f"GRANT SELECT ON open TO {LOW}")
        yield made


def connect(place, **options):
    options = {"options": f"-c statement_timeout={STATEMENT_TIMEOUT_MS}", **options}
    return place.server.connect(**options)


@pytest.fixture
def client(place):
    before = place.outside_state()
    with connect(place) as connected:
        yield connected
        connected.execute("DROP TABLE IF EXISTS stolen")
    assert place.outside_state() == before, "something outside the allowed folder changed"
    assert "panicked" not in place.server.log


@pytest.fixture
def low(place, client):
    """A role that may make tables, and may not touch the server's files."""
    with connect(place, user=LOW, password=PASSWORD) as connected:
        yield connected


ALL = {**tricks(Nowhere), **more_tricks(Nowhere)}
# Where SQL takes a path to read.
READ = {
    "external table": "CREATE EXTERNAL TABLE stolen STORED AS CSV LOCATION {path} "
                      "OPTIONS ('format.has_header' 'true')",
    "a name": "SELECT * FROM {identifier}",
}
# The same for a role that may read no file, wherever it is.
READ_LOW = {
    **READ,
    "json": "CREATE EXTERNAL TABLE stolen STORED AS JSON LOCATION {path}",
    "parquet": "CREATE EXTERNAL TABLE IF NOT EXISTS stolen STORED AS PARQUET LOCATION {path}",
    "copy from": "COPY open FROM {path}",
}
WRITE = {
    "rows": "COPY (SELECT 1 AS a) TO {path} STORED AS CSV",
    "a table": "COPY open TO {path} STORED AS PARQUET",
    "no format": "COPY (SELECT 1 AS a) TO {path}",
}


def fill(template, path):
    return template.format(path=quoted(path), identifier='"' + path.replace('"', '""') + '"')


@pytest.mark.parametrize("trick", more_tricks(Nowhere))
@pytest.mark.parametrize("entry", READ)
def test_reading(place, client, trick, entry):
    refused(client, fill(READ[entry], more_tricks(place)[trick]), HONEST)


@pytest.mark.parametrize("trick", ALL)
@pytest.mark.parametrize("entry", READ_LOW)
def test_reading_without_the_right(place, low, trick, entry):
    path = {**tricks(place), **more_tricks(place)}[trick]
    # The right is asked for before the path is looked at: it tells nothing of what is there.
    also = set() if "EXTERNAL" in READ_LOW[entry] else NO_SUCH_THING
    refused(low, fill(READ_LOW[entry], path), also)




@pytest.mark.parametrize("trick", more_tricks(Nowhere))
def test_writing(place, client, trick):
    """Refused, or a file with an odd name below the data directory."""
    for entry in WRITE.values():
        try:
            client.execute(fill(entry, more_tricks(place)[trick]))
        except psycopg.Error as error:
            assert error.sqlstate in REFUSED | HONEST | {"58P02"}, error
            assert MARKER not in str(error)
    assert place.server.uri.startswith("postgresql://")


@pytest.mark.parametrize("target", [*targets(Nowhere), *more_tricks(Nowhere)])
@pytest.mark.parametrize("entry", WRITE)
def test_writing_without_the_right(place, low, target, entry):
    refused(low, fill(WRITE[entry], {**targets(place), **more_tricks(place)}[target]))


@pytest.mark.parametrize("constant", CONSTANTS)
@pytest.mark.parametrize("entry", ["CREATE EXTERNAL TABLE stolen STORED AS CSV LOCATION {}",
                                   "COPY (SELECT 1 AS a) TO {} STORED AS CSV"])
def test_constants(place, client, constant, entry):
    sql = entry.format(constant.format(root=place.root, outside=place.outside))
    refused(client, sql, HONEST | {"42P02"})


@pytest.mark.parametrize("option", [
    "location", "path", "url", "base_url", "endpoint", "file", "file_format", "root",
    "aws.endpoint",
    "format.location", "format.path", "datafusion.catalog.location", "format.compression",
    "format.file_extension", "file_extension", "format.schema_file", "format.crypto.factory_id",
    "format.crypto.file_decryption.footer_key_as_hex", "allow_path", "mobula.allow_path",
])
def test_options_name_no_place(place, client, option):
    """An option is refused, or means nothing of the kind: the allowed file is read."""
    value = quoted(f"{place.outside}/data.csv")
    sql = f"{external('CSV', f'{place.root}/data.csv')[:-1]}, '{option}' {value})"
    try:
        client.execute(sql)
        rows = client.execute("SELECT * FROM stolen").fetchall()
        assert rows == [("public",)]
    except psycopg.Error as error:
        assert error.sqlstate in REFUSED | HONEST and MARKER not in str(error), error


def changes(place):
    """{name: what becomes of the folder `behind` below the root}, by a hand outside the server."""
    folder = place.root / "behind"
    out, file = place.outside, folder / "data.csv"
    return {
        "the file a link": lambda: (file.unlink(), file.symlink_to(out / "data.csv")),
        "the file a link to passwd": lambda: (file.unlink(), file.symlink_to("/etc/passwd")),
        "the file a pipe": lambda: (file.unlink(), os.mkfifo(file)),
        "the file a link to a device": lambda: (file.unlink(), file.symlink_to("/dev/zero")),
        "the file a folder": lambda: (file.unlink(), file.mkdir()),
        "the file a chain": lambda: (file.unlink(), file.symlink_to("../link.csv")),
        "the file a link to proc": lambda: (file.unlink(), file.symlink_to("/proc/self/environ")),
        "the folder a link": lambda: (clear(folder), folder.symlink_to(out)),
        "the folder a link up": lambda: (clear(folder), folder.symlink_to("../outside")),
        "the folder a link to proc": lambda: (clear(folder), folder.symlink_to("/proc/self/cwd")),
        "the file gone": lambda: file.unlink(),
    }


def clear(folder):
    """Removes the folder or link that a test has made."""
    if folder.is_symlink():
        folder.unlink()
    elif folder.exists():
        for file in folder.iterdir():
            file.rmdir() if file.is_dir() and not file.is_symlink() else file.unlink()
        folder.rmdir()


READERS = [
    "SELECT * FROM behind", "SELECT * FROM behind_view", "EXECUTE behind_statement",
    "FETCH ALL FROM behind_cursor", "SELECT count(*), max(a) FROM behind_view",
    "EXPLAIN ANALYZE SELECT * FROM behind_view", "CREATE TABLE stolen AS SELECT * FROM behind_view",
    "SELECT * FROM stolen", "WITH b AS (SELECT * FROM behind) SELECT * FROM b, behind_view",
]


def quiet(client, sql):
    """Asserts that `sql` ends soon and tells nothing of what is outside."""
    try:
        said = str(client.execute(sql).fetchall())
    except psycopg.ProgrammingError as error:
        said = str(error)  # no rows, or an error of the class
        assert not error.sqlstate or error.sqlstate in REFUSED | HONEST, error
    except psycopg.Error as error:
        said = str(error)
        assert error.sqlstate in REFUSED | HONEST | {"40001"}, f"{sql}: {error}"
    assert not any(secret in said for secret in (MARKER, "root:x:", "PATH=")), f"{sql}: {said}"


@pytest.mark.parametrize("change", changes(Nowhere))
@pytest.mark.parametrize("role", ["admin", LOW])
def test_what_changes_behind_a_view_shows_nothing_else(place, client, low, change, role):
    """Made while the files were right; then read by name, view, prepared statement and cursor."""
    folder = place.root / "behind"
    folder.mkdir()
    write_files(folder, "public")
    reader = low if role == LOW else client
    try:
        client.execute(external("CSV", f"{folder}/").replace("stolen", "behind"))
        client.execute("CREATE VIEW behind_view AS SELECT * FROM behind")
        client.execute(f"GRANT SELECT ON behind, behind_view TO {LOW}")
        reader.execute("PREPARE behind_statement AS SELECT * FROM behind_view")
        reader.execute("DECLARE behind_cursor CURSOR WITH HOLD FOR SELECT * FROM behind_view")
        assert reader.execute("EXECUTE behind_statement").fetchall() == [("public",)]
        changes(place)[change]()
        for sql in READERS:
            quiet(reader, sql)
        copied = []
        try:
            with reader.cursor().copy("COPY behind_view TO STDOUT") as copy:
                copied += copy
        except psycopg.Error as error:
            assert error.sqlstate in REFUSED | HONEST | {"40001"}, error
        assert MARKER not in str(copied)
    finally:
        clear(folder)
        client.execute("DROP TABLE IF EXISTS stolen")
        client.execute("DROP TABLE IF EXISTS behind CASCADE")


FOLDER = re.compile(r"\w+/\w+-[0-9a-f]{16}/part-0\.parquet")


def in_quotes(name):
    return '"' + name.replace('"', '""') + '"'


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("role", ["admin", LOW])
def test_names_of_tables_and_schemas_lead_nowhere(place, client, low, name, role):
    """Files of CREATE TABLE AS stay in their folder, and are read, replaced and dropped there."""
    who, identifier = low if role == LOW else client, in_quotes(name)
    tables = place.server.data_dir / "tables"
    before = set(tables.rglob("*.parquet"))
    try:
        who.execute(f"CREATE SCHEMA {identifier}")
        for table in (identifier, f"{identifier}.{identifier}"):
            who.execute(f"CREATE TABLE {table} AS SELECT 1 AS a")
            assert who.execute(f"SELECT * FROM {table}").fetchall() == [(1,)]
            who.execute(f"CREATE OR REPLACE TABLE {table} AS SELECT 2 AS {identifier}")
            assert who.execute(f"SELECT * FROM {table}").fetchall() == [(2,)]
            for made in set(tables.rglob("*.parquet")) - before:
                assert FOLDER.fullmatch(str(made.relative_to(tables))), made
            who.execute(f"DROP TABLE {table}")
    finally:
        client.execute(f"DROP TABLE IF EXISTS {identifier}")
        client.execute(f"DROP SCHEMA IF EXISTS {identifier} CASCADE")


def test_odd_names_live_through_a_restart(fresh):
    """What is swept at the start is what no table has."""
    server = fresh()
    with server.connect() as connection:
        for number, name in enumerate(NAMES):
            connection.execute(f"CREATE TABLE {in_quotes(name)} AS SELECT {number} AS a")
    assert server.stop() == 0
    server.start()
    with server.connect() as connection:
        for number, name in enumerate(NAMES):
            rows = connection.execute(f"SELECT a FROM {in_quotes(name)}").fetchall()
            assert rows == [(number,)], name


def test_a_written_name_of_the_servers_own_stops_no_start(fresh):
    """The next start writes `connection` again, whatever was made beside it."""
    server = fresh()
    with server.connect() as connection:
        for name in (".connection.new", ".connection.new/x", "./.connection.new"):
            refused(connection, f"COPY (SELECT 1 AS a) TO '{name}' STORED AS CSV")
    assert server.stop() == 0
    server.start()


def test_a_hard_link_is_not_written_through(place, client):
    """Nothing is written in place: what shares a file with the target keeps it."""
    target = place.server.data_dir / "hard.csv"
    os.link(place.outside / "data.csv", target)
    try:
        refused(client, f"COPY (SELECT 1 AS a) TO '{target}' STORED AS CSV", {"58P02"})
    finally:
        target.unlink()


def test_there_are_enough_cases(measure):
    """Each trick at each place counts once, however many protocols and roles it is tried by."""
    cases = {(trick, entry) for trick in ALL for entry in READ_LOW}
    cases |= {(trick, entry) for trick in {**targets(Nowhere), **more_tricks(Nowhere)}
              for entry in WRITE}
    cases |= {(name, "a name that is made") for name in NAMES}
    cases |= {(change, reader) for change in changes(Nowhere) for reader in READERS}
    measure("path and URL tricks", len(cases), "")
    assert len(cases) >= CASES_MIN

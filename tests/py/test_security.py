"""Files outside the allowed roots cannot be read, written or even named, from any SQL.

Every attempt must fail with 42501, or with the code of a statement, function or setting that does
not exist; nothing outside may change, and no answer or error may carry an outside file's content.
The files outside are readable and well formed: only the permission can be what refuses them.
"""

import pathlib
import threading
import time

import psycopg
import pytest

from places import (ALSO, FORMATS, LITERAL, MARKER, NO_SUCH_THING, NOT_THERE, REFUSED,
                    STATEMENT_TIMEOUT_MS, Nowhere, Place, external, quoted, refused, targets,
                    tricks, write_files)
from process import wait_until

pytestmark = pytest.mark.mobula_only

@pytest.fixture(scope="module")
def place(tmp_path_factory):
    made = Place(tmp_path_factory.mktemp("security"))
    with made.server:
        yield made


@pytest.fixture
def client(place):
    before = place.outside_state()
    with place.server.connect() as connected:
        connected.execute(f"SET statement_timeout = {STATEMENT_TIMEOUT_MS}")
        yield connected
        connected.execute("DROP TABLE IF EXISTS stolen")
    assert place.outside_state() == before, "something outside the allowed folder changed"


@pytest.mark.parametrize("trick", tricks(Nowhere))
@pytest.mark.parametrize("kind", FORMATS)
def test_create_external_table(place, client, trick, kind):
    location = tricks(place)[trick].replace("data.csv", f"data.{kind.lower()}")
    refused(client, external(kind, location), ALSO.get(trick, set()))


@pytest.mark.parametrize("trick", tricks(Nowhere))
def test_create_external_table_without_a_format(place, client, trick):
    sql = f"CREATE EXTERNAL TABLE stolen LOCATION {quoted(tricks(place)[trick])}"
    refused(client, sql, NO_SUCH_THING | NOT_THERE)


@pytest.mark.parametrize("name", LITERAL)
def test_literal_names(place, client, name):
    location = LITERAL[name].format(root=place.root)
    refused(client, external("CSV", location), NOT_THERE | NO_SUCH_THING)


@pytest.mark.parametrize("name", ["pipe.csv", "null", "zero"])
def test_pipes_and_devices_do_not_hang(place, client, name):
    started = time.monotonic()
    refused(client, external("CSV", f"{place.root}/{name}"), NOT_THERE | {"42809"})
    assert time.monotonic() - started < 10


def test_a_folder_with_links_out_gives_only_its_own_rows(place, client):
    """Listing the root: refused, or the links are left out; never followed."""
    try:
        client.execute(external("CSV", f"{place.root}/"))
        rows = client.execute("SELECT * FROM stolen").fetchall()
    except psycopg.Error as error:
        assert error.sqlstate in REFUSED | NOT_THERE and MARKER not in str(error)
    else:
        assert MARKER not in str(rows)


READERS = [
    "SELECT * FROM {path}",
    "SELECT * FROM {identifier}",
    "CREATE VIEW stolen_view AS SELECT * FROM {path}",
    "CREATE TABLE stolen AS SELECT * FROM {identifier}",
    "EXPLAIN ANALYZE SELECT * FROM {identifier}",
    "PREPARE stolen_statement AS SELECT * FROM {identifier}",
    "DESCRIBE {identifier}",
    "SELECT * FROM read_parquet({path})",
    "SELECT * FROM read_csv({path})",
    "SELECT * FROM read_csv_auto({path})",
    "SELECT * FROM read_json({path})",
    "SELECT * FROM read_text({path})",
    "SELECT * FROM read_blob({path})",
    "SELECT * FROM parquet_scan({path})",
    "SELECT * FROM parquet_metadata({path})",
    "SELECT * FROM glob({path})",
    "SELECT * FROM metadata_cache()",
    "SELECT pg_read_file({path})",
    "SELECT pg_read_binary_file({path})",
    "SELECT * FROM pg_ls_dir({path})",
    "SELECT pg_stat_file({path})",
    "SELECT lo_import({path})",
    "COPY stolen_from FROM {path}",
    "COPY nothing FROM PROGRAM 'cat /etc/passwd'",
    "CREATE UNBOUNDED EXTERNAL TABLE stolen (a text) STORED AS CSV LOCATION {path}",
    "CREATE OR REPLACE EXTERNAL TABLE stolen STORED AS CSV LOCATION {path}",
    "CREATE EXTERNAL TABLE IF NOT EXISTS stolen STORED AS CSV LOCATION {path}",
    "CREATE EXTERNAL TABLE stolen (a text) STORED AS CSV PARTITIONED BY (a) LOCATION {path}",
    "CREATE EXTERNAL TABLE stolen STORED AS AVRO LOCATION {path}",
    "CREATE EXTERNAL TABLE stolen STORED AS DELTATABLE LOCATION {path}",
    "CREATE FUNCTION stolen() RETURNS int LANGUAGE c AS {path}",
    "LOAD {path}",
]


@pytest.mark.parametrize("path", ["/etc/passwd", "file:///etc/passwd", "{outside}/data.csv",
                                  "{outside}/data.parquet", "{root}/link.csv"])
@pytest.mark.parametrize("reader", READERS)
def test_readers(place, client, reader, path):
    path = path.format(outside=place.outside, root=place.root)
    sql = reader.format(path=quoted(path), identifier='"' + path + '"')
    refused(client, sql, NO_SUCH_THING)


WRITERS = [
    "COPY (SELECT 1 AS a) TO {path}",
    "COPY (SELECT 1 AS a) TO {path} STORED AS PARQUET",
    "COPY (SELECT 1 AS a) TO {path} STORED AS CSV",
    "COPY (SELECT 1 AS a) TO {path} STORED AS JSON",
    "COPY (SELECT 1 AS a) TO {path} STORED AS ARROW",
    "COPY (SELECT 1 AS a, 2 AS b) TO {path} STORED AS PARQUET PARTITIONED BY (a)",
    "COPY (SELECT 1 AS a, '../../outside' AS b) TO {path} STORED AS CSV PARTITIONED BY (b)",
    "COPY (SELECT 1 AS a) TO {path} WITH (FORMAT csv)",
    "COPY (SELECT 1 AS a) TO {path} WITH (FORMAT parquet)",
    "COPY public_table TO {path} STORED AS CSV",
    "EXPLAIN ANALYZE COPY (SELECT 1 AS a) TO {path} STORED AS CSV",
    "PREPARE made AS COPY (SELECT 1 AS a) TO {path} STORED AS CSV",
    "CREATE TABLE made WITH (location = {path}) AS SELECT 1 AS a",
    "CREATE TABLE made LOCATION {path} AS SELECT 1 AS a",
    "CREATE EXTERNAL TABLE made (a int) STORED AS PARQUET LOCATION {path}",
    "SELECT lo_export(1, {path})",
    "SELECT pg_file_write({path}, 'x', false)",
]


@pytest.fixture(scope="module")
def public_table(place):
    with place.server.connect() as connected:
        connected.execute(
            f"CREATE EXTERNAL TABLE public_table STORED AS PARQUET "
            f"LOCATION '{place.root}/data.parquet'")


@pytest.mark.parametrize("target", targets(Nowhere))
@pytest.mark.parametrize("writer", WRITERS)
def test_writers(place, client, public_table, writer, target):
    path = targets(place)[target]
    connection_line = place.server.uri
    refused(client, writer.format(path=quoted(path)), NO_SUCH_THING)
    assert place.server.uri == connection_line
    assert not pathlib.Path("/tmp/mobula-security-made.parquet").exists()


def test_copy_to_a_program(place, client):
    program = f"touch {place.outside}/made"
    refused(client, f"COPY (SELECT 1) TO PROGRAM '{program}'", NO_SUCH_THING)


def test_partition_values_do_not_climb(place, client):
    """A partition folder is named after data: `../..` in it must not leave the target."""
    target = place.server.data_dir / "export"
    try:
        client.execute(
            f"COPY (SELECT 1 AS a, '../../../outside/x' AS b) TO '{target}/' "
            "STORED AS CSV PARTITIONED BY (b)")
    except psycopg.Error as error:
        assert error.sqlstate in REFUSED | NO_SUCH_THING | {"22023"}, error
    assert not (place.outside / "x").exists() and not (place.folder / "x").exists()


@pytest.mark.parametrize("name", ["connection", "*", ""])
def test_the_data_directory_keeps_its_own_files(place, client, name):
    """It is an allowed root for tables, not for the password line or the metadata."""
    location = f"{place.server.data_dir}/{name}"
    try:
        client.execute(external("CSV", location))
        rows = str(client.execute("SELECT * FROM stolen").fetchall())
    except psycopg.Error as error:
        assert error.sqlstate in REFUSED | NOT_THERE, error
        rows = str(error)
    assert "postgresql://" not in rows and "SCRAM" not in rows


def test_metadata_files_cannot_be_read_or_written(place, client):
    own = [f for f in place.server.data_dir.iterdir() if f.is_file()]
    assert len(own) > 1, "the metadata database was not found"
    for file in own:
        before = file.stat().st_ino
        for kind in ("CSV", "JSON"):
            refused(client, external(kind, str(file)))
        refused(client, f"COPY (SELECT 1 AS a) TO '{file}' STORED AS CSV", NO_SUCH_THING)
        assert file.stat().st_ino == before


SETTINGS = [
    "SET datafusion.runtime.temp_directory = '/etc'",
    "SET datafusion.runtime.memory_limit = '100G'",
    "SET datafusion.catalog.location = '/etc'",
    "SET datafusion.catalog.format = 'CSV'",
    "SET datafusion.sql_parser.dialect = 'DuckDB'",
    "SET datafusion.execution.target_partitions = 1",
    "SET datafusion.execution.listing_table_ignore_subdirectory = false",
    "SET SESSION \"datafusion.catalog.location\" = '/etc'",
    "SET LOCAL datafusion.catalog.location = '/etc'",
    "SELECT set_config('datafusion.catalog.location', '/etc', false)",
    "SET mobula.allow_path = '/'",
    "SET mobula.data_dir = '/'",
    "SET data_directory = '/'",
    "SET temp_tablespaces = '/etc'",
    "SET local_preload_libraries = '/etc/passwd'",
    "ALTER SYSTEM SET datafusion.catalog.location = '/etc'",
    "ALTER ROLE CURRENT_USER SET datafusion.catalog.location = '/etc'",
    "RESET datafusion.runtime.temp_directory",
]


@pytest.mark.parametrize("sql", SETTINGS)
def test_settings(client, sql):
    refused(client, sql, NO_SUCH_THING | {"22023", "55P02", "42602"})


@pytest.mark.parametrize("sql", ["SHOW datafusion.runtime.temp_directory", "SHOW ALL"])
def test_settings_tell_no_engine_secrets(client, sql):
    try:
        assert "/etc" not in str(client.execute(sql).fetchall())
    except psycopg.Error as error:
        assert error.sqlstate in NO_SUCH_THING


def test_an_allowed_table_that_becomes_a_link_is_refused(place, client):
    """Checked when it is read, not only when it was created."""
    folder = place.root / "swapped"
    folder.mkdir()
    write_files(folder, "public")
    client.execute(external("CSV", f"{folder}/"))
    assert client.execute("SELECT a FROM stolen").fetchall() == [("public",)]
    folder.rename(place.root / "swapped-old")
    folder.symlink_to(place.outside)
    refused(client, "SELECT a FROM stolen")
    folder.unlink()
    refused(client, "SELECT a FROM stolen", NOT_THERE)
    folder.mkdir()
    (folder / "data.csv").symlink_to(place.outside / "data.csv")
    refused(client, "SELECT a FROM stolen")


def test_a_link_swapped_while_it_is_read_never_shows_outside(place, client):
    """A thread turns the folder into a link and back as fast as it can."""
    folder, real, ended = place.root / "racing", place.root / "racing-real", threading.Event()
    folder.mkdir()
    write_files(folder, "public")
    client.execute(external("CSV", f"{folder}/data.csv"))
    swaps = [0]

    def swap():
        while not ended.is_set():
            folder.rename(real)
            folder.symlink_to(place.outside)
            folder.unlink()
            real.rename(folder)
            swaps[0] += 1

    thread = threading.Thread(target=swap)
    thread.start()
    outcomes = {"answered": 0, "refused": 0}
    try:
        wait_until("the first swaps", lambda: swaps[0] > 10, 10)
        for _ in range(300):
            try:
                rows = client.execute("SELECT a FROM stolen").fetchall()
                assert MARKER not in str(rows)
                outcomes["answered"] += 1
            except psycopg.Error as error:
                assert MARKER not in str(error)
                assert error.sqlstate in REFUSED | NOT_THERE | {"40001"}, error
                outcomes["refused"] += 1
    finally:
        ended.set()
        thread.join()
    assert swaps[0] > 300, f"the race did not happen: {swaps[0]} swaps, {outcomes}"


def test_the_connection_file_is_private(place):
    assert (place.server.data_dir / "connection").stat().st_mode & 0o777 == 0o600


def test_what_is_allowed_works(place, client, public_table):
    """The control: the same statements inside the root answer."""
    assert client.execute("SELECT a FROM public_table").fetchall() == [("public",)]
    client.execute(external("CSV", f"{place.root}/real/data.csv"))
    assert client.execute("SELECT a FROM stolen").fetchall() == [("public",)]
    client.execute("DROP TABLE stolen")
    client.execute(external("JSON", f"{place.root}/re*/data.json"))
    assert client.execute("SELECT a FROM stolen").fetchall() == [("public",)]
    client.execute("DROP TABLE stolen")
    client.execute(external("CSV", f"file://{place.root}/real/data.csv"))
    assert client.execute("SELECT a FROM stolen").fetchall() == [("public",)]

"""Definitions in transactions: kept aside until COMMIT, gone after ROLLBACK, whole after a crash.

The statements are those that dbt, SQLAlchemy and migration tools send. What PostgreSQL does too is
asked of both (`MOBULA_TESTS_AGAINST=postgres`).
"""

import pathlib

import psycopg
import pytest

from conftest import AGAINST_POSTGRES
from process import wait_until


@pytest.fixture
def two(server):
    """Two sessions of one server, with a schema of their own."""
    with server.connect(autocommit=False) as writer, server.connect() as other:
        other.execute("CREATE SCHEMA tx")
        other.execute("SET search_path = tx")
        writer.execute("SET search_path = tx")
        writer.commit()
        yield writer, other
        writer.rollback()
        other.execute("DROP SCHEMA tx CASCADE")


def names(connection):
    rows = connection.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = 'tx'::regnamespace "
        "AND relkind IN ('r', 'v') ORDER BY 1")
    return [row[0] for row in rows]


def test_nothing_is_seen_before_commit_and_all_after(two):
    writer, other = two
    writer.execute("CREATE TABLE t AS SELECT 1 AS a")
    writer.execute("CREATE VIEW v AS SELECT a + 1 AS b FROM t")
    assert writer.execute("SELECT b FROM v").fetchone() == (2,)
    assert names(writer) == ["t", "v"] and names(other) == []
    with pytest.raises(psycopg.errors.UndefinedTable):
        other.execute("SELECT * FROM t")
    writer.commit()
    assert other.execute("SELECT a, b FROM t, v").fetchone() == (1, 2)


def test_dbt_replaces_a_table_that_a_view_reads(two):
    writer, other = two
    other.execute("CREATE TABLE t AS SELECT 'old' AS a")
    other.execute("CREATE VIEW v AS SELECT a FROM t")
    writer.execute('CREATE TABLE "t__dbt_tmp" AS (SELECT \'new\' AS a)')
    writer.execute('ALTER TABLE "t" RENAME TO "t__dbt_backup"')
    writer.execute('ALTER TABLE "t__dbt_tmp" RENAME TO "t"')
    assert writer.execute("SELECT a FROM t").fetchone() == ("new",)
    # A view stays with what it read when it was made, whatever that is called now.
    assert writer.execute("SELECT a FROM v").fetchone() == ("old",)
    assert other.execute("SELECT a FROM t").fetchone() == ("old",)
    writer.execute('DROP TABLE IF EXISTS "t__dbt_backup" CASCADE')
    writer.commit()
    assert other.execute("SELECT a FROM t").fetchone() == ("new",)
    assert names(other) == ["t"]


def test_rollback_leaves_nothing(two):
    writer, other = two
    other.execute("CREATE TABLE kept AS SELECT 1 AS a")
    writer.execute("CREATE TABLE t AS SELECT 1 AS a")
    writer.execute("DROP TABLE kept")
    writer.execute("CREATE SCHEMA tx2")
    with pytest.raises(psycopg.errors.UndefinedTable):
        writer.execute("SELECT * FROM kept")
    writer.rollback()
    assert names(other) == ["kept"] and names(writer) == ["kept"]
    assert other.execute("SELECT a FROM kept").fetchone() == (1,)
    with pytest.raises(psycopg.errors.InvalidSchemaName):
        other.execute("DROP SCHEMA tx2")


def test_savepoints(two):
    writer, other = two
    writer.execute("CREATE TABLE a AS SELECT 1 AS a")
    writer.execute("SAVEPOINT s")
    writer.execute("CREATE TABLE b AS SELECT 1 AS a")
    writer.execute("DROP TABLE a")
    with pytest.raises(psycopg.errors.DuplicateTable):
        writer.execute("CREATE TABLE b AS SELECT 2 AS a")
    writer.execute("ROLLBACK TO SAVEPOINT s")
    assert names(writer) == ["a"]
    writer.execute("CREATE TABLE b AS SELECT 3 AS a")
    writer.commit()
    assert other.execute("SELECT a.a, b.a FROM a, b").fetchone() == (1, 3)


def test_statements_of_one_message_are_one_transaction(two):
    _, other = two
    with pytest.raises(psycopg.errors.DivisionByZero):
        other.execute("CREATE TABLE t AS SELECT 1 AS a; SELECT 1 / 0")
    assert names(other) == []
    other.execute("CREATE TABLE t AS SELECT 1 AS a; CREATE VIEW v AS SELECT a FROM t")
    assert names(other) == ["t", "v"]


def test_a_pipeline_up_to_a_sync_is_one_transaction(two):
    _, other = two
    with pytest.raises(psycopg.errors.DivisionByZero), other.pipeline():
        other.execute("CREATE TABLE t AS SELECT 1 AS a")
        other.execute("SELECT 1 / 0")
    assert names(other) == []
    with other.pipeline():
        other.execute("CREATE TABLE t AS SELECT 1 AS a")
        rows = other.execute("SELECT a FROM t")
        assert rows.fetchone() == (1,)
    assert names(other) == ["t"]


@pytest.mark.mobula_only
def test_two_writers_one_conflict(two, server):
    """PostgreSQL makes the second wait; here it is told at its COMMIT, with nothing of it done."""
    writer, other = two
    writer.execute("CREATE TABLE first AS SELECT 1 AS a")
    writer.execute("CREATE TABLE t AS SELECT 1 AS a")
    other.execute("CREATE TABLE unrelated AS SELECT 1 AS a")
    other.execute("CREATE TABLE t AS SELECT 2 AS a")
    with pytest.raises(psycopg.errors.SerializationFailure) as caught:
        writer.commit()
    assert 'relation "t" already exists' in caught.value.diag.message_detail
    assert names(other) == ["t", "unrelated"]
    assert other.execute("SELECT a FROM t").fetchone() == (2,)


@pytest.mark.mobula_only
def test_a_client_that_leaves_takes_its_files_along(two, server):
    _, other = two
    before = table_folders(server)
    with server.connect(autocommit=False) as lost:
        lost.execute("CREATE TABLE tx.lost AS SELECT 1 AS a")
        assert table_folders(server) > before
        lost.close()
    wait_until("the files to go", lambda: table_folders(server) == before, 10)
    assert names(other) == []


@pytest.mark.mobula_only
def test_a_crash_before_commit_leaves_nothing(fresh):
    server = fresh()
    with server.connect() as admin:
        admin.execute("CREATE TABLE kept AS SELECT 1 AS a")
    before = table_folders(server)
    lost = server.connect(autocommit=False)
    lost.execute("CREATE TABLE lost AS SELECT 1 AS a")
    lost.execute("DROP TABLE kept")
    server.kill()
    with pytest.raises(psycopg.OperationalError):
        lost.commit()
    again = fresh()
    assert table_folders(again) == before
    with again.connect() as admin:
        assert admin.execute("SELECT a FROM kept").fetchone() == (1,)
        with pytest.raises(psycopg.errors.UndefinedTable):
            admin.execute("SELECT * FROM lost")


def test_copy_to_a_file_cannot_be_taken_back(server):
    if AGAINST_POSTGRES:
        pytest.skip("special to Mobula")
    with server.connect(autocommit=False) as writer:
        with pytest.raises(psycopg.errors.ActiveSqlTransaction):
            writer.execute("COPY (SELECT 1) TO 'never.csv'")


def table_folders(server):
    return set(pathlib.Path(server.data_dir).glob("tables/*/*"))

"""What sessions see of each other and do to each other: pg_stat_activity, cancel and terminate,
settings that a function changes, notifications, advisory locks. Every test here that is not
Mobula's alone also passes against PostgreSQL.
"""

import contextlib
import datetime
import threading
import time

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from process import wait_until
from test_slow_and_cancel import COMPUTE

ADMIN_SHUTDOWN = "57P01"
CANCELED = "57014"
SOON_S = 10


class Busy:
    """A session that runs a statement in a thread: what became of it is in `error`."""

    def __init__(self, server, sql, **options):
        self.connection = server.connect(**options)
        self.pid = self.connection.info.backend_pid
        self.error = None
        self.thread = threading.Thread(target=self._run, args=(sql,), daemon=True)
        self.thread.start()

    def _run(self, sql):
        try:
            self.connection.execute(sql)
        except psycopg.Error as error:
            self.error = error

    def end(self):
        self.thread.join(SOON_S)
        assert not self.thread.is_alive(), "the statement goes on"
        return self.error


@contextlib.contextmanager
def busy(server, sql=COMPUTE, **options):
    started = Busy(server, sql, **options)
    try:
        yield started
    finally:
        if started.thread.is_alive():
            started.connection.cancel()
        started.thread.join(SOON_S)
        started.connection.close()


def activity(connection, pid, columns="state, query"):
    sql = f"SELECT {columns} FROM pg_stat_activity WHERE pid = %s"
    return connection.execute(sql, [pid]).fetchone()


def wait_state(connection, pid, state):
    wait_until(f"session {pid} to be {state}",
               lambda: (activity(connection, pid) or [None])[0] == state, SOON_S)


@pytest.fixture
def connection(server):
    with server.connect() as connected:
        yield connected


# --- pg_stat_activity --------------------------------------------------------------------------

def test_activity_of_a_running_and_an_idle_session(server, connection):
    with busy(server, application_name="the busy one") as other:
        wait_state(connection, other.pid, "active")
        row = activity(
            connection, other.pid,
            "datname, usename, application_name, client_addr::text, client_port, backend_start,"
            " xact_start, query_start, state_change, wait_event_type, query, backend_type")
        (database, user, application, address, port, began, xact, query_start, changed, wait,
         query, kind) = row
        parts = conninfo_to_dict(server.uri)
        assert (database, user, application) == (parts["dbname"], parts["user"], "the busy one")
        assert address.split("/")[0] == "127.0.0.1" and port > 0
        assert (query, kind) == (COMPUTE, "client backend")
        now = datetime.datetime.now(datetime.timezone.utc)
        assert began <= query_start <= now and xact <= query_start <= changed
        connection.execute("SELECT pg_cancel_backend(%s)", [other.pid])
        assert other.end().sqlstate == CANCELED
        wait_state(connection, other.pid, "idle")
        state = activity(connection, other.pid, "query, xact_start, wait_event_type, wait_event")
        assert state == (COMPUTE, None, "Client", "ClientRead")


def test_activity_in_transactions(server, connection):
    with server.connect(autocommit=False) as other:
        pid = other.info.backend_pid
        other.execute("SELECT 41 + 1")
        state, query, xact = activity(connection, pid, "state, query, xact_start")
        assert (state, query) == ("idle in transaction", "SELECT 41 + 1") and xact
        with pytest.raises(psycopg.errors.DivisionByZero):
            other.execute("SELECT 1 / 0")
        assert activity(connection, pid)[0] == "idle in transaction (aborted)"
        other.rollback()
        assert activity(connection, pid)[0] == "idle"
    wait_until("the session to be gone", lambda: activity(connection, pid) is None, SOON_S)


def test_activity_of_myself(connection):
    sql = "SELECT state, query FROM pg_stat_activity WHERE pid = pg_backend_pid()"
    assert connection.execute(sql).fetchone() == ("active", sql)
    sql = "SELECT numbackends > 0, xact_commit >= 0 FROM pg_stat_database WHERE datname = 'mobula'"
    if conninfo_to_dict(connection.info.dsn).get("dbname") == "mobula":
        assert connection.execute(sql).fetchone() == (True, True)
    for view in ("pg_locks", "pg_stat_progress_copy", "pg_stat_ssl", "pg_stat_gssapi"):
        connection.execute(f"SELECT * FROM {view}").fetchall()


def test_prepared_statements_and_cursors(server):
    with server.connect(autocommit=False) as connected:
        connected.execute("PREPARE plus AS SELECT $1::int4 + 1")
        connected.execute("DECLARE c SCROLL CURSOR WITH HOLD FOR SELECT 1 AS a")
        rows = connected.execute("SELECT name, from_sql FROM pg_prepared_statements").fetchall()
        assert rows == [("plus", True)]
        columns = "name, statement, is_holdable, is_binary, is_scrollable"
        rows = connected.execute(f"SELECT {columns} FROM pg_cursors WHERE name = 'c'").fetchall()
        statement = "DECLARE c SCROLL CURSOR WITH HOLD FOR SELECT 1 AS a"
        assert rows == [("c", statement, True, False, True)]
        connected.rollback()
        assert connected.execute("SELECT count(*) FROM pg_cursors").fetchone() == (0,)


# --- cancel and terminate ----------------------------------------------------------------------

def test_cancel_a_running_statement(server, connection):
    with busy(server, "SELECT pg_sleep(600)") as other:
        wait_state(connection, other.pid, "active")
        sql = "SELECT pid, pg_cancel_backend(pid) FROM pg_stat_activity WHERE pid = %s"
        assert connection.execute(sql, [other.pid]).fetchall() == [(other.pid, True)]
        error = other.end()
        assert error.sqlstate == CANCELED
        assert error.diag.message_primary == "canceling statement due to user request"
        # The session goes on, and a cancel that comes too late ends nothing.
        assert connection.execute("SELECT pg_cancel_backend(%s)", [other.pid]).fetchone()[0]
        assert other.connection.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize("sql", [COMPUTE, "SELECT pg_sleep(600)", None])
def test_terminate(server, connection, sql):
    with busy(server, sql or "SELECT 1") as other:
        if sql:
            wait_state(connection, other.pid, "active")
        else:
            other.end()
        got = connection.execute("SELECT pg_terminate_backend(%s, 5000)", [other.pid])
        assert got.fetchone() == (True,)
        assert activity(connection, other.pid) is None
        if sql:
            error = other.end()
        else:
            with pytest.raises(psycopg.OperationalError) as caught:
                other.connection.execute("SELECT 1")
            error = caught.value
        assert error.sqlstate == ADMIN_SHUTDOWN
        wanted = "terminating connection due to administrator command"
        assert error.diag.message_primary == wanted
        assert error.diag.severity_nonlocalized == "FATAL"


def test_terminate_only_what_the_filter_leaves(server, connection):
    """DataFusion moves a select list below its filter: the others must not notice."""
    with server.connect() as left, server.connect() as ended:
        pids = [left.info.backend_pid, ended.info.backend_pid]
        sql = ("SELECT pid, usename, pg_terminate_backend(pid) FROM pg_stat_activity"
               " WHERE pid = %s AND usename IS NOT NULL")
        rows = connection.execute(sql, [pids[1]]).fetchall()
        assert [(pid, done) for pid, _, done in rows] == [(pids[1], True)]
        assert left.execute("SELECT 1").fetchone() == (1,)
        with pytest.raises(psycopg.OperationalError):
            ended.execute("SELECT 1")
        sql = ("SELECT CASE WHEN pid = 0 THEN pg_terminate_backend(pid) ELSE false END"
               " FROM pg_stat_activity WHERE pid = %s")
        assert connection.execute(sql, [pids[0]]).fetchall() == [(False,)]
        assert left.execute("SELECT 1").fetchone() == (1,)
        # Neither planning nor describing a statement runs it.
        connection.execute("EXPLAIN SELECT pg_terminate_backend(%d)" % pids[0])
        connection.execute("PREPARE never AS SELECT pg_terminate_backend(%d)" % pids[0])
        assert left.execute("SELECT 1").fetchone() == (1,)


def test_terminate_oneself(server):
    with server.connect() as connected:
        with pytest.raises(psycopg.OperationalError) as caught:
            connected.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        assert caught.value.sqlstate == ADMIN_SHUTDOWN


def test_a_pid_that_is_not_there(connection):
    notices = []
    connection.add_notice_handler(lambda diagnostic: notices.append(
        (diagnostic.severity_nonlocalized, diagnostic.message_primary)))
    for function in ("pg_cancel_backend", "pg_terminate_backend"):
        assert connection.execute(f"SELECT {function}(1)").fetchone() == (False,)
    assert notices == [("WARNING", "PID 1 is not a PostgreSQL backend process")] * 2
    with pytest.raises(psycopg.errors.NumericValueOutOfRange):
        connection.execute("SELECT pg_terminate_backend(1, -1)")


def test_statement_timeout_ends_a_sleep(connection):
    connection.execute("SET statement_timeout = '200ms'")
    began = time.monotonic()
    with pytest.raises(psycopg.errors.QueryCanceled):
        connection.execute("SELECT pg_sleep(60)")
    assert time.monotonic() - began < SOON_S
    connection.execute("RESET statement_timeout")
    began = time.monotonic()
    connection.execute("SELECT pg_sleep(0.3)")
    assert time.monotonic() - began >= 0.3


# --- set_config --------------------------------------------------------------------------------

def value(connection, name):
    return connection.execute(f"SELECT current_setting('{name}')").fetchone()[0]


def test_set_config(server):
    with server.connect() as connected:
        execute = connected.execute
        set_path = "SELECT pg_catalog.set_config('search_path', 'information_schema', false)"
        assert execute(set_path).fetchone() == ("information_schema",)
        assert execute("SHOW search_path").fetchone() == ("information_schema",)
        assert execute("SELECT count(*) > 0 FROM schemata").fetchone() == (True,)
        assert execute("SELECT set_config('search_path', '', false)").fetchone() == ("",)
        row = execute("SELECT current_setting('jit') AS cur, set_config('jit', 'on', false) AS new")
        assert row.fetchone()[1] == "on" and value(connected, "jit") == "on"
        row = execute("WITH s AS (SELECT set_config('work_mem', '65536', false) AS v)"
                      " SELECT v FROM s")
        assert row.fetchone() == ("64MB",) and value(connected, "work_mem") == "64MB"
        assert execute("SELECT * FROM set_config('work_mem', '8MB', false)").fetchone() == ("8MB",)
        # As a prepared statement, again and again.
        for name in ("a", "b", "c"):
            got = execute("SELECT set_config('app.name', %s, false)", [name], prepare=True)
            assert got.fetchone() == (name,)
            again = execute("SELECT current_setting('app.name')", prepare=True)
            assert again.fetchone() == (name,)
        assert execute("SELECT set_config('app.name', NULL, NULL)").fetchone() == ("",)


def test_set_config_tells_the_client(server):
    with server.connect() as connected:
        connected.execute("SELECT set_config('application_name', 'renamed', false)")
        assert connected.info.parameter_status("application_name") == "renamed"
        sql = "SELECT application_name FROM pg_stat_activity WHERE pid = pg_backend_pid()"
        assert connected.execute(sql).fetchone() == ("renamed",)
        connected.execute("SELECT set_config('TimeZone', 'Asia/Tokyo', false)")
        assert connected.info.parameter_status("TimeZone") == "Asia/Tokyo"
        stamp = connected.execute("SELECT '2024-01-01 00:00+00'::timestamptz::text").fetchone()
        assert stamp == ("2024-01-01 09:00:00+09",)


def test_set_config_in_transactions(server):
    with server.connect() as connected:
        execute = connected.execute
        with pytest.raises(psycopg.errors.DivisionByZero):
            execute("SELECT set_config('application_name', 'lost', false), 1 / (random() * 0)::int")
        assert value(connected, "application_name") != "lost"
        # Local: only as long as the transaction; on its own, as long as the statement.
        assert execute("SELECT set_config('app.x', '1', true)").fetchone() == ("1",)
        assert value(connected, "app.x") == ""
        row = execute("SELECT set_config('app.x', '2', true), current_setting('app.x')").fetchone()
        assert row == ("2", "2")
        execute("BEGIN")
        execute("SELECT set_config('app.x', '3', true), set_config('app.y', '4', false)")
        assert (value(connected, "app.x"), value(connected, "app.y")) == ("3", "4")
        execute("COMMIT")
        assert (value(connected, "app.x"), value(connected, "app.y")) == ("", "4")
        execute("BEGIN")
        execute("SELECT set_config('application_name', 'rolled back', false)")
        assert connected.info.parameter_status("application_name") == "rolled back"
        execute("SAVEPOINT s")
        execute("SELECT set_config('app.y', '5', false)")
        execute("ROLLBACK TO s")
        assert value(connected, "app.y") == "4"
        execute("ROLLBACK")
        assert connected.info.parameter_status("application_name") != "rolled back"


@pytest.mark.parametrize("sql, sqlstate", [
    ("SELECT set_config('no_such', '1', false)", "42704"),
    ("SELECT set_config(NULL, '1', false)", "22004"),
    ("SELECT set_config('work_mem', 'much', false)", "22023"),
    ("SELECT set_config('work_mem', '1kB', false)", "22023"),
    ("SELECT set_config('server_version', '1', false)", "55P02"),
    ("SELECT current_setting('no_such')", "42704"),
    ("SELECT current_setting('app.no_such')", "42704"),
    ("SET geqo_effort = 11", "22023"),
])
def test_settings_that_cannot_be(connection, sql, sqlstate):
    with pytest.raises(psycopg.Error) as caught:
        connection.execute(sql)
    assert caught.value.sqlstate == sqlstate


def test_settings_clients_ask_for(connection):
    for name, default in [
        ("work_mem", "4MB"), ("bytea_output", "hex"), ("client_min_messages", "notice"),
        ("default_tablespace", ""), ("row_security", "on"), ("lock_timeout", "0"),
        ("synchronous_commit", "on"), ("xmloption", "content"), ("enable_seqscan", "on"),
        ("maintenance_work_mem", "64MB"), ("effective_cache_size", "4GB"),
        ("random_page_cost", "4"), ("standard_conforming_strings", "on"),
        ("max_prepared_transactions", "0"), ("session_replication_role", "origin"),
    ]:
        assert connection.execute(f"SHOW {name}").fetchone() == (default,), name
        assert value(connection, name) == default, name
    row = connection.execute(
        "SELECT setting, unit, category, context, vartype, min_val, max_val, boot_val, reset_val"
        " FROM pg_settings WHERE name = 'work_mem'").fetchone()
    assert row == ("4096", "kB", "Resource Usage / Memory", "user", "integer", "64", "2147483647",
                   "4096", "4096")
    row = connection.execute("SELECT vartype, enumvals FROM pg_show_all_settings()"
                             " WHERE name = 'bytea_output'").fetchone()
    assert row[0] == "enum" and sorted(row[1]) == ["escape", "hex"]
    assert connection.execute("SELECT current_setting('app.none', true)").fetchone() == (None,)
    connection.execute("SET standard_conforming_strings = on")


# --- LISTEN and NOTIFY -------------------------------------------------------------------------

def heard(connection, count, timeout_s=SOON_S):
    found = list(connection.notifies(timeout=timeout_s, stop_after=count))
    return [(note.channel, note.payload, note.pid) for note in found]


def test_notify_between_sessions(server):
    with server.connect() as listener, server.connect(autocommit=False) as sender:
        pid = sender.info.backend_pid
        listener.execute("LISTEN news")
        channels = listener.execute("SELECT pg_listening_channels()").fetchall()
        assert channels == [("news",)]
        assert listener.execute("SELECT * FROM pg_listening_channels()").fetchall() == channels
        # Once each, in order, when it is committed and not before.
        for payload in ("1", "2", "1", ""):
            sender.execute("SELECT pg_notify('news', %s)", [payload])
        sender.execute("NOTIFY news, 'it''s'")
        sender.execute("NOTIFY other, 'x'")
        assert heard(listener, 1, 0.3) == []
        sender.commit()
        wanted = [("news", payload, pid) for payload in ("1", "2", "", "it's")]
        assert heard(listener, 4) == wanted
        sender.execute("NOTIFY news, 'rolled back'")
        sender.rollback()
        sender.execute("SAVEPOINT s")
        sender.execute("NOTIFY news, 'taken back'")
        sender.execute("ROLLBACK TO s")
        sender.execute("NOTIFY news")
        sender.commit()
        assert heard(listener, 1) == [("news", "", pid)]
        listener.execute("UNLISTEN news")
        sender.execute("NOTIFY news, 'unheard'")
        sender.commit()
        assert heard(listener, 1, 0.3) == []


def test_an_idle_session_hears_at_once(server):
    with server.connect() as listener, server.connect() as sender:
        listener.execute("LISTEN quick")
        got = []
        thread = threading.Thread(target=lambda: got.extend(heard(listener, 1)), daemon=True)
        thread.start()
        time.sleep(0.2)
        sender.execute("NOTIFY quick, 'now'")
        thread.join(SOON_S)
        assert got == [("quick", "now", sender.info.backend_pid)]


def test_a_session_in_a_transaction_hears_afterwards(server):
    with server.connect() as listener, server.connect() as sender:
        listener.execute("LISTEN late")
        listener.execute("BEGIN")
        sender.execute("NOTIFY late, '1'")
        assert heard(listener, 1, 0.3) == []
        listener.execute("COMMIT")
        assert heard(listener, 1) == [("late", "1", sender.info.backend_pid)]
        # LISTEN is taken back by ROLLBACK.
        listener.execute("UNLISTEN *")
        listener.execute("BEGIN")
        listener.execute("LISTEN never")
        listener.execute("ROLLBACK")
        assert listener.execute("SELECT pg_listening_channels()").fetchall() == []


@pytest.mark.parametrize("sql", [
    "SELECT pg_notify('', 'x')", "SELECT pg_notify(NULL, 'x')",
    "SELECT pg_notify('a', repeat('x', 8000))", "SELECT pg_notify(repeat('x', 64), 'x')"])
def test_what_cannot_be_notified(connection, sql):
    with pytest.raises(psycopg.errors.InvalidParameterValue):
        connection.execute(sql)


@pytest.mark.mobula_only
def test_a_listener_that_never_reads_is_ended(server):
    with server.connect() as listener, server.connect() as sender:
        listener.execute("LISTEN flood")
        listener.execute("BEGIN")
        sql = ("SELECT pg_notify('flood', i::text || repeat('x', 7000))"
               " FROM generate_series(%s, %s) AS g(i)")
        for start in range(0, 2_000, 500):
            sender.execute(sql, [start, start + 499])
        with pytest.raises(psycopg.OperationalError) as caught:
            listener.execute("SELECT 1")
        assert caught.value.sqlstate == "53400"
        assert sender.execute("SELECT 1").fetchone() == (1,)


# --- advisory locks ----------------------------------------------------------------------------

def test_advisory_locks(server, connection):
    with server.connect(autocommit=False) as other:
        assert other.execute("SELECT pg_try_advisory_lock(7)").fetchone() == (True,)
        other.execute("SELECT pg_advisory_xact_lock(1, 2)")
        assert connection.execute("SELECT pg_try_advisory_lock(7)").fetchone() == (False,)
        assert connection.execute("SELECT pg_try_advisory_lock_shared(1, 2)").fetchone() == (False,)
        rows = connection.execute(
            "SELECT classid::int8, objid::int8, objsubid, mode FROM pg_locks"
            " WHERE locktype = 'advisory' ORDER BY objsubid").fetchall()
        assert rows == [(0, 7, 1, "ExclusiveLock"), (1, 2, 2, "ExclusiveLock")]
        other.commit()
        assert connection.execute("SELECT pg_try_advisory_lock_shared(1, 2)").fetchone() == (True,)
        with busy(server, "SELECT pg_advisory_lock(7)") as waiting:
            wait_state(connection, waiting.pid, "active")
            assert other.execute("SELECT pg_advisory_unlock(7)").fetchone() == (True,)
            assert waiting.end() is None
            assert connection.execute("SELECT pg_try_advisory_lock(7)").fetchone() == (False,)
        wait_until("the lock of an ended session", lambda: connection.execute(
            "SELECT pg_try_advisory_lock(7)").fetchone()[0], SOON_S)
        other.execute("SET lock_timeout = '200ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            other.execute("SELECT pg_advisory_lock(7)")
    connection.execute("SELECT pg_advisory_unlock_all()")


def test_locks_that_wait_for_each_other(server, connection):
    with server.connect() as other:
        connection.execute("SELECT pg_advisory_lock(1)")
        other.execute("SELECT pg_advisory_lock(2)")
        failed = []

        def run(connected, key):
            try:
                connected.execute(f"SELECT pg_advisory_lock({key})")
            except psycopg.Error as error:
                failed.append(error.sqlstate)
                connected.execute("SELECT pg_advisory_unlock_all()")

        threads = [threading.Thread(target=run, args=pair, daemon=True)
                   for pair in ((connection, 2), (other, 1))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(SOON_S)
        assert failed == ["40P01"]
        connection.execute("SELECT pg_advisory_unlock_all()")


# --- the log -----------------------------------------------------------------------------------

@pytest.mark.mobula_only
def test_slow_statements_and_logins_are_logged(fresh):
    server = fresh(options=["--log-min-duration-statement", "100ms"])
    with server.connect() as connected:
        connected.execute("SELECT 'quick one'")
        connected.execute("SELECT pg_sleep(0.2), 'slow one'")
        connected.execute("SELECT pg_sleep(%s), 'bound one'", [0.2])
        connected.execute("SET log_min_duration_statement = -1")
        connected.execute("SELECT pg_sleep(0.2), 'silent one'")
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(server.uri, password="wrong")
    server.stop()
    log = server.log
    slow = [line for line in log.splitlines() if " statements: " in line]
    assert len(slow) == 2 and "slow one" in slow[0] and "bound one" in slow[1], log
    logins = [line for line in log.splitlines() if " audit: " in line]
    failed = [line for line in logins if "login failed" in line]
    assert len(failed) == 1 and "SCRAM-SHA-256" in failed[0] and "127.0.0.1" in failed[0], log
    assert len(logins) >= 2 and "wrong" not in log.replace(failed[0], "")

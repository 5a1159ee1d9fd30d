"""Rights: every role with every statement, asked of Mobula and of PostgreSQL; and what leaks.

PostgreSQL is the judge: the same roles, objects and grants are made on both by the same statements,
and each statement has to end alike: the same SQLSTATE, or the same rows.
"""

import random

import psycopg
import pytest
from psycopg import sql as compose

import rights_cases
from conftest import AGAINST_POSTGRES
from mobula import Mobula
from postgres import Postgres

pytestmark = pytest.mark.skipif(AGAINST_POSTGRES, reason="PostgreSQL is the judge here")

# Where the two differ on purpose: (role, statement), and why.
DIFFERENT = {
    # What was set for a role limits it, so a role does not set it for itself.
    ("r_nobody", "ALTER ROLE r_nobody SET search_path = 'open_s'"),
}


def prepare(server):
    with server.connect() as connection:
        for statement in rights_cases.SETUP:
            connection.execute(statement)
    return server


def log_in(server, role, **options):
    return psycopg.connect(server.uri, user=role, password=rights_cases.PASSWORD, **options)


def answer(connection, statement):
    """What a statement comes to, undone afterwards."""
    try:
        cursor = connection.execute(statement)
        if not cursor.description or statement.startswith("EXPLAIN"):
            return "done"
        return sorted(cursor.fetchall())
    except psycopg.Error as error:
        return error.sqlstate
    finally:
        connection.rollback()


@pytest.fixture(scope="module")
def both():
    with Mobula() as ours, Postgres() as theirs:
        yield prepare(ours), prepare(theirs)


def differences(both, cases):
    """The cases that end otherwise here."""
    wrong = []
    for role in rights_cases.ROLES:
        with log_in(both[0], role) as ours, log_in(both[1], role) as theirs:
            for statement in [statement for who, statement in cases if who == role]:
                if (role, statement) in DIFFERENT:
                    continue
                got, want = answer(ours, statement), answer(theirs, statement)
                if got != want:
                    wrong.append(f"{role}: {statement}: {got}, PostgreSQL {want}")
    return wrong


def test_the_matrix(both, measure):
    cases = rights_cases.cases()
    assert len(cases) >= 400
    wrong = differences(both, cases)
    measure("cases", len(cases), "")
    assert not wrong, f"{len(wrong)} of {len(cases)}:\n" + "\n".join(wrong)


@pytest.mark.xfail(strict=True, reason="has_*_privilege and pg_has_role say yes to what is seen")
def test_what_tells_of_rights(both):
    wrong = differences(both, rights_cases.telling_cases())
    assert not wrong, "\n".join(wrong)


# What a role without rights sees of others: no row, no name.
SECRETS = ["canary", "closed_s", "secret_t", "secret_column", "v_secret", "a comment"]
QUERIES = [
    "SELECT * FROM pg_catalog.{}",
    "SELECT count(*) FROM pg_catalog.{}",
    "SELECT x::text FROM pg_catalog.{} AS x",
    "SELECT * FROM information_schema.{}",
]
LOOKS = [
    "SELECT table_schema, table_name, column_name FROM information_schema.columns",
    "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace",
    "SELECT attname FROM pg_attribute",
    "SELECT definition FROM pg_views",
    "SELECT description FROM pg_description",
    "SELECT query FROM mobula.queries WHERE usename <> current_user",
    "SELECT * FROM mobula.tasks",
    "SELECT obj_description({oid}), col_description({oid}, 1)",
    "SELECT pg_get_viewdef({oid})",
    "SELECT {oid}::regclass::text",
    "SELECT pg_describe_object(1259, {oid}, 0)",
    "SELECT relname FROM pg_class WHERE oid = {oid}",
    "SELECT pg_table_size({oid})",
    "SELECT secret_colum FROM closed_s.secret_t",
    "SELECT * FROM secret_",
    "SELECT * FROM closed_s.secret_tt",
    "SELECT a FROM open_s.v_secret",
    "EXPLAIN SELECT * FROM open_s.v_secret",
    "EXPLAIN VERBOSE SELECT * FROM open_s.allowed",
    "SHOW TABLES",
    "SELECT to_regclass('closed_s.secret_t')::oid",
    "SELECT current_setting('search_path')",
    "COPY (SELECT * FROM closed_s.secret_t) TO 'leak.csv'",
    "COPY (SELECT 1) TO 'leak.csv'",
    "CREATE EXTERNAL TABLE open_s.e STORED AS CSV LOCATION '/etc/passwd'",
    "CREATE VIEW open_s.w AS SELECT * FROM closed_s.secret_t",
    "CREATE TABLE open_s.w AS SELECT * FROM closed_s.secret_t",
    "WITH c AS (SELECT * FROM closed_s.secret_t) SELECT 1 FROM c",
    "SELECT 1 WHERE EXISTS (SELECT FROM closed_s.secret_t)",
    "SELECT array(SELECT secret_column FROM closed_s.secret_t)",
    "PREPARE p AS SELECT * FROM closed_s.secret_t",
    "DECLARE c CURSOR FOR SELECT * FROM closed_s.secret_t",
    "DESCRIBE closed_s.secret_t",
]


def test_a_role_without_rights_learns_nothing(tmp_path):
    """10,000 statements by a role that may nothing; what it typed itself is no leak."""
    seed = random.SystemRandom().randrange(1 << 30)
    chance = random.Random(seed)
    print(f"seed {seed}")
    with Mobula(data_dir=tmp_path / "data") as server:
        with server.connect() as admin:
            for statement in [
                "CREATE SCHEMA closed_s", "CREATE SCHEMA open_s",
                "CREATE TABLE closed_s.secret_t AS SELECT 1 AS a, 'canary' AS secret_column",
                "CREATE VIEW open_s.v_secret AS SELECT * FROM closed_s.secret_t",
                "CREATE TABLE open_s.allowed AS SELECT 1 AS a",
                "COMMENT ON TABLE closed_s.secret_t IS 'a comment'",
                f"CREATE ROLE r_nobody LOGIN PASSWORD '{rights_cases.PASSWORD}'",
                "GRANT USAGE ON SCHEMA open_s TO r_nobody",
                "GRANT SELECT ON open_s.allowed TO r_nobody",
            ]:
                admin.execute(statement)
            oid = admin.execute("SELECT 'closed_s.secret_t'::regclass::oid").fetchone()[0]
            names = [row[0] for row in admin.execute(
                "SELECT relname FROM pg_class WHERE relkind IN ('r', 'v') AND relnamespace = 11")]
            schema = [row[0] for row in admin.execute(
                "SELECT relname FROM pg_class WHERE relnamespace = "
                "(SELECT oid FROM pg_namespace WHERE nspname = 'information_schema')")]
            with log_in(server, "r_nobody", autocommit=True) as nobody:
                # Or pg_prepared_statements has what it typed before.
                nobody.prepare_threshold = None
                leaks = []
                for _ in range(10_000):
                    form = chance.choice(QUERIES + 2 * LOOKS)
                    pool = schema if "information_schema.{}" in form else names
                    text = form.format(chance.choice(pool), oid=oid)
                    said = everything_said(nobody, text)
                    leaks += [(text, secret) for secret in SECRETS
                              if secret in said and secret not in text]
                assert not leaks, sorted(set(leaks))
            assert not list((tmp_path / "data").glob("**/leak.csv"))


def everything_said(connection, statement):
    """Rows and the words of errors and notices."""
    notices = []
    connection.add_notice_handler(handler := lambda notice: notices.append(str(notice)))
    try:
        cursor = connection.execute(statement)
        rows = cursor.fetchall() if cursor.description else []
        return repr(rows) + repr(notices)
    except psycopg.Error as error:
        parts = [error.diag.message_primary, error.diag.message_detail, error.diag.message_hint]
        return repr(parts) + repr(notices)
    finally:
        connection.remove_notice_handler(handler)


def test_limits_of_a_role(server):
    """The safe endpoint for an agent: what its administrator set it cannot loosen."""
    with server.connect() as admin:
        admin.execute("CREATE ROLE agent LOGIN PASSWORD 'x' CONNECTION LIMIT 2")
        try:
            for setting in ["statement_timeout = '5s'", "default_transaction_read_only = on",
                            "mobula.max_scan_bytes = '1kB'"]:
                admin.execute(f"ALTER ROLE agent SET {setting}")
            admin.execute("GRANT SELECT ON lineitem TO agent")
            options = {"user": "agent", "password": "x", "autocommit": True}
            with psycopg.connect(server.uri, **options) as agent:
                for statement, state in [
                    ("SET statement_timeout = '1s'", None),
                    ("SET statement_timeout = 0", "53400"),
                    ("SET statement_timeout = '6s'", "53400"),
                    ("SET default_transaction_read_only = off", "25006"),
                    ("BEGIN READ WRITE", "25006"),
                    ("ROLLBACK", None),
                    ("CREATE TABLE public.agents AS SELECT 1 AS a", "25006"),
                    ("SELECT sum(l_quantity) FROM lineitem", "53400"),
                    ("SET mobula.max_scan_bytes = 0", "53400"),
                    ("RESET ALL", None),
                    ("SELECT l_orderkey FROM lineitem LIMIT 1", "53400"),
                    ("SELECT 1", None),
                    ("SELECT * FROM orders", "42501"),
                ]:
                    state_is(agent, statement, state)
                assert agent.execute("SHOW statement_timeout").fetchone() == ("5s",)
                with psycopg.connect(server.uri, **options):
                    with pytest.raises(psycopg.OperationalError, match="too many connections"):
                        psycopg.connect(server.uri, **options)
            with pytest.raises(psycopg.OperationalError, match="limited to"):
                psycopg.connect(server.uri, options="-c statement_timeout=0", **options)
        finally:
            admin.execute("DROP OWNED BY agent")
            admin.execute("DROP ROLE agent")


def state_is(connection, statement, state):
    try:
        connection.execute(statement)
        got = None
    except psycopg.Error as error:
        got = error.sqlstate
        assert error.diag.message_hint or state not in ("25006", "53400"), statement
    assert got == state, statement


def test_a_revoked_right_ends_with_the_next_statement(server):
    with server.connect() as admin:
        admin.execute("CREATE ROLE reader LOGIN PASSWORD 'x'")
        try:
            admin.execute("GRANT SELECT ON nation TO reader")
            with psycopg.connect(
                    server.uri, user="reader", password="x", autocommit=True,
                    prepare_threshold=0) as reader:
                query = "SELECT count(*) FROM nation WHERE n_nationkey > %s"
                assert reader.execute(query, [-1]).fetchone() == (25,)
                admin.execute("REVOKE SELECT ON nation FROM reader")
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    reader.execute(query, [-1])
                admin.execute("GRANT SELECT ON nation TO PUBLIC")
                assert reader.execute(query, [-1]).fetchone() == (25,)
                admin.execute("REVOKE SELECT ON nation FROM PUBLIC")
        finally:
            admin.execute("DROP OWNED BY reader")
            admin.execute("DROP ROLE reader")


def test_a_password_is_nowhere(server):
    """Neither in the views of queries nor in the log; the login with it works, and then not."""
    secret = "canary-7f3b"
    with server.connect() as admin:
        admin.execute(compose.SQL("CREATE ROLE p LOGIN PASSWORD {}; SELECT 1").format(secret))
        try:
            with psycopg.connect(server.uri, user="p", password=secret) as connected:
                assert connected.execute("SELECT current_user, session_user").fetchone() == (
                    "p", "p")
            shown = admin.execute("SELECT query FROM mobula.queries").fetchall()
            assert secret not in repr(shown) and secret not in server.log
            admin.execute("ALTER ROLE p VALID UNTIL '2001-01-01'")
            with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
                psycopg.connect(server.uri, user="p", password=secret)
            admin.execute("ALTER ROLE p VALID UNTIL 'infinity' NOLOGIN")
            with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
                psycopg.connect(server.uri, user="p", password=secret)
        finally:
            admin.execute("DROP ROLE p")

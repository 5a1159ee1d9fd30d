"""Who may do what: roles, objects and statements, for `test_rights.py`.

Out: the statements that make roles and objects (the same for PostgreSQL and Mobula), and the cases:
(role, statement). Each is undone by a ROLLBACK, so their order means nothing.
"""

ROLES = {
    "r_nobody": "",
    "r_reader": "",
    "r_columns": "",
    "r_heir": "IN ROLE r_reader",
    "r_no_heir": "NOINHERIT IN ROLE r_reader",
    "r_owner": "",
    "r_granter": "",
    "r_all": "IN ROLE pg_read_all_data",
    "r_maker": "CREATEROLE",
    "r_super": "SUPERUSER",
}
PASSWORD = "a password"

SETUP = [
    *[f"CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}' {how}" for name, how in ROLES.items()],
    "CREATE ROLE r_group",
    "GRANT r_group TO r_granter WITH ADMIN OPTION",
    "CREATE SCHEMA open_s",
    "CREATE SCHEMA closed_s",
    "GRANT USAGE ON SCHEMA open_s TO PUBLIC",
    "GRANT CREATE ON SCHEMA open_s TO r_owner",
    "CREATE TABLE open_s.t AS SELECT 1 AS a, 'canary' AS b",
    "CREATE TABLE open_s.mine AS SELECT 2 AS a, 'canary' AS b",
    "CREATE TABLE open_s.none AS SELECT 3 AS a, 'canary' AS b",
    "CREATE TABLE closed_s.x AS SELECT 4 AS a, 'canary' AS b",
    "ALTER TABLE open_s.mine OWNER TO r_owner",
    "CREATE VIEW open_s.v AS SELECT a FROM closed_s.x",
    "CREATE VIEW open_s.v_none AS SELECT a, b FROM open_s.none",
    "GRANT SELECT ON open_s.t, open_s.v TO r_reader",
    "GRANT SELECT ON closed_s.x TO r_reader",
    "GRANT SELECT (a) ON open_s.t TO r_columns",
    "GRANT SELECT ON open_s.t TO r_granter WITH GRANT OPTION",
    "GRANT SELECT ON open_s.v TO PUBLIC",
    "REVOKE SELECT ON open_s.v FROM PUBLIC",
]

TABLES = ["open_s.t", "open_s.mine", "open_s.none", "closed_s.x", "open_s.v", "open_s.v_none"]

ON_TABLES = [
    "SELECT * FROM {t}",
    "SELECT a FROM {t}",
    "SELECT count(*) FROM {t}",
    "SELECT 1 FROM {t} WHERE a > 0",
    "SELECT x.a FROM open_s.t AS y JOIN {t} AS x ON x.a = y.a",
    "SELECT (SELECT max(a) FROM {t})",
    "WITH c AS (SELECT a FROM {t}) SELECT a FROM c UNION ALL SELECT 1",
    "EXPLAIN SELECT a FROM {t}",
    "COMMENT ON {kind} {t} IS 'mine now'",
    "ALTER {kind} {t} RENAME TO renamed",
    "ALTER {kind} {t} OWNER TO r_nobody",
    "DROP {kind} {t} CASCADE",
    "GRANT SELECT ON {t} TO r_nobody",
    "REVOKE SELECT ON {t} FROM r_reader",
]

OTHERS = [
    "SELECT b FROM open_s.t",
    "SELECT a, b FROM open_s.t",
    "SELECT a FROM open_s.t WHERE b = 'x'",
    "SELECT a FROM open_s.t ORDER BY b",
    "SELECT count(b) FROM open_s.t",
    "CREATE TABLE open_s.new AS SELECT 1 AS a",
    "CREATE TABLE closed_s.new AS SELECT 1 AS a",
    "CREATE TABLE public.new AS SELECT 1 AS a",
    "CREATE VIEW open_s.new AS SELECT 1 AS a",
    "CREATE SCHEMA new",
    "DROP SCHEMA open_s CASCADE",
    "ALTER SCHEMA open_s RENAME TO other_s",
    "GRANT USAGE ON SCHEMA closed_s TO r_nobody",
    "CREATE ROLE new",
    "CREATE ROLE new SUPERUSER",
    "ALTER ROLE r_nobody NOLOGIN",
    "ALTER ROLE r_super NOLOGIN",
    "ALTER ROLE r_nobody SET search_path = 'open_s'",
    "ALTER ROLE current_user PASSWORD 'another'",
    "DROP ROLE r_nobody",
    "DROP ROLE r_super",
    "DROP ROLE r_owner",
    "GRANT r_group TO r_nobody",
    "GRANT r_super TO r_nobody",
    "REVOKE r_reader FROM r_heir",
    "SET ROLE r_reader",
    "SET ROLE r_super",
    "SET ROLE r_group",
    "SET SESSION AUTHORIZATION r_nobody",
    "REASSIGN OWNED BY r_owner TO r_nobody",
    "ALTER DEFAULT PRIVILEGES FOR ROLE r_owner GRANT SELECT ON TABLES TO r_nobody",
]


def cases():
    """(role, statement), every role with every statement."""
    statements = [
        form.format(t=table, kind="VIEW" if table.split(".")[1].startswith("v") else "TABLE")
        for table in TABLES for form in ON_TABLES
    ]
    return [(role, sql) for role in ROLES for sql in statements + OTHERS]

"""What SQLAlchemy reflects, over psycopg, psycopg2 and pg8000.

In: the shared server, and a schema with a view and a table that these tests make and drop. Out:
what the inspector gives; every test here also passes against PostgreSQL.
"""

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from test_client_psycopg2 import not_yet

DRIVERS = ["psycopg", "psycopg2", "pg8000"]
TABLES = {"lineitem", "orders", "customer", "part", "partsupp", "supplier", "nation", "region"}
# (SQL, what SQLAlchemy reflects a column of it as)
KINDS = {
    "a_bool": ("true", sa.BOOLEAN), "a_int2": ("1::int2", sa.SMALLINT),
    "a_int4": ("1::int4", sa.INTEGER), "a_int8": ("1::int8", sa.BIGINT),
    "a_float4": ("1::float4", sa.REAL), "a_float8": ("1::float8", sa.DOUBLE_PRECISION),
    "a_numeric": ("1::numeric(12,3)", sa.NUMERIC), "a_text": ("'x'::text", sa.TEXT),
    "a_date": ("'2024-02-29'::date", sa.DATE), "a_time": ("'01:02'::time", pg.TIME),
    "a_stamp": ("'2024-02-29'::timestamp", pg.TIMESTAMP),
    "a_stamp_tz": ("'2024-02-29 00:00:00+00'::timestamptz", pg.TIMESTAMP),
    "a_bytea": ("'\\x00'::bytea", pg.BYTEA),
    "a_list": ("'{1,2}'::int4[]", pg.ARRAY),
}
OTHER_KINDS = {
    "a_interval": ("'1 day'::interval", pg.INTERVAL),
    "a_varchar": ("'x'::varchar(10)", sa.VARCHAR), "a_char": ("'x'::char(4)", sa.CHAR),
    "a_json": ("'{}'::json", pg.JSON), "a_jsonb": ("'{}'::jsonb", pg.JSONB),
    "a_uuid": ("'6ba7b810-9dad-11d1-80b4-00c04fd430c8'::uuid", sa.UUID),
}
CONSTRAINED = """
CREATE TABLE py_objects.parent (a int4 PRIMARY KEY, b text UNIQUE, c int4 DEFAULT 7 CHECK (c > 0));
CREATE TABLE py_objects.child (id serial PRIMARY KEY,
    parent int4 NOT NULL REFERENCES py_objects.parent ON DELETE CASCADE);
CREATE INDEX child_parent ON py_objects.child (parent DESC) WHERE parent > 1;
COMMENT ON TABLE py_objects.parent IS 'said of a table';
COMMENT ON COLUMN py_objects.parent.b IS 'said of a column'
"""


@pytest.fixture(scope="module")
def objects(server):
    """A schema with a table of all kinds of columns and a view, in place for the module."""
    columns = ", ".join(f"{sql} AS {name}" for name, (sql, _) in KINDS.items())
    with server.connect() as connection:
        connection.execute("CREATE SCHEMA py_objects")
        connection.execute(f"CREATE TABLE py_objects.kinds AS SELECT {columns}")
        connection.execute(
            "CREATE VIEW py_objects.some AS SELECT n_name, n_nationkey FROM nation"
            " WHERE n_nationkey < 3")
        yield "py_objects"
        connection.execute("DROP VIEW py_objects.some")
        connection.execute("DROP TABLE py_objects.kinds")
        connection.execute("DROP SCHEMA py_objects")


@pytest.fixture(scope="module", params=DRIVERS)
def engine(server, request):
    url = sa.make_url(server.uri).set(drivername=f"postgresql+{request.param}")
    made = sa.create_engine(url)
    yield made
    made.dispose()


@pytest.fixture(scope="module")
def automatic(engine):
    """The engine for statements that cannot be in a transaction block."""
    return engine.execution_options(isolation_level="AUTOCOMMIT")


@pytest.fixture
def inspector(engine):
    return sa.inspect(engine)


@pytest.fixture(scope="module")
def nation(engine):
    return sa.Table("nation", sa.MetaData(), autoload_with=engine)

def test_sqlalchemy_connects(engine):
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT 1")) == 1
        assert connection.dialect.server_version_info >= (15,)
        assert connection.dialect.default_schema_name == "public"


def test_sqlalchemy_schema_names(inspector, objects):
    assert {"public", "information_schema", objects} <= set(inspector.get_schema_names())
    assert inspector.default_schema_name == "public"


def test_sqlalchemy_table_names(inspector, objects):
    assert TABLES <= set(inspector.get_table_names())
    assert inspector.get_table_names(schema=objects) == ["kinds"]


def test_sqlalchemy_view_names(inspector, objects):
    assert inspector.get_view_names(schema=objects) == ["some"]
    assert inspector.get_materialized_view_names(schema=objects) == []


def test_sqlalchemy_view_definition(inspector, objects):
    text = inspector.get_view_definition("some", schema=objects)
    assert "n_nationkey < 3" in text and "nation" in text


def test_sqlalchemy_other_names(inspector, objects):
    assert inspector.get_temp_table_names() == inspector.get_temp_view_names() == []
    assert inspector.get_sequence_names(schema=objects) == []
    assert inspector.get_enums(schema=objects) == inspector.get_domains(schema=objects) == []


def test_sqlalchemy_has_table(inspector, objects):
    assert inspector.has_table("nation") and inspector.has_table("some", schema=objects)
    assert not inspector.has_table("does_not_exist") and not inspector.has_table("some")
    assert inspector.has_schema(objects) and not inspector.has_schema("does_not_exist")
    assert not inspector.has_sequence("does_not_exist")
    assert not inspector.has_index("nation", "does_not_exist")


def test_sqlalchemy_columns(inspector):
    columns = {column["name"]: column for column in inspector.get_columns("lineitem")}
    assert list(columns)[:3] == ["l_orderkey", "l_partkey", "l_suppkey"] and len(columns) == 16
    kind = columns["l_extendedprice"]["type"]
    assert isinstance(kind, sa.NUMERIC) and (kind.precision, kind.scale) == (15, 2)
    assert isinstance(columns["l_shipdate"]["type"], sa.DATE)
    assert isinstance(columns["l_comment"]["type"], sa.String)
    assert columns["l_comment"]["default"] is None and columns["l_comment"]["comment"] is None


@pytest.mark.parametrize("name", KINDS)
def test_sqlalchemy_column_kind(inspector, objects, name):
    columns = {column["name"]: column for column in inspector.get_columns("kinds", objects)}
    assert type(columns[name]["type"]) is KINDS[name][1]


@not_yet("a table made of a query knows what is never NULL")
def test_sqlalchemy_columns_may_be_null(inspector, objects):
    assert all(column["nullable"] for column in inspector.get_columns("kinds", objects))


@pytest.mark.parametrize("name", [
    pytest.param(name, marks=[not_yet("varchar(n) and char(n) are text")]
                 if name in ("a_varchar", "a_char") else [])
    for name in OTHER_KINDS])
def test_sqlalchemy_column_kind_of_a_view(automatic, objects, name):
    sql, want = OTHER_KINDS[name]
    with automatic.connect() as connection:
        connection.execute(sa.text(f"CREATE VIEW {objects}.v AS SELECT {sql} AS it"))
        try:
            assert type(sa.inspect(connection).get_columns("v", objects)[0]["type"]) is want
        finally:
            connection.execute(sa.text(f"DROP VIEW {objects}.v"))


def test_sqlalchemy_columns_of_a_view(inspector, objects):
    columns = inspector.get_columns("some", schema=objects)
    assert [column["name"] for column in columns] == ["n_name", "n_nationkey"]
    assert isinstance(columns[1]["type"], sa.Integer)


def test_sqlalchemy_pk_constraint(inspector):
    assert inspector.get_pk_constraint("nation")["constrained_columns"] == []


@pytest.mark.parametrize("what", [
    "foreign_keys", "indexes", "unique_constraints", "check_constraints"])
def test_sqlalchemy_constraints(inspector, what):
    assert getattr(inspector, f"get_{what}")("nation") == []


def test_sqlalchemy_table_comment(inspector):
    assert inspector.get_table_comment("nation") == {"text": None}
    assert not inspector.get_table_options("nation")


def test_sqlalchemy_no_such_table(inspector):
    with pytest.raises(sa.exc.NoSuchTableError):
        inspector.get_columns("does_not_exist")


def test_sqlalchemy_reflects_everything(engine, objects):
    metadata = sa.MetaData()
    metadata.reflect(engine)
    metadata.reflect(engine, schema=objects, views=True)
    assert TABLES | {"py_objects.kinds", "py_objects.some"} <= set(metadata.tables)
    assert len(metadata.tables["customer"].columns) == 8


def test_sqlalchemy_autoload(nation):
    assert nation.columns.keys() == ["n_nationkey", "n_name", "n_regionkey", "n_comment"]


@not_yet("CREATE TABLE with columns")
def test_sqlalchemy_constraints_of_ours(automatic, objects):
    with automatic.connect() as connection:
        for sql in CONSTRAINED.split(";"):
            connection.execute(sa.text(sql))
        try:
            seen = sa.inspect(connection)
            child, parent = ({"schema": objects, "table_name": t} for t in ("child", "parent"))
            assert seen.get_pk_constraint(**parent)["constrained_columns"] == ["a"]
            assert seen.get_unique_constraints(**parent)[0]["column_names"] == ["b"]
            assert seen.get_check_constraints(**parent)[0]["sqltext"] == "c > 0"
            assert seen.get_table_comment(**parent) == {"text": "said of a table"}
            assert seen.get_columns(**parent)[1]["comment"] == "said of a column"
            assert seen.get_columns(**parent)[2]["default"] == "7"
            key = seen.get_foreign_keys(**child)[0]
            assert key["referred_table"] == "parent" and key["options"] == {"ondelete": "CASCADE"}
            index = seen.get_indexes(**child)[0]
            assert index["column_sorting"] == {"parent": ("desc",)}
        finally:
            connection.execute(sa.text(f"DROP TABLE IF EXISTS {objects}.child, {objects}.parent"))

"""How programs use SQLAlchemy: expressions, the ORM, transactions, streams, and what they define.

In: the shared server, by each of three drivers (and asyncpg and psycopg, asynchronously). Out: the
rows and errors of PostgreSQL, against which every test here also passes.
"""

import asyncio
import concurrent.futures
import datetime
import decimal
import uuid

import pytest
import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.ext.asyncio import create_async_engine

from test_client_psycopg2 import not_yet
from test_client_sqlalchemy import automatic, engine, nation, objects  # noqa: F401 (fixtures)
from test_drivers import ERRORS

FIRST = ["ALGERIA", "ARGENTINA", "BRAZIL"]
VALUES = [
    True, 7, 2**40, 0.5, decimal.Decimal("1.25"), "a'b%c:d", b"\x00\xff", None,
    datetime.date(2024, 2, 29), datetime.time(1, 2, 3), datetime.datetime(2024, 2, 29, 1, 2),
    datetime.timedelta(days=1), uuid.UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8"), {"a": [1, None]},
]


class Base(orm.DeclarativeBase):
    """The classes of a program that maps tables which have no keys."""


class Region(Base):
    __tablename__ = "region"
    r_regionkey: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    r_name: orm.Mapped[str]
    nations: orm.Mapped[list["Nation"]] = orm.relationship(back_populates="region")


class Nation(Base):
    __tablename__ = "nation"
    n_nationkey: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    n_name: orm.Mapped[str]
    n_regionkey: orm.Mapped[int] = orm.mapped_column(sa.ForeignKey("region.r_regionkey"))
    region: orm.Mapped[Region] = orm.relationship(back_populates="nations")


@pytest.fixture
def connection(engine):
    with engine.connect() as connected:
        yield connected


def code_of(error):
    """The SQLSTATE, where each driver keeps it."""
    error = error.orig
    kept = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
    return kept or error.args[0]["C"]


# --- expressions -------------------------------------------------------------------------------

@pytest.mark.parametrize("value", VALUES, ids=[type(value).__name__ for value in VALUES])
def test_sqlalchemy_use_parameter(connection, value):
    kind = sa.JSON() if isinstance(value, dict) else None
    assert connection.scalar(sa.select(sa.cast(sa.literal(value, kind), _kind_of(value)))) == value


def _kind_of(value):
    kinds = {dict: sa.JSON, type(None): sa.Integer, int: sa.BigInteger, bytes: sa.LargeBinary}
    return kinds.get(type(value)) or sa.literal(value).type


def test_sqlalchemy_use_where(connection, nation):
    keys = nation.c.n_nationkey
    rows = connection.execute(
        sa.select(nation.c.n_name).where(keys.in_([0, 1, 2]), nation.c.n_name.ilike("%a"))
        .order_by(nation.c.n_name.desc()).limit(1).offset(1)).scalars().all()
    assert rows == ["ALGERIA"]
    assert connection.scalar(sa.select(sa.func.count()).where(keys.in_([]))) == 0
    assert connection.execute(sa.select(sa.exists().where(keys == 3))).scalar() is True


def test_sqlalchemy_use_any_array(connection, nation):
    wanted = sa.any_(sa.cast([1, 3], sa.ARRAY(sa.Integer)))
    rows = connection.execute(sa.select(nation.c.n_name).where(nation.c.n_nationkey == wanted))
    assert {name for name, in rows} == {"ARGENTINA", "CANADA"}


def test_sqlalchemy_use_grouping(engine, connection):
    orders = sa.Table("orders", sa.MetaData(), autoload_with=engine)
    month = sa.func.date_trunc("month", orders.c.o_orderdate).label("month")
    first = connection.execute(
        sa.select(month, sa.func.sum(orders.c.o_totalprice), sa.func.count())
        .where(orders.c.o_orderdate >= datetime.date(1995, 1, 1))
        .group_by("month").having(sa.func.count() > 1).order_by("month")).mappings().first()
    assert first["month"].date() == datetime.date(1995, 1, 1) and first["count"] > 1


def test_sqlalchemy_use_window_cte_case(connection, nation):
    ranked = sa.select(
        nation.c.n_name, sa.func.row_number().over(
            partition_by=nation.c.n_regionkey, order_by=nation.c.n_name).label("place"),
    ).cte("ranked")
    size = sa.case((sa.func.length(ranked.c.n_name) > 6, "long"), else_="short")
    rows = connection.execute(
        sa.select(ranked.c.n_name, size).where(ranked.c.place == 1).order_by(ranked.c.n_name))
    assert rows.all()[:2] == [("ALGERIA", "long"), ("ARGENTINA", "long")]


def test_sqlalchemy_use_union_and_values(connection, nation):
    listed = sa.values(sa.column("k", sa.Integer), sa.column("t", sa.Text), name="listed").data(
        [(1, "one"), (2, "two")])
    query = sa.union_all(
        sa.select(listed.c.t).join(nation, nation.c.n_nationkey == listed.c.k), sa.select(sa.literal("zero")))
    assert sorted(connection.execute(query).scalars()) == ["one", "two", "zero"]


def test_sqlalchemy_use_orm(engine):
    with orm.Session(engine) as session:
        assert session.get(Nation, 3).region.r_name == "AMERICA"
        asia = session.scalars(
            sa.select(Region).where(Region.r_name == "ASIA")
            .options(orm.selectinload(Region.nations))).one()
        assert {nation.n_name for nation in asia.nations} >= {"CHINA", "INDIA", "JAPAN"}
        joined = session.scalars(
            sa.select(Nation).options(orm.joinedload(Nation.region)).order_by(Nation.n_nationkey))
        assert [nation.n_name for nation in joined][:3] == FIRST


# --- connections -------------------------------------------------------------------------------

@pytest.mark.parametrize("sql, code", ERRORS, ids=[sql for sql, _ in ERRORS])
def test_sqlalchemy_use_error(connection, sql, code):
    with pytest.raises(sa.exc.DBAPIError) as caught:
        connection.execute(sa.text(sql))
    assert code_of(caught.value) == code
    connection.rollback()
    assert connection.scalar(sa.text("SELECT 1")) == 1


def test_sqlalchemy_use_transaction(engine):
    with pytest.raises(sa.exc.DBAPIError), engine.begin() as connection:
        connection.execute(sa.text("SELECT 1 / 0"))
    with engine.begin() as connection:
        assert connection.scalar(sa.text("SELECT 1")) == 1
    with engine.connect() as connection:
        connection.execute(sa.text("SET LOCAL application_name = 'for a while'"))
        connection.rollback()
        assert connection.scalar(sa.text("SHOW application_name")) != "for a while"


def test_sqlalchemy_use_savepoint(connection):
    for sql in ("SELECT 1 / 0", "SELECT * FROM does_not_exist"):
        with pytest.raises(sa.exc.DBAPIError), connection.begin_nested():
            connection.execute(sa.text(sql))
        with connection.begin_nested() as inner:
            assert connection.scalar(sa.text("SELECT 2")) == 2
            inner.rollback()
    connection.commit()


@pytest.mark.parametrize("level", [
    "READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE", "AUTOCOMMIT"])
def test_sqlalchemy_use_isolation_level(engine, level):
    with engine.connect().execution_options(isolation_level=level) as connection:
        shown = connection.scalar(sa.text("SHOW transaction_isolation")).upper()
        assert shown == ("READ COMMITTED" if level == "AUTOCOMMIT" else level)
    with engine.connect() as connection:
        assert connection.get_isolation_level() == "READ COMMITTED"


def test_sqlalchemy_use_read_only(engine):
    options = {"postgresql_readonly": True, "postgresql_deferrable": True,
               "isolation_level": "SERIALIZABLE"}
    with engine.connect().execution_options(**options) as connection:
        assert connection.scalar(sa.text("SHOW transaction_read_only")) == "on"


def test_sqlalchemy_use_stream(connection):
    stream = connection.execution_options(stream_results=True, max_row_buffer=100)
    result = stream.execute(sa.text("SELECT l_orderkey FROM lineitem LIMIT 3000"))
    assert sum(len(part) for part in result.partitions(700)) == 3000
    result = connection.execution_options(yield_per=50).execute(
        sa.text("SELECT l_orderkey FROM lineitem WHERE l_orderkey > :key"), {"key": 7})
    assert len(result.fetchmany(120)) == 120
    result.close()


def test_sqlalchemy_use_pool(engine):
    made = sa.create_engine(engine.url, pool_size=4, max_overflow=2, pool_pre_ping=True)

    def work(number):
        with made.connect() as connection:
            return connection.scalar(sa.select(sa.literal(number) * 2))

    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        assert list(threads.map(work, range(60))) == [number * 2 for number in range(60)]
    made.dispose()


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
def test_sqlalchemy_use_asynchronous(server, driver):
    async def run():
        url = sa.make_url(server.uri).set(drivername=f"postgresql+{driver}")
        made = create_async_engine(url)
        async with made.connect() as connected:
            names = await connected.run_sync(lambda c: sa.inspect(c).get_table_names())
            assert "nation" in names
            stream = await connected.stream(
                sa.text("SELECT n_name FROM nation WHERE n_nationkey < :k ORDER BY 1"), {"k": 3})
            assert [row[0] async for row in stream] == FIRST
        await made.dispose()

    asyncio.run(run())


# --- definitions -------------------------------------------------------------------------------

def make_and_drop(connection, nation):
    few = sa.select(nation.c.n_name).where(nation.c.n_nationkey < 3).order_by(nation.c.n_name)
    view, table = sa.CreateView(few, "py_view"), sa.CreateTableAs(few, "py_table")
    connection.execute(view)
    connection.execute(table)
    for made in (view.table, table.table):
        assert connection.scalars(sa.select(made.c.n_name)).all() == FIRST
    connection.execute(sa.schema.DropView(view.table))
    connection.execute(sa.schema.DropTable(table.table))


def test_sqlalchemy_use_defines(automatic, nation):
    with automatic.connect() as connection:
        make_and_drop(connection, nation)
        assert not sa.inspect(connection).has_table("py_view")


def test_sqlalchemy_use_defines_in_a_transaction(engine, nation):
    with engine.begin() as connection:
        make_and_drop(connection, nation)


@not_yet("CREATE TABLE with columns")
def test_sqlalchemy_use_creates_and_writes(engine):
    metadata = sa.MetaData()
    table = sa.Table("py_written", metadata, sa.Column("a", sa.Integer, primary_key=True),
                     sa.Column("b", sa.String(10)), sa.Column("c", sa.JSON))
    metadata.create_all(engine)
    try:
        with engine.begin() as connection:
            new = [{"b": f"row {number}", "c": {"n": number}} for number in range(30)]
            keys = connection.execute(sa.insert(table).returning(table.c.a), new).scalars().all()
            assert len(keys) == 30
            connection.execute(sa.update(table).where(table.c.a == keys[0]).values(b="new"))
            connection.execute(sa.delete(table).where(table.c.a == keys[1]))
            assert connection.scalar(sa.select(sa.func.count()).select_from(table)) == 29
    finally:
        metadata.drop_all(engine)

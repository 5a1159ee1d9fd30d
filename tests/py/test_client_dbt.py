"""dbt-core with dbt-postgres: each of its commands on the project in tests/clients/dbt/project.

Every test runs what it needs itself, so that one that fails takes no other with it. What dbt
made is then read by psycopg, and compared with a query over the demo tables.
"""

import json
import os
import select
import subprocess

import pytest
from psycopg.conninfo import conninfo_to_dict

import tools
from conftest import AGAINST_POSTGRES
from process import die_with_parent

PROJECT = tools.CLIENTS / "dbt" / "project"
SCHEMA = "shop"
DEADLINE_S = 240
NATIONS = "SELECT n_nationkey, n_name, r_name FROM nation JOIN region ON r_regionkey = n_regionkey"
REVENUE = """
    SELECT n_name, sum(o_totalprice) FROM nation JOIN customer ON c_nationkey = n_nationkey
    JOIN orders ON o_custkey = c_custkey GROUP BY n_name"""
DAYS = "SELECT o_orderdate, count(*) FROM orders WHERE o_orderdate <= DATE '{}' GROUP BY 1"


def not_yet(reason):
    return pytest.mark.xfail(not AGAINST_POSTGRES, strict=True, reason=reason)


class Dbt:
    """Runs dbt for one server, in a schema of its own."""

    def __init__(self, server, folder):
        self.server = server
        self.folder = folder
        parts = conninfo_to_dict(server.uri)
        self.environment = {
            **os.environ, "SHOP_HOST": parts["host"], "SHOP_PORT": parts["port"],
            "SHOP_USER": parts["user"], "SHOP_PASSWORD": parts["password"],
            "SHOP_DATABASE": parts["dbname"], "SHOP_SCHEMA": SCHEMA,
            "DBT_PROJECT_DIR": str(PROJECT), "DBT_PROFILES_DIR": str(PROJECT),
            "DBT_TARGET_PATH": str(folder / "target"), "DBT_LOG_PATH": str(folder / "logs")}

    def __enter__(self):
        self.process = subprocess.Popen(
            [tools.bin_folder("dbt") / "python", tools.CLIENTS / "dbt" / "runner.py"],
            env=self.environment, cwd=self.folder, text=True, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, preexec_fn=die_with_parent)
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(60)

    def run(self, *command, fails=False):
        """What `dbt COMMAND` printed; it must succeed (or fail)."""
        output = self.folder / "output"
        print(json.dumps([str(output), command]), file=self.process.stdin, flush=True)
        if not select.select([self.process.stdout], [], [], DEADLINE_S)[0]:
            self.process.kill()
        answer = self.process.stdout.readline().strip()
        printed = output.read_text()
        assert answer == ("failure" if fails else "success"), printed[-4000:]
        return printed

    def read(self, query):
        """The rows of a query, sorted."""
        with self.server.connect() as connection:
            return sorted(connection.execute(query).fetchall())

    def made(self, name):
        """The rows of what dbt made."""
        return self.read(f"SELECT * FROM {SCHEMA}.{name}")

    def kind(self, name):
        """BASE TABLE or VIEW."""
        with self.server.connect() as connection:
            return connection.execute(
                "SELECT table_type FROM information_schema.tables"
                " WHERE table_schema = %s AND table_name = %s", (SCHEMA, name)).fetchone()[0]

    def artifact(self, name):
        return json.loads((self.folder / "target" / name).read_text())


@pytest.fixture(scope="module")
def dbt(server, tmp_path_factory):
    with Dbt(server, tmp_path_factory.mktemp("dbt")) as started:
        yield started
    with server.connect() as connection:
        connection.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")


# --- commands that make nothing -----------------------------------------------------------------

def test_debug(dbt):
    assert "All checks passed!" in dbt.run("debug")


def test_list(dbt):
    assert "shop.nations" in dbt.run("list", "--resource-type", "model").split()


def test_compile(dbt):
    printed = dbt.run("compile", "--select", "nations")
    parts = conninfo_to_dict(dbt.server.uri)
    assert f'from "{parts["dbname"]}"."public"."nation" as n' in printed


def test_show(dbt):
    printed = dbt.run("show", "--inline", "select * from {{ source('demo', 'region') }}",
                      "--output", "json", "--limit", "3")
    shown = json.loads(printed[printed.index("{\n"):])["show"]
    assert len(shown) == 3 and set(shown[0]) == {"r_regionkey", "r_name", "r_comment"}


def test_source_freshness(dbt):
    dbt.run("source", "freshness")
    result, = dbt.artifact("sources.json")["results"]
    assert result["status"] == "pass" and result["max_loaded_at"].startswith("1998-08-02")


def test_run_operation_queries(dbt):
    assert "nations: 25" in dbt.run("run-operation", "report_nations")


def test_run_operation_lists_relations(dbt):
    assert "relation: nation table" in dbt.run("run-operation", "report_relations")


# --- models -------------------------------------------------------------------------------------

def test_run_view(dbt):
    dbt.run("run", "--select", "nations")
    assert dbt.made("nations") == dbt.read(NATIONS)
    assert dbt.kind("nations") == "VIEW"


def test_run_view_again(dbt):
    """The old view is renamed, the new one takes its name, the old one goes."""
    for _ in range(2):
        dbt.run("run", "--select", "nations")
    assert dbt.made("nations") == dbt.read(NATIONS)


def test_run_table(dbt):
    dbt.run("run", "--select", "+revenue")
    assert dbt.made("revenue") == dbt.read(REVENUE)
    assert dbt.kind("revenue") == "BASE TABLE"


def test_run_table_again(dbt):
    for _ in range(2):
        dbt.run("run", "--select", "+revenue")
    assert dbt.made("revenue") == dbt.read(REVENUE)


def test_run_view_under_table(dbt):
    """A view that is replaced while another reads it: DROP ... CASCADE takes both."""
    for _ in range(2):
        dbt.run("run", "--select", "+large_regions")
    assert dbt.made("large_regions") == dbt.read("SELECT r_name FROM region")


def test_run_failing_model_leaves_the_old_one(dbt):
    dbt.run("run", "--select", "region_ranks", "--vars", "rank_of_asia: 2")
    dbt.run("run", "--select", "region_ranks", "--vars", "rank_of_asia: no_such_column", fails=True)
    assert [row[2] for row in dbt.made("region_ranks")] == [9, 9, 2, 9, 9]


def test_run_contract(dbt):
    dbt.run("run", "--select", "regions_contracted")
    assert dbt.made("regions_contracted") == dbt.read("SELECT r_regionkey, r_name FROM region")


def test_run_index(dbt):
    dbt.run("run", "--select", "customers_indexed")
    assert len(dbt.made("customers_indexed")) == 100


def test_run_comments(dbt):
    dbt.run("run", "--select", "nations_commented")
    assert dbt.read(f"SELECT obj_description('{SCHEMA}.nations_commented'::regclass, 'pg_class')"
                    ) == [("Only the keys; it's said in the catalog too.",)]


def test_run_grants(dbt):
    dbt.run("run", "--select", "nations_granted")
    assert len(dbt.made("nations_granted")) == 25


def test_run_materialized_view(dbt):
    for _ in range(2):  # makes it, refreshes it
        dbt.run("run", "--select", "regions_kept")
    assert dbt.made("regions_kept") == dbt.read("SELECT r_regionkey, r_name FROM region")


def test_run_incremental_first(dbt):
    dbt.run("run", "--select", "days_by_append", "--full-refresh")
    assert dbt.made("days_by_append") == dbt.read(DAYS.format("1992-01-10"))


def test_run_incremental_append(dbt):
    dbt.run("run", "--select", "days_by_append", "--full-refresh")
    dbt.run("run", "--select", "days_by_append", "--vars", "last_day: '1992-01-20'")
    got = dbt.made("days_by_append")  # the last day of the first run is there twice
    assert len(got) == len(dbt.read(DAYS.format("1992-01-20"))) + 1


def test_run_incremental_delete_insert(dbt):
    dbt.run("run", "--select", "days_by_delete", "--full-refresh")
    dbt.run("run", "--select", "days_by_delete", "--vars", "last_day: '1992-01-20'")
    assert dbt.made("days_by_delete") == dbt.read(DAYS.format("1992-01-20"))


def test_run_incremental_merge(dbt):
    dbt.run("run", "--select", "days_by_merge", "--full-refresh")
    dbt.run("run", "--select", "days_by_merge", "--vars", "last_day: '1992-01-20'")
    assert dbt.made("days_by_merge") == dbt.read(DAYS.format("1992-01-20"))


# --- seeds and snapshots ------------------------------------------------------------------------

SEED = f"SELECT segment, rank, share::text, since::text FROM {SCHEMA}.segments"
SEGMENTS = [("BUILDING", 1, "0.25", "2020-01-31"), ("HOUSEHOLD", 3, None, "2022-03-31"),
            ("MACHINERY", 2, "0.125", "2021-02-28")]


def test_seed(dbt):
    dbt.run("seed", "--full-refresh")
    assert dbt.read(SEED) == SEGMENTS


def test_seed_again(dbt):
    dbt.run("seed", "--full-refresh")
    dbt.run("seed")
    assert dbt.read(SEED) == SEGMENTS


def test_snapshot_first(dbt):
    dbt.run("build", "--select", "region_ranks", "region_ranks_kept")
    assert len(dbt.made("region_ranks_kept")) >= 5


def test_snapshot_again(dbt):
    """The row that changed is closed, and follows in its new state."""
    for rank in (1, 2):
        dbt.run("build", "--select", "region_ranks", "region_ranks_kept",
                "--vars", f"rank_of_asia: {rank}")
    assert dbt.read(f"SELECT region, rank, dbt_valid_to IS NULL FROM {SCHEMA}.region_ranks_kept"
                    " WHERE region = 'ASIA' AND rank <= 2 ORDER BY dbt_valid_from DESC LIMIT 2"
                    ) == [("ASIA", 1, False), ("ASIA", 2, True)]


# --- tests, documentation, all at once ----------------------------------------------------------

def test_test_sources(dbt):
    assert "PASS=4 WARN=0 ERROR=0" in dbt.run("test", "--select", "source:*",
                                              "--exclude", "revenue_adds_up")


def test_test_models(dbt):
    dbt.run("run", "--select", "+revenue")
    assert "PASS=5 WARN=0 ERROR=0" in dbt.run(
        "test", "--select", "nations", "revenue", "--exclude", "test_type:unit")


def test_test_unit(dbt):
    dbt.run("run", "--select", "+revenue")
    assert "PASS=1 WARN=0 ERROR=0" in dbt.run("test", "--select", "test_type:unit")


def test_docs_generate(dbt):
    dbt.run("run", "--select", "+revenue")
    dbt.run("docs", "generate")
    catalog = dbt.artifact("catalog.json")
    assert not catalog["errors"]
    revenue = catalog["nodes"]["model.shop.revenue"]
    assert revenue["metadata"]["type"] == "BASE TABLE"
    assert list(revenue["columns"]) == ["nation", "revenue"]
    assert revenue["columns"]["nation"]["type"] == "text"
    assert catalog["nodes"]["model.shop.nations"]["metadata"]["type"] == "VIEW"
    assert "n_comment" in catalog["sources"]["source.shop.demo.nation"]["columns"]


def test_build(dbt):
    """Seeds, models, snapshots and tests, in their order."""
    dbt.run("build")
    results = dbt.artifact("run_results.json")["results"]
    assert {one["status"] for one in results} == {"success", "pass"} and len(results) > 20

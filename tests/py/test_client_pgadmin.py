"""pgAdmin 4 in desktop mode: its tree, its dialogs' data, its query tool, and its pages.

pgAdmin's page asks its own server by REST for what it shows, and that asks the database. The
first part of the tests asks the same questions; the second part looks at the page in Chromium.
"""

import json

import pytest

import debian
import web
from conftest import AGAINST_POSTGRES
from pgadmin import PgAdmin, QueryTool
from process import wait_busy
from test_slow_and_cancel import COMPUTE

EXPLAIN = {"format": "json", "analyze": False, "verbose": False, "costs": False,
           "buffers": False, "timing": False, "summary": False, "settings": False, "wal": False}


def not_yet(reason):
    return pytest.mark.xfail(not AGAINST_POSTGRES, strict=True, reason=reason)


@pytest.fixture(scope="module")
def running(server, tmp_path_factory):
    """pgAdmin, not connected yet; and a view to be shown."""
    with server.connect() as connection:
        connection.execute("DROP VIEW IF EXISTS pgadmin_view")
        connection.execute("CREATE VIEW pgadmin_view AS SELECT n_name FROM nation")
    try:
        with PgAdmin(server, tmp_path_factory.mktemp("pgadmin")) as started:
            started.connected = started.connect()
            yield started
    finally:
        with server.connect() as connection:
            connection.execute("DROP VIEW IF EXISTS pgadmin_view")


@pytest.fixture(scope="module")
def pgadmin(running):
    """The database is connected and the path to the tables known."""
    running.did = running.nodes("database")[running.database["dbname"]]
    running.ask("POST", f"/browser/database/connect/1/{running.sid}/{running.did}")
    running.public = (running.did, running.nodes("schema", running.did)["public"])
    return running


@pytest.fixture(scope="module")
def nation(pgadmin):
    """The path to the table."""
    return (*pgadmin.public, pgadmin.nodes("table", *pgadmin.public)["nation"])


@pytest.fixture(scope="module")
def view(pgadmin):
    return (*pgadmin.public, pgadmin.nodes("view", *pgadmin.public)["pgadmin_view"])


# --- the tree -----------------------------------------------------------------------------------

def test_connect(running):
    data = running.connected["data"]
    assert data["connected"] and data["server_type"] == "pg" and data["version"] >= 150000
    assert data["user"]["name"] == running.database["user"]


def test_tree_databases(running):
    assert running.database["dbname"] in running.nodes("database")


def test_tree_roles(running):
    assert running.database["user"] in running.nodes("role")


def test_tree_tablespaces(running):
    assert "pg_default" in running.nodes("tablespace")


@pytest.mark.parametrize("kind", (
    "schema", "catalog", "cast", "event_trigger", "extension", "foreign_data_wrapper", "language",
    "publication", "subscription"))
def test_tree_below_database(pgadmin, kind):
    shown = pgadmin.nodes(kind, pgadmin.did)
    if kind == "schema":
        assert "public" in shown
    elif kind == "catalog":
        assert {"ANSI (information_schema)", "PostgreSQL Catalog (pg_catalog)"} <= set(shown)
    elif kind not in ("extension", "language"):
        assert shown == {}


@pytest.mark.parametrize("kind", (
    "aggregate", "collation", "domain", "foreign_table", "fts_configuration", "fts_dictionary",
    "fts_parser", "fts_template", "function", "mview", "operator", "procedure", "sequence",
    "table", "trigger_function", "type", "view"))
def test_tree_below_schema(pgadmin, kind):
    shown = pgadmin.nodes(kind, *pgadmin.public)
    if kind == "table":
        assert {"nation", "lineitem", "orders"} <= set(shown)
    elif kind == "view":
        assert "pgadmin_view" in shown
    else:
        assert shown == {}


def test_tree_functions_of_the_catalog(pgadmin):
    catalog = pgadmin.nodes("catalog", pgadmin.did)["PostgreSQL Catalog (pg_catalog)"]
    shown = pgadmin.nodes("function", pgadmin.did, catalog)
    assert any(label.startswith("current_setting(") for label in shown)


def test_tree_columns(pgadmin, nation):
    assert list(pgadmin.nodes("column", *nation)) == [
        "n_nationkey", "n_name", "n_regionkey", "n_comment"]


def test_tree_columns_of_a_view(pgadmin, view):
    assert list(pgadmin.nodes("column", *view)) == ["n_name"]


@pytest.mark.parametrize("kind", (
    "exclusion_constraint", "foreign_key", "index", "partition", "primary_key",
    "row_security_policy", "rule", "trigger", "unique_constraint"))
def test_tree_below_table(pgadmin, nation, kind):
    assert pgadmin.nodes(kind, *nation) == {}


# --- what the panels beside the tree show -------------------------------------------------------

def test_properties_of_server(pgadmin):
    got = pgadmin.get(f"/browser/server/obj/1/{pgadmin.sid}")
    assert got["connected"] and got["version"].startswith("PostgreSQL ")


def test_properties_of_database(pgadmin):
    got = pgadmin.properties("database", pgadmin.did)
    assert got["name"] == pgadmin.database["dbname"] and got["encoding"] == "UTF8"


def test_properties_of_role(pgadmin):
    role = pgadmin.nodes("role")[pgadmin.database["user"]]
    assert pgadmin.properties("role", role)["rolcanlogin"] is True


def test_properties_of_schema(pgadmin):
    assert pgadmin.properties("schema", *pgadmin.public)["name"] == "public"


def test_properties_of_table(pgadmin, nation):
    got = pgadmin.properties("table", *nation)
    assert (got["name"], got["schema"]) == ("nation", "public")
    assert [column["name"] for column in got["columns"]][:2] == ["n_nationkey", "n_name"]


def test_properties_of_column(pgadmin, nation):
    column = pgadmin.nodes("column", *nation)["n_name"]
    got = pgadmin.properties("column", *nation, column)
    assert (got["name"], got["cltype"], got["attnotnull"]) == ("n_name", "text", False)


def test_properties_of_view(pgadmin, view):
    got = pgadmin.properties("view", *view)
    assert got["name"] == "pgadmin_view" and "n_name" in got["definition"]


def path(pgadmin, ids):
    return "/".join(map(str, (1, pgadmin.sid, *ids)))


def test_sql_of_table(pgadmin, nation):
    text = pgadmin.get(f"/browser/table/sql/{path(pgadmin, nation)}")
    assert "TABLE IF EXISTS public.nation" in text and "n_name text" in text


def test_sql_of_view(pgadmin, view):
    text = pgadmin.get(f"/browser/view/sql/{path(pgadmin, view)}")
    assert "VIEW public.pgadmin_view" in text and "n_name" in text


def test_statistics_of_table(pgadmin, nation):
    columns = pgadmin.get(f"/browser/table/stats/{path(pgadmin, nation)}")["data"]["columns"]
    assert "Sequential scans" in [column["name"] for column in columns]


def test_statistics_of_database(pgadmin):
    columns = pgadmin.get(f"/browser/database/stats/1/{pgadmin.sid}")["data"]["columns"]
    assert "Database" in [column["name"] for column in columns]


def test_dependencies_of_table(pgadmin, nation):
    got = pgadmin.get(f"/browser/table/dependency/{path(pgadmin, nation)}")
    assert ("schema", "public") in [(one["type"], one["name"]) for one in got]


def test_dependents_of_table(pgadmin, nation):
    got = pgadmin.get(f"/browser/table/dependent/{path(pgadmin, nation)}")
    assert any("pgadmin_view" in one["name"] for one in got)


def test_count_rows(pgadmin, nation):
    got = pgadmin.get(f"/browser/table/count_rows/{path(pgadmin, nation)}")
    assert got["data"]["total_rows"] == "25"


def test_search_objects(pgadmin):
    got = pgadmin.get(f"/search_objects/search/{pgadmin.sid}/{pgadmin.did}",
                      params={"text": "pgadmin_v", "type": "all"})
    assert [(one["name"], one["type"]) for one in got["data"]] == [("pgadmin_view", "view")]


# --- the dashboard ------------------------------------------------------------------------------

@pytest.mark.parametrize("chart", (
    "session_stats", "tps_stats", "ti_stats", "to_stats", "bio_stats"))
def test_dashboard_chart(pgadmin, chart):
    got = pgadmin.get(f"/dashboard/dashboard_stats/{pgadmin.sid}/{pgadmin.did}",
                      params={"chart_names": chart})
    assert got[chart] and all(isinstance(value, int) for value in got[chart].values())


def test_dashboard_sessions(pgadmin):
    activity = pgadmin.get(f"/dashboard/activity/{pgadmin.sid}/{pgadmin.did}")[0]["activity"]
    assert any(row["application_name"].startswith("pgAdmin 4") for row in activity)


@pytest.mark.parametrize("table", ("locks", "prepared"))
def test_dashboard_table(pgadmin, table):
    assert isinstance(pgadmin.get(f"/dashboard/{table}/{pgadmin.sid}/{pgadmin.did}"), list)


def test_dashboard_configuration(pgadmin):
    settings = pgadmin.get(f"/dashboard/config/{pgadmin.sid}")
    assert "statement_timeout" in [one["name"] for one in settings]


# --- the query tool -----------------------------------------------------------------------------

def test_query(pgadmin):
    with pgadmin.query_tool() as tool:
        got = tool.run("SELECT n_nationkey, n_name FROM nation ORDER BY 1")
    assert [column["name"] for column in got["colinfo"]] == ["n_nationkey", "n_name"]
    assert got["result"][:2] == [[0, "ALGERIA"], [1, "ARGENTINA"]] and len(got["result"]) == 25


def test_query_types(pgadmin):
    with pgadmin.query_tool() as tool:
        got = tool.run("SELECT true AS b, 1.50::numeric(10,2) AS n, '2024-02-29'::date AS d,"
                       " ARRAY[1,2] AS a, '\\x00ff'::bytea AS y, NULL::text AS z")
    assert got["result"] == [[True, "1.50", "2024-02-29", "{1,2}", "binary data", None]]
    assert [column["type_name"] for column in got["colinfo"]] == [
        "boolean", "numeric", "date", "integer[]", "bytea", "text"]


def test_query_many_rows(pgadmin):
    """The page fetches the rest when the reader scrolls."""
    with pgadmin.query_tool() as tool:
        got = tool.run("SELECT o_orderkey FROM orders ORDER BY 1 LIMIT 5000")
        assert len(got["result"]) == 1000 and got["rows_affected"] == 5000
        window = pgadmin.get(f"/sqleditor/fetch_window/{tool.id}/1001/2000")["data"]
    assert window["status"] == "Success" and len(window["result"]) == 1000
    assert window["result"][0] > got["result"][-1]


def test_query_by_server_cursor(pgadmin):
    with pgadmin.query_tool(server_cursor=True) as tool:
        got = tool.run("SELECT o_orderkey FROM orders ORDER BY 1")
        window = pgadmin.get(f"/sqleditor/fetch_window/{tool.id}/1001/2000")["data"]
    assert len(got["result"]) == 1000 and window["result"][0] > got["result"][-1]


def test_query_error(pgadmin):
    with pgadmin.query_tool() as tool:
        with pytest.raises(AssertionError) as caught:
            tool.run("SELECT no_such_column FROM nation")
    assert 'column \\"no_such_column\\" does not exist' in str(caught.value)
    assert "SQL state: 42703" in str(caught.value) and "Character: 8" in str(caught.value)


def test_query_transaction(pgadmin):
    """With "auto commit" off the tool begins a transaction; ROLLBACK is a button."""
    with pgadmin.query_tool() as tool:
        pgadmin.ask("POST", f"/sqleditor/auto_commit/{tool.id}", json=False)
        assert tool.run("SELECT 1")["transaction_status"] == 2
        tool.run("ROLLBACK")
        assert tool.run("COMMIT")["transaction_status"] == 0


def test_query_several_statements(pgadmin):
    with pgadmin.query_tool() as tool:
        assert tool.rows("SELECT 1; SELECT 2 AS last") == [[2]]


def test_query_create_and_drop(pgadmin):
    with pgadmin.query_tool() as tool:
        tool.run("CREATE TABLE pgadmin_made AS SELECT * FROM nation")
        try:
            assert "pgadmin_made" in pgadmin.nodes("table", *pgadmin.public)
        finally:
            tool.run("DROP TABLE pgadmin_made")
    assert "pgadmin_made" not in pgadmin.nodes("table", *pgadmin.public)


@pytest.mark.parametrize("analyze", (False, True), ids=["explain", "analyze"])
def test_query_explain(pgadmin, analyze):
    with pgadmin.query_tool() as tool:
        got = tool.run("SELECT count(*) FROM nation", {**EXPLAIN, "analyze": analyze})
    assert "Node Type" in json.loads(got["result"][0][0])[0]["Plan"]


def test_query_cancel(pgadmin, server):
    with pgadmin.query_tool() as tool:
        (backend,), = tool.rows("SELECT pg_backend_pid()")
        tool.start(COMPUTE)
        wait_busy(server.worker_pid(backend))
        assert pgadmin.ask("POST", f"/sqleditor/cancel/{tool.id}")["data"]["status"]
        with pytest.raises(AssertionError) as caught:
            tool.answer()
        assert "canceling statement due to user request" in str(caught.value)
        assert tool.rows("SELECT 1") == [[1]]


def test_query_download(pgadmin):
    with pgadmin.query_tool() as tool:
        query = "SELECT r_regionkey, r_name FROM region ORDER BY 1"
        tool.run(query)
        answer = pgadmin.http.post(f"{pgadmin.url}/sqleditor/query_tool/download/{tool.id}",
                                   data={"query": query, "query_commited": "true"}, timeout=60)
    assert answer.text.splitlines()[:2] == ['"r_regionkey","r_name"', '0,"AFRICA"']


def test_query_autocomplete(pgadmin):
    with pgadmin.query_tool() as tool:
        text = "SELECT * FROM nati"
        got = pgadmin.ask("POST", f"/sqleditor/autocomplete/{tool.id}", json=[text, text])
    assert "nation" in got["data"]["result"]


def test_view_data(pgadmin, nation):
    """"View/Edit Data - All Rows" of a table."""
    tool = QueryTool(pgadmin, 77)
    ids = f"{path(pgadmin, nation[:1])}/{nation[-1]}"
    pgadmin.ask("POST", f"/sqleditor/initialize/viewdata/{tool.id}/3/table/{ids}",
                json={"user": pgadmin.database["user"], "dbname": pgadmin.database["dbname"]})
    pgadmin.get(f"/sqleditor/view_data/start/{tool.id}")
    got = tool.answer()
    pgadmin.ask("DELETE", f"/sqleditor/close/{tool.id}")
    assert len(got["result"]) == 25
    assert [column["name"] for column in got["colinfo"]][:2] == ["n_nationkey", "n_name"]


# --- the page -----------------------------------------------------------------------------------

PATH = ("Servers", "tested", "Databases", None, "Schemas", "public")


@pytest.fixture(scope="module")
def page(pgadmin, tmp_path_factory):
    """pgAdmin's page, with the tree open down to the schema."""
    try:
        with web.Browser(web.pictures_folder(tmp_path_factory, "pgadmin")) as browser:
            browser.driver.get(f"{pgadmin.url}/?key={pgadmin.key}")
            for label in PATH:
                expand(browser, label or pgadmin.database["dbname"])
            yield browser
    except debian.Missing as missing:
        pytest.skip(str(missing))


def entry(browser, label):
    """The line of the tree with that label."""

    def found(driver):
        for line in driver.find_elements("css selector", ".file-entry"):
            if line.find_element("css selector", ".file-name").text == label:
                return line
        return None

    return browser.wait(f"{label} in the tree", found)


def expand(browser, label):
    """Opens a node of the tree, if it is not open."""
    toggle = entry(browser, label).find_element("css selector", ".directory-toggle")
    if "open" not in toggle.get_attribute("class").split():
        toggle.click()


def select(browser, label, tab):
    """Chooses a node, and the panel beside the tree."""
    entry(browser, label).find_element("css selector", ".file-name").click()
    browser.click(".dock-tab", tab)


@pytest.fixture
def frame(page):
    """A query tool opened from the tree; the browser is inside its frame."""
    entry(page, "nation").find_element("css selector", ".file-name").click()
    page.click("button[aria-label='Query Tool']")
    page.driver.switch_to.frame(page.find("iframe"))
    yield page
    page.driver.switch_to.default_content()


def test_page_tree(page):
    expand(page, "Tables")
    expand(page, "nation")
    expand(page, "Columns")
    for label in ("customer", "lineitem", "n_nationkey", "n_comment"):
        entry(page, label)
    page.see("tree")


def test_page_sql_of_a_table(page):
    expand(page, "Tables")
    select(page, "nation", "SQL")
    page.find(".cm-content", "n_nationkey")
    page.see("sql")


def test_page_properties_of_a_table(page):
    expand(page, "Tables")
    select(page, "nation", "Properties")
    page.wait("the name of the table", lambda driver: "nation" in [
        field.get_attribute("value") for field in driver.find_elements("css selector", "input")])
    page.see("properties")


def test_page_dashboard(page, pgadmin):
    select(page, pgadmin.database["dbname"], "Dashboard")
    page.find("body", "Database sessions")
    page.click("[role=tab]", "State")
    page.find("[role=row]", "pgAdmin 4 - DB")
    page.see("dashboard")


def test_page_query_tool(frame):
    frame.find(".cm-content").send_keys("SELECT n_name FROM nation ORDER BY 1")
    frame.click("button[data-label='Execute script'], button[aria-label='Execute script']")
    frame.find("[role=gridcell]", "ALGERIA")
    frame.see("query")

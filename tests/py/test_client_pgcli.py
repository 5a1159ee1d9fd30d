"""pgcli: what it asks to complete names, its backslash commands, and the program at a terminal.

In: the shared server. Out: names offered, tables shown, text on the terminal; every test here
also passes against PostgreSQL.
"""

import os
import pathlib
import pty
import re
import select
import subprocess
import sys

import pytest
from prompt_toolkit.document import Document
from psycopg.conninfo import conninfo_to_dict

from process import wait_until
from test_client_psycopg2 import not_yet

# Without its pager and colours, and with no look at the local time zone of this machine.
CONFIG = """
[main]
enable_pager = False
less_chatty = True
use_local_timezone = False
keyring = False
on_error = RESUME
"""
# (command, what it must show)
COMMANDS = [
    (r"\d", "lineitem"), (r"\d nation", "n_nationkey"), (r"\d+ nation", "n_nationkey"),
    (r"\d py_names", "n_name"), (r"\d+ py_names", "View definition"), ("describe nation", "n_name"),
    (r"\dt", "lineitem"), (r"\dt+", "lineitem"), (r"\dt public.nat*", "nation"),
    (r"\dv", "py_names"), (r"\dv+", "py_names"), (r"\dn", "public"), (r"\dn+", "public"),
    (r"\l", "DATABASE"), (r"\l+", "DATABASE"), (r"\du", "mobula"), (r"\du+", "mobula"),
    (r"\dm", ""), (r"\ds", ""), (r"\di", ""), (r"\dE", ""), (r"\db", "pg_default"),
    (r"\db+", "pg_default"), (r"\df", ""), (r"\df+", ""), (r"\df pg_catalog.abs", "abs"),
    (r"\dT", ""), (r"\dT+", ""), (r"\dT pg_catalog.int4", "integer"), (r"\dD", ""), (r"\dD+", ""), (r"\dF", ""),
    (r"\dx", "plpgsql"), (r"\dx+", ""), (r"\dp", "lineitem"), (r"\z nation", "nation"),
    (r"\ddp", ""), (r"\x", "Expanded"), (r"\timing", "Timing"), (r"\?", "List tables"),
    (r"\h SELECT", "WITH"), (r"\sf version", "FUNCTION pg_catalog.version"),
    (r"\d does_not_exist", "Did not find any relation named does_not_exist"),
]


@pytest.fixture(scope="module")
def view(server):
    """A view beside the demo tables."""
    with server.connect() as connection:
        connection.execute("CREATE VIEW py_names AS SELECT n_name FROM nation")
        yield
        connection.execute("DROP VIEW py_names")


@pytest.fixture(scope="module")
def executor(server, view):
    from pgcli.pgexecute import PGExecute
    made = PGExecute(dsn=server.uri, application_name="pgcli")
    yield made
    made.conn.close()


@pytest.fixture(scope="module")
def special():
    from pgspecial.main import PGSpecial
    return PGSpecial()


@pytest.fixture
def pgcli(server, view, tmp_path):
    """The command line that starts the program, with its own home below this test's folder."""
    config = tmp_path / "config"
    config.write_text(CONFIG)
    environment = {
        **os.environ, "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path), "TERM": "xterm",
        "COLUMNS": "120", "LINES": "40", "PROMPT_TOOLKIT_NO_CPR": "1"}
    program = pathlib.Path(sys.executable).with_name("pgcli")
    return [str(program), server.uri, "--pgclirc", str(config), "--prompt", "ready> "], environment


def shown(executor, special, command):
    """All that a command answers, as one text."""
    answers = []
    for title, rows, headers, status, _sql, success, _is_special in executor.run(command, special):
        assert success, status
        answers += [str(title), str(headers), str(status), *(str(row) for row in rows or [])]
    return "\n".join(answers)


# --- completion --------------------------------------------------------------------------------

def test_pgcli_completion_refresh(executor, special):
    """The program's own refresh; then names are offered where it knows them."""
    from pgcli.completion_refresher import CompletionRefresher
    completers, refresher = [], CompletionRefresher()
    refresher.refresh(executor, special, completers.append)
    refresher._completer_thread.join(60)
    assert completers, "the refresh died or goes on after 60 s"
    offered = lambda text: {
        entry.text for entry in completers[0].get_completions(Document(text), None)}
    assert "nation" in offered("SELECT * FROM na") and "py_names" in offered("SELECT * FROM py")
    assert "n_regionkey" in offered("SELECT * FROM nation WHERE n_reg")
    assert "generate_series()" in offered("SELECT * FROM generate_")


@pytest.mark.parametrize("what, some", [
    ("search_path", ["public"]), ("schemata", ["public", "information_schema"]),
    ("tables", [("public", "nation")]), ("views", [("public", "py_names")]),
    ("foreignkeys", []), ("datatypes", []), ("databases", ["DATABASE"]), ("casing", []),
    ("full_databases", [])])
def test_pgcli_names(executor, what, some):
    got = list(getattr(executor, what)())
    for name in some:
        assert (executor.dbname if name == "DATABASE" else name) in got


@pytest.mark.parametrize("what, relation, column", [
    ("table_columns", "nation", "n_comment"), ("view_columns", "py_names", "n_name")])
def test_pgcli_columns(executor, what, relation, column):
    got = [row for row in getattr(executor, what)() if row[:3] == ("public", relation, column)]
    assert [row[3:] for row in got] == [("text", False, None)]


def test_pgcli_functions(executor):
    seen = {function.func_name: function for function in executor.functions()}
    assert {"abs", "lower", "count", "generate_series"} <= set(seen)
    assert seen["count"].is_aggregate and seen["generate_series"].is_set_returning


def test_pgcli_definitions(executor):
    assert "n_name" in executor.view_definition("py_names")
    with pytest.raises(RuntimeError):
        executor.view_definition("does_not_exist")


def test_pgcli_function_definition(executor):
    assert "FUNCTION pg_catalog.version" in executor.function_definition("version")


# --- commands ----------------------------------------------------------------------------------

@pytest.mark.parametrize("command, some", COMMANDS, ids=[command for command, _ in COMMANDS])
def test_pgcli_command(executor, special, command, some):
    some = executor.dbname if some == "DATABASE" else some
    assert some in shown(executor, special, command)


def test_pgcli_copy(executor, special, tmp_path):
    file = tmp_path / "region.csv"
    shown(executor, special, f"\\copy (SELECT r_name FROM region ORDER BY 1) TO '{file}' CSV")
    assert file.read_text().splitlines()[:2] == ["AFRICA", "AMERICA"]


def test_pgcli_transaction(executor, special):
    assert not executor.valid_transaction()
    shown(executor, special, "BEGIN")
    assert executor.valid_transaction() and executor.transaction_indicator == "*"
    shown(executor, special, "SELECT 1; ROLLBACK")
    assert not executor.valid_transaction() and not executor.failed_transaction()


def test_pgcli_explain(executor, special):
    """F5 in the program: it draws the plan from EXPLAIN's JSON."""
    from pgcli.explain_output_formatter import ExplainOutputFormatter
    _, rows, _, _, _, success, _ = next(iter(executor.run(
        "SELECT count(*) FROM nation", special, explain_mode=True)))
    text = "\n".join(map(str, ExplainOutputFormatter(100).format_output(rows, None)))
    assert success and "Aggregate" in text


# --- the program -------------------------------------------------------------------------------

def run(pgcli, *options):
    command, environment = pgcli
    done = subprocess.run([*command, *options], env=environment, capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=120)
    return done.returncode, done.stdout + done.stderr


def test_pgcli_program_lists(pgcli, server):
    code, text = run(pgcli, "--list")
    assert code == 0 and conninfo_to_dict(server.uri)["dbname"] in text


def test_pgcli_program_pings(pgcli):
    code, text = run(pgcli, "--ping")
    assert code == 0 and "PONG" in text


def test_pgcli_program_runs_commands(pgcli, tmp_path):
    file = tmp_path / "commands.sql"
    file.write_text("SELECT r_name FROM region WHERE r_regionkey = 3;\n\\d region\n")
    code, text = run(pgcli, "-c", "SELECT n_name FROM nation WHERE n_nationkey = 7", "-f", file)
    assert code == 0 and "GERMANY" in text and "EUROPE" in text and "r_comment" in text


def test_pgcli_program_shows_an_error(pgcli):
    _, text = run(pgcli, "-c", "SELECT does_not_exist FROM nation")
    assert 'column "does_not_exist" does not exist' in text and "LINE 1" in text


class Terminal:
    """The program at a terminal: `type` keys, see whether it `shows` a text."""

    def __init__(self, command, environment):
        self.file, theirs = pty.openpty()
        self.process = subprocess.Popen(
            command, env=environment, stdin=theirs, stdout=theirs, stderr=theirs,
            start_new_session=True)
        os.close(theirs)
        self.text = ""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        os.close(self.file)

    def type(self, keys):
        self.text = ""
        os.write(self.file, keys.encode())

    def shows(self, some, wait_s):
        """Whether it writes this text, without its colours, within that time."""

        def read():
            if select.select([self.file], [], [], 0.1)[0]:
                new = os.read(self.file, 65536).decode(errors="replace")
                self.text += re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", new)
            return some in self.text

        try:
            return wait_until(f"{some!r} on the terminal", read, wait_s, pause_s=0)
        except TimeoutError:
            return False

    def must_show(self, some):
        assert self.shows(some, 60), f"no {some!r}; it shows {self.text[-2000:]!r}"

    def ends(self):
        """Its exit code, after what is still to read was read."""
        try:
            while os.read(self.file, 65536):
                pass
        except OSError:  # how a terminal says that nobody writes any more
            pass
        return self.process.wait(30)


def test_pgcli_program_at_a_terminal(pgcli):
    with Terminal(*pgcli) as terminal:
        terminal.must_show("ready>")
        terminal.type("SELECT n_name FROM nation WHERE n_nationkey = 7;\r")
        terminal.must_show("GERMANY")
        terminal.must_show("SELECT 1")
        terminal.type("\\d region\r")
        terminal.must_show("r_regionkey")
        terminal.type("SELECT 1 / 0;\r")
        terminal.must_show("division by zero")
        terminal.type("\\q\r")
        assert terminal.ends() == 0


def test_pgcli_program_completes(pgcli):
    """Once it has read the names it offers them below the line that is typed."""
    with Terminal(*pgcli) as terminal:
        terminal.must_show("ready>")

        def offers():
            terminal.type("\x15SELECT * FROM supp")  # Ctrl-U takes the last try away
            return terminal.shows("supplier", 2)

        wait_until("the table's name", offers, 60)
        terminal.type("\x15\\q\r")
        assert terminal.ends() == 0

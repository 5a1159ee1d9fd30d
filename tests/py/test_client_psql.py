"""psql: each of its commands, at the server under test and at a PostgreSQL, side by side.

Both servers have the same few tables, in a database of the same name, with an owner of the same
name. A command passes when it ends with 0 and says no ERROR, and the answers are the same.
"""

import difflib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import threading
import time

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

import debian
from conftest import AGAINST_POSTGRES
from mobula import Mobula
from postgres import Postgres
from psql_commands import (
    COMPLETIONS, NOT_FOUND, OBJECTS, POSTGRES_SETUP, SAME, SAME_HEADER, SCRIPTS, STARTED,
    normalised)
from psql_differences import NOT_YET

DEADLINE_S = 60
SHOWN_LINES = 20
# psql ends with this when a line failed or someone interrupted.
STOPPED = 3
COMPLETION_DEADLINE_S = 10
CLEAR_LINE = "\x15"


class Answer:
    """What one run of psql said."""

    def __init__(self, code, stdout, stderr):
        self.code, self.stdout, self.stderr = code, stdout, stderr

    def check(self, code=0, errors_expected=False):
        assert self.code == code, self.stderr or self.stdout[-2000:]
        assert errors_expected or "ERROR" not in self.stderr, self.stderr


class Side:
    """One of the two servers, seen through psql."""

    def __init__(self, server, folder):
        self.server, self.folder = server, folder
        self.psql = f"{debian.postgres_bin()}/psql"
        folder.mkdir()
        setup = OBJECTS
        if isinstance(server, Postgres):
            setup = POSTGRES_SETUP + OBJECTS
            with server.connect() as connection:
                connection.execute("CREATE DATABASE mobula TEMPLATE template0 LOCALE 'C'")
        self.uri = make_conninfo(server.uri, dbname="mobula")
        with psycopg.connect(self.uri, autocommit=True) as connection:
            for sql in setup:
                connection.execute(sql)

    def command(self, *options):
        """The line that starts psql: without anyone's settings, rows apart by '|'."""
        return [self.psql, "-X", "-A", "-P", "pager=off", "-v", "ON_ERROR_STOP=1", *options,
                self.uri]

    def environment(self, **more):
        inherited = {key: value for key, value in os.environ.items() if key[:2] != "PG"}
        return {**inherited, "LC_ALL": "C.UTF-8", "PSQLRC": "/dev/null", **more}

    def run(self, script, *options, **environment):
        """Gives psql `script` as a file would."""
        ran = subprocess.run(
            self.command(f"-vuri={self.uri}", *options), input=script.encode(),
            capture_output=True, cwd=self.folder, timeout=DEADLINE_S,
            env=self.environment(**environment))
        return Answer(ran.returncode, *(out.decode() for out in (ran.stdout, ran.stderr)))

    def normalised(self, answer, without="(?!)"):
        return [normalised(text, self.server.port, without)
                for text in (answer.stdout, answer.stderr)]


@pytest.fixture(scope="module")
def oracle(tmp_path_factory):
    with Postgres() as server:
        yield Side(server, tmp_path_factory.mktemp("oracle") / "files")


@pytest.fixture(scope="module")
def tested(tmp_path_factory):
    with Postgres() if AGAINST_POSTGRES else Mobula() as server:
        yield Side(server, tmp_path_factory.mktemp("tested") / "files")


def each(names):
    """A parameter for each; marked where Mobula lacks something."""

    def parameter(name):
        text = name if isinstance(name, str) else name[0]
        reason = None if AGAINST_POSTGRES else NOT_YET.get(text)
        marks = [pytest.mark.xfail(strict=True, reason=reason)] if reason else []
        return pytest.param(name, id=text, marks=marks)

    return [parameter(name) for name in names]


def compare(tested, got, oracle, want, without="(?!)"):
    for mine, theirs in zip(tested.normalised(got, without), oracle.normalised(want, without)):
        if mine != theirs:
            lines = difflib.unified_diff(theirs, mine, oracle.server.name, tested.server.name,
                                         lineterm="", n=1)
            pytest.fail("\n".join(line for line, _ in zip(lines, range(SHOWN_LINES))))


@pytest.mark.parametrize("command", each(SAME))
def test_same(tested, oracle, command):
    want, got = (side.run(command.text, "-P", "footer=off") for side in (oracle, tested))
    want.check()
    got.check()
    compare(tested, got, oracle, want, command.without)


@pytest.mark.parametrize("command", each(SAME_HEADER))
def test_same_header(tested, oracle, command):
    want, got = (side.run(command, "-P", "footer=off") for side in (oracle, tested))
    want.check()
    got.check()
    header = want.stdout.splitlines()[:2]
    assert "|" in header[1] and got.stdout.splitlines()[:2] == header


@pytest.mark.parametrize("command", each(NOT_FOUND))
def test_not_found(tested, oracle, command):
    want, got = (side.run(command) for side in (oracle, tested))
    want.check(code=STOPPED)
    got.check(code=STOPPED)
    compare(tested, got, oracle, want)


@pytest.mark.parametrize("name", each(SCRIPTS))
def test_script(tested, oracle, name):
    script = SCRIPTS[name]
    want, got = (side.run(script) for side in (oracle, tested))
    for answer in (want, got):
        answer.check(errors_expected="ON_ERROR_STOP off" in script)
    compare(tested, got, oracle, want)


@pytest.mark.parametrize("name", each(STARTED))
def test_started(tested, oracle, name):
    options, environment, script = STARTED[name]
    want, got = (side.run(script, *options, **environment) for side in (oracle, tested))
    for answer in (want, got):
        answer.check()
    compare(tested, got, oracle, want)


def test_list_of_databases(tested, oracle):
    """psql -l connects, lists, and ends."""
    want, got = (side.run("", "-l").stdout.splitlines() for side in (oracle, tested))
    assert got[:2] == want[:2]
    assert any(line.startswith("mobula|mobula|UTF8|") for line in got), got


def test_timing(tested):
    answer = tested.run("\\timing\nselect 1 as a;\n")
    answer.check()
    assert re.search(r"^a\n1\n\(1 row\)\nTime: [0-9.]+ ms", answer.stdout, re.M), answer.stdout


def test_version(tested):
    """psql chooses its statements by this number: every column they name must be there."""
    answer = tested.run("\\echo :SERVER_VERSION_NUM :SERVER_VERSION_NAME\nselect version();\n")
    answer.check()
    number, name = answer.stdout.splitlines()[0].split()[:2]
    assert 150000 <= int(number) < 1000000 and int(name.split(".")[0]) == int(number) // 10000
    assert answer.stdout.splitlines()[2].startswith(f"PostgreSQL {name}"), answer.stdout


def test_watch_until_interrupted(tested):
    with subprocess.Popen(
            tested.command(), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, env=tested.environment()) as psql:
        watchdog = threading.Timer(DEADLINE_S, psql.kill)
        watchdog.start()
        psql.stdin.write(b"select 'a round' as it \\watch 0.5\n")
        psql.stdin.flush()
        rounds = 0
        while rounds < 2:
            line = psql.stdout.readline()
            assert line, psql.stderr.read()
            rounds += line == b"a round\n"
        psql.send_signal(signal.SIGINT)
        _, stderr = psql.communicate()
        watchdog.cancel()
    # Interrupted while it waited it goes on with the script, while it asked it stops.
    assert psql.returncode in (0, STOPPED), stderr


class Terminal:
    """psql as a person has it: in a terminal, with completion by the tab key."""

    def __init__(self, side):
        self.terminal, other = pty.openpty()
        fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 500, 0, 0))
        quiet = side.environment(TERM="dumb", INPUTRC="/dev/null", PSQL_HISTORY="/dev/null")
        self.psql = subprocess.Popen(
            side.command("-v", "PROMPT1=ready> "), stdin=other, stdout=other, stderr=other,
            env=quiet, start_new_session=True)
        os.close(other)
        self.expect("ready> ")

    def type(self, text):
        os.write(self.terminal, text.encode())

    def expect(self, wanted):
        """Reads until `wanted` was printed."""
        end, seen = time.monotonic() + COMPLETION_DEADLINE_S, ""
        while wanted not in seen:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.terminal], [], [], left)[0]:
                pytest.fail(f"no {wanted!r} in {seen!r}")
            seen += os.read(self.terminal, 65536).decode(errors="replace")

    def close(self):
        self.psql.kill()
        self.psql.wait()
        os.close(self.terminal)


@pytest.fixture(scope="module")
def terminal(tested):
    started = Terminal(tested)
    yield started
    started.close()


@pytest.mark.parametrize("typed, completed", [
    pytest.param(*parameter.values[0], id=parameter.id, marks=parameter.marks)
    for parameter in each(COMPLETIONS)])
def test_completion(terminal, typed, completed):
    terminal.type(f"{CLEAR_LINE}{typed}\t")
    terminal.expect(typed.rsplit(" ", 1)[0] + " " + completed)

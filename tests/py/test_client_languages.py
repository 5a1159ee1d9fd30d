"""Clients of other languages, each by a program of its own below `tests/clients`.

In: programs that take a URI and print a line of JSON for each of their checks. Out: one test for
each check. A program runs once; what it needs comes from Debian and npm, and is kept in a cache
outside the tree. All expected values are PostgreSQL's: every check also passes against it.
"""

import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import pytest

import debian
from conftest import AGAINST_POSTGRES
from test_slow_and_cancel import COMPUTE

CLIENTS = pathlib.Path(__file__).resolve().parents[1] / "clients"
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "mobula-tests"
GO_SOURCES = "/usr/share/gocode"
NODE_VERSION_MIN = 20
INSTALL_DEADLINE_S = 900
RUN_DEADLINE_S = 900

# What Mobula cannot do yet: {check: the feature that is missing}.
NOT_YET = {
}
CHECKS = set()


def declared(pattern, files):
    """The names of a program's checks, in the order of the text, as parameters of a test."""
    texts = [path.read_text() for path in sorted(CLIENTS.glob(files))]
    names = [name for text in texts for name in re.findall(pattern, text, re.MULTILINE)]
    assert names, f"no check in {files}"
    CHECKS.update(names)
    return [_marked(name) for name in names]


def _marked(name):
    reason = None if AGAINST_POSTGRES else NOT_YET.get(name)
    marks = [pytest.mark.xfail(strict=True, reason=reason)] if reason else []
    return pytest.param(name, marks=marks)


def run(command, **options):
    """Runs an installer or a compiler; what is missing for it leaves the tests out."""
    result = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True,
        timeout=INSTALL_DEADLINE_S, **options)
    if result.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}: {result.stderr[-2000:]}")
    return result.stdout


def node():
    """node with the packages of package.json, which npm installs when the file has changed."""
    program = debian.require("/usr/bin/node", "nodejs")
    version = run([program, "--version"]).strip()
    if int(version.lstrip("v").split(".")[0]) < NODE_VERSION_MIN:
        raise debian.Missing(f"Node.js {NODE_VERSION_MIN} or newer is needed, this is {version}")
    wanted = CLIENTS / "node" / "package.json"
    stamp = hashlib.sha256(wanted.read_bytes() + version.encode()).hexdigest()[:16]
    folder = CACHE / f"node-{stamp}"
    if not folder.exists():
        npm = debian.require("/usr/bin/npm", "npm")
        CACHE.mkdir(parents=True, exist_ok=True)
        making = pathlib.Path(tempfile.mkdtemp(prefix="making-", dir=CACHE))
        shutil.copy(wanted, making)
        run([npm, "install", "--no-audit", "--no-fund", "--no-package-lock"], cwd=making)
        making.rename(folder)  # whole or not at all
    return [program, CLIENTS / "node" / "run.js"], {"NODE_PATH": str(folder / "node_modules")}


def perl():
    debian.require("/usr/lib/*/perl5/*/DBD/Pg.pm", "libdbd-pg-perl")
    return ["/usr/bin/perl", CLIENTS / "perl" / "checks.pl"], {}


def go():
    """The program built from Debian's sources of lib/pq and pgx; Go keeps what it compiled."""
    compiler = debian.require("/usr/bin/go", "golang-go")
    debian.require(f"{GO_SOURCES}/src/github.com/lib/pq/conn.go", "golang-github-lib-pq-dev")
    debian.require(
        f"{GO_SOURCES}/src/github.com/jackc/pgx/v4/conn.go", "golang-github-jackc-pgx-v4-dev")
    settings = {"GO111MODULE": "off", "GOPATH": GO_SOURCES, "GOCACHE": str(CACHE / "go"),
                "GOFLAGS": "", "CGO_ENABLED": "0"}
    program = CACHE / "go-checks"
    run([compiler, "build", "-o", program, "."], cwd=CLIENTS / "go",
        env={**os.environ, **settings})
    return [program], {}


def java():
    jar = debian.require("/usr/share/java/postgresql.jar", "libpostgresql-jdbc-java")
    compiler = debian.require("/usr/lib/jvm/*/bin/javac", "default-jdk-headless")
    program = pathlib.Path(compiler).with_name("java")  # the same version, to read the classes
    classes = CACHE / "java"
    run([compiler, "-d", classes, "-cp", jar, *sorted((CLIENTS / "java").glob("*.java"))])
    return [program, "-cp", f"{jar}:{classes}", "Checks"], {}


@pytest.fixture(scope="module")
def outcome(server):
    """outcome(prepare, check): the line about a check of the program that `prepare` makes ready;
    the program runs when it is first asked about."""
    ran = {}

    def ask(prepare, check):
        if prepare not in ran:
            ran[prepare] = _ran(prepare, server.uri)
        lines, rest = ran[prepare]
        if lines is None:
            pytest.skip(rest)
        assert check in lines, f"the program did not come to {check}: {rest}"
        assert lines[check]["ok"], lines[check]["why"]

    return ask


def _ran(prepare, uri):
    """({check: its line}, the program's other output), or (None, why it cannot run)."""
    try:
        command, settings = prepare()
    except debian.Missing as missing:
        return None, str(missing)
    # What the user has set for libpq is not for these programs.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            [*map(str, command), uri, COMPUTE], stdin=subprocess.DEVNULL, stdout=output,
            stderr=errors, env={**environment, **settings})
        try:
            process.wait(RUN_DEADLINE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        output.seek(0)
        errors.seek(0)
        lines = [json.loads(line) for line in output if line.startswith("{")]
        rest = f"exit code {process.returncode}; {errors.read()[-2000:]}"
    return {line["check"]: line for line in lines}, rest


@pytest.mark.parametrize("check", declared(r"^check\('(\w+)'", "node/*_checks.js"))
def test_node(outcome, check):
    outcome(node, check)


@pytest.mark.parametrize("check", declared(r"^check\('(\w+)'", "perl/*checks.pl"))
def test_perl(outcome, check):
    outcome(perl, check)


@pytest.mark.parametrize("check", declared(r'^\t\{"(\w+)", ', "go/*_checks.go"))
def test_go(outcome, check):
    outcome(go, check)


@pytest.mark.parametrize("check", declared(r'\bcheck\("(\w+)"', "java/*.java"))
def test_java(outcome, check):
    outcome(java, check)


def test_marks_name_checks():
    """A mark for a check that is gone would never be taken away."""
    assert NOT_YET.keys() <= CHECKS

"""A folder that SQL may read, one outside with secrets, and ways to name the second.

In: a folder. Out: the place with its server, names of things outside, and the assertion that a
statement is refused and tells nothing.
"""

import hashlib
import os
import pathlib
import types

import duckdb
import psycopg
import pytest

from mobula import Mobula

REFUSED = {"42501"}
# No such table, function, statement or setting; not supported; syntax PostgreSQL lacks too.
NO_SUCH_THING = {"42P01", "42883", "0A000", "42601", "42704"}
# A path read literally (percent signs, braces) may also simply not be there.
NOT_THERE = {"58P01"}
MARKER = "topsecret-7f3a91"
STATEMENT_TIMEOUT_MS = 20_000
FORMATS = ("PARQUET", "CSV", "JSON", "ARROW")


class Place:
    """An allowed folder, a folder outside with secrets, and a server that knows only the first."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder).resolve()
        self.root = self.folder / "allowed"
        self.outside = self.folder / "outside"
        self.neighbour = self.folder / "allowed2"  # begins as the root does
        for place in (self.root, self.outside, self.neighbour, self.root / "real"):
            place.mkdir(parents=True)
        for place, text in ((self.outside, MARKER), (self.neighbour, MARKER),
                            (self.root, "public"), (self.root / "real", "public")):
            write_files(place, text)
        for link, target in (("link.csv", self.outside / "data.csv"), ("linked", self.outside),
                             ("up", self.folder), ("null", "/dev/null"), ("zero", "/dev/zero"),
                             ("dangling.csv", self.outside / "made.csv"),
                             ("relative.csv", "../outside/data.csv"),
                             ("proc", "/proc/self"), ("chain.csv", self.root / "link.csv")):
            (self.root / link).symlink_to(target)
        os.mkfifo(self.root / "pipe.csv")
        self.server = Mobula(data_dir=self.folder / "data", allow=[self.root])

    def outside_state(self):
        """What is outside: names, and contents of files."""
        ours = {self.root, self.server.data_dir, self.server.log_path}
        tops = [top for top in self.folder.iterdir() if top not in ours]
        found = [f for top in tops for f in (top, *top.rglob("*"))]
        return {str(f): f.is_file() and hashlib.sha256(f.read_bytes()).hexdigest() for f in found}


def write_files(folder, text):
    """data.csv, data.json and data.parquet with one row of `text`; data.arrow is no Arrow file."""
    (folder / "data.csv").write_text(f"a\n{text}\n")
    (folder / "data.json").write_text(f'{{"a": "{text}"}}\n')
    (folder / "data.arrow").write_text(f"ARROW1\0\0{text}")
    duckdb.sql(f"SELECT '{text}' AS a").write_parquet(str(folder / "data.parquet"))


def refused(client, sql, also=frozenset()):
    """Asserts that `sql` fails with an allowed SQLSTATE, in the simple and in the extended
    protocol, and tells nothing of a file's content."""
    for prepare in (False, True):
        try:
            cursor = client.execute(sql, prepare=prepare)
            got = cursor.fetchmany(5) if cursor.description else cursor.statusmessage
        except psycopg.Error as error:
            assert error.sqlstate in REFUSED | also, f"{sql}\n{error.sqlstate}: {error}"
            for secret in (MARKER, "root:x:", "/bin/bash"):
                assert secret not in str(error), f"{sql}\ntells: {error}"
        else:
            pytest.fail(f"{sql}\nwas not refused: {got}")


def tricks(place):
    """{name: location}: ways to name something outside, by path, link, URL, encoding or glob."""
    root, outside, up = place.root, place.outside, "../" * 30
    return {
        "absolute": f"{outside}/data.csv",
        "absolute folder": f"{outside}/",
        "etc passwd": "/etc/passwd",
        "neighbour with our prefix": f"{place.neighbour}/data.csv",
        "dot dot": f"{root}/../outside/data.csv",
        "dot dot twice": f"{root}/real/../../outside/data.csv",
        "dot dot through nothing": f"{root}/nothing/../../outside/data.csv",
        "dot dot to etc": f"{root}/{up}etc/passwd",
        "relative to etc": f"{up}etc/passwd",
        "double slash": f"/{outside}//data.csv",
        "dots and slashes": f"{root}/./.././outside/./data.csv",
        "link to a file": f"{root}/link.csv",
        "relative link": f"{root}/relative.csv",
        "link to a link": f"{root}/chain.csv",
        "link to a folder": f"{root}/linked/",
        "below a linked folder": f"{root}/linked/data.csv",
        "link to the parent": f"{root}/up/outside/data.csv",
        "link then dot dot": f"{root}/linked/../outside/data.csv",
        "link to proc": f"{root}/proc/environ",
        "file url": f"file://{outside}/data.csv",
        "file url passwd": "file:///etc/passwd",
        "file url upper case": f"FILE://{outside}/data.csv",
        "file url localhost": f"file://localhost{outside}/data.csv",
        "file url localhost dot dot": f"file://localhost{root}/../outside/data.csv",
        "file url host": f"file://127.0.0.1{outside}/data.csv",
        "file url one slash": f"file:{outside}/data.csv",
        "file url dot dot": f"file://{root}/../outside/data.csv",
        "file url four slashes": f"file:////{outside}/data.csv",
        "file url encoded dot dot": f"file://{root}/%2e%2e/outside/data.csv",
        "file url encoded letters": "file:///%65tc/passwd",
        "file url encoded slash": f"file://{root}/..%2Foutside%2Fdata.csv",
        "glob outside": f"{outside}/*.csv",
        "glob etc": "/etc/pass*",
        "glob class": "/etc/[p]asswd",
        "glob from the top": f"{place.folder}/*/data.csv",
        "glob through dot dot": f"{root}/../*/data.csv",
        "glob through a link": f"{root}/link*/data.csv",
        "glob below a linked folder": f"{root}/linked/*.csv",
        "glob on a link": f"{root}/lin*.csv",
        "device": "/dev/zero",
        "standard input": "/dev/stdin",
        "link to a device": f"{root}/zero",
        "proc environ": "/proc/self/environ",
        "proc fd": "/proc/self/fd/0",
        "proc root": f"/proc/self/root{outside}/data.csv",
        "http": "http://127.0.0.1:9/data.csv",
        "s3": "s3://bucket/data.csv",
        "memory url": "memory:///data.csv",
    }


NOT_OURS = REFUSED | {"0A000"}  # a kind of storage that there is none of
# Where more than 42501 is honest: links left out of a glob, `..` taken away before links are
# followed, an encoded slash read as a name, a URL of another kind.
ALSO = {
    "glob through a link": NOT_THERE, "glob on a link": NOT_THERE,
    "glob below a linked folder": NOT_THERE, "link then dot dot": NOT_THERE,
    "file url encoded slash": NOT_THERE, "file url encoded dot dot": NOT_THERE,
    "file url host": NOT_OURS, "file url one slash": NOT_OURS | NOT_THERE,
    "http": NOT_OURS, "s3": NOT_OURS, "memory url": NOT_OURS,
}
LITERAL = {  # names that an honest literal reading finds nothing under, inside the root
    "encoded dot dot": "{root}/%2e%2e/outside/data.csv",
    "encoded twice": "{root}/%252e%252e/outside/data.csv",
    "encoded slash": "{root}/..%2foutside%2fdata.csv",
    "backslashes": "{root}\\..\\outside\\data.csv",
    "braces": "{root}/{{..,x}}/outside/data.csv",
    "trailing space": "{root}/link.csv ",
    "query string": "{root}/x?/../../outside/data.csv",
    "tilde": "~/.ssh/*",
    "variable": "$HOME/data.csv",
}


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


class Nowhere:
    """A place for naming the cases before there is one."""

    root = outside = folder = neighbour = pathlib.Path("/nowhere")
    server = types.SimpleNamespace(data_dir="/nowhere")


def external(kind, location):
    options = " OPTIONS ('format.has_header' 'true')" if kind == "CSV" else ""
    return f"CREATE EXTERNAL TABLE stolen STORED AS {kind} LOCATION {quoted(location)}{options}"


def targets(place):
    """{name: path} that a COPY TO must not write."""
    root, outside = place.root, place.outside
    return {
        "outside": f"{outside}/made.parquet",
        "over a file outside": f"{outside}/data.csv",
        "dot dot": f"{root}/../outside/made.csv",
        "file url": f"file://{outside}/made.parquet",
        "file url localhost": f"file://localhost{outside}/made.parquet",
        "encoded": f"file://{root}/%2e%2e/outside/made.parquet",
        "dangling link": f"{root}/dangling.csv",
        "link to a file": f"{root}/link.csv",
        "below a linked folder": f"{root}/linked/made.parquet",
        "linked folder": f"{root}/linked/",
        "neighbour": f"{place.neighbour}/made.parquet",
        "tmp": "/tmp/mobula-security-made.parquet",
        "device": "/dev/null",
        "our own connection line": f"{place.server.data_dir}/connection",
    }


def more_tricks(place):
    """{name: location} beyond `tricks`: URLs, encodings, lookalikes, globs, the system's places."""
    root, outside, folder = place.root, f"{place.outside}/data.csv", place.folder
    data = place.server.data_dir
    relative = "../" * 40 + outside.lstrip("/")
    return {
        # URLs of this machine's files.
        "no slashes": f"file:{outside}", "backslashes": f"file:\\\\{outside}",
        "mixed case": f"FiLe://{outside}", "a port": f"file://localhost:80{outside}",
        "a user": f"file://u:p@localhost{outside}", "ipv6": f"file://[::1]{outside}",
        "a dot for a host": f"file://.{outside}", "no path": "file://",
        "a colon": f"file:://{outside}",
        "a question": f"file://{outside}?x", "a fragment": f"file://{outside}#x",
        "a hidden question": f"file://{root}/data.csv?/../../outside/data.csv",
        "encoded twice": f"file://{root}/%252e%252e/outside/data.csv",
        "encoded nul": f"file://{outside}%00.csv",
        "encoded backslash": f"file://{root}/..%5coutside",
        "overlong dots": f"file://{root}/%c0%ae%c0%ae/outside/data.csv",
        "utf-16 dots": f"file://{root}/%u002e%u002e/outside/data.csv",
        "a url in a url": f"file://file://{outside}", "jar": f"jar:file://{outside}!/a",
        "url:": f"url:file://{outside}", "a blank before": f" file://{outside}",
        "a newline before": f"\nfile://{outside}", "a tab within": f"fi\tle://{outside}",
        # Other stores, the server's own among them.
        "staging": "staging://server/../connection", "staging root": "staging://server/",
        "staging upper case": "STAGING://server/", "spool": "spool://server/",
        "data": "data:text/csv,a",
        "https": "https://127.0.0.1:9/a.csv", "metadata": "http://169.254.169.254/latest/meta-data",
        "s3a": "s3a://bucket/a.csv", "gs": "gs://bucket/a.csv", "az": "az://bucket/a.csv",
        "abfss": "abfss://c@a.dfs.core.windows.net/a.csv", "hdfs": "hdfs://127.0.0.1:9/a.csv",
        "ftp": "ftp://127.0.0.1:9/a.csv", "unix": "unix:///run/a.sock",
        "share": r"\\127.0.0.1\c$\a",
        "smb": "smb://127.0.0.1/a.csv", "a drive": r"C:\data.csv", "ray": "ray://127.0.0.1:9/a.csv",
        # Climbing, and what looks like it.
        "relative": relative, "relative from a name": f"open/{relative}",
        "a dot first": f"./{relative}", "slashes": "/" * 300 + outside.lstrip("/"),
        "dots and blanks": f"{root}/.. /outside/data.csv",
        "three dots": f"{root}/.../outside/data.csv",
        "a trailing dot": f"{outside}.", "trailing slashes": f"{outside}///",
        "a trailing dot dot": f"{root}/real/../..", "only dot dot": "..", "dot dot slash": "../",
        "full width": f"{root}/\uff0e\uff0e\uff0foutside/data.csv",
        "one dot leaders": f"{root}/\u2024\u2024/outside/data.csv",
        "two dot leader": f"{root}/\u2025/outside/data.csv",
        "fraction slash": f"{root}/..\u2044outside\u2044data.csv",
        "division slash": f"{root}/..\u2215outside\u2215data.csv",
        "no width": f"{root}/.\u200b./outside/data.csv", "no width in front": f"\ufeff{outside}",
        "right to left": f"{root}/\u202evsc.atad", "combining": f"{root}/.\u0301./outside/data.csv",
        "a newline": f"{root}/\n/../../outside/data.csv", "a return": f"{root}/link.csv\r",
        "escape codes": f"{root}/\x1b[2K../outside/data.csv", "a semicolon": f"{root};{outside}",
        "a list": f"{root}/data.csv,{outside}", "a colon list": f"{root}/data.csv:{outside}",
        "a pipe": f"|cat {outside}", "a command": f"$(cat {outside})",
        "backticks": f"`cat {outside}`",
        "long": f"{root}/" + "a/../" * 1000 + "../outside/data.csv", "long name": "/" + "a" * 300,
        "very long": f"{root}/" + "x" * 100_000, "deep": "/a" * 5_000,
        # Globs.
        "glob up": f"{root}/../*/*.csv", "glob dots": f"{root}/[.][.]/outside/data.csv",
        "glob one dot": f"{root}/?./outside/data.csv", "glob any": f"{root}/*/../outside/data.csv",
        "glob then up": f"{root}/re*/../../outside/data.csv", "glob all": f"{folder}/**",
        "glob all csv": "/**/data.csv", "glob a link": f"{root}/linke[d]/data.csv",
        "glob below up": f"{root}/u?/outside/data.csv", "glob deep": f"{root}/up/**/data.csv",
        "glob unclosed": f"{outside}[", "glob class of slash": f"{root}/..[/]outside[/]data.csv",
        "glob proc": "/proc/[0-9]*/environ", "glob braces": f"{{{root},{outside}}}",
        "glob one letter": f"{outside[:-1]}?", "glob in a url": f"file://{folder}/*/data.csv",
        "glob in the root": f"{root}*/data.csv",
        # Places of the system.
        "proc cwd": f"/proc/self/cwd/{relative}", "proc one": f"/proc/1/root{outside}",
        "proc thread": f"/proc/thread-self/root{outside}", "proc maps": "/proc/self/maps",
        "proc cmdline": "/proc/self/cmdline", "dev fd": "/dev/fd/0", "dev tty": "/dev/tty",
        "dev random": "/dev/urandom", "dev tcp": "/dev/tcp/127.0.0.1/22",
        "sys": "/sys/kernel/notes",
        **{f"proc fd {n}": f"/proc/self/fd/{n}/../outside/data.csv" for n in (3, 9, 15)},
        "link to proc fd": f"{root}/proc/fd/1", "link to proc root": f"{root}/proc/root{outside}",
        "link to proc cwd": f"{root}/proc/cwd", "up and down": f"{root}/up/allowed/link.csv",
        "up and back": f"{root}/up/allowed/../outside/data.csv",
        # The server's own files.
        "own": "connection", "own with a dot": "./connection", "own absolute": f"{data}/connection",
        "own by dots": f"{data}/tables/../connection", "own by a slash": f"{data}//connection/",
        "own by a url": f"file://{data}/./connection", "own by a glob": f"{data}/c*",
        "own by a class": f"{data}/[c]onnectio[n]", "own catalog": "catalog.sqlite",
        "own write-ahead log": "catalog.sqlite-wal", "own lock": "lock", "own spill": "spill/",
        "own staging": "staging/", "own half made": ".connection.new", "own all": "*",
        "own dot": ".",
        "own from outside": f"{root}/../data/connection",
        "own through a link": f"{root}/up/data/connection",
        "own log": f"{data}.log",
    }


# String constants that become a path only once they are read.
CONSTANTS = [
    r"E'/\x65tc/passwd'", r"E'\057etc\057passwd'", r"U&'\002fetc/passwd'", r"U&'/et\0063/passwd'",
    "'/etc/' 'passwd'", "'/etc'\n'/passwd'", "$$/etc/passwd$$", "$a$/etc/passwd$a$",
    r"E'{root}/\x2e\x2e/outside/data.csv'", r"U&'{root}/!002e!002e/outside/data.csv' UESCAPE '!'",
    r"E'{root}/data.csv\000'", r"U&'{root}/data.csv\0000'",
    "'{root}/data.csv', '{outside}/data.csv'",
    "('{outside}/data.csv')", "['{root}/data.csv', '{outside}/data.csv']", "{outside}/data.csv",
    '"{outside}/data.csv"', "'{root}/' || '../outside/data.csv'", "$1", "NULL",
    "(SELECT '/etc/passwd')",
    "concat('/etc', '/passwd')", "X'2f6574632f706173737764'", "current_setting('data_directory')",
]
# Names of tables and schemas.
NAMES = [
    "../../../../outside/made", "../../../outside/made", "../../../made", "../../../../made", "..",
    ".", "../..", "../x", "a/../../../../outside/made", "a/b", "/tmp/made", "//x", "/", r"..\..\x",
    "%2e%2e%2f%2e%2e%2fx", "..%2f..%2fx", "x%00", "%", "*", "?", "[a]", "[", "**", "{a,b}", "a=1",
    "_x", ".x", "~", "$HOME", "a:b", "a b", " ", "a\nb", "\t", "-0123456789abcdef",
    "x-0123456789abcdef",
    "ａ．．／", "․․／", "\u202eх", "日本", "'", '"', "`", "|x", "#", "a?b#c", "connection", "x" * 63,
    "./" * 30 + "x", "COM1", "é" * 31,
]

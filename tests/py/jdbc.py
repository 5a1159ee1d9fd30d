"""Java programs of ours that use pgjdbc.

In: a server, the name of a program beside this, its words. Out: the process when it has ended.
Skips the test where Java or the driver cannot be had.
"""

import pathlib
import subprocess

import pytest
from psycopg.conninfo import conninfo_to_dict

import debian


def run_java(server, program, *words, timeout_s):
    try:
        jar = debian.require("/usr/share/java/postgresql.jar", "libpostgresql-jdbc-java")
        java = debian.require("/usr/bin/java", "default-jdk-headless")
        debian.require("/usr/lib/jvm/*/bin/javac", "default-jdk-headless")
    except debian.Missing as missing:
        pytest.skip(str(missing))
    parts = conninfo_to_dict(server.uri)
    url = f"jdbc:postgresql://{parts['host']}:{parts['port']}/{parts['dbname']}"
    source = pathlib.Path(__file__).with_name(program)
    return subprocess.run(
        [java, "-cp", jar, source, url, parts["user"], parts["password"], *words],
        capture_output=True, text=True, timeout=timeout_s)

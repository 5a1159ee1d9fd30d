"""Programs and libraries from Debian that a test needs.

In: a file that must exist and the packages that bring it. Out: that file, installed first when it
is missing and we are root; Missing otherwise.
"""

import glob
import os
import subprocess


class Missing(Exception):
    """The file is not here and cannot be installed; the text says which package brings it."""


def require(pattern, *packages):
    """The last file matching `pattern`, installing `packages` when there is none."""
    found = sorted(glob.glob(pattern))
    if not found:
        _install(packages)
        found = sorted(glob.glob(pattern))
    if not found:
        raise Missing(f"{pattern} is not here; it comes with {' '.join(packages)}")
    return found[-1]


def postgres_bin():
    """The folder of the newest PostgreSQL server's programs, psql and pgbench among them."""
    pattern = "/usr/lib/postgresql/*/bin/pgbench"
    if not glob.glob(pattern):
        # Without this line Debian starts a server of its own on port 5432.
        _install(["postgresql-common"])
        with open("/etc/postgresql-common/createcluster.conf", "a") as file:
            file.write("\ncreate_main_cluster = false\n")
        _install(["postgresql"])
    return os.path.dirname(require(pattern, "postgresql"))


def _install(packages):
    if os.geteuid() != 0:
        raise Missing(f"install first (we are not root): apt-get install {' '.join(packages)}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        ["apt-get", "update", "-qq"],
        ["apt-get", "install", "-y", "-qq", "-o", "Dpkg::Options::=--force-confold", *packages],
    ):
        result = subprocess.run(command, env=environment, capture_output=True, text=True)
        if result.returncode != 0:
            raise Missing(f"{' '.join(command)}: {result.stderr.strip()[-500:]}")

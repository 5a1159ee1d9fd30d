"""`python -m mobula_ray`, started by the server with its options on standard input. What it says last
before it ends is what the server tells."""

import json
import os
import pathlib
import sys

from mobula_ray import _native

# Ray's own views of its state are read, which change from version to version.
RAY = "2.60"
PYTHON = (3, 11)


def main():
    if sys.version_info < PYTHON:
        sys.exit(f"Python {sys.version.split()[0]} is too old: set ray_python to one of 3.11 or newer")
    options = json.loads(sys.stdin.readline())
    authenticate(options["address"])
    try:
        import ray
    except ImportError:
        sys.exit(f"{sys.executable} has no Ray: pip install ray=={RAY}.0, or set ray_python")
    if not ray.__version__.startswith(RAY + "."):
        sys.exit(f"Ray {ray.__version__} of {sys.executable} is not {RAY}: set ray_python to a Python"
                 f" that has it, as the cluster must")
    from mobula_ray import driver
    driver.main(options)


def authenticate(address):
    """Ray's token, where the cluster wants one: a driver that is given an address does not look for
    it. The token is nobody else's to read; Ray writes it for all to read."""
    named = os.environ.get("RAY_AUTH_TOKEN_PATH")
    token = pathlib.Path(named) if named else pathlib.Path.home() / ".ray" / "auth_token"
    try:
        if token.is_file() and token.stat().st_mode & 0o077:
            token.chmod(0o600)
    except OSError as error:
        print(f"{token} can be read by others: {error}", file=sys.stderr)
    if address == "auto":
        address = os.environ.get("RAY_ADDRESS") or current_cluster()
    if address != "local" and "RAY_AUTH_MODE" not in os.environ:
        wants = _native.wants_token(address)
        os.environ["RAY_AUTH_MODE"] = "token" if wants else "disabled"
        if not wants:
            print(f"the Ray at {address} asks for no token: who reaches it may run code there",
                  file=sys.stderr)


def current_cluster():
    """Where `ray start` on this machine says its cluster is."""
    try:
        folder = os.environ.get("RAY_TMPDIR") or "/tmp"
        return pathlib.Path(folder, "ray", "ray_current_cluster").read_text().strip()
    except OSError:
        return ""


main()

"""Python programs that tests drive from outside, each in a virtual environment of its own: their
pins contradict each other and ours.

In: a name; tests/clients/NAME/requirements.txt has what to install. Out: the folder of the
environment's programs. Environments are kept beside that of the tests and made again only when
the list or the Python changes.
"""

import contextlib
import fcntl
import hashlib
import pathlib
import shutil
import subprocess
import sys

CLIENTS = pathlib.Path(__file__).resolve().parents[1] / "clients"
ROOT = CLIENTS.parents[1]


def bin_folder(name):
    """The programs of `name`, installed now if they are not here."""
    requirements = CLIENTS / name / "requirements.txt"
    key = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()[:12]
    folder = _cache() / f"{name}-{key}"
    with _locked(_cache() / f"{name}.lock"):
        if not (folder / "complete").exists():
            for old in _cache().glob(f"{name}-*"):
                shutil.rmtree(old)
            _make(folder, requirements)
            (folder / "complete").touch()
    return folder / "bin"


def _make(folder, requirements):
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    installed = subprocess.run(
        [folder / "bin" / "python", "-m", "pip", "install", "-q", "--disable-pip-version-check",
         "-r", requirements], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if installed.returncode != 0:
        raise RuntimeError(f"pip install -r {requirements}: {installed.stderr[-2000:]}")


def _cache():
    """Beside the tests' own environment; in target/ when that is in the checkout."""
    beside = pathlib.Path(sys.prefix).parent
    folder = (ROOT / "target" if beside == ROOT else beside) / "clients"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextlib.contextmanager
def _locked(path):
    """Two runs of the tests do not install into one folder."""
    with open(path, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield

"""`python -m mobula_ray.wheel FOLDER VERSION`: this package as a wheel, for nodes that are to have it
installed. In: the package as it lies here. Out: the wheel's path, on standard output."""

import base64
import functools
import hashlib
import os
import pathlib
import platform
import sys
import zipfile

PACKAGE = pathlib.Path(__file__).parent
NATIVE = "_native.abi3.so"
# In a wheel: which build it is of.
BUILD = "build.txt"


def build(package=PACKAGE):
    """Which build of Mobula a package is of: by its native half."""
    with open(package / NATIVE, "rb") as native:
        return hashlib.file_digest(native, "sha256").hexdigest()


@functools.cache
def installed():
    """Which build the package is of that is installed here; none in a Ray of the server's own."""
    told = PACKAGE / BUILD
    return told.read_text() if told.exists() else None


def main(folder, version):
    name = f"mobula_ray-{version}"
    tag = f"cp311-abi3-linux_{platform.machine()}"
    info = f"{name}.dist-info"
    files = {f"mobula_ray/{path.name}": path.read_bytes()
             for path in sorted(PACKAGE.iterdir()) if path.is_file()}
    files[f"mobula_ray/{BUILD}"] = build().encode()
    files[f"{info}/METADATA"] = (
        f"Metadata-Version: 2.1\nName: mobula-ray\nVersion: {version}\n"
        "Summary: Runs tasks of Mobula in workers of Ray\nLicense: Apache-2.0\n"
        "Requires-Python: >=3.11\n").encode()
    files[f"{info}/WHEEL"] = (
        f"Wheel-Version: 1.0\nGenerator: mobula {version}\nRoot-Is-Purelib: false\n"
        f"Tag: {tag}\n").encode()
    files[f"{info}/RECORD"] = record(files, f"{info}/RECORD")
    path = pathlib.Path(folder, f"{name}-{tag}.whl")
    unfinished = path.with_suffix(f".{os.getpid()}")
    with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED) as wheel:
        for inside, content in files.items():
            wheel.writestr(inside, content)
    unfinished.rename(path)
    print(path)


def record(files, own):
    """The list of files with their hashes, as installers want it."""
    lines = []
    for inside, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        lines.append(f"{inside},sha256={digest},{len(content)}")
    return "\n".join([*lines, f"{own},,", ""]).encode()


if __name__ == "__main__":
    main(*sys.argv[1:])

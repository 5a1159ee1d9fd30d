"""One benchmark's result: a table in Markdown to stdout, and a JSON file.

In: a name, a sentence on what was measured, column titles, rows. Out: the file's path.
"""

import json
import math
import os
import platform
import statistics
import subprocess
import time

from mobula import ROOT, binary
from process import cores


def machine():
    """What the numbers depend on, without naming the machine."""
    with open("/proc/cpuinfo") as file:
        models = [line.split(":")[1].strip() for line in file if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {"cores": cores(), "cpu": models[0] if models else platform.machine(),
            "memory_gib": round(memory / 2**30, 1), "kernel": platform.release()}


def versions():
    """The versions of what was compared."""
    import duckdb
    import debian
    postgres = _first_line([f"{debian.postgres_bin()}/postgres", "--version"])
    commit = _first_line(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"])
    return {"mobula": _first_line([str(binary()), "--version"]), "commit": commit,
            "duckdb": duckdb.__version__, "postgres": postgres}


def ratios(times):
    """A row for each query of {number: ([seconds of one], [seconds of the other])}: the medians in
    milliseconds and their ratio. And the ratios' geometric mean."""
    rows = []
    for number, pair in times.items():
        one, other = (statistics.median(seconds) * 1000 for seconds in pair)
        rows.append([f"Q{number}", one, other, one / other])
    return rows, ["geometric mean", "", "", geometric_mean([row[3] for row in rows])]


def publish_ratios(asked, name, about, names, times, more=()):
    """Publishes what two engines, by `names`, took for the same queries; `more` rows come last."""
    rows, mean = ratios(times)
    if rows:
        totals = [sum(row[column] for row in rows) for column in (1, 2)]
        rows += [["total", *totals, totals[0] / totals[1]], mean]
    rows += more
    seconds = [f"{name.lower()}_s" for name in names]
    details = {f"Q{number}": dict(zip(seconds, pair)) for number, pair in times.items()}
    titles = ["query", *(f"{name} ms" for name in names), "ratio"]
    publish(asked, name, about, titles, rows, details)


def publish(asked, name, about, titles, rows, details=None):
    """Prints the table and writes `name`.json below --out; `details` go to the file only."""
    print(f"\n### {name}\n\n{about}\n")
    shown = [[_shown(cell) for cell in row] for row in rows]
    print("| " + " | ".join(titles) + " |")
    print("|" + "|".join("---" if i == 0 else "---:" for i in range(len(titles))) + "|")
    for row in shown:
        print("| " + " | ".join(row) + " |")
    path = asked.out / f"{name}.json"
    content = {"name": name, "about": about, "machine": machine(), "versions": versions(),
               "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
               "rows": [dict(zip(titles, row)) for row in rows], "details": details}
    path.write_text(json.dumps(content, indent=1, default=str) + "\n")
    print(f"\n{path}")
    return path


def geometric_mean(ratios):
    """1.0 for none."""
    return math.exp(sum(map(math.log, ratios)) / len(ratios)) if ratios else 1.0


def _shown(cell):
    if isinstance(cell, float):
        digits = 0 if abs(cell) >= 1000 else 1 if abs(cell) >= 100 else 2 if abs(cell) >= 1 else 3
        return f"{cell:,.{digits}f}"
    return f"{cell:,}" if isinstance(cell, int) else str(cell)


def _first_line(command):
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return result.stdout.strip().splitlines()[0] if result.stdout.strip() else "unknown"

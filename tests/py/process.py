"""Small facts about processes on Linux, from /proc, and waiting for a condition.

In: a process id, or a condition as a function. Out: bytes, seconds, or what the condition gave.
Knows nothing of SQL, Mobula or PostgreSQL.
"""

import ctypes
import os
import resource
import signal
import socket
import threading
import time

MIB = 1024 * 1024
_LIBC = ctypes.CDLL(None)
_SET_PARENT_DEATH_SIGNAL = 1
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def die_with_parent():
    """For Popen's preexec_fn: a server does not outlive the tests that started it."""
    _LIBC.prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)


def cores():
    """The cores this process may run on."""
    return len(os.sched_getaffinity(0))


def free_port():
    """A TCP port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(what, condition, deadline_s, pause_s=0.02):
    """Calls `condition` until it returns something true and returns that.

    Raises TimeoutError, naming `what`, when the deadline has passed.
    """
    end = time.monotonic() + deadline_s
    while True:
        got = condition()
        if got:
            return got
        if time.monotonic() > end:
            raise TimeoutError(f"waited {deadline_s} s for {what}")
        time.sleep(pause_s)


def rss_bytes(pid):
    """Resident memory of a process, without memory it shares with others on purpose (so that
    PostgreSQL's shared buffers do not count); 0 when it is gone."""
    try:
        with open(f"/proc/{pid}/status") as file:
            fields = dict(line.split(":", 1) for line in file)
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return sum(int(fields.get(key, "0 kB").split()[0]) * 1024 for key in ("RssAnon", "RssFile"))


def cpu_seconds(pid):
    """CPU time a process has used so far, all threads; None when it is gone."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_SECOND


def wait_busy(pid, deadline_s=20):
    """Returns once the process computes: at least half a core over 100 ms."""

    def busy():
        before = cpu_seconds(pid)
        time.sleep(0.1)
        after = cpu_seconds(pid)
        return before is not None and after is not None and after - before >= 0.05

    wait_until(f"process {pid} to compute", busy, deadline_s)


def seconds_until_idle(pid, deadline_s=30, window_s=0.2):
    """How long until the process uses at most two clock ticks in a window (or is gone).

    The answer is when that window began, so it is exact to about one window.
    """
    started = time.monotonic()
    while time.monotonic() - started < deadline_s:
        began, before = time.monotonic(), cpu_seconds(pid)
        time.sleep(window_s)
        after = cpu_seconds(pid)
        if before is None or after is None or after - before <= 2 / _TICKS_PER_SECOND:
            return began - started
    raise TimeoutError(f"process {pid} still computes after {deadline_s} s")


def raise_open_files(wanted):
    """Lets this process, and those it starts, open `wanted` files; False when it may not."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= wanted:
        return True
    if hard < wanted and os.geteuid() != 0:
        return False
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(hard, wanted)))
    except (ValueError, OSError):
        return False
    return True


class RssSampler:
    """`with RssSampler(pid) as rss:` samples memory in a thread; `growth_mib` is peak - start."""

    def __init__(self, pid, interval_s=0.1):
        self.pid = pid
        self.interval_s = interval_s
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self):
        self.start = self.peak = rss_bytes(self.pid)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join()
        self.peak = max(self.peak, rss_bytes(self.pid))

    @property
    def growth_mib(self):
        """Peak above the start, so far."""
        return (self.peak - self.start) / MIB

    def _sample(self):
        while not self._ended.wait(self.interval_s):
            self.peak = max(self.peak, rss_bytes(self.pid))

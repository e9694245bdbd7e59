"""How much memory this process may take on the CPU, how much it has taken, and a limit before the machine's own."""

from __future__ import annotations

import contextlib
import ctypes
import resource
import sys
from pathlib import Path

from training import machine

# Libraries that cannot have even the smallest allocation crash instead of saying so.
ELBOW_ROOM = 64 * 2**20
# The limits of a process (setrlimit), and the field of /proc/self/status that each one is about.
LIMITS = {resource.RLIMIT_AS: "VmSize", resource.RLIMIT_DATA: "VmData"}
# What mallopt(3) calls them.
TRIM_THRESHOLD, MMAP_MAX = -1, -4


def keep_what_is_freed() -> None:
    """Have the C library keep what is freed for what is asked for next.

    Otherwise glibc gives the larger tensors of each step back to the system, which clears their pages anew for the next
    step: a time that no learning needs, and that differs from process to process and from size to size. What is kept
    `Watch.restart` gives back. Other C libraries have no such thing, and go on as they do.
    """
    with contextlib.suppress(AttributeError, OSError):
        library = ctypes.CDLL(None)
        # Never a mapping of its own for what is large, and nothing trimmed from the end of the heap.
        library.mallopt(MMAP_MAX, 0)
        library.mallopt(TRIM_THRESHOLD, -1)


def available() -> int:
    """Bytes that this process may still take: what the machine leaves to it, and what its own limits (ulimit) do."""
    status = _status()
    softs = {field: resource.getrlimit(limit)[0] for limit, field in LIMITS.items()}
    own = [soft - status[field] for field, soft in softs.items() if soft != resource.RLIM_INFINITY]
    return max(0, min([machine.available_memory(), *own]))


def limited() -> bool:
    """Whether this process has a limit of its own (ulimit)."""
    return any(resource.getrlimit(limit)[0] != resource.RLIM_INFINITY for limit in LIMITS)


class Watch:
    """What this process takes more than when the watch began, pages of mapped files not counted."""

    def __init__(self) -> None:
        self.before = _own(_status())
        self.allowed: int | None = None
        self.ceiling = resource.getrlimit(resource.RLIMIT_DATA)[0]

    def limit(self, growth: int) -> None:
        """Let allocations fail once so many bytes are taken: an error that is caught here is better than the system's
        killer. Should that come all the same, it takes this process before any other. Linux only."""
        if sys.platform != "linux":
            return
        self.allowed = growth
        self._limit_data()
        # In some containers that is not for a process to say.
        with contextlib.suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text("1000")

    def restart(self) -> None:
        """Begin a new peak; where the system has no such thing (Linux has), the peak stays that of the process."""
        with contextlib.suppress(AttributeError, OSError):
            # What was freed but is kept for later would count as taken; other C libraries than glibc keep nothing.
            ctypes.CDLL(None).malloc_trim(0)
        with contextlib.suppress(OSError):
            # "5" sets the peak of the resident set back to its present size: proc_pid_clear_refs(5).
            Path("/proc/self/clear_refs").write_text("5")
        self._limit_data()

    def peak(self) -> int:
        """The most bytes taken since the last restart."""
        status = _status()
        return max(0, status["VmHWM"] - status["RssFile"] - self.before)

    def _limit_data(self) -> None:
        """The kernel limits address space, of which an allocator holds more than it uses; the difference is allowed."""
        if self.allowed is None:
            return
        status = _status()
        limit = status["VmData"] + max(ELBOW_ROOM, self.allowed - max(0, _own(status) - self.before))
        if self.ceiling != resource.RLIM_INFINITY:
            limit = min(limit, self.ceiling)
        resource.setrlimit(resource.RLIMIT_DATA, (limit, resource.getrlimit(resource.RLIMIT_DATA)[1]))


def _own(status: dict[str, int]) -> int:
    return status["VmRSS"] - status["RssFile"]


def _status() -> dict[str, int]:
    """Sizes of this process in bytes by their names in /proc/self/status; where there is none, what getrusage knows."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        return {"VmRSS": peak, "VmHWM": peak, "RssFile": 0, "VmSize": 0, "VmData": 0}
    sizes = (line.split() for line in lines if line.endswith(" kB"))
    return {"RssFile": 0} | {name.rstrip(":"): int(number) * 1024 for name, number, _ in sizes}

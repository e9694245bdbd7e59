"""What this machine leaves to our processes: cores and memory, by control groups (v2, v1) and limits of their own.

`training.machine` asks the like for itself, since it is exported without this room.
"""

from __future__ import annotations

import contextlib
import os
import resource
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil

# Beyond any memory: control groups of version 1 say "no limit" by such a number.
BOUNDLESS = 2**60


def cores(root: Path = Path("/")) -> int:
    """CPU cores that a process of ours may use: by its affinity, and by the smallest quota of the groups above it.
    `root`: where /proc and /sys are looked for."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(allowed, int(quota(root))))


def quota(root: Path = Path("/")) -> float:
    """The cores that the control groups grant; a large number without a limit."""
    granted: list[float] = [sys.maxsize]
    for version, folder in _groups(root, "cpu"):
        names = ("cpu.max",) if version == 2 else ("cpu.cfs_quota_us", "cpu.cfs_period_us")
        # No such group in this container, or no limit ("max"); -1 is what version 1 says for that.
        with contextlib.suppress(OSError, ValueError):
            share, period = " ".join((folder / name).read_text() for name in names).split()
            if float(share) > 0:
                granted.append(float(share) / float(period))
    return min(granted)


def memory_limit(root: Path = Path("/")) -> int | None:
    """Bytes that a process of ours may take by the control groups above this one and its own limits (ulimit), which its
    children inherit: the smallest; None without any."""
    own = (resource.getrlimit(kind)[0] for kind in (resource.RLIMIT_AS, resource.RLIMIT_DATA))
    limits = (*(limit for limit in own if limit != resource.RLIM_INFINITY), *_granted(root))
    return min((limit for limit in limits if limit < BOUNDLESS), default=None)


def memory(root: Path = Path("/")) -> int:
    """Bytes that all processes of ours together may take: those of the machine, or what the control groups grant of
    them."""
    return min((psutil.virtual_memory().total, *_granted(root)))


def _granted(root: Path) -> Iterator[int]:
    """The bytes that each control group above this process grants; none of one without a limit."""
    for version, folder in _groups(root, "memory"):
        name = "memory.max" if version == 2 else "memory.limit_in_bytes"
        with contextlib.suppress(OSError, ValueError):
            if (limit := int((folder / name).read_text())) < BOUNDLESS:
                yield limit


def _groups(root: Path, controller: str) -> Iterator[tuple[int, Path]]:
    """Version and folder of each control group from this process's own up to the topmost, which is often all that a
    container sees."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    base = root / "sys/fs/cgroup"
    for line in lines:
        _number, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        top = base / controller if controllers else base
        below = top / path.lstrip("/")
        for folder in (below, *below.parents):
            yield (1 if controllers else 2), folder
            if folder == top:
                break

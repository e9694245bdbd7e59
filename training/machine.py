"""What the machine leaves to this process: memory and cores."""

from __future__ import annotations

import os
from pathlib import Path


def available_memory(root: Path = Path("/")) -> int:
    """Bytes: the least of what the machine has free and what each control group (v2, v1) above this process allows.

    `root` is where /proc and /sys are looked for. Where there is no /proc/meminfo, half of the physical memory.
    """
    limits = [_machine(root)]
    try:
        groups = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        groups = []
    base = root / "sys/fs/cgroup"
    for line in groups:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            limits += _groups(base, path, "memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            limits += _groups(
                base / "memory", path, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"
            )
    return max(0, min(limits))


def cores() -> int:
    """The number of CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _machine(root: Path) -> int:
    try:
        for line in (root / "proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2


def _groups(base: Path, path: str, limit_file: str, usage_file: str, cache_field: str) -> list[int]:
    """What the group at `path` and each one above it still allow; a container often sees only the topmost folder."""
    folder = base / path.lstrip("/")
    allowed = []
    for group in (folder, *folder.parents):
        try:
            limit = int((group / limit_file).read_text())
            usage = int((group / usage_file).read_text())
            statistics = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        except (OSError, ValueError):
            # No such group here, or no limit ("max").
            pass
        else:
            # Pages of files that nobody used lately are given back when memory is asked for.
            allowed.append(limit - usage + int(statistics.get(cache_field, 0)))
        if group == base:
            break
    return allowed

"""What the machine leaves to this process: memory and cores."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
# Others keep so large a share of the cores busy that times say little about a quiet machine.
BUSY = 0.25


def available_memory(root: Path = Path("/")) -> int:
    """Bytes: the least of what the machine has free and what each control group (v2, v1) above this process allows.

    `root` is where /proc and /sys are looked for. Where there is no /proc/meminfo, half of the physical memory.
    """
    limits = [_machine(root)]
    base = root / "sys/fs/cgroup"
    for version, path in _own_groups(root, "memory"):
        if version == 2:
            limits += _groups(base, path, "memory.max", "memory.current", "inactive_file")
        else:
            limits += _groups(
                base / "memory", path, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"
            )
    return max(0, min(limits))


def oom_kills(root: Path = Path("/")) -> int:
    """How many processes of this control group the kernel has killed for want of memory; 0 where nobody counts."""
    base, total = root / "sys/fs/cgroup", 0
    for version, path in _own_groups(root, "memory"):
        counts = base / path.lstrip("/") / "memory.events"
        if version == 1:
            counts = base / "memory" / path.lstrip("/") / "memory.oom_control"
        with contextlib.suppress(OSError, ValueError):
            named = dict(line.split() for line in counts.read_text().splitlines())
            total += int(named.get("oom_kill", 0))
    return total


class Neighbours:
    """How busy everybody but this process keeps the cores that it may run on, from when this object was made. What a
    group's quota grants of their time does not count: where most of the machine idles, others take nothing. Linux
    only."""

    def __init__(self, root: Path = Path("/")):
        self.root = root
        self.reachable = reachable()
        self.began, self.own, self.all = time.monotonic(), time.process_time(), self._worked()

    def cores(self) -> float | None:
        """The cores that others kept busy on average; None where the system does not say."""
        worked = self._worked()
        if worked is None or self.all is None:
            return None
        others = worked - self.all - (time.process_time() - self.own)
        return max(0.0, others / max(1e-3, time.monotonic() - self.began))

    def busy(self) -> bool:
        """Whether that is so much that times say little about a quiet machine."""
        return (self.cores() or 0.0) > BUSY * len(self.reachable)

    def _worked(self) -> float | None:
        """Core seconds that everybody has worked so far."""
        try:
            lines = [line.split() for line in (self.root / "proc/stat").read_text().splitlines()]
        except OSError:
            return None
        # All but idle, waiting for a disk, and what runs for guests, which is counted twice: proc_stat(5).
        return (
            sum(
                int(field)
                for name, *fields in filter(None, lines)
                if name in self.reachable
                for place, field in enumerate(fields)
                if place not in (3, 4, 8, 9)
            )
            / _TICKS
        )


def reachable() -> frozenset[str]:
    """The cores that this process may run on, as /proc/stat calls them."""
    numbers = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    return frozenset(f"cpu{number}" for number in numbers)


def waited(root: Path = Path("/")) -> float | None:
    """Seconds that this thread was ready to run so far while its processor ran others; None where nobody counts."""
    try:
        # Nanoseconds on a processor, nanoseconds of waiting for one, turns.
        return int((root / "proc/thread-self/schedstat").read_text().split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return None


def cores(root: Path = Path("/")) -> int:
    """CPU cores that this process may use: by its affinity, and by the smallest quota (v2, v1) of the groups above it.

    More threads than the quota grants are all stopped together when it is used up.
    """
    allowed = len(reachable())
    base = root / "sys/fs/cgroup"
    for version, path in _own_groups(root, "cpu"):
        top, names = (base, ("cpu.max",))
        if version == 1:
            top, names = (base / "cpu", ("cpu.cfs_quota_us", "cpu.cfs_period_us"))
        for group in _upwards(top, path):
            # No such group here, or no limit ("max").
            with contextlib.suppress(OSError, ValueError):
                share, period = " ".join((group / name).read_text() for name in names).split()
                if float(share) > 0:
                    allowed = min(allowed, int(float(share) / float(period)))
    return max(1, allowed)


def has_bfloat16(root: Path = Path("/")) -> bool:
    """Whether the processor has instructions for bfloat16, by the features that Linux lists; False elsewhere."""
    try:
        words = (root / "proc/cpuinfo").read_text(encoding="utf-8", errors="replace").split()
    except OSError:
        return False
    # Of x86, and of ARM.
    return not {"avx512_bf16", "amx_bf16", "bf16"}.isdisjoint(words)


def _machine(root: Path) -> int:
    try:
        for line in (root / "proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2


def _own_groups(root: Path, controller: str) -> Iterator[tuple[int, str]]:
    """Version and path of each control group of this process that may limit memory, or cpu."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            yield 2, path
        elif controller in controllers.split(","):
            yield 1, path


def _groups(base: Path, path: str, limit_file: str, usage_file: str, cache_field: str) -> list[int]:
    """What the group at `path` and each one above it still allow; a container often sees only the topmost folder."""
    allowed = []
    for group in _upwards(base, path):
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
    return allowed


def _upwards(top: Path, path: str) -> Iterator[Path]:
    folder = top / path.lstrip("/")
    for group in (folder, *folder.parents):
        yield group
        if group == top:
            break

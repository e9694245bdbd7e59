"""The device at hand, found without loading torch: what a GPU's driver says, else the processor and its memory."""

from __future__ import annotations

import platform
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import psutil

from state import gpus
from state import machine as limits


@dataclass(frozen=True)
class Device:
    """Where training will run: `count` devices of `name`, each with `memory` bytes; `cores`: CPU cores we may use."""

    kind: Literal["cuda", "mps", "cpu"]
    name: str
    count: int
    memory: int
    cores: int

    @property
    def trials_at_once(self) -> int:
        """One trial per GPU; on the CPU one, which uses all cores."""
        return self.count


@cache
def at_hand(wanted: str = "auto", each: int = 1) -> Device:
    """The device that `runtime.device` means on this machine; `each`: how many GPUs are one, since a trial has them
    together."""
    cores = limits.cores()
    if wanted in ("auto", "cuda") and (found := gpus.at_hand(each)):
        total = gpus.memory("total")
        # Parts of cards may not say how much memory they have.
        sizes = (gpu.memory or sum(total.get(uuid, 0) for uuid in gpu.uuid.split(",")) for gpu in found)
        return Device("cuda", found[0].name, len(found), min(sizes), cores)
    if wanted in ("auto", "mps") and sys.platform == "darwin" and platform.machine() == "arm64":
        return Device("mps", "Apple GPU", 1, psutil.virtual_memory().total, cores)
    return Device("cpu", _processor(), 1, _memory(), cores)


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _memory() -> int:
    total = psutil.virtual_memory().total
    return min(total, limits.memory_limit() or total)

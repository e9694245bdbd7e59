"""The device at hand, found without loading torch: what a GPU's driver says, else the processor and its memory."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import psutil

from state import machine as limits

_QUERY = ("nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader,nounits")


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
def at_hand(wanted: str = "auto") -> Device:
    """The device that `runtime.device` means on this machine."""
    cores = limits.cores()
    if wanted in ("auto", "cuda") and (cards := _cards()):
        return Device("cuda", cards[0][0], len(cards), min(memory for _, memory in cards), cores)
    if wanted in ("auto", "mps") and sys.platform == "darwin" and platform.machine() == "arm64":
        return Device("mps", "Apple GPU", 1, psutil.virtual_memory().total, cores)
    return Device("cpu", _processor(), 1, _memory(), cores)


def _cards() -> list[tuple[str, int]]:
    """Name and memory in bytes of each NVIDIA card that this process may use."""
    try:
        answer = subprocess.run(_QUERY, capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        # No driver: no card that torch could use either.
        return []
    cards = []
    for line in filter(None, answer.splitlines()):
        name, _, mebibytes = line.rpartition(",")
        # Cards that are split (MIG) or shared may not say how much memory they have.
        memory = int(mebibytes) * 2**20 if mebibytes.strip().isdigit() else 0
        cards.append((name.strip(), memory))
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return cards
    named = [part for part in visible.split(",") if part.strip() and part.strip() != "-1"]
    return cards[: len(named)]


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

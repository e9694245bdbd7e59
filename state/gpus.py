"""The NVIDIA GPUs that processes of ours may use, by what their driver says: torch is not asked, it takes seconds."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from state.errors import Refusal

_SECONDS = 30
DEVICES = Path("/dev")
_MODES = "--query-gpu=uuid,mig.mode.current,compute_mode"
# What Windows shows of its driver to the Linux within it (WSL), where the card is one of NVIDIA.
WINDOWS_DRIVER = Path("/usr/lib/wsl/lib/libcuda.so.1")


@dataclass(frozen=True)
class Gpu:
    """A card, a part of one (MIG), or several that a trial has together: how CUDA_VISIBLE_DEVICES names it, its name as
    torch has it ("": not known), of a part its bytes of memory (0: not known), and whether the driver lets one process
    at a time use it (its compute mode is Exclusive_Process)."""

    uuid: str
    name: str = ""
    memory: int = 0
    exclusive: bool = False


@dataclass(frozen=True)
class Card:
    """A card and, where it is divided (MIG), its parts, which alone can be used then; `closed`: CUDA can use nothing of
    it, as it is to be divided and has no parts, or as its compute mode is Prohibited."""

    whole: Gpu
    parts: tuple[Gpu, ...] = ()
    closed: bool = False

    @property
    def usable(self) -> tuple[Gpu, ...]:
        return () if self.closed else self.parts or (self.whole,)


def at_hand(each: int = 1) -> tuple[Gpu, ...]:
    """The GPUs that this process is let use, in the order of the driver or of CUDA_VISIBLE_DEVICES; `each`: so many of
    them count as one, since a trial has them together."""
    by_bus = os.environ.get("CUDA_DEVICE_ORDER") == "PCI_BUS_ID"
    return together(visible(_cards(), os.environ.get("CUDA_VISIBLE_DEVICES"), by_bus), each)


def closed() -> tuple[Gpu, ...]:
    """The cards of which CUDA can use nothing as they are set."""
    return tuple(card.whole for card in _cards() if card.closed)


def _cards() -> tuple[Card, ...]:
    listed = parse(driver("-L"))
    return in_their_modes(listed, driver(_MODES, "--format=csv,noheader")) if listed else _unnamed()


def together(found: Sequence[Gpu], each: int) -> tuple[Gpu, ...]:
    """Groups of `each` GPUs of one name, neighbours where that can be; what is left over is nobody's. Of a divided card
    (MIG) a process can use one part only, so that parts are in no group."""
    if each == 1:
        return tuple(found)
    return tuple(
        Gpu(
            ",".join(gpu.uuid for gpu in same[start : start + each]),
            f"{each} x {name}",
            exclusive=any(gpu.exclusive for gpu in same[start : start + each]),
        )
        for name, same in _alike(found).items()
        for start in range(0, len(same) - each + 1, each)
    )


def _alike(found: Sequence[Gpu]) -> dict[str, list[Gpu]]:
    """Whole cards by their name."""
    alike: dict[str, list[Gpu]] = {}
    for gpu in found:
        if not gpu.uuid.startswith("MIG-"):
            alike.setdefault(gpu.name, []).append(gpu)
    return alike


def short(each: int) -> Refusal | None:
    """That there are GPUs, but not so many for a trial as it is to have; None where there are, or none at all, where
    trials run on the CPU."""
    if each == 1 or at_hand(each) or not (found := at_hand()):
        return None
    return Refusal(
        "Each trial is to have {each} GPUs of one kind (pipeline.gpus in tunebook.toml), and may use {n} here, parts "
        "of divided ones (MIG) not counted. Give it fewer, or let it see more: CUDA_VISIBLE_DEVICES.",
        each=each,
        n=max(map(len, _alike(found).values()), default=0),
    )


def memory(kind: Literal["total", "free"]) -> dict[str, int]:
    """UUID of each card to the bytes of its memory, or those that are free; cards of which the driver does not say are
    left out, and so are the parts of cards."""
    answer = driver(f"--query-gpu=uuid,memory.{kind}", "--format=csv,noheader,nounits")
    pairs = (line.rpartition(",") for line in answer.splitlines())
    return {uuid.strip(): int(size) * 2**20 for uuid, _comma, size in pairs if size.strip().isdecimal()}


def emptiest(each: int = 1) -> dict[str, str]:
    """The environment that keeps a process to one GPU, or to `each`, of those like the first the one with the most free
    memory; empty where there is none."""
    gpus, free = at_hand(each), memory("free")
    alike = [gpu for gpu in gpus if gpu.name == gpus[0].name]

    def room(gpu: Gpu) -> int:
        return min(free.get(uuid, 0) for uuid in gpu.uuid.split(","))

    # The first of equals, so that without figures it is the one that CUDA would take.
    return {"CUDA_VISIBLE_DEVICES": max(alike, key=room).uuid} if alike else {}


def driver(*options: str) -> str:
    """What nvidia-smi says; nothing where there is none. Whatever its exit code: one card that is lost makes it fail,
    and the others are listed all the same."""
    command = ["nvidia-smi", *options]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False).stdout
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return ""


def parse(listed: str) -> tuple[Card, ...]:
    """The cards that `nvidia-smi -L` lists."""
    found: list[Card] = []
    for line in listed.splitlines():
        entry = re.match(r"(GPU \d+: )?\s*(.+?)\s+(?:Device\s+\d+: )?\(UUID: (\S+)\)", line)
        if entry and entry[1]:
            found.append(Card(Gpu(entry[3], entry[2])))
        elif entry and found:
            card = found[-1]
            # "MIG 3g.40gb": nominal, a little less can be had.
            size = re.search(r"(\d+)gb", entry[2])
            part = Gpu(entry[3], f"{card.whole.name} {entry[2]}", int(size[1]) * 2**30 if size else 0)
            found[-1] = replace(card, parts=(*card.parts, part))
    return tuple(found)


def in_their_modes(cards: Sequence[Card], answer: str) -> tuple[Card, ...]:
    """The cards, each as its modes let it be used; a driver that does not know them says nothing of any."""
    lines = ([field.strip() for field in line.split(",")] for line in answer.splitlines())
    modes = {fields[0]: fields[1:] for fields in lines if len(fields) == 3}
    found: list[Card] = []
    for card in cards:
        divided, compute = modes.get(card.whole.uuid, ("", ""))
        closed = compute == "Prohibited" or (divided == "Enabled" and not card.parts)
        alone = compute == "Exclusive_Process"
        parts = tuple(replace(part, exclusive=alone) for part in card.parts)
        found.append(Card(replace(card.whole, exclusive=alone), parts, closed))
    return tuple(found)


def visible(cards: Sequence[Card], chosen: str | None, by_bus: bool = True) -> tuple[Gpu, ...]:
    """What CUDA_VISIBLE_DEVICES (None: not set) leaves of the cards. As in CUDA, an entry is a place or the beginning
    of a UUID, and what follows one that there is none of does not count.

    `by_bus`: whether CUDA counts cards as the driver lists them. By itself it begins with the fastest, which is the
    same only where all are alike; else an entry that is a place is passed on as it is.
    """
    if chosen is None:
        return tuple(part for card in cards for part in card.usable)
    alike = len({card.whole.name for card in cards}) < 2
    left: list[Gpu] = []
    for entry in (entry.strip() for entry in chosen.split(",")):
        parts: tuple[Gpu, ...] = ()
        if entry.isdecimal() and int(entry) < len(cards):
            parts = cards[int(entry)].usable if alike or by_bus else (Gpu(entry),)
        elif entry and not entry.isdecimal():
            parts = _named(cards, entry)
        if not parts:
            break
        left.extend(part for part in parts if part not in left)
    return tuple(left)


def _named(cards: Sequence[Card], entry: str) -> tuple[Gpu, ...]:
    for card in cards:
        if card.whole.uuid.startswith(entry):
            return card.usable
        for part in card.parts:
            if part.uuid.startswith(entry):
                return (part,)
        # As parts were named before driver 470, MIG-GPU-<UUID>/<instance>/<instance>, which CUDA still knows.
        if entry.startswith(f"MIG-{card.whole.uuid}/"):
            return (Gpu(entry, f"{card.whole.name} MIG"),)
    return ()


def _unnamed() -> tuple[Card, ...]:
    """Cards that a container shows without the driver's own program: CUDA can use them, and counts them from 0."""
    devices = [path for path in DEVICES.iterdir() if re.fullmatch(r"nvidia\d+", path.name)]
    # /dev/dxg: of all cards of Windows, whoever made them, of which Linux within it sees the first.
    count = len(devices) or int((DEVICES / "dxg").exists() and WINDOWS_DRIVER.exists())
    return tuple(Card(Gpu(str(place))) for place in range(count))

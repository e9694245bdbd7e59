"""Whether the machine has room for trials: on the disk for what they write, on the GPU for their training."""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any, TypeAlias

from presets.language import Message, say
from rounds import sweep
from rounds.plan import RoundPlan
from rounds.sharing import probed
from rounds.slots import Slot
from state import gpus, run_command, trials
from state.database import Store
from state.trials import Trial

# Beside the checkpoints: metrics, logs, the store, and whatever else writes to the disk.
LEAST_DISK = 200 * 2**20
# A checkpoint is written beside the one it replaces, so that more than what stays is needed for a moment.
BESIDE = 1.3
# The GPU must have so much more than the probe saw in use (our judgement).
SPARE = 1.05
# For so long an answer of nvidia-smi counts, one that memory is short less long, and a sweep is not tried again.
GPU_SECONDS, SHORT_SECONDS, SWEEP_SECONDS = 5.0, 1.0, 60.0
# How many trials back one of the same model is looked for.
LOOKED_AT = 20
# What the size of checkpoints depends on; of the momentum it is whether there is any.
MODEL, MOMENTUM = ("model.", "training.keep_checkpoints"), "optimizer.momentum"
SIZED_BY = (*MODEL, "optimizer.name", MOMENTUM)

Sized: TypeAlias = tuple[tuple[str, Any], ...]

log = logging.getLogger("tunebook.supervisor")


class Room:
    """What is known of disk and GPUs, for one store; looked up anew when it may have changed."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._sizes: dict[Sized, int] = {}
        self._gpus: dict[str, int] = {}
        self._asked = self._swept = -1e9

    def lacking(self, settings: Mapping[str, Any], slot: Slot, running: Iterable[Trial]) -> Message | None:
        """Why a trial of this configuration has to wait; None where there is room. Checkpoints that nobody will need
        make way (`sweep`)."""
        return self._on_disk(settings, running) or self._on_gpu(settings, slot)

    def _on_disk(self, settings: Mapping[str, Any], running: Iterable[Trial]) -> Message | None:
        path = self._store.project.folder
        need = LEAST_DISK + int(self.checkpoints(settings) * BESIDE) + sum(map(self._to_come, running))
        free = disk_free(path)
        if free < need and time.monotonic() - self._swept > SWEEP_SECONDS:
            self._swept = time.monotonic()
            if freed := sweep.sweep(self._store):
                log.info("the disk is short: checkpoints that nobody will need were removed, %d bytes", freed)
            free = disk_free(path)
        if free >= need:
            return None
        return say(
            "Waiting: only {free} MiB are free at {path}, and a trial needs {least} MiB.",
            free=free // 2**20,
            path=path,
            least=need // 2**20,
        )

    def _on_gpu(self, settings: Mapping[str, Any], slot: Slot) -> Message | None:
        if not slot.gpu:
            return None
        need = probed(self._store, settings)
        free, age = self._gpus.get(slot.gpu, 0), time.monotonic() - self._asked
        # A trial that has just ended gives its memory back a moment later.
        if age > GPU_SECONDS or (need is not None and free < need * SPARE and age > SHORT_SECONDS):
            self._asked, self._gpus = time.monotonic(), gpus.memory("free")
        free = self._gpus.get(slot.gpu)
        if need is None or free is None or free >= need * SPARE:
            return None
        return say(
            "Waiting: {gpu} has {free} MiB free, and the probe saw {need} MiB in use at this batch size.",
            gpu=slot.gpu,
            free=free // 2**20,
            need=need // 2**20,
        )

    def checkpoints(self, settings: Mapping[str, Any]) -> int:
        """Bytes that the checkpoints of such a trial take: as many as those of the last one of its model and optimizer
        that ended, or of its model; 0 before any has. Of a script of the user's own, all that it wrote."""
        key = _sized(settings, SIZED_BY)
        if not self._sizes.get(key):
            self._sizes[key] = self._measured(settings)
        return self._sizes[key]

    def _measured(self, wanted: Mapping[str, Any]) -> int:
        complete = [entry for entry in trials.trials(self._store) if entry.status == "complete"][-LOOKED_AT:]
        settings = {entry.id: trials.trial_settings(self._store, entry) for entry in complete}
        for parts in (SIZED_BY, MODEL):
            alike = [entry for entry in complete if _sized(settings[entry.id], parts) == _sized(wanted, parts)]
            if size := next(filter(None, map(self._written, reversed(alike))), 0):
                return size
        return 0

    def _to_come(self, entry: Trial) -> int:
        """What a running trial will still write."""
        expected = int(self.checkpoints(trials.trial_settings(self._store, entry)) * BESIDE)
        return max(expected - self._written(entry), 0)

    def _written(self, entry: Trial) -> int:
        folder = self._store.project.trial_folder(entry.id)
        if self._store.project.settings.command:
            return sum(sweep.folder_size(Path(path)) for path, _, _ in os.walk(folder / run_command.OUTPUT))
        return sweep.folder_size(folder / sweep.CHECKPOINTS)


@dataclass(frozen=True)
class Disk:
    """Bytes that a round will write, and how many may be written; how many of its trials fit."""

    need: int
    free: int
    fit: int


def forecast(store: Store, plan: RoundPlan) -> Disk | None:
    """What the checkpoints of a round will take, as those of earlier trials did, and whether the disk holds them: in a
    round nothing is swept up. None before a trial of its model has ended."""
    here = Room(store)
    sizes = [here.checkpoints({**plan.base, **study.overrides}) for study in plan.studies]
    if not all(sizes):
        return None
    each = [sizes[place % len(sizes)] for place in range(len(plan.trials))]
    spare = LEAST_DISK + int((BESIDE - 1) * max(sizes))
    free = disk_free(store.project.folder)
    if sum(each) + spare > free:
        free += sum(entry.size for entry in sweep.superfluous(store))
    fit = sum(total + spare <= free for total in accumulate(each))
    return Disk(sum(each), free, fit)


def _sized(settings: Mapping[str, Any], parts: tuple[str, ...]) -> Sized:
    return tuple(
        (name, bool(value) if name == MOMENTUM else value)
        for name, value in sorted(settings.items())
        if name.startswith(parts) and value is not None
    )


def disk_free(path: Path) -> int:
    """Bytes that may still be written where `path` is, or will be."""
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free

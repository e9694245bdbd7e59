"""Sweeping up: checkpoints that nobody will need are removed by a rule; what people decided, or may go on with, stays.

The rule: once a round has been reviewed and something was planned or decided after it, its trials keep their metrics,
results and logs, and of their checkpoints only those of the best few. Earlier tries of a trial keep none. Never
touched: trials that have not ended, the baseline, the runs of a launch, and every trial of a configuration that was
adopted at any time.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rounds import reviewed, reviewing
from rounds.record import usable
from state import by_metric, configurations, launches, trials
from state.database import Store
from state.trials import Batch, Trial

CHECKPOINTS = "checkpoints"
# Of a round that is over: enough to look at what its best trials learnt.
KEPT = 3


@dataclass(frozen=True)
class Superfluous:
    """A folder of checkpoints that the rule gives up, and its bytes."""

    folder: Path
    size: int


def superfluous(store: Store) -> list[Superfluous]:
    """What the rule gives up now."""
    adopted = _adopted(store)
    found = []
    for batch in trials.batches(store):
        listed = trials.trials(store, batch.name)
        folders = [folder for entry in listed for folder in _earlier_tries(store, entry)]
        if _over(store, batch, listed):
            kept = {entry.id for entry in _best(store, listed)}
            folders += [
                store.project.trial_folder(entry.id)
                for entry in listed
                if entry.status in trials.ENDED
                and entry.id not in kept
                and reviewing.identity(store, entry) not in adopted
            ]
        found += [Superfluous(folder / CHECKPOINTS, folder_size(folder / CHECKPOINTS)) for folder in folders]
    return [entry for entry in found if entry.size]


def sweep(store: Store) -> int:
    """Remove what the rule gives up; returns the bytes that became free."""
    freed = 0
    for entry in superfluous(store):
        shutil.rmtree(entry.folder, ignore_errors=True)
        freed += entry.size - folder_size(entry.folder)
    return freed


def _over(store: Store, batch: Batch, listed: list[Trial]) -> bool:
    """Whether a round was reviewed, and something came after it."""
    if batch.kind != "round" or not reviewed.holds(store, batch) or not all(map(trials.over, listed)):
        return False
    names = [entry.name for entry in trials.batches(store)]
    later = names[names.index(batch.name) + 1 :]
    # One against a former best configuration is decided upon no more, or else by its own runs, which stay.
    waiting = {entry.name for entry in launches.waiting(store)}
    return bool(later) and waiting.isdisjoint(later)


def _adopted(store: Store) -> set[str]:
    """The configurations that were the best one at any time, whatever the seed."""
    names = [entry.candidate for entry in launches.launches(store) if entry.decision == "adopt"]
    return {configurations.identity_of(configurations.configuration(store, name).settings) for name in names}


def _best(store: Store, listed: list[Trial]) -> list[Trial]:
    sign = -1.0 if listed and by_metric.of_batch(store, listed[0].batch).direction == "max" else 1.0
    good = [e for e in listed if e.status == "complete" and e.best is not None and usable(e.best)]
    return sorted(good, key=lambda entry: (sign * (entry.best or 0.0), entry.number))[:KEPT]


def _earlier_tries(store: Store, entry: Trial) -> Iterator[Path]:
    """What a trial that was tried again left of the tries before, once it has ended (`trial_folder.set_aside`)."""
    folder = store.project.trial_folder(entry.id)
    if entry.status in trials.ENDED:
        yield from (path for path in folder.parent.glob(f"{entry.id}.*") if path.suffix[1:].isdecimal())


def folder_size(folder: Path) -> int:
    """Bytes of the files right in a folder; 0 where there is none."""
    try:
        with os.scandir(folder) as entries:
            return sum(entry.stat(follow_symlinks=False).st_size for entry in entries if entry.is_file())
    except OSError:
        # Files come and go while a trial writes.
        return 0

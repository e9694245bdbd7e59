"""A round whose processes are killed at random moments: trials, the supervisor, both, the fork server."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import psutil

from rounds import supervisor
from state import files, metrics, runs, trials
from state.database import Store
from state.project import Project
from state.store import open_store
from tests import small_project

SEEDS = (1, 2, 3)
# Long enough to be hit in the middle, with checkpoints on the way to go on from.
MIDDLE = {"training.steps": 120, "training.evaluate_every": 40}
# A deadline for what hangs: on a machine that others keep busy, importing torch alone may take minutes.
PATIENCE_SECONDS = 900.0
# The longest pause between two blows.
PAUSE_SECONDS = 3.0
VICTIMS = ("trial", "supervisor", "both", "server")


def results(project: Project, digits: Path, blows: int, seed: int) -> dict[int, Any]:
    """What the trials of a round come to, by their seeds, while so many blows fall on its processes."""
    with open_store(project) as store:
        overrides = [{"training.seed": number, **MIDDLE} for number in SEEDS]
        small_project.batch(store, small_project.settings(digits), overrides, slots=2)
        supervisor.ensure(project)
        dice, left, deadline = random.Random(seed), blows, time.monotonic() + PATIENCE_SECONDS
        next_blow = time.monotonic() + dice.uniform(0, PAUSE_SECONDS)
        while not all(entry.status in trials.ENDED for entry in trials.trials(store)):
            assert time.monotonic() < deadline, told(project, store)
            if left and time.monotonic() > next_blow and strike(project, store, dice.choice(VICTIMS), dice):
                left -= 1
                next_blow = time.monotonic() + dice.uniform(0, PAUSE_SECONDS)
            # As a person does who runs it on.
            supervisor.ensure(project)
            time.sleep(0.05)
        return {entry.overrides["training.seed"]: outcome(store, entry) for entry in trials.trials(store)}


def strike(project: Project, store: Store, victim: str, dice: random.Random) -> bool:
    """Kill a victim without warning; False where there is none to be hit now."""
    hit = False
    if victim in ("supervisor", "both"):
        hit |= kill(holder(project))
    if victim == "server":
        with contextlib.suppress(psutil.Error):
            parent = holder(project)
            hit |= any(kill(child.pid) for child in psutil.Process(parent).children()) if parent else False
    if victim in ("trial", "both"):
        # What is killed twice is given up, as it should be; so each is hit once.
        running = [entry for entry in trials.trials(store) if entry.status == "running" and not entry.restarts]
        process = runs.process(project.trial_folder(dice.choice(running).id)) if running else None
        hit |= kill(process.pid) if process is not None else False
    return hit


def kill(pid: int | None) -> bool:
    """Whether there was such a process to kill."""
    if pid is None:
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
        return True
    return False


def holder(project: Project) -> int | None:
    """The supervisor at work."""
    if not supervisor.alive(project):
        return None
    return (files.read_json(project.folder / supervisor.LOCK) or {}).get("pid")


def outcome(store: Store, entry: trials.Trial) -> Any:
    """What training came to, without what depends on the clock."""
    names = ("train/loss", "val/loss", "val/error_rate", "grad_norm")
    curves = {name: metrics.curve(store, entry.id, name) for name in names}
    return entry.status, entry.message, entry.best, entry.best_step, entry.final, entry.steps_done, curves


def told(project: Project, store: Store) -> str:
    """Where a round stands that did not end, for who has to find out why."""
    states = [(entry.id, entry.status, entry.restarts, entry.message) for entry in trials.trials(store)]
    return f"{states}\n{(project.folder / supervisor.LOG).read_text()[-4000:]}"

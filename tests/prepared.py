"""A project to look at, the same on every machine: set up, one round reviewed, one launch, a second round at work.

Nothing is trained: what trials left is written by a formula, through the same functions as a supervisor's. `still`
keeps clock, author and machine from showing.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from presets.language import say, stored
from rounds import judging, launching, planning, reviewing
from rounds.slots import Machine
from state import files, launches, trial_progress, trials
from state.database import Store
from state.metrics import index_metrics
from state.project import Project
from state.store import open_store
from state.trials import Trial
from tests import set_up
from wizard import baseline, flow
from wizard.machine import Device

TRIALS, RUNNING = 12, 4
STAGES = ("set-up", "goal", "running", "ended", "launch", "second")
"""How far a project has come: it waits for the baseline, for its first round, is in it, after it, in a launch, in the
second round."""
# What a person or a file system may call things: markup, lines, what terminals obey, writing from the right, wide,
# joined and broken characters.
SENTINEL = "PWNED"
HOSTILE = (
    f"[/red]{SENTINEL}[bold",
    f"\x1b]0;{SENTINEL}\x07",
    f"\x1b[5m{SENTINEL}\x9b7m",
    f"two\nlines\r{SENTINEL}\t{{x}}",
    "\u202eright to left\u2066 \u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627",
    "\U0001f469\u200d\U0001f4bb\U0001f1e8\U0001f1f3 e\u0301\u0323 \u4e2d\u6587\uff08\u5bbd\uff09",
    "\udcff\ue000\u0000$(rm) %s \\",
    "x" * 300,
)


# As `tui.doctor.machine` would find it.
MACHINE = {
    "system": "Linux 6.1",
    "processor": "x86_64",
    "cores": 4,
    "memory_total": 8 * 2**30,
    "memory_available": 6 * 2**30,
    "memory_limit": None,
    "disk_free": 200 * 2**30,
    "devices": [
        {"index": "0", "name": "a card", "memory": 24 * 2**30, "memory_used": 2**30, "driver": "550.54"},
    ],
    "terminal": {
        "terminal": True,
        "columns": 80,
        "lines": 24,
        "TERM": "tmux-256color",
        "COLORTERM": "",
        "NO_COLOR": False,
        "encoding": "utf-8",
        "remote": True,
        "multiplexer": "tmux",
    },
    "versions": {"python": "3.11.7", "torch": "2.14.1", "timm": None},
}


@contextmanager
def still() -> Iterator[None]:
    """Nothing of the moment, the person or the machine gets into the store or onto the screen."""
    moment = datetime.datetime(2026, 3, 2, 9, 30, tzinfo=datetime.UTC)

    def seen() -> str:
        return moment.isoformat(timespec="milliseconds")

    def now() -> str:
        nonlocal moment
        moment += datetime.timedelta(seconds=7)
        return seen()

    disk = SimpleNamespace(free=200 * 2**30, total=500 * 2**30)
    here = Device("cpu", "a processor", 1, 8 * 2**30, 4)
    with ExitStack() as stack:
        for where, what in (
            ("state.database.now", now),
            ("state.trial_progress.now", now),
            # A page asks as often as it is read, which on a busy machine is more often.
            ("rounds.cost.now", seen),
            ("state.database.author", lambda: "ada"),
            ("wizard.machine.at_hand", lambda _wanted="auto", each=1: here),
            ("rounds.slots.machine", lambda _project: Machine(4)),
            ("state.logout.fate", lambda: "lives"),
            ("tui.doctor.machine", lambda _folder: MACHINE),
            ("tui.doctor.shutil.disk_usage", lambda _folder: disk),
        ):
            stack.enter_context(patch(where, what))
        yield


def prepare(root: Path, stage: str = "second", *, hostile: bool = False, round_trials: int = TRIALS) -> Project:
    """Make a project in a folder that has come as far as `stage`."""
    name = " ".join(HOSTILE[:6]) if hostile else "digits"
    test = {"examples": 360, "per_class": [36] * 10}
    found = {**set_up.DIGITS, "splits": {**set_up.DIGITS["splits"], "test": test}}
    if hostile:
        names = (HOSTILE * 2)[:10]
        found = {**found, "classes": [name.encode(errors="replace").decode() for name in names]}
    project = set_up.make(root, name=name, data="images", task="image-classification")
    (root / "images").mkdir()
    with open_store(project) as store:
        set_up.advance(store, "baseline", found)
        _tell(store, hostile)
        for act in (_baseline, _first_round, _end_round, _launch, _second_round)[: STAGES.index(stage)]:
            act(store, hostile, round_trials)
    return project


def _tell(store: Store, hostile: bool) -> None:
    """The reasons that people gave with two of their answers."""
    if hostile:
        for step, words in zip(("metric", "optimizer"), HOSTILE[:2], strict=True):
            question = flow.ask(store, step)
            assert question.recommended is not None
            flow.answer(store, step, question.recommended, words)
        launches.learn(store, stored(say("{words}", words=HOSTILE[3])), batch=None, evidence={})


def _baseline(store: Store, hostile: bool, _count: int) -> None:
    batch = baseline.plan(store)
    for entry in trials.trials(store, batch.name):
        _run(store, entry, 0.061)
    recommended = flow.ask(store, "baseline").recommended
    assert recommended is not None
    flow.answer(store, "baseline", recommended)


def _first_round(store: Store, hostile: bool, count: int) -> None:
    batch = planning.save(store, planning.propose(store, trials=count, seed=3), wanted="run")
    for entry in trials.trials(store, batch.name)[: count // 2]:
        _finish(store, entry, hostile)
    for entry in trials.trials(store, batch.name)[count // 2 : count // 2 + RUNNING]:
        _under_way(store, entry)


def _end_round(store: Store, hostile: bool, _count: int) -> None:
    for entry in trials.unfinished(store):
        _finish(store, entry, hostile)
    reviewing.review_batch(store, "round-1")


def _launch(store: Store, hostile: bool, _count: int) -> None:
    batch = launching.start(store, launching.propose(store, "round-1"))
    for entry in trials.trials(store, batch.name):
        _run(store, entry, (0.025 if entry.study == launching.CANDIDATE else 0.06) + 0.003 * (entry.position % 3))


def _second_round(store: Store, hostile: bool, count: int) -> None:
    judging.decide(store, "launch-1", "adopt", HOSTILE[5] if hostile else "")
    batch = planning.save(store, planning.propose(store, "minimise", trials=count, seed=5), wanted="run")
    for entry in trials.trials(store, batch.name)[: count // 3]:
        _finish(store, entry, hostile)
    for entry in trials.trials(store, batch.name)[count // 3 : count // 3 + RUNNING]:
        _under_way(store, entry)


def _finish(store: Store, entry: Trial, hostile: bool) -> None:
    """A trial ends: most complete, one in seven infeasible, one in eleven failed."""
    distance = sum((value - 0.6) ** 2 for value in entry.u.values()) / max(len(entry.u), 1)
    if entry.position % 7 == 3:
        _run(store, entry, None)
    elif entry.position % 11 == 7:
        message = HOSTILE[entry.position % len(HOSTILE)] if hostile else "RuntimeError: out of memory"
        _run(store, entry, None, status="failed", reason="error", message=message.encode(errors="replace").decode())
    else:
        _run(store, entry, 0.03 + 0.5 * distance + 0.002 * (entry.position % 5))
    if hostile:
        folder = store.project.trial_folder(entry.id)
        text = "\n".join(HOSTILE)
        (folder / "log.txt").write_text(text, encoding="utf-8", errors="surrogateescape")


def _under_way(store: Store, entry: Trial) -> None:
    trial_progress.mark_running(store, entry.id, restart=False)
    steps = trials.trial_settings(store, entry)["training.steps"]
    _write(store, entry, 0.04, steps * (3 + entry.position % 4) // 9)


def _run(store: Store, entry: Trial, best: float | None, **ended: Any) -> None:
    """A trial from its start to its end."""
    trial_progress.mark_running(store, entry.id, restart=False)
    settings = trials.trial_settings(store, entry)
    steps, metric = settings["training.steps"], f"val/{store.project.settings.metric}"
    reached = steps if best is not None else steps // 3
    _write(store, entry, best, reached)
    per_class = set_up.DIGITS["splits"]["validation"]["per_class"]
    correct = round(sum(per_class) * (1 - best)) if best is not None else 0
    result = {
        "status": "complete" if best is not None else "infeasible",
        "reason": "" if best is not None else "diverged",
        "message": "" if best is not None else f"the training loss was not finite at step {reached}",
        "best": {"step": steps, metric: best, "val/loss": 2 * best} if best is not None else {},
        "final": {"step": steps, metric: best, "val/loss": 2 * best} if best is not None else {},
        "steps_done": reached,
        "code": "c",
        "versions": {},
        "device": "cpu",
        "precision": "float32",
        "seconds": 7.0,
        "validation": {"examples": sum(per_class), "correct": correct, "per_class": per_class},
        **ended,
    }
    trial_progress.mark_ended(store, entry.id, result)


def _write(store: Store, entry: Trial, best: float | None, until: int) -> None:
    """The metrics up to a step: curves that fall to the best value, or rise beyond all bounds where there is none."""
    settings = trials.trial_settings(store, entry)
    steps, every = settings["training.steps"], settings["training.evaluate_every"]
    metric = f"val/{store.project.settings.metric}"
    folder = files.make_folder(store.project.trial_folder(entry.id))
    for step in range(every, until + 1, every):
        share = step / steps
        ripple = 0.02 * math.sin(7 * share * (entry.position + 3)) * (1 - share)
        if best is None:
            value = 0.9 + ripple
            loss = 2.3 * math.exp(4 * share) if share < 0.3 else math.nan
        else:
            value = best + (0.9 - best) * math.exp(-6 * share) * (1 - share) + abs(ripple)
            loss = 2.3 * value + 0.05
        files.append_line(
            folder / "metrics.jsonl",
            {
                "step": step,
                metric: round(value, 5),
                "val/loss": None if math.isnan(loss) else round(loss, 5),
                "train/loss": None if math.isnan(loss) else round(0.9 * loss, 5),
                "grad_norm": round(1 + 3 * value, 5),
            },
        )
    index_metrics(store, [entry.id])

"""A project on real data with trials of about a second: some of scikit-learn's handwritten digits, a tiny network."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil
from PIL import Image
from sklearn.datasets import load_digits

from presets.language import say, stored
from state import configurations, files, launches, runs, trial_progress, trials
from state.database import Store
from state.metrics import index_metrics
from state.project import Project, Settings, create
from state.trials import Batch, NewTrial
from training.config import check, flat, unflat

# Where the trials run: `pytest --device`.
DEVICE = "cpu"


def digits(folder: Path, examples: int = 200) -> Path:
    """The first so many digits, 8 x 8 pixels, as class folders of PNG files."""
    data: Any = load_digits()
    for place in range(examples):
        target = folder / str(data.target[place])
        target.mkdir(parents=True, exist_ok=True)
        Image.fromarray((data.images[place] * 15).astype("uint8")).save(target / f"{place:04d}.png")
    return folder


@contextlib.contextmanager
def held(store: Store) -> Iterator[None]:
    """Another program holds the store."""
    other = sqlite3.connect(store.project.store_path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


def settings(data: Path, **changes: Any) -> dict[str, Any]:
    """A whole configuration of dotted names; `changes` with two underscores for the dot."""
    values = {
        "model.library": "timm",
        "model.name": "test_resnet",
        "data.task": "image-classification",
        "data.path": str(data),
        "data.image_size": 16,
        "data.channels": 1,
        "optimizer.name": "sgd",
        "optimizer.learning_rate": 0.05,
        "training.steps": 30,
        "training.batch_size": 8,
        "training.evaluate_every": 10,
        "runtime.device": DEVICE,
        "runtime.threads": 1,
    }
    changed = {name.replace("__", "."): value for name, value in changes.items()}
    return flat(check(unflat({**values, **changed})))


def project(root: Path, data: Path) -> Project:
    return create(root, Settings(name="digits", task="image-classification", data=str(data)))


def batch(
    store: Store,
    values: Mapping[str, Any],
    overrides: Sequence[Mapping[str, Any]] = ({},),
    *,
    kind: str = "round",
    wanted: str = "run",
    slots: int = 0,
) -> Batch:
    """A batch with one trial for each of the overrides."""
    new = [NewTrial("search", place, {}, {}, dict(own)) for place, own in enumerate(overrides)]
    name = configurations.save(store, values, {})
    plan = {"best": name} if kind == "launch" else {}
    return trials.add_batch(store, kind, goal="", configuration=name, plan=plan, trials=new, wanted=wanted, slots=slots)


def adopt(store: Store, values: Mapping[str, Any]) -> str:
    """Make a configuration the best one, as an accepted baseline does; returns its hash."""
    made = batch(store, values, kind="baseline", wanted="")
    best = launches.best(store)
    launches.launch(
        store,
        batch=made.name,
        candidate=made.configuration,
        previous=best.hash if best else None,
        decision="adopt",
        reason=stored(say("clearly better than chance")),
        evidence={},
    )
    return made.configuration


def end(store: Store, id: str, best: float | None, status: str = "complete", **more: Any) -> None:
    """Enter the result of a trial without running it; its curve falls evenly to the best value, to the last step."""
    metric = f"val/{store.project.settings.metric}"
    steps = trials.trial_settings(store, trials.trial(store, id))["training.steps"]
    folder = files.make_folder(store.project.trial_folder(id))
    if best is not None:
        for step in range(10, steps + 1, 10):
            files.append_line(folder / "metrics.jsonl", {"step": step, metric: best * (2 - step / steps)})
        index_metrics(store, [id])
    value = {"step": steps, metric: best} if best is not None else {}
    result = {"status": status, "best": value, "final": value, "steps_done": steps, "code": "c", "versions": {}, **more}
    trial_progress.mark_ended(store, id, result)


def lives(process: psutil.Process) -> bool:
    """Whether it is at work still; nobody may have taken the exit status of one that has ended."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@contextlib.contextmanager
def alone(root: Path, digits: Path) -> Iterator[Project]:
    """An empty project, whose processes are gone afterwards."""
    made = project(root, digits)
    try:
        yield made
    finally:
        for noted in made.folder.glob(f"trials/*/{runs.PROCESS}"):
            while runs.stop(noted.parent, hard=True):
                time.sleep(0.01)


def wait_for(condition: Callable[[], object], message: str, seconds: float = 180) -> None:
    """Wait until a condition holds; however slow the machine, it takes no longer than it must."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, message
        time.sleep(0.02)

"""A set-up without waiting: what inspection and probe find out, as they would report it, and answers up to a step."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from state import measurements
from state.database import Store
from state.project import Project, Settings, create
from state.store import open_store
from wizard import flow, inspection, probe
from wizard.question import Choice

# scikit-learn's digits, as the inspection reports them.
DIGITS: dict[str, Any] = {
    "status": "complete",
    "task": "image-classification",
    "classes": [str(digit) for digit in range(10)],
    "splits": {
        "train": {"examples": 1437, "per_class": [142, 146, 142, 146, 145, 145, 145, 143, 139, 144]},
        "validation": {"examples": 360, "per_class": [36, 36, 35, 37, 36, 37, 36, 36, 35, 36], "held_out": True},
        "test": None,
    },
    "skipped": [],
    "skipped_total": 0,
    "images": {"widths": [8, 8, 8], "heights": [8, 8, 8], "modes": {"L": 1797}},
    "duplicates": {"within_train": 0, "across_splits": 0},
    "seconds": 0.4,
}
# The SMS spam collection.
SPAM: dict[str, Any] = {
    "status": "complete",
    "task": "text-classification",
    "classes": ["ham", "spam"],
    "splits": {
        "train": {"examples": 4457, "per_class": [3859, 598]},
        "validation": {"examples": 1115, "per_class": [966, 149], "held_out": True},
        "test": None,
    },
    "skipped": [],
    "skipped_total": 0,
    "texts": {"characters": [2, 61, 161, 910], "words": [1, 12, 30, 171]},
    "duplicates": {"within_train": 334, "across_splits": 0},
    "seconds": 0.4,
}


def changed(found: dict[str, Any], **splits: Any) -> dict[str, Any]:
    """The findings with other counts in some of the splits."""
    found = copy.deepcopy(found)
    for name, values in splits.items():
        found["splits"][name].update(values)
    return found


def size(batch_size: int, seconds: float, *, whole: float | None = None, **changes: Any) -> dict[str, Any]:
    """A line of a probe: `seconds` a step on the device, `whole` with its data."""
    return {
        "batch_size": batch_size,
        "step_seconds": seconds,
        "spread": 0.02,
        "examples_per_second": batch_size / seconds,
        "peak_memory": (300 + batch_size) * 2**20,
        "outcome": "measured",
        "message": "",
        "input_seconds": 0.001,
        "end_to_end_seconds": whole if whole is not None else seconds,
        **changes,
    }


SIZES = (size(8, 0.010), size(16, 0.0104), size(32, 0.013), size(64, 0.0245))


def probed(store: Store, *sizes: dict[str, Any], **changes: Any) -> None:
    """Record a probe of what is chosen now."""
    sizes = sizes or SIZES
    result = {
        "status": "complete",
        "recommended": 64,
        "largest_feasible": 64,
        "saturation": 64,
        "limited_by": "throughput",
        "memory_budget": 8 * 2**30,
        "device": "cpu",
        "precision": "float32",
        "threads": 2,
        "load_average": 0.3,
        "seconds": 8.0,
        "sizes": list(sizes),
        **changes,
    }
    id = measurements.next_id(store, "probe")
    store.project.measurement_folder(id).mkdir(parents=True)
    measurements.record(store, id, "probe", probe.subject(store), result)


def inspected(store: Store, found: dict[str, Any]) -> None:
    """Record an inspection of the data as they are set now, which there must be something of."""
    if not store.project.data.exists():
        store.project.data.mkdir(parents=True)
    id = measurements.next_id(store, "inspection")
    store.project.measurement_folder(id).mkdir(parents=True)
    measurements.record(store, id, "inspection", inspection.subject(store), found)


def make(root: Path, **settings: Any) -> Project:
    return create(root, Settings(**{"name": "p", "task": "image-classification", "data": "data", **settings}))


@contextmanager
def set_up(root: Path, until: str, found: dict[str, Any] = DIGITS, **answers: Choice) -> Iterator[Store]:
    """The open store of a project that stands at the step `until`; answers other than the recommended by step."""
    with open_store(make(root, task=found["task"])) as store:
        advance(store, until, found, **answers)
        yield store


def advance(store: Store, until: str, found: dict[str, Any] = DIGITS, **answers: Choice) -> None:
    """Answer whatever comes before the step `until`, and have the measurements that it takes."""
    while True:
        standing = flow.standing(store)
        if standing.needs == "inspection":
            inspected(store, found)
        elif standing.needs == "probe" and until != "probe":
            probed(store)
        elif standing.step in (until, None) or standing.needs:
            return
        else:
            question = flow.ask(store, standing.step)
            chosen = answers.get(standing.step, question.recommended)
            assert chosen is not None
            flow.answer(store, standing.step, chosen)

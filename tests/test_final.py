"""The final study: it learns from what can be compared, and goes on from its own results."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rounds import final, planning, reviewing
from state import trials
from state.database import Store
from state.errors import Refusal
from state.store import open_store
from tests import small_project

LR = "sgd.learning_rate"
FIXED: Any = {"optimizer.momentum": "fixed", "optimizer.weight_decay": "fixed"}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A project with a round of 18 trials over the learning rate, one diverged, one out of memory, one with a bug."""
    project = small_project.project(tmp_path / "p", tmp_path / "data")
    with open_store(project) as opened:
        small_project.adopt(opened, small_project.settings(tmp_path / "data"))
        batch = planning.save(opened, planning.propose(opened, trials=18, roles=FIXED))
        for place, entry in enumerate(trials.trials(opened, batch.name)):
            status, reason = {0: ("infeasible", "diverged"), 1: ("infeasible", "out_of_memory")}.get(
                place, ("complete", "")
            )
            best = 0.1 + (entry.u[LR] - 0.6) ** 2 if status == "complete" else None
            small_project.end(opened, entry.id, best, status, reason=reason)
        reviewing.review_batch(opened, batch.name)
        yield opened


def test_the_history_is_what_can_be_compared(store: Store) -> None:
    """Diverged trials as infeasible ones; out of memory, another number of steps and checks of stability not at all."""
    roles = FIXED
    longer = planning.save(store, planning.propose(store, trials=2, steps=60, roles=roles))
    for entry in trials.trials(store, longer.name):
        small_project.end(store, entry.id, 0.01)
    known = final.history(store, planning.propose(store, "minimise", trials=4, roles=roles))
    assert len(known) == 17
    assert sum(trial.cost is None for trial in known) == 1
    assert not any(trial.running for trial in known)


def test_the_study_begins_from_the_history_and_goes_on_from_its_own_results(store: Store) -> None:
    """Points near the optimum; the added ones are kept with the trials, and the review works as for any round."""
    batch = final.start(store, 2, wanted="")
    first = trials.trials(store, batch.name)
    assert len(first) == 2
    assert batch.goal == "minimise"
    assert any(abs(entry.u[LR] - 0.6) < 0.2 for entry in first)
    for entry in first:
        small_project.end(store, entry.id, 0.1 + (entry.u[LR] - 0.6) ** 2)
    final.extend(store, batch.name, 1)
    entries = trials.trials(store, batch.name)
    plan = planning.plan_of(store, batch.name)
    # What sixteen trials open, however few come at a time (P21).
    assert [dimension.key for dimension in plan.studies[0].dimensions] == [
        "optimizer.learning_rate",
        "optimizer.momentum",
    ]
    assert [trial.u for trial in plan.trials] == [entry.u for entry in entries]
    assert len({entry.overrides["optimizer.learning_rate"] for entry in entries}) == 3
    small_project.end(store, entries[-1].id, 0.1)
    assert reviewing.review_batch(store, batch.name)[0].verdict == "pass"


def test_too_small_a_history_is_refused(tmp_path: Path) -> None:
    """First an even spread, then a model."""
    with open_store(small_project.project(tmp_path / "p", tmp_path / "data")) as opened:
        small_project.adopt(opened, small_project.settings(tmp_path / "data"))
        with pytest.raises(Refusal, match="begins with 16 trials"):
            final.start(opened)

"""The five points of NAdamW as a first round: as published, for the built-in training from scratch, and no search."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rounds import planning, warm_start
from rounds.plan import DesignError
from state import trials
from state.database import Store
from state.store import open_store
from tests import small_project
from tests.screens import WIDE, shown, wait_for_text
from tests.test_page_design import designing, line
from tests.watched_round import press
from training.config import check, unflat


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(small_project.project(tmp_path / "p", tmp_path / "data")) as opened:
        yield opened


@pytest.fixture
def values(tmp_path: Path) -> dict[str, Any]:
    return small_project.settings(tmp_path / "data", training__steps=200)


def test_the_points_are_the_published_ones_and_each_trains(store: Store, values: dict[str, Any]) -> None:
    """tuning_search_space.json of AlgoPerf's external tuning baseline; the best configuration is one of SGD."""
    small_project.adopt(store, values)
    batch = planning.save(store, warm_start.plan(store))
    found = [
        check(unflat({key: value for key, value in trials.trial_settings(store, entry).items() if value is not None}))
        for entry in trials.trials(store, batch.name)
    ]
    keys = ("learning_rate", "beta1", "beta2", "weight_decay")
    assert [tuple(getattr(one.optimizer, key) for key in keys) for one in found] == [
        (1.31e-3, 0.9731, 0.99812, 0.164),
        (8.45e-4, 0.89, 0.99785, 0.0814),
        (1.31e-3, 0.9731, 0.99812, 0.164),
        (4.96e-3, 0.864, 0.629, 0.115),
        (1.75e-3, 0.9327, 0.99552, 0.0812),
    ]
    assert [one.schedule.warmup_steps for one in found] == [20, 10, 20, 4, 4]
    assert {(one.optimizer.name, one.optimizer.momentum, one.schedule.name) for one in found} == {
        ("nadamw", None, "cosine")
    }
    assert [one.regularization.label_smoothing for one in found] == [0.1, 0.2, 0.0, 0.0, 0.0]
    assert [one.regularization.dropout for one in found] == [0.0, 0.0, 0.0, 0.0, 0.1]


def test_the_reason_the_paper_and_what_is_fixed_are_kept_with_the_round(store: Store, values: dict[str, Any]) -> None:
    small_project.adopt(store, values)
    batch = planning.save(store, warm_start.plan(store))
    kept = planning.plan_of(store, batch.name)
    said = "\n".join(note.text() for note in kept.notes)
    assert "arXiv:2503.03986" in said
    assert "tuning_search_space.json" in said
    assert {str(caveat.values["name"]) for caveat in kept.caveats} >= {"nadamw.epsilon", "schedule.name"}


def test_more_trials_and_the_next_round_search_the_catalogues_ranges(store: Store, values: dict[str, Any]) -> None:
    small_project.adopt(store, values)
    batch = planning.save(store, warm_start.plan(store))
    planning.extend(store, batch.name, 2)
    added = trials.trials(store, batch.name)[5:]
    assert [entry.position for entry in added] == [5, 6]
    assert added[0].u != added[1].u
    following = planning.propose(store, "compare", optimizers=("sgd", "nadamw"))
    ranges = {d.name: d.domain for study in following.studies for d in study.dimensions}
    # Not those of the five points, which lie between 8e-4 and 5e-3.
    assert ranges["nadamw.learning_rate"].low == 1e-5
    assert ranges["nadamw.learning_rate"].high >= 3e-2
    assert following.first == 7


def test_pretrained_weights_are_not_for_these_points(store: Store, values: dict[str, Any]) -> None:
    small_project.adopt(store, {**values, "model.pretrained": "hub"})
    with pytest.raises(DesignError, match="training from scratch"):
        warm_start.plan(store)


async def test_it_is_chosen_among_the_goals_and_its_points_stay_as_they_are(
    store: Store, values: dict[str, Any]
) -> None:
    small_project.adopt(store, values)
    async with designing(store, WIDE) as (pilot, page):
        await press(pilot, "g", "home", "enter")
        await wait_for_text(pilot, "Goal: warm start")
        await wait_for_text(pilot, "arXiv:2503.03986")
        assert "5 trials" in shown(page.app)
        assert "nuisance" in line(page, "nadamw.learning_rate")
        for action in ("role", "range", "trials", "about"):
            assert page.check_action(action, ()) is False
        await press(pilot, "g", "end", "up", "up", "enter")
        await wait_for_text(pilot, "Goal: minimise")
        assert "warm start" not in shown(page.app)

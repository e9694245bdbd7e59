"""Rounds whose trials are listed by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from rounds import listed, planning, reviewing
from state import trials
from state.errors import Refusal
from state.store import open_store
from tests import small_project

RATE, DECAY = "optimizer.learning_rate", "optimizer.weight_decay"


def test_trials_listed_by_hand_are_run_as_they_stand(tmp_path: Path) -> None:
    """What a trial does not name is as in the best configuration; the next round does not take the list for a range."""
    with open_store(small_project.project(tmp_path / "p", tmp_path / "data")) as store:
        settings = small_project.settings(tmp_path / "data")
        small_project.adopt(store, settings)
        before = planning.propose(store)
        plan = listed.propose(store, [{RATE: 0.2}, {RATE: 0.01, DECAY: 0.1}, {RATE: 0.2}])
        # It may be meant, or a slip of the hand.
        assert [note.text() for note in plan.warnings if "try the same" in note.text()] == [
            "Trials 1 and 3 try the same, with other seeds at most."
        ]
        batch = listed.save(store, plan)
        varied = [{key: e.overrides[key] for key in (RATE, DECAY)} for e in trials.trials(store, batch.name)]
        decay = settings[DECAY]
        assert varied == [{RATE: 0.2, DECAY: decay}, {RATE: 0.01, DECAY: 0.1}, {RATE: 0.2, DECAY: decay}]
        assert len({e.overrides["training.seed"] for e in trials.trials(store, batch.name)}) == 3
        assert planning.plan_of(store, batch.name) == plan
        ranges = [{d.name: d.domain for d in each.studies[0].dimensions} for each in (planning.propose(store), before)]
        assert ranges[0] == ranges[1]
        # By the names that the screens and the reviews have for them, too.
        by_name = listed.propose(
            store, [{"sgd.learning_rate": 0.2}, {RATE: 0.01, "sgd.weight_decay": 0.1}, {RATE: 0.2}]
        )
        assert [trial.overrides for trial in by_name.trials] == [trial.overrides for trial in plan.trials]
        with pytest.raises(Refusal, match="listed one by one"):
            planning.extend(store, batch.name, 1)
        with pytest.raises(Refusal, match="no_such"):
            listed.propose(store, [{"no_such": 1}])
        for place, entry in enumerate(trials.trials(store, batch.name)):
            small_project.end(store, entry.id, 0.1 + 0.1 * place)
        actions = [finding.action.code for finding in reviewing.review_batch(store, batch.name) if finding.action]
        assert "more_trials" not in actions

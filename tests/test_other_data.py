"""Runs on other data are not compared: in noise, gain, saturation, final study, and what a configuration came to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from presets.language import say, stored
from rounds import alike, conditions, final, insights, judging, launching, planning, reviewing, worth
from rounds.plan import RoundPlan
from rounds.reached import best_and_baseline, reached
from state import export, launches, trials
from state.database import Store
from state.project import change
from state.store import open_store
from tests import small_project


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A project with a best configuration."""
    with open_store(small_project.project(tmp_path / "p", tmp_path / "data")) as opened:
        small_project.adopt(opened, small_project.settings(tmp_path / "data", training__steps=100))
        yield opened


def ended(store: Store, batch: str, best: float, data: str | None) -> None:
    """All trials of a batch have ended on these data, each a little apart from the one before."""
    for entry in trials.trials(store, batch):
        if entry.status not in trials.ENDED:
            small_project.end(store, entry.id, best + 0.001 * (entry.position % 3), data=data)


def a_round(store: Store, best: float, data: str | None) -> str:
    batch = planning.save(store, planning.propose(store, trials=4))
    ended(store, batch.name, best, data)
    return batch.name


def test_what_a_configuration_came_to_is_of_one_code(store: Store) -> None:
    """The script was changed between two launches of the best configuration."""
    for entry in trials.trials(store, "baseline-1"):
        small_project.end(store, entry.id, 0.5, code="old")
    for code, level in (("old", 0.2), ("new", 0.8)):
        batch = planning.save(store, planning.propose(store, trials=4))
        for entry in trials.trials(store, batch.name):
            small_project.end(store, entry.id, level, code=code)
        launch = launching.start(store, launching.propose(store, batch.name))
        for entry in trials.trials(store, launch.name):
            small_project.end(store, entry.id, level + 0.001 * (entry.position % 3), code=code)
        if code == "old":
            judging.decide(store, launch.name, "adopt", "for the test")
            assert best_and_baseline(store)[1] is not None
    best, first = best_and_baseline(store)
    assert best is not None
    assert first is None
    assert reached(store, best).value == pytest.approx(0.801)


def launched(store: Store, name: str, data: str, best: float = 0.1) -> str:
    launch = launching.start(store, launching.propose(store, name))
    ended(store, launch.name, best, data)
    return launch.name


def gained(store: Store, name: str) -> str:
    (finding,) = [one for one in reviewing.review_batch(store, name) if one.check == "gain"]
    return finding.message.text()


def test_what_other_data_change_is_no_noise_from_run_to_run(store: Store) -> None:
    """Five fresh runs of the best configuration in two launches, between which the data changed."""
    launched(store, a_round(store, 0.2, "old"), "old", 0.2)
    before = reviewing.noise(store)
    assert before is not None
    assert before == pytest.approx(0.001, rel=0.1)
    launched(store, a_round(store, 0.5, "new"), "new", 0.5)
    assert reviewing.noise(store) == pytest.approx(before, rel=0.1)


def test_a_round_is_not_held_against_runs_on_other_data(store: Store) -> None:
    ended(store, "baseline-1", 0.5, "old")
    first, second = a_round(store, 0.4, "old"), a_round(store, 0.4, "new")
    assert "what the round began with to 0.5 (runs: 1)" in gained(store, first)
    assert gained(store, second).startswith("What the round began with ran on other data than its trials")
    assert not worth.beaten(store, second)
    # Of an older result nobody knows on what data it was made, which is no difference.
    third = a_round(store, 0.4, None)
    assert "what the round began with to 0.5 (runs: 1)" in gained(store, third)


def test_rounds_on_other_data_are_not_saturated_by_later_ones(store: Store) -> None:
    """The new data are harder: no later round can come near what was reached on the old ones."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(reviewing, "noise", lambda *_: 0.01)
        patched.setattr(reviewing, "freedom", lambda *_: 30)
        names = [a_round(store, 0.1, "old"), *(a_round(store, level, "new") for level in (0.5, 0.4))]
        for name in names:
            reviewing.review_batch(store, name)
        assert [one.key for one in insights.proposals(store)] == []
        assert alike.incomparable(store) == ["round-1"]
        for _ in range(2):
            reviewing.review_batch(store, a_round(store, 0.4, "new"))
        assert [one.key for one in insights.proposals(store)] == ["saturated/round-3"]


def test_the_final_study_learns_from_the_data_of_now(store: Store) -> None:
    a_round(store, 0.1, "old")
    a_round(store, 0.4, "new")
    plan: RoundPlan = planning.propose(store, "minimise", trials=4)
    assert sorted(known.cost for known in final.history(store, plan) if known.cost is not None) == pytest.approx(
        [0.4, 0.401, 0.401, 0.402]
    )


def test_what_a_configuration_came_to_is_of_one_set_of_data(store: Store) -> None:
    """The best configuration runs again on new data; the baseline that never did is not set beside it."""
    ended(store, "baseline-1", 0.5, "old")
    name = launched(store, a_round(store, 0.2, "old"), "old", 0.2)
    judging.decide(store, name, "adopt", "for the test")
    best, first = best_and_baseline(store)
    assert best is not None
    assert first is not None
    assert reached(store, best).value == pytest.approx(0.201)
    launched(store, a_round(store, 0.7, "new"), "new", 0.8)
    again, first = best_and_baseline(store)
    assert again == best
    assert first is None
    assert reached(store, best).value == pytest.approx(0.801)
    assert reached(store, best).runs == 3
    assert export.best_trial(store).batch == "launch-2"
    assert launches.best(store) is not None


def test_a_round_teaches_by_the_data_that_it_ran_on_last(store: Store) -> None:
    """Its first trials ran on data that were ten times as hard, at whatever rate."""
    batch = planning.save(store, planning.propose(store, trials=30))
    for entry in trials.trials(store, batch.name):
        first = entry.position < 15
        value = 0.1 + (entry.u["sgd.learning_rate"] - 0.5) ** 2
        small_project.end(store, entry.id, 10 * value if first else value, data="old" if first else "new")
    reviewing.review_batch(store, batch.name)
    told = [one.text.text() for one in insights.of_round(store, batch.name)]
    assert any("between the 15 trials of round-1" in text for text in told)
    assert not any("30 trials" in text for text in told)


def learnt(store: Store, batch: str, kind: str, name: str) -> None:
    evidence = {"key": f"{kind}/{batch}/search/{name}", "about": [name], "status": "confirmed"}
    launches.learn(store, stored(say("so")), batch=batch, evidence=evidence)


def noted(plan: RoundPlan) -> str:
    return " ".join(note.text() for note in plan.notes)


@pytest.mark.parametrize("what", ["data", "metric", "batch size"])
def test_what_was_learnt_before_something_changed_is_a_hint(store: Store, what: str) -> None:
    """It fixes nothing and says so; what mattered is tuned along all the same, and what is learnt since counts."""
    decay, momentum = "sgd.weight_decay", "sgd.momentum"
    first = planning.save(store, planning.propose(store, trials=4, roles={decay: "nuisance"})).name
    ended(store, first, 0.3, "old")
    learnt(store, first, "little", decay)
    learnt(store, first, "matters", momentum)
    plan = planning.propose(store, trials=60)
    assert (plan.roles[decay], plan.roles[momentum]) == ("fixed", "nuisance")
    assert "hint" not in noted(plan)
    assert conditions.changed(store, (), first) == []
    if what == "metric":
        store.project = change(store.project, metric="loss", direction="min")
    if what == "batch size":
        best = launches.best(store)
        assert best is not None
        small_project.adopt(store, {**best.settings, "training.batch_size": 16})
    # So few trials leave both as they are.
    second = planning.save(store, planning.propose(store, trials=4, roles={momentum: "fixed"})).name
    ended(store, second, 0.3, "new" if what == "data" else "old")
    plan = planning.propose(store, trials=60)
    assert (plan.roles[decay], plan.roles[momentum]) == ("nuisance", "nuisance")
    assert "Little effect in round-1, but before data, metric or batch size changed: sgd.weight_decay." in noted(plan)
    assert decay in {d.name for d in plan.studies[0].dimensions}
    assert "Range carried from round-1, before data, metric or batch size changed: sgd.weight_decay." in noted(plan)
    assert conditions.changed(store, (), first)[0].text().startswith("Data, metric or batch size changed after round-1")
    few = planning.propose(store, trials=4, roles={momentum: "fixed"})
    assert few.roles[decay] == "fixed"
    assert "hint" not in noted(few)
    assert "hint" not in noted(planning.propose(store, trials=60, roles={decay: "nuisance"}))
    learnt(store, second, "little", decay)
    learnt(store, first, "matters", decay)
    plan = planning.propose(store, trials=60)
    assert plan.roles[decay] == "fixed"
    assert "hint" not in noted(plan)

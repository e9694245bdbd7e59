"""A launch comes after the review (P7, G16): what speaks against one is said, and refused where nobody is asked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from rounds import judging, launching, lineage, planning, reviewing, standing, worth
from state import launches, trials
from state.database import Store
from state.store import open_store
from tests import small_project
from tests.test_own_project import tunebook


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A best configuration that came to 0.1, and a round of two trials, the first of which has ended worse."""
    with open_store(small_project.project(tmp_path / "p", tmp_path / "data")) as opened:
        small_project.adopt(opened, small_project.settings(tmp_path / "data"))
        small_project.end(opened, "baseline-1-001", 0.1)
        planning.save(opened, planning.propose(opened, trials=2), wanted="run")
        small_project.end(opened, "round-1-001", 0.5)
        yield opened


def against(store: Store) -> str:
    found = worth.against(store, "round-1")
    return "" if found is None else found.text()


def test_a_round_that_runs_or_is_not_reviewed_or_has_found_nothing_is_no_candidate_for_a_launch(store: Store) -> None:
    assert "trials that have not ended (1)" in against(store)
    small_project.end(store, "round-1-002", 0.4)
    assert "has not been reviewed" in against(store)
    reviewing.review_batch(store, "round-1")
    assert "no trial of round-1 beats the best configuration" in against(store)


def test_a_program_is_told_whether_to_wait_to_review_or_to_look_elsewhere(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    """One word stood for all three, and only the sentence told them apart."""

    def code() -> str:
        assert tunebook("launch", "round-1", "--json", "--project", store.project.root) == 2
        return json.loads(capsys.readouterr().out)["code"]

    assert code() == "busy"
    small_project.end(store, "round-1-002", 0.4)
    assert code() == "not_yet"
    reviewing.review_batch(store, "round-1")
    assert code() == "refused"


def test_a_round_that_gained_and_was_reviewed_is_one(store: Store) -> None:
    small_project.end(store, "round-1-002", 0.01)
    reviewing.review_batch(store, "round-1")
    assert against(store) == ""


def test_what_a_round_did_not_beat_says_nothing_once_it_was_taken_back(store: Store) -> None:
    """The round came to less than the configuration that it began with, and to more than the one of before."""
    small_project.end(store, "round-1-002", 0.05)
    reviewing.review_batch(store, "round-1")
    launch = launching.start(store, launching.propose(store, "round-1"))
    for entry in trials.trials(store, launch.name):
        best = 0.05 if entry.study == "candidate" else 0.1
        small_project.end(store, entry.id, best + 0.001 * (entry.position % 3))
    first = launches.best(store)
    assert first is not None
    judging.decide(store, launch.name, "adopt", "for the test")
    name = planning.save(store, planning.propose(store, trials=2)).name
    for entry in trials.trials(store, name):
        small_project.end(store, entry.id, 0.07)
    reviewing.review_batch(store, name)
    assert worth.beaten(store, name)
    assert "no trial beats the best configuration" in standing.standing(store).now.text()
    lineage.back(store, first.hash, "it was too slow")
    assert not worth.beaten(store, name)
    assert worth.against(store, name) is None
    assert standing.standing(store).next.text().startswith("Launch what is worth it")


def test_a_round_of_fewer_steps_than_the_best_is_followed_by_one_of_as_many(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    """Status said that it cannot be compared, and the review to launch it."""
    best = launches.best(store)
    assert best is not None
    small_project.end(store, "round-1-002", 0.4)
    few = best.settings["training.steps"] // 2
    name = planning.save(store, planning.propose(store, trials=2, steps=few)).name
    for entry in trials.trials(store, name):
        small_project.end(store, entry.id, 0.3)
    assert tunebook("round", "review", name, "--project", store.project.root) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[-1] == "Next: tunebook round plan"
    stands = standing.standing(store)
    assert stands.step == "goal"
    assert f"its trials are of {few} steps, the best is of {2 * few}" in stands.now.text()
    against = worth.against(store, name)
    assert against is not None
    assert "against the other as it is" in against.text()


def launches_proposed(store: Store, best: float) -> set[str]:
    """The checks that propose a launch after a round of sixteen trials whose best came to that."""
    planning.save(store, planning.propose(store, trials=16), wanted="run")
    for entry in trials.trials(store, "round-2"):
        rate = abs(entry.u["sgd.learning_rate"] - 0.5)
        small_project.end(store, entry.id, best + rate)
    found = reviewing.review_batch(store, "round-2")
    assert {finding.check for finding in found} >= {"gain", "isolation"}
    return {finding.check for finding in found if finding.action is not None and finding.action.code == "launch"}


def test_no_finding_proposes_a_launch_where_no_trial_beats_what_the_round_began_with(store: Store) -> None:
    """One said that none does, and the next to launch the best."""
    assert launches_proposed(store, 0.2) == set()


def test_the_best_trial_of_the_best_value_is_proposed_for_a_launch_where_it_gained(store: Store) -> None:
    assert launches_proposed(store, 0.001) == {"gain", "isolation"}
    # About that trial it is decided once.
    name = launching.start(store, launching.propose(store, "round-2")).name
    for entry in trials.trials(store, name):
        small_project.end(store, entry.id, (0.05 if entry.study == "candidate" else 0.04) + 0.001 * entry.position)
    judging.decide(store, name, "reject", "worse")
    found = reviewing.review_batch(store, "round-2")
    assert not [finding for finding in found if finding.action is not None and finding.action.code == "launch"]


def test_where_nobody_is_asked_such_a_launch_is_refused_unless_its_trial_is_named(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a pipe it began at once, and ran twelve trials past the budget."""
    assert tunebook("launch", "--json", "--project", store.project.root) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert "have not ended (1)" in error
    assert "tunebook launch --trial round-1-001" in error
    assert not trials.batches(store, "launch")

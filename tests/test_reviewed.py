"""A review asked for again: not judged twice, and never out of date."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rounds import dismissing, launching, planning, reviewing
from state import trials
from state.database import Store
from state.errors import Refusal
from state.store import open_store
from tests import small_project
from tui.reviewed import reviewed

RESULTS = [0.4, 0.5, None, 0.2, 0.3, 0.35]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A project whose first round has ended."""
    project = small_project.project(tmp_path / "p", tmp_path / "data")
    with open_store(project) as opened:
        small_project.adopt(opened, small_project.settings(tmp_path / "data"))
        planning.save(opened, planning.propose(opened, trials=len(RESULTS)))
        for entry, best in zip(trials.trials(opened, "round-1"), RESULTS, strict=True):
            small_project.end(opened, entry.id, best, "infeasible" if best is None else "complete")
        yield opened


def test_what_rests_on_the_same_is_not_judged_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    first = reviewed(store, "round-1")
    monkeypatch.setattr(reviewing, "review_batch", lambda *_: pytest.fail("judged again"))
    assert reviewed(store, "round-1", first) == first


def test_a_trial_that_went_on_is_judged_again(store: Store) -> None:
    first = reviewed(store, "round-1")
    small_project.end(store, trials.trials(store, "round-1")[0].id, 0.1, "complete")
    again = reviewed(store, "round-1", first)
    assert again.records[0].best == 0.1
    assert again == reviewed(store, "round-1")


def test_a_round_that_got_more_trials_is_judged_again(store: Store) -> None:
    first = reviewed(store, "round-1")
    planning.extend(store, "round-1", 2)
    again = reviewed(store, "round-1", first)
    assert "6 of 8 trials" in next(finding.message.text() for finding in again.findings if finding.check == "complete")
    assert again == reviewed(store, "round-1")


def test_noise_that_became_known_is_judged_with(store: Store) -> None:
    first = reviewed(store, "round-1")
    launch = launching.start(store, launching.propose(store, "round-1"))
    for place, entry in enumerate(trials.trials(store, launch.name)):
        small_project.end(store, entry.id, 0.2 + place / 100, "complete")
    again = reviewed(store, "round-1", first)
    assert again.basis != first.basis
    assert again == reviewed(store, "round-1")


def test_what_was_dismissed_since_is_seen_as_such_and_last(store: Store) -> None:
    first = reviewed(store, "round-1")
    open_one = next(finding for finding in first.findings if finding.verdict != "pass")
    dismissing.dismiss(store, "round-1", open_one.key, "known")
    again = reviewed(store, "round-1", first)
    assert again.findings[-1].key == open_one.key
    assert again.verdict(again.findings[-1]) == "dismissed"


def test_a_round_whose_data_changed_on_the_way_is_told_so(store: Store) -> None:
    """They were ranked together; of results that do not say on what data they ran, nothing is claimed."""
    listed = [entry.id for entry in trials.trials(store, "round-1")]
    small_project.end(store, listed[0], 0.4)
    for id, data in zip(listed[1:], ("old", "old", "old", "new", "new"), strict=True):
        small_project.end(store, id, 0.3, data=data)
    (found,) = [finding for finding in reviewing.review_batch(store, "round-1") if finding.check == "data"]
    assert (found.verdict, found.figures["trials"]) == ("warn", listed[1:4])
    assert "3 of 5 trials (round-1-002, round-1-003, round-1-004) ran on other data than the last that ended" in (
        found.message.text()
    )
    for id in listed:
        small_project.end(store, id, 0.3, data="new")
    assert not [finding for finding in reviewing.review_batch(store, "round-1") if finding.check == "data"]


def test_a_round_of_two_versions_of_the_training_code_is_told_so(store: Store) -> None:
    listed = [entry.id for entry in trials.trials(store, "round-1")]
    for id, code in zip(listed, ("a", "a", "b", "b", "b", "b"), strict=True):
        small_project.end(store, id, 0.3, code=code)
    (found,) = [finding for finding in reviewing.review_batch(store, "round-1") if finding.check == "code"]
    assert (found.verdict, found.figures["trials"]) == ("warn", listed[:2])
    assert "The training code changed in the course of this round" in found.message.text()


def test_of_another_round_nothing_is_known(store: Store) -> None:
    first = reviewed(store, "round-1")
    with pytest.raises(Refusal):
        reviewed(store, "round-9", first)


def test_what_is_over_is_counted_as_it_is_told_trial_by_trial(store: Store) -> None:
    statuses = ("queued", "running", "stopped", *trials.ENDED)
    for wanted in ("", "stop", "retry"):
        for entry, status in zip(trials.trials(store, "round-1"), statuses, strict=True):
            with store.transaction():
                store.database.execute(
                    "UPDATE trials SET status = ?, wanted = ? WHERE id = ?", [status, wanted, entry.id]
                )
        over = sum(map(trials.over, trials.trials(store, "round-1")))
        assert trials.count_over(store, "round-1") == over == (5 if wanted == "stop" else 3)

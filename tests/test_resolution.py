"""A split whose last errors are a handful of examples can tell no trial from another, and the review says so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rounds import planning, reviewing
from rounds.finding import Finding
from rounds.next_step import Look, next_step
from state import trials
from state.database import Store
from state.store import open_store
from tests import small_project

EXAMPLES = 182


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(small_project.project(tmp_path / "p", tmp_path / "data")) as opened:
        small_project.adopt(opened, small_project.settings(tmp_path / "data"))
        end(opened, "baseline-1", [1])
        yield opened


def end(store: Store, name: str, errors: list[int]) -> None:
    validation = {"examples": EXAMPLES, "per_class": [91, 91]}
    for entry, wrong in zip(trials.trials(store, name), errors, strict=True):
        small_project.end(store, entry.id, wrong / EXAMPLES, validation=validation)


def reviewed(store: Store, errors: list[int]) -> list[Finding]:
    name = planning.save(store, planning.propose(store, trials=len(errors))).name
    end(store, name, errors)
    return [finding for finding in reviewing.review_batch(store, name) if finding.check == "resolution"]


def test_errors_of_an_example_or_two_are_told_with_what_helps(store: Store) -> None:
    (found,) = reviewed(store, [0, 0, 0, 5, 40, 90])
    assert found.verdict == "warn"
    assert found.message.text() == (
        "The 3 best trials and what the round began with differ by 0.00549 at most, and one validation example can be "
        "worth 0.00549: this split can no longer tell them apart."
    )
    assert next_step(store, "round-1", found) == Look("setup", "metric")


@pytest.mark.parametrize("errors", [[0, 3, 3, 5, 40, 90], [40, 44, 50, 60, 70, 80]])
def test_where_they_differ_by_more_nothing_is_said(store: Store, errors: list[int]) -> None:
    assert reviewed(store, errors) == []


def test_a_gain_over_what_the_round_began_with_counts_as_well(store: Store) -> None:
    """Three best trials may be alike and yet all better."""
    end(store, "baseline-1", [9])
    assert reviewed(store, [0, 1, 2, 5, 40, 90]) == []

"""What a configuration comes to is never the score that it was chosen for, where fresh runs are known."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rounds import judging, launching, lineage, listed, planning, reviewing
from rounds.reached import Reached, best_and_baseline, reached, source
from state import configurations, launches, trials
from state.database import Store
from state.store import open_store
from tests import small_project


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A baseline of one lucky run, and a round of three trials."""
    project = small_project.project(tmp_path / "p", tmp_path / "data")
    with open_store(project) as opened:
        small_project.adopt(opened, small_project.settings(tmp_path / "data"))
        small_project.end(opened, "baseline-1-001", 0.05)
        planning.save(opened, planning.propose(opened, trials=3))
        for entry, best in zip(trials.trials(opened, "round-1"), [0.3, 0.04, 0.2], strict=True):
            small_project.end(opened, entry.id, best)
        yield opened


def test_before_any_launch_there_is_one_run(store: Store) -> None:
    assert reached(store, launches.launches(store)[0]) == Reached(0.05, 1, selected=False)


def test_fresh_runs_take_the_place_of_the_score_that_selected(store: Store) -> None:
    launch = launching.start(store, launching.propose(store, "round-1"))
    for entry in trials.trials(store, launch.name):
        small_project.end(store, entry.id, 0.1 if entry.study == "candidate" else 0.25)
    judging.decide(store, launch.name, "adopt", "it is better")
    first, last = (reached(store, entry) for entry in launches.launches(store))
    assert (first.value, first.runs, first.selected) == (pytest.approx(0.25), 3, False)
    assert (last.value, last.runs, last.selected) == (pytest.approx(0.1), 3, False)


def test_a_review_has_the_figure_that_home_has(store: Store) -> None:
    """It counted the run as a baseline, too, and so the same configuration had two means."""
    launch = launching.start(store, launching.propose(store, "round-1"))
    for place, entry in enumerate(trials.trials(store, launch.name)):
        small_project.end(store, entry.id, 0.4 if entry.study == "candidate" else 0.2 + place / 100)
    judging.decide(store, launch.name, "reject", "")
    batch = planning.save(store, planning.propose(store, trials=3))
    for entry in trials.trials(store, batch.name):
        small_project.end(store, entry.id, 0.1)
    known = reached(store, launches.launches(store)[0])
    (found,) = (one for one in reviewing.review_batch(store, batch.name) if one.check == "gain")
    assert (found.figures["base"], found.figures["runs"]) == (pytest.approx(known.value), known.runs)


def test_a_round_that_tries_its_own_start_again_counts_the_same_on_home_and_in_every_review(store: Store) -> None:
    """Its review counted these runs and home did not: one configuration read 0.05 here and 0.117 there."""
    again = [{"optimizer.learning_rate": rate} for rate in (0.05, 0.05, 0.5)]
    for results in ([0.1, 0.2, 0.5], [0.3, 0.4, 0.6]):
        batch = planning.save(store, listed.propose(store, again))
        for entry, best in zip(trials.trials(store, batch.name), results, strict=True):
            small_project.end(store, entry.id, best)
    known = reached(store, launches.launches(store)[0])
    # With the baseline itself, 0.05.
    assert (known.value, known.runs, known.selected) == (pytest.approx(0.21), 5, False)
    for name in ("round-1", "round-2", "round-3"):
        (found,) = (one for one in reviewing.review_batch(store, name) if one.check == "gain")
        assert (found.figures["base"], found.figures["runs"]) == (pytest.approx(known.value), known.runs)


def test_runs_without_a_result_count_for_nothing(store: Store) -> None:
    launch = launching.start(store, launching.propose(store, "round-1"))
    for place, entry in enumerate(trials.trials(store, launch.name)):
        small_project.end(store, entry.id, float("nan") if place < 2 else 0.1)
    judging.decide(store, launch.name, "adopt", "as good as can be told")
    assert [reached(store, entry).runs for entry in launches.launches(store)] == [2, 2]


def test_one_that_was_not_repeated_has_the_run_that_selected_it(store: Store) -> None:
    judging.decide_unrepeated(store, launching.propose(store, "round-1"), "adopt", "a run takes a week")
    assert reached(store, launches.launches(store)[-1]) == Reached(0.04, 1, selected=True)


def test_the_way_back_comes_to_what_was_adopted_once(store: Store) -> None:
    """Without fresh runs it had no result at all."""
    judging.decide_unrepeated(store, launching.propose(store, "round-1"), "adopt", "a run takes a week")
    first, second = (link.configuration for link in lineage.line(store))
    for wanted, came_to in ((first, Reached(0.05, 1, selected=False)), (second, Reached(0.04, 1, selected=True))):
        lineage.back(store, wanted, "for the test")
        assert reached(store, launches.launches(store)[-1]) == came_to


def test_the_best_is_measured_by_a_baseline_that_is_another(store: Store) -> None:
    """Of a second baseline the result was given twice, and beside what came after it that of the first."""
    assert source(store) == ("baseline-1",)
    small_project.adopt(store, small_project.settings(Path("data"), optimizer__momentum=0.5))
    best, baseline = best_and_baseline(store)
    assert best is not None
    assert (best.batch, baseline) == ("baseline-2", None)
    judging.decide_unrepeated(store, launching.propose(store, "round-1"), "adopt", "a run takes a week")
    best, baseline = best_and_baseline(store)
    assert best is not None
    assert baseline is not None
    assert (best.batch, baseline.batch) == ("launch-1", "baseline-2")
    assert source(store) == ("launch-1", "round-1-002")
    lineage.back(store, lineage.line(store)[0].configuration, "for the test")
    assert source(store) == ("baseline-1",)


def test_a_value_typed_without_a_fraction_is_the_same_configuration(store: Store) -> None:
    """Dropout 0 in the candidate and 0.0 in the best configuration: its fresh runs were not found, and the score of the
    luckiest of them stood for it."""
    settings = configurations.configuration(store, launches.launches(store)[0].candidate).settings
    typed = {**settings, "regularization.dropout": 0, "optimizer.learning_rate": 0.2}
    trial = small_project.batch(store, typed, wanted="")
    entry = trials.trials(store, trial.name)[0]
    small_project.end(store, entry.id, 0.04)
    launch = launching.start(store, launching.propose(store, trial.name))
    for run in trials.trials(store, launch.name):
        small_project.end(store, run.id, 0.1 if run.study == "candidate" else 0.25)
    judging.decide(store, launch.name, "adopt", "it is better")
    came_to = reached(store, launches.launches(store)[-1])
    assert (came_to.value, came_to.runs) == (pytest.approx(0.1), 3)


def test_listed_values_are_typed_as_their_settings_are_declared(store: Store) -> None:
    plan = listed.propose(store, [{"regularization.dropout": 0}, {"regularization.dropout": 0.5}])
    assert [repr(trial.overrides["regularization.dropout"]) for trial in plan.trials] == ["0.0", "0.5"]


def test_the_result_of_the_other_side_is_not_that_of_a_candidate_whose_runs_failed(store: Store) -> None:
    launch = launching.start(store, launching.propose(store, "round-1"))
    for entry in trials.trials(store, launch.name):
        small_project.end(store, entry.id, None if entry.study == "candidate" else 0.25)
    judging.decide(store, launch.name, "reject")
    assert reached(store, launches.launches(store)[-1]) == Reached(None, 0, selected=False)

"""By which metric a result is judged stays known when the project's changes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rounds import trial_folder
from rounds.slots import Slot
from state import files, measure, runs, trial_progress, trials
from state.measure import Measure
from state.project import Settings, change, create
from state.store import open_store
from tests import small_project
from training.config import METRICS

EVERY = {"val/error_rate": 0.1, "val/balanced_error": 0.1, "val/macro_f1": 0.9, "val/loss": 0.4}
CODE = "true {lr} {folder}"


def test_the_directions_of_the_built_in_metrics_are_those_of_training() -> None:
    assert measure.DIRECTIONS == METRICS


def test_a_result_stays_what_it_was_chosen_by_also_in_a_store_that_is_built_anew(tmp_path: Path) -> None:
    """The result of the built-in training has the values of all metrics: the step is the best by one of them."""
    project = small_project.project(tmp_path / "p", tmp_path / "data")
    with open_store(project) as store:
        small_project.batch(store, small_project.settings(tmp_path / "data"))
        result = {"status": "complete", "best": {"step": 20, **EVERY}, "final": {"step": 30, **EVERY}, "steps_done": 30}
        folder = files.make_folder(project.trial_folder("round-1-001"))
        files.write_atomically(folder / runs.RESULT, json.dumps(result))
        trial_progress.mark_ended(store, "round-1-001", result)
        project = change(store.project, metric="macro_f1", direction="max")
    project.store_path.unlink()
    with open_store(project) as store:
        entry = trials.trial(store, "round-1-001")
        assert entry.measure == Measure("error_rate", "min")
        assert (entry.best, entry.final, entry.best_step) == (0.1, 0.1, 20)


@pytest.mark.parametrize("asked", [True, False])
def test_a_result_of_an_own_script_is_of_the_metric_that_was_asked_for(tmp_path: Path, *, asked: bool) -> None:
    """Of a version whose results do not say so: by the folder's command, else by what the store has of the project."""
    project = create(tmp_path / "p", Settings(command=CODE, metric="accuracy", direction="max"))
    with open_store(project) as store:
        small_project.batch(store, {"own.lr": 0.1})
        folder = files.make_folder(project.trial_folder("round-1-001"))
        if asked:
            command = {"metric": "accuracy", "direction": "max"}
            files.write_atomically(folder / "command.json", json.dumps(command))
        store.project = change(project, metric="loss", direction="min")
        best = {"step": 1, "val/accuracy": 0.9, "val/loss": 0.4}
        trial_progress.mark_ended(store, "round-1-001", {"status": "complete", "best": best, "final": best})
        entry = trials.trial(store, "round-1-001")
        assert (entry.metric, entry.best) == (("accuracy", 0.9) if asked else ("loss", 0.4))


def test_results_that_an_earlier_version_took_over_are_given_their_metric(tmp_path: Path) -> None:
    """It had taken what the result had of the project's metric of then."""
    project = small_project.project(tmp_path / "p", tmp_path / "data")
    with open_store(project) as store:
        small_project.batch(store, small_project.settings(tmp_path / "data"))
        best = {"step": 20, **EVERY}
        trial_progress.mark_ended(
            store, "round-1-001", {"status": "complete", "best": best, "final": best, "steps_done": 30}
        )
        with store.transaction():
            store.database.conn.execute("UPDATE trials SET metric = '', direction = '', best = 0.4, final = 0.4")
    with open_store(project) as store:
        entry = trials.trial(store, "round-1-001")
        assert (entry.measure, entry.best, entry.final) == (Measure("error_rate", "min"), 0.1, 0.1)


def test_a_trial_is_judged_by_the_metric_of_the_time_it_begins_and_goes_on_with_it(tmp_path: Path) -> None:
    """A checkpoint belongs to its configuration: another metric in it would be refused."""
    project = small_project.project(tmp_path / "p", tmp_path / "data")
    with open_store(project) as store:
        small_project.batch(store, small_project.settings(tmp_path / "data"))
        store.project = change(store.project, metric="loss")
        entry = trials.trial(store, "round-1-001")
        folder = project.trial_folder(entry.id)
        trial_folder.prepare(store, entry, Slot("cpu"))
        assert measure.metric_of(folder) == "loss"
        files.make_folder(folder / "checkpoints")
        (folder / trial_folder.LAST).touch()
        store.project = change(store.project, metric="macro_f1", direction="max")
        trial_folder.prepare(store, entry, Slot("cpu"))
        assert measure.metric_of(folder) == "loss"

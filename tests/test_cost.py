"""What trials took, by the clock and by what they say themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

from rounds import cost
from state import files, repair, trials
from state.store import open_store
from tests import small_project


def test_device_hours_survive_that_the_store_is_built_again(tmp_path: Path) -> None:
    """The trial folders say how long each trial took."""
    project = small_project.project(tmp_path / "p", tmp_path)
    with open_store(project) as store:
        small_project.adopt(store, small_project.settings(tmp_path))
        (entry,) = trials.trials(store)
        assert cost.hours_spent([entry]) == 0
        folder = project.trial_folder(entry.id)
        files.make_folder(folder)
        files.write_atomically(folder / "result.json", '{"status": "complete", "seconds": 36.0, "steps_done": 9}')
    repair.rebuild(project)
    with open_store(project) as store:
        trials.reconcile(store)
        (entry,) = trials.trials(store)
        assert entry.status == "complete"
        assert cost.hours_spent([entry]) == pytest.approx(0.01)

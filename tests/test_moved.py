"""A project that is copied or moved together with its data: they are the same, and so is what was done on them."""

from __future__ import annotations

import shutil
from pathlib import Path

from state import configurations, launches, measurements, trials
from state.project import Project, change, open_project
from state.store import open_store
from tests import set_up, small_project
from wizard import baseline, checks, configuration, flow, inspection, measuring


def test_a_copy_of_a_project_with_its_data_stands_where_the_project_stands(tmp_path: Path) -> None:
    """Nothing is asked again, and what runs in the copy reads the data of the copy."""
    with set_up.set_up(tmp_path / "first", "baseline") as store:
        (store.project.data / "0").mkdir()
        set_up.inspected(store, set_up.DIGITS)
        set_up.advance(store, "baseline")
        baseline.plan(store)
        per_class = set_up.DIGITS["splits"]["validation"]["per_class"]
        right = {"examples": sum(per_class), "correct": sum(per_class) - 9, "per_class": per_class}
        small_project.end(store, "baseline-1-001", 0.025, validation=right)
        flow.answer(store, "baseline", "accept")
        best = launches.launches(store)[-1].candidate
        before = flow.standing(store)
        id = checks.start(store, checks.ONE_BATCH)
        small_project.wait_for(lambda: not checks.progress(store.project, id).running, "the check ends")
        measurements.record(store, id, checks.ONE_BATCH, measuring.written(store, id), {"check": checks.ONE_BATCH})
    # As `cp -a` does it: with the times of files and folders.
    shutil.copytree(tmp_path / "first", tmp_path / "copy")
    with open_store(open_project(tmp_path / "copy")) as store:
        assert flow.standing(store) == before
        assert before.step is None
        there = str(tmp_path / "copy" / "data")
        found = launches.best(store)
        assert found is not None
        assert (found.hash, found.settings["data.path"]) == (best, there)
        assert trials.batch_settings(store, "baseline-1")["data.path"] == there
        assert configurations.save(store, configuration.checked(store), {}) == best
        assert inspection.fresh(store) is not None
        # A check is not offered again.
        assert checks.fresh(store, checks.ONE_BATCH) is not None


def test_files_that_came_to_a_copy_alone_are_looked_at(tmp_path: Path) -> None:
    with set_up.set_up(tmp_path / "first", "metric"):
        pass
    shutil.copytree(tmp_path / "first", tmp_path / "copy")
    (tmp_path / "copy" / "data" / "new.png").write_bytes(b"")
    with open_store(open_project(tmp_path / "copy")) as store:
        assert flow.standing(store).needs == "inspection"


def test_data_elsewhere_are_others_however_like_their_place_is(tmp_path: Path) -> None:
    """Data that tunebook.toml names in full stay where they are, in a copy as well; another path is another setting."""
    (tmp_path / "apart" / "data").mkdir(parents=True)
    with open_store(set_up.make(tmp_path / "first", data=str(tmp_path / "apart" / "data"))) as store:
        set_up.advance(store, "baseline")
        name = configurations.save(store, configuration.checked(store), {})
    shutil.copytree(tmp_path / "first", tmp_path / "copy")
    with open_store(open_project(tmp_path / "copy")) as store:
        assert configurations.configuration(store, name).settings["data.path"] == str(tmp_path / "apart" / "data")
        assert inspection.fresh(store) is not None


def test_data_of_the_same_name_that_are_taken_instead_are_others(tmp_path: Path) -> None:
    (tmp_path / "apart" / "data").mkdir(parents=True)
    with open_store(set_up.make(tmp_path / "p", data=str(tmp_path / "apart" / "data"))) as store:
        set_up.advance(store, "baseline")
        name = configurations.save(store, configuration.checked(store), {})
        (store.project.root / "data").mkdir(exist_ok=True)
        store.project = change(store.project, data="data")
        assert configurations.configuration(store, name).settings["data.path"] == str(tmp_path / "apart" / "data")
        assert inspection.fresh(store) is None


def _apart(folder: Path, root: Path) -> Project:
    """A project whose data lie elsewhere, and which came to a baseline on them."""
    (folder / "data" / "0").mkdir(parents=True)
    project = set_up.make(root, data=str(folder / "data"))
    with open_store(project) as store:
        set_up.advance(store, "baseline", {**set_up.DIGITS, "identity": "these"})
        baseline.plan(store)
        per_class = set_up.DIGITS["splits"]["validation"]["per_class"]
        right = {"examples": sum(per_class), "correct": sum(per_class) - 9, "per_class": per_class}
        small_project.end(store, "baseline-1-001", 0.025, validation=right, data="these")
        flow.answer(store, "baseline", "accept")
    return project


def test_data_that_were_moved_to_another_disk_are_the_same_once_they_were_looked_through(tmp_path: Path) -> None:
    """All was asked and measured again, the baseline was to be run once more and was refused for being worse than the
    best, and every trial of the rounds went on looking for the data where they had been, and failed."""
    project = _apart(tmp_path / "old", tmp_path / "p")
    (tmp_path / "old").rename(tmp_path / "new")
    there = str(tmp_path / "new" / "data")
    with open_store(change(project, data=there)) as store:
        assert flow.standing(store).needs == "inspection"
        set_up.inspected(store, {**set_up.DIGITS, "identity": "these"})
        # Where they lie is for a person to confirm; nothing else is asked.
        assert flow.standing(store).step == "data"
        flow.answer(store, "data", "use")
        assert flow.standing(store).step is None
        best = launches.best(store)
        assert best is not None
        assert best.settings["data.path"] == there
        assert trials.trial_settings(store, trials.trial(store, "baseline-1-001"))["data.path"] == there


def test_other_data_at_another_path_are_others(tmp_path: Path) -> None:
    """Examples that differ by one are other data, and what was done on the first is no result on these."""
    project = _apart(tmp_path / "old", tmp_path / "p")
    (tmp_path / "new" / "data" / "0").mkdir(parents=True)
    with open_store(change(project, data=str(tmp_path / "new" / "data"))) as store:
        set_up.inspected(store, {**set_up.DIGITS, "identity": "others"})
        flow.answer(store, "data", "use")
        assert flow.standing(store).step is not None
        best = launches.best(store)
        assert best is not None
        assert best.settings["data.path"] == str(tmp_path / "old" / "data")

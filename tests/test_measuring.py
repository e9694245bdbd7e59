"""Measurements under way: of what is chosen now, of what was chosen for a while, and of data that still come."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from state import files, measurements, runs
from state.database import Store
from state.store import open_store
from tests import set_up, small_project
from tests.small_project import wait_for
from wizard import flow, inspection, measuring, probe


@pytest.fixture
def store(tmp_path: Path, digits: Path) -> Iterator[Store]:
    """The store of a project on a copy of the digits; nothing is measured any more afterwards."""
    shutil.copytree(digits, tmp_path / "data")
    with open_store(small_project.project(tmp_path / "p", tmp_path / "data")) as opened:
        yield opened
        for folder in opened.project.folder.glob("measurements/*"):
            while runs.stop(folder, hard=True):
                pass


def choose(store: Store, architecture: str) -> None:
    """Choose an architecture, and whatever comes before the probe of it."""
    flow.answer(store, "architecture", architecture)
    set_up.advance(store, "probe")


def ended_well(store: Store, id: str) -> None:
    """A probe of what is chosen now has ended, and nobody has looked since."""
    folder = files.make_folder(store.project.measurement_folder(id))
    (folder / measuring.SUBJECT).write_text(json.dumps(probe.subject(store)), encoding="utf-8")
    result = {"status": "complete", "recommended": 64, "largest_feasible": 64, "limited_by": "throughput"}
    (folder / runs.RESULT).write_text(json.dumps(result), encoding="utf-8")


def test_what_was_measured_of_a_choice_counts_when_it_is_chosen_again(tmp_path: Path) -> None:
    with set_up.set_up(tmp_path / "p", "probe") as store:
        ended_well(store, "probe-1")
        choose(store, "resnet10t")
        ended_well(store, "probe-2")
        assert probe.under_way(store) == "probe-2"
        choose(store, "test_resnet")
        assert flow.standing(store) == flow.Standing("batch_size", "probe", "probe-1")
        probe.finish(store, "probe-1")
        assert flow.standing(store) == flow.Standing("batch_size")
        assert measurements.recorded(store, "probe-1")
        assert probe.last(store) is None


def test_a_probe_of_what_is_no_longer_chosen_ends_before_another_begins(store: Store) -> None:
    inspection_id = inspection.start(store)
    wait_for(lambda: not inspection.progress(store.project, inspection_id).running, "the data are looked through")
    inspection.finish(store, inspection_id)
    set_up.advance(store, "probe")
    first = probe.start(store)
    assert probe.start(store) == first
    choose(store, "resnet10t")
    assert probe.running(store.project, first)
    second = probe.start(store)
    assert second != first
    assert not probe.running(store.project, first)
    assert probe.running(store.project, second)


def test_while_files_are_being_copied_one_inspection_is_at_work_at_a_time(store: Store) -> None:
    first = inspection.start(store)
    process = runs.process(store.project.measurement_folder(first))
    assert process is not None
    process.suspend()
    image = next((store.project.data / "0").iterdir())
    for number in range(3):
        shutil.copy(image, image.with_name(f"new-{number}.png"))
        assert inspection.last(store) is None
        assert inspection.start(store) == first
    process.resume()
    wait_for(lambda: not inspection.progress(store.project, first).running, "the data are looked through")
    # They have changed since.
    second = inspection.start(store)
    assert second != first
    wait_for(lambda: not inspection.progress(store.project, second).running, "the data are looked through")
    found = inspection.finish(store, second)
    assert inspection.fresh(store) == found

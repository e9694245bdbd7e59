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


def test_what_is_chosen_again_is_not_measured_again_but_its_size_is_decided_anew(tmp_path: Path) -> None:
    """Its sizes were measured once more; the decision between the two was about the other's figures."""
    with set_up.set_up(tmp_path / "p", "steps") as store:
        choose(store, "resnet10t")
        set_up.probed(store, recommended=32)
        flow.answer(store, "batch_size", 16)
        flow.answer(store, "architecture", "test_resnet")
        set_up.advance(store, "batch_size")
        known = probe.fresh(store)
        assert known is not None
        assert (known.id, flow.standing(store)) == ("probe-1", flow.Standing("batch_size"))


def test_a_probe_of_what_is_in_use_takes_nothing_from_the_set_up(store: Store) -> None:
    """A launch has adopted another network and optimizer: who measured got the figures of the set-up's."""
    inspection_id = inspection.start(store)
    wait_for(lambda: not inspection.progress(store.project, inspection_id).running, "the data are looked through")
    inspection.finish(store, inspection_id)
    set_up.advance(store, "initial")
    assert probe.in_use(store) is None
    others = {"model__name": "test_efficientnet", "optimizer__name": "adam", "optimizer__learning_rate": 0.002}
    small_project.adopt(store, small_project.settings(store.project.data, **others))
    used = probe.in_use(store)
    assert used is not None
    assert probe.differing(store, used) == {
        "model.name": "test_efficientnet",
        "optimizer.name": "adam",
        "data.image_size": 16,
    }
    assert probe.fresh(store, used) is None
    id = probe.start(store, used=used)
    wait_for(lambda: not probe.running(store.project, id), "the batch sizes are measured")
    found = probe.finish(store, id)
    assert (found.id, found.subject["model.name"]) == ("probe-2", "test_efficientnet")
    assert probe.fresh(store, used) == found
    known = probe.fresh(store)
    assert known is not None
    assert (known.id, flow.standing(store)) == ("probe-1", flow.Standing("initial"))
    # Nor where its size is decided once more, since then.
    flow.answer(store, "batch_size", 64)
    assert flow.standing(store) == flow.Standing("initial")


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

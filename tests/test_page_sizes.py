"""Batch sizes of what is in use on the screen: after a launch the set-up's are those of something else."""

from __future__ import annotations

from pathlib import Path

import pytest

from state import launches, measurements
from state.database import Store
from state.store import open_store
from tests import prepared, small_project
from tests.screens import NARROW, lines, shown, wait_for, wait_for_text
from tests.set_up import advance, make
from tui.app import Tunebook
from tui.pages.measurement import SizesPage
from wizard import configuration, flow, probe

pytestmark = pytest.mark.usefixtures("quick_looks")
IN_USE = "With the best configuration, which has optimizer.name = adamw where"


def adopt(store: Store) -> None:
    """A launch has adopted another optimizer."""
    best = launches.best(store)
    settings = best.settings if best is not None else configuration.checked(store)
    kept = {key: value for key, value in settings.items() if key not in ("optimizer.momentum", "optimizer.nesterov")}
    small_project.adopt(store, {**kept, "optimizer.name": "adamw"})


async def test_the_key_of_the_probe_measures_what_a_launch_has_adopted(tmp_path: Path) -> None:
    """It measured what the set-up had chosen, long after that had been given up; by command it did not."""
    project = prepared.prepare(tmp_path / "p", "goal")
    with open_store(project) as store:
        result = probe.known(store).result
        adopt(store)
        app = Tunebook(project.root)
        async with app.run_test(size=NARROW) as pilot:
            app.open("setup batch_size")
            await wait_for_text(pilot, "How many examples should a training step take?")
            await pilot.press("m")
            await wait_for_text(pilot, IN_USE)
            await wait_for_text(pilot, "Its batch sizes have not been measured.")
            assert "s start" in lines(app)[-1]
            about = probe.subject(store, probe.in_use(store))
            measurements.record(store, "probe-9", "probe", about, {**result, "recommended": 32})
            await wait_for_text(pilot, "recommended: batch 32, limited by throughput")
            # Another size is no matter of a key.
            assert "--optimizer=adamw --batch-size=32" in " ".join(shown(app).split())
            await pilot.press("escape")
            # While the set-up has an open question, what it is about is measured.
            flow.answer(store, "optimizer", "adam")
            await wait_for(pilot, lambda: flow.standing(store).step == "batch_size")
            await wait_for_text(pilot, "Next the batch sizes are measured.")


async def test_it_is_measured_on_a_key_and_stopped_by_another(tmp_path: Path, digits: Path) -> None:
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "data").symlink_to(digits)
    with open_store(make(tmp_path / "p")) as store:
        advance(store, "baseline")
        adopt(store)
        app = Tunebook(store.project.root)
        async with app.run_test(size=NARROW) as pilot:
            app.open("sizes")
            await wait_for_text(pilot, "s: start")
            await pilot.press("s")
            await wait_for_text(pilot, "Measuring batch sizes")
            await wait_for_text(pilot, IN_USE)
            await pilot.press("x")
            await wait_for_text(pilot, "The batch sizes were not measured.")
            await pilot.press("s")
            await wait_for_text(pilot, "s: measure again")
            found = probe.fresh(store, probe.in_use(store))
            assert found is not None
            assert found.subject["optimizer.name"] == "adamw"
            assert "throughput" in shown(app)


async def test_where_the_set_up_s_choice_is_in_use_the_page_says_so(tmp_path: Path) -> None:
    project = prepared.prepare(tmp_path / "p", "goal")
    app = Tunebook(project.root)
    async with app.run_test(size=NARROW) as pilot:
        app.push_screen(SizesPage())
        await wait_for_text(pilot, "What the set-up chose is in use")

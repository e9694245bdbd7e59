"""The comparison of batch sizes on the screen: started by a key, live, stopped, and what it came to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from state import runs
from state.database import Store
from state.store import open_store
from tests.screens import NARROW, lines, shown, wait_for, wait_for_text
from tests.set_up import advance, make
from tui.app import Tunebook
from tui.pages.measurement import ComparisonPage
from wizard import checks, flow, steps

pytestmark = pytest.mark.usefixtures("quick_looks")


@contextmanager
def decided(root: Path, digits: Path, length: int) -> Iterator[Store]:
    """A project on real digits whose batch size is 64 and whose runs take so many steps."""
    root.mkdir()
    (root / "data").symlink_to(digits)
    with open_store(make(root)) as store:
        advance(store, "steps", batch_size=64)
        flow.answer(store, "steps", str(length))
        yield store


async def test_it_runs_on_a_key_and_shows_figures_and_chart_against_perfect_scaling(
    tmp_path: Path, digits: Path
) -> None:
    """From the question about the batch size; what it came to stays when other steps are decided on."""
    with decided(tmp_path / "p", digits, 10) as store:
        app = Tunebook(store.project.root)
        async with app.run_test(size=NARROW) as pilot:
            app.open("setup batch_size")
            await wait_for_text(pilot, "How many examples should a training step take?")
            await pilot.press("c")
            await wait_for_text(pilot, "batch sizes compared")
            await wait_for_text(pilot, "s: start")
            assert "s start" in lines(app)[-1]
            await pilot.press("s")
            await wait_for_text(pilot, "x stop")
            await wait_for_text(pilot, "s: compare again")
            found = checks.fresh(store, checks.BATCH_SIZE, steps.undecided(store))
            assert found is not None
            said = shown(app)
            assert "Target: error_rate" in said
            (header,) = (row for row in lines(app) if "vs perfect" in row)
            rows = lines(app)[lines(app).index(header) + 1 :][:2]
            assert [row.split()[0] for row in rows] == ["32", "64"]
            for name in ("A measured", "B perfect scaling"):
                assert name in said
            # By command only could another target be named.
            await pilot.press("t", *"0.95", "enter")
            await wait_for_text(pilot, "Target: error_rate 0.95, as named.")
            await pilot.press("t", *"half", "enter")
            await wait_for_text(pilot, "'half' is no amount")
            await pilot.press("escape", "t", "enter")
            await wait_for(pilot, lambda: "as named" not in shown(app))
            flow.answer(store, "steps", "12")
            assert steps.compared(store) == found


async def test_it_is_stopped_and_says_so_with_what_it_has_shown(tmp_path: Path, digits: Path) -> None:
    with decided(tmp_path / "p", digits, 2000) as store:
        app = Tunebook(store.project.root)
        async with app.run_test(size=NARROW) as pilot:
            app.open("comparison")
            await wait_for_text(pilot, "s: start")
            await pilot.press("s")
            await wait_for_text(pilot, "steps at most")
            id = checks.last(store, checks.BATCH_SIZE)
            assert id is not None
            # As after its first run, which is not waited for.
            one = {"learning_rate": 0.1, "curve": [[100, 0.5], [200, 0.25]]}
            folder = store.project.measurement_folder(id)
            written = (
                '{"metric": "error_rate", "direction": "min", "looks": 40, "sizes": '
                f'[{{"batch_size": 32, "steps": 4000, "tried": [{str(one).replace(chr(39), chr(34))}]}}]}}'
            )
            (folder / "so_far.json").write_text(written)
            await wait_for_text(pilot, "Target: error_rate 0.25")
            assert any(row.split()[:3] == ["32", "0.1", "200"] for row in lines(app))
            await pilot.press("x")
            await wait_for_text(pilot, "The comparison came to no result.")
            assert "Stopped when asked to." in shown(app)
            assert "s: try again" in shown(app)
            assert any(row.split()[:3] == ["32", "0.1", "200"] for row in lines(app))
            await wait_for(pilot, lambda: not runs.alive(folder))


async def test_before_there_is_anything_to_compare_the_page_says_what_is_missing(tmp_path: Path) -> None:
    with open_store(make(tmp_path / "p")) as store:
        advance(store, "batch_size")
        app = Tunebook(store.project.root)
        async with app.run_test(size=NARROW) as pilot:
            app.push_screen(ComparisonPage())
            await wait_for_text(pilot, "Batch sizes are compared once one is decided")

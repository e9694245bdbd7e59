"""The doctor among the pages: machine and project looked at behind the page, and what a crash left repaired."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import pytest

from state.errors import Refusal
from tests import set_up
from tests.screens import NARROW, WIDE, lines, shown, wait_for, wait_for_text
from tui import doctor
from tui.app import Tunebook

pytestmark = pytest.mark.usefixtures("quick_looks")


@pytest.mark.parametrize("size", [NARROW, WIDE])
async def test_it_tells_of_project_and_machine_what_is_wrong_first(tmp_path: Path, size: tuple[int, int]) -> None:
    with set_up.set_up(tmp_path / "p", "metric") as store:
        shutil.rmtree(store.project.data)
        app = Tunebook(store.project.root)
        async with app.run_test(size=size) as pilot:
            await wait_for_text(pilot, "Doctor")
            app.open("doctor")
            await wait_for_text(pilot, "Not in order: 1")
            place = next(row for row, line in enumerate(lines(app)) if "Not in order" in line)
            # Its data are gone.
            assert "✗ data" in lines(app)[place + 1]
            assert "✓ journal" in shown(app)
            await pilot.press("pagedown")
            await wait_for_text(pilot, "python")


async def test_what_a_crash_left_is_repaired_by_a_key(tmp_path: Path) -> None:
    with set_up.set_up(tmp_path / "p", "metric") as store:
        left = store.project.folder / ".tunebook.toml.abc.tmp"
        left.write_text("half")
        assert any(check.repair for check in doctor.checks(store.project.root))
        app = Tunebook(store.project.root)
        async with app.run_test(size=NARROW) as pilot:
            await wait_for_text(pilot, "Doctor")
            app.open("doctor")
            await wait_for_text(pilot, "r repair")
            await pilot.press("r")
            await wait_for_text(pilot, "Repaired: leftovers")
            await wait_for(pilot, lambda: "r repair" not in shown(app))
            assert not left.exists()


async def test_while_it_looks_and_where_it_cannot_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = threading.Event()

    def machine(_folder: Path) -> dict[str, object]:
        asked.wait()
        raise Refusal("the disk has gone")

    monkeypatch.setattr(doctor, "machine", machine)
    app = Tunebook()
    async with app.run_test(size=NARROW) as pilot:
        await wait_for_text(pilot, "Doctor")
        app.open("doctor")
        await wait_for_text(pilot, "Looking at the machine and the project")
        asked.set()
        await wait_for_text(pilot, "the disk has gone")
        assert "It could not be looked at." in shown(app)


async def test_without_a_project_there_is_the_machine(tmp_path: Path) -> None:
    app = Tunebook()
    async with app.run_test(size=NARROW) as pilot:
        await wait_for_text(pilot, "Doctor")
        app.open("doctor")
        await wait_for_text(pilot, "No project is open.")
        assert "GPU" in shown(app)

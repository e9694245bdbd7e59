"""A project on a training script of one's own, in the screens: from the form to the baseline's question."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.widget import Widget

from state import decisions
from state.project import open_project
from state.store import open_store
from tests import own_pipelines
from tests.screens import NARROW, WIDE, lines, shown, wait_for, wait_for_text
from tests.watched_round import press
from tui.app import Tunebook
from tui.pages.new_command import NewCommand
from tui.pages.setup import SetupPage
from tui.widgets.controls import Choices, Field
from wizard import baseline, flow
from wizard.verdict import judge

pytestmark = pytest.mark.usefixtures("quick_looks")

ARGUMENTS = "--lr {lr} --steps {steps} --seed {seed} --out {folder}"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the user's script, in which the screens are started."""
    folder = tmp_path / "co de"
    own_pipelines.write_script(folder)
    monkeypatch.chdir(folder)
    return folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def test_the_direction_follows_the_name_of_the_metric_until_a_person_has_chosen(here: Path) -> None:
    """By whichever key the line is left; a name whose beginning meant something else is no name of it."""
    app = Tunebook()
    async with app.run_test(size=NARROW) as pilot:
        page = NewCommand()
        await app.push_screen(page)
        await wait_for(pilot, lambda: page.ready)
        choices, metric = page.query_one(Choices), page.query_one("#metric", Field)
        metric.focus()
        for name, direction in (("accuracy", "max"), ("map", "max"), ("width", "min"), ("f1", "max")):
            metric.put("")
            await press(pilot, *name, "tab")
            assert app.focused is choices
            assert choices.marked == direction, name
            await press(pilot, "shift+tab")
        await press(pilot, "tab", "up")
        assert choices.marked == "min"
        metric.focus()
        metric.put("")
        await press(pilot, *"accuracy", "tab")
        assert choices.marked == "min"


@pytest.mark.parametrize("size", [NARROW, WIDE])
async def test_the_form_leads_to_the_questions_and_these_to_a_judged_baseline(
    here: Path, size: tuple[int, int]
) -> None:
    app = Tunebook()
    async with app.run_test(size=size) as pilot:
        await wait_for_text(pilot, "Start a project on your own training script")
        await pilot.press("j", "j", "enter")
        await wait_for(pilot, lambda: isinstance(app.screen, NewCommand) and app.screen.ready)
        page = app.screen
        command = own_pipelines.command(ARGUMENTS)
        typed = {"folder": "p [red]", "command": command, "resume": "--resume {folder}/last.npz", "metric": "accuracy"}
        typed |= {"data": "digits.npz", "gpus": "2", "patience": "7.5"}
        for id, text in typed.items():
            page.query_one(f"#{id}", Field).put(text)
        for _field in range(9):
            await pilot.press("enter")
            await pilot.pause()
        choices = page.query_one(Choices)
        assert app.focused is choices
        assert choices.marked == "max"
        await pilot.press("enter")
        await wait_for(pilot, lambda: isinstance(app.screen, SetupPage))
        await wait_for_text(pilot, "Is accuracy, of which more is better")
        assert "metric" in shown(app)
        made = open_project(here / "p [red]").settings
        assert (made.resume, made.gpus, made.patience_minutes) == (typed["resume"], 2, 7.5)
        assert made.data == str(here / "digits.npz")
        await pilot.press("t", *"0.1", "enter")
        await wait_for(pilot, lambda: open_project(here / "p [red]").settings.chance == 0.1)
        await wait_for_text(pilot, "The level to beat: 0.1.")
        await pilot.press("enter")
        await wait_for_text(pilot, "Start with these values?")
        await pilot.press("t", *"steps=25", "enter")
        await wait_for(pilot, lambda: "25" in "".join(line for line in lines(app) if "training.steps" in line))
        await pilot.press("enter")
        await wait_for_text(pilot, "Next the first configuration is run.")
        await pilot.press("s")
        await wait_for_text(pilot, "Is this a reasonable start?")
        await pilot.press("enter")
        await wait_for_text(pilot, "Plan a round")
        assert "train.py" in shown(app)
    with open_store(open_project(here / "p [red]")) as store:
        assert flow.standing(store).step is None
        recorded = [entry.step for entry in decisions.decisions(store)]
        assert recorded == ["pipeline", "metric", "initial", "baseline"]
        batch = baseline.latest(store)
        assert batch is not None
        assert judge(store, batch.name).reasonable


async def test_what_is_wrong_is_said_in_the_form_and_makes_nothing(here: Path) -> None:
    app = Tunebook()
    async with app.run_test(size=NARROW) as pilot:
        await wait_for_text(pilot, "Start a project on your own training script")
        await pilot.press("j", "j", "enter")
        await wait_for(pilot, lambda: isinstance(app.screen, NewCommand) and app.screen.ready)
        page = app.screen
        page.query_one(Choices).focus()
        for changes, said in (
            ({"metric": ""}, "which value that your script writes"),
            ({"metric": "reward", "command": "python train.py > log"}, "without a shell"),
            ({"command": "no-such-program {folder}"}, "no such program"),
            ({"command": "python train.py"}, "Nothing says where a trial is to write"),
            ({"command": "python train.py {folder}", "config": "missing.toml"}, "missing.toml"),
            ({"config": "", "directory": "missing"}, "there is no such folder"),
            ({"directory": ".", "data": "missing"}, "there is no such file or folder"),
            ({"data": "", "patience": "long"}, "'long' is no amount"),
        ):
            for id, text in changes.items():
                page.query_one(f"#{id}", Field).put(text)
            page.query_one(Choices).focus()
            await pilot.press("enter")
            await wait_for_text(pilot, said)
            assert app.screen is page
    assert names(here) == ["digits.npz", "train.py"]


@pytest.mark.parametrize("size", [(50, 14), (60, 20), NARROW])
async def test_the_field_that_has_the_focus_is_seen_with_its_question_in_a_small_window(
    here: Path, size: tuple[int, int]
) -> None:
    """The last ones were typed into unseen, and so was the direction chosen."""
    app = Tunebook()
    async with app.run_test(size=size) as pilot:
        page = NewCommand()
        await app.push_screen(page)
        await wait_for(pilot, lambda: page.ready)

        def seen() -> bool:
            part = app.focused.parent if app.focused is not None else None
            return isinstance(part, Widget) and part.region.y > 0 and part.region.bottom < size[1]

        for key in (*["tab"] * 9, *["shift+tab"] * 9):
            await wait_for(pilot, seen)
            await press(pilot, key)

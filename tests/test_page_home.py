"""The first page of a project: where it stands, what comes next on enter, and how one gets in and out."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from rounds import insights, planning, reviewing
from state import files, launches, logout, runs, trial_progress, trials
from state.project import FILE, Settings, change, create
from state.store import open_store
from tests import own_pipelines, prepared, set_up, small_project, watched_round
from tests.screens import NARROW, WIDE, lines, shown, wait_for, wait_for_text
from tui.app import Tunebook
from tui.keys import KEYS
from tui.main import run
from tui.pages.decisions import DecisionsPage
from tui.pages.export import ExportPage
from tui.pages.help import Help
from tui.pages.home import FINAL, Home
from tui.pages.round import RoundPage
from tui.pages.setup import SetupPage
from tui.pages.trial import TrialPage
from tui.pages.welcome import Welcome
from tui.session import Session
from tui.widgets.controls import Choices
from wizard import baseline, flow

pytestmark = pytest.mark.usefixtures("quick_looks")


@pytest.mark.parametrize("size", [NARROW, WIDE])
async def test_a_new_project_goes_on_with_the_set_up_on_enter(tmp_path: Path, size: tuple[int, int]) -> None:
    project = create(tmp_path / "p", Settings(name="p", task="image-classification", data="gone"))
    app = Tunebook(project.root)
    async with app.run_test(size=size) as pilot:
        await wait_for_text(pilot, "Set-up: 0 of 9 decided; now: data.")
        assert "There is no best configuration yet" in shown(app)
        assert "Plan a round" not in shown(app)
        assert "Decisions" not in shown(app)
        assert isinstance(app.focused, Choices)
        # There is nothing to go back to.
        assert lines(app)[-1].split() == ["enter", "choose", "?", "help", "q", "quit"]
        await pilot.press("escape")
        assert isinstance(app.screen, Home)
        # Up from the first entry leads nowhere, least of all to the one that leaves.
        await pilot.press("up", "enter")
        await wait_for(pilot, lambda: isinstance(app.screen, SetupPage))


async def test_every_entry_is_reached_by_keys_and_leads_somewhere(tmp_path: Path) -> None:
    project = small_project.project(tmp_path / "p", tmp_path / "data")
    with open_store(project) as store, watched_round.supervised(project):
        small_project.adopt(store, small_project.settings(tmp_path / "data"))
        planning.save(store, planning.propose(store, trials=4), wanted="run")
        app = Tunebook(project.root)
        async with app.run_test(size=NARROW) as pilot:
            await wait_for_text(pilot, "round-1 is at work: 0 of 4 trials have ended.")
            names = [str(option.id) for option in app.screen.query_one(Choices).options]
            assert names == ["round round-1", "setup", "design", "configurations", "export", "doctor", "quit"]
            for name, kind in (("round round-1", RoundPage), ("export", ExportPage)):
                for _key in range(names.index(name)):
                    await pilot.press("j")
                await pilot.press("enter")
                await wait_for(pilot, lambda kind=kind: isinstance(app.screen, kind))
                await pilot.press("escape")
                await wait_for(pilot, lambda: isinstance(app.screen, Home))
                for _key in names:
                    await pilot.press("k")
            await pilot.press("end", "enter")
            await wait_for(pilot, lambda: not app.is_running)


async def test_the_budget_is_set_where_it_is_told(tmp_path: Path) -> None:
    """Home said that no budget was set, and the only key for it was on the page of a design."""
    project = small_project.project(tmp_path / "p", tmp_path / "data")
    with open_store(project) as store:
        app = Tunebook(project.root)
        async with app.run_test(size=NARROW) as pilot:
            await wait_for_text(pilot, "Set-up: ")
            assert "b budget" not in lines(app)[-1]
            small_project.adopt(store, small_project.settings(tmp_path / "data"))
            await wait_for_text(pilot, "b budget")
            await watched_round.press(pilot, *"b2x", "enter")
            await wait_for_text(pilot, "'2x': no date")
            await watched_round.press(pilot, "backspace", "enter")
            await wait_for_text(pilot, "Device hours: 0.00 (of 2)")
            assert isinstance(app.focused, Choices)
            await watched_round.press(pilot, "b", "escape")
            assert isinstance(app.screen, Home)


async def test_what_other_processes_do_is_seen_and_the_mark_stays_on_its_entry(tmp_path: Path) -> None:
    project = small_project.project(tmp_path / "p", tmp_path / "data")
    with open_store(project) as store, watched_round.supervised(project):
        small_project.adopt(store, small_project.settings(tmp_path / "data"))
        app = Tunebook(project.root)
        async with app.run_test(size=NARROW) as pilot:
            await wait_for_text(pilot, "The baseline stands. Next: Choose the goal of the first round.")
            await pilot.press("end", "k", "k")
            choices = app.screen.query_one(Choices)
            assert choices.marked == "export"
            planning.save(store, planning.propose(store, trials=2), wanted="run")
            await wait_for_text(pilot, "Watch round-1")
            assert choices.marked == "export"
            for entry in trials.trials(store, "round-1"):
                small_project.end(store, entry.id, 0.2)
            await wait_for_text(pilot, "Review round-1")
            assert "2 complete" in shown(app)


async def test_a_step_that_is_to_be_decided_anew_is_none_of_those_that_are(tmp_path: Path) -> None:
    own_pipelines.write_script(tmp_path / "code")
    with open_store(own_pipelines.project(tmp_path / "p", tmp_path / "code")) as store:
        for step, answer in (("metric", "held-out"), ("initial", "use"), ("batch_size", 32)):
            flow.answer(store, step, answer)
        # Whether the other is measured on held-out examples, nobody has said yet.
        change(store.project, metric="train_loss", direction="min")
        app = Tunebook(store.project.root)
        async with app.run_test(size=NARROW) as pilot:
            await wait_for_text(pilot, "Set-up: 2 of 4 decided; now: metric.")


async def test_what_is_being_measured_is_said_here_and_by_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A probe that another session runs: while it lives, and no longer."""
    project = small_project.project(tmp_path / "p", tmp_path / "data")
    folder = project.measurement_folder("probe-1")
    app = Tunebook(project.root)
    async with app.run_test(size=NARROW) as pilot:
        await wait_for_text(pilot, "Set-up: 0 of 9 decided; now: data.")
        runs.start([sys.executable, "-c", "import time; time.sleep(600)"], folder)
        await wait_for_text(pilot, "Being measured: batch sizes (probe-1).")
        runs.stop(folder, hard=True)
        await wait_for(pilot, lambda: "Being measured" not in shown(app))
    runs.start([sys.executable, "-c", "import time; time.sleep(600)"], folder)
    assert run(["status", "--project", str(project.root)], Session()) == 0
    runs.stop(folder, hard=True)
    assert "Being measured: batch sizes (probe-1)." in capsys.readouterr().out


async def test_a_baseline_that_runs_is_told_and_leads_to_where_it_is_watched_and_stopped(tmp_path: Path) -> None:
    with set_up.set_up(tmp_path / "p", "baseline") as store:
        name = baseline.plan(store).name
        trial_progress.mark_running(store, trials.trials(store, name)[0].id, restart=False)
        with watched_round.supervised(store.project):
            app = Tunebook(store.project.root)
            async with app.run_test(size=NARROW) as pilot:
                await wait_for_text(pilot, "baseline-1 is running: 0 of ")
                await wait_for_text(pilot, "Watch baseline-1")
                await pilot.press("enter")
                await wait_for_text(pilot, "The first configuration runs")


async def test_that_logging_out_ends_what_runs_is_said_before_anything_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logout, "fate", lambda: "ends")
    project = create(tmp_path / "p", Settings(name="p", task="image-classification", data="gone"))
    app = Tunebook(project.root)
    async with app.run_test(size=NARROW) as pilot:
        await wait_for_text(pilot, "enable-linger")
        monkeypatch.setattr(logout, "fate", lambda: "scope")
        await pilot.press("enter")
        await wait_for(pilot, lambda: isinstance(app.screen, SetupPage))
        await pilot.press("escape")
        await wait_for(pilot, lambda: isinstance(app.screen, Home) and "enable-linger" not in shown(app))


async def test_a_store_that_is_deleted_under_the_screens_is_built_anew_and_gone_on_with(tmp_path: Path) -> None:
    """What was said in the old one, and what others say in the new one, is there."""
    project = small_project.project(tmp_path / "p", tmp_path / "data")
    with open_store(project) as store:
        small_project.adopt(store, small_project.settings(tmp_path / "data"))
        planning.save(store, planning.propose(store, trials=4))
    app = Tunebook(project.root)
    async with app.run_test(size=NARROW) as pilot:
        await wait_for_text(pilot, "round-1 is planned")
        for file in project.folder.glob("tunebook.db*"):
            file.unlink()
        with open_store(project) as store:
            planning.save(store, planning.propose(store, trials=4))
        await wait_for_text(pilot, "round-2")
        assert not app.store.replaced()


async def test_data_that_changed_after_the_set_up_stop_no_rounds(tmp_path: Path) -> None:
    with set_up.set_up(tmp_path / "p", "nothing") as store:
        small_project.adopt(store, small_project.settings(tmp_path / "data"))
        with watched_round.supervised(store.project):
            app = Tunebook(store.project.root)
            async with app.run_test(size=NARROW) as pilot:
                await wait_for_text(pilot, "Plan a round")
                assert "Look at the set-up again: what it rests on has changed" in shown(app)


async def test_a_project_that_cannot_be_opened_leads_to_the_welcome_page_with_the_reason(tmp_path: Path) -> None:
    project = create(tmp_path / "p", Settings(name="p", task="image-classification", data="x"))
    files.write_atomically(project.root / FILE, '[project]\nname = "p"\ncolour = "[/red]"\n')
    app = Tunebook(project.root)
    async with app.run_test(size=(120, 24)) as pilot:
        await wait_for(pilot, lambda: isinstance(app.screen, Welcome))
        await wait_for_text(pilot, "project.colour")


async def test_a_damaged_store_is_named_and_nothing_is_lost(tmp_path: Path) -> None:
    project = create(tmp_path / "p", Settings(name="p", task="image-classification", data="x"))
    with open_store(project):
        pass
    project.store_path.write_bytes(b"no database " * 1000)
    app = Tunebook(project.root)
    async with app.run_test(size=WIDE) as pilot:
        await wait_for(pilot, lambda: isinstance(app.screen, Welcome))
        await wait_for_text(pilot, "the store is damaged (file is not a database)")


async def test_settings_that_break_meanwhile_are_said_and_leave_the_page_as_it_is(tmp_path: Path) -> None:
    with set_up.set_up(tmp_path / "p", "metric") as store:
        app = Tunebook(store.project.root)
        async with app.run_test(size=(120, 24)) as pilot:
            await wait_for_text(pilot, "now: metric")
            place = store.project.root / FILE
            before = place.read_text()
            files.write_atomically(place, "[project\n")
            launches.learn(store, {"id": "x", "values": {}}, batch=None, evidence={})
            await wait_for_text(pilot, "not valid TOML")
            assert "now: metric" in shown(app)
            files.write_atomically(place, before)
            await pilot.press("enter")
            await wait_for_text(pilot, "By what should tuning judge")


async def test_the_keys_of_a_page_are_listed_and_left_again(tmp_path: Path) -> None:
    with set_up.set_up(tmp_path / "p", "metric") as store:
        app = Tunebook(store.project.root)
        async with app.run_test(size=NARROW) as pilot:
            await wait_for_text(pilot, "Go on with the set-up")
            await pilot.press("enter")
            await wait_for_text(pilot, "By what should tuning judge")
            await pilot.press("question_mark")
            await wait_for_text(pilot, "choose the marked option with a reason of your own")
            # A metric can only be chosen, and nothing runs that could be stopped.
            assert "type another answer than the options (not now)" in shown(app)
            assert "stop the work under way (not now)" in shown(app)
            assert "choose the marked option with a reason of your own (not now)" not in shown(app)
            page = app.screen
            await pilot.press("question_mark")
            assert app.screen is page
            for _page in range(3):
                await pilot.press("d")
            await wait_for_text(pilot, "leave; whatever is running goes on")
            await pilot.press("escape")
            await wait_for_text(pilot, "By what should tuning judge")


async def test_every_page_hints_at_keys_that_its_help_explains(tmp_path: Path) -> None:
    """What the line of hints offers on a page is in the groups that the help of this page lists."""
    with set_up.set_up(tmp_path / "p", "metric") as store:
        app = Tunebook(store.project.root)
        async with app.run_test(size=NARROW) as pilot:
            await wait_for_text(pilot, "Go on with the set-up")
            for page in (SetupPage(), DecisionsPage(), ExportPage(), Help(app.screen)):
                await app.push_screen(page)
                await pilot.pause()
                active = {one.binding.id for one in page.active_bindings.values() if one.binding.id}
                groups = {key.group for key in KEYS if key.id in active}
                assert groups <= set(page.GROUPS), page


async def test_ascii_screens_have_no_other_characters(tmp_path: Path) -> None:
    with set_up.set_up(tmp_path / "p", "architecture") as store:
        app = Tunebook(store.project.root, ascii_only=True)
        async with app.run_test(size=NARROW) as pilot:
            await wait_for_text(pilot, "Go on with the set-up")
            assert shown(app).isascii()
            await pilot.press("enter")
            await wait_for_text(pilot, "Which architecture should be the start?")
            assert "+data" in shown(app)
            assert shown(app).isascii()


@pytest.mark.parametrize("size", [(40, 12), (20, 5)])
async def test_a_tiny_terminal_crashes_nothing(tmp_path: Path, size: tuple[int, int]) -> None:
    with set_up.set_up(tmp_path / "p", "architecture") as store:
        app = Tunebook(store.project.root)
        async with app.run_test(size=size) as pilot:
            await wait_for(pilot, lambda: isinstance(app.screen, Home) and app.screen.ready)
            # Nobody sees what a key would do.
            await pilot.press("enter", "d", "j", "t", "x", "question_mark")
            assert isinstance(app.screen, Home)
            app.open("setup")
            await wait_for(pilot, lambda: isinstance(app.screen, SetupPage) and app.screen.ready)
            await pilot.press("d", "j", "t", "x", "escape")
            await wait_for(pilot, lambda: isinstance(app.screen, Home))


async def test_a_window_that_is_too_small_says_what_it_needs_and_a_larger_one_shows_the_page(tmp_path: Path) -> None:
    project = create(tmp_path / "p", Settings(name="p", task="image-classification", data="gone"))
    app = Tunebook(project.root)
    async with app.run_test(size=(40, 10)) as pilot:
        await wait_for_text(pilot, "Tunebook needs 50 x 14; this window")
        assert "set-up" not in shown(app)
        await pilot.resize_terminal(80, 24)
        await wait_for_text(pilot, "Set-up: 0 of 9 decided; now: data.")
        assert "needs 50 x 14" not in shown(app)


async def test_where_it_is_narrow_the_first_line_tells_the_place_alone(tmp_path: Path) -> None:
    project = create(tmp_path / "p", Settings(name="p", task="image-classification", data="gone"))
    app = Tunebook(project.root)
    async with app.run_test(size=(68, 20)) as pilot:
        await pilot.app.push_screen(SetupPage())
        await wait_for_text(pilot, "[set-up] > goal > run")
        await pilot.resize_terminal(54, 20)
        await wait_for_text(pilot, "[set-up]")
        assert "goal > run" not in shown(app)


async def test_a_wide_window_draws_the_result_of_every_trial_and_the_best_so_far(tmp_path: Path) -> None:
    project = prepared.prepare(tmp_path / "p", "second")
    with watched_round.supervised(project):
        app = Tunebook(project.root)
        async with app.run_test(size=WIDE) as pilot:
            await wait_for_text(pilot, "error_rate vs trial  A best so far")
            await pilot.press("tab", "end", "enter")
            await wait_for(pilot, lambda: isinstance(app.screen, TrialPage))
            await pilot.press("escape")
            await pilot.resize_terminal(*NARROW)
            await wait_for(pilot, lambda: "best so far" not in shown(app))


async def test_when_exploration_is_over_the_final_study_starts_here_and_the_test_split_comes_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only once a person has confirmed the saturation; the look at the test split after the study's review."""
    monkeypatch.setattr(reviewing, "noise", lambda *_: 0.01)
    monkeypatch.setattr(reviewing, "freedom", lambda *_: 30)
    project = small_project.project(tmp_path / "p", tmp_path / "data")
    fixed: Any = {"optimizer.momentum": "fixed", "optimizer.weight_decay": "fixed"}
    with open_store(project) as store, watched_round.supervised(project):
        small_project.adopt(store, small_project.settings(tmp_path / "data"))
        for count in (16, 2, 2):
            batch = planning.save(store, planning.propose(store, trials=count, roles=fixed))
            for entry in trials.trials(store, batch.name):
                small_project.end(store, entry.id, 0.1 + (entry.u["sgd.learning_rate"] - 0.6) ** 2 / 100)
            reviewing.review_batch(store, batch.name)
        app = Tunebook(project.root)
        async with app.run_test(size=NARROW) as pilot:
            await wait_for_text(pilot, "Insights")
            assert "Final study" not in shown(app)
            insights.confirm(store, "saturated/round-1")
            await wait_for_text(pilot, "Final study")
            await choose(pilot, FINAL)
            await wait_for(pilot, lambda: isinstance(app.screen, RoundPage))
            (*_before, study) = trials.batches(store)
            assert study.plan["search"] == "bayesian"
            assert [entry.status for entry in trials.trials(store, study.name)] == ["queued"] * 4
            await pilot.press("escape")
            await wait_for(pilot, lambda: isinstance(app.screen, Home))
            assert "Final study" not in shown(app)
            for entry in trials.trials(store, study.name):
                small_project.end(store, entry.id, 0.1)
            reviewing.review_batch(store, study.name)
            await wait_for_text(pilot, "Look at the test split")
            await choose(pilot, "look")
            await wait_for_text(pilot, "No complete run of the best configuration is there")


async def choose(pilot: Pilot[None], name: str) -> None:
    """Mark an entry of the list, and take it."""
    entries = pilot.app.screen.query_one(Choices)
    entries.highlighted = entries.get_option_index(name)
    await pilot.press("enter")


async def test_a_project_that_is_deleted_under_the_screens_is_said_to_be_gone(tmp_path: Path) -> None:
    """It is no matter of permissions, and nothing is made anew in its place."""
    project = small_project.project(tmp_path / "p", tmp_path / "data")
    async with Tunebook(project.root).run_test(size=NARROW) as pilot:
        await wait_for_text(pilot, "Leave")
        shutil.rmtree(project.root)
        told = "is gone: the project was moved or deleted."
        await wait_for(pilot, lambda: told in " ".join(shown(pilot.app).split()))
        assert not project.root.exists()

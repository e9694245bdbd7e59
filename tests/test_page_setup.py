"""The set-up on the screen: questions answered by keys, the long work between them, and what goes wrong."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Static

from presets import language
from state import decisions, files, runs, trial_progress, trials
from state.database import Store
from state.project import FILE, Project, Settings, create, open_project
from state.project import version as settings_version
from state.store import open_store
from tests import own_pipelines, set_up, small_project, watched_round
from tests.screens import NARROW, WIDE, lines, shown, wait_for, wait_for_text
from tui.app import Tunebook
from tui.pages.decisions import DecisionsPage
from tui.pages.home import Home
from tui.pages.setup import SetupPage
from tui.question_text import parts
from tui.widgets.controls import Choices, Field
from tui.widgets.work_view import WorkView
from wizard import baseline, flow, inspection, probe

pytestmark = pytest.mark.usefixtures("quick_looks")

HOSTILE = ["[red]", "[bold]b", "a\nb", "\x1b[31mred", "中文 类", "🦊", "{x}"]


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    yield
    language.set_language("en")


def new(root: Path, data: Path, **settings: Any) -> Project:
    return create(root, Settings(**{"name": "digits", "task": "image-classification", "data": str(data), **settings}))


@contextmanager
def standing_at(root: Path, step: str, **answers: Any) -> Iterator[Store]:
    """The store of a project whose set-up stands at a step; what takes long has been measured."""
    with set_up.set_up(root, step, **answers) as store:
        yield store


async def open_setup(pilot: Pilot[Any]) -> SetupPage:
    """From the home page to the set-up page, as a person gets there."""
    await wait_for_text(pilot, "Go on with the set-up")
    await pilot.press("enter")
    await wait_for(pilot, lambda: isinstance(pilot.app.screen, SetupPage))
    page = pilot.app.screen
    assert isinstance(page, SetupPage)
    return page


async def test_the_data_are_looked_through_by_themselves_and_then_asked_about(tmp_path: Path, digits: Path) -> None:
    app = Tunebook(new(tmp_path / "p", digits).root)
    async with app.run_test(size=NARROW) as pilot:
        await open_setup(pilot)
        await wait_for_text(pilot, "Go on with these data?")
        assert "10 classes; 160 examples to learn from, 40 to measure with." in shown(app)
        assert lines(app)[0].startswith(" Tunebook  digits  data  [set-up] > goal")
        assert isinstance(app.focused, Choices)
        await pilot.press("enter")
        await wait_for_text(pilot, "By what should tuning judge")
        assert "✓data" in shown(app)
    with open_store(open_project(tmp_path / "p")) as store:
        made = decisions.decision(store, "data")
    assert made is not None
    assert made.chosen == "use"


@pytest.mark.parametrize("size", [NARROW, WIDE])
async def test_every_question_has_its_recommendation_and_options_on_the_screen(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    """From the first question to the baseline, by enter alone."""
    with standing_at(tmp_path / "p", "data") as store:
        app = Tunebook(store.project.root)
        async with app.run_test(size=size) as pilot:
            await open_setup(pilot)
            for step in flow.STEPS[:-1]:
                if step == "batch_size":
                    set_up.probed(store)
                await wait_for_text(pilot, f"  {flow.title(step).text()}  [set-up]")
                await wait_for_text(pilot, "recommended")
                question = flow.ask(store, step)
                assert question.options[0].label in shown(app), shown(app)
                assert question.text.text()[:30] in shown(app), shown(app)
                assert isinstance(app.focused, Choices)
                assert lines(app)[-1].lstrip().startswith("enter choose")
                await pilot.press("enter")
            await wait_for_text(pilot, "Next the first configuration is run.")
            assert {entry.step for entry in decisions.decisions(store)} == set(flow.STEPS[:-1])


async def test_another_option_is_taken_with_a_reason_in_words(tmp_path: Path) -> None:
    """Down by j, r for the reason; whatever is typed is data, q and markup included."""
    with standing_at(tmp_path / "p", "metric") as store:
        app = Tunebook(store.project.root)
        async with app.run_test(size=NARROW) as pilot:
            await open_setup(pilot)
            await wait_for_text(pilot, "By what should tuning judge")
            await pilot.press("j", "r")
            await wait_for_text(pilot, "Your reason for balanced_error:")
            assert isinstance(app.focused, Field)
            await pilot.press(*"quit [/b] 因为")
            assert app.is_running
            await pilot.press("enter")
            await wait_for_text(pilot, "[architecture]")
        made = decisions.decision(store, "metric")
    assert made is not None
    assert made.chosen == "balanced_error"
    assert made.reason["values"]["words"] == "quit [/b] 因为"


async def test_a_number_is_typed_and_one_that_cannot_be_is_refused_where_it_stands(tmp_path: Path) -> None:
    with standing_at(tmp_path / "p", "steps") as store:
        app = Tunebook(store.project.root)
        async with app.run_test(size=NARROW) as pilot:
            await open_setup(pilot)
            await wait_for_text(pilot, "[number of steps]")
            await pilot.press("t", *"many", "enter")
            await wait_for_text(pilot, "'many' is no answer")
            assert app.screen.query_one(Field).value == "many"
            # Typing takes the message away with the next key that is not typed.
            await pilot.press(*["backspace"] * 4, *"77", "enter")
            await wait_for_text(pilot, "[baseline]")
        made = decisions.decision(store, "steps")
    assert made is not None
    assert made.chosen == 77


async def test_a_long_list_is_filtered_by_what_is_typed_and_chosen_from(tmp_path: Path) -> None:
    """Of the catalogue's architectures, those that contain a text are shown, with their figures, at 80x24."""
    with standing_at(tmp_path / "p", "architecture") as store:
        app = Tunebook(store.project.root)
        async with app.run_test(size=NARROW) as pilot:
            await open_setup(pilot)
            await wait_for_text(pilot, "[architecture]")
            await pilot.press("slash", *"swin_", "enter")
            options = app.screen.query_one(Choices)
            await wait_for(pilot, lambda: app.focused is options)
            assert {str(entry.prompt).split()[0] for entry in options.options} == {
                "swin_tiny_patch4_window7_224",
                "swin_small_patch4_window7_224",
            }
            assert "resnet18" not in str(app.screen.query_one("#table", Static).content)
            await pilot.press("j", "enter")
            await wait_for_text(pilot, "[weights]")
        made = decisions.decision(store, "architecture")
    assert made is not None
    assert made.chosen == "swin_small_patch4_window7_224"


async def test_escape_leaves_the_typing_first_and_then_the_page(tmp_path: Path) -> None:
    with standing_at(tmp_path / "p", "steps") as store:
        app = Tunebook(store.project.root)
        async with app.run_test(size=NARROW) as pilot:
            page = await open_setup(pilot)
            await wait_for_text(pilot, "[number of steps]")
            await pilot.press("t", "7")
            assert "ctrl+q quit" in lines(app)[-1]
            await pilot.press("escape")
            assert app.screen is page
            assert isinstance(app.focused, Choices)
            assert lines(app)[-1].endswith("q quit")
            await pilot.press("escape")
            assert isinstance(app.screen, Home)


async def test_two_quick_presses_do_not_answer_a_question_that_was_not_seen(tmp_path: Path) -> None:
    with standing_at(tmp_path / "p", "metric") as store:
        app = Tunebook(store.project.root)
        async with app.run_test(size=NARROW) as pilot:
            await open_setup(pilot)
            await wait_for_text(pilot, "By what should tuning judge")
            choices = app.screen.query_one(Choices)
            choices.action_select()
            choices.action_select()
            await wait_for_text(pilot, "[architecture]")
            await pilot.pause()
        assert decisions.decision(store, "architecture") is None


async def test_long_evidence_is_read_by_keys_and_explained_at_length(tmp_path: Path) -> None:
    with standing_at(tmp_path / "p", "architecture") as store:
        app = Tunebook(store.project.root)
        async with app.run_test(size=NARROW) as pilot:
            await open_setup(pilot)
            await wait_for_text(pilot, "Which architecture should be the start?")
            question = flow.ask(store, "architecture")
            assert question.table is not None
            last = question.table.rows[-1][0]
            assert question.reason.text()[:30] in shown(app)
            assert last not in shown(app)
            await wait_for_text(pilot, "d read")
            for _page in range(9):
                await pilot.press("d")
            await wait_for_text(pilot, last)
            for _page in range(9):
                await pilot.press("u")
            await wait_for_text(pilot, "Which architecture should be the start?")
            await pilot.press("e")
            await wait_for_text(pilot, "(G1)")
            await pilot.press("escape")
            await wait_for_text(pilot, "Which architecture should be the start?")


async def test_what_is_seen_whole_is_not_offered_to_be_read_on(tmp_path: Path) -> None:
    """The key did nothing there."""
    with standing_at(tmp_path / "p", "optimizer") as store:
        app = Tunebook(store.project.root)
        async with app.run_test(size=NARROW) as pilot:
            await open_setup(pilot)
            await wait_for_text(pilot, "d read")
            await pilot.resize_terminal(200, 60)
            await wait_for(pilot, lambda: "d read" not in shown(app) and "e explain" in shown(app))
            await pilot.resize_terminal(*NARROW)
            await wait_for_text(pilot, "d read")


async def test_while_a_long_table_is_read_the_options_leave_it_their_room(tmp_path: Path) -> None:
    """At 80x24 the table of the optimizers has 17 lines instead of 11, and the marked option stays in sight."""
    with standing_at(tmp_path / "p", "optimizer") as store:
        app = Tunebook(store.project.root)
        async with app.run_test(size=NARROW) as pilot:
            await open_setup(pilot)
            await wait_for_text(pilot, "Which optimizer should be the start?")
            await wait_for_text(pilot, "AdamW with Nesterov momentum")

            def rows() -> int:
                return sum(line.rstrip().endswith(("fixed", "searched")) for line in lines(app))

            await pilot.press("d")
            await wait_for(pilot, lambda: rows() > 14, "no room for the table")
            assert "SGD with Nesterov momentum  recommended" in shown(app)
            await pilot.press("down")
            await wait_for_text(pilot, "AdamW with Nesterov momentum")
            await pilot.press("d", "d", "u", "u", "u", "u", "u")
            await wait_for_text(pilot, "Which optimizer should be the start?")
            await wait_for_text(pilot, "AdamW with Nesterov momentum")


async def test_the_optimizers_and_the_line_for_a_reason_are_in_the_language_of_the_page(tmp_path: Path) -> None:
    """Their names and "use" stood in English among Chinese, and a filter in Chinese found none of them."""
    language.set_language("zh_CN")
    with standing_at(tmp_path / "p", "optimizer") as store:
        app = Tunebook(store.project.root)
        async with app.run_test(size=NARROW) as pilot:
            await wait_for_text(pilot, "继续设置")
            await pilot.press("enter")
            await wait_for_text(pilot, "ResNet 最常用的优化器：带 Nesterov 动量的 SGD")
            assert "SGD with" not in shown(app)
    with standing_at(tmp_path / "q", "initial") as store:
        app = Tunebook(store.project.root)
        async with app.run_test(size=NARROW) as pilot:
            await wait_for_text(pilot, "继续设置")
            await pilot.press("enter")
            await wait_for_text(pilot, "从这个配置开始吗？")
            await pilot.press("r")
            await wait_for_text(pilot, "选择“采用”的理由：")


async def test_a_table_that_is_wider_than_the_page_is_shown_in_parts_with_the_keys_for_them(tmp_path: Path) -> None:
    """No cell is cut: a unit was out of sight, and nothing told that there was more."""
    with standing_at(tmp_path / "p", "optimizer") as store:
        app = Tunebook(store.project.root)
        async with app.run_test(size=NARROW) as pilot:
            await open_setup(pilot)
            await wait_for_text(pilot, "hyperparameter")
            await wait_for_text(pilot, "(Columns, part 1 of 4. Further ones: right or l; back: left or h.)")
            table = app.screen.query_one("#table", Static)
            assert "arXiv" not in str(table.content)
            await pilot.press(*["right"] * 9)
            await wait_for_text(pilot, "part 4 of 4")
            assert "arXiv" in str(table.content)
            # The rows are still told apart.
            assert "SGD with Nesterov momentum  learning_rate   AlgoPerf" in shown(app)
            await pilot.press(*["h"] * 9)
            await wait_for_text(pilot, "part 1 of 4")
    with standing_at(tmp_path / "q", "architecture") as store:
        question = flow.ask(store, "architecture")
        assert question.table is not None
        every = "".join(line.plain for part in parts(question, "", 76) for line in part)
        for row in question.table.rows:
            assert all("".join(cell.split()) in "".join(every.split()) for cell in row[:6])
        assert all(len(line) <= 76 for part in parts(question, "", 76)[:2] for line in part)


async def test_an_answer_given_elsewhere_moves_the_page_on(tmp_path: Path) -> None:
    """Two people may look at one project."""
    with standing_at(tmp_path / "p", "metric") as store:
        app = Tunebook(store.project.root)
        async with app.run_test(size=NARROW) as pilot:
            await open_setup(pilot)
            await wait_for_text(pilot, "By what should tuning judge")
            flow.answer(store, "metric", "loss")
            await wait_for_text(pilot, "[architecture]")


async def test_an_earlier_step_is_decided_anew(tmp_path: Path) -> None:
    with standing_at(tmp_path / "p", "steps") as store:
        app = Tunebook(store.project.root)
        async with app.run_test(size=NARROW) as pilot:
            await wait_for_text(pilot, "Go on with the set-up")
            app.push_screen(SetupPage("metric"))
            await wait_for_text(pilot, "By what should tuning judge")
            await pilot.press("j", "enter")
            await wait_for_text(pilot, "[number of steps]")
            # From a question, too, a key leads back to what was decided.
            await pilot.press("b")
            await wait_for(pilot, lambda: isinstance(app.screen, DecisionsPage))
        made = decisions.decision(store, "metric")
    assert made is not None
    assert made.chosen == "balanced_error"


async def test_a_step_whose_turn_has_not_come_is_not_asked(tmp_path: Path) -> None:
    with standing_at(tmp_path / "p", "metric") as store:
        app = Tunebook(store.project.root)
        async with app.run_test(size=NARROW) as pilot:
            await wait_for_text(pilot, "Go on with the set-up")
            app.push_screen(SetupPage("steps"))
            await wait_for_text(pilot, "First comes: metric.")
            assert "By what should tuning judge" in shown(app)


async def test_data_that_are_not_there_are_named_and_looked_at_when_they_come(tmp_path: Path, digits: Path) -> None:
    data = tmp_path / "later [/red]"
    app = Tunebook(new(tmp_path / "p", data).root)
    async with app.run_test(size=(120, 24)) as pilot:
        await open_setup(pilot)
        await wait_for_text(pilot, "The data were not looked through.")
        # A long path is broken where the line ends.
        assert "later[/red]:thereisnosuchfileorfolder" in "".join(shown(app).split())
        assert "s: look again" in shown(app)
        assert "s start" in lines(app)[-1]
        shutil.copytree(digits, data)
        await wait_for_text(pilot, "Go on with these data?")


async def test_another_path_in_the_settings_is_taken_over(tmp_path: Path, digits: Path) -> None:
    project = new(tmp_path / "p", tmp_path / "wrong")
    app = Tunebook(project.root)
    async with app.run_test(size=NARROW) as pilot:
        await open_setup(pilot)
        await wait_for_text(pilot, "The data were not looked through.")
        place = project.root / FILE
        files.write_atomically(place, place.read_text().replace(str(tmp_path / "wrong"), str(digits)))
        await wait_for_text(pilot, "Go on with these data?")


async def test_data_of_one_class_are_refused_with_the_reason_until_they_are_mended(
    tmp_path: Path, digits: Path
) -> None:
    data = tmp_path / "data"
    shutil.copytree(digits / "0", data / "0")
    app = Tunebook(new(tmp_path / "p", data).root)
    async with app.run_test(size=(120, 24)) as pilot:
        await open_setup(pilot)
        await wait_for_text(pilot, "class")
        await wait_for_text(pilot, "s: look again")
        assert "Go on with these data?" not in shown(app)
        for name in ("1", "2"):
            shutil.copytree(digits / name, data / name)
        # Too few for a fifth of them to be enough for validation: a larger share is proposed, ready to be taken.
        await wait_for_text(pilot, "Which share of the examples should be held out")
        assert app.screen.query_one(Field).value == "0.35"
        await pilot.press("enter")
        await wait_for_text(pilot, "Go on with these data?")


async def test_names_that_look_like_commands_are_shown_as_names(tmp_path: Path, digits: Path) -> None:
    """Markup, line ends, escape sequences, Chinese, emoji in the names of classes, the project and its folder."""
    data = tmp_path / "data [/b] 数据"
    for place, name in enumerate(HOSTILE):
        shutil.copytree(digits / str(place), data / name)
    project = new(tmp_path / "p [red]", data, name="[/red]\x1b[2J\n名字")
    app = Tunebook(project.root)
    async with app.run_test(size=WIDE) as pilot:
        await wait_for_text(pilot, r"[/red]\x1b[2J\n名字")
        await open_setup(pilot)
        await wait_for_text(pilot, "7 classes;")
        assert "equally frequent" in shown(app)
        assert lines(app)[0].startswith(r" Tunebook  [/red]\x1b[2J\n名字")
        await pilot.press("enter")
        await wait_for_text(pilot, "Always naming")
        with open_store(project) as store:
            found = inspection.known(store)
        assert set(found["classes"]) == set(HOSTILE)
        assert "\x1b" not in shown(app)


async def test_a_long_name_leaves_room_for_the_rest_of_the_first_line(tmp_path: Path) -> None:
    with set_up.set_up(tmp_path / "p", "metric"):
        pass
    place = tmp_path / "p" / FILE
    files.write_atomically(place, place.read_text().replace('name = "p"', f'name = "{"项目" * 60}"'))
    app = Tunebook(tmp_path / "p")
    async with app.run_test(size=NARROW) as pilot:
        await open_setup(pilot)
        await wait_for_text(pilot, "By what should tuning judge")
        assert lines(app)[0].endswith("⋯  metric  [set-up] > goal > run > learn > launch")


async def test_a_probe_is_started_stopped_and_started_again_and_seen_by_whoever_comes(tmp_path: Path) -> None:
    """The real probe, on the digits: its sizes as they come, and the reason why it ended."""
    # So many that the probe is still at work on larger sizes when it is stopped.
    data = small_project.digits(tmp_path / "data", 1700)
    project = new(tmp_path / "p", data)
    with open_store(project) as store:
        id = inspection.start(store)
        small_project.wait_for(lambda: not inspection.progress(project, id).running, "the inspection ends")
        set_up.advance(store, "probe")
        app = Tunebook(project.root)
        async with app.run_test(size=NARROW) as pilot:
            page = await open_setup(pilot)
            await wait_for_text(pilot, "Next the batch sizes are measured.")
            assert probe.under_way(store) is None
            # Why is explained before anything is asked, too.
            await pilot.press("e")
            await wait_for_text(pilot, "(G3)")
            await pilot.press("escape", "enter")
            await wait_for_text(pilot, "How to run is chosen first")
            await wait_for_text(pilot, "batch size  examples/s")
            await pilot.press("escape", "enter")
            assert app.screen is not page
            await wait_for_text(pilot, "batch size  examples/s")
            assert "x stop" in lines(app)[-1]
            await pilot.press("x")
            await wait_for_text(pilot, "The batch sizes were not measured.")
            assert "Stopped when asked to" in shown(app)
            assert "batch size  examples/s" in shown(app)
            await pilot.press("s")
            await wait_for_text(pilot, "Measuring batch sizes")
            again = probe.under_way(store)
            assert again == "probe-2"
            runs.stop(project.measurement_folder(again), hard=True)
            await wait_for_text(pilot, "The batch sizes were not measured.")


async def test_what_ended_while_nobody_looked_is_asked_about_and_enter_answers(tmp_path: Path, digits: Path) -> None:
    with open_store(new(tmp_path / "p", digits)) as store:
        id = inspection.start(store)
        small_project.wait_for(lambda: not inspection.progress(store.project, id).running, "the data are not looked at")
        async with Tunebook(store.project.root).run_test(size=NARROW) as pilot:
            await open_setup(pilot)
            await wait_for_text(pilot, "Go on with these data?")
            await wait_for_text(pilot, "enter choose")
            await pilot.press("enter")
            await wait_for_text(pilot, "By what should tuning judge")


async def test_batch_sizes_are_measured_once_more_by_a_key(tmp_path: Path, digits: Path) -> None:
    """What comes to nothing is said beside the figures of before, which still hold."""
    with open_store(new(tmp_path / "p", digits)) as store:
        set_up.advance(store, "batch_size", {**set_up.DIGITS})
        app = Tunebook(store.project.root)
        async with app.run_test(size=WIDE) as pilot:
            await open_setup(pilot)
            await wait_for_text(pilot, "How many examples should a training step take?")
            assert "m measure" in lines(app)[-1]
            await pilot.press("m")
            await wait_for_text(pilot, "Measuring batch sizes")
            await pilot.press("x")
            await wait_for_text(pilot, "How many examples should a training step take?")
            await wait_for_text(pilot, "Measuring again came to nothing: ")
            assert "recommended" in shown(app)


async def test_the_baseline_is_watched_stopped_gone_on_with_and_accepted(tmp_path: Path) -> None:
    with standing_at(tmp_path / "p", "baseline") as store, watched_round.supervised(store.project):
        app = Tunebook(store.project.root)
        async with app.run_test(size=NARROW) as pilot:
            await open_setup(pilot)
            await wait_for_text(pilot, "Next the first configuration is run.")
            await pilot.press("s")
            await wait_for_text(pilot, "The first configuration runs")
            assert "no evaluation yet" in shown(app)
            # It was said to run for ten seconds and more, with nothing of it at work.
            await wait_for_text(pilot, "It begins once torch is loaded.")
            (entry,) = trials.trials(store, "baseline-1")
            trial_progress.mark_running(store, entry.id, restart=False)
            await wait_for(pilot, lambda: "once torch is loaded" not in shown(app))
            watched_round.advance(store, entry.id, {"step": 10, "val/error_rate": 0.9, "train/loss": 2.3})
            await wait_for_text(pilot, "running")
            await wait_for(pilot, lambda: "no evaluation yet" not in shown(app))
            await pilot.press("x")
            await wait_for_text(pilot, "The baseline is stopped.")
            assert trials.batch(store, "baseline-1").wanted == "stop"
            await pilot.press("s")
            await wait_for_text(pilot, "The first configuration runs")
            assert trials.batch(store, "baseline-1").wanted == "run"
            end_baseline(store, correct=300)
            await wait_for_text(pilot, "Is this a reasonable start?")
            # Said once: as the reason for what is recommended.
            assert shown(app).count("Clearly better than chance: 300 of 360") == 1
            await pilot.press("enter")
            await wait_for(pilot, lambda: isinstance(app.screen, Home))
            await wait_for_text(pilot, "Plan a round")
            assert "Best so far: baseline-1, error_rate 0.1667" in shown(app)


async def test_a_baseline_that_nobody_runs_says_so_and_one_that_failed_says_why(tmp_path: Path) -> None:
    with standing_at(tmp_path / "p", "baseline") as store:
        app = Tunebook(store.project.root)
        async with app.run_test(size=WIDE) as pilot:
            with watched_round.supervised(store.project):
                await open_setup(pilot)
                await wait_for_text(pilot, "Next the first configuration is run.")
                await pilot.press("s")
                await wait_for_text(pilot, "The first configuration runs")
                assert "supervisor" not in shown(app)
            await wait_for_text(pilot, "Waiting for the supervisor, which starts trials.")
            assert "s start" in lines(app)[-1]
            small_project.end(store, "baseline-1-001", None, "failed", message="/data [x]: no such folder.")
            await wait_for_text(pilot, "No result: baseline-1-001 is failed: /data [x]: no such folder.")
            assert "log.txt" in shown(app)
            assert "again" in shown(app)


async def test_a_result_no_better_than_chance_is_only_overridden_with_a_reason(tmp_path: Path) -> None:
    with standing_at(tmp_path / "p", "baseline") as store:
        baseline.plan(store)
        end_baseline(store, correct=40)
        app = Tunebook(store.project.root)
        async with app.run_test(size=NARROW) as pilot:
            await open_setup(pilot)
            await wait_for_text(pilot, "one-batch  recommended")
            await pilot.press("end", "enter")
            await wait_for_text(pilot, "Say why; it is recorded with the decision.")
            await pilot.press("enter")
            await wait_for_text(pilot, "override: say why")
            await pilot.press(*"a test", "enter")
            await wait_for(pilot, lambda: isinstance(app.screen, Home))
        assert flow.standing(store).step is None


async def test_an_answer_that_runs_the_baseline_once_more_has_it_started(tmp_path: Path) -> None:
    """By a real supervisor: the trial ends, since there are no data."""
    with standing_at(tmp_path / "p", "baseline") as store:
        baseline.plan(store)
        small_project.end(store, "baseline-1-001", None, "failed", message="killed")
        app = Tunebook(store.project.root)
        async with app.run_test(size=NARROW) as pilot:
            await open_setup(pilot)
            await wait_for_text(pilot, "Is this a reasonable start?")
            options = [option.value for option in flow.ask(store, "baseline").options]
            await pilot.press("home", *["down"] * options.index("again"), "enter")
            await wait_for(pilot, lambda: bool(trials.trials(store, "baseline-2")))
            await wait_for(pilot, lambda: trials.trials(store, "baseline-2")[0].status == "failed")


def end_baseline(store: Store, correct: int) -> None:
    """The baseline has ended with so many right of the 360 validation examples."""
    per_class = set_up.DIGITS["splits"]["validation"]["per_class"]
    small_project.end(
        store,
        "baseline-1-001",
        1 - correct / 360,
        validation={"examples": 360, "correct": correct, "per_class": per_class},
    )


async def test_price_and_power_are_typed_and_the_table_counts_what_training_costs(tmp_path: Path) -> None:
    """At 80 columns the whole table is there, in parts; what is no amount is refused where it stands."""
    with standing_at(tmp_path / "p", "batch_size") as store:
        set_up.probed(store)
        app = Tunebook(store.project.root)
        async with app.run_test(size=NARROW) as pilot:
            await open_setup(pilot)
            await wait_for_text(pilot, "How many examples should a training step take?")
            table = app.screen.query_one("#table", Static)
            assert "device seconds" in str(table.content)
            assert "price" not in str(table.content)
            await pilot.press("p")
            await wait_for_text(pilot, "Price of a device hour")
            await pilot.press("backspace", *"abc", "enter")
            await wait_for_text(pilot, "'abc' is no amount; allowed: a number, 0 or more, such as 2.5")
            await pilot.press(*["backspace"] * 3, *"2.5", "enter")
            await wait_for(pilot, lambda: "price" in str(table.content))
            await pilot.press("w", "backspace", *"300", "enter")
            await wait_for(pilot, lambda: "kWh" in str(table.content))
            assert max(map(len, str(table.content).split("\n"))) <= 76
            # What is typed takes the place of what stands there, as in every other question: of 2.5, 8 made 2.58.
            await watched_round.press(pilot, *"p8", "enter")
            await wait_for(pilot, lambda: open_project(tmp_path / "p").settings.price_per_hour == 8.0)
    again = open_project(tmp_path / "p").settings
    assert (again.price_per_hour, again.power_watts) == (8.0, 300.0)


@pytest.mark.parametrize("size", [NARROW, (60, 20)])
async def test_the_memory_that_a_run_may_take_is_typed_before_the_sizes_are_measured_and_after(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    """Only the command and tunebook.toml could say it. What was measured within another figure does not count."""
    with standing_at(tmp_path / "p", "probe") as store:
        app = Tunebook(store.project.root)
        async with app.run_test(size=size) as pilot:
            await open_setup(pilot)
            await wait_for_text(pilot, "Next the batch sizes are measured.")
            await pilot.press("g")
            await wait_for_text(pilot, "GiB of memory that a run may take")
            await pilot.press("escape")
            await wait_for(pilot, lambda: isinstance(app.focused, WorkView))
            assert isinstance(app.screen, SetupPage)
            await pilot.press("g", "backspace", *"-1", "enter")
            await wait_for_text(pilot, "'-1' is no amount")
            await pilot.press(*["backspace"] * 2, *"1.5", "enter")
            await wait_for(pilot, lambda: isinstance(app.focused, WorkView))
            store.project = open_project(tmp_path / "p")
            assert probe.memory_cap(store) == 3 * 2**29
            await wait_for_text(pilot, "g: the memory that a run may take, 1.5 GiB now")
            set_up.probed(store)
            await wait_for_text(pilot, "How many examples should a training")
            await pilot.press("g", *["backspace"] * 3, "2", "enter")
            # Those were measured within less.
            await wait_for_text(pilot, "Next the batch sizes are measured.")
            # However little is allowed, it is no less a wish: it was taken for none, and what had been measured held.
            await pilot.press("g", "backspace", *"1e-12", "enter")
            await wait_for(pilot, lambda: isinstance(app.focused, WorkView))
            store.project = open_project(tmp_path / "p")
            assert probe.memory_cap(store) == 1
            # Where a measurement fails, the way on names it.
            runs.stop(store.project.measurement_folder(probe.start(store)))
            await wait_for(pilot, lambda: "g: the memory that a run may take, 1e-12 GiB now" in shown(app))
            await pilot.press("g", *["backspace"] * 5, *"1.5", "enter")
            await wait_for_text(pilot, "How many examples should a training")


async def test_of_a_script_of_ones_own_no_memory_is_asked_for(tmp_path: Path) -> None:
    own_pipelines.write_script(tmp_path / "code")
    with open_store(own_pipelines.project(tmp_path / "p", tmp_path / "code")) as store:
        flow.answer(store, "metric", "held-out")
        flow.answer(store, "initial", "use")
        app = Tunebook(store.project.root)
        async with app.run_test(size=NARROW) as pilot:
            page = await open_setup(pilot)
            await wait_for_text(pilot, "How many examples should a training step take, with")
            assert not page.check_action("cost", ("memory_gib",))


async def test_from_a_measurement_that_failed_one_key_leads_to_the_answers_before(tmp_path: Path) -> None:
    """What it failed by was said, but not how to choose another model."""
    with standing_at(tmp_path / "p", "probe", architecture="resnet34") as store:
        project = store.project
        id = probe.start(store)
        runs.stop(project.measurement_folder(id))
        small_project.wait_for(lambda: not probe.running(project, id), "it ends")
        app = Tunebook(project.root)
        async with app.run_test(size=NARROW) as pilot:
            page = await open_setup(pilot)
            await wait_for_text(pilot, "The batch sizes were not measured.")
            assert "s: try again, or b: the decisions so far" in shown(app)
            assert "b earlier answers" in lines(app)[-1]
            await pilot.press("b")
            await wait_for_text(pilot, "architecture: resnet34")
            await pilot.press("escape")
            await wait_for(pilot, lambda: app.screen is page)


async def test_a_rate_far_outside_the_usual_range_is_taken_with_a_warning(tmp_path: Path) -> None:
    """1000 was taken without a word; it may be meant, but hardly ever is."""
    with standing_at(tmp_path / "p", "initial", optimizer="sgd") as store:
        app = Tunebook(store.project.root)
        async with app.run_test(size=NARROW) as pilot:
            await open_setup(pilot)
            await wait_for_text(pilot, "Start with this configuration?")
            await pilot.press("t", *"1000", "enter")
            await wait_for_text(pilot, "[number of steps]")
            await wait_for_text(pilot, "The learning rate 1000 is far outside")
            assert "If it was a slip" in shown(app)
        made = decisions.decision(store, "initial")
        assert made is not None
        assert made.settings["optimizer.learning_rate"] == 1000
        assert flow.answer(store, "initial", 0.3) is None
        mind = flow.answer(store, "initial", 1e-9)
        assert mind is not None


async def test_what_another_has_changed_is_on_the_screen_before_enter_confirms_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_pipelines.write_script(tmp_path / "code")
    with open_store(own_pipelines.project(tmp_path / "p", tmp_path / "code")) as store:
        flow.answer(store, "metric", "held-out")
        app = Tunebook(store.project.root)
        async with app.run_test(size=WIDE) as pilot:
            page = await open_setup(pilot)
            await wait_for_text(pilot, "Start with these values?")
            # By another session, while something is being typed here.
            await watched_round.press(pilot, "t", *"steps=2")
            with open_store(open_project(store.project.root)) as other:
                flow.answer(other, "initial", "lr=0.0625")
            await wait_for_text(pilot, "0.0625")
            # By hand, in an editor; nothing is recorded for it.
            path = store.project.root / FILE
            text = path.read_text(encoding="utf-8")
            assert "high = 1.9" in text
            path.write_text(text.replace("high = 1.9", "high = 12.5 # from the paper"), encoding="utf-8")
            await wait_for_text(pilot, "12.5")
            assert app.focused is page.query_one(Field)
            await watched_round.press(pilot, *"00", "enter")
            await wait_for(pilot, lambda: "200" in path.read_text(encoding="utf-8"))
            assert "high = 12.5 # from the paper" in path.read_text(encoding="utf-8")
            await wait_for(pilot, lambda: app.focused is page.query_one(Choices))
            # The page has not looked yet when somebody presses enter.
            seen = settings_version(store.project.root)
            monkeypatch.setattr("tui.app.settings_version", lambda _root: seen)
            await wait_for(pilot, lambda: app._version == (app.store.version(), seen))
            path.write_text(path.read_text(encoding="utf-8").replace("12.5", "13.5"), encoding="utf-8")
            await watched_round.press(pilot, "enter")
            await wait_for_text(pilot, "What is asked has changed meanwhile.")
            assert "13.5" in shown(app)
            with open_store(open_project(store.project.root)) as other:
                assert [entry.chosen for entry in decisions.decisions(other, all=True)][-1] == "steps=200"
            await watched_round.press(pilot, "enter")
            await wait_for_text(pilot, "How many examples should a training step take, with")


async def test_how_many_rates_of_a_sweep_run_at_once_is_typed_where_it_runs(tmp_path: Path) -> None:
    """By command alone could it be said. One run alone waits for none: there it is not asked."""
    with standing_at(tmp_path / "p", "baseline") as store, watched_round.supervised(store.project):
        first = baseline.plan(store)
        app = Tunebook(store.project.root)
        async with app.run_test(size=NARROW) as pilot:
            page = await open_setup(pilot)
            await wait_for_text(pilot, "The first configuration runs")
            assert "slots" not in lines(app)[-1]
            assert isinstance(app.focused, WorkView)
            small_project.end(store, trials.trials(store, first.name)[0].id, 0.9)
            batch = baseline.sweep(store)
            await wait_for_text(pilot, f"{batch.name}-005")
            await wait_for_text(pilot, "t slots")
            await watched_round.press(pilot, "t")
            await wait_for_text(pilot, "Trials at once (0: as the machine allows); those that run go on:")
            await watched_round.press(pilot, *"two", "enter")
            await wait_for_text(pilot, "'two': type how many trials run at once, a whole number")
            await watched_round.press(pilot, *["backspace"] * 3, *"1", "enter")
            await wait_for_text(pilot, f"{batch.name}: 1 at once from now on.")
            assert (trials.batch(store, batch.name).slots, trials.batch(store, batch.name).wanted) == (1, "run")
            assert isinstance(app.focused, WorkView)
            # A stopped one keeps what was wished of it; esc takes the question back.
            await watched_round.press(pilot, "x")
            await wait_for_text(pilot, "The baseline is stopped.")
            await watched_round.press(pilot, "t", "9", "escape")
            assert app.screen is page
            await watched_round.press(pilot, *"t0", "enter")
            await wait_for_text(pilot, f"{batch.name}: as many trials at once as the machine allows.")
            assert (trials.batch(store, batch.name).slots, trials.batch(store, batch.name).wanted) == (0, "stop")


async def test_a_script_that_was_silent_for_too_long_is_waited_for_longer_and_measured_again(tmp_path: Path) -> None:
    """Only by command could it be said, and a probe that was made again was neither shown nor recorded here."""
    code = tmp_path / "code"
    code.mkdir()
    (code / "train.py").write_text(
        "import json, sys, time\n"
        "time.sleep(1.5)\n"
        "with open(sys.argv[2] + '/metrics.jsonl', 'a') as file:\n"
        "    file.write(json.dumps({'step': 1, 'accuracy': 0.5, 'examples_per_second': 100}) + '\\n')\n",
        encoding="utf-8",
    )
    words = {"arguments": "{bs} {folder}", "patience_minutes": 0.01}
    with open_store(own_pipelines.project(tmp_path / "p", code, "bs=1", **words)) as store:
        flow.answer(store, "metric", "held-out")
        flow.answer(store, "initial", "use")
        app = Tunebook(store.project.root)
        async with app.run_test(size=NARROW) as pilot:
            await open_setup(pilot)
            await wait_for_text(pilot, "run the command for a while at each size")
            await watched_round.press(pilot, "enter")
            await wait_for_text(pilot, "It told nothing of its speed in")
            assert "o wait longer" in lines(app)[-1]
            await watched_round.press(pilot, "o")
            await wait_for_text(pilot, "Minutes that the probe waits for the first sign of the script's speed (0: 3)")
            # As many as the refusal of the command line proposes; what is typed takes their place.
            assert "0.05" in shown(app)
            await watched_round.press(pilot, *"long", "enter")
            await wait_for_text(pilot, "'long' is no amount")
            await watched_round.press(pilot, *["backspace"] * 4, *"0.5", "enter")
            await wait_for_text(pilot, "Measuring batch sizes")
            assert "o wait longer" not in lines(app)[-1]
            await wait_for_text(pilot, "100 examples/s")
            # One that is stopped takes nothing of what was measured before, and is told of.
            await watched_round.press(pilot, "o", "1", "enter")
            await wait_for_text(pilot, "Measuring batch sizes")
            await watched_round.press(pilot, "x")
            await wait_for_text(pilot, "100 examples/s")
            told = [message.text() for message in flow.ask(store, "batch_size").evidence]
            assert any(text.startswith("The probe came to no result: ") for text in told)
        found = probe.fresh(store)
        assert found is not None
        assert (found.id, found.result["limited_by"]) == ("probe-2", "throughput")
    assert open_project(tmp_path / "p").settings.patience_minutes == 1.0

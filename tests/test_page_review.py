"""The review on the screen: findings by what they change, each with its plot and its next action."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from rounds import planning, wishes
from state import dismissals, trials
from state.database import Store
from state.store import open_store
from tests import small_project, watched_round
from tests.screens import NARROW, WIDE, lines, shown, wait_for, wait_for_text
from tui.app import Tunebook
from tui.charts.chart import Chart
from tui.pages.design import DesignPage
from tui.pages.home import Home
from tui.pages.launch import LaunchPage
from tui.pages.review import ReviewPage
from tui.pages.round import RoundPage
from tui.pages.trial import TrialPage
from tui.terminal import width
from tui.widgets.controls import Choices

pytestmark = pytest.mark.usefixtures("quick_looks")

# Room for every finding.
TALL = (80, 60)
RESULTS = [0.4, 0.5, None, 0.2, 0.3, 0.35, 0.6, 0.25, 0.22, 0.45, 0.7, 0.28]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A project whose first round is planned, and kept from being run."""
    project = small_project.project(tmp_path / "p", tmp_path / "data")
    with open_store(project) as opened, watched_round.supervised(project):
        small_project.adopt(opened, small_project.settings(tmp_path / "data"))
        planning.save(opened, planning.propose(opened, trials=len(RESULTS)), wanted="run")
        yield opened


def end(store: Store, count: int = len(RESULTS)) -> None:
    """The first trials of the round have ended with these results; without one, the loss was infinite."""
    for entry, best in list(zip(trials.trials(store, "round-1"), RESULTS, strict=True))[:count]:
        small_project.end(store, entry.id, best, "infeasible" if best is None else "complete")


async def open_review(pilot: Pilot[Any], name: str = "round-1") -> ReviewPage:
    await wait_for_text(pilot, "Plan a round")
    page = ReviewPage(name)
    await pilot.app.push_screen(page)
    return page


async def test_a_finished_round_is_reviewed_by_enter_on_the_home_page(store: Store) -> None:
    end(store)
    app = Tunebook(store.project.root)
    async with app.run_test(size=NARROW) as pilot:
        await wait_for_text(pilot, "Review round-1")
        await pilot.press("enter")
        await wait_for_text(pilot, "Next: ")
        verdicts = [row.split()[1] for row in lines(app)[1:8]]
        assert verdicts == sorted(verdicts, key=["fail", "warn", "cannot", "pass"].index)
        assert all(width(row) <= 80 for row in lines(app))
        assert isinstance(app.focused, Choices)
        assert trials.batch(store, "round-1").reviewed is not None
        await pilot.press("escape")
        await wait_for_text(pilot, "Launch: round-1")
        assert "Review of round-1" in shown(app)


@pytest.mark.parametrize("size", [NARROW, WIDE])
async def test_the_marked_finding_stands_in_full_with_its_next_step_and_its_plot(
    store: Store, size: tuple[int, int]
) -> None:
    end(store)
    app = Tunebook(store.project.root)
    async with app.run_test(size=size) as pilot:
        await open_review(pilot)
        await wait_for_text(pilot, "Next: ")
        choices = app.screen.query_one(Choices)
        assert choices.option_count > 6
        seen = set()
        for _finding in range(choices.option_count):
            seen.add("\n".join(lines(app)[-10:]))
            assert app.screen.query_one(Chart).size.height >= 6
            await pilot.press("j")
        # Curves, values over a range, the best of n: not one plot for all.
        assert len(seen) >= 3
        wide = app.screen.query_one(Chart).region.x > 0
        assert wide == (size == WIDE)


async def test_a_point_of_the_plot_opens_its_trial_and_escape_leads_back_step_by_step(store: Store) -> None:
    end(store)
    app = Tunebook(store.project.root)
    async with app.run_test(size=NARROW) as pilot:
        page = await open_review(pilot)
        await wait_for_text(pilot, "Next: ")
        await pilot.press("end", "enter")
        assert isinstance(app.focused, Chart)
        await pilot.press("l")
        await wait_for_text(pilot, "round-1-")
        await pilot.press("enter")
        await wait_for(pilot, lambda: isinstance(app.screen, TrialPage))
        await pilot.press("escape")
        await wait_for(pilot, lambda: app.screen is page)
        await pilot.press("escape")
        assert isinstance(app.focused, Choices)
        await pilot.press("escape")
        assert isinstance(app.screen, Home)


async def test_stability_is_checked_by_a_key_whatever_the_review_found(store: Store) -> None:
    """By command alone it could be asked for where no finding proposed it; a check itself is not checked."""
    end(store)
    app = Tunebook(store.project.root)
    async with app.run_test(size=NARROW) as pilot:
        page = await open_review(pilot)
        await wait_for_text(pilot, "Next: ")
        await pilot.press("c")
        await wait_for_text(pilot, "Run 4 short trials from round-1-004 on")
        await pilot.press("down", "enter")
        await wait_for_text(pilot, "Next: ")
        assert len(trials.batches(store, "round")) == 1
        await pilot.press("c", "enter")
        await wait_for(pilot, lambda: isinstance(app.screen, RoundPage))
        batch = trials.batch(store, "round-2")
        assert (batch.plan["check"], batch.plan["trial"], batch.wanted) == ("instability", "round-1-004", "run")
        for entry in trials.trials(store, "round-2"):
            small_project.end(store, entry.id, 0.2)
        await pilot.press("escape")
        await wait_for(pilot, lambda: app.screen is page)
        other = ReviewPage("round-2")
        await app.push_screen(other)
        await wait_for_text(pilot, "review of round-2")
        await wait_for(pilot, lambda: other._reviewed is not None)
        assert other.check_action("check", ()) is False


async def test_what_was_zoomed_in_one_plot_hides_nothing_of_another(store: Store) -> None:
    """The axis of one are steps, that of another a learning rate."""
    end(store)
    app = Tunebook(store.project.root)
    async with app.run_test(size=TALL) as pilot:
        page = await open_review(pilot)
        await wait_for_text(pilot, "Next: ")
        chart, choices = page.query_one(Chart), page.query_one(Choices)
        for _finding in range(choices.option_count):
            assert chart.window is None
            chart.focus()
            await watched_round.press(pilot, "end", "z")
            choices.focus()
            await watched_round.press(pilot, "j")
        assert not any("nothing to draw" in row for row in lines(app))


async def test_the_next_step_of_a_finding_its_advice_and_the_launch_are_a_key_away(store: Store) -> None:
    end(store)
    app = Tunebook(store.project.root)
    async with app.run_test(size=NARROW) as pilot:
        page = await open_review(pilot)
        await wait_for_text(pilot, "Next: ")
        assert "a act" in lines(app)[-1]
        while "Next: Train" not in shown(app):
            await watched_round.press(pilot, "j")
        for key, kind in (("a", DesignPage), ("l", LaunchPage)):
            await pilot.press(key)
            await wait_for(pilot, lambda kind=kind: isinstance(app.screen, kind))
            await pilot.press("escape")
            await wait_for(pilot, lambda: app.screen is page)
        await pilot.press("e")
        await wait_for_text(pilot, "(P")
        await pilot.press("escape", "end")
        # The last finding passes, and asks for nothing but a launch at most.
        while "Next: " in shown(app):
            await watched_round.press(pilot, "k")
        await wait_for(pilot, lambda: "a act" not in lines(app)[-1])
        await pilot.press("a")
        assert app.screen is page


async def test_a_finding_is_dismissed_with_a_reason_and_taken_back_on_the_same_key(store: Store) -> None:
    """It goes to the end of the list with who dismissed it and why, and comes back."""
    end(store)
    app = Tunebook(store.project.root)
    async with app.run_test(size=TALL) as pilot:
        await open_review(pilot)
        await wait_for_text(pilot, "Next: ")
        assert "x dismiss" in lines(app)[-1]
        await pilot.press("x")
        await wait_for_text(pilot, "Why does this not matter here?")
        await watched_round.write(pilot, "")
        await wait_for_text(pilot, "the reason is kept")
        await watched_round.write(pilot, "known, and [/red] harmless")
        await wait_for_text(pilot, "dismissed")
        await wait_for_text(pilot, "known, and [/red] harmless")
        await pilot.press("x")
        await wait_for(pilot, lambda: "harmless" not in shown(app))
        assert not dismissals.dismissals(store, "round-1")


async def test_trials_that_a_finding_asks_for_are_asked_about_and_run(store: Store) -> None:
    """More trials: the round goes on with them, and its page comes up."""
    end(store)
    app = Tunebook(store.project.root)
    async with app.run_test(size=TALL) as pilot:
        await open_review(pilot)
        await wait_for_text(pilot, "Next: ")
        choices = app.screen.query_one("#findings", Choices)
        for _finding in range(choices.option_count):
            if "Next: Add" in shown(app):
                break
            await watched_round.press(pilot, "j")
        await pilot.press("a")
        await wait_for_text(pilot, "more trials of round-1?")
        await pilot.press("enter")
        await wait_for(pilot, lambda: isinstance(app.screen, RoundPage))
        assert len(trials.trials(store, "round-1")) > len(RESULTS)


async def test_a_round_at_work_is_reviewed_anew_with_every_trial_that_ends(store: Store) -> None:
    end(store, 3)
    app = Tunebook(store.project.root)
    async with app.run_test(size=TALL) as pilot:
        await open_review(pilot)
        await wait_for_text(pilot, "3 of 12 trials")
        await pilot.press("j")
        marked = app.screen.query_one(Choices).highlighted
        end(store)
        await wait_for_text(pilot, "All 12 trials have ended.")
        assert app.screen.query_one(Choices).highlighted == marked == 1


async def test_trials_that_are_left_are_run_or_taken_back_and_then_none_is_missing(store: Store) -> None:
    """The round page says how they get to their end; without those that are not run any more the review is whole."""
    end(store, 9)
    trials.ask(store, "round-1", "stop")
    app = Tunebook(store.project.root)
    async with app.run_test(size=TALL) as pilot:
        page = await open_review(pilot)
        await wait_for_text(pilot, "9 of 12 trials have ended; the rest may change what follows.")
        choices = app.screen.query_one("#findings", Choices)
        for _finding in range(choices.option_count):
            if "Next: Let the others run" in shown(app):
                break
            await watched_round.press(pilot, "j")
        await pilot.press("a")
        await wait_for_text(pilot, "g runs the trials that are left to their end; E ends the round without them.")
        await pilot.press("escape")
        await wait_for(pilot, lambda: app.screen is page)
        wishes.end(store, "round-1")
        await wait_for_text(pilot, "9 of 12 trials have ended; the others were taken back (3).")
        assert "Let the others run" not in shown(app)


async def test_a_round_of_which_nothing_has_ended_says_so(store: Store) -> None:
    app = Tunebook(store.project.root)
    async with app.run_test(size=NARROW) as pilot:
        await open_review(pilot)
        await wait_for_text(pilot, "0 of 12 trials")


async def test_what_is_no_round_is_refused_on_the_page(store: Store) -> None:
    app = Tunebook(store.project.root)
    async with app.run_test(size=NARROW) as pilot:
        await open_review(pilot, "baseline-1")
        await wait_for_text(pilot, "The round cannot be reviewed: baseline-1 is no round.")
        await pilot.press("e", "enter", "escape")
        assert isinstance(app.screen, Home)
        await open_review(pilot, "round-[/red]")
        await wait_for_text(pilot, "There is no round-[/red] in this project.")


async def test_p_shows_every_hyperparameter_pairs_and_the_gradient_norms_and_comes_back(store: Store) -> None:
    end(store)
    for entry in trials.trials(store, "round-1"):
        watched_round.advance(store, entry.id, *({"step": step, "grad_norm": 10 / step} for step in range(1, 40)))
    app = Tunebook(store.project.root)
    async with app.run_test(size=WIDE) as pilot:
        await open_review(pilot)
        await wait_for_text(pilot, "Next: ")
        titles = (
            "val/error_rate vs sgd.learning_rate (log)",
            "val/error_rate vs sgd.momentum",
            "sgd.momentum vs sgd.learning_rate (log)",
            "grad_norm (log) vs step",
            "share of updates vs grad",
        )
        for title in titles:
            await pilot.press("p")
            await wait_for_text(pilot, title)
        await wait_for_text(pilot, "90% are at most that")
        await pilot.press("p")
        await wait_for(pilot, lambda: "share of updates" not in shown(app))
        # Another finding begins with its own plot again.
        await pilot.press("p", "down")
        await wait_for(pilot, lambda: "top 1/4" not in shown(app))

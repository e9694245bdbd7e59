"""A terminal that is killed stops nothing, and the next shows things as they are; two at once see the same."""

from __future__ import annotations

from pathlib import Path

from rounds import planning, supervisor
from state.store import open_store
from tests import set_up, small_project
from tests.tmux import Tmux, needed, tmux

pytestmark = needed


def go_to(screen: Tmux, place: str) -> None:
    """Open a page by its name, as the palette does."""
    screen.press(":")
    screen.wait_for("Type a few letters of it; enter does it:")
    screen.write(place)


def test_a_round_and_a_launch_outlive_the_terminal_that_started_them(tmp_path: Path, digits: Path) -> None:
    project = small_project.project(tmp_path / "p", digits)
    with open_store(project) as store:
        # Trials of seconds: shorter ones may end between two looks of the screens.
        small_project.adopt(store, small_project.settings(digits, training__steps=200, training__evaluate_every=20))
        planning.save(store, planning.propose(store, trials=3))
    with tmux([], project.root) as screen:
        screen.wait_for("? help")
        go_to(screen, "round round-1")
        screen.wait_for("g go on")
        screen.press("g")
        screen.wait_for("» running", "◦ queued")
        screen.kill()
        assert supervisor.alive(project)
    with tmux([], project.root) as screen:
        screen.wait_for("? help")
        go_to(screen, "round round-1")
        screen.wait_for("3 of 3 ended")
        screen.press("v")
        screen.wait_for("l launch")
        screen.press("l")
        screen.wait_for("s: run all sides again with fresh seeds")
        screen.press("s")
        screen.wait_for("» running", "◦ queued")
        screen.kill()
        assert supervisor.alive(project)
    with tmux([], project.root) as screen:
        screen.wait_for("launch-1")
        screen.press("Enter")
        screen.wait_for("  launch-1  ", "a adopt")
        assert "running" not in screen.shown
        assert "queued" not in screen.shown


def test_two_sessions_see_each_others_decisions(tmp_path: Path) -> None:
    with set_up.set_up(tmp_path / "p", "metric"):
        pass
    with tmux([], tmp_path / "p") as one, tmux([], tmp_path / "p") as other:
        one.wait_for("now: metric.")
        other.wait_for("now: metric.")
        other.press("Enter")
        other.wait_for("By what should tuning judge", "enter choose")
        other.press("Enter")
        other.wait_for("Which architecture should be the start?")
        # Nobody touches the keys of the first.
        one.wait_for("Set-up: 2 of 9 decided; now: architecture.")
        one.press("Enter")
        one.wait_for("Which architecture should be the start?", "enter choose")
        one.press("Enter")
        other.wait_for("Which weights should training start from?")

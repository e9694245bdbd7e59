"""The whole application in a real terminal: the way in and out, a line that drops, and the bytes it costs."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest

from state import runs, trials
from state.project import Settings, create
from state.store import open_store
from tests import prepared, set_up, small_project, watched_round
from tests.terminal import terminal
from wizard import inspection, probe

# Any colour: the eight, the bright ones, and those of 256 or more.
COLOUR = re.compile(rb"\x1b\[(?:\d+;)*(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])(?:;\d+)*m")


def test_from_an_empty_folder_to_a_question_and_out_again(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with set_up.set_up(tmp_path / "p", "metric"):
        pass
    with terminal([], tmp_path / "empty") as session:
        session.wait_for("Try it on handwritten digits")
        session.press("down", "down", "down", "enter")
        session.wait_for("Folder of the project:")
        session.press(str(tmp_path / "p"), "enter")
        session.wait_for("Go on with the set-up")
        session.press("enter")
        session.wait_for("By what should tuning judge")
        session.forget()
        session.press("escape")
        session.wait_for("Go on with the set-up")
        session.press("q")
        assert session.wait_for_end() == 0
    assert list((tmp_path / "empty").iterdir()) == []


def test_a_line_that_drops_ends_the_screens_and_not_the_probe(tmp_path: Path) -> None:
    data = small_project.digits(tmp_path / "data", 60)
    project = create(tmp_path / "p", Settings(name="digits", task="image-classification", data=str(data)))
    with open_store(project) as store:
        id = inspection.start(store)
        small_project.wait_for(lambda: not inspection.progress(project, id).running, "the inspection ends")
        set_up.advance(store, "probe")
        with terminal([], project.root) as session:
            session.wait_for("Go on with the set-up")
            session.press("enter")
            session.wait_for("Next the batch sizes are measured.")
            session.press("s")
            session.wait_for("no size has been measured yet")
            small_project.wait_for(lambda: probe.under_way(store), "the probe starts")
            assert session.hang_up() < 0
        folder = project.measurement_folder("probe-1")
        try:
            assert runs.alive(folder)
            small_project.wait_for(lambda: probe.sizes(project, "probe-1"), "the probe goes on measuring")
        finally:
            runs.stop(folder, hard=True)


@pytest.mark.parametrize("size", [(80, 24), (200, 50)])
def test_an_idle_screen_sends_nothing_and_a_moved_mark_little(tmp_path: Path, size: tuple[int, int]) -> None:
    """First paint in few bytes, three looks at the project without any, a key for less than 2 kB."""
    with set_up.set_up(tmp_path / "p", "architecture"):
        pass
    with terminal([], tmp_path / "p", size=size) as session:
        session.wait_for("whatever is running goes on")
        session.wait_for_quiet(3)
        assert len(session.sent) < 6000
        session.forget()
        session.press("down")
        session.wait_for_quiet(3)
        assert 0 < len(session.sent) < 2000
        session.press("up", "enter")
        session.wait_for("Which architecture should be the start?")
        session.wait_for_quiet(3)
        session.forget()
        session.press("down")
        session.wait_for_quiet(3)
        assert 0 < len(session.sent) < 2000


def test_without_colours_and_in_ascii_the_mark_is_still_seen(tmp_path: Path) -> None:
    with set_up.set_up(tmp_path / "p", "metric"):
        pass
    with terminal(["--ascii"], tmp_path / "p", {"NO_COLOR": "1"}) as session:
        session.wait_for("Go on with the set-up")
        session.press("enter")
        session.wait_for("By what should tuning judge")
        session.wait_for_quiet(1)
        assert session.text.isascii()
        assert not COLOUR.search(session.sent)
        # The marked option is reversed.
        assert re.search(rb"\x1b\[(?:\d;)*7(?:;\d+)*merror_rate", session.sent)
        session.press("q")
        assert session.wait_for_end() == 0


def test_a_shell_that_stopped_it_gets_the_whole_page_back(tmp_path: Path) -> None:
    """After SIGTSTP and SIGCONT, by Ctrl-L, and after a change of size, all is painted again."""
    with set_up.set_up(tmp_path / "p", "metric"):
        pass
    with terminal([], tmp_path / "p") as session:
        session.wait_for("Go on with the set-up")
        session.wait_for_quiet(1)
        session.forget()
        session.process.send_signal(signal.SIGTSTP)
        session.wait_for_quiet(1)
        session.process.send_signal(signal.SIGCONT)
        session.wait_for("Go on with the set-up")
        session.wait_for_quiet(1)
        session.forget()
        session.press("\x0c")
        session.wait_for("Go on with the set-up")
        session.wait_for_quiet(1)
        session.forget()
        session.resize(90, 24)
        session.wait_for("Go on with the set-up")
        session.press("q")
        assert session.wait_for_end() == 0


def test_keys_that_are_typed_ahead_go_to_what_is_there_when_their_turn_comes(tmp_path: Path) -> None:
    """A number, enter, and the key for what comes then, all at once, as a slow line or a fast hand brings them."""
    project = prepared.prepare(tmp_path / "p", "goal")
    with watched_round.supervised(project), terminal([], project.root) as session:
        session.wait_for("Plan a round")
        session.press("enter")
        session.wait_for("s start")
        session.press("n\x7f\x7f7\rs")
        # Whether the design is painted once more between the two keys is for the machine to say.
        session.wait_for("0 of 7 ended")
        session.forget()
        # On the page of the round, x would stop it.
        session.press(":export\r")
        session.wait_for("Folder to write:")
        with open_store(project) as store:
            assert trials.batch(store, "round-1").wanted == "run"


def test_what_is_typed_after_tab_goes_into_the_next_field(tmp_path: Path) -> None:
    """A folder, tab, data, tab and enter at once."""
    with terminal([], tmp_path) as session:
        session.wait_for("Start a project on your own data")
        session.press("j", "enter")
        session.wait_for("Folder of the project:")
        session.press("\x15new\t/nowhere\t\r")
        session.wait_for("/nowhere: there is no such file or folder.")
        # Back from the list.
        session.press("\x1b[Z\x15/elsewhere\t\r")
        # Only the cells that differ are sent, and the slash is where it was.
        session.wait_for("elsewhere: there is no such file or folder.")

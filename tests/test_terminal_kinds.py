"""Terminals of all kinds, by what is sent to them: colours, glyphs, sizes; and those that no screen can be shown on."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from state.project import Project
from tests import prepared, small_project, watched_round
from tests.terminal import Terminal, terminal

# What selects a look (SGR): its numbers.
LOOKS = re.compile(rb"\x1b\[([\d;]*)m")
# Nothing, bold, dim, italic, underlined, reversed, and their ends; the terminal's own colours.
PLAIN = {"", "0", "1", "2", "3", "4", "7", "22", "23", "24", "27", "39", "49"}
# Of the eight colours and their bright ones those that are seen on black and on white; never a background.
ON_EITHER = {"31", "32", "33", "34", "35", "36", "91", "92", "93", "94", "95", "96"}
BRAILLE = re.compile("[\u2800-\u28ff]")
# What is left on the screen of a sequence that a terminal does not know.
UNDONE = re.compile(r"\[[?>]|;\d+[mH]")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A round at work: a table with a status in each line, and curves."""
    project = prepared.prepare(tmp_path_factory.mktemp("kinds") / "p", "running")
    with watched_round.supervised(project):
        yield project


def seen(project: Project, environment: Mapping[str, str], *arguments: str) -> Terminal:
    """What a terminal of a kind is sent, from the home page to a round's and out again."""
    with terminal(arguments, project.root, environment) as session:
        session.wait_for("Watch round-1")
        session.press("enter")
        session.wait_for("val/error_rate")
        session.wait_for_quiet(0.3)
        session.press("q")
        assert session.wait_for_end() == 0
    return session


def looks(session: Terminal) -> set[str]:
    """All numbers of the looks that were sent; what follows 38 or 48, the marks of many colours, is among them."""
    return {number for found in LOOKS.findall(session.sent) for number in found.decode().split(";")}


@pytest.mark.parametrize("term", ["xterm-256color", "xterm", "screen", "tmux-256color"])
def test_what_can_show_it_gets_braille_and_colours_that_are_seen_on_black_and_on_white(
    project: Project, term: str
) -> None:
    session = seen(project, {"TERM": term, "COLORTERM": "truecolor"})
    assert BRAILLE.search(session.text)
    assert looks(session) & ON_EITHER
    assert looks(session) <= PLAIN | ON_EITHER


def test_a_console_without_the_glyphs_gets_ascii_in_colours(project: Project) -> None:
    session = seen(project, {"TERM": "linux"})
    assert session.text.isascii()
    assert looks(session) & ON_EITHER
    assert looks(session) <= PLAIN | ON_EITHER


@pytest.mark.parametrize("term", ["vt100", "vt220"])
def test_a_terminal_of_old_gets_ascii_without_colours(project: Project, term: str) -> None:
    session = seen(project, {"TERM": term})
    assert session.text.isascii()
    assert looks(session) <= PLAIN - {"39", "49"}


def test_a_locale_without_utf8_gets_ascii(project: Project) -> None:
    assert seen(project, {"LC_ALL": "C"}).text.isascii()


@pytest.mark.parametrize("name", ["xx_XX.UTF-8", "xx_XX.utf8@own"])
def test_a_locale_of_utf8_that_this_machine_lacks_gets_braille(project: Project, name: str) -> None:
    """As ssh brings it along from the person's own: to programs here it is the C locale, to the terminal it is not."""
    assert BRAILLE.search(seen(project, {"LC_ALL": name}).text)


def test_who_prefers_braille_gets_it_whatever_the_locale_says(project: Project, tmp_path: Path) -> None:
    (tmp_path / "tunebook").mkdir()
    (tmp_path / "tunebook" / "config.toml").write_text("[display]\nascii = false\n")
    session = seen(project, {"LC_ALL": "C", "XDG_CONFIG_HOME": str(tmp_path)})
    assert BRAILLE.search(session.text)


def test_without_colours_no_look_is_one(project: Project) -> None:
    session = seen(project, {"NO_COLOR": "1", "COLORTERM": "truecolor"})
    assert BRAILLE.search(session.text)
    assert looks(session) <= PLAIN - {"39", "49"}


@pytest.mark.parametrize("term", ["dumb", ""])
def test_a_terminal_that_cannot_place_text_is_refused_in_plain_words(project: Project, term: str) -> None:
    with terminal([], project.root, {"TERM": term}) as session:
        assert session.wait_for_end() == 2
        session.wait_for("tunebook --help")
        assert b"\x1b" not in session.sent


def test_a_small_window_says_what_it_needs(project: Project) -> None:
    with terminal([], project.root, size=(40, 10)) as session:
        session.wait_for("Tunebook needs 50 x 14")
        session.resize(80, 24)
        session.wait_for("Watch round-1")
        session.press("q")
        assert session.wait_for_end() == 0


@pytest.mark.skipif(shutil.which("screen") is None, reason="GNU screen is not installed")
def test_gnu_screen_shows_the_page_as_it_is(project: Project, tmp_path: Path) -> None:
    """Its own picture of the window holds what was painted, in place, and no sequence that it did not obey."""
    name = f"tunebook-{tmp_path.name}"
    program = [sys.executable, "-P", "-m", "tui.main"]
    told = ["screen", "-S", name]
    top = " Tunebook  digits  home  set-up > goal > [run] > learn > launch"
    picture = tmp_path / "picture"

    def shown() -> str:
        subprocess.run([*told, "-X", "hardcopy", str(picture)], check=True)
        return picture.read_text(errors="replace") if picture.exists() else ""

    def whole() -> bool:
        text = shown()
        return text.startswith(top) and "Watch round-1" in text and "? help" in text and not UNDONE.search(text)

    subprocess.run(["screen", "-U", "-dmS", name, *program], cwd=project.root, check=True)
    try:
        small_project.wait_for(whole, "the home page, and nothing else")
        subprocess.run([*told, "-X", "stuff", "q"], check=True)
        small_project.wait_for(lambda: subprocess.run([*told, "-Q", "title"]).returncode != 0, "it ends")
    finally:
        subprocess.run([*told, "-X", "quit"], check=False, capture_output=True)

"""What a person prefers on a machine: language, mouse, ASCII and keys, and what is said where the file is wrong."""

from __future__ import annotations

import json
import os
import re
import textwrap
from pathlib import Path

import pytest

from presets import language, team
from state import preferences
from state.errors import Refusal
from tests.terminal import terminal
from tui import keys, main


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the preferences are looked for; keys and language are as before afterwards."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setattr(keys, "KEYS", keys.KEYS)
    monkeypatch.setattr(language, "_language", "en")
    monkeypatch.setattr(language, "_translations", language._translations)
    (tmp_path / "tunebook").mkdir()
    return tmp_path / "tunebook" / "config.toml"


def test_without_a_file_nothing_is_preferred(file: Path) -> None:
    found = preferences.read()
    assert (found.path, found.language, found.mouse, found.ascii, found.keys) == (file, "", True, None, {})


def test_a_relative_place_does_not_count(tmp_path: Path) -> None:
    """As the XDG base directory specification has it."""
    assert preferences.place({"XDG_CONFIG_HOME": "here"}) == Path("~/.config/tunebook/config.toml").expanduser()
    assert preferences.place({"XDG_CONFIG_HOME": str(tmp_path)}) == tmp_path / "tunebook" / "config.toml"


def test_what_the_file_says_is_preferred(file: Path) -> None:
    file.write_text(
        '[display]\nlanguage = "zh_CN"\nmouse = false\nascii = true\n'
        '[keys]\nquit = "Q"\n"round.pause" = "P"\nround.stop = "ctrl+x"\n'
    )
    found = preferences.read()
    assert (found.language, found.mouse, found.ascii) == ("zh_CN", False, True)
    assert found.keys == {"quit": "Q", "round.pause": "P", "round.stop": "ctrl+x"}


def test_what_the_readme_shows_is_read_and_its_keys_can_be(file: Path) -> None:
    readme = Path(__file__).parent.parent.joinpath("README.md").read_text(encoding="utf-8")
    file.write_text(textwrap.dedent(readme[readme.index("    [display]\n") : readme.index("\nWhere systemd is")]))
    found = preferences.read()
    assert found.language == "zh_CN"
    keys.remap(found.keys, str(file))
    assert {key.id: key.keys for key in keys.KEYS}["quit"] == ("Q", "ctrl+q")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[display]\nmouse = 1", "display.mouse = 1; wanted: true or false"),
        ("[display]\nmuose = true", "unknown key display.muose; known: display.language"),
        ("language = 'en'", "unknown key language"),
        ("[keys]\nquit = 3", "keys.quit = 3; wanted: text in quotes"),
        ("keys = 3", "keys = 3; wanted: a table"),
        ("[display", "not valid TOML"),
    ],
)
def test_a_wrong_file_is_refused_with_its_place(file: Path, text: str, said: str) -> None:
    file.write_text(text)
    with pytest.raises(Refusal, match=re.escape(said)) as refused:
        preferences.read()
    assert str(file) in str(refused.value)
    if "valid TOML" not in said:
        assert str(refused.value).startswith(f"{file}:{text.count(chr(10)) + 1}: ")


def test_every_command_says_what_is_wrong_with_the_file(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for text in ('[display]\nlanguage = "xx"', "[display]\nmouse = 1"):
        file.write_text(text)
        with pytest.raises(SystemExit) as ended:
            main.main(["keys"])
        assert ended.value.code == 2
        said = capsys.readouterr().err
        assert str(file) in said
        assert "Traceback" not in said


def test_an_action_gets_other_keys_in_the_words_that_the_help_uses(file: Path) -> None:
    keys.remap({"round.pause": "P, /", "table.filter": "f", "quit": "Q"}, "here")
    found = {key.id: key for key in keys.KEYS}
    assert found["round.pause"].keys == ("P", "slash")
    assert found["round.pause"].names == ("P", "/")
    assert found["quit"].keys == ("Q",)
    assert found["quit"] in keys.help_rows(["everywhere"])[0][1]


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"round.puase": "P"}, "there is no action round.puase; did you mean: round.pause"),
        ({"round.pause": "x"}, "x cannot mean both round.pause and round.stop"),
        ({"round.pause": "q"}, "q cannot mean both round.pause and quit"),
        ({"round.pause": "ctrl+s"}, "round.pause = 'ctrl+s' is no key"),
        ({"round.pause": "ctrl+i"}, "round.pause = 'ctrl+i' is no key"),
        ({"round.pause": ""}, "round.pause = '' is no key"),
        ({"round.pause": "中"}, "is no key"),
    ],
)
def test_keys_that_cannot_be_are_refused(file: Path, wanted: dict[str, str], said: str) -> None:
    before = keys.KEYS
    with pytest.raises(Refusal, match=re.escape(said)):
        keys.remap(wanted, "here")
    assert before == keys.KEYS


def test_the_command_lists_the_keys_as_they_are_now(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text('[keys]\nquit = "Q"\n')
    with pytest.raises(SystemExit):
        main.main(["keys", "--json"])
    found = {row["id"]: row for row in json.loads(capsys.readouterr().out)}
    assert found["quit"]["keys"] == ["Q"]
    assert found["help"]["keys"] == ["?", "f1"]


def test_the_screens_obey(file: Path, tmp_path: Path) -> None:
    """In a terminal: another key leaves, the language is the preferred one, and nobody asks for the mouse."""
    file.write_text('[display]\nlanguage = "zh_CN"\nmouse = false\n[keys]\nquit = "Q"\n')
    (tmp_path / "empty").mkdir()
    with terminal([], tmp_path / "empty") as session:
        session.wait_for("Q 退出")
        assert b"\x1b[?1000h" not in session.sent
        session.press("q")
        session.wait_for_quiet(0.3)
        assert session.process.poll() is None
        session.press("Q")
        assert session.wait_for_end() == 0


def test_a_user_whom_the_system_does_not_know_has_no_preferences_and_no_mistake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a container: without a home, every command ended with a traceback."""
    monkeypatch.chdir(tmp_path)
    for name in ("HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 2**31 - 2)
    assert preferences.read() == preferences.Preferences(Path("~/.config/tunebook/config.toml"))
    assert [team.load(place) for place in team.places(None)] == [None]


def test_a_folder_of_preferences_that_is_a_file_prefers_nothing(file: Path) -> None:
    file.parent.rmdir()
    file.parent.touch()
    assert preferences.read() == preferences.Preferences(file)
    assert [team.load(place) for place in team.places(None)] == [None]


def test_preferences_that_cannot_be_read_are_not_said_to_be_unwritable(file: Path) -> None:
    file.touch()
    file.chmod(0)
    before = os.geteuid()
    if before == 0:
        # To the superuser nothing is closed.
        os.seteuid(65534)
    try:
        with pytest.raises(Refusal, match=r"config\.toml: Permission denied") as refused:
            preferences.read()
    finally:
        os.seteuid(before)
    assert refused.value.code == "disk"

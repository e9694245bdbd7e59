"""The word by which a program tells one refusal from another: it is in each JSON answer, and the README lists them."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from presets.language import error_text, set_language
from state import trials
from state.errors import Refusal
from state.store import open_store
from tests import small_project
from tests.translate import HOME, ROOMS
from tui import main
from tui.session import Session


def answered(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str]:
    """Exit code and word of what a command refuses."""
    arguments = [*map(str, words), "--json"]
    code = main.run(arguments, Session(json=True))
    answer = json.loads(capsys.readouterr().out)
    assert answer.keys() == {"error", "code"}
    return code, answer["code"]


def kinds(kind: type[Refusal] = Refusal) -> Iterator[type[Refusal]]:
    """A class of refusals and all that derive from it."""
    yield kind
    for derived in kind.__subclasses__():
        yield from kinds(derived)


def test_every_kind_of_refusal_is_in_the_readme_and_nothing_else_is() -> None:
    """Classes that derive from a refusal are looked for in every room but that of torch, which refuses otherwise."""
    for room in ROOMS:
        for path in sorted((HOME / room).glob("**/*.py")) if room != "training" else ():
            if "(Refusal" in path.read_text(encoding="utf-8"):
                importlib.import_module(".".join(path.relative_to(HOME).with_suffix("").parts))
    table = (HOME / "README.md").read_text(encoding="utf-8").split("| code | what |\n|---|---|\n")[1].split("\n\n")[0]
    listed = [word for line in table.splitlines() for word in re.findall(r"`(\w+)`", line.split("|")[1])]
    assert len(set(listed)) == len(listed)
    assert set(listed) == {kind.code for kind in kinds()} | {main.INTERRUPTED, main.INTERNAL}


def test_a_refusal_has_the_word_of_its_kind(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The exit code is the same for all of them."""
    root = tmp_path / "project"
    made = small_project.project(root, small_project.digits(tmp_path / "digits", 30))
    about = ("--project", root)
    assert answered(capsys, "status", "--nonsense", *about) == (2, "usage")
    assert answered(capsys, "configurations", "nonsense", *about) == (2, "not_found")
    assert answered(capsys, "status", "--project", tmp_path / "nowhere") == (2, "not_found")
    assert answered(capsys, "round", "review", *about) == (2, "not_yet")
    assert answered(capsys, "round", "stop", *about) == (2, "not_found")
    assert answered(capsys, "insights", "--text", " ", *about) == (2, "unanswered")
    assert answered(capsys, "budget", "--deadline", "yesterday", *about) == (2, "invalid_value")
    assert answered(capsys, "check", "one-batch", "--target", "0.1", *about) == (2, "usage")
    assert answered(capsys, "new", root, "--command", "python x.py {folder}", *about) == (2, "exists")
    with open_store(made) as store:
        small_project.batch(store, small_project.settings(tmp_path / "digits"), wanted="")
        store.wait_at_most(0.1)
        with small_project.held(store), pytest.raises(Refusal) as refused:
            store.record("configuration", hash="h", parent=None, settings={}, reasons={})
    assert refused.value.code == "busy"
    made.journal_path.unlink()
    assert answered(capsys, "insights", "--text", "Learnt.", *about) == (2, "store")
    (root / "tunebook.toml").write_text("project.name = 3\n", encoding="utf-8")
    assert answered(capsys, "status", *about) == (2, "invalid_value")


def test_names_in_a_refusal_are_joined_as_the_language_does(tmp_path: Path) -> None:
    """In Chinese, half a comma with a blank stood between them; who reads the exception itself reads English."""
    settings = small_project.settings(tmp_path)
    with open_store(small_project.project(tmp_path / "p", tmp_path)) as store:
        for _number in range(2):
            small_project.batch(store, settings)
        with pytest.raises(Refusal, match="There are: round-1, round-2") as refused:
            trials.batch(store, "nonsense")
    try:
        set_language("zh_CN")
        assert "round-1、round-2" in error_text(refused.value)
    finally:
        set_language("en")

"""The command line without any training: help, errors, exit codes, JSON, and what it prints of untrusted data."""

from __future__ import annotations

import io
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest

from presets.language import say as message
from presets.language import set_language, stored
from state import decisions, project, trials
from state.project import Settings
from state.store import open_store
from tests import small_project
from tui import main, say
from tui.session import Interrupted, Session, goes_on

ESCAPE = "\x1b[31m[/red]\n'名'"


def tunebook(*words: str | Path) -> int:
    """Carry out one command line in this process; its exit code."""
    arguments = [str(word) for word in words]
    return main.run(arguments, Session(json="--json" in arguments, debug="--debug" in arguments))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project with one decision, all its texts full of what a terminal would obey."""
    place = tmp_path / "项目 [bold]"
    (tmp_path / "data").mkdir()
    made = project.create(place, Settings(name=ESCAPE, task="image-classification", data=str(tmp_path / "data")))
    with open_store(made) as store:
        decisions.decide(
            store,
            "metric",
            question=stored(message("Which metric?")),
            options=["error_rate", "loss"],
            recommended="error_rate",
            chosen="loss",
            reason=stored(message("because {words}", words=ESCAPE)),
            evidence=[stored(message("Seen: {words}", words=ESCAPE))],
            settings={"metric": "loss"},
        )
    return place


def documents(text: str) -> list[Any]:
    """The JSON documents in a text, one after the other."""
    found, decoder, place = [], json.JSONDecoder(), 0
    while text[place:].strip():
        place += len(text[place:]) - len(text[place:].lstrip())
        value, place = decoder.raw_decode(text, place)
        found.append(value)
    return found


def every_command() -> list[list[str]]:
    """All commands, also those of groups."""
    group = main.tunebook()
    context = click.Context(group)
    found: list[list[str]] = [[]]
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        found.append([name])
        if isinstance(command, click.Group):
            found += [[name, inner] for inner in command.list_commands(context)]
    return found


@pytest.mark.parametrize("words", every_command(), ids=" ".join)
def test_every_command_has_help_and_knows_the_common_options(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Help says what the command does, and every one that does something takes --project, --lang and --debug."""
    assert tunebook(*words, "--help") == 0
    shown = capsys.readouterr().out
    assert shown.startswith("Usage: tunebook")
    assert len(shown.splitlines()[2].strip()) > 10
    if words != ["round"]:
        assert {"--project", "--lang", "--debug"} <= set(shown.split())


def test_the_list_of_commands_says_what_each_does() -> None:
    """The one-line summaries belong to the commands that there are."""
    assert list(main.summaries()) == list(main.COMMANDS)


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["nonsense"], "nonsense"),
        (["status", "--nonsense"], "--nonsense"),
        (["new"], "DIR"),
        (["round", "extend"], "--trials"),
        (["presets", "--task", "nonsense"], "nonsense"),
        (["status", "--lang", "xx"], "xx"),
        (["round", "review", "--act", "--help"], "--act"),
        (["round", "end", ""], "NAME"),
        (["round", "retry", "round-1-001", ""], "TRIAL"),
        (["export", ""], "DIR"),
        (["status", "--project", ""], "--project"),
        (["round", "review", "--dismiss", "range", "--reason", "--act"], "--reason"),
        (["new", "p", "--data", "--yes"], "--data"),
        (["round", "plan", "--about", "--slots"], "--about"),
    ],
)
def test_wrong_use_is_two_lines_and_exit_code_2(
    words: list[str], part: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is wrong, and how to see what is right; nothing on stdout."""
    assert tunebook(*words) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert part in said.err
    assert "Traceback" not in said.err
    assert len(said.err.splitlines()) == 2


def test_without_a_project_the_error_says_how_to_start_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On stderr for people; with --json also as the one document on stdout."""
    monkeypatch.chdir(tmp_path)
    assert tunebook("decisions") == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "tunebook new" in said.err
    assert tunebook("decisions", "--json") == 2
    said = capsys.readouterr()
    assert documents(said.out) == [{"error": said.err.removeprefix("Error: ").strip(), "code": "not_found"}]


@pytest.mark.parametrize(
    "words",
    [
        ("new", "{place}/x", "--data", "."),
        ("new", "x", "--data", "{place}/x"),
        ("status", "--project", "{place}"),
        ("demo", "{place}/x", "--auto"),
        ("report", "{place}/r.html"),
        ("export", "{place}/e"),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("place", ["~nobody-of-this-name", "loop"])
def test_a_path_that_leads_nowhere_is_no_mistake_of_ours(
    words: tuple[str, ...], place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loop").symlink_to("loop")
    assert tunebook(*(word.format(place=place) for word in words)) == 2
    assert f"{place}" in capsys.readouterr().err


def test_a_command_to_be_pasted_has_its_paths_quoted(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    quoted = shlex.quote(str(root))
    assert tunebook("status", "--project", root) == 0
    assert f"Next: tunebook new {quoted}" in capsys.readouterr().out
    assert tunebook("status", "--json", "--project", root) == 0
    assert json.loads(capsys.readouterr().out)["next"] == shlex.split(f"tunebook new {quoted}")
    for words in (["baseline"], ["export", root / "e", "--starter"]):
        assert tunebook(*words, "--project", root) == 2
        assert f"tunebook new {quoted}" in capsys.readouterr().err


def test_a_command_in_a_refusal_has_its_paths_quoted_where_there_is_no_project_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "my project"
    monkeypatch.setattr("tui.demo.finished", lambda _folder: True)
    for words, command in (
        (["status", "--project", folder], "tunebook new {} --data PATH"),
        (
            ["new", folder],
            "tunebook new {} --data PATH, or how your own training is started: tunebook new {} --",
        ),
        (["demo", folder, "--auto"], "tunebook --project {}. To see it again"),
    ):
        assert tunebook(*words) == 2
        assert command.format(*[shlex.quote(str(folder))] * 2) in capsys.readouterr().err


@pytest.mark.parametrize("error", [KeyboardInterrupt(), Interrupted(message("round-1 goes on."))])
def test_an_interrupted_command_is_answered_in_json_too(
    error: BaseException, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(session: Session, *, every: bool) -> None:
        raise error

    monkeypatch.setattr("tui.commands.project.show_status", interrupted)
    assert tunebook("status", "--json") == 130
    said = capsys.readouterr()
    assert documents(said.out) == [{"error": said.err.strip(), "code": "interrupted"}]


def test_a_language_that_there_is_none_of_and_mistaken_preferences_are_answered_in_json_too(tmp_path: Path) -> None:
    """They are found before any command is loaded."""
    (tmp_path / "tunebook").mkdir()
    (tmp_path / "tunebook" / "config.toml").write_text("display.mouse = 3", encoding="utf-8")
    for words, told in ((["--lang", "xx"], "xx"), ([], "display.mouse")):
        command = [sys.executable, "-m", "tui.main", "status", "--json", *words]
        environment = {**os.environ, "XDG_CONFIG_HOME": str(tmp_path)}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        assert done.returncode == 2
        [answer] = documents(done.stdout)
        assert told in answer["error"]


def test_wrong_use_is_answered_in_json_too(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever reads the answer by program reads exactly one document, whatever went wrong."""
    assert tunebook("status", "--json", "--nonsense") == 2
    (answer,) = documents(capsys.readouterr().out)
    assert "--nonsense" in answer["error"]


def test_the_nearest_project_above_the_current_folder_is_meant(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As with git; --project names another one, before the command or after it."""
    (root / "deep" / "er").mkdir(parents=True)
    monkeypatch.chdir(root / "deep" / "er")
    for words in (["status"], ["--project", root, "status"], ["status", "--project", root], ["--project", root]):
        assert tunebook(*words) == 0
        assert "项目 [bold]" in capsys.readouterr().out


def test_without_a_terminal_and_without_a_project_help_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`tunebook` in a pipe never opens the screens."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert tunebook() == 0
    assert "Usage: tunebook" in capsys.readouterr().out


def test_data_cannot_command_the_terminal(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Escape sequences and newlines out of the store are spelled out, markup is left as it is, JSON escapes all."""
    assert tunebook("decisions", "--project", root) == 0
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert r"because: because \x1b[31m[/red]\n'名'" in shown
    assert tunebook("decisions", "--project", root, "--json") == 0
    said = capsys.readouterr()
    assert said.out.isascii()
    (entries,) = documents(said.out)
    assert entries[0]["reason"] == f"because {ESCAPE}"
    assert entries[0]["chosen"] == "loss"


def test_an_answer_is_read_in_the_language_of_the_rest(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`scratch` stood among Chinese, which the screens call by its Chinese word; JSON keeps the word of the option."""
    with open_store(project.open_project(root)) as store:
        decisions.decide(
            store,
            "weights",
            question=stored(message("Which weights?")),
            options=["scratch", "hub"],
            recommended="scratch",
            chosen="hub",
            reason=stored(message("given")),
            evidence=[],
            settings={},
        )
    try:
        assert tunebook("--lang", "zh_CN", "decisions", "weights", "--project", root) == 0
        shown = capsys.readouterr().out
    finally:
        set_language("en")
    assert "选择：从 hub 取权重" in shown
    assert "推荐：从头训练" in shown
    assert tunebook("decisions", "weights", "--project", root, "--json") == 0
    assert documents(capsys.readouterr().out)[0][0]["chosen"] == "hub"


def test_decisions_on_one_step_come_with_what_they_rest_on(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tunebook("decisions", "--project", root) == 0
    assert "Seen:" not in capsys.readouterr().out
    assert tunebook("decisions", "metric", "--project", root) == 0
    shown = capsys.readouterr().out
    assert r"  - Seen: \x1b[31m[/red]\n'名'" in shown
    assert "  metric = loss" in shown
    assert tunebook("decisions", "data", "--project", root) == 2
    assert "No decision on data yet; there are some on: metric." in capsys.readouterr().err


def test_decisions_on_a_step_are_found_by_the_name_that_the_screens_show(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with open_store(project.open_project(root)) as store:
        made = {"recommended": None, "chosen": 80, "reason": "", "evidence": [], "settings": {}}
        decisions.decide(store, "steps", question=stored(message("How many?")), options=[], **made)
    chinese = ("--lang", "zh_CN")
    try:
        for words in (["steps"], ["Number of steps"], ["步数", *chinese], ["number of steps", *chinese]):
            assert tunebook("decisions", *words, "--project", root) == 0
            assert "80" in capsys.readouterr().out
    finally:
        set_language("en")


def test_the_language_of_the_project_counts_unless_another_is_asked_for(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`display.language` in tunebook.toml, then --lang over it; an unknown one is named with its place."""
    made = project.open_project(root)
    try:
        project.change(made, language="zh_CN")
        session = Session()
        session.folder = root
        session.project()
        assert main.language.current_language() == "zh_CN"
        assert tunebook("decisions", "--project", root, "--lang", "en") == 0
        assert main.language.current_language() == "en"
        project.change(made, language="xx")
        assert tunebook("decisions", "--project", root) == 2
        assert "display.language" in capsys.readouterr().err
    finally:
        set_language("en")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("[project]\nnmae = 'x'\n", ["tunebook.toml", "project.nmae"]),
        ("[project]\nname = 3\n", ["tunebook.toml", "project.name", "text in quotes"]),
        ("not toml", ["tunebook.toml", "TOML"]),
    ],
)
def test_a_broken_settings_file_is_named_with_what_is_wrong_in_it(
    root: Path, text: str, parts: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """File and key; no traceback."""
    (root / "tunebook.toml").write_text(text)
    assert tunebook("status", "--project", root) == 2
    said = capsys.readouterr().err
    assert all(part in said for part in parts), said
    assert len(said.splitlines()) == 1


def test_debug_shows_the_traceback(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """For who wants to know where an error comes from."""
    (root / "tunebook.toml").write_text("not toml")
    assert tunebook("status", "--project", root, "--debug") == 2
    assert "Traceback" in capsys.readouterr().err


def test_a_mistake_of_ours_is_one_sentence_and_exit_code_1(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No traceback reaches a person who did not ask for it."""

    def broken(*_: object, **__: object) -> None:
        raise KeyError("surprise")

    monkeypatch.setattr("state.decisions.decisions", broken)
    assert tunebook("decisions", "--project", root) == 1
    said = capsys.readouterr().err
    assert "surprise" in said
    assert "--debug" in said
    assert "Traceback" not in said


def test_data_that_is_missing_starts_no_project(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The folder is not even made."""
    assert tunebook("new", tmp_path / "new", "--data", tmp_path / "missing", "--yes") == 2
    assert str(tmp_path / "missing") in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_other_data_given_before_the_first_decision_decide_the_task_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A project begun with the wrong folder is not bound to what that looked like."""
    (tmp_path / "empty").mkdir()
    assert tunebook("new", tmp_path / "p", "--data", tmp_path / "empty", "--yes") == 2
    (tmp_path / "texts.csv").write_text("a,b\n1,2\n")
    assert tunebook("new", tmp_path / "p", "--data", tmp_path / "texts.csv", "--yes") == 2
    assert "there is no column 'text'" in capsys.readouterr().err


def test_nothing_is_kept_of_a_description_by_which_the_data_cannot_be_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wrong encoding took the whole file for the name of a column, quoted it, and stood in tunebook.toml afterwards,
    so that the next command failed in the same way."""
    lines = [f"a text of number {number},{number % 2}" for number in range(201)]
    (tmp_path / "texts.csv").write_text("\n".join(["text,label", *lines]) + "\n")
    asked = ("new", tmp_path / "p", "--data", tmp_path / "texts.csv", "--yes")
    assert tunebook(*asked, "--encoding", "utf-16-le") == 2
    said = capsys.readouterr().err
    assert "there is no column 'text'" in said
    assert len(said) < 1000
    assert not (tmp_path / "p").exists()
    settings = Settings(task="text-classification", data=str(tmp_path / "texts.csv"), text_column="t")
    begun = project.create(tmp_path / "q", settings)
    assert tunebook("new", begun.root, "--encoding", "utf-16-le", "--yes") == 2
    assert project.open_project(begun.root) == begun


def test_a_refusal_of_new_data_names_the_whole_command_that_mends_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The project that is not kept is not announced either, and what is told to do can be done as it is printed."""
    place = tmp_path / "the texts.csv"
    lines = [f"a café of number {number},{number % 2}" for number in range(201)]
    place.write_text("\n".join(["body,kind", *lines]) + "\n", encoding="latin-1")
    given = ("new", str(tmp_path / "p"), "--data", str(place))
    assert tunebook(*given, "--yes") == 2
    heard = capsys.readouterr()
    assert "A new project" not in heard.out
    # What is printed is broken into lines.
    command = " ".join(heard.err.split()).partition("Once more, then: ")[2]
    assert shlex.split(command) == ["tunebook", *given, "--yes", "--encoding", "latin-1"]
    assert tunebook(*shlex.split(command)[1:]) == 2
    command = " ".join(capsys.readouterr().err.split()).partition("Once more, then: ")[2]
    columns = ["--text-column", "NAME", "--label-column", "NAME"]
    assert shlex.split(command) == ["tunebook", *given, "--yes", "--encoding", "latin-1", *columns]
    # Where only the data can be mended, the same words would be refused again as they are.
    place.write_text('text,label\n"never closed,0\n')
    assert tunebook(*given, "--yes") == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "Once more, then" not in said
    assert "Once the data are mended, the same command begins it: tunebook new" in said


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--batch-size", "foo", "wanted: a whole number from 1 on"),
        ("--batch-size", "-4", "wanted: a whole number from 1 on"),
        ("--steps", "0", "wanted: a whole number from 1 on"),
        ("--batch-size", "32.0", "wanted: a whole number from 1 on"),
        ("--steps", "1e400", "wanted: a whole number from 1 on"),
        ("--learning-rate", "fast", "wanted: a number above 0"),
        ("--held-out", "1.7", "wanted: a number above 0, at most 0.5"),
        ("--optimizer", "adamm", "wanted: adamw, sgd"),
        ("--metric", "top1", "wanted: error_rate"),
        ("--metric", "accuracy", "the built-in training has error_rate, which is 1 - accuracy"),
    ],
)
def test_what_can_be_no_answer_is_refused_before_anything_runs(
    tmp_path: Path, option: str, value: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "data").mkdir()
    assert tunebook("new", tmp_path / "p", "--data", tmp_path / "data", option, value, "--yes") == 2
    error = " ".join(capsys.readouterr().err.split())
    assert said in error
    assert option in error
    assert not (tmp_path / "p").exists()


def test_a_place_that_is_a_file_or_a_class_of_the_data_is_refused_as_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    small_project.digits(tmp_path / "data", 20)
    (tmp_path / "data" / "notes").touch()
    monkeypatch.chdir(tmp_path / "data")
    for place, told in (
        ("notes", "notes is a file, and a project needs a folder of its own"),
        ("notes/p", "notes is a file, and a project needs a folder of its own"),
        ("p", "p lies in the folder of the data"),
        ("3", "3 lies in the folder of the data"),
    ):
        assert tunebook("new", place, "--data", ".") == 2
        assert told in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "data" / "p").exists()
    assert not (tmp_path / "data" / "3" / "tunebook.toml").exists()


def test_new_refuses_a_project_that_has_decided_on_other_data(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was decided about one data set is not carried to another by accident."""
    (tmp_path / "other").mkdir()
    assert tunebook("new", root, "--data", tmp_path / "other", "--yes") == 2
    said = capsys.readouterr().err
    assert "there is a project already" in said
    # Where it can be changed.
    assert f'data.path = "{tmp_path / "other"}"' in said


@pytest.mark.parametrize(
    ("names", "task"),
    [
        (["a/1.png", "b/1.png"], "image-classification"),
        (["train/a/1.png"], "image-classification"),
        (["reviews.csv"], "text-classification"),
        (["train/part.jsonl"], "text-classification"),
        (["reviews.ndjson"], "text-classification"),
        (["reviews.parquet"], "text-classification"),
        (["labels.csv", "1.png", "2.png"], "image-classification"),
        (["train.csv", "images/1.png", "images/2.png"], "image-classification"),
        (["train.csv", "test.csv", "figure.png"], "text-classification"),
    ],
)
def test_the_task_is_told_by_what_the_data_look_like(names: list[str], task: str, tmp_path: Path) -> None:
    """Tables are labelled texts, folders of anything else are images; --task says otherwise."""
    from tui.starting import guess_task

    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert guess_task(tmp_path) == task


@pytest.mark.parametrize(
    ("data", "task", "reason"),
    [
        ("reviews.csv", "image-classification", "is a file"),
        ("folder", "text-classification", "is a folder without a table"),
    ],
)
def test_data_of_another_task_are_refused_before_there_is_a_project(
    data: str, task: str, reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "reviews.csv").write_text("text,label\ngood,fresh\n", encoding="utf-8")
    (tmp_path / "folder/a").mkdir(parents=True)
    assert tunebook("new", tmp_path / "project", "--data", tmp_path / data, "--task", task) == 2
    assert reason in capsys.readouterr().err
    assert not (tmp_path / "project").exists()


def test_the_catalogue_is_shown_and_answered(capsys: pytest.CaptureFixture[str]) -> None:
    """The table fits in 80 columns; the document has every field, for one task or for all."""
    assert tunebook("presets") == 0
    first = capsys.readouterr().out.split("\n\n")[0]
    assert max(len(line) for line in first.splitlines()) <= 80
    assert tunebook("presets", "--json") == 0
    (everything,) = documents(capsys.readouterr().out)
    assert tunebook("presets", "--task", "text-classification", "--json") == 0
    (texts,) = documents(capsys.readouterr().out)
    assert {entry["task"] for entry in texts["architectures"]} == {"text-classification"}
    assert len(everything["architectures"]) > len(texts["architectures"]) > 0
    assert {"sgd", "adam", "adamw", "nadam"} <= {entry["name"] for entry in everything["optimizers"]}
    assert tunebook("presets", "--kind", "hybrid", "--filter", "levit_") == 0
    details = capsys.readouterr().out
    for part in ("levit_128s", "timm/levit_128s.fb_dist_in1k", "apache-2.0", "arXiv:2104.01136", "2021"):
        assert part in details
    assert tunebook("presets", "--filter", "nothing of that kind") == 0
    assert "Nothing in the catalogue" in capsys.readouterr().out


def test_doctor_finds_a_damaged_store_and_builds_it_again(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1 while something is wrong; the decision comes back out of the journal."""
    assert tunebook("doctor", "--project", root, "--json") == 0
    (answer,) = documents(capsys.readouterr().out)
    assert {check["name"] for check in answer["checks"]} >= {"settings", "folder", "data", "journal", "store"}
    assert answer["machine"]["cores"] >= 1
    store = root / ".tunebook" / "tunebook.db"
    store.write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)
    assert tunebook("doctor", "--project", root) == 1
    assert "--repair" in capsys.readouterr().out
    assert tunebook("doctor", "--project", root, "--repair") == 0
    capsys.readouterr()
    assert tunebook("decisions", "--project", root, "--json") == 0
    assert len(documents(capsys.readouterr().out)[0]) == 1


def test_doctor_names_torn_lines_and_missing_data(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A journal that was cut off is a warning, data that are gone are wrong."""
    with (root / ".tunebook" / "journal.jsonl").open("ab") as journal:
        journal.write(b'{"kind": "deci')
    (tmp_path / "data").rmdir()
    assert tunebook("doctor", "--project", root, "--json") == 1
    checks = {check["name"]: check for check in documents(capsys.readouterr().out)[0]["checks"]}
    assert (checks["journal"]["verdict"], checks["journal"]["repair"]) == ("warn", True)
    assert "journal.jsonl: line 2 cannot be read" in checks["journal"]["message"]
    assert checks["data"]["verdict"] == "fail"
    assert checks["store"]["verdict"] == "ok"


def test_tables_are_as_wide_as_their_cells() -> None:
    """Chinese takes two cells a character, and control characters are spelled out before they are measured."""
    lines = say.table_lines(["name", "n"], [["中文", "1"], ["a\tb", "22"]], right=[1])
    assert lines == ["name   n", "----  --", "中文   1", "a\\tb  22"]


@pytest.mark.parametrize(
    ("line", "pieces"),
    [
        ("", [""]),
        ("  a b", ["  a b"]),
        ("one two three four", ["one two", "  three", "  four"]),
        ("  - one two three", ["  - one", "    two", "    three"]),
        ("extraordinarily long", ["extraordinarily", "  long"]),
        ("中文 中文 中文", ["中文 中文", "  中文"]),
        ("  - 没有测试集。", ["  - 没有", "    测试", "    集。"]),
        ("运行 tunebook status 看", ["运行", "  tunebook", "  status", "  看"]),
    ],
)
def test_long_lines_are_broken_between_words(line: str, pieces: list[str]) -> None:
    """At 9 cells; what follows stands under the first piece, and nothing is lost. Chinese was broken at its few spaces
    alone: a bullet stood by itself, and the clause behind it ran on at the edge of the terminal."""
    assert say.broken(line, 9) == pieces


def test_a_table_line_has_no_spaces_at_its_end() -> None:
    """So that lines do not wrap in narrow terminals for nothing."""
    assert all(line == line.rstrip() for line in say.table_lines(["a", "b"], [["x", ""], ["", "long"]]))


def test_what_is_no_number_is_null_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    """Standard JSON has neither NaN nor infinity."""
    say.document({"a": float("nan"), "b": [float("inf"), 1.5, True, None], "c": message("{n} trials", n=3)})
    assert json.loads(capsys.readouterr().out) == {"a": None, "b": [None, 1.5, True, None], "c": "3 trials"}


def test_ctrl_c_says_that_detached_work_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    """The watcher ends, with the shell's exit code for an interrupt."""
    with pytest.raises(Interrupted) as caught, goes_on(message("{name} goes on.", name="round-1")):
        raise KeyboardInterrupt
    assert str(caught.value) == "round-1 goes on."


def test_a_reader_that_leaves_ends_the_command_quietly(root: Path) -> None:
    """`tunebook … | head -1` prints no complaint."""
    code = f"import tui.main; tui.main.main(['presets', '--project', {str(root)!r}])"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == b""
    process.wait(60)
    process.stderr.close()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["round", "plan", "--slots", "9" * 22], "is not in the range"),
        (["round", "run", "--slots", "9" * 22], "is not in the range"),
        (["launch", "--runs", "9" * 22], "is not in the range"),
        (["budget", "--deadline", "9999-12-31"], "no date"),
        (["round", "plan", "--trial", "optimizer.momentum=0.8,optimizer.momentum=0.9"], "given twice, as 0.8 and 0.9"),
        (["round", "plan", "--range", "momentum=0.5..0.9", "--range", "momentum=0.1..0.9"], "momentum is given twice"),
        (["round", "plan", "--about", "momentum="], "write it as KEY"),
    ],
)
def test_what_is_beyond_all_counts_or_said_twice_is_refused(
    tmp_path: Path, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The last of two values was taken without a word; no value was taken for any; and what is larger than SQLite or
    the calendar can hold was a mistake of ours."""
    with open_store(small_project.project(tmp_path / "p", tmp_path)) as store:
        small_project.adopt(store, small_project.settings(tmp_path))
    assert tunebook(*words, "--project", tmp_path / "p") == 2
    assert said in " ".join(capsys.readouterr().err.split())
    with open_store(project.open_project(tmp_path / "p")) as store:
        assert [batch.kind for batch in trials.batches(store)] == ["baseline"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("status >&-", ""),
        ("status --json >&-", ""),
        ("status 2>&-", ""),
        ("new {root} --data {root} <&- 2>&1", ""),
        ("status --json >/dev/full", "Error: No space left on device"),
        ("status >/dev/full", "Error: No space left on device"),
    ],
)
def test_streams_that_are_closed_or_full_end_no_command_with_a_traceback(root: Path, words: str, said: str) -> None:
    line = shlex.join([sys.executable, "-m", "tui.main", "--project", str(root)])
    command = f"{line} {words.format(root=shlex.quote(str(root)))}"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=60)
    assert done.returncode == (2 if said or "new" in words else 0)
    assert done.stderr.strip() == said
    assert "Traceback" not in done.stdout
    assert "mistake in Tunebook" not in done.stdout


def test_names_that_the_terminals_encoding_lacks_are_escaped(root: Path) -> None:
    """An old locale stops nothing."""
    code = f"import tui.main; tui.main.main(['decisions', '--project', {str(root)!r}])"
    answer = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        check=False,
        env={"PYTHONIOENCODING": "latin-1", "PATH": "/usr/bin:/bin"},
    )
    assert answer.returncode == 0, answer.stderr
    assert rb"\u540d" in answer.stdout

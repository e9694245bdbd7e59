"""What the commands answer with `--json`: one name means one thing in all of them, and no screen is needed besides."""

from __future__ import annotations

import contextlib
import io
import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rounds import instability, planning
from state.store import open_store
from tests import prepared, small_project, watched_round
from tests.test_cli import tunebook

# What stands below these has names of its own: hyperparameters, or the figures of one check.
OPEN = {
    "base",
    "figures",
    "origins",
    "overrides",
    "payload",
    "roles",
    "scientific",
    "setting",
    "settings",
    "u",
    "values",
}
# An answer of the set-up is a word or a number, by its question.
ANSWERS = {"chosen", "options", "recommended", "value"}
COMMANDS = (
    "status",
    "budget",
    "decisions --all",
    "configurations",
    "insights",
    "launch --history",
    "test --list",
    "round status round-1",
    "round review round-1",
    "launch --proposal --trial round-2-001",
    "round plan --trials 12",
    "round check --trial round-1-001",
)


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What each of the commands answers of a project with two rounds and a launch."""
    root = tmp_path_factory.mktemp("answers") / "p"
    with prepared.still(), pytest.MonkeyPatch.context() as patched:
        prepared.prepare(root)
        patched.chdir(root)
        tunebook("budget", "--hours", "100")
        return {command: _answer(*command.split()) for command in COMMANDS}


def _answer(*words: str) -> Any:
    with contextlib.redirect_stdout(io.StringIO()) as said:
        assert tunebook(*words, "--json") == 0
    return json.loads(said.getvalue())


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "switch"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, list):
        return f"list of {sorted({_kind(item) for item in value})}"
    return "text" if isinstance(value, str) else "object"


def _named(value: Any) -> Iterator[tuple[str, Any]]:
    """Each name of a document with what stands there, where something does."""
    if isinstance(value, dict):
        for name, item in value.items():
            if item not in (None, [], {}):
                yield name, item
            if name not in OPEN:
                yield from _named(item)
    elif isinstance(value, list):
        for item in value:
            yield from _named(item)


def test_a_name_has_one_kind_of_value_in_all_answers(answers: dict[str, Any]) -> None:
    """`next` was the words of a command in one answer and a sentence in another, `best` a number, a switch, a table or
    three numbers, `candidate` a configuration or three numbers, `trial` a name or seconds."""
    kinds: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for command, answer in answers.items():
        for name, item in _named(answer):
            kinds[name][_kind(item)].append(command)
    assert {name: dict(found) for name, found in kinds.items() if len(found) > 1 and name not in ANSWERS} == {}


def test_what_comes_next_is_the_words_of_a_command(answers: dict[str, Any]) -> None:
    """In the answer of `status` it was a sentence, and the command a line for a shell under another name."""
    told = {command: answer["next"] for command, answer in answers.items() if "next" in answer}
    assert told["status"] == ["tunebook", "round", "run", "round-2"]
    assert {words[0] for words in told.values()} == {"tunebook"}


def test_a_trial_says_when_it_was_at_work(answers: dict[str, Any]) -> None:
    """Which trials ran last night could not be asked by command."""
    for entry in answers["round status round-1"]["trials"]:
        assert entry["queued_at"] <= entry["started_at"] <= entry["ended_at"]


def test_a_stability_check_is_not_called_a_round_to_understand(
    answers: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is planned as one; whoever listed the rounds took it for a question about the learning rate."""
    assert answers["round check --trial round-1-001"]["check"] == "instability"
    assert answers["round status round-1"]["check"] is None
    root = tmp_path / "p"
    with open_store(prepared.prepare(root, "ended")) as store:
        instability.start(store, "round-1-001", wanted="")
    assert tunebook("status", "--project", root) == 0
    assert "stability check" in capsys.readouterr().out


def test_a_question_that_nobody_answered_can_be_answered_by_a_program(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What there is to choose among stood on stderr, for people; the answer named the question and no more. With the
    option that it names, the next question comes."""
    monkeypatch.setattr("sys.stdin", io.StringIO())
    root = tmp_path / "p"
    words = ["new", root, "--data", small_project.digits(tmp_path / "digits", 300)]
    seen = []
    for _turn in range(3):
        assert tunebook(*words, "--json") == 2
        refused = json.loads(capsys.readouterr().out)
        assert refused["code"] == "unanswered"
        question = refused["question"]
        assert question["recommended"] in [option["value"] for option in question["options"]]
        assert question["evidence"]
        seen.append(question["step"])
        words = ["new", root, question["option"], str(question["recommended"])]
    assert seen == ["data", "metric", "architecture"]


def test_what_is_at_work_is_looked_at_and_not_begun_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Before the first trial had shown how long it takes, `status` named the command that starts the round."""
    root = tmp_path / "p"
    project = prepared.prepare(root, "goal")
    with open_store(project) as store:
        name = planning.save(store, planning.propose(store, trials=3), wanted="run").name
    for attended, word in ((contextlib.nullcontext(), "run"), (watched_round.supervised(project), "status")):
        with attended:
            assert tunebook("status", "--project", root, "--json") == 0
        assert json.loads(capsys.readouterr().out)["next"] == ["tunebook", "round", word, name]

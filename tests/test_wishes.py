"""What people wish of rounds and trials by commands: pause, stop, retry, and the order of the queue."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from state import files, trials
from state.database import Store
from state.store import open_store
from tests import small_project, watched_round
from tui.main import run
from tui.session import Session


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A round of four trials: one complete, one diverged, one that runs, one that waits."""
    project = small_project.project(tmp_path / "p", tmp_path / "data")
    with open_store(project) as opened, watched_round.supervised(project):
        small_project.batch(opened, small_project.settings(tmp_path / "data"), [{}] * 4)
        small_project.end(opened, "round-1-001", 0.5)
        small_project.end(opened, "round-1-002", None, "infeasible")
        trials.mark_running(opened, "round-1-003", restart=False)
        yield opened


def tunebook(store: Store, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    """Exit code and answer of a command on the project."""
    session = Session(json=True)
    code = run([*words, "--json", "--project", str(store.project.root)], session)
    return code, json.loads(capsys.readouterr().out)


def test_a_round_is_paused_and_one_trial_stopped(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert tunebook(store, capsys, "round", "pause")[1]["wanted"] == "pause"
    code, answer = tunebook(store, capsys, "round", "stop", "round-1-003")
    assert (code, answer["wanted"]) == (0, "pause")
    assert [entry.wanted for entry in trials.trials(store)] == ["", "", "stop", ""]
    code, answer = tunebook(store, capsys, "round", "stop", "round-1-001")
    assert (code, answer["error"]) == (2, "round-1-001 has ended already.")


def test_only_what_went_wrong_is_tried_again(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    code, answer = tunebook(store, capsys, "round", "retry", "round-1-002", "round-1-001")
    assert (code, answer["error"][:24]) == (2, "round-1-001 is complete;")
    assert trials.trial(store, "round-1-002").status == "infeasible"
    code, answer = tunebook(store, capsys, "round", "retry", "round-1-002")
    assert (code, answer["states"]["queued"]) == (0, 2)


def test_the_queue_is_put_in_another_order_and_a_rebuilt_store_knows_it(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    small_project.batch(store, small_project.settings(Path("data")), [{}] * 2)
    assert tunebook(store, capsys, "round", "next", "2")[1]["round"] == "round-2"
    waiting = ["round-2-001", "round-2-002", "round-1-003", "round-1-004"]
    assert [entry.id for entry in trials.unfinished(store)] == waiting
    assert tunebook(store, capsys, "round", "next", "round-1-004")[0] == 0
    assert [entry.id for entry in trials.unfinished(store)] == ["round-1-004", *waiting[:3]]
    code, answer = tunebook(store, capsys, "round", "next", "round-1-001")
    assert (code, answer["error"]) == (2, "Nothing of round-1-001 waits to be started.")
    assert tunebook(store, capsys, "round", "next", "round-9")[0] == 2
    store.project.store_path.unlink()
    with open_store(store.project) as again:
        assert next(entry.id for entry in trials.unfinished(again) if entry.status == "queued") == "round-1-004"


def test_doctor_removes_what_a_crash_left_once_nobody_is_at_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = small_project.project(tmp_path / "p", tmp_path / "data")
    folder = files.make_folder(project.trial_folder("round-1-001"))
    torn = [folder / "result.json.tmp", folder / ".config.toml.k3j2", project.folder / ".process.json.x"]
    for path in torn:
        path.write_text("half")
    kept = folder / "result.json"
    kept.write_text("{}")
    with open_store(project) as opened:
        with watched_round.supervised(project):
            assert tunebook(opened, capsys, "doctor", "--repair")[1]["repaired"] == []
        answer = tunebook(opened, capsys, "doctor")[1]
        assert {"leftovers": "warn", "logout": "ok"}.items() <= {
            c["name"]: c["verdict"] for c in answer["checks"]
        }.items()
        assert tunebook(opened, capsys, "doctor", "--repair")[1]["repaired"] == ["leftovers"]
    assert not any(path.exists() for path in torn)
    assert kept.exists()

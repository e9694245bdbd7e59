"""`tunebook round stop` with the name of what runs beside trials: a probe, a check, an inspection, a look."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rounds import looking
from state import files, runs
from state.errors import Refusal
from state.project import Project
from state.store import open_store
from tests import small_project
from tests.small_project import wait_for
from tests.test_cli import tunebook
from tui import setup
from tui.session import Interrupted, Session
from wizard import measuring

SLEEPS = [sys.executable, "-c", "import time; time.sleep(600)"]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project in which nothing is at work."""
    return small_project.project(tmp_path / "p", tmp_path / "data")


@pytest.fixture
def answer(project: Project, capsys: pytest.CaptureFixture[str]) -> Any:
    """Carries out a command in the project, which must end so; its JSON document."""

    def run(*words: str, code: int = 0) -> Any:
        assert tunebook(*words, "--project", project.root, "--json") == code
        return json.loads(capsys.readouterr().out)

    return run


@pytest.fixture(params=["probe-2", "inspection-1", "one-batch-1", "batch-size-3"])
def measured(project: Project, request: pytest.FixtureRequest) -> Iterator[str]:
    """The name of a measurement whose process lives."""
    folder = files.make_folder(project.measurement_folder(request.param))
    runs.start(SLEEPS, folder)
    yield request.param
    runs.stop(folder, hard=True)


def test_a_measurement_is_stopped_by_its_name(project: Project, measured: str, answer: Any) -> None:
    """Status and a stop without a name say how; what has ended is not stopped again."""
    assert measured in answer("status")["measuring"]
    assert f"round stop {measured}" in answer("round", "stop", code=2)["error"]
    assert answer("round", "stop", measured) == {"stopped": measured}
    folder = project.measurement_folder(measured)
    wait_for(lambda: runs.wait(folder) is None and not runs.alive(folder), "it was not stopped")
    with open_store(project) as store, pytest.raises(Refusal, match=f"{measured} was stopped before it had a result"):
        measuring.outcome(store, measured.rpartition("-")[0], measured)
    assert "not at work" in answer("round", "stop", measured, code=2)["error"]
    assert "not at work" in answer("round", "stop", "probe-77", code=2)["error"]


def test_the_status_names_the_command_that_stops_a_measurement(
    project: Project, measured: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tunebook("status", "--project", project.root) == 0
    assert f"Stop it: tunebook round stop {measured}" in capsys.readouterr().out


def test_a_look_is_stopped_and_not_counted(project: Project, answer: Any) -> None:
    """As it is in the screens; who watches it is told why there is no result."""
    folder = files.make_folder(project.folder / looking.FOLDER / "look-1")
    files.write_atomically(folder / looking.ABOUT, json.dumps({"trial": "baseline-1-001", "reason": ""}))
    runs.start(SLEEPS, folder)
    try:
        assert answer("status")["looking"] == "A look is under way: 0 of 0 examples."
        assert "round stop look" in answer("round", "stop", code=2)["error"]
        assert answer("round", "stop", "look") == {"stopped": "look"}
        wait_for(lambda: runs.wait(folder) is None and not runs.alive(folder), "it was not stopped")
        assert answer("test", "--list") == []
        assert "not at work" in answer("round", "stop", "look", code=2)["error"]
    finally:
        runs.stop(folder, hard=True)


def test_who_stops_watching_is_told_how_to_stop_the_work(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C ends the watching alone."""

    def pressed(_seconds: float) -> None:
        raise KeyboardInterrupt

    folder = files.make_folder(project.measurement_folder("one-batch-1"))
    runs.start(SLEEPS, folder)
    monkeypatch.setattr(setup.time, "sleep", pressed)
    try:
        with open_store(project) as store, pytest.raises(Interrupted) as told:
            setup.check(Session(), store, "one-batch", "one-batch-1")
        assert "tunebook round stop one-batch-1" in told.value.message.text()
        assert runs.alive(folder)
    finally:
        runs.stop(folder, hard=True)

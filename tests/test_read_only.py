"""A project that can be read and not written to: a backup, a snapshot, a colleague's folder."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from state import files, runs, trial_progress, trials
from state.errors import Refusal
from state.project import Project, open_project
from state.store import open_store
from tests import small_project
from tui.main import run
from tui.session import Session


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """A round of two trials, one of which is complete by its row, the other by its folder alone; on a disk that then
    turns read-only. Skipped where nobody may mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=40m", "none", str(disk)]
    if os.getuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody mount a disk")
    made = small_project.project(disk / "p", tmp_path / "data")
    with open_store(made) as store:
        small_project.batch(store, small_project.settings(tmp_path / "data"), [{}] * 2)
        small_project.end(store, "round-1-001", 0.5)
        folder = files.make_folder(made.trial_folder("round-1-002"))
        files.write_atomically(folder / runs.RESULT, json.dumps({"status": "complete", "steps_done": 30}))
        # As it lies there while somebody has it open.
        shutil.copytree(made.root, disk / "open")
    yield made
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def tunebook(project: Project, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    code = run([*words, "--json", "--project", str(project.root)], Session(json=True))
    return code, json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("state", ["closed", "open", "deleted"])
def test_a_project_that_cannot_be_written_to_is_looked_at_all_the_same(
    project: Project, capsys: pytest.CaptureFixture[str], state: str
) -> None:
    """With what the last process that had it open had not yet moved from beside the store into it; and where the store
    is gone, built anew from the journal."""
    project = open_project(project.root.with_name("open")) if state == "open" else project
    if state == "deleted":
        project.store_path.unlink()
    subprocess.run(["mount", "-o", "remount,ro", str(project.root.parent)], check=True)
    before = sorted((path, path.stat().st_mtime_ns) for path in project.root.rglob("*"))
    for words in (
        ["status"],
        ["launch", "--history"],
        ["round", "status"],
        ["decisions"],
        ["configurations"],
        ["round", "review", "round-1"],
        ["budget"],
    ):
        code, answer = tunebook(project, capsys, *words)
        assert "no permission" not in json.dumps(answer), words
        assert code in (0, 1), words
    with open_store(project) as store:
        entry = trials.trial(store, "round-1-001")
        assert state == "deleted" or (entry.status, entry.best) == ("complete", 0.5)
        with pytest.raises(Refusal, match="no permission to write"):
            trials.ask(store, "round-1", "pause")
        assert trials.batch(store, "round-1").wanted == "run"
    code, answer = tunebook(project, capsys, "round", "pause")
    assert code == 2
    assert "no permission to write" in answer["error"]
    assert sorted((path, path.stat().st_mtime_ns) for path in project.root.rglob("*")) == before


def test_a_copy_is_opened_anew_when_somebody_else_writes(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of a colleague, who works on."""
    kept = os.access
    with open_store(project) as theirs:
        monkeypatch.setattr(os, "access", lambda path, mode: kept(path, mode) and mode != os.W_OK)
        with open_store(project) as ours:
            assert not ours.replaced()
            trial_progress.mark_running(theirs, "round-1-002", restart=False)
            assert ours.replaced()
        with open_store(project) as again:
            assert trials.trial(again, "round-1-002").status == "running"

"""Whether changed data of a command of the user's own are told: by a digest of the path that the user names."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rounds import alike, trial_folder
from rounds.slots import Slot
from state import configurations, files, own_data, project, run_command, runs, trial_progress, trials
from state.store import open_store
from state.trials import NewTrial
from tests import own_pipelines
from tui import main
from tui.session import Session
from wizard import configuration, flow


@pytest.fixture
def code(tmp_path: Path) -> Path:
    folder = tmp_path / "co de"
    own_pipelines.write_script(folder)
    return folder


def written(root: Path) -> Path:
    for name, text in (("a.txt", "one"), ("deep/b.txt", "two")):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return root


def test_the_digest_is_of_names_and_contents_wherever_they_lie_and_whenever_they_were_written(tmp_path: Path) -> None:
    root = written(tmp_path / "data")
    before = own_data.digest(root)
    assert before is not None
    os.utime(root / "a.txt", (1, 1))
    (root / ".cache").mkdir()
    (root / ".cache" / "x").touch()
    (root / "tunebook.toml").touch()
    (root / "deep" / "up").symlink_to("..")
    (root / "nowhere").symlink_to("gone")
    assert own_data.digest(root) == before
    assert own_data.digest(Path(shutil.copytree(root, tmp_path / "copy", symlinks=True))) == before
    # As long, and written at the same moment.
    (root / "a.txt").write_text("eno", encoding="utf-8")
    os.utime(root / "a.txt", (1, 1))
    changed = own_data.digest(root)
    assert changed not in (None, before)
    (root / "a.txt").rename(root / "c.txt")
    assert own_data.digest(root) not in (None, before, changed)
    assert own_data.digest(root / "c.txt") not in (None, before)
    assert own_data.digest(tmp_path / "missing") is None


def test_of_large_data_sizes_and_times_must_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_data, "SMALL", 3)
    root = written(tmp_path / "data")
    os.utime(root / "a.txt", (1, 1))
    before = own_data.digest(root)
    os.utime(root / "a.txt", (2, 2))
    assert own_data.digest(root) not in (None, before)


def test_runs_on_other_data_than_those_before_are_told_apart(
    tmp_path: Path, code: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two runs of the same trial, between which a file was changed; and one that goes on with the changed file."""
    monkeypatch.chdir(tmp_path)
    root, data = tmp_path / "p", written(tmp_path / "data")
    words = ["--command", own_pipelines.command(), "--metric", "accuracy", "--directory", str(code)]
    words += [word for value in own_pipelines.VALUES for word in ("--set", value)]
    asked = ["new", str(root), "--data", str(data), "--yes", *words]
    assert main.run(asked, Session()) == 0
    made = project.open_project(root)
    assert made.data == data
    with open_store(made) as store:
        name = configurations.save(store, configuration.checked(store), {})
        new = [NewTrial("search", place, {}, {}, {}) for place in range(2)]
        trials.add_batch(store, "round", goal="", configuration=name, plan={}, trials=new, wanted="run")
        found = []
        for entry in trials.trials(store):
            trial_folder.prepare(store, entry, Slot("cpu"))
            folder = made.trial_folder(entry.id)
            subprocess.run([sys.executable, "-P", "-m", "state.run_command", str(folder)], check=True)
            result = runs.result(folder)
            assert result is not None
            found.append(result["data"])
            trial_progress.mark_ended(store, entry.id, result)
            (data / "a.txt").write_text("another", encoding="utf-8")
        assert len({*found, None}) == 3
        (told,) = alike.data(trials.trials(store))
        assert "ran on other data than the last that ended" in told.message.text()
        folder = made.trial_folder("round-1-001")
        going_on = {**json.loads((folder / run_command.COMMAND).read_bytes()), "resumed": 1}
        assert run_command._data(folder, going_on) == own_data.both(*found)
        # Nobody named any.
        assert run_command._data(folder, {**going_on, "data": ""}) is None
        assert flow.standing(store).step != "data"
    assert files.read_json(folder / run_command.DATA) is not None

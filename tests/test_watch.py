"""What is said of the trials of a batch while it is watched."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from subprocess import PIPE

from presets.language import say, stored
from rounds import planning
from state import trials
from state.store import open_store
from tests import small_project, watched_round
from tui.say import measured
from tui.watch import said_once, trial_line


def test_what_every_trial_has_to_say_of_the_scripts_files_is_said_once(tmp_path: Path) -> None:
    """And what went wrong with each of them each time."""
    with open_store(small_project.project(tmp_path / "p", tmp_path / "data")) as store:
        small_project.adopt(store, small_project.settings(tmp_path / "data"))
        name = planning.save(store, planning.propose(store, trials=5)).name
        for place, entry in enumerate(trials.trials(store, name)):
            remark = say("Lines that were left out: {n}.", n=place)
            status = "complete" if place < 3 else "failed"
            told = {"message": remark.text(), "said": stored(remark)}
            small_project.end(store, entry.id, 0.1 if place < 3 else None, status, **told)
        lines = [trial_line(entry, "error_rate", several=False) for entry in said_once(trials.trials(store, name))]
    assert ["were left out" in line for line in lines] == [True, False, False, True, True]
    assert all("val/error_rate 0.1" in line for line in lines[:3])


def test_a_reader_who_had_enough_is_told_that_the_work_goes_on(tmp_path: Path) -> None:
    """`tunebook round run --wait | head -1` ended without a word, and what it had begun went on for hours."""
    project = small_project.project(tmp_path / "p", tmp_path / "data")
    with open_store(project) as store, watched_round.supervised(project):
        small_project.adopt(store, small_project.settings(tmp_path / "data"))
        planning.save(store, planning.propose(store, trials=5))
        line = ["-m", "tui.main", "round", "run", "round-1", "--wait", "--project", str(project.root)]
        with subprocess.Popen([sys.executable, *line], stdout=PIPE, stderr=PIPE, text=True) as command:
            assert command.stdout is not None
            assert command.stderr is not None
            command.stdout.close()
            said = command.stderr.read()
        assert command.returncode == 1
    assert said.startswith("round-1 goes on in the background. See: tunebook round status round-1.")
    assert "Traceback" not in said


def test_the_metric_is_labelled_as_of_validation_once() -> None:
    assert [measured(metric) for metric in ("error_rate", "val_err")] == ["val/error_rate", "val_err"]

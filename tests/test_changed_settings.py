"""tunebook.toml changed while a supervisor lives: what begins and ends from then on goes by what the file says now."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from rounds.attending import Supervisor
from rounds.slots import Machine
from rounds.warm import ForkServer
from state import files, project, run_command, trials
from state.store import open_store
from tests import own_pipelines, small_project
from tests.small_project import wait_for

VALUES = {"training.batch_size": 32, "training.steps": 100, "training.seed": 1, "lr": 0.5, "l2": 0.0, "style": "jsonl"}


def test_a_trial_that_is_tried_again_runs_the_command_as_it_was_mended(tmp_path: Path) -> None:
    code = tmp_path / "code"
    own_pipelines.write_script(code, "raise SystemExit('wrong')")
    own_pipelines.write_script(code, name="mended.py")
    with open_store(own_pipelines.project(tmp_path / "p", code)) as store:
        (entry,) = trials.trials(store, small_project.batch(store, VALUES).name)
        driven = Supervisor(store, Machine(1), ForkServer(store.project.folder))

        def status() -> str:
            driven.tick()
            return trials.trial(store, entry.id).status

        wait_for(lambda: status() == "failed", "it did not fail")
        # Another session changes the file, and wishes.
        with open_store(project.open_project(store.project.root)) as other:
            project.change(other.project, command=own_pipelines.command(name="mended.py"))
            trials.ask(other, entry.id, "retry")
            trials.ask(other, entry.batch, "run")
        wait_for(lambda: status() in trials.ENDED, "it did not end again")
        asked = files.read_json(store.project.trial_folder(entry.id) / run_command.COMMAND)
        assert asked is not None
        assert "mended.py" in asked["template"]
        assert trials.trial(store, entry.id).status == "complete"


def test_a_trial_is_judged_by_the_metric_of_when_it_began(
    tmp_path: Path, digits: Path, fork_server: ForkServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    with small_project.alone(tmp_path / "p", digits) as made, open_store(made) as store:
        values = small_project.settings(digits, training__metric="loss")
        name = small_project.batch(store, values, [{}, {"training.seed": 1}]).name
        entry, following = trials.trials(store, name)
        driven = Supervisor(store, Machine(1), fork_server)
        driven.tick()
        project.change(project.open_project(made.root), metric="loss")
        changed = (made.root / project.FILE).read_text(encoding="utf-8")
        # An editor is at it: nothing waits for that.
        (made.root / project.FILE).write_text(changed[:-1] + "[metr", encoding="utf-8")

        def running() -> bool:
            driven.tick()
            return trials.trial(store, entry.id).status == "running"

        wait_for(running, "it did not begin")
        assert driven.tick()
        assert any("not valid TOML" in record.message for record in caplog.records)
        (made.root / project.FILE).write_text(changed, encoding="utf-8")

        def ended() -> bool:
            driven.tick()
            return trials.trial(store, following.id).status == "complete"

        wait_for(ended, "they did not end")
        for id, metric in ((entry.id, "error_rate"), (following.id, "loss")):
            ended_as = trials.trial(store, id)
            assert ended_as.result is not None
            assert (ended_as.metric, ended_as.best) == (metric, ended_as.result["best"][f"val/{metric}"])

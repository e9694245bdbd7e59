"""A script of the user's own that is changed after the baseline: told where results would be compared across that."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from rounds import launching, listed, own_code, planning, reviewing
from state import own_files, trials
from state.database import Store
from state.store import open_store
from tests import own_pipelines
from tests.screens import NARROW, wait_for_text
from tests.test_own_project import drive, run_baseline, tunebook
from tui import doctor, exporting
from tui.app import Tunebook
from wizard import flow


@pytest.fixture
def code(tmp_path: Path) -> Path:
    folder = tmp_path / "code"
    own_pipelines.write_script(folder)
    return folder


@pytest.fixture
def store(tmp_path: Path, code: Path) -> Iterator[Store]:
    """A project on a script whose baseline was accepted."""
    with open_store(own_pipelines.project(tmp_path / "p", code)) as opened:
        run_baseline(opened)
        flow.answer(opened, "baseline", "accept")
        yield opened


def change(code: Path, text: str = "# changed\n") -> None:
    script = code / "train.py"
    script.write_text(script.read_text(encoding="utf-8") + text, encoding="utf-8")


def warned(store: Store) -> str:
    return " ".join(warning.text() for warning in planning.propose(store, trials=2).warnings)


def findings(store: Store, name: str) -> dict[str, tuple[str, str]]:
    found = reviewing.review_batch(store, name)
    return {finding.check: (finding.verdict, finding.message.text()) for finding in found}


def test_a_script_that_was_changed_since_the_baseline_is_told_when_a_round_is_planned_and_reviewed(
    store: Store, code: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing said so before the export, and the round was held against the baseline."""
    told = "(train.py) have changed since baseline-1-001 ran"
    assert told not in warned(store)
    assert "code" not in [check.name for check in doctor.checks(store.project.root)]
    change(code)
    assert told in warned(store)
    one = listed.propose(store, [{"lr": 0.3}])
    assert told in " ".join(warning.text() for warning in one.warnings)
    capsys.readouterr()
    assert tunebook("--project", store.project.root, "status") == 0
    assert told in " ".join(capsys.readouterr().out.split())
    assert tunebook("--project", store.project.root, "status", "--json") == 0
    assert told in " ".join(json.loads(capsys.readouterr().out)["warnings"])
    (found,) = [check for check in doctor.checks(store.project.root) if check.name == "code"]
    assert (found.verdict, told in found.message.text()) == ("warn", True)
    name = planning.save(store, planning.propose(store, trials=2), wanted="run").name
    drive(store, name)
    told_of = findings(store, name)
    assert told_of["gain"][0] == "cannot tell"
    assert "ran other code than its trials" in told_of["gain"][1]
    assert "code" not in told_of
    # Once the best configuration has run again, there is something to compare with.
    proposal = launching.propose(store, name)
    assert own_code.since(store, trials.trial(store, proposal.trial)) is None
    drive(store, launching.start(store, proposal, runs=2).name)
    assert own_code.since_best(store) is None
    assert "have changed" not in warned(store)
    # What is exported is a run of the code of now, as long as there is one.
    done = exporting.export(store, tmp_path / "now")
    assert (done.trial or "").startswith("launch-1-")
    assert "have changed" not in done.warning
    change(code)
    assert "have changed since launch-1-" in exporting.export(store, tmp_path / "changed").warning
    again = own_code.since(store, trials.trial(store, proposal.trial))
    assert again is not None
    assert f"have changed since {proposal.trial} ran" in again.text()
    assert "have changed since launch-1-" in warned(store)


async def test_a_script_that_was_changed_since_the_baseline_is_told_where_the_project_stands(
    store: Store, code: Path
) -> None:
    change(code)
    async with Tunebook(store.project.root).run_test(size=NARROW) as pilot:
        await wait_for_text(pilot, "train.py: changed since baseline-1-001 ran")


def test_a_script_that_was_changed_while_a_round_ran_is_told_in_its_review(store: Store, code: Path) -> None:
    name = planning.save(store, planning.propose(store, trials=2), wanted="run").name
    drive(store, name)
    assert "code" not in findings(store, name)
    change(code)
    planning.extend(store, name, 1)
    drive(store, name)
    verdict, message = findings(store, name)["code"]
    assert verdict == "warn"
    assert f"2 of 3 trials ({name}-001, {name}-002) ran with others than the last that ended" in message


def test_a_large_file_that_the_command_names_keeps_nobody_waiting(
    store: Store, code: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(code)
    monkeypatch.setattr(own_files, "LARGEST", 100)
    assert own_code.since_best(store) is None


def test_a_script_that_is_gone_is_said_to_be_gone_and_not_to_have_changed(
    store: Store, code: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As after the project was copied to another machine: "The files that the command names () have changed"."""
    name = planning.save(store, planning.propose(store, trials=1)).name
    (code / "train.py").rename(code / "elsewhere.py")
    for moved in (False, True):
        if moved:
            code.rename(code.with_name("moved"))
        assert tunebook("--project", store.project.root, "status") == 0
        told = capsys.readouterr().out
        assert (f"{code}: there is no such folder" if moved else f"There is no file train.py in {code}") in told
        assert "pipeline.directory in its tunebook.toml" in told
        assert "changed" not in told
        short = own_code.in_short(store)
        assert short is not None
        assert short.text() in told
    trials.ask(store, name, "run")
    [entry] = drive(store, name)
    assert entry.status == "failed"
    assert f"{code}: there is no such folder" in entry.message

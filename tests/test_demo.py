"""The demonstration, walked once with fewer examples from end to end, and the commands on the project it leaves."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rounds import supervisor
from state import launches, trials
from state.errors import Refusal
from state.project import open_project
from state.store import open_store
from tests import set_up
from training import config
from tui import demo, main
from tui.session import Session
from wizard import flow, pace


def tunebook(root: Path, *words: str) -> int:
    """Carry out one command line on a project in this process; its exit code."""
    arguments = [*words, "--project", str(root)]
    return main.run(arguments, Session(json="--json" in arguments))


def answer(root: Path, capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    """The document that a command answers with; whatever else it says is on stderr."""
    assert tunebook(root, *words, "--json") == 0
    return json.loads(capsys.readouterr().out)


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, Any], str]]:
    """A demonstration with fewer examples and trials: its folder, what came of it, and what it printed."""
    root = tmp_path_factory.mktemp("demo") / "数字 demo"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "EXAMPLES", 1280)
        patch.setattr(demo, "TRIALS", 4)
        lines: list[str] = []
        session = Session()
        patch.setattr(session, "progress", lines.append)
        done = demo.walk(session, root)
    assert done is not None, "\n".join(lines)
    yield root, done, "\n".join(lines)
    stop(root)


def stop(root: Path) -> None:
    """End whatever still runs in a project."""
    project = open_project(root)
    with open_store(project) as store:
        for batch in trials.batches(store):
            trials.ask(store, batch.name, "stop")
    wait(lambda: not supervisor.alive(project))


def wait(condition: Any, seconds: float = 120) -> None:
    """Until a condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.05)


def test_it_says_every_decision_with_its_reason_and_all_that_follows(walked: tuple[Path, dict[str, Any], str]) -> None:
    """Decisions, the probe's table, the baseline with its interval, the trials, findings, the launch, the export."""
    root, done, printed = walked
    steps = [entry["step"] for entry in done["decisions"]]
    assert steps == ["data", "metric", "architecture", "weights", "optimizer", "batch_size", "initial", "steps"]
    assert printed.count("  because: ") == len(steps)
    assert all(entry["because"] in printed for entry in done["decisions"])
    assert "examples/s" in printed
    assert "Clearly better than chance" in printed
    assert "interval" in printed
    assert "round-1-004" in printed
    for finding in done["findings"]:
        assert finding["message"].text() in printed
    assert done["launch"]["decided"] in ("adopt", "reject")
    assert str(root / "export") in printed


def test_its_numbers_are_those_of_the_trials(walked: tuple[Path, dict[str, Any], str]) -> None:
    """What is exported was trained: its expected result is that of a trial folder, and its code is today's."""
    root, done, _printed = walked
    trial = done["export"]["trial"]
    result = json.loads((root / ".tunebook" / "trials" / trial / "result.json").read_text())
    assert done["export"]["expected"] == result["best"]
    exported = config.load(root / "export" / "config.toml")
    assert exported.training.seed == config.load(root / ".tunebook" / "trials" / trial / "config.toml").training.seed
    with open_store(open_project(root)) as store:
        adopted = [entry for entry in launches.launches(store) if entry.decision == "adopt"]
        assert trials.trial(store, trial).batch == adopted[-1].batch
    environment = json.loads((root / "export" / "environment.json").read_text())
    assert environment["code"] == environment["code_exported"]


def test_a_finished_one_is_refused_with_what_to_do(
    walked: tuple[Path, dict[str, Any], str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is run twice by accident."""
    root = walked[0]
    assert main.run(["demo", str(root), "--auto"], Session()) == 2
    said = capsys.readouterr().err
    assert "finished" in said
    assert "delete the folder" in said


def test_an_interrupted_one_goes_on_where_it_was(walked: tuple[Path, dict[str, Any], str]) -> None:
    """With the export missing only that is done again; no trial is run anew."""
    root = walked[0]
    shutil.rmtree(root / "export")
    with open_store(open_project(root)) as store:
        before = [entry.id for entry in trials.trials(store)]
    done = demo.walk(Session(json=True), root)
    assert done is not None
    assert done["launch"]["decided"] == walked[1]["launch"]["decided"]
    assert done["export"]["expected"] == walked[1]["export"]["expected"]
    with open_store(open_project(root)) as store:
        assert [entry.id for entry in trials.trials(store)] == before


def test_a_folder_with_something_else_is_refused(tmp_path: Path) -> None:
    """Nothing of the person's is touched."""
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(Refusal, match="not a demonstration"):
        demo.prepare(Session(), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_in_the_screens_too_a_round_takes_minutes(tmp_path: Path) -> None:
    """On two cores the digits would be learnt for half an hour a round; the demonstration has a budget instead."""
    with open_store(demo.make_project(tmp_path / "demo")) as store:
        set_up.advance(store, "steps")
        chosen = flow.ask(store, "steps").recommended
        assert isinstance(chosen, int)
        assert pace.round_seconds(pace.known(store), chosen) <= 270
        assert pace.round_seconds(pace.known(store), 3 * chosen) > 270


def test_status_and_decisions_of_the_finished_project(
    walked: tuple[Path, dict[str, Any], str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Where it stands, and why it is as it is."""
    root = walked[0]
    status = answer(root, capsys, "status")
    assert status["step"] == "goal"
    assert {batch["kind"] for batch in status["batches"]} == {"baseline", "round", "launch"}
    assert status["best_configuration"]["settings"]["model.library"] == "timm"
    assert len(answer(root, capsys, "decisions")) >= 8
    assert tunebook(root, "status") == 0
    assert "Best configuration" in capsys.readouterr().out
    checks = {check["name"]: check["verdict"] for check in answer(root, capsys, "doctor")["checks"]}
    assert set(checks.values()) == {"ok"}


def test_a_round_is_planned_run_extended_and_reviewed_from_the_command_line(
    walked: tuple[Path, dict[str, Any], str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Its whole life, with the options of `round plan` in the plan."""
    root = walked[0]
    planned = answer(
        root,
        capsys,
        *("round", "plan", "--goal", "minimise", "--trials", "2"),
        *("--range", "optimizer.learning_rate=0.01..0.1", "--role", "optimizer.momentum=fixed"),
    )
    name, plan = planned["round"], planned["plan"]
    assert len(plan["trials"]) == 2
    (dimension,) = plan["studies"][0]["dimensions"]
    assert dimension["domain"]["low"] == 0.01
    assert plan["warnings"]
    assert answer(root, capsys, "round", "status", name)["states"] == {"queued": 2}
    assert answer(root, capsys, "round", "run", name, "--wait")["states"] == {"complete": 2}
    assert answer(root, capsys, "round", "extend", name, "--trials", "1")["states"] == {"complete": 2, "queued": 1}
    assert tunebook(root, "round", "run", "--wait") == 0
    assert f"[3/3] {name}-003" in capsys.readouterr().out
    findings = answer(root, capsys, "round", "review", name)["findings"]
    assert {"complete", "boundary"} <= {finding["check"] for finding in findings}
    assert tunebook(root, "round", "run", name) == 2
    assert "has ended" in capsys.readouterr().err
    assert tunebook(root, "round", "extend", name, "--trials", "1") == 0
    capsys.readouterr()
    assert answer(root, capsys, "round", "run", name)["supervisor"]
    # Waited for, where it has not ended meanwhile.
    assert tunebook(root, "round", "run", name, "--wait") in (0, 2)


def test_ctrl_c_while_waiting_leaves_the_round_running(
    walked: tuple[Path, dict[str, Any], str], capsys: pytest.CaptureFixture[str]
) -> None:
    """The watcher says that it goes on; the trials end without anybody watching."""
    root = walked[0]
    name = answer(root, capsys, "round", "plan", "--goal", "minimise", "--trials", "3")["round"]
    # A job in the background of a shell inherits that Ctrl-C is ignored.
    code = "import signal, sys, tui.main\nsignal.signal(signal.SIGINT, signal.default_int_handler)\ntui.main.main()"
    command = [sys.executable, "-c", code, "round", "run", name, "--wait", "--project", str(root)]
    watcher = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert watcher.stdout is not None
    assert "0 of 3" in watcher.stdout.readline()
    os.kill(watcher.pid, signal.SIGINT)
    _out, said = watcher.communicate(timeout=60)
    assert watcher.returncode == 130
    assert "goes on in the background" in said
    assert "Traceback" not in said
    with open_store(open_project(root)) as store:
        wait(lambda: all(entry.status == "complete" for entry in trials.trials(store, name)))


def test_a_round_whose_trials_all_failed_ends_with_1(
    walked: tuple[Path, dict[str, Any], str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Data that are gone make every trial fail with the reason; the exit code tells a script."""
    root = walked[0]
    name = answer(root, capsys, "round", "plan", "--goal", "minimise", "--trials", "1")["round"]
    (root / "data").rename(root / "moved")
    try:
        assert tunebook(root, "round", "run", name, "--wait") == 1
        assert "failed" in capsys.readouterr().out
    finally:
        (root / "moved").rename(root / "data")


def test_a_launch_is_decided_by_hand_and_recorded(
    walked: tuple[Path, dict[str, Any], str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Against the runs' suggestion only with a reason; the figures are in the answer."""
    root = walked[0]
    with open_store(open_project(root)) as store:
        listed = [entry for entry in trials.trials(store, "round-1") if entry.best is not None]
        worst = max(listed, key=lambda entry: entry.best or 0.0)
    words = ("--trial", worst.id, "--runs", "2", "--decide", "reject", "--reason", "a test of the tests")
    done = answer(root, capsys, "launch", *words)
    assert done["decided"] == "reject"
    assert done["results"]["candidate"].keys() == {"mean", "low", "high"}
    with open_store(open_project(root)) as store:
        last = launches.launches(store)[-1]
        assert last.batch == done["launch"]
        assert "a test of the tests" in json.dumps(last.reason)


def test_a_decision_is_changed_by_its_option_and_what_depends_on_it_is_asked_again(
    walked: tuple[Path, dict[str, Any], str], capsys: pytest.CaptureFixture[str]
) -> None:
    """The old decision is kept as replaced; without an option a set-up that is over is left alone."""
    root = str(walked[0])
    assert main.run(["new", root], Session()) == 2
    assert "there is a project already" in capsys.readouterr().err
    assert main.run(["new", root, "--steps", "30", "--json"], Session(json=True)) == 0
    (changed,) = json.loads(capsys.readouterr().out)["decisions"]
    assert (changed["step"], changed["chosen"]) == ("steps", 30)
    entries = answer(walked[0], capsys, "decisions", "--all")
    made = [entry for entry in entries if entry["step"] == "steps"]
    assert len(made) == 2
    assert made[0]["superseded_by"] == made[1]["number"]
    assert answer(walked[0], capsys, "status")["question"] == "baseline"

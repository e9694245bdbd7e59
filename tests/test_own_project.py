"""A project on a pipeline of the user's own, from the command to the export, through the real supervisor."""

from __future__ import annotations

import io
import json
import math
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from presets.language import error_text, restored
from rounds import cost, judging, launching, planning, reviewing, tunables
from rounds import listed as by_hand
from rounds.attending import Supervisor
from rounds.slots import Machine
from rounds.space import Domain
from rounds.warm import ForkServer
from state import configurations, decisions, files, launches, metrics, runs, trial_progress, trials, usual_names
from state import pipeline as state_pipeline
from state.database import Store
from state.errors import Refusal
from state.project import change, open_project
from state.store import open_store
from tests import own_pipelines, small_project
from tests.own_pipelines import ARGUMENTS, command
from tests.screens import wait_for_text
from tests.small_project import lives, wait_for
from tests.watched_round import press
from tui import draft, exporting, exporting_starter, main
from tui.app import Tunebook
from tui.pages import export as export_page
from tui.pages.round import RoundPage
from tui.pages.trial import TrialPage
from tui.report import document
from tui.report.parts import Code
from tui.session import Session
from wizard import baseline, baseline_running, flow, own, own_metric, pipeline, probe


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """The user's own folder, with a name as odd as a folder can have."""
    folder = tmp_path / "co de [red] 名 'q'"
    own_pipelines.write_script(folder)
    return folder


@pytest.fixture
def store(tmp_path: Path, code: Path) -> Iterator[Store]:
    with open_store(own_pipelines.project(tmp_path / "p", code)) as opened:
        yield opened


def set_up(store: Store) -> None:
    """Answer whatever comes before the baseline as recommended."""
    while (now := flow.standing(store)).step != "baseline":
        assert now.step is not None
        recommended = flow.ask(store, now.step).recommended
        assert recommended is not None
        # Measured elsewhere: most of these tests are about something else.
        flow.answer(store, now.step, 32 if now.step == "batch_size" else recommended)


def drive(store: Store, name: str) -> list[trials.Trial]:
    """Let a supervisor work here until all trials of a batch have ended."""
    # Its fork server is never started: the command needs none.
    driven = Supervisor(store, Machine(2), ForkServer(store.project.folder))

    def ended() -> bool:
        driven.tick()
        return all(entry.status in trials.ENDED for entry in trials.trials(store, name))

    wait_for(ended, "the trials end")
    assert driven.server.process is None
    return trials.trials(store, name)


def run_baseline(store: Store) -> trials.Trial:
    set_up(store)
    return drive(store, baseline.plan(store).name)[0]


def tunebook(*words: str | Path) -> int:
    arguments = [str(word) for word in words]
    return main.run(arguments, Session(json="--json" in arguments))


def test_a_whole_round_from_the_command_to_the_review_and_the_export(store: Store, code: Path, tmp_path: Path) -> None:
    first = run_baseline(store)
    assert (first.status, first.steps_done) == ("complete", 50)
    question = flow.ask(store, "baseline")
    assert question.recommended == "accept"
    assert "Better than the level to beat: accuracy is" in question.evidence[0].text()
    assert "a round of 20 such trials" in question.evidence[-2].text()
    assert "give another number of steps now" in question.evidence[-1].text()
    flow.answer(store, "baseline", "accept")
    assert flow.standing(store).step is None

    plan = planning.propose(store, trials=12)
    assert plan.scientific == {"lr": Domain("float", 0.017, 15.0, "log")}
    fixed = {name for name, role in plan.roles.items() if role == "fixed"}
    assert fixed == {"training.batch_size", "training.steps", "l2", "style"}
    batch = planning.save(store, plan, wanted="run", slots=2)
    listed = drive(store, batch.name)
    assert [entry.status for entry in listed] == ["complete"] * 12
    for entry in listed:
        told = json.loads((store.project.trial_folder(entry.id) / "command.json").read_text(encoding="utf-8"))
        given = dict(zip(told["command"][2::2], told["command"][3::2], strict=True))
        assert float(given["--lr"]) == entry.settings["lr"]
        assert int(given["--steps"]) == told["steps"] == 50
        assert int(given["--seed"]) == entry.overrides["training.seed"]
        assert len(metrics.curve(store, entry.id, "val/accuracy")) == 25
        assert entry.result is not None
        assert entry.result["directory"] == str(code)
    assert len({entry.overrides["training.seed"] for entry in listed}) == 12
    findings = {finding.check: finding for finding in reviewing.review_batch(store, batch.name)}
    assert findings["complete"].verdict == findings["infeasible"].verdict == "pass"
    # The best of them is of the highest accuracy, not of the lowest.
    best = max(entry.best for entry in listed if entry.best is not None)
    assert trials.trial(store, launching.propose(store, batch.name).trial).best == best

    target = tmp_path / "export"
    done = exporting.export(store, target, listed[0].id)
    assert done.command == ("sh", "run.sh")
    assert sorted(path.name for path in target.iterdir()) == [
        "README.md",
        "config.toml",
        "environment.json",
        "output",
        "run.sh",
    ]
    subprocess.run(["sh", "run.sh"], cwd=target, check=True, capture_output=True)
    lines = (target / "output" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["accuracy"] for line in lines] == [
        value for _step, value in metrics.curve(store, listed[0].id, "val/accuracy")
    ]
    # The commit is not known here, since the folder is in no repository.
    assert "in no git repository that was found" in (target / "README.md").read_text(encoding="utf-8")
    assert done.code.startswith(f"The code is in {code}, in no git repository that was found")
    assert done.code in export_page.told(done)
    assert "Found in round-1" in (target / "config.toml").read_text(encoding="utf-8")
    (code / "train.py").write_text("print()", encoding="utf-8")
    assert "have changed" in exporting.export(store, tmp_path / "again", listed[0].id).warning


@pytest.mark.parametrize("style", ["timm", "transformers", "lightning"])
def test_what_the_usual_tools_write_is_read_without_any_change(tmp_path: Path, code: Path, style: str) -> None:
    with open_store(own_pipelines.project(tmp_path / "p", code, f"style={style}")) as store:
        entry = run_baseline(store)
        assert (entry.status, entry.message) == ("complete", "")
        assert entry.best is not None
        assert entry.best > 0.5
        assert len(metrics.curve(store, entry.id, "val/accuracy")) == 25
        assert len(metrics.curve(store, entry.id, "train/loss")) == 25


def test_a_configuration_file_takes_the_place_of_arguments(tmp_path: Path, code: Path) -> None:
    """What the file says is the configuration; a trial's copy of it holds the trial's values."""
    (code / "wrapper.py").write_text(
        "import json, runpy, sys\n"
        "c = json.load(open(sys.argv[1]))\n"
        "sys.argv = ['train.py', '--lr', str(c['optim']['lr']), '--seed', str(c['seed']), '--steps', '25',"
        " '--out', c['out']]\n"
        "runpy.run_path('train.py')\n",
        encoding="utf-8",
    )
    content = {"optim": {"lr": 0.5, "name": "sgd"}, "seed": 1, "out": "{folder}"}
    (code / "config.json").write_text(json.dumps(content), encoding="utf-8")
    settings = {"command": command("{config}", "wrapper.py"), "config_file": str(code / "config.json")}
    made = own_pipelines.project(tmp_path / "p", code, "optim.lr=0.01..1:log", arguments="{config}", **settings)
    with open_store(made) as store:
        flow.answer(store, "metric", "held-out")
        flow.answer(store, "initial", "use")
        batch = baseline.plan(store)
        assert configurations.configuration(store, batch.configuration).settings == {
            "optim.lr": 0.5,
            "optim.name": "sgd",
            "training.seed": 1,
        }
        (entry,) = drive(store, batch.name)
        assert entry.status == "complete"
        flow.answer(store, "baseline", "accept")
        name = planning.save(store, planning.propose(store, trials=2), wanted="run").name
        for entry in drive(store, name):
            filled = json.loads((store.project.trial_folder(entry.id) / "input" / "config.json").read_text())
            assert filled["optim"] == {"lr": entry.settings["optim.lr"], "name": "sgd"}
            assert filled["out"] == str(store.project.trial_folder(entry.id) / "output")
    # Theirs stays as it is.
    assert json.loads((code / "config.json").read_text()) == content


def test_a_metric_whose_name_says_that_it_is_of_validation_is_exported_by_its_name(
    tmp_path: Path, code: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It was called val/val/accuracy there."""
    script = code / "train.py"
    script.write_text(script.read_text(encoding="utf-8").replace('"accuracy": accuracy', '"val/accuracy": accuracy'))
    with open_store(own_pipelines.project(tmp_path / "p", code, metric="val/accuracy")) as store:
        assert run_baseline(store).best is not None
    words = ("export", tmp_path / "export", "--trial", "baseline-1-001", "--project", tmp_path / "p", "--json")
    assert tunebook(*words) == 0
    answer = json.loads(capsys.readouterr().out)
    environment = json.loads((tmp_path / "export" / "environment.json").read_text(encoding="utf-8"))
    assert answer["expected"].keys() == environment["final"].keys() == {"step", "train/loss", "val/accuracy"}
    assert answer["expected"] == environment["best"]
    assert answer["code"].startswith(f"The code is in {code}")
    readme = (tmp_path / "export" / "README.md").read_text(encoding="utf-8")
    assert "| val/accuracy |" in readme
    assert "val/val" not in readme


def test_what_is_exported_is_the_command_as_it_ran(store: Store, tmp_path: Path) -> None:
    """The command was changed since; one that needs a value more made the best configuration impossible to export."""
    first = run_baseline(store)
    flow.answer(store, "baseline", "accept")
    settings = store.project.settings
    store.project = change(store.project, command=f"{settings.command} --more {{more}} --quick")
    target = tmp_path / "export"
    exporting.export(store, target, first.id)
    words = (target / "run.sh").read_text(encoding="utf-8")
    assert "--quick" not in words
    assert "--more" not in words
    assert f"--out {shlex.quote(str(target / 'output'))}" in words
    assert str(store.project.trial_folder(first.id)) not in words
    # Where it cannot be known it is not guessed.
    (store.project.trial_folder(first.id) / "command.json").write_text("{")
    with pytest.raises(Refusal, match=r"command\.json: missing or torn"):
        exporting.export(store, tmp_path / "again", first.id)


def test_where_the_folder_of_the_exported_run_is_gone_another_run_of_the_same_is_exported(
    store: Store, tmp_path: Path
) -> None:
    first = run_baseline(store)
    flow.answer(store, "baseline", "accept")
    batch = planning.save(store, by_hand.propose(store, [{"lr": 0.5}]), wanted="run")
    (other,) = drive(store, batch.name)
    shutil.rmtree(store.project.trial_folder(first.id))
    done = exporting.export(store, tmp_path / "export")
    assert done.trial == other.id
    assert f"The folder of {first.id} is gone or damaged: in its place {other.id} is exported" in done.warning
    assert done.warning in (tmp_path / "export" / "README.md").read_text(encoding="utf-8")
    # Whoever names one means that.
    with pytest.raises(Refusal, match="missing or damaged"):
        exporting.export(store, tmp_path / "named", first.id)
    with pytest.raises(Refusal, match="leave --starter out"):
        exporting_starter.export(store, tmp_path / "starter", starter=True)


def test_a_trial_that_is_killed_begins_again_from_its_beginning(store: Store) -> None:
    set_up(store)
    name = baseline.plan(store).name
    driven = Supervisor(store, Machine(2), ForkServer(store.project.folder))
    id = trials.trials(store, name)[0].id
    folder = store.project.trial_folder(id)

    def running() -> bool:
        driven.tick()
        return runs.process(folder) is not None

    def waits() -> bool:
        driven.tick()
        return trials.trial(store, id).status == "queued"

    wait_for(running, "it runs")
    # Until its next turn, which does not come while the batch is paused, nothing is shown of what the lost one reached.
    trials.ask(store, name, "pause")
    with store.transaction():
        store.database.execute("UPDATE trials SET steps_done = 3, best = 0.9, best_step = 3")
    runs.stop(folder, hard=True)
    wait_for(waits, "it waits for its next turn")
    entry = trials.trial(store, id)
    assert (entry.steps_done, entry.best, entry.best_step) == (0, None, None)
    assert "It begins again at its next turn." in entry.message
    trials.ask(store, name, "run")
    (entry,) = drive(store, name)
    assert (entry.status, entry.restarts, entry.steps_done) == ("complete", 1, 50)
    assert len(metrics.curve(store, id, "val/accuracy")) == 25
    assert (folder / "output.1").is_dir()


@pytest.mark.parametrize("asked", [None, "stop"])
def test_what_a_shell_has_started_ends_with_its_trial(tmp_path: Path, code: Path, asked: str | None) -> None:
    """It outlives its shell, and would train on beside the trial as that begins again."""
    train = f"{sys.executable} -c 'import os, time; print(os.getpid(), flush=True); time.sleep(600)'"
    (code / "train.sh").write_text(f"{train}\necho done\n", encoding="utf-8")
    with open_store(own_pipelines.project(tmp_path / "p", code, command="sh train.sh {folder}", arguments="")) as store:
        small_project.batch(store, {})
        driven = Supervisor(store, Machine(2), ForkServer(store.project.folder))
        folder = store.project.trial_folder("round-1-001")

        def seen(count: int) -> list[psutil.Process]:
            """What has begun to train, once it is so many."""
            wait_for(lambda: driven.tick() is not None and len(runs.log_tail(folder)) == count, "it trains")
            return [psutil.Process(int(line)) for line in runs.log_tail(folder)[count - 1 :]]

        (first,) = seen(1)
        if asked:
            trials.ask(store, "round-1-001", asked)
            wait_for(lambda: not driven.tick(), "it is stopped")
            assert trials.trial(store, "round-1-001").status == "stopped"
        else:
            runner = runs.process(folder)
            assert runner is not None
            runner.kill()
            (second,) = seen(2)
            assert not lives(first)
            trials.ask(store, "round-1", "stop")
            wait_for(lambda: not driven.tick(), "it is stopped")
            assert not lives(second)
        assert not lives(first)


def test_a_result_whose_record_was_lost_is_no_new_trials(
    tmp_path: Path, code: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Journal and store are gone, the folders are not: the same name comes up again, with other values."""
    with open_store(own_pipelines.project(tmp_path / "p", code)) as store:
        first = run_baseline(store)
        project = store.project
    for path in (project.journal_path, *project.folder.glob("tunebook.db*")):
        path.unlink()
    assert tunebook("new", project.root, "--set", "lr=0.001", "--batch-size", "32", "--yes") == 0
    assert "no record of: 1, such as " in " ".join(capsys.readouterr().err.split())
    with open_store(open_project(project.root)) as store:
        again = baseline.plan(store)
        folder = project.trial_folder(first.id)
        assert [entry.id for entry in trials.trials(store)] == [first.id]
        assert not folder.exists()
        assert runs.result(folder.with_name("baseline-1-001.other-1")) == first.result
        # Of what is recorded the folder is its own, whatever kills whom on the way.
        (entry,) = drive(store, again.name)
        assert entry.best != first.best
        assert "0.001" in json.loads((folder / "command.json").read_text())["command"]
    for path in project.folder.glob("tunebook.db*"):
        path.unlink()
    with open_store(open_project(project.root)) as store:
        assert trials.trial(store, first.id).best == entry.best


def test_a_name_whose_folder_another_process_works_in_is_not_given_anew(store: Store) -> None:
    set_up(store)
    for id in ("baseline-1-001", "baseline-1-002"):
        files.make_folder(store.project.trial_folder(id))
    at_work = store.project.trial_folder("baseline-1-002")
    runs.start([sys.executable, "-c", "import time; time.sleep(100)"], at_work)
    with pytest.raises(Refusal, match=r"baseline-1-002: a process is at work here, .*run\.lock has its number"):
        baseline.sweep(store)
    runs.stop(at_work, hard=True)
    assert store.project.trial_folder("baseline-1-001").exists()
    assert not trials.batches(store)


def test_a_trial_that_was_stopped_begins_anew_and_nothing_of_its_first_try_is_left(store: Store) -> None:
    set_up(store)
    store.project = change(store.project, hyperparameters=own.changed(store.project, ["steps=8000"])["hyperparameters"])
    set_up(store)
    name = baseline.plan(store).name
    driven = Supervisor(store, Machine(2), ForkServer(store.project.folder))
    id = trials.trials(store, name)[0].id

    def reached(status: str) -> bool:
        driven.tick()
        return trials.trial(store, id).status == status

    wait_for(lambda: reached("running") and (store.project.trial_folder(id) / "output" / "metrics.jsonl").exists(), "")
    trials.ask(store, name, "stop")
    wait_for(lambda: reached("stopped"), "it stops")
    trials.ask(store, name, "run")
    wait_for(lambda: reached("running"), "it runs again")
    entry = trials.trial(store, id)
    assert (entry.best, entry.steps_done, entry.result) == (None, 0, None)
    assert metrics.curve(store, id, "val/accuracy") == []
    (entry,) = drive(store, name)
    assert (entry.status, entry.steps_done) == ("complete", 8000)


def test_a_result_that_is_no_better_than_the_level_to_beat_is_not_adopted(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    store.project = change(store.project, chance=0.999)
    run_baseline(store)
    question = flow.ask(store, "baseline")
    assert question.recommended == "sweep"
    # Who does what is said to come next does not make the same once more.
    assert tunebook("--project", store.project.root, "status") == 0
    assert "Next: tunebook baseline --sweep\n" in capsys.readouterr().out
    assert "Not better than the level to beat" in question.evidence[0].text()
    flow.answer(store, "baseline", "sweep")
    swept = drive(store, "baseline-2")
    assert [entry.overrides["lr"] for entry in swept] == [0.005, 0.05, 0.5, 5.0, 50.0]
    question = flow.ask(store, "baseline")
    assert question.recommended is None
    assert [option.value for option in question.options] == ["again", "override"]
    flow.answer(store, "baseline", "override", "a first look")
    assert launches.best(store) is not None


def test_a_sweep_over_learning_rates_finds_the_start_and_the_project_keeps_it(tmp_path: Path, code: Path) -> None:
    """At a thousandth of a good rate nothing is learnt in these few steps; at the largest tried, it is."""
    with open_store(own_pipelines.project(tmp_path / "p", code, "lr=0.0005", "steps=25", chance=0.5)) as store:
        run_baseline(store)
        timed = probe.subject(store)
        flow.answer(store, "baseline", "sweep")
        swept = drive(store, "baseline-2")
        best = max(swept, key=lambda entry: entry.best or 0.0)
        assert flow.ask(store, "baseline").recommended == "accept"
        flow.answer(store, "baseline", "accept")
        assert flow.standing(store).step is None
        found = launches.best(store)
        assert found is not None
        assert found.settings["lr"] == best.overrides["lr"] != 0.0005
        # Another learning rate takes no other time: what was measured still counts.
        assert probe.subject(store) == timed
        assert open_project(store.project.root).settings == store.project.settings


def test_a_rate_that_a_sweep_found_beyond_the_list_of_rates_joins_it(tmp_path: Path, code: Path) -> None:
    """The recommended answer was refused, and recorded."""
    lists = ("lr=0.0005,0.001", "steps=25")
    with open_store(own_pipelines.project(tmp_path / "p", code, *lists, chance=0.5)) as store:
        run_baseline(store)
        flow.answer(store, "baseline", "sweep")
        swept = drive(store, "baseline-2")
        best = max(swept, key=lambda entry: entry.best or 0.0).overrides["lr"]
        assert best > 0.001
        assert flow.ask(store, "baseline").recommended == "accept"
        flow.answer(store, "baseline", "accept")
        found = launches.best(store)
        assert found is not None
        assert found.settings["lr"] == best
        (rate,) = (entry for entry in open_project(store.project.root).settings.hyperparameters if entry.name == "lr")
        assert (rate.default, rate.choices) == (best, (0.0005, 0.001, best))
        assert flow.standing(store).step is None


def test_a_sweep_that_is_asked_for_does_not_repeat_the_run_before_it(store: Store, code: Path) -> None:
    """Of a script that writes no number for its metric; what it calls so is no loss."""
    (code / "train.py").write_text(
        "import sys\n"
        "out = sys.argv[sys.argv.index('--out') + 1]\n"
        'rows = [\'{"step": 1, "accuracy": 0.5}\', \'{"step": 20, "accuracy": NaN}\']\n'
        "open(out + '/metrics.jsonl', 'w').write('\\n'.join(rows) + '\\n')\n",
        encoding="utf-8",
    )
    run_baseline(store)
    question = flow.ask(store, "baseline")
    assert question.evidence[0].text() == (
        "No result: baseline-1-001 is infeasible: accuracy is not a number from step 20 on."
    )
    assert "in your script, whether one batch can be learnt by heart" in question.evidence[1].text()
    assert tunebook("--project", store.project.root, "baseline", "--sweep") == 1
    assert [(batch.name, batch.goal) for batch in trials.batches(store)] == [
        ("baseline-1", "baseline"),
        ("baseline-2", "learning-rate sweep"),
    ]


def test_lines_that_were_not_understood_are_told_with_the_first_result(store: Store, code: Path) -> None:
    (code / "train.py").write_text(
        "import sys\n"
        "out = sys.argv[sys.argv.index('--out') + 1]\n"
        'rows = [\'{"step": 1, "accuracy": 0.5}\', \'{"step": "five", "accuracy": 0.99}\']\n'
        "open(out + '/metrics.jsonl', 'w').write('\\n'.join(rows) + '\\n')\n",
        encoding="utf-8",
    )
    entry = run_baseline(store)
    assert (entry.status, entry.best) == ("complete", 0.5)
    said = flow.ask(store, "baseline").evidence[0].text()
    assert "accuracy is 0.5 at best" in said
    assert "not understood, and are left out: 1. The first: " in said
    flow.answer(store, "baseline", "accept")
    assert "not understood" not in restored(launches.launches(store)[-1].reason).text()


def test_the_length_of_a_run_is_offered_only_where_the_command_has_it(tmp_path: Path, code: Path) -> None:
    arguments = "--lr {lr} --l2 {l2} --out {folder}"
    given = ("lr=0.5", "l2=0")
    with open_store(own_pipelines.project(tmp_path / "p", code, *given, arguments=arguments)) as store:
        flow.answer(store, "metric", "held-out")
        question = flow.ask(store, "initial")
        assert question.table is not None
        assert [column.text() for column in question.table.columns][-1] == "meaning"
        flow.answer(store, "initial", "use")
        drive(store, baseline.plan(store).name)
        said = flow.ask(store, "baseline").evidence[-1].text()
        # It was called fixed, and a placeholder was asked for by hand.
        assert "your script has the option steps for how long a run is." in said
        assert f"tunebook new {tmp_path}/p --set steps=VALUE" in said
        flow.answer(store, "baseline", "accept")
        assert "length" not in [name for name, _label, _meaning in draft.purposes(store, "")]
        with pytest.raises(Refusal, match=rf"script has the option seed,.*tunebook new {tmp_path}/p --set seed=VALUE"):
            planning.propose(store, scientific={"seed": Domain("list", choices=(1, 2))})
        with pytest.raises(Refusal, match=rf"tunebook new {tmp_path}/p --set epochs=20"):
            planning.propose(store, steps=50)
        told = [part for section in document.report(store).sections for part in section.parts if isinstance(part, Code)]
        assert [part.text.splitlines()[-1] for part in told] == ["cd best && sh run.sh"]
    # What is told to do is done: the option comes into the command, and the baseline again.
    assert tunebook("new", tmp_path / "p", "--set", "steps=50", "--yes") == 0
    with open_store(open_project(tmp_path / "p")) as store:
        assert store.project.settings.command.endswith("--out {folder} --steps {steps}")
        assert flow.standing(store).step == "baseline"
        drive(store, baseline.plan(store).name)
        flow.answer(store, "baseline", "accept")
        assert ("length", "number of steps", draft.OWN_LENGTH_MEANING.text()) in draft.purposes(store, "")


def test_a_length_that_a_placeholder_of_the_command_says_is_changed_by_its_name(tmp_path: Path, code: Path) -> None:
    """The page of the baseline said that it is fixed, and so did whoever asked for another number of steps."""
    arguments = "--lr {lr} --steps {num_epochs} --out {folder}"
    given = ("lr=0.5", "num_epochs=25")
    with open_store(own_pipelines.project(tmp_path / "p", code, *given, arguments=arguments)) as store:
        run_baseline(store)
        told = flow.ask(store, "baseline").evidence[-1].text()
        assert f"tunebook new {tmp_path}/p --set num_epochs=VALUE" in told
        assert "fixed" not in told
        flow.answer(store, "baseline", "accept")
        with pytest.raises(Refusal) as refused:
            planning.propose(store, steps=50)
        assert "num_epochs says in your command" in error_text(refused.value)
        assert f"tunebook new {tmp_path}/p --set num_epochs=VALUE" in error_text(refused.value)


def test_the_names_of_the_command_are_those_of_the_options_of_a_round(store: Store) -> None:
    """The configuration has other names for the batch size and the steps; of the rest a usual name is enough."""
    base = {"training.batch_size": 32, "training.steps": 50, "lr": 0.5, "l2": 0.0}
    names = {
        name: tunables.key_of(store.project, base, name) for name in ("batch_size", "steps", "lr", "learning_rate")
    }
    assert names == {
        "batch_size": "training.batch_size",
        "steps": "training.steps",
        "lr": "lr",
        "learning_rate": "lr",
    }


def test_without_a_level_to_beat_it_is_said_that_only_finite_is_known(tmp_path: Path, code: Path) -> None:
    with open_store(own_pipelines.project(tmp_path / "p", code, chance=None)) as store:
        set_up(store)
        assert "only be called finite" in " ".join(m.text() for m in flow.ask(store, "metric").evidence)
        flow.answer(store, "metric", "0.25")
        assert store.project.settings.chance == 0.25
        assert flow.standing(store).step == "metric"
        assert open_project(store.project.root).settings.chance == 0.25


def test_a_failing_command_leaves_its_last_words_and_can_be_run_again(store: Store, code: Path) -> None:
    script = (code / "train.py").read_text(encoding="utf-8")
    (code / "train.py").write_text("raise ValueError('no such data set [/red]')", encoding="utf-8")
    entry = run_baseline(store)
    assert (entry.status, entry.reason) == ("failed", "error")
    assert "ValueError: no such data set [/red]" in entry.message
    assert [option.value for option in flow.ask(store, "baseline").options] == ["again"]
    (code / "train.py").write_text(script, encoding="utf-8")
    flow.answer(store, "baseline", "again")
    assert drive(store, "baseline-2")[0].status == "complete"


def test_a_metric_that_the_script_calls_otherwise_is_taken_from_what_it_wrote(tmp_path: Path, code: Path) -> None:
    """What it wrote is offered, the most alike first; the answer sets the metric and runs again."""
    with open_store(own_pipelines.project(tmp_path / "p", code, metric="acc")) as store:
        entry = run_baseline(store)
        assert (entry.status, entry.reason) == ("failed", "no metric")
        question = flow.ask(store, "baseline")
        assert [option.value for option in question.options] == ["metric=accuracy", "metric=train_loss", "again"]
        assert question.evidence[-1].text().endswith(f"tunebook new {tmp_path}/p --metric accuracy")
        flow.answer(store, "baseline", "metric=accuracy")
        now = open_project(store.project.root).settings
        assert (now.metric, now.direction) == ("accuracy", "max")
        # Whether the other is measured on held-out examples, nobody has said yet.
        assert flow.standing(store).step == "metric"
        set_up(store)
        assert drive(store, "baseline-2")[0].status == "complete"
        assert flow.ask(store, "baseline").recommended == "accept"


def test_a_level_to_beat_may_be_below_0_and_is_finite(
    tmp_path: Path, code: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A log-likelihood, or R² where guessing is worse than the mean."""
    made = own_pipelines.project(tmp_path / "p", code, chance=-0.5)
    assert open_project(made.root).settings.chance == -0.5
    command = ["--command", own_pipelines.command(), "--directory", str(code), "--metric", "accuracy"]
    for level in ("nan", "inf"):
        assert tunebook("new", tmp_path / "q", *command, "--chance", level) == 2
        assert f"--chance {level}: the level to beat is a finite number." in capsys.readouterr().err
        assert not (tmp_path / "q").exists()
    file = made.root / "tunebook.toml"
    file.write_text(file.read_text(encoding="utf-8").replace("-0.5", "nan"), encoding="utf-8")
    with pytest.raises(Refusal, match=r"metric\.chance = nan; allowed: a finite number"):
        open_project(made.root)


def test_of_another_metric_less_may_be_better(tmp_path: Path, code: Path) -> None:
    with open_store(own_pipelines.project(tmp_path / "p", code, "style=timm", metric="acc")) as store:
        store.project = change(store.project, chance=0.1)
        run_baseline(store)
        offered = flow.ask(store, "baseline").options
        assert [option.label for option in offered] == ["accuracy", "eval_loss", "train_loss", "again"]
        flow.answer(store, "baseline", "metric=eval_loss")
        # What guessing reaches in the one says nothing of the other.
        for settings in (store.project.settings, open_project(store.project.root).settings):
            assert (settings.direction, settings.chance) == ("min", None)
        text = (store.project.root / "tunebook.toml").read_text(encoding="utf-8")
        assert "chance" not in text


def test_the_level_to_beat_stays_for_the_same_metric_under_another_name_alone(tmp_path: Path, code: Path) -> None:
    """A correlation of 0.3 beat the 0.1 that guessing reaches in accuracy."""
    project = change(own_pipelines.project(tmp_path / "p", code, metric="acc"), chance=0.1)
    for name, level in (("eval_accuracy", 0.1), ("val/acc", 0.1), ("r2", None), ("f1_score", None)):
        taken = own_metric.take_metric(project, name)
        assert (taken.settings.metric, taken.settings.chance) == (name, level)
        assert open_project(taken.root).settings == taken.settings


def test_a_baseline_that_runs_is_told_with_how_to_watch_and_stop_it(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    set_up(store)
    name = baseline.plan(store).name
    id = trials.trials(store, name)[0].id
    trial_progress.mark_running(store, id, restart=False)
    root = store.project.root
    # Logging out may have ended its process, and the supervisor with it.
    assert tunebook("--project", root, "status") == 0
    told = capsys.readouterr().out
    assert "baseline-1 does not run: its process is gone, at 0 steps.\nGo on: tunebook baseline\n" in told
    runs.remember_process(files.make_folder(store.project.trial_folder(id)), os.getpid())
    assert tunebook("--project", root, "status") == 0
    told = capsys.readouterr().out
    assert "baseline-1 is running: 0 of 50 steps done in" in told
    assert "Watch it: tunebook baseline. Stop it: tunebook round stop baseline-1" in told
    # Whoever looks for it among the rounds is told its name.
    assert tunebook("--project", root, "round", "stop") == 2
    assert "Stop it: tunebook round stop baseline-1" in capsys.readouterr().err
    # What is called otherwise than the metric is told while it runs, and what else there is to see of it.
    folder = files.make_folder(store.project.trial_folder(id))
    files.append_line(folder / "metrics.jsonl", {"step": 10, "train/loss": 0.3, "valid_acc": 0.5})
    (folder / "log.txt").write_bytes(b"loading\nEpoch 2/10\r train 2:  40%|####\r train 2:  50%|#####\n\n")
    metrics.index_metrics(store, [id])
    assert tunebook("--project", root, "status") == 0
    told = capsys.readouterr().out
    assert "10 of 50 steps done in" in told
    assert "to go. It has written no accuracy so far; there is: valid_acc, train/loss." in told
    assert "It printed last: train 2:  50%|#####" in told


def test_a_number_of_steps_that_is_text_ends_nobody_who_looks(tmp_path: Path, code: Path) -> None:
    """As a script may declare it, `--steps 10k`, and read it itself."""
    with open_store(own_pipelines.project(tmp_path / "p", code, "lr=0.5")) as store:
        batch = small_project.batch(store, {"lr": 0.5, "training.steps": "10k"}, kind="baseline")
        trial_progress.mark_running(store, f"{batch.name}-001", restart=False)
        assert "is running: 0 steps done in" in baseline_running.doing(store, batch, attended=True).text()


async def test_a_trial_whose_number_of_steps_is_text_comes_to_its_end_and_is_looked_at(
    tmp_path: Path, code: Path
) -> None:
    """As a YAML file has it that says "50"; the script gets it as it stands there."""
    change: dict[str, Any] = {"training.steps": "50", "training.seed": 1}
    with open_store(own_pipelines.project(tmp_path / "p", code)) as store:
        batch = small_project.batch(store, {**own.values(store.project), **change}, kind="baseline")
        [entry] = drive(store, batch.name)
        assert (entry.status, entry.steps_done) == ("complete", 50)
        assert cost.over_budget(store, batch.name) is None
        app = Tunebook(store.project.root)
        async with app.run_test(size=(100, 30)) as pilot:
            for page in (RoundPage(batch.name), TrialPage(entry.id)):
                await app.push_screen(page)
                await wait_for_text(pilot, "val/accuracy" if isinstance(page, RoundPage) else "50 of 50 steps")
            await press(pilot, "m")
            await wait_for_text(pilot, "val/accuracy vs step")


@pytest.mark.parametrize(("written", "steps"), [(50, 50), ("50", 50), ("10k", None), (-1, None), (None, None)])
def test_steps_are_known_where_they_are_a_number(written: Any, steps: int | None) -> None:
    assert trials.steps_planned({"training.steps": written}) == steps


def test_an_option_that_the_command_fixes_is_told_with_where_it_is_made_one_to_tune(tmp_path: Path, code: Path) -> None:
    """It was listed nowhere, as if the script did not declare it."""
    arguments = "--lr {lr} --steps 25 --out {folder}"
    with open_store(own_pipelines.project(tmp_path / "p", code, "lr=0.5", arguments=arguments)) as store:
        flow.answer(store, "metric", "held-out")
        with pytest.raises(Refusal, match=r"steps: the command gives --steps a fixed value.*\{steps\}.*tunebook\.toml"):
            flow.answer(store, "initial", "steps=2")
        with pytest.raises(Refusal, match="a quotation mark that opens is not closed"):
            flow.answer(store, "initial", "lr='2")
        with pytest.raises(Refusal, match="no such hyperparameter"):
            flow.answer(store, "initial", "foo=1")


def test_a_length_that_was_fixed_becomes_one_to_set_by_what_is_told(tmp_path: Path, code: Path) -> None:
    arguments = "--lr {lr} --steps 25 --out {folder}"
    with open_store(own_pipelines.project(tmp_path / "p", code, "lr=0.5", arguments=arguments)) as store:
        run_baseline(store)
        flow.answer(store, "baseline", "accept")
        with pytest.raises(Refusal) as refused:
            planning.propose(store, steps=50)
        told = error_text(refused.value)
        assert "by --steps 25: change that in tunebook.toml (pipeline.command), or write --steps {steps}" in told
        assert f"tunebook new {tmp_path}/p --set steps=25 gives" in told
    written = (tmp_path / "p" / "tunebook.toml").read_text(encoding="utf-8")
    (tmp_path / "p" / "tunebook.toml").write_text(written.replace("--steps 25", "--steps {steps}"), encoding="utf-8")
    with open_store(open_project(tmp_path / "p")) as store:
        # It was refused, without a word on what to do.
        assert flow.standing(store).step == "initial"
        assert flow.ask(store, "initial").text.text() == "Which value should steps have at the start?"
    assert tunebook("new", tmp_path / "p", "--set", "steps=25", "--yes") == 0
    with open_store(open_project(tmp_path / "p")) as store:
        assert store.project.settings.steps == "steps"
        drive(store, baseline.plan(store).name)
        flow.answer(store, "baseline", "accept")
        assert planning.propose(store, steps=50).base["training.steps"] == 50


def test_a_command_without_a_seed_is_run_and_its_runs_may_be_identical(tmp_path: Path, code: Path) -> None:
    arguments = "--lr {lr} --steps 25 --out {folder}"
    with open_store(own_pipelines.project(tmp_path / "p", code, "lr=0.5", arguments=arguments)) as store:
        assert run_baseline(store).status == "complete"
        flow.answer(store, "baseline", "accept")
        plan = planning.propose(store, trials=2)
        assert any("takes no seed" in warning.text() for warning in plan.warnings)
        name = planning.save(store, plan, wanted="run").name
        assert all("training.seed" not in entry.overrides for entry in drive(store, name))
        launch = launching.start(store, launching.propose(store, name))
        drive(store, launch.name)
        verdict = judging.judge(store, launch.name)
        assert verdict.decision == "cannot tell"
        assert "check that the seed is used" in verdict.message.text()


def test_a_candidate_that_diverges_is_the_worst_also_where_more_is_better(store: Store) -> None:
    run_baseline(store)
    flow.answer(store, "baseline", "accept")
    name = planning.save(store, planning.propose(store, trials=1), wanted="run").name
    drive(store, name)
    launch = launching.start(store, launching.propose(store, name), wanted="")
    for entry in trials.trials(store, launch.name):
        found = {"step": 1, "val/accuracy": 0.5 + 0.01 * entry.position}
        result: dict[str, Any] = {"status": "complete", "best": found, "final": found}
        if entry.study == launching.CANDIDATE and entry.position == 0:
            result = {"status": "infeasible", "reason": "diverged"}
        trial_progress.mark_ended(store, entry.id, result)
    verdict = judging.judge(store, launch.name)
    assert verdict.decision == "reject"
    assert verdict.improvement is not None
    assert verdict.improvement.probability < 0.5
    assert math.isfinite(verdict.improvement.probability)


def test_length_and_batch_size_are_never_searched_whatever_they_are_called(tmp_path: Path, code: Path) -> None:
    arguments = "--lr {lr} --batch-size {bs} --steps {epochs} --out {folder}"
    given = ("lr=0.5", "bs=16", "epochs=10")
    with open_store(own_pipelines.project(tmp_path / "p", code, *given, arguments=arguments)) as store:
        run_baseline(store)
        flow.answer(store, "baseline", "accept")
        for key in ("epochs", "training.batch_size"):
            with pytest.raises(Refusal, match="is not searched"):
                planning.propose(store, scientific={key: Domain("list", choices=(1, 2))})
        with pytest.raises(Refusal, match="no setting of the best configuration"):
            planning.propose(store, scientific={"momentum": Domain("list", choices=(1, 2))})


def test_the_command_line_leads_from_the_command_to_the_questions(
    tmp_path: Path, code: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "p"
    noted = command(f"{ARGUMENTS} {{note}}")
    words = ["--command", noted, "--directory", code, "--metric", "accuracy", "--chance", "0.1"]
    assert tunebook("new", root, *words, "--set", "lr=0.5", "--yes") == 2
    assert "--set name=value" in capsys.readouterr().err
    # An answer to a question beyond the one at which it stopped was lost without a word.
    assert tunebook("new", root, "--set", "batch_size=32", "--yes", "--json") == 2
    answer = json.loads(capsys.readouterr().out)
    assert "Your answer about batch size, which comes later, is not recorded yet: give it again" in answer["error"]
    assert answer["code"] == "unanswered"
    assert tunebook("new", root, *words, "--set", "nothing=1") == 2
    assert "no such hyperparameter" in capsys.readouterr().err
    given = [part for value in (*own_pipelines.VALUES, "note=x") for part in ("--set", value)]
    given += ["--batch-size", "32"]
    assert tunebook("new", root, *given, "--yes", "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert [entry["step"] for entry in answer["decisions"]] == ["initial", "batch_size"]
    with open_store(open_project(root)) as store:
        recorded = {entry.step: entry.chosen for entry in decisions.decisions(store)}
        assert recorded == {"pipeline": "own", "metric": "held-out", "initial": "use", "batch_size": 32}
    assert tunebook("new", root, "--yes") == 0
    capsys.readouterr()
    assert tunebook("new", root, "--set", "l2=0.001", "--yes") == 0
    # What is agreed to unseen is shown.
    asked = capsys.readouterr().out.partition("Start with these values?")[2].partition("chosen: use")[0]
    assert any(line.split()[:2] == ["l2", "0.001"] for line in asked.splitlines())
    assert open_project(root).settings.hyperparameters[3].default == 0.001
    capsys.readouterr()
    for wrong, said in (
        (["--command", "python x.py {folder}", "--metric", "acc"], "has a command already"),
        (["--optimizer", "adamw"], "only for the built-in training"),
    ):
        assert tunebook("new", root, *wrong) == 2
        assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--command", "python train.py"], "which value that your script writes"),
        (["--command", "python train.py", "--metric", "reward"], "--direction"),
        (["--command", "python train.py", "--metric", "acc"], "Nothing says where a trial is to write"),
        (["--command", "python train.py {folder}", "--metric", "acc", "--data", "x/y"], "x/y: there is no such"),
        (["--set", "lr=0.1"], "belong to a --command"),
        (["--command", "python {folder}", "--metric", "acc", "--steps", "1"], "--steps: only for the built-in"),
        (["--command", "python {folder}", "--metric", "acc", "--batch-size", "8"], "takes no batch size"),
        ([], "--command"),
    ],
)
def test_what_does_not_go_together_is_refused_and_makes_nothing(
    tmp_path: Path, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tunebook("new", tmp_path / "p", *words) == 2
    told = capsys.readouterr()
    assert said in told.err
    assert not told.out
    assert not (tmp_path / "p").exists()


def test_that_nobody_says_what_the_metric_is_measured_on_is_refused_with_what_says_it(
    tmp_path: Path, code: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """--metric names it, and was asked for although it was there."""
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    own_pipelines.project(tmp_path / "p", code)
    assert tunebook("new", tmp_path / "p", "--metric", "accuracy", "--json") == 2
    said = json.loads(capsys.readouterr().out)["error"]
    assert "held-out examples, has no answer" in said
    assert "with --yes" in said
    assert "as an option" not in said
    # It has an option of its own, which can be given later, too.
    assert tunebook("new", tmp_path / "p", "--measured-on", "held-out/stand-in", "--json") == 2
    said = json.loads(capsys.readouterr().out)["error"]
    assert said.startswith("The question 'initial', whether to start with these values, has no answer.")
    with open_store(open_project(tmp_path / "p")) as store:
        (made,) = (entry for entry in decisions.decisions(store) if entry.step == "metric")
        assert made.chosen == "held-out/stand-in"
        assert not store.project.settings.close_to_deployment
    assert tunebook("new", tmp_path / "p", "--measured-on", "held-out", "--batch-size", "32", "--yes") == 0
    assert open_project(tmp_path / "p").settings.close_to_deployment


@pytest.mark.parametrize("words", [("--set", "lr=0.1"), ("--measured-on", "held-out"), ("--direction", "max")])
def test_what_is_said_of_a_command_is_refused_in_a_project_of_the_built_in_training(
    tmp_path: Path, words: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Once there was a project, it was passed over without a word."""
    small_project.project(tmp_path / "p", small_project.digits(tmp_path / "data", 30))
    assert tunebook("new", tmp_path / "p", *words, "--yes") == 2
    assert "belong to a --command" in capsys.readouterr().err


def test_which_pipeline_trains_is_a_recorded_decision(tmp_path: Path, store: Store) -> None:
    pipeline.decide(store)
    pipeline.decide(store)
    (made,) = decisions.decisions(store, all=True)
    assert (made.step, made.chosen, made.options) == ("pipeline", "own", ["built-in", "own"])


def test_optimizers_that_are_to_be_tried_are_compared_each_in_a_study_of_its_own(tmp_path: Path, code: Path) -> None:
    """In one study, the learning rate of one would be taken for that of the other (P2, P3)."""
    script = code / "train.py"
    declared = 'parser.add_argument("--optim", choices=["sgd", "adam"], default="sgd")\nargs = '
    script.write_text(script.read_text(encoding="utf-8").replace("args = ", declared, 1), encoding="utf-8")
    arguments = f"{ARGUMENTS} --optim {{optim}}"
    values = ("lr=0.01..1", "l2=0", "steps=10", "batch_size=32", "optim=sgd,adam")
    with open_store(own_pipelines.project(tmp_path / "p", code, *values, arguments=arguments)) as store:
        set_up(store)
        run_baseline(store)
        flow.answer(store, "baseline", "accept")
        plan = planning.propose(store)
        assert [study.name for study in plan.studies] == ["optim=sgd", "optim=adam"]
        assert {d.name for study in plan.studies for d in study.dimensions} == {"lr"}
        about_rate = planning.propose(store, scientific={"lr": None})
        assert about_rate.roles["optim"] == "fixed"
        by_name = planning.propose(store, "compare", optimizers=("sgd", "adam"))
        assert by_name.scientific == plan.scientific
        assert (
            planning.propose(store, scientific={"lr": None}, roles={"optim": "nuisance"}).roles["optim"] == "nuisance"
        )
        for entry in trials.trials(store, planning.save(store, plan).name):
            small_project.end(store, entry.id, 0.5)
        # It was asked: the next round is about what comes after.
        assert set(planning.propose(store).scientific) == {"lr"}


def test_what_means_something_with_one_optimizer_alone_is_searched_in_its_study_alone(
    tmp_path: Path, code: Path
) -> None:
    """Of the other's study it took a dimension, and chance gave it a part in the result (P3)."""
    script = code / "train.py"
    declared = 'parser.add_argument("--optim", choices=["sgd", "adam"], default="sgd")\nargs = '
    script.write_text(script.read_text(encoding="utf-8").replace("args = ", declared, 1), encoding="utf-8")
    arguments = f"{ARGUMENTS} --optim {{optim}}"
    values = ("lr=0.01..1", "l2=0..0.1", "steps=10", "batch_size=32", "optim=sgd,adam")
    made = own_pipelines.project(tmp_path / "p", code, *values, arguments=arguments)
    place = made.root / "tunebook.toml"
    text = place.read_text(encoding="utf-8")
    place.write_text(text.replace("[hyperparameters.l2]\n", '[hyperparameters.l2]\nonly_with = "optim=adam"\n'))
    with open_store(open_project(made.root)) as store:
        set_up(store)
        run_baseline(store)
        flow.answer(store, "baseline", "accept")
        searched = {s.name: [d.name for d in s.dimensions] for s in planning.propose(store).studies}
        assert searched == {"optim=sgd": ["lr"], "optim=adam": ["lr", "l2"]}
        about_rate = planning.propose(store, scientific={"lr": None})
        assert [d.name for study in about_rate.studies for d in study.dimensions] == ["lr"]
        together = planning.propose(store, "minimise", roles={"optim": "nuisance"})
        assert "l2" in together.roles
        with pytest.raises(Refusal, match="l2"):
            planning.propose(store, scientific={"l2": None})
        # The file keeps it when something else of it changes.
        change(store.project, chance=0.2)
        assert 'only_with = "optim=adam"' in place.read_text(encoding="utf-8")


TWO_RATES = """\
[hyperparameters.lr]
only_with = "optim=sgd"
"""
RATE_OF_ADAM = """
[hyperparameters."adam.lr"]
stands_for = "lr"
only_with = "optim=adam"
default = 0.001
kind = "float"
low = 1e-5
high = 1e-2
scale = "log"
searched = true
"""


def test_each_optimizer_can_have_a_range_of_its_own_for_one_learning_rate_of_the_script(
    tmp_path: Path, code: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All shared one, which was warned of, and nothing could be done about it (P3)."""
    script = code / "train.py"
    declared = 'parser.add_argument("--optim", choices=["sgd", "adam"], default="sgd")\nargs = '
    script.write_text(script.read_text(encoding="utf-8").replace("args = ", declared, 1), encoding="utf-8")
    arguments = f"{ARGUMENTS} --optim {{optim}}"
    values = ("lr=0.01..1", "l2=0", "steps=10", "batch_size=32", "optim=sgd,adam")
    made = own_pipelines.project(tmp_path / "p", code, *values, arguments=arguments)
    place = made.root / "tunebook.toml"
    text = place.read_text(encoding="utf-8").replace("[hyperparameters.lr]\n", TWO_RATES)
    place.write_text(text + RATE_OF_ADAM, encoding="utf-8")
    with open_store(open_project(made.root)) as store:
        set_up(store)
        run_baseline(store)
        flow.answer(store, "baseline", "accept")
        plan = planning.propose(store, trials=4)
        searched = {study.name: [d.name for d in study.dimensions] for study in plan.studies}
        assert searched == {"optim=sgd": ["lr"], "optim=adam": ["adam.lr"]}
        assert not any("one range for all" in words.text() for words in plan.warnings)
        batch = planning.save(store, plan)
        there = state_pipeline.own(store.project)
        for entry in trials.trials(store, batch.name):
            settings = trials.trial_settings(store, entry)
            filled = state_pipeline.fill(there, settings, tmp_path / "out", tmp_path / "in")
            rate = float(filled[filled.index("--lr") + 1])
            assert rate == settings["lr" if entry.study == "optim=sgd" else "adam.lr"]
            assert rate <= 0.01 if entry.study == "optim=adam" else rate >= 0.01
            small_project.end(store, entry.id, 0.5)
        # With the other one in use, its rate is what the next round is about, in its range.
        small_project.adopt(store, {**plan.base, "optim": "adam"})
        after = planning.propose(store)
        assert (list(after.scientific), after.scientific["adam.lr"].high) == (["adam.lr"], 0.01)
        again = planning.propose(store, "compare", optimizers=("sgd", "adam"))
        ranges = {d.name: (d.domain.low, d.domain.high) for study in again.studies for d in study.dimensions}
        assert ranges == {"lr": (0.01, 1.0), "adam.lr": (1e-5, 1e-2)}
    # A value of it is given by its name.
    assert tunebook("new", made.root, "--set", "adam.lr=0.002", "--set", "optim=adam", "--yes", "--json") == 0
    project = open_project(made.root)
    assert own.values(project)["adam.lr"] == 0.002
    assert own.rate(project) == "adam.lr"


def test_a_learning_rate_of_another_optimizer_that_is_listed_after_the_baseline_undoes_no_decision(
    tmp_path: Path, code: Path
) -> None:
    """The question about the first configuration was open again, and with it the baseline, though the command was
    filled as before."""
    script = code / "train.py"
    declared = 'parser.add_argument("--optim", choices=["sgd", "adam"], default="sgd")\nargs = '
    script.write_text(script.read_text(encoding="utf-8").replace("args = ", declared, 1), encoding="utf-8")
    arguments = f"{ARGUMENTS} --optim {{optim}}"
    values = ("lr=0.01..1", "l2=0", "steps=10", "batch_size=32", "optim=sgd,adam")
    made = own_pipelines.project(tmp_path / "p", code, *values, arguments=arguments)
    with open_store(made) as store:
        set_up(store)
        run_baseline(store)
        flow.answer(store, "baseline", "accept")
        before = state_pipeline.fill(
            state_pipeline.own(made), planning.basis(store).settings, tmp_path / "out", tmp_path / "in"
        )
    place = made.root / "tunebook.toml"
    text = place.read_text(encoding="utf-8").replace("[hyperparameters.lr]\n", TWO_RATES)
    place.write_text(text + RATE_OF_ADAM.replace("searched = true", "searched = false"), encoding="utf-8")
    with open_store(open_project(made.root)) as store:
        assert flow.open_steps(store) == ()
        there = state_pipeline.own(store.project)
        assert state_pipeline.fill(there, planning.basis(store).settings, tmp_path / "out", tmp_path / "in") == before
        # A trial of the other optimizer has the rate that is listed for it, though the best configuration has none.
        batch = planning.save(store, planning.propose(store, "compare", optimizers=("sgd", "adam"), trials=2))
        others = [entry for entry in trials.trials(store, batch.name) if entry.study == "optim=adam"]
        assert [trials.trial_settings(store, entry)["adam.lr"] for entry in others] == [0.001]
    # With the rate in use, it is another configuration.
    place.write_text(place.read_text(encoding="utf-8").replace('default = "sgd"', 'default = "adam"'), encoding="utf-8")
    with open_store(open_project(made.root)) as store:
        assert flow.open_steps(store)[0] == "initial"


@pytest.mark.parametrize(
    ("before", "after", "part"),
    [
        ('stands_for = "lr"', 'stands_for = "rate"', "names no other hyperparameter there"),
        ('stands_for = "lr"', 'stands_for = "adam.lr"', "names no other hyperparameter there"),
        ('only_with = "optim=sgd"\n', "", "Without it: lr"),
        ('only_with = "optim=adam"\n', "", "Without it: adam.lr"),
    ],
)
def test_what_stands_for_nothing_or_always_is_refused(
    tmp_path: Path, code: Path, before: str, after: str, part: str
) -> None:
    made = own_pipelines.project(tmp_path / "p", code)
    place = made.root / "tunebook.toml"
    text = place.read_text(encoding="utf-8").replace("[hyperparameters.lr]\n", TWO_RATES) + RATE_OF_ADAM
    place.write_text(text.replace(before, after), encoding="utf-8")
    with pytest.raises(Refusal, match=part):
        open_project(made.root)


def test_hyperparameters_that_were_recommended_are_not_said_to_be_typed(tmp_path: Path, code: Path) -> None:
    """Whoever answered with --yes read that they had typed them."""
    with open_store(own_pipelines.project(tmp_path / "p", code, arguments="--out {folder}")) as store:
        flow.answer(store, "metric", "held-out")
        recommended = flow.ask(store, "initial").recommended
        assert recommended is not None
        flow.answer(store, "initial", recommended)
        (made,) = (entry for entry in decisions.decisions(store, all=True) if entry.step == "initial")
        assert restored(made.reason).text().startswith("The learning rate matters most")
        flow.answer(store, "initial", "l2=0.1")
        made = decisions.decisions(store, all=True)[-1]
        assert restored(made.reason).text() == "typed by hand: l2=0.1"


def test_a_range_that_is_changed_later_asks_for_no_baseline(
    tmp_path: Path, code: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The one that was accepted stands, and what came next was said to be another."""
    made = own_pipelines.project(tmp_path / "p", code, "steps=10", "batch_size=32")
    with open_store(made) as store:
        set_up(store)
        run_baseline(store)
        flow.answer(store, "baseline", "accept")
    assert tunebook("new", made.root, "--set", "l2=0..0.1", "--yes", "--json") == 0
    assert json.loads(capsys.readouterr().out)["next"] == ["tunebook", "status"]
    assert tunebook("new", made.root, "--set", "lr=0.3", "--yes", "--json") == 0
    assert json.loads(capsys.readouterr().out)["next"] == ["tunebook", "baseline"]


def test_a_metric_with_a_value_is_refused_by_its_name(
    tmp_path: Path, code: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The whole was taken for a name, which no script ever wrote."""
    words = ("new", tmp_path / "p", "--directory", code, "--command", command(), "--direction", "max", "--yes")
    assert tunebook(*words, "--metric", "accuracy=0.9") == 2
    said = capsys.readouterr().err
    assert "as it stands in what your script writes: accuracy." in said
    assert "--chance 0.9" in said
    assert not (tmp_path / "p").exists()


def test_more_steps_than_any_run_makes_are_refused(
    tmp_path: Path, code: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A round of them was planned, until the year 9999."""
    made = own_pipelines.project(tmp_path / "p", code, "steps=10", "batch_size=32")
    assert tunebook("new", made.root, "--set", f"steps={10**20}", "--yes") == 2
    assert "is more than any run makes" in capsys.readouterr().err
    with open_store(made) as store:
        set_up(store)
        run_baseline(store)
        flow.answer(store, "baseline", "accept")
        for steps in (10**11, 10**30):
            with pytest.raises(Refusal, match="a single one would take more than 365 days"):
                planning.propose(store, steps=steps)
        assert planning.propose(store, steps=1000).base["training.steps"] == 1000


@pytest.mark.parametrize("words", ["optim", "=adam", "optim=", "optimiser=adam", "l2=1"])
def test_a_condition_that_names_nothing_is_refused(tmp_path: Path, code: Path, words: str) -> None:
    made = own_pipelines.project(tmp_path / "p", code)
    place = made.root / "tunebook.toml"
    text = place.read_text(encoding="utf-8")
    place.write_text(text.replace("[hyperparameters.l2]\n", f'[hyperparameters.l2]\nonly_with = "{words}"\n'))
    with pytest.raises(Refusal, match="only_with"):
        tunables.conditions(open_project(made.root))


def test_optimizers_of_a_command_that_names_none_cannot_be_compared(store: Store) -> None:
    set_up(store)
    run_baseline(store)
    flow.answer(store, "baseline", "accept")
    with pytest.raises(Refusal) as refused:
        planning.propose(store, "compare", optimizers=("sgd", "adam"))
    assert "as --about KEY=VALUE,VALUE. It has: lr," in error_text(refused.value)


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("optimizer", True),
        ("optim.name", True),
        ("train.optimizer.type", True),
        ("model.name", False),
        ("opt.lr", False),
    ],
)
def test_what_says_which_optimizer_trains_is_known_by_its_name(name: str, is_one: bool) -> None:
    assert usual_names.names_optimizer(name) == is_one


def test_a_direction_that_is_changed_later_has_metric_and_first_result_asked_again(
    store: Store, code: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The level to beat was one of the other direction, and so was what the run was judged by."""
    run_baseline(store)
    flow.answer(store, "baseline", "accept")
    root = store.project.root
    assert flow.standing(store).step is None
    assert tunebook("new", root, "--direction", "min", "--batch-size", "32", "--yes") == 0
    said = capsys.readouterr().out
    assert "By its name, more of accuracy is better" in said
    assert "No level to beat is known" in said
    with open_store(open_project(root)) as changed:
        assert flow.standing(changed).step == "baseline"
        told = flow.ask(changed, "baseline").evidence[0].text()
        assert told.startswith("baseline-1 was judged by accuracy with more of it as better; now less is")


@pytest.mark.parametrize(
    ("metric", "direction", "told"),
    [
        ("accuracy", "min", "more of accuracy is better, and this project looks for less of it"),
        ("val/loss", "max", "less of val/loss is better, and this project looks for more of it"),
        ("accuracy", "max", ""),
        ("reward", "min", ""),
    ],
)
def test_a_direction_against_the_name_of_the_metric_is_warned_of(
    tmp_path: Path, code: Path, metric: str, direction: str, told: str
) -> None:
    """The worst run was the best, and nothing said so."""
    made = own_pipelines.project(tmp_path / "p", code, metric=metric, direction=direction)
    with open_store(made) as store:
        warned = " ".join(message.text() for message in flow.ask(store, "metric").warnings)
    assert ("the worst run will be its best" in warned) == bool(told)
    assert told in warned


@pytest.mark.parametrize(("best", "end"), [(0.985, 1.0), (98.5, 100.0)])
def test_an_interval_ends_where_the_metric_does_by_its_name(store: Store, best: float, end: float) -> None:
    """An accuracy was said to lie below 1.002; and one that is told in percent ends at 100."""
    run_baseline(store)
    flow.answer(store, "baseline", "accept")
    name = planning.save(store, planning.propose(store, trials=1), wanted="run").name
    drive(store, name)
    launch = launching.start(store, launching.propose(store, name), wanted="")
    for entry in trials.trials(store, launch.name):
        found = {"step": 1, "val/accuracy": best * (1 - 0.02 * entry.position)}
        trial_progress.mark_ended(store, entry.id, {"status": "complete", "best": found, "final": found})
    verdict = judging.judge(store, launch.name)
    assert verdict.candidate is not None
    assert (verdict.candidate[2], verdict.cut) == (end, True)

"""The export: the folder stands alone, says why, and trains to the very result of the trial it came from."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from presets.language import restored, say, stored
from rounds import judging, launching, looking, planning
from state import configurations, decisions, launches, trial_progress, trials
from state import export as folder
from state.database import Store
from state.errors import Refusal
from state.export import Origin
from state.project import Settings, create, open_project
from state.store import open_store
from state.trials import NewTrial
from tests import prepared, small_project
from tests.screens import wait_for_text
from training import config
from tui import exporting
from tui.app import Tunebook
from tui.digits import write_digits
from tui.pages.trial import TrialPage
from tui.widgets.controls import Field

HOME = Path(__file__).parent.parent
REASON = 'Chosen for "[/red]" data,\nby hand.'


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixteen images of each of three digits; one class has a name that is no ordinary word."""
    whole = tmp_path_factory.mktemp("data") / "all"
    write_digits(whole)
    few = whole.with_name("数据 [bold]'x'")
    for name, label in (("0", "0"), ("1", "零 [/red]"), ("2", "2")):
        (few / label).mkdir(parents=True)
        for path in sorted((whole / name).iterdir())[:16]:
            shutil.copy(path, few / label / path.name)
    return few


@pytest.fixture(scope="module")
def project_folder(tmp_path_factory: pytest.TempPathFactory, digits: Path) -> Path:
    """A project whose baseline was really trained, by a process of its own, and adopted."""
    root = tmp_path_factory.mktemp("project")
    project = create(root, Settings(name="digits [/x]", task="image-classification", data=str(digits)))
    settings = {
        "model.library": "timm",
        "model.name": "test_resnet",
        "data.task": "image-classification",
        "data.path": str(digits),
        "data.image_size": 16,
        "data.channels": 1,
        "optimizer.name": "adamw",
        "optimizer.learning_rate": 1e-3,
        "training.steps": 6,
        "training.batch_size": 16,
        "training.evaluate_every": 3,
        "runtime.threads": 1,
    }
    whole = config.flat(config.check(config.unflat(settings)))
    with open_store(project) as store:
        reasons = {"optimizer.learning_rate": stored(say("{said}", said=REASON))}
        name = configurations.save(store, whole, reasons)
        new = NewTrial("", 0, {}, {}, {"training.seed": 3})
        batch = trials.add_batch(store, "baseline", goal="", configuration=name, plan={}, trials=[new, new])
        train(store, "baseline-1-001")
        launches.launch(
            store,
            batch=batch.name,
            candidate=name,
            previous=None,
            decision="adopt",
            reason=stored(say("Better than chance.")),
            evidence={},
        )
    return root


@pytest.fixture
def store(project_folder: Path) -> Store:
    """The store of the trained project."""
    return open_store(open_project(project_folder))


def train(store: Store, id: str) -> None:
    """Train a trial as the supervisor does: its whole configuration in its folder, a process that writes beside it."""
    place = store.project.trial_folder(id)
    place.mkdir(parents=True)
    settings = trials.trial_settings(store, trials.trial(store, id))
    (place / "config.toml").write_text(folder.document.compose(settings).as_string(), encoding="utf-8")
    command = [sys.executable, "-m", "training.train", "--config", str(place / "config.toml"), "--output", str(place)]
    subprocess.run(command, check=True, cwd=HOME, capture_output=True, timeout=300)
    trial_progress.mark_ended(store, id, json.loads((place / "result.json").read_text()))


def test_the_exported_script_reaches_the_same_result_to_the_last_digit(store: Store, tmp_path: Path) -> None:
    """`python train.py` in the folder, without Tunebook, gives the validation results of the trial exactly."""
    done = exporting.export(store, tmp_path / "export")
    bare = {key: value for key, value in os.environ.items() if key in ("PATH", "HOME")}
    answer = subprocess.run(
        [sys.executable, "train.py"],
        cwd=done.folder,
        env=bare,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert answer.returncode == 0, answer.stderr
    again = json.loads((done.folder / "run" / "result.json").read_text())
    first = json.loads((store.project.trial_folder("baseline-1-001") / "result.json").read_text())
    assert again["best"] == first["best"] == done.expected
    assert again["final"] == first["final"]
    assert repr(first["best"]["val/error_rate"]) in answer.stdout
    # It was the copy that trained, not the installed code.
    assert (done.folder / "training" / "__pycache__").is_dir()


def test_the_folder_holds_code_configuration_environment_and_words(store: Store, tmp_path: Path) -> None:
    """Everything that the issue names is there, and the configuration is valid and says why."""
    done = exporting.export(store, tmp_path / "export")
    names = {path.name for path in done.folder.iterdir()}
    scripts = {"train.py", "predict.py"}
    assert names == {"config.toml", "training", "environment.json", "requirements.txt", "README.md"} | scripts
    assert {path.suffix for path in (done.folder / "training").iterdir()} == {".py"}
    assert len((done.folder / "train.py").read_text().splitlines()) == 2
    text = (done.folder / "config.toml").read_text(encoding="utf-8")
    assert config.load(done.folder / "config.toml").training.seed == 3
    lines = text.splitlines()
    assert lines[lines.index("learning_rate = 0.001") - 1] == '# Chosen for "[/red]" data,\\nby hand.'
    assert lines[lines.index("seed = 3") - 1] == "# The seed of baseline-1-001."
    for place, line in enumerate(lines):
        if " = " in line and not line.startswith("#"):
            assert lines[place - 1].startswith("#"), line
    readme = (done.folder / "README.md").read_text(encoding="utf-8")
    assert "python train.py" in readme
    assert repr(done.expected["val/error_rate"]) in readme
    environment = json.loads((done.folder / "environment.json").read_text())
    assert environment["versions"]["torch"]
    assert environment["device"]
    assert environment["code"] == environment["code_exported"]
    pins = (done.folder / "requirements.txt").read_text().splitlines()
    assert any(line.startswith("timm==") for line in pins)
    assert not any("+" in line or "transformers" in line for line in pins)
    assert not done.warning


@pytest.mark.usefixtures("quick_looks")
async def test_a_trial_is_exported_from_its_page(store: Store, tmp_path: Path) -> None:
    """By command alone could it be said (`--trial`): the screens exported the best configuration, and no other."""
    app = Tunebook(store.project.root)
    async with app.run_test(size=(100, 30)) as pilot:
        await wait_for_text(pilot, "Plan a round")
        page = TrialPage("baseline-1-001")
        await app.push_screen(page)
        await wait_for_text(pilot, "e export")
        # No round has found it.
        assert not page.check_action("launch", ())
        await pilot.press("e")
        await wait_for_text(pilot, "Writes the configuration of baseline-1-001 with its reasons")
        field = app.screen.query_one(Field)
        assert field.value == str(store.project.root / "export-baseline-1-001")
        field.value = str(tmp_path / "export")
        await pilot.press("enter")
        await wait_for_text(pilot, "It came from baseline-1-001.")
    assert (tmp_path / "export" / "train.py").is_file()


def test_a_target_that_is_not_empty_is_refused_and_left_alone(store: Store, tmp_path: Path) -> None:
    """Nothing of the person's is overwritten; an empty folder is fine."""
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(Refusal, match="not an empty folder"):
        exporting.export(store, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    (tmp_path / "empty").mkdir()
    assert exporting.export(store, tmp_path / "empty").folder == tmp_path / "empty"
    assert {path.name for path in tmp_path.iterdir()} == {"mine.txt", "empty"}


def test_a_trial_that_is_not_complete_is_refused(store: Store, tmp_path: Path) -> None:
    """There is no result to reproduce; the message names the trial and what became of it."""
    with pytest.raises(Refusal, match="baseline-1-002 is queued"):
        exporting.export(store, tmp_path / "export", "baseline-1-002")
    with pytest.raises(Refusal, match="no trial nonsense"):
        exporting.export(store, tmp_path / "export", "nonsense")
    assert not (tmp_path / "export").exists()


def test_code_that_has_changed_since_the_trial_is_said(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The warning is in the answer and in the README, so that nobody expects the same digits."""
    other = tmp_path / "training"
    shutil.copytree(HOME / "training", other, ignore=shutil.ignore_patterns("__pycache__"))
    (other / "loop.py").write_text((other / "loop.py").read_text() + "\n# changed\n")
    monkeypatch.setattr(exporting, "training_code", lambda: other)
    done = exporting.export(store, tmp_path / "export")
    assert "has changed since baseline-1-001" in done.warning
    assert done.warning in (done.folder / "README.md").read_text(encoding="utf-8")


def test_data_that_have_changed_since_the_trial_are_said(project_folder: Path, tmp_path: Path) -> None:
    """By the export where a later trial ran on others, and by the exported script, which knows those of its result."""
    root = tmp_path / "copy"
    shutil.copytree(project_folder, root)
    with open_store(open_project(root)) as store:
        first = json.loads((store.project.trial_folder("baseline-1-001") / "result.json").read_text())
        done = exporting.export(store, tmp_path / "export")
        assert json.loads((done.folder / "environment.json").read_text())["data"] == first["data"]
        assert "on the data as they were" in (done.folder / "README.md").read_text(encoding="utf-8")
        assert not done.warning
        best = launches.best(store)
        assert best is not None
        new = [NewTrial("", 11, {}, {}, {"training.seed": 11})]
        trials.add_batch(store, "launch", goal="", configuration=best.hash, plan={}, trials=new)
        later = {"status": "complete", "best": {"step": 3, "val/error_rate": 0.3}, "data": "others"}
        trial_progress.mark_ended(store, "launch-1-001", later)
        again = exporting.export(store, tmp_path / "again", "baseline-1-001")
        assert "The data have changed since baseline-1-001" in again.warning
        assert again.warning in (again.folder / "README.md").read_text(encoding="utf-8")
    told = "other data than those of the exported result"
    assert told not in _trained(done.folder)
    settings = config.load(done.folder / "config.toml")
    data = tmp_path / "fewer"
    shutil.copytree(settings.data.path, data)
    next(next(path for path in sorted(data.iterdir()) if path.is_dir()).iterdir()).unlink()
    text = (done.folder / "config.toml").read_text(encoding="utf-8")
    (done.folder / "config.toml").write_text(text.replace(settings.data.path, str(data)), encoding="utf-8")
    shutil.rmtree(done.folder / "run")
    assert told in _trained(done.folder)


def _trained(export: Path) -> str:
    """What the exported script says."""
    command = [sys.executable, "train.py"]
    return subprocess.run(command, cwd=export, capture_output=True, text=True, check=True, timeout=300).stdout


def test_the_best_configuration_is_stood_for_by_the_best_run_of_its_launch(
    project_folder: Path, tmp_path: Path
) -> None:
    """Re-runs of the launch come before older runs of the same configuration, and of the re-runs the best."""
    root = tmp_path / "copy"
    shutil.copytree(project_folder, root)
    with open_store(open_project(root)) as store:
        best = launches.best(store)
        assert best is not None
        new = [NewTrial("", seed, {}, {}, {"training.seed": seed}) for seed in (11, 12, 13)]
        batch = trials.add_batch(store, "launch", goal="", configuration=best.hash, plan={}, trials=new)
        for id, error_rate in (("launch-1-001", 0.3), ("launch-1-002", 0.2), ("launch-1-003", 0.25)):
            trial_progress.mark_ended(
                store, id, {"status": "complete", "best": {"step": 3, "val/error_rate": error_rate}}
            )
        assert folder.best_trial(store).id == "baseline-1-001"
        launches.launch(
            store,
            batch=batch.name,
            candidate=best.hash,
            previous=best.hash,
            decision="adopt",
            reason=stored(say("Again.")),
            evidence={},
        )
        assert folder.best_trial(store).id == "launch-1-002"


def test_that_a_launch_is_not_decided_yet_is_said(project_folder: Path, tmp_path: Path) -> None:
    """The best configuration was exported without a word, while its successor waited for a decision."""
    root = tmp_path / "copy"
    shutil.copytree(project_folder, root)
    with open_store(open_project(root)) as store:
        best = launches.best(store)
        assert best is not None
        new = [NewTrial("candidate", 11, {}, {}, {"training.seed": 11})]
        _ = trials.add_batch(store, "launch", goal="", configuration=best.hash, plan={"best": best.hash}, trials=new)
        small_project.end(store, "launch-1-001", 0.2)
        told = "Not decided yet: launch-1."
        done = exporting.export(store, tmp_path / "export")
        assert told in done.warning
        assert told in (done.folder / "README.md").read_text(encoding="utf-8")
        assert told not in exporting.export(store, tmp_path / "other", "baseline-1-001").warning


def test_what_is_looked_at_is_what_is_exported(tmp_path: Path) -> None:
    """A launch that was rejected ran the best configuration again; the one that is exported is that of its own."""
    with open_store(small_project.project(tmp_path / "p", tmp_path / "data")) as store:
        small_project.adopt(store, small_project.settings(tmp_path / "data"))
        for number, best in (("1", 0.3), ("2", 0.33)):
            name = planning.save(store, planning.propose(store, trials=4)).name
            for entry in trials.trials(store, name):
                small_project.end(store, entry.id, 0.3 + 0.1 * entry.u["sgd.learning_rate"])
            launch = launching.start(store, launching.propose(store, name), runs=5)
            for entry in trials.trials(store, launch.name):
                of_best = (entry.study == "candidate") == (number == "1")
                small_project.end(store, entry.id, (best if of_best else 0.5) + 0.01 * entry.position)
            judging.decide(store, launch.name, "adopt" if number == "1" else "reject", "for the test")
        exported = folder.best_trial(store)
        assert exported.batch == "launch-1"
        assert looking.subject(store) == exported.id


def test_without_an_adopted_configuration_a_trial_must_be_named(tmp_path: Path) -> None:
    """The refusal says what to do."""
    with open_store(create(tmp_path, Settings())) as store, pytest.raises(Refusal, match="run the baseline first"):
        folder.best_trial(store)


def test_data_path_stays_absolute(store: Store, tmp_path: Path, digits: Path) -> None:
    """The exported configuration finds the data from wherever the folder is put."""
    done = exporting.export(store, tmp_path / "a" / "b" / "export")
    written = tomllib.loads((done.folder / "config.toml").read_text(encoding="utf-8"))
    assert written["data"]["path"] == str(digits)


def test_each_value_of_a_launched_configuration_has_its_own_reason(tmp_path: Path) -> None:
    """All simple values carried the reason of a learning rate that had been replaced, the weight decay that of the
    optimizer, and the learning rate that of a run of the launch."""
    with open_store(prepared.prepare(tmp_path / "p", "second")) as store:
        best = launches.best(store)
        assert best is not None
        (trial, *_) = (entry for entry in trials.trials(store, "launch-1") if entry.study == "candidate")
        source = Origin(trial, trials.trial_settings(store, trial), {}, tmp_path, False)
        found = exporting.reasons(store, source)
        of_step = {entry.step: said(entry.reason) for entry in decisions.decisions(store)}
        assert found["optimizer.learning_rate"] == said(best.reasons["optimizer.learning_rate"])
        assert found["optimizer.learning_rate"].startswith("found in round-1")
        assert "off at first" in found["regularization.dropout"]
        assert "off at first" in found["augmentation.flip"]
        assert "as usual for " in found["optimizer.weight_decay"]
        assert found["optimizer.name"].replace("\n", " ") == of_step["optimizer"]
        for key in ("schedule.name", "optimizer.weight_decay", "data.image_size", "training.evaluate_every"):
            assert found[key].replace("\n", " ") not in of_step.values()


def test_the_mean_of_the_fresh_runs_is_said_beside_the_run_that_is_exported(tmp_path: Path) -> None:
    """The best of three seeds was what one should expect."""
    with open_store(prepared.prepare(tmp_path / "p", "second")) as store:
        runs = [entry.best for entry in trials.trials(store, "launch-1") if entry.study == "candidate"]
        trial = folder.best_trial(store)
        place = store.project.trial_folder(trial.id)
        text = folder.document.compose(trials.trial_settings(store, trial)).as_string()
        (place / "config.toml").write_text(text, encoding="utf-8")
        (place / "result.json").write_text(json.dumps(trial.result), encoding="utf-8")
        done = exporting.export(store, tmp_path / "export")
        assert done.repeated is not None
        assert (done.repeated.value, done.repeated.runs) == (pytest.approx(sum(run or 0 for run in runs) / 3), 3)
        assert "On average over 3 runs with other seeds val/error_rate was" in done.average
        assert done.average in (done.folder / "README.md").read_text(encoding="utf-8")


def said(reason: dict[str, Any]) -> str:
    return restored(reason).text()

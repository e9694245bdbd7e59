"""A script of the user's own that saves as it goes: a trial that was killed or stopped goes on from what it saved."""

from __future__ import annotations

import csv
import json
import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rounds import trial_folder, wishes
from rounds.attending import Supervisor
from rounds.slots import Machine
from rounds.warm import ForkServer
from state import metrics, outcome, pipeline, project, runs, trials
from state.database import Store
from state.errors import Refusal
from state.store import open_store
from tests import own_pipelines, small_project
from tests.small_project import wait_for
from tests.test_own_project import drive, tunebook
from wizard import flow

# The same script, which saves every 20 steps, says in each row whether it went on from that, and dies at step 70 once
# where it is told to.
SAVING = (
    own_pipelines.SCRIPT.replace(
        'parser.add_argument("--out", required=True)',
        'parser.add_argument("--out", required=True)\n'
        'parser.add_argument("--resume")\n'
        'parser.add_argument("--dies", type=int, default=0)',
    )
    .replace(
        "for step in range(1, args.steps + 1):",
        "first = 1\n"
        "if args.resume:\n"
        "    saved = np.load(args.resume)\n"
        '    w, first = saved["w"], int(saved["step"]) + 1\n'
        '    random.bit_generator.state = json.loads(str(saved["random"]))\n'
        "for step in range(first, args.steps + 1):\n"
        "    if args.dies == step and not args.resume:\n"
        "        os.kill(os.getpid(), 9)",
    )
    .replace(
        'print("finished")',
        "    if step % 20 == 0:\n"
        "        state = json.dumps(random.bit_generator.state)\n"
        '        np.savez(args.out + "/new.npz", w=w, step=step, random=state)\n'
        '        os.replace(args.out + "/new.npz", args.out + "/last.npz")\n'
        'print("finished")',
    )
    .replace('"note": "text"', '"again": float(bool(args.resume))')
)
ARGUMENTS = f"{own_pipelines.ARGUMENTS} --dies {{dies}}"
VALUES = ("lr=0.5", "batch_size=32", "steps=100", "l2=0", "style=jsonl", "dies=0")
RESUME = "--resume {folder}/last.npz"


@pytest.fixture
def code(tmp_path: Path) -> Path:
    folder = tmp_path / "code"
    own_pipelines.write_script(folder, SAVING)
    return folder


@pytest.fixture
def store(tmp_path: Path, code: Path) -> Iterator[Store]:
    made = own_pipelines.project(tmp_path / "p", code, *VALUES, arguments=ARGUMENTS, resume=RESUME)
    with open_store(made) as opened:
        yield opened


def run(store: Store, *dies: int) -> list[str]:
    """A round whose trials die once at these steps (0: never); their ids."""
    fixed = {"training.batch_size": 32, "training.steps": 100, "training.seed": 1, "lr": 0.5, "l2": 0.0}
    batch = small_project.batch(store, {**fixed, "style": "jsonl"}, [{"dies": step} for step in dies])
    return [entry.id for entry in trials.trials(store, batch.name)]


def test_what_was_killed_goes_on_and_ends_as_if_nothing_had_happened(store: Store) -> None:
    undisturbed, killed = run(store, 0, 70)
    drive(store, "round-1")
    whole, entry = trials.trial(store, undisturbed), trials.trial(store, killed)
    assert (entry.status, entry.restarts, entry.steps_done) == ("complete", 1, 100)
    assert (entry.best, entry.best_step, entry.final) == (whole.best, whole.best_step, whole.final)
    for name in ("val/accuracy", "train/loss"):
        assert metrics.curve(store, killed, name) == metrics.curve(store, undisturbed, name)
    # What it had written beyond what it saved is replaced by what it wrote when it went on.
    assert metrics.curve(store, killed, "again") == [(step, float(step > 60)) for step in range(4, 101, 4)]
    result = entry.result or {}
    assert result["resumed"] == 1
    # As an export is to have it, from the beginning.
    assert "--resume" not in result["command"]


def test_what_goes_on_is_judged_as_it_was_before_the_metric_changed(store: Store) -> None:
    (id,) = run(store, 70)
    folder = store.project.trial_folder(id)
    driven = Supervisor(store, Machine(1), ForkServer(store.project.folder))
    wait_for(lambda: driven.tick() and (folder / "output" / "last.npz").exists(), "it saved nothing")
    wait_for(lambda: not runs.alive(folder), "it never died")
    store.project = project.change(store.project, metric="train_loss", direction="min")
    wait_for(lambda: not driven.tick(), "it never ended")
    entry = trials.trial(store, id)
    assert (entry.status, entry.metric, entry.direction) == ("complete", "accuracy", "max")
    assert entry.best is not None


def test_before_it_has_saved_anything_it_begins_anew(store: Store) -> None:
    (id,) = run(store, 10)
    folder = store.project.trial_folder(id)
    driven = Supervisor(store, Machine(1), ForkServer(store.project.folder))
    wait_for(lambda: driven.tick() and trials.trial(store, id).restarts == 1, "it was not started again")
    # It dies once more, and what dies twice is not tried a third time.
    wait_for(lambda: not driven.tick(), "it never ended")
    assert trials.trial(store, id).status == "failed"
    assert (folder / "output.1").exists()


def test_with_another_script_it_begins_anew(store: Store, code: Path) -> None:
    (id,) = run(store, 70)
    folder = store.project.trial_folder(id)
    driven = Supervisor(store, Machine(1), ForkServer(store.project.folder))
    wait_for(lambda: driven.tick() and (folder / "output" / "last.npz").exists(), "it saved nothing")
    wait_for(lambda: not runs.alive(folder), "it never died")
    assert not trial_folder.begins_anew(store, trials.trial(store, id))
    script = code / "train.py"
    script.write_text(SAVING.replace("args.dies == step", "False"), encoding="utf-8")
    assert trial_folder.begins_anew(store, trials.trial(store, id))
    wait_for(lambda: not driven.tick(), "it never ended")
    entry = trials.trial(store, id)
    assert (entry.status, (entry.result or {})["resumed"]) == ("complete", 0)
    assert {value for _step, value in metrics.curve(store, id, "again")} == {0.0}


def test_what_was_stopped_goes_on_and_what_is_tried_again_does_not(store: Store, code: Path) -> None:
    slow = SAVING.replace("    batch = random", "    import time; time.sleep(0.01)\n    batch = random", 1)
    (code / "train.py").write_text(slow, encoding="utf-8")
    (id,) = run(store, 0)
    folder = store.project.trial_folder(id)
    driven = Supervisor(store, Machine(1), ForkServer(store.project.folder))
    wait_for(lambda: driven.tick() and (folder / "output" / "last.npz").exists(), "it saved nothing")
    trials.ask(store, "round-1", "stop")
    wait_for(lambda: not driven.tick(), "it never stopped")
    stopped = trials.trial(store, id)
    assert 0 < stopped.steps_done < 100
    trials.ask(store, "round-1", "run")
    wait_for(lambda: not driven.tick(), "it never ended")
    entry = trials.trial(store, id)
    assert (entry.status, entry.steps_done, (entry.result or {})["resumed"]) == ("complete", 100, 1)


def test_what_ended_and_is_tried_again_goes_on_from_nothing(store: Store, code: Path) -> None:
    script = code / "train.py"
    script.write_text(SAVING.replace("os.kill(os.getpid(), 9)", "raise SystemExit(3)"), encoding="utf-8")
    (id,) = run(store, 70)
    drive(store, "round-1")
    assert trials.trial(store, id).status == "failed"
    script.write_text(SAVING.replace("args.dies == step", "False"), encoding="utf-8")
    wishes.retry(store, [id])
    drive(store, "round-1")
    entry = trials.trial(store, id)
    assert (entry.status, (entry.result or {})["resumed"]) == ("complete", 0)
    assert store.project.trial_folder(f"{id}.1").exists()


def append(path: Path, *rows: dict[str, Any]) -> None:
    with open(path, "a", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


def lightning(folder: Path, version: int, *steps: int) -> None:
    """As Lightning's logger does: a folder of its own for each run."""
    path = folder / f"logs/version_{version}/metrics.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerows([["step", "acc"], *([step, version] for step in steps)])
    os.utime(path, (version + 1, version + 1))


def transformers(folder: Path, version: int, *steps: int) -> None:
    """As Transformers does: what was before stands in the same file."""
    rows = [{"step": step, "acc": 0 if step <= 20 else version} for step in steps]
    (folder / "trainer_state.json").write_text(json.dumps({"log_history": rows}), encoding="utf-8")


def lines(folder: Path, version: int, *steps: int) -> None:
    append(folder / "metrics.jsonl", *({"step": step, "acc": version} for step in steps))


def uncounted(folder: Path, version: int, *steps: int) -> None:
    append(folder / "metrics.jsonl", *({"acc": version} for _step in steps))


@pytest.mark.parametrize(
    ("written", "again", "expected"),
    [
        (lines, (30, 40), [(10, 0), (20, 0), (30, 1), (40, 1)]),
        (lightning, (30, 40), [(10, 0), (20, 0), (30, 1), (40, 1)]),
        (transformers, (10, 20, 30, 40), [(10, 0), (20, 0), (30, 1), (40, 1)]),
        # A script that begins from the start in spite of all.
        (lines, (10, 20), [(10, 1), (20, 1)]),
        # Lines that say no step are counted; where a script goes on nobody knows then.
        (uncounted, (30,), [(1, 0), (2, 0), (3, 0), (4, 1)]),
    ],
)
def test_what_the_usual_tools_write_when_they_go_on_is_put_together(
    tmp_path: Path, written: Callable[..., None], again: tuple[int, ...], expected: list[tuple[int, float]]
) -> None:
    output, path = tmp_path / "output", tmp_path / "metrics.jsonl"
    output.mkdir()
    before = outcome.Metrics(output, path, "acc")
    written(output, 0, 10, 20, 30)
    before.follow(ended=True)
    after = outcome.Metrics(output, path, "acc", going_on=True)
    after.follow()
    assert [(step, row["val/acc"]) for step, row in after.values] == [
        (step, row["val/acc"]) for step, row in before.values
    ]
    written(output, 1, *again)
    after.follow(ended=True)
    assert [(step, row["val/acc"]) for step, row in after.values] == expected
    assert after.steps == expected[-1][0]
    told = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert [(row["step"], row["val/acc"]) for row in told] == expected


def test_values_that_are_no_numbers_are_known_when_it_goes_on(tmp_path: Path) -> None:
    output, path = tmp_path / "output", tmp_path / "metrics.jsonl"
    output.mkdir()
    before = outcome.Metrics(output, path, "acc")
    append(output / "metrics.jsonl", {"step": 1, "acc": 0.5}, {"step": 2, "acc": math.nan})
    before.follow(ended=True)
    after = outcome.Metrics(output, path, "acc", going_on=True)
    assert math.isnan(after.values[-1][1]["val/acc"])


def test_of_a_path_with_wildcards_the_newest_match_is_gone_on_with(tmp_path: Path, code: Path) -> None:
    made = own_pipelines.project(tmp_path / "p", code, resume="ckpt={folder}/logs/*/last.ckpt -v")
    own, output = pipeline.own(made), tmp_path / "output"
    assert pipeline.to_go_on(own, output) is None
    for version in (1, 0):
        saved = output / f"logs/version_{version}/last.ckpt"
        saved.parent.mkdir(parents=True)
        assert pipeline.to_go_on(own, output) is None or version == 0
        saved.touch()
        os.utime(saved, (version + 1, version + 1))
    assert pipeline.to_go_on(own, output) == [f"ckpt={output}/logs/version_1/last.ckpt", "-v"]


def test_a_script_that_looks_itself_is_given_nothing_more(tmp_path: Path, code: Path) -> None:
    made = own_pipelines.project(tmp_path / "p", code, resume="itself")
    own, output = pipeline.own(made), tmp_path / "output"
    output.mkdir()
    assert pipeline.to_go_on(own, output) is None
    (output / "anything").touch()
    assert pipeline.to_go_on(own, output) == []
    assert pipeline.to_go_on(pipeline.own(own_pipelines.project(tmp_path / "q", code)), output) is None


def test_a_script_that_seems_to_be_able_to_go_on_is_asked_about(store: Store, code: Path, tmp_path: Path) -> None:
    def told(store: Store) -> str:
        flow.answer(store, "metric", "held-out")
        return " ".join(message.text() for message in flow.ask(store, "initial").evidence)

    assert f"it goes on from what the script has saved: {RESUME}" in told(store)
    root = tmp_path / "my q"
    with open_store(own_pipelines.project(root, code, *VALUES, arguments=ARGUMENTS)) as other:
        assert "The script takes --resume. A trial that is killed or stopped begins anew" in (words := told(other))
        assert f"tunebook new '{root}' --resume '--resume {{folder}}/FILE'" in words


def test_by_command_it_is_said_when_a_project_is_made_and_later(
    tmp_path: Path, code: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(code)
    root = tmp_path / "p"
    words = ("new", root, "--command", own_pipelines.command(), "--metric", "accuracy", "--batch-size", "32", "--yes")
    given = [word for value in own_pipelines.VALUES for word in ("--set", value)]
    assert tunebook(*words, *given, "--resume", "--resume {lr}") == 2
    assert "lr cannot be filled in there; only {folder} is replaced" in " ".join(capsys.readouterr().err.split())
    assert not root.exists()
    assert tunebook(*words, *given, "--resume", RESUME) == 0
    assert project.open_project(root).settings.resume == RESUME
    assert f'resume = "{RESUME}"' in (root / project.FILE).read_text(encoding="utf-8")
    assert tunebook("new", root, "--resume", "--resume '{folder}") == 2
    assert project.open_project(root).settings.resume == RESUME
    assert tunebook("new", root, "--resume", "itself", "--yes") == 0
    assert project.open_project(root).settings.resume == "itself"
    assert tunebook("new", tmp_path / "q", "--data", code, "--resume", "itself") == 2
    with pytest.raises(Refusal, match="cannot be read"):
        pipeline.own(own_pipelines.project(tmp_path / "r", code, resume="'"))

"""Batch sizes of a pipeline of the user's own, measured with its command."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import pytest

from presets.language import error_text, restored
from rounds import tunables
from state import configurations, decisions, measurements, pipeline, probe_command, trial_progress, trials
from state.database import Store
from state.errors import Refusal
from state.project import change, open_project
from state.store import open_store
from tests import own_pipelines, small_project
from tests.own_pipelines import command
from tests.set_up import advance
from tests.small_project import wait_for
from tui import main
from tui.report import document
from tui.report.parts import Grid, Words
from tui.session import Session
from tui.widgets.probe_seen import size_table
from wizard import baseline, configuration, flow, own, own_examples, own_probe, own_sizes, probe


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """The user's own folder, with a name as odd as a folder can have."""
    folder = tmp_path / "co de [red] 名 'q'"
    own_pipelines.write_script(folder)
    return folder


def tunebook(*words: str | Path) -> int:
    arguments = [str(word) for word in words]
    return main.run(arguments, Session(json="--json" in arguments))


def wait_for_probe(store: Store) -> None:
    """Wait for the probe under way, and record it as the screens do."""
    id = probe.under_way(store)
    assert id is not None
    wait_for(lambda: not probe.running(store.project, id), "the probe ends")
    probe.finish(store, id)


def test_batch_sizes_are_measured_with_the_command_itself(tmp_path: Path, code: Path) -> None:
    """The script says how fast it is; at 64 it runs out of memory."""
    (code / "train.py").write_text(
        "import json, sys\n"
        "size, out = int(sys.argv[1]), sys.argv[2]\n"
        "if size >= 64:\n    raise MemoryError('CUDA out of memory')\n"
        "with open(out + '/metrics.jsonl', 'w') as file:\n"
        "    for step in range(1, 6):\n"
        "        row = {'step': step, 'accuracy': 0.5, 'samples_per_second': 100.0 * size + step}\n"
        "        file.write(json.dumps(row) + '\\n')\n",
        encoding="utf-8",
    )
    with open_store(own_pipelines.project(tmp_path / "p", code, "bs=32", arguments="{bs} {folder}")) as store:
        flow.answer(store, "metric", "held-out")
        flow.answer(store, "initial", "use")
        assert flow.ask(store, "batch_size").recommended == "probe"
        flow.answer(store, "batch_size", "probe")
        assert flow.standing(store).needs == "probe"
        with pytest.raises(Refusal, match="needs a result first"):
            flow.ask(store, "batch_size")
        wait_for_probe(store)
        question = flow.ask(store, "batch_size")
        assert [option.value for option in question.options] == [4, 8, 16, 32]
        assert question.recommended == 32
        assert question.table is not None
        assert [row[1] for row in question.table.rows] == ["404", "804", "1,604", "3,204"]
        assert "A batch of 64 does not fit: exit code 1" in " ".join(m.text() for m in question.evidence)
        # Measured again, it is told what was recommended, which chance alone is not to change.
        probe.start(store, again=True)
        wait_for_probe(store)
        again = probe.known(store)
        assert (again.result["earlier"], again.result["recommended"]) == (32, 32)
        flow.answer(store, "batch_size", 16)
        assert flow.standing(store) == flow.Standing("baseline", "baseline")
        batch = configurations.configuration(store, baseline.plan(store).configuration)
        assert batch.settings["training.batch_size"] == 16
        # Another script is another speed (G6).
        (code / "train.py").write_text("pass", encoding="utf-8")
        assert flow.standing(store).step == "batch_size"


def test_a_command_without_a_number_of_steps_keeps_its_batch_size_however_fast_others_are(
    tmp_path: Path, code: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A script that counts epochs would make fewer updates at a larger size (G7)."""
    (code / "train.py").write_text(
        "import json, sys\n"
        "for step in (5, 10):\n"
        "    with open(sys.argv[2] + '/metrics.jsonl', 'a') as file:\n"
        "        row = {'step': step, 'accuracy': 0.5, 'samples_per_second': 100.0 * int(sys.argv[1])}\n"
        "        file.write(json.dumps(row) + '\\n')\n",
        encoding="utf-8",
    )
    for name, arguments, recommended in (("e", "{bs} {folder}", 8), ("s", "{bs} {folder} {steps}", 128)):
        start = ["bs=8", *(["steps=10"] if "steps" in arguments else [])]
        with open_store(own_pipelines.project(tmp_path / name, code, *start, arguments=arguments)) as store:
            probed(store)
            question = flow.ask(store, "batch_size")
            assert question.recommended == recommended
            words = "16 times fewer steps than one of 8"
            told = any(words in message.text() for message in question.evidence)
            assert told == (recommended == 8)
            assert any("A step takes as long at every size" in message.text() for message in question.evidence)
        # By command as in the set-up.
        assert tunebook("--project", tmp_path / name, "probe") == 0
        said = capsys.readouterr().out
        assert (words in said) == told
        assert f"recommended: batch {recommended}, " in said
        assert "12,800 examples/s, 10 ms a step" in said


def test_a_command_is_measured_with_the_optimizer_in_use(tmp_path: Path, code: Path) -> None:
    """A launch has adopted it, and a learning rate; the figures were those of the command as it stood at first."""
    (code / "train.py").write_text(
        "import json, sys\n"
        "size, optimizer, out = int(sys.argv[1]), sys.argv[2], sys.argv[3]\n"
        "with open(out + '/metrics.jsonl', 'w') as file:\n"
        "    for step in range(1, 6):\n"
        "        speed = (10.0 if optimizer == 'adam' else 100.0) * size\n"
        "        file.write(json.dumps({'step': step, 'accuracy': 0.5, 'samples_per_second': speed}) + '\\n')\n",
        encoding="utf-8",
    )
    values, arguments = ("bs=8", "optimizer=sgd", "lr=0.1"), "{bs} {optimizer} {folder} {lr}"
    with open_store(own_pipelines.project(tmp_path / "p", code, *values, arguments=arguments)) as store:
        assert probed(store)[3]["examples_per_second"] == 800
        flow.answer(store, "batch_size", 8)
        small_project.adopt(store, {**configuration.checked(store), "lr": 0.01})
        assert probe.in_use(store) is None
        small_project.adopt(store, {**configuration.checked(store), "lr": 0.01, "optimizer": "adam"})
        used = probe.in_use(store)
        assert used is not None
        id = probe.start(store, used=used)
        wait_for(lambda: not probe.running(store.project, id), "the probe ends")
        assert probe.finish(store, id).subject["values"]["optimizer"] == "adam"
        assert probe.sizes(store.project, id)[3]["examples_per_second"] == 80
        # The set-up stands, and is decided anew on its own figures.
        assert flow.standing(store).step == "baseline"
        flow.answer(store, "batch_size", 8)
        assert flow.standing(store).step == "baseline"


def test_a_probe_that_comes_to_nothing_says_why_and_the_size_can_be_kept(tmp_path: Path, code: Path) -> None:
    (code / "train.py").write_text("raise SystemExit('no data here')", encoding="utf-8")
    with open_store(own_pipelines.project(tmp_path / "p", code, "bs=32", arguments="{bs} {folder}")) as store:
        flow.answer(store, "metric", "held-out")
        flow.answer(store, "initial", "use")
        flow.answer(store, "batch_size", "probe")
        id = probe.under_way(store)
        assert id is not None
        wait_for(lambda: not probe.running(store.project, id), "the probe ends")
        with pytest.raises(Refusal, match=r"own batch size, 32,.*size-32-log.txt.*It printed last: no data here"):
            probe.finish(store, id)
        # The same mistake is not run at every size.
        assert [line["batch_size"] for line in probe.sizes(store.project, id)] == [4, 32]
        question = flow.ask(store, "batch_size")
        assert "no data here" in question.evidence[0].text()
        assert question.recommended == 32
        flow.answer(store, "batch_size", 32)
        assert flow.standing(store).step == "baseline"


def test_sizes_that_are_too_small_for_the_command_are_passed_over(tmp_path: Path, code: Path) -> None:
    """Its own size is no power of two, and is measured all the same."""
    (code / "train.py").write_text(
        "import json, sys\n"
        "size = int(sys.argv[1])\n"
        "if size < 8:\n    sys.exit('batch size must be at least 8')\n"
        "row = {'step': 1, 'accuracy': 0.5, 'samples_per_second': float(min(size, 12))}\n"
        "open(sys.argv[2] + '/metrics.jsonl', 'w').write(json.dumps(row))\n",
        encoding="utf-8",
    )
    with open_store(own_pipelines.project(tmp_path / "p", code, "bs=12", arguments="{bs} {folder}")) as store:
        outcomes = {line["batch_size"]: line["outcome"] for line in probed(store)}
        assert outcomes == dict.fromkeys([2, 4], "failed") | dict.fromkeys([8, 12, 16, 32], "measured")
        question = flow.ask(store, "batch_size")
        assert question.recommended == 12
        told = " ".join(message.text() for message in question.evidence)
        assert "A batch of 4 failed: exit code 1. It printed last: batch size must be at least 8" in told


def test_the_only_small_size_that_fails_does_not_end_the_measurement(tmp_path: Path, code: Path) -> None:
    """Its own fails as well, and otherwise: what lies between may run."""
    (code / "train.py").write_text(
        "import json, sys\n"
        "size = int(sys.argv[1])\n"
        "if size < 8:\n    sys.exit('batch size must be at least 8')\n"
        "if size > 16:\n    sys.exit('there are only 20 examples')\n"
        "row = {'step': 1, 'accuracy': 0.5, 'samples_per_second': float(size)}\n"
        "open(sys.argv[2] + '/metrics.jsonl', 'w').write(json.dumps(row))\n",
        encoding="utf-8",
    )
    with open_store(own_pipelines.project(tmp_path / "p", code, "bs=32", arguments="{bs} {folder}")) as store:
        outcomes = {line["batch_size"]: line["outcome"] for line in probed(store)}
        assert outcomes == {4: "failed", 8: "measured", 16: "measured", 32: "failed"}
        assert flow.ask(store, "batch_size").recommended == 16


def probed(store: Store) -> list[dict[str, Any]]:
    """Answer up to the batch size, measure, and give the lines."""
    flow.answer(store, "metric", "held-out")
    flow.answer(store, "initial", "use")
    flow.answer(store, "batch_size", "probe")
    wait_for_probe(store)
    return probe.sizes(store.project, "probe-1")


# A start of half a second, and then so many steps of 2 ms an example, with a line for every tenth of them.
SLOW_START = """\
import json, sys, time
time.sleep(0.5)
out, steps, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
with open(out + '/metrics.jsonl', 'w') as file:
    for step in range(1, steps + 1):
        time.sleep(0.002 * size)
        if step % (steps // 10) == 0:
            file.write(json.dumps({'step': step, 'accuracy': 0.5}) + '\\n')
            file.flush()
"""


def test_where_only_the_start_would_be_timed_the_size_is_kept_and_it_is_said_why(tmp_path: Path, code: Path) -> None:
    (code / "train.py").write_text(SLOW_START, encoding="utf-8")
    arguments = "{folder} 20 {bs}"
    with open_store(own_pipelines.project(tmp_path / "p", code, "bs=8", arguments=arguments)) as store:
        # Its own size is tried as well: that it runs is known then, and no more than that.
        assert [(line["batch_size"], line["outcome"]) for line in probed(store)] == [(1, "untimed"), (8, "untimed")]
        result = probe.known(store).result
        assert (result["recommended"], result["largest_feasible"], result["saturation"]) == (8, None, None)
        question = flow.ask(store, "batch_size")
        assert question.recommended == 8
        assert [option.value for option in question.options] == [8]
        said = " ".join(message.text() for message in question.warnings)
        assert "How fast a batch of 1 is, cannot be told. Its lines came less than 1 s apart" in said
        assert "A batch of 8 runs; how fast, cannot be told either." in said
        assert "as examples_per_second; or lines with their step" in said
        flow.answer(store, "batch_size", 8)
        assert flow.standing(store).step == "baseline"
        parts = [part for section in document.report(store).sections if section.id == "probe" for part in section.parts]
        assert isinstance(parts[0], Words)
        assert parts[0].text.startswith("Kept: 8, as the command has it. Measured on ")
        assert " in ." not in parts[0].text
        # What the script says of its speed afterwards is read: another script, another question (G6).
        told = SLOW_START.replace("'accuracy': 0.5", "'accuracy': 0.5, 'examples_per_second': 90.0")
        (code / "train.py").write_text(told, encoding="utf-8")
        probe.start(store)
        wait_for_probe(store)
        assert probe.known(store).result["limited_by"] != "untimed"


@pytest.mark.parametrize("seconds", [0, 600])
def test_a_metric_that_the_script_calls_otherwise_is_told_before_a_baseline_is_run(
    tmp_path: Path, code: Path, capsys: pytest.CaptureFixture[str], seconds: int
) -> None:
    """Of a run that was stopped, only so far: it may be written at the end of an epoch."""
    (code / "train.py").write_text(
        "import json, sys, time\n"
        "for step in (5, 10):\n"
        "    with open(sys.argv[2] + '/metrics.jsonl', 'a') as file:\n"
        "        row = {'step': step, 'train_loss': 1.0, 'valid_acc': 0.5, 'samples_per_second': 100.0}\n"
        "        file.write(json.dumps(row) + '\\n')\n"
        "    time.sleep(0.2)\n"
        f"time.sleep({seconds})\n",
        encoding="utf-8",
    )
    with open_store(own_pipelines.project(tmp_path / "p", code, "bs=1", arguments="{bs} {folder}")) as store:
        probed(store)
        (words,) = (message.text() for message in flow.ask(store, "batch_size").warnings)
        assert ("As far as it was run, it wrote" if seconds else "It ran to its end and wrote") in words
        assert "no accuracy; there is: valid_acc, train_loss." in words
        assert words.endswith("--metric valid_acc")
        assert tunebook("--project", store.project.root, "probe") == 0
        assert words in capsys.readouterr().out
        store.project = change(store.project, metric="valid_acc")
        flow.answer(store, "metric", "held-out")
        assert not flow.ask(store, "batch_size").warnings


def test_a_size_of_its_own_that_fails_where_a_smaller_one_cannot_be_timed_is_not_kept(
    tmp_path: Path, code: Path
) -> None:
    script = SLOW_START.replace("time.sleep(0.5)\n", "if sys.argv[3] == '32':\n    sys.exit('no room for 32')\n")
    (code / "train.py").write_text(script, encoding="utf-8")
    with open_store(own_pipelines.project(tmp_path / "p", code, "bs=32", arguments="{folder} 20 {bs}")) as store:
        id = probe.start(store)
        wait_for(lambda: not probe.running(store.project, id), "the probe ends")
        with pytest.raises(
            Refusal, match=r"runs with a batch of 4 and fails at its own batch size, 32;.*no room for 32"
        ):
            probe.finish(store, id)


def test_a_command_with_a_number_of_steps_makes_more_until_they_can_be_timed(tmp_path: Path, code: Path) -> None:
    (code / "train.py").write_text(SLOW_START, encoding="utf-8")
    given = ("bs=1", "steps=40")
    made = own_pipelines.project(tmp_path / "p", code, *given, arguments="{folder} {steps} {bs}")
    with open_store(made) as store:
        lines = probed(store)
        assert {(line["outcome"], line.get("by")) for line in lines} == {("measured", "rows")}
        # With its start, an example would have seemed to take 14 ms of the first size, and less of each larger one.
        assert all(1.5 < 1000 / line["examples_per_second"] < 10 for line in lines)


def test_the_size_that_is_kept_has_its_row_also_where_it_was_not_timed(
    tmp_path: Path, code: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """At 8 it says how fast it is, at 16 no more, nor at its own 64."""
    script = (
        "import json, sys\n"
        "row = {'step': 1, 'accuracy': 0.5, **({'samples_per_second': 80.0} if sys.argv[1] == '8' else {})}\n"
        "open(sys.argv[2] + '/metrics.jsonl', 'w').write(json.dumps(row))\n"
    )
    (code / "train.py").write_text(script, encoding="utf-8")
    with open_store(own_pipelines.project(tmp_path / "p", code, "bs=64", arguments="{bs} {folder}")) as store:
        assert [line["batch_size"] for line in probed(store)] == [8, 16, 64]
        table = flow.ask(store, "batch_size").table
        assert table is not None
        assert [row[-1] for row in table.rows] == ["what it writes", "not timed"]
        (option,) = flow.ask(store, "batch_size").options
        assert option.note.text() == "as the command has it; how fast that is, is not known"
        flow.answer(store, "batch_size", 64)
    assert tunebook("--project", tmp_path / "p", "probe", "--steps", "100") == 0
    rows = capsys.readouterr().out.splitlines()[-2:]
    assert [row.split()[:3] for row in rows] == [["8", "100", "ms"], ["64", "not", "timed"]]
    assert tunebook("--project", tmp_path / "p", "probe", "--steps", "100", "--json") == 0
    assert json.loads(capsys.readouterr().out)["table"] == [
        {"batch_size": 8, "step_seconds": 0.1, "steps": 100, "steps_seconds": 10.0, "device_seconds": 10.0},
        {"batch_size": 64, "step_seconds": None, "steps": 100, "steps_seconds": None},
    ]


def test_where_only_a_larger_size_cannot_be_timed_the_others_are_compared(
    tmp_path: Path, code: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """At its own 64 it says how fast it is, at 128 no more: that took all that was measured with it."""
    script = (
        "import json, sys\n"
        "size = int(sys.argv[1])\n"
        "row = {'step': 1, 'accuracy': 0.5, **({'samples_per_second': 10.0 * size} if size <= 64 else {})}\n"
        "open(sys.argv[2] + '/metrics.jsonl', 'w').write(json.dumps(row))\n"
    )
    (code / "train.py").write_text(script, encoding="utf-8")
    with open_store(own_pipelines.project(tmp_path / "p", code, "bs=64", arguments="{bs} {folder}")) as store:
        assert probed(store)[-1]["batch_size"] == 128
        question = flow.ask(store, "batch_size")
        assert [option.value for option in question.options] == [8, 16, 32, 64]
        assert question.reason.text().startswith("The largest size that could be timed; 640 examples/s.")
        assert "How fast a batch of 128 is, cannot be told." in " ".join(one.text() for one in question.evidence)
        assert tunebook("--project", store.project.root, "probe") == 0
        words = "recommended: batch 64, limited by the next one, which could not be timed"
        assert words in capsys.readouterr().out
        found = probe.known(store)
        assert found.result["load_average"] >= 0


@pytest.mark.parametrize(
    ("by", "load", "words"), [("rows", 0.1, "an evaluation at each"), ("printed", 90.0, "busy with")]
)
def test_what_makes_the_figures_of_a_script_too_small_is_said(by: str, load: float, words: str) -> None:
    """Its evaluations, where they lie between the rows, and what others do on the machine."""
    line = {"batch_size": 64, "outcome": "measured", "by": by, "examples_per_second": 587.0, "step_seconds": 0.109}
    result = {"device": "cpu", "sizes": [line], "load_average": load, "reachable_cores": 2}
    found = measurements.Measurement("probe-1", "", "probe", {"cores": 2}, result)
    told = " ".join(message.text() for message in own_sizes.evidence(found))
    assert [part for part in ("an evaluation at each", "busy with") if part in told] == [words]


@pytest.mark.parametrize("prints", [False, True])
def test_a_script_that_writes_epochs_alone_is_timed_by_them_or_by_what_it_prints(
    tmp_path: Path, code: Path, capsys: pytest.CaptureFixture[str], prints: bool
) -> None:
    """As timm's does, whose summary.csv has a row an epoch, and which prints its examples a second between."""
    (code / "train.py").write_text(EPOCHS.replace("PRINTS", str(prints)), encoding="utf-8")
    given = ("bs=8", "seed=0")
    made = own_pipelines.project(tmp_path / "p", code, *given, arguments="{folder} {bs} {seed}")
    with open_store(made) as store:
        lines = probed(store)
        assert {line["by"] for line in lines} == {"printed" if prints else "epochs"}
        assert [line["epoch_seconds"] for line in lines] == pytest.approx([0.7] * len(lines), rel=0.3)
        if prints:
            assert [line["examples_per_second"] for line in lines] == [1000.0] * len(lines)
        question = flow.ask(store, "batch_size")
        assert question.recommended == 1
        assert question.table is not None
        assert [column.text() for column in question.table.columns][1] == ("examples/s" if prints else "an epoch")
        assert question.table.rows[0][-1] == ("what it prints" if prints else "its epochs")
        parts = [part for section in document.report(store).sections if section.id == "probe" for part in section.parts]
        (grid,) = (part for part in parts if isinstance(part, Grid))
        assert list(grid.columns)[1] == ("examples/s" if prints else "an epoch")
    assert tunebook("--project", tmp_path / "p", "probe") == 0
    said = capsys.readouterr().out
    assert ("examples/s, " if prints else "ms an epoch\n") in said


def test_the_table_of_sizes_that_epochs_tell_apart_has_their_time() -> None:
    sizes = [
        {"batch_size": 8, "outcome": "measured", "examples_per_second": None, "epoch_seconds": 1.5},
        {"batch_size": 16, "outcome": "failed", "message": "no data"},
    ]
    assert [row.split() for row in size_table(sizes)] == [
        ["batch", "size", "epoch"],
        ["8", "1.5", "s"],
        ["16", "failed"],
    ]


# Three epochs of 700 examples, a thousand a second, with a row after each as timm's script writes it.
EPOCHS = """\
import csv, os, sys, time
out, size = sys.argv[1], int(sys.argv[2])
os.makedirs(out + '/run')
updates = 700 // size
for epoch in range(3):
    for part in range(5):
        time.sleep(0.7 / 5)
        if PRINTS:
            print(f'Train: {epoch} [{part * updates // 5:>4d}/{updates} (  0%)]  Loss: 1.23 (1.23)  Time: 0.010s, '
                  f'{1000:>7.2f}/s  (0.010s, 1.00/s)  LR: 1.000e-05', flush=True)
    with open(out + '/run/summary.csv', 'a', newline='') as file:
        writer = csv.DictWriter(file, ['epoch', 'accuracy'])
        if not epoch:
            writer.writeheader()
        writer.writerow({'epoch': epoch, 'accuracy': 0.5})
"""


def test_a_probe_shows_each_size_once(tmp_path: Path, code: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (code / "train.py").write_text(
        "import json, sys\n"
        "row = {'step': 1, 'accuracy': 0.5, 'examples_per_second': 100.0}\n"
        "open(sys.argv[1] + '/metrics.jsonl', 'w').write(json.dumps(row))\n",
        encoding="utf-8",
    )
    own_pipelines.project(tmp_path / "p", code, "bs=1", arguments="{folder} {bs}")
    with open_store(open_project(tmp_path / "p")) as store:
        flow.answer(store, "metric", "held-out")
        flow.answer(store, "initial", "use")
    for _time in range(2):
        assert tunebook("--project", tmp_path / "p", "probe") == 0
        said = capsys.readouterr().out
        assert said.count("batch 1: 100 examples/s, 10 ms a step\n") == 1
    # How many steps a run takes is known to the script alone, and what they cost not to be counted without.
    assert tunebook("--project", tmp_path / "p", "probe", "--price", "3", "--memory-cap", "2") == 2
    assert "--memory-cap: how much memory a run takes is decided by your own script." in capsys.readouterr().err
    assert open_project(tmp_path / "p").settings.price_per_hour == 0.0
    assert tunebook("--project", tmp_path / "p", "probe", "--price", "2", "--power", "300") == 0
    assert "give it with --steps N" in capsys.readouterr().out
    assert tunebook("--project", tmp_path / "p", "probe", "--steps", "360000") == 0
    lines = capsys.readouterr().out.splitlines()
    place = next(number for number, line in enumerate(lines) if "device seconds" in line)
    assert lines[place].split("  ")[-1].strip() == "energy"
    assert lines[place + 2].split() == ["1", "10", "ms", "1", "h", "0", "min", "3,600", "2.00", "0.30", "kWh"]


def test_with_yes_a_batch_size_that_was_given_is_kept_and_the_warnings_are_read(
    tmp_path: Path, code: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--command", command("--lr {lr} --batch-size {batch_size} --out {folder}"), "--directory", code]
    assert tunebook("new", tmp_path / "p", *words, "--metric", "accuracy", "--set", "batch_size=48", "--yes") == 0
    said = capsys.readouterr().out
    assert "A placeholder {seed} in it would mend that." in said
    assert "If it is not held out, stop here" in said
    assert "give it as --chance NUMBER" in said
    assert "so it was said" not in said
    with open_store(open_project(tmp_path / "p")) as store:
        recorded = {entry.step: entry.chosen for entry in decisions.decisions(store)}
        assert recorded["batch_size"] == 48
        assert probe.last(store) is None
    assert tunebook("new", tmp_path / "q", "--command", "", "--metric", "accuracy") == 2
    assert "The command is empty." in capsys.readouterr().err
    gone = f"{command('--lr {lr} --seed {seed} --out {folder}', 'nothere.py')}"
    assert tunebook("new", tmp_path / "r", "--command", gone, "--metric", "accuracy", "--set", "lr=1", "--yes") == 2
    assert "There is no file nothere.py in" in capsys.readouterr().err
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize("rate", [None, math.inf])
def test_a_pace_that_is_not_finite_of_an_earlier_version_is_to_be_measured_again(
    tmp_path: Path, code: Path, rate: float | None
) -> None:
    """It was kept as it was, and is null once the store was built again."""
    (code / "train.py").write_text("pass", encoding="utf-8")
    with open_store(own_pipelines.project(tmp_path / "p", code, "bs=32", arguments="{bs} {folder}")) as store:
        flow.answer(store, "metric", "held-out")
        flow.answer(store, "initial", "use")
        line = {"batch_size": 32, "outcome": "measured", "epoch_seconds": None, "by": "column", "message": ""}
        lines = [{**line, "examples_per_second": rate, "step_seconds": rate and 0.0}]
        result = {"sizes": lines, "recommended": 32, "limited_by": "cap", "device": "cpu"}
        # As an earlier version has it, which kept any number.
        measurements.record(store, "probe-1", "probe", own_probe.subject(store), {})
        store.database.conn.execute("UPDATE measurements SET result = ?", [json.dumps(result)])
        store.database.conn.commit()
        assert flow.ask(store, "batch_size").recommended == "probe"


def test_a_command_without_a_batch_size_has_none_to_measure(tmp_path: Path, code: Path) -> None:
    arguments = "--lr {lr} --steps 25 --out {folder}"
    made = own_pipelines.project(tmp_path / "p", code, "lr=0.5", arguments=arguments)
    refused = pytest.raises(Refusal, match=r"hyperparameters \(.*\) is known.*\{batch_size\}.*--set batch_size=64")
    with open_store(made) as store, refused:
        probe.start(store)


def test_a_batch_size_of_an_unusual_name_is_taken_once_it_is_named(
    tmp_path: Path, code: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing said how: to start a project with {batch_size} in the command is impossible with {config}."""
    (code / "config.yaml").write_text("lr: 0.5\nexamples: 32\nout: '{folder}'\n", encoding="utf-8")
    (code / "by_file.py").write_text("import sys\n", encoding="utf-8")
    root = tmp_path / "p"
    words = ("--directory", code, "--config-file", code / "config.yaml", "--metric", "accuracy", "--chance", "0.1")
    words = ("new", root, "--command", command("{config}", "by_file.py"), *words, "--yes")
    assert tunebook(*words, "--batch-size", "64") == 2
    assert "(--set NAME=VALUE), and name it in tunebook.toml" in capsys.readouterr().err
    assert tunebook(*words) == 0
    with open_store(open_project(root)) as store, pytest.raises(Refusal) as refused:
        own_probe.start(store)
    told = error_text(refused.value)
    assert "None of the hyperparameters (lr, examples) is known" in told
    assert 'under [pipeline]: batch_size = "NAME"' in told
    written = (root / "tunebook.toml").read_text(encoding="utf-8")
    named = written.replace("[pipeline]", '[pipeline]\nbatch_size = "examples"')
    (root / "tunebook.toml").write_text(named, encoding="utf-8")
    with open_store(open_project(root)) as store:
        assert flow.standing(store).step == "initial"
        flow.answer(store, "initial", "use")
        assert own.values(store.project)["training.batch_size"] == 32
        assert [entry.key for entry in tunables.tunables(store.project)] == ["lr"]
        assert flow.ask(store, "batch_size").options[-1].value == 32


@pytest.mark.parametrize("words", [("--batch-size", "128"), ("--set", "batch_size=128")])
def test_a_batch_size_that_is_typed_is_told_what_it_makes_of_the_steps_of_an_epoch(
    tmp_path: Path, code: Path, words: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Not a word was said of half as many steps."""
    arguments = "--lr {lr} --batch-size {batch_size} --out {folder}"
    own_pipelines.project(tmp_path / "p", code, "lr=0.5", arguments=arguments)
    assert tunebook("new", tmp_path / "p", *words, "--yes") == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "a batch of 128 makes 2.0 times fewer steps than one of 64 in the same epochs" in told
    assert tunebook("new", tmp_path / "p", "--batch-size", "16", "--yes") == 0
    assert "a batch of 16 makes" in " ".join(capsys.readouterr().out.split())
    # Where the steps are counted, they stay as many.
    own_pipelines.project(tmp_path / "q", code, "lr=0.5", "steps=10", arguments=f"{arguments} --steps {{steps}}")
    assert tunebook("new", tmp_path / "q", *words, "--yes") == 0
    assert "times fewer steps" not in capsys.readouterr().out


def test_a_batch_size_that_an_argument_gives_is_named_as_well(tmp_path: Path, code: Path) -> None:
    arguments = "--lr {lr} --batch-size {examples} --out {folder}"
    made = own_pipelines.project(tmp_path / "p", code, "lr=0.5", "examples=32", arguments=arguments)
    named = change(made, batch_size="examples")
    assert own.values(named) == {"lr": 0.5, "training.batch_size": 32}
    assert [entry.key for entry in tunables.tunables(named)] == ["lr"]


def test_a_batch_size_that_is_typed_after_one_was_decided_opens_the_question_again(tmp_path: Path, code: Path) -> None:
    """It went into tunebook.toml, and trials ran with the other."""
    with open_store(own_pipelines.project(tmp_path / "p", code)) as store:
        advance(store, "baseline", batch_size=32)
        flow.answer(store, "initial", "batch_size=128")
        flow.answer(store, "initial", "use")
        assert flow.standing(store).step == "batch_size"
        assert "has 128" in flow.ask(store, "batch_size").text.text()
        flow.answer(store, "batch_size", 128)
        assert flow.standing(store).step == "baseline"
    assert tunebook("new", tmp_path / "p", "--set", "batch_size=256", "--yes") == 0
    with open_store(open_project(tmp_path / "p")) as store:
        assert configuration.current(store)["training.batch_size"] == 256
        # As it was decided, whatever the command had before.
        flow.answer(store, "batch_size", 64)
        flow.answer(store, "initial", "batch_size=64")
        flow.answer(store, "initial", "use")
        assert flow.standing(store).step == "baseline"


def test_another_batch_size_says_what_is_to_be_tuned_again_and_what_cannot_be_compared(
    tmp_path: Path, code: Path
) -> None:
    with open_store(own_pipelines.project(tmp_path / "p", code)) as store:
        advance(store, "baseline", batch_size=32)
        values = configuration.checked(store)
        planned, ran = (small_project.batch(store, values) for _number in range(2))
        assert trials.trials(store, planned.name)
        trial_progress.mark_running(store, trials.trials(store, ran.name)[0].id, restart=False)
        told = "Before, it was 32. Another size is another experiment: tune again what was tuned, first the learning"
        (said,) = (m.text() for m in flow.ask(store, "batch_size").evidence if "Before" in m.text())
        assert said == f"{told} rate. Rounds run at 32: 1; they cannot be compared with later ones."
        flow.answer(store, "batch_size", 128)
        reason = decisions.decision(store, "batch_size")
        assert reason is not None
        assert said in restored(reason.reason).text()
        # None ran at the new size.
        flow.answer(store, "batch_size", 64)
        reason = decisions.decision(store, "batch_size")
        assert reason is not None
        assert restored(reason.reason).text().endswith("Before, it was 128." + told.partition(".")[2] + " rate.")


@pytest.mark.parametrize("name", ["batch", "data.mini_batch_size", "minibatch-size"])
def test_a_batch_size_is_known_by_its_usual_names(name: str) -> None:
    assert pipeline.guess(["lr", name]) == {pipeline.BATCH_SIZE: name}


def test_a_script_that_is_silent_for_long_is_waited_for_as_long_as_the_user_says(
    tmp_path: Path, code: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It begins after two seconds; whoever has no patience is told how to have more, and it is kept for the next."""
    (code / "train.py").write_text(
        "import json, sys, time\n"
        "time.sleep(2)\n"
        "for step in (5, 10, 15):\n"
        "    with open(sys.argv[2] + '/metrics.jsonl', 'a') as file:\n"
        "        file.write(json.dumps({'step': step, 'accuracy': 0.5}) + '\\n')\n"
        "    time.sleep(1.2)\n",
        encoding="utf-8",
    )
    with open_store(own_pipelines.project(tmp_path / "p", code, "bs=1", arguments="{bs} {folder}")) as store:
        flow.answer(store, "metric", "held-out")
        flow.answer(store, "initial", "use")
        about = ("--project", store.project.root, "probe")
        assert tunebook(*about, "--patience", "0.01") == 0
        said = capsys.readouterr().out
        assert "It told nothing of its speed in 0.6 s. Where it takes longer to begin" in said
        assert "tunebook probe --patience 0.05" in said
        assert "patience_minutes = 0.01" in (store.project.root / "tunebook.toml").read_text()
        # For any later probe.
        asked = json.loads((store.project.measurement_folder("probe-1") / "probe.json").read_bytes())
        assert asked["patience"] == pytest.approx(0.6)
    run = {"command": [sys.executable, "train.py", "1", str(tmp_path)], "output": str(tmp_path), "steps": None}
    patient = {"directory": str(code), "metric": "accuracy", "patience": 60.0}
    line = probe_command.measure(tmp_path, 1, {**run, "longer": []}, patient)
    assert (line["outcome"], line["by"]) == ("measured", "rows")


@pytest.mark.parametrize(
    ("words", "values", "step", "bar"),
    [
        ("torchrun --nproc-per-node=2 train.py --bs {bs} --accum_iter {accum_iter} {folder}", {"accum_iter": 4}, 8, 2),
        ("accelerate launch --num_processes 4 train.py --bs {bs} --out {folder}", {}, 4, 4),
        ("torchrun --nproc_per_node gpu train.py --gradient_accumulation_steps 8 --bs {bs} {folder}", {}, 24, 24),
        ("python train.py --nproc-per-node 2 --bs {bs} {folder}", {}, 1, 1),
        ("torchrun --nproc-per-node 2 train.py --bs {global_batch_size} --accum_iter 4 {folder}", {}, 1, 1),
    ],
)
def test_examples_are_those_of_all_processes_and_of_all_batches_of_a_step(
    tmp_path: Path, words: str, values: dict[str, int], step: int, bar: int
) -> None:
    """The figures were those of one batch on one of the GPUs."""
    (tmp_path / "train.py").touch()
    size = "global_batch_size" if "global" in words else "bs"
    there = pipeline.Pipeline(tuple(words.split()), tmp_path, None, {pipeline.BATCH_SIZE: size})
    times, by_steps = own_examples.accumulated(there, values)
    processes = own_examples.processes(there, 3)
    assert (processes * times, processes * (times if by_steps else 1)) == (step, bar)


def test_a_step_of_several_batches_is_timed_as_one(tmp_path: Path, code: Path) -> None:
    (code / "train.py").write_text(
        SLOW_START.replace("sys.argv[3])\n", "sys.argv[3])\ntimes = int(sys.argv[5])\n").replace(
            "0.002 * size", "0.002 * size * times"
        ),
        encoding="utf-8",
    )
    arguments = "{folder} {steps} {bs} --grad_accum {grad_accum}"
    given = ("bs=1", "steps=40", "grad_accum=4")
    with open_store(own_pipelines.project(tmp_path / "p", code, *given, arguments=arguments)) as store:
        lines = probed(store)
        assert {line["step_examples"] / line["batch_size"] for line in lines} == {4}
        # 2 ms an example, whatever they are dealt into.
        assert all(1.5 < 1000 / line["examples_per_second"] < 10 for line in lines)
        assert all(line["step_seconds"] == line["step_examples"] / line["examples_per_second"] for line in lines)
        told = " ".join(message.text() for message in flow.ask(store, "batch_size").evidence)
        assert "a step with a batch size of 1 takes 4 examples: all of them are counted." in told

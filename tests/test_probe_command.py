"""Which batch size follows from how fast a command is."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from state import probe_command
from state.files import read_lines
from state.probe_command import recommend
from tests import small_project


def lines(*rates: float) -> list[dict[str, Any]]:
    return [{"batch_size": 2**place, "examples_per_second": rate} for place, rate in enumerate(rates)]


@pytest.mark.parametrize(
    ("rates", "limit", "size", "by"),
    [
        ((100, 190, 300, 310, 305), "throughput", 4, "throughput"),
        ((100, 200, 400), "memory", 4, "memory"),
        ((100, 200, 205), "memory", 2, "throughput"),
        ((100,), "error", 1, "error"),
    ],
)
def test_the_smallest_size_within_five_percent_of_the_best_is_recommended(
    rates: tuple[float, ...], limit: str, size: int, by: str
) -> None:
    found = recommend(lines(*rates), limit)
    assert (found["recommended"], found["limited_by"]) == (size, by)


@pytest.mark.parametrize(
    ("rates", "earlier", "size"),
    [
        # Within the noise of the line, from either side.
        ((100, 196, 200), 4, 4),
        ((100, 188, 205), 2, 2),
        # The figures speak against it: it is far slower than the best, or a smaller one is faster.
        ((100, 180, 205), 2, 4),
        ((100, 200, 195), 4, 2),
        # It was not measured this time.
        ((100, 196, 200), 8, 2),
    ],
)
def test_chance_alone_does_not_change_what_was_recommended_before(
    rates: tuple[float, ...], earlier: int, size: int
) -> None:
    assert recommend(lines(*rates), "cap", earlier)["recommended"] == size


@pytest.mark.parametrize(
    ("own", "rates", "size", "limit"),
    [
        # The command's own size lies close to another, which is no doubling, and need not bring what one does.
        (15, {15: 180, 16: 182, 32: 170, 64: 600, 128: 900}, 128, "cap"),
        (16, {16: 182, 32: 170, 64: 600, 128: 900}, 128, "cap"),
        # Two that bring too little end the ascent.
        (12, {8: 100, 12: 150, 16: 152, 32: 151, 64: 900}, 12, "throughput"),
    ],
)
def test_the_ascent_goes_on_while_sizes_bring_their_share_of_a_doubling(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: int, rates: dict[int, float], size: int, limit: str
) -> None:
    def measured(_folder: Path, size: int, *_about: object) -> dict[str, Any]:
        return {"batch_size": size, "outcome": "measured", "examples_per_second": rates[size]}

    monkeypatch.setattr(probe_command, "measure", measured)
    asked = {"size": own, "sizes": list(rates), "runs": [{"again": {}}] * len(rates), "device": "cpu"}
    found = probe_command.ascend(tmp_path, asked)
    assert (found["recommended"], found["limited_by"]) == (size, limit)


def test_what_a_bar_counts_that_is_no_batch_is_found_out_by_another_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Epochs in a bar seem the faster the larger the batches are; their own time says what there is to say."""
    for name, seconds, limit in (("epochs", {8: 2.0, 16: 1.5, 32: 1.45}, "throughput"), ("files", {}, "untimed")):

        def measured(_folder: Path, size: int, *_about: object, seconds: dict[int, float] = seconds) -> dict[str, Any]:
            about = {"batch_size": size, "outcome": "measured", "by": "bar", "of": 10, "name": ""}
            about |= {"examples_per_second": 5.0 * size, "step_seconds": 0.1}
            return {**about, "epoch_seconds": seconds.get(size)}

        monkeypatch.setattr(probe_command, "measure", measured)
        (tmp_path / name).mkdir()
        asked = {"size": 8, "sizes": [8, 16, 32], "runs": [{"again": {}}] * 3, "device": "cpu"}
        found = probe_command.ascend(tmp_path / name, asked)
        assert (found["recommended"], found["limited_by"]) == (16 if seconds else 8, limit)
        written = read_lines(tmp_path / name / "sizes.jsonl")[0]
        # What is known of the first is corrected, and no size is left out that ran.
        assert [line["batch_size"] for line in written] == ([8, 8, 16, 32] if seconds else [8, 8, 16])
        lines = {line["batch_size"]: line for line in written}
        assert {line.get("by") for line in lines.values()} == ({"epochs"} if seconds else {None})
        assert not any(line.get("examples_per_second") for line in lines.values())


def test_a_bar_of_an_evaluation_that_takes_longer_than_a_few_large_batches_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of Transformers' two bars, neither of which has a name, that of the evaluation was taken for the training's at
    the largest size, and then it was said of all sizes that their bars go to as many."""

    def measured(_folder: Path, size: int, run: Any, asked: Any) -> dict[str, Any]:
        of = 50 if size == 64 and ["", 50] not in asked.get("passed", ()) else 320 // size
        about = {"batch_size": size, "outcome": "measured", "by": "bar", "of": of, "name": ""}
        return {**about, "examples_per_second": 100.0, "epoch_seconds": None, "step_seconds": size / 100}

    monkeypatch.setattr(probe_command, "measure", measured)
    monkeypatch.setattr(probe_command, "PATIENCE", 9)
    run = {"again": {"again": {}}}
    asked = {"size": 16, "sizes": [8, 16, 32, 64], "runs": [run] * 4, "device": "cpu"}
    found = probe_command.ascend(tmp_path, asked)
    assert found["limited_by"] != probe_command.UNTIMED
    written, _end = read_lines(tmp_path / probe_command.SIZES)
    assert [line["of"] for line in written] == [40, 20, 10, 5]


def test_a_size_that_is_far_slower_than_a_smaller_one_is_run_once_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It met a bad moment, or is slower indeed; whether another run tells anything or not."""
    rates = {8: [100.0], 16: [60.0, 190.0], 32: [150.0, 140.0], 64: [100.0, None]}
    runs = [{"size": size, "again": {"size": size}} for size in rates]

    def measured(_folder: Path, size: int, *_about: object) -> dict[str, Any]:
        rate = rates[size].pop(0)
        outcome = "measured" if rate else "failed"
        return {"batch_size": size, "outcome": outcome, "examples_per_second": rate, "message": ""}

    monkeypatch.setattr(probe_command, "measure", measured)
    asked = {"size": 8, "sizes": [*rates], "runs": runs, "device": "cpu"}
    found = probe_command.ascend(tmp_path, asked)
    assert (found["recommended"], found["limited_by"]) == (16, "throughput")
    lines, _offset = read_lines(tmp_path / "sizes.jsonl")
    assert [line["examples_per_second"] for line in lines] == [100.0, 190.0, 150.0, 100.0]
    assert not any(rates.values())


def test_sizes_that_tell_nothing_in_common_are_not_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An epoch of a large size may be too short for a line between its ends, one of a small size too long to wait."""
    known: dict[int, dict[str, float]] = {
        8: {"examples_per_second": 100.0},
        16: {"examples_per_second": 190.0, "epoch_seconds": 20.0},
        32: {"epoch_seconds": 12.0},
    }

    def measured(_folder: Path, size: int, *_about: object) -> dict[str, Any]:
        return {"batch_size": size, "outcome": "measured", **known[size]}

    monkeypatch.setattr(probe_command, "measure", measured)
    about = {"size": 16, "device": "cpu"}
    found = probe_command.ascend(tmp_path, {**about, "sizes": [8, 16, 32], "runs": [{}] * 3})
    assert (found["recommended"], found["limited_by"]) == (16, probe_command.UNTIMED_ABOVE)
    # From 16 on, all of them tell of their epochs.
    found = probe_command.ascend(tmp_path, {**about, "sizes": [16, 32], "runs": [{}] * 2})
    assert (found["recommended"], found["limited_by"]) == (32, "cap")


@pytest.mark.parametrize("ignored", ["", "trap '' TERM; "])
def test_what_a_script_has_started_is_no_neighbour_of_the_next_size(tmp_path: Path, ignored: str) -> None:
    """A shell that was ended left its training behind."""
    training = tmp_path / "training.py"
    training.write_text(
        "import json, pathlib, sys, time\n"
        "pathlib.Path(sys.argv[1], 'pid').write_text(str(__import__('os').getpid()))\n"
        "for step in range(1, 10000):\n"
        "    with open(pathlib.Path(sys.argv[1], 'metrics.jsonl'), 'a') as file:\n"
        "        file.write(json.dumps({'step': step, 'examples_per_second': 100}) + '\\n')\n"
        "    time.sleep(0.01)\n"
    )
    script = tmp_path / "train.sh"
    script.write_text(f"{ignored}{shlex.quote(sys.executable)} {shlex.quote(str(training))} $1\ntrue\n")
    output = tmp_path / "output"
    output.mkdir()
    asked = {"directory": str(tmp_path), "metric": "accuracy"}
    run = {"command": ["sh", str(script), str(output)], "output": str(output), "steps": None}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(probe_command, "WATCHED_SECONDS", 0.2)
        patched.setattr(probe_command, "GRACE_SECONDS", 0.5)
        found, ended = probe_command._measure(tmp_path, 8, run, asked)
    assert (found["outcome"], ended) == ("measured", False)
    process = int((output / "pid").read_text())
    small_project.wait_for(lambda: not psutil.pid_exists(process) or _dead(process), "its training has ended")


def _dead(process: int) -> bool:
    try:
        return psutil.Process(process).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


# Half a thousand files are tokenised, with a bar that does not say so, and then it trains, 20 ms an example.
TOKENISES = """\
import json, sys, time
from tqdm import tqdm
size, out = int(sys.argv[1]), sys.argv[2]
for _ in tqdm(range(500), mininterval=0.05):
    time.sleep(0.004)
time.sleep(0.2)
for step in range(1, 1600 // size):
    time.sleep(0.02 * size)
    with open(out + "/metrics.jsonl", "a") as file:
        file.write(json.dumps({"step": step, "accuracy": 0.5}) + "\\n")
"""


def test_a_bar_of_what_comes_before_the_training_is_not_taken_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It moves for longer than a run is watched, and goes to as many at every size: the sizes are measured without it.
    Before, nothing could be told."""
    monkeypatch.setattr(probe_command, "WATCHED_SECONDS", 1.5)
    (tmp_path / "train.py").write_text(TOKENISES, encoding="utf-8")

    def run(size: int, place: str) -> dict[str, Any]:
        output = tmp_path / f"{size}-{place}"
        output.mkdir()
        command = [sys.executable, "train.py", str(size), str(output)]
        return {"command": command, "output": str(output), "steps": None, "longer": []}

    sizes = [8, 16]
    runs = [{**run(size, "first"), "again": {**run(size, "again"), "again": run(size, "last")}} for size in sizes]
    about = {"device": "cpu", "directory": str(tmp_path), "metric": "accuracy"}
    found = probe_command.ascend(tmp_path, {"size": 8, "sizes": sizes, "runs": runs, **about})
    assert found["limited_by"] != "untimed"
    lines = {line["batch_size"]: line for line in read_lines(tmp_path / "sizes.jsonl")[0]}
    assert {line["by"] for line in lines.values()} == {"rows"}
    assert [line["examples_per_second"] for line in lines.values()] == pytest.approx([50.0] * 2, rel=0.3)

"""The probe of batch sizes with real training steps on real data, and what becomes of it when it is killed."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch

from tests import small_project, training_runs
from tests.known_device import MIB, bench, unchanged
from training import ascent, cut_short, probe, relay
from training import bench as benches
from training.ascent import Cap
from training.bench import Failure
from training.sentence import said

CPU = torch.device("cpu")


def test_memory_that_is_taken_and_given_back_shows_in_the_peak() -> None:
    """In a process of its own: what earlier tests freed would count for this one."""
    script = """
        import torch
        from training import memory
        MIB = 2**20
        watch = memory.Watch()
        watch.restart()
        before = watch.peak()
        taken = torch.ones(64, MIB // 4)
        print("taken:", watch.peak() - before >= 60 * MIB)
        del taken
        watch.restart()
        print("given back:", watch.peak() - before <= 30 * MIB)
    """
    done = training_runs.python(textwrap.dedent(script))
    assert done.stdout.split("\n")[:2] == ["taken: True", "given back: True"]


def test_a_memory_limit_makes_allocations_fail_and_leaves_the_process_alive() -> None:
    script = """
        import torch
        from training import memory
        watch = memory.Watch()
        watch.limit(200 * 2**20)
        torch.ones(100, 2**18)
        try:
            torch.ones(400, 2**18)
        except RuntimeError as error:
            print("refused:", "can't allocate memory" in str(error))
        print("left:", 50 * 2**20 < memory.available() <= 200 * 2**20)
        watch.restart()
        torch.ones(100, 2**18)
        print("alive")
    """
    done = training_runs.python(textwrap.dedent(script))
    assert done.stdout.split("\n")[:3] == ["refused: True", "left: True", "alive"]


@pytest.fixture(scope="module")
def whole_digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_project.digits(tmp_path_factory.mktemp("digits"), examples=1797)


def run_probe(config: Path, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "training.probe", "--config", str(config), "--output", str(folder), *options]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


def lines(folder: Path) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in (folder / "sizes.jsonl").read_text(encoding="utf-8").splitlines()]
    return list({line["batch_size"]: line for line in found}.values())


def test_real_steps_on_real_digits_give_a_recommendation_under_a_cap(whole_digits: Path, tmp_path: Path) -> None:
    config = training_runs.write_config(tmp_path / "config.toml", whole_digits)
    done = run_probe(config, tmp_path / "probe", "--largest", "16")
    assert done.returncode == 0, done.stderr
    sizes, result = lines(tmp_path / "probe"), training_runs.result(tmp_path / "probe")
    assert [size["batch_size"] for size in sizes] == [8, 16]
    for size in sizes:
        assert size["outcome"] == "measured"
        assert size["examples_per_second"] == pytest.approx(size["batch_size"] / size["step_seconds"])
        assert size["input_seconds"] > 0
        assert size["end_to_end_seconds"] > 0
        # There the host is the device.
        assert size["host_seconds"] is None
        assert 0 < size["peak_memory"] <= result["memory_budget"]
    assert result["status"] == "complete"
    assert result["recommended"] in (8, 16)
    assert result["largest_feasible"] == 16
    assert result["limited_by"] == ("cap" if result["recommended"] == 16 else "throughput")
    assert result["threads"] == 1
    assert result["precision"] == "float32"
    assert result["normalisation"] == "batch"
    phases = [json.loads(line) for line in (tmp_path / "probe/progress.jsonl").read_text().splitlines()]
    # Sizes are compared unless one of them, as they were measured first, is less than half as fast as the other.
    first = [json.loads(line) for line in (tmp_path / "probe/sizes.jsonl").read_text().splitlines()[:2]]
    slower, faster = sorted(line["examples_per_second"] for line in first)
    names = [phase["phase"] for phase in phases]
    # One that others disturbed is measured anew before.
    compared = names[2:-1]
    assert names == ["size", "size", *compared, "check"]
    assert set(compared) <= {"compare"}
    assert compared or slower < ascent.CLOSE * faster
    assert phases[-1]["attempt"] == result["recommended"]


def test_texts_are_probed_with_their_own_model_and_tokenizer(tmp_path: Path) -> None:
    table = tmp_path / "notes.csv"
    rows = [f'"{" ".join(["word"] * (1 + place % 30))} {place}",{"ab"[place % 2]}' for place in range(100)]
    table.write_text("\n".join(["text,label", *rows]), encoding="utf-8")
    sizes = {"model__layers": 1, "model__hidden_size": 32, "model__heads": 2, "model__vocabulary_size": 300}
    chosen = {"model__library": "transformers", "model__name": "bert", "data__task": "text-classification"}
    config = training_runs.write_config(tmp_path / "config.toml", table, **chosen, **sizes)
    done = run_probe(config, tmp_path / "probe")
    assert done.returncode == 0, done.stderr
    assert [size["batch_size"] for size in lines(tmp_path / "probe")] == [8]
    result = training_runs.result(tmp_path / "probe")
    assert (result["recommended"], result["normalisation"]) == (8, "layer")


def test_memory_that_really_runs_out_ends_the_ascent_and_not_the_probe(whole_digits: Path, tmp_path: Path) -> None:
    config = training_runs.write_config(tmp_path / "config.toml", whole_digits, data__image_size=512)
    folder = tmp_path / "probe"
    # Two such images take 207 to 226 MiB, and eight twice what four take, which is 359 at least: far more than the
    # quarter beyond the cap that is measured.
    done = run_probe(config, folder, "--memory-cap", str(330 * MIB))
    assert done.returncode == 0, done.stderr
    sizes, result = lines(folder), training_runs.result(folder)
    assert (sizes[0]["batch_size"], sizes[0]["outcome"]) == (8, "out_of_memory")
    assert result["status"] == "complete"
    assert result["largest_feasible"] < 8
    fitting = [size for size in sizes if size["batch_size"] <= result["largest_feasible"]]
    assert all(size["peak_memory"] <= result["memory_budget"] for size in fitting if size["outcome"] == "measured")


def test_where_a_fork_breaks_the_device_the_children_are_processes_of_their_own(
    whole_digits: Path, tmp_path: Path
) -> None:
    """Two of them: memory runs out in the first, and the second goes on with what it found."""
    config = training_runs.write_config(tmp_path / "config.toml", whole_digits, data__image_size=512)
    folder = tmp_path / "probe"
    script = """
        import os, sys
        from training import probe
        probe.FORKS = False
        os.fork = None
        probe.main(sys.argv[1:])
    """
    arguments = ["--config", str(config), "--output", str(folder), "--memory-cap", str(330 * MIB)]
    done = training_runs.python(textwrap.dedent(script), *arguments)
    assert done.returncode == 0, done.stderr
    assert training_runs.result(folder)["status"] == "complete"
    assert lines(folder)[0]["outcome"] == "out_of_memory"
    assert len(lines(folder)) > 1


def test_a_model_that_never_fits_is_said_in_one_sentence(whole_digits: Path, tmp_path: Path) -> None:
    config = training_runs.write_config(tmp_path / "config.toml", whole_digits, data__image_size=224)
    done = run_probe(config, tmp_path / "probe", "--memory-cap", str(20 * MIB))
    assert done.returncode == 1
    assert "fits into 20 MiB" in done.stderr
    assert "raise the memory cap" in done.stderr
    assert "Traceback" not in done.stderr
    assert training_runs.result(tmp_path / "probe")["reason"] == "out_of_memory"


@pytest.mark.parametrize("choose", [(), ("--choose", "1000")])
def test_a_model_that_has_no_room_at_all_is_said_in_one_sentence(
    whole_digits: Path, tmp_path: Path, choose: tuple[str, ...]
) -> None:
    config = training_runs.write_config(tmp_path / "config.toml", whole_digits, model__name="resnet34")
    done = run_probe(config, tmp_path / "probe", "--memory-cap", str(MIB), *choose)
    assert done.returncode == 1
    assert "Not even the model and its data fit into 1 MiB" in done.stderr
    assert "--memory-cap GIB; 0 removes it" in done.stderr
    assert training_runs.result(tmp_path / "probe")["reason"] == "out_of_memory"


def test_a_probe_that_is_asked_to_stop_says_so(whole_digits: Path, tmp_path: Path) -> None:
    slow = {"model__name": "resnet18", "data__image_size": 64}
    config = training_runs.write_config(tmp_path / "config.toml", whole_digits, **slow)
    folder = tmp_path / "probe"
    command = [sys.executable, "-m", "training.probe", "--config", str(config), "--output", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as running:
        assert running.stdout is not None
        assert running.stdout.readline().startswith("batch size 8:")
        running.send_signal(signal.SIGTERM)
        assert running.wait(timeout=120) == 143
    assert training_runs.result(folder)["status"] == "stopped"
    assert lines(folder)[0]["outcome"] == "measured"


@pytest.mark.parametrize(
    ("changes", "reason", "said"),
    [({"model__name": "resnet17"}, "config", "resnet17"), ({"data__path": "/nowhere"}, "data", "/nowhere")],
)
def test_what_cannot_be_probed_is_told_by_its_own_sentence(
    digits: Path, tmp_path: Path, changes: dict[str, Any], reason: str, said: str
) -> None:
    config = training_runs.write_config(tmp_path / "config.toml", digits, **changes)
    done = run_probe(config, tmp_path / "probe")
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    result = training_runs.result(tmp_path / "probe")
    assert (result["status"], result["reason"]) == ("failed", reason)


@pytest.fixture
def own_signals() -> Iterator[None]:
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("own_signals")
@pytest.mark.parametrize(
    ("number", "measured", "expected"),
    [
        (signal.SIGKILL, 2, {"status": "complete", "recommended": 16, "limited_by": "memory"}),
        (signal.SIGSEGV, 2, {"status": "complete", "recommended": 16, "limited_by": "error"}),
        (signal.SIGKILL, 0, {"status": "failed", "reason": "killed"}),
        (signal.SIGSEGV, 0, {"status": "failed", "reason": "error"}),
    ],
)
def test_what_was_measured_before_the_process_was_killed_still_counts(
    tmp_path: Path, number: signal.Signals, measured: int, expected: dict[str, Any]
) -> None:
    def work(report: probe.Report, _found: relay.Found) -> None:
        report({"facts": {"memory_budget": MIB}})
        for size in (8, 16)[:measured]:
            report(
                {
                    "size": {"batch_size": size, "outcome": "measured", "examples_per_second": size, "peak_memory": 1}
                    | {"step_seconds": 1.0, "spread": 0.0, "end_to_end_seconds": 1.0}
                }
            )
        report({"phase": "size", "attempt": 32})
        lost(number)

    probe.run(tmp_path, probe.forked(work))
    result = training_runs.result(tmp_path)
    assert {key: result[key] for key in expected} == expected
    assert ("killed" if number == signal.SIGKILL else f"signal {number}") in result["message"]
    assert "at batch size 32" in result["message"]


def lost(number: signal.Signals) -> None:
    """End this process as a crash or a kill would."""
    # pytest's own handler of a crash would fill the screen.
    if number != signal.SIGKILL:
        signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


@pytest.mark.usefixtures("own_signals")
@pytest.mark.parametrize(
    ("counted", "reason", "said"),
    [
        (1, "out_of_memory", "The kernel killed the process that measured for want of memory"),
        (0, "killed", "memory that ran out may be the reason"),
    ],
)
def test_a_kill_before_any_size_was_measured_is_called_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, counted: int, reason: str, said: str
) -> None:
    """And not "does not fit", whatever the memory that is free."""
    kills = iter((0, counted))
    monkeypatch.setattr(probe.machine, "oom_kills", lambda: next(kills))

    def work(report: probe.Report, _found: relay.Found) -> None:
        report({"facts": {"memory_budget": 2**34}})
        report({"phase": "size", "attempt": 8})
        lost(signal.SIGKILL)

    probe.run(tmp_path, probe.forked(work))
    result = training_runs.result(tmp_path)
    assert (result["status"], result["reason"]) == ("failed", reason)
    assert said in result["message"]
    assert "at batch size 8" in result["message"]
    assert "fits into" not in result["message"]
    assert "--memory-cap" in result["message"]


@pytest.mark.usefixtures("own_signals")
@pytest.mark.parametrize("size", [None, 8])
def test_a_crash_under_a_memory_cap_says_what_the_cap_allows(tmp_path: Path, size: int | None) -> None:
    def work(report: probe.Report, _found: relay.Found) -> None:
        report({"facts": {"memory_cap": MIB}})
        if size:
            report({"phase": "size", "attempt": size})
        lost(signal.SIGSEGV)

    probe.run(tmp_path, probe.forked(work))
    result = training_runs.result(tmp_path)
    assert (result["status"], result["reason"]) == ("failed", "out_of_memory")
    place, what = ("at batch size 8", "a batch of 8") if size else ("before the first", "the model and its data")
    assert place in result["message"]
    assert f"{what} fit" in result["message"]
    assert "into 1 MiB" in result["message"]
    assert "0 removes it" in result["message"]
    assert "None" not in result["message"]


@pytest.mark.usefixtures("own_signals")
@pytest.mark.parametrize("mebibytes", [0, 7])
def test_a_model_without_room_is_told_what_the_device_allows(
    digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mebibytes: int
) -> None:
    """A GPU has other memory than the host; here one is played by a budget that has nothing to do with the host's."""

    def no_room(_bench: Any) -> None:
        raise MemoryError("out of memory")

    monkeypatch.setattr(probe, "budget_of", lambda *_: mebibytes * MIB)
    monkeypatch.setattr(benches, "budget", lambda *_: mebibytes * MIB)
    monkeypatch.setattr(benches.Bench, "build", no_room)
    config = training_runs.write_config(tmp_path / "config.toml", digits)
    options = SimpleNamespace(
        config=config, output=tmp_path, cache=None, largest=None, memory_cap=None, choose=None, earlier=None
    )
    probe.run(tmp_path, probe.forked(lambda report, found: probe.measure(cast(Any, options), report, found)))
    result = training_runs.result(tmp_path)
    assert (result["status"], result["reason"]) == ("failed", "out_of_memory")
    assert f"Not even the model and its data fit into {mebibytes} MiB" in result["message"]


@pytest.mark.usefixtures("own_signals")
def test_where_sizes_worked_a_lack_of_room_later_does_not_deny_that(tmp_path: Path) -> None:
    def work(report: probe.Report, found: relay.Found) -> None:
        report({"facts": {"memory_budget": MIB}})
        if not found.sizes:
            size = ascent.Size(8, "measured", "", 1.0, 0.0, 8.0, 1, end_to_end_seconds=1.0)
            report({"size": dataclasses.asdict(size)})
            report({"ending": {"status": probe.SPENT, "reason": probe.SPENT}})
            return
        report(
            {"ending": {"status": "failed", "reason": cut_short.NO_ROOM, **said("Memory ran out: {error}", error="")}}
        )

    probe.run(tmp_path, probe.forked(work))
    result = training_runs.result(tmp_path)
    assert (result["status"], result["recommended"], result["limited_by"]) == ("complete", 8, "memory")
    assert result["message"].startswith("Memory ran out")
    assert "Not even" not in result["message"]


@pytest.mark.usefixtures("own_signals")
def test_where_the_runtime_choices_end_the_process_sizes_are_measured_without_them(tmp_path: Path) -> None:
    def work(report: probe.Report, found: relay.Found) -> None:
        report({"facts": {"memory_budget": MIB, "memory_cap": MIB}})
        if "tried" not in found.facts:
            report({"phase": "choice", "key": "runtime.fused", "done": 0, "total": 1})
            lost(signal.SIGSEGV)
        report({"ending": {"status": "complete", "reason": "", "recommended": 8, "limited_by": "cap"}})

    probe.run(tmp_path, probe.forked(work))
    result = training_runs.result(tmp_path)
    assert (result["status"], result["tried"]) == ("complete", [])
    assert "the process that tried them was ended by signal 11" in result["unchosen"]["message"]


@pytest.mark.usefixtures("own_signals")
def test_a_size_that_was_disturbed_has_its_later_figures_in_the_table(tmp_path: Path) -> None:
    """Although it is too slow to be compared with the best."""
    tries: list[int] = []

    def measure(size: int) -> ascent.Size:
        tries.append(size)
        seconds, spread = (10.0, 0.6) if tries == [8] else (5.0 * 8 / size, 0.0)
        return ascent.Size(size, "measured", "", seconds, spread, size / seconds, 1, None, 1.0, 0.0, seconds)

    def work(report: probe.Report, found: relay.Found) -> None:
        report({"facts": {"memory_budget": MIB}})
        fake: Any = SimpleNamespace(
            device=CPU, budget=MIB, measure=measure, side_by_side=unchanged, check=lambda size, folder: None
        )
        report({"ending": probe.probe(relay.Fresh(fake, found), Cap(16, "cap"), report, tmp_path / "check")})

    probe.run(tmp_path, probe.forked(work))
    assert [line["step_seconds"] for line in lines(tmp_path)] == [5.0, 2.5]


KEPT = 1000


@pytest.mark.usefixtures("own_signals")
@pytest.mark.parametrize(
    ("card", "trains", "tried", "expected"),
    [
        # Memory runs out on the way up: another process checks.
        (40, 32, [[8, 16, 32, 40], [32]], {"status": "complete", "recommended": 32, "limited_by": "memory"}),
        # The check takes more: a process for each, and one more for each that has compared sizes before.
        (
            40,
            8,
            [[8, 16, 32, 40], [32], [32], [16], [16], [8]],
            {"status": "complete", "recommended": 8, "limited_by": "memory"},
        ),
        # On the way down, every size that does not fit leaves another process the next one.
        (3, 2, [[8], [4], [2, 2]], {"status": "complete", "recommended": 2, "limited_by": "memory"}),
        (1, 0, [[8], [4], [2]], {"status": "failed", "reason": "out_of_memory"}),
        (100, 64, [[8, 16, 32, 64, 64]], {"status": "complete", "recommended": 64, "limited_by": "data"}),
        # What a process keeps of what it measured may be all that is too much.
        (100, KEPT, [[8, 16, 32, 64, 64], [64]], {"status": "complete", "recommended": 64, "limited_by": "data"}),
        (100, 32, [[8, 16, 32, 64, 64], [64], [32]], {"status": "complete", "recommended": 32, "limited_by": "memory"}),
    ],
)
def test_a_process_that_memory_ran_out_in_measures_nothing_more(
    tmp_path: Path, card: int, trains: int, tried: list[list[int]], expected: dict[str, Any]
) -> None:
    done = tmp_path / "done"

    def work(report: probe.Report, found: relay.Found) -> None:
        report({"facts": {"memory_budget": card * MIB}})
        # Far more beyond 32 than the prediction of the next size can know.
        measure = bench(lambda size: size * (1 if size <= 32 or card > 64 else 10) * MIB, card * MIB)

        noted: list[int] = []

        def note(size: int) -> int:
            noted.append(size)
            with done.open("a") as file:
                file.write(f"{os.getpid()} {size}\n")
            return size

        def check(size: int, _folder: Path) -> Failure | None:
            fits = note(size) <= trains and not (trains == KEPT and len(noted) > 1)
            return None if fits else Failure(True, "Training and evaluation together take more.")

        fake: Any = SimpleNamespace(
            device=CPU,
            budget=card * MIB,
            measure=lambda size: dataclasses.replace(measure(note(size)), end_to_end_seconds=1.0),
            side_by_side=unchanged,
            check=check,
        )
        try:
            ending = probe.probe(relay.Fresh(fake, found), Cap(64, "data"), report, tmp_path / "check")
        except relay.Spent:
            ending = {"status": probe.SPENT, "reason": ""}
        report({"ending": ending})

    probe.run(tmp_path, probe.forked(work))
    result = training_runs.result(tmp_path)
    assert {key: result[key] for key in expected} == expected
    by_process: dict[str, list[int]] = {}
    for line in done.read_text().splitlines():
        process, size = line.split()
        by_process.setdefault(process, []).append(int(size))
    assert [*by_process.values()] == tried

"""The probe of batch sizes: its arithmetic on known curves, and real training steps on real digits."""

from __future__ import annotations

import bisect
import dataclasses
import json
import os
import random
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from tests import small_project, training_runs
from training import ascent, machine, probe, relay, timing
from training.ascent import Cap, Size
from training.bench import Failure

MIB = 2**20
# Peak memory of ResNet-50 under AdamW by batch size, in MiB, as torch's own accounting (MemTracker) gives it.
RESNET50 = {1: 453, 2: 454, 4: 513, 8: 678, 16: 1006, 32: 1683, 64: 3049, 512: 22171}
CPU = torch.device("cpu")


def resnet50(size: int) -> int:
    """The measured curve, straight between its points and beyond them."""
    sizes = sorted(RESNET50)
    place = min(max(bisect.bisect_left(sizes, size), 1), len(sizes) - 1)
    low, high = sizes[place - 1], sizes[place]
    slope = (RESNET50[high] - RESNET50[low]) / (high - low)
    return int((RESNET50[low] + slope * (size - low)) * MIB)


def bench(peak: Callable[[int], int], card: int, rate: Callable[[int], float] = float) -> Callable[[int], Size]:
    """A device with a card of so many bytes, on which `rate` says the examples a second."""

    def measure(size: int) -> Size:
        if peak(size) > card:
            return Size(size, "out_of_memory")
        seconds = size / rate(size)
        return Size(size, "measured", "", seconds, 0.0, rate(size), peak(size))

    return measure


def unchanged(sizes: list[Size], answer: object = None) -> list[Size]:
    """What is timed again on a device whose times never vary."""
    return sizes


@pytest.mark.parametrize("gib", [2, 8, 24, 80])
def test_a_card_is_filled_without_ever_running_out_of_its_memory(gib: int) -> None:
    card = gib * 1024 * MIB
    budget = int(0.9 * card)
    sizes, ended_by = ascent.ascend(bench(resnet50, card), Cap(65_535, "cap"), budget)
    found = ascent.recommend(sizes, budget, ended_by)
    assert found is not None
    assert found.limited_by == "memory"
    assert [size.outcome for size in sizes] == ["measured"] * len(sizes)
    assert resnet50(found.largest_feasible) > 0.85 * budget


def test_a_first_size_that_does_not_fit_leads_to_smaller_ones() -> None:
    sizes, ended_by = ascent.ascend(bench(lambda n: n * MIB, 5 * MIB), Cap(64, "data"), 5 * MIB, unchanged)
    assert [size.batch_size for size in sizes] == [8, 4, 6]
    found = ascent.recommend(sizes, 5 * MIB, ended_by)
    assert found is not None
    assert (found.recommended, found.limited_by) == (4, "memory")


def test_nothing_is_recommended_where_nothing_fits() -> None:
    sizes, ended_by = ascent.ascend(bench(lambda n: n * MIB, MIB), Cap(64, "data"), MIB)
    assert [size.batch_size for size in sizes] == [8, 4, 2]
    assert ascent.recommend(sizes, MIB, ended_by) is None


@pytest.mark.parametrize("on_cpu", [False, True])
def test_sizes_past_the_point_where_throughput_stops_rising_are_not_recommended(on_cpu: bool) -> None:
    measure = bench(lambda n: MIB, 2 * MIB, rate=lambda n: min(n, 64))
    sizes, ended_by = ascent.ascend(measure, Cap(4096, "cap"), 2 * MIB, unchanged if on_cpu else None)
    assert [size.batch_size for size in sizes] == [8, 16, 32, 64, 128]
    found = ascent.recommend(sizes, 2 * MIB, ended_by)
    assert found == ascent.Recommendation(64, 128, 64, "throughput")


def test_one_slow_size_on_a_shared_processor_does_not_end_the_ascent() -> None:
    measure = bench(lambda n: MIB, 2 * MIB, rate=lambda n: 1 if n == 32 else n)
    sizes, ended_by = ascent.ascend(measure, Cap(128, "data"), 2 * MIB, unchanged)
    found = ascent.recommend(sizes, 2 * MIB, ended_by)
    assert found == ascent.Recommendation(128, 128, 128, "data")


def test_a_size_that_training_and_evaluation_refuse_leads_to_half_of_it(tmp_path: Path) -> None:
    """Steps of four examples fit, steps and evaluation of four do not: two were never tried."""
    reports: list[dict[str, Any]] = []

    def check(size: int, folder: Path) -> Failure | None:
        return Failure(True, "Training and evaluation together take more.") if size > 2 else None

    measure = bench(lambda size: (100 + size) * MIB, 104 * MIB)
    fake: Any = SimpleNamespace(budget=104 * MIB, device=CPU, measure=measure, side_by_side=unchanged, check=check)
    ending = probe.probe(fake, Cap(64, "cap"), reports.append, tmp_path)
    assert (ending["status"], ending["recommended"], ending["limited_by"]) == ("complete", 2, "memory")
    assert [report["attempt"] for report in reports if "attempt" in report][-3:] == [4, 2, 2]


def test_an_error_other_than_memory_ends_the_ascent_and_keeps_what_was_measured() -> None:
    working = bench(lambda n: MIB, 2 * MIB)
    sizes, ended_by = ascent.ascend(
        lambda n: Size(n, "failed", "CUDA error") if n > 16 else working(n), Cap(512, "data"), 2 * MIB
    )
    assert [size.batch_size for size in sizes] == [8, 16, 32]
    found = ascent.recommend(sizes, 2 * MIB, ended_by)
    assert found is not None
    assert (found.recommended, found.limited_by) == (16, "error")


@pytest.mark.parametrize(
    ("examples", "wanted", "expected"),
    [
        (1437, None, Cap(64, "data")),
        (1437, 32, Cap(32, "cap")),
        (100, None, Cap(8, "data")),
        (5, None, Cap(5, "data")),
        (10**9, None, Cap(61440, "cap")),
        (2400, None, Cap(120, "data")),
    ],
)
def test_an_epoch_keeps_twenty_steps(examples: int, wanted: int | None, expected: Cap) -> None:
    assert ascent.cap(examples, wanted) == expected


@given(
    fixed=st.integers(0, 1000),
    slopes=st.lists(st.integers(0, 100), min_size=1, max_size=4),
    card=st.integers(1, 10**6),
    knee=st.integers(1, 10**4),
    highest=st.integers(2, 65_535),
    on_cpu=st.booleans(),
)
def test_only_measured_sizes_within_the_budget_and_the_cap_are_recommended(
    fixed: int, slopes: list[int], card: int, knee: int, highest: int, on_cpu: bool
) -> None:
    # Memory is convex in the batch size: the largest of several straight lines.
    measure = bench(
        lambda n: max(fixed, *(slope * n - 10 * slope**2 for slope in slopes)), card, rate=lambda n: min(n, knee)
    )
    budget = int(0.9 * card)
    sizes, ended_by = ascent.ascend(measure, ascent.cap(10**9, highest), budget, unchanged if on_cpu else None)
    tried = [size.batch_size for size in sizes]
    assert len(tried) == len(set(tried))
    assert max(tried) <= highest
    found = ascent.recommend(sizes, budget, ended_by)
    if found is not None:
        best = next(size for size in sizes if size.batch_size == found.recommended)
        assert best.peak_memory is not None
        assert best.peak_memory <= budget
        assert found.recommended <= found.largest_feasible


def test_spread_is_the_median_deviation_as_a_share_of_the_median() -> None:
    assert timing.spread([1.0, 1.0, 1.0]) == 0.0
    assert timing.spread([1.0, 2.0, 3.0, 100.0, 0.0]) == 0.5


def test_each_kind_of_step_is_timed_by_its_own_duration() -> None:
    # In this thread alone: threads that fight for the cores may take longer for little than for much.
    quick, slow = timing.compare(lambda: sum(range(100)), lambda: sum(range(2_000_000)), CPU, 0.05, 1.0)
    assert 0 < quick.seconds < slow.seconds


def test_data_that_are_there_at_once_are_not_timed_with_the_step() -> None:
    turns: list[str] = []

    def step() -> object:
        return turns.append("alone") or sum(range(100_000))

    alone, whole = timing.compare(step, lambda: turns.append("whole"), CPU, 0.01, 1e-7)
    assert set(turns) == {"alone"}
    assert whole.seconds == pytest.approx(alone.seconds + 1e-7)


@pytest.mark.skipif(machine.waited() is None, reason="the system does not say how long a thread waited for a processor")
def test_a_neighbour_on_the_same_processor_is_left_out_of_account() -> None:
    """Two processes share one core, so that one of them waits for half of the time."""
    script = """
        import os, signal, torch
        from training import timing
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        neighbour = os.fork()
        while neighbour == 0:
            pass
        one = timing.lap(lambda: sum(range(10_000_000)), torch.device("cpu"))
        os.kill(neighbour, signal.SIGKILL)
        print(0 < one.undisturbed < 0.8 * one.clock)
    """
    assert python(textwrap.dedent(script)).stdout == "True\n"


def test_a_second_half_that_is_slower_shows_as_drift() -> None:
    assert timing.drift([1.0, 1.0, 1.0, 1.0]) == 1.0
    assert timing.drift([1.0, 1.0, 9.0, 2.0, 2.0]) == 2.0
    assert timing.drift([1.0]) == 1.0


def test_kinds_of_step_are_timed_in_turn_there_and_back() -> None:
    turns: list[str] = []
    steps = (lambda: turns.append("a"), lambda: turns.append("b"))
    times = timing.in_turn(steps, CPU, [1.0, 1.0], lambda seconds: "sure")
    assert turns == ["a", "b", "b", "a", "a", "b"]
    assert min(times) > 0


def test_kinds_of_step_are_timed_until_the_answer_is_sure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps of a second and of 1.05, by a clock of our own: chance of 2 % hides which of two answers is right."""
    dice, rounds = random.Random(1), [0, 0]

    def at(place: int, limit: float) -> int:
        def timed(step: object, device: object, count: int) -> float:
            rounds[place] += 1
            return float(str(step)) * dice.uniform(0.5, 0.51)

        monkeypatch.setattr(timing, "seconds", timed)
        steps: Any = (1.0, 1.05)
        timing.in_turn(steps, CPU, [1.0, 1.0], lambda seconds: seconds[1] > limit * seconds[0])
        return rounds[place]

    assert at(0, 1.02) == 2 * timing.ROUNDS
    # 6 seconds of both kinds, half a second a step.
    assert 2 * timing.ROUNDS < at(1, 1.05) <= 2 * timing.PATIENCE / 0.5 + 2


@given(
    kinds=st.lists(st.floats(0.01, 100), min_size=2, max_size=6),
    slow=st.lists(st.floats(1, 10), min_size=3, max_size=9),
    moment=st.tuples(st.integers(0, 100), st.integers(0, 100), st.floats(1, 50)),
)
def test_slow_rounds_and_a_bad_moment_change_nothing_in_how_kinds_of_step_compare(
    kinds: list[float], slow: list[float], moment: tuple[int, int, float]
) -> None:
    rounds = [[round * kind for kind in kinds] for round in slow]
    assert timing.polished(rounds) == pytest.approx([min(slow) * kind for kind in kinds])
    place, kind, times = moment
    if len(kinds) > 2:
        rounds[place % len(slow)][kind % len(kinds)] *= times
        assert timing.polished(rounds) == pytest.approx([min(slow) * kind for kind in kinds])


def test_another_time_of_a_step_changes_all_that_follows_from_it() -> None:
    size = ascent.retimed(Size(8, "measured", "", 0.4, 0.0, 20.0, MIB, end_to_end_seconds=0.6), 0.2)
    assert (size.step_seconds, size.examples_per_second) == (0.2, 40.0)
    assert size.end_to_end_seconds == pytest.approx(0.3)


def test_a_neighbour_who_comes_in_the_middle_changes_nothing() -> None:
    """From the third size on everything takes three times as long; measured side by side the rise still shows."""
    quiet = bench(lambda n: MIB, 2 * MIB, rate=lambda n: min(n, 100))
    busy = bench(lambda n: MIB, 2 * MIB, rate=lambda n: min(n, 100) / 3)

    for late in (16, 32, 64, 4096):
        device = [quiet]

        def measure(size: int, late: int = late, device: list[Callable[[int], Size]] = device) -> Size:
            device[:] = [busy if size >= late else quiet]
            return device[0](size)

        def again(sizes: list[Size], device: list[Callable[[int], Size]] = device) -> list[Size]:
            return [device[0](size.batch_size) for size in sizes]

        sizes, ended_by = ascent.ascend(measure, Cap(4096, "cap"), 2 * MIB, again)
        found = ascent.recommend(sizes, 2 * MIB, ended_by)
        assert found == ascent.Recommendation(128, 256, 128, "throughput")


@given(
    fixed=st.floats(0, 300),
    noise=st.integers(0, 2**32).map(random.Random),
    bad=st.floats(0, 0.9),
    highest=st.sampled_from([32, 128, 1024]),
)
def test_noise_does_not_change_an_answer_that_is_not_on_the_line_itself(
    fixed: float, noise: random.Random, bad: float, highest: int
) -> None:
    """Single measurements are up to nearly twice too slow, those side by side up to 1 %."""

    def timed(size: int, share: float) -> Size:
        seconds = (fixed + size) * (1 + noise.uniform(0, share))
        return Size(size, "measured", "", seconds, 0.0, size / seconds, MIB)

    def measured(own: float, together: float) -> ascent.Recommendation | None:
        sizes, ended_by = ascent.ascend(
            lambda size: timed(size, own),
            ascent.cap(10**9, highest),
            2 * MIB,
            lambda sizes: [timed(size.batch_size, together) for size in sizes],
        )
        return ascent.recommend(sizes, 2 * MIB, ended_by)

    quiet = measured(0.0, 0.0)
    assert quiet is not None
    # What each doubling brings: so near to what it must bring, either answer is right.
    gains = [2 * (fixed + size) / (fixed + 2 * size) for size in (8, 16, 32, 64, 128, 256, 512, 1024)]
    assume(all(abs(gain / ascent.GAIN - 1) > 0.02 for gain in gains))
    found = measured(bad, 0.01)
    assert found is not None
    # The same holds of a size that is as much slower than the best as one may be.
    smaller, best = min(found.recommended, quiet.recommended), quiet.largest_feasible
    share = smaller / (fixed + smaller) / (best / (fixed + best))
    assert found.recommended == quiet.recommended or abs(share / ascent.FAST_ENOUGH - 1) < 0.02


@pytest.mark.parametrize(
    ("rates", "earlier", "expected"),
    [
        ({8: 60, 16: 80, 32: 95.0, 64: 100, 128: 101.5}, None, 64),
        # As it may be measured another time.
        ({8: 60, 16: 80, 32: 95.5, 64: 100, 128: 101.5}, None, 32),
        ({8: 60, 16: 80, 32: 95.5, 64: 100, 128: 101.5}, 64, 64),
        ({8: 60, 16: 80, 32: 95.0, 64: 100, 128: 101.5}, 32, 32),
        # Nobody keeps what is clearly slower, or a step that is longer for nothing, or what was not measured.
        ({8: 60, 16: 80, 32: 90.0, 64: 100, 128: 101.5}, 32, 64),
        ({8: 60, 16: 80, 32: 102.0, 64: 100, 128: 101.5}, 64, 32),
        ({8: 60, 16: 80, 32: 95.0, 64: 102, 128: 101.5}, 128, 64),
        ({8: 60, 16: 80, 32: 95.0, 64: 100, 128: 101.5}, 48, 64),
    ],
)
def test_what_was_recommended_before_stays_unless_the_figures_speak_against_it(
    rates: dict[int, float], earlier: int | None, expected: int
) -> None:
    assert ascent.saturation(rates, earlier) == expected


def test_the_answer_does_not_depend_on_how_far_the_ascent_went() -> None:
    sizes = [Size(n, "measured", "", 3.0 + n, 0.0, n / (3.0 + n), MIB) for n in (8, 16, 32, 64, 128, 256)]
    assert {found.recommended for end in (3, 4, 5, 6) if (found := ascent.recommend(sizes[:end], MIB, "cap"))} == {32}


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
    done = python(textwrap.dedent(script))
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
    done = python(textwrap.dedent(script))
    assert done.stdout.split("\n")[:3] == ["refused: True", "left: True", "alive"]


@pytest.fixture(scope="module")
def whole_digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_project.digits(tmp_path_factory.mktemp("digits"), examples=1797)


def python(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=False, timeout=300
    )


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
        assert 0 < size["peak_memory"] <= result["memory_budget"]
    assert result["status"] == "complete"
    assert result["recommended"] in (8, 16)
    assert result["largest_feasible"] == 16
    assert result["limited_by"] == ("cap" if result["recommended"] == 16 else "throughput")
    assert result["threads"] == 1
    assert result["precision"] == "float32"
    phases = [json.loads(line) for line in (tmp_path / "probe/progress.jsonl").read_text().splitlines()]
    # Sizes are compared unless one of them, as they were measured first, is less than half as fast as the other.
    first = [json.loads(line) for line in (tmp_path / "probe/sizes.jsonl").read_text().splitlines()[:2]]
    slower, faster = sorted(line["examples_per_second"] for line in first)
    compared = ["compare"] if slower >= ascent.CLOSE * faster else []
    assert [phase["phase"] for phase in phases] == ["size", "size", *compared, "check"]
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
    assert training_runs.result(tmp_path / "probe")["recommended"] == 8


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
    done = python(textwrap.dedent(script), *arguments)
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
        (signal.SIGKILL, 0, {"status": "failed", "reason": "out_of_memory"}),
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
        if number == signal.SIGSEGV:
            # pytest's own handler would fill the screen.
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    probe.run(tmp_path, probe.forked(work))
    result = training_runs.result(tmp_path)
    assert {key: result[key] for key in expected} == expected
    assert ("batch of 32" if expected.get("reason") == "out_of_memory" else f"signal {number}") in result["message"]


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
            measure=lambda size: dataclasses.replace(measure(note(size)), end_to_end_seconds=1.0),
            side_by_side=unchanged,
            check=check,
        )
        try:
            ending = probe.probe(relay.Fresh(fake, card * MIB, found), Cap(64, "data"), report, tmp_path / "check")
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

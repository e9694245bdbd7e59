"""Which batch sizes are tried and which one is recommended, on known curves."""

from __future__ import annotations

import bisect
import dataclasses
import random
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.known_device import MIB, QUIET, bench, unchanged
from training import ascent, probe
from training.ascent import Cap, Shared, Size
from training.bench import Failure

# Peak memory of ResNet-50 under AdamW by batch size, in MiB, as torch's own accounting (MemTracker) gives it.
RESNET50 = {1: 453, 2: 454, 4: 513, 8: 678, 16: 1006, 32: 1683, 64: 3049, 512: 22171}


def resnet50(size: int) -> int:
    """The measured curve, straight between its points and beyond them."""
    sizes = sorted(RESNET50)
    place = min(max(bisect.bisect_left(sizes, size), 1), len(sizes) - 1)
    low, high = sizes[place - 1], sizes[place]
    slope = (RESNET50[high] - RESNET50[low]) / (high - low)
    return int((RESNET50[low] + slope * (size - low)) * MIB)


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
    sizes, ended_by = ascent.ascend(bench(lambda n: n * MIB, 5 * MIB), Cap(64, "data"), 5 * MIB, QUIET)
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
    sizes, ended_by = ascent.ascend(measure, Cap(4096, "cap"), 2 * MIB, QUIET if on_cpu else None)
    assert [size.batch_size for size in sizes] == [8, 16, 32, 64, 128]
    found = ascent.recommend(sizes, 2 * MIB, ended_by)
    assert found == ascent.Recommendation(64, 128, 64, "throughput")


def test_one_slow_size_on_a_shared_processor_does_not_end_the_ascent() -> None:
    measure = bench(lambda n: MIB, 2 * MIB, rate=lambda n: 1 if n == 32 else n)
    sizes, ended_by = ascent.ascend(measure, Cap(128, "data"), 2 * MIB, QUIET)
    found = ascent.recommend(sizes, 2 * MIB, ended_by)
    assert found == ascent.Recommendation(128, 128, 128, "data")


def test_a_size_that_training_and_evaluation_refuse_leads_to_half_of_it(tmp_path: Path) -> None:
    """Steps of four examples fit, steps and evaluation of four do not: two were never tried."""
    reports: list[dict[str, Any]] = []

    def check(size: int, folder: Path) -> Failure | None:
        return Failure(True, "Training and evaluation together take more.") if size > 2 else None

    measure = bench(lambda size: (100 + size) * MIB, 104 * MIB)
    fake: Any = SimpleNamespace(
        budget=104 * MIB, device=torch.device("cpu"), measure=measure, side_by_side=unchanged, check=check
    )
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
    sizes, ended_by = ascent.ascend(measure, ascent.cap(10**9, highest), budget, QUIET if on_cpu else None)
    tried = [size.batch_size for size in sizes]
    assert len(tried) == len(set(tried))
    assert max(tried) <= highest
    found = ascent.recommend(sizes, budget, ended_by)
    if found is not None:
        best = next(size for size in sizes if size.batch_size == found.recommended)
        assert best.peak_memory is not None
        assert best.peak_memory <= budget
        assert found.recommended <= found.largest_feasible


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

        sizes, ended_by = ascent.ascend(measure, Cap(4096, "cap"), 2 * MIB, Shared(again, QUIET.anew))
        found = ascent.recommend(sizes, 2 * MIB, ended_by)
        assert found == ascent.Recommendation(128, 256, 128, "throughput")


@pytest.mark.parametrize(("busy", "answer"), [(True, 64), (False, 8)])
def test_on_a_busy_machine_a_larger_size_is_asked_before_throughput_is_said_to_stop(busy: bool, answer: int) -> None:
    """Two sizes that came to the same beside neighbours, once each and once side by side."""
    rates = {8: 150, 16: 152, 32: 190, 64: 220, 128: 222, 256: 222}
    measured: list[int] = []

    def measure(size: int) -> Size:
        measured.append(size)
        return Size(size, "measured", "", size / rates[size], 0.0, rates[size], MIB)

    shared = dataclasses.replace(QUIET, busy=lambda: busy)
    sizes, ended_by = ascent.ascend(measure, Cap(4096, "cap"), 2 * MIB, shared)
    found = ascent.recommend(sizes, 2 * MIB, ended_by)
    assert found is not None
    assert (found.recommended, found.limited_by) == (answer, "throughput")
    # One size beyond the end of the rise, and no more.
    assert measured == ([8, 16, 32, 64, 128, 256] if busy else [8, 16])


def test_a_size_that_was_disturbed_is_measured_anew_although_it_is_far_from_the_best() -> None:
    """As it once was: 34 ms on the device, 0.7 ms of data, and 94 ms together, where the next size took 73 ms."""
    known = {
        8: Size(8, "measured", "", 0.034, 0.57, 235.0, MIB, None, 2.8, 0.0007, 0.094),
        16: Size(16, "measured", "", 0.03, 0.02, 533.0, MIB, None, 1.0, 0.0007, 0.031),
    }
    calm = Size(8, "measured", "", 0.032, 0.02, 250.0, MIB, None, 1.0, 0.0007, 0.033)
    tried: list[int] = []

    def anew(size: Size) -> Size:
        tried.append(size.batch_size)
        return ascent.calmer(size, calm)

    sizes, _ = ascent.ascend(known.__getitem__, Cap(16, "cap"), 2 * MIB, Shared(unchanged, anew))
    assert tried == [8]
    assert sizes == [calm, known[16]]
    # On a device of one's own there are no neighbours to wait for.
    assert ascent.ascend(known.__getitem__, Cap(16, "cap"), 2 * MIB)[0] == [*known.values()]


def test_of_a_size_that_was_disturbed_the_figures_that_tell_more_are_kept() -> None:
    before = Size(8, "measured", "", 0.034, 0.57, 235.0, MIB, None, 2.8, 0.0007, 0.094)
    calm = Size(8, "measured", "", 0.09, 0.02, 89.0, 2 * MIB, None, 1.0, 0.0007, 0.1)
    shorter = Size(8, "measured", "", 0.034, 0.57, 235.0, 2 * MIB, None, 2.8, 0.0007, 0.09)
    for newer in (calm, shorter):
        # The peak of a process that has seen larger sizes is theirs.
        assert ascent.calmer(before, newer) == dataclasses.replace(newer, peak_memory=MIB)
    longer = dataclasses.replace(shorter, end_to_end_seconds=0.095)
    for newer in (before, longer, Size(8, "out_of_memory"), Size(8, "failed")):
        assert ascent.calmer(before, newer) == before


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
            Shared(lambda sizes: [timed(size.batch_size, together) for size in sizes], QUIET.anew),
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


def test_beside_busy_neighbours_more_must_speak_against_what_was_recommended_before() -> None:
    """As it was measured with and without other work of half the cores."""
    loud = {8: 37.3, 16: 82.0, 32: 100.1, 64: 129.8, 112: 145.7}
    assert ascent.saturation(loud, 64) == 112
    assert ascent.saturation(loud, 64, ascent.LOUD_NOISE) == 64
    assert ascent.saturation(loud, 32, ascent.LOUD_NOISE) == 112
    assert ascent.saturation(loud, None, ascent.LOUD_NOISE) == 112


def test_a_size_that_something_else_kept_is_not_where_throughput_stops_rising() -> None:
    """As it was measured beside three others on two cores: what larger sizes do, side by side, speaks against it."""
    kept = {8: 118.0, 16: 148.0, 32: 273.0, 64: 276.0, 128: 531.0, 208: 821.0}
    assert ascent.knee(kept) is None
    assert ascent.saturation(kept) == 208
    assert ascent.knee({**kept, 128: 280.0, 208: 285.0}) == 64
    # Two in a row that fall are no bad moment, unless a larger size goes on as before.
    assert ascent.knee({8: 100.0, 16: 190.0, 32: 50.0, 64: 40.0}) == 64
    assert ascent.knee({8: 100.0, 16: 190.0, 32: 50.0, 64: 40.0, 128: 900.0}) is None


def test_the_answer_does_not_depend_on_how_far_the_ascent_went() -> None:
    sizes = [Size(n, "measured", "", 3.0 + n, 0.0, n / (3.0 + n), MIB) for n in (8, 16, 32, 64, 128, 256)]
    assert {found.recommended for end in (3, 4, 5, 6) if (found := ascent.recommend(sizes[:end], MIB, "cap"))} == {32}

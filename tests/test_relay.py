"""What one process after another measures, and that together they come to an end."""

from __future__ import annotations

import io
import json
import signal
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from tests.known_device import MIB, unchanged
from training import ascent, cut_short, probe, relay
from training.ascent import Cap, Size
from training.bench import Failure

# More processes than anything here needs.
MANY = 10


def sized(size: int, seconds: float, spread: float = 0.0) -> Size:
    return Size(size, "measured", "", seconds, spread, size / seconds, 1, None, 1.0, 0.0, seconds)


def by_processes(folder: Path, make: Callable[[], Any], highest: int) -> tuple[relay.Found, list[str]]:
    """What was found by one process after another, each with a bench of its own, and how each of them ended."""
    found, endings = relay.Found({"memory_budget": MIB}), []
    while len(endings) < MANY and (not endings or endings[-1] == probe.SPENT):
        told: list[str] = []
        known = relay.Found.read(found.written())

        def report(part: dict[str, Any], told: list[str] = told) -> None:
            told.append(json.dumps(part) + "\n")

        try:
            ending = probe.probe(relay.Fresh(make(), known), Cap(highest, "cap"), report, folder / "check")
            endings.append(ending["status"])
        except relay.Spent:
            endings.append(probe.SPENT)
        probe.follow(io.StringIO("".join(told)), found, folder)
    return found, endings


def cpu(**does: Any) -> Any:
    """A bench of the CPU on which the check succeeds and comparing changes nothing, unless told otherwise."""
    usual = {"side_by_side": unchanged, "check": lambda size, folder: None}
    return SimpleNamespace(device=torch.device("cpu"), budget=MIB, **usual | does)


def test_a_size_that_has_no_memory_to_be_measured_anew_is_not_tried_for_ever(tmp_path: Path) -> None:
    measured: list[int] = []

    def measure(size: int) -> Size:
        measured.append(size)
        if measured.count(size) > 1:
            return Size(size, "out_of_memory")
        return sized(size, 1.0, spread=0.6)

    found, endings = by_processes(tmp_path, lambda: cpu(measure=measure), 16)
    # Each of the two sizes spends a process, and a third one compares and checks.
    assert endings == [probe.SPENT, probe.SPENT, "complete"]
    assert measured == [8, 16, 8, 16]
    assert found.sizes == {size: sized(size, 1.0, spread=0.6) for size in (8, 16)}


def test_figures_that_were_compared_are_not_replaced_by_those_of_another_moment(tmp_path: Path) -> None:
    """Also not of a size that was disturbed each time, or is so by its new figures, in any process."""
    measured: list[int] = []
    checks: list[int] = []

    def measure(size: int) -> Size:
        measured.append(size)
        return sized(size, size / 10 / measured.count(size), spread=0.6)

    def side_by_side(sizes: list[Size], answer: object) -> list[Size]:
        return [ascent.retimed(size, size.batch_size) for size in sizes]

    def check(size: int, _folder: Path) -> Failure | None:
        checks.append(size)
        return Failure(True, "Training and evaluation together take more.") if len(checks) == 1 else None

    def make() -> Any:
        return cpu(measure=measure, side_by_side=side_by_side, check=check)

    found, endings = by_processes(tmp_path, make, 16)
    assert endings == [probe.SPENT, "complete"]
    assert {size: one.step_seconds for size, one in found.sizes.items()} == {8: 8.0, 16: 16.0}
    assert measured == [8, 16, 8, 16]


def test_a_size_is_measured_anew_once_however_often_sizes_are_compared(tmp_path: Path) -> None:
    """Each larger size seems slower at first, so that all are compared again."""
    measured: list[int] = []

    def measure(size: int) -> Size:
        measured.append(size)
        return sized(size, 10.0 * size, spread=0.6 if size == 8 else 0.0)

    def side_by_side(sizes: list[Size], answer: object) -> list[Size]:
        return [ascent.retimed(size, 1.0) for size in sizes]

    found, endings = by_processes(tmp_path, lambda: cpu(measure=measure, side_by_side=side_by_side), 64)
    assert endings == ["complete"]
    assert measured.count(8) == 2
    assert found.anew == {8}
    assert len(found.sizes) > 2


def test_what_is_left_of_a_process_that_was_killed_is_judged_as_loud_as_it_was_there(tmp_path: Path) -> None:
    """The rates beside busy neighbours, by which alone the earlier answer is no reason to choose another."""
    rates = {8: 37.3, 16: 82.0, 32: 100.1, 64: 129.8, 128: 145.7}
    for noise, recommended in ((ascent.NOISE, 128), (ascent.LOUD_NOISE, 64)):
        told: list[str] = [json.dumps({"facts": {"memory_budget": MIB, "earlier": 64}}) + "\n"]

        def measure(size: int) -> Size:
            if size > max(rates):
                raise KeyboardInterrupt  # as far as a process comes that is killed
            return sized(size, size / rates[size])

        def report(part: dict[str, Any], told: list[str] = told) -> None:
            told.append(json.dumps(part) + "\n")

        found = relay.Found()
        fresh = relay.Fresh(cpu(measure=measure), found)
        with pytest.raises(KeyboardInterrupt):
            probe.probe(fresh, Cap(4096, "data"), report, tmp_path / "check", 64, lambda noise=noise: noise)
        probe.follow(io.StringIO("".join(told)), found, tmp_path)
        assert cut_short.died(found, -signal.SIGKILL)["recommended"] == recommended

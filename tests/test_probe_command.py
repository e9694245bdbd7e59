"""What says how fast a command is, and which batch size follows from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from state import probe_command
from state.probe_command import recommend, throughput

SEEN = [(0.0, 10), (2.0, 30), (4.0, 50)]


@pytest.mark.parametrize(
    ("seen", "rates", "epochs", "rate", "how"),
    [
        (SEEN, [10.0, 100.0, 110.0], False, 105.0, "column"),
        (SEEN, [90.0], False, 90.0, "column"),
        (SEEN, [], False, 80.0, "rows"),
    ],
)
def test_the_speed_comes_from_what_there_is(
    seen: list[tuple[float, int]], rates: list[float], epochs: bool, rate: float, how: str
) -> None:
    found = throughput(8, seen, rates, epochs=epochs)
    assert (found[0], found[2]) == (rate, how)


@pytest.mark.parametrize(
    ("seen", "epochs", "reason"),
    [
        ([], False, "no steps"),
        (SEEN, True, "no steps"),
        ([(0.0, 0)], False, "no steps"),
        # Closer together than can be told apart; the clock would time the start of the command.
        ([(0.0, 10), (0.1, 50)], False, "too soon"),
        ([(0.0, 10)], False, "too soon"),
    ],
)
def test_where_nothing_says_the_speed_the_reason_is_given(
    seen: list[tuple[float, int]], epochs: bool, reason: str
) -> None:
    assert throughput(8, seen, [], epochs=epochs) == (None, None, reason)


def test_what_was_timed_once_has_no_spread() -> None:
    assert throughput(8, [], [90.0], epochs=False)[1] is None
    assert throughput(8, SEEN, [], epochs=False)[1] is None
    assert throughput(8, [], [10.0, 90.0, 100.0, 110.0], epochs=False)[1] == 0.1


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
    asked = {"size": own, "sizes": list(rates), "runs": [{}] * len(rates), "device": "cpu"}
    found = probe_command.ascend(tmp_path, asked)
    assert (found["recommended"], found["limited_by"]) == (size, limit)

"""How steps are timed beside neighbours who come and go."""

from __future__ import annotations

import random
import textwrap
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests import training_runs
from training import machine, timing

CPU = torch.device("cpu")


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
    assert training_runs.python(textwrap.dedent(script)).stdout == "True\n"


def test_a_second_half_that_is_slower_shows_as_drift() -> None:
    assert timing.drift([1.0, 1.0, 1.0, 1.0]) == 1.0
    assert timing.drift([1.0, 1.0, 9.0, 2.0, 2.0]) == 2.0
    assert timing.drift([1.0]) == 1.0


def test_kinds_of_step_are_timed_in_turn_there_and_back() -> None:
    turns: list[str] = []
    steps = (lambda: turns.append("a"), lambda: turns.append("b"))
    times, _sure = timing.in_turn(steps, CPU, [1.0, 1.0], lambda seconds: "sure")
    assert turns == ["a", "b", "b", "a", "a", "b"]
    assert min(times) > 0


def test_kinds_of_step_are_timed_until_the_answer_is_sure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps of a second and of 1.05, by a clock of our own: chance of 2 % hides which of two answers is right."""
    dice, rounds = random.Random(1), [0, 0]

    def at(place: int, limit: float) -> tuple[int, bool]:
        def timed(step: object, device: object, count: int) -> float:
            rounds[place] += 1
            return float(str(step)) * dice.uniform(0.5, 0.51)

        monkeypatch.setattr(timing, "seconds", timed)
        steps: Any = (1.0, 1.05)
        _, sure = timing.in_turn(steps, CPU, [1.0, 1.0], lambda seconds: seconds[1] > limit * seconds[0])
        return rounds[place], sure

    assert at(0, 1.02) == (2 * timing.ROUNDS, True)
    # 6 seconds of both kinds, half a second a step.
    tried, sure = at(1, 1.05)
    assert 2 * timing.ROUNDS < tried <= 2 * timing.PATIENCE / 0.5 + 2
    assert not sure


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

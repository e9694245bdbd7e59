"""What a review says of evaluations on a sample, and when it proposes one (P16)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rounds import next_step, planning, reviewing, sampled
from rounds.attending import Supervisor
from rounds.sampled import Checked
from rounds.slots import Machine
from rounds.warm import ForkServer
from state import trials
from state.store import open_store
from tests import small_project


def drawn(times: int, shift: float = 0.0) -> Iterator[str]:
    """Verdicts on samples of 500 of 5000, of three trials at 10 % errors; `shift`: what the sample adds to the rate."""
    for seed in range(times):
        random = np.random.default_rng(seed)
        wrong = random.random(5000) < 0.1
        part = random.choice(wrong, 500, replace=False)
        # The trials are wrong about nearly the same examples.
        checked = [Checked(part.mean() + shift + 0.002 * trial, wrong.mean() + 0.002 * trial) for trial in range(3)]
        yield sampled.check(checked, 500, 5000).verdict


def test_a_fair_sample_passes_and_an_unlike_one_is_told() -> None:
    verdicts = list(drawn(400))
    assert set(verdicts) == {"pass", "warn"}
    assert 0.01 < verdicts.count("warn") / 400 < 0.1
    assert list(drawn(50, shift=0.08)).count("warn") == 50


def test_without_errors_or_trials_there_is_nothing_to_tell() -> None:
    assert sampled.check([], 10, 100).verdict == "cannot tell"
    assert sampled.check([Checked(0.0, 0.0)], 10, 100).verdict == "cannot tell"
    assert sampled.check([Checked(1.0, 1.0)], 10, 100).verdict == "cannot tell"


@given(
    st.lists(st.builds(Checked, st.floats(0, 1), st.floats(0, 1)), max_size=5), st.integers(1, 9), st.integers(10, 99)
)
def test_nothing_breaks_it(checked: list[Checked], examples: int, total: int) -> None:
    assert sampled.check(checked, examples, total).to_dict()


def test_a_sample_is_proposed_where_evaluation_takes_long_and_there_is_enough_to_draw_from() -> None:
    found = sampled.unsampled([0.4, 0.5, 0.6], 50_000)
    assert found.verdict == "warn"
    assert found.action is not None
    assert found.action.payload == {"examples": 10_000}
    assert sampled.unsampled([0.05], 50_000).verdict == "pass"
    assert sampled.unsampled([0.9], 1500).verdict == "pass"
    assert sampled.unsampled([], 50_000).verdict == "pass"


def test_the_share_is_what_training_at_its_pace_leaves_of_the_time() -> None:
    # 10 steps of 20 examples at 100 a second take 2 s of 4 between evaluations.
    seconds = [(10, 9.0), (20, 13.0), (30, 17.0)]
    assert sampled.share(seconds, {10: 50.0, 20: 100.0, 30: 100.0}, 20) == pytest.approx(0.5)
    assert sampled.share(seconds[:2], {10: 50.0, 20: 100.0}, 20) is None
    assert sampled.share(seconds, {}, 20) is None


def test_a_round_of_real_trials_on_a_sample_is_reviewed(tmp_path: Path, digits: Path, fork_server: ForkServer) -> None:
    with open_store(small_project.project(tmp_path / "p", digits)) as opened:
        driven = Supervisor(opened, Machine(2), fork_server)
        small_project.adopt(opened, small_project.settings(digits))
        plan = planning.propose(opened, trials=3, examples=20)
        assert plan.base["training.evaluation_examples"] == 20
        planning.save(opened, plan, wanted="run")

        def finished() -> bool:
            driven.tick()
            return all(entry.status in trials.ENDED for entry in trials.trials(opened, "round-1"))

        small_project.wait_for(finished, "the round did not end")
        (found,) = [entry for entry in reviewing.review_batch(opened, "round-1") if entry.check == "evaluation"]
        assert found.figures["examples"] == 20
        assert found.figures["total"] == 40
        assert found.figures["trials"] == 3
        assert found.verdict in ("pass", "warn")
        for entry in trials.trials(opened, "round-1"):
            assert entry.result is not None
            checked = {one["step"]: one["whole"]["val/error_rate"] for one in entry.result["sample"]["checked"]}
            assert entry.best == checked[entry.best_step]
        more = sampled.check([Checked(0.9, 0.1)], 15, 40)
        design = next_step.next_step(opened, "round-1", more)
        assert isinstance(design, next_step.Design)
        assert design.plan(opened).base["training.evaluation_examples"] == 30

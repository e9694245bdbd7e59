"""Instability above the best learning rate: seen where it is, not where it is not, and the remedies in their order."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rounds import instability, launching, planning, remedies, reviewing
from rounds.attending import Supervisor
from rounds.slots import Machine
from rounds.space import Domain
from rounds.warm import ForkServer
from state import files, trial_progress, trials
from state.database import Store
from state.errors import Refusal
from state.metrics import index_metrics
from state.store import open_store
from tests import small_project


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A project whose first round has ended."""
    project = small_project.project(tmp_path / "p", tmp_path / "data")
    with open_store(project) as opened:
        small_project.adopt(opened, small_project.settings(tmp_path / "data", training__steps=2000))
        batch = planning.save(opened, planning.propose(opened, trials=4))
        for entry, best in zip(trials.trials(opened, batch.name), [0.4, 0.2, 0.3, 0.5], strict=True):
            small_project.end(opened, entry.id, best)
        yield opened


def a_run(store: Store, id: str, losses: Any, status: str = "complete") -> None:
    """Enter a run of a check: its training losses, step by step."""
    folder = files.make_folder(store.project.trial_folder(id))
    for step, loss in enumerate(losses, 1):
        files.append_line(folder / "metrics.jsonl", {"step": step, "train/loss": float(loss)})
    index_metrics(store, [id])
    best = {"step": len(losses), "val/error_rate": 0.3} if status == "complete" else {}
    trial_progress.mark_ended(
        store,
        id,
        {"status": status, "reason": "diverged" if status == "infeasible" else "", "best": best, "final": best},
    )


def falling(seed: int = 0, steps: int = 500, noise: float = 0.2) -> np.ndarray:
    return 2 * np.exp(-np.arange(steps) / 100) + 0.3 + np.random.default_rng(seed).normal(0, noise, steps)


def test_a_steady_fall_with_noise_is_seldom_called_unstable() -> None:
    """Of 300 curves with nothing to find, at most one in fifty is."""
    for noise in (0.02, 0.2):
        seen = [instability.unstable_at(falling(seed, noise=noise).tolist()) is not None for seed in range(300)]
        assert sum(seen) <= 6


def test_a_loss_that_rises_again_is_found_where_it_does() -> None:
    """A hump after the fall, and a loss that ends in NaN."""
    for seed in range(50):
        losses = falling(seed)
        losses[250:300] += 2
        place = instability.unstable_at(losses.tolist())
        assert place is not None
        assert 240 <= place <= 300
    broken = [*falling()[:40], float("nan"), 1.0]
    assert instability.unstable_at(broken) == 40


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=200))
def test_no_curve_breaks_the_detector(losses: list[float]) -> None:
    """Empty, constant, not a number: an answer in every case; a constant curve is steady."""
    place = instability.unstable_at(losses)
    assert place is None or 0 <= place < len(losses)
    assert instability.unstable_at([1.0] * len(losses)) is None


def test_the_check_is_short_at_and_above_the_best_rate_and_no_round_that_counts(store: Store) -> None:
    """Four short runs, the last at twice the rate and evaluated at every step; later rounds take no range from it."""
    assert instability.candidate(store) == "round-1-002"
    batch = instability.start(store, "round-1-002", wanted="")
    listed = trials.trials(store, batch.name)
    rate = trials.trial_settings(store, trials.trial(store, "round-1-002"))["optimizer.learning_rate"]
    settings = [trials.trial_settings(store, entry) for entry in listed]
    assert [round(own["optimizer.learning_rate"] / rate, 2) for own in settings] == [1, 1.26, 1.58, 2]
    assert {own["training.steps"] for own in settings} == {500}
    assert [own["training.evaluate_every"] for own in settings] == [25, 25, 25, 1]
    domain = planning.propose(store, trials=4).studies[0].dimensions[0].domain
    assert domain.is_range
    for entry in listed:
        small_project.end(store, entry.id, 0.1)
    with pytest.raises(Refusal, match="no candidates"):
        launching.propose(store, batch.name)
    with pytest.raises(Refusal, match="did not complete"):
        instability.start(store, planning.save(store, planning.propose(store, trials=4)).name + "-001")


@pytest.mark.parametrize(
    ("shaky", "verdict", "words"),
    [
        ((), "pass", "stable up to 2 times"),
        ((3,), "warn", "unstable at 2 times"),
        ((1, 2, 3), "warn", "unstable at 1.3 times"),
        ((0, 1), "fail", "unstable at the best learning rate itself"),
    ],
)
def test_the_review_of_a_check_says_at_which_rate_training_breaks(
    store: Store, shaky: tuple[int, ...], verdict: str, words: str
) -> None:
    """One run diverges, the others have a hump; without either the rate is not what limits."""
    batch = instability.start(store, "round-1-002", wanted="")
    for place, entry in enumerate(trials.trials(store, batch.name)):
        losses = falling(place)
        if place in shaky:
            losses[300:] += 3
        a_run(store, entry.id, losses, "infeasible" if place in shaky and place == 3 else "complete")
    finding = reviewing.review_batch(store, batch.name)[1]
    assert (finding.verdict, finding.rule) == (verdict, "P22")
    assert words in finding.message.text()
    # Of a round that ended early the best trial may be anybody's: which rate that is, is said.
    rate = trials.trial_settings(store, trials.trial(store, "round-1-002"))["optimizer.learning_rate"]
    assert f"best learning rate{' itself' if verdict == 'fail' else ''}, {rate:.3g}" in finding.message.text()
    assert (finding.action is None) == (verdict == "pass")


def test_a_check_with_runs_missing_cannot_tell(store: Store) -> None:
    """Nothing is concluded before every rate has been tried."""
    batch = instability.start(store, "round-1-002", wanted="")
    a_run(store, trials.trials(store, batch.name)[0].id, falling())
    assert reviewing.review_batch(store, batch.name)[1].verdict == "cannot tell"


def test_warm_up_is_swept_over_orders_of_magnitude_up_to_a_tenth_of_the_steps() -> None:
    """The playbook's 10, 1000, … and never more than a tenth."""
    assert remedies.warmup_steps(100_000) == (10, 100, 1000, 10_000)
    assert remedies.warmup_steps(600) == (10, 60)
    assert remedies.warmup_steps(50) == (5,)
    assert remedies.warmup_steps(9) == ()


def test_clipping_starts_at_the_ninetieth_percentile_of_the_norms() -> None:
    """By count, and what it then clips is a tenth; what is not a number counts as clipped."""
    norms = [float(value) for value in range(1, 101)]
    assert remedies.clip_at(norms) == 90
    assert instability.clipped(norms, 90) == pytest.approx(0.1)
    assert instability.clipped([*norms[:3], float("nan")], 90) == 0.25


def test_the_goal_goes_through_the_remedies_in_the_playbooks_order(store: Store) -> None:
    """Warm-up, clipping from the recorded norms, another optimizer, a lower rate when nothing else is left; each time
    the learning rate is tuned along for every value, above the best one, but for the last."""
    base = planning.basis(store).settings
    listed = planning.listed_remedies(store, base)
    assert [remedy.code for remedy in listed] == ["warm-up", "optimizer", "lower rate"]
    folder = store.project.trial_folder("round-1-002")
    for step in range(1, 101):
        files.append_line(folder / "metrics.jsonl", {"step": step, "grad_norm": float(step)})
    index_metrics(store, ["round-1-002"])
    asked = {
        "schedule.warmup_steps": Domain("list", choices=(0, 10, 100)),
        "regularization.gradient_clip": Domain("list", choices=(0.0, 90.0)),
        "optimizer.name": Domain("categorical", choices=("sgd", "adamw")),
        "optimizer.learning_rate": Domain("float", 0.005, 0.05, "log"),
    }
    for key, domain in asked.items():
        plan = planning.propose(store, "stabilise", trials=48)
        assert plan.scientific == {key: domain}
        if key in ("schedule.warmup_steps", "regularization.gradient_clip"):
            assert len(plan.studies) == len(domain.choices)
            for study in plan.studies:
                (rate,) = [d.domain for d in study.dimensions if d.key == "optimizer.learning_rate"]
                assert rate.low < base["optimizer.learning_rate"] == pytest.approx(rate.high / 10)
        assert plan.roles[key] == "scientific"
        batch = planning.save(store, plan)
        assert (batch.goal, planning.plan_of(store, batch.name).notes) == ("stabilise", plan.notes)
        assert plan.notes
    assert planning.propose(store, "stabilise").scientific.keys() == {"optimizer.learning_rate"}


def test_a_remedy_can_be_chosen_and_changed_and_what_is_none_is_refused(store: Store) -> None:
    """Out of turn, with other values, in another range; a regulariser is no remedy."""
    rate = Domain("float", 0.1, 1.0, "log")
    values = Domain("list", choices=(0, 50))
    plan = planning.propose(
        store, "stabilise", scientific={"schedule.warmup_steps": values}, ranges={"sgd.learning_rate": rate}, trials=24
    )
    assert plan.scientific == {"schedule.warmup_steps": values}
    # What is in use now is among what is searched only where the range says so.
    assert {d.domain for study in plan.studies for d in study.dimensions if d.name == "sgd.learning_rate"} == {rate}
    by_key = planning.propose(
        store, "stabilise", scientific={"schedule.warmup_steps": values}, ranges={"optimizer.learning_rate": rate}
    )
    assert {d.domain for study in by_key.studies for d in study.dimensions if d.name == "sgd.learning_rate"} == {rate}
    chosen = planning.propose(store, "stabilise", scientific={"optimizer.name": None}, trials=24)
    assert [study.name for study in chosen.studies] == ["optimizer=sgd", "optimizer=adamw"]
    with pytest.raises(Refusal, match="asks about one remedy"):
        planning.propose(store, "stabilise", scientific={"regularization.dropout": None})


def test_clipping_most_updates_is_a_warning(store: Store) -> None:
    """Over half of the updates clipped is a lower learning rate by another name."""
    remedy = {"regularization.gradient_clip": Domain("list", choices=(0.0, 10.0))}
    batch = planning.save(store, planning.propose(store, "compare", scientific=remedy, trials=4))
    for entry in trials.trials(store, batch.name):
        folder = files.make_folder(store.project.trial_folder(entry.id))
        for step in range(1, 21):
            files.append_line(folder / "metrics.jsonl", {"step": step, "grad_norm": step * 1.0})
        small_project.end(store, entry.id, 0.3)
    (finding,) = [entry for entry in reviewing.review_batch(store, batch.name) if entry.check == "clipping"]
    assert (finding.verdict, finding.figures["median"]) == ("pass", 0.5)
    assert len(finding.figures["shares"]) < 4


def test_the_whole_check_on_real_trials(tmp_path: Path, digits: Path, fork_server: ForkServer) -> None:
    """Real training of a small network: stable at a moderate rate, unstable at one that is far too high."""
    with open_store(small_project.project(tmp_path / "p", digits)) as opened:
        driven = Supervisor(opened, Machine(2), fork_server)

        def finished() -> bool:
            driven.tick()
            return not trials.unfinished(opened)

        values = small_project.settings(digits, training__steps=40)
        small_project.adopt(opened, values)
        trials.ask(opened, "baseline-1", "run")
        rates = {"optimizer.learning_rate": Domain("list", choices=(0.003, 8.0))}
        planning.save(opened, planning.propose(opened, "compare", scientific=rates, trials=3), wanted="run")
        small_project.wait_for(finished, "the round did not end")
        by_rate = {entry.overrides["optimizer.learning_rate"]: entry for entry in trials.trials(opened, "round-1")}
        verdicts = []
        for rate in (0.003, 8.0):
            batch = instability.start(opened, by_rate[rate].id)
            small_project.wait_for(finished, "the check did not end")
            finding = reviewing.review_batch(opened, batch.name)[1]
            verdicts.append(finding.verdict)
            assert len(finding.figures["runs"]) == 4
        assert verdicts[0] == "pass"
        assert verdicts[1] in ("warn", "fail")

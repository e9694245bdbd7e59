"""What curves say: each symptom on curves that have it, how often it is seen on curves that have not, and the steps."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rounds.curves import check
from rounds.finding import Finding
from rounds.record import TrialRecord
from rounds.symptoms import Symptoms, late_noise, noise_of, resolution, rising_loss, step_noise, symptoms
from tests.rounds_made import BASE, STEPS, bowl, curve, record, searched

PLANNED = searched(12)
Shape = Callable[[np.ndarray], np.ndarray]


def trial(values: Any, losses: Any = (), number: int = 1, **changes: Any) -> TrialRecord:
    values = [float(value) for value in values]
    drawn = {"val/error_rate": curve(values), "train/loss": curve([float(loss) for loss in losses])}
    best = min(values)
    step = drawn["val/error_rate"][values.index(best)][0]
    return record(PLANNED.trials[number - 1], number, best, curves=drawn, **({"best_step": step} | changes))


def shares(shape: Shape, evaluations: int, times: int = 200) -> dict[str, float]:
    """How often each symptom is seen on a curve of this shape with noise of deviation 1."""
    at = np.linspace(1 / evaluations, 1, evaluations)
    random = np.random.default_rng(0)
    seen = [symptoms(trial(shape(at) + random.normal(0, 1, evaluations)), "min") for _ in range(times)]
    return {name: float(np.mean([getattr(s, name) for s in seen])) for name in ("overfitting", "still_improving")}


@pytest.mark.parametrize("evaluations", [20, 40, 100])
def test_on_a_curve_that_levels_off_symptoms_are_seen_seldom(evaluations: int) -> None:
    seen = shares(lambda at: 50 * np.exp(-12 * at), evaluations)
    assert seen["overfitting"] <= 0.12
    assert seen["still_improving"] <= 0.03


@pytest.mark.parametrize("evaluations", [20, 40, 100])
def test_overfitting_by_several_times_the_noise_is_seen(evaluations: int) -> None:
    assert shares(lambda at: 50 * np.exp(-12 * at) + 10 * np.maximum(at - 0.4, 0), evaluations)["overfitting"] >= 0.95


@pytest.mark.parametrize("evaluations", [20, 40, 100])
def test_a_steady_fall_is_still_improving(evaluations: int) -> None:
    assert shares(lambda at: 60 * (1 - at), evaluations) == {"overfitting": 0, "still_improving": 1}


@pytest.mark.parametrize("evaluations", [20, 40, 100])
@pytest.mark.parametrize("place", [-1, -2, -3])
def test_one_evaluation_near_the_end_that_jumps_is_no_improvement(evaluations: int, place: int) -> None:
    """By ten times of what evaluations differ; where all from there on are as good, it is one."""
    at, random = np.linspace(1 / evaluations, 1, evaluations), np.random.default_rng(0)
    flat = 50 * np.exp(-20 * at) + random.normal(0, 1, evaluations)
    jumps, falls = flat.copy(), flat.copy()
    jumps[place] -= 10
    falls[-max(evaluations // 10, 2) :] -= 10
    assert symptoms(trial(jumps), "min").still_improving is False
    assert symptoms(trial(falls), "min").still_improving is True
    last = found([trial(jumps + n, number=n) for n in range(1, 4)])
    assert last["still improving"].verdict == "pass"
    assert last["steps"].message.text().endswith("what is gained there is within the noise.")


def going_on(noise: float, number: int) -> TrialRecord:
    """A trial as short trainings on texts from scratch make them: an F1 score of 0.58, 0.67, 0.75 after 62, 78, 92 % of
    the steps, at 40 evaluations that differ much from one to the next; the validation loss falls more smoothly."""
    random = np.random.default_rng(number)
    scores = (0.24 + 0.55 * AT + random.normal(0, noise, 40)).tolist()
    losses = (1.4 - 0.8 * AT + random.normal(0, noise / 3, 40)).tolist()
    best = max(scores)
    told = trial(scores, number=number, best_step=round((scores.index(best) + 1) * STEPS / 40))
    return replace(told, best=best, curves={**told.curves, "val/loss": curve(losses)})


@pytest.mark.parametrize("noise", [0.03, 0.05, 0.08])
def test_a_steady_rise_below_evaluations_that_differ_much_asks_for_longer_training(noise: float) -> None:
    told = {finding.check: finding for finding in check(PLANNED, [going_on(noise, n) for n in range(1, 5)], "max")}
    assert (told["still improving"].verdict, told["steps"].verdict) == ("warn", "warn")
    assert len(told["still improving"].figures["all_with"]) == 4
    assert told["steps"].action is not None
    assert told["steps"].action.code == "more_steps"


@pytest.mark.parametrize(("correlation", "most"), [(0.0, 0.03), (0.5, 0.1)])
@pytest.mark.parametrize("evaluations", [20, 40, 100])
def test_noise_that_goes_on_for_a_while_is_no_improvement(evaluations: int, correlation: float, most: float) -> None:
    at, random = np.linspace(1 / evaluations, 1, evaluations), np.random.default_rng(0)
    seen = 0
    for _ in range(200):
        noise = random.normal(0, 1, evaluations)
        for place in range(1, evaluations):
            noise[place] = correlation * noise[place - 1] + math.sqrt(1 - correlation**2) * noise[place]
        # The loss is as flat, with noise of its own.
        losses = curve((20 * np.exp(-12 * at) + random.normal(0, 1, evaluations)).tolist())
        flat = trial(50 * np.exp(-12 * at) + noise)
        flat = replace(flat, curves={**flat.curves, "val/loss": losses})
        seen += bool(symptoms(flat, "min").still_improving)
    assert seen / 200 <= most


@pytest.mark.parametrize(("rise", "overfitting"), [(-0.5, True), (0.0, True), (1.0, False)])
def test_validation_that_gets_worse_with_the_training_loss_is_no_overfitting(rise: float, overfitting: bool) -> None:
    """The training loss falls on, stays where it is, or rises by several times its noise after the best step."""
    random = np.random.default_rng(0)
    at = np.linspace(0.01, 1, 100)
    losses = 2 * np.exp(-12 * at) + 1 + rise * np.maximum(at - 0.4, 0) + random.normal(0, 0.1, 100)
    values = 50 * np.exp(-12 * AT) + 10 * np.maximum(AT - 0.4, 0)
    assert symptoms(trial(values, losses), "min").overfitting is overfitting
    assert symptoms(trial(values, losses), "min").saturated is False


@pytest.mark.parametrize("values", [20, 40, 200])
@pytest.mark.parametrize("at", [0.06, 0.3, 0.9])
def test_a_training_that_breaks_down_early_or_late_is_no_overfitting(values: int, at: float) -> None:
    """Both losses fall, then both go back to where they began; the rise of the training loss lies in its first values,
    or in its last."""
    random = np.random.default_rng(0)

    def broken(place: np.ndarray, began: float, ended: float, noise: float) -> np.ndarray:
        fallen = ended + (began - ended) * np.exp(-place / 0.03)
        return np.where(place > at, began, fallen) + random.normal(0, noise, len(place))

    losses = broken(np.linspace(1 / values, 1, values), 2.3, 0.1, 0.05)
    losses[0] = 2.3
    seen = symptoms(trial(broken(AT, 0.9, 0.1, 0.005), losses), "min")
    assert seen.overfitting is False
    assert seen.saturated is False


def test_a_training_loss_that_rises_back_to_where_it_was_at_the_best_step_is_no_overfitting() -> None:
    """It fell on for a while: validation had got worse before, but what is wrong at the end is the training."""
    values = 0.05 + 0.8 * np.exp(-12 * AT) + 0.3 * np.maximum(AT - 0.2, 0)
    place = np.linspace(0.01, 1, 100)
    falling = 2.3 * np.exp(-4 * place)
    assert symptoms(trial(values, falling), "min").overfitting is True
    back = np.where(place > 0.8, 0.9, falling)
    assert symptoms(trial(values, back), "min").overfitting is False


def test_a_training_that_learns_nothing_is_no_overfitting() -> None:
    """At chance from the first step on, and one evaluation after another a little luckier or less so."""
    random = np.random.default_rng(0)
    values = 0.9 - 0.08 * np.exp(-((AT - 0.35) ** 2) / 0.01) + random.normal(0, 0.005, 40)
    losses = [2.303, *(2.41 + random.normal(0, 0.15, 199))]
    assert symptoms(trial(values, losses), "min").overfitting is False


def test_one_lucky_evaluation_is_not_overfitting() -> None:
    values = [0.3] * 5 + [0.1, 0.12, 0.05, 0.11] + [0.1, 0.11] * 12
    assert symptoms(trial(values), "min").overfitting is False


def test_an_error_rate_on_few_examples_is_judged_by_what_it_can_resolve() -> None:
    """One example of 360 better at one evaluation, and no noise at all at the end."""
    values = [10 / 360] * 6 + [9 / 360] * 2 + [10 / 360] * 16
    seen = symptoms(trial(values), "min")
    assert seen.late_noise == pytest.approx(1 / 360)
    assert seen.overfitting is False


def rare(evaluations: int, tipped: int) -> np.ndarray:
    """The balanced error of ten classes, one of which has two examples: one of these is wrong from some evaluation on,
    and an example of the others is wrong now and then."""
    values = 0.3 * np.exp(-12 * np.linspace(1 / evaluations, 1, evaluations))
    values = np.round(values * 324) / 324 + np.random.default_rng(0).integers(0, 2, evaluations) / 360
    values[tipped:] += 0.05
    return values


def test_one_example_of_a_rare_class_that_tips_over_is_no_overfitting() -> None:
    values = rare(30, 24)
    assert symptoms(trial(values), "min").overfitting is True
    assert symptoms(trial(values, grain=0.05), "min").overfitting is False


def test_where_the_validation_loss_falls_on_nothing_is_learnt_by_heart() -> None:
    """Not even where several answers of a rare class have tipped over; where it rises with the metric, it is."""
    values, falling = rare(30, 24), 2 * np.exp(-3 * np.linspace(0, 1, 30))
    values[24:] += 0.1
    told = trial(values, grain=0.05)
    for losses, overfitting in ((falling, False), (falling + 2 * np.maximum(np.linspace(0, 1, 30) - 0.5, 0), True)):
        curves = {**told.curves, "val/loss": curve(losses.tolist())}
        assert symptoms(replace(told, curves=curves), "min").overfitting is overfitting


def test_noise_from_run_to_run_sets_the_unit_where_it_is_larger() -> None:
    values = list(50 * np.exp(-12 * np.linspace(0.05, 1, 20))) + [1.0] * 10
    assert symptoms(trial(values), "min").overfitting is True
    assert symptoms(trial(values), "min", noise=2.0).overfitting is False


@pytest.mark.parametrize("noise", [0.0, None])
def test_the_unit_of_differences_is_no_finer_than_one_validation_example(noise: float | None) -> None:
    """Runs that came to the same, or curves that end flat, do not show that a difference of one answer is a finding."""
    flat = [0.3] * 10 + [0.003, 0.004] * 10
    assert noise_of([trial(flat, grain=0.05)], "min", noise) == 0.05
    assert noise_of([trial(flat, grain=0.05)], "min", 0.07) == 0.07


def test_the_direction_turns_the_curve() -> None:
    at = np.linspace(0.05, 1, 40)
    values = 1 - np.exp(-12 * at) - 0.5 * np.maximum(at - 0.4, 0)
    assert symptoms(trial(values), "max").overfitting is True
    assert symptoms(trial(-values), "min").overfitting is True


def test_a_curve_that_is_flat_after_its_first_quarter_is_saturated() -> None:
    at = np.linspace(0.025, 1, 40)
    assert symptoms(trial(np.maximum(1 - 6 * at, 0)), "min").saturated is True
    assert symptoms(trial(np.maximum(1 - 2 * at, 0)), "min").saturated is False


def test_short_curves_cannot_tell() -> None:
    assert symptoms(trial([0.3] * 19, [0.5] * 14), "min") == Symptoms("round-1-001", None, None, None, None, None, None)


def test_late_noise_is_the_deviation_around_a_line() -> None:
    """Five points of the tail: 0, 2, 0, 2, 0 on a slope of 10 a step; the alternation alone is noise."""
    tail = [10.0 * place + (place % 2) * 2 for place in range(5)]
    fitted = np.polyval(np.polyfit(range(5), tail, 1), range(5))
    assert late_noise([99.0] * 20 + tail) == pytest.approx(math.sqrt(sum((tail - fitted) ** 2) / 3))


def test_step_noise_is_that_of_normal_noise_on_a_slope_with_a_jump() -> None:
    random = np.random.default_rng(0)
    values = random.normal(0, 0.5, 4000) + np.linspace(0, 400, 4000)
    values[2000:] += 50
    assert step_noise(values.tolist()) == pytest.approx(0.5, rel=0.1)


@given(st.lists(st.floats(-1e6, 1e6), min_size=5, max_size=60))
def test_noise_and_resolution_are_never_negative(values: list[float]) -> None:
    assert late_noise(values) >= 0
    assert step_noise(values) >= 0
    assert resolution(values) >= 0


@pytest.mark.parametrize(
    ("losses", "rises"),
    [
        ([2 * math.exp(-place / 20) for place in range(100)], False),
        ([2 * math.exp(-place / 20) + max(place - 60, 0) / 100 for place in range(100)], True),
        ([2.0] * 100, False),
        ([1.0 + place / 10 for place in range(50)], True),
        ([1.0] * 30 + [math.nan], True),
        ([1.0] * 14, None),
        ([], None),
    ],
)
def test_a_training_loss_that_ends_above_its_lowest_level_rises(losses: list[float], rises: bool | None) -> None:
    assert rising_loss(losses) is rises


def test_noise_of_the_batches_is_no_rising_loss() -> None:
    random = np.random.default_rng(0)
    falling = np.exp(-5 * np.linspace(0, 1, 200))
    seen = [rising_loss((falling + random.normal(0, 0.1, 200)).tolist()) for _ in range(200)]
    assert sum(map(bool, seen)) <= 4


# The findings of a round.


def found(records: list[TrialRecord], **options: Any) -> dict[str, Finding]:
    return {finding.check: finding for finding in check(options.pop("plan", PLANNED), records, "min", **options)}


AT = np.linspace(0.025, 1, 40)
STEADY = 0.3 * np.exp(-8 * AT)
OVERFIT = STEADY + 0.5 * np.maximum(AT - 0.4, 0)


def test_overfitting_is_told_of_the_best_and_of_any() -> None:
    best = found([trial(OVERFIT + 0.01 * n, number=n) for n in range(1, 5)])["overfitting"]
    assert (best.verdict, best.figures["best_with"]) == ("warn", ["round-1-001", "round-1-002", "round-1-003"])
    assert "Overfitting in 3 of the 3 best trials (round-1-001, round-1-002, round-1-003)" in best.message.text()
    good = [trial(STEADY + 0.01 * n, number=n) for n in range(1, 5)]
    others = [trial(OVERFIT + 1, number=n) for n in (5, 6)]
    some = found([*good, *others])["overfitting"]
    assert some.verdict == "warn"
    # And why that matters where the best trials have none of it.
    assert some.message.text() == (
        "Overfitting in 2 of 6 trials (round-1-005, round-1-006), of the 3 best in 0. Choosing the best favours "
        "whatever keeps a trial from it, be it a learning rate that is too low."
    )
    single = found([*good, others[0]])["overfitting"]
    assert (single.verdict, single.figures["all_with"]) == ("pass", ["round-1-005"])
    assert found(good)["overfitting"].verdict == "pass"


def test_a_rising_training_loss_counts_in_the_best_trials_alone() -> None:
    rising = [1.0 + place / 10 for place in range(50)]
    good = [trial(STEADY + 0.01 * n, [1.0] * 50, number=n) for n in range(1, 5)]
    assert found([trial(STEADY, rising, number=6), *good])["rising loss"].verdict == "warn"
    assert found([trial(STEADY + 1, rising, number=6), *good])["rising loss"].verdict == "pass"
    assert found([trial(STEADY)])["rising loss"].verdict == "cannot tell"


def test_late_steps_that_differ_more_than_the_trials_do_make_the_ranking_luck() -> None:
    jagged = 0.1 + 0.02 * (np.arange(40) % 2)
    close = [trial(jagged + 0.001 * n, number=n) for n in range(1, 7)]
    finding = found(close)["unsteady"]
    assert finding.verdict == "warn"
    assert finding.figures["limit"] == pytest.approx(0.001)
    apart = [trial(jagged + 0.1 * n, number=n) for n in range(1, 7)]
    assert found(apart)["unsteady"].verdict == "pass"
    assert found(apart, noise=0.001)["unsteady"].verdict == "warn"
    assert found(close[:3])["unsteady"].verdict == "cannot tell"


def test_who_decays_to_zero_already_is_not_told_to() -> None:
    jagged = 0.1 + 0.02 * (np.arange(40) % 2)
    close = [trial(jagged + 0.001 * n, number=n) for n in range(1, 7)]
    for base, code in (
        ({"schedule.name": "linear"}, "validate_more"),
        ({"schedule.name": "cosine", "schedule.final_factor": 0.0}, "validate_more"),
        ({"schedule.name": "linear", "schedule.final_factor": 0.1}, "steady"),
        ({"schedule.name": "constant"}, "steady"),
    ):
        action = found(close, plan=searched(12, base={**BASE, **base}))["unsteady"].action
        assert action is not None
        assert action.code == code
        assert action.message.text().startswith("Let the learning rate decay") is (code == "steady")
    # Of a round that compares schedules, those that decay are as unsteady.
    mixed = [
        replace(one, values={**one.values, "schedule.name": name})
        for one, name in zip(close, ("linear", "constant") * 3, strict=True)
    ]
    action = found(mixed)["unsteady"].action
    assert action is not None
    assert action.message.text().startswith("Those whose learning rate decays to zero are unsteady, too:")


def located(places: list[float], values: Any = STEADY, **options: Any) -> Finding:
    records = [trial(values + 0.01 * n, number=n, best_step=round(place * STEPS)) for n, place in enumerate(places, 1)]
    return found(records, **options)["steps"]


def test_best_checkpoints_in_the_middle_suffice() -> None:
    assert located([0.5, 0.6, 0.9]).verdict == "pass"


def test_best_checkpoints_all_in_the_first_tenth_ask_for_fewer_steps() -> None:
    finding = located([0.05, 0.08, 0.02])
    assert (finding.verdict, finding.rule) == ("warn", "P15")
    assert finding.action is not None
    assert finding.action.payload == {"steps": 240}
    assert located([0.05, 0.08, 0.2]).verdict == "pass"


def test_best_checkpoints_mostly_in_the_last_quarter_ask_for_more_steps() -> None:
    falling = 60 * (1 - AT)
    assert located([1.0, 0.5], falling).verdict == "pass"
    finding = located([1.0, 0.9, 0.5], falling)
    assert finding.verdict == "warn"
    assert finding.action is not None
    assert finding.action.payload == {"steps": 2000}
    assert "decaying" not in finding.message.text()
    decaying = searched(12, base={**BASE, "schedule.name": "cosine"})
    assert "decaying" in located([1.0, 0.9, 0.5], falling, plan=decaying).message.text()
    # The study decays, whatever the round began with.
    study = replace(PLANNED.studies[0], overrides={"schedule.name": "cosine"})
    of_study = replace(PLANNED, studies=(study,))
    assert "decaying" in located([1.0, 0.9, 0.5], falling, plan=of_study).message.text()


def test_a_late_best_checkpoint_within_the_noise_asks_for_nothing() -> None:
    flat = np.maximum(1 - 6 * AT, 0)
    finding = located([1.0, 0.9, 0.8], flat)
    assert finding.verdict == "pass"
    assert "within the noise" in finding.message.text()


def test_saturated_trials_could_be_shorter() -> None:
    flat = np.maximum(1 - 6 * AT, 0)
    finding = found([trial(flat + 0.01 * n, number=n) for n in range(1, 4)])["saturated"]
    assert finding.verdict == "warn"
    assert finding.action is not None
    assert finding.action.code == "fewer_steps"


def test_without_a_feasible_trial_there_are_no_curves() -> None:
    nothing = check(PLANNED, [record(PLANNED.trials[0], 1, None)], "min")
    assert [finding.verdict for finding in nothing] == ["cannot tell"]


def test_a_trial_that_never_said_where_it_was_best_cannot_tell_about_steps() -> None:
    records = [
        record(planned, n, bowl(learning_rate=0.5)(planned.u), best_step=None)
        for n, planned in enumerate(PLANNED.trials, 1)
    ]
    assert found(records)["steps"].verdict == "cannot tell"


def test_a_validation_loss_that_a_script_counts_otherwise_is_not_called_unsettled() -> None:
    """As a sum over its examples it lies beyond what wrong answers cost on average, and may be overfitted all the same;
    one that only goes there has not settled, whoever wrote it."""
    at = np.linspace(0.025, 1, 40)
    losses = (2.3 * np.exp(-4 * at)).tolist()
    rising = 0.8 + 1.5 * np.exp(-12 * at) + 1.5 * np.maximum(at - 0.4, 0)
    seen = [
        symptoms(replace(told, curves={**told.curves, "val/loss": curve(values.tolist())}), "min", own_script=own)
        for told in (trial(0.1 + 0.3 * np.maximum(at - 0.4, 0) + 0.5 * np.exp(-12 * at), losses),)
        for values in (rising * 500, rising + 400 * np.maximum(at - 0.1, 0))
        for own in (True, False)
    ]
    assert [(one.unsettled, one.overfitting) for one in seen] == [
        (False, True),
        (True, False),
        (True, False),
        (True, False),
    ]

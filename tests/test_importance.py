"""What matters: found where it is, said of nothing else more often than one study in twenty."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rounds import halton
from rounds.design import plan
from rounds.importance import Effect, effects
from rounds.plan import Role, RoundPlan, Study
from rounds.record import TrialRecord
from rounds.space import Dimension, Domain
from tests.rounds_made import BASE, DECAY, OPTIMIZERS, RATE, results, searched

LR, WD = "adamw.learning_rate", "adamw.weight_decay"


def judged(plan: RoundPlan, score: Callable[[Mapping[str, float]], float | None], **options: Any) -> list[Effect]:
    direction = options.pop("direction", "min")
    return effects(plan.studies[0], results(plan, score, **options), direction)


def studied(dimensions: int, trials: int, seed: int) -> RoundPlan:
    """A study of so many hyperparameters of AdamW."""
    names = ("learning_rate", "weight_decay", "beta1", "epsilon", "beta2")
    roles: dict[str, Role] = {
        f"optimizer.{name}": "nuisance" if place < dimensions else "fixed" for place, name in enumerate(names)
    }
    ranges = {"adamw.learning_rate": RATE, "adamw.weight_decay": DECAY}
    return plan(BASE, "minimise", optimizers=OPTIMIZERS, trials=trials, seed=seed, roles=roles, ranges=ranges)


def matters(found: list[Effect]) -> set[tuple[str, ...]]:
    return {effect.names for effect in found if effect.judged == "matters"}


@pytest.mark.parametrize(("dimensions", "trials"), [(2, 20), (2, 50), (4, 20), (5, 12)])
def test_where_nothing_matters_one_study_in_twenty_says_that_something_does(dimensions: int, trials: int) -> None:
    """By simulation: of 100 studies of pure noise, at most 11 (binomial, 1 % of runs above) for singles and pairs."""
    singles = pairs = 0
    for seed in range(100):
        random = np.random.default_rng(seed)
        found = matters(judged(studied(dimensions, trials, seed), lambda _u, random=random: float(random.normal())))
        singles += any(len(names) == 1 for names in found)
        pairs += any(len(names) == 2 for names in found)
    assert singles <= 11
    assert pairs <= 11


@pytest.mark.parametrize("dimensions", [2, 4, 5])
def test_a_learning_rate_that_decides_alone_is_found_beside_others_in_a_dozen_trials(dimensions: int) -> None:
    """What the columns of four others fit of a dozen ranks by chance was taken from it first, so that from a round in
    which its best led by far nobody learnt that it matters."""
    for seed in range(20):
        noise = np.random.default_rng(seed)

        def score(u: Mapping[str, float], noise: np.random.Generator = noise) -> float:
            return 5 * (u[LR] - 0.55) ** 2 + float(noise.normal(0, 0.05))

        found = judged(studied(dimensions, 12, seed), score)
        assert (LR,) in matters(found)
        assert next(effect for effect in found if effect.names == (LR,)).share > 0.5


def test_where_only_one_matters_it_is_not_said_to_act_together_with_another() -> None:
    """Past a cliff training diverges, and three others do nothing: of 100 studies, as few as by chance."""
    together = 0
    for seed in range(100):
        noise = np.random.default_rng(seed)

        def score(u: Mapping[str, float], noise: np.random.Generator = noise) -> float | None:
            return None if u[LR] > 0.8 else abs(u[LR] - 0.65) + float(noise.normal(0, 0.01))

        together += any(len(names) == 2 for names in matters(judged(studied(4, 20, seed), score)))
    assert together <= 11


def test_a_bowl_in_one_hyperparameter_is_found_and_the_other_is_not() -> None:
    """Also upside down, for a metric that is to be maximised."""
    for seed in range(10):
        random = np.random.default_rng(seed)
        noise = random.normal(0, 0.05, 20).tolist()

        def score(u: Mapping[str, float], noise: list[float] = noise) -> float:
            return (u[LR] - 0.6) ** 2 * 5 + noise[int(u[LR] * 19)]

        plan = searched(20, seed)
        found = judged(plan, score)
        assert found[0].names == (LR,)
        assert (LR,) in matters(found)
        assert abs(found[0].best[LR] - 0.6) < 0.2
        turned = judged(plan, lambda u, score=score: -score(u), direction="max")
        assert [(effect.names, effect.share) for effect in turned] == [(e.names, e.share) for e in found]


def test_two_that_act_together_are_named_together() -> None:
    """A valley along the diagonal: neither alone has a best value."""
    found = judged(searched(40), lambda u: (u[LR] + u[WD] - 1) ** 2)
    assert (LR, WD) in matters(found)


def test_little_is_said_only_where_chance_could_explain_little() -> None:
    """Twenty points cannot tell that something does not matter; two hundred can."""

    def score(u: Mapping[str, float]) -> float:
        return (u[LR] - 0.5) ** 2

    few = {effect.names: effect for effect in judged(searched(20), score)}
    many = {effect.names: effect for effect in judged(searched(200), score)}
    assert few[WD,].judged == "cannot tell"
    assert many[WD,].judged == "little"
    assert many[WD,].share < many[WD,].band < 0.1


def test_diverged_trials_are_the_worst_and_a_bug_says_nothing() -> None:
    """A cliff in the learning rate is an effect of it; failed trials are left out."""
    found = judged(searched(20), lambda u: None if u[LR] > 0.6 else 0.1 + 0.01 * u[WD])
    assert (LR,) in matters(found)
    assert judged(searched(20), lambda u: None if u[LR] > 0.6 else 0.1, status="failed", reason="error") == []


def test_choices_without_an_order_are_effects_too() -> None:
    """Each choice has a level of its own."""
    plan = searched(30, ranges={WD: Domain("categorical", choices=("a", "b", "c"))})
    found = judged(plan, lambda u: {0: 0.5, 1: 0.1, 2: 0.4}[int(u[WD] * 3)] + 0.01 * u[LR])
    assert found[0].names == (WD,)
    assert found[0].judged == "matters"


@pytest.mark.parametrize("score", [lambda _u: 0.5, lambda _u: None])
def test_equal_or_no_results_have_no_effects(score: Any) -> None:
    """Constant values, and nothing feasible."""
    assert judged(searched(20), score) == []


def test_too_few_trials_have_no_effects() -> None:
    """One trial, and eleven."""
    for trials in (1, 11):
        assert judged(searched(trials), lambda u: u[LR]) == []


@settings(max_examples=30)
@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=24, max_size=24), st.booleans())
def test_no_results_break_it(values: list[float], narrow: bool) -> None:
    """Whatever the results: shares between 0 and 1, never more than one band for a kind."""
    plan = searched(24, ranges={LR: RATE, WD: Domain("list", choices=(0.1,)) if narrow else DECAY})
    places = iter(values)
    for effect in judged(plan, lambda _u: next(places)):
        assert 0 <= effect.share <= 1
        assert 0 <= effect.band <= 1


def made(choices: tuple[str, ...], score: Callable[[float, str], float], trials: int = 60) -> list[Effect]:
    """The effects of a study over a number and a choice."""
    dimensions = (
        Dimension("lr", "lr", Domain("float", 0.0, 1.0), 0),
        Dimension("act", "act", Domain("categorical", choices=choices), 1),
    )
    records = []
    for index in range(trials):
        lr, act = halton.point(1, index, [0, 1])
        choice = dimensions[1].domain.value(act)
        best = score(2 * lr - 1, choice)
        u, values = {"lr": lr, "act": act}, {"lr": lr, "act": choice}
        records.append(TrialRecord(f"t{index}", "s", index, u, values, "complete", best=best))
    return effects(Study("s", {}, {}, dimensions), records, "min")


@pytest.mark.parametrize("slopes", [(1, 0, -1), (1, -1, 0), (-1, 1, 0), (0, 1, -1)])
def test_what_a_choice_of_three_does_together_with_a_number_is_seen_in_whatever_order(slopes: tuple[int, ...]) -> None:
    """The column of the last choice was left out."""
    found = made(("a", "b", "c"), lambda level, choice: slopes["abc".index(choice)] * level)
    assert ("lr", "act") in matters(found)


def test_what_acts_together_with_another_is_not_said_to_matter_little() -> None:
    """A ridge: by itself each explains next to nothing."""
    plan = searched(60)
    found = judged(plan, lambda u: (u[LR] + u[WD] - 1) ** 2)
    assert {LR, WD} in [{*names} for names in matters(found)]
    assert "little" not in {effect.judged for effect in found}


def test_what_decides_for_few_trials_alone_is_not_said_to_matter_little() -> None:
    """Where most trials came to no more than chance, ranks told nothing: a round called both hyperparameters without
    effect of which the right values alone had made its good trials, and the next round was to fix them."""
    told: list[str] = []
    for seed in range(10):
        random = np.random.default_rng(seed)
        planned = studied(3, 100, seed)
        first, second, _third = (dimension.name for dimension in planned.studies[0].dimensions)

        def pit(u: Mapping[str, float], random: Any = random, one: str = first, other: str = second) -> float:
            off = (u[one] - 0.5) ** 2 + (u[other] - 0.5) ** 2
            return min(off, 0.03) + 0.002 * float(random.normal())

        found = {effect.names: effect.judged for effect in judged(planned, pit)}
        told += [found[first,], found[second,]]
    assert told.count("little") <= 4

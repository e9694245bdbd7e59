"""How often what a review concludes from the trials of a round is wrong, by simulation (`benchmarks.statistics`)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from benchmarks.shares import Row, percent
from rounds import boundary, gain, halton, isolation, points, statistics
from rounds.design import plan
from rounds.importance import effects
from rounds.plan import PlannedTrial, Role, RoundPlan
from rounds.record import TrialRecord
from rounds.space import Domain
from tests.rounds_made import BASE, DECAY, OPTIMIZERS, RATE, results

NAMES = ("learning_rate", "weight_decay", "beta1", "epsilon", "beta2")


def studied(dimensions: int, trials: int, seed: int) -> RoundPlan:
    """A study of so many dimensions."""
    keys = [f"optimizer.{name}" for name in NAMES]
    roles: dict[str, Role] = dict.fromkeys(keys, "fixed")
    roles |= dict.fromkeys(keys[:dimensions], "nuisance")
    ranges = {"adamw.learning_rate": RATE, "adamw.weight_decay": DECAY}
    kept = {key: domain for key, domain in ranges.items() if roles[f"optimizer.{key.partition('.')[2]}"] == "nuisance"}
    return plan(BASE, "minimise", optimizers=OPTIMIZERS, trials=trials, seed=seed, roles=roles, ranges=kept)


def of_boundary(times: int = 400) -> Iterator[Row]:
    """An optimum somewhere inside the range of one dimension (20 to 80 % of it), and one just outside."""
    designed = {1: ("5 to 13 %", "100 %"), 3: ("5 to 13 %", "77 %"), 5: ("5 to 13 %", "57 %")}
    for dimensions, (false, found) in designed.items():
        alarms = {False: 0, True: 0}
        for outside in alarms:
            for seed in range(times):
                random = np.random.default_rng(seed)
                planned = studied(dimensions, 20, seed)
                names = [dimension.name for dimension in planned.studies[0].dimensions]
                others = random.uniform(0.2, 0.8, dimensions)
                optimum = 1.1 if outside else float(random.uniform(0.2, 0.8))

                def score(
                    u: Mapping[str, float], names: Any = names, others: Any = others, at: float = optimum
                ) -> float:
                    return sum(
                        (u[name] - (at if place == 0 else others[place])) ** 2 for place, name in enumerate(names)
                    )

                told = boundary.check(planned, results(planned, score), "min")
                alarms[outside] += any(finding.figures.get("dimension") == names[0] for finding in told)
        case = f"{dimensions} dimension{'s' if dimensions > 1 else ''}, 20 trials"
        yield (
            "boundary: false alarm",
            case + ", optimum at 20 to 80 % of the range",
            percent(alarms[False], times),
            false,
        )
        yield "boundary: detection", case + ", optimum just outside", percent(alarms[True], times), found


def of_best_of(times: int = 4000) -> Iterator[Row]:
    """Against the true expectation of the best of n normal values."""
    for n, biased in ((5, "0 (with replacement +0.06)"), (10, "0 (with replacement +0.11)"), (20, "0 (+0.20)")):
        found = [
            statistics.best_of(np.random.default_rng([seed, n]).normal(0, 1, 20).tolist(), n).mean
            for seed in range(times)
        ]
        true = float(np.mean(np.random.default_rng(n).normal(0, 1, (400_000, n)).min(axis=1)))
        error = float(np.std(found)) / math.sqrt(times)
        yield "best of n: bias", f"n = {n} of 20 trials", f"{np.mean(found) - true:+.3f} ± {2 * error:.3f} sd", biased


def of_forecast(times: int = 400) -> Iterator[Row]:
    """What a second half of as many trials gains, against what is forecast of it, on a bowl whose lowest place is
    anywhere inside; the gain of the last doubling, which the forecast shrinks, beside it."""
    for dimensions in (1, 2, 3, 5):
        for trials in (10, 20):
            for noise in (0.0, 0.02):
                told, last, came = [], [], []
                for seed in range(times):
                    random = np.random.default_rng([seed, dimensions, trials])
                    places = np.array([halton.point(seed, index, range(dimensions)) for index in range(2 * trials)])
                    optimum = random.uniform(0.15, 0.85, dimensions)
                    bowl = ((places - optimum) ** 2).sum(axis=1)
                    costs = (bowl + noise * random.normal(size=2 * trials)).tolist()
                    told.append(points.forecast(costs[:trials]))
                    half, whole = (statistics.best_of(costs[:trials], n).mean for n in (trials // 2, trials))
                    last.append(half - whole)
                    came.append(whole - min(costs))
                case = f"{dimensions} dimension{'s' if dimensions > 1 else ''}, {trials} trials, noise {noise:g}"
                ratios = [f"{np.mean(found) / np.mean(came):.1f}" for found in (told, last)]
                yield "forecast of a doubling", f"{case}; last gain: {ratios[1]} times", f"{ratios[0]} times", "1"


def of_isolation(times: int = 400) -> Iterator[Row]:
    """Two values asked about, each with its best learning rate at another place, and that of one in a narrower range:
    as good as each other where tuned best, or one worse by 0.4, where the worst learning rates cost 1.3. Runs differ by
    0.002; by that alone, without the precedence test, a value was called better as often as stands beside it."""
    values = Domain("list", choices=(0.0, 0.5))
    base = {**BASE, "regularization.dropout": 0.0}
    ranges = {"adamw.learning_rate": RATE, "adamw.weight_decay": DECAY}
    for trials in (12, 20, 40):
        called = {"equal": 0, "by noise alone": 0, "worse": 0}
        for seed in range(times):
            random = np.random.default_rng([seed, trials])
            planned = plan(
                base,
                "improve",
                scientific={"regularization.dropout": values},
                optimizers=OPTIMIZERS,
                trials=trials,
                seed=seed,
                ranges=ranges,
            )
            for worse in (0.0, 0.4):
                records = [of_two(trial, n, worse, random) for n, trial in enumerate(planned.trials, 1)]
                (told,) = isolation.check(planned, records, "min", noise=0.002)
                if worse:
                    called["worse"] += told.verdict == "pass" and told.figures["winner"] == "dropout=0.0"
                else:
                    called["equal"] += told.verdict == "pass"
                    called["by noise alone"] += not told.figures["close"]
        case = f"two values, {trials} trials"
        alone = percent(called["by noise alone"], times)
        yield "best value: false alarm", f"{case}; by the noise alone {alone}", percent(called["equal"], times), "5 %"
        yield "best value: detection", f"{case}, one worse by 0.4", percent(called["worse"], times), "-"


def of_two(trial: PlannedTrial, number: int, worse: float, random: np.random.Generator) -> TrialRecord:
    """A trial of the second value, of which few learning rates are good, or of the first."""
    second = trial.study == "dropout=0.5"
    place, width = (0.35, 3.0) if second else (0.65, 1.0)
    off = width * (trial.u["adamw.learning_rate"] - place) ** 2 + 0.5 * (trial.u["adamw.weight_decay"] - 0.4) ** 2
    best = 0.1 + off + worse * second + float(random.normal(0, 0.002))
    return TrialRecord(f"t{number}", trial.study, number, trial.u, trial.values, "complete", best=best, final=best)


def of_gain(times: int = 3000) -> Iterator[Row]:
    """Rounds whose trials are all as good as what they began with, and with one that is better by 5 deviations; the
    noise is known from the repeated runs of the configuration that the round began with."""
    for runs in (2, 3, 5):
        for trials in (8, 20):
            called = {0: 0, 5: 0}
            for ahead in called:
                for seed in range(times):
                    random = np.random.default_rng([seed, runs, trials])
                    before = random.normal(0, 1, runs).tolist()
                    costs = random.normal(0, 1, trials)
                    costs[0] -= ahead
                    records = [
                        TrialRecord(f"t{n}", "search", n, {}, {}, "complete", best=cost, final=cost)
                        for n, cost in enumerate(costs.tolist(), 1)
                    ]
                    noise = float(np.std(before, ddof=1))
                    (told,) = gain.check(records, "min", before, noise, freedom=runs - 1)
                    called[ahead] += told.verdict == "pass"
            case = f"{trials} trials, {runs} repeated runs"
            yield "gain of a round: false alarm", f"{case}, none is better", percent(called[0], times), "5 %"
            yield "gain of a round: detection", f"{case}, one is 5 sd better", percent(called[5], times), "-"


def of_importance(times: int = 100) -> Iterator[Row]:
    """Of pure noise, and of a bowl in one of the dimensions with noise of a tenth of its depth."""
    for dimensions in (2, 5):
        for trials in (12, 20, 50):
            false = found = 0
            for seed in range(times):
                random = np.random.default_rng(seed)
                planned = studied(dimensions, trials, seed)
                first = planned.studies[0].dimensions[0].name

                def noise(_u: Mapping[str, float], random: Any = random) -> float:
                    return float(random.normal())

                def bowl(u: Mapping[str, float], first: str = first, random: Any = random) -> float:
                    return 12 * (u[first] - 0.6) ** 2 + 0.4 * float(random.normal())

                false += matters(planned, noise) != set()
                found += (first,) in matters(planned, bowl)
            case = f"{dimensions} dimensions, {trials} trials"
            yield "what matters: false alarm", f"{case}, a study of noise", percent(false, times), "5 % (nominal)"
            yield "what matters: detection", f"{case}, a bowl in one", percent(found, times), "-"


def matters(planned: RoundPlan, score: Callable[[Mapping[str, float]], float]) -> set[tuple[str, ...]]:
    """The single hyperparameters that are said to matter."""
    found = effects(planned.studies[0], results(planned, score), "min")
    return {effect.names for effect in found if effect.judged == "matters" and len(effect.names) == 1}

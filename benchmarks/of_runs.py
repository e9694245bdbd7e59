"""How often what is concluded from single runs, or from runs of the same configuration, is wrong, by simulation
(`benchmarks.statistics`)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from benchmarks.shares import Row, percent
from rounds import decision, sampled, shortlist, statistics
from rounds.record import TRAINING_LOSS, TrialRecord
from rounds.symptoms import symptoms
from wizard import chance


def of_baseline(times: int = 3000) -> Iterator[Row]:
    """Runs whose answers are right by chance, as often as naming the largest class is, or somewhat more often, each
    evaluation by itself: whether the best evaluation or the last of the best run is called better than chance."""
    examples, classes = 360, 10
    per_class = [examples // classes] * classes
    for trials, evaluations in ((1, 1), (1, 25), (3, 25), (1, 100)):
        called = {0.0: 0, 0.05: 0}
        for more in called:
            for seed in range(times):
                random = np.random.default_rng([seed, trials, evaluations])
                right = random.binomial(examples, 1 / classes + more, (trials, evaluations))
                run = right[right.max(axis=1).argmax()]
                best, last = (chance.against_chance(int(count), per_class) for count in (run.max(), run[-1]))
                p_value = chance.corrected(best.p_value, right.size, last.p_value, trials)
                called[more] += best.verdict == "better" and p_value <= chance.SIGNIFICANCE
        case = f"{trials} run{'s' if trials > 1 else ''} of {evaluations} evaluation{'s' if evaluations > 1 else ''}"
        case = f"{case} on {examples} examples"
        yield "baseline: false alarm", f"{case}, no better than chance", percent(called[0.0], times), "5 % at most"
        yield "baseline: detection", f"{case}, 5 % more are right", percent(called[0.05], times), "-"


def of_launch(times: int = 3000) -> Iterator[Row]:
    """The whole rule with its looks at 3, 5 and 8 runs, for candidates that are so many deviations better; then with a
    shortlist, of which the first runs choose the one that is tested by them."""
    designed = {
        False: {0: "10 % (Welch p < .10, one look at 5)", 1: "58 %", 2: "95 %"},
        True: {0: "5 % (Welch p < .05, one look at 5)", 1: "40 %", 2: "88 %"},
    }
    for complex_, figures in designed.items():
        kind = "adds complexity" if complex_ else "simple"
        for better, figure in figures.items():
            adopted, runs = launched((better,), complex_, times)
            what = "false adoption" if better == 0 else "power"
            case = f"{kind}, {better} sd better; {runs / 2:.1f} runs a side on average"
            yield f"launch: {what}", case, percent(adopted, times), figure
        for gains in ((0, 0), (0, 0, 0), (1, 0, 0), (1, 1, 1), (2, 1, 1)):
            adopted, runs = launched(gains, complex_, times)
            what = "power" if any(gains) else "false adoption"
            case = f"{kind}, candidates {', '.join(map(str, gains))} sd better; {runs:.1f} runs in all on average"
            yield f"launch of a shortlist: {what}", case, percent(adopted, times), "-" if any(gains) else figures[0]


def launched(gains: tuple[int, ...], complex_: bool, times: int) -> tuple[int, float]:
    """How many launches of such candidates end in an adoption, and how many runs one takes on average."""
    adopted, runs = 0, 0
    for seed in range(times):
        random = np.random.default_rng([seed, complex_, *gains])
        drawn = random.normal([[-gain] for gain in gains], 1, (len(gains), decision.RUNS[-1]))
        best = random.normal(0, 1, decision.RUNS[-1]).tolist()
        count = decision.RUNS[0]
        candidate = drawn[drawn[:, :count].mean(axis=1).argmin()].tolist()
        runs += count * (len(gains) - 1)
        while True:
            verdict = decision.judge(candidate[:count], best[:count], "min", complex_, entrants=len(gains))
            if verdict.decision != "repeat":
                break
            count = verdict.runs
        adopted += verdict.decision == "adopt"
        runs += 2 * count
    return adopted, runs / times


def of_shortlist(times: int = 3000) -> Iterator[Row]:
    """Candidates after their first runs that are all as good as each other, or of which one is worse by 4 deviations:
    whether any is called clearly worse than the one with the best runs."""
    for many in (2, 3):
        for runs in decision.RUNS[:2]:
            called = {0: 0, 4: 0}
            for behind in called:
                for seed in range(times):
                    drawn = np.random.default_rng([seed, many, runs]).normal(0, 1, (many, runs))
                    drawn[-1] += behind
                    best, *others = sorted(drawn.tolist(), key=statistics.mean)
                    called[behind] += any(shortlist.clearly_worse(other, best, many) for other in others)
            case = f"{many} candidates, {runs} runs each"
            yield "clearly worse: false alarm", f"{case}, all equally good", percent(called[0], times), "5 %"
            yield "clearly worse: detection", f"{case}, one worse by 4 sd", percent(called[4], times), "-"


def of_curves(times: int = 1000) -> Iterator[Row]:
    """Falling curves with noise from evaluation to evaluation, in units of which: settled, with a rise after two
    fifths, still falling steadily at the end, and settled at once."""
    figures = {
        "overfitting": ("overfitting", "rise of 6 sd", "2 of 5 (OGBG, 0.4 to 2.9 sd)"),
        "still_improving": ("still improving", "8 sd gained in the last fifth", "Conformer 15 to 18 sd, Criteo 3 to 7"),
        "saturated": ("saturated", "settled by a tenth", "-"),
        "rising_loss": ("rising training loss", "rise of a third of what was gained", "-"),
    }
    for count in (20, 40, 100):
        place = np.linspace(1 / count, 1, count)
        settled = 30 * np.exp(-place / 0.15)
        shapes = {
            "overfitting": settled + 6 * np.clip((place - 0.4) / 0.6, 0, 1),
            "still_improving": settled + 40 * (1 - place),
            "saturated": 30 * np.exp(-place / 0.02),
            "rising_loss": settled + 10 * np.clip((place - 0.5) / 0.5, 0, 1),
        }
        for name, (what, case, designed) in figures.items():
            found = {"nothing": 0, "there": 0}
            for seed in range(times):
                noise = np.random.default_rng([seed, count]).normal(0, 1, (3, count))
                for kind, shape in (("nothing", settled), ("there", shapes[name])):
                    # The training loss is told apart: it rises only where that is asked.
                    loss = (shape if name == "rising_loss" else settled) + noise[1]
                    record = TrialRecord(
                        "t",
                        "search",
                        0,
                        {},
                        {},
                        "complete",
                        best=0.0,
                        steps=count,
                        curves={
                            "val/error_rate": curve(shape + noise[0]),
                            TRAINING_LOSS: curve(loss),
                        },
                    )
                    found[kind] += bool(getattr(symptoms(record, "min"), name))
            length = f"{count} evaluations"
            yield f"{what}: false alarm", f"{length}, falls and settles", percent(found["nothing"], times), "-"
            yield f"{what}: detection", f"{length}, {case}", percent(found["there"], times), designed
    for size in (500, 2000):
        alarms = {0.0: 0, 0.03: 0}
        for shift in alarms:
            for seed in range(times):
                random = np.random.default_rng([seed, size])
                wrong = random.random(10_000) < 0.1
                part = float(random.choice(wrong, size, replace=False).mean())
                whole = float(wrong.mean())
                alarms[shift] += sampled.check([sampled.Checked(part + shift, whole)], size, 10_000).verdict == "warn"
        case = f"{size} of 10000 examples, 10 % errors"
        yield "sample for evaluation: false alarm", case, percent(alarms[0.0], times), "5 % (nominal)"
        yield "sample for evaluation: detection", f"{case}, 3 % more there", percent(alarms[0.03], times), "-"


def curve(values: Any) -> tuple[tuple[int, float], ...]:
    """A metric's values at steps 1, 2, ..."""
    return tuple((step, float(value)) for step, value in enumerate(values, 1))


def of_intervals(times: int = 3000) -> Iterator[Row]:
    """How often an interval of 95 % holds the true value."""
    for n in (3, 5, 8):
        held = 0
        for seed in range(times):
            low, high = statistics.mean_interval(np.random.default_rng([seed, n]).normal(0, 1, n).tolist())
            held += low <= 0 <= high
        yield "interval of a mean: coverage", f"{n} runs", percent(held, times), "95 % (nominal)"
    for n in (3, 5, 8):
        held = 0
        for seed in range(times):
            rates = np.random.default_rng([seed, n]).binomial(360, 0.005, n) / 360
            low, high = statistics.mean_interval(rates.tolist(), floor=0.003, within=(0.0, 1.0))
            held += low <= 0.005 <= high
        case = f"{n} runs of an error rate of 0.5 % of 360, cut at 0"
        yield "interval of a mean: coverage", case, percent(held, times), "95 % (nominal)"
    for rate, total in ((0.02, 360), (0.1, 360), (0.5, 50)):
        held = 0
        for seed in range(times):
            low, high = statistics.share_interval(
                int(np.random.default_rng([seed, total]).binomial(total, rate)), total
            )
            held += low <= rate <= high
        yield "interval of an error rate: coverage", f"{rate:.0%} of {total}", percent(held, times), ">= 95 % (exact)"
    for n in (3, 5, 8):
        held, shorter = 0, times // 6
        true = 0.5 * (1 + math.erf(1 / math.sqrt(2) / math.sqrt(2)))
        for seed in range(shorter):
            random = np.random.default_rng([seed, n])
            better = statistics.improvement(random.normal(-1, 1, n).tolist(), random.normal(0, 1, n).tolist())
            held += better.low <= true <= better.high
        yield "interval of P(better): coverage", f"{n} runs a side, 1 sd better", percent(held, shorter), "-"
    for q in (0.75, 0.95):
        held = 0
        for seed in range(times):
            random = np.random.default_rng([seed, int(q * 100)])
            costs = random.normal(0, 1, 20)
            drawn = random.choice(costs, 10, replace=False).min()
            held += drawn <= statistics.quantile_of_best(costs.tolist(), 10, q)
        yield "quantile of the best of 10", f"{q:.0%} quantile, of 20 trials", percent(held, times), f"at least {q:.0%}"

"""How often the statistics of review and launch are wrong, by simulation, beside the figures of the design study.

    python -m benchmarks.statistics [--write]

False alarms and detection of the boundary rule; false adoption and power of the launch rule, also with a shortlist, and
how often a candidate on one is called clearly worse; false alarms and detection of what is read off one curve, and of a
sample for evaluation; bias of the best of n; what more trials gain against its forecast; false alarms of the gain of a
round, of the best value of what was asked about, and of what matters; coverage of every interval. `--write` puts the
table into benchmarks/results.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rounds import boundary, decision, gain, halton, isolation, points, sampled, shortlist, statistics
from rounds.design import plan
from rounds.importance import effects
from rounds.plan import PlannedTrial, Role, RoundPlan
from rounds.record import TRAINING_LOSS, TrialRecord
from rounds.space import Domain
from rounds.symptoms import symptoms
from tests.rounds_made import BASE, DECAY, OPTIMIZERS, RATE, results

RESULTS = Path(__file__).parent / "results" / "statistics.md"
NAMES = ("learning_rate", "weight_decay", "beta1", "epsilon", "beta2")
Row = tuple[str, str, str, str]


def main() -> None:
    """Run all simulations and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the table into benchmarks/results")
    options = parser.parse_args()
    lines = [
        "# Statistics by simulation",
        "",
        "`make bench-statistics` writes this table. The last column has the figure that the rule was designed with,",
        "from a simulation of its own; a dash where there was none. Units are standard deviations from run to run.",
        "",
        "| rule | case | measured | designed with |",
        "|---|---|---|---|",
    ]
    for line in lines:
        print(line)
    for simulation in (
        of_boundary,
        of_launch,
        of_shortlist,
        of_curves,
        of_best_of,
        of_forecast,
        of_isolation,
        of_gain,
        of_importance,
        of_intervals,
    ):
        for row in simulation():
            line = "| " + " | ".join(row) + " |"
            lines.append(line)
            print(line, flush=True)
    if options.write:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")


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


def percent(count: int, times: int) -> str:
    """A share with twice its standard error."""
    share = count / times
    return f"{share:.1%} ± {2 * math.sqrt(max(share * (1 - share), 1 / times) / times):.1%}"


if __name__ == "__main__":
    main()

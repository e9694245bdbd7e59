"""Two hyperparameters against each other, and gradient norms: what the plots of a review show."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from presets.language import say
from rounds import isolation, remedies
from rounds.curves import check
from rounds.finding import Finding
from rounds.plan import RoundPlan
from rounds.record import Direction
from rounds.space import Dimension, Domain
from tests.rounds_made import BASE, bowl, curve, results, searched
from tests.rounds_made import record as made
from tui.charts import norm_plot, pair_plot, review_plot
from tui.charts.plot import draw

ADAMW = ("adamw.learning_rate", "adamw.weight_decay")


def varied(*more: Dimension, trials: int = 8) -> RoundPlan:
    """A round over learning rate, weight decay and these."""
    plan = searched(trials)
    (study,) = plan.studies
    return replace(plan, studies=(replace(study, dimensions=(*study.dimensions, *more)),))


def test_every_two_that_were_varied_together_are_a_pair_the_findings_own_first() -> None:
    plan = varied(Dimension("dropout", "regularization.dropout", Domain("float", 0.0, 0.5), 2))
    rate, decay = ADAMW
    assert pair_plot.pairs(plan) == [ADAMW, (rate, "dropout"), (decay, "dropout")]
    assert pair_plot.pairs(plan, "dropout") == [(rate, "dropout"), (decay, "dropout"), ADAMW]
    assert pair_plot.pairs(replace(plan, studies=())) == []


def test_the_feasible_trials_are_four_quarters_and_the_infeasible_ones_stand_where_they_were_tried() -> None:
    plan = searched(10)
    score = bowl(learning_rate=0.5, weight_decay=0.5)
    # The highest rates diverge.
    records = results(plan, lambda u: None if u["adamw.learning_rate"] > 0.8 else score(u))
    feasible = sorted((record for record in records if record.feasible), key=lambda record: record.best or 0)
    series, axes = pair_plot.plot(plan, records, ADAMW, "min")
    *quarters, infeasible = series
    assert [id for one in quarters for id in one.ids] == [record.id for record in feasible]
    assert [len(one.x) for one in quarters] == [2, 2, 2, 2]
    assert (quarters[0].mark(0), quarters[0].mark(1)) == ("best", "feasible")
    assert set(infeasible.ids) == {record.id for record in records if not record.feasible}
    assert set(infeasible.marks) == {"infeasible"}
    assert quarters[0].x[0] == feasible[0].values[ADAMW[0]]
    assert (axes.log_x, axes.log_y) == (True, True)
    drawn = draw(series, axes, 60, 16)
    _title, _legend, *rows, _axis, _ticks, _readout = ("".join(text for text, _style in row) for row in drawn)
    assert "".join(rows).count("*") == 1
    assert "".join(rows).count("x") == len(infeasible.ids)


def test_what_the_letters_of_a_pair_mean_is_read_at_80_columns() -> None:
    """It was cut to `A bes⋯  B sec⋯  C thi⋯  D las⋯`."""
    plan = searched(12)
    series, axes = pair_plot.plot(plan, results(plan, bowl(learning_rate=0.5, weight_decay=0.5)), ADAMW, "min")
    title, *_rest = ("".join(text for text, _style in row) for row in draw(series, axes, 80, 16))
    assert title.endswith("A top 1/4  B 2/4  C 3/4  D 4/4  * best")


def test_where_trials_were_infeasible_the_legend_of_a_pair_is_read_too() -> None:
    """It was cut to `A to⋯  B 2/4  C 3/4  D 4/4  x in⋯  +1`."""
    plan = searched(12)
    score = bowl(learning_rate=0.5, weight_decay=0.5)
    records = results(plan, lambda u: None if u["adamw.learning_rate"] > 0.8 else score(u))
    series, axes = pair_plot.plot(plan, records, ADAMW, "min")
    for columns in (60, 80):
        drawn = draw(series, axes, columns, 11)
        title, legend, *rows = ("".join(text for text, _style in row) for row in drawn)
        assert title.rstrip() == "adamw.weight_decay (log) vs adamw.learning_rate (log)"
        assert legend.strip() == "A top 1/4  B 2/4  C 3/4  D 4/4  x infeasible  * best"
        assert len(rows) == 9
        assert "*" in "".join(rows)


def test_of_a_metric_to_be_maximised_the_highest_are_the_best_quarter() -> None:
    plan = searched(8)
    records = results(plan, bowl(learning_rate=0.5, weight_decay=0.5))
    (first, *_rest), _axes = pair_plot.plot(plan, records, ADAMW, "max")
    assert first.ids[0] == max(records, key=lambda record: record.best or 0).id


@pytest.mark.parametrize("count", [0, 1, 2, 3, 5])
def test_few_trials_are_drawn_too(count: int) -> None:
    plan = searched(8)
    records = results(plan, bowl(learning_rate=0.5))[:count]
    series, axes = pair_plot.plot(plan, records, ADAMW, "min")
    assert sum(len(one.x) for one in series) == count
    assert len(draw(series, axes, 60, 16)) == 16


def test_named_choices_stand_at_their_number() -> None:
    plan = varied(Dimension("schedule", "schedule.name", Domain("list", choices=("constant", "cosine")), 2))
    names = {0: "constant", 1: "cosine"}
    records = [
        replace(record, values={**record.values, "schedule": names[place % 2]})
        for place, record in enumerate(results(plan, bowl(learning_rate=0.5)))
    ]
    series, axes = pair_plot.plot(plan, records, (ADAMW[0], "schedule"), "min")
    assert (axes.y_title, axes.log_y) == ("schedule (1: constant, 2: cosine)", False)
    placed = {id: y for one in series for id, y in zip(one.ids, one.y, strict=True)}
    assert placed == {record.id: 1.0 + place % 2 for place, record in enumerate(records)}


@pytest.mark.parametrize(("direction", "marks"), [("max", ["best", "feasible"]), ("min", ["feasible", "best"])])
def test_the_star_is_at_the_value_that_the_finding_calls_best(direction: Direction, marks: list[str]) -> None:
    asked = {"regularization.dropout": Domain("list", choices=(0.0, 0.2))}
    plan = searched(8, goal="compare", scientific=asked, base={**BASE, "regularization.dropout": 0.0})
    records = [
        made(trial, number, 0.74 if trial.study == "dropout=0.0" else 0.697)
        for number, trial in enumerate(plan.trials, 1)
    ]
    (finding,) = isolation.check(plan, records, direction)
    (series,), axes = review_plot.plot(finding, plan, records, direction, "val/macro_f1")
    assert series.marks == marks
    assert f"{series.y[marks.index('best')]:.4g}" in finding.message.text()
    # What is numbered has no ticks between its numbers.
    ticks = "".join(text for text, _style in draw([series], axes, 60, 16)[-2])
    assert ticks.split() == ["1", "2"]


def test_every_hyperparameter_that_varied_has_its_axis_plot_beside_the_one_that_a_finding_shows() -> None:
    """Also where the best lie inside of every range, which is one finding about all of them (P12)."""
    plan = varied(Dimension("dropout", "regularization.dropout", Domain("float", 0.0, 0.5), 2), trials=20)
    records = [
        replace(record, values={**record.values, "dropout": 0.02 * place}, u={**record.u, "dropout": 0.04 * place})
        for place, record in enumerate(results(plan, bowl(learning_rate=0.5, weight_decay=0.5)))
    ]
    inside = Finding("boundary", "pass", say("x"), "P10", {"study": "joint", "dimensions": []})
    _shown, axes = review_plot.plot(inside, plan, records, "min", "val/error_rate")
    assert axes.x_title == ADAMW[0]
    assert review_plot.others(inside, plan) == [ADAMW[1], "dropout"]
    for name in review_plot.others(inside, plan):
        (series,), axes = review_plot.against(name, inside, plan, records, "min", "val/error_rate")
        assert (series.id, axes.x_title, len(series.x)) == (name, name, len(records))
    about_one = replace(inside, figures={"study": "joint", "dimension": "dropout"})
    assert review_plot.others(about_one, plan) == list(ADAMW)
    # A finding about curves draws none of them itself.
    assert review_plot.others(replace(inside, check="overfitting"), plan) == [*ADAMW, "dropout"]


def test_what_came_to_exactly_the_same_is_marked_alike() -> None:
    asked = {"regularization.dropout": Domain("list", choices=(0.0, 0.2, 0.5))}
    plan = searched(9, goal="compare", scientific=asked, base={**BASE, "regularization.dropout": 0.0})
    records = [made(trial, n, 0.5 if trial.study == "dropout=0.0" else 0.3) for n, trial in enumerate(plan.trials, 1)]
    (finding,) = isolation.check(plan, records, "min")
    (series,), _axes = review_plot.plot(finding, plan, records, "min", "val/error_rate")
    assert series.marks == ["feasible", "best", "best"]
    assert [row["is_best"] for row in isolation.axis(records, ADAMW[0], "min")] == [False, True, True] * 3


def test_on_the_axis_of_a_choice_its_values_stand_at_their_numbers() -> None:
    schedule = Domain("categorical", choices=("constant", "linear", "cosine"))
    plan = varied(Dimension("schedule", "schedule.name", schedule, 2), trials=12)
    records = [
        replace(record, values={**record.values, "schedule": schedule.value(u)}, u={**record.u, "schedule": u})
        for place, record in enumerate(results(plan, bowl(learning_rate=0.5)))
        for u in [(place % 3 + 0.5) / 3]
    ]
    asked = Finding("axis", "pass", say("{name}", name="schedule"), "P12", {"dimension": "schedule"})
    (series,), axes = review_plot.plot(asked, plan, records, "min", "val/error_rate")
    assert list(series.x) == [1.0, 2.0, 3.0] * 4
    assert axes.x_title == "schedule (1: constant, 2: linear, 3: cosine)"


def test_one_bad_trial_does_not_press_the_others_into_the_axis() -> None:
    plan = searched(8)
    errors = dict(enumerate([0.003, 0.006, 0.004, 0.01, 0.02, 0.005, 0.05, 0.59], 1))
    records = [made(trial, number, errors[number]) for number, trial in enumerate(plan.trials, 1)]
    asked = Finding("axis", "pass", say("{name}", name=ADAMW[0]), "P12", {"dimension": ADAMW[0]})
    assert review_plot.plot(asked, plan, records, "min", "val/error_rate")[1].log_y
    close = [replace(record, best=0.1 + 0.01 * place) for place, record in enumerate(records)]
    assert not review_plot.plot(asked, plan, close, "min", "val/error_rate")[1].log_y
    # Where most are bad, the best still are what is looked at.
    few = [
        replace(record, best=best)
        for record, best in zip(records, [0.005, 0.04, 0.3, 0.4, 0.5, 0.7, 0.8, 0.9], strict=True)
    ]
    assert review_plot.plot(asked, plan, few, "min", "val/error_rate")[1].log_y
    falling = [
        replace(one, curves={"val/error_rate": curve([0.9, 0.3, best, best, best])})
        for one, best in zip(few, (0.005, 0.04) * 4, strict=True)
    ]
    of_curves = Finding("saturated", "pass", say("so"), "P11", {})
    assert review_plot.plot(of_curves, plan, falling, "min", "val/error_rate")[1].log_y
    assert not review_plot.plot(of_curves, plan, falling, "max", "val/error_rate")[1].log_y
    # A logarithmic axis has no place for a trial without any error.
    perfect = [replace(records[0], best=0.0), *records[1:]]
    assert not review_plot.plot(asked, plan, perfect, "min", "val/error_rate")[1].log_y


def test_the_curves_of_a_finding_are_those_of_the_trials_that_it_accuses() -> None:
    """The best six do not overfit; of those that do, the named ones are drawn, and the one that lost most."""
    plan = searched(12)
    at = np.linspace(0.025, 1, 40)
    records = []
    for number, planned in enumerate(plan.trials, 1):
        rise = 0.0 if number <= 6 else 2.0 if number == 11 else 0.4
        values = (0.05 + 0.02 * number + 0.5 * np.exp(-10 * at) + rise * np.maximum(at - 0.5, 0)).tolist()
        curves = {"val/error_rate": curve(values), "train/loss": curve(np.exp(-5 * at).tolist())}
        records.append(made(planned, number, min(values), final=values[-1], curves=curves))
    findings = {finding.check: finding for finding in check(plan, records, "min")}
    assert findings["overfitting"].figures["all_with"] == [f"round-1-{number:03d}" for number in range(7, 13)]
    series, _axes = review_plot.plot(findings["overfitting"], plan, records, "min", "val/error_rate")
    assert [one.id for one in series] == [f"round-1-{number:03d}" for number in (1, 7, 8, 9, 10, 11)]
    best, _axes = review_plot.plot(findings["still improving"], plan, records, "min", "val/error_rate")
    assert [one.id for one in best] == [f"round-1-{number:03d}" for number in range(1, 7)]


NORMS = st.floats(1e-12, 1e12) | st.sampled_from([0.0, math.nan, math.inf])


@given(st.lists(st.lists(NORMS, max_size=30), max_size=3))
def test_the_bars_of_the_histogram_hold_every_norm_that_has_a_place(curves: list[list[float]]) -> None:
    made = {f"t-{place}": list(enumerate(curve, 1)) for place, curve in enumerate(curves)}
    series, axes = norm_plot.histogram(made, "grad_norm")
    counted = [value for curve in curves for value in curve if 0 < value < math.inf]
    if not counted:
        assert series == []
        return
    bars, limit = series
    # Each bar is a left and a right corner.
    assert sum(bars.y[1:-1:2]) == pytest.approx(1)
    assert sum(value <= limit.x[0] for value in counted) >= remedies.QUANTILE * len(counted)
    assert len(draw(series, axes, 60, 16)) == 16


def test_the_norm_against_the_step_is_a_line_for_each_trial() -> None:
    (one, other), axes = norm_plot.against_step({"r-001": [(1, 2.0), (2, 1.0)], "r-002": [(1, 3.0)]}, "grad_norm")
    assert (one.label, list(one.x), list(one.y), axes.log_y) == ("001", [1.0, 2.0], [2.0, 1.0], True)
    assert other.ids == ["r-002"]

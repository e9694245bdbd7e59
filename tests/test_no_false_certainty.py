"""What no review may claim: nothing follows from one trial, from equal results, from none, or from two evaluations."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from rounds import gain, isolation
from rounds.design import plan
from rounds.importance import effects
from rounds.record import TrialRecord
from rounds.review import review
from rounds.space import Domain
from tests.rounds_made import BASE, OPTIMIZERS, curve, record, searched

PLANNED = searched(20)
METRIC = "val/error_rate"
OF_CURVES = ("overfitting", "unsteady", "still improving", "saturated")
VALUES = st.floats(-1e6, 1e6)
DIRECTIONS = st.sampled_from(["min", "max"])


def verdicts(records: list[TrialRecord], direction: Any, noise: float | None = None) -> dict[str, str]:
    """The verdict of each finding that any of the checks comes to."""
    return {finding.key: finding.verdict for finding in review(PLANNED, records, direction, noise)}


def tried(values: list[float | None], curves: list[Any] | None = None) -> list[TrialRecord]:
    """The first trials of the round with these results, and with these validation curves."""
    return [
        record(PLANNED.trials[place], place + 1, value, curves={METRIC: curve(curves[place])} if curves else {})
        for place, value in enumerate(values)
    ]


@given(VALUES, DIRECTIONS, st.none() | st.floats(1e-9, 1e6))
def test_one_trial_says_nothing_about_the_space(value: float, direction: Any, noise: float | None) -> None:
    told = verdicts(tried([value]), direction, noise)
    assert told["complete"] == "warn"
    assert {told[key] for key in told if key.startswith(("boundary", "points"))} == {"cannot tell"}
    assert effects(PLANNED.studies[0], tried([value]), direction) == []


@given(VALUES, st.integers(1, 20), DIRECTIONS)
def test_equal_results_say_nothing_about_what_matters_or_where(value: float, count: int, direction: Any) -> None:
    records = tried([value] * count)
    found = review(PLANNED, records, direction)
    assert effects(PLANNED.studies[0], records, direction) == []
    assert not [finding for finding in found if finding.check == "boundary" and finding.verdict != "cannot tell"]


@given(st.lists(st.sampled_from([None, math.nan, math.inf, -math.inf]), min_size=1, max_size=20), DIRECTIONS)
def test_all_infeasible_fail_as_such_and_everything_else_cannot_tell(
    values: list[float | None], direction: Any
) -> None:
    told = verdicts(tried(values), direction)
    assert told.pop("infeasible") == "fail"
    told.pop("complete")
    assert set(told.values()) == {"cannot tell"}


@given(st.lists(st.lists(VALUES, min_size=1, max_size=2), min_size=1, max_size=20), DIRECTIONS)
def test_two_evaluations_make_no_curve(curves: list[list[float]], direction: Any) -> None:
    records = tried([min(values) for values in curves], curves)
    (short,) = (finding for finding in review(PLANNED, records, direction, 1.0) if finding.check == "curves")
    # One finding for all: what it takes is the same.
    assert short.verdict == "cannot tell"
    assert {*OF_CURVES} <= {*short.figures["short"]}


CURVES = st.lists(VALUES | st.sampled_from([math.nan]), min_size=1, max_size=40)


@given(st.lists(st.tuples(VALUES | st.none(), CURVES), min_size=1, max_size=20), st.none() | st.floats(1e-3, 1e3))
@settings(max_examples=50)
def test_a_metric_to_be_maximised_is_judged_as_its_mirror_image(made: Any, noise: float | None) -> None:
    up = tried([value for value, _ in made], [values for _, values in made])
    down = [
        replace(
            one,
            best=None if one.best is None else -one.best,
            curves={METRIC: tuple((step, -value) for step, value in one.curves[METRIC])},
        )
        for one in up
    ]
    assert verdicts(up, "max", noise) == verdicts(down, "min", noise)


def test_what_is_known_of_curves_alone_calls_nothing_better() -> None:
    """Runs of the digits by a vision transformer differ from seed to seed by several times as much as late evaluations
    of one do: of two runs of the same configuration, the review called one clearly better than the other."""
    planned = plan(
        {**BASE, "regularization.dropout": 0.0},
        "compare",
        scientific={"regularization.dropout": Domain("list", choices=(0.0, 0.5))},
        optimizers=OPTIMIZERS,
        trials=2,
        roles={"optimizer.learning_rate": "fixed"},
    )
    best = (0.30, 0.37)
    wave = [0.002 * (-1) ** step for step in range(25)]
    records = [
        record(entry, number, value, curves={METRIC: curve([value + own for own in wave])})
        for number, (entry, value) in enumerate(zip(planned.trials, best, strict=True), 1)
    ]
    (compared,) = isolation.check(planned, records, "min")
    (gained,) = gain.check(records, "min", [0.4])
    for found in (compared, gained):
        assert (found.verdict, found.action and found.action.code) == ("cannot tell", "launch")
        assert "only repeated runs can tell" in found.message.text()
    # By how far runs differ it can be said, and by how late evaluations do, that values are close.
    assert isolation.check(planned, records, "min", noise=0.002)[0].verdict == "pass"
    assert gain.check(records, "min", [0.4], noise=0.002)[0].verdict == "pass"
    close = [replace(one, best=0.3 + 0.001 * place) for place, one in enumerate(records)]
    assert "single runs cannot tell it from" in isolation.check(planned, close, "min")[0].message.text()

"""What the review says of trainings whose trouble is known, because it was brought about: real digits, real curves."""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from rounds.curves import check
from rounds.finding import Finding
from rounds.record import TRAINING_LOSS, TrialRecord
from rounds.review import review
from rounds.statistics import pooled
from rounds.symptoms import Symptoms, symptoms
from tests import small_project
from tests.rounds_made import record, searched
from tests.training_runs import metrics, result, run_here, write_config
from tui.charts.review_plot import plot

PLANNED = searched(12)
ERROR, LOSS = "val/error_rate", "val/loss"
EXAMPLES, FEW, ALL = 320, 40, 560
# Of 25 evaluations each; every training has one thing wrong, but for the first two.
TRAININGS: dict[str, dict[str, Any]] = {
    "sound": {"schedule__name": "cosine", "training__steps": 150},
    "other seed": {"schedule__name": "cosine", "training__steps": 150, "training__seed": 1},
    "too few steps": {"optimizer__learning_rate": 0.001, "training__steps": 75},
    "too many steps": {"schedule__name": "cosine", "training__steps": 500, "training__batch_size": 32},
    "high rate": {"optimizer__learning_rate": 0.2, "training__steps": 150},
    "too high a rate": {"optimizer__learning_rate": 0.3, "training__batch_size": 8, "training__steps": 200},
    "unsettled": {"optimizer__learning_rate": 0.5, "training__batch_size": 32, "training__steps": 25},
    "diverging": {"optimizer__learning_rate": 50.0, "training__steps": 150},
    "few examples": {"model__name": "test_vit", "training__steps": 100},
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The folder of each training; they run once for all tests."""
    root = tmp_path_factory.mktemp("curves")
    pictures = sorted(small_project.digits(root / "digits", ALL).glob("*/*.png"), key=lambda path: path.name)
    for data, examples in (("many", EXAMPLES), ("few", FEW)):
        for part, own in (("train", pictures[:examples]), ("val", pictures[EXAMPLES:])):
            for picture in own:
                (root / data / part / picture.parent.name).mkdir(parents=True, exist_ok=True)
                shutil.copy(picture, root / data / part / picture.parent.name)
    folders = {}
    for name, changes in TRAININGS.items():
        values = {"training__batch_size": 16, "training__evaluate_every": changes["training__steps"] // 25, **changes}
        data = root / ("few" if name == "few examples" else "many")
        folders[name] = root / name
        run_here(write_config(root / f"{name}.toml", data, **values), folders[name])
    return folders


def told(trained: Mapping[str, Path], name: str, metric: str = ERROR) -> TrialRecord:
    """A training as the review sees it, judged by a metric."""
    lines, ended = metrics(trained[name]), result(trained[name])
    curves = {
        kind: tuple((line["step"], float(line[kind])) for line in lines if kind in line)
        for kind in (ERROR, LOSS, TRAINING_LOSS)
    }
    number = list(TRAININGS).index(name) + 1
    step, best = min(curves[metric], key=lambda point: point[1])
    return record(
        PLANNED.trials[number - 1],
        number,
        best if ended["status"] == "complete" else None,
        best_step=step,
        steps=ended["steps_done"],
        reason=ended["reason"],
        curves=curves,
        metric=metric,
    )


def seen(trained: Mapping[str, Path], name: str, metric: str = ERROR) -> Symptoms:
    return symptoms(told(trained, name, metric), "min")


def noise(trained: Mapping[str, Path]) -> float:
    """How much the validation loss of two runs differs that differ by their seed alone."""
    found = pooled([[told(trained, name, LOSS).best or 0.0 for name in ("sound", "other seed")]])
    assert found
    return found


def found(records: list[TrialRecord], noise: float | None = None) -> dict[str, Finding]:
    return {finding.check: finding for finding in check(PLANNED, records, "min", noise)}


def test_a_sound_training_has_no_symptom(trained: Mapping[str, Path]) -> None:
    for name in ("sound", "other seed"):
        shown = seen(trained, name)
        assert (shown.overfitting, shown.saturated, shown.rising_loss) == (False, False, False)


def test_few_examples_without_regularisation_are_overfitted(trained: Mapping[str, Path]) -> None:
    """The validation loss rises while the training loss goes to nothing."""
    shown = seen(trained, "few examples", LOSS)
    assert (shown.overfitting, shown.still_improving, shown.saturated, shown.rising_loss) == (True, False, False, False)
    finding = found([told(trained, "few examples", LOSS)])["overfitting"]
    assert finding.verdict == "warn"
    assert finding.action is not None
    assert finding.action.code == "regularise"


def test_too_few_steps_are_still_improving_and_ask_for_more(trained: Mapping[str, Path]) -> None:
    for metric in (ERROR, LOSS):
        findings = found([told(trained, "too few steps", metric)])
        assert (findings["still improving"].verdict, findings["steps"].verdict) == ("warn", "warn")
        assert (findings["overfitting"].verdict, findings["saturated"].verdict) == ("pass", "pass")
        action = findings["steps"].action
        assert action is not None
        assert action.payload == {"steps": 150}


def test_too_many_steps_are_saturated_early_and_ask_for_fewer(trained: Mapping[str, Path]) -> None:
    findings = found([told(trained, "too many steps")])
    assert (findings["saturated"].verdict, findings["still improving"].verdict) == ("warn", "pass")
    assert findings["overfitting"].verdict == "pass"
    action = findings["saturated"].action
    assert action is not None
    assert action.payload == {"steps": 250}


def test_a_high_constant_rate_ends_unsteadily_where_one_that_decays_does_not(trained: Mapping[str, Path]) -> None:
    unit = noise(trained)
    unsteady = found([told(trained, "high rate", LOSS)], unit)["unsteady"]
    assert (unsteady.verdict, unsteady.action and unsteady.action.code) == ("warn", "steady")
    assert found([told(trained, "too many steps", LOSS)], unit)["unsteady"].verdict == "pass"


def test_a_training_that_breaks_down_is_not_taken_for_overfitting(trained: Mapping[str, Path]) -> None:
    """Its validation gets worse, and so does its training loss: more regularisation, or fewer steps, mend nothing."""
    findings = found([told(trained, "too high a rate")])
    assert (findings["overfitting"].verdict, findings["saturated"].verdict) == ("pass", "pass")
    assert found([told(trained, "too high a rate", LOSS)], noise(trained))["unsteady"].verdict == "warn"


@pytest.mark.parametrize("metric", [ERROR, LOSS])
def test_evaluations_that_have_not_settled_are_not_taken_for_overfitting(
    trained: Mapping[str, Path], metric: str
) -> None:
    """At a high rate and with few steps the validation loss goes far up while the training loss falls: the averages of
    batch norm lag behind. The review led with more regularisation, and then with fewer steps."""
    records = [told(trained, "unsettled", metric)]
    findings = found(records)
    assert findings["overfitting"].verdict == "pass"
    assert findings["saturated"].verdict == "pass"
    assert (findings["unsettled"].verdict, findings["steps"].verdict) == ("warn", "cannot tell")
    action = findings["unsettled"].action
    assert action is not None
    assert action.code == "stabilise"
    series, axes = plot(findings["unsettled"], PLANNED, records, "min", "error_rate")
    assert (max(series[0].y), axes.log_y) == (max(value for _, value in records[0].curves[LOSS]), True)
    # Beside others that have settled it is one of the worse, and these tell of their steps.
    both = [*records, *(told(trained, name, metric) for name in ("sound", "other seed", "too many steps"))]
    findings = found(both)
    assert (findings["unsettled"].verdict, findings["unsettled"].action) == ("pass", None)
    assert findings["steps"].figures["places"]


def test_a_rate_that_is_far_too_high_diverges_and_has_no_curves_to_judge(trained: Mapping[str, Path]) -> None:
    diverged = told(trained, "diverging")
    assert (diverged.status, diverged.reason) == ("infeasible", "diverged")
    # Whether the loss of the training or of an evaluation breaks first is for the processor's arithmetic to say; of the
    # one it is known that it rose, and of the other there is too little.
    broke = not all(math.isfinite(value) for _, value in diverged.curves[TRAINING_LOSS])
    assert seen(trained, "diverging") == Symptoms(diverged.id, None, None, None, None, None, True if broke else None)
    assert [finding.verdict for finding in found([diverged]).values()] == ["cannot tell"]


def test_the_review_of_all_of_them_counts_the_infeasible_one(trained: Mapping[str, Path]) -> None:
    """Every check is made, on curves that are finite and curves that are not."""
    findings = review(PLANNED, [told(trained, name, LOSS) for name in TRAININGS], "min", noise(trained))
    (infeasible,) = (finding for finding in findings if finding.check == "infeasible")
    assert infeasible.figures["reasons"] == {"diverged": 1}
    assert {"boundary", "points", "overfitting", "unsteady", "steps"} <= {finding.check for finding in findings}

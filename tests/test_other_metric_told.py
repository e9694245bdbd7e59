"""Commands, pages and reports show a result by another metric under its own name, and say what to do about it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rounds import alike, changed_metric, judging, launching, planning
from state import launches, trials
from state.database import Store
from state.project import change
from state.store import open_store
from tests import small_project
from tests.test_cli import tunebook
from tui.contenders import contenders
from tui.report import as_text, document
from tui.widgets.progress import progress

LR = "sgd.learning_rate"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A round and its launch by the error rate, rejected; then the project is tuned by macro_f1."""
    with open_store(small_project.project(tmp_path / "p", tmp_path / "data")) as opened:
        small_project.adopt(opened, small_project.settings(tmp_path / "data", training__steps=100))
        small_project.end(opened, "baseline-1-001", 0.5)
        batch = planning.save(opened, planning.propose(opened, trials=4))
        for entry in trials.trials(opened, batch.name):
            small_project.end(opened, entry.id, 0.2 + 0.01 * entry.u[LR])
        launch = launching.start(opened, launching.propose(opened, batch.name))
        for entry in trials.trials(opened, launch.name):
            small_project.end(opened, entry.id, 0.3)
        judging.decide(opened, launch.name, "reject", "for the test")
        opened.project = change(opened.project, metric="macro_f1", direction="max")
        yield opened


@pytest.fixture
def said(store: Store, capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*words: str) -> str:
        assert tunebook(*words, "--project", store.project.root) == 0
        return capsys.readouterr().out

    return run


def test_what_a_project_says_right_after_its_metric_was_changed(store: Store, said: Any) -> None:
    words = changed_metric.since_best(store)
    assert words is not None
    assert words.text().startswith("The runs of the best configuration were judged by error_rate, the project is by")
    told = said("status")
    assert words.text() in " ".join(told.split())
    assert "0.3 [val/error_rate]" in told
    known = json.loads(said("status", "--json"))["batches"]
    assert [batch["metric"] for batch in known] == ["error_rate"] * 3
    assert words in planning.propose(store, trials=4).warnings
    # By the best of the error rate, which is the lowest.
    leader = launching.propose(store, "round-1").trial
    assert leader == min(trials.trials(store, "round-1"), key=lambda entry: entry.best or 1).id
    assert "val/error_rate" in said("round", "status", "round-1")
    assert alike.incomparable(store) == ["round-1"]


def test_a_report_shows_no_result_under_the_name_of_another_metric(store: Store) -> None:
    text = as_text.markdown(document.report(store)).replace("\\", "")
    assert "Trials that were judged by another metric are not drawn: " in text
    assert "val/error_rate" in text
    assert "This round was judged by error_rate, the project is by macro_f1 since" in text
    series, _axes = progress(store)
    assert [len(one.x) for one in series] == [0, 0]
    assert {one.other for one in contenders(store) if one.value is not None} == {"error_rate"}


def test_once_it_has_run_again_nothing_is_left_to_say(store: Store) -> None:
    small_project.end(store, small_project.batch(store, _best(store), kind="launch").name + "-001", 0.9)
    assert changed_metric.since_best(store) is None
    assert {entry.metric for entry in trials.trials(store, "launch-2")} == {"macro_f1"}


def _best(store: Store) -> Any:
    best = launches.best(store)
    assert best is not None
    return best.settings

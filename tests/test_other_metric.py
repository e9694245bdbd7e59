"""Runs by another metric are compared with none of now: in gain, noise, saturation, launches and the final study."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

from presets.language import error_text
from rounds import (
    alike,
    final,
    insights,
    judging,
    launching,
    planning,
    reviewing,
    saturation,
    settled,
    shortlist,
    worth,
)
from rounds.finding import Finding
from rounds.reached import best_and_baseline, reached
from state import launches, trial_progress, trials
from state.database import Store
from state.errors import Refusal
from state.hyperparameters import OwnHyperparameter
from state.project import Settings, change, create
from state.store import open_store
from state.trials import Batch
from tests import small_project
from tui.report import writing

RATE = OwnHyperparameter("lr", 0.1, "float", low=0.01, high=1.0, scale="log", searched=True)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A project of an own script that is tuned by accuracy, with a best configuration that has run."""
    settings = Settings(
        command="true {lr} {seed} {folder}", hyperparameters=(RATE,), seed="seed", metric="accuracy", direction="max"
    )
    with open_store(create(tmp_path / "p", settings)) as opened:
        small_project.adopt(opened, {"lr": 0.1})
        ended(opened, "baseline-1", 0.5)
        yield opened


def ended(store: Store, batch: str, best: float) -> None:
    """All trials of a batch end judged by the metric of now, each a little apart from the one before."""
    metric = store.project.settings.metric
    for entry in trials.trials(store, batch):
        if entry.status not in trials.ENDED:
            value = {"step": 1, f"val/{metric}": best + 0.001 * (entry.position % 3)}
            result = {"status": "complete", "best": value, "final": value, "steps_done": 1, "code": "c", "versions": {}}
            trial_progress.mark_ended(store, entry.id, result)


def a_round(store: Store, best: float, count: int = 4) -> str:
    batch = planning.save(store, planning.propose(store, trials=count))
    ended(store, batch.name, best)
    return batch.name


def launched(store: Store, name: str, best: float) -> str:
    launch = launching.start(store, launching.propose(store, name))
    ended(store, launch.name, best)
    return launch.name


def judged_by(store: Store, metric: str, direction: Literal["min", "max"]) -> None:
    store.project = change(store.project, metric=metric, direction=direction)


def found(store: Store, name: str, check: str) -> Finding | None:
    return next((one for one in reviewing.review_batch(store, name) if one.check == check), None)


def gained(store: Store, name: str) -> str:
    finding = found(store, name, "gain")
    assert finding is not None
    return finding.message.text()


def test_a_round_is_not_held_against_runs_by_another_metric(store: Store) -> None:
    judged_by(store, "val_loss", "min")
    name = a_round(store, 0.2)
    assert gained(store, name).startswith("What the round began with has no run by val_loss")
    assert not worth.beaten(store, name)
    # A launch runs both by it.
    launched(store, name, 0.2)
    assert gained(store, a_round(store, 0.3)).startswith("No trial beats what the round began with")


def test_a_round_of_another_metric_is_reviewed_by_its_own(store: Store) -> None:
    """Of accuracy the highest is the best, whatever is tuned by now; and the review says of which metric it is."""
    name = a_round(store, 0.7)
    before = gained(store, name)
    assert found(store, name, "metric") is None
    judged_by(store, "val_loss", "min")
    assert gained(store, name) == before
    told = found(store, name, "metric")
    assert told is not None
    assert told.message.text().startswith("This round was judged by accuracy, the project is by val_loss since")
    assert launching.propose(store, name).trial == max(trials.trials(store, name), key=lambda entry: entry.best or 0).id
    assert alike.incomparable(store) == [name]


def test_the_trials_by_another_metric_in_a_round_count_for_nothing_in_it(store: Store) -> None:
    batch = planning.save(store, planning.propose(store, trials=4))
    first, second, *others = (entry.id for entry in trials.trials(store, batch.name))
    for id in (first, second):
        value = {"step": 1, "val/accuracy": 0.1}
        trial_progress.mark_ended(store, id, {"status": "complete", "best": value, "final": value})
    judged_by(store, "val_loss", "min")
    ended(store, batch.name, 0.3)
    told = found(store, batch.name, "metric")
    assert told is not None
    assert told.figures["trials"] == [first, second]
    assert launching.propose(store, batch.name).trial in others
    done = found(store, batch.name, "complete")
    assert done is not None
    assert done.message.text() == "All 4 trials have ended."


def test_noise_and_saturation_are_of_the_metric_of_now(store: Store) -> None:
    launched(store, a_round(store, 0.9), 0.9)
    assert reviewing.noise(store) == pytest.approx(0.001, rel=0.1)
    judged_by(store, "val_loss", "min")
    assert reviewing.noise(store) is None
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(reviewing, "noise", lambda *_: 0.01)
        patched.setattr(reviewing, "freedom", lambda *_: 30)
        for level in (0.95, 0.94, 0.93):
            a_round(store, level)
        # 0.9 was an accuracy.
        assert saturation.saturation(store) is None


def test_a_launch_takes_no_runs_by_another_metric(store: Store) -> None:
    """Four runs of the best configuration by accuracy would make any loss look better than it."""
    launched(store, a_round(store, 0.9), 0.9)
    judged_by(store, "val_loss", "min")
    name = a_round(store, 0.3)
    assert launching.propose(store, name).reused == ()
    launch = launched(store, name, 0.3)
    sides = launching.sides_of(store, trials.batch(store, launch))
    assert {run.metric for side in sides.values() for run in side} == {"val_loss"}


def test_a_launch_in_whose_course_the_metric_changed_is_judged_by_that_of_now(store: Store) -> None:
    name = launched(store, a_round(store, 0.9), 0.9)
    assert judging.judge(store, name).gain is not None
    judged_by(store, "val_loss", "min")
    verdict = judging.judge(store, name)
    assert (verdict.decision, verdict.gain) == ("repeat", None)
    assert "judged by accuracy does not count, since the metric is val_loss now: 6" in verdict.message.text()
    judging.decide(store, name, "repeat", "by the loss")
    ended(store, name, 0.3)
    verdict = judging.judge(store, name)
    assert verdict.candidate is not None
    assert verdict.candidate[0] == pytest.approx(0.301, abs=0.001)


def test_a_decided_launch_is_told_as_it_was_decided(store: Store) -> None:
    """What goes on of several candidates was chosen by the metric of then."""
    name = a_round(store, 0.7, 12)
    proposal = launching.propose(store, name)
    rivals = [launching.propose(store, name, entry.id) for entry in trials.trials(store, name)[:2]]
    batch = launching.start(store, proposal, [rival for rival in rivals if rival.trial != proposal.trial][:1])
    for entry in trials.trials(store, batch.name):
        best = {"candidate": 0.95, "candidate-2": 0.8}.get(entry.study, 0.5) + 0.001 * (entry.position % 3)
        value = {"step": 1, "val/accuracy": best}
        trial_progress.mark_ended(store, entry.id, {"status": "complete", "best": value, "final": value})
    judging.decide(store, batch.name, "adopt", "for the test")
    told = [one.text.text() for one in insights.proposals(store) if one.key.startswith("adopted")]
    judged_by(store, "val_loss", "min")
    assert launching.survivor(store, batch).study == "candidate"
    after = [one.text.text() for one in insights.proposals(store) if one.key.startswith("adopted")]
    assert after == [f"{text} (Judged by accuracy.)" for text in told]


def test_candidates_that_ran_by_another_metric_have_no_standing(store: Store) -> None:
    """None of their runs counts, so that nothing is said of who goes on."""
    name = a_round(store, 0.7, 12)
    proposal = launching.propose(store, name)
    others = [entry.id for entry in trials.trials(store, name) if entry.id != proposal.trial]
    batch = launching.start(store, proposal, [launching.propose(store, name, others[0])])
    ended(store, batch.name, 0.8)
    assert len(shortlist.standings(store, batch)) == 2
    judged_by(store, "val_loss", "min")
    assert shortlist.standings(store, batch) == ()
    assert judging.judge(store, batch.name).decision == "repeat"
    assert writing.content(store, "md")


def with_a_rival(store: Store) -> Batch:
    """A launch of two candidates, the second of which did better by accuracy."""
    name = a_round(store, 0.7, 12)
    proposal = launching.propose(store, name)
    others = [entry.id for entry in trials.trials(store, name) if entry.id != proposal.trial]
    batch = launching.start(store, proposal, [launching.propose(store, name, others[0])])
    for entry in trials.trials(store, batch.name):
        best = {"candidate": 0.6, "candidate-2": 0.8}.get(entry.study, 0.9) + 0.001 * (entry.position % 3)
        value = {"step": 1, "val/accuracy": best}
        trial_progress.mark_ended(store, entry.id, {"status": "complete", "best": value, "final": value})
    return batch


def test_no_runs_are_added_to_a_launch_that_was_decided_by_another_metric(store: Store) -> None:
    """None of those that it has would count: the leader of its round by accuracy went on, which its own runs had
    dropped."""
    batch = with_a_rival(store)
    judging.decide(store, batch.name, "reject", "no gain")
    assert judging.may_reopen(store, batch.name)
    judged_by(store, "val_loss", "min")
    assert not judging.may_reopen(store, batch.name)
    survivor = launching.survivor(store, batch)
    assert survivor.study == "candidate-2"
    told = f"was decided by accuracy, the project is by val_loss since.*tunebook launch --trial {survivor.trial}"
    for again in (lambda: judging.reopen(store, batch.name, "x"), lambda: judging.decide(store, batch.name, "repeat")):
        with pytest.raises(Refusal, match=told):
            again()
    assert len(trials.trials(store, batch.name)) == 9
    assert launching.propose(store, "round-1", survivor.trial).reused == ()
    # Of the same metric, another direction is another question as well.
    judged_by(store, "accuracy", "min")
    with pytest.raises(Refusal) as refused:
        judging.reopen(store, batch.name, "x")
    assert "decided by accuracy (higher is better), the project is by accuracy (lower" in error_text(refused.value)
    judged_by(store, "accuracy", "max")
    judging.reopen(store, batch.name, "more of it")
    assert [entry.study for entry in trials.trials(store, batch.name)[9:]] == ["candidate-2", "best"] * 2


def test_all_candidates_run_again_where_the_metric_changed_before_a_decision(store: Store) -> None:
    """No run by the metric of now has chosen between them; those chose by accuracy, and then the round's leader went
    on."""
    batch = with_a_rival(store)
    judged_by(store, "val_loss", "min")
    judging.decide(store, batch.name, "repeat")
    assert [entry.study for entry in trials.trials(store, batch.name)[9:]] == ["candidate", "candidate-2", "best"] * 3
    for entry in trials.trials(store, batch.name)[9:]:
        best = {"candidate": 0.3, "candidate-2": 0.2}.get(entry.study, 0.4) + 0.001 * (entry.position % 3)
        value = {"step": 1, "val/val_loss": best}
        result = {"status": "complete", "best": value, "final": value, "metric": "val_loss", "direction": "min"}
        trial_progress.mark_ended(store, entry.id, result)
    assert launching.survivor(store, batch).study == "candidate-2"
    judging.decide(store, batch.name, "repeat", "to be sure")
    assert [entry.study for entry in trials.trials(store, batch.name)[18:]] == ["candidate-2", "best"] * 2


def test_what_a_launch_decided_by_another_metric_is_open_by_that_of_now(store: Store) -> None:
    name = a_round(store, 0.9)
    judging.decide(store, launched(store, name, 0.9), "reject", "for the test")
    with pytest.raises(Refusal, match="launch-1 has compared"):
        launching.propose(store, name)
    judged_by(store, "val_loss", "min")
    assert settled.comparisons(store) == ()
    assert launching.propose(store, name).reused == ()


def test_the_final_study_learns_by_the_metric_of_now(store: Store) -> None:
    a_round(store, 0.9)
    judged_by(store, "val_loss", "min")
    a_round(store, 0.4)
    plan = planning.propose(store, "minimise", trials=4)
    costs = [known.cost for known in final.history(store, plan) if known.cost is not None]
    assert sorted(costs) == pytest.approx([0.4, 0.401, 0.401, 0.402])


def test_what_a_configuration_came_to_is_told_of_the_metric_that_it_is_of(store: Store) -> None:
    judging.decide(store, launched(store, a_round(store, 0.9), 0.9), "adopt", "for the test")
    judged_by(store, "val_loss", "min")
    best, first = best_and_baseline(store)
    assert best is not None
    assert first is not None
    came_to = reached(store, best)
    assert (came_to.value, came_to.other) == (pytest.approx(0.901), "accuracy")
    assert reached(store, first).other == "accuracy"
    launched(store, a_round(store, 0.4), 0.3)
    best, first = best_and_baseline(store)
    assert best is not None
    assert first is None
    came_to = reached(store, best)
    assert (came_to.value, came_to.other) == (pytest.approx(0.301), "")
    assert launches.best(store) is not None

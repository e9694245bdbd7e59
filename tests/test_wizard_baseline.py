"""When a first result is reasonable, what is offered when it is not, and how it becomes the first launch."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from presets.language import Message, restored
from state import decisions, launches, trial_progress, trials
from state.database import Store
from state.errors import Refusal
from state.project import open_project
from state.store import open_store
from tests.set_up import DIGITS, SPAM, advance, changed, set_up
from tests.test_cli import tunebook
from wizard import baseline, configuration, flow
from wizard.question import Question
from wizard.verdict import BaselineVerdict, judge

PER_CLASS = DIGITS["splits"]["validation"]["per_class"]


def end(store: Store, id: str, correct: int, **changes: Any) -> None:
    """Enter the result of a trial as the supervisor does."""
    error = 1 - correct / sum(PER_CLASS)
    result = {
        "status": "complete",
        "reason": "",
        "message": "",
        "best": {"step": 600, "val/loss": 1.0, "val/error_rate": error},
        "final": {"step": 680, "val/loss": 1.0, "val/error_rate": error},
        "steps_done": 680,
        "seconds": 9.0,
        "validation": {"examples": sum(PER_CLASS), "correct": correct, "per_class": PER_CLASS},
        **changes,
    }
    trial_progress.mark_ended(store, id, result)


def only_trial(store: Store) -> str:
    batch = baseline.plan(store)
    (trial,) = trials.trials(store, batch.name)
    return trial.id


DIVERGED: dict[str, Any] = {
    "status": "infeasible",
    "reason": "diverged",
    "message": "loss is nan at step 12",
    "best": None,
}


@pytest.mark.parametrize(("wrong", "told"), [(0, True), (2, True), (3, False)])
def test_a_first_result_that_leaves_nothing_to_gain_is_accepted_with_a_word_on_that(
    tmp_path: Path, wrong: int, told: bool
) -> None:
    """Two rounds were run before a review said that the validation split could tell nothing any more."""
    with set_up(tmp_path / "p", "baseline") as store:
        end(store, only_trial(store), 360 - wrong)
        question = flow.ask(store, "baseline")
        assert question.recommended == "accept"
        words = f"It is wrong on {wrong} of 360 examples: what rounds could still gain in error_rate"
        assert any(words in line.text() for line in question.evidence) == told


def test_a_good_result_is_accepted_and_is_the_first_launch(tmp_path: Path) -> None:
    with set_up(tmp_path / "p", "baseline") as store:
        end(store, only_trial(store), 342)
        question = flow.ask(store, "baseline")
        assert question.recommended == "accept"
        assert "342 of 360 validation examples are right, 95.0% (95% interval 92.2% to 97.0%)" in question.reason.text()
        flow.answer(store, "baseline", "accept")
        assert flow.standing(store) == flow.Standing(None)
        (launch,) = launches.launches(store)
        best = launches.best(store)
    assert (launch.decision, launch.batch, launch.previous) == ("adopt", "baseline-1", None)
    assert launch.evidence["correct"] == 342
    assert best is not None
    assert best.hash == launch.candidate
    assert best.reasons["optimizer.learning_rate"]


def test_of_two_sessions_that_accept_at_the_same_moment_one_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two that watched the same baseline both did: it was on record twice, and a sweep would have begun twice."""
    with set_up(tmp_path / "p", "baseline") as store:
        end(store, only_trial(store), 342)
        really = baseline.judge

        def judge(here: Store, of: str) -> BaselineVerdict:
            monkeypatch.setattr(baseline, "judge", really)
            with open_store(here.project) as other:
                flow.answer(other, "baseline", "accept", "in time")
            return really(here, of)

        monkeypatch.setattr(baseline, "judge", judge)
        with pytest.raises(Refusal, match="Another session did the same") as refused:
            flow.answer(store, "baseline", "accept", "too late")
        assert refused.value.code == "changed"
        assert len(launches.launches(store)) == 1
        assert len([entry for entry in decisions.decisions(store, all=True) if entry.step == "baseline"]) == 1


def test_a_command_that_watched_finds_the_baseline_accepted_by_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with set_up(tmp_path / "p", "baseline") as store:
        end(store, only_trial(store), 342)
        root = store.project.root
    others = ["in time"]

    def ask(here: Store) -> Question:
        if others:
            words = others.pop()
            with open_store(here.project) as other:
                flow.answer(other, "baseline", "accept", words)
        return baseline.ask(here)

    monkeypatch.setitem(flow._STEPS, "baseline", replace(flow._STEPS["baseline"], ask=ask))
    assert tunebook("baseline", "--project", root, "--json") == 0
    assert json.loads(capsys.readouterr().out)["adopted"]
    with open_store(open_project(root)) as store:
        assert len(launches.launches(store)) == 1


@pytest.mark.parametrize("held_out", [True, False])
def test_where_no_result_could_be_told_from_chance_no_check_of_the_network_is_recommended(
    tmp_path: Path, held_out: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """All of 102 were right, and the advice was to find out whether the network can learn at all, then five learning
    rates: none of that could have helped."""
    found = changed(
        SPAM,
        train={"examples": 408, "per_class": [400, 8]},
        validation={"examples": 102, "per_class": [100, 2], "held_out": held_out},
    )
    with set_up(tmp_path / "my p", "baseline", found) as store:
        right = {"examples": 102, "correct": 102, "per_class": [100, 2]}
        end(store, only_trial(store), 102, validation=right)
        question = flow.ask(store, "baseline")
        told = "\n".join(message.text() for message in question.evidence)
        assert "so even a perfect result could be luck" in told
        assert ("Hold out 40% of the examples." in told) == held_out
        assert ("my p' --held-out SHARE" in told) == held_out
        assert ("into the validation split: it takes some 187" in told) != held_out
        assert [option.value for option in question.options] == ["override"]
        assert question.recommended is None
        root = store.project.root
    assert tunebook("baseline", "--project", root) == 1
    shown = capsys.readouterr()
    assert "decide an earlier question anew, or tunebook baseline --override REASON" in shown.out + shown.err


def test_that_a_result_is_the_best_of_many_evaluations_is_said_with_what_the_last_came_to(tmp_path: Path) -> None:
    with set_up(tmp_path / "p", "baseline") as store:
        id = only_trial(store)
        end(store, id, 342, final={"step": 680, "val/loss": 1.0, "val/error_rate": 0.2})
        verdict = judge(store, "baseline-1")
    assert verdict.reasonable
    words = f"That is the best of {verdict.figures['looks']} evaluations, which flatters it: the last came to"
    assert verdict.message.text().endswith(f"{words} error_rate 0.2.")


def test_a_result_on_copies_is_judged_as_on_what_they_are_copies_of(tmp_path: Path) -> None:
    with set_up(tmp_path / "p", "baseline") as store:
        validation = {"examples": 360, "correct": 90, "per_class": PER_CLASS, "independent": 12}
        end(store, only_trial(store), 90, validation=validation)
        verdict = judge(store, "baseline-1")
    assert not verdict.reasonable
    assert "tell as much as 12 that differ" in verdict.told.text()
    assert verdict.figures["independent"] == 12


@pytest.mark.parametrize(
    ("metric", "said"),
    [
        ("balanced_error", "balanced_error: 0.06; always naming the largest class gives 0.9."),
        ("macro_f1", "macro_f1: 0.06; always naming the largest class gives 0.0"),
        ("loss", "Loss: 0.06; always answering with the class shares gives 2.302."),
        ("error_rate", ""),
    ],
)
def test_that_right_answers_are_judged_is_said_on_screen_and_in_the_decision_where_the_metric_is_another(
    tmp_path: Path, metric: str, said: str
) -> None:
    with set_up(tmp_path / "p", "baseline", metric=metric) as store:
        end(store, only_trial(store), 342, best={"step": 600, "val/loss": 1.0, f"val/{metric}": 0.06})
        shown = "\n".join(message.text() for message in flow.ask(store, "baseline").evidence)
        flow.answer(store, "baseline", "accept")
        decided = restored(configuration.in_force(store)[-1].reason).text()
    for words in (shown, decided):
        assert "342 of 360 validation examples are right" in words
        assert ("Judged by right answers, whatever the metric" in words) is bool(said)
        assert said in words


def test_a_result_no_better_than_the_largest_class_is_not_accepted(tmp_path: Path) -> None:
    with set_up(tmp_path / "p", "baseline") as store:
        end(store, only_trial(store), 40)
        question = flow.ask(store, "baseline")
        assert question.recommended == "one-batch"
        assert {option.value for option in question.options} == {"one-batch", "sweep", "shuffle", "override"}
        with pytest.raises(Refusal, match="no answer"):
            flow.answer(store, "baseline", "accept")
        with pytest.raises(Refusal, match="not clearly better than chance"):
            baseline.accept(store, "baseline-1")
        assert launches.best(store) is None
        said = [message.text() for message in question.evidence]
    assert "Not clearly better than chance" in said[0]
    assert [text[0] for text in said[1:5]] == ["1", "2", "3", "4"]


@pytest.mark.parametrize(("last", "reasonable"), [(204, True), (203, False)])
def test_a_last_evaluation_that_is_better_than_chance_was_chosen_by_nobody(
    tmp_path: Path, last: int, reasonable: bool
) -> None:
    """204 of 204 were right at the end, 4 of 4 of the rare class: that was called perhaps luck, being the best of 40
    evaluations, and the advice was to find out whether the network can learn at all."""
    found = changed(
        SPAM,
        train={"examples": 306, "per_class": [300, 6]},
        validation={"examples": 204, "per_class": [200, 4]},
    )
    with set_up(tmp_path / "p", "baseline", found) as store:
        right = {"examples": 204, "correct": 204, "per_class": [200, 4]}
        final = {"step": 680, "val/loss": 1.0, "val/error_rate": 1 - last / 204}
        end(store, only_trial(store), 204, validation=right, final=final)
        verdict = judge(store, "baseline-1")
        assert verdict.reasonable is reasonable
        assert ("Perhaps luck: 204 of 204" in verdict.message.text()) is not reasonable
        # Of several trials the best was chosen, so each counts.
        batch = baseline.sweep(store)
        for entry in trials.trials(store, batch.name):
            end(store, entry.id, 204, validation=right, final=final)
        assert not judge(store, batch.name).reasonable


def test_the_best_of_many_evaluations_must_be_better_than_the_best_of_many_guesses(tmp_path: Path) -> None:
    """52 of 360 would be significant as one look (p = 0.006), and is what the best of 40 looks reaches by luck."""
    with set_up(tmp_path / "p", "baseline") as store:
        end(store, only_trial(store), 52, final={"step": 680, "val/loss": 1.0, "val/error_rate": 1 - 40 / 360})
        verdict = judge(store, "baseline-1")
    assert verdict.figures["verdict"] == "better"
    assert verdict.figures["looks"] == 40
    assert not verdict.reasonable
    assert "Perhaps luck: 52 of 360" in verdict.message.text()


def test_while_the_baseline_runs_there_is_nothing_to_judge(tmp_path: Path) -> None:
    with set_up(tmp_path / "p", "baseline") as store:
        with pytest.raises(Refusal, match="needs a result first: baseline"):
            flow.ask(store, "baseline")
        only_trial(store)
        with pytest.raises(Refusal, match="still at work"):
            judge(store, "baseline-1")


def test_a_baseline_that_diverged_leads_to_the_sweep(tmp_path: Path) -> None:
    with set_up(tmp_path / "p", "baseline") as store:
        end(store, only_trial(store), 0, **DIVERGED)
        question = flow.ask(store, "baseline")
    assert "the loss grew beyond all bounds (loss is nan at step 12)" in question.evidence[0].text()
    assert question.recommended == "sweep"


def test_a_baseline_that_failed_is_run_again_only_when_a_person_says_so(tmp_path: Path) -> None:
    failed = {"status": "failed", "reason": "disk_full", "message": "The disk is full", "best": None}
    with set_up(tmp_path / "p", "baseline") as store:
        end(store, only_trial(store), 0, **failed)
        question = flow.ask(store, "baseline")
        assert question.recommended is None
        assert "baseline-1-001 is failed: The disk is full" in question.evidence[0].text()
        assert question.evidence[1].text().endswith("trials/baseline-1-001/log.txt.")
        flow.answer(store, "baseline", "again")
        assert flow.standing(store) == flow.Standing("baseline", "baseline", "baseline-2")


def sweep(store: Store) -> trials.Batch:
    end(store, only_trial(store), 0, **DIVERGED)
    flow.answer(store, "baseline", "sweep")
    batch = baseline.latest(store)
    assert batch is not None
    return batch


def test_the_sweep_runs_five_rates_over_four_decades_of_the_same_configuration(tmp_path: Path) -> None:
    with set_up(tmp_path / "p", "baseline") as store:
        batch = sweep(store)
        assert flow.standing(store) == flow.Standing("baseline", "baseline", batch.name)
        rates = [entry.overrides for entry in trials.trials(store, batch.name)]
        name = configuration.whole(store)
    assert rates == [{"optimizer.learning_rate": rate} for rate in (0.001, 0.01, 0.1, 1.0, 10.0)]
    assert (batch.configuration, batch.wanted) == (name, "run")


def test_the_best_rate_of_the_sweep_becomes_that_of_the_first_configuration_by_a_recorded_decision(
    tmp_path: Path,
) -> None:
    with set_up(tmp_path / "p", "baseline") as store:
        batch = sweep(store)
        for entry, correct in zip(trials.trials(store, batch.name), (40, 340, 300, 0, 0), strict=True):
            end(store, entry.id, correct, **({} if correct else DIVERGED))
        question = flow.ask(store, "baseline")
        assert question.recommended == "accept"
        assert question.table is not None
        assert [row[1] for row in question.table.rows] == ["0.001", "0.01", "0.1", "1", "10"]
        flow.answer(store, "baseline", "accept")
        assert flow.standing(store) == flow.Standing(None)
        assert baseline.latest(store) == batch
        best, made = launches.best(store), decisions.decision(store, "initial")
        (launch,) = launches.launches(store)
        assert (
            trials.trial_settings(store, trials.trial(store, launch.evidence["trial"])) == best.settings if best else 0
        )
    assert best is not None
    assert best.settings["optimizer.learning_rate"] == 0.01
    assert best.settings["schedule.name"] == "constant"
    assert made is not None
    assert made.chosen == 0.01
    assert "the best of the 5 learning rates" in Message.from_json(json.dumps(made.reason)).text()


def test_when_no_rate_helps_nothing_is_recommended_and_only_a_person_can_go_on(tmp_path: Path) -> None:
    with set_up(tmp_path / "p", "baseline") as store:
        batch = sweep(store)
        for entry in trials.trials(store, batch.name):
            end(store, entry.id, 38)
        question = flow.ask(store, "baseline")
        assert question.recommended == "shuffle"
        assert [option.value for option in question.options] == ["shuffle", "one-batch", "override"]
        with pytest.raises(Refusal, match="say why"):
            flow.answer(store, "baseline", "override", "  ")
        assert launches.best(store) is None
        flow.answer(store, "baseline", "override", "the labels are noisy, 标签 {有} 噪声")
        assert flow.standing(store) == flow.Standing(None)
        (launch,) = launches.launches(store)
    assert "标签 {有} 噪声" in Message.from_json(json.dumps(launch.reason)).text()


def test_another_configuration_later_needs_a_baseline_of_its_own_and_follows_the_first(tmp_path: Path) -> None:
    with set_up(tmp_path / "p", "baseline") as store:
        end(store, only_trial(store), 342)
        flow.answer(store, "baseline", "accept")
        flow.answer(store, "batch_size", 32)
        advance(store, "baseline")
        assert flow.standing(store) == flow.Standing("baseline", "baseline")
        end(store, only_trial(store), 345)
        flow.answer(store, "baseline", "accept")
        first, second = launches.launches(store)
    assert second.previous == first.candidate
    with open_store(store.project) as store:
        assert flow.standing(store) == flow.Standing(None)


def test_a_learning_rate_typed_after_a_bad_baseline_gets_a_baseline_of_its_own(tmp_path: Path) -> None:
    with set_up(tmp_path / "p", "baseline") as store:
        end(store, only_trial(store), 40)
        flow.answer(store, "initial", 0.03)
        assert flow.standing(store) == flow.Standing("baseline", "baseline")
        assert only_trial(store) == "baseline-2-001"


def test_a_worse_configuration_takes_the_best_ones_place_only_with_a_reason(tmp_path: Path) -> None:
    with set_up(tmp_path / "p", "baseline") as store:
        end(store, only_trial(store), 342, data="digits")
        flow.answer(store, "baseline", "accept")
        first = launches.best(store)
        flow.answer(store, "batch_size", 32)
        advance(store, "baseline")
        end(store, only_trial(store), 300, data="digits")
        question = flow.ask(store, "baseline")
        assert question.recommended is None
        assert [(option.value, option.explain) for option in question.options] == [("override", True)]
        told = "\n".join(message.text() for message in question.evidence)
        assert first is not None
        assert f"Worse than the best configuration so far ({first.hash}): error_rate 0.1667 against 0.05 " in told
        with pytest.raises(Refusal, match="say why"):
            flow.answer(store, "baseline", "override", " ")
        assert launches.best(store) == first
        flow.answer(store, "baseline", "override", "it has to fit on the phone")
        assert flow.standing(store) == flow.Standing(None)
        best = launches.best(store)
        assert best is not None
        assert best.settings["training.batch_size"] == 32
        # What was reached on other data is no measure.
        flow.answer(store, "batch_size", 16)
        advance(store, "baseline")
        end(store, only_trial(store), 290, data="other digits")
        assert flow.ask(store, "baseline").recommended == "accept"


def test_another_metric_makes_no_configuration_the_best_one_without_a_reason(tmp_path: Path) -> None:
    """The best configuration has no run by it: a tuned one was given up for the values of the set-up, as recommended.
    The same configuration may be adopted again, with its result by the metric of now."""
    with set_up(tmp_path / "p", "baseline") as store:
        end(store, only_trial(store), 342)
        flow.answer(store, "baseline", "accept")
        first = launches.best(store)
        assert first is not None
        for metric, batch_size in (("loss", 32), ("macro_f1", first.settings["training.batch_size"])):
            flow.answer(store, "metric", metric)
            flow.answer(store, "batch_size", batch_size)
            advance(store, "baseline")
            best = {"step": 600, "val/loss": 1.0, "val/error_rate": 0.01, "val/macro_f1": 0.9}
            end(store, only_trial(store), 350, best=best)
            question = flow.ask(store, "baseline")
            assert question.recommended == (None if metric == "loss" else "accept")
            if metric == "loss":
                told = "\n".join(message.text() for message in question.evidence)
                assert f"No run of the best configuration so far ({first.hash}) was judged by loss" in told
                assert [option.value for option in question.options] == ["override"]
        flow.answer(store, "baseline", "accept")
        best = launches.best(store)
        assert best is not None
        assert best.settings["training.metric"] == "macro_f1"

"""A launch: fresh seeds, runs that count again, the verdict, and what a person makes of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from presets.language import error_text, restored
from rounds import decision, judging, launching, lineage, planning, reviewing, shortlist, standing
from rounds import listed as by_hand
from rounds.attending import Supervisor
from rounds.slots import Machine
from rounds.space import Domain
from rounds.warm import ForkServer
from state import files, launches, trials
from state.database import Store
from state.errors import Refusal
from state.metrics import index_metrics
from state.project import change
from state.store import open_store
from tests import small_project
from tests.test_cli import tunebook


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A project whose first round has ended; its fourth trial is the best."""
    with open_store(small_project.project(tmp_path / "p", tmp_path / "data")) as opened:
        small_project.adopt(opened, small_project.settings(tmp_path / "data"))
        a_round(opened, [0.4, 0.5, None, 0.2])
        yield opened


def a_round(store: Store, results: list[float | None], **how: Any) -> str:
    batch = planning.save(store, planning.propose(store, trials=len(results), **how))
    for entry, best in zip(trials.trials(store, batch.name), results, strict=True):
        small_project.end(store, entry.id, best, "infeasible" if best is None else "complete")
    return batch.name


def launch(store: Store, name: str, candidate: list[float], best: list[float], **how: Any) -> str:
    """A launch whose runs end so; the lists in the order of the runs of each side."""
    batch = launching.start(store, launching.propose(store, name), **how)
    finish(store, batch.name, candidate, best)
    return batch.name


def finish(store: Store, name: str, candidate: list[float], best: list[float]) -> None:
    left = {launching.CANDIDATE: list(candidate), launching.BEST: list(best)}
    for entry in trials.trials(store, name):
        if entry.status not in trials.ENDED:
            small_project.end(store, entry.id, left[entry.study].pop(0))
    assert not any(left.values())


def all_seeds(store: Store) -> list[int]:
    return [trials.trial_settings(store, entry)["training.seed"] for entry in trials.trials(store)]


def test_the_best_trial_is_proposed_with_what_it_changes(store: Store) -> None:
    proposal = launching.propose(store, "round-1")
    entry = trials.trial(store, "round-1-004")
    assert proposal.trial == entry.id
    assert proposal.candidate["optimizer.learning_rate"] == entry.overrides["optimizer.learning_rate"]
    # Seed and threads are those of the trial's run, not of the configuration.
    assert proposal.candidate["training.seed"] == 0
    (change,) = proposal.complexity.changes
    assert change.text().startswith("optimizer.learning_rate changes from 0.05 to")
    assert launching.propose(store, "round-1", "round-1-001").trial == "round-1-001"
    with pytest.raises(Refusal, match="round-1-003 is no complete trial"):
        launching.propose(store, "round-1", "round-1-003")
    with pytest.raises(Refusal, match="no trial with a usable result"):
        launching.propose(store, a_round(store, [None]))


def test_runs_of_both_sides_take_turns_and_no_seed_is_used_twice(store: Store) -> None:
    batch = launching.start(store, launching.propose(store, "round-1"))
    listed = trials.trials(store, batch.name)
    assert [entry.study for entry in listed] == ["candidate", "best"] * 3
    # The first two are those of the baseline and of the best configuration's own seed, 0.
    assert len(set(all_seeds(store))) == len(trials.trials(store))
    rates = {
        side: {trials.trial_settings(store, e)["optimizer.learning_rate"] for e in listed if e.study == side}
        for side in ("candidate", "best")
    }
    assert rates == {
        "candidate": {trials.trial(store, "round-1-004").overrides["optimizer.learning_rate"]},
        "best": {0.05},
    }
    assert {entry.overrides["runtime.threads"] for entry in listed} == {1}


def test_another_optimizer_brings_its_own_hyperparameters_and_takes_the_others_away(store: Store) -> None:
    name = a_round(store, [0.3, 0.1], goal="compare", optimizers=["sgd", "adam"])
    batch = launching.start(store, launching.propose(store, name), runs=1)
    candidate, best = trials.trials(store, batch.name)
    settings = trials.trial_settings(store, candidate)
    assert settings["optimizer.name"] == "adam"
    assert "optimizer.momentum" not in settings
    assert "optimizer.beta1" in settings
    assert trials.trial_settings(store, best)["optimizer.momentum"] == 0.9


def test_a_clear_gain_is_adopted_and_becomes_the_best_configuration(store: Store) -> None:
    name = launch(store, "round-1", [0.20, 0.21, 0.19], [0.40, 0.41, 0.39])
    verdict = judging.judge(store, name)
    assert verdict.decision == "adopt"
    assert verdict.gain == pytest.approx(0.2)
    judging.decide(store, name, "adopt")
    best = launches.best(store)
    assert best is not None
    found = trials.trial(store, "round-1-004").overrides["optimizer.learning_rate"]
    assert best.settings["optimizer.learning_rate"] == found
    assert best.reasons["optimizer.learning_rate"]["values"] == {"round": "round-1", "trial": "round-1-004"}
    (_, last) = launches.launches(store)
    assert last.decision == "adopt"
    assert last.evidence["suggested"] == "adopt"
    assert [run["best"] for run in last.evidence["sides"]["best"]] == [0.40, 0.41, 0.39]
    json.dumps(last.evidence, allow_nan=False)
    # What was adopted cannot be decided again, and launched again only as the best configuration itself.
    with pytest.raises(Refusal, match="has changed since"):
        judging.decide(store, name, "reject")
    with pytest.raises(Refusal, match="nothing to launch"):
        launching.propose(store, "round-1")


def test_a_gain_that_may_be_a_single_validation_example_is_said_to_be(tmp_path: Path) -> None:
    """Of ten classes one has two validation examples: half a class is 5 points of the balanced error."""
    data = {
        "validation": {"examples": 322, "correct": 321, "per_class": [2, 36, 36, 36, 36, 36, 35, 35, 35, 35]},
        "classes": list("abcdefghij"),
    }
    with open_store(small_project.project(tmp_path / "p", tmp_path / "data")) as store:
        store.project = change(store.project, metric="balanced_error")
        small_project.adopt(store, small_project.settings(tmp_path / "data", training__metric="balanced_error"))
        a_round(store, [0.05, 0.003])
        name = launch(store, "round-1", [0.004, 0.003, 0.005], [0.050, 0.051, 0.049])
        assert judging.judge(store, name).limits is None
        for entry in trials.trials(store, name):
            small_project.end(store, entry.id, entry.best, **data)
        verdict = judging.judge(store, name)
        assert verdict.decision == "adopt"
        assert verdict.limits is not None
        told = verdict.limits.text()
        assert "same 322 validation examples, and one answer can be worth 0.05 of balanced_error" in told
        assert 'in the smallest class, "a", with 2 of the examples. The gain of 0.046 may be a single example' in told
        judging.decide(store, name, "adopt")
        assert restored(launches.launches(store)[-1].evidence["limits"]) == verdict.limits


def test_of_the_error_rate_an_answer_is_worth_the_same_in_every_class(tmp_path: Path) -> None:
    """It read "there are 35 of 2", which was a class."""
    data = {"validation": {"examples": 70, "correct": 69, "per_class": [35, 35]}, "classes": ["2", "3"]}
    with open_store(small_project.project(tmp_path / "p", tmp_path / "data")) as store:
        small_project.adopt(store, small_project.settings(tmp_path / "data"))
        a_round(store, [0.05, 0.003])
        name = launch(store, "round-1", [0.030, 0.031, 0.03], [0.040, 0.041, 0.042])
        for entry in trials.trials(store, name):
            small_project.end(store, entry.id, entry.best, **data)
        limits = judging.judge(store, name).limits
        assert limits is not None
        assert "and one answer is worth 0.0143 of error_rate. The gain of 0.0107 may be" in limits.text()


def test_a_review_after_a_launch_says_that_it_measures_by_other_runs(store: Store) -> None:
    def told() -> str:
        return next(f for f in reviewing.review_batch(store, "round-1") if f.check == "chance").message.text()

    before = told()
    assert "is not known" in before
    for entry in trials.trials(store, "round-1"):
        for step in range(100, 140):
            line = {"step": step, "val/error_rate": 0.5 + 0.02 * (step % 2)}
            files.append_line(store.project.trial_folder(entry.id) / "metrics.jsonl", line)
        index_metrics(store, [entry.id])
    before = told()
    assert "late evaluations of the best trials differ" in before
    launch(store, "round-1", [0.20, 0.21, 0.19], [0.40, 0.41, 0.39])
    after = told()
    assert "0.01, the standard deviation of the runs of launch-1 from seed to seed" in after
    assert "An earlier review took" in after
    assert told() == after


def test_the_intervals_are_said_to_be_about_seeds_alone(store: Store) -> None:
    name = launch(store, "round-1", [0.20, 0.21, 0.19], [0.40, 0.41, 0.39])
    for entry in trials.trials(store, name):
        validation = {"examples": 400, "correct": 320, "per_class": [200, 200]}
        small_project.end(store, entry.id, entry.best, validation=validation, classes=["a", "b"])
    limits = judging.judge(store, name).limits
    assert limits is not None
    assert "error_rate would differ by about 0.02 (standard error)" in limits.text()


def test_going_against_the_runs_takes_a_reason(store: Store) -> None:
    name = launch(store, "round-1", [0.60, 0.61, 0.62], [0.40, 0.41, 0.39])
    assert judging.judge(store, name).decision == "reject"
    with pytest.raises(Refusal, match="Say why"):
        judging.decide(store, name, "adopt")
    judging.decide(store, name, "adopt", "it trains on half the memory")
    reason = launches.launches(store)[-1].reason
    assert reason["values"]["words"] == "it trains on half the memory"


@pytest.mark.parametrize("chosen", ["adopt", "repeat"])
def test_of_two_sessions_that_decide_at_the_same_moment_one_does(
    store: Store, monkeypatch: pytest.MonkeyPatch, chosen: judging.Choice
) -> None:
    """Two that watched the same launch both adopted it, or both had as many runs more made."""
    name = launch(store, "round-1", [0.2, 0.21, 0.2], [0.4, 0.41, 0.4])
    really, known = judging.judge, len(launches.launches(store))

    def judge(here: Store, of: str) -> decision.Verdict:
        monkeypatch.setattr(judging, "judge", really)
        verdict = really(here, of)
        with open_store(here.project) as other:
            judging.decide(other, of, chosen, "in time")
        return verdict

    monkeypatch.setattr(judging, "judge", judge)
    with pytest.raises(Refusal, match="Another session did the same") as refused:
        judging.decide(store, name, chosen, "too late")
    assert refused.value.code == "changed"
    assert len(launches.launches(store)) == known + 1
    listed, runs = trials.trials(store, name), 6
    assert (len(listed) > runs) == (chosen == "repeat")
    journal = store.project.journal_path.read_text(encoding="utf-8")
    assert "in time" in journal
    assert "too late" not in journal


def test_undecided_runs_are_repeated_with_more_seeds(store: Store) -> None:
    name = launch(store, "round-1", [0.36, 0.42, 0.30], [0.40, 0.43, 0.37])
    assert judging.judge(store, name).runs == 5
    judging.decide(store, name, "repeat")
    assert trials.batch(store, name).wanted == "run"
    assert [entry.study for entry in trials.trials(store, name)] == ["candidate", "best"] * 5
    assert len(set(all_seeds(store))) == len(trials.trials(store))
    with pytest.raises(Refusal, match="has not ended"):
        judging.judge(store, name)
    finish(store, name, [0.33, 0.35], [0.41, 0.40])
    assert judging.judge(store, name).decision == "adopt"


def test_runs_of_the_best_configuration_count_again_while_the_pipeline_is_the_same(store: Store) -> None:
    first = launch(store, "round-1", [0.20, 0.21, 0.19], [0.40, 0.41, 0.39])
    judging.decide(store, first, "adopt")
    name = a_round(store, [0.1, 0.3], goal="minimise")
    proposal = launching.propose(store, name)
    assert [trials.trial(store, id).study for id in proposal.reused] == ["candidate"] * 3
    batch = launching.start(store, proposal)
    assert [entry.study for entry in trials.trials(store, batch.name)] == ["candidate"] * 3
    finish(store, batch.name, [0.1, 0.11, 0.09], [])
    assert judging.judge(store, batch.name).best == pytest.approx((0.2, 0.175, 0.225), abs=0.001)
    # Noise is what runs of one configuration differ by, over all that were repeated.
    assert reviewing.noise(store) == pytest.approx(0.01)


def test_runs_that_all_came_to_the_same_say_nothing_of_chance(store: Store) -> None:
    """A script that does nothing with its seed: any gain was more than chance then."""
    judging.decide(store, launch(store, "round-1", [0.2, 0.2, 0.2], [0.4, 0.4, 0.4]), "reject", "of no use")
    assert reviewing.noise(store) is None


def test_runs_under_other_code_do_not_count_again(store: Store) -> None:
    first = launch(store, "round-1", [0.60, 0.61, 0.62], [0.40, 0.41, 0.39])
    judging.decide(store, first, "reject")
    batch = planning.save(store, planning.propose(store, trials=1))
    (entry,) = trials.trials(store, batch.name)
    small_project.end(store, entry.id, 0.1, code="newer")
    assert launching.propose(store, batch.name).reused == ()


def made(store: Store, name: str, **conditions: Any) -> None:
    """The runs of a launch that have not been made otherwise were made so."""
    for entry in trials.trials(store, name):
        if entry.result and entry.result["code"] == "c":
            small_project.end(store, entry.id, entry.best, **conditions)


def test_earlier_runs_that_were_made_otherwise_than_those_of_the_launch_do_not_count(store: Store) -> None:
    """They were pooled with the new runs of the other side: the code may have been changed after the round."""
    first = launch(store, "round-1", [0.20, 0.21, 0.19], [0.40, 0.41, 0.39])
    judging.decide(store, first, "adopt")
    name = launch(store, a_round(store, [0.1, 0.3]), [0.1, 0.11, 0.09], [])
    assert judging.judge(store, name).decision == "adopt"
    made(store, name, code="newer", versions={"torch": "9"})
    verdict = judging.judge(store, name)
    assert (verdict.decision, verdict.best) == ("repeat", None)
    told = "Earlier runs of the best configuration no longer count: 3. What has changed since: code, versions of"
    assert told in verdict.message.text()
    judging.decide(store, name, "repeat")
    assert [entry.study for entry in trials.trials(store, name)] == ["candidate"] * 3 + ["best"] * 3
    finish(store, name, [], [0.2, 0.21, 0.19])
    # These were made as the earlier ones were, and not as those of the candidate.
    assert "Cannot tell: the runs of the two sides were not made alike." in judging.judge(store, name).message.text()
    made(store, name, code="newer", versions={"torch": "9"})
    assert judging.judge(store, name).decision == "adopt"


def test_a_verdict_says_where_its_runs_were_not_made_alike(store: Store) -> None:
    name = launch(store, "round-1", [0.36, 0.42, 0.30], [0.40, 0.43, 0.37])
    made(store, name, code="before")
    judging.decide(store, name, "repeat")
    finish(store, name, [0.33, 0.35], [0.41, 0.40])
    verdict = judging.judge(store, name)
    assert verdict.decision == "adopt"
    told = "what differs: code. Runs of each kind: 3, 2 of the candidate, 3, 2 of the best configuration."
    assert told in verdict.message.text()
    judging.decide(store, name, "adopt")
    assert told in restored(launches.launches(store)[-1].reason).text()


def test_runs_on_other_data_are_not_made_alike(store: Store) -> None:
    """The data were not looked at: runs on 40 and on 4000 examples were compared."""
    first = launch(store, "round-1", [0.20, 0.21, 0.19], [0.40, 0.41, 0.39])
    made(store, first, data="before")
    judging.decide(store, first, "adopt")
    second = a_round(store, [0.1, 0.3])
    made(store, second, data="before")
    name = launch(store, second, [0.1, 0.11, 0.09], [])
    made(store, name, data="since")
    verdict = judging.judge(store, name)
    assert verdict.decision == "repeat"
    assert "Earlier runs of the best configuration no longer count: 3. What has changed since: data." in (
        verdict.message.text()
    )
    # Of what an older result does not say nothing is claimed.
    made(store, name, code="newer", data=None)
    assert "What has changed since: code." in judging.judge(store, name).message.text()


def test_a_rejected_candidate_is_not_launched_again_until_it_passes(store: Store) -> None:
    """It was: with fresh runs of the candidate, those that had rejected it forgotten, until chance adopted it."""
    name = launch(store, "round-1", [0.60, 0.61, 0.62], [0.40, 0.41, 0.39])
    judging.decide(store, name, "reject")
    why = "launch-1 has compared round-1-004 .*no better.*Launch another candidate.*--reopen launch-1 --reason"
    with pytest.raises(Refusal, match=why):
        launching.propose(store, "round-1")
    # The same configuration found by another round is the same comparison.
    overrides = trials.trial(store, "round-1-004").overrides
    again = small_project.batch(store, small_project.settings(Path("data")) | launches_best(store), [overrides])
    (entry,) = trials.trials(store, again.name)
    small_project.end(store, entry.id, 0.1)
    with pytest.raises(Refusal, match=f"launch-1 has compared {entry.id}"):
        launching.propose(store, again.name)
    # Under other code its runs say nothing about the new ones.
    small_project.end(store, entry.id, 0.1, code="newer")
    assert launching.propose(store, again.name).trial == entry.id
    # Others can be launched, and none beside them that was rejected.
    other = launching.propose(store, "round-1", "round-1-001")
    assert [rival.trial for rival in shortlist.choose(store, other, 3).rivals] == ["round-1-002"]


def test_a_rejected_candidate_that_is_typed_in_again_is_the_same(store: Store) -> None:
    """With the digits that are shown it was another configuration, which could be launched again and again."""
    found = trials.trial(store, "round-1-004").overrides["optimizer.learning_rate"]
    name = launch(store, "round-1", [0.60, 0.61, 0.62], [0.40, 0.41, 0.39])
    typed, other = float(f"{found:.4g}"), float(f"{found:.2g}")
    assert len({found, typed, other}) == 3

    def listed(rate: float) -> str:
        batch = planning.save(store, by_hand.propose(store, [{"optimizer.learning_rate": rate}]), about=by_hand.MARK)
        small_project.end(store, f"{batch.name}-001", 0.1)
        return batch.name

    with pytest.raises(Refusal) as refused:
        launching.propose(store, listed(typed))
    assert "launch-1 compares round-2-001" in error_text(refused.value)
    judging.decide(store, name, "reject")
    with pytest.raises(Refusal) as refused:
        launching.propose(store, "round-2")
    told = error_text(refused.value)
    assert "round-2-001 differs from what launch-1 compared by less than the four digits" in told
    assert "tunebook launch --reopen launch-1" in told
    assert launching.propose(store, listed(other)).trial == "round-3-001"
    with pytest.raises(Refusal, match="round-4-001 is the best configuration itself"):
        launching.propose(store, listed(0.0500001))


def test_a_comparison_that_has_begun_is_not_begun_again_beside_it(store: Store) -> None:
    """It was, for whoever named the trial: of two launches of the same two, the luckier one could be kept."""
    batch = launching.start(store, launching.propose(store, "round-1"))
    why = "launch-1 compares round-1-004 .*not been decided.*Go on with it: tunebook launch"
    with pytest.raises(Refusal, match=why):
        launching.propose(store, "round-1", "round-1-004")
    # Nothing can be chosen from what was stopped before any run ended.
    trials.ask(store, batch.name, "stop")
    assert launching.propose(store, "round-1").trial == "round-1-004"
    small_project.end(store, "launch-1-001", 0.36)
    with pytest.raises(Refusal, match=why):
        launching.propose(store, "round-1")
    finish(store, batch.name, [0.42, 0.30], [0.40, 0.43, 0.37])
    with pytest.raises(Refusal, match=why):
        launching.propose(store, "round-1")
    judging.decide(store, batch.name, "repeat")
    with pytest.raises(Refusal, match=why):
        launching.propose(store, "round-1")
    # Nor is it chosen beside another one.
    other = launching.propose(store, "round-1", "round-1-001")
    assert [rival.trial for rival in shortlist.choose(store, other, 3).rivals] == ["round-1-002"]
    # Against another best configuration it is another comparison.
    small_project.adopt(store, launches_best(store) | {"optimizer.momentum": 0.5})
    assert launching.propose(store, "round-1").trial == "round-1-004"


def launches_best(store: Store) -> dict[str, Any]:
    best = launches.best(store)
    assert best is not None
    return dict(best.settings)


def test_without_fresh_runs_nothing_is_decided_for_good(store: Store) -> None:
    judging.decide_unrepeated(store, launching.propose(store, "round-1"), "reject", "it seemed too large")
    assert launching.propose(store, "round-1").trial == "round-1-004"
    with pytest.raises(Refusal, match="launch-1 has no runs to go on with"):
        judging.reopen(store, "launch-1", "why not")


def test_what_was_adopted_and_taken_back_is_not_compared_again(store: Store) -> None:
    baseline = launches_best(store)
    name = launch(store, "round-1", [0.20, 0.21, 0.19], [0.40, 0.41, 0.39])
    judging.decide(store, name, "adopt")
    first = launches.launches(store)[0].candidate
    lineage.back(store, first, "it broke in use")
    assert launches_best(store) == baseline
    with pytest.raises(Refusal, match=f"adopted one of them.*--back {launches.launches(store)[1].candidate} --reason"):
        launching.propose(store, "round-1")


def test_the_former_best_that_comes_back_as_a_candidate_is_what_it_was(store: Store) -> None:
    """It is no near copy of what the launch compared."""
    former = launches.best(store)
    assert former is not None
    judging.decide(store, launch(store, "round-1", [0.20, 0.21, 0.19], [0.40, 0.41, 0.39]), "adopt")
    batch = planning.save(store, by_hand.propose(store, [{"optimizer.learning_rate": 0.05}]), about=by_hand.MARK)
    small_project.end(store, f"{batch.name}-001", 0.1)
    with pytest.raises(Refusal) as refused:
        launching.propose(store, batch.name)
    told = error_text(refused.value)
    assert told.startswith("launch-1 has compared round-2-001 with the best configuration already")
    assert f"tunebook launch --back {former.hash}" in told


def test_the_way_back_is_no_decision_about_the_launch_that_it_leads_to(store: Store) -> None:
    name = launch(store, "round-1", [0.20, 0.21, 0.19], [0.40, 0.41, 0.39])
    assert launches.decided(store, name) is None
    judging.decide(store, name, "adopt")
    first, second = (entry.candidate for entry in launches.launches(store))
    lineage.back(store, first, "it broke in use")
    judging.decide(store, name, "repeat", "was it better at all?")
    assert launches.decided(store, name) is None
    finish(store, name, [0.60, 0.61], [0.40, 0.41])
    judging.decide(store, name, "reject", "it breaks")
    lineage.back(store, second, "it breaks no more")
    last = launches.decided(store, name)
    assert last is not None
    assert last.decision == "reject"
    assert list(launches.last(store)) == ["baseline-1", name]


def test_a_launch_that_was_stopped_because_it_costs_too_much_can_be_rejected_and_reopened(store: Store) -> None:
    """Neither judged nor begun anew, it could only be paid for to its end."""
    name = launching.start(store, launching.propose(store, "round-1")).name
    trials.ask(store, name, "stop")
    assert judging.stopped(store, name)
    judging.decide(store, name, "reject", "no time")
    # It has shown nothing yet.
    again = launching.start(store, launching.propose(store, "round-1")).name
    first = trials.trials(store, again)[0]
    small_project.end(store, first.id, 0.2)
    assert not judging.stopped(store, again)
    trials.ask(store, again, "stop")
    with pytest.raises(Refusal, match="has not ended yet"):
        judging.decide(store, again, "adopt", "it was good")
    with pytest.raises(Refusal, match=r"stopped before its end\. Say why"):
        judging.decide(store, again, "reject")
    judging.decide(store, again, "reject", "a week each")
    decided = launches.decided(store, again)
    assert decided is not None
    assert (
        restored(decided.reason).text()
        == "Stopped before its end, and not judged by its runs (added by hand: a week each)."
    )
    assert [run["trial"] for runs in decided.evidence["sides"].values() for run in runs] == [first.id]
    # One of its runs was seen: begun anew, chance would have a second try.
    with pytest.raises(Refusal, match=f"launch --reopen {again}"):
        launching.propose(store, "round-1")
    assert judging.reopen(store, again, "there is time").wanted == "run"
    assert launching.undecided(store) == trials.batch(store, again)
    finish(store, again, [0.21, 0.19], [0.40, 0.41, 0.39])
    assert judging.judge(store, again).decision == "adopt"


def test_a_launch_whose_runs_failed_is_rejected_without_another_run(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its runs were trained again first, each time that somebody rejected it."""
    name = launching.start(store, launching.propose(store, "round-1")).name
    first, *others = (entry.id for entry in trials.trials(store, name))
    small_project.end(store, first, 0.2)
    for id in others:
        assert not judging.stopped(store, name)
        small_project.end(store, id, None, "failed", reason="error", message="no such folder")
    assert judging.stopped(store, name)
    assert standing.standing(store).now.text() == f"The runs of {name} have ended, but some failed: 5."
    with pytest.raises(Refusal, match="which says nothing about its configuration"):
        judging.decide(store, name, "adopt", "it was good")
    with pytest.raises(Refusal, match=f"Runs of {name} failed. Say why"):
        judging.decide(store, name, "reject")
    asked = ("launch", name, "--decide", "reject", "--reason", "the disk is gone", "--project", store.project.root)
    assert tunebook(*asked) == 0
    assert "Rejected: the best configuration stays." in capsys.readouterr().out
    decided = launches.decided(store, name)
    assert decided is not None
    words = "Not judged by its runs, of which 5 failed (added by hand: the disk is gone)."
    assert restored(decided.reason).text() == words
    assert [run["trial"] for runs in decided.evidence["sides"].values() for run in runs] == [first]
    # Taken up again, it has them all.
    assert judging.reopen(store, name, "it is back").wanted == "run"
    assert {trials.trial(store, id).status for id in others} == {"queued"}


def test_a_rejection_taken_back_goes_on_with_all_runs_at_a_further_look(store: Store) -> None:
    candidate, best = [0.37, 0.42, 0.33, 0.44, 0.36, 0.41, 0.37, 0.42], [0.40, 0.43, 0.37, 0.42, 0.39, 0.44, 0.36, 0.41]
    name = launch(store, "round-1", candidate, best, runs=8)
    with pytest.raises(Refusal, match="waits for its decision as it is"):
        judging.reopen(store, name, "to be sure")
    assert judging.judge(store, name).decision == "reject"
    judging.decide(store, name, "reject")
    with pytest.raises(Refusal, match="Say why it is to be decided anew"):
        judging.decide(store, name, "repeat", " ")
    batch = judging.reopen(store, name, "the gain matters to us")
    assert launching.undecided(store) == batch
    assert [entry.study for entry in trials.trials(store, name)] == ["candidate", "best"] * 12
    finish(store, name, [0.36, 0.37, 0.38, 0.35], [0.40, 0.41, 0.42, 0.39])
    verdict = judging.judge(store, name)
    # One look at twelve runs would have been enough at the last planned threshold.
    assert verdict.p_value is not None
    assert decision.SIMPLE[1][2] / 4 < verdict.p_value < decision.SIMPLE[1][2]
    assert verdict.decision == "reject"
    judging.decide(store, name, "reject")
    assert [link.rejected for link in lineage.history(store)] == [False, True, True]
    assert [link.batch for link in lineage.line(store)] == ["baseline-1"]


def test_a_failed_run_is_no_evidence_but_a_diverged_one_is(store: Store) -> None:
    batch = launching.start(store, launching.propose(store, "round-1"), runs=2)
    listed = trials.trials(store, batch.name)
    for entry in listed:
        small_project.end(store, entry.id, 0.3)
    small_project.end(store, listed[0].id, None, "failed", message="The process was killed by SIGKILL.")
    with pytest.raises(Refusal, match=r"says nothing about its configuration: The process was killed by SIGKILL\."):
        judging.judge(store, batch.name)
    small_project.end(store, listed[0].id, None, "infeasible", reason="diverged")
    verdict = judging.judge(store, batch.name)
    assert (verdict.decision, verdict.diverged) == ("reject", (1, 0))


def test_only_a_launch_is_judged(store: Store) -> None:
    with pytest.raises(Refusal, match="round-1 is no launch"):
        judging.judge(store, "round-1")


def test_the_whole_way_on_real_trials(tmp_path: Path, digits: Path, fork_server: ForkServer) -> None:
    """Round, review, launch and decision, each trial trained; the last layer is the only thing that is made small."""
    with open_store(small_project.project(tmp_path / "p", digits)) as opened:
        driven = Supervisor(opened, Machine(2), fork_server)

        def finished() -> bool:
            driven.tick()
            return all(entry.status in trials.ENDED for entry in trials.trials(opened))

        # A rate so low that anything is better.
        values = small_project.settings(digits, optimizer__learning_rate=1e-5, training__steps=20)
        best = small_project.adopt(opened, values)
        trials.ask(opened, "baseline-1", "run")
        rates = {"optimizer.learning_rate": Domain("float", 1e-3, 0.3, "log")}
        plan = planning.propose(opened, scientific=rates, trials=4)
        planning.save(opened, plan, wanted="run")
        small_project.wait_for(finished, "the round did not end")
        findings = reviewing.review_batch(opened, "round-1")
        assert findings[0].verdict == "pass"
        for record in reviewing.records(opened, "round-1"):
            assert record.status == "complete"
            assert [step for step, _ in record.curves["val/error_rate"]] == [10, 20]
            assert record.curves["train/loss"]
        batch = launching.start(opened, launching.propose(opened, "round-1"))
        small_project.wait_for(finished, "the launch did not end")
        # After so few steps three seeds may leave it open; how many it takes depends on the machine's last digits.
        while (verdict := judging.judge(opened, batch.name)).decision == "repeat":
            judging.decide(opened, batch.name, "repeat")
            small_project.wait_for(finished, "the repeated runs did not end")
        assert verdict.decision == "adopt"
        judging.decide(opened, batch.name, "adopt")
        now = launches.best(opened)
        assert now is not None
        assert now.parent == best


def test_what_was_proposed_before_another_launch_began_is_not_started_beside_it(store: Store) -> None:
    stale, other = launching.propose(store, "round-1"), launching.propose(store, "round-1", "round-1-001")
    name = launch(store, "round-1", [0.20, 0.21, 0.19], [0.40, 0.41, 0.39])
    with pytest.raises(Refusal, match="launch-1 compares round-1-004 with the best configuration"):
        launching.start(store, stale)
    with pytest.raises(Refusal, match="launch-1 compares round-1-004"):
        launching.start(store, other, [stale])
    with pytest.raises(Refusal, match="launch-1 compares round-1-004"):
        judging.decide_unrepeated(store, stale, "adopt", "too dear")
    judging.decide(store, name, "adopt")
    with pytest.raises(Refusal, match="The best configuration has changed since"):
        launching.start(store, other)
    assert len(trials.batches(store, "launch")) == 1


def test_a_launch_that_was_overtaken_says_how_its_runs_can_still_decide(store: Store) -> None:
    former = launching.propose(store, "round-1").best
    # Of one that was stopped before any of its runs ended, the candidate may be proposed again.
    name = launching.start(store, launching.propose(store, "round-1"), wanted="stop").name
    judging.decide_unrepeated(store, launching.propose(store, "round-1"), "adopt", "too dear")
    finish(store, name, [0.60, 0.61, 0.62], [0.40, 0.41, 0.39])
    for ask in (
        lambda: launching.propose(store, "round-1"),
        lambda: judging.decide(store, name, "reject", "worse"),
    ):
        with pytest.raises(Refusal) as refused:
            ask()
        told = error_text(refused.value)
        assert f"tunebook launch --back {former}" in told
        assert "--trial" not in told
    lineage.back(store, former, "launch-1 is to decide")
    judging.decide(store, name, "reject")
    decided = launches.decided(store, name)
    assert decided is not None
    assert decided.decision == "reject"

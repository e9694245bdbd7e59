"""The shortlist of a launch: who is on it, who goes on, and how often it errs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from rounds import decision, judging, launching, planning, queue, shortlist
from rounds.statistics import mean
from state import configurations, launches, trials
from state.database import Store
from state.errors import Refusal
from state.store import open_store
from tests import small_project
from tui import sides

TRIALS = 12
RESULTS = [0.4, 0.5, None, 0.2, 0.22, 0.24, 0.6, 0.6, 0.6, 0.6, 0.6, 0.21]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A project whose first round has ended: trial 4 the best, 12 and 5 the next."""
    with open_store(small_project.project(tmp_path / "p", tmp_path / "data")) as opened:
        small_project.adopt(opened, small_project.settings(tmp_path / "data"))
        a_round(opened, RESULTS)
        yield opened


def a_round(store: Store, results: list[float | None]) -> str:
    batch = planning.save(store, planning.propose(store, trials=len(results)))
    for entry, best in zip(trials.trials(store, batch.name), results, strict=True):
        small_project.end(store, entry.id, best, "infeasible" if best is None else "complete")
    return batch.name


def begin(store: Store, name: str = "round-1") -> str:
    leader = launching.propose(store, name)
    return launching.start(store, leader, shortlist.choose(store, leader).rivals).name


def finish(store: Store, name: str, **given: Sequence[float | None]) -> None:
    """The runs that wait end so; None: diverged. Dashes of a study are underscores here."""
    results = {study: list(values) for study, values in given.items()}
    for entry in trials.trials(store, name):
        if entry.status not in trials.ENDED:
            value = results[entry.study.replace("-", "_")].pop(0)
            small_project.end(store, entry.id, value, "infeasible" if value is None else "complete")
    assert not any(results.values())


def rivals(store: Store, name: str = "round-1", length: int | None = None) -> list[str]:
    found = shortlist.choose(store, launching.propose(store, name), length)
    return [rival.trial for rival in found.rivals]


def test_the_next_best_are_listed_while_nothing_says_that_they_are_worse(store: Store) -> None:
    assert rivals(store) == ["round-1-012", "round-1-005"]
    assert rivals(store, length=1) == []
    assert rivals(store, length=2) == ["round-1-012"]


@pytest.mark.parametrize(
    ("before", "listed"),
    [([0.4, 0.406, 0.394], ["round-1-012"]), ([0.4, 0.407, 0.393], ["round-1-012", "round-1-005"])],
)
def test_what_is_clearly_worse_than_the_noise_from_run_to_run_is_not_listed(
    store: Store, before: list[float], listed: list[str]
) -> None:
    other = launching.start(store, launching.propose(store, "round-1", "round-1-001"))
    finish(store, other.name, candidate=[0.3, 0.3, 0.3], best=before)
    # Pooled it is 0.0042 or 0.0049, from four degrees of freedom: two single runs of configurations that are equally
    # good differ by no more than 0.017 or 0.02 then, but for one case in twenty.
    assert rivals(store) == listed


def test_where_there_is_no_other_candidate_none_is_said_to_be_worse(store: Store) -> None:
    name = a_round(store, [0.2, *[None] * 11])
    found = shortlist.choose(store, launching.propose(store, name))
    assert (found.rivals, found.why.text()) == ((), "The round has no other trial to launch.")


def test_a_round_that_is_shorter_than_the_launch_gives_one_candidate(store: Store) -> None:
    name = a_round(store, [0.3, 0.31, 0.32, 0.33])
    found = shortlist.choose(store, launching.propose(store, name))
    assert found.rivals == ()
    assert "more runs than the round had" in found.why.text()
    # Whoever wants it all the same gets it.
    assert len(rivals(store, name, length=3)) == 2
    assert len(rivals(store, a_round(store, RESULTS[:9]))) == 1


def test_fresh_runs_choose_who_goes_on_alone(store: Store) -> None:
    name = begin(store)
    listed = trials.trials(store, name)
    assert [entry.study for entry in listed] == ["candidate", "candidate-2", "candidate-3", "best"] * 3
    assert len({entry.overrides["training.seed"] for entry in listed}) == 12
    batch = trials.batch(store, name)
    assert launching.survivor(store, batch).trial == "round-1-004"
    assert shortlist.standings(store, batch) == ()
    third = {"candidate_2": [0.36, 0.35, 0.37], "candidate_3": [0.30, 0.42, 0.36], "best": [0.40, 0.43, 0.37]}
    finish(store, name, candidate=[0.50, 0.51, 0.52], **third)
    # The second and the third come out alike; of those the second ranked higher.
    found = launching.survivor(store, batch)
    assert found.trial == "round-1-012"
    told = {standing.entrant.study: standing for standing in shortlist.standings(store, batch)}
    assert [study for study, standing in told.items() if standing.goes_on] == ["candidate-2"]
    assert told["candidate"].clearly_worse
    assert not told["candidate-3"].clearly_worse
    assert [study for study, standing in told.items() if standing.equal] == ["candidate-2", "candidate-3"]
    words = "dropped; the one that goes on came to the same, and is listed before it"
    assert sides.standing(told["candidate-3"]).endswith(words)
    assert told["candidate"].mean == pytest.approx(0.51)
    assert judging.judge(store, name).decision == "repeat"
    judging.decide(store, name, "repeat")
    assert [entry.study for entry in trials.trials(store, name)[12:]] == ["candidate-2", "best"] * 2
    finish(store, name, candidate_2=[0.35, 0.36], best=[0.41, 0.40])
    assert launching.survivor(store, batch) == found
    assert judging.judge(store, name).decision == "adopt"
    judging.decide(store, name, "adopt")
    best = launches.best(store)
    assert best is not None
    rate = trials.trial(store, "round-1-012").overrides["optimizer.learning_rate"]
    assert best.settings["optimizer.learning_rate"] == rate
    assert configurations.configuration(store, found.candidate).hash == best.hash
    assert launches.launches(store)[-1].evidence["survivor"] == "candidate-2"
    assert set(launches.launches(store)[-1].evidence["sides"]) == {"candidate", "candidate-2", "candidate-3", "best"}


def test_what_was_dropped_is_not_launched_again_against_the_same_best_configuration(store: Store) -> None:
    """Whoever named it got new runs, and for it alone looser limits than those of its shortlist."""
    name = begin(store)
    finish(store, name, candidate=[0.42] * 3, candidate_2=[0.40, 0.41, 0.40], candidate_3=[0.43] * 3, best=[0.39] * 3)
    assert judging.judge(store, name).decision != "adopt"
    judging.decide(store, name, "reject", "no gain")
    last = launches.decided(store, name)
    assert last is not None
    assert last.evidence["survivor"] == "candidate-2"
    for trial in ("round-1-004", "round-1-005"):
        with pytest.raises(Refusal, match=f"launch-1 has run {trial} with fresh seeds already, and dropped it"):
            launching.propose(store, "round-1", trial)
    with pytest.raises(Refusal, match="launch-1 has compared round-1-012"):
        launching.propose(store, "round-1", "round-1-012")
    assert launching.propose(store, "round-1", "round-1-001").trial == "round-1-001"


def test_what_was_dropped_can_be_compared_with_what_was_adopted(store: Store) -> None:
    name = begin(store)
    finish(store, name, candidate=[0.21] * 3, candidate_2=[0.20, 0.19, 0.2], candidate_3=[0.3] * 3, best=[0.40] * 3)
    judging.decide(store, name, "adopt")
    assert launching.propose(store, "round-1").trial == "round-1-004"


def test_a_candidate_that_diverged_does_not_go_on(store: Store) -> None:
    name = begin(store)
    rest = {"candidate_2": [0.3, 0.3, 0.3], "candidate_3": [0.31, 0.3, 0.3], "best": [0.4, 0.41, 0.39]}
    finish(store, name, candidate=[0.1, None, 0.1], **rest)
    batch = trials.batch(store, name)
    assert launching.survivor(store, batch).study == "candidate-2"
    assert [standing.mean is None for standing in shortlist.standings(store, batch)] == [True, False, False]
    assert judging.judge(store, name).diverged == (0, 0)


def test_the_runs_of_a_candidate_that_was_dropped_say_nothing_of_the_noise_of_the_others(store: Store) -> None:
    """They had entered p and the intervals: a dropped one that differed more from run to run made both vague."""
    name, ours, theirs = begin(store), [0.3, 0.31, 0.3], [0.34, 0.33, 0.35]
    finish(store, name, candidate=[0.3, 0.6, 0.9], candidate_2=ours, candidate_3=[0.4, 0.6, 0.8], best=theirs)
    verdict = judging.judge(store, name)
    assert verdict.p_value == decision.judge(ours, theirs, "min", adds_complexity=False, entrants=3).p_value
    assert verdict.p_value is not None
    assert verdict.p_value < 0.02


def test_of_candidates_whose_data_changed_in_the_middle_none_is_called_clearly_worse(store: Store) -> None:
    """On the data of before all results are lower by far: who has more runs on these is not the better for it, and
    means of different data say nothing of each other."""
    name = begin(store)
    levels = {"candidate": 0.31, "candidate-2": 0.3, "candidate-3": 0.2}
    for entry in trials.trials(store, name):
        # The third, which is the best on either, has one run on them; the others have two.
        before = entry.position < (1 if entry.study == "candidate-3" else 2)
        level = levels.get(entry.study, 0.5) + 0.001 * entry.position + (0.0 if before else 0.4)
        small_project.end(store, entry.id, level, data="before" if before else "now")
    batch = trials.batch(store, name)
    assert launching.survivor(store, batch).study == "candidate-3"
    told = {standing.entrant.study: standing for standing in shortlist.standings(store, batch)}
    assert [(one.goes_on, one.clearly_worse, one.alike) for one in told.values()] == [
        (False, False, False),
        (False, False, False),
        (True, False, False),
    ]
    assert told["candidate-2"].mean == pytest.approx(0.434, abs=0.001)
    assert sides.standing(told["candidate-2"]).endswith("made alike, so that the two averages cannot be compared")
    assert sides.standing(told["candidate-3"]).endswith("on average, goes on")
    assert "Not all of these runs were made alike" in judging.judge(store, name).message.text()


def test_all_diverged_is_no_reason_to_adopt(store: Store) -> None:
    name = begin(store)
    none = (None, None, None)
    finish(store, name, candidate=none, candidate_2=none, candidate_3=none, best=[0.4, 0.41, 0.39])
    assert judging.judge(store, name).decision == "reject"


def test_a_failed_run_of_any_candidate_is_tried_again_first(store: Store) -> None:
    name = begin(store)
    for entry in trials.trials(store, name):
        small_project.end(store, entry.id, 0.3)
    failed = trials.trials(store, name)[2]
    small_project.end(store, failed.id, None, "failed", message="killed")
    with pytest.raises(Refusal, match="says nothing about its configuration"):
        judging.judge(store, name)
    # Its candidate was said to have diverged, and to be dropped for that.
    assert shortlist.standings(store, trials.batch(store, name)) == ()
    small_project.end(store, failed.id, 0.3)
    assert len(shortlist.standings(store, trials.batch(store, name))) == 3


def test_no_more_candidates_than_there_are_thresholds_for(store: Store) -> None:
    leader = launching.propose(store, "round-1")
    with pytest.raises(ValueError, match="at most 3 candidates"):
        launching.start(store, leader, [launching.propose(store, "round-1", "round-1-001")] * 3)


@pytest.mark.parametrize(("entrants", "adds_complexity", "most"), [(2, False, 0.16), (3, False, 0.16), (3, True, 0.1)])
def test_choosing_the_best_of_equal_candidates_adopts_no_more_of_them(
    entrants: int, adds_complexity: bool, most: float
) -> None:
    """The whole flow; with the thresholds of one candidate three equal ones would come to 18 %."""
    random, adopted, times = np.random.default_rng(2), 0, 300
    for _ in range(times):
        runs = random.normal(0, 1, (entrants, decision.RUNS[-1]))
        chosen, best = runs[runs[:, : decision.RUNS[0]].mean(axis=1).argmin()], random.normal(0, 1, decision.RUNS[-1])
        count = decision.RUNS[0]
        while True:
            verdict = decision.judge(
                chosen[:count].tolist(), best[:count].tolist(), "min", adds_complexity, entrants=entrants
            )
            if verdict.decision != "repeat":
                break
            count = verdict.runs
        adopted += verdict.decision == "adopt"
    assert 0.02 * (not adds_complexity) <= adopted / times <= most


@pytest.mark.parametrize(("many", "runs"), [(2, 3), (3, 3), (3, 5)])
def test_of_candidates_that_are_equally_good_seldom_any_is_called_clearly_worse(many: int, runs: int) -> None:
    """By two standard errors it was called so in 9 % of the launches of two, and in 20 % of those of three."""
    random, called, times = np.random.default_rng(1), 0, 1000
    for _ in range(times):
        best, *others = sorted(random.normal(0, 1, (many, runs)).tolist(), key=mean)
        called += any(shortlist.clearly_worse(other, best, many) for other in others)
    assert 0.005 <= called / times <= 0.065


def test_single_runs_and_runs_that_all_agree_are_told_apart_as_far_as_they_can_be() -> None:
    assert not shortlist.clearly_worse([0.5], [0.4], 2)
    assert shortlist.clearly_worse([0.5] * 3, [0.4] * 3, 2)
    assert not shortlist.clearly_worse([0.4] * 3, [0.4] * 3, 2)


def test_runs_of_a_rejected_shortlist_that_never_began_wait_for_nothing(store: Store) -> None:
    """They stayed "queued" for ever, on its page and in its status; with the launch reopened they do run."""
    name = begin(store)
    first = trials.trials(store, name)[0]
    small_project.end(store, first.id, 0.5)
    trials.ask(store, name, "stop")
    judging.decide(store, name, "reject", "no time")
    assert [entry.status for entry in trials.trials(store, name)] == ["complete", *["stopped"] * 11]
    judging.reopen(store, name, "there is time")
    assert len(queue.waiting(trials.batch(store, name), trials.unfinished(store))) == 11

"""Insights: proposed from reviewed rounds, confirmed, edited or refused, and used in the next round."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from presets.language import say
from rounds import (
    alike,
    conditions,
    dismissing,
    insights,
    judging,
    launching,
    lineage,
    looking,
    phases,
    planning,
    reviewing,
)
from rounds.space import Domain
from state import launches, repair, trials
from state.database import Store
from state.errors import Refusal
from state.store import open_store
from tests import small_project
from tests.screens import NARROW, lines, wait_for, wait_for_text
from tests.watched_round import press, write
from tui import draft
from tui.app import Tunebook
from tui.pages.insights import InsightsPage

LR, WD = "sgd.learning_rate", "sgd.weight_decay"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A project with a best configuration."""
    with open_store(small_project.project(tmp_path / "p", tmp_path / "data")) as opened:
        small_project.adopt(opened, small_project.settings(tmp_path / "data", training__steps=100))
        yield opened


def a_round(store: Store, score: Callable[[Any], float], count: int = 24, **how: Any) -> str:
    """A round over learning rate and weight decay that has ended and was reviewed."""
    goal = how.pop("goal", "understand")
    roles: Any = {"optimizer.momentum": "fixed", "optimizer.weight_decay": "nuisance"}
    options = {"roles": roles, **how}
    batch = planning.save(store, planning.propose(store, goal, trials=count, **options))
    for entry in trials.trials(store, batch.name):
        small_project.end(store, entry.id, score(entry))
    reviewing.review_batch(store, batch.name)
    return batch.name


def slightly_worse(best: float, entry: Any) -> float:
    return best * (1 + 0.1 * entry.u[LR])


def keys(store: Store) -> list[str]:
    return [proposed.key for proposed in insights.proposals(store)]


def bowl(entry: Any) -> float:
    return 0.1 + (entry.u[LR] - 0.5) ** 2


def test_a_round_proposes_what_matters_with_figures_and_caveats(store: Store) -> None:
    """Sensitive to the learning rate, with the value near which the best lie, while momentum was fixed."""
    a_round(store, bowl)
    (proposed,) = [entry for entry in insights.proposals(store) if entry.key == f"matters/round-1/joint/{LR}"]
    assert proposed.text.text().startswith("Sensitive to sgd.learning_rate: it explains")
    assert proposed.figures["share"] > proposed.figures["band"]
    assert any("momentum was fixed" in caveat.text() for caveat in proposed.caveats)


def test_a_round_that_was_not_reviewed_teaches_nothing(store: Store) -> None:
    """First the checks, then the conclusions."""
    planning.save(store, planning.propose(store, trials=24))
    for entry in trials.trials(store, "round-1"):
        small_project.end(store, entry.id, bowl(entry))
    assert keys(store) == []


def test_what_is_confirmed_stays_with_its_evidence_in_a_persons_words(store: Store) -> None:
    """It is proposed no longer, survives a rebuild, and may be put in other words or refused later."""
    a_round(store, bowl)
    key = f"matters/round-1/joint/{LR}"
    insights.confirm(store, key)
    assert key not in keys(store)
    insights.confirm(store, key, "The [/red] rate is what counts.")
    (kept,) = launches.insights(store)
    assert kept.text["values"] == {"words": "The [/red] rate is what counts."}
    assert kept.evidence["proposed"]["id"].startswith("Sensitive to")
    assert kept.batch == "round-1"
    assert insights.caveats(kept)
    store.close()
    repair.rebuild(store.project)
    with open_store(store.project) as again:
        assert [entry.key for entry in launches.insights(again)] == [key]
        insights.refuse(again, key, "it was the seed")
        assert launches.insights(again) == []
        assert [entry.status for entry in launches.insights(again, refused=True)] == ["refused"]
        assert key not in keys(again)
        insights.confirm(again, key)
        assert [entry.status for entry in launches.insights(again)] == ["confirmed"]


def test_what_is_refused_is_not_proposed_again(store: Store) -> None:
    """With the reason; without one it is not refused, and an unknown key is named."""
    a_round(store, bowl)
    key = f"matters/round-1/joint/{LR}"
    with pytest.raises(Refusal, match="the reason is kept"):
        insights.refuse(store, key, "")
    insights.refuse(store, key, "one lucky run")
    assert key not in keys(store)
    with pytest.raises(Refusal, match="no insight nonsense"):
        insights.confirm(store, "nonsense")


def test_a_confirmed_insight_gives_roles_to_the_next_round(store: Store) -> None:
    """What matters little is fixed, what matters is tuned along, and what a person asks for goes before both."""
    a_round(store, bowl, 200)
    little, much = f"little/round-1/joint/{WD}", f"matters/round-1/joint/{LR}"
    assert {little, much} <= set(keys(store))
    before = planning.propose(store, trials=30)
    assert before.roles[WD] == "nuisance"
    insights.confirm(store, little)
    insights.confirm(store, much)
    after = planning.propose(store, trials=30)
    assert after.roles[WD] == "fixed"
    assert any("weight_decay was fixed" in caveat.text() for caveat in after.caveats)
    asked = planning.propose(store, trials=30, roles={WD: "nuisance"})
    assert asked.roles[WD] == "nuisance"
    about = planning.propose(store, scientific={"optimizer.weight_decay": None}, trials=30)
    assert about.roles["optimizer.weight_decay"] == "scientific"
    assert about.roles[LR] == "nuisance"


def test_a_comparison_without_a_gain_says_so(store: Store) -> None:
    """Where the noise is known, a level that does no better than the one in use is no gain, and a better one is."""
    smoothing = {"regularization.label_smoothing": Domain("list", choices=(0.0, 0.1))}

    def even(entry: Any) -> float:
        return 0.2 + 0.001 * entry.u[LR]

    def better(entry: Any) -> float:
        return even(entry) - (0.1 if entry.overrides["regularization.label_smoothing"] else 0.0)

    known = pytest.MonkeyPatch()
    with known.context() as patched:
        patched.setattr(reviewing, "noise", lambda *_: 0.01)
        patched.setattr(reviewing, "freedom", lambda *_: 30)
        a_round(store, even, 12, goal="compare", scientific=smoothing, roles={})
        a_round(store, better, 12, goal="compare", scientific=smoothing, roles={})
        found = {entry.key: entry.text.text() for entry in insights.proposals(store)}
    texts = "\n".join(found.values())
    assert "No gain from changing regularization.label_smoothing in round-1" in texts
    assert any(key.startswith("better/round-2/") for key in found)


def test_no_gain_is_not_said_of_too_few_trials_nor_against_a_launch(store: Store) -> None:
    """A round of 7 trials a study, too few to conclude anything, whose launch adopted a change of what was compared."""
    smoothing = {"regularization.label_smoothing": Domain("list", choices=(0.0, 0.1))}

    def nearly_even(entry: Any) -> float:
        return 0.2 + 0.001 * entry.u[LR] - (0.001 if entry.overrides["regularization.label_smoothing"] else 0.0)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(reviewing, "noise", lambda *_: 0.01)
        patched.setattr(reviewing, "freedom", lambda *_: 30)
        a_round(store, nearly_even, 2, goal="compare", scientific=smoothing, roles={})
        assert not any(key.startswith("no gain/") for key in keys(store))
        name = a_round(store, nearly_even, 12, goal="compare", scientific=smoothing, roles={})
        key = f"no gain/{name}/regularization.label_smoothing"
        assert key in keys(store)
        judging.decide_unrepeated(store, launching.propose(store, name), "adopt", "for the test")
        assert key not in keys(store)
        lineage.back(store, launches.launches(store)[0].candidate, "it was luck")
        assert key in keys(store)


def test_no_gain_is_not_said_while_the_review_asks_for_more_trials(store: Store) -> None:
    """Of the other value one trial alone is good: it may do better yet. Who sets the finding aside hears it."""
    smoothing = {"regularization.label_smoothing": Domain("list", choices=(0.0, 0.1))}

    def one_lucky(entry: Any) -> float:
        steep = entry.overrides["regularization.label_smoothing"]
        return 0.2 + (abs(entry.u[LR] - 0.5) if steep else 0.001 * entry.u[LR])

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(reviewing, "noise", lambda *_: 0.01)
        patched.setattr(reviewing, "freedom", lambda *_: 30)
        name = a_round(store, one_lucky, 24, goal="compare", scientific=smoothing, roles={})
        (asks,) = [
            one for one in reviewing.review_batch(store, name) if one.check == "points" and one.verdict == "warn"
        ]
        assert "more trials may still change the answer" in asks.message.text()
        key = f"no gain/{name}/regularization.label_smoothing"
        assert key not in keys(store)
        dismissing.dismiss(store, name, asks.key, "no time for more")
        assert key in keys(store)


def test_a_second_baseline_does_not_say_that_a_constant_rate_works(store: Store) -> None:
    """The set-up was changed and its baseline run anew, before any round: the first does not ask for a schedule."""
    small_project.adopt(store, small_project.settings(store.project.root.parent / "data", training__steps=50))
    assert len(launches.in_force(store)) == 2
    assert not phases.schedule_is_next(store)
    assert planning.propose(store, trials=4).goal != "compare"


def test_a_metric_that_is_the_same_everywhere_shows_no_lack_of_a_gain(store: Store) -> None:
    """It was an insight, and confirmed, it would have fixed what the metric says nothing of."""
    smoothing = {"regularization.label_smoothing": Domain("list", choices=(0.0, 0.1))}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(reviewing, "noise", lambda *_: 0.01)
        patched.setattr(reviewing, "freedom", lambda *_: 30)
        a_round(store, lambda _entry: 0.5, 24, goal="compare", scientific=smoothing, roles={})
        assert keys(store) == []
        name = a_round(
            store, lambda entry: 0.5 + 0.001 * entry.u[LR], 24, goal="compare", scientific=smoothing, roles={}
        )
        assert f"no gain/{name}/regularization.label_smoothing" in keys(store)


def test_that_what_is_in_use_does_better_by_far_is_an_insight(store: Store) -> None:
    """A lead of the value in use over all the others taught nothing, or at most that there is no gain from a change."""
    smoothing = {"regularization.label_smoothing": Domain("list", choices=(0.0, 0.1, 0.2))}

    def worse(entry: Any) -> float:
        return 0.2 + 0.001 * entry.u[LR] + entry.overrides["regularization.label_smoothing"]

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(reviewing, "noise", lambda *_: 0.01)
        patched.setattr(reviewing, "freedom", lambda *_: 30)
        name = a_round(store, worse, 18, goal="compare", scientific=smoothing, roles={})
        (found,) = [entry for entry in insights.proposals(store) if entry.batch == name]
        key = "regularization.label_smoothing"
        assert found.key == f"better/{name}/{key}"
        words = (
            "label_smoothing=0.0, which is in use, does better than label_smoothing=0.1, label_smoothing=0.2 in round-1"
        )
        assert found.text.text() == f"{key}: {words}, by 0.1 at least, where runs differ by 0.01."
        # Where one of them is behind by no more than noise, it is none.
        smoothing = {key: Domain("list", choices=(0.0, 0.01, 0.2))}
        name = a_round(store, worse, 18, goal="compare", scientific=smoothing, roles={})
        assert f"better/{name}/{key}" not in keys(store)


def test_where_runs_differ_by_more_than_is_left_to_gain_nothing_is_concluded_from_no_gain(store: Store) -> None:
    """At an error rate of 0.03, where runs differed by 0.04, there was "no gain" from whatever was tried, and the
    rounds were saturated from the first on, while the best fell to a quarter."""
    smoothing = {"regularization.label_smoothing": Domain("list", choices=(0.0, 0.1))}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(reviewing, "noise", lambda *_: 0.04)
        patched.setattr(reviewing, "freedom", lambda *_: 8)
        for best in (0.03, 0.02, 0.008):
            score = partial(slightly_worse, best)
            a_round(store, score, 24, goal="compare", scientific=smoothing, roles={})
        assert not any(key.startswith(("no gain/", "saturated/")) for key in keys(store))
        # Where as much as they differ by is left, it is told.
        for _ in range(3):
            a_round(store, lambda entry: 0.5 + 0.001 * entry.u[LR], 24, goal="compare", scientific=smoothing, roles={})
        found = keys(store)
    assert "no gain/round-6/regularization.label_smoothing" in found
    assert not any(key.startswith("no gain/round-1/") for key in found)


def test_values_that_do_exactly_as_well_are_named_together(store: Store) -> None:
    """Two of three beat what is in use, and by the same; neither is called the better one."""
    smoothing = {"regularization.label_smoothing": Domain("list", choices=(0.0, 0.1, 0.2))}

    def better(entry: Any) -> float:
        return 0.2 + 0.001 * entry.u[LR] - (0.1 if entry.overrides["regularization.label_smoothing"] else 0.0)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(reviewing, "noise", lambda *_: 0.01)
        patched.setattr(reviewing, "freedom", lambda *_: 30)
        a_round(store, better, 18, goal="compare", scientific=smoothing, roles={})
        (found,) = [entry for entry in insights.proposals(store) if entry.key.startswith("better/")]
    assert "label_smoothing=0.1, label_smoothing=0.2 all do better than label_smoothing=0.0" in found.text.text()


def test_rounds_without_a_gain_are_saturation(store: Store) -> None:
    """Two rounds that have not beaten the best by the noise; not before, and not where the last one did."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(reviewing, "noise", lambda *_: 0.01)
        patched.setattr(reviewing, "freedom", lambda *_: 30)
        for place, level in enumerate((0.4, 0.2, 0.2, 0.2)):
            assert not any(key.startswith("saturated") for key in keys(store))
            a_round(store, lambda entry, level=level: level + 0.001 * entry.u[LR], 4)
            assert place < 3 or "saturated/round-2" in keys(store)
        assert not phases.saturated(store)
        insights.confirm(store, "saturated/round-2")
        assert phases.saturated(store)
        phase = phases.next_phase(store)
        assert phase is not None
        assert "tunebook round final" in phase.text()
        # While the final study goes on, no other is proposed.
        final = planning.save(store, planning.propose(store, "minimise", trials=4), about={"search": "bayesian"})
        assert (phases.ending(store), phases.next_phase(store)) == ("", None)
        reviewing.review_batch(store, final.name)
        phase = phases.next_phase(store)
        assert phases.ending(store) == "test"
        assert phase is not None
        assert "tunebook test" in phase.text()
        a_round(store, lambda entry: 0.1, 4)
        assert not phases.saturated(store)


def test_small_gains_add_up_and_what_cannot_be_compared_is_no_saturation(store: Store) -> None:
    """Each round gains less than the noise, and all of them more; one has only begun, others were shorter."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(reviewing, "noise", lambda *_: 0.01)
        patched.setattr(reviewing, "freedom", lambda *_: 30)

        def said() -> list[str]:
            return [key for key in keys(store) if key.startswith("saturated")]

        for level in (0.4, 0.392, 0.384, 0.376, 0.368):
            a_round(store, lambda entry, level=level: level + 1e-5 * entry.u[LR], 4)
        assert not said()
        for _ in range(2):
            a_round(store, lambda _entry: 0.9, 4, steps=50)
        assert alike.incomparable(store) == ["round-6", "round-7"]
        begun = planning.save(store, planning.propose(store, trials=4), wanted="run")
        small_project.end(store, trials.trials(store, begun.name)[0].id, 0.9)
        assert not said()
        for entry in trials.trials(store, begun.name)[1:]:
            small_project.end(store, entry.id, 0.9)
        assert not said()
        # It counts now, as the first since the round that gained last.
        a_round(store, lambda _entry: 0.9, 4)
        assert said() == ["saturated/round-5"]


def test_rounds_that_only_failed_are_no_saturation(store: Store) -> None:
    """The few trials that a bug left came to less than the best: that was called a search which has nothing to find."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(reviewing, "noise", lambda *_: 0.01)
        patched.setattr(reviewing, "freedom", lambda *_: 30)
        a_round(store, lambda entry: 0.2 + 0.001 * entry.u[LR], 4)
        for _ in range(2):
            batch = planning.save(store, planning.propose(store, trials=4))
            for place, entry in enumerate(trials.trials(store, batch.name)):
                small_project.end(store, entry.id, None if place else 0.9, "failed" if place else "complete")
            (complete, *_rest) = reviewing.review_batch(store, batch.name)
            assert (complete.check, complete.verdict) == ("complete", "fail")
        assert not any(key.startswith("saturated") for key in keys(store))
        for _ in range(2):
            a_round(store, lambda entry: 0.2 + 0.001 * entry.u[LR], 4)
        assert "saturated/round-1" in keys(store)


def test_of_choices_those_are_named_that_the_best_trials_have(store: Store) -> None:
    """Their mean coordinate lay in the middle, at the worst of the three."""
    roles = {name: "fixed" for name in ("optimizer.momentum", "optimizer.weight_decay")}
    levels = {"constant": 0.2, "linear": 0.5, "cosine": 0.2}

    def score(entry: Any) -> float:
        return levels[trials.trial_settings(store, entry)["schedule.name"]] + 0.001 * entry.u[LR]

    a_round(store, score, 40, goal="minimise", roles={**roles, "schedule.name": "nuisance"})
    (text,) = [p.text.text() for p in insights.proposals(store) if p.key.endswith("/schedule.name")]
    named = text.partition("the best have ")[2]
    assert "linear" not in named
    assert "cosine" in named


def test_an_effect_is_said_of_the_trials_that_show_it(store: Store) -> None:
    """Those that met a bug show nothing of it, and of a round with several studies it is that of one."""
    roles: Any = {"optimizer.momentum": "fixed", "optimizer.weight_decay": "nuisance"}
    batch = planning.save(store, planning.propose(store, "understand", trials=30, roles=roles))
    for place, entry in enumerate(trials.trials(store, batch.name)):
        if place % 5 == 0:
            small_project.end(store, entry.id, None, "failed")
        else:
            small_project.end(store, entry.id, bowl(entry))
    reviewing.review_batch(store, batch.name)
    (text,) = [p.text.text() for p in insights.proposals(store) if p.key == f"matters/round-1/joint/{LR}"]
    assert "between the 24 trials of round-1 (" in text
    smoothing = {"regularization.label_smoothing": Domain("list", choices=(0.0, 0.1))}
    a_round(store, bowl, 60, goal="compare", scientific=smoothing, roles={})
    told = [p.text.text() for p in insights.proposals(store) if p.key.startswith("matters/round-2/")]
    assert ["label_smoothing=0.0 of round-2" in text for text in told] == [True, False]
    assert "between the 30 trials of study label_smoothing=0.1 of round-2 (" in told[1]


def test_after_the_final_study_comes_what_is_still_to_be_done(store: Store) -> None:
    """Its best trial had been rejected, and a command of one's own has no test split that we know of."""
    a_round(store, bowl, 4)

    def next_one() -> str:
        phase = phases.next_phase(store)
        assert phase is not None
        return phase.text()

    final = planning.save(store, planning.propose(store, "minimise", trials=3), about={"search": "bayesian"})
    for entry in trials.trials(store, final.name):
        small_project.end(store, entry.id, 0.05 + 0.01 * entry.position)
    reviewing.review_batch(store, final.name)
    assert (
        "Launch its best trial; then look at the test split, once (tunebook test). tunebook launch round-2"
        in next_one()
    )
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(looking, "possible", lambda _store: False)
        assert next_one().endswith("Launch its best trial. tunebook launch round-2")
        judging.decide_unrepeated(store, launching.propose(store, "round-2"), "reject", "too near to call")
        assert next_one().endswith("take away what was found. tunebook export DIR")
    assert next_one() == "The final study is over. What is left is the look at the test split, once. tunebook test"


def test_a_schedule_is_proposed_only_after_a_constant_rate_has_worked(store: Store) -> None:
    """Not beside the baseline alone; once a round has been adopted, and until a round has asked."""
    a_round(store, bowl, 4)
    assert phases.next_phase(store) is None
    judging.decide_unrepeated(store, launching.propose(store, "round-1"), "adopt", "for the test")
    phase = phases.next_phase(store)
    assert phase is not None
    assert "schedule.name=constant,linear,cosine" in phase.text()
    proposed = draft.begin(store)
    assert (proposed.goal, list(proposed.asked)) == ("compare", ["schedule.name"])
    schedules = {"schedule.name": Domain("categorical", choices=("constant", "cosine"))}
    planning.save(store, planning.propose(store, "compare", scientific=schedules, trials=4))
    assert phases.next_phase(store) is None
    assert (draft.begin(store).goal, list(draft.begin(store).asked)) == ("understand", ["optimizer.learning_rate"])


def test_what_a_launch_showed_is_an_insight_also_of_a_small_round(store: Store) -> None:
    a_round(store, bowl, 4)
    proposal = launching.propose(store, "round-1")
    launch = launching.start(store, proposal)
    for entry in trials.trials(store, launch.name):
        small_project.end(store, entry.id, (0.1 if entry.study == "candidate" else 0.4) + 0.01 * (entry.position % 3))
    assert insights.proposals(store) == []
    judging.decide(store, launch.name, "adopt")
    (proposed,) = insights.proposals(store)
    assert proposed.key == "adopted/launch-1"
    assert "Adopted in launch-1, better by 0.3 on average over 3 runs each (one-sided p = " in proposed.text.text()
    assert "optimizer.learning_rate changes from 0.05 to" in proposed.text.text()
    insights.confirm(store, proposed.key)
    assert insights.proposals(store) == []


def test_what_was_taken_back_shows_nothing_any_more(store: Store) -> None:
    """By the way back, or by a later decision about the same launch; and it counts again when it is the best again."""
    a_round(store, bowl, 4)
    launch = launching.start(store, launching.propose(store, "round-1")).name

    def end(candidate: float) -> None:
        for entry in trials.trials(store, launch):
            if entry.status not in trials.ENDED:
                level = candidate if entry.study == "candidate" else 0.4
                small_project.end(store, entry.id, level + 0.01 * (entry.position % 3))

    end(0.1)
    judging.decide(store, launch, "adopt")
    first, second = (entry.candidate for entry in launches.launches(store))
    assert keys(store) == ["adopted/launch-1"]
    assert phases.schedule_is_next(store)
    lineage.back(store, first, "it broke in use")
    assert keys(store) == []
    assert not phases.schedule_is_next(store)
    assert "A launch that is adopted" in conditions.waits_for(store)[-1].text()
    lineage.back(store, second, "it was the data")
    assert keys(store) == ["adopted/launch-1"]
    assert [entry.batch for entry in launches.in_force(store)] == ["baseline-1", "launch-1"]
    lineage.back(store, first, "it breaks")
    judging.decide(store, launch, "repeat", "was it better at all?")
    end(0.9)
    judging.decide(store, launch, "reject", "it is not")
    lineage.back(store, second, "it is faster")
    assert keys(store) == []


def test_what_insights_wait_for_is_named_as_long_as_it_is_not_there(store: Store) -> None:
    """A study that is large enough, its review, a launch: each is left out once it is met."""

    def waiting() -> str:
        return " ".join(condition.text() for condition in conditions.waits_for(store))

    launch = "A launch that is adopted by runs with fresh seeds shows what its changes gained."
    study = "What a hyperparameter explains can be told from chance in a study of at least 12 trials."
    a_round(store, bowl, 4)
    assert waiting() == f"{study} {launch}"
    batch = planning.save(store, planning.propose(store, trials=24))
    for entry in trials.trials(store, batch.name):
        small_project.end(store, entry.id, bowl(entry))
    assert waiting() == f"round-2 shows something only when it has been reviewed. {launch}"
    reviewing.review_batch(store, batch.name)
    assert waiting() == launch
    started = launching.start(store, launching.propose(store, "round-2"))
    for entry in trials.trials(store, started.name):
        small_project.end(store, entry.id, (0.1 if entry.study == "candidate" else 0.4) + 0.01 * (entry.position % 3))
    judging.decide(store, started.name, "adopt")
    for key in keys(store):
        insights.refuse(store, key, "for the test")
    assert waiting() == "What rounds and launches show was refused, or is no more than chance."


def test_what_was_fixed_is_named_where_it_has_another_value_now(store: Store) -> None:
    a_round(store, bowl)
    insights.confirm(store, f"matters/round-1/joint/{LR}")
    (kept,) = launches.insights(store)
    caveats = insights.caveats(kept)
    assert len(caveats) > 10
    # An earlier version kept a yes as Python's.
    caveats.append(say("{name} was fixed at {value}.", name="sgd.nesterov", value=True))
    assert conditions.changed(store, caveats) == []
    best = launches.best(store)
    assert best is not None
    small_project.adopt(store, {**best.settings, "optimizer.momentum": 0.5, "optimizer.learning_rate": 0.01})
    (change,) = conditions.changed(store, caveats)
    assert change.text() == "sgd.momentum was fixed at 0.9. Now it is 0.5: look at this again."


def test_the_hours_of_exploration_and_exploitation_are_told_apart(store: Store) -> None:
    """By the goal of the round; none before anything ran."""
    assert insights.share(store).exploring is None
    for goal, seconds in (("understand", 3600), ("minimise", 1200)):
        name = a_round(store, bowl, 2, goal=goal)
        (first, *_rest) = trials.trials(store, name)
        with store.transaction():
            store.database.conn.execute(
                "UPDATE trials SET spent = ? WHERE id = ?",
                [seconds, first.id],
            )
    share = insights.share(store)
    assert (share.exploration, share.exploitation) == pytest.approx((1.0, 1 / 3), abs=0.01)
    assert share.exploring == pytest.approx(0.75, abs=0.01)


@pytest.mark.usefixtures("quick_looks")
async def test_the_page_keeps_edits_and_refuses(store: Store) -> None:
    """By one key each, hostile words included; what is empty says so."""
    app = Tunebook(store.project.root)
    async with app.run_test(size=NARROW) as pilot:
        await wait_for_text(pilot, "Plan a round")
        await pilot.app.push_screen(InsightsPage())
        await wait_for_text(pilot, "insights come from reviewed rounds")
        await wait_for_text(pilot, "Nothing is proposed.")
        await wait_for_text(pilot, "12 trials.")
        await press(pilot, "w")
        await write(pilot, "[/red] water is wet")
        await wait_for_text(pilot, "kept  [/red] water is wet")
        a_round(store, bowl)
        await wait_for_text(pilot, "proposed  Sensitive to")
        await press(pilot, "home", "c")
        await wait_for(pilot, lambda: len(launches.insights(store)) == 2)
        await wait_for_text(pilot, "kept  Sensitive to")
        await wait_for_text(pilot, "Kept: it shapes the next round.")
        await press(pilot, "end", "e")
        await write(pilot, "The rate counts.")
        await wait_for_text(pilot, "kept  The rate counts.")
        await wait_for_text(pilot, "As proposed: Sensitive to")
        await wait_for_text(pilot, "It holds while these stay as they were:")
        best = launches.best(store)
        assert best is not None
        small_project.adopt(store, {**best.settings, "optimizer.momentum": 0.5})
        await wait_for_text(pilot, "- sgd.momentum was fixed at 0.9. Now it is 0.5: look at this again.")
        await press(pilot, "r")
        await write(pilot, "it was luck")
        await wait_for(pilot, lambda: len(launches.insights(store)) == 1)


@pytest.mark.usefixtures("quick_looks")
async def test_keeping_what_is_kept_says_so_and_nothing_is_offered_that_does_nothing(store: Store) -> None:
    """A second c did nothing and said nothing, and so did enter, which the line of keys named."""
    a_round(store, bowl)
    app = Tunebook(store.project.root)
    async with app.run_test(size=NARROW) as pilot:
        await wait_for_text(pilot, "Plan a round")
        await pilot.app.push_screen(InsightsPage())
        await wait_for_text(pilot, "proposed  Sensitive to")
        assert "choose" not in lines(pilot.app)[-1]
        await press(pilot, "home", "c")
        await wait_for_text(pilot, "It is kept.   e: in other words   r: it does not hold")
        await press(pilot, "c")
        await wait_for_text(pilot, "It is kept already.")
        assert len(launches.insights(store)) == 1


@pytest.mark.usefixtures("quick_looks")
async def test_evidence_that_is_longer_than_the_page_is_read_by_keys(store: Store) -> None:
    """What an insight rests on was cut off at the end of a low window, and no key led there."""
    a_round(store, bowl)
    app = Tunebook(store.project.root)
    async with app.run_test(size=(60, 14)) as pilot:
        await wait_for_text(pilot, "digits  home")
        await pilot.app.push_screen(InsightsPage())
        await wait_for_text(pilot, "proposed  Sensitive to")
        reading = pilot.app.screen.query_one("#reading")
        assert reading.max_scroll_y > 0
        for _page in range(reading.max_scroll_y):
            await press(pilot, "d")
        await wait_for(pilot, lambda: reading.scroll_y == reading.max_scroll_y)
        await press(pilot, "u")
        await wait_for(pilot, lambda: reading.scroll_y < reading.max_scroll_y)

"""From the best configuration to a round in the queue, and on to the next round."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from presets import language
from presets.language import restored
from rounds import planning, reviewing, seeds
from rounds.space import Domain
from state import configurations, decisions, launches, measurements, trials
from state.database import Store
from state.errors import Refusal
from state.store import open_store
from tests import small_project
from training.config import check, unflat
from tui.main import main


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(small_project.project(tmp_path / "p", tmp_path / "data")) as opened:
        yield opened


@pytest.fixture
def values(tmp_path: Path) -> dict[str, Any]:
    return small_project.settings(tmp_path / "data", runtime__threads=0)


def finish(store: Store, name: str, place: float) -> None:
    """Results of a round whose optimum lies at this coordinate of every dimension."""
    for entry in trials.trials(store, name):
        small_project.end(store, entry.id, 0.1 + sum((u - place) ** 2 for u in entry.u.values()))


def test_without_a_baseline_no_round_begins(store: Store) -> None:
    with pytest.raises(Refusal, match="run the baseline first"):
        planning.propose(store)
    # Not even with a reason: there is nothing to improve.
    with pytest.raises(Refusal, match="run the baseline first"):
        planning.propose(store, override="I know better")


def test_an_unreasonable_baseline_takes_a_reason_which_is_recorded(store: Store, values: dict[str, Any]) -> None:
    small_project.batch(store, values, kind="baseline", wanted="")
    with pytest.raises(Refusal, match="override"):
        planning.propose(store)
    plan = planning.propose(store, trials=4, override="the data are hard [x]")
    assert launches.best(store) is None
    with pytest.raises(Refusal, match="override"):
        planning.save(store, plan)
    planning.save(store, plan, override="the data are hard [x]")
    best = launches.best(store)
    assert best is not None
    assert best.settings == values
    decision = decisions.decision(store, "rounds")
    assert decision is not None
    assert decision.chosen == "override"
    assert decision.reason["values"] == {"words": "the data are hard [x]"}


def test_a_round_that_is_refused_overrides_nothing(store: Store, values: dict[str, Any]) -> None:
    """Refused for values that cannot be trained with, it had made the baseline the best configuration all the same."""
    small_project.batch(store, values, kind="baseline", wanted="")
    ranges = {"regularization.dropout": Domain("float", 1.5, 2.5)}
    plan = planning.propose(store, trials=4, override="the data are hard", ranges=ranges)
    with pytest.raises(Refusal, match="cannot be trained"):
        planning.save(store, plan, override="the data are hard")
    assert launches.best(store) is None
    assert decisions.decision(store, "rounds") is None


def test_a_first_round_asks_about_the_learning_rate(store: Store, values: dict[str, Any]) -> None:
    name = small_project.adopt(store, values)
    plan = planning.propose(store, trials=12)
    assert list(plan.scientific) == ["optimizer.learning_rate"]
    assert plan.roles["sgd.momentum"] == "nuisance"
    batch = planning.save(store, plan, slots=1)
    assert (batch.name, batch.goal, batch.wanted, batch.configuration) == ("round-1", "understand", "", name)
    assert planning.plan_of(store, "round-1") == plan


def test_each_trial_is_whole_and_has_a_seed_of_its_own_and_its_share_of_the_cores(
    store: Store, values: dict[str, Any]
) -> None:
    small_project.adopt(store, values)
    plan = planning.propose(store, optimizers=["sgd", "adam"], goal="compare", trials=8)
    planning.save(store, plan, slots=1)
    listed = trials.trials(store, "round-1")
    threads = {entry.overrides["runtime.threads"] for entry in listed}
    assert threads == {planning.slots.machine(store.project).cores}
    for entry in listed:
        config = check(unflat(trials.trial_settings(store, entry)))
        assert config.training.seed == seeds.of_point(plan.seed, entry.position)
        assert (config.optimizer.momentum is None) == (config.optimizer.name == "adam")
    assert len({entry.overrides["training.seed"] for entry in listed}) == 4
    studies = {
        study: [e.overrides["training.seed"] for e in listed if e.study == study] for study in {e.study for e in listed}
    }
    first, second = studies.values()
    assert first == second


def test_threads_that_were_decided_stay(store: Store, values: dict[str, Any]) -> None:
    small_project.adopt(store, {**values, "runtime.threads": 3})
    planning.save(store, planning.propose(store, trials=2))
    assert {entry.overrides["runtime.threads"] for entry in trials.trials(store, "round-1")} == {3}


def test_an_extended_round_is_the_one_that_was_planned_longer(store: Store, values: dict[str, Any]) -> None:
    small_project.adopt(store, values)
    whole = planning.propose(store, trials=8)
    planning.save(store, planning.propose(store, trials=4))
    planning.extend(store, "round-1", 3)
    planning.extend(store, "round-1", 1)
    assert planning.plan_of(store, "round-1").trials == whole.trials
    listed = trials.trials(store, "round-1")
    assert [entry.u for entry in listed] == [trial.u for trial in whole.trials]
    assert [entry.position for entry in listed] == list(range(8))
    assert len({entry.overrides["training.seed"] for entry in listed}) == 8
    assert len({entry.overrides["runtime.threads"] for entry in listed}) == 1


def test_a_round_that_is_extended_after_the_next_was_planned_takes_points_of_its_own(
    store: Store, values: dict[str, Any]
) -> None:
    """They were the trials of the next one, to the seed."""
    small_project.adopt(store, values)
    for _round in range(2):
        planning.save(store, planning.propose(store, "minimise", trials=4))
    planning.extend(store, "round-1", 2)
    planning.extend(store, "round-1", 2)
    planning.extend(store, "round-2", 1)
    first, second = (trials.trials(store, name) for name in ("round-1", "round-2"))
    assert [entry.position for entry in first] == [0, 1, 2, 3, 8, 9, 10, 11]
    assert [entry.position for entry in second] == [4, 5, 6, 7, 12]
    assert len({tuple(entry.u.values()) for entry in (*first, *second)}) == 13
    assert len({entry.overrides["training.seed"] for entry in (*first, *second)}) == 13
    planned = planning.plan_of(store, "round-1").trials
    assert [(trial.index, trial.u, trial.values) for trial in planned] == [
        (entry.position, entry.u, entry.settings) for entry in first
    ]
    assert planning.propose(store, "minimise", trials=1).trials[0].index == 13


@pytest.mark.parametrize("turns", [2, 3])
def test_studies_that_are_extended_late_still_take_turns(store: Store, values: dict[str, Any], turns: int) -> None:
    small_project.adopt(store, values)
    about = {"regularization.label_smoothing": Domain("list", choices=(0.0, 0.1, 0.2)[:turns])}
    for _round in range(2):
        planning.save(store, planning.propose(store, "compare", scientific=about, trials=7))
    planning.extend(store, "round-1", 6)
    listed = trials.trials(store, "round-1")
    studies = [study.name for study in planning.plan_of(store, "round-1").studies]
    assert [entry.study for entry in listed] == [studies[place % turns] for place in range(13)]
    others = {(entry.study, *entry.u.values()) for entry in trials.trials(store, "round-2")}
    assert not others & {(entry.study, *entry.u.values()) for entry in listed}


def test_what_another_optimizer_has_widens_no_range_of_its_own(store: Store, values: dict[str, Any]) -> None:
    """The value in use of one went into the range of the other: so unfair a comparison has its winner beforehand."""
    others = {key: value for key, value in values.items() if not key.startswith("optimizer.")}
    adamw = {
        "name": "adamw",
        "learning_rate": 1e-5,
        "beta1": 0.9,
        "beta2": 0.999,
        "epsilon": 1e-8,
        "weight_decay": 0.01,
    }
    small_project.adopt(store, {**others, **{f"optimizer.{key}": value for key, value in adamw.items()}})
    asked: dict[str, Any] = {"optimizers": ["adamw", "sgd"], "trials": 24}
    planned = planning.propose(store, "compare", **asked)
    before = {d.name: d.domain for study in planned.studies for d in study.dimensions}
    planning.save(store, planned)
    finish(store, "round-1", 0.5)
    reviewing.review_batch(store, "round-1")
    after = {
        d.name: d.domain for study in planning.propose(store, "compare", **asked).studies for d in study.dimensions
    }
    assert before["sgd.learning_rate"].low > 1e-5
    assert after["sgd.learning_rate"].low >= before["sgd.learning_rate"].low
    assert after["adamw.learning_rate"].contains(1e-5)


def test_the_next_round_goes_on_with_the_sequence_and_the_range_that_the_review_proposed(
    store: Store, values: dict[str, Any]
) -> None:
    small_project.adopt(store, values)
    first = planning.propose(store, trials=20, roles={"sgd.momentum": "fixed", "sgd.weight_decay": "fixed"})
    planning.save(store, first)
    finish(store, "round-1", 1.0)
    findings = reviewing.review_batch(store, "round-1")
    (action,) = [finding.action for finding in findings if finding.action and finding.action.code == "widen"]
    assert [entry["check"] for entry in trials.findings(store, "round-1")] == [finding.check for finding in findings]
    assert trials.batch(store, "round-1").reviewed

    second = planning.propose(store, trials=20, roles={"sgd.momentum": "fixed", "sgd.weight_decay": "fixed"})
    assert second.scientific["optimizer.learning_rate"].to_dict() == action.payload["domain"]
    assert second.first == 20
    assert {trial.index for trial in second.trials}.isdisjoint(trial.index for trial in first.trials)
    # A range that is given counts, whatever was before.
    given = Domain("float", 1e-3, 1e-2, "log")
    third = planning.propose(store, scientific={"optimizer.learning_rate": given}, trials=4)
    assert third.scientific["optimizer.learning_rate"] == given
    # As a nuisance it keeps its range, too.
    fourth = planning.propose(store, "minimise", trials=4)
    (dimension,) = fourth.studies[0].dimensions
    assert dimension.domain.to_dict() == action.payload["domain"]


def test_a_round_of_longer_trials_is_evaluated_as_often(store: Store, values: dict[str, Any]) -> None:
    small_project.adopt(store, values)
    plan = planning.propose(store, trials=2, steps=90)
    batch = planning.save(store, plan)
    settings = configurations.configuration(store, batch.configuration)
    assert settings.settings["training.steps"] == 90
    assert settings.settings["training.evaluate_every"] == 30
    assert settings.parent is not None
    assert configurations.configuration(store, settings.parent).settings == values
    with pytest.raises(Refusal, match="at least 1 step"):
        planning.propose(store, steps=0)


def test_what_training_would_refuse_is_refused_before_it_is_queued(store: Store, values: dict[str, Any]) -> None:
    small_project.adopt(store, values)
    wide = {"schedule.warmup_steps": Domain("int", 20, 400)}
    plan = planning.propose(store, "minimise", trials=6, ranges=wide)
    with pytest.raises(Refusal, match=r"Trial \d cannot be trained: schedule.warmup_steps") as caught:
        planning.save(store, plan)
    language.set_language("zh_CN")
    try:
        assert "允许：小于 training.steps（" in language.error_text(caught.value)
    finally:
        language.set_language("en")
    assert trials.batches(store, "round") == []


def test_a_plan_is_told_in_one_language(
    store: Store, values: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """The goal stood as the word of the option, and names had a colon of half the width."""
    small_project.adopt(store, values)
    try:
        with pytest.raises(SystemExit):
            main(["--lang", "zh_CN", "round", "plan", "--trials", "6", "--project", str(store.project.root)])
    finally:
        language.set_language("en")
    told = capsys.readouterr()
    assert "目标：了解" in told.out + told.err
    assert "sgd.learning_rate：0." in told.out + told.err
    assert "研究 合并搜索：6 次试验" in told.out + told.err


def test_architectures_that_the_catalogue_does_not_have_are_named(store: Store, values: dict[str, Any]) -> None:
    small_project.adopt(store, values)
    asked = {"model.name": Domain("categorical", choices=("test_resnet", "resnet18", "nosuch"))}
    plan = planning.propose(store, "compare", scientific=asked)
    assert [note.text() for note in plan.notes][-1].startswith("Not in the catalogue: nosuch.")


def test_what_batch_sizes_were_not_measured_with_is_named(store: Store, values: dict[str, Any]) -> None:
    """It was said of architectures that are compared alone, and they of the best configuration's, whatever had been
    measured; of an adopted optimizer nobody was told."""

    def told(**asked: Any) -> list[str]:
        return [text for note in planning.propose(store, **asked).notes if (text := note.text()).startswith("Batch")]

    small_project.adopt(store, values)
    # Where nothing was measured, nothing is known of any.
    assert told(goal="compare", optimizers=["sgd", "adam"]) == []
    subject = {"model.name": "resnet18", "optimizer.name": "adamw"}
    measurements.record(store, "probe-1", "probe", subject, {"sizes": []})
    assert told() == [
        "Batch sizes were measured with resnet18. With test_resnet, memory and time of a step may differ.",
        "Batch sizes were measured with adamw. With sgd, memory and time of a step may differ.",
    ]
    last = planning.propose(store).notes[-1].text()
    assert last == "`tunebook probe` measures with the best configuration."
    # Once it has, those of the set-up are known still.
    used = {"model.name": "test_resnet", "optimizer.name": "sgd"}
    measurements.record(store, "probe-2", "probe", used, {"sizes": []})
    assert told() == []
    compared = told(goal="compare", optimizers=["sgd", "adam", "adamw"])
    assert compared == ["Batch sizes were measured with adamw, sgd. With adam, memory and time of a step may differ."]


def test_only_a_round_has_a_plan(store: Store, values: dict[str, Any]) -> None:
    small_project.adopt(store, values)
    with pytest.raises(Refusal, match="baseline-1 is no round"):
        planning.plan_of(store, "baseline-1")


def test_fresh_seeds_are_fresh() -> None:
    drawn = seeds.fresh(1, 5, set())
    assert len(set(drawn)) == 5
    assert all(0 <= seed < 2**31 for seed in drawn)
    assert seeds.fresh(1, 5, set()) == drawn
    assert seeds.fresh(1, 3, set(drawn[:2])) == seeds.fresh(1, 5, set())[2:]
    assert set(seeds.fresh(2, 5, set())).isdisjoint(drawn)


def test_a_round_of_another_length_does_not_keep_the_reasons_of_the_steps_before(
    store: Store, values: dict[str, Any]
) -> None:
    """They went into its trials' configurations, and into what is exported."""
    small_project.adopt(store, {**values, "training.steps": 100})
    before = launches.best(store)
    assert before is not None
    batch = planning.save(store, planning.propose(store, "minimise", trials=4, steps=300))
    kept = configurations.configuration(store, batch.configuration)
    assert kept.settings["training.steps"] == 300
    assert restored(kept.reasons["training.steps"]).text() == "Set when the round was planned; before that it was 100."
    same = "optimizer.learning_rate"
    assert kept.reasons.get(same) == before.reasons.get(same)

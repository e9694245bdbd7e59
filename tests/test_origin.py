"""Where a range comes from: a person's own words, the file that they changed, the rounds before, the catalogue."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from presets import catalogue, team
from rounds import dismissing, planning, reviewing, wishes
from rounds.plan import Goal, RoundPlan
from rounds.space import Domain
from state import trial_progress, trials
from state.database import Store
from state.hyperparameters import OwnHyperparameter
from state.project import Settings, change, create
from state.store import open_store
from state.trials import Trial
from tests import small_project
from tests.test_cli import tunebook

LR, NAME = "optimizer.learning_rate", "sgd.learning_rate"
FIXED: Any = {"optimizer.momentum": "fixed", "optimizer.weight_decay": "fixed"}
WIDE = Domain("float", 0.01, 1000.0, "log")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(small_project.project(tmp_path / "p", tmp_path / "data")) as opened:
        small_project.adopt(opened, small_project.settings(tmp_path / "data"))
        yield opened


@pytest.fixture
def team_file(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "p" / team.FILE
    catalogue.use(None)


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Store]:
    """A project on a command of the user's own, with a learning rate that has no range yet."""
    lr = OwnHyperparameter("lr", 0.2, "float", scale="log")
    settings = Settings(command="true {lr} {folder}", hyperparameters=(lr,))
    with open_store(create(tmp_path / "own", settings)) as opened:
        small_project.adopt(opened, {"lr": 0.2})
        yield opened


def run(store: Store, plan: RoundPlan, place: float = 0.5) -> str:
    """A round of which each trial has ended, the best of them at this coordinate of every dimension."""
    return ended(store, plan, lambda entry: 0.1 + sum((u - place) ** 2 for u in entry.u.values()))


def ended(store: Store, plan: RoundPlan, best: Callable[[Trial], float | str]) -> str:
    """A round of which each trial has ended, with a result or the reason why it has none."""
    name = planning.save(store, plan).name
    for entry in trials.trials(store, name):
        value, result = best(entry), {"final": {}, "steps_done": 1, "code": "c", "versions": {}}
        if isinstance(value, str):
            result |= {"status": "infeasible" if value == "diverged" else "failed", "reason": value, "best": {}}
        else:
            metric = f"val/{store.project.settings.metric}"
            result |= {"status": "complete", "best": {"step": 1, metric: value}}
        trial_progress.mark_ended(store, entry.id, result)
    return name


def searched(plan: RoundPlan, name: str) -> Domain:
    return next(d.domain for study in plan.studies for d in study.dimensions if d.name == name)


def test_a_range_that_was_changed_in_the_project_file_goes_before_the_one_of_an_earlier_round(own: Store) -> None:
    """Changed since that round; as long as the file stays as it is, the ranges of the rounds go on."""
    run(own, planning.propose(own, scientific={"lr": WIDE}, trials=3))
    lr = OwnHyperparameter("lr", 0.2, "float", 0.05, 0.5, "log", searched=True)
    edited = change(own.project, hyperparameters=(lr,))
    with open_store(edited) as store:
        plan = planning.propose(store, "minimise", trials=3)
        assert searched(plan, "lr") == Domain("float", 0.05, 0.5, "log")
        narrow = Domain("float", 0.1, 0.3, "log")
        run(store, planning.propose(store, "minimise", ranges={"lr": narrow}, trials=3))
        assert searched(planning.propose(store, "minimise", trials=3), "lr") == narrow


def test_so_does_one_of_a_teams_presets_also_when_it_is_taken_back(store: Store, team_file: Path) -> None:
    run(store, planning.propose(store, "minimise", trials=4, ranges={LR: WIDE}))
    assert searched(planning.propose(store, "minimise", trials=4), NAME) == WIDE
    team_file.write_text("[optimizers.sgd.learning_rate]\nlow = 0.02\nhigh = 0.2\n", encoding="utf-8")
    catalogue.use(store.project.root)
    plan = planning.propose(store, "minimise", trials=4)
    assert searched(plan, NAME) == Domain("float", 0.02, 0.2, "log")
    run(store, plan)
    team_file.unlink()
    catalogue.use(store.project.root)
    assert searched(planning.propose(store, "minimise", trials=4), NAME) == Domain("float", 1e-3, 5.0, "log")


def test_a_round_of_before_that_was_recorded_is_carried_on(store: Store) -> None:
    plan = planning.propose(store, "minimise", trials=4, ranges={LR: WIDE})
    name = run(store, plan)
    with store.transaction():
        store.database.execute("UPDATE batches SET plan = json_remove(plan, '$.origins') WHERE name = ?", [name])
    assert planning.plan_of(store, name).origins == {}
    assert searched(planning.propose(store, "minimise", trials=4), NAME) == WIDE


def test_a_round_that_never_ran_shapes_no_range(store: Store) -> None:
    planning.save(store, planning.propose(store, "stabilise"))
    plan = planning.propose(store, "understand", scientific={LR: None})
    assert plan.scientific[LR] == Domain("float", 1e-3, 5.0, "log")
    # Once one of its trials runs, it is a round like any other.
    name = planning.save(store, planning.propose(store, "minimise", trials=4, ranges={LR: WIDE})).name
    trial_progress.mark_running(store, trials.trials(store, name)[0].id, restart=False)
    assert searched(planning.propose(store, "minimise", trials=4), NAME) == WIDE


def test_a_round_that_was_given_up_before_it_had_searched_shapes_no_range(store: Store) -> None:
    """Ended after one trial, since its range was a slip, it handed on that range as if it had been searched."""
    narrow = Domain("float", 0.04, 0.06, "log")
    run(store, planning.propose(store, "minimise", trials=4, ranges={LR: WIDE}))
    slip = planning.propose(store, "minimise", trials=12, ranges={LR: narrow}, roles=FIXED)
    name = planning.save(store, slip, wanted="run").name
    entries = trials.trials(store, name)
    result = {"status": "complete", "best": {"step": 1, "val/error_rate": 0.5}, "final": {}, "steps_done": 1}
    trial_progress.mark_ended(store, entries[0].id, result)
    # It may still go on.
    assert searched(planning.propose(store, "minimise", trials=4), NAME) == narrow
    wishes.end(store, name, "the range was a slip")
    plan = planning.propose(store, "minimise", trials=4)
    assert (searched(plan, NAME), plan.origins[NAME].source.text()) == (WIDE, "carried from round-1")
    # With four trials it shows which rates are good, as a round that was planned so small does.
    for entry in entries[1:4]:
        trials.ask(store, entry.id, "retry")
        trial_progress.mark_ended(store, entry.id, result)
    assert searched(planning.propose(store, "minimise", trials=4), NAME) == narrow


def test_the_rates_that_a_remedy_tries_are_not_carried_on(store: Store) -> None:
    """They lie around the present one; what was searched before, or the catalogue, goes on. A review may widen them."""
    name = run(store, planning.propose(store, "stabilise", trials=24))
    assert searched(planning.plan_of(store, name), NAME).low > 1e-3
    after = planning.propose(store, "minimise", trials=4)
    assert searched(after, NAME) == Domain("float", 1e-3, 5.0, "log")
    run(store, planning.propose(store, "minimise", trials=4, ranges={LR: WIDE}))
    last = run(store, planning.propose(store, "stabilise", trials=24), place=0.0)
    assert searched(planning.propose(store, "minimise", trials=4), NAME) == WIDE
    reviewing.review_batch(store, last)
    plan = planning.propose(store, "minimise", trials=4)
    assert plan.origins[NAME].source.text() == f"carried from {last}, as its review proposes"


def test_one_narrow_range_of_rates_for_several_optimizers_is_warned_of(tmp_path: Path, store: Store) -> None:
    """Adam was compared in the range around the rate of SGD; the catalogue has a range for each."""
    lr = OwnHyperparameter("lr", 0.1, "float", 0.0033, 3.0, "log", searched=True)
    optimizer = OwnHyperparameter("optimizer", "sgd", choices=("sgd", "adam"))
    settings = Settings(command="true {lr} {optimizer} {folder}", hyperparameters=(lr, optimizer))
    asked = {"scientific": {"optimizer": None}, "trials": 24}

    def warned(of: Store, **how: Any) -> bool:
        return any("one range for all" in words.text() for words in planning.propose(of, "compare", **how).warnings)

    with open_store(create(tmp_path / "own", settings)) as own:
        small_project.adopt(own, {"lr": 0.1, "optimizer": "sgd"})
        assert warned(own, **asked)
        assert not warned(own, **asked, ranges={"lr": Domain("float", 1e-4, 3.0, "log")})
        assert not warned(own, scientific={"lr": Domain("list", choices=(0.1, 0.3))}, trials=2)
    assert not warned(store, scientific={}, optimizers=("sgd", "adam"), trials=24)


def test_a_team_says_its_source_in_words_of_its_own(store: Store, team_file: Path) -> None:
    """Also in such as look like a field of a message."""
    own = "[optimizers.sgd.learning_rate]\nlow = 0.02\nhigh = 0.2\ndefault = 0.1\nsource = 'our {wiki}'\n"
    team_file.write_text(own, encoding="utf-8")
    catalogue.use(store.project.root)
    assert planning.propose(store, "minimise", trials=4).origins[NAME].source.text() == "our {wiki}"


def test_a_plan_says_of_each_range_where_it_comes_from(store: Store) -> None:
    """The catalogue, also where the present value lies outside it; a person; a round, or its review; a remedy."""

    def sources(goal: Goal = "minimise", count: int = 12, **asked: Any) -> dict[str, str]:
        origins = planning.propose(store, goal, trials=count, **asked).origins
        return {name: origin.source.text() for name, origin in origins.items()}

    catalogued = catalogue.optimizer("sgd").hyperparameters[0].source
    first = sources()
    assert first[NAME] == catalogued
    assert list(first) == [NAME, "sgd.momentum"]
    assert sources(ranges={LR: WIDE})[NAME] == "set for this round"
    # What is asked as it is offered comes from there.
    offered = Domain("float", 1e-3, 5.0, "log")
    assert sources("understand", scientific={LR: offered})[NAME] == catalogued
    remedies = sources("stabilise")
    assert remedies == {"schedule.warmup_steps": "what the remedy tries", NAME: "what the remedy tries"}
    small_project.adopt(store, {**planning.basis(store).settings, LR: 8.0})
    assert sources()[NAME] == f"{catalogued}; widened to hold 8, the best so far"
    name = run(store, planning.propose(store, "minimise", trials=20, roles=FIXED), place=1.0)
    assert sources()[NAME] == f"carried from {name}"
    reviewing.review_batch(store, name)
    plan = planning.propose(store, "minimise", trials=12)
    assert plan.origins[NAME].source.text() == f"carried from {name}, as its review proposes"
    assert RoundPlan.from_dict(plan.to_dict()) == plan


def test_a_range_is_widened_at_one_end_and_cut_at_the_other_where_a_review_proposes_both(store: Store) -> None:
    name = ended(
        store,
        planning.propose(store, "minimise", trials=20, roles=FIXED),
        lambda entry: "diverged" if entry.u[NAME] > 0.65 else 0.1 + entry.u[NAME] ** 2,
    )
    found = {finding.check: finding.action for finding in reviewing.review_batch(store, name) if finding.action}
    cut, wider = (Domain.from_dict(found[check].payload["domain"]) for check in ("infeasible", "boundary"))
    assert (cut.low, cut.high) == (1e-3, pytest.approx(0.28, rel=0.2))
    # What the one proposes leaves out what the other does.
    assert (wider.low < 1e-3, wider.high) == (True, cut.high)
    assert searched(planning.propose(store, "minimise", trials=20, roles=FIXED), NAME) == wider
    dismissing.dismiss(store, name, "boundary", "low enough")
    assert searched(planning.propose(store, "minimise", trials=20, roles=FIXED), NAME) == cut


def test_the_warm_up_is_the_same_share_of_a_round_of_another_length(tmp_path: Path) -> None:
    """At most a tenth of it, unless a review has made it more."""
    key = "schedule.warmup_steps"
    with open_store(small_project.project(tmp_path / "p", tmp_path / "data")) as store:
        changes = {"training__steps": 1000, "schedule__name": "linear", "schedule__warmup_steps": 50}
        small_project.adopt(store, small_project.settings(tmp_path / "data", **changes))
        plan = planning.propose(store, "minimise", trials=20)
        assert searched(plan, key) == Domain("int", 1, 100, "log")
        name = run(store, plan)
        shorter = planning.propose(store, "minimise", trials=20, steps=100)
        assert searched(shorter, key) == Domain("int", 1, 10, "log")
        assert shorter.origins[key].source.text() == f"carried from {name}, in proportion to training.steps"
        assert searched(planning.propose(store, "minimise", trials=20, steps=10_000), key).high == 1000
        same = planning.propose(store, "minimise", trials=20)
        assert (searched(same, key).high, same.origins[key].source.text()) == (100, f"carried from {name}")
        run(store, planning.propose(store, "minimise", trials=20, ranges={key: Domain("int", 20, 400, "log")}))
        assert searched(planning.propose(store, "minimise", trials=20, steps=500), key) == Domain("int", 10, 200, "log")


@pytest.fixture
def two(store: Store) -> Callable[[Callable[[bool, float], float | str]], Domain]:
    """The learning rates of the round after one of two architectures whose results are given by whether it is the
    first, and by the coordinate of the learning rate."""
    asked = {"model.name": Domain("categorical", choices=("test_resnet", "test_vit"))}

    def following(best: Callable[[bool, float], float | str]) -> Domain:
        plan = planning.propose(store, "compare", scientific=asked, trials=40, roles=FIXED)
        name = ended(store, plan, lambda entry: best("resnet" in entry.study, entry.u[NAME]))
        reviewing.review_batch(store, name)
        return searched(planning.propose(store, "compare", scientific=asked, trials=40, roles=FIXED), NAME)

    return following


def test_a_range_that_two_studies_share_is_widened_for_both(two: Any) -> None:
    """The one is best at the lower end, the other at the upper one."""
    assert two(lambda first, u: 0.1 + (u if first else 1 - u)) == Domain("float", 1e-4, 50.0, "log")


def test_once_one_of_them_goes_on_its_own_study_says_where(store: Store) -> None:
    """The range was widened for the other as well, which nobody trains any more."""
    asked = {"model.name": Domain("categorical", choices=("test_resnet", "test_vit"))}
    plan = planning.propose(store, "compare", scientific=asked, trials=40, roles=FIXED)
    name = ended(store, plan, lambda entry: 0.1 + (entry.u[NAME] if "resnet" in entry.study else 1 - entry.u[NAME]))
    reviewing.review_batch(store, name)
    following = planning.propose(store, "minimise", trials=40, roles=FIXED)
    assert following.base["model.name"] == "test_resnet"
    assert searched(following, NAME) == Domain("float", 1e-4, 5.0, "log")


def test_what_one_study_diverges_at_is_searched_on_where_the_other_is_best(two: Any) -> None:
    """All high rates of the one diverge; the other is best at the highest."""
    domain = two(lambda first, u: ("diverged" if u > 0.5 else 0.1 + (u - 0.25) ** 2) if first else 1.1 - u)
    assert (domain.low, domain.high) == (1e-3, 50.0)


def test_where_each_study_fails_at_what_the_other_needs_nothing_is_cut_off(two: Any) -> None:
    assert two(lambda first, u: "error" if (u < 0.55 if first else u > 0.45) else 0.1) == Domain(
        "float", 1e-3, 5.0, "log"
    )


def test_round_plan_tells_units_and_where_the_ranges_come_from(
    store: Store, own: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("round", "plan", "--about", "augmentation.crop_padding", "--project", store.project.root)
    assert tunebook(*words) == 0
    told = capsys.readouterr()
    lines = (told.out + told.err).splitlines()
    assert "    augmentation.crop_padding: 0 .. 4 (linear), pixels" in lines
    assert "    augmentation.crop_padding: 4 pixels on images of 32: He et al. 2016 (arXiv:1512.03385)" in lines
    assert tunebook(*words, "--json") == 0
    origins = json.loads(capsys.readouterr().out)["plan"]["origins"]
    assert origins["augmentation.crop_padding"]["unit"] == "pixels"
    assert origins[NAME]["source"] == catalogue.optimizer("sgd").hyperparameters[0].source
    lr = OwnHyperparameter("lr", 0.2, "float", 0.05, 0.5, "log", searched=True)
    change(own.project, hyperparameters=(lr,))
    assert tunebook("round", "plan", "--project", own.project.root, "--json") == 0
    origins = json.loads(capsys.readouterr().out)["plan"]["origins"]
    assert (origins["lr"]["source"], origins["lr"]["unit"]) == ("tunebook.toml", "")

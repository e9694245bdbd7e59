"""The design of a round: roles, studies, points, and what is refused; every trial it plans is a valid configuration."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from presets import catalogue
from presets.language import error_text
from rounds.budget import density
from rounds.design import plan
from rounds.plan import DesignError, Goal, PlannedTrial, RoundPlan
from rounds.sequence import extend, following, numbers
from rounds.space import Domain
from training import config

OPTIMIZERS = {entry.name: entry.hyperparameters for entry in catalogue.optimizers()}
TUNABLES = catalogue.tunables()
DIGITS = config.flat(
    config.check(
        {
            "model": {"library": "timm", "name": "resnet18"},
            "data": {"task": "image-classification", "path": "digits"},
            "optimizer": {"name": "sgd", "learning_rate": 0.1},
            "training": {"steps": 500, "batch_size": 64, "evaluate_every": 25},
        }
    )
)
WARMUP = "schedule.warmup_steps"
OPTIMIZERS_TO_COMPARE = {"optimizer.name": Domain("categorical", choices=("sgd", "adamw", "nadamw"))}
SMOOTHING = "regularization.label_smoothing"
GOALS: dict[str, tuple[Goal, dict[str, Domain | None]]] = {
    "minimise": ("minimise", {}),
    "compare": ("compare", {"optimizer.name": None}),
    "improve by more of it": ("improve", {SMOOTHING: None}),
    "improve by another": ("improve", {"schedule.name": None}),
    "understand a range": ("understand", {WARMUP: None}),
    "understand two": ("understand", {"schedule.name": None, "augmentation.flip": None}),
}


def design(goal: Goal = "minimise", **options: Any) -> RoundPlan:
    base = options.pop("base", DIGITS)
    return plan(base, goal, optimizers=OPTIMIZERS, tunables=TUNABLES, **options)


def complete(planned: RoundPlan, trial: PlannedTrial) -> dict[str, Any]:
    """The trial's whole configuration, as `state.trials.trial_settings` makes it."""
    return {key: value for key, value in {**planned.base, **trial.overrides}.items() if value is not None}


def nuisances(planned: RoundPlan) -> set[str]:
    return {name for name, role in planned.roles.items() if role == "nuisance"}


def names(planned: RoundPlan, study: str) -> list[str]:
    return [dimension.name for dimension in planned.study(study).dimensions]


@pytest.mark.parametrize("goal", GOALS)
@settings(max_examples=10, deadline=None)
@given(trials=st.integers(len(OPTIMIZERS), 120), seed=st.integers(0, 2**63), first=st.integers(0, 1000))
def test_every_trial_is_a_valid_configuration(goal: str, trials: int, seed: int, first: int) -> None:
    wanted, scientific = GOALS[goal]
    planned = design(wanted, scientific=scientific, trials=trials, seed=seed, first=first)
    assert len(planned.trials) == trials
    for trial in planned.trials:
        config.check(config.unflat(complete(planned, trial)))


@pytest.mark.parametrize("goal", GOALS)
def test_a_plan_is_stored_as_json(goal: str) -> None:
    wanted, scientific = GOALS[goal]
    planned = design(wanted, scientific=scientific, trials=30)
    assert RoundPlan.from_dict(json.loads(json.dumps(planned.to_dict()))) == planned


@pytest.mark.parametrize(
    ("trials", "opened"),
    [
        (9, {"learning_rate"}),
        (10, {"learning_rate", "beta1"}),
        (25, {"learning_rate", "beta1", "weight_decay"}),
        (26, {"learning_rate", "beta1", "weight_decay", "epsilon"}),
        (150, {"learning_rate", "beta1", "weight_decay", "epsilon", "beta2"}),
    ],
)
def test_the_budget_of_a_study_opens_the_optimizers_hyperparameters(trials: int, opened: set[str]) -> None:
    """Row P21; it is the trials of one study that count, so a comparison of two needs twice as many."""
    base = {**{k: v for k, v in DIGITS.items() if not k.startswith("optimizer.")}, "optimizer.name": "adamw"}
    base |= {"optimizer.learning_rate": 1e-3}
    assert nuisances(design(base=base, trials=trials)) == {f"adamw.{leaf}" for leaf in opened}
    two = {"optimizer.name": Domain("categorical", choices=("adamw", "sgd"))}
    halved = design("compare", base=base, scientific=two, trials=2 * trials)
    assert {name for name in nuisances(halved) if name.startswith("adamw")} == {f"adamw.{leaf}" for leaf in opened}


def test_a_regulariser_is_tuned_where_it_is_in_use_and_fixed_where_it_is_off() -> None:
    assert design().roles["regularization.dropout"] == "fixed"
    assert design(base={**DIGITS, "regularization.dropout": 0.2}).roles["regularization.dropout"] == "nuisance"


def test_each_fixed_hyperparameter_is_a_caveat() -> None:
    planned = design(roles={"optimizer.momentum": "fixed"})
    told = [caveat.text() for caveat in planned.caveats]
    assert "sgd.momentum was fixed at 0.9." in told
    assert "model.name was fixed at resnet18." in told
    assert "model.pretrained was left empty." in told
    # As a configuration and every table have it.
    assert "sgd.nesterov was fixed at true." in told
    assert len(told) == list(planned.roles.values()).count("fixed")
    assert not any("seed" in caveat or "data.path" in caveat for caveat in told)


def test_optimizers_get_studies_of_their_own_with_spaces_of_their_own() -> None:
    """Row P3: the learning rates of two optimizers are two hyperparameters, with two ranges."""
    planned = design("compare", scientific={"optimizer.name": Domain("categorical", choices=("adamw",))}, trials=24)
    assert [study.name for study in planned.studies] == ["optimizer=sgd", "optimizer=adamw"]
    assert names(planned, "optimizer=sgd") == ["sgd.learning_rate", "sgd.momentum"]
    assert names(planned, "optimizer=adamw") == ["adamw.learning_rate", "adamw.beta1"]
    adamw = next(trial for trial in planned.trials if trial.study == "optimizer=adamw")
    whole = complete(planned, adamw)
    assert whole["optimizer.name"] == "adamw"
    assert whole["optimizer.epsilon"] == 1e-8
    assert "optimizer.momentum" not in whole


def test_the_studies_take_turns_and_share_their_points() -> None:
    planned = design("improve", scientific={SMOOTHING: None}, trials=21)
    assert [trial.study for trial in planned.trials[:3]] == [
        "label_smoothing=0.0",
        "label_smoothing=tuned",
        "label_smoothing=0.0",
    ]
    off = [trial for trial in planned.trials if trial.study == "label_smoothing=0.0"]
    on = [trial for trial in planned.trials if trial.study == "label_smoothing=tuned"]
    assert [len(off), len(on)] == [11, 10]
    for one, other in zip(off, on, strict=False):
        assert one.values["sgd.learning_rate"] == other.values["sgd.learning_rate"]
        assert one.overrides[SMOOTHING] == 0
    assert len({trial.values[SMOOTHING] for trial in on}) == 10


def test_a_range_is_understood_in_one_joint_study_and_few_values_in_one_study_each() -> None:
    joint = design("understand", scientific={WARMUP: None})
    assert [study.name for study in joint.studies] == ["joint"]
    dimension = joint.study("joint").dimensions[0]
    assert (dimension.name, dimension.number, str(dimension.domain)) == (WARMUP, 0, "1 .. 50 (log)")
    few = design("understand", scientific={WARMUP: Domain("list", choices=(10, 20, 40))}, trials=48)
    assert [study.name for study in few.studies] == [f"warmup_steps={n}" for n in (0, 10, 20, 40)]
    many = design("understand", scientific={WARMUP: Domain("list", choices=tuple(range(1, 11)))})
    assert [study.name for study in many.studies] == ["joint"]


def test_a_list_of_many_values_gets_as_many_trials_as_tell_them_apart() -> None:
    """Seven values got two to four trials each, and the best could not be told from any other."""
    asked = {WARMUP: Domain("list", choices=(0, 5, 10, 15, 20, 30, 40))}
    planned = design("understand", scientific=asked)
    assert len(planned.trials) == 28
    assert not planned.warnings
    (warning,) = design("understand", scientific=asked, trials=20).warnings
    assert "20 trials over 7 values leave too few to each" in warning.text()
    assert "at least 28" in warning.text()


def test_the_value_in_use_takes_its_place_in_a_list_of_numbers() -> None:
    """In front of them it was an end of what has an order, and the curve along it a jumble."""
    asked = {WARMUP: Domain("list", choices=(20, 40, 10))}
    (domain,) = design("understand", base={**DIGITS, WARMUP: 15}, scientific=asked, trials=48).scientific.values()
    assert domain.choices == (10, 15, 20, 40)
    asked = {WARMUP: Domain("list", choices=(40, 15, 10))}
    (domain,) = design("understand", base={**DIGITS, WARMUP: 15}, scientific=asked, trials=48).scientific.values()
    assert domain.choices == (40, 15, 10)


@pytest.mark.parametrize("goal", GOALS)
@pytest.mark.parametrize("more", [0, 1, 17])
def test_an_extension_goes_on_with_the_same_sequence(goal: str, more: int) -> None:
    wanted, scientific = GOALS[goal]
    keep = {key: "fixed" for key in ("optimizer.epsilon", "optimizer.weight_decay", "optimizer.beta2")}
    options: dict[str, Any] = {"scientific": scientific, "seed": 5, "roles": keep}
    start, whole = design(wanted, trials=70, **options), design(wanted, trials=70 + more, **options)
    assert extend(start, more) == whole
    assert extend(extend(start, 2), more).trials == extend(start, 2 + more).trials


def test_a_round_that_continues_another_keeps_its_numbers_and_goes_on_from_its_last_point() -> None:
    first = design(trials=20)
    ranges = {"sgd.learning_rate": Domain("float", 1e-2, 20.0, "log"), SMOOTHING: Domain("float", 0.0, 0.2)}
    second = design(trials=20, ranges=ranges, numbers=numbers(first), first=following(first))
    assert following(first) == 20
    assert second.trials[0].index == 20
    assert {key: numbers(second)[key] for key in numbers(first)} == numbers(first)
    assert numbers(second)[SMOOTHING] == 3
    longer = extend(first, 1)
    assert second.trials[0].u["sgd.learning_rate"] == longer.trials[-1].u["sgd.learning_rate"]
    assert second.study("search").dimensions[0].domain == ranges["sgd.learning_rate"]


def test_two_earlier_keys_with_one_number_do_not_meet_in_one_study() -> None:
    planned = design(numbers={"optimizer.learning_rate": 1, "optimizer.momentum": 1})
    dealt = [dimension.number for dimension in planned.studies[0].dimensions]
    assert len(set(dealt)) == len(dealt)


def test_the_range_holds_the_value_that_is_best_so_far() -> None:
    base = {**DIGITS, "optimizer.learning_rate": 7.5, "optimizer.momentum": 0.999}
    learning_rate, momentum = design(base=base).studies[0].dimensions[:2]
    assert (learning_rate.domain.low, learning_rate.domain.high) == (1e-3, 7.5)
    assert (momentum.domain.low, momentum.domain.high) == (0.7, 0.999)


@pytest.mark.parametrize(
    ("goal", "scientific", "trials", "needed", "words"),
    [
        # Row P21: few trials are enough for the learning rate, from ten on with the momentum.
        ("minimise", {}, 3, 12, "3 trials over one hyperparameter are too few to conclude anything. Plan at least 12"),
        ("minimise", {}, 9, 12, "can show which values are good, but not whether better ones lie beyond the ranges"),
        ("minimise", {}, 10, 12, "can show which values are good"),
        ("compare", OPTIMIZERS_TO_COMPARE, 35, 36, "leave 11 to the smallest. They can show which values are good"),
        ("compare", OPTIMIZERS_TO_COMPARE, 9, 36, "too few to conclude anything. Plan at least 36, or compare fewer"),
        ("understand", {WARMUP: None}, 11, 12, "too few to conclude anything. Plan at least 12"),
    ],
)
def test_a_thin_design_warns_with_the_smallest_round_that_is_not(
    goal: Goal, scientific: dict[str, Domain | None], trials: int, needed: int, words: str
) -> None:
    thin = design(goal, scientific=scientific, trials=trials)
    assert len(thin.warnings) == 1
    assert words in thin.warnings[0].text()
    assert str(needed) in thin.warnings[0].text()
    assert extend(thin, needed - trials).warnings == ()


def test_more_dimensions_need_more_trials() -> None:
    """With the default of 20 trials for 5 dimensions it is just enough; with 6 it is not."""
    base = {**DIGITS, "regularization.dropout": 0.1, SMOOTHING: 0.1}
    assert design(base=base, trials=20).warnings == ()
    padded = design(base={**base, "augmentation.crop_padding": 2}, trials=20)
    assert "at least 24" in padded.warnings[0].text()
    (share,) = density(padded.studies, 20)
    assert (share.trials, share.dimensions, share.enough) == (20, 6, 24)
    assert share.per_axis == pytest.approx(20 ** (1 / 6))
    assert share.best_tenth == pytest.approx(1 - 0.9**20)


@pytest.mark.parametrize("goal", GOALS)
def test_without_a_number_of_trials_a_design_is_never_thin(goal: str) -> None:
    wanted, asked = GOALS[goal]
    proposed = design(wanted, scientific=asked)
    assert proposed.warnings == ()
    assert len(proposed.trials) >= 20
    assert len(proposed.trials) == 20 or design(wanted, scientific=asked, trials=20).warnings


def test_a_pipeline_of_ones_own_brings_its_own_names() -> None:
    planned = plan(
        # How many processes read the data bears on no conclusion.
        {"lr": 0.1, "width": 64, "[/red]": "猫", "num_workers": 4, "out_dir": "runs"},
        "compare",
        optimizers={},
        scientific={"width": Domain("list", choices=(64, 128))},
        ranges={"lr": Domain("float", 1e-3, 1.0, "log")},
        trials=24,
    )
    assert [study.name for study in planned.studies] == ["width=64", "width=128"]
    assert all(set(trial.overrides) == {"lr", "width"} for trial in planned.trials)
    assert [caveat.text() for caveat in planned.caveats] == ["[/red] was fixed at 猫."]


@pytest.mark.parametrize(
    "key", ["training.batch_size", "training.steps", "training.seed", "data.path", "runtime.device"]
)
@pytest.mark.parametrize("place", ["scientific", "roles", "ranges"])
def test_what_is_decided_elsewhere_is_not_searched(key: str, place: str) -> None:
    """Rows G9 and P15: batch size and number of steps above all."""
    options: dict[str, Any] = {place: {key: "nuisance" if place == "roles" else Domain("int", 1, 8)}}
    with pytest.raises(DesignError, match=r"not searched|no hyperparameter"):
        design("understand" if place == "scientific" else "minimise", **options)


FLAT = Domain("float", 0.0, 0.5)


@pytest.mark.parametrize(
    ("goal", "options", "words"),
    [
        ("win", {}, "no goal 'win'"),
        ("minimise", {"scientific": {SMOOTHING: None}}, "asks nothing else"),
        ("improve", {}, "which hyperparameter"),
        ("improve", {"scientific": {SMOOTHING: None, WARMUP: None}}, "One question"),
        ("compare", {"scientific": {SMOOTHING: None}}, "not a range"),
        ("understand", {"scientific": {"model.name": None}}, "no range for model.name"),
        ("understand", {"scientific": {"regularisation.dropout": FLAT}}, "did you mean regularization.dropout?"),
        ("understand", {"scientific": {"dropout": FLAT}}, "'dropout' is no .*; did you mean regularization.dropout?"),
        ("understand", {"scientific": {"dropout": None}}, "did you mean regularization.dropout?"),
        ("minimise", {"ranges": {"optimizer.nosuch": FLAT}}, "'optimizer.nosuch' is no setting .*check its name"),
        ("compare", {"scientific": {"optimizer.name": Domain("categorical", choices=("lion",))}}, "no optimizer lion"),
        ("understand", {"scientific": {"optimizer.name": None, SMOOTHING: None}}, "spaces of their own"),
        ("compare", {"scientific": {"schedule.name": None}, "trials": 2}, "3 settings need"),
        ("minimise", {"trials": 0}, "at least one trial"),
        ("minimise", {"roles": {"optimizer.momentum": "free"}}, "role 'free'"),
        ("minimise", {"roles": {SMOOTHING: "scientific"}}, "in one place"),
        ("minimise", {"roles": {"model.name": "nuisance"}}, "no range for model.name"),
        ("minimise", {"roles": {"optimizer.learning_rate": "fixed"}, "trials": 9}, "would be the same"),
    ],
)
def test_what_cannot_be_planned_is_refused_in_words(goal: Any, options: dict[str, Any], words: str) -> None:
    with pytest.raises(DesignError, match=words):
        design(goal, **options)


def test_trials_that_would_be_the_same_are_refused_with_what_helps() -> None:
    """As many trials as are named open a second hyperparameter; what a person fixed is not offered."""
    rate = "optimizer.learning_rate"
    with pytest.raises(DesignError) as refused:
        design("improve", scientific={rate: None}, trials=10)
    words = error_text(refused.value)
    assert "its 5 trials would be the same. What helps: 20 trials or more (--trials), which open" in words
    assert "(--role KEY=nuisance), another question (--about KEY), one trial a setting (--trials 2)" in words
    assert all(study.dimensions for study in design("improve", scientific={rate: None}, trials=20).studies)
    with pytest.raises(DesignError) as refused:
        design("minimise", roles={rate: "fixed"}, trials=9)
    assert "10 trials or more" in error_text(refused.value)
    assert "--about" not in error_text(refused.value)


def test_two_settings_that_read_the_same_are_refused() -> None:
    with pytest.raises(DesignError, match="read the same"):
        design("compare", scientific={WARMUP: Domain("categorical", choices=("1", 1))})


def test_a_value_is_typed_as_its_setting_is_declared() -> None:
    """0 was kept beside the 0.0 in use: two configurations where there is one, and the runs of one not those of the
    other."""
    dropout = "regularization.dropout"
    planned = design("compare", scientific={dropout: Domain("list", choices=(0, 0.2))}, trials=4)
    values = [complete(planned, trial)[dropout] for trial in planned.trials]
    assert {*values} == {0.0, 0.2}
    assert all(isinstance(value, float) for value in values)
    assert [study.name for study in planned.studies] == ["dropout=0.0", "dropout=0.2"]
    (study,) = design(ranges={dropout: Domain("list", choices=(0, 1e-1))}).studies
    (dimension,) = (d for d in study.dimensions if d.key == dropout)
    assert all(isinstance(value, float) for value in dimension.domain.choices)
    warmup = design("compare", scientific={WARMUP: Domain("list", choices=(0, 100))}, trials=4)
    assert {type(complete(warmup, trial)[WARMUP]) for trial in warmup.trials} == {int}


def test_studies_are_named_by_values_of_six_digits_unless_two_would_read_the_same() -> None:
    """An adopted rate of 0.07372236838595757 filled the tables with its digits."""
    base = {**DIGITS, "optimizer.learning_rate": 0.07372236838595757}
    options: Any = {"optimizers": OPTIMIZERS, "trials": 4, "roles": {"optimizer.weight_decay": "nuisance"}}
    rate = Domain("float", 1e-4, 1e-1, "log")
    planned = plan(base, "improve", scientific={"optimizer.learning_rate": rate}, **options)
    assert [study.name for study in planned.studies] == ["learning_rate=0.0737224", "learning_rate=tuned"]
    close = Domain("list", choices=(0.07372236838595757, 0.07372236, 0.1))
    planned = plan(base, "compare", scientific={"optimizer.learning_rate": close}, **options)
    assert planned.studies[0].name == "learning_rate=0.07372236838595757"

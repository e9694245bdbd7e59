"""From a goal to the trials of a round: roles, one study per scientific setting, points dealt out in turn (P1 to P6).

Each configuration key has one number in the Halton sequence for all studies of a round, so that studies share their
points, and the numbers are as low as they can be: in the large bases of high numbers few points spread less evenly.
Numbers that stay with a hyperparameter through a whole project would soon be high; a round takes those of the round
before (`numbers`) and leaves out what is no longer searched.
"""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, get_args

from presets.catalogue import Hyperparameter
from presets.language import Message, say
from rounds import budget
from rounds.plan import DesignError, Goal, Role, RoundPlan, Study, called, trial_at
from rounds.roles import (
    OPTIMIZER,
    Conditions,
    caveats,
    check_roles,
    default_role,
    domain_of,
    idle,
    including,
    is_hyperparameter,
    name_of,
    refuse_idle,
    refuse_untunable,
)
from rounds.sequence import refuse_more
from rounds.space import Choice, Dimension, Domain
from training.config import kind

# More scientific settings than this share one study, in which they are drawn evenly (P4).
FEW = 6
# With these goals, more than one question would not show which of them made the difference.
ONE_QUESTION: tuple[Goal, ...] = ("improve", "compare", "stabilise")
# The default of a round.
TRIALS = 20


@dataclass(frozen=True)
class _Setting:
    """A scientific setting before it has a search space. `varied`: the scientific keys that its study itself varies."""

    name: str
    values: Mapping[str, Any]
    varied: Mapping[str, Domain]


def plan(
    base: Mapping[str, Any],
    goal: Goal,
    *,
    optimizers: Mapping[str, Sequence[Hyperparameter]],
    tunables: Sequence[Hyperparameter] = (),
    conditions: Conditions | None = None,
    scientific: Mapping[str, Domain | None] | None = None,
    trials: int | None = None,
    seed: int = 0,
    roles: Mapping[str, Role] | None = None,
    ranges: Mapping[str, Domain] | None = None,
    numbers: Mapping[str, int] | None = None,
    first: int = 0,
) -> RoundPlan:
    """Plan a round from the best configuration (`base`, dotted names).

    `trials`: how many; None: twenty, or more where so few would conclude nothing (P5), without opening more for it.
    `scientific`: what is asked, with the values or the range to try (None: those of the catalogue). `roles` and
    `ranges` overrule the defaults, by dimension name ("sgd.momentum") or key; a range makes a nuisance of its key.
    `conditions`: which keys mean something only with some values of another; without these, no study has them (P3).
    `numbers` and `first`: of the round that this one continues. Raises DesignError for what cannot be planned.
    """
    roles, ranges = roles or {}, ranges or {}
    known = {entry.key: entry for entry in (*optimizers.get(str(base.get(OPTIMIZER)), ()), *tunables)}
    questions = _questions(goal, scientific)
    wanted = TRIALS if trials is None else trials
    _check(base, wanted, optimizers, known, [*questions, *roles, *ranges])
    asked = {key: _factor(key, domain, base, optimizers, known, goal) for key, domain in questions.items()}
    check_roles(roles, asked)
    chosen, conditions = _settings(goal, asked, base, known), conditions or {}
    refuse_idle(asked, base, conditions)
    if trials is not None and trials < len(chosen):
        raise DesignError("{settings} settings need at least as many trials.", settings=len(chosen))
    each = wanted // len(chosen)
    built = [_study(setting, base, optimizers, tunables, roles, ranges, each, conditions) for setting in chosen]
    studies = _numbered([study for study, _, _ in built], numbers or {})
    if trials is None:
        trials = max(TRIALS, budget.enough(studies, asked))
    _check_studies(studies, trials, _ways(base, optimizers, tunables, roles, asked, len(studies)))
    everything: dict[str, Role] = {key: "scientific" for key in asked}
    fixed: dict[str, Any] = {}
    for _, own, values in built:
        everything.update({name: role for name, role in own.items() if name not in asked})
        fixed.update(values)
    return RoundPlan(
        goal=goal,
        seed=seed,
        first=first,
        base=dict(base),
        roles=everything,
        scientific=asked,
        studies=studies,
        trials=tuple(trial_at(place, seed, first, studies) for place in range(trials)),
        caveats=caveats(base, everything, fixed),
        warnings=budget.thinness(studies, trials, asked),
    )


def _questions(goal: Goal, scientific: Mapping[str, Domain | None] | None) -> Mapping[str, Domain | None]:
    asked = scientific or {}
    if goal not in get_args(Goal):
        raise DesignError("There is no goal {goal}: choose one of {goals}.", goal=repr(goal), goals=get_args(Goal))
    if goal == "minimise" and asked:
        raise DesignError(
            "A round that minimises the error asks nothing else: leave out {keys}, or choose another goal.",
            keys=sorted(asked),
        )
    if goal != "minimise" and not asked:
        raise DesignError("Say which hyperparameter the round is about: with this goal one must be scientific.")
    if goal in ONE_QUESTION and len(asked) > 1:
        raise DesignError(
            "One question a round: {keys} at once would not show which of them made the difference.",
            keys=sorted(asked),
        )
    return asked


def _factor(
    key: str,
    domain: Domain | None,
    base: Mapping[str, Any],
    optimizers: Mapping[str, Sequence[Hyperparameter]],
    known: Mapping[str, Hyperparameter],
    goal: Goal,
) -> Domain:
    """The values of a scientific hyperparameter; what is in use now is always among those it is compared with."""
    refuse_untunable([key])
    if domain is None:
        if key == OPTIMIZER and optimizers:
            domain = Domain("categorical", choices=tuple(optimizers))
        elif key in known:
            domain = domain_of(known[key], base)
        else:
            raise DesignError("There is no range for {key}: give the values to try.", key=key)
    domain = _typed(key, domain, known.get(key))
    if domain.is_range:
        if goal == "compare":
            raise _no_values(key, optimizers)
        return domain
    current = base.get(key, known[key].default if key in known else None)
    if current is None or domain.contains(current):
        return domain
    if domain.kind == "list" and isinstance(current, int | float):
        return replace(domain, choices=tuple(sorted((current, *domain.choices))))
    return replace(domain, choices=(current, *domain.choices))


def _no_values(key: str, optimizers: Collection[str]) -> DesignError:
    """What to say where values are compared, and none were given."""
    if optimizers:
        return DesignError(
            "Give the values of {key} to compare, not a range: --about {key}=VALUE,VALUE. Optimizers are compared with "
            "--optimizer NAME --optimizer NAME.",
            key=key,
        )
    return DesignError("Give the values of {key} to compare, not a range: --about {key}=VALUE,VALUE", key=key)


def _check(
    base: Mapping[str, Any],
    trials: int,
    optimizers: Mapping[str, Sequence[Hyperparameter]],
    known: Mapping[str, Hyperparameter],
    mentioned: Collection[str],
) -> None:
    if trials < 1:
        raise DesignError("A round needs at least one trial, not {trials}.", trials=trials)
    refuse_more(trials)
    refuse_untunable(mentioned)
    owned = {(entry.key, optimizer) for optimizer, entries in optimizers.items() for entry in entries}
    usable = {*base, *known, *(key for key, _ in owned), *(name_of(key, optimizer) for key, optimizer in owned)}
    for key in mentioned:
        if key not in usable:
            raise _unknown(key, usable)


def _unknown(key: str, usable: Collection[str]) -> DesignError:
    """What to say of a name that is none: the last part of one is easily taken for the whole."""
    leaves: dict[str, list[str]] = {}
    for name in sorted(usable):
        leaves.setdefault(_leaf(name), []).append(name)
    near = [name for leaf in difflib.get_close_matches(_leaf(key), leaves, 2, 0.7) for name in leaves[leaf]]
    if near:
        return DesignError(
            "{key} is no setting of the best configuration; did you mean {near}?",
            key=repr(key),
            near=near[:4],
        )
    return DesignError("{key} is no setting of the best configuration: check its name.", key=repr(key))


def _settings(
    goal: Goal, asked: Mapping[str, Domain], base: Mapping[str, Any], known: Mapping[str, Hyperparameter]
) -> list[_Setting]:
    """The scientific settings: one for each combination while they are few, else one that varies them all."""
    if not asked:
        return [_Setting("search", {}, {})]
    if goal == "improve" and (range_key := next((key for key in asked if asked[key].is_range), None)):
        leaf = _leaf(range_key)
        current = base.get(range_key, known[range_key].default if range_key in known else None)
        return [
            _Setting(f"{leaf}={_short(current)}", {range_key: current}, {}),
            _Setting(f"{leaf}=tuned", {range_key: None}, dict(asked)),
        ]
    listed = all(not domain.is_range for domain in asked.values())
    combinations = list(itertools.product(*(domain.choices for domain in asked.values()))) if listed else []
    if listed and (len(combinations) <= FEW or OPTIMIZER in asked):
        named = {key: _naming(domain.choices) for key, domain in asked.items()}
        return [
            _Setting(
                ",".join(f"{_leaf(key)}={named[key](value)}" for key, value in zip(asked, values, strict=True)),
                dict(zip(asked, values, strict=True)),
                {},
            )
            for values in combinations
        ]
    if OPTIMIZER in asked:
        raise DesignError(
            "Optimizers have search spaces of their own: compare them without a range for {keys}.",
            keys=sorted(key for key in asked if asked[key].is_range),
        )
    return [_Setting("joint", dict.fromkeys(asked), dict(asked))]


def _naming(values: Sequence[Choice]) -> Callable[[Any], str]:
    """How values are written in the names of studies: with six digits, unless two of them would read the same."""
    short = {_short(value) for value in values}
    return _short if len(short) == len({str(value) for value in values}) else str


def _short(value: Any) -> str:
    return str(float(f"{value:.6g}")) if isinstance(value, float) else str(value)


def _study(
    setting: _Setting,
    base: Mapping[str, Any],
    optimizers: Mapping[str, Sequence[Hyperparameter]],
    tunables: Sequence[Hyperparameter],
    roles: Mapping[str, Role],
    ranges: Mapping[str, Domain],
    trials: int,
    conditions: Conditions,
) -> tuple[Study, dict[str, Role], dict[str, Any]]:
    """The study of a setting with numbers still to be dealt (0), the role of each name, and the value of each."""
    optimizer = str(setting.values.get(OPTIMIZER, base.get(OPTIMIZER, "")))
    if OPTIMIZER in setting.values and optimizers and optimizer not in optimizers:
        raise DesignError("There is no optimizer {name}: known are {known}.", name=optimizer, known=list(optimizers))
    entries = {entry.key: entry for entry in (*optimizers.get(optimizer, ()), *tunables)}
    values, overrides = switched(optimizer, base, entries)
    overrides |= {key: value for key, value in setting.values.items() if value is not None}
    own: dict[str, Role] = {}
    tuned = [key for key, role in roles.items() if role == "nuisance"]
    dimensions = [Dimension(name_of(key, optimizer), key, domain, 0) for key, domain in setting.varied.items()]
    for key in (*entries, *(key for key in values if key not in entries)):
        if key in setting.values or not is_hyperparameter(key, base):
            continue
        if idle(key, {**values, **setting.values}, conditions, {*setting.varied, *tuned}):
            continue
        name = name_of(key, optimizer)
        entry, given = entries.get(key), ranges.get(name, ranges.get(key))
        given = given and _typed(key, given, entry)
        default: Role = default_role(entry, base, trials) if entry and not given else "nuisance" if given else "fixed"
        own[name] = roles.get(name, roles.get(key, default))
        if own[name] == "nuisance":
            if not given and not entry:
                raise DesignError("There is no range for {key}: give one.", key=key)
            domain = given or including(domain_of(entries[key], base), values.get(key))
            dimensions.append(Dimension(name, key, domain, 0))
    named = {name_of(key, optimizer): value for key, value in values.items()}
    return Study(setting.name, dict(setting.values), overrides, tuple(dimensions)), own, named


def switched(
    optimizer: str, base: Mapping[str, Any], entries: Mapping[str, Hyperparameter]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The values of the configuration with this optimizer, and what that overrides: another optimizer's settings go."""
    defaults = {key: entry.default for key, entry in entries.items()}
    if optimizer == str(base.get(OPTIMIZER, "")):
        return {**defaults, **base}, {}
    gone = {key: None for key in base if key.startswith("optimizer.") and key not in entries and key != OPTIMIZER}
    new = {key: value for key, value in defaults.items() if key.startswith("optimizer.")}
    kept = {key: value for key, value in base.items() if key not in gone}
    return {**defaults, **kept, **new, OPTIMIZER: optimizer}, {**gone, **new}


def _numbered(studies: Sequence[Study], earlier: Mapping[str, int]) -> tuple[Study, ...]:
    """Deal out dimension numbers: the earlier ones stay, any other key gets the lowest that is free in its studies."""
    dealt: dict[str, int] = {}
    keyed = [[dimension.key for dimension in study.dimensions] for study in studies]
    ordered = list(dict.fromkeys(key for keys in keyed for key in keys))
    for key in sorted(ordered, key=lambda key: key not in earlier):
        taken = {dealt[other] for keys in keyed if key in keys for other in keys if other in dealt}
        wished = earlier.get(key, 0)
        dealt[key] = wished if wished not in taken else next(n for n in itertools.count() if n not in taken)
    return tuple(
        replace(study, dimensions=tuple(replace(d, number=dealt[d.key]) for d in study.dimensions)) for study in studies
    )


def _check_studies(studies: Sequence[Study], trials: int, ways: Sequence[Message]) -> None:
    names = [study.name for study in studies]
    for name in names:
        if names.count(name) > 1:
            raise DesignError("Two of the settings to compare read the same: {name}.", name=name)
    for share in budget.density(studies, trials):
        if not share.dimensions and share.trials > 1:
            raise DesignError(
                "All hyperparameters of {study} are fixed, so its {trials} trials would be the same. What helps: "
                "{ways}.",
                study=called(share.study),
                trials=share.trials,
                ways=ways,
            )


def _ways(
    base: Mapping[str, Any],
    optimizers: Mapping[str, Sequence[Hyperparameter]],
    tunables: Sequence[Hyperparameter],
    roles: Mapping[str, Role],
    asked: Collection[str],
    settings: int,
) -> list[Message]:
    """What to do about a study that varies nothing: so many trials that something is opened (P21), or another plan."""
    optimizer = str(base.get(OPTIMIZER, ""))
    opened = [
        (entry.opens_at * settings, name_of(entry.key, optimizer))
        for entry in (*optimizers.get(optimizer, ()), *tunables)
        if entry.opens_at
        and not {entry.key, name_of(entry.key, optimizer)} & {*roles, *asked}
        and default_role(entry, base, entry.opens_at) == "nuisance"
    ]
    ways = [say("a hyperparameter that is tuned along (--role KEY=nuisance)")]
    if opened:
        least, name = min(opened)
        ways.insert(0, say("{least} trials or more (--trials), which open {name}", least=least, name=name))
    if asked:
        ways.append(say("another question (--about KEY)"))
    return [*ways, say("one trial a setting (--trials {settings})", settings=settings)]


def _typed(key: str, domain: Domain, entry: Hyperparameter | None) -> Domain:
    """The values of a setting as it is declared: a configuration with 0 for 0.0 would pass for another one."""
    declared = kind(key) or (entry.kind if entry else "")
    return domain.of_floats() if declared == "float" and domain.kind != "int" else domain


def _leaf(key: str) -> str:
    return "optimizer" if key == OPTIMIZER else key.rpartition(".")[2]

"""What a project's rounds can search: the catalogue's hyperparameters, or those of the user's own pipeline."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from presets import catalogue
from presets.catalogue import Hyperparameter
from presets.language import Message, say
from rounds.plan import Role
from rounds.roles import OPTIMIZER, idle, is_hyperparameter, is_length, name_of, setting_of
from rounds.space import Domain
from state import declared, pipeline
from state.errors import Invalid
from state.hyperparameters import OwnHyperparameter
from state.pipeline import Pipeline
from state.project import FILE, Project
from state.usual_names import RATES, alike, leaf, names_optimizer
from training.config import ConfigError, fault, kind

# What a first round is about where nothing else is asked: the hyperparameter that matters most.
FIRST_QUESTION = "optimizer.learning_rate"


def optimizers(project: Project, base: Mapping[str, Any]) -> dict[str, Sequence[Hyperparameter]]:
    """Each optimizer that can be compared, with its hyperparameters; none of a pipeline of the user's own, whose
    hyperparameters are all in one list."""
    if project.settings.command:
        return {}
    return {
        entry.name: entry.hyperparameters
        for entry in catalogue.optimizers(fine_tuning=bool(base.get("model.pretrained")))
    }


def tunables(project: Project) -> tuple[Hyperparameter, ...]:
    """What has a range beside the optimizer's hyperparameters; of a pipeline of the user's own all that has one."""
    if not project.settings.command:
        return tuple(catalogue.tunables())
    return tuple(
        _as_catalogued(entry)
        for entry in project.settings.hyperparameters
        if entry.ranged and _searched(project, entry.name)
    )


def roles(project: Project, asked: Mapping[str, Any]) -> dict[str, Role]:
    """The roles that the user gave the hyperparameters of their own pipeline, but for what a round asks about. Several
    optimizers that they named are compared, each in a study of its own, or one is fixed (P2, P3)."""
    if not project.settings.command:
        return {}
    listed = project.settings.hyperparameters
    searched = [entry for entry in listed if entry.searched and _searched(project, entry.name)]
    # One optimizer's learning rate is not another's, even under one name: in one study the rates of both would be one.
    return {
        entry.name: "fixed" if names_optimizer(entry.name) else "nuisance"
        for entry in searched
        if entry.name not in asked
    }


def conditions(project: Project) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Of the user's own hyperparameters that mean something only with values of another: that one, and these values.
    Refuses one that there is not."""
    listed = project.settings.hyperparameters if project.settings.command else ()
    found = {entry.name: entry.condition for entry in listed if entry.condition is not None}
    names = [entry.name for entry in listed]
    for name, (other, _values) in found.items():
        if other not in names or other == name:
            raise Invalid(
                "{path}: only_with of {name} names {other}, which is no other hyperparameter there. There are: {names}",
                path=str(project.root / FILE),
                name=name,
                other=other,
                names=[entry for entry in names if entry != name],
            )
    return found


def stand_ins(project: Project, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The values at the start of what fills the command with these settings, and was listed for that since they were
    decided: they have none of it."""
    there = pipeline.own(project)
    filling = {there.filling(name, settings) for name in there.places()}
    return {
        entry.name: entry.default
        for entry in there.instead
        if entry.name in filling and settings.get(entry.name) is None and entry.default is not None
    }


def known(project: Project, base: Mapping[str, Any], key: str, optimizer: str) -> Hyperparameter | None:
    """A hyperparameter with its range for this configuration and optimizer, by its key or its name in a round; None
    where no range is known."""
    listed = (*(optimizers(project, base).get(optimizer, ())), *tunables(project))
    return next((entry for entry in listed if key in (entry.key, name_of(entry.key, optimizer))), None)


def key_of(project: Project, base: Mapping[str, Any], name: str) -> str:
    """The key that is meant by a name, be it what the user's own pipeline calls it or a short one that fits one setting
    of the configuration alone; any other name as it is."""
    own = pipeline.of(project)
    if name in base or "." in name:
        return name
    if own is not None and own.key(name) != name:
        return own.key(name)
    for wanted in alike(name):
        if found := [key for key in base if leaf(key) == wanted]:
            return found[0] if len(found) == 1 else name
    return name


def setting_meant(project: Project, base: Mapping[str, Any], name: str) -> str:
    """The setting of the configuration that is meant by a name, as `key_of` says, or be it the name that a round has
    for a hyperparameter of the configuration's own optimizer."""
    key = key_of(project, base, name)
    return setting_of(key) if name_of(setting_of(key), str(base.get(OPTIMIZER, ""))) == key else key


def offers(project: Project, base: Mapping[str, Any]) -> dict[str, Hyperparameter]:
    """All that have a range, by their names in a round of this configuration."""
    owned = {name_of(e.key, name): e for name, entries in optimizers(project, base).items() for e in entries}
    return owned | {name_of(e.key, str(base.get(OPTIMIZER, ""))): e for e in tunables(project)}


def first_question(project: Project, base: Mapping[str, Any], asked: Collection[str] = ()) -> str:
    """What a first round is about: the learning rate, or what there is to ask about instead that means something with
    the configuration `base`. Optimizers of the user's own pipeline that are to be tried come before it, as long as no
    round has `asked` which is best."""
    if not project.settings.command:
        return FIRST_QUESTION
    met = conditions(project)
    listed = [entry for entry in tunables(project) if not idle(entry.key, base, met)]
    named = [entry.name for entry in project.settings.hyperparameters if entry.searched and entry.choices]
    if optimizer := next((name for name in named if names_optimizer(name) and name not in asked), None):
        return optimizer
    rates = [entry for entry in listed if leaf(entry.key) in RATES]
    searched = [entry for entry in listed if entry.opens_at == 0]
    return next((entry.key for entry in (*rates, *searched, *listed)), "")


def optimizer_key(project: Project, base: Mapping[str, Any]) -> str:
    """The setting that says which optimizer trains. Refuses a command that has none, or several."""
    if not project.settings.command:
        return OPTIMIZER
    named = [key for key in base if names_optimizer(key)]
    if len(named) == 1:
        return named[0]
    raise Invalid(
        "Which setting of the command names the optimizer is not known ({named}): say it yourself, as --about "
        "KEY=VALUE,VALUE. It has: {settings}.",
        named=[*named] or "-",
        settings=[*base],
    )


def takes_seed(project: Project) -> bool:
    """Whether a trial's seed reaches what trains."""
    own = pipeline.of(project)
    return own is None or pipeline.SEED in own.names


def seedless(project: Project) -> tuple[Message, ...]:
    """What to know of a command that takes no seed."""
    if takes_seed(project):
        return ()
    return (
        say(
            "The command takes no seed, so repeated runs may be identical, and how far runs differ by chance is then "
            "not seen. A placeholder {seed} in it would mend that.",
            seed="{seed}",
        ),
    )


def check_values(project: Project, base: Mapping[str, Any], domains: Mapping[str, Domain]) -> None:
    """Refuse values that cannot be trained with, before anything is planned with them: the built-in training knows what
    each of its settings may be; a command of the user's own shows what its script declares, and what kind of value it
    is given now."""
    for name, domain in domains.items():
        if project.settings.command:
            _check_kinds(name, base.get(name), domain.choices)
            _check_declared(pipeline.own(project), name, domain.choices)
            continue
        key = setting_of(name)
        # An optimizer that there is none of is refused with those that there are.
        for value in domain.choices if key != OPTIMIZER else ():
            if problem := fault(key, value):
                raise Invalid("{problem}", problem=ConfigError((problem,)).in_one_line())
        if domain.is_range and kind(key) in ("str", "bool"):
            raise Invalid("{key} has values, not a range: give them with commas between them.", key=key)


def _check_kinds(key: str, now: Any, values: Sequence[Any]) -> None:
    for value in values:
        if _kind(now) and _kind(value) != _kind(now):
            raise Invalid(
                "{key}: {value!r} does not fit; the best configuration has {now}.", key=key, value=value, now=now
            )


def _check_declared(own: Pipeline, key: str, values: Sequence[Any]) -> None:
    """Refuse a value that the script says it does not take."""
    entry = declared.of_name(own, own.place(key))
    if entry is None:
        return
    for value in values:
        if wanted := declared.misfit(entry, value):
            raise Invalid("{name}: {value!r} does not fit; wanted: {wanted}", name=key, value=value, wanted=wanted)


def _kind(value: Any) -> str:
    """What a value is, where that says what may take its place; empty for a text, which is anything."""
    if isinstance(value, bool):
        return "switch"
    return "number" if isinstance(value, int | float) else ""


def _searched(project: Project, name: str) -> bool:
    """Whether a listed hyperparameter can be searched; what was named seed, batch size or steps since cannot."""
    now = project.settings
    return name not in (now.seed, now.batch_size, now.steps) and _searchable(name)


def _searchable(key: str) -> bool:
    return key not in pipeline.USUAL and not is_length(key) and is_hyperparameter(key, {})


def _as_catalogued(entry: OwnHyperparameter) -> Hyperparameter:
    return Hyperparameter(
        key=entry.name,
        default=entry.default if entry.default is not None else "",
        opens_at=0 if entry.searched else None,
        low=entry.low,
        high=entry.high,
        scale=entry.scale,
        kind=entry.kind,
        choices=tuple(entry.choices),
        share_of="",
        source=FILE,
    )

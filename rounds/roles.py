"""Which role each hyperparameter plays in a round by default, and what never may be searched (P2, G9, P15, P21)."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from typing import Any, TypeAlias, get_args

from presets.catalogue import Hyperparameter
from presets.language import Message, say
from rounds.plan import DesignError, Role, RoundPlan
from rounds.space import Domain, Scale
from state import hyperparameters
from state.hyperparameters import written
from state.usual_names import EPOCHS, beside, leaf
from training.config import OPTIMIZERS

OPTIMIZER = "optimizer.name"
# What means something only with some values of another setting: that one, and these values as they are written.
Conditions: TypeAlias = Mapping[str, tuple[str, tuple[str, ...]]]
# What such a setting holds while the thing is not in use.
OFF = (0, False, "", "constant", "none", "off", None)
# Where the data lie, what is measured, how often, on what: no hyperparameters, and no caveats either.
NOT_TUNED = {
    "data.task",
    "data.path",
    "data.text_column",
    "data.label_column",
    "data.encoding",
    "data.validation_fraction",
    "data.split_seed",
    "model.library",
    "training.evaluate_every",
    "training.evaluation_batch_size",
    "training.evaluation_examples",
    "training.keep_checkpoints",
    "training.metric",
    "training.seed",
}
# Settings that mean nothing for a task of this kind.
MEANINGLESS = {
    "image-classification": (
        "data.max_length",
        "model.layers",
        "model.hidden_size",
        "model.heads",
        "model.vocabulary_size",
    ),
    "text-classification": ("data.image_size", "data.channels", "augmentation."),
}


def is_length(key: str) -> bool:
    """Whether the setting says how long a run is, under whatever name."""
    return key == "training.steps" or leaf(key) in EPOCHS


def is_hyperparameter(key: str, base: Mapping[str, Any]) -> bool:
    """Whether the setting bears on what is learnt, for the task of this configuration."""
    meaningless = MEANINGLESS.get(str(base.get("data.task")), ())
    return key not in NOT_TUNED and not key.startswith(("runtime.", *meaningless))


def refuse_untunable(keys: Iterable[str]) -> None:
    """Raise DesignError for a setting that is decided, not searched."""
    for key in keys:
        if key == "training.batch_size":
            raise DesignError(
                "The batch size is not searched: it sets the speed, and with the other hyperparameters tuned for each "
                "size the result is the same. Decide it in the set-up, then tune the optimizer again."
            )
        if is_length(key):
            raise DesignError(
                "The number of steps is not searched: in a round every trial gets the same. Choose it before the "
                "round; the review says where the best checkpoints lie."
            )
        if key in NOT_TUNED or key.startswith("runtime."):
            raise DesignError(
                "{key} is no hyperparameter: it says what is measured or where, not what is learnt.", key=key
            )


def idle(key: str, values: Mapping[str, Any], conditions: Conditions, varied: Collection[str] = ()) -> bool:
    """Whether a setting means nothing with these values of the others, of which none that is `varied` has one."""
    condition = conditions.get(key)
    return condition is not None and condition[0] not in varied and hyperparameters.idle(condition, values)


def refuse_idle(asked: Collection[str], base: Mapping[str, Any], conditions: Conditions) -> None:
    """Raise DesignError for a question about what means nothing with the best configuration's values (P3)."""
    for key in asked:
        if idle(key, base, conditions, asked):
            other, values = conditions[key]
            raise DesignError(
                "{key} means something only where {other} is one of {values}, and the best configuration has {value}. "
                "First find out about {other}.",
                key=key,
                other=other,
                values=list(values),
                value=str(written(base[other])),
            )


def check_roles(roles: Mapping[str, Role], asked: Iterable[str]) -> None:
    """Raise DesignError for a role that there is none of, or that contradicts what the round asks."""
    for name, role in roles.items():
        if role not in get_args(Role):
            raise DesignError(
                "{name} has the role {role}: choose one of {roles}.", name=name, role=repr(role), roles=get_args(Role)
            )
        if (role == "scientific") != (name in asked):
            raise DesignError(
                "{name} is scientific exactly where the round asks about it: say so in one place.", name=name
            )


def name_of(key: str, optimizer: str) -> str:
    """The name of a dimension: an optimizer's hyperparameters are its own, even under the name of another's (P3)."""
    section, _, leaf = key.partition(".")
    # An optimizer that only the user's own pipeline knows has no names of its own.
    return f"{optimizer}.{leaf}" if section == "optimizer" and optimizer in OPTIMIZERS and key != OPTIMIZER else key


def value_of(base: Mapping[str, Any], name: str, key: str) -> Any:
    """The value that a configuration has for a dimension; None where it is that of another optimizer under its key."""
    return base.get(key) if name in (key, name_of(key, str(base.get(OPTIMIZER, "")))) else None


def asked_of(plan: RoundPlan) -> dict[str, Domain]:
    """What a round asks about, under the names that its studies have for it; where optimizers are compared, a
    hyperparameter of theirs keeps its configuration key."""
    optimizer = "" if OPTIMIZER in plan.scientific else str(plan.base.get(OPTIMIZER, ""))
    return {name_of(key, optimizer): domain for key, domain in plan.scientific.items()}


def setting_of(name: str) -> str:
    """The configuration key of a dimension's name: `sgd.momentum` sets `optimizer.momentum`."""
    section, _dot, leaf = name.partition(".")
    return f"optimizer.{leaf}" if section in OPTIMIZERS else name


def default_role(entry: Hyperparameter, base: Mapping[str, Any], trials: int) -> Role:
    """Nuisance where a study of so many trials opens it (P21) and, outside the optimizer, it is in use; else fixed."""
    opened = entry.opens_at is not None and entry.opens_at <= trials
    used = in_use(entry.key, base.get(entry.key, entry.default))
    return "nuisance" if opened and used else "fixed"


def in_use(key: str, value: Any) -> bool:
    """Whether a setting of the built-in training does anything with this value; the optimizer's own always do."""
    return key.startswith("optimizer.") or value not in OFF


def domain_of(entry: Hyperparameter, base: Mapping[str, Any]) -> Domain:
    """The catalogue's range for this configuration. Raises DesignError where there is none."""
    if entry.kind == "categorical":
        return Domain("categorical", choices=entry.choices)
    if entry.low is None or entry.high is None:
        raise DesignError("{key} has no range in the catalogue: give one.", key=entry.key)
    low, high = entry.low, entry.high
    if entry.share_of:
        whole = base.get(entry.share_of)
        if not isinstance(whole, int | float):
            raise DesignError(
                "The range of {key} is a share of {share_of}, which this configuration lacks: give a range.",
                key=entry.key,
                share_of=entry.share_of,
            )
        low, high = low * whole, high * whole
    if entry.kind == "int":
        low = max(math.ceil(low), 1 if entry.scale == "log" else low)
        return Domain("int", int(low), max(int(low), math.floor(high)), entry.scale)
    return Domain("float", low, high, entry.scale)


def including(domain: Domain, value: Any) -> Domain:
    """The range, widened to hold the value that is best so far, where the scale has a place for it."""
    if not domain.is_range or isinstance(value, bool) or not isinstance(value, int | float):
        return domain
    if not (_fits(domain.scale, value) and math.isfinite(value)) or (domain.kind == "int" and value != int(value)):
        return domain
    return Domain(domain.kind, min(domain.low, value), max(domain.high, value), domain.scale)


def caveats(base: Mapping[str, Any], roles: Mapping[str, Role], values: Mapping[str, Any]) -> tuple[Message, ...]:
    """A sentence for each fixed hyperparameter: the conclusion holds for its value alone (P2). `values` by name."""
    return tuple(_caveat(name, values.get(name, base.get(name))) for name in depended_on(roles))


def depended_on(roles: Mapping[str, Role]) -> list[str]:
    """The fixed hyperparameters on whose values a conclusion depends: none of how a script is run, or of what it
    writes, as far as their names tell."""
    return [name for name, role in roles.items() if role == "fixed" and not beside(name)]


def _fits(scale: Scale, value: float) -> bool:
    return {"linear": True, "log": value > 0, "one-minus-log": value < 1}[scale]


def _caveat(name: str, value: Any) -> Message:
    if value is None or value == "":
        return say("{name} was left empty.", name=name)
    return say("{name} was fixed at {value}.", name=name, value=written(value))

"""The plan of a round: its goal, what role each hyperparameter has, its studies and their trials. Plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from presets.language import Message, restored, say, stored
from rounds.halton import point
from rounds.space import Dimension, Domain
from state.errors import Invalid

Goal = Literal["understand", "improve", "compare", "stabilise", "minimise"]
Role = Literal["scientific", "nuisance", "fixed"]


class DesignError(Invalid, ValueError):
    """A round that cannot be planned as asked."""


# The studies that are called by what they do, not by the values that they compare.
_CALLED = {"joint": say("joint"), "search": say("search")}


def called(study: str) -> Message | str:
    """The name of a study as people read it."""
    return _CALLED.get(study, study)


@dataclass(frozen=True)
class Study:
    """One scientific setting with its own search space. `setting`: scientific key to its value, or to None where the
    study itself varies it; `overrides`: what each of its trials sets, None to remove a key."""

    name: str
    setting: Mapping[str, Any]
    overrides: Mapping[str, Any]
    dimensions: tuple[Dimension, ...]


@dataclass(frozen=True)
class PlannedTrial:
    """One point of a study. `u` and `values` by dimension name, `overrides` by configuration key."""

    study: str
    index: int
    u: Mapping[str, float]
    values: Mapping[str, Any]
    overrides: Mapping[str, Any]


@dataclass(frozen=True)
class Origin:
    """Where the range of a dimension comes from, in words, and what the catalogue or the project's files `offered` when
    the round was planned: {} for nothing. `unit`: of its values, a message id; empty for plain numbers."""

    source: Message
    offered: Mapping[str, Any]
    unit: str = ""


@dataclass(frozen=True)
class RoundPlan:
    """A whole round. `base`: the best configuration it starts from; `roles`: hyperparameter name to role; `scientific`:
    what is asked, with its values; `first`: index of the first point, above 0 where earlier points are to be
    continued; `caveats`: what the conclusion will depend on; `warnings`: what is wrong with the design; `notes`: why
    its goal asks this, and what to mind; `origins`: of the ranges, by dimension name."""

    goal: Goal
    seed: int
    first: int
    base: Mapping[str, Any]
    roles: Mapping[str, Role]
    scientific: Mapping[str, Domain]
    studies: tuple[Study, ...]
    trials: tuple[PlannedTrial, ...]
    caveats: tuple[Message, ...]
    warnings: tuple[Message, ...]
    notes: tuple[Message, ...] = ()
    origins: Mapping[str, Origin] = field(default_factory=dict)

    def study(self, name: str) -> Study:
        """The study of this name. Raises KeyError for an unknown one."""
        for study in self.studies:
            if study.name == name:
                return study
        raise KeyError(name)

    def to_dict(self) -> dict[str, Any]:
        """A mapping that JSON can keep; `from_dict` reads it."""
        return {
            "goal": self.goal,
            "seed": self.seed,
            "first": self.first,
            "base": dict(self.base),
            "roles": dict(self.roles),
            "scientific": {key: domain.to_dict() for key, domain in self.scientific.items()},
            "studies": [
                {
                    "name": study.name,
                    "setting": dict(study.setting),
                    "overrides": dict(study.overrides),
                    "dimensions": [dimension.to_dict() for dimension in study.dimensions],
                }
                for study in self.studies
            ],
            "trials": [
                {part: _plain(getattr(trial, part)) for part in ("study", "index", "u", "values", "overrides")}
                for trial in self.trials
            ],
            "caveats": [stored(message) for message in self.caveats],
            "warnings": [stored(message) for message in self.warnings],
            "notes": [stored(message) for message in self.notes],
            "origins": {
                name: {"source": stored(origin.source), "offered": dict(origin.offered), "unit": origin.unit}
                for name, origin in self.origins.items()
            },
        }

    @staticmethod
    def from_dict(mapping: Mapping[str, Any]) -> RoundPlan:
        """The plan that `to_dict` wrote. Raises KeyError or ValueError for anything else."""
        return RoundPlan(
            goal=mapping["goal"],
            seed=mapping["seed"],
            first=mapping["first"],
            base=mapping["base"],
            roles=mapping["roles"],
            scientific={key: Domain.from_dict(domain) for key, domain in mapping["scientific"].items()},
            studies=tuple(
                Study(
                    study["name"],
                    study["setting"],
                    study["overrides"],
                    tuple(Dimension.from_dict(dimension) for dimension in study["dimensions"]),
                )
                for study in mapping["studies"]
            ),
            trials=tuple(PlannedTrial(**trial) for trial in mapping["trials"]),
            caveats=tuple(restored(message) for message in mapping["caveats"]),
            warnings=tuple(restored(message) for message in mapping["warnings"]),
            # Plans of before there were any lack these two.
            notes=tuple(restored(message) for message in mapping.get("notes", ())),
            origins={
                name: Origin(restored(origin["source"]), origin["offered"], origin["unit"])
                for name, origin in mapping.get("origins", {}).items()
            },
        )


def trial_at(place: int, seed: int, first: int, studies: tuple[Study, ...]) -> PlannedTrial:
    """The trial at a place (from 0) of a round: the studies take turns, and all get the same points.

    Turns keep the studies balanced wherever a round ends; shared points make their difference less noisy.
    """
    study, index = studies[place % len(studies)], first + place // len(studies)
    coordinates = point(seed, index, [dimension.number for dimension in study.dimensions])
    u = {dimension.name: c for dimension, c in zip(study.dimensions, coordinates, strict=True)}
    values = {dimension.name: dimension.domain.value(u[dimension.name]) for dimension in study.dimensions}
    chosen = {dimension.key: values[dimension.name] for dimension in study.dimensions}
    return PlannedTrial(study.name, index, u, values, {**study.overrides, **chosen})


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else value

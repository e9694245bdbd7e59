"""How the trials of a round spread over its studies and their dimensions, and whether that is enough (P5)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from presets.language import Message, say
from rounds.plan import Study

# The boundary check needs twelve feasible trials, and finds an optimum just outside the range in 82.8 % of studies of
# 20 trials with 3 dimensions, in 63.0 % with 5 (benchmarks/results/statistics.md): four trials a dimension keep it
# useful. With fewer than these a study teaches nothing; with fewer than twelve, as P21 allows for the learning rate, it
# shows which values are good, but not whether better ones lie beyond the ranges.
FEWEST = 12
PER_DIMENSION = 4
# With fewer of each, no value can be told from another by which trials came first (`statistics.precedence`).
PER_VALUE = 4


@dataclass(frozen=True)
class Density:
    """What a study gets: `per_axis` values of each dimension were its points a grid, and the chance that at least one
    trial falls in the best tenth of the space; of how many listed `values` of what is asked it has to tell the best."""

    study: str
    trials: int
    dimensions: int
    per_axis: float
    best_tenth: float
    enough: int
    values: int = 0

    @property
    def thin(self) -> bool:
        """Whether it is too few for the review to tell whether the ranges are wide enough."""
        return self.trials < self.enough

    @property
    def empty(self) -> bool:
        """Whether it is too few to conclude anything."""
        return self.trials < min(PER_DIMENSION * self.dimensions, self.enough)


def density(studies: Sequence[Study], trials: int, asked: Collection[str] = ()) -> tuple[Density, ...]:
    """The share of each study when so many trials are dealt out in turn; `asked`: the keys that the round is about."""
    return tuple(_density(study, _share(place, len(studies), trials), asked) for place, study in enumerate(studies))


def enough(studies: Sequence[Study], asked: Collection[str] = ()) -> int:
    """The fewest trials of a round with which no study is too thin."""
    return max(share.enough for share in density(studies, 0, asked)) * len(studies)


def thinness(studies: Sequence[Study], trials: int, asked: Collection[str] = ()) -> tuple[Message, ...]:
    """A warning where a study is too thin, with the smallest round that is not."""
    spread = density(studies, trials, asked)
    if not any(share.thin for share in spread):
        return ()
    needed = enough(studies, asked)
    thinnest = min(share.trials for share in spread)
    for share in spread:
        if FEWEST <= share.trials < PER_VALUE * share.values:
            return (
                say(
                    "{trials} trials over {values} values leave too few to each to tell which is best. Plan at least "
                    "{needed}.",
                    trials=share.trials,
                    values=share.values,
                    needed=needed,
                ),
            )
    if not any(share.empty for share in spread):
        return (_narrow(len(studies), trials, thinnest, needed),)
    if len(studies) == 1 and spread[0].dimensions == 1:
        return (
            say(
                "{trials} trials over one hyperparameter are too few to conclude anything. Plan at least {needed}.",
                trials=spread[0].trials,
                needed=needed,
            ),
        )
    if len(studies) == 1:
        return (
            say(
                "{trials} trials over {dimensions} hyperparameters are too few to conclude anything. Plan at least "
                "{needed}, or fix some hyperparameters.",
                trials=trials,
                dimensions=spread[0].dimensions,
                needed=needed,
            ),
        )
    return (
        say(
            "{trials} trials over {studies} studies leave {each} to the smallest, too few to conclude anything. Plan "
            "at least {needed}, or compare fewer settings.",
            trials=trials,
            studies=len(studies),
            each=thinnest,
            needed=needed,
        ),
    )


def _narrow(studies: int, trials: int, smallest: int, needed: int) -> Message:
    if studies == 1:
        return say(
            "{trials} trials can show which values are good, but not whether better ones lie beyond the ranges: the "
            "review takes {needed} to tell.",
            trials=trials,
            needed=needed,
        )
    return say(
        "{trials} trials over {studies} studies leave {each} to the smallest. They can show which values are good, but "
        "not whether better ones lie beyond the ranges: the review takes {needed} in all to tell.",
        trials=trials,
        studies=studies,
        each=smallest,
        needed=needed,
    )


def _density(study: Study, trials: int, asked: Collection[str]) -> Density:
    dimensions = len(study.dimensions)
    listed = [d.domain for d in study.dimensions if d.key in asked and not d.domain.is_range]
    values = max((len(domain.choices) for domain in listed), default=0)
    # A study that varies nothing runs one configuration; more trials of it would teach nothing.
    enough = max(FEWEST, PER_DIMENSION * dimensions, PER_VALUE * values) if dimensions else 1
    per_axis = trials ** (1 / dimensions) if dimensions else 0.0
    return Density(study.name, trials, dimensions, per_axis, 1 - 0.9**trials, enough, values)


def _share(place: int, studies: int, trials: int) -> int:
    return trials // studies + (place < trials % studies)

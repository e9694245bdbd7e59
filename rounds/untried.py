"""What of a space of separate values nobody has tried: a final study proposes nothing twice, and ends there (P14)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from presets.language import Message, say
from rounds import comparable, failing
from rounds.plan import RoundPlan, Study, called
from rounds.record import TrialRecord
from rounds.space import Dimension, Places
from state import trials
from state.database import Store
from state.trials import Trial


def size(dimensions: Sequence[Dimension]) -> int | None:
    """Of how many configurations a space consists; None where one of its ranges is of numbers with a fraction."""
    counts = [dimension.domain.count for dimension in dimensions]
    return None if None in counts else math.prod(count for count in counts if count)


def everything(study: Study, records: Sequence[TrialRecord]) -> int | None:
    """Of how many configurations the space of a study consists, where its trials have tried each of them; None where
    they have not, and where it has no end or varies nothing."""
    count = size(study.dimensions) if study.dimensions else None
    told = [record for record in records if not failing.of_the_machine(record)]
    places = {tuple(d.domain.middle(record.u[d.name]) for d in study.dimensions) for record in told}
    return count if count == len(places) else None


def repeated(store: Store, plan: RoundPlan) -> tuple[Message, ...]:
    """A warning where a round has more trials than its space has configurations that nobody has tried: the points of a
    sequence come to the same values again, and at most their seeds differ."""
    if len(plan.studies) != 1:
        return _within(plan)
    study = plan.studies[0]
    count = size(study.dimensions) if study.dimensions else None
    if count is None:
        return ()
    new, trials = left(store, plan) or 0, len(plan.trials)
    if not new:
        return (
            say(
                "All {count} configurations of this space have been tried: the round can only repeat them. Give a "
                "hyperparameter a wider range (--range KEY=LOW..HIGH), or launch the best of them.",
                count=count,
            ),
        )
    if trials <= new:
        return ()
    return (
        say(
            "Of the {count} configurations of this space {left} have not been tried: at least {n} of the {trials} "
            "trials repeat one.",
            count=count,
            left=new,
            n=trials - new,
            trials=trials,
        ),
    )


def _within(plan: RoundPlan) -> tuple[Message, ...]:
    """The same of a round of several studies, for the first of them that is so small."""
    for study in plan.studies:
        count = size(study.dimensions) if study.dimensions else None
        trials = sum(trial.study == study.name for trial in plan.trials)
        if count is not None and trials > count:
            return (
                say(
                    "Some studies have more trials than configurations, as {study} has {trials} of {count}: such "
                    "trials repeat one another.",
                    study=called(study.name),
                    count=count,
                    trials=trials,
                ),
            )
    return ()


def tried(store: Store, plan: RoundPlan) -> set[Places]:
    """What was tried of the space of a plan's study, in rounds, as baseline and in launches, whatever came of it but
    for what the machine or the data did to it, and what is about to be."""
    (study,) = plan.studies
    return {
        tuple(d.domain.position(settings[d.key]) for d in study.dimensions)
        for batch, entry, settings in comparable.trials_of(store, plan, trials.batches(store))
        if (_over(entry) or comparable.to_come(batch, entry)) and _inside(study.dimensions, settings)
    }


def left(store: Store, plan: RoundPlan) -> int | None:
    """How many configurations of the space of a plan's study nobody has tried; None where it has no end."""
    (study,) = plan.studies
    count = size(study.dimensions)
    return None if count is None else count - len(tried(store, plan))


def _over(entry: Trial) -> bool:
    return entry.status in trials.ENDED and not failing.of_the_machine(entry)


def _inside(dimensions: Sequence[Dimension], settings: Mapping[str, object]) -> bool:
    return all(d.domain.contains(settings.get(d.key)) for d in dimensions)

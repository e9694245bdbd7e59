"""What of a space of separate values nobody has tried: a final study proposes nothing twice, and ends there (P14)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from rounds import comparable
from rounds.plan import RoundPlan
from rounds.space import Dimension, Places
from state import trials
from state.database import Store


def size(dimensions: Sequence[Dimension]) -> int | None:
    """Of how many configurations a space consists; None where one of its ranges is of numbers with a fraction."""
    counts = [dimension.domain.count for dimension in dimensions]
    return None if None in counts else math.prod(count for count in counts if count)


def tried(store: Store, plan: RoundPlan) -> set[Places]:
    """What was tried of the space of a plan's study, in rounds, as baseline and in launches, whatever came of it, and
    what is about to be."""
    (study,) = plan.studies
    return {
        tuple(d.domain.position(settings[d.key]) for d in study.dimensions)
        for batch, entry, settings in comparable.trials_of(store, plan, trials.batches(store))
        if (entry.status in trials.ENDED or comparable.to_come(batch, entry)) and _inside(study.dimensions, settings)
    }


def left(store: Store, plan: RoundPlan) -> int | None:
    """How many configurations of the space of a plan's study nobody has tried; None where it has no end."""
    (study,) = plan.studies
    count = size(study.dimensions)
    return None if count is None else count - len(tried(store, plan))


def _inside(dimensions: Sequence[Dimension], settings: Mapping[str, object]) -> bool:
    return all(d.domain.contains(settings.get(d.key)) for d in dimensions)

"""What the runs of a launch cannot show, as all are measured on the same validation examples: how much hangs on one of
them, and on their choice."""

from __future__ import annotations

import math
from collections.abc import Sequence

from presets.grain import answered_at_once, grain, standard_error
from presets.language import Message, say
from rounds import reviewing
from rounds.resolution import FEW_ANSWERS
from state.database import Store
from state.trials import Trial


def limits(store: Store, runs: Sequence[Trial], gain: float | None, value: float | None) -> Message | None:
    """What one validation example is worth where a gain comes to about as much, else how far another choice of examples
    would move the metric at this `value`; None where the runs do not say what they were measured on."""
    metric = next((run.metric for run in runs if run.metric), store.project.settings.metric)
    result = next((run.result for run in runs if run.result and reviewing.counts(store, run.result)), {})
    per_class = reviewing.counts(store, result)
    found = grain(metric, per_class)
    if found is None:
        return None
    figures = {"metric": metric, "examples": sum(per_class)}
    at_once = answered_at_once(result.get("validation"))
    worth = found.worth * at_once
    if gain is not None and 0 < gain <= FEW_ANSWERS * worth:
        told = {**figures, "worth": worth, "gain": gain}
        if metric == "error_rate":
            return say(
                "All runs were measured on the same {examples} validation examples, and one answer is worth "
                "{worth:.3g} of {metric}. The gain of {gain:.3g} may be a single example, which other seeds do not "
                "show.",
                **told,
            )
        names = result.get("classes") or []
        return say(
            "All runs were measured on the same {examples} validation examples, and one answer can be worth "
            '{worth:.3g} of {metric}, in the smallest class, "{name}", with {count} of the examples. The gain of '
            "{gain:.3g} may be a single example, which other seeds do not show.",
            **told,
            count=found.examples,
            name=names[found.label] if found.label < len(names) else str(found.label),
        )
    error = None if value is None else standard_error(metric, value, per_class)
    if not error:
        return None
    return say(
        "The intervals are about seeds alone: all runs were measured on the same {examples} validation examples, and "
        "with another choice of them {metric} would differ by about {error:.2g} (standard error).",
        **figures,
        error=error * math.sqrt(at_once),
    )

"""Is the first result of the user's own pipeline reasonable? Against the level that the person named, or not at all."""

from __future__ import annotations

from typing import Any

from presets.language import Message, say
from state.project import Settings
from state.trials import Trial


def judge(settings: Settings, best: Trial) -> tuple[bool, Message, dict[str, Any]]:
    """The verdict on the best of the complete trials: reasonable or not, in a sentence, and its figures."""
    assert best.best is not None  # a complete trial has a finite result
    figures: dict[str, Any] = {"best": best.best, "best_step": best.best_step, "chance": settings.chance}
    told = {"metric": settings.metric, "best": best.best}
    if settings.chance is None:
        message = say(
            "It ran to its end and wrote a finite {metric}, {best:.4g} at best. Whether that is better than guessing "
            "is not known: no level to beat was named.",
            **told,
        )
        return True, message, figures
    gain = (best.best - settings.chance) * (1 if settings.direction == "max" else -1)
    figures["gain"] = gain
    if gain > 0:
        message = say(
            "Better than the level to beat: {metric} is {best:.4g} at best, against {chance:.4g}. How much of that is "
            "luck, one run cannot tell.",
            **told,
            chance=settings.chance,
        )
        return True, message, figures
    message = say(
        "Not better than the level to beat: {metric} is {best:.4g} at best, against {chance:.4g}.",
        **told,
        chance=settings.chance,
    )
    return False, message, figures

"""Is the first result of the user's own pipeline reasonable? Against the level that the person named, or not at all."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from typing import Any

from presets.language import Message, say
from state import pipeline, usual_names
from state.project import Project, Settings
from state.trials import Trial
from wizard import machine, own, quantity
from wizard.speed import ROUND


def costs(listed: Sequence[Trial], project: Project) -> Iterator[Message]:
    """What a round of such trials takes, by which the length of a run is chosen (G13)."""
    given, folder = own.values(project), shlex.quote(str(project.root))
    taken = [float(seconds) for entry in listed if (seconds := (entry.result or {}).get("seconds"))]
    if taken:
        at_once = machine.at_hand(each=project.settings.gpus).trials_at_once
        yield say(
            "It took {time}; a round of {trials} such trials, {slots} at a time, takes {round}.",
            time=quantity.duration(max(taken)),
            trials=ROUND,
            slots=at_once,
            round=quantity.duration(-(-ROUND // at_once) * max(taken)),
        )
        if pipeline.STEPS in given:
            yield say(
                "Is that too long, or was there nothing left to gain at the end, give another number of steps now, as "
                "an answer to the question about the first configuration: it stays the same within a round."
            )
        elif counted := [name for name in given if usual_names.leaf(name) in usual_names.EPOCHS]:
            yield say(
                "Is that too long, or was there nothing left to gain at the end, give another number of epochs now: "
                "tunebook new {folder} --set {name}=VALUE; then comes the baseline again. It stays the same within a "
                "round.",
                name=counted[0],
                folder=folder,
            )
        elif option := _of_length(project):
            yield say(
                "Is that too long, or was there nothing left to gain at the end: your script has the option {name} for "
                "how long a run is. tunebook new {folder} --set {name}=VALUE puts it into the command; then comes the "
                "baseline again. It stays the same within a round.",
                name=option,
                folder=folder,
            )
        else:
            yield say(
                "Is that too long, or was there nothing left to gain at the end: how long a run is, is fixed in your "
                "command. Change it there now, or give it a placeholder such as {steps}: it stays the same within a "
                "round.",
                steps="{steps}",
            )


def _of_length(project: Project) -> str | None:
    """What the script calls the length of a run, where the command gives it none."""
    lengths = (*usual_names.EPOCHS, *usual_names.STEPS)
    offered = own.offered(pipeline.own(project))
    return next((argument.name for argument in offered if usual_names.leaf(argument.name) in lengths), None)


def judge(settings: Settings, best: Trial) -> tuple[bool, Message, dict[str, Any]]:
    """The verdict on the best of the complete trials: reasonable or not, in a sentence, and its figures."""
    assert best.best is not None  # a complete trial has a finite result
    figures: dict[str, Any] = {"best": best.best, "best_step": best.best_step, "chance": settings.chance}
    about = {"metric": settings.metric, "best": best.best}
    if settings.chance is None:
        message = say(
            "It ran to its end and wrote a finite {metric}, {best:.4g} at best. Whether that is better than guessing "
            "is not known: no level to beat was named.",
            **about,
        )
        return True, message, figures
    gain = (best.best - settings.chance) * (1 if settings.direction == "max" else -1)
    figures["gain"] = gain
    if gain > 0:
        message = say(
            "Better than the level to beat: {metric} is {best:.4g} at best, against {chance:.4g}. How much of that is "
            "luck, one run cannot tell.",
            **about,
            chance=settings.chance,
        )
        return True, message, figures
    message = say(
        "Not better than the level to beat: {metric} is {best:.4g} at best, against {chance:.4g}.",
        **about,
        chance=settings.chance,
    )
    return False, message, figures

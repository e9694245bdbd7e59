"""By what a review tells a difference from chance, and that it was another measure at the review before (P13)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from presets.language import Message, say
from rounds.finding import Action, Finding
from rounds.record import Direction, TrialRecord, ended
from rounds.symptoms import noise_of

CHECK, RULE = "chance", "P13"


def check(
    records: Sequence[TrialRecord],
    direction: Direction,
    noise: float | None,
    launches: Sequence[str],
    before: Mapping[str, Any] | None,
) -> Finding:
    """`noise`: the deviation from run to run in these `launches` (None: nothing was run again); `before`: the figures
    of the same check at an earlier review of the round."""
    unit = noise_of(ended(records), direction, noise)
    figures: dict[str, Any] = {"unit": unit, "launches": list(launches)}
    if before is not None:
        # What the first of the reviews by this measure said of the one before it, those after it say as well.
        same = before["launches"] == figures["launches"]
        figures["before"] = before.get("before") if same else {key: before[key] for key in ("unit", "launches")}
    if unit is None:
        again = Action("repeat", say("Launch the best trial: that repeats it with other seeds."))
        message = say(
            "How far runs differ by chance is not known: nothing has been run again with other seeds, and the curves "
            "are too short to guess it from."
        )
        return Finding(CHECK, "cannot tell", message, RULE, figures, again)
    message = _measure(unit, launches)
    earlier = figures.get("before")
    if earlier and earlier["unit"] is not None:
        message = say(
            "{now} An earlier review took {unit:.2g}, so that its verdicts may have been others on the same trials.",
            now=message,
            unit=earlier["unit"],
        )
    return Finding(CHECK, "pass", message, RULE, figures)


def _measure(unit: float, launches: Sequence[str]) -> Message:
    if launches:
        return say(
            "The measure of chance here is {unit:.2g}, the standard deviation of the runs of {launches} from seed to "
            "seed. Configurations that are worse than those may differ by more.",
            unit=unit,
            launches=list(launches),
        )
    return say(
        "The measure of chance here is {unit:.2g}, by which late evaluations of the best trials differ. Nothing has "
        "been run again with other seeds yet, and such runs tend to differ by more.",
        unit=unit,
    )

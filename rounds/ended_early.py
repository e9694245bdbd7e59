"""Trials of a script of the user's own that ended before the others of their round, and said that all went well (P10).

How long a run is, only the script knows: one that catches an error and exits with 0 looks like one that trained to its
end, and what it came to by then is compared with what the others came to.
"""

from __future__ import annotations

from collections.abc import Sequence

from presets.language import say
from rounds.finding import Finding
from state.trials import Trial

CHECK, RULE = "early", "P10"


def check(listed: Sequence[Trial]) -> tuple[Finding, ...]:
    """What a review says where most trials made as many steps, and some ended before; nothing where each ends
    elsewhere, as where the script stops by a rule of its own."""
    ended = [entry for entry in listed if entry.status == "complete" and entry.steps_done]
    usual = max((entry.steps_done for entry in ended), default=0)
    early = [entry.id for entry in ended if entry.steps_done < usual]
    if not early or 2 * len(early) >= len(ended):
        return ()
    message = say(
        "Most trials went to step {usual}, and these ended before, with exit code 0: {trials}. Unless the script stops "
        "early by a rule of its own, something broke them off (log.txt in the folder of each says what), and what they "
        "came to is not comparable.",
        usual=usual,
        trials=early,
    )
    return (Finding(CHECK, "warn", message, RULE, {"trials": early, "steps": usual}),)

"""How many trials run at once, as it is typed on the pages of a design, a round, a launch and a baseline (G14)."""

from __future__ import annotations

from presets.language import Message, say
from rounds import wishes
from state.database import Store
from state.errors import Refusal
from tui.amount import whole
from tui.say import LONGEST
from tui.terminal import cut

DESIGNED = say("Trials at once (0: as the machine allows):")
ROUND = say("Trials at once (0: as the machine allows); those that run go on:")


def typed(answer: str) -> int:
    """The number. Refuses what is none."""
    if (count := whole(answer.strip())) is None:
        raise Refusal(
            "{answer}: type how many trials run at once, a whole number; 0: as the machine allows.",
            answer=repr(cut(answer, LONGEST)),
        )
    return count


def told(store: Store, name: str, wanted: int) -> Message:
    """What comes of such a wish about a round on this machine; asking for its GPUs takes a moment."""
    if not wanted:
        return say("{name}: as many trials at once as the machine allows.", name=name)
    return wishes.crowded(store, name, wanted) or say("{name}: {n} at once from now on.", name=name, n=wanted)

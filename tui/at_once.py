"""How many trials run at once, as it is typed on the pages of a design, a round, a launch and a baseline, or given to
the commands of the last two (G14)."""

from __future__ import annotations

from presets.language import Message, _, say
from rounds import wishes
from state import trials
from state.database import Store
from state.errors import Refusal
from tui.amount import whole
from tui.say import LONGEST
from tui.session import Session
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


def by_command(session: Session, store: Store, name: str, wanted: int) -> None:
    """Wish it of a batch of which trials are left to run, and warn where so many are more than the cores carry."""
    if all(map(trials.over, trials.trials(store, name))):
        return
    wishes.at_once(store, name, wanted)
    if wanted and (crowded := wishes.crowded(store, name, wanted)) is not None:
        session.progress(_("warning: {warning}").format(warning=crowded.text()))

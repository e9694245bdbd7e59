"""`tunebook round final`: Bayesian search at the end, lot after lot."""

from __future__ import annotations

import click

from presets.language import _, sentences
from rounds import final, planning
from rounds.final import FINAL
from rounds.horizon import horizon
from state import trials
from state.database import Store
from state.errors import Refusal
from tui import designing
from tui.commands.plan import RANGE, ROLE
from tui.round_told import tell
from tui.session import Session, answering
from tui.watch import watch


@click.command(
    name="final",
    help=_(
        "The final study, when exploration has nothing more to find: Bayesian search over what the rounds have varied, "
        "in the ranges that they left, and there where the best trials lie; a few points at a time from all comparable "
        "trials. With --wait lot after lot, otherwise one lot at each call."
    ),
)
@RANGE
@ROLE
@click.option("--trials", "count", type=click.IntRange(min=1), default=FINAL, show_default=True, help=_("in all"))
@click.option("--lot", type=click.IntRange(min=1), default=final.LOT, show_default=True, help=_("points at a time"))
@click.option("--wait", is_flag=True, help=_("run them, lot after lot, until all have ended"))
@answering
@click.pass_obj
def final_study(
    session: Session, ranges: tuple[str, ...], roles: tuple[str, ...], count: int, lot: int, wait: bool
) -> None:
    with session.store() as store:
        going = [batch for batch in planning.rounds(store) if batch.plan.get("search") == final.SEARCH]
        open_ = [batch for batch in going if len(trials.trials(store, batch.name)) < count]
        if open_:
            batch = open_[-1]
            if ranges or roles:
                raise Refusal("{name} goes on as it began: its ranges and roles stay.", name=batch.name)
            if all(map(trials.over, trials.trials(store, batch.name))):
                left = count - len(trials.trials(store, batch.name))
                wait = _add(session, store, batch.name, min(lot, left)) and wait
        else:
            given = designing.given(store, roles=roles, ranges=ranges)
            ahead = horizon(store, trials.trials(store))
            batch = final.start(store, min(lot, count), wanted="", roles=given.roles, ranges=given.ranges)
            if ahead.phase == "explore":
                words = sentences(_("It begins before its time."), ahead.message.text())
                session.progress(_("warning: {warning}").format(warning=words))
            for note in planning.plan_of(store, batch.name).notes:
                session.progress(note.text())
        while wait:
            trials.ask(store, batch.name, "run")
            listed = watch(session, store, batch.name)
            left = count - len(listed)
            if left <= 0 or not all(map(trials.over, listed)) or not _add(session, store, batch.name, min(lot, left)):
                break
        tell(session, store, trials.batch(store, batch.name), trials.trials(store, batch.name))


def _add(session: Session, store: Store, name: str, count: int) -> bool:
    """Add the next lot; False, with the reason said, where nothing is left to be tried."""
    if (why := final.exhausted(store, name)) is not None:
        session.progress(why.text())
        return False
    if (told := final.extend(store, name, count)) is not None:
        session.progress(told.text())
    return True

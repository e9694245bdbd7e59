"""`tunebook budget`: how far it is to the end, and when that is to come: device hours and a deadline."""

from __future__ import annotations

import click

from presets.language import _
from rounds.standing import standing
from state.project import change
from tui.amount import Amount
from tui.horizon import document, lines, to_come
from tui.say import spent
from tui.session import Session, answering


@click.command(help=_("How many rounds budget and deadline leave, and when the final study is to begin; or set them."))
@click.option(
    "--hours",
    metavar="HOURS",
    type=Amount(),
    help=_("device hours meant for tuning in all: what goes beyond is warned about, and runs; 0: no budget"),
)
@click.option("--deadline", metavar="WHEN", help=_("2026-12-24 or 2026-12-24T18:00; empty: none"))
@answering
@click.pass_obj
def budget(session: Session, hours: float | None, deadline: str | None) -> None:
    with session.store() as store:
        if deadline:
            to_come(deadline)
        given = {"budget_hours": hours, "deadline": deadline}
        if changes := {name: value for name, value in given.items() if value is not None}:
            store.project = change(store.project, **changes)
        where = standing(store)
        settings = store.project.settings
    session.text(spent(where.hours_spent, where.hours_budget))
    for line in lines(where.horizon):
        session.text(line)
    session.answer(
        {
            "hours_spent": where.hours_spent,
            "hours_budget": where.hours_budget,
            "deadline": settings.deadline or None,
            "horizon": document(where.horizon),
        }
    )

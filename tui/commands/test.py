"""`tunebook test`: one look at the test split, when all is decided; every look is counted."""

from __future__ import annotations

import click

from presets.language import _, say
from tui.session import Session, answering, goes_on


@click.command(
    help=_(
        "Evaluate the best configuration on the test split, which nothing has seen so far: once, when all is decided. "
        "Every look is counted; another one needs a reason."
    )
)
@click.option("--trial", default="", metavar="ID", help=_("another trial than the best run of the best configuration"))
@click.option("--reason", default="", metavar="TEXT", help=_("why the test split is looked at again"))
@click.option("--list", "listed", is_flag=True, help=_("the looks so far, and no other"))
@answering
@click.pass_obj
def test(session: Session, trial: str, reason: str, listed: bool) -> None:
    from rounds import looking
    from state import looks

    with session.store() as store:
        if listed:
            looking.collect(store)
        else:
            how_on = say(
                "The look goes on in the background, and is counted. See: tunebook test --list. Stop it before it is "
                "counted: tunebook round stop look"
            )
            with goes_on(how_on):
                looking.look(store, trial, reason)
        if (look := looking.under_way(store)) is not None:
            session.progress(look.message.text())
        found = [looking.seen(entry) for entry in looks.looks(store)]
    for seen in found if listed else found[-1:]:
        session.text(seen.message.text())
        if seen.look.reason:
            session.text("  " + _("because: {reason}").format(reason=seen.look.reason))
    if not found:
        session.text(_("The test split has not been looked at."))
    session.answer([seen.to_dict() for seen in found])

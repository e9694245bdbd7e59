"""`tunebook baseline`: the first result, judged against chance, and what to do where it is not reasonable."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from presets.language import _
from rounds.sequence import MOST
from state.errors import Refusal
from tui.session import Session, answering

if TYPE_CHECKING:
    from state.database import Store
    from wizard.question import Question


@click.command(help=_("Run the initial configuration and judge it against chance; a reasonable result is adopted."))
@click.option("--sweep", is_flag=True, help=_("if it is no better than chance, try five learning rates"))
@click.option(
    "--slots", type=click.IntRange(0, MOST), metavar="N", help=_("of these, so many at once; 0: as the machine allows")
)
@click.option("--override", metavar="REASON", help=_("adopt it even though it is not clearly better than chance"))
@answering
@click.pass_obj
def baseline(session: Session, sweep: bool, slots: int | None, override: str | None) -> None:
    from tui import setup
    from wizard import flow

    with session.store() as store:
        verdict = setup.baseline(session, store, sweep=sweep, override=override or "", slots=slots)
        adopted = flow.standing(store).step is None
        question = None if adopted else flow.ask(store, "baseline")
    session.text(verdict.told.text())
    words = ["tunebook", "round", "plan"]
    if question is None:
        session.text(_("It is the best configuration so far. Next: tunebook round plan"))
    else:
        then, words = _next(question)
        session.text(question.reason.text())
        session.text(_("It is not adopted. {next}").format(next=then))
    session.answer(
        {
            "reasonable": verdict.reasonable,
            "adopted": adopted,
            "recommended": question.recommended if question else None,
            "message": verdict.told,
            "trial": verdict.trial,
            "figures": verdict.figures,
            "next": words,
        }
    )
    if not adopted:
        raise click.exceptions.Exit(1)


def onward(store: Store) -> list[str]:
    """The words of the command that comes next while the set-up is at its baseline: one that came to something which
    is no reasonable start is not simply made again."""
    from wizard import flow

    try:
        question = flow.ask(store, "baseline")
    except Refusal:
        return ["tunebook", "baseline"]
    return _next(question)[1]


def _next(question: Question) -> tuple[str, list[str]]:
    """What to do about a first result that was not adopted, in a sentence and as the words of a command: REASON stands
    for what only a person can say."""
    from wizard import baseline as judging
    from wizard import checks

    match question.recommended:
        case checks.ONE_BATCH | checks.SHUFFLE:
            told = _("Next: tunebook check {kind}, or tunebook baseline --override REASON")
            return told.format(kind=question.recommended), ["tunebook", "check", str(question.recommended)]
        case judging.SWEEP:
            return _("Next: tunebook baseline --sweep, or --override REASON"), ["tunebook", "baseline", "--sweep"]
    if judging.AGAIN in [option.value for option in question.options]:
        return _("Next: mend what is said above, then tunebook baseline"), ["tunebook", "baseline"]
    told = _("Next: decide an earlier question anew, or tunebook baseline --override REASON")
    return told, ["tunebook", "baseline", "--override", "REASON"]

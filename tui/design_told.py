"""What the page of a design says of it: its goal and its price, its table, and what to mind (G17, P1 to P5)."""

from __future__ import annotations

from collections.abc import Iterator

from textual.content import Content

from presets.language import _, bracketed, say
from rounds import sharing
from rounds.outlook import Outlook
from rounds.plan import RoundPlan
from rounds.roles import asked_of
from rounds.slots import Machine
from state.database import Store
from tui import designing, draft
from tui.charts.grid import Column
from tui.draft import ROLES, Draft
from tui.terminal import printable
from tui.theme import VERDICTS


def facts(given: Draft, plan: RoundPlan, ahead: Outlook | None, *, ascii_only: bool) -> Iterator[Content]:
    """What the round is for, what it asks, and what it takes, as far as the machine is known."""
    name, meaning = given.purpose
    yield Content.assemble((_("Goal: {goal}").format(goal=name.text()), "bold"), "  ", meaning.text())
    asked = [bracketed(name, draft.described(domain)) for name, domain in asked_of(plan).items()]
    yield Content(printable(_("Asked: {what}").format(what=_("; ").join(asked) or _("nothing"))))
    yield Content(price(plan, ahead, ascii_only=ascii_only))


def price(plan: RoundPlan, ahead: Outlook | None, *, ascii_only: bool) -> str:
    """The budget line, marked where it is more than is left; the trials alone where the machine is not known yet."""
    if ahead is None:
        return say("{n} trials", n=len(plan.trials)).text()
    over = VERDICTS["warn"].badge(ascii_only=ascii_only) if ahead.cost.over else ""
    return f"{designing.price(ahead.cost, len(plan.trials))} {over}".rstrip()


def columns() -> list[Column]:
    """The columns of the table of hyperparameters, of which `draft.line` makes the lines."""
    return [
        Column(_("hyperparameter")),
        Column(_("role"), least=max(len(name.text()) for name in ROLES.values())),
        Column(_("values")),
        Column(_("scale")),
    ]


def notes(
    store: Store,
    given: Draft,
    plan: RoundPlan,
    ahead: Outlook | None,
    machine: Machine | None,
    *,
    ascii_only: bool,
) -> list[str]:
    """Warnings first, then what the design comes to, what to mind about it, and what the machine would take besides."""
    look = VERDICTS["warn"]
    mark = look.ascii if ascii_only else look.glyph
    lines = [f"{mark} {warning.text()}" for warning in (*plan.warnings, *(ahead.short if ahead else ()))]
    lines += designing.remarks(plan, ahead, as_given=given.as_given)
    offer = sharing.offer(store, machine, plan.base) if machine else None
    return lines + [note.text() for note in (*given.to_mind, *plan.notes, *filter(None, [offer]))]

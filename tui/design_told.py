"""What the page of a design says of it: goal and price, its hyperparameters, and what to mind (G17, P1 to P5)."""

from __future__ import annotations

from collections.abc import Iterator

from textual.content import Content

from presets.language import _, bracketed, say
from rounds import sharing
from rounds.origin import stated
from rounds.outlook import Outlook
from rounds.plan import DesignError, RoundPlan
from rounds.roles import asked_of, domain_of, is_length
from rounds.slots import Machine
from rounds.space import Domain
from rounds.tunables import offers
from state.database import Store
from state.pipeline import BATCH_SIZE
from state.project import Project
from tui import designing
from tui.charts.grid import Column, Line
from tui.draft import ROLES, Draft, Tunable
from tui.terminal import printable
from tui.theme import VERDICTS
from wizard.quantity import setting


def facts(given: Draft, plan: RoundPlan, ahead: Outlook | None, *, ascii_only: bool) -> Iterator[Content]:
    """What the round is for, what it asks, and what it takes, as far as the machine is known."""
    name, meaning = given.purpose
    yield Content.assemble((_("Goal: {goal}").format(goal=name.text()), "bold"), "  ", meaning.text())
    asked = [bracketed(name, described(domain)) for name, domain in asked_of(plan).items()]
    yield Content(printable(_("Asked: {what}").format(what=_("; ").join(asked) or _("nothing"))))
    yield Content(price(plan, ahead, ascii_only=ascii_only))


def price(plan: RoundPlan, ahead: Outlook | None, *, ascii_only: bool) -> str:
    """The budget line, marked where it is more than is left; the trials alone where the machine is not known yet."""
    if ahead is None:
        return say("{n} trials", n=len(plan.trials)).text()
    over = VERDICTS["warn"].badge(ascii_only=ascii_only) if ahead.cost.over else ""
    return f"{designing.price(ahead.cost, len(plan.trials))} {over}".rstrip()


def columns() -> list[Column]:
    """The columns of the table of hyperparameters, of which `line` makes the lines."""
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


def seen(domain: Domain) -> str:
    """A domain as it is shown; its scale apart."""
    if domain.is_range:
        return f"{setting(domain.low)} .. {setting(domain.high)}"
    return ", ".join(setting(choice) for choice in domain.choices)


def described(domain: Domain) -> str:
    """A domain as it is shown in a sentence."""
    return f"{seen(domain)}, {domain.scale}" if domain.is_range else seen(domain)


def counted(plan: RoundPlan, entry: Tunable, project: Project) -> str:
    """The name of a hyperparameter with what its values are counted in."""
    offered = offers(project, plan.base).get(entry.name)
    return bracketed(entry.name, _(offered.unit)) if offered and offered.unit else entry.name


def whence(plan: RoundPlan, entry: Tunable, project: Project) -> str:
    """The unit of a hyperparameter and where its range comes from; of a fixed one the range that is offered."""
    name = counted(plan, entry, project)
    if entry.domain is not None:
        words = _("Range of {name}: {source}") if entry.domain.is_range else _("Values of {name}: {source}")
        return words.format(name=name, source=plan.origins[entry.name].source.text())
    if is_length(entry.key):
        return _("{name} is fixed: how long a trial trains is the same within a round.").format(name=name)
    if entry.key == BATCH_SIZE:
        return _("{name} is fixed: it is decided in the set-up, and never searched.").format(name=name)
    offered = offers(project, plan.base).get(entry.name)
    try:
        domain = domain_of(offered, plan.base) if offered else None
    except DesignError:
        domain = None
    if offered is None or domain is None:
        return _("{name} is fixed; no range is known for it.").format(name=name)
    words = _("{name} is fixed; range on offer: {range} ({source})")
    return words.format(name=name, range=described(domain), source=stated(offered).text())


def value(entry: Tunable) -> str:
    """What a fixed hyperparameter is fixed at, as it is shown."""
    return setting(entry.value) if entry.value not in (None, "") else _("(empty)")


def line(entry: Tunable) -> Line:
    """A hyperparameter as a line of the table."""
    style = "quiet" if entry.role == "fixed" else ""
    values = seen(entry.domain) if entry.domain else value(entry)
    scale = entry.domain.scale if entry.domain and entry.domain.is_range else ""
    return Line(entry.name, tuple((text, style) for text in (entry.name, ROLES[entry.role].text(), values, scale)))

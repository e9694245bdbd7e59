"""A round in words: the options of `round plan` as ranges and roles, and a plan as lines and as a document."""

from __future__ import annotations

import datetime
import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, cast

from presets import catalogue
from presets.catalogue import CatalogueError
from presets.language import _, bracketed, error_message, labelled, say
from rounds import budget, honoured, planning, tunables, untried
from rounds.cost import Cost
from rounds.outlook import Outlook
from rounds.plan import Role, RoundPlan, called
from rounds.roles import OPTIMIZER, asked_of, depended_on
from rounds.room import Disk
from rounds.space import Choice, Domain, SpaceError
from state.database import Store
from state.errors import Invalid
from state.project import Project
from tui import goals
from tui.say import choice
from tui.session import Session
from wizard.quantity import digits, duration, memory
from wizard.quantity import price as amount

# From here on a time of the clock needs its date.
PLAIN_SECONDS = 12 * 3600
# How long it is true, to the minute, until when trials would run; a page then says it anew.
TOLD_SECONDS = 60.0


@dataclass(frozen=True)
class Given:
    """What a person gives a round by options, by key: what it asks, with its values, roles and ranges."""

    asked: dict[str, Domain | None]
    roles: dict[str, Role]
    ranges: dict[str, Domain]


def domain(key: str, words: str, optimizer: str, project: Project | None = None) -> Domain:
    """A range `0.001..0.1`, `0.001..0.1:log`, or values `0.9,0.95,0.99`. Refuses anything else.

    Without a scale, the catalogue's for this hyperparameter counts, or what tunebook.toml says of a `project` on the
    user's own pipeline; linear where neither knows it.
    """
    try:
        return _domain(key, words, optimizer, project)
    except SpaceError as error:
        raise Invalid("{key}: {problem}", key=key, problem=error_message(error)) from None


def _domain(key: str, words: str, optimizer: str, project: Project | None) -> Domain:
    if ".." not in words:
        values: tuple[Choice, ...] = tuple(_value(part) for part in words.split(","))
        kind = "categorical" if any(isinstance(value, str | bool) for value in values) else "list"
        return Domain(kind, choices=values)
    span, _colon, scale = words.partition(":")
    low, _dots, high = span.partition("..")
    known = _known(key, optimizer, project)
    ranged = known is not None and known.kind != "categorical"
    try:
        ends = float(low), float(high)
    except ValueError:
        raise Invalid(
            "{key}={words}: neither a range (0.001..0.1) nor values (0.9,0.95).", key=key, words=words
        ) from None
    return Domain.from_dict(
        {
            "kind": known.kind if known and ranged else "float",
            "low": ends[0],
            "high": ends[1],
            "scale": scale or (known.scale if known and ranged else "linear"),
        }
    )


def pairs(options: Iterable[str], what: str) -> dict[str, str]:
    """`KEY=VALUE` options as a mapping. Refuses one without an equals sign, and a key that is given twice."""
    found = {}
    for option in options:
        key, equals, value = option.partition("=")
        if not equals or not key or not value:
            raise Invalid("{option!r}: write it as {what}.", option=option, what=what)
        if found.setdefault(key.strip(), value) != value:
            raise Invalid(
                "{key} is given twice, as {first} and {second}.", key=key, first=found[key.strip()], second=value
            )
    return found


def given(
    store: Store,
    *,
    about: Iterable[str] = (),
    roles: Iterable[str] = (),
    ranges: Iterable[str] = (),
    compared: Collection[str] = (),
    override: str = "",
) -> Given:
    """What `KEY[=VALUES]`, `KEY=ROLE` and `KEY=LOW..HIGH` options give; what is no role is refused where the round is
    planned. `override` as in `planning.basis`. Refuses what only other optimizers have than the configuration, or
    those that are `compared`."""
    project, base = store.project, planning.basis(store, override).settings
    optimizer = str(base.get(OPTIMIZER, ""))

    def full(name: str) -> str:
        return tunables.key_of(project, base, name)

    def values(name: str, words: str) -> Domain:
        return domain(full(name), words, optimizer, project)

    about = tuple(about)
    if unsaid := next((entry for entry in about if entry.endswith("=")), None):
        raise Invalid("{option!r}: write it as {what}.", option=unsaid, what="KEY, KEY=VALUES")
    asked = (
        (tunables.setting_meant(project, base, name), words)
        for name, _equals, words in (entry.partition("=") for entry in about)
    )
    own = {full(name): role for name, role in pairs(roles, "KEY=nuisance").items()}
    found = Given(
        {key: values(key, words) if words else None for key, words in asked},
        cast("dict[str, Role]", own),
        {full(name): values(name, words) for name, words in pairs(ranges, "KEY=LOW..HIGH").items()},
    )
    for name, words in pairs(ranges, "KEY=LOW..HIGH").items():
        number = isinstance(base.get(full(name)), int | float) and not isinstance(base.get(full(name)), bool)
        if number and any(isinstance(value, str) for value in found.ranges[full(name)].choices):
            raise Invalid("{key}={words}: neither a range (0.001..0.1) nor values (0.9,0.95).", key=name, words=words)
    honoured.refuse_foreign(project, base, [*found.asked, *found.roles, *found.ranges], compared)
    return found


def listed_trial(words: str) -> dict[str, Choice]:
    """`KEY=VALUE,KEY=VALUE` of one trial as a mapping. Refuses anything else."""
    found = pairs(words.split(","), "KEY=VALUE,KEY=VALUE")
    return {key.strip(): _value(value.strip()) for key, value in found.items()}


def price(found: Cost, trials: int) -> str:
    """The budget line: trials by measured seconds over slots, until when, the device hours of what the budget has left,
    their price, and the time until the deadline."""
    if found.trial is None or found.seconds is None or found.hours is None or found.until is None:
        return say(
            "{n} trials, {slots} at once; how long one takes has not been measured yet", n=trials, slots=found.at_once
        ).text()
    words = say(
        "{n} trials of {trial}, {slots} at once: {time}, until {clock}; device hours: {hours}",
        n=trials,
        trial=duration(found.trial).text(),
        slots=found.at_once,
        time=duration(found.seconds).text(),
        clock=_clock(found.until, found.seconds),
        hours=digits(found.hours),
    ).text()
    if found.hours_left is not None:
        words = bracketed(words, _("{hours} left of the budget").format(hours=digits(found.hours_left)))
    more = [_("price: {price}").format(price=amount(found.price))] if found.price is not None else []
    if found.longest is not None:
        more.append(_("that is the average: the longest take {time} each").format(time=duration(found.longest).text()))
    if found.threads is not None:
        timed = say(
            "timed with {before} threads a trial: with {then} it takes longer, at most as long as is said here",
            before=found.threads[0],
            then=found.threads[1],
        )
        more.append(timed.text())
    if found.seconds_left is not None:
        more.append(_("until the deadline: {time}").format(time=duration(found.seconds_left).text()))
    return _("; ").join([words, *more])


def _clock(moment: str, seconds: float) -> str:
    """The moment on the clock here, with its date where that is not plain."""
    local = datetime.datetime.fromisoformat(moment).astimezone()
    return f"{local:%H:%M}" if seconds < PLAIN_SECONDS else f"{local:%Y-%m-%d %H:%M}"


def spread(plan: RoundPlan, *, as_given: bool = False) -> Iterator[str]:
    """What each study gets of the trials, and how densely they cover its space, unless they are `as_given`."""
    for share in budget.density(plan.studies, len(plan.trials)):
        told = {"study": called(share.study), "trials": share.trials}
        if as_given or not share.dimensions:
            words = say("Study {study}: {trials} trials", **told)
        elif (count := untried.size(plan.study(share.study).dimensions)) is not None:
            words = say("Study {study}: {trials} trials in a space of {count} configurations", **told, count=count)
        elif share.dimensions == 1:
            words = say("Study {study}: {trials} trials over one hyperparameter", **told)
        else:
            words = say(
                "Study {study}: {trials} trials over {n} hyperparameters, as dense as a grid of {values} each",
                **told,
                n=share.dimensions,
                values=digits(share.per_axis),
            )
        yield words.text()


def remarks(plan: RoundPlan, ahead: Outlook | None, *, as_given: bool) -> Iterator[str]:
    """What a design comes to: how dense its studies are, what it takes of the disk, and what it holds fixed."""
    yield from () if as_given else spread(plan)
    if ahead and ahead.disk:
        yield checkpoints(ahead.disk)
    if plan.caveats:
        yield say(
            "{n} hyperparameters are fixed: what the round shows holds for the values in the table only.",
            n=len(plan.caveats),
        ).text()


def checkpoints(disk: Disk) -> str:
    """What the checkpoints of a round take of the disk."""
    words = _("Checkpoints: about {need} of {free} free")
    return words.format(need=memory(disk.need).text(), free=memory(disk.free).text())


def show(session: Session, plan: RoundPlan, name: str, ahead: Outlook, *, as_given: bool = False) -> None:
    """The plan: its question, studies with their spaces, what is fixed, what it costs, and what is wrong with it.
    `as_given`: its trials were listed one by one."""
    goal = goals.called(plan.goal)
    session.progress(say("{name}: {trials} trials, goal: {goal}", name=name, trials=len(plan.trials), goal=goal).text())
    for key, values in asked_of(plan).items():
        words = _("scientific: {key} in {values}").format(key=key, values=values)
        session.progress(f"  {words}{_unit(plan, key)}")
    for study, words in zip(plan.studies, spread(plan, as_given=as_given), strict=True):
        session.progress(f"  {words}")
        for dimension in study.dimensions:
            session.progress(f"    {labelled(dimension.name, str(dimension.domain))}{_unit(plan, dimension.name)}")
    if plan.origins:
        session.progress("  " + _("where these ranges come from:"))
    for name, origin in plan.origins.items():
        session.progress(f"    {labelled(name, origin.source.text())}")
    if fixed := depended_on(plan.roles):
        session.progress(
            "  " + _("fixed, so the conclusion holds for their values only: {names}").format(names=choice(fixed))
        )
    session.progress("  " + price(ahead.cost, len(plan.trials)))
    if ahead.disk is not None:
        session.progress("  " + checkpoints(ahead.disk))
    for note in plan.notes:
        session.progress("  " + note.text())
    for warning in (*plan.warnings, *ahead.short):
        session.progress("  " + _("warning: {warning}").format(warning=warning.text()))


def document(plan: RoundPlan, ahead: Outlook | None = None) -> dict[str, Any]:
    """A plan as the JSON answers give it, with what is `ahead` where it has not run yet."""
    said = {"caveats": plan.caveats, "warnings": plan.warnings, "notes": plan.notes}
    if ahead is None:
        return plan.to_dict() | said
    said["warnings"] = (*plan.warnings, *ahead.short)
    room = ahead.disk
    disk = room and {"need_bytes": room.need, "free_bytes": room.free, "trials_that_fit": room.fit}
    return plan.to_dict() | said | {"cost": cost_document(ahead.cost), "disk": disk}


def cost_document(cost: Cost) -> dict[str, Any]:
    """What something takes, as the JSON answers give it."""
    fields = asdict(cost)
    seconds = {f"{name}_seconds": fields.pop(name) for name in ("trial", "longest")}
    return {**fields, **seconds}


def _unit(plan: RoundPlan, name: str) -> str:
    """What the values of a hyperparameter are counted in, as it stands behind them."""
    origin = plan.origins.get(name)
    return f", {_(origin.unit)}" if origin and origin.unit else ""


def _known(key: str, optimizer: str, project: Project | None) -> catalogue.Hyperparameter | None:
    if project is not None and project.settings.command:
        return tunables.known(project, {}, key, optimizer)
    dotted = f"optimizer.{key.partition('.')[2]}" if key.startswith(f"{optimizer}.") else key
    try:
        return catalogue.hyperparameter(dotted, optimizer)
    except CatalogueError:
        return None


def _value(words: str) -> Choice:
    """A number or a switch as TOML and JSON write them; anything else is text."""
    try:
        value = json.loads(words)
    except ValueError:
        return words
    return value if isinstance(value, str | bool | int | float) else words

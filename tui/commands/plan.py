"""`tunebook round plan`: what the next round asks, what it varies, and what it takes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import click

from presets.language import _
from rounds import honoured, phases, planning, steps
from rounds import listed as by_hand
from rounds import warm_start as warm_starting
from rounds.outlook import outlook
from rounds.sequence import MOST
from rounds.slots import machine
from state.errors import WrongUse
from tui import designing, goals
from tui.session import Session, answering
from wizard import flow

SLOTS = _(
    "trials at once; 0: as the machine allows; with more than there are GPUs, several share one as far as they fit"
)


RANGE = click.option(
    "--range",
    "ranges",
    multiple=True,
    metavar="KEY=LOW..HIGH",
    help=_("search a hyperparameter in this range (LOW..HIGH:log)"),
)
ROLE = click.option(
    "--role", "roles", multiple=True, metavar="KEY=ROLE", help=_("nuisance or fixed, where the default is not right")
)


@click.command(help=_("Plan a round from the best configuration. Nothing runs before `tunebook round run`."))
@click.option(
    "--goal",
    type=click.Choice(list(goals.NAMES)),
    help=_("what for; otherwise understand, or where nothing is given what `tunebook insights` says comes next"),
)
@click.option(
    "--about",
    multiple=True,
    metavar="KEY[=VALUES]",
    help=_("scientific: what the round asks about; 0.9,0.95 or 0.001..0.1"),
)
@click.option(
    "--optimizer", "optimizers", multiple=True, metavar="NAME", help=_("compare these optimizers; give two or more")
)
@RANGE
@ROLE
@click.option(
    "--trials",
    "count",
    type=click.IntRange(min=1),
    metavar="N",
    help=_("number of trials; otherwise 20, or more where so few would conclude nothing"),
)
@click.option(
    "--warm-start", "warm", is_flag=True, help=_("instead of a search: five settings of NAdamW that worked elsewhere")
)
@click.option(
    "--trial",
    "listed",
    multiple=True,
    metavar="KEY=VALUE,...",
    help=_("a trial of these values, listed by hand; give one for each, and none of the options above"),
)
@click.option(
    "--steps",
    "length",
    type=click.IntRange(min=1),
    metavar="N",
    help=_("number of steps of each trial, where not as before; what transfers is said"),
)
@click.option("--slots", type=click.IntRange(0, MOST), default=0, metavar="N", help=SLOTS)
@click.option("--seed", type=click.IntRange(min=0), metavar="N", help=_("of the sequence of points"))
@click.option("--override", default="", metavar="REASON", help=_("plan it without a reasonable baseline"))
@answering
@click.pass_obj
def plan(
    session: Session,
    goal: Any,
    about: tuple[str, ...],
    optimizers: tuple[str, ...],
    ranges: tuple[str, ...],
    roles: tuple[str, ...],
    count: int | None,
    warm: bool,
    listed: tuple[str, ...],
    length: int | None,
    slots: int,
    seed: int | None,
    override: str,
) -> None:
    changing = about or optimizers or ranges or roles or count or seed is not None or goal is not None
    if (warm or listed) and (changing or (warm and (listed or length is not None))):
        raise WrongUse("The trials of --warm-start, or of --trial, are the whole round: leave the other options out.")
    with session.store() as store:
        save, before = planning.save, planning.basis(store, override).settings
        if length == before.get(steps.STEPS):
            length = None
        if warm:
            proposed = warm_starting.plan(store, override)
        elif listed:
            rows = [designing.listed_trial(words) for words in listed]
            proposed = by_hand.propose(store, rows, override, steps=length)
            save = by_hand.save
        else:
            given = designing.given(
                store, about=about, roles=roles, ranges=ranges, compared=optimizers, override=override
            )
            asked = given.asked
            if not changing and phases.schedule_is_next(store):
                goal, asked = "compare", {steps.SCHEDULE: steps.SCHEDULES}
            proposed = planning.propose(
                store,
                goal or "understand",
                scientific=asked,
                optimizers=optimizers,
                roles=given.roles,
                ranges=given.ranges,
                seed=seed,
                steps=length,
                override=override,
                trials=count,
            )
            honoured.refuse_unused(proposed, given.roles, given.ranges)
        if length is not None:
            proposed = replace(proposed, notes=(*proposed.notes, *steps.transfer(before, length)))
        batch = save(store, proposed, slots=slots, override=override)
        ahead = outlook(store, proposed, machine(store.project), slots)
        designing.show(session, proposed, batch.name, ahead, as_given=bool(warm or listed))
        if (step := flow.standing(store).step) is not None:
            session.progress("  " + _("warning: {warning}").format(warning=flow.reopened(step).text()))
        session.text(_("Next: tunebook round run {name}").format(name=batch.name))
        session.answer(
            {
                "round": batch.name,
                "plan": designing.document(proposed, ahead),
                # Without its name, a round that is at work would be meant.
                "next": ["tunebook", "round", "run", batch.name],
            }
        )

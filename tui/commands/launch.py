"""`tunebook launch`: candidate and best configuration run again with fresh seeds; then a decision, with its reason."""

from __future__ import annotations

import sys

import click

from presets.language import _
from rounds import foremost, judging, launching, lineage, planning, shortlist, worth
from rounds.decision import RUNS, Verdict
from rounds.sequence import MOST
from state import launches, trials
from state.database import Store
from state.errors import NotFound, NotYet, Refusal, WrongUse
from state.trials import Batch
from tui import at_once, deciding
from tui.commands.plan import SLOTS
from tui.session import Session, answering


@click.command(
    help=_(
        "Run the best trial of ROUND (otherwise of the last round that has run), those next to it, and the best "
        "configuration again with fresh seeds, judge the difference, and record a decision. Where any is undecided, "
        "LAUNCH, or the one that was begun last, is gone on with."
    )
)
@click.argument("round_", metavar="[ROUND|LAUNCH]", required=False)
@click.option("--trial", metavar="ID", help=_("the trial to launch; otherwise the round's best"))
@click.option(
    "--shortlist",
    "length",
    type=click.IntRange(1, shortlist.LONGEST),
    metavar="N",
    help=_("candidates, of which fresh runs choose one; otherwise those that the round cannot tell apart, at most 3"),
)
@click.option("--runs", type=click.IntRange(deciding.FEWEST, MOST), metavar="N", help=_("runs of each; otherwise 3"))
@click.option("--slots", type=click.IntRange(0, MOST), metavar="N", help=SLOTS)
@click.option(
    "--decide",
    "chosen",
    type=click.Choice(deciding.CHOICES),
    help=_("what to decide when the runs have ended; reject also ends a launch that was stopped"),
)
@click.option("--reason", default="", metavar="TEXT", help=_("why; needed where it is not what the runs suggest"))
@click.option("--yes", is_flag=True, help=_("decide as the runs suggest, with more runs where they are undecided"))
@click.option(
    "--too-costly", is_flag=True, help=_("decide without fresh runs, on record as such; with --decide and --reason")
)
@click.option("--proposal", is_flag=True, help=_("what would be run, and what that takes; nothing is started"))
@click.option("--history", is_flag=True, help=_("what was adopted and what rejected, and nothing else"))
@click.option("--back", metavar="HASH", help=_("an earlier best configuration becomes the best again; with --reason"))
@click.option(
    "--reopen",
    metavar="LAUNCH",
    help=_("take a rejection back: more runs, judged together with those it has; with --reason"),
)
@answering
@click.pass_obj
def launch(
    session: Session,
    round_: str | None,
    trial: str | None,
    length: int | None,
    runs: int | None,
    slots: int | None,
    chosen: judging.Choice | None,
    reason: str,
    yes: bool,
    too_costly: bool,
    proposal: bool,
    history: bool,
    back: str | None,
    reopen: str | None,
) -> None:
    if proposal:
        if chosen or yes or too_costly or history or back or reopen:
            raise WrongUse("--proposal starts and decides nothing: leave what does out.")
        with session.store() as store:
            if round_ is not None and trials.batch(store, round_).kind == launching.KIND:
                raise NotFound("{name} is no round. See: tunebook status", name=round_)
            deciding.proposed(session, store, round_ or _last_round(store, trial), trial, length, runs, slots or 0)
        return
    if reopen is not None:
        options = {
            "ROUND": round_,
            "--trial": trial,
            "--shortlist": length,
            "--runs": runs,
            "--too-costly": too_costly,
            "--history": history,
            "--back": back,
        }
        if given := [option for option, value in options.items() if value]:
            words = _("--reopen goes on with the runs that a launch has: leave {options} out.")
            raise click.UsageError(words.format(options=_(", ").join(given)))
    if history or back:
        with session.store() as store:
            if back:
                lineage.back(store, back, reason)
            deciding.show_line(session, lineage.history(store))
        return
    if too_costly:
        if chosen is None or not reason:
            raise click.UsageError(_("--too-costly goes with --decide and --reason."))
        with session.store() as store:
            waiting = launching.undecided(store)
            if waiting is not None and waiting.wanted == "run" and trial is None:
                raise NotYet(
                    "{name} has not been decided, and what is adopted beside it takes away what it compares with. Go "
                    "on with it (tunebook launch {name}), or name what you mean: --trial ID",
                    name=waiting.name,
                )
            meant = launching.propose(store, round_ or _last_round(store, trial), trial)
            name = judging.decide_unrepeated(store, meant, chosen, reason).name
        words = _("{name}: {decision} on one run, {trial}; on record as not repeated.")
        session.text(words.format(name=name, decision=chosen, trial=meant.trial))
        session.answer(
            {"launch": name, "decided": chosen, "repeated": False, "trial": meant.trial, "next": deciding.PLAN}
        )
        return
    with session.store() as store:
        if reopen is not None:
            batch = judging.reopen(store, reopen, reason)
            # That was why it goes on, and not why anything is decided.
            reason = ""
        else:
            batch = _meant(store, round_, trial)
        if batch is None or trial is not None:
            meant, listed = deciding.propose(store, round_ or _last_round(store, trial), trial, length)
            early = worth.against(store, meant.round)
            if early is not None and not (yes or trial or chosen or _can_ask(session)):
                raise worth.kind(store, meant.round)(
                    "{why} Where a launch is wanted all the same: tunebook launch --trial {trial}",
                    why=early,
                    trial=meant.trial,
                )
            deciding.announce(session, store, meant, runs, listed, slots or 0)
            asks = not yes and chosen is None and _can_ask(session)
            if asks and not click.confirm(_("Start?"), default=early is None):
                session.text(_("Nothing was started."))
                return
            batch = launching.start(store, meant, listed.rivals, runs=runs or RUNS[0])
        if chosen == "reject" and judging.stopped(store, batch.name):
            # To have it run on first would cost what it was stopped for.
            deciding.decide(session, store, batch.name, chosen, reason)
            session.text(_("Next: tunebook export DIR, or tunebook round plan"))
            session.answer({"launch": batch.name, "decided": chosen, "judged": False, "next": deciding.PLAN})
            return
        if slots is not None:
            at_once.by_command(session, store, batch.name, slots)
        while True:
            verdict = deciding.run(session, store, batch)
            # Where the runs cannot tell they suggest nothing; that the best configuration stays then takes a reason.
            told = verdict.decision != "cannot tell" or bool(reason)
            decided = chosen or (deciding.suggested(verdict) if yes and told else None)
            if decided is None and _can_ask(session):
                decided, reason = _asked(verdict)
            if decided is None:
                break
            deciding.decide(session, store, batch.name, decided, reason)
            if decided != "repeat":
                break
            # What was given on the command line was said about the first look.
            chosen, reason = None, ""
    if decided is None:
        words = _("Nothing is decided yet. Next: tunebook launch {name} --decide adopt|reject|repeat")
        session.text(words.format(name=batch.name))
    else:
        session.text(_("Next: tunebook export DIR, or tunebook round plan"))
    with session.store() as store:
        standings = shortlist.standings(store, batch)
    session.answer(deciding.document(deciding.Outcome(batch.name, verdict, decided, standings)))


def _meant(store: Store, name: str | None, trial: str | None) -> Batch | None:
    """The launch to go on with: the one that is named, else the one that was begun last; None where none waits. Refuses
    one that is named and waits for no decision."""
    if name is None or trials.batch(store, name).kind != launching.KIND:
        return launching.undecided(store)
    if trial is not None:
        raise WrongUse("Give either {name}, to go on with it, or --trial ID, to launch that one.", name=name)
    waiting = {batch.name: batch for batch in launches.waiting(store)}
    if name not in waiting:
        why = launching.overtaken(store, trials.batch(store, name))
        if why is not None and launches.decided(store, name) is None:
            raise Refusal(why.id, **why.values)
        raise NotFound(
            "{name} is no launch to go on with. Not decided yet: {known}. To launch a trial: tunebook launch --trial "
            "ID",
            name=name,
            known=[*waiting] or ["-"],
        )
    return waiting[name]


def _last_round(store: Store, trial: str | None) -> str:
    if trial is not None:
        return trials.trial(store, trial).batch
    run = {entry.batch for entry in trials.trials(store) if entry.status == "complete"}
    if rounds := [batch for batch in planning.rounds(store) if batch.name in run]:
        return foremost.latest(store, rounds).name
    raise NotYet("No round has a complete trial yet. Run one: tunebook round run --wait")


def _can_ask(session: Session) -> bool:
    return not session.json and sys.stdin.isatty() and sys.stdout.isatty()


def _asked(verdict: Verdict) -> tuple[judging.Choice, str]:
    """What the person decides, and why where it is not what the runs suggest."""
    suggested = deciding.suggested(verdict)
    decided = click.prompt(_("Decision"), type=click.Choice(deciding.CHOICES), default=suggested)
    return decided, "" if decided == verdict.decision else click.prompt(_("Why"))

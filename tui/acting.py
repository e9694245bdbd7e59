"""What a finding proposes, done on the screen or by a command."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, cast

from presets.language import Message, _, say
from rounds import final, instability, next_step, planning, supervisor, wishes
from rounds.next_step import Check, Design, Extend, NextStep, Retry
from rounds.outlook import outlook
from rounds.slots import machine
from state import runs, trials
from state.database import Store
from state.errors import AtWork
from tui import designing
from tui.session import Session

if TYPE_CHECKING:
    from tui.pages.page import Page

EXTENDING = "extend"


def question(step: NextStep) -> Message | None:
    """What is asked before trials run that nobody has seen planned; None where a page comes first."""
    if isinstance(step, Extend):
        return say("Run {n} more trials of {name}?", n=step.trials, name=step.round)
    if isinstance(step, Retry):
        return say("Try {n} trials of {name} again?", n=len(step.trials), name=step.round)
    if isinstance(step, Check):
        return say(
            "Run {n} short trials from {trial} on, the last evaluated at every step?",
            n=len(instability.MULTIPLES),
            trial=step.trial,
        )
    return None


def asked(page: Page, step: NextStep) -> None:
    """Do it on a page; trials that nobody has seen planned are asked about there first."""
    # Commands need nothing of Textual.
    from tui.widgets.prompt import Prompt

    if (words := question(step)) is None:
        on_screen(page, step)
        return
    options = [("run", _("run them"), ""), ("stay", _("not now"), "")]
    page.query_one(Prompt).choose(
        words, options, lambda answer: answer != "run" or page.book.attempt(lambda: on_screen(page, step))
    )


def on_screen(page: Page, step: NextStep) -> None:
    """Do it: the design of the round comes up filled in, trials are queued and run, or the page that is meant opens."""
    book = page.book
    if isinstance(step, Design):
        book.design(step)
    elif isinstance(step, Extend):
        add = partial(next_step.extend, step=step)
        extend(page, add, lambda: book.attempt(lambda: book.open(f"round {step.round}")))
    elif isinstance(step, Retry):
        wishes.retry_failed(book.store, step.round, step.trials)
        book.open(f"round {step.round}")
    elif isinstance(step, Check):
        batch = instability.start(book.store, step.trial)
        supervisor.ensure(book.project)
        book.open(f"round {batch.name}")
    else:
        book.open(f"{step.what} {step.name}")
        if step.what == "round":
            _say_how_it_ends(cast("Page", page.app.screen), step.name)


def _say_how_it_ends(page: Page, name: str) -> None:
    """Say on the page of a round, which has just come up, how its trials get to their end."""
    words = _("g runs the trials that are left to their end; E ends the round without them.")
    if trials.batch(page.book.store, name).wanted == "run":
        words = _("The trials that are left go on; E ends the round without them.")
    page.say(words)


def extend(page: Page, add: Callable[[Store], Message | None], then: Callable[[], object]) -> None:
    """Have trials added to a round run, and go on with `then` unless another page was opened meanwhile: the points of a
    final study take a while to choose. What is to be known of them is said after that."""
    if any(worker.group == EXTENDING and worker.is_running for worker in page.workers):
        raise AtWork("The points of the new trials are being chosen.")

    def choose(store: Store) -> Message | None:
        told = add(store)
        supervisor.ensure(store.project)
        return told

    def go_on(told: Message | None) -> None:
        page.say("")
        if page.is_current:
            then()
            if told is not None:
                cast("Page", page.app.screen).say(told.text())

    page.say(_("The points of the new trials are being chosen."))
    page.behind(choose, go_on, group=EXTENDING)


def by_command(session: Session, store: Store, step: NextStep) -> dict[str, object]:
    """Do it without a screen: what is to be run is planned or queued, and `tunebook round run` runs it. Returns what
    was done, for the answer."""
    if isinstance(step, Design):
        plan = step.plan(store)
        batch = planning.save(store, plan)
        designing.show(session, plan, batch.name, outlook(store, plan, machine(store.project)))
        for note in step.notes:
            session.progress("  " + note.text())
        return {"does": "plan", "round": batch.name, "notes": step.notes}
    if isinstance(step, Extend):
        before = len(trials.trials(store, step.round))
        told = final.extend(store, step.round, step.trials)
        more = len(trials.trials(store, step.round)) - before
        session.progress(say("{n} more trials of {name}", n=more, name=step.round).text())
        if told is not None:
            session.progress(told.text())
        return {"does": "extend", "round": step.round, "trials": more}
    if isinstance(step, Retry):
        wishes.retry_failed(store, step.round, step.trials)
        session.progress(say("{n} trials of {name} are tried again", n=len(step.trials), name=step.round).text())
        return {"does": "retry", "round": step.round, "trials": list(step.trials)}
    if isinstance(step, Check):
        batch = instability.start(store, step.trial, wanted="")
        session.progress(_("{name}: a stability check of {trial}").format(name=batch.name, trial=step.trial))
        return {"does": "check", "round": batch.name, "trial": step.trial}
    log = str(store.project.trial_folder(step.name) / runs.LOG) if step.what == "trial" else ""
    words = {
        "trial": _("Look at the log of {name}: {log}"),
        "round": _("Run {name} on: tunebook round run {name}"),
        "propose": _("Launch it: tunebook launch {name}"),
        "setup": _("Decide {name} anew: tunebook new, or the set-up in the screens."),
    }
    session.progress(words[step.what].format(name=step.name, log=log))
    return {"does": "look", "at": step.what, "name": step.name, **({"log": log} if log else {})}

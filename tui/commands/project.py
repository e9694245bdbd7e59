"""`tunebook status` and `decisions`: where a project stands, and what was decided."""

from __future__ import annotations

import dataclasses
import shlex
from typing import TYPE_CHECKING

import click

from presets.language import _, labelled, sentences
from tui import say
from tui.session import Session, answering

if TYPE_CHECKING:
    from rounds.standing import Standing
    from state.measure import Measure
    from state.trials import Trial


@click.command(
    help=_(
        "Every decision with its reason, in the order in which they were made; those of one STEP (or launch) with the "
        "figures that they rest on and the values that they set."
    )
)
@click.argument("step", required=False)
@click.option("--all", "superseded", is_flag=True, help=_("also those that a later decision has replaced"))
@answering
@click.pass_obj
def decisions(session: Session, step: str | None, superseded: bool) -> None:
    from state import launches
    from state.decisions import decisions as recorded
    from state.errors import NotFound
    from state.launches import Launch
    from tui import decided

    with session.store() as store:
        recorded_ones = recorded(store, all=superseded)
        entries = sorted((*recorded_ones, *launches.launches(store)), key=lambda entry: entry.at)
        steps = dict.fromkeys(decided.step(entry) for entry in entries)
        step = decided.meant(step) if step is not None else None
        if step is not None and step not in steps:
            raise NotFound("No decision on {step} yet; there are some on: {steps}.", step=step, steps=[*steps] or ["-"])
        chosen = [entry for entry in entries if step in (None, decided.step(entry))]
        told = {
            entry.number: [*decided.lines(store, entry, whole=step is not None)]
            for entry in chosen
            if isinstance(entry, Launch)
        }
    for entry in chosen:
        if isinstance(entry, Launch):
            for line in told[entry.number]:
                session.text(line)
            continue
        replaced = _(" (replaced)") if entry.superseded_by else ""
        session.text(labelled(f"{entry.step}{replaced}", say.stored(entry.question)))
        session.text("  " + _("chosen: {chosen}").format(chosen=say.answer(entry.chosen)))
        if entry.recommended not in (None, entry.chosen):
            session.text("  " + _("recommended: {choice}").format(choice=say.answer(entry.recommended)))
        session.text("  " + _("because: {reason}").format(reason=say.stored(entry.reason)))
        session.text("  " + _("by {author} at {time}").format(author=entry.by, time=entry.at))
        if step is not None:
            for message in entry.evidence:
                session.text(f"  - {say.stored(message)}")
            for key, value in entry.settings.items():
                session.text(f"  {key} = {say.choice(value)}")
    if not entries:
        session.text(_("No decision yet. Next: tunebook new"))
    session.answer(
        [decided.document(entry) if isinstance(entry, Launch) else dataclasses.asdict(entry) for entry in chosen]
    )


@click.command(help=_("Where the project stands, what runs, and what comes next."))
@answering
@click.pass_obj
def status(session: Session) -> None:
    show_status(session)


def show_status(session: Session) -> None:
    """Say where the project stands: in the set-up by its questions, after it by its rounds."""
    from rounds import alike, changed_metric, looking, own_code, supervisor
    from rounds import standing as rounds_standing
    from rounds.foremost import as_begun
    from rounds.reached import source
    from state import by_metric, launches, trials
    from tui import goals
    from tui.commands.baseline import onward
    from wizard import baseline_running, flow, measuring
    from wizard.quantity import duration

    with session.store() as store:
        setup = flow.standing(store)
        stands = rounds_standing.standing(store)
        best, found = launches.best(store), source(store)
        batches, measured = as_begun(trials.batches(store), trials.trials(store)), measuring.at_work(store)
        first = baseline_running.at_work(store)
        attended = supervisor.alive(store.project)
        doing = baseline_running.doing(store, first, attended=attended) if first is not None else None
        gone = first is not None and baseline_running.gone(store, first, attended=attended)
        first_result = shlex.join(onward(store)) if setup.step == "baseline" else ""
        others = alike.incomparable(store)
        changes = list(filter(None, (own_code.since_best(store), changed_metric.since_best(store))))
        looks_on = looking.under_way(store)
        root, metric = store.project.root, store.project.settings.metric
        former = {name: by.metric for name, by in alike.by_other_metric(store).items()}
        results = {
            batch.name: _best_of(trials.trials(store, batch.name), by_metric.of_batch(store, batch.name))
            for batch in batches
        }
    session.text(_("Project {path}").format(path=root))
    if setup.step is not None and best is None:
        now = _("Set-up, at the question: {step}").format(step=flow.title(setup.step).text())
        then, command = "", first_result or f"tunebook new {shlex.quote(str(root))}"
    else:
        now, then, command = stands.now.text(), stands.next.text(), _command(stands)
        if setup.step is not None:
            session.text(flow.reopened(setup.step).text())
    session.text(now)
    session.text(sentences(*(part for part in (_("Next:"), then, command) if part)))
    if stands.undecided:
        words = _("Not decided yet: {names}. Go on with one: tunebook launch NAME")
        session.text(words.format(names=say.choice(stands.undecided)))
    if stands.waits is not None:
        session.text(stands.waits.text())
    for changed in changes:
        session.text(changed.text())
    if measured is not None:
        session.text(measured.text())
        session.text(_("Stop it: tunebook round stop {name}").format(name=measured.values["id"]))
    if looks_on is not None:
        session.text(looks_on.message.text())
        session.text(_("Stop it: tunebook round stop {name}").format(name="look"))
    if first is not None and doing is not None:
        session.text(doing.text())
        how = _("Watch it: tunebook baseline. Stop it: tunebook round stop {name}")
        if gone:
            how = _("Go on: {command}")
        session.text(how.format(name=first.name, command="tunebook baseline"))
    if stands.seconds_left:
        session.text(_("It ends in about {time}.").format(time=duration(stands.seconds_left).text()))
    if batches:
        session.text()
        session.table(
            [_("batch"), _("goal"), _("trials"), f"{_('best')} {say.measured(metric)}"],
            [
                [
                    batch.name,
                    goals.called(batch.goal),
                    str(results[batch.name][0]),
                    say.by_other(say.figure(results[batch.name][1]), former.get(batch.name, "")),
                ]
                for batch in batches
            ],
            right=(2, 3),
        )
    if others:
        words = _("Another batch size, length, data or metric, so not to be compared with later rounds: {names}")
        session.text(words.format(names=say.choice(others)))
    if best is not None:
        session.text()
        session.text(_("Best configuration: {name} ({found})").format(name=best.hash, found=say.choice(found)))
    session.text(say.spent(stands.hours_spent, stands.hours_budget))
    if stands.horizon.phase != "open":
        from tui.horizon import lines

        for line in lines(stands.horizon, stands.next if then else None):
            session.text(line)
    session.answer(
        {
            "project": str(root),
            "metric": metric,
            "direction": store.project.settings.direction,
            "step": "set-up" if best is None else stands.step,
            "question": setup.step,
            "needs": setup.needs,
            "now": now,
            "next": then,
            "command": command,
            "batch": stands.batch,
            "undecided": stands.undecided,
            "warnings": [*([flow.reopened(setup.step)] if setup.step and best else []), *changes],
            "waits": stands.waits,
            "measuring": measured,
            "looking": looks_on and looks_on.message,
            "baseline": doing,
            "states": stands.states,
            "seconds_left": stands.seconds_left,
            "hours_spent": stands.hours_spent,
            "hours_budget": stands.hours_budget,
            "horizon": dataclasses.asdict(stands.horizon) | {"message": stands.horizon.message},
            "best": best and {"hash": best.hash, "settings": best.settings, "found": found},
            "batches": [
                {
                    "name": batch.name,
                    "kind": batch.kind,
                    "goal": batch.goal,
                    "wanted": batch.wanted,
                    "trials": results[batch.name][0],
                    "best": results[batch.name][1],
                    "metric": former.get(batch.name, metric),
                    "comparable": batch.name not in others,
                }
                for batch in batches
            ],
        }
    )


def _command(stands: Standing) -> str:
    """The command that takes the next step."""
    if stands.command:
        return stands.command
    match stands.step:
        case "goal":
            return "tunebook round plan"
        case "run":
            return f"tunebook round {'status' if stands.seconds_left is not None else 'run'} {stands.batch}"
        case "learn":
            return f"tunebook round review {stands.batch}"
        case _:
            return f"tunebook launch {stands.batch}"


def _best_of(listed: list[Trial], by: Measure) -> tuple[int, float | None]:
    """How many trials there are, and the best value of those that completed, of those that were judged by the same."""
    from state import by_metric

    counted = (entry for entry in by_metric.only(listed, by) if entry.status == "complete")
    values = [entry.best for entry in counted if entry.best is not None]
    return len(listed), (max if by.direction == "max" else min)(values, default=None)

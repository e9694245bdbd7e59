"""`tunebook status` and `decisions`: where a project stands, and what was decided."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import click

from presets.language import _, labelled, sentences
from tui import say
from tui.session import Session, answering

if TYPE_CHECKING:
    from rounds.standing import Standing

# So many rounds and launches are told of where not all are asked for.
LATEST = 10


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
    session.answer([decided.document(entry) for entry in chosen])


@click.command(help=_("Where the project stands, what runs, and what comes next."))
@click.option("--all", "every", is_flag=True, help=_("all rounds, and not only the latest"))
@answering
@click.pass_obj
def status(session: Session, every: bool) -> None:
    show_status(session, every=every)


def show_status(session: Session, *, every: bool = False) -> None:
    """Say where the project stands: in the set-up by its questions, after it by its rounds; `every`: by all of them."""
    from rounds import alike, changed_metric, looking, own_code, supervisor
    from rounds import standing as rounds_standing
    from rounds.foremost import as_begun
    from rounds.reached import source
    from state import by_metric, launches, trials
    from tui import goals, so_far
    from tui.commands.baseline import onward
    from tui.horizon import document
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
            batch.name: (len(listed), so_far.best(listed, by_metric.of_batch(store, batch.name)))
            for batch in batches
            for listed in [trials.trials(store, batch.name)]
        }
    session.text(_("Project {path}").format(path=root))
    if setup.step is not None and best is None:
        now = _("Set-up, at the question: {step}").format(step=flow.title(setup.step).text())
        then, command = "", first_result or f"tunebook new {shlex.quote(str(root))}"
    else:
        at_work = attended and any(batch.name == stands.batch and batch.wanted == "run" for batch in batches)
        now, then, command = stands.now.text(), stands.next.text(), _command(stands, at_work=at_work)
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
        # What is said above the table must not be pushed off the screen by what was months ago.
        earlier = 0 if every else max(len(batches) - LATEST, 0)
        if earlier:
            session.text(_("Earlier: {n}. With them: tunebook status --all").format(n=earlier))
        session.table(
            [_("batch"), _("goal"), _("trials"), f"{_('best')} {say.measured(metric)}"],
            [
                [
                    batch.name,
                    goals.of_batch(batch),
                    str(results[batch.name][0]),
                    say.by_other(say.figure(results[batch.name][1]), former.get(batch.name, "")),
                ]
                for batch in batches[earlier:]
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
            "then": then,
            "next": shlex.split(command),
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
            "horizon": document(stands.horizon),
            "best_configuration": best and {"configuration": best.hash, "settings": best.settings, "found": found},
            "batches": [
                {
                    "name": batch.name,
                    "kind": batch.kind,
                    "goal": batch.goal,
                    "check": batch.plan.get("check"),
                    "search": batch.plan.get("search"),
                    "wanted": batch.wanted,
                    "trial_count": results[batch.name][0],
                    "best": results[batch.name][1],
                    "metric": former.get(batch.name, metric),
                    "comparable": batch.name not in others,
                }
                for batch in batches
            ],
        }
    )


def _command(stands: Standing, *, at_work: bool) -> str:
    """The command that takes the next step; `at_work`: what is meant goes on by itself."""
    if stands.command:
        return stands.command
    match stands.step:
        case "goal":
            return "tunebook round plan"
        case "run":
            return f"tunebook round {'status' if at_work else 'run'} {stands.batch}"
        case "learn":
            return f"tunebook round review {stands.batch}"
        case _:
            return f"tunebook launch {stands.batch}"

"""`tunebook round`: run a round, watch it, add to it, review it."""

from __future__ import annotations

import click

from presets.language import _, told
from rounds import (
    cost,
    dismissing,
    final,
    instability,
    launching,
    next_step,
    outage,
    own_code,
    planning,
    queue,
    reviewing,
    supervisor,
    wishes,
    worth,
)
from rounds.foremost import meant, planned
from rounds.sequence import MOST
from state import by_metric, trials
from state.database import Store
from state.errors import AtWork, NotFound, Over, WrongUse
from state.trials import Batch
from tui import acting, stopping
from tui.click_texts import short_help
from tui.commands.final import final_study
from tui.commands.plan import SLOTS, plan
from tui.findings import finding_document, show_findings
from tui.round_told import so_far, tell
from tui.say import best_of, figure, measured
from tui.session import Session, answering
from tui.watch import status_word, watch


class InOrder(click.Group):
    """Commands listed in the order of their use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        # As click has it: the names stand two spaces in, and as many before what is said of them.
        room = formatter.width - 6 - max(map(len, self.commands))
        with formatter.section(_("Commands")):
            formatter.write_dl([(name, short_help(command, room)) for name, command in self.commands.items()])


@click.group(
    name="round",
    cls=InOrder,
    invoke_without_command=True,
    help=_("A round: a set of trials with one goal, planned, run and reviewed."),
)
@click.pass_context
def round_group(context: click.Context) -> None:
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


round_group.add_command(plan)


@round_group.command(help=_("Run a planned or interrupted round. It goes on by itself; this command returns at once."))
@click.argument("name", required=False)
@click.option("--slots", type=click.IntRange(0, MOST), metavar="N", help=SLOTS)
@click.option("--wait", is_flag=True, help=_("show how the trials end, until all have"))
@answering
@click.pass_obj
def run(session: Session, name: str | None, slots: int | None, wait: bool) -> None:
    with session.store() as store:
        batch = _to_run(session, store, name)
        if all(map(trials.over, listed := trials.trials(store, batch.name))):
            if stopped := [entry.id for entry in listed if trials.stopped_alone(entry)]:
                raise Over(
                    "{name} has ended but for {trials}, stopped alone. Try again: tunebook round retry {first}; or "
                    "review it: tunebook round review {name}",
                    name=batch.name,
                    trials=stopped,
                    first=stopped[0],
                )
            raise Over(
                "{name} has ended. Review it (tunebook round review) or add trials to it (tunebook round extend).",
                name=batch.name,
            )
        wishes.run(store, batch.name, slots)
        if slots and (crowded := wishes.crowded(store, batch.name, slots)):
            session.progress(_("warning: {warning}").format(warning=crowded.text()))
        if dear := cost.over_budget(store, batch.name):
            session.progress(_("warning: {warning}").format(warning=dear.text()))
        if changed := own_code.since_best(store):
            session.progress(_("warning: {warning}").format(warning=changed.text()))
        if wait:
            watch(session, store, batch.name)
        else:
            supervisor.ensure(store.project)
        listed = trials.trials(store, batch.name)
        tell(session, store, trials.batch(store, batch.name), listed, started=True)
        if not name and (others := [other.name for other in planned(store)]):
            session.text(_("Planned and not run: {names}. Run one by its name.").format(names=_(", ").join(others)))
        batch = trials.batch(store, batch.name)
        paused = outage.why_paused(store, batch, listed)
    if paused or all(entry.status in ("failed", "infeasible") for entry in listed):
        raise click.exceptions.Exit(1)


@round_group.command(help=_("The trials of a round, a launch or a baseline: what runs, what ended, how."))
@click.argument("name", required=False)
@answering
@click.pass_obj
def status(session: Session, name: str | None) -> None:
    with session.store() as store:
        batch = _any(store, name) if name else _meant(session, store, None)
        listed = [so_far(store, entry) for entry in trials.trials(store, batch.name)]
        metric = by_metric.of_batch(store, batch.name).metric
        session.table(
            [_("trial"), _("study"), _("state"), measured(metric), _("at step"), _("tried")],
            [
                [
                    entry.id,
                    entry.study,
                    status_word(entry.status),
                    best_of(entry, metric),
                    str(entry.best_step if entry.best_step is not None else "-"),
                    " ".join(f"{key}={figure(value)}" for key, value in entry.settings.items()),
                ]
                for entry in listed
            ],
            right=(3, 4),
        )
        for entry in listed:
            if entry.message:
                session.text(_("{name}: {why}").format(name=entry.id, why=told(entry.message, entry.said).text()))
        tell(session, store, batch, listed)


@round_group.command(
    help=_(
        "Stop a round, or one trial by its name: what runs saves itself. `tunebook round run` goes on with a round, "
        "`tunebook round retry` with a trial. A probe or another measurement is stopped by its name, too, and `look` "
        "is the look at the test split."
    )
)
@click.argument("name", required=False)
@answering
@click.pass_obj
def stop(session: Session, name: str | None) -> None:
    with session.store() as store:
        if name and stopping.has(name):
            stopping.stop(session, store, name)
            return
        target = wishes.target(store, name) if name else _at_work(session, store).name
        batch = wishes.ask(store, target, "stop")
        tell(session, store, batch, trials.trials(store, batch.name), started=True)


@round_group.command(help=_("Start no more trials of a round; what runs goes to its end."))
@click.argument("name", required=False)
@answering
@click.pass_obj
def pause(session: Session, name: str | None) -> None:
    with session.store() as store:
        batch = wishes.ask(store, (_named(store, name) if name else _at_work(session, store)).name, "pause")
        tell(session, store, batch, trials.trials(store, batch.name), started=True)


@round_group.command(
    help=_(
        "Throw a round away of which no trial has ended. That is recorded as a decision; `tunebook round run NAME` "
        "takes it back."
    )
)
@click.argument("name")
@click.option("--reason", default="", metavar="TEXT", help=_("why; it is kept"))
@answering
@click.pass_obj
def drop(session: Session, name: str, reason: str) -> None:
    with session.store() as store:
        batch = wishes.drop(store, _named(store, name).name, reason)
        tell(session, store, batch, trials.trials(store, batch.name))


@round_group.command(
    help=_(
        "End a round early: what waits is not run any more, what runs goes to its end, and what has ended stays. That "
        "is recorded as a decision; `tunebook round retry` runs a trial after all."
    )
)
@click.argument("name", required=False)
@click.option(
    "--trials",
    "count",
    type=click.IntRange(min=1),
    metavar="N",
    help=_("take back only the last N of those that have not begun"),
)
@click.option("--reason", default="", metavar="TEXT", help=_("why; it is kept"))
@answering
@click.pass_obj
def end(session: Session, name: str | None, count: int | None, reason: str) -> None:
    with session.store() as store:
        batch = wishes.end(store, _meant(session, store, name).name, reason, count=count)
        tell(session, store, batch, trials.trials(store, batch.name), started=True)


@round_group.command(help=_("Try trials again that were infeasible, failed or stopped; a stopped one goes on."))
@click.argument("names", metavar="TRIAL...", nargs=-1)
@click.option("--failed", metavar="ROUND", help=_("all of a round that failed, and have it run"))
@answering
@click.pass_obj
def retry(session: Session, names: tuple[str, ...], failed: str | None) -> None:
    if bool(names) == bool(failed):
        raise WrongUse("Name the trials to try again, or with --failed a round, of which all that failed are.")
    with session.store() as store:
        batch = wishes.retry_failed(store, wishes.target(store, failed)) if failed else wishes.retry(store, names)
        tell(session, store, batch, trials.trials(store, batch.name), started=True)


@round_group.command(name="next", help=_("Have trials, or all of a round that wait, started before all others."))
@click.argument("names", metavar="TRIAL|ROUND...", nargs=-1, required=True)
@answering
@click.pass_obj
def next_(session: Session, names: tuple[str, ...]) -> None:
    with session.store() as store:
        batch = wishes.put_first(store, [wishes.target(store, name) for name in names])
        tell(session, store, batch, trials.trials(store, batch.name))


@round_group.command(help=_("Add trials to a round: the next points of the same sequence."))
@click.argument("name", required=False)
@click.option("--trials", "count", type=click.IntRange(min=1), required=True, metavar="N", help=_("how many more"))
@answering
@click.pass_obj
def extend(session: Session, name: str | None, count: int) -> None:
    with session.store() as store:
        batch = _meant(session, store, name)
        if (told := final.extend(store, batch.name, count)) is not None:
            session.progress(told.text())
        if trials.batch(store, batch.name).wanted == "run":
            supervisor.ensure(store.project)
        tell(session, store, trials.batch(store, batch.name), trials.trials(store, batch.name), started=True)


@round_group.command(
    help=_("Check a round before any conclusion: ranges, points, infeasible trials, curves, isolation.")
)
@click.argument("name", required=False)
@click.option("--dismiss", metavar="CHECK", help=_("a finding that does not matter here; needs --reason"))
@click.option("--restore", metavar="CHECK", help=_("take a dismissal back"))
@click.option("--reason", default="", metavar="TEXT", help=_("why it is dismissed; it is kept"))
@click.option(
    "--act", metavar="CHECK", help=_("do what the finding proposes; new trials wait for `tunebook round run`")
)
@answering
@click.pass_obj
def review(
    session: Session, name: str | None, dismiss: str | None, restore: str | None, reason: str, act: str | None
) -> None:
    if reason and not dismiss:
        raise click.UsageError(_("--reason goes with --dismiss."))
    with session.store() as store:
        batch = _meant(session, store, name)
        findings = reviewing.review_batch(store, batch.name)
        if dismiss:
            dismissing.dismiss(store, batch.name, dismiss, reason)
        if restore:
            dismissing.restore(store, batch.name, restore)
        held = dismissing.in_force(store, batch.name, findings)
        show_findings(session, findings, held)
        done = None
        if act:
            step = next_step.next_step(store, batch.name, dismissing.find(store, batch.name, act))
            done = acting.by_command(session, store, step)
        after, words = _after_review(store, batch)
        # Most trials failed: before anything else they are tried again.
        if again := next((f.key for f in findings if f.action and f.action.code == "retry"), None):
            after = _("Next: tunebook round review {name} --act {check}").format(name=batch.name, check=again)
            words = ["tunebook", "round", "review", batch.name, "--act", again]
    if done is None:
        session.text(after)
    elif "round" in done:
        session.text(_("Next: tunebook round run {name}").format(name=done["round"]))
        words = ["tunebook", "round", "run", done["round"]]
    documents = [finding_document(finding, held.get(finding.key)) for finding in findings]
    session.answer({"round": batch.name, "findings": documents, "done": done, "next": words})


round_group.add_command(final_study)


@round_group.command(
    help=_("Short runs at the best learning rate and just above it, to see whether training is unstable there.")
)
@click.option("--trial", metavar="ID", help=_("the trial to start from; otherwise the best of the last round"))
@answering
@click.pass_obj
def check(session: Session, trial: str | None) -> None:
    with session.store() as store:
        chosen = trial or instability.candidate(store)
        batch = instability.start(store, chosen, wanted="")
        session.progress(_("{name}: a stability check of {trial}").format(name=batch.name, trial=chosen))
        tell(session, store, batch, trials.trials(store, batch.name))


def _after_review(store: Store, batch: Batch) -> tuple[str, list[str]]:
    """What comes after the review of a round, in a sentence and as the words of a command: a launch where a trial may
    be worth it."""
    listed = trials.trials(store, batch.name)
    launched = any(entry.status == "complete" for entry in listed) and not batch.plan.get("check")
    if not all(map(trials.over, listed)):
        told = _("Next: tunebook round run {name}").format(name=batch.name)
        return told, ["tunebook", "round", "run", batch.name]
    of_old = worth.beaten(store, batch.name) or worth.launched(store, batch.name) or worth.shorter(store, batch.name)
    if launched and not of_old:
        told = _("Next: tunebook launch {name}, or tunebook round plan").format(name=batch.name)
        return told, ["tunebook", "launch", batch.name]
    if not any(entry.status in trials.ENDED for entry in listed):
        told = _("Next: tunebook round retry {trial}").format(trial=listed[0].id)
        return told, ["tunebook", "round", "retry", listed[0].id]
    return _("Next: tunebook round plan"), ["tunebook", "round", "plan"]


def _any(store: Store, name: str) -> Batch:
    """A round by its name or its number, or whatever else has trials by its name."""
    return trials.batch(store, f"round-{name}" if name.isdecimal() else name)


def _named(store: Store, name: str) -> Batch:
    """A round by its name or its number."""
    batch = _any(store, name)
    if batch.kind == launching.KIND:
        raise NotFound(
            "{name} is a launch and no round. Go on with it: tunebook launch {name}. What was decided, with its runs: "
            "tunebook decisions launch",
            name=name,
        )
    if batch.kind != planning.KIND:
        raise NotFound("{name} is no round. See: tunebook status", name=name)
    return batch


def _meant(session: Session, store: Store, name: str | None) -> Batch:
    """The round of a name; without one, that which is meant then, which is said where there are others."""
    return _named(store, name) if name else _say_which(session, store, meant(store))


def _to_run(session: Session, store: Store, name: str | None) -> Batch:
    """The round that is to run: where none is named and the one that is meant is over, the planned one."""
    if name:
        return _named(store, name)
    batch = meant(store)
    if all(map(trials.over, trials.trials(store, batch.name))):
        waiting = [other for other in planned(store) if other.name != batch.name]
        if len(waiting) > 1:
            raise Over(
                "{name} has ended. Planned and not run: {names}. Run one by its name: tunebook round run {first}",
                name=batch.name,
                names=[other.name for other in waiting],
                first=waiting[0].name,
            )
        batch = waiting[0] if waiting else batch
    return _say_which(session, store, batch)


def _say_which(session: Session, store: Store, batch: Batch) -> Batch:
    """The round that is meant, which is said where there are others."""
    if len(trials.batches(store, planning.KIND)) > 1:
        session.progress(_("No round is named: {name} is meant.").format(name=batch.name))
    return batch


def _at_work(session: Session, store: Store) -> Batch:
    """The round that is meant where none is named and something is to be stopped."""
    if trials.batches(store, planning.KIND):
        batch = meant(store)
        listed = trials.trials(store, batch.name)
        # What is stopping is at work until what runs has saved itself.
        wanted = batch.wanted in ("run", "pause") and not all(map(trials.over, listed))
        if wanted or queue.under_way(batch, listed):
            return _say_which(session, store, batch)
    for other in trials.batches(store):
        if queue.under_way(other, trials.trials(store, other.name)):
            raise AtWork("No round is running, but {name} is. Stop it: tunebook round stop {name}", name=other.name)
    if (beside := stopping.at_work(store)) is not None:
        raise AtWork("No round is running, but {name} is. Stop it: tunebook round stop {name}", name=beside)
    raise NotFound("No round is running.")

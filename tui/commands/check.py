"""`tunebook check`: short runs that find out why a first result is no better than chance, how long a run must be, or
how far larger batches save steps."""

from __future__ import annotations

import dataclasses
import shlex
from typing import Any

import click

from presets.language import _
from state.errors import Refusal, WrongUse
from tui.amount import Amount
from tui.session import Session, answering


@click.command(
    help=_(
        "Check the first configuration by short runs: one-batch (can the network learn 32 examples by heart?), shuffle "
        "(does it learn more from the labels than from shuffled ones?), length (in how many steps do constant rates "
        "fit the training split?), batch-size (how many steps to a target at several batch sizes, against perfect "
        "scaling?)."
    )
)
@click.argument("kind", metavar="CHECK", type=click.Choice(("one-batch", "shuffle", "length", "batch-size")))
@click.option(
    "--target",
    metavar="VALUE",
    type=Amount(),
    help=_("batch-size: the validation result to reach; without it, the best result of the baseline"),
)
@click.option("--again", is_flag=True, help=_("make it once more, although it was made before"))
@answering
@click.pass_obj
def check(session: Session, kind: str, target: float | None, again: bool) -> None:
    from tui import setup
    from tui.commands.baseline import onward
    from wizard import baseline, checks, flow, scaling, steps

    with session.store() as store:
        if store.project.settings.command:
            raise Refusal("The checks need the built-in training; a script of your own must check itself.")
        if target is not None and kind != checks.BATCH_SIZE:
            raise WrongUse("--target belongs to the check batch-size.")
        root = store.project.root
        lacking = {checks.LENGTH: steps.provisional, checks.BATCH_SIZE: steps.undecided}.get(kind)
        provisional = lacking(store) if lacking else None
        found = checks.fresh(store, kind, provisional)
        if found is None or again:
            found = setup.check(session, store, kind, checks.start(store, kind, provisional))
        said, passed = checks.verdict(found), found.result["passed"]
        more: dict[str, Any] = {}
        if kind == checks.BATCH_SIZE:
            # A baseline may have come since the training.
            report = scaling.report({**found.result, "baseline": scaling.baseline(store)}, target)
            said, passed = scaling.verdict(report), report.told
            more = {
                "metric": report.metric,
                "target": report.target,
                "source": report.source,
                "sizes": [dataclasses.asdict(size) | {"examples": size.examples} for size in report.sizes],
            }
            table = scaling.table(report)
            columns, rows = [column.text() for column in table.columns], [list(row) for row in table.rows]
            session.table(columns, rows, right=tuple(range(len(columns))))
        following: list[str] = []
        if kind == checks.LENGTH and passed:
            following = ["tunebook", "new", str(root), "--steps", str(steps.fitting(found.result))]
        elif kind in (checks.ONE_BATCH, checks.SHUFFLE) and flow.standing(store).step == baseline.STEP:
            following = onward(store)
    session.text(said.text())
    if following:
        more |= {"next": following}
        session.text(_("Next: {command}").format(command=shlex.join(following)))
    session.answer({"id": found.id, "check": kind, "passed": passed, "said": said, **more, "result": found.result})
    if not passed:
        raise click.exceptions.Exit(1)

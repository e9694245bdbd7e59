"""`tunebook probe`: batch sizes measured, and what training takes at each."""

from __future__ import annotations

from typing import Any

import click

from presets.language import _
from state import pipeline
from state import project as projects
from state.errors import WrongUse
from tui.amount import Amount
from tui.session import Session, answering


@click.command(
    help=_(
        "Measure batch sizes with real training steps of the chosen model on this device, or show what was measured, "
        "with the time and the cost of training at each size."
    )
)
@click.option("--again", is_flag=True, help=_("measure although it was measured before"))
@click.option(
    "--decode-once",
    is_flag=True,
    help=_("images that do not fit into memory: decode them once onto the disk instead of again in every epoch"),
)
@click.option(
    "--workers",
    metavar="N",
    type=click.IntRange(min=0),
    help=_("images that do not fit into memory: threads that decode them; 0: as many as compute"),
)
@click.option(
    "--memory-cap", metavar="GIB", type=Amount(), help=_("memory that a run may take, in GiB; 0: what is free")
)
@click.option(
    "--patience",
    metavar="MINUTES",
    type=Amount(),
    help=_("own pipeline: wait so long for the first sign of its speed, and measure again; 0: 3 minutes"),
)
@click.option("--price", metavar="PRICE", type=Amount(), help=_("of one device hour, in any currency"))
@click.option("--power", metavar="WATTS", type=Amount(), help=_("drawn by the device while training"))
@click.option("--steps", metavar="N", type=click.IntRange(min=1), help=_("time and cost of so many steps"))
@click.option(
    "--precision",
    type=click.Choice(["float32", "auto"]),
    help=_("compute in float32 whatever is faster, or leave it to the measurement"),
)
@answering
@click.pass_obj
def probe(
    session: Session,
    again: bool,
    decode_once: bool,
    workers: int | None,
    memory_cap: float | None,
    patience: float | None,
    price: float | None,
    power: float | None,
    steps: int | None,
    precision: str | None,
) -> None:
    from tui import asking, probe_told, setup
    from wizard import batch_table, configuration, flow, loading, own_costs, own_metric, runtime
    from wizard import probe as probing
    from wizard.steps import planned_examples

    given = {"memory_gib": memory_cap, "price_per_hour": price, "power_watts": power}
    with session.store() as store:
        if memory_cap is not None and store.project.settings.command:
            raise WrongUse("--memory-cap: how much memory a run takes is decided by your own script.")
        if patience is not None:
            if not store.project.settings.command:
                raise WrongUse("--patience: only your own script may be slow to begin; the built-in training is not.")
            given["patience_minutes"], again = patience, True
        if changes := {name: value for name, value in given.items() if value is not None}:
            store.project = projects.change(store.project, **changes)
        if decode_once or workers is not None:
            loading.decide(store, loading.asked(store, decode_once=decode_once, workers=workers))
        if precision is not None:
            runtime.insist(store, precision)
        # While the set-up has an open question, what it is about is measured.
        used = probing.in_use(store) if flow.standing(store).step is None else None
        values = used or configuration.current(store)
        differing = probing.differing(store, used) if used is not None else {}
        known = probing.fresh(store, used)
        # What is measured now is shown line by line while it is.
        told = known is None or again
        if differing:
            session.text(probe_told.differs(differing))
        measured = setup.probe(session, store, again=again, used=used) if known is None or again else known
        sizes = probing.sizes(store.project, measured.id)
        in_force = values.get(pipeline.BATCH_SIZE)
        answer: dict[str, Any] = {"id": measured.id, "sizes": sizes, "result": measured.result, "in_force": in_force}
        answer |= {"in_use": differing}
        columns, rows, effect, uncounted = [], [], None, None
        # How many examples a command of the user's own goes through is known to it alone.
        if not store.project.settings.command:
            examples = steps * int(measured.result["recommended"]) if steps else planned_examples(store, used)
            table = batch_table.table(store, measured, examples)
            columns, rows = [column.text() for column in table.columns], table.rows
            effect = loading.effect(store, measured, int(measured.result["recommended"]))
            answer |= {"effect": effect}
            answer |= {"examples": examples, "table": batch_table.figures(store, measured, examples)}
        elif steps or price is not None or power is not None:
            match own_costs.figures(store, measured, values, steps):
                case list() as figures:
                    table = own_costs.table(store, figures)
                    columns, rows = [column.text() for column in table.columns], table.rows
                    answer |= {"table": figures}
                case uncounted:
                    answer |= {"uncounted": uncounted}
        (size, fewer), said = probe_told.advised(store, measured, used), list(probe_told.verdict(store, measured, used))
        if fewer is not None:
            answer |= {"advised": size, "mind": fewer.text()}
        for message in own_metric.unwritten(store.project, measured):
            answer |= {"metric_unwritten": message}
    for line in [] if told else map(setup.size_line, sizes):
        session.text(line)
    for line in said:
        session.text(line)
    for remark in (effect, uncounted):
        if remark is not None:
            session.text(remark.text())
    if rows and not session.json:
        session.text("")
        asking.show_rows(session, columns, rows)
    session.answer(answer)

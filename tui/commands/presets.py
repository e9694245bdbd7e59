"""`tunebook presets`: the proven architectures and optimizers that there are to choose from."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from presets.language import _, labelled
from training.config import TASKS
from tui.session import Session, answering

if TYPE_CHECKING:
    from presets.catalogue import Architecture, Optimizer

KINDS = ("convolutional", "mobile", "attention", "hybrid", "encoder")


@click.command(help=_("The proven architectures and optimizers that Tunebook offers."))
@click.option("--task", type=click.Choice(TASKS), help=_("only the architectures for this task"))
@click.option("--kind", type=click.Choice(KINDS), help=_("only the architectures of this kind"))
@click.option("--filter", "sought", default="", metavar="TEXT", help=_("only what has this in its name or family"))
@answering
@click.pass_obj
def presets(session: Session, task: str | None, kind: str | None, sought: str) -> None:
    from presets import catalogue
    from state.project import find
    from wizard import team_presets

    team_presets.use(session.folder or find(Path.cwd()))
    found = [
        entry
        for entry in catalogue.architectures(task)
        if kind in (None, entry.kind) and _contains(sought, entry.id, entry.family, entry.title)
    ]
    optimizers = [
        entry for entry in catalogue.optimizers() if kind is None and _contains(sought, entry.name, entry.title)
    ]
    if found:
        _show_architectures(session, found)
    if len(found) == 1:
        _show_details(session, found[0])
    if optimizers:
        session.text()
        _show_optimizers(session, optimizers)
    if not found and not optimizers:
        session.text(_("Nothing in the catalogue has {text!r} in its name.").format(text=sought))
    session.answer(
        {
            "architectures": [_fields(entry) for entry in found],
            "optimizers": [
                {
                    **_fields(entry),
                    "hyperparameters": [dataclasses.asdict(parameter) for parameter in entry.hyperparameters],
                }
                for entry in optimizers
            ],
        }
    )


def _show_architectures(session: Session, entries: list[Architecture]) -> None:
    from wizard.quantity import large

    session.table(
        [_("architecture"), _("kind"), _("params"), _("MACs"), _("input"), _("norm"), _("year")],
        [
            [
                entry.id,
                _(entry.kind),
                large(entry.parameters),
                large(entry.macs),
                str(entry.input_size),
                entry.normalisation,
                str(entry.year),
            ]
            for entry in entries
        ],
        right=(2, 3, 4),
    )


def _show_details(session: Session, entry: Architecture) -> None:
    """What the table has no room for."""
    session.text()
    for name, text in (
        (_("family and size"), _("{title}, {size}").format(title=entry.title, size=_(entry.size))),
        (_("about"), entry.about.text()),
        (_("note"), entry.note.text() if entry.note else ""),
        (_("model"), f"{entry.library}: {entry.model}"),
        (_("published weights"), entry.pretrained or _("none")),
        (_("their licence"), entry.licence or _("not stated by the library: see where the weights are published")),
        (_("paper"), entry.paper),
        (_("from"), entry.source),
    ):
        if text:
            session.text(labelled(name, text))


def _show_optimizers(session: Session, optimizers: list[Optimizer]) -> None:
    from wizard.quantity import setting

    rows = []
    for optimizer in optimizers:
        for place, hyperparameter in enumerate(optimizer.hyperparameters):
            opens = hyperparameter.opens_at
            searched = hyperparameter.kind != "categorical" and opens is not None
            rows.append(
                [
                    _(optimizer.title) if place == 0 else "",
                    hyperparameter.key.partition(".")[2],
                    setting(hyperparameter.default),
                    "-" if opens is None else str(opens),
                    f"{hyperparameter.low:g} .. {hyperparameter.high:g}" if searched else "-",
                    hyperparameter.scale if searched else "-",
                ]
            )
    session.table(
        [_("optimizer"), _("hyperparameter"), _("fixed at"), _("searched from trials"), _("range"), _("scale")],
        rows,
        right=(2, 3),
    )
    if len(optimizers) == 1:
        session.text()
        for hyperparameter in optimizers[0].hyperparameters:
            session.text(labelled(hyperparameter.key.partition(".")[2], _(hyperparameter.source)))
        session.text(labelled(_("paper"), optimizers[0].paper))


def _contains(sought: str, *texts: str) -> bool:
    return any(sought.lower() in text.lower() for text in texts)


def _fields(entry: Any) -> dict[str, Any]:
    """The fields of a catalogue entry; messages stay messages."""
    return {field.name: getattr(entry, field.name) for field in dataclasses.fields(entry)}

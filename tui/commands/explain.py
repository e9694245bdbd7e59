"""`tunebook explain` and `glossary`: why each step is asked, at three depths, and the words that are used."""

from __future__ import annotations

import dataclasses

import click

from presets.advice import advice, evidence, ids
from presets.advice import glossary as entries
from presets.language import _, bracketed, labelled
from tui.session import Session, answering

DEPTHS = ("line", "paragraph", "evidence")
STEPS = ("data", "metric", "architecture", "weights", "optimizer", "batch_size", "initial", "steps", "baseline")


@click.command(
    help=_(
        "Why the step STEP of the set-up is asked, or what a row of the playbook such as G3 advises, at three depths: "
        "one line, a paragraph, or the evidence with its sources. Without STEP, which steps there are: {steps}."
    ).format(steps=", ".join(STEPS))
)
@click.argument("step", metavar="[STEP]", type=click.Choice((*STEPS, *ids())), required=False)
@click.option("--depth", type=click.Choice(DEPTHS), default="paragraph", help=_("how much to say"))
@answering
@click.pass_obj
def explain(session: Session, step: str | None, depth: str) -> None:
    from wizard.flow import ROWS, title

    if step is None:
        session.table([_("question"), ""], [[one, title(one).text()] for one in STEPS])
        session.answer(list(STEPS))
        return
    texts = [advice(row) for row in ROWS.get(step, (step,))]
    for text in texts:
        session.text(bracketed(text.title, text.id))
        session.text(f"  {text.one_line}")
        if depth != "line":
            session.text(f"  {text.paragraph}")
        if depth == "evidence":
            session.text("  " + evidence(text))
    session.answer([dataclasses.asdict(text) for text in texts])


@click.command(help=_("The words that Tunebook uses, explained; with TEXT only those that have it in them."))
@click.argument("text", metavar="[TEXT]", default="")
@answering
@click.pass_obj
def glossary(session: Session, text: str) -> None:
    sought = text.casefold()
    found = [entry for entry in entries() if sought in f"{entry.id} {entry.term} {entry.meaning}".casefold()]
    for entry in found:
        session.text(labelled(entry.term, entry.meaning))
    if not found:
        session.text(_("The glossary has nothing with {text!r}.").format(text=text))
    session.answer([dataclasses.asdict(entry) for entry in found])

"""The set-up's questions in the terminal: what is asked, with the evidence, and the answer that a person types."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Sequence
from typing import Any

import click

from presets.language import _, bracketed, labelled
from state.errors import Unanswered
from tui import say
from tui.session import Session
from tui.terminal import cut, printable
from wizard.question import Option, Question


def show(session: Session, question: Question) -> None:
    """The question with its evidence, figures, options and the recommendation with its reason."""
    show_briefly(session, question)
    for message in question.beside:
        session.progress(f"  - {message.text()}")
    show_table(session, question)
    for option in question.options:
        session.progress("  " + labelled(name(option), option.note.text()))
    if question.recommended is not None:
        recommendation = _("recommended: {choice}, because: {reason}")
        session.progress(
            "  " + recommendation.format(choice=say.choice(question.recommended), reason=question.reason.text())
        )


def show_briefly(session: Session, question: Question) -> None:
    """The question alone, with the rows of the playbook it comes from."""
    session.progress("")
    session.progress(bracketed(question.text.text(), ", ".join(question.rows)))


def show_table(session: Session, question: Question) -> None:
    """The figures to choose by, where there are any; on a terminal as much of each row as fits."""
    if question.table is None:
        return
    show_rows(session, [column.text() for column in question.table.columns], question.table.rows)


def show_rows(session: Session, columns: list[str], rows: Sequence[Sequence[str]]) -> None:
    """Figures in columns."""
    wide = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for line in say.table_lines(columns, rows):
        session.progress(cut(f"  {line}", wide) if wide else f"  {line}")


def name(option: Option) -> str:
    """What to type for an option: its value; its label beside it where that says more."""
    value = say.choice(option.value)
    return value if option.label in ("", value) else bracketed(value, option.label)


def typed(session: Session, question: Question) -> tuple[str, str]:
    """The words that the person types, and their reason where it is not what was recommended.

    Refuses where the input ends before an answer came.
    """
    default = "" if question.recommended is None else say.choice(question.recommended)
    words = _read(session, question, _("Answer [{default}]: ").format(default=default) if default else _("Answer: "))
    words = words or default
    chosen = next((say.choice(option.value) for option in question.options if words == option.label), words)
    if chosen == default or not _possible(question, chosen):
        return chosen, ""
    return chosen, _read(session, question, _("Why (Enter: no reason given): "))


def _possible(question: Question, words: str) -> bool:
    """Whether words could be an answer, so that it makes sense to ask for a reason; the set-up has the last word."""
    if any(words == say.choice(option.value) for option in question.options):
        return True
    number = re.fullmatch(r"[-+]?[0-9.]+(e[-+]?[0-9]+)?", words, re.IGNORECASE) is not None
    return {"": False, "text": bool(words), "assignments": bool(words)}.get(question.free, number)


def _read(session: Session, question: Question, prompt: str) -> str:
    # The prompt is no part of a JSON answer.
    click.echo(printable(prompt), nl=False, err=session.json)
    try:
        return input().strip()
    except EOFError:
        click.echo(err=session.json)
        if question.unanswered is not None:
            raise Unanswered(question.unanswered.id, **question.unanswered.values) from None
        raise Unanswered(
            "The question {step!r} has no answer. Give it as an option, or take the recommendations with --yes.",
            step=question.step,
        ) from None


def document(question: Question) -> dict[str, Any]:
    """A question as the JSON answers give it."""
    return {
        "step": question.step,
        "rows": question.rows,
        "question": question.text,
        "evidence": question.evidence,
        "options": [{"value": option.value, "label": option.label, "note": option.note} for option in question.options],
        "recommended": question.recommended,
        "reason": question.reason,
    }

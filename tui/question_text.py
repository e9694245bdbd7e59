"""A question of the set-up as text: its recommendation, its figures, its options."""

from __future__ import annotations

from collections.abc import Container, Sequence

from textual.content import Content

from presets.language import _
from tui.say import answer
from tui.terminal import printable
from tui.text_table import folded
from wizard import flow
from wizard.question import Option, Question

# From so many rows on a table is shown part by part, and options can be filtered.
MANY = 10


def asked(question: Question) -> tuple[object, ...]:
    """What an answer to a question is about: one that was given to another is none."""
    rows = question.table.rows if question.table is not None else ()
    return question.text, question.recommended, [option.value for option in question.options], rows


def contains(sought: str, *texts: str) -> bool:
    """Whether any of the texts has what is sought."""
    return not sought or any(sought.lower() in text.lower() for text in texts)


def parts(question: Question, sought: str, columns: int) -> list[list[Content]]:
    """The figures to choose by, of rows that have what is sought, in so many columns of the terminal: a wide table of
    many rows in parts, one of which is shown at a time; one that is short in a single part, folded."""
    if question.table is None:
        return []
    found = [row for row in question.table.rows if contains(sought, *row)]
    names = [column.text() for column in question.table.columns]
    shown = [
        [Content.styled(header, "underline"), *map(Content, rows)]
        for header, *rows in folded(names, found, columns, question.table.named)
    ]
    if len(question.table.rows) < MANY:
        return [[line for part in shown for line in part]]
    if len(shown) == 1:
        return shown
    words = _("(Columns, part {number} of {total}. Further ones: right or l; back: left or h.)")
    return [
        [Content.styled(words.format(number=number, total=len(shown)), "dim"), *part]
        for number, part in enumerate(shown, 1)
    ]


def advice(question: Question) -> Content:
    """What is recommended, and why."""
    why = printable(question.reason.text())
    if question.recommended is None:
        return Content(why)
    # The blank behind the full stop belongs to the language.
    words = _("Recommended: {choice}. ").format(choice=answer(question.recommended))
    return Content.assemble((printable(words), "bold"), why)


def prompt(question: Question, option: Option) -> Content:
    """An option with what is to be said for or against it."""
    mark = _("recommended") if option.value == question.recommended else ""
    return Content.assemble(
        (printable(answer(option.label)), "bold"), "  ", (mark, "italic"), "\n  ", printable(option.note.text())
    )


def way(steps: Sequence[str], shown: str | None, done: Container[str], now: str | None, mark: str) -> Content:
    """The steps of the set-up by their names: the one that is shown in brackets, those before the step `now` that are
    done with a mark."""
    parts = []
    for step in steps:
        name = flow.title(step).text()
        if step == shown:
            parts.append(Content.styled(f"[{name}]", "bold"))
        elif step in done and (now is None or steps.index(step) < steps.index(now)):
            parts.append(Content(f"{mark}{name}"))
        else:
            parts.append(Content.styled(name, "dim"))
    # Some have names of several words.
    return Content(_(", ")).join(parts)

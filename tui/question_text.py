"""A question of the set-up as text: its recommendation, its figures, its options."""

from __future__ import annotations

from collections.abc import Iterator

from textual.content import Content

from presets.language import _
from tui.say import answer
from tui.terminal import printable
from tui.text_table import folded, lines
from wizard.question import Option, Question

# From so many rows on a table is not folded, and options can be filtered.
MANY = 10


def contains(sought: str, *texts: str) -> bool:
    """Whether any of the texts has what is sought."""
    return not sought or any(sought.lower() in text.lower() for text in texts)


def table(question: Question, sought: str, columns: int) -> Iterator[Content]:
    """The figures to choose by, of rows that have what is sought, in so many columns of the terminal."""
    if question.table is None:
        return
    found = [row for row in question.table.rows if contains(sought, *row)]
    names = [column.text() for column in question.table.columns]
    for header, *rows in folded(names, found, columns) if len(found) < MANY else [lines(names, found, columns)]:
        yield Content.styled(header, "underline")
        yield from (Content(row) for row in rows)


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

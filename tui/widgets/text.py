"""A text that is sent to the terminal only where it changed."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static


def show(widget: Static, content: Content) -> None:
    """Show a text; nothing is drawn anew, and nothing sent, where it is the same."""
    if widget.content != content:
        widget.update(content)


def hanging(head: Content, said: str, cells: int) -> Content:
    """A head and what it heads, in lines of at most so many cells, the further ones set under the first."""
    room = max(cells - head.cell_length, 1)
    return Content.assemble(head, Content("\n" + " " * head.cell_length).join(Content(said).wrap(room)))

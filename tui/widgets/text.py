"""A text that is sent to the terminal only where it changed."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static


def show(widget: Static, content: Content) -> None:
    """Show a text; nothing is drawn anew, and nothing sent, where it is the same."""
    if widget.content != content:
        widget.update(content)

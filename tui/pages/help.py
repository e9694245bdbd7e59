"""All keys of the page that was left, from the same table that binds them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textual.actions import parse
from textual.app import ComposeResult
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static

from presets.language import Message, _, say
from tui.charts.chart import Chart
from tui.keys import help_rows
from tui.pages.page import Page
from tui.terminal import fit
from tui.widgets.controls import Reading

if TYPE_CHECKING:
    from collections.abc import Iterator

KEYS_WIDTH = 16


class Help(Page):
    """The keys, group by group."""

    GROUPS = ("reading", "everywhere")

    def __init__(self, about: Screen[Any]) -> None:
        super().__init__()
        self._about = about
        groups = about.GROUPS if isinstance(about, Page) else ("everywhere",)
        # A page may have a chart only where there is room for one.
        charted = any(chart.display for chart in about.query(Chart))
        self._groups = [group for group in groups if group != "chart" or charted]

    def heading(self) -> Message:
        return say("keys")

    def body(self) -> ComposeResult:
        with Reading():
            yield Static(Content("\n").join(list(self._lines())), classes="empty", markup=False)

    def _lines(self) -> Iterator[Content]:
        for title, rows in help_rows(self._groups):
            yield Content.styled(title, "bold")
            for key in rows:
                words = f"  {fit(', '.join(key.names), KEYS_WIDTH)}{key.label.text()}"
                if self._possible(key.action):
                    yield Content(words)
                else:
                    yield Content.styled(_("{what} (not now)").format(what=words), "dim")
            yield Content("")

    def _possible(self, action: str) -> bool:
        """Whether the page that was left, as it stands, admits the action."""
        _place, name, parameters = parse(action)
        return all(node.check_action(name, parameters) for node in (self._about, self._about.app))

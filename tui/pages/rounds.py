"""All rounds and launches, one below the other: in a project of months, those of the first weeks are found again."""

from __future__ import annotations

from textual.app import ComposeResult

from presets.language import Message, _, say
from tui import so_far
from tui.charts.grid import Column, Line
from tui.pages.page import Page
from tui.say import by_other, figure, measured
from tui.so_far import Listed
from tui.widgets.prompt import Prompt
from tui.widgets.table import Table


class RoundsPage(Page):
    """The last first; each leads to its page."""

    GROUPS = ("table", "field", "everywhere")
    DEFAULT_CSS = """
    RoundsPage Table { height: 1fr; margin: 0 1; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._places: dict[str, str] = {}

    def heading(self) -> Message:
        return say("all rounds")

    def body(self) -> ComposeResult:
        yield Table(empty=_("No round has been planned yet."))
        yield Prompt()

    def on_mount(self) -> None:
        self.query_one(Table).focus()

    def load(self) -> None:
        found = so_far.listed(self.book.store)[::-1]
        self._places = {one.name: one.place for one in found}
        metric = self.book.project.settings.metric
        columns = [
            Column(_("round")),
            Column(_("goal")),
            Column(_("when")),
            Column(_("trials"), right=True),
            Column(f"{_('best')} {measured(metric)}", right=True),
            Column(_("state")),
        ]
        self.query_one(Table).update(columns, [_line(one, metric) for one in found])

    def on_table_opened(self, event: Table.Opened) -> None:
        self.book.attempt(lambda: self.book.open(self._places[event.key]))

    def on_table_searched(self, event: Table.Searched) -> None:
        self.query_one(Prompt).search(event.table)

    def leave(self) -> bool:
        return self.query_one(Prompt).leave() or self.query_one(Table).show_all()


def _line(one: Listed, metric: str) -> Line:
    value = by_other(figure(one.value), one.metric if one.metric != metric and one.value is not None else "")
    cells = (one.name, one.goal, one.at[:16].replace("T", " "), str(one.trials), value, one.state)
    return Line(one.name, tuple((text, "") for text in cells))

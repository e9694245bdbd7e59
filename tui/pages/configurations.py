"""Configurations side by side: what they came to, and in which settings any two of them differ (G16)."""

from __future__ import annotations

from collections.abc import Iterator

from textual.app import ComposeResult
from textual.containers import Container
from textual.content import Content
from textual.widgets import Static

from presets.language import Message, _, say
from state.configurations import INCIDENTAL
from tui import contenders
from tui.charts.grid import Column, Line
from tui.contenders import Contender
from tui.differing import differences, written
from tui.keys import bindings
from tui.pages.page import Page
from tui.say import by_other, figure, measured
from tui.terminal import printable
from tui.text_table import lines
from tui.widgets.controls import Scrolled
from tui.widgets.prompt import Prompt
from tui.widgets.table import Table
from tui.widgets.text import show


class ConfigurationsPage(Page):
    """The table above, what sets the marked one apart below; side by side where it is wide. They are compared with the
    best configuration until another is chosen for that."""

    GROUPS = ("configurations", "table", "field", "everywhere")
    BINDINGS = bindings("configurations")
    DEFAULT_CSS = """
    ConfigurationsPage #parts { height: 1fr; padding: 0 1; }
    ConfigurationsPage Table { max-height: 50%; }
    ConfigurationsPage #reading { height: 1fr; padding: 1 0; }
    ConfigurationsPage #details { text-wrap: nowrap; text-overflow: clip; }
    ConfigurationsPage.-wide #parts { layout: horizontal; }
    ConfigurationsPage.-wide Table { width: 1fr; height: 1fr; max-height: 100%; margin: 0 2 0 0; }
    ConfigurationsPage.-wide #reading { width: 1fr; padding: 0; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._known: dict[str, Contender] = {}
        self._against = ""
        self._shown = ("", "")

    def heading(self) -> Message:
        return say("configurations")

    def body(self) -> ComposeResult:
        with Container(id="parts"):
            yield Table(empty=_("There is no configuration yet: the first is the baseline's."))
            with Scrolled(id="reading"):
                yield Static(id="details", markup=False)
        yield Prompt()

    def on_mount(self) -> None:
        self.query_one(Table).focus()

    def load(self) -> None:
        self._known = {one.name: one for one in contenders.contenders(self.book.store)}
        if self._against not in self._known:
            self._against = next(iter(self._known), "")
        self._show_table()
        self._show_marked()

    def on_table_marked(self) -> None:
        self._show_marked()

    def on_table_opened(self, event: Table.Opened) -> None:
        self.book.attempt(lambda: self.book.open(self._known[event.key].place))

    def on_table_searched(self, event: Table.Searched) -> None:
        self.query_one(Prompt).search(event.table)

    def action_against(self) -> None:
        """Compare all others with the marked one."""
        self._against = self.query_one(Table).marked or self._against
        self._show_table()
        self._show_marked()

    def leave(self) -> bool:
        return self.query_one(Prompt).leave() or self.query_one(Table).show_all()

    def _show_table(self) -> None:
        against = self._known.get(self._against)
        columns = [
            Column(_("origin")),
            Column(""),
            Column(measured(self.book.project.settings.metric), right=True),
            Column(_("runs")),
            Column(_("differences"), right=True),
        ]
        rows = []
        for one in self._known.values():
            apart = _("reference") if one is against or against is None else str(_count(against, one))
            cells = (one.name, one.what.text(), by_other(figure(one.value), one.other), one.counted, apart)
            rows.append(Line(one.name, tuple((text, "") for text in cells)))
        self.query_one(Table).update(columns, rows)

    def _show_marked(self) -> None:
        one, against = self._known.get(self.query_one(Table).marked), self._known.get(self._against)
        told = [] if one is None or against is None else list(_told(against, one))
        show(self.query_one("#details", Static), Content("\n").join(Content(printable(line)) for line in told))
        if one is not None and self._shown != (one.name, self._against):
            self._shown = (one.name, self._against)
            self.query_one(Scrolled).scroll_home(animate=False)


def _count(against: Contender, one: Contender) -> int:
    return len(differences(against.settings, one.settings))


def _told(against: Contender, one: Contender) -> Iterator[str]:
    """What the marked one is, the settings in which it differs, and those that are the same."""
    if one.selected:
        yield _("One run, the best of several: fresh seeds would not do as well on average.")
    rows = differences(against.settings, one.settings)
    if rows:
        yield from lines([_("setting"), against.name, one.name], rows)
        yield ""
    elif one is not against:
        yield _("The same as {name}, but for the seed.").format(name=against.name)
        yield ""
    yield _("The same in both:") if one is not against else _("{name} has:").format(name=one.name)
    same = {key: value for key, value in one.settings.items() if key not in INCIDENTAL}
    yield from (f"  {key} = {written(value)}" for key, value in same.items() if against.settings.get(key) == value)

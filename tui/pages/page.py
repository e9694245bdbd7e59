"""A page: one line that says where we are, a body, one line for what is to be said, one line of keys."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar, cast

from textual.app import ComposeResult
from textual.content import Content
from textual.events import Event, Mount
from textual.message import Message as Happened
from textual.reactive import Reactive
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Static
from textual.worker import get_current_worker

from presets.language import Message, _, say, sentences
from state.database import Store
from state.errors import Refusal
from state.store import open_store
from tui import tour
from tui.book import Book
from tui.say import trouble
from tui.terminal import cut, printable, width
from tui.widgets.controls import Scrolled
from tui.widgets.hint import Hint
from tui.widgets.text import show

Found = TypeVar("Found")

TITLE = "Tunebook"
GAP = "  "
# Of a name in the first line; less says nothing.
SHORTEST = 6
# The guide's way, as every page shows it: the set-up once, then four steps again and again (G15).
WAY = {
    "set-up": say("set-up"),
    "goal": say("goal"),
    "run": say("run"),
    "learn": say("learn"),
    "launch": say("launch"),
}
# From this many columns on, parts stand side by side.
WIDTHS = [(0, "-narrow"), (140, "-wide")]
# In a window of few rows, a question takes the place of what may go meanwhile.
HEIGHTS = [(0, "-short"), (30, "-tall")]
# Below this many columns or rows a page cannot show what it is for.
LEAST_COLUMNS, LEAST_ROWS = 50, 14


class Page(Screen[None]):
    """What every page shares. A page gives `heading`, `body` and `load`, and the groups of its keys."""

    GROUPS: tuple[str, ...] = ("everywhere",)
    """The groups of the key table that work here, for the help."""
    PLACE: str = ""
    """Where on the guide's way the page stands: a key of WAY, or empty."""

    TOUR: str = ""
    """What the tour says here: a key of its texts, or empty."""

    HORIZONTAL_BREAKPOINTS = WIDTHS
    VERTICAL_BREAKPOINTS = HEIGHTS
    DEFAULT_CSS = """
    Page {
        layers: page cover;
        overflow: hidden;
        #tour { height: auto; max-height: 4; padding: 0 1; text-style: italic; display: none; }
        #cover { layer: cover; width: 100%; height: 100%; padding: 0 1; background: $background; display: none; }
        &.-small #cover { display: block; }
        &.-short.-asking #tour { max-height: 0; }
    }
    """
    # Textual's own repaints the whole screen when the focus moves, though the two widgets repaint themselves.
    focused: Reactive[Widget | None] = Reactive(None, repaint=False)

    class Done(Happened):
        """What was done behind the page came to its end; `tell` says so on it."""

        def __init__(self, tell: Callable[[], object]) -> None:
            super().__init__()
            self.tell = tell

    def __init__(self) -> None:
        super().__init__()
        self._made = False
        self._failure = ""
        self._said = ""

    @property
    def book(self) -> Book:
        """The application."""
        return cast("Book", self.app)

    @property
    def ready(self) -> bool:
        """Whether the widgets are there: not before they are made, nor while the page or the application closes."""
        return self._made and self._stays

    @property
    def covered(self) -> bool:
        """Whether the window is too small to show the page: a word about that covers it."""
        columns, rows = self.book.size
        return columns < LEAST_COLUMNS or rows < LEAST_ROWS

    @property
    def _stays(self) -> bool:
        return self.app.is_running and not self.book.leaving and self in self.app.screen_stack

    async def on_event(self, event: Event) -> None:
        # A page that was left before it came up has no widgets any more.
        if not isinstance(event, Mount) or self._stays:
            await super().on_event(event)

    def compose(self) -> ComposeResult:
        yield Static(id="where", markup=False)
        yield Static(id="tour", markup=False)
        yield from self.body()
        yield Static(id="said", markup=False)
        yield Hint()
        yield Static(id="cover", markup=False)

    def heading(self) -> Message:
        """The page's name."""
        # This and `body` every page has; Textual's metaclass admits no ABC that would say so.
        raise NotImplementedError

    def body(self) -> ComposeResult:
        """The widgets between the first line and the last two."""
        raise NotImplementedError

    def load(self) -> None:
        """Read what is shown and show it. Called when the page comes up and whenever the project changed."""

    def leave(self) -> bool:
        """Close what is open within the page (typing, a filter); whether anything was."""
        return False

    def toured(self) -> str:
        """What the tour says here: a key of its texts, or empty."""
        return self.TOUR

    def follows(self) -> bool:
        """Whether the page shows something that changes without the store changing (a probe's folder, say)."""
        return False

    def on_mount(self) -> None:
        """Textual calls this after the `on_mount` of the page itself."""
        self._made = True
        self.read()

    def on_screen_resume(self) -> None:
        self.read()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """There is nothing to read on where the text has room."""
        return action != "read" or (self.ready and self.query_one(Scrolled).allow_vertical_scroll)

    def action_read(self, pages: int) -> None:
        """Scroll what stands beside the part that has the focus."""
        self.query_one(Scrolled).read(pages)

    def behind(
        self,
        do: Callable[[Store], Found],
        then: Callable[[Found], object],
        failed: Callable[[str], object] | None = None,
        *,
        group: str,
    ) -> None:
        """As `aside`, with a store of its own."""
        project = self.book.project

        def work() -> Found:
            with open_store(project) as store:
                return do(store)

        self.aside(work, then, failed, group=group)

    def aside(
        self,
        do: Callable[[], Found],
        then: Callable[[Found], object],
        failed: Callable[[str], object] | None = None,
        *,
        group: str,
    ) -> None:
        """Have done in a thread what may take longer than a person waits for a key. Then the page is told: `then` gets
        what was found, `failed` what prevented it, which otherwise is said. Nobody is told of what was begun before the
        last of a `group`, or once the page is left."""

        def work() -> None:
            try:
                tell = partial(then, do())
            except (Refusal, OSError) as error:
                tell = partial(failed or self.say, trouble(error))
            if not get_current_worker().is_cancelled:
                self.post_message(self.Done(tell))

        self.run_worker(work, thread=True, exclusive=True, group=group)

    def on_page_done(self, event: Done) -> None:
        if self.ready:
            event.tell()

    def on_resize(self) -> None:
        self.set_class(self.covered, "-small")
        if not self.ready:
            return
        if self.covered:
            columns, rows = self.book.size
            words = _("Tunebook needs {columns} x {rows}; this window has {own} x {high}.")
            told = words.format(columns=LEAST_COLUMNS, rows=LEAST_ROWS, own=columns, high=rows)
            show(self.query_one("#cover", Static), Content(told))
        self.show_where()

    def on_key(self) -> None:
        """What was said stands until the next key; a character that is typed into a line is none."""
        self.say("")

    def read(self) -> None:
        """Load; a failure is shown as a failure, never as an empty page."""
        if not self.ready:
            return
        self.show_where()
        try:
            self.load()
        except (Refusal, OSError) as error:
            self._failure = trouble(error)
        else:
            self._failure = ""
        self._show_tour()
        self._show_said()

    def say(self, text: str) -> None:
        """Say something in the line above the keys, until the next key; empty takes it back."""
        self._said = printable(text)
        if self.ready:
            self._show_said()

    def show_where(self) -> None:
        """The first line: the project, the page, and the place on the guide's way."""
        project = printable(self.book.project.settings.name) if self.book.has_project else ""
        heading = printable(self.heading().text())
        way = [
            Content.styled(f"[{name.text()}]", "bold") if place == self.PLACE else Content(name.text())
            for place, name in WAY.items()
        ]
        told = Content(" > ").join(way) if self.PLACE else Content("")
        # Names are as long as people make them; what the program says itself is seen whole, or of the way the place.
        taken = 2 + width(TITLE) + width(heading) + 3 * len(GAP)
        if self.PLACE and taken + SHORTEST + told.cell_length > self.book.size.width:
            told = way[list(WAY).index(self.PLACE)]
        room = self.book.size.width - taken - told.cell_length
        parts = [
            Content.styled(TITLE, "bold"),
            Content(cut(project, max(room, SHORTEST), ascii_only=self.book.ascii_only)),
            Content(heading),
            told,
        ]
        show(self.query_one("#where", Static), Content(GAP).join(part for part in parts if part.plain))

    def _show_tour(self) -> None:
        """What the tour says of the page, where it is on and has something to say."""
        told = tour.TEXTS.get(self.toured()) if self.book.has_project and tour.on(self.book.project) else None
        line = self.query_one("#tour", Static)
        if told is not None:
            show(line, Content.assemble(sentences(told.text(), ""), (_("(T ends the tour.)"), "dim")))
        line.display = told is not None

    def _show_said(self) -> None:
        line = self.query_one("#said", Static)
        text = "\n".join(part for part in (self._failure, self._said) if part)
        show(line, Content(text))
        line.display = bool(text)

"""The application: which project is looked at, which page is shown, and one look a second at what changed.

It is a viewer. Whatever takes long runs in processes of its own and goes on when the screen is closed or cut off.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, cast

from rich.console import RenderableType
from textual import content
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.actions import ActionParseResult
from textual.app import App
from textual.binding import Binding
from textual.dom import DOMNode
from textual.events import Event, Key
from textual.message import Message
from textual.screen import Screen
from textual.scrollbar import ScrollBar
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Input, Static

from presets.catalogue import CatalogueError
from presets.language import _, error_text
from state.database import Store
from state.errors import Invalid, Refusal
from state.project import Project, open_project
from state.project import version as settings_version
from state.store import open_store
from tui import keys, tour
from tui.keys import bindings
from tui.pages.page import Page
from tui.pages.places import design_page, page
from tui.painted import Difference, Painted
from tui.say import trouble
from tui.theme import THEME, WholeCells
from tui.wrapping import divide
from wizard import team_presets

if TYPE_CHECKING:
    from rounds.next_step import Design
    from tui.reviewed import Reviewed

# For every text of every widget.
setattr(content, "divide_line", divide)  # noqa: B010  (to the type checker the name is private)
# How often the store is asked whether anything changed; the asking itself costs nothing and sends nothing.
LOOK_SECONDS = 1.0
# Whatever is coming up, these leave.
LEAVING = ("ctrl+c", "ctrl+q")
# How soon it is asked again whether a page has come up, for which keys were pressed already.
SOON_SECONDS = 0.02
# Who writes waits so long for another program that holds the store; meanwhile no key does anything.
WRITE_SECONDS = 2.0
# Pages under each other, with Textual's own empty one below, while the first page is shown.
FIRST = 2


class Turn(Message):
    """Goes behind a key from whatever has the focus up to the application: when it comes there, the key has been dealt
    with. It goes twice (`again`), since what a widget does about a key may be to tell its page, by a message. Whose it
    is (`of`) tells it from one that comes late, when another has the key already."""

    def __init__(self, of: Widget, again: bool = True) -> None:
        super().__init__()
        self.of, self.again = of, again


class Tunebook(App[None]):
    """The screens on one project, or the welcome page where there is none."""

    CSS_PATH = "app.tcss"
    TITLE = "Tunebook"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar = [*bindings("everywhere"), Binding("ctrl+c", "quit", show=False, priority=True)]

    def __init__(self, root: Path | None = None, *, ascii_only: bool = False) -> None:
        # Said here for NO_COLOR, which Textual otherwise turns into greys.
        super().__init__(ansi_color=True)
        self.register_theme(THEME)
        self.theme = THEME.name
        ScrollBar.renderer = WholeCells
        # Over SSH every byte counts: nothing on these screens moves by itself.
        self.animation_level = "none"
        self.ascii_only = ascii_only
        self.root = root
        self.leaving = False
        self.reviewed: Reviewed | None = None
        """The review that was shown last."""
        self._store: Store | None = None
        # Of the store and of tunebook.toml: what is on screen is of these.
        self._version: object = None
        self._painted = Painted()
        # Keys that wait for their turn, and who has the one before.
        self._ahead: list[Key] = []
        self._asked: Widget | None = None
        self._waiting: Timer | None = None

    async def on_event(self, event: Event) -> None:
        """One key at a time, in the order in which they were pressed, each for what is there when its turn comes."""
        if isinstance(event, Key) and not event.is_forwarded and event.key not in LEAVING:
            if isinstance(self.screen, Page) and self.screen.covered and not self._leads_away(event):
                return
            self._ahead.append(event)
            await self._next_key()
        else:
            await super().on_event(event)

    async def on_turn(self, turn: Turn) -> None:
        if turn.of is not self._asked or (turn.again and turn.of.post_message(Turn(turn.of, again=False))):
            return
        self._asked = None
        await self._next_key()

    def on_mount(self) -> None:
        if self.ascii_only:
            self.add_class("ascii")
        self.set_interval(LOOK_SECONDS, self.look)
        # After Ctrl-Z of a shell, `fg` finds another screen.
        self.app_resume_signal.subscribe(self, lambda _app: self.action_redraw())
        try:
            if self.root is not None:
                self.open_folder(self.root)
                return
            refused = ""
        except Refusal as refusal:
            refused = error_text(refusal)
        self.open(f"welcome {refused}")

    def on_resize(self) -> None:
        """What a terminal makes of its text when its size changes is its own."""
        self._painted.forget()

    def on_unmount(self) -> None:
        self.close_store()

    def exit(self, result: None = None, return_code: int = 0, message: RenderableType | None = None) -> None:
        """Leave; the pages know before they are taken down."""
        self.leaving = True
        super().exit(result, return_code, message)

    def get_loading_widget(self) -> Widget:
        """A word instead of Textual's indicator, which moves, and so is sent all the time."""
        return Static(_("Loading"), markup=False)

    @property
    def has_project(self) -> bool:
        """Whether a project is open."""
        return self._store is not None

    @property
    def store(self) -> Store:
        """The open store of the project; for the screen's own thread only."""
        if self._store is None:
            raise Refusal("No project is open.")
        return self._store

    @property
    def project(self) -> Project:
        """The project on screen."""
        return self.store.project

    def open_folder(self, root: Path, then: str = "") -> None:
        """Show the home page of the project in a folder, and over it the page `then`, if any.

        Refuses a folder without a project, and a project that cannot be read; the page shown stays then.
        """
        try:
            team_presets.use(root)
        except CatalogueError as error:
            raise Invalid("{reason}", reason=error_text(error)) from None
        store = open_store(open_project(root))
        store.wait_at_most(WRITE_SECONDS)
        self.close_store()
        self._store, self._version, self.root = store, None, store.project.root
        for _page in self.screen_stack[1:]:
            self.pop_screen()
        self.open("home")
        if then:
            self.open(then)

    def open(self, place: str, *, instead: bool = False) -> None:
        """Show the page of a name over the present one, or in its place: `round round-1`."""
        if instead:
            self.switch_screen(page(place))
        else:
            self.push_screen(page(place))

    def design(self, proposed: Design) -> None:
        """Show the design of a round, filled in with what is proposed."""
        self.push_screen(design_page(proposed))

    def close_store(self) -> None:
        """Let the store go; nothing is saved here, because everything is written when it happens."""
        if self._store is not None:
            self._store.close()
            self._store = self.reviewed = None

    def read_settings(self) -> None:
        """Go on with what tunebook.toml says now. Refuses what cannot be read."""
        self.store.project = open_project(self.project.root)

    def look(self) -> None:
        """Have the page read again when another process wrote, somebody edited tunebook.toml, or the page follows
        something else outside the store."""
        # While it closes there is nothing to look at, and soon no screen.
        if not self.is_running or self._store is None or not isinstance(self.screen, Page) or not self.screen.ready:
            return
        if self._store.replaced():
            self.attempt(self._open_again)
            return
        version = self._store.version(), settings_version(self._store.project.root)
        if version != self._version or self.screen.follows():
            self._version = version
            # What another session decided may have changed the settings too; `attempt` reads the page again.
            self.attempt(self.read_settings)

    def _open_again(self) -> None:
        """Go on with the store that is there now, or is built anew; pages ask for it whenever they need it."""
        store = open_store(self.project)
        store.wait_at_most(WRITE_SECONDS)
        self.close_store()
        self._store, self._version = store, None

    async def _next_key(self) -> None:
        """Give the next key to whatever has the focus, unless the one before is still under way, or a page coming up.
        On a slow line several come together: what follows `:` is typed, whatever it would mean on the page before."""
        while self._ahead and not self.leaving:
            # Whoever left with their page says nothing any more.
            answering = self._asked is not None and self._asked.is_attached and self._asked.screen is self.screen
            if answering or (isinstance(self.screen, Page) and not self.screen.ready):
                self._waiting = self._waiting or self.set_timer(SOON_SECONDS, self._look_again)
                return
            key, self._asked = self._ahead.pop(0), self.focused or self.screen
            await super().on_event(key)
            if key.is_forwarded and self._asked.post_message(Turn(self._asked)):
                return
            self._asked = None

    def _leads_away(self, key: Key) -> bool:
        """Whether a key leaves the page or the screens: the only ones to press where the page cannot be seen."""
        typed = isinstance(self.focused, Input) and key.is_printable
        return not typed and any(key.key in row.keys for row in keys.KEYS if row.id in ("back", "quit"))

    async def _look_again(self) -> None:
        self._waiting = None
        await self._next_key()

    def _display(self, screen: Screen[object], renderable: RenderableType | None) -> None:
        """Send an update to the terminal: of it, what differs from what is there."""
        if isinstance(renderable, LayoutUpdate | ChopsUpdate):
            super()._display(screen, cast("RenderableType", Difference(self._painted, screen, renderable)))
        else:
            super()._display(screen, renderable)

    def action_redraw(self) -> None:
        """Paint everything, whatever the terminal was last sent."""
        self._painted.forget()
        self.screen.refresh()

    def attempt(self, action: Callable[[], object]) -> bool:
        """Do something a person asked for; what prevents it is said on the page. Returns whether it was done."""
        try:
            action()
        except (Refusal, OSError) as error:
            if isinstance(self.screen, Page):
                self.screen.say(trouble(error))
            return False
        if isinstance(self.screen, Page):
            self.screen.read()
        return True

    async def run_action(
        self,
        action: str | ActionParseResult,
        default_namespace: DOMNode | None = None,
        namespaces: Mapping[str, DOMNode] | None = None,
    ) -> bool:
        """Do what a key means; on a page that is just coming up, or going away, it means nothing."""
        node = default_namespace
        if isinstance(node, Widget) and not (node.is_attached and isinstance(node.screen, Page) and node.screen.ready):
            return False
        if isinstance(self.screen, Page):
            # A line to type in keeps the keys that are bound in it from the page, which would take back what it said.
            self.screen.say("")
        return await super().run_action(action, default_namespace, namespaces)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """On the first page there is nothing to go back to."""
        if action == "tour":
            return self.has_project
        return action != "back" or len(self.screen_stack) > FIRST or isinstance(self.focused, Input)

    async def action_back(self) -> None:
        """Out of what is open in the page, else the page before this one."""
        if isinstance(self.screen, Page) and self.screen.ready and self.screen.leave():
            return
        if len(self.screen_stack) > FIRST:
            await self.pop_screen()

    def action_tour(self) -> None:
        """Explain each page as one goes, or no more."""
        if self.has_project:
            self.attempt(self._switch_tour)

    def _switch_tour(self) -> None:
        ends = tour.on(self.project)
        (tour.end if ends else tour.begin)(self.project)
        if isinstance(self.screen, Page):
            # Not every page has something to explain.
            self.screen.say(_("The tour has ended.") if ends else _("The tour begins: pages say what they are for."))

    def action_palette(self) -> None:
        """Everything that can be done here, to choose from."""
        from tui.pages.palette import Palette

        if not isinstance(self.screen, Palette):
            self.push_screen(Palette(self.screen))

    def action_glossary(self) -> None:
        """The words of the field, explained."""
        from tui.pages.glossary import Glossary

        if not isinstance(self.screen, Glossary):
            self.push_screen(Glossary())

    def action_help(self) -> None:
        """All keys of this page."""
        from tui.pages.help import Help

        if not isinstance(self.screen, Help):
            self.push_screen(Help(self.screen))


def run(root: Path | None, *, mouse: bool = True, ascii_only: bool = False) -> None:
    """Open the screens on the project in a folder; None: the welcome page."""
    Tunebook(root, ascii_only=ascii_only).run(mouse=mouse)

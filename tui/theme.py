"""How things look, in one place: glyph, word and colour of each status and verdict, and the colours of series.

No screen makes glyphs of its own. Nothing is said by colour alone, and no glyph is of ambiguous width.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from rich.segment import Segments
from textual.scrollbar import ScrollBarRender
from textual.theme import BUILTIN_THEMES

from presets.language import Message, _, say
from tui.charts.series import Mark


@dataclass(frozen=True)
class Look:
    """How one status is shown: a glyph of one cell, a word, and a colour of the terminal's own, by Rich's name."""

    glyph: str
    ascii: str
    word: Message
    colour: str

    def badge(self, *, ascii_only: bool = False) -> str:
        """Glyph and word: `✓ complete`, in ASCII `o complete`."""
        return f"{self.ascii if ascii_only else self.glyph} {self.word.text()}"

    def counted(self, count: int) -> str:
        """How many there are of it: `3 complete`."""
        return _("{count} {status}").format(count=count, status=self.word.text())


# The terminal's own colours alone: fewer bytes than exact ones, right on a dark and on a light background, the palette
# that the person chose, and nothing that a terminal of 16 colours lacks. What is marked is reversed, so that it shows
# without any colour.
_ANSI = BUILTIN_THEMES["ansi-dark"]
THEME = replace(
    _ANSI,
    name="tunebook",
    variables={
        **_ANSI.variables,
        **dict.fromkeys(
            (
                "block-cursor-foreground",
                "block-cursor-background",
                "scrollbar",
                "scrollbar-hover",
                "scrollbar-active",
                "scrollbar-background",
                "scrollbar-background-hover",
                "scrollbar-background-active",
            ),
            "ansi_default",
        ),
        "block-cursor-text-style": "none",
        "block-cursor-blurred-text-style": "underline",
    },
)


# What the base class cuts off after reckoning back must not be less than a whole number.
NUDGE = 1e-6


class WholeCells(ScrollBarRender):
    """A scroll bar of whole cells: parts of a block are of ambiguous width, and not in ASCII. Rounded to them it still
    reaches an end only where there is nothing beyond."""

    VERTICAL_BARS: ClassVar[list[str]] = [" "]
    HORIZONTAL_BARS: ClassVar[list[str]] = [" "]

    @classmethod
    def render_bar(
        cls,
        size: int = 25,
        virtual_size: float = 50,
        window_size: float = 20,
        position: float = 0,
        *rest: Any,
        **more: Any,
    ) -> Segments:
        hidden = virtual_size - window_size
        if size > 1 and window_size and hidden > 0:
            thumb = max(min(int(size * window_size / virtual_size), size - 1), 1)
            free = size - thumb
            start = min(max(round(free * position / hidden), int(position > 0)), free - int(position < hidden))
            # Twice as much as there are cells, of which the base class makes these again.
            virtual_size, window_size, position = 2 * size, 2 * thumb, 2 * start + NUDGE
        return super().render_bar(size, virtual_size, window_size, position, *rest, **more)


STATUSES = {
    # In ASCII as in a chart: o and x.
    "complete": Look("✓", "o", say("complete"), "green"),
    "running": Look("»", ">", say("running"), "bright_blue"),
    "queued": Look("◦", ".", say("queued"), "default"),
    "infeasible": Look("✗", "x", say("infeasible"), "yellow"),
    "failed": Look("⊗", "#", say("failed"), "red"),
    "stopped": Look("⊘", "-", say("stopped"), "magenta"),
}
"""By the status of a trial, as it is stored."""

VERDICTS = {
    "pass": Look("✓", "+", say("pass"), "green"),
    "warn": Look("!", "!", say("warn"), "yellow"),
    "fail": Look("✗", "x", say("fail"), "red"),
    "cannot tell": Look("?", "?", say("cannot tell"), "default"),
    # Not a verdict: a person's answer to one.
    "dismissed": Look("⊘", "-", say("dismissed"), "default"),
}
"""By the verdict of a finding, as it is stored."""

MARKS: dict[Mark, Message] = {
    "feasible": say("feasible"),
    "infeasible": say("infeasible"),
    "best": say("best"),
}

# Chosen by search: six colours as far apart as can be (in CIELAB; tests/test_keys.py holds that) for ordinary vision
# and with each of the three colour blindnesses (Machado et al. 2009), contrast at least 4.5 with the background, and
# six different ones of the 16 colours that Rich falls back to.
SERIES_ON_DARK = ("#9988FF", "#DDFF77", "#FF88CC", "#339966", "#99FFBB", "#998800")
SERIES_ON_LIGHT = ("#0077CC", "#DD3311", "#9922FF", "#880000", "#002299", "#CC4477")
# The terminal's own shades; these six are legible on either background.
SERIES_ANSI = ("ansi_bright_blue", "ansi_yellow", "ansi_magenta", "ansi_cyan", "ansi_red", "ansi_green")


def series_colours(prefix: str) -> str:
    """The rules, inside those of a widget, that give its component classes `PREFIX--series-0` … their colours."""
    kinds = {"dark": SERIES_ON_DARK, "light": SERIES_ON_LIGHT, "ansi": SERIES_ANSI}
    return "\n".join(
        f"&:{kind} .{prefix}--series-{number} {{ color: {colour}; }}"
        for kind, colours in kinds.items()
        for number, colour in enumerate(colours)
    )


def status_colours(prefix: str) -> str:
    """The rules that give the component classes `PREFIX--STATUS` the colours of the statuses."""
    return "\n".join(
        f".{prefix}--{status} {{ color: ansi_{look.colour}; }}"
        for status, look in STATUSES.items()
        if look.colour != "default"
    )

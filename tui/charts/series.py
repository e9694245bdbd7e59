"""What a plot shows: series of points, how each is told from the others, and which point is selected."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from string import ascii_lowercase, ascii_uppercase
from typing import Literal, TypeAlias

from tui.charts.scale import extent

Mark: TypeAlias = Literal["feasible", "infeasible", "best"]
SHAPES: dict[Mark, str] = {"infeasible": "x", "feasible": "o", "best": "*"}
"""Shape of each mark, in the order of drawing: the best point hides the others."""
COLOURS = 6
"""How many colours of series there are: style keys `series-0` to `series-5`."""
# The shapes of points are no letters of series.
LETTERS = ascii_uppercase + "".join(letter for letter in ascii_lowercase if letter not in SHAPES.values())


@dataclass(frozen=True)
class Series:
    """Points of one line, or single points. Raises ValueError where the parts are not equally long."""

    id: str
    label: str
    x: Sequence[float]
    y: Sequence[float]
    kind: Literal["line", "points"] = "line"
    marks: Sequence[Mark] = ()
    """Of single points: one each; empty for all feasible."""
    ids: Sequence[str] = ()
    """What the points are (trials): one each, or empty."""
    raw: Sequence[float] = ()
    """Of a line that was smoothed: the values as measured, one each, which are drawn behind it."""
    pinned: bool = False
    """Whether it is compared with others that are; those that are not stand back then."""

    def __post_init__(self) -> None:
        for name, part in (("y", self.y), ("marks", self.marks), ("ids", self.ids), ("raw", self.raw)):
            if len(part) != len(self.x) and (len(part) or name == "y"):
                raise ValueError(f"Series {self.id!r} has {len(self.x)} x and {len(part)} {name}.")

    def mark(self, index: int) -> Mark:
        """What the point is."""
        return self.marks[index] if self.marks else "feasible"

    def point_id(self, index: int) -> str:
        """What the point is called; empty where it has no name."""
        return self.ids[index] if self.ids else ""


@dataclass(frozen=True)
class Cursor:
    """The selected point: a series and the index of one of its points."""

    series: str
    index: int

    def of(self, series: Iterable[Series]) -> Series | None:
        """The series of the selected point; None where there is no such point."""
        return next((one for one in series if one.id == self.series and 0 <= self.index < len(one.x)), None)


@dataclass(frozen=True)
class Identity:
    """How a series is told from the others."""

    colour: int
    letter: str

    @property
    def style(self) -> str:
        return f"series-{self.colour}"


def identities(ids: Iterable[str]) -> dict[str, Identity]:
    """Colour by hash of the id (the next free one where it is taken), letter by order; both stay when ids follow."""
    found: dict[str, Identity] = {}
    taken: set[int] = set()
    for position, name in enumerate(dict.fromkeys(ids)):
        if len(taken) == COLOURS:
            taken.clear()
        wanted = int.from_bytes(blake2b(name.encode(errors="surrogatepass"), digest_size=4).digest(), "big")
        colour = next(c % COLOURS for c in range(wanted, wanted + COLOURS) if c % COLOURS not in taken)
        taken.add(colour)
        found[name] = Identity(colour, LETTERS[position % len(LETTERS)])
    return found


def bounds(values: Iterable[Sequence[float]], *, log: bool) -> tuple[float, float] | None:
    """The least and the greatest value of all sequences that a scale of this kind admits; None where there is none."""
    found = [both for both in (extent(part, log=log) for part in values) if both is not None]
    return (min(low for low, _ in found), max(high for _, high in found)) if found else None


def behind(series: Sequence[Series]) -> set[str]:
    """The ids of the lines that stand back, because others are compared."""
    pinned = {one.id for one in series if one.pinned}
    return {one.id for one in series if one.kind == "line" and one.id not in pinned} if pinned else set()

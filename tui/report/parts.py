"""What a report is made of: sections of paragraphs, tables, plots and findings. Plain text all through, no markup."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from tui.charts.plot import Axes
from tui.charts.series import Series


@dataclass(frozen=True)
class Words:
    """A paragraph; `strong` where it says the most important thing."""

    text: str
    strong: bool = False


@dataclass(frozen=True)
class Title:
    """The heading of a part of a section."""

    text: str


@dataclass(frozen=True)
class Facts:
    """Names and their values."""

    rows: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Grid:
    """A table. The columns in `right` hold figures."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    right: Sequence[int] = ()
    caption: str = ""


@dataclass(frozen=True)
class Picture:
    """A plot. `behind`: lines drawn faintly, without a name, so that the others are seen among all."""

    caption: str
    series: Sequence[Series]
    axes: Axes
    behind: Sequence[Series] = ()


@dataclass(frozen=True)
class Judgement:
    """A finding of a review: verdict as it is stored and in words, what was found, what is proposed, the rule."""

    verdict: str
    word: str
    text: str
    action: str
    rule: str


@dataclass(frozen=True)
class Code:
    """Commands, as they are typed."""

    text: str


Part: TypeAlias = Words | Title | Facts | Grid | Picture | Judgement | Code


@dataclass(frozen=True)
class Section:
    """A chapter; `id` is its name in links."""

    id: str
    title: str
    parts: Sequence[Part]


@dataclass(frozen=True)
class Report:
    """The whole report. `language`: of its texts, as HTML names it."""

    title: str
    about: str
    language: str
    sections: Sequence[Section]

"""What a training script prints of its pace: the training lines of timm's script, and the progress bars of tqdm.

Transformers' Trainer and Lightning write their files seldom, but show such bars from the first step on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

# Updates are counted from 0 in each epoch; behind the time are the examples a second of the last one.
_LINE = re.compile(rb"Train: \d+ \[ *(\d+)/\d+.*? Time: [\d.]+s, +([\d.]+)/s")
# What tqdm draws: a name, if it has one, the share, how many of how many, times, and how many of what unit a second.
_BAR = re.compile(
    rb"(?:\x1b\[A)*(?:(?P<name>[^\x1b]*?): )? *\d+%\|[^|]*\| *(?P<done>\d+)/(?P<of>\d+) "
    rb"\[[\d:]+<[\d:?]+, +[\d.?]+ ?(?:s/[^\]\s,]+|[^\]\s,]+/s)"
)
_COLOUR = re.compile(rb"\x1b\[[\d;]*m")
# A name may say where it stands: `train 3`, `loss 0.25`, `lr 1e-05`.
_NUMBER = re.compile(r"[-+]?\d+(?:[./]\d+)*(?:e[-+]?\d+)?")
# What bars are called that are of something else than training: of evaluation, of data, of weights.
_OTHERWISE = re.compile(
    r"\W*(?:val|eval|test|dev\b|pred|infer|sanity|map\b|filter|load|download|fetch|read|extract|resolv|generat|"
    r"tokeni|prepar|preproc|cach|creat|build|sav|writ|验证|评估|测试|加载|读取|下载)",
    re.IGNORECASE,
)
# The same at the end, or in brackets: `Epoch 1 [val]`.
_OF_EVALUATION = re.compile(r"(?:[(\[] *|\b)(?:val(?:id(?:ation)?)?|eval(?:uation)?|test|dev) *[)\]]*$", re.IGNORECASE)
_TRAINING = re.compile(r"train|epoch|\bep\b|step|iter|batch|loss|\bfit|训练", re.IGNORECASE)
# What moves for no longer than this says more about how often we look than about the command: 5 % of a second.
SHORTEST_SECONDS = 1.0


def rates(text: bytes) -> list[float]:
    """The examples a second in timm's lines, but for those of an epoch's first update, which waits for the data."""
    return [float(rate) for update, rate in _LINE.findall(_COLOUR.sub(b"", text)) if int(update) and float(rate) > 0]


class Bar(NamedTuple):
    """A progress bar as it was drawn once: its name without numbers, how many are done, and of how many."""

    name: str
    done: int
    of: int


def bars(text: bytes) -> list[Bar]:
    """The progress bars in the text, each time that one was drawn anew."""
    drawn = (_BAR.match(piece) for piece in re.split(rb"[\r\n]+", _COLOUR.sub(b"", text)))
    return [Bar(_called(bar["name"] or b""), int(bar["done"]), int(bar["of"])) for bar in drawn if bar]


def _called(name: bytes) -> str:
    return " ".join(_NUMBER.sub("", name.decode("utf-8", "replace")).split())


@dataclass(frozen=True)
class Drawn:
    """What a progress bar shows: how many steps it made in how many seconds, and how many it goes to. `sure`: it has no
    name, or one of training; another may be of anything. `once`: it has come to its end, and not begun again: it may
    have been of data, with the training still to come."""

    steps: int
    seconds: float
    of: int
    name: str = ""
    sure: bool = True
    once: bool = False


@dataclass
class _Seen:
    """A bar so far: where it stood and since when, the steps that were timed and their seconds, all its steps, how
    often it began again, and the steps of the rows that came since it last moved."""

    done: int = 0
    at: float = 0.0
    steps: int = 0
    seconds: float = 0.0
    moved: int = 0
    again: int = 0
    rows: set[int] = field(default_factory=set)


@dataclass
class Bars:
    """Progress bars as they are drawn, told apart by name and by how many they go to. Each is timed from one drawing to
    the next within a pass: what lies between two passes, as an evaluation does, is no part of them, nor is the first
    step. `passed`: those that are known to be of something else; `others`: the names of those that say so."""

    passed: frozenset[tuple[str, int]] = frozenset()
    others: list[str] = field(default_factory=list)
    _seen: dict[tuple[str, int], _Seen] = field(default_factory=dict)

    def add(self, drawn: Iterable[Bar], now: float) -> None:
        """Count what was drawn by now."""
        for name, done, of in drawn:
            if (name, of) in self.passed:
                continue
            if _OTHERWISE.match(name) or _OF_EVALUATION.search(name):
                self.others += [name] if name not in self.others else []
                continue
            bar = self._seen.setdefault((name, of), _Seen(at=now))
            if done > bar.done >= 1:
                bar.steps, bar.seconds = bar.steps + done - bar.done, bar.seconds + now - bar.at
            bar.moved += max(0, done - bar.done)
            bar.again += done < bar.done
            # A bar that is drawn again where it was tells nothing new.
            if done != bar.done:
                bar.done, bar.at = done, now
                bar.rows.clear()

    def row(self, step: int) -> None:
        """Count a row that was written by now."""
        for bar in self._seen.values():
            bar.rows.add(step)

    def longest(self) -> Drawn | None:
        """The bar that took the most time, which is that of training; None where none has moved. One that counts the
        passes of another is none of batches, and one whose name says nothing is asked only where there is no other. One
        that had come to its end before the first of several rows, and has not begun again, was of what comes before the
        training."""
        moved = {
            key: bar for key, bar in self._seen.items() if bar.done and not (_once(key, bar) and len(bar.rows) > 1)
        }

        def passes_of_another(bar: _Seen) -> bool:
            return any(other is not bar and bar.moved <= other.again + 1 for other in moved.values())

        batches = {key: bar for key, bar in moved.items() if not passes_of_another(bar)} or moved
        drawn = [
            Drawn(bar.steps, bar.seconds, of, name, not name or bool(_TRAINING.search(name)), _once((name, of), bar))
            for (name, of), bar in batches.items()
        ]
        return max(drawn, key=lambda bar: (bar.sure and bar.seconds >= SHORTEST_SECONDS, bar.seconds), default=None)


def _once(key: tuple[str, int], bar: _Seen) -> bool:
    return bar.done == key[1] and not bar.again

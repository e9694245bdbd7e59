"""Steps to a target by batch size, against perfect scaling: twice the batch, half the steps (G7).

The training comes back as curves; the target is laid over them afterwards, so another target needs no other training.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from presets.language import Message, say
from state import configurations, launches, trials
from state.database import Store
from state.errors import NotYet, Refusal
from wizard import architecture, configuration, probe, quantity
from wizard.question import Table

# So much more than the steps of perfect scaling still counts as perfect: curves of single runs tell no finer.
NEARLY = 1.25
# Learning rates at each size.
RATES = 3

# How steps compare with perfect scaling from the smallest size. "unknown": the target was not reached, or an interval
# between evaluations is too wide to tell.
Standing = Literal["perfect", "beyond", "unknown"]
Source = Literal["named", "baseline", "sizes"]


@dataclass(frozen=True)
class Size:
    """The fewest steps to the target at a batch size, over its learning rates; None where none of them reached it.

    `ratio`: steps by those of perfect scaling from the smallest size. `edge`: its rate is the lowest or the highest
    tried. `best`: its best result at any rate. `within`: the steps from one evaluation to the next.
    """

    batch_size: int
    best: float | None
    within: float
    steps: int | None
    learning_rate: float | None
    edge: bool
    seconds: float | None
    ratio: float | None
    standing: Standing

    @property
    def examples(self) -> int | None:
        """Examples seen on the way to the target."""
        return None if self.steps is None else self.steps * self.batch_size


@dataclass(frozen=True)
class Report:
    """Every size, smallest first, and the target with where it comes from; None where no run came to a result."""

    metric: str
    target: float | None
    source: Source
    sizes: tuple[Size, ...]

    @property
    def told(self) -> bool:
        """Whether it is known up to which size perfect scaling holds."""
        first = next((size.standing for size in self.sizes if size.standing != "perfect"), "perfect")
        return first != "unknown"


def sizes(store: Store) -> tuple[int, ...]:
    """Half the decided batch size, itself and twice it, as far as they are known to work. Refuses fewer than two."""
    values = configuration.current(store)
    if "training.batch_size" not in values:
        raise NotYet("Decide on the batch size first: its neighbours are compared with it.")
    found, size = probe.known(store), int(values["training.batch_size"])
    smallest = least(store)
    # The decided size may lie beyond those that were measured.
    most = max(size, int(found.result["largest_feasible"]))
    near = tuple(one for one in wished(store) if smallest <= one <= most)
    if len(near) < 2:
        raise Refusal("Only a batch size of {size} is known to work: there is nothing to compare it with.", size=size)
    return near


def least(store: Store) -> int:
    """The smallest size that works: batch norm has no statistics over one example, and a network of which nobody knows
    may have it."""
    return 2 if architecture.normalisation(store) in ("batch", None) else 1


def wished(store: Store) -> tuple[int, ...]:
    """Half the decided batch size, itself and twice it."""
    size = int(configuration.current(store)["training.batch_size"])
    return tuple(one for one in (size // 2, size, 2 * size) if one)


def context(store: Store, result: Mapping[str, Any]) -> dict[str, Any]:
    """What belongs to a result that has come in: the times of the steps, the baseline, and whether it tells enough."""
    found = probe.known(store)
    more = {
        "step_seconds": [probe.step_seconds(found, entry["batch_size"]) for entry in result["sizes"]],
        "baseline": baseline(store),
    }
    return {**more, "passed": report({**result, **more}).told}


def baseline(store: Store) -> float | None:
    """The best result of the baseline from which the configuration as decided now was launched."""
    if "training.steps" not in configuration.current(store):
        return None
    current = configurations.name_of(store, configuration.checked(store))
    for entry in reversed(launches.launches(store)):
        if entry.candidate == current and trials.batch(store, entry.batch).kind == "baseline":
            return entry.evidence.get("best")
    return None


def report(result: Mapping[str, Any], named: float | None = None) -> Report:
    """The curves against a target: the one named, the baseline's where every size reaches it, or the best result of
    the size that does worst."""
    sign = -1.0 if result["direction"] == "max" else 1.0
    bests = [_best(entry, sign) for entry in result["sizes"]]
    target, source = _target(bests, result.get("baseline"), named, sign)
    found: list[Size] = []
    for entry, best, seconds in zip(result["sizes"], bests, result["step_seconds"], strict=True):
        steps, rate = (None, None) if target is None else _fewest(entry, target, sign)
        size, within = int(entry["batch_size"]), entry["steps"] / result["looks"]
        first = found[0] if found else None
        rates = [tried["learning_rate"] for tried in entry["tried"]]
        ratio, standing = _against_perfect(size, steps, within, first)
        found.append(
            Size(
                batch_size=size,
                best=best,
                within=within,
                steps=steps,
                learning_rate=rate,
                edge=rate is not None and rate in (min(rates), max(rates)),
                seconds=None if steps is None else steps * seconds,
                ratio=ratio,
                standing=standing,
            )
        )
    return Report(result["metric"], target, source, tuple(found))


def crossing(curve: list[list[float]], target: float, sign: float = 1.0) -> int | None:
    """The first step at which a curve of (step, value) is at the target or better; `sign` -1: higher is better."""
    return next((int(step) for step, value in curve if sign * value <= sign * target), None)


def verdict(found: Report) -> Message:
    """Where perfect scaling ends, in a plain sentence."""
    words = _sentence(found)
    edges = [size.batch_size for size in found.sizes if size.edge]
    if not edges:
        return words
    return say(
        "{words} At {sizes} the best learning rate is at the edge of those tried: another one may need fewer steps.",
        words=words,
        sizes=edges,
    )


def target(found: Report) -> Message:
    """The target, and where it comes from."""
    if found.target is None:
        return say("No run came to a result: the loss grew beyond all bounds at every learning rate.")
    figures = {"metric": found.metric, "target": found.target}
    match found.source:
        case "named":
            return say("Target: {metric} {target:.4g}, as named.", **figures)
        case "baseline":
            return say("Target: {metric} {target:.4g}, the best result of the baseline.", **figures)
        case _:
            return say("Target: {metric} {target:.4g}, the worst of the sizes' best results.", **figures)


def table(found: Report) -> Table:
    """What each size took to the target; "vs perfect" are its steps by those of perfect scaling."""
    columns = (
        say("batch size"),
        say("learning rate"),
        say("steps"),
        say("examples"),
        say("time"),
        say("vs perfect"),
        say("best"),
    )
    return Table(columns, tuple(_row(size) for size in found.sizes))


def _row(size: Size) -> tuple[str, ...]:
    return (
        str(size.batch_size),
        "-" if size.learning_rate is None else f"{size.learning_rate:.3g}",
        "-" if size.steps is None else str(size.steps),
        "-" if size.examples is None else str(size.examples),
        "-" if size.seconds is None else quantity.duration(size.seconds).text(),
        "-" if size.ratio is None else f"{size.ratio:.2f} x",
        "-" if size.best is None else f"{size.best:.4g}",
    )


def _sentence(found: Report) -> Message:
    """What the target and the sizes up to the first that departs from perfect scaling say."""
    aim, last = target(found), None
    for size in found.sizes:
        figures = {"target": aim, "size": size.batch_size, "last": last.batch_size if last else 0}
        if size.standing == "beyond":
            assert size.ratio is not None  # it is compared with the smallest size
            return say(
                "{target} Perfect scaling ends between {last} and {size}: there it takes {ratio:.2f} times the steps "
                "of perfect scaling.",
                **figures,
                ratio=size.ratio,
            )
        if size.standing == "unknown" and size.steps is None:
            return say(
                "{target} Cannot tell where perfect scaling ends: a batch of {size} does not reach the target.",
                **figures,
            )
        if size.standing == "unknown":
            return say(
                "{target} Cannot tell whether perfect scaling holds up to {size}: an interval between evaluations, "
                "{within} steps, is as large as the difference.",
                **figures,
                within=quantity.digits(size.within),
            )
        last = size
    return say(
        "{target} Perfect scaling holds up to {size}, the largest size compared.",
        target=aim,
        size=found.sizes[-1].batch_size,
    )


def _best(entry: Mapping[str, Any], sign: float) -> float | None:
    values = [value for tried in entry["tried"] for _step, value in tried["curve"]]
    return min(values, key=lambda value: sign * value, default=None)


def _target(
    bests: list[float | None], reached: float | None, named: float | None, sign: float
) -> tuple[float | None, Source]:
    if named is not None:
        return named, "named"
    if reached is not None and all(best is not None and sign * best <= sign * reached for best in bests):
        return reached, "baseline"
    return max((best for best in bests if best is not None), key=lambda best: sign * best, default=None), "sizes"


def _fewest(entry: Mapping[str, Any], target: float, sign: float) -> tuple[int | None, float | None]:
    """The fewest steps over the learning rates, and the rate."""
    found = [(crossing(tried["curve"], target, sign), tried["learning_rate"]) for tried in entry["tried"]]
    reached = [(steps, rate) for steps, rate in found if steps is not None]
    return min(reached, default=(None, None))


def _against_perfect(size: int, steps: int | None, within: float, first: Size | None) -> tuple[float | None, Standing]:
    """Steps by those of perfect scaling from the smallest size `first`; None: this is the smallest."""
    if steps is None or (first is not None and first.steps is None):
        return None, "unknown"
    if first is None or first.steps is None:
        return 1.0, "perfect"
    perfect = first.steps * first.batch_size / size
    # Sizes are evaluated after the same examples, so both intervals are as wide in steps of this size.
    difference = max(steps - perfect, (NEARLY - 1) * perfect)
    if difference <= within or math.isclose(difference, within):
        return steps / perfect, "unknown"
    return steps / perfect, "beyond" if steps > NEARLY * perfect else "perfect"

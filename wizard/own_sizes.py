"""What a probe of the user's own command has measured, in words and in a table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from presets.language import Message, _, say, told
from state import pace, probe_command
from state.measurements import Measurement
from wizard import neighbours, quantity
from wizard.question import Table

# Over sizes so far apart, steps that differ by less than this are told of.
APART, AS_LONG = 8, 1.1
# Why no larger size was measured, where throughput may rise beyond it.
BOUNDS = {
    "memory": say("a larger one does not fit into the memory of the device"),
    "data": say("a larger one leaves fewer than 20 steps in an epoch of these data"),
    "cap": say("no larger one was to be tried"),
}


def evidence(found: Measurement) -> Iterator[Message]:
    """What there is to know of the sizes: how they were measured, which failed, and whether they differ at all."""
    yield say("Measured with your command as it is, on {device}.", device=found.result["device"])
    yield from untimed(found)
    yield from _of_a_step(found)
    yield from neighbours.busy(found)
    for line in found.result["sizes"]:
        if line["outcome"] == "out_of_memory":
            yield say("A batch of {size} does not fit: {message}", size=line["batch_size"], message=line["message"])
        elif line["outcome"] not in ("measured", "untimed"):
            yield say("A batch of {size} failed: {message}", size=line["batch_size"], message=line["message"])
    lines = [line for line in found.result["sizes"] if line["outcome"] == "measured" and line["step_seconds"]]
    times = [line["step_seconds"] for line in lines]
    if any(line["by"] == "rows" for line in lines):
        yield say(
            "Known by its rows is the time from one to the next, with all that the script does there: an evaluation at "
            "each of them counts as well, so that a step itself takes less."
        )
    if lines and lines[-1]["batch_size"] >= APART * lines[0]["batch_size"] and max(times) < AS_LONG * min(times):
        yield say(
            "A step takes as long at every size: either the device is far from busy, or the script does not heed its "
            "batch size."
        )
    yield say(
        "The batch size sets the speed, not the quality: tuned well, any size reaches the same result. So it is "
        "decided here and never searched."
    )


def _of_a_step(found: Measurement) -> Iterator[Message]:
    """That a step takes more than one batch, as on several processes."""
    for line in found.result["sizes"]:
        if line.get("step_examples", 0) > line["batch_size"]:
            yield say(
                "By its number of processes, or of batches that make a step, a step with a batch size of {size} takes "
                "{examples} examples: all of them are counted.",
                size=line["batch_size"],
                examples=line["step_examples"],
            )
            return


def untimed(found: Measurement) -> Iterator[Message]:
    """Which size could not be timed and why, and what the script could write."""
    first, *others = [line for line in found.result["sizes"] if line["outcome"] == "untimed"] or [None]
    if first is None:
        return
    yield say(
        "How fast a batch of {size} is, cannot be told. {why}",
        size=first["batch_size"],
        why=told(first["message"], first["said"]),
    )
    for line in others:
        yield say("A batch of {size} runs; how fast, cannot be told either.", size=line["batch_size"])
    yield say(
        "To have it timed, let the script write how fast it trains into each line, as {column}; or lines with their "
        "step or epoch while it trains, the first and the last at least a second apart; or print a bar of tqdm over "
        "its batches.",
        column=pace.RATE,
    )


def alone(result: dict[str, Any], speed: Message) -> Message:
    """Why a size is recommended that is the only one which was timed: nothing shows whether throughput rises with it,
    nor whether a smaller one would be as fast."""
    return say("The only size that was measured, since {why}; {speed}.", why=BOUNDS[result["limited_by"]], speed=speed)


def reason(result: dict[str, Any], speed: Message) -> Message:
    """Why a size is recommended."""
    if result["limited_by"] == "cap" and sum(line["outcome"] == "measured" for line in result["sizes"]) == 1:
        return alone(result, speed)
    match result["limited_by"]:
        case "cap":
            return say("The largest size that was tried; {speed}, and throughput still rises.", speed=speed)
        case probe_command.UNTIMED_ABOVE:
            return say("The largest size that could be timed; {speed}.", speed=speed)
        case "memory" | "error":
            return say("The largest size before one that failed with an error; {speed}.", speed=speed)
        case _:
            return saturated(result, speed)


def saturated(result: dict[str, Any], speed: Message) -> Message:
    """Why a size is recommended beyond which throughput does not rise, by either probe."""
    if result.get("earlier") == result["recommended"]:
        return say(
            "{speed}: as fast as it gets, as far as that can be told. It was recommended before, and these figures "
            "do not speak against it; another size would mean tuning again.",
            speed=speed,
        )
    return say(
        "{speed}: as fast as it gets, within 5%. Larger batches only make a step longer, and there are fewer "
        "steps to learn in.",
        speed=speed,
    )


def note(size: int, best: int) -> Message:
    """What speaks for or against a size beside the `best`."""
    if size == best:
        return say("the largest that pays")
    return say("works, with less throughput") if size < best else say("fits, but throughput does not rise any more")


def speed(lines: list[dict[str, Any]], size: int) -> Message:
    """How fast a measured size is: examples a second, or seconds of an epoch where nothing else is known."""
    line = next(line for line in lines if line["batch_size"] == size)
    if _by_epochs(lines):
        return say("{time} an epoch, its evaluation included", time=quantity.duration(line[pace.EPOCH]))
    return quantity.throughput(float(line[pace.RATE]))


def _by_epochs(lines: list[dict[str, Any]]) -> bool:
    found = pace.comparable(lines)
    return found is not None and found[0] == pace.EPOCH


def table(lines: list[dict[str, Any]]) -> Table:
    """The measured sizes with what is known of their speed, and by what it is known."""
    words = {
        "column": _("what it writes"),
        "printed": _("what it prints"),
        "rows": _("its rows"),
        "bar": _("its progress bar"),
        "epochs": _("its epochs"),
    }
    if _by_epochs(lines):
        rows = tuple(
            (str(line["batch_size"]), quantity.duration(line[pace.EPOCH]).text(), words["epochs"]) for line in lines
        )
        return Table((say("batch size"), say("an epoch"), say("known by")), rows)
    rows = tuple(
        (
            str(line["batch_size"]),
            quantity.digits(line[pace.RATE]),
            quantity.duration(line["step_seconds"]).text(),
            words[line["by"]],
        )
        for line in lines
    )
    return Table((say("batch size"), say("examples/s"), say("per step"), say("known by")), rows)


def with_size(table: Table, size: int) -> Table:
    """The table with a row of a size that it has none of, since that was not timed."""
    if any(row[0] == str(size) for row in table.rows):
        return table
    row = (str(size), *["-"] * (len(table.columns) - 2), _("not timed"))
    return Table(table.columns, tuple(sorted((*table.rows, row), key=lambda one: int(one[0]))))

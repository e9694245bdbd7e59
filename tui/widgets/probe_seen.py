"""A probe of batch sizes: what it has measured so far, of what the set-up chose or of what is in use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from presets.language import _
from state.database import Store
from state.errors import NotYet
from state.pace import EPOCH, RATE, comparable
from tui import probe_told
from tui.charts.plot import Axes
from tui.charts.series import Series
from tui.text_table import lines
from tui.widgets.seen import Seen
from wizard import probe
from wizard.quantity import duration, memory


def of_set_up(store: Store) -> Seen:
    """That of what the set-up chose."""
    id = probe.last(store)
    if id is None:
        about = _("Real training steps of this model, at sizes that double until it stops paying; a minute or two.")
        return Seen(_("Next the batch sizes are measured."), "\n".join((about, _("s: start"), *within(store))))
    return _at_work(store, id, "")


def in_use(store: Store) -> Seen:
    """That of the best configuration, where a launch has adopted another model or optimizer than the set-up's. Refuses
    where none has."""
    used = probe.in_use(store)
    if used is None:
        raise NotYet("What the set-up chose is in use: its batch sizes are measured there.")
    about = probe_told.differs(probe.differing(store, used))
    if (id := probe.last(store, used)) is not None:
        return _at_work(store, id, about)
    known = probe.fresh(store, used)
    if known is None:
        return Seen(about, _("Its batch sizes have not been measured.") + "\n" + _("s: start"))
    said = "\n".join((*probe_told.verdict(store, known, used), _("s: measure again")))
    sizes = probe.sizes(store.project, known.id)
    return Seen(about, said, tuple(size_table(sizes)), *_drawn(sizes))


def _at_work(store: Store, id: str, about: str) -> Seen:
    # In this order: a size that was measured last is not lost.
    running = probe.running(store.project, id)
    sizes = probe.sizes(store.project, id)
    figures = tuple(size_table(sizes)) if sizes else ()
    if not running:
        return Seen("", figures=figures, collect=lambda: probe.finish(store, id))
    doing = "\n".join(part for part in (about, probe.doing(store.project, id).text()) if part)
    return Seen(_("Measuring batch sizes"), doing, figures, *_drawn(sizes), running=id)


def _drawn(sizes: Sequence[dict[str, Any]]) -> tuple[tuple[Series, ...], Axes]:
    known = comparable([line for line in sizes if line["outcome"] == "measured"])
    name, rates = known or (RATE, dict[int, float]())
    label = _("examples/s") if name == RATE else _("epochs/s")
    axes = Axes(_("batch size"), label, log_x=True, log_y=True, empty=_("no size has been measured yet"))
    rate = Series("rate", _("throughput"), [float(size) for size in rates], [*rates.values()])
    return (rate,), axes


def within(store: Store) -> list[str]:
    """The memory that a run may take, where it was said; it binds no script of the user's own."""
    gib = store.project.settings.memory_gib
    if not gib or store.project.settings.command:
        return []
    return [_("g: the memory that a run may take, {gib:g} GiB now").format(gib=gib)]


def size_table(sizes: Sequence[dict[str, Any]]) -> list[str]:
    """The measured batch sizes as lines: throughput, time of a step with its spread, memory; of what was timed by its
    epochs alone, the time of one."""
    words = {"out_of_memory": _("out of memory"), "failed": _("failed"), "untimed": _("cannot be told")}
    known = comparable([line for line in sizes if line["outcome"] == "measured"])
    if known is not None and known[0] == EPOCH:
        timed = [
            [str(line["batch_size"]), duration(line[EPOCH]).text()]
            if line["outcome"] == "measured"
            else [str(line["batch_size"]), words.get(line["outcome"], line["outcome"])]
            for line in sizes
        ]
        return lines([_("batch size"), _("epoch")], timed)
    rows = [
        [
            str(line["batch_size"]),
            f"{line['examples_per_second']:.0f}",
            duration(line["step_seconds"]).text(),
            "-" if line.get("spread") is None else f"{line['spread']:.0%}",
            memory(line["peak_memory"]).text() if line.get("peak_memory") else "-",
        ]
        if line["outcome"] == "measured"
        else [str(line["batch_size"]), words.get(line["outcome"], line["outcome"]), "", "", ""]
        for line in sizes
    ]
    return lines([_("batch size"), _("examples/s"), _("step"), _("spread"), _("memory")], rows)

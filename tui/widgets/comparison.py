"""The comparison of batch sizes as figures and as a chart: steps to the target against perfect scaling (G7)."""

from __future__ import annotations

from presets.language import _
from tui.charts.plot import Axes
from tui.charts.series import Series
from tui.text_table import lines
from wizard import scaling
from wizard.scaling import Report


def figures(report: Report) -> tuple[str, ...]:
    """What each size took, as lines."""
    table = scaling.table(report)
    return tuple(lines([column.text() for column in table.columns], table.rows))


def series(report: Report) -> tuple[Series, ...]:
    """The steps of each size that came to the target, and those of perfect scaling from the smallest size."""
    reached = [(float(size.batch_size), float(size.steps)) for size in report.sizes if size.steps]
    drawn = [Series("steps", _("measured"), [size for size, _steps in reached], [steps for _size, steps in reached])]
    first = report.sizes[0]
    if first.steps:
        sizes = [float(size.batch_size) for size in report.sizes]
        perfect = [first.steps * first.batch_size / size for size in sizes]
        drawn.append(Series("perfect", _("perfect scaling"), sizes, perfect))
    return tuple(drawn)


def axes(empty: str) -> Axes:
    """Both logarithmic: perfect scaling is a straight line then."""
    return Axes(_("batch size"), _("steps"), log_x=True, log_y=True, empty=empty)

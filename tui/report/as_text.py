"""A report as Markdown and as JSON, and the table of studies as CSV (P18)."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from typing import Any

from presets.language import bracketed, labelled, say
from rounds import insights, lineage, looking, planning, reviewing, standing
from rounds.finding import Finding
from state import by_metric, decisions, launches, looks, measurements, metrics, trials
from state.database import Store
from tui import deciding, designing
from tui.report import of_rounds
from tui.report.parts import Code, Facts, Grid, Judgement, Part, Picture, Report, Title, Words
from tui.say import plain
from tui.terminal import printable
from tui.watch import trial_document

# What Markdown takes for markup, in text that is none.
_MARKUP = str.maketrans({character: f"\\{character}" for character in "\\`*_[]<>|#~$!"})


def markdown(report: Report) -> str:
    """The report as Markdown; a plot is its caption, since Markdown has no place for it."""
    lines = [f"# {_safe(report.title)}", "", _safe(report.about)]
    for section in report.sections:
        lines += ["", f"## {_safe(section.title)}"]
        for part in section.parts:
            lines += list(_part(part))
    return "\n".join(lines) + "\n"


def _part(part: Part) -> Iterator[str]:
    if not isinstance(part, Judgement):
        yield ""
    match part:
        case Words(text, strong):
            yield f"**{_safe(text)}**" if strong else _safe(text)
        case Title(text):
            yield f"### {_safe(text)}"
        case Facts(rows):
            yield from (f"- {labelled(_safe(name), _safe(value))}" for name, value in rows)
        case Grid(columns, rows, right, caption):
            yield f"| {' | '.join(map(_safe, columns))} |"
            yield "|" + "|".join("---:" if place in right else "---" for place in range(len(columns))) + "|"
            yield from (f"| {' | '.join(map(_safe, row))} |" for row in rows)
            if caption:
                yield ""
                yield _safe(caption)
        case Picture(caption, series):
            points = sum(len(one.x) for one in series)
            yield say(
                "Plot: {caption} ({points} points; drawn in the report as HTML)", caption=_safe(caption), points=points
            ).text()
        case Judgement(_verdict, word, text, action, rule):
            proposed = f" → {_safe(action)}" if action else ""
            told = bracketed(_safe(text), _safe(rule))
            yield f"- {labelled(f'**{_safe(word)}**', told)}{proposed}"
        case Code(text):
            yield from ("```", *text.splitlines(), "```")


def _safe(text: str) -> str:
    return printable(text).translate(_MARKUP)


def studies_csv(store: Store) -> str:
    """The table of studies. A text that a spreadsheet would take for a formula begins with an apostrophe."""
    rows = of_rounds.studies(store)
    columns = (
        list(rows[0])
        if rows
        else ["round", "study", "trials_planned", "trials_ended", "trials_complete", "best", "command"]
    )
    output = io.StringIO()
    writer = csv.writer(output, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(row[name]) for name in columns])
    return output.getvalue()


def _cell(value: Any) -> Any:
    dangerous = isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r")
    return f"'{value}" if dangerous else "" if value is None else value


def everything_json(store: Store) -> str:
    """Whatever a report tells, as data: settings, decisions, measurements, trials with their curves, launches."""
    return json.dumps(plain(everything(store)), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def everything(store: Store) -> dict[str, Any]:
    """Whatever a report tells, as data; messages are still messages."""
    settings = store.project.settings
    best = launches.best(store)
    where = standing.standing(store)
    probe = measurements.latest(store, "probe")
    return {
        "project": {
            "name": settings.name,
            "task": settings.task,
            "data": settings.data,
            "command": settings.command,
            "metric": settings.metric,
            "direction": settings.direction,
        },
        "standing": {"step": where.step, "now": where.now, "then": where.next, "hours_spent": where.hours_spent},
        "decisions": [vars(entry) for entry in decisions.decisions(store, all=True)],
        "probe": probe and probe.result,
        "batches": [_batch(store, batch) for batch in trials.batches(store)],
        "studies": of_rounds.studies(store),
        "exploration": vars(insights.share(store)),
        "launches": [vars(entry) for entry in launches.launches(store)],
        "insights": [vars(entry) for entry in launches.insights(store)],
        "line": deciding.line_document(lineage.line(store)),
        "looks": [looking.seen(entry).to_dict() for entry in looks.looks(store)],
        "best": best and vars(best),
    }


def _findings(store: Store, batch: trials.Batch) -> Sequence[Finding]:
    """Those of a round of which something has ended."""
    ended = any(entry.status in trials.ENDED for entry in trials.trials(store, batch.name))
    return reviewing.latest(store, batch) if batch.kind == "round" and ended else ()


def _batch(store: Store, batch: trials.Batch) -> dict[str, Any]:
    metric = f"val/{by_metric.of_batch(store, batch.name).metric}"
    curves = metrics.curves(store, batch.name, metric)
    of_round = batch.kind == "round"
    return {
        "name": batch.name,
        "kind": batch.kind,
        "goal": batch.goal,
        "at": batch.at,
        "configuration": batch.configuration,
        "plan": designing.document(planning.plan_of(store, batch.name)) if of_round else batch.plan,
        "findings": [finding.to_dict() for finding in _findings(store, batch)],
        "metric": metric,
        "trials": [
            {**trial_document(entry), "curve": curves.get(entry.id, [])} for entry in trials.trials(store, batch.name)
        ],
    }

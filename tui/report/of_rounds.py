"""A report's chapters on the baseline and the rounds: goal, space, results, findings and their plots (P7-P12, P18)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from presets.language import _, bracketed, labelled, restored, say, sentences, told
from rounds import dismissing, planning, reviewing
from rounds.finding import ORDER, Finding
from rounds.plan import RoundPlan, Study, called
from rounds.record import GRADIENT_NORM, TrialRecord, foremost, ranked
from rounds.roles import asked_of
from state import by_metric, launches, metrics, trials
from state.database import Store
from state.dismissals import Dismissal
from state.measure import Measure, known_as
from state.trials import Batch, Trial
from tui.charts import norm_plot, pair_plot
from tui.charts.plot import Axes
from tui.charts.review_plot import CURVES, plot
from tui.charts.series import Mark, Series
from tui.report.parts import Facts, Grid, Judgement, Part, Picture, Section, Title, Words
from tui.say import best_of, by_other, choice, figure, measured
from tui.theme import MARKS, STATUSES, VERDICTS

# The trials of a round that are listed, best first; all of them are in the JSON.
LISTED = 25
# Curves behind the best few: beyond this nobody could tell that there are more.
BEHIND = 150
# Of a hyperparameter: a plot each, and no more than a page can carry.
AXES = 12


def baselines(store: Store) -> Iterator[Part]:
    """Each baseline that was run, what it came to, and what was decided about it (G11, G12)."""
    decided = launches.last(store)
    for batch in trials.batches(store, "baseline"):
        listed = trials.trials(store, batch.name)
        yield Title(batch.name)
        if batch.name in decided:
            yield Words(restored(decided[batch.name].reason).text())
        yield _trial_grid(store, batch, listed)
        yield from _curves_of(store, batch, listed)


def _curves_of(store: Store, batch: Batch, listed: Sequence[Trial]) -> Iterator[Part]:
    for metric in dict.fromkeys((f"val/{by_metric.of_batch(store, batch.name).metric}", "train/loss")):
        found = metrics.curves(store, batch.name, metric)
        series = [
            Series(entry.id, entry.id, [float(step) for step, _v in found[entry.id]], [v for _s, v in found[entry.id]])
            for entry in listed
            if found.get(entry.id)
        ]
        if series:
            yield Picture(known_as(metric), series, axes(_("step"), metric))


def axes(x: str, y: str, *, log_x: bool = False) -> Axes:
    """Axes as every plot of a report has them: losses, which may grow beyond all bounds, on a logarithmic scale."""
    words: dict[Mark, str] = {mark: word.text() for mark, word in MARKS.items()}
    return Axes(x, known_as(y), log_x=log_x, log_y="loss" in y, empty=_("nothing to draw"), words=words)


def round_section(store: Store, batch: Batch) -> Section:
    """A round from its question to what its review found."""
    plan = planning.plan_of(store, batch.name)
    title = _("{name}: {goal}").format(name=batch.name, goal=goal_words(batch.goal))
    return Section(batch.name, title, tuple(_round(store, batch, plan)))


def has_run(listed: Sequence[Trial]) -> bool:
    """Whether any trial of a round has begun."""
    return any(entry.status != "queued" for entry in listed)


def goal_words(goal: str) -> str:
    """What a round is for."""
    return {
        "understand": _("understand a hyperparameter"),
        "improve": _("try an improvement"),
        "compare": _("compare"),
        "stabilise": _("make training stable"),
        "minimise": _("the best result alone"),
    }.get(goal, goal)


def _round(store: Store, batch: Batch, plan: RoundPlan) -> Iterator[Part]:
    listed = trials.trials(store, batch.name)
    records = reviewing.records(store, batch.name)
    direction = reviewing.direction(store, batch.name)
    counts = Counter(entry.status for entry in listed)
    asked = [labelled(name, str(domain)) for name, domain in asked_of(plan).items()]
    facts = [
        (_("planned on"), batch.at[:10]),
        (_("trials"), _(", ").join(STATUSES[status].counted(count) for status, count in counts.items())),
        *([(_("scientific"), choice(asked))] if asked else []),
    ]
    best = foremost(records, direction)
    if best:
        facts.append((_("best"), bracketed(figure(best[0].best), choice([record.id for record in best]))))
    if plan.caveats:
        # The conclusion holds under these conditions (P2).
        facts.append((_("holds where"), sentences(*(message.text() for message in plan.caveats))))
    yield Facts(facts)
    yield from (Words(message.text()) for message in plan.warnings)
    yield _space(plan)
    if not has_run(listed):
        yield Words(_("It was planned, and none of it has run."))
        return
    yield Title(_("What the review says"))
    findings = reviewing.latest(store, batch, records)
    dismissed = dismissing.in_force(store, batch.name, findings)
    for finding in sorted(findings, key=lambda finding: ORDER.index(finding.verdict)):
        yield _judgement(finding, dismissed.get(finding.key))
    yield Title(_("Plots"))
    yield from _plots(store, by_metric.of_batch(store, batch.name), plan, records, findings)
    yield Title(_("Trials"))
    yield _trial_grid(store, batch, listed)


def _judgement(finding: Finding, dismissal: Dismissal | None) -> Judgement:
    """A finding; one that somebody does not follow with who and why in place of what it proposes."""
    look = VERDICTS[finding.verdict]
    action = finding.action.message.text() if finding.action else ""
    if dismissal is not None:
        action = _("dismissed by {who}: {reason}").format(who=dismissal.by, reason=dismissal.reason)
    return Judgement(finding.verdict, look.word.text(), finding.message.text(), action, finding.rule)


def _space(plan: RoundPlan) -> Grid:
    rows = []
    for study in plan.studies:
        for dimension in study.dimensions:
            role = plan.roles.get(dimension.name) or ("scientific" if dimension.key in plan.scientific else "nuisance")
            rows.append((_name(study.name), dimension.name, _(role), str(dimension.domain)))
        if not study.dimensions:
            rows.append((_name(study.name), "-", "-", "-"))
    return Grid((_("study"), _("hyperparameter"), _("role"), _("range")), rows)


def _plots(
    store: Store, by: Measure, plan: RoundPlan, records: Sequence[TrialRecord], findings: Sequence[Finding]
) -> Iterator[Part]:
    """An axis plot for every hyperparameter, what belongs to a question, best of n, and the curves of the best."""
    direction, metric = by.direction, f"val/{by.metric}"
    for finding in findings:
        if finding.check == "isolation" and finding.figures.get("levels"):
            key = finding.figures.get("name", finding.figures["key"])
            caption = _("{key}: the best over everything else that was tried").format(key=key)
            yield Picture(caption, *plot(finding, plan, records, direction, metric))
    names = list(dict.fromkeys(dimension.name for study in plan.studies for dimension in study.dimensions))
    for name in names[:AXES]:
        asked = Finding("axis", "pass", say("{name}", name=name), "P12", {"dimension": name})
        yield Picture(_("{name} against the result").format(name=name), *plot(asked, plan, records, direction, metric))
    for pair in pair_plot.pairs(plan):
        caption = _("{one} and {other}: where the good trials lie").format(one=pair[0], other=pair[1])
        yield Picture(caption, *pair_plot.plot(plan, records, pair, direction))
    for finding in findings:
        if finding.check == "points" and "progress" in finding.figures:
            caption = say("Study {study}: the best of n trials", study=called(finding.figures["study"])).text()
            yield Picture(caption, *plot(finding, plan, records, direction, metric))
    for kind in dict.fromkeys((metric, "train/loss")):
        yield _curves(records, ranked(records, direction)[:CURVES], kind)
    if norms := reviewing.gradient_norms(store, ranked(records, direction)[:CURVES]):
        yield Picture(_("Gradient norm of the best few"), *norm_plot.against_step(norms, GRADIENT_NORM))
        caption = _("How often it was how large: clipping starts from the 90th percentile")
        yield Picture(caption, *norm_plot.histogram(norms, GRADIENT_NORM))


def _curves(records: Sequence[TrialRecord], best: Sequence[TrialRecord], metric: str) -> Picture:
    def line(record: TrialRecord, label: str) -> Series:
        curve = record.curves.get(metric, ())
        return Series(record.id, label, [float(step) for step, _v in curve], [value for _s, value in curve])

    named = {record.id for record in best}
    rest = [record for record in records if record.id not in named and record.curves.get(metric)]
    # Evenly over the order of the queue, so that what is left out is left out by chance.
    stride = max(math.ceil(len(rest) / BEHIND), 1)
    behind = [line(record, "") for record in rest[::stride]]
    caption = _("{metric} of the best few, and of others behind them").format(metric=known_as(metric))
    return Picture(
        caption,
        [line(record, record.id.rpartition("-")[2]) for record in best],
        axes(_("step"), metric),
        behind,
    )


def _trial_grid(store: Store, batch: Batch, listed: Sequence[Trial]) -> Grid:
    """The trials, best first; those without a usable result behind, with what they said."""
    by = by_metric.of_batch(store, batch.name)
    sign = -1.0 if by.direction == "max" else 1.0

    def place(entry: Trial) -> tuple[bool, float]:
        usable = entry.status == "complete" and entry.best is not None and math.isfinite(entry.best)
        usable = usable and entry.measure == by
        return not usable, sign * (entry.best or 0.0) if usable else 0.0

    shown = sorted(listed, key=place)[:LISTED]
    rows = [
        (
            entry.id,
            _name(entry.study),
            STATUSES[entry.status].word.text(),
            best_of(entry, by.metric),
            "-" if entry.best_step is None else str(entry.best_step),
            values(entry.settings) if entry.status not in ("failed", "infeasible") else _why(entry),
        )
        for entry in shown
    ]
    caption = ""
    if len(shown) < len(listed):
        caption = say(
            "The best {shown} of {total} trials; all are in the report as JSON.", shown=len(shown), total=len(listed)
        ).text()
    columns = (
        _("trial"),
        _("study"),
        _("state"),
        measured(by.metric),
        _("at step"),
        _("tried"),
    )
    return Grid(columns, rows, right=(3, 4), caption=caption)


def _why(entry: Trial) -> str:
    return told(entry.message, entry.said).text() or entry.reason


def values(settings: Mapping[str, Any]) -> str:
    """What a trial tries, in a line."""
    return "  ".join(f"{key}={figure(value)}" for key, value in settings.items())


def studies(store: Store) -> list[dict[str, Any]]:
    """The table of studies (P18): a row for each study of each round."""
    rows = []
    for batch in trials.batches(store, "round"):
        by = by_metric.of_batch(store, batch.name)
        sign = -1.0 if by.direction == "max" else 1.0
        plan = planning.plan_of(store, batch.name)
        listed = trials.trials(store, batch.name)
        for study in plan.studies:
            own = [entry for entry in listed if entry.study == study.name]
            complete = [e for e in by_metric.only(own, by) if e.status == "complete" and e.best is not None]
            good = [entry for entry in complete if math.isfinite(entry.best or 0.0)]
            best = min(good, key=lambda entry: sign * (entry.best or 0.0), default=None)
            rows.append(
                {
                    "round": batch.name,
                    "study": study.name,
                    "goal": batch.goal,
                    "configuration": batch.configuration,
                    "searched": _searched(study),
                    "set": values({key: value for key, value in study.overrides.items() if value is not None}),
                    "note": sentences(*(message.text() for message in plan.warnings)),
                    "trials_planned": len(own),
                    "trials_ended": sum(entry.status in trials.ENDED for entry in own),
                    "trials_complete": sum(entry.status == "complete" for entry in own),
                    "infeasible": sum(entry.status == "infeasible" for entry in own),
                    "failed": sum(entry.status == "failed" for entry in own),
                    "metric": by.metric,
                    "best": best.best if best else None,
                    "best_trial": best.id if best else "",
                    "command": f"tunebook export {best.id} --trial {best.id}" if best else "",
                }
            )
    return rows


def _searched(study: Study) -> str:
    return "; ".join(f"{dimension.name} {dimension.domain}" for dimension in study.dimensions)


def _name(study: str) -> str:
    return say("{text}", text=called(study)).text()


def studies_table(store: Store) -> Iterator[Part]:
    """The table of studies for people."""
    now = store.project.settings.metric
    rows = [
        (
            row["round"],
            _name(row["study"]),
            row["searched"] or "-",
            row["note"] or "-",
            f"{row['trials_complete']}/{row['trials_planned']}",
            by_other(figure(row["best"]), row["metric"] if row["best"] is not None and row["metric"] != now else ""),
            row["command"] or "-",
        )
        for row in studies(store)
    ]
    if rows:
        columns = (
            _("round"),
            _("study"),
            _("searched"),
            _("note"),
            _("complete of planned"),
            _("best"),
            _("to get its best trial again"),
        )
        yield Grid(columns, rows, right=(4, 5))

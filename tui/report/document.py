"""The story of a project, from its data to its best configuration, as a report to share (P18)."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from importlib import metadata
from typing import Any

from presets.language import _, bracketed, current_language, error_text, restored, sentences, told
from rounds import changed_metric, cost, insights, seeds, standing, tunables
from rounds.foremost import as_begun
from rounds.reached import best_and_baseline, fresh, reached
from state import by_metric, configurations, decisions, export, launches, measure, measurements, trials
from state.configurations import Configuration
from state.database import Store
from state.errors import Refusal
from state.measurements import Measurement
from state.trials import Batch, Trial
from tui import committed
from tui.charts.series import Mark, Series
from tui.report import of_launches, of_line, of_rounds, of_set_up
from tui.report.parts import Code, Facts, Grid, Part, Picture, Report, Section, Title, Words
from tui.say import answer, best_of, measured, stored
from tui.say import result as result_of
from wizard import flow
from wizard.quantity import digits, duration, memory, setting

HTML_LANGUAGES = {"en": "en", "zh_CN": "zh-Hans"}


def report(store: Store) -> Report:
    """Everything that was decided, measured, tried and found, in the order in which it happened."""
    settings = store.project.settings
    sections = [
        Section("summary", _("In short"), tuple(_summary(store))),
        Section("decisions", _("Set-up: what was decided, and why"), tuple(_decisions(store))),
        Section("data", _("What was found in the data"), tuple(of_set_up.data(store))),
        Section("probe", _("Batch sizes measured"), tuple(_probe(store))),
        Section("checks", _("Checks by short runs"), tuple(of_set_up.checked(store))),
        Section("baseline", _("The baseline"), tuple(of_rounds.baselines(store))),
    ]
    listed = [entry for entry in trials.batches(store) if entry.kind != "baseline"]
    for batch in as_begun(listed, trials.trials(store)):
        of = of_rounds.round_section if batch.kind == "round" else of_launches.launch_section
        sections.append(of(store, batch))
    sections += [
        Section("line", _("How the best configuration came to be"), tuple(of_line.line(store))),
        Section("insights", _("What was learnt"), tuple(_insights(store))),
        Section("test", _("The test split"), tuple(of_line.tests(store))),
        Section("best", _("The best configuration"), tuple(_best(store))),
        Section("studies", _("All studies"), tuple(of_rounds.studies_table(store))),
    ]
    words = _("Written by Tunebook {version} on {day}.")
    return Report(
        title=settings.name or store.project.root.name,
        about=words.format(version=metadata.version("tunebook"), day=_today()),
        language=HTML_LANGUAGES[current_language()],
        sections=tuple(section for section in sections if section.parts),
    )


def _today() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")


def _summary(store: Store) -> Iterator[Part]:
    """The best result beside the baseline's, what it took, and where the project stands."""
    settings = store.project.settings
    where = standing.standing(store)
    everything = trials.trials(store)
    metric = measured(settings.metric)
    best, first = best_and_baseline(store)
    if best is not None:
        words = _("{metric} of the best configuration: {value}.").format(
            metric=metric, value=result_of(reached(store, best))
        )
        if first is not None:
            words = sentences(words, _("The baseline: {value}.").format(value=result_of(reached(store, first))))
        yield Words(words, strong=True)
        if (changed := changed_metric.since_best(store)) is not None:
            yield Words(changed.text())
    else:
        yield Words(where.now.text(), strong=True)
    rounds = [entry for entry in trials.batches(store) if entry.kind == "round"]
    budget = _("of {hours:g}").format(hours=where.hours_budget) if where.hours_budget else _("no budget set")
    better = _("higher is better") if settings.direction == "max" else _("lower is better")
    yield Facts(
        (
            *(
                [(_("command"), settings.command)]
                if settings.command
                else [(_("task"), answer(settings.task)), (_("data"), str(store.project.data))]
            ),
            (_("metric"), bracketed(settings.metric, better)),
            (
                _("tried so far"),
                _tried(rounds, everything),
            ),
            (_("device hours"), bracketed(f"{where.hours_spent:.2f}", budget)),
            *_share(store),
            (_("now"), where.now.text()),
            (_("what comes next"), where.next.text()),
        )
    )
    ended = [entry for entry in everything if entry.status in trials.ENDED]
    tried = by_metric.only(ended, measure.of_project(settings))
    if others := len(ended) - len(tried):
        yield Words(_("Trials that were judged by another metric are not drawn: {n}.").format(n=others))
    if any(entry.best is not None for entry in tried):
        yield _progress(tried, settings.direction, metric)


def _tried(rounds: Sequence[Batch], everything: Sequence[Trial]) -> str:
    """How many rounds and trials have run; what is only planned is told apart."""
    begun = {entry.batch for entry in everything if entry.status != "queued"}
    run = sum(batch.name in begun for batch in rounds)
    trials_run = sum(entry.status != "queued" for entry in everything)
    if run == len(rounds):
        return _("rounds: {rounds}, trials: {trials}").format(rounds=run, trials=trials_run)
    words = _("rounds: {rounds}, trials: {trials}; rounds that are only planned: {planned}")
    return words.format(rounds=run, trials=trials_run, planned=len(rounds) - run)


def _share(store: Store) -> Iterator[tuple[str, str]]:
    """How the hours of the rounds were spent (G19)."""
    spent = insights.share(store)
    if spent.exploring is not None:
        words = _("{exploration:.2f} h ({share:.0%}) to understand, {exploitation:.2f} h only for the best result")
        told = words.format(exploration=spent.exploration, exploitation=spent.exploitation, share=spent.exploring)
        yield _("exploration"), told


def _progress(tried: Sequence[Trial], direction: str, metric: str) -> Picture:
    """Every trial that ended in the order of the queue, and the best so far."""
    better = max if direction == "max" else min
    best: float | None = None
    so_far: list[float] = []
    for entry in tried:
        if entry.status == "complete" and entry.best is not None:
            best = entry.best if best is None else better(best, entry.best)
        so_far.append(float("nan") if best is None else best)
    marks: list[Mark] = ["feasible" if entry.status == "complete" else "infeasible" for entry in tried]
    places = [float(place) for place in range(1, len(tried) + 1)]
    values = [entry.best if entry.status == "complete" and entry.best is not None else float("nan") for entry in tried]
    series = [
        Series("so far", _("best so far"), places, so_far),
        Series("trials", "", places, values, "points", marks, [entry.id for entry in tried]),
    ]
    return Picture(
        _("Every trial in its order, re-runs with other seeds among them"),
        series,
        of_rounds.axes(_("trial"), metric),
    )


def _decisions(store: Store) -> Iterator[Part]:
    everything = decisions.decisions(store, all=True)
    if not everything:
        return
    rows = [
        (
            flow.called(entry.step),
            answer(entry.chosen) + (" " + _("(replaced since)") if entry.superseded_by else ""),
            answer(entry.recommended) if entry.recommended is not None else "-",
            restored(entry.reason).text(),
            _("{who}, {when}").format(who=entry.by, when=entry.at[:10]),
        )
        for entry in everything
    ]
    yield Grid((_("question"), _("chosen"), _("recommended"), _("why"), _("by")), rows)


def _probe(store: Store) -> Iterator[Part]:
    """The table of batch sizes, and where doubling stopped paying (G3-G5)."""
    found = _probe_of_best(store)
    if found is None or not found.result.get("sizes"):
        return
    sizes = [line for line in found.result["sizes"] if line.get("outcome") == "measured"]
    failed = [line for line in found.result["sizes"] if line.get("outcome") != "measured"]
    limit, largest = found.result.get("limited_by"), found.result.get("largest_feasible", "-")
    said = [_("Recommended: {size}.").format(size=found.result.get("recommended", "-"))]
    if limit == "untimed":
        said = [_("Kept: {size}, as the command has it.").format(size=found.result["recommended"])]
    elif limit == "memory":
        said.append(_("The largest that fits: {largest}.").format(largest=largest))
    elif limit == "error":
        said.append(_("The largest that worked: {largest}.").format(largest=largest))
    else:
        said.append(_("The largest that was tried: {largest}.").format(largest=largest))
    device, precision = found.result.get("device", "-"), found.result.get("precision")
    # In which precision a command of the user's own computes is known to it alone.
    on = _("Measured on {device} in {precision}.") if precision else _("Measured on {device}.")
    yield Words(sentences(*said, on.format(device=device, precision=precision)))
    # What is known by its epochs alone has no time of a step.
    timed = [line for line in sizes if line.get("step_seconds")]
    rows = [
        (
            str(line["batch_size"]),
            digits(_examples(line) / _whole(line)),
            duration(_whole(line)).text(),
            "-" if line.get("spread") is None else f"{line['spread']:.1%}",
            memory(line["peak_memory"]).text() if line.get("peak_memory") else "-",
        )
        for line in timed
    ]
    columns = (_("batch size"), _("examples/s"), _("per step"), _("spread"), _("memory"))
    if rows:
        yield Grid(columns, rows, right=range(5))
    elif sizes:
        epochs = [(str(line["batch_size"]), duration(line["epoch_seconds"]).text()) for line in sizes]
        yield Grid((_("batch size"), _("an epoch")), epochs, right=range(2))
    for line in failed:
        why = told(line["message"], line.get("said")).text() if line.get("message") else line["outcome"]
        if line["outcome"] == "untimed":
            words = _("How fast a batch of {size} is, cannot be told. {why}")
        else:
            words = _("{size} did not work: {why}")
        yield Words(words.format(size=line["batch_size"], why=why))
    if not rows:
        return
    across = [float(line["batch_size"]) for line in timed]
    speeds = [_examples(line) / _whole(line) for line in timed]
    speed = Series("speed", "", across, speeds)
    yield Picture(
        _("Throughput: where it stops rising, larger batches only make a step longer"),
        [speed],
        of_rounds.axes(_("batch size"), _("examples/s"), log_x=True),
    )


def _probe_of_best(store: Store) -> Measurement | None:
    """The last probe with the network of the best configuration, which may have become it again after another was
    probed; without one the last of all. None where nothing was probed."""
    found, best = measurements.measurements(store, "probe"), launches.best(store)
    settings = best.settings if best else {}
    own = [
        probe
        for probe in found
        if all(settings.get(key) == value for key, value in probe.subject.items() if key.startswith("model."))
    ]
    return next(reversed(own or found), None)


def _examples(line: dict[str, Any]) -> int:
    """How many examples a step takes: a script may make it from several batches."""
    return line.get("step_examples", line["batch_size"])


def _whole(line: dict[str, Any]) -> float:
    """The time of a step with its data."""
    return max(line["step_seconds"], line.get("end_to_end_seconds") or 0.0)


def _insights(store: Store) -> Iterator[Part]:
    """What was learnt and confirmed, under which conditions it holds, and where it comes from (G19)."""
    rows = [
        (
            stored(entry.text),
            sentences(*(caveat.text() for caveat in insights.caveats(entry))) or "-",
            entry.batch or "-",
            entry.by,
            entry.at[:10],
        )
        for entry in launches.insights(store)
    ]
    if rows:
        yield Grid((_("insight"), _("holds where"), _("from"), _("by"), _("when")), rows)


def _best(store: Store) -> Iterator[Part]:
    """Each value with its reason, the runs behind it, and how to get it again."""
    best = launches.best(store)
    if best is None:
        yield Words(_("There is no best configuration yet: the first is the baseline's."))
        return
    yield from _reproduced(store)
    yield Title(_("Each value, and why"))
    yield Grid((_("setting"), _("value"), _("why")), list(_settings(store, best)))


def _reproduced(store: Store) -> Iterator[Part]:
    try:
        entry = export.best_trial(store)
    except Refusal as refusal:
        yield Words(error_text(refusal))
        return
    result = entry.result or {}
    versions: dict[str, str] = result.get("versions") or {}
    words = _("It was trained as {trial}. This writes the configuration, the training code and its environment:")
    start = "python train.py"
    if store.project.settings.command:
        words = _("It was trained as {trial}. This writes the configuration, the command and its environment:")
        start = "sh run.sh"
    yield Words(words.format(trial=entry.id))
    yield Code(f"tunebook export best --trial {entry.id}\ncd best && {start}")
    metric = measured(store.project.settings.metric)
    facts = [(metric, best_of(entry, store.project.settings.metric))]
    if (repeated := fresh(store, trials.trial_settings(store, entry))) is not None and repeated.runs > 1:
        # The run that stands for it is the best of them.
        facts = [(metric, result_of(repeated)), (_("of this run"), best_of(entry, store.project.settings.metric))]
    seed = trials.trial_settings(store, entry).get(seeds.KEY)
    if seed is not None and tunables.takes_seed(store.project):
        facts.append((_("seed"), str(seed)))
    if identity := result.get("data"):
        facts.append((_("fingerprint of the data"), identity[:12]))
    facts += [
        (_("steps"), str(entry.steps_done)),
        (_("device"), ", ".join(filter(None, (result.get("device"), result.get("precision")))) or "-"),
        (_("versions"), ", ".join(f"{name} {version}" for name, version in versions.items()) or "-"),
    ]
    if (taken := cost.seconds(entry)) is not None:
        facts.append((_("time"), duration(taken).text()))
    if commit := committed.commit(store, entry):
        facts.append((_("commit"), commit))
    yield Facts(facts)


def _settings(store: Store, best: Configuration) -> Iterator[tuple[str, str, str]]:
    parents: list[Configuration] = []
    parent = best.parent
    while parent is not None and len(parents) < len(best.settings):
        parents.append(configurations.configuration(store, parent))
        parent = parents[-1].parent
    for key, value in best.settings.items():
        # That of the run stands above: a configuration is the same whatever the seed.
        if key == seeds.KEY:
            continue
        reason = next((entry.reasons[key] for entry in (best, *parents) if key in entry.reasons), None)
        yield key, setting(value), stored(reason) if reason else _("default")

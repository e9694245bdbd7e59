"""The review of a round out of the store, and back into it (P7)."""

from __future__ import annotations

import itertools
import math
import shlex
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from presets.grain import answered_at_once, grain
from presets.language import Message, say
from rounds import (
    alike,
    chance,
    ended_early,
    failing,
    final,
    gain,
    instability,
    own_script,
    planning,
    resolution,
    reviewed,
    sampled,
    seeds,
)
from rounds.finding import Finding
from rounds.record import (
    GRADIENT_NORM,
    TRAINING_LOSS,
    VALIDATION_LOSS,
    Direction,
    TrialRecord,
    ended,
    leading,
    usable,
)
from rounds.review import complete, review
from rounds.statistics import ANY, pooled
from state import by_metric, configurations, launches, measure, metrics, pipeline, trials, usual_names
from state.database import Store
from state.measure import Measure
from state.trials import Batch, Trial
from training.config import METRICS


def review_batch(store: Store, name: str, seen: tuple[TrialRecord, ...] | None = None) -> tuple[Finding, ...]:
    """Check a round, and keep the findings in place of those of an earlier review. Refuses a batch that is no round.
    `seen`: its `records`, where they have been read already."""
    findings = judged(store, name, records(store, name) if seen is None else seen)
    trials.review(store, name, [finding.to_dict() for finding in findings])
    return findings


def latest(store: Store, batch: Batch, seen: tuple[TrialRecord, ...] | None = None) -> tuple[Finding, ...]:
    """The findings of a round's review where that holds, else what one would find now. `seen`: its `records`, where
    they have been read already. Refuses a batch that is no round."""
    if reviewed.holds(store, batch):
        return tuple(Finding.from_dict(entry) for entry in trials.findings(store, batch.name))
    return judged(store, batch.name, records(store, batch.name) if seen is None else seen)


def judged(store: Store, name: str, seen: tuple[TrialRecord, ...]) -> tuple[Finding, ...]:
    """What a review of a round finds now, from its `records`. Refuses a batch that is no round."""
    plan = planning.plan_of(store, name)
    if trials.batch(store, name).plan.get("check"):
        findings = (complete(plan, seen), *instability.check(plan, seen))
    else:
        by, now = by_metric.of_batch(store, name), measure.of_project(store.project.settings)
        best = leading(ended(seen), by.direction)
        unit, free, runs = noise(store, by), freedom(store, by), _repeated(store, by)
        apart = unit
        if unit is None:
            # What curves say of it is too little: there are the runs of one configuration, if those.
            runs = _again_by_seed(store, by)
            apart, free = _deviation(runs), _freedom(runs)
        within = values(store, by, [entry.best for entry in seen if entry.best is not None and usable(entry.best)])
        found = review(plan, seen, by.direction, unit, within, apart=apart, freedom=free)
        kept = (Finding.from_dict(entry) for entry in trials.findings(store, name))
        before = next((entry.figures for entry in kept if entry.check == chance.CHECK), None)
        sources = dict.fromkeys(entry.batch for group in runs for entry in group) if apart else {}
        by_chance = chance.check(seen, by.direction, apart, list(sources), before)
        listed = trials.trials(store, name)
        again = repeats(store, name)
        earlier = _before(store, plan.base)
        known = next((runs for runs in earlier if _comparable(runs, by, listed)[-1]), [*itertools.chain(*earlier)])
        alike_judged, on_data, with_code = _comparable(known, by, listed)
        other = "" if with_code or not known else "code" if on_data else "data" if alike_judged else "metric"
        before = [entry.best for entry in with_code if entry.best is not None]
        decided = launched(store)
        tried = [record for record in seen if record.id not in again]
        gained = gain.check(tried, by.direction, before, apart, freedom=free, other=other)
        nothing = any(finding.verdict == "warn" for finding in gained)
        found, gained = (
            [_without_launch(finding, decided, again, beaten=nothing) for finding in part] for part in (found, gained)
        )
        findings = (
            *found,
            *alike.metric(listed, by, now),
            *alike.data(listed),
            *alike.code(listed, own=bool(store.project.settings.command)),
            *(ended_early.check(listed) if store.project.settings.command else ()),
            *gained,
            *resolution.check(seen, by.direction, before),
            by_chance,
            *_evaluation(store, name),
            *instability.clipping(store, name, best),
        )
        if failing.lost(plan, seen):
            findings = tuple(map(_waiting, findings))
        elif why := _no_more(store, name):
            findings = tuple(_without_more(finding, why) for finding in findings)
        if store.project.settings.command:
            searched = {*plan.scientific, *(d.key for study in plan.studies for d in study.dimensions)}
            folder = shlex.quote(str(store.project.root))
            findings = own_script.possible(findings, plan.base, searched, pipeline.of(store.project), folder)
    return findings


def _without_launch(finding: Finding, decided: Mapping[str, str], again: Collection[str], *, beaten: bool) -> Finding:
    """The finding, which proposes no launch where no trial beats what the round began with, nor of one that tries this
    `again`, nor of a candidate of a launch that has been `decided` (trial to launch): runs with fresh seeds have said
    what there is to say."""
    if finding.action is None or finding.action.code != "launch":
        return finding
    trial = str(finding.action.payload["trial"])
    if beaten:
        return replace(finding, action=None)
    if trial in again:
        words = say("{finding} {trial} tries what the round began with.", finding=finding.message, trial=trial)
        return replace(finding, message=words, action=None)
    if trial not in decided:
        return finding
    words = say(
        "{finding} {trial} was a candidate of {launch}, which has been decided.",
        finding=finding.message,
        trial=trial,
        launch=decided[trial],
    )
    return replace(finding, message=words, action=None)


def _waiting(finding: Finding) -> Finding:
    """The finding of a round most of which failed: nothing comes before its trials are tried again."""
    if finding.action is None or finding.action.code in ("run", "retry", "find_bug", "free_memory"):
        return finding
    return replace(finding, action=None)


def _no_more(store: Store, name: str) -> Message | None:
    """Why no more trials can be added to a round, or need to be yet; None where they can."""
    if trials.batch(store, name).plan.get("listed"):
        return say("More trials are listed in a round of their own.")
    if waiting := sum(not trials.over(entry) for entry in trials.trials(store, name)):
        return say("First come the trials of the round that have not ended: {n}.", n=waiting)
    return final.exhausted(store, name)


def _without_more(finding: Finding, why: Message) -> Finding:
    if finding.action is None or finding.action.code != "more_trials":
        return finding
    return replace(finding, message=say("{finding} {why}", finding=finding.message, why=why), action=None)


def records(store: Store, name: str) -> tuple[TrialRecord, ...]:
    """The trials of a batch as the review sees them, in the order of the queue."""
    by = by_metric.of_batch(store, name)
    metric = f"val/{by.metric}"
    curves = {
        kind: metrics.curves(store, name, kind) for kind in dict.fromkeys((TRAINING_LOSS, VALIDATION_LOSS, metric))
    }
    return tuple(
        TrialRecord(
            id=entry.id,
            study=entry.study,
            index=entry.position,
            u=entry.u,
            values=entry.settings,
            status=entry.status,
            reason=entry.reason,
            best=entry.best,
            best_step=entry.best_step,
            final=entry.final,
            steps=entry.steps_done,
            curves={kind: tuple(found.get(entry.id, ())) for kind, found in curves.items()},
            metric=metric,
            grain=_grain(store, entry.result or {}, by.metric),
            taken_back=trials.stopped_alone(entry),
            apart=entry.status == "complete" and entry.measure not in (None, by),
        )
        for entry in trials.trials(store, name)
    )


def records_on_data(store: Store, name: str, wanted: str | None = None) -> list[TrialRecord]:
    """The records of the trials that ran on the data `wanted`; None: on those that the batch ran on last."""
    listed = trials.trials(store, name)
    counted = {entry.id for entry in alike.made_with(listed, "data", wanted or alike.latest(listed, "data"))}
    return [record for record in records(store, name) if record.id in counted]


def counts(store: Store, result: Mapping[str, Any]) -> list[int]:
    """The number of validation examples of each class that a result was measured on; none of a script of the user's
    own."""
    known = None if store.project.settings.command else result.get("validation")
    return list((known or {}).get("per_class") or ())


def _grain(store: Store, result: Mapping[str, Any], metric: str) -> float:
    """What one validation example can change of a trial's evaluations; of a sample each stands for several."""
    per_class = counts(store, result)
    found = grain(metric, per_class)
    sample = result.get("sample")
    at_once = answered_at_once(result.get("validation"))
    return found.worth * at_once * (sum(per_class) / sample["examples"] if sample else 1) if found else 0.0


def launched(store: Store) -> dict[str, str]:
    """The trials that were candidates of a decided launch, and its name."""
    last = launches.last(store)
    plans = {name: trials.batch(store, name).plan for name, entry in last.items() if entry.decision != "repeat"}
    return {
        str(entry["trial"]): name
        for name, plan in plans.items()
        for entry in (plan, *plan.get("rivals", ()))
        if "trial" in entry
    }


def _before(store: Store, base: Mapping[str, Any]) -> tuple[list[Trial], ...]:
    """The runs of a configuration: those with fresh seeds in launches and in rounds that tried it again, which wherever
    else are what it came to, too; that as a baseline; and that of the sweep that it won, which was chosen for its
    result. Each goes before the next."""
    wanted = configurations.identity_of(base)
    launched, alone, won = list(filter(_came_to, tried_again(store, base))), list[Trial](), list[Trial]()
    for batch in (batch for batch in trials.batches(store) if batch.kind != planning.KIND):
        listed = trials.trials(store, batch.name)
        found = launched if batch.kind != "baseline" else won if len(listed) > 1 else alone
        found += [entry for entry in listed if _came_to(entry) and identity(store, entry) == wanted]
    return launched, alone, won


def _comparable(
    runs: Sequence[Trial], by: Measure, listed: Sequence[Trial]
) -> tuple[list[Trial], list[Trial], list[Trial]]:
    """The runs that were judged as the trials of a round were, of these those on their data, and of these those with
    their code."""
    judged = by_metric.only(runs, by)
    on_data = alike.made_with(judged, "data", alike.latest(listed, "data"))
    return judged, on_data, alike.made_with(on_data, "code", alike.latest(listed, "code"))


def _came_to(entry: Trial) -> bool:
    return entry.status == "complete" and entry.best is not None and usable(entry.best)


def repeats(store: Store, name: str) -> frozenset[str]:
    """The trials of a round that try once more what it began with, as they may where values are few: runs of that, and
    no candidates to replace it."""
    began = trials.batch_settings(store, name)
    # Compared as they are: of a large round a hash of each would take long.
    wanted = configurations.tried(began)
    own = ((entry.id, {**began, **entry.overrides}) for entry in trials.trials(store, name))
    return frozenset(id for id, settings in own if configurations.tried(settings) == wanted)


def tried_again(store: Store, settings: Mapping[str, Any]) -> list[Trial]:
    """The trials of rounds that tried once more the configuration that these began with, but for one that a launch took
    for its result; with them, where no launch has run it, that of a baseline which ran it alone: nobody chose any of
    them for what it came to."""
    wanted = configurations.identity_of(settings)
    plans = (batch.plan for batch in trials.batches(store, "launch"))
    chosen = {entry.get("trial") for plan in plans for entry in (plan, *plan.get("rivals", ()))}
    began = (batch.name for batch in planning.rounds(store))
    own = [name for name in began if configurations.identity_of(trials.batch_settings(store, name)) == wanted]
    again = {id for name in own for id in repeats(store, name)} - chosen
    if not again:
        return []
    found = [entry for name in own for entry in trials.trials(store, name) if entry.id in again]
    return found if any(map(_came_to, _runs(store, "launch", wanted))) else [*_alone(store, wanted), *found]


def _alone(store: Store, wanted: str) -> list[Trial]:
    """The runs of baselines that tried nothing else than the configuration of this identity."""
    names = [batch.name for batch in trials.batches(store, "baseline")]
    listed = [trials.trials(store, name) for name in names]
    return [run for runs in listed if len(runs) == 1 for run in runs if identity(store, run) == wanted]


def _runs(store: Store, kind: str, wanted: str) -> list[Trial]:
    """The runs of a configuration, by its identity, in all batches of a kind."""
    names = [batch.name for batch in trials.batches(store, kind)]
    return [run for name in names for run in trials.trials(store, name) if identity(store, run) == wanted]


def _evaluation(store: Store, name: str) -> tuple[Finding, ...]:
    """Whether the round's evaluations took a sample, and what came of it; of a script of the user's own nothing is
    known."""
    complete = [entry for entry in trials.trials(store, name) if entry.status == "complete" and entry.result]
    results = [entry.result or {} for entry in complete]
    totals = [int(result["validation"]["examples"]) for result in results if result.get("validation")]
    if store.project.settings.command or not totals:
        return ()
    samples = [result["sample"] for result in results if result.get("sample")]
    if samples:
        last = [max(sample["checked"], key=lambda entry: entry["step"]) for sample in samples]
        rates = [sampled.Checked(*(entry[part]["val/error_rate"] for part in ("sample", "whole"))) for entry in last]
        return (sampled.check(rates, samples[0]["examples"], totals[0]),)
    paces = metrics.curves(store, name, "examples_per_second")
    seconds = metrics.curves(store, name, "seconds")
    shares = [
        sampled.share(
            seconds.get(entry.id, ()),
            dict(paces.get(entry.id, ())),
            int(trials.trial_settings(store, entry)["training.batch_size"]),
        )
        for entry in complete
    ]
    return (sampled.unsampled((share for share in shares if share is not None), totals[0]),)


def gradient_norms(store: Store, of: Iterable[TrialRecord]) -> dict[str, list[tuple[int, float]]]:
    """(step, gradient norm) of these trials, by id; only of those that recorded it."""
    return {record.id: curve for record in of if (curve := metrics.curve(store, record.id, GRADIENT_NORM))}


def direction(store: Store, name: str | None = None) -> Direction:
    """Whether lower or higher values are better: of the project's metric, or of that which a batch was judged by."""
    return (
        measure.of_project(store.project.settings).direction
        if name is None
        else by_metric.of_batch(store, name).direction
    )


def values(store: Store, by: Measure, seen: Collection[float]) -> tuple[float, float]:
    """The lowest and the highest value that a metric can have; of a script's own as its name tells, where what was
    `seen` does not say otherwise."""
    if store.project.settings.command:
        return usual_names.metric_values(by.metric, seen) if seen else ANY
    if by.metric not in METRICS:
        return ANY
    return (0.0, math.inf if by.metric == "loss" else 1.0)


def noise(store: Store, by: Measure | None = None) -> float | None:
    """Standard deviation of a metric (None: the project's) from run to run: pooled over the configurations that were
    repeated with other seeds, under the same conditions. None before any was, and where all came to the same: a script
    that does nothing with its seed says nothing of chance."""
    return _deviation(_repeated(store, by or measure.of_project(store.project.settings)))


def freedom(store: Store, by: Measure) -> int:
    """The degrees of freedom that the noise from run to run rests on."""
    return _freedom(_repeated(store, by))


def _deviation(groups: Iterable[Sequence[Trial]]) -> float | None:
    return pooled([entry.best for entry in group if entry.best is not None] for group in groups) or None


def _freedom(groups: Iterable[Sequence[Trial]]) -> int:
    return sum(len(group) - 1 for group in groups)


def _repeated(store: Store, by: Measure) -> list[list[Trial]]:
    """The runs of each configuration that was run again with other seeds and judged by this metric, those that were
    made alike: what else differed, as the data do, is no chance."""
    groups: dict[tuple[str, alike.Conditions], list[Trial]] = {}
    for batch in trials.batches(store, "launch"):
        for entry in by_metric.only(trials.trials(store, batch.name), by):
            if entry.status == "complete" and entry.best is not None and usable(entry.best):
                groups.setdefault((identity(store, entry), alike.conditions(entry)), []).append(entry)
    return [group for group in groups.values() if len(group) > 1]


def _again_by_seed(store: Store, by: Measure) -> list[list[Trial]]:
    """The runs of each configuration that rounds began with and tried again, with another seed, where they were made
    alike: few, which whoever tells a difference from chance by them has to heed (`freedom`)."""
    groups: dict[tuple[str, alike.Conditions], dict[Any, Trial]] = {}
    for name in {batch.configuration: batch.name for batch in planning.rounds(store)}.values():
        for entry in by_metric.only(filter(_came_to, tried_again(store, trials.batch_settings(store, name))), by):
            # The same seed twice is the same run; a script that takes none draws another in each run.
            own = trials.trial_settings(store, entry).get(seeds.KEY, entry.id)
            groups.setdefault((identity(store, entry), alike.conditions(entry)), {})[own] = entry
    return [list(group.values()) for group in groups.values() if len(group) > 1]


def identity(store: Store, entry: Trial) -> str:
    """What a trial tries, whatever its seed: the hash of its configuration without what is incidental."""
    return configurations.identity_of(trials.trial_settings(store, entry))

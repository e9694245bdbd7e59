"""What the rounds teach, proposed in plain sentences; a person confirms, edits or refuses them, and what is confirmed
shapes the next round (G19)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

from presets.language import Message, restored, say, stored
from rounds import (
    budget,
    changed_metric,
    cost,
    decision,
    dismissing,
    failing,
    importance,
    infeasible,
    launching,
    planning,
    points,
    reviewed,
    reviewing,
)
from rounds.finding import Finding
from rounds.importance import Effect
from rounds.isolation import CLEAR, apart, clear, isolate
from rounds.phases import SATURATED
from rounds.plan import RoundPlan, called
from rounds.record import Direction, TrialRecord, ended, leading, turned
from rounds.roles import asked_of
from rounds.saturation import saturation
from rounds.space import Dimension
from rounds.symptoms import noise_of
from state import by_metric, launches, measure, trials
from state.database import Store
from state.errors import NotFound, Unanswered
from state.launches import Insight


@dataclass(frozen=True)
class Proposed:
    """An insight that nobody has confirmed yet. `key` names it (what it says of what, and of which round), `about` the
    hyperparameters; `caveats`: what was fixed while it was learnt."""

    key: str
    text: Message
    batch: str | None
    about: tuple[str, ...]
    figures: Mapping[str, Any]
    caveats: tuple[Message, ...]


@dataclass(frozen=True)
class Share:
    """Device hours of the rounds that asked something, and of those that only sought the best result."""

    exploration: float
    exploitation: float

    @property
    def exploring(self) -> float | None:
        """The share of exploration; None before any round has run."""
        total = self.exploration + self.exploitation
        return self.exploration / total if total else None


def proposals(store: Store) -> list[Proposed]:
    """What the rounds seem to show and nobody has confirmed or refused, the oldest round first."""
    known = {entry.key for entry in launches.insights(store, refused=True)}
    found = [
        proposed
        for batch in planning.rounds(store)
        if reviewed.holds(store, batch)
        for proposed in of_round(store, batch.name)
    ]
    listed = (*found, *_launched(store), *_saturated(store))
    return [_of_its_metric(store, proposed) for proposed in listed if proposed.key not in known]


def _of_its_metric(store: Store, proposed: Proposed) -> Proposed:
    """The same, with the metric that it holds of, where that is another than the project's."""
    by, now = by_metric.of_batch(store, proposed.batch or ""), measure.of_project(store.project.settings)
    if by == now:
        return proposed
    text = say("{insight} (Judged by {metric}.)", insight=proposed.text, metric=changed_metric.named(by, now))
    return replace(proposed, text=text)


def of_round(store: Store, name: str) -> list[Proposed]:
    """What one round seems to show, by the trials on the data that it ran on last."""
    plan, records = planning.plan_of(store, name), reviewing.records_on_data(store, name)
    if failing.lost(plan, records):
        return []
    direction = reviewing.direction(store, name)
    found = [
        proposed
        for study in plan.studies
        for effect in importance.effects(study, records, direction)
        if (proposed := _of_effect(name, plan, effect, study.name, records, direction)) is not None
    ]
    return [*found, *_of_comparison(store, name, plan, records)]


def confirm(store: Store, key: str, words: str = "") -> None:
    """Keep a proposed insight, in a person's own words where they are given. Refuses a key that there is none of."""
    for entry in launches.insights(store, refused=True):
        if entry.key == key:
            # A confirmed one may be put in other words, and a refused one taken up again.
            _keep(store, entry.batch, words, restored(entry.text), entry.evidence, "confirmed")
            return
    proposed = _find(store, key)
    _keep(store, proposed.batch, words, proposed.text, _evidence(proposed), "confirmed")


def refuse(store: Store, key: str, why: str) -> None:
    """Say that a proposed, or a confirmed, insight does not hold, and why: it is not proposed again. Refuses an empty
    reason and an unknown key."""
    if not why.strip():
        raise Unanswered("Say why {key} does not hold: the reason is kept.", key=key)
    for entry in launches.insights(store, refused=True):
        if entry.key == key:
            evidence = {**entry.evidence, "why": why.strip()}
            launches.learn(store, entry.text, batch=entry.batch, evidence={**evidence, "status": "refused"})
            return
    proposed = _find(store, key)
    evidence = {**_evidence(proposed), "why": why.strip(), "status": "refused"}
    launches.learn(store, stored(proposed.text), batch=proposed.batch, evidence=evidence)


def write(store: Store, words: str) -> None:
    """Keep an insight of a person's own, which no figure proposed."""
    if not words.strip():
        raise Unanswered("Write the insight as a sentence.")
    launches.learn(store, stored(say("{words}", words=words.strip())), batch=None, evidence={"status": "confirmed"})


def share(store: Store) -> Share:
    """How the device hours of the rounds were spent."""
    hours = {True: 0.0, False: 0.0}
    for batch in trials.batches(store, planning.KIND):
        hours[batch.goal == "minimise"] += cost.hours_spent(store, trials.trials(store, batch.name))
    return Share(hours[False], hours[True])


def _find(store: Store, key: str) -> Proposed:
    listed = proposals(store)
    for proposed in listed:
        if proposed.key == key:
            return proposed
    known = [proposed.key for proposed in listed] or "-"
    raise NotFound("There is no insight {key} to be confirmed or refused. There are: {known}", key=key, known=known)


def _keep(store: Store, batch: str | None, words: str, text: Message, evidence: Mapping[str, Any], status: str) -> None:
    edited = say("{words}", words=words.strip()) if words.strip() else text
    kept = {**evidence, "status": status, "proposed": evidence.get("proposed") or stored(text)}
    launches.learn(store, stored(edited), batch=batch, evidence=kept)


def _evidence(proposed: Proposed) -> dict[str, Any]:
    return {
        "key": proposed.key,
        "about": list(proposed.about),
        "figures": dict(proposed.figures),
        "caveats": [stored(caveat) for caveat in proposed.caveats],
        "proposed": stored(proposed.text),
    }


def _of_effect(
    name: str, plan: RoundPlan, effect: Effect, study: str, records: Sequence[TrialRecord], direction: Direction
) -> Proposed | None:
    """The sentence for an effect that is not within what chance explains, or that is known to be small."""
    if effect.judged == "cannot tell" or (effect.judged == "little" and len(effect.names) > 1):
        return None
    dimensions = {dimension.name: dimension for dimension in plan.study(study).dimensions}
    names = list(effect.names)
    first, second = names[0], names[1:]
    counted = importance.telling(plan.study(study), records)
    # Of several studies each has trials of its own, and another best.
    of = say("study {study} of {round}", study=called(study), round=name) if len(plan.studies) > 1 else name
    told = {"round": of, "trials": len(counted), "share": effect.share, "band": effect.band}
    if second:
        text = say(
            "{one} and {other} act together: in {round}, the best value of one depends on the other ({share:.0%} of "
            "the differences, {band:.0%} by chance at most).",
            one=first,
            other=second[0],
            **told,
        )
        kind = "together"
    elif effect.judged == "matters":
        text = say(
            "Sensitive to {name}: it explains {share:.0%} of the differences between the {trials} trials of {round} "
            "({band:.0%} by chance at most); the best lie near {value}.",
            name=first,
            value=_value(dimensions[first], effect.best.get(first, 0.5)),
            **told,
        )
        if not dimensions[first].domain.ordered:
            best = leading(counted, direction)
            text = say(
                "Sensitive to {name}: it explains {share:.0%} of the differences between the {trials} trials of "
                "{round} ({band:.0%} by chance at most); the best have {values}.",
                name=first,
                values=list(dict.fromkeys(str(record.values[first]) for record in best)),
                **told,
            )
        kind = "matters"
    else:
        text = say(
            "Insensitive to {name} within {range}: in {round}, {trials} trials would have shown {band:.0%} of the "
            "differences, and it explains {share:.0%}.",
            name=first,
            range=str(dimensions[first].domain),
            **told,
        )
        kind = "little"
    figures = {
        "share": effect.share,
        "band": effect.band,
        "best": effect.best,
        "study": study,
        "trials": told["trials"],
    }
    key = "/".join((kind, name, study, *effect.names))
    return Proposed(key, text, name, effect.names, figures, plan.caveats)


def _of_comparison(store: Store, name: str, plan: RoundPlan, records: Sequence[TrialRecord]) -> Iterator[Proposed]:
    """Of what the round compared: better, or no gain from it over what is in use."""
    by = by_metric.of_batch(store, name)
    direction = by.direction
    noise = reviewing.noise(store, by)
    unit = noise_of(ended(records), direction, noise)
    # Where all trials came to the same, the metric shows nothing, and so no lack of a gain either.
    if unit is None or len({record.best for record in ended(records) if record.feasible}) < 2:
        return
    # What one run each can show; by how late evaluations differ, which is less than runs do, none is shown better.
    shown = clear(reviewing.freedom(store, by)) * unit if noise is not None else math.inf
    names = dict(zip(plan.scientific, asked_of(plan), strict=True))
    within = reviewing.values(
        store, by, [record.best for record in records if record.feasible and record.best is not None]
    )
    lowest = min(turned(end, direction) for end in within)
    for key, levels in isolate(plan, records, direction).items():
        called = names.get(key) or ", ".join(names.values())
        listed = [level for level in levels if level.fair is not None]
        if len(listed) < 2 or any(level.low is not None for level in listed):
            continue
        named = {str(level.value): level for level in listed}
        fair = {str(level.value): turned(level.fair, direction) for level in listed if level.fair is not None}
        used = _in_use(plan, key, fair)
        winner = min(fair, key=lambda value: fair[value])
        gain = fair[used] - fair[winner] if used is not None else None
        figures = {"levels": {level: turned(value, direction) for level, value in fair.items()}, "noise": unit}
        others = [value for value in fair if value != used]
        if used == winner and all(
            fair[value] - fair[winner] > shown and apart(named[winner], named[value]) for value in others
        ):
            text = say(
                "{key}: {used}, which is in use, does better than {others} in {round}, by {gain:.2g} at least, where "
                "runs differ by {noise:.2g}.",
                key=called,
                used=winner,
                others=others,
                round=name,
                gain=min(fair[value] - fair[winner] for value in others),
                noise=unit,
            )
            yield Proposed(f"better/{name}/{key}", text, name, (key,), figures, plan.caveats)
        elif gain is not None and gain <= CLEAR * unit:
            # Where less is left to gain than single runs can show, none could be seen.
            if fair[winner] - lowest <= CLEAR * unit or not _may_say_no_gain(store, name, plan, key, records):
                continue
            text = say(
                "No gain from changing {key} in {round}: within the noise, nothing does better than {used} "
                "(compared: {others}).",
                key=called,
                round=name,
                others=others,
                used=used or "-",
            )
            yield Proposed(f"no gain/{name}/{key}", text, name, (key,), figures, plan.caveats)
        # That the other has the better trial, and fewer good ones, says nothing against it.
        elif (
            gain is not None
            and used is not None
            and gain > shown
            and named[winner].cost(direction) < named[used].cost(direction)
            and apart(named[winner], named[used])
        ):
            tied = [value for value in fair if fair[value] == fair[winner] and apart(named[value], named[used])]
            told = {"key": called, "used": used, "round": name, "gain": gain, "noise": unit}
            text = say(
                "{key}: {winner} does better than {used} in {round}, by {gain:.2g}, where runs differ by {noise:.2g}.",
                winner=winner,
                **told,
            )
            if len(tied) > 1:
                text = say(
                    "{key}: {winners} all do better than {used} in {round}, each by {gain:.2g}, where runs differ by "
                    "{noise:.2g}.",
                    winners=tied,
                    **told,
                )
            yield Proposed(f"better/{name}/{key}", text, name, (key,), figures, plan.caveats)


def _may_say_no_gain(store: Store, name: str, plan: RoundPlan, key: str, records: Sequence[TrialRecord]) -> bool:
    """Whether that nothing did better is more than that nothing could be seen: not of a round that is too short to
    conclude anything, nor of one whose review asks for more trials, nor against a launch that adopted another value
    from it."""
    findings = [Finding.from_dict(entry) for entry in trials.findings(store, name)]
    dismissed = dismissing.in_force(store, name, findings)
    if any(one.check == points.CHECK and one.verdict == "warn" and one.key not in dismissed for one in findings):
        return False
    # A trial that failed shows nothing of what it tried; one that diverged does.
    for study in plan.studies:
        told = [record for record in ended(records, study.name) if record.feasible or infeasible.diverged(record)]
        if any(share.empty for share in budget.density((study,), len(told))):
            return False
    in_force = {entry.number for entry in launches.in_force(store)}
    for entry in launches.last(store).values():
        launch = trials.batch(store, entry.batch)
        # What fresh runs showed stays true where the best configuration went back for another reason.
        shown = entry.decision == "adopt" and (entry.number in in_force or entry.evidence.get("sides"))
        if launch.plan.get("round") != name or not shown:
            continue
        changed = {str(change.values["key"]) for change in launching.survivor(store, launch).changes}
        if changed & set(key.split(", ")):
            return False
    return True


def _launched(store: Store) -> Iterator[Proposed]:
    """What was adopted on runs with fresh seeds: the surest that there is."""
    for entry in launches.in_force(store):
        p_value, gain = entry.evidence.get("p_value"), entry.evidence.get("gain")
        if p_value is None or gain is None or gain <= 0:
            continue
        batch = trials.batch(store, entry.batch)
        found, sides = launching.survivor(store, batch), entry.evidence["sides"]
        if not found.changes:
            continue
        text = say(
            "Adopted in {launch}, better by {gain:.3g} on average over {runs} (one-sided p = {p_value:.2g}): {changes}",
            launch=entry.batch,
            gain=gain,
            runs=decision.made_of(len(sides[found.study]), len(sides[launching.BEST])),
            p_value=p_value,
            changes=reduce(lambda first, second: say("{first} {second}", first=first, second=second), found.changes),
        )
        about = tuple(str(change.values["key"]) for change in found.changes)
        yield Proposed(f"adopted/{entry.batch}", text, entry.batch, about, {"gain": gain, "p_value": p_value}, ())


def _in_use(plan: RoundPlan, key: str, levels: Mapping[str, float]) -> str | None:
    """The level that the best configuration had: by the setting of its study, or by its value."""
    value = plan.base.get(key)
    for study in plan.studies:
        if study.name in levels and study.setting and all(plan.base.get(own) == v for own, v in study.setting.items()):
            return study.name
    return str(value) if str(value) in levels else None


def _saturated(store: Store) -> Iterator[Proposed]:
    """That the last rounds have not improved the best result by more than the noise."""
    if (found := saturation(store)) is not None:
        text = say(
            "Saturated since {round}: the {count} rounds after it have not improved the best by more than runs differ "
            "by chance, {noise:.2g}.",
            round=found.since,
            count=found.after,
            noise=found.noise,
        )
        figures = {"bests": list(found.bests), "noise": found.noise, "rounds": len(found.bests)}
        yield Proposed(f"{SATURATED}{found.since}", text, found.last, (), figures, ())


def caveats(entry: Insight) -> list[Message]:
    """What was fixed while it was learnt."""
    return [restored(caveat) for caveat in entry.evidence.get("caveats", ())]


def _value(dimension: Dimension, u: float) -> str:
    value = dimension.domain.value(u)
    return f"{value:.3g}" if isinstance(value, float) else str(value)

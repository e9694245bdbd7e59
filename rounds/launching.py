"""A launch: candidates and best configuration run again with fresh seeds; then a person decides (`judging`; G16, P13).

Of several candidates (`shortlist`) the one whose fresh runs are the best on average goes on alone; the verdict's
thresholds make up for that choice (`decision`)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from presets.language import Message, restored, say, stored
from rounds import alike, decision, foremost, planning, reviewing, seeds, settled, tunables
from rounds.decision import Complexity
from rounds.record import Direction, ranked, turned, usable
from rounds.statistics import mean
from state import by_metric, configurations, launches, measure, trials
from state.configurations import Configuration
from state.database import Store
from state.errors import Changed, Refusal
from state.measure import Measure
from state.trials import Batch, NewTrial, Trial

KIND = "launch"
CANDIDATE, BEST = "candidate", "best"


@dataclass(frozen=True)
class Proposal:
    """What a launch would compare. `trial`: the one that made `candidate` (dotted names) known; `best`: hash of the
    configuration that it would replace; `complexity`: what it changes; `reused`: earlier runs of the best configuration
    that count again."""

    round: str
    trial: str
    candidate: Mapping[str, Any]
    best: str
    complexity: Complexity
    reused: tuple[str, ...]


def propose(store: Store, name: str, trial: str | None = None) -> Proposal:
    """The launch of a round's best trial, or of the named one.

    Refuses where none is feasible, where the trial is the best configuration itself, and where a launch has decided
    between the two by fresh runs, or is about to.
    """
    if trials.batch(store, name).plan.get("check"):
        raise Refusal("{name} is a stability check: its short runs are no candidates.", name=name)
    best = planning.basis(store)
    entry = trials.trial(store, trial) if trial else _leader(store, name)
    if entry.batch != name or entry.status != "complete":
        raise Refusal("{trial} is no complete trial of {name}.", trial=entry.id, name=name)
    settings = trials.trial_settings(store, entry)
    incidental = {key: best.settings[key] for key in configurations.INCIDENTAL if key in best.settings}
    candidate = {key: value for key, value in settings.items() if key not in configurations.INCIDENTAL} | incidental
    if settled.likeness(candidate) == settled.likeness(best.settings):
        if why := _waits_for(store, best):
            raise Refusal(
                "{trial} is the best configuration itself: there is nothing to launch. {why}", trial=entry.id, why=why
            )
        raise Refusal("{trial} is the best configuration itself: there is nothing to launch.", trial=entry.id)
    settled.require_open(store, entry, candidate, best)
    same = alike.with_measure(alike.conditions(entry), measure.of_project(store.project.settings))
    reused = tuple(run.id for run in runs_of(store, best.settings) if alike.conditions(run) == same)
    return Proposal(name, entry.id, candidate, best.hash, decision.complexity(best.settings, candidate), reused)


def bars(proposals: Sequence[Proposal], runs: int = decision.RUNS[0]) -> tuple[Message, ...]:
    """What p the candidates of a launch of so many `runs` at first need, those that add complexity last."""
    flags = sorted({bool(proposal.complexity.added) for proposal in proposals})
    return tuple(decision.bars(len(proposals), adds, runs) for adds in flags)


@dataclass(frozen=True)
class Entrant:
    """A candidate of a launch that has begun: `study` its runs, `trial` the one that made it known, `candidate` the
    hash of its configuration, `changes` and `added` what it changes, `threads` those of each run (0: all)."""

    study: str
    trial: str
    candidate: str
    changes: tuple[Message, ...]
    added: tuple[Message, ...]
    threads: int


def entrants(plan: Mapping[str, Any]) -> tuple[Entrant, ...]:
    """The candidates of a launch by its plan, the leader of the round first."""
    return tuple(
        Entrant(
            CANDIDATE if place == 1 else f"{CANDIDATE}-{place}",
            entry["trial"],
            entry["candidate"],
            tuple(map(restored, entry["changes"])),
            tuple(map(restored, entry["added"])),
            int(entry["threads"] or 0),
        )
        for place, entry in enumerate((plan, *plan.get("rivals", ())), 1)
    )


def start(
    store: Store,
    proposal: Proposal,
    rivals: Sequence[Proposal] = (),
    *,
    runs: int = decision.RUNS[0],
    wanted: str = "run",
    slots: int = 0,
) -> Batch:
    """Queue `runs` runs of each side with fresh seeds, less those of the best configuration that count again; `slots`
    is how many run at once (0: as the machine allows).

    Runs share no seed: pairs would gain nothing (see `seeds`), and the test is one for independent runs. Refuses what
    has been begun or decided since it was proposed. Raises ValueError for more rivals than there are thresholds for.
    """
    if 1 + len(rivals) not in decision.SIMPLE:
        raise ValueError(f"a launch has at most {max(decision.SIMPLE)} candidates, not {1 + len(rivals)}")
    best = planning.basis(store)
    if best.hash != proposal.best:
        raise Changed(
            "The best configuration has changed since {trial} was proposed: launch it anew.", trial=proposal.trial
        )
    for entered in (proposal, *rivals):
        settled.require_open(store, trials.trial(store, entered.trial), entered.candidate, best)
    plan = {**_plan(store, proposal), "runs": runs}
    if rivals:
        plan["rivals"] = [_entered(store, rival) for rival in rivals]
    number = len(trials.batches(store, KIND)) + 1
    wanted_runs = {f"{CANDIDATE}-{place}": runs for place in range(2, len(rivals) + 2)}
    wanted_runs = {CANDIDATE: runs, **wanted_runs, BEST: runs - len(proposal.reused)}
    new = _new_runs(store, plan, number, wanted_runs, {})
    return trials.add_batch(
        store, KIND, goal=KIND, configuration=proposal.best, plan=plan, trials=new, wanted=wanted, slots=slots
    )


def undecided(store: Store) -> Batch | None:
    """The launch that waits for its runs or for a decision, of several the one that was begun, or reopened, last."""
    waiting = foremost.in_turn(store, launches.waiting(store))
    return waiting[-1] if waiting else None


def overtaken(store: Store, batch: Batch) -> Message | None:
    """Why a launch cannot be decided, or decided anew, as things stand, and what to do: the best configuration has
    become another since it began. None where it can."""
    best = planning.basis(store)
    if best.hash == batch.plan["best"]:
        return None
    found = survivor(store, batch)
    words = say(
        "The best configuration has changed since {name} began, so it cannot be decided. To decide by its runs, make "
        "the former one the best again: tunebook launch --back {hash} --reason TEXT, or c in the list of decisions.",
        name=batch.name,
        hash=batch.plan["best"],
    )
    if found.candidate == best.hash:
        return words
    return say(
        "{words} To compare its candidate with the present one: tunebook launch --trial {trial}",
        words=words,
        trial=found.trial,
    )


def unused(store: Store, proposal: Proposal) -> Message | None:
    """Of a launch that was to decide about the same trial and was overtaken: that, and how its runs can still count."""
    same = [batch for batch in launches.undecided(store) if proposal.trial in {e.trial for e in entrants(batch.plan)}]
    return next(filter(None, (overtaken(store, batch) for batch in same)), None)


def judged_by(store: Store, batch: Batch) -> Measure:
    """By what a launch is judged: one that was decided by what it was then, any other by the project's metric."""
    if launches.decided(store, batch.name) is not None:
        return by_metric.of_batch(store, batch.name)
    return measure.of_project(store.project.settings)


def survivor(store: Store, batch: Batch) -> Entrant:
    """The candidate that goes on: of those that did not diverge the one whose first fresh runs, of which every
    candidate has as many, are the best on average; of equal ones that which the round ranked higher. Where these were
    not all made alike, those count that are like some of every other candidate, each kind as much as any. Of a launch
    that was decided the one that it was decided about.

    Never the round's own results, which chose the candidates. Before all have ended it is the leader of the round.
    """
    found = entrants(batch.plan)
    decided = launches.decided(store, batch.name)
    kept = decided.evidence.get("survivor") if decided is not None else None
    if about := [entrant for entrant in found if entrant.study == kept]:
        return about[0]
    direction, sides = judged_by(store, batch).direction, sides_of(store, batch)
    first = min(len(sides[entrant.study]) for entrant in found)
    runs = {entrant.study: sides[entrant.study][:first] for entrant in found}
    if not first or any(entry.status not in trials.ENDED for own in runs.values() for entry in own):
        return found[0]
    costs = {side: [turned(score(entry, direction), direction) for entry in own] for side, own in runs.items()}
    steady = [entrant for entrant in found if all(map(usable, costs[entrant.study]))]
    shared = frozenset.intersection(*(alike.known(runs[entrant.study]) for entrant in steady or found[:1]))

    def result(entrant: Entrant) -> float:
        # Its own on the data of before, say, beside another's on those of now would be the merit of the data.
        listed = list(zip(map(alike.conditions, runs[entrant.study]), costs[entrant.study], strict=True))
        kinds = [[cost for own, cost in listed if own == kind] for kind in sorted(shared)]
        return mean([mean(kind) for kind in kinds]) if kinds else 0.0

    return min(steady or found[:1], key=result)


def run_more(store: Store, batch: Batch, runs: int) -> None:
    """Bring the candidate that goes on and the best configuration to so many runs each; where they have those, to as
    many as the next look takes. Where a candidate has no run that counts, as after the metric has changed, nothing has
    chosen between them yet: then all of them go on."""
    sides = sides_of(store, batch)
    going = (survivor(store, batch).study, BEST) if all(sides[e.study] for e in entrants(batch.plan)) else tuple(sides)
    have = {side: len(entries) for side, entries in sides.items() if side in going}
    runs = runs if runs > min(have.values()) else decision.next_look(min(have.values()))
    missing = {side: runs - count for side, count in have.items()}
    trials.add_trials(store, batch.name, _new_runs(store, batch.plan, batch.number, missing, have))
    trials.ask(store, batch.name, "run")


def _waits_for(store: Store, best: Configuration) -> Message | None:
    """Of a launch that compares the best configuration with a former one, why it cannot be decided."""
    about = [batch for batch in launches.undecided(store) if best.hash in {e.candidate for e in entrants(batch.plan)}]
    return next(filter(None, (overtaken(store, batch) for batch in about)), None)


def _leader(store: Store, name: str) -> Trial:
    order = ranked(reviewing.records(store, name), reviewing.direction(store, name))
    if not order:
        raise Refusal("{name} has no trial with a usable result: there is nothing to launch.", name=name)
    again = reviewing.repeats(store, name)
    return trials.trial(store, next((record.id for record in order if record.id not in again), order[0].id))


def _plan(store: Store, proposal: Proposal) -> dict[str, Any]:
    """What is kept of a launch: both configurations, the candidate's saved with where each value comes from."""
    return {
        "round": proposal.round,
        "best": proposal.best,
        "reused": list(proposal.reused),
        **_entered(store, proposal),
    }


def _entered(store: Store, proposal: Proposal) -> dict[str, Any]:
    """What is kept of one candidate."""
    best = configurations.configuration(store, proposal.best)
    why = stored(say("found in {round} ({trial})", round=proposal.round, trial=proposal.trial))
    changed = {key for key, value in proposal.candidate.items() if best.settings.get(key) != value}
    reasons = {key: why if key in changed else best.reasons.get(key) for key in proposal.candidate}
    candidate = configurations.save(
        store,
        proposal.candidate,
        {key: reason for key, reason in reasons.items() if reason is not None},
        best.hash,
    )
    return {
        "trial": proposal.trial,
        "candidate": candidate,
        "changes": [stored(message) for message in proposal.complexity.changes],
        "added": [stored(message) for message in proposal.complexity.added],
        "threads": trials.trial(store, proposal.trial).overrides.get(planning.THREADS),
    }


def _new_runs(
    store: Store, plan: Mapping[str, Any], number: int, runs: Mapping[str, int], have: Mapping[str, int]
) -> list[NewTrial]:
    """Runs of all sides in turn, so that a launch that ends early has as many of each."""
    settings = configurations.configuration(store, plan["best"]).settings
    found = entrants(plan)
    sides = {}
    for entrant in found:
        candidate = configurations.configuration(store, entrant.candidate).settings
        # None takes away what the candidate has not.
        changes = {key: candidate.get(key) for key in {**settings, **candidate}}
        changes = {key: value for key, value in changes.items() if value != settings.get(key)}
        sides[entrant.study] = {**changes, **_threads(entrant)}
    sides[BEST] = _threads(found[0])
    places = [
        (side, place) for place in range(max(runs.values(), default=0)) for side in sides if place < runs.get(side, 0)
    ]
    drawn = seeds.fresh(number, len(places), _used_seeds(store))
    seeded = tunables.takes_seed(store.project)
    return [
        NewTrial(side, have.get(side, 0) + place, {}, {}, {**sides[side], **({seeds.KEY: seed} if seeded else {})})
        for (side, place), seed in zip(places, drawn, strict=True)
    ]


def _threads(entrant: Entrant) -> dict[str, int]:
    return {planning.THREADS: entrant.threads} if entrant.threads else {}


def _used_seeds(store: Store) -> set[int]:
    """Every seed that a trial of the project has had."""
    return {int(trials.trial_settings(store, entry).get(seeds.KEY, 0)) for entry in trials.trials(store)}


def sides_of(store: Store, batch: Batch) -> dict[str, list[Trial]]:
    """The runs that count, of each side: the candidates' studies, and BEST. None that was judged by another metric."""
    sides: dict[str, list[Trial]] = {entrant.study: [] for entrant in entrants(batch.plan)}
    sides[BEST] = reused(store, batch)
    for entry in _own(store, batch):
        sides[entry.study].append(entry)
    return sides


def _own(store: Store, batch: Batch) -> list[Trial]:
    """The runs of a launch but for those that were judged by another metric."""
    by = judged_by(store, batch)
    listed = trials.trials(store, batch.name)
    return [entry for entry in listed if entry.status not in trials.ENDED or entry.measure in (None, by)]


def of_other_metric(store: Store, batch: Batch) -> list[Trial]:
    """The runs of a launch that do not count any more, since the project is judged by another metric."""
    counted = {entry.id for entry in _own(store, batch)}
    return [entry for entry in trials.trials(store, batch.name) if entry.id not in counted]


def reused(store: Store, batch: Batch) -> list[Trial]:
    """The earlier runs of the best configuration that count in a launch: those that were made as its own are, as far as
    these show that yet."""
    kinds = alike.known(_own(store, batch))
    earlier = by_metric.only((trials.trial(store, id) for id in batch.plan["reused"]), judged_by(store, batch))
    return [run for run in earlier if not kinds or alike.conditions(run) in kinds]


def runs_of(store: Store, settings: Mapping[str, Any]) -> list[Trial]:
    """The runs of a configuration in earlier launches, on either side; the round that found it does not count."""
    wanted = configurations.identity_of(settings)
    return [
        entry
        for batch in trials.batches(store, KIND)
        for entry in trials.trials(store, batch.name)
        if entry.status in ("complete", "infeasible") and reviewing.identity(store, entry) == wanted
    ]


def score(entry: Trial, direction: Direction) -> float:
    """The result of a run; of one without a usable one the worst there is."""
    usable = entry.status == "complete" and entry.best is not None
    return entry.best if usable and entry.best is not None else turned(math.inf, direction)

"""From the best configuration to a round in the queue: the search space of the round before goes on (P1 to P6, G17)."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from presets import catalogue
from presets.language import Message, say, stored
from rounds import (
    changed_metric,
    design,
    epochs,
    honoured,
    inherited,
    origin,
    own_code,
    own_script,
    pairs,
    remedies,
    seeds,
    sequence,
    sharing,
    since_probe,
    slots,
    tunables,
    untried,
)
from rounds.plan import Goal, PlannedTrial, Role, RoundPlan
from rounds.record import GRADIENT_NORM, turned, usable
from rounds.remedies import Remedy
from rounds.roles import OPTIMIZER
from rounds.since_probe import ARCHITECTURE
from rounds.space import Domain
from rounds.steps import STEPS, changed, refuse_endless
from state import by_metric, configurations, decisions, launches, metrics, pipeline, trials
from state.configurations import Configuration
from state.database import Store
from state.errors import Invalid, NotFound, NotYet, Refusal
from state.trials import Batch, NewTrial
from training.config import ConfigError, check, unflat

KIND = "round"
THREADS = "runtime.threads"


def propose(
    store: Store,
    goal: Goal = "understand",
    *,
    scientific: Mapping[str, Domain | None] | None = None,
    optimizers: Sequence[str] = (),
    trials: int | None = None,
    roles: Mapping[str, Role] | None = None,
    ranges: Mapping[str, Domain] | None = None,
    seed: int | None = None,
    steps: int | None = None,
    examples: int | None = None,
    override: str = "",
    defaults: Mapping[str, Role] | None = None,
) -> RoundPlan:
    """Plan a round from the best configuration, without recording anything.

    `scientific`, `roles`, `ranges` as in `design.plan`; `optimizers` asks which of these is best; asked nothing, a
    round is about the learning rate, and one that is to stabilise training about the next remedy (P22). `steps`: of
    each trial, where not as before (P15); `examples`: of its evaluations on the way (P16). What is searched again keeps
    its range, as the last review widened or shrank it, and its sequence goes on. `defaults`: roles in place of those
    that the number of trials gives (P21), below the insights. Refuses without a reasonable baseline (G14) unless
    `override` says why.
    """
    base = {**basis(store, override).settings}
    notes = (told,) if steps is None and (told := epochs.since_decided(store, base)) is not None else ()
    if steps is not None:
        base |= _lengthened(store, base, steps)
    if examples is not None:
        base["training.evaluation_examples"] = examples
    asked = dict(scientific or {})
    if optimizers:
        asked[tunables.optimizer_key(store.project, base)] = Domain("categorical", choices=tuple(optimizers))
    typed = {key: domain for key, domain in {**asked, **(ranges or {})}.items() if domain is not None}
    optimizer = str(base.get(OPTIMIZER, ""))
    tunables.check_values(store.project, base, typed)
    sources = dict.fromkeys(typed, origin.ASKED)
    for key, values in asked.items() if goal == "compare" else ():
        if values is not None and not values.is_range and len(values.choices) < 2:
            raise Invalid(
                "{key}: {value} alone is compared with nothing: name two values or more, with commas.",
                key=key,
                value=", ".join(map(str, values.choices)),
            )
    remedy = _remedy(store, base, asked) if goal == "stabilise" else None
    if remedy is not None:
        asked = {remedy.key: asked.get(remedy.key)}
    elif not asked and goal != "minimise":
        if not (first := tunables.first_question(store.project, base, asked_before(store))):
            raise Refusal(
                "No hyperparameter of the command has a range: give one, as in --range lr=0.001..0.1:log, or say what "
                "the round is about."
            )
        asked[first] = None
    asked, ranges = honoured.with_ranges(asked, ranges or {}, optimizer)
    if remedy is not None:
        asked = {remedy.key: asked[remedy.key] or remedy.values}
        ranges, notes = {**remedy.ranges, **ranges}, (*notes, *remedy.notes)
        sources = dict.fromkeys((remedy.key, *remedy.ranges), origin.REMEDY) | sources
    earlier, offers = _earlier(store, seed), tunables.offers(store.project, base)
    options: dict[str, Any] = {
        "optimizers": tunables.optimizers(store.project, base),
        "tunables": tunables.tunables(store.project),
        "conditions": tunables.conditions(store.project),
        "trials": trials,
        "seed": earlier[-1].seed if seed is None and earlier else seed or 0,
        "roles": {**tunables.roles(store.project, asked), **(defaults or {}), **(roles or {})},
        "numbers": sequence.numbers(earlier[-1]) if earlier else None,
        "first": max((sequence.following(plan) for plan in earlier), default=0),
    }
    own_script.refuse_ungiven(store.project, base, {*asked, *ranges, *(roles or {})})
    plan = _planned(store, base, goal, notes, scientific=asked, ranges=ranges, **options)
    entries = (*options["optimizers"].get(str(base.get(OPTIMIZER, "")), ()), *options["tunables"])
    learnt, hints = inherited.roles(store, plan, entries, {*asked, *(roles or {}), *ranges})
    carried = inherited.ranges(store, rounds(store), plan, offers, sources)
    notes = (*notes, *hints, *inherited.since_then(store, plan, carried))
    if steps is None:
        # Who asks for another length is told what it means.
        notes = (*notes, *inherited.of_another_length(store, plan, carried))
    if carried or learnt or hints:
        options["roles"] = {**options["roles"], **learnt}
        asked |= {name: found.domain for name, found in carried.items() if name in asked}
        searched = {name: found.domain for name, found in carried.items() if name not in asked}
        if carried and not typed:
            notes = (*notes, *origin.passed_over(store, rounds(store)))
        plan = _planned(store, base, goal, notes, scientific=asked, ranges={**searched, **ranges}, **options)
    plan = replace(plan, warnings=(*plan.warnings, *untried.repeated(store, plan)))
    return origin.recorded(plan, offers, {name: found.source for name, found in carried.items()} | sources)


def _reasons(settings: Mapping[str, Any], base: Configuration) -> dict[str, Any]:
    """Why each value is what it is: as before, but for those that the round itself sets (its number of steps)."""
    own = {
        key: stored(say("Set when the round was planned; before that it was {value}.", value=str(base.settings[key])))
        for key, value in settings.items()
        if key in base.settings and base.settings[key] != value
    }
    return {**base.reasons, **own}


def save(
    store: Store,
    plan: RoundPlan,
    *,
    wanted: str = "",
    slots: int = 0,
    override: str = "",
    about: Mapping[str, Any] | None = None,
) -> Batch:
    """Record a round and queue its trials; `wanted` "run" starts it, `slots` is how many run at once (0: as the machine
    allows), `about` is kept with the plan and marks what is no search (`rounds`). Refuses a configuration that training
    would refuse, and where G14 does; see `propose`."""
    base = basis(store, override)
    new = _new_trials(store, plan, 0, _threads(store, plan.base, slots))
    _check(store, plan.base, new)
    if launches.best(store) is None:
        _record_override(store, base, override)
    return trials.add_batch(
        store,
        KIND,
        goal=plan.goal,
        configuration=configurations.save(store, plan.base, _reasons(plan.base, base), base.hash),
        plan={**plan.to_dict(), **(about or {})},
        trials=new,
        wanted=wanted,
        slots=slots,
    )


def rounds(store: Store) -> list[Batch]:
    """The rounds that search, oldest first; a stability check takes their form, but teaches nothing about ranges."""
    return [batch for batch in trials.batches(store, KIND) if "check" not in batch.plan]


def extend(store: Store, name: str, more: int) -> None:
    """Add trials to a round: the next points of its sequence, run under the same conditions (P6). Refuses one whose
    trials were listed by hand."""
    if trials.batch(store, name).plan.get("listed"):
        raise Refusal("The trials of {name} were listed one by one: list more in a round of their own.", name=name)
    plan = plan_of(store, name)
    # A round that was planned since has taken the points that come next.
    taken = [plan_of(store, batch.name) for batch in rounds(store) if batch.name != name]
    after = max((sequence.following(other) for other in taken if other.seed == plan.seed), default=0)
    add(store, name, sequence.extend(plan, more, after))


def add(store: Store, name: str, plan: RoundPlan) -> None:
    """Queue what a longer plan of a round has beyond its trials so far, run under the same conditions."""
    before = trials.trials(store, name)
    new = _new_trials(store, plan, len(before), before[0].overrides.get(THREADS, 0))
    _check(store, plan.base, new)
    trials.add_trials(store, name, new)


def plan_of(store: Store, name: str) -> RoundPlan:
    """The plan of a round with all that was added to it since. Refuses a batch that is no round."""
    batch = trials.batch(store, name)
    if batch.kind != KIND:
        raise NotFound("{name} is no round.", name=name)
    plan = RoundPlan.from_dict(batch.plan)
    entries = trials.trials(store, name)
    if batch.plan.get("search") or batch.plan.get("listed"):
        # Such points follow no sequence: those that were added stand with the trials alone.
        added = [
            PlannedTrial(entry.study, entry.position, entry.u, entry.settings, entry.overrides)
            for entry in entries[len(plan.trials) :]
        ]
        return replace(plan, trials=(*plan.trials, *added))
    return sequence.added(plan, [entry.position for entry in entries[len(plan.trials) :]])


def basis(store: Store, override: str = "") -> Configuration:
    """What a round starts from: the best configuration; with an override that of the last baseline (G14)."""
    best = launches.best(store)
    if best is not None:
        return best
    tried = trials.batches(store, "baseline")
    if not tried:
        raise NotYet("Nothing has been trained yet: run the baseline first, so that there is something to improve.")
    if not override.strip():
        raise NotYet(
            "There is no reasonable baseline yet, so a round could not tell better from luck. Finish the set-up, or "
            "override this with a reason."
        )
    return configurations.configuration(store, tried[-1].configuration)


def best_trial(store: Store) -> str | None:
    """The best trial of the last round that has one with a usable result."""
    for batch in reversed(rounds(store)):
        by = by_metric.of_batch(store, batch.name)
        found = [
            (turned(entry.best, by.direction), entry.id)
            for entry in by_metric.only(trials.trials(store, batch.name), by)
            if entry.status == "complete" and entry.best is not None and usable(entry.best)
        ]
        if found:
            return min(found)[1]
    return None


def listed_remedies(store: Store, base: Mapping[str, Any]) -> list[Remedy]:
    """The remedies against instability, with the gradient norms that the best trial of the last round recorded."""
    best = best_trial(store)
    recorded = metrics.curve(store, best, GRADIENT_NORM) if best else []
    return remedies.remedies(base, [norm for _, norm in recorded if usable(norm)])


def _remedy(store: Store, base: Mapping[str, Any], asked: Collection[str]) -> Remedy:
    """The remedy that is asked about, else the next that no round has."""
    tried = {key for batch in rounds(store) for key in batch.plan["scientific"]}
    return remedies.choose(listed_remedies(store, base), asked, tried)


def _planned(
    store: Store, base: Mapping[str, Any], goal: Goal, notes: tuple[Message, ...], **options: Any
) -> RoundPlan:
    plan = design.plan(base, goal, **options)
    notes = (*notes, *since_probe.others(store, plan))
    if ARCHITECTURE in plan.scientific:
        known = {entry.model for entry in catalogue.architectures()}
        if strange := [str(name) for name in plan.scientific[ARCHITECTURE].choices if name not in known]:
            words = say("Not in the catalogue: {names}. Its first trial shows whether it can be built.", names=strange)
            notes = (*notes, words)
    about_optimizers = (*own_script.one_rate_for_all(plan), *own_script.of_another_optimizer(plan))
    warnings = (*plan.warnings, *honoured.leaving_out(plan), *about_optimizers, *about_command(store))
    return replace(plan, warnings=warnings, notes=notes)


def about_command(store: Store) -> tuple[Message, ...]:
    """What is wrong with any round of a command of the user's own, whatever its design; and of either kind, that the
    metric is another than that by which the best configuration is known."""
    since = (own_code.since_best(store), changed_metric.since_best(store))
    return (*tunables.seedless(store.project), *filter(None, since))


def _lengthened(store: Store, base: Mapping[str, Any], steps: int) -> dict[str, int]:
    """Another number of steps, evaluated as often on the way."""
    if steps < 1:
        raise Invalid("{steps}: a trial takes at least 1 step.", steps=steps)
    require_steps(store, base)
    settings = changed(base, steps)
    refuse_endless(store, {**base, **settings})
    return settings


def require_steps(store: Store, base: Mapping[str, Any]) -> None:
    """Refuse to change the number of steps of a command of the user's own that takes none."""
    if STEPS not in base:
        folder = shlex.quote(str(store.project.root))
        if how := own_script.said_by(base, folder):
            raise Refusal("{how}", how=how)
        if how := own_script.fixed_length(pipeline.of(store.project), folder):
            raise Refusal("How long a run is, is fixed in your command. {how}", how=how)
        raise Refusal(
            "How long a run is, is fixed in your command. Give it another value, as in tunebook new {folder} --set "
            "epochs=20, which also puts an option of the script into the command; then run the baseline again.",
            folder=folder,
        )


def _record_override(store: Store, base: Configuration, words: str) -> None:
    reason = stored(say("overridden ({words})", words=words.strip()))
    decisions.decide(
        store,
        "rounds",
        question=stored(say("Start rounds without a reasonable baseline?")),
        options=["wait", "override"],
        recommended="wait",
        chosen="override",
        reason=reason,
        evidence=[],
        settings={},
    )
    launches.launch(
        store,
        batch=trials.batches(store, "baseline")[-1].name,
        candidate=base.hash,
        previous=None,
        decision="adopt",
        reason=reason,
        evidence={},
    )


def asked_before(store: Store) -> frozenset[str]:
    """What the rounds so far have asked about, of which trials have come to a result."""
    told = {name for name, _data in trials.data_of_batches(store)}
    return frozenset(key for batch in rounds(store) if batch.name in told for key in batch.plan["scientific"])


def _earlier(store: Store, seed: int | None) -> list[RoundPlan]:
    """The rounds whose sequence a new one continues: those of its seed, else of the last one's."""
    plans = [plan_of(store, batch.name) for batch in rounds(store)]
    wanted = seed if seed is not None or not plans else plans[-1].seed
    return [plan for plan in plans if plan.seed == wanted]


def _threads(store: Store, base: Mapping[str, Any], wanted: int) -> int:
    """CPU threads of each trial: those of the configuration, else a share of the cores. They belong to the trial, since
    results on the CPU depend on them in the last digits."""
    here = slots.machine(store.project)
    share = sharing.share(store, base, here)
    return int(base.get(THREADS) or 0) or slots.threads(here, slots.device(here, base), wanted, share)


def _new_trials(store: Store, plan: RoundPlan, start: int, threads: int) -> list[NewTrial]:
    seeded, own = tunables.takes_seed(store.project), bool(store.project.settings.command)
    return [
        NewTrial(
            entry.study,
            entry.index,
            entry.u,
            entry.values,
            {
                **entry.overrides,
                **(
                    tunables.stand_ins(store.project, {**plan.base, **entry.overrides})
                    if own
                    else pairs.idle({**plan.base, **entry.overrides})
                ),
                **({seeds.KEY: seeds.of_point(plan.seed, entry.index)} if seeded else {}),
                THREADS: threads,
            },
        )
        for entry in plan.trials[start:]
    ]


def _check(store: Store, base: Mapping[str, Any], new: Sequence[NewTrial]) -> None:
    """Refuse before anything is queued what training would refuse."""
    own = pipeline.of(store.project)
    for place, entry in enumerate(new, 1):
        settings = {key: value for key, value in {**base, **entry.overrides}.items() if value is not None}
        try:
            if own is None:
                check(unflat(settings))
            elif lacking := pipeline.missing(own, settings):
                problem = say("the command needs a value for {names}", names=lacking)
                raise Invalid("Trial {place} cannot be trained: {problems}", place=place, problems=problem)
        except ConfigError as error:
            problems = error.in_one_line()
            raise Invalid("Trial {place} cannot be trained: {problems}", place=place, problems=problems) from None

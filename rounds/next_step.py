"""What is done about a finding on one key: a round designed with it, trials added, a check run, a page opened."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from presets.language import Message, say
from rounds import boundary, final, planning, steps
from rounds.finding import Finding
from rounds.own_script import OF_THE_BUILT_IN
from rounds.plan import Goal, Role, RoundPlan
from rounds.roles import OFF, including, value_of
from rounds.space import Choice, Dimension, Domain
from state import configurations, trials
from state.database import Store
from state.errors import Refusal
from state.usual_names import possible
from training.config import about

# In the order of what they cost in understanding; the first that is off is tried first.
REGULARISERS = (
    "regularization.label_smoothing",
    "regularization.dropout",
    "optimizer.weight_decay",
    "regularization.drop_path",
)
# Of a range, what is searched again around the best configuration.
AROUND = 1 / 3


@dataclass(frozen=True)
class Design:
    """A round to be designed: what differs from the one that would be proposed anyway. `notes` says what to mind."""

    goal: Goal
    scientific: Mapping[str, Domain | None] = field(default_factory=dict)
    ranges: Mapping[str, Domain] = field(default_factory=dict)
    roles: Mapping[str, Role] = field(default_factory=dict)
    steps: int | None = None
    examples: int | None = None
    notes: tuple[Message, ...] = ()

    def plan(self, store: Store) -> RoundPlan:
        """The round as it would be. Refuses what cannot be planned."""
        return planning.propose(
            store,
            self.goal,
            scientific=self.scientific,
            ranges=self.ranges,
            roles=self.roles,
            steps=self.steps,
            examples=self.examples,
        )


@dataclass(frozen=True)
class Extend:
    """So many trials more for a round."""

    round: str
    trials: int


@dataclass(frozen=True)
class Check:
    """Short runs just above the best learning rate of a trial (P22)."""

    trial: str


@dataclass(frozen=True)
class Look:
    """Something to be looked at or done by hand: the trial, the round, the launch, or the step of the set-up."""

    what: str
    name: str


@dataclass(frozen=True)
class Retry:
    """Trials of a round that failed, to be tried again."""

    round: str
    trials: tuple[str, ...]


NextStep: TypeAlias = Design | Extend | Check | Look | Retry


def next_step(store: Store, name: str, finding: Finding) -> NextStep:
    """What the finding of a round proposes. Refuses where it proposes nothing."""
    if finding.action is None:
        raise Refusal("{check} proposes nothing to do.", check=finding.key)
    if store.project.settings.command and finding.action.code in OF_THE_BUILT_IN:
        raise Refusal(
            "{what} That is your own script's to do: give it as a hyperparameter of the command, then ask about it.",
            what=finding.action.message.text(),
        )
    step = _STEPS[finding.action.code](store, name, finding.action.payload)
    return _at_length(store, name, step) if isinstance(step, Design) and step.steps is None else step


def _at_length(store: Store, name: str, step: Design) -> Design:
    """The same round with trials as long as those that the finding is about, where their number of steps was chosen for
    them; what else that of the best configuration is, is said."""
    own = trials.steps_planned(trials.batch_settings(store, name))
    best = trials.steps_planned(planning.basis(store).settings)
    if own is None or best is None or own == best:
        return step
    began = configurations.configuration(store, trials.batch(store, name).configuration).parent
    then = trials.steps_planned(configurations.configuration(store, began).settings) if began else None
    told = {"round": name, "steps": own, "best": best}
    if then == best:
        note = say("Each trial takes {steps} steps, as in {round}; the best configuration has {best}.", **told)
        return replace(step, steps=own, notes=(*step.notes, note))
    note = say(
        "Each trial takes {best} steps, as the best configuration has by now; those of {round} took {steps}.", **told
    )
    return replace(step, notes=(*step.notes, note))


def extend(store: Store, step: Extend) -> Message | None:
    """Add the trials, and have them run; what to know of them, see `final.extend`."""
    told = final.extend(store, step.round, step.trials)
    trials.ask(store, step.round, "run")
    return told


def _again(store: Store, name: str) -> tuple[Goal, dict[str, Domain | None]]:
    """Goal and question of a round, for one that asks the same again."""
    plan = planning.plan_of(store, name)
    return plan.goal, dict(plan.scientific)


def _range(store: Store, name: str, payload: Mapping[str, Any]) -> NextStep:
    goal, asked = _again(store, name)
    key, domain = str(payload["key"]), _domain(planning.plan_of(store, name), payload)
    if key in asked:
        return Design(goal, {**asked, key: domain})
    return Design(goal, asked, {str(payload["name"]): domain})


def _domain(plan: RoundPlan, payload: Mapping[str, Any]) -> Domain:
    """The proposed range, or a list with one value more on the side where the best trials lie."""
    if "domain" in payload:
        return Domain.from_dict(payload["domain"])
    listed = next(d.domain for study in plan.studies for d in study.dimensions if d.name == payload["name"])
    choices = list(listed.choices if payload["side"] == "high" else reversed(listed.choices))
    more = _beyond(choices, str(payload["key"]))
    if more is None:
        raise Refusal(
            "What lies beyond {value} is yours to say: edit the values of {key} in the design.",
            value=choices[-1],
            key=payload["key"],
        )
    beyond = [*choices, more]
    return Domain(listed.kind, choices=tuple(beyond if payload["side"] == "high" else reversed(beyond)))


def _beyond(choices: Sequence[Choice], key: str) -> Choice | None:
    """The number that goes on where a list ends, in the proportion of its last two; None where there is none."""
    numbers = [choice for choice in choices if isinstance(choice, int | float) and not isinstance(choice, bool)]
    if len(numbers) < max(len(choices), 2):
        return None
    before, last = numbers[-2:]
    more = last * last / before if before and last / before > 0 else last + (last - before)
    if all(isinstance(choice, int) for choice in numbers):
        more = round(more)
    try:
        allowed = about(key)[1].admits(more)
    except KeyError:  # a setting of the user's own pipeline
        low = boundary.lowest(min(numbers), whole=all(isinstance(choice, int) for choice in numbers))
        allowed = more >= low and possible(key, more)
    return more if allowed and more not in numbers else None


def _narrow(store: Store, name: str, payload: Mapping[str, Any]) -> NextStep:
    """The same question, each range a third as wide around the best configuration's value, also where that lies outside
    of it."""
    goal, asked = _again(store, name)
    base = planning.basis(store).settings
    ranges = {}
    for dimension in (d for study in planning.plan_of(store, name).studies for d in study.dimensions):
        domain, value = dimension.domain, value_of(base, dimension.name, dimension.key)
        if domain.is_range and value is not None and including(domain, value).contains(value):
            ranges[dimension] = around(dimension, value)
    if not ranges:
        raise Refusal(
            "No range of {name} holds the best configuration's value: design the next round by hand.", name=name
        )
    asked |= {d.key: domain for d, domain in ranges.items() if d.key in asked}
    return Design(goal, asked, {d.name: domain for d, domain in ranges.items() if d.key not in asked})


def around(dimension: Dimension, value: float) -> Domain:
    """A third of a range around a value: within the range where that holds it, else where the value lies."""
    domain = dimension.domain
    if domain.contains(value):
        low = min(max(domain.position(value) - AROUND / 2, 0.0), 1 - AROUND)
        return replace(domain, low=domain.value(low), high=domain.value(low + AROUND))
    place = domain.reach(value)
    low, high = (domain.beyond(place + side * AROUND / 2) for side in (-1, 1))
    if domain.kind == "int":
        low, high = math.floor(low), math.ceil(high)
    low, high = (end if _admitted(dimension.key, end, domain) else value for end in (low, high))
    return replace(domain, low=low, high=high)


def _admitted(key: str, end: float, domain: Domain) -> bool:
    """Whether a range of a setting may reach so far; of one of the user's own, its range so far says of which sign it
    is."""
    try:
        return about(key)[1].admits(int(end) if domain.kind == "int" else end)
    except KeyError:
        least = 0 if domain.kind == "float" or domain.low < 1 else 1
        return domain.low < 0 or end >= least


def _length(store: Store, name: str, payload: Mapping[str, Any]) -> NextStep:
    goal, asked = _again(store, name)
    base = planning.plan_of(store, name).base
    planning.require_steps(store, base)
    wanted = int(payload["steps"])
    return Design(goal, asked, steps=wanted, notes=steps.transfer(base, wanted))


def _evaluate(store: Store, name: str, payload: Mapping[str, Any]) -> NextStep:
    goal, asked = _again(store, name)
    note = say(
        "Evaluations on the way take a fixed sample of each class; results are on the whole validation split, so that "
        "they can be compared with earlier ones."
    )
    return Design(goal, asked, examples=int(payload["examples"]), notes=(note,))


def _regularise(store: Store, name: str, payload: Mapping[str, Any]) -> NextStep:
    base = planning.basis(store).settings
    key = next((key for key in REGULARISERS if base.get(key) in OFF), REGULARISERS[0])
    return Design("improve", {key: None})


def _stabilise(store: Store, name: str, payload: Mapping[str, Any]) -> NextStep:
    return Design("stabilise")


def _schedule(store: Store, name: str, payload: Mapping[str, Any]) -> NextStep:
    note = say("A decay is worth a look now that a constant rate works: linear and cosine are the usual ones.")
    return Design("compare", {steps.SCHEDULE: steps.SCHEDULES}, notes=(note,))


def _failed(store: Store, name: str, payload: Mapping[str, Any]) -> NextStep:
    entries = trials.trials(store, name)
    failed = [entry for status in ("failed", "infeasible") for entry in entries if entry.status == status]
    return Look("trial", (failed or entries)[0].id)


_STEPS: dict[str, Callable[[Store, str, Mapping[str, Any]], NextStep]] = {
    "widen": _range,
    "shrink": _range,
    "narrow": _narrow,
    "more_trials": lambda _store, name, payload: Extend(name, int(payload["trials"])),
    "more_steps": _length,
    "fewer_steps": _length,
    "evaluate": _evaluate,
    "regularise": _regularise,
    "stabilise": _stabilise,
    "steady": _schedule,
    "stability_check": lambda _store, _name, payload: Check(str(payload["trial"])),
    "find_bug": _failed,
    "free_memory": lambda _store, _name, _payload: Look("setup", "batch_size"),
    "finer_metric": lambda _store, _name, _payload: Look("setup", "metric"),
    "validate_more": lambda _store, _name, _payload: Look("setup", "data"),
    "retry": lambda _store, name, payload: Retry(name, tuple(payload["trials"])),
    "run": lambda _store, name, _payload: Look("round", name),
    "repeat": lambda _store, name, _payload: Look("propose", name),
    "launch": lambda _store, name, _payload: Look("propose", name),
}
"""Every code that a finding's action may have."""

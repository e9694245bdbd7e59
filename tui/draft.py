"""A round that a person is putting together: what they changed about the proposal, and what it then consists of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from presets import catalogue
from presets.language import Message, say
from rounds import listed as by_hand
from rounds import phases, planning, warm_start
from rounds.design import ONE_QUESTION
from rounds.next_step import Design
from rounds.plan import DesignError, Goal, Role, RoundPlan
from rounds.roles import OPTIMIZER, domain_of, is_hyperparameter, name_of, setting_of
from rounds.space import Choice, Domain
from rounds.steps import SCHEDULE, SCHEDULES, STEPS, transfer
from rounds.tunables import FIRST_QUESTION, first_question, known
from rounds.tunables import tunables as known_tunables
from state import launches
from state.database import Store
from state.errors import Refusal
from state.project import Project
from tui import designing, goals
from tui.amount import whole
from tui.say import LONGEST
from tui.terminal import cut
from wizard.quantity import exact

ROLES: dict[Role, Message] = {
    "scientific": say("scientific"),
    "nuisance": say("nuisance"),
    "fixed": say("fixed"),
}

# Chosen where the goals are, but no goal: its points are listed.
WARM_START = "warm-start"
WARM_START_NAME = say("warm start")
WARM_START_MEANING = say("five settings of NAdamW that worked elsewhere, before any search")
# As little: its trials are typed.
LISTED = "listed"
LISTED_NAME = say("trials by hand")
LISTED_MEANING = say("trials with values that are typed one by one, instead of a search")
# The length of a run is no question of a search (P15): it is chosen for all trials of a round.
LENGTH = "length"
LENGTH_NAME = say("number of steps")
LENGTH_MEANING = say("how long each trial runs; what it needs, tunebook check length measures")
OWN_LENGTH_MEANING = say("how long each trial runs: the number of steps that your command is given")


@dataclass(frozen=True)
class Draft:
    """What is asked of `rounds.planning.propose`, as a person has changed it."""

    goal: Goal = "understand"
    asked: Mapping[str, Domain | None] = field(default_factory=lambda: {FIRST_QUESTION: None})
    """Scientific key to its values; None: those of the catalogue."""
    trials: int | None = None
    """How many, where a person has said so."""
    roles: Mapping[str, Role] = field(default_factory=dict)
    ranges: Mapping[str, Domain] = field(default_factory=dict)
    override: str = ""
    steps: int | None = None
    """Of each trial, where not as before."""
    examples: int | None = None
    """Of the evaluations on the way, where not as before."""
    notes: tuple[Message, ...] = ()
    """What to mind about a design that a finding proposed."""
    warm_start: bool = False
    """The five proven points instead of a search; of the rest, only `override` counts then."""
    listed: tuple[Mapping[str, Choice], ...] = ()
    """Trials typed one by one instead of a search, each as key to value; of the rest, `override`, `steps` and
    `examples` count then."""
    slots: int = 0
    """How many run at once; 0: as the machine allows."""
    first: str = FIRST_QUESTION
    """What is asked where a goal must ask something, and nothing was chosen."""

    def plan(self, store: Store) -> RoundPlan:
        """The round as it is now. Refuses what cannot be planned."""
        if self.warm_start:
            return warm_start.plan(store, self.override)
        if self.listed:
            return by_hand.propose(store, self.listed, self.override, steps=self.steps, examples=self.examples)
        return planning.propose(
            store,
            self.goal,
            scientific=self.asked,
            trials=self.trials,
            roles=self.roles,
            ranges=self.ranges,
            override=self.override,
            steps=self.steps,
            examples=self.examples,
        )

    @property
    def as_given(self) -> bool:
        """Whether its points are run as they are, with nothing about them to design."""
        return self.warm_start or bool(self.listed)

    @property
    def to_mind(self) -> tuple[Message, ...]:
        """The notes that hold for what it is now."""
        return () if self.warm_start else self.notes

    @property
    def chosen(self) -> str:
        """Its name among `goals`."""
        return WARM_START if self.warm_start else LISTED if self.listed else self.goal

    @property
    def mark(self) -> Mapping[str, Any]:
        """What is kept with the plan of the round."""
        return by_hand.MARK if self.listed else {}

    @property
    def purpose(self) -> tuple[Message, Message]:
        """What the round is for: its name and what it means."""
        if self.warm_start:
            return WARM_START_NAME, WARM_START_MEANING
        if self.listed:
            return LISTED_NAME, LISTED_MEANING
        return goals.NAMES[self.goal], goals.MEANINGS[self.goal]


@dataclass(frozen=True)
class Tunable:
    """A hyperparameter of a round: its name there, its configuration key, its role, what is searched (None: it is
    fixed) and the value that it is fixed at."""

    name: str
    key: str
    role: Role
    domain: Domain | None
    value: Any


def proposed(design: Design) -> Draft:
    """The draft of a round that a finding, an insight or a remedy proposes."""
    return Draft(
        goal=design.goal,
        asked=dict(design.scientific),
        roles=dict(design.roles),
        ranges=dict(design.ranges),
        steps=design.steps,
        examples=design.examples,
        notes=design.notes,
    )


def tunables(plan: RoundPlan) -> tuple[Tunable, ...]:
    """The hyperparameters of a plan, in its order. Names stay when roles change."""
    optimizer = str(plan.base.get(OPTIMIZER, ""))
    searched = {dimension.name: dimension for study in plan.studies for dimension in study.dimensions}
    fixed = {str(caveat.values["name"]): caveat.values.get("value", "") for caveat in plan.caveats}
    found = []
    for name, role in plan.roles.items():
        if role == "scientific":
            found.append(Tunable(name_of(name, optimizer), name, role, plan.scientific[name], None))
        elif role == "nuisance":
            found.append(Tunable(name, searched[name].key, role, searched[name].domain, None))
        else:
            # A script of one's own may have names like those of the built-in optimizers.
            key = name if name in plan.base else setting_of(name)
            found.append(Tunable(name, key, role, None, fixed.get(name)))
    return tuple(found)


def begin(store: Store) -> Draft:
    """The round that is proposed before anything was changed: about the learning rate, or what comes after it."""
    best = launches.best(store)
    first = first_question(store.project, best.settings if best else {}, planning.asked_before(store))
    if phases.schedule_is_next(store):
        return Draft(goal="compare", asked={SCHEDULE: SCHEDULES}, first=first)
    return Draft(asked={first: None} if first else {}, first=first)


def purposes(store: Store, override: str) -> list[tuple[str, str, str]]:
    """What a round can be for: each a name, a label and what it means."""
    found = [(str(goal), name.text(), goals.MEANINGS[goal].text()) for goal, name in goals.NAMES.items()]
    if warm_start.refusal(store, override) is None:
        found.insert(0, (WARM_START, WARM_START_NAME.text(), WARM_START_MEANING.text()))
    found.append((LISTED, LISTED_NAME.text(), LISTED_MEANING.text()))
    if not store.project.settings.command:
        return [*found, (LENGTH, LENGTH_NAME.text(), LENGTH_MEANING.text())]
    # Without a number of steps in the command there is none to change.
    counted = STEPS in planning.basis(store, override).settings
    return [*found, (LENGTH, LENGTH_NAME.text(), OWN_LENGTH_MEANING.text())] if counted else found


def with_trials(draft: Draft, words: str) -> Draft:
    """The same round with so many trials. Refuses what is no number."""
    if (count := whole(words)) is None:
        raise DesignError("{answer}: type a whole number of trials.", answer=repr(cut(words, LONGEST)))
    return replace(draft, trials=count)


def with_steps(draft: Draft, store: Store, words: str) -> Draft:
    """The same round with trials of so many steps. Refuses what is no number, and a command that takes none."""
    if draft.warm_start:
        raise DesignError("These trials run as they are given. Choose a goal that searches, then the number of steps.")
    if not (wanted := whole(words)):
        raise DesignError("{answer}: type a whole number of steps.", answer=repr(cut(words, LONGEST)))
    base = planning.basis(store, draft.override).settings
    planning.require_steps(store, base)
    if wanted == base[STEPS]:
        return replace(draft, steps=None, notes=())
    return replace(draft, steps=wanted, notes=transfer(base, wanted))


def with_goal(draft: Draft, goal: Goal) -> Draft:
    """The same round for another goal, its questions as many as that goal can have; the remedies bring their own."""
    draft = replace(draft, warm_start=False, listed=())
    if goal in ("stabilise", "minimise"):
        return replace(draft, goal=goal, asked={})
    asked = dict(draft.asked) or {draft.first: None}
    if goal in ONE_QUESTION:
        asked = dict(list(asked.items())[:1])
    return replace(draft, goal=goal, asked=asked)


def with_listed(draft: Draft, words: str) -> Draft:
    """The round of the trials that are typed, `KEY=VALUE,KEY=VALUE; KEY=VALUE`. Refuses what is none."""
    listed = [designing.listed_trial(part) for part in words.split(";") if part.strip()]
    if not listed:
        raise DesignError("Type KEY=VALUE for each trial, as optimizer.learning_rate=0.1.")
    return replace(with_goal(draft, "minimise"), listed=tuple(listed))


def typed_trials(draft: Draft) -> str:
    """The listed trials as they are typed."""
    trials = [", ".join(f"{key}={exact(value)}" for key, value in trial.items()) for trial in draft.listed]
    return "; ".join(trials)


def about(draft: Draft, key: str, domain: Domain | None) -> Draft:
    """The round about this hyperparameter instead."""
    roles = {name: role for name, role in draft.roles.items() if key not in (name, setting_of(name))}
    ranges = {name: own for name, own in draft.ranges.items() if key not in (name, setting_of(name))}
    return replace(draft, asked={key: domain}, roles=roles, ranges=ranges)


def given(draft: Draft, key: str) -> Domain | None:
    """The values that a hyperparameter was given in this draft, in whatever role; None: those of the catalogue."""
    own = (domain for name, domain in draft.ranges.items() if key in (name, setting_of(name)))
    return draft.asked.get(key) or next(own, None)


def next_role(draft: Draft, entry: Tunable) -> Role:
    """The role that follows in turn. Refuses where the goal leaves no other."""
    if draft.goal == "understand":
        if entry.role == "scientific" and len(draft.asked) == 1:
            raise DesignError("The round must ask about something: make another hyperparameter scientific first.")
        turn: tuple[Role, ...] = ("fixed", "nuisance", "scientific")
    else:
        if entry.role == "scientific":
            raise DesignError("With this goal a round asks one thing, and this is it. Ask about another (a) instead.")
        turn = ("fixed", "nuisance")
    return turn[(turn.index(entry.role) + 1) % len(turn)]


def with_role(draft: Draft, entry: Tunable, role: Role) -> Draft:
    """The hyperparameter in another role; a range that was given to it stays with it."""
    asked, roles, ranges = dict(draft.asked), dict(draft.roles), dict(draft.ranges)
    own = asked.pop(entry.key, None) if entry.role == "scientific" else ranges.pop(entry.name, None)
    roles.pop(entry.name, None)
    if role == "scientific":
        asked[entry.key] = own
    else:
        roles[entry.name] = role
        if own is not None:
            ranges[entry.name] = own
    return replace(draft, asked=asked, roles=roles, ranges=ranges)


def with_range(draft: Draft, entry: Tunable, words: str, optimizer: str, project: Project | None = None) -> Draft:
    """The hyperparameter searched in the typed range; one that was fixed is searched from now on. Refuses what is
    neither a range nor values."""
    listed = draft.goal == "compare" and entry.role == "scientific"
    domain = typed(entry.key, words, optimizer, project, listed=listed)
    if entry.role == "scientific":
        return replace(draft, asked={**draft.asked, entry.key: domain})
    roles: dict[str, Role] = {**draft.roles, entry.name: "nuisance"}
    return replace(draft, ranges={**draft.ranges, entry.name: domain}, roles=roles)


def typed(key: str, words: str, optimizer: str, project: Project | None = None, *, listed: bool = False) -> Domain:
    """What is typed as a range or as values: `0.001 0.1`, `0.001 0.1 log`, `0.9, 0.95, 0.99`. Two numbers are the ends
    of a range, but values where it is `listed`."""
    parts = words.replace(",", " ").split()
    if not parts:
        raise DesignError("Type the lowest and the highest value, or the values to try with commas between them.")
    if "," not in words and not listed and len(parts) in (2, 3) and all(map(_is_number, parts[:2])):
        ends = f"{parts[0]}..{parts[1]}" + "".join(f":{scale}" for scale in parts[2:])
        return designing.domain(key, ends, optimizer, project)
    return designing.domain(key, ",".join(parts), optimizer, project)


def written(domain: Domain) -> str:
    """A domain as it is typed."""
    ends = f"{exact(domain.low)} {exact(domain.high)} {domain.scale}"
    return ends if domain.is_range else ", ".join(map(exact, domain.choices))


def proven(store: Store, override: str, key: str, optimizer: str) -> Domain | None:
    """The catalogue's values of a hyperparameter for this configuration; None where it has none."""
    if key == OPTIMIZER and not store.project.settings.command:
        return Domain("categorical", choices=tuple(entry.name for entry in catalogue.optimizers()))
    base = planning.basis(store, override).settings
    found = known(store.project, base, key, optimizer)
    try:
        return domain_of(found, base) if found else None
    except Refusal:
        return None


def questions(store: Store, override: str = "", goal: Goal = "understand") -> tuple[str, ...]:
    """What a round can be about with no values given: the optimizer, and all that has a range in the catalogue; to
    compare values that are typed, the architecture too."""
    settings = planning.basis(store, override).settings
    if store.project.settings.command:
        return tuple(entry.key for entry in known_tunables(store.project))
    own = catalogue.optimizer(str(settings.get(OPTIMIZER))).hyperparameters
    keys = (entry.key for entry in (*own, *catalogue.tunables()))
    named = (OPTIMIZER, planning.ARCHITECTURE) if goal == "compare" else (OPTIMIZER,)
    return (*named, *(key for key in keys if is_hyperparameter(key, settings)))


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True

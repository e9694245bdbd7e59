"""A first round of settings that others found to work, instead of a search (`presets.warm_start`)."""

from __future__ import annotations

from presets import catalogue
from presets import warm_start as proven
from presets.language import Message, say
from rounds import design, origin, planning, sequence, tunables
from rounds.plan import DesignError, PlannedTrial, Role, RoundPlan, Study
from rounds.roles import OPTIMIZER, caveats, domain_of, including, is_hyperparameter, name_of
from rounds.space import Dimension
from rounds.steps import SCHEDULE, STEPS
from state.database import Store

STUDY = "warm-start"


def refusal(store: Store, override: str = "") -> Message | None:
    """Why the list is not for this project; None where it is."""
    if store.project.settings.command:
        return say("The five points set NAdamW and a schedule of the built-in training: your command has its own.")
    if planning.basis(store, override).settings.get("model.pretrained"):
        return say(
            "The five points are for training from scratch: at their learning rates, pretrained weights would be lost."
        )
    return None


def plan(store: Store, override: str = "") -> RoundPlan:
    """The five points as a round, from the best configuration; added trials go on by the sequence in the catalogue's
    ranges. Refuses where the points do not apply, and where no round may be planned (G14)."""
    if (refused := refusal(store, override)) is not None:
        raise DesignError(refused.id, **refused.values)
    base = {**planning.basis(store, override).settings}
    listed = proven.warm_start()
    settings = [point.settings(int(base[STEPS])) for point in listed.points]
    own = catalogue.optimizer(proven.OPTIMIZER).hyperparameters
    entries = {entry.key: entry for entry in (*own, *catalogue.tunables())}
    values, overrides = design.switched(proven.OPTIMIZER, base, entries)
    overrides |= {OPTIMIZER: proven.OPTIMIZER, SCHEDULE: "cosine", "schedule.final_factor": 0.0}
    dimensions = []
    for number, key in enumerate(settings[0]):
        domain = domain_of(entries[key], base)
        for point in settings:
            domain = including(domain, point[key])
        dimensions.append(Dimension(name_of(key, proven.OPTIMIZER), key, domain, number))
    study = Study(STUDY, {}, overrides, tuple(dimensions))
    earlier = [planning.plan_of(store, batch.name) for batch in planning.rounds(store)]
    first = max((sequence.following(before) for before in earlier), default=0)
    roles: dict[str, Role] = {dimension.name: "nuisance" for dimension in dimensions}
    varied = {dimension.key for dimension in dimensions}
    fixed = {
        name_of(key, proven.OPTIMIZER): value
        for key, value in {**values, **overrides}.items()
        if key not in varied and value is not None and is_hyperparameter(key, base)
    }
    roles |= dict.fromkeys(fixed, "fixed")
    plan = RoundPlan(
        goal="minimise",
        seed=earlier[-1].seed if earlier else 0,
        first=first,
        base=base,
        roles=roles,
        scientific={},
        studies=(study,),
        trials=tuple(_trial(study, first + place, point) for place, point in enumerate(settings)),
        caveats=caveats(base, roles, fixed),
        warnings=(),
        notes=_notes(listed),
    )
    return origin.recorded(
        plan, tunables.offers(store.project, base), dict.fromkeys(varied, say("{text}", text=listed.paper))
    )


def _trial(study: Study, index: int, point: dict[str, float | int]) -> PlannedTrial:
    named = {dimension.name: point[dimension.key] for dimension in study.dimensions}
    u = {dimension.name: dimension.domain.position(point[dimension.key]) for dimension in study.dimensions}
    return PlannedTrial(study.name, index, u, named, {**study.overrides, **point})


def _notes(listed: proven.WarmStart) -> tuple[Message, ...]:
    return (
        say(
            "Five settings of NAdamW with warm-up and a cosine decay, found on problems unlike one another: with five "
            "trials or fewer they beat a search of learning rate and weight decay, and Bayesian search. {paper}",
            paper=listed.paper,
        ),
        say("The points are those of {source}.", source=listed.source),
        say(
            "It is a start and no experiment: five points say which is best here, not why. The Playbook's own first "
            "step remains a constant rate with nothing extra, of which more can be learnt."
        ),
    )

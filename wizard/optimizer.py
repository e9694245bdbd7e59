"""Fifth decision: the optimizer most used for this kind of problem, simple at first (G2, P21)."""

from __future__ import annotations

from presets import catalogue
from presets.catalogue import Hyperparameter
from presets.language import Message, _, say
from state.database import Store
from state.decisions import Decision
from wizard import architecture, configuration, quantity
from wizard.question import Choice, Option, Question, Settled, Table

STEP = "optimizer"
LEARNING_RATE = "optimizer.learning_rate"


def ask(store: Store) -> Question:
    """The optimizers with every hyperparameter of each: its value now, and when it is opened to the search."""
    entry = architecture.chosen(store)
    family = entry.family if entry else ""
    best = catalogue.recommended_optimizer(family)
    known = sorted(catalogue.optimizers(fine_tuning=fine_tuning(store)), key=lambda other: other.name != best.name)
    rows = tuple((_(other.title), *_row(part)) for other in known for part in other.hyperparameters)
    columns = (
        say("optimizer"),
        say("hyperparameter"),
        say("value"),
        say("now"),
        say("opened with"),
        say("range"),
        say("scale"),
        say("source"),
    )
    return Question(
        step=STEP,
        rows=("G2", "P21"),
        text=say("Which optimizer should be the start?"),
        evidence=(
            say("No optimizer is best for everything; an established one has known ranges and few surprises."),
            say(
                "Every hyperparameter of an optimizer matters in the end. Most are fixed at first: with few trials the "
                "learning rate alone is searched, the others are opened as rounds grow."
            ),
        ),
        options=tuple(Option(other.name, _(other.title), other.about) for other in known),
        recommended=best.name,
        reason=say("{title} is what is used most for {family}.", title=Message(best.title), family=entry.title)
        if family in best.popular_for and entry
        else say("{title} is the safe choice for a model that the catalogue does not know.", title=Message(best.title)),
        table=Table(columns, rows, named=2),
    )


def valid(store: Store, decision: Decision) -> bool:
    """Whether the decision still stands: the architecture is of the family that it was recommended for."""
    families = []
    for before in (decision.id, None):
        chosen = (entry.chosen for entry in configuration.in_force(store, before) if entry.step == architecture.STEP)
        entry = architecture.by_id(str(next(chosen, "")))
        families.append(entry.family if entry else "")
    return families[0] == families[1]


def settle(store: Store, question: Question, chosen: Choice) -> Settled:
    """The optimizer and the values of its hyperparameters; the learning rate follows with the first configuration."""
    entry = catalogue.optimizer(str(chosen), fine_tuning=fine_tuning(store))
    values = {part.key: part.default for part in entry.hyperparameters if part.key != LEARNING_RATE}
    reason = question.reason if chosen == question.recommended else entry.about
    return Settled({"optimizer.name": entry.name, **values}, reason)


def fine_tuning(store: Store) -> bool:
    """Whether training starts from weights that were trained before."""
    return bool(configuration.current(store)["model.pretrained"])


def hyperparameters(store: Store) -> tuple[Hyperparameter, ...]:
    """Every hyperparameter of the chosen optimizer."""
    name = configuration.current(store)["optimizer.name"]
    return catalogue.optimizer(name, fine_tuning=fine_tuning(store)).hyperparameters


def _row(part: Hyperparameter) -> tuple[str, ...]:
    key = part.key.removeprefix("optimizer.")
    now = _("fixed") if part.fixed else _("searched")
    if part.opens_at is None:
        opens = _("only when asked")
    elif part.opens_at == 0:
        opens = _("any number of trials")
    else:
        opens = say("{n} trials", n=part.opens_at).text()
    if part.choices:
        extent, scale = ", ".join(quantity.setting(choice) for choice in part.choices), "-"
    else:
        extent, scale = f"{part.low:g} - {part.high:g}", _(part.scale)
    return (key, quantity.setting(part.default), now, opens, extent, scale, _(part.source))

"""Second decision: what is a better model? (G0)"""

from __future__ import annotations

from presets.language import say
from state import project
from state.database import Store
from state.decisions import Decision
from training.config import METRICS
from wizard import data, inspection
from wizard.question import Choice, Option, Question, Settled

STEP = "metric"
STAND_IN = "/stand-in"
# Above this share of one class the error rate hardly moves before the model is good.
DOMINATED = 0.9


def ask(store: Store) -> Question:
    """Which metric selects, and whether it is close to what matters in deployment."""
    found = inspection.known(store)
    name, share = data.largest_class(found)
    evidence = [
        say(
            "Always naming {name} has an error rate of {error:.1%} on the validation split: that is the level to beat.",
            name=name,
            error=1 - share,
        ),
        say(
            "Tuning can only be as good as its metric: choose what is closest to deployment, and say so when it is a "
            "stand-in. All of these are measured in every run; this one selects."
        ),
    ]
    dominated = share > DOMINATED
    meant = {
        "error_rate": say("share of wrong answers; close to deployment where all mistakes cost the same"),
        "balanced_error": say(
            "error rate of each class, on average; close to deployment where a rare class counts as much as a large one"
        ),
        "macro_f1": say(
            "F1 score of each class, on average, the higher the better; close to deployment where rare classes must be "
            "found, and not named in vain"
        ),
        "loss": say("log loss (cross-entropy); close to deployment where the probabilities themselves are used"),
    }
    options = (
        *(Option(name, name, note) for name, note in meant.items()),
        *(
            Option(
                name + STAND_IN, name + STAND_IN, say("{name}, while something else matters in deployment", name=name)
            )
            for name in meant
        ),
    )
    if (imbalance := data.imbalance(found)) > data.IMBALANCE:
        evidence.append(
            say(
                "The largest class has {times:.1f} times the examples of the smallest: the error rate is mostly about "
                "the large ones, balanced_error and macro_f1 weigh all classes the same, but are noisier, as they hang "
                "on the few examples of the small ones.",
                times=imbalance,
            )
        )
    return Question(
        step=STEP,
        rows=("G0",),
        text=say("By what should tuning judge, and is that close to what matters in deployment?"),
        evidence=tuple(evidence),
        options=options,
        recommended="loss" if dominated else "error_rate",
        reason=say(
            "One class has {share:.0%} of the examples: the error rate says little, the loss sees the rest.",
            share=share,
        )
        if dominated
        else say(
            "The error rate counts what people call mistakes; the largest class, {share:.0%}, leaves it room to fall.",
            share=share,
        ),
    )


def settle(store: Store, question: Question, chosen: Choice) -> Settled:
    """The metric goes into the configuration and, with how close it is to deployment, into tunebook.toml."""
    name, stand_in, _ = str(chosen).partition(STAND_IN)
    reason = question.reason if chosen == question.recommended else say("chosen as closest to deployment")
    if stand_in:
        reason = say("chosen as a stand-in: what matters in deployment is something else, and must be checked there")

    def remember() -> None:
        store.project = project.change(
            store.project, metric=name, direction=METRICS[name], close_to_deployment=not stand_in
        )

    return Settled({"training.metric": name}, reason, remember)


def valid(store: Store, decision: Decision) -> bool:
    """Whether the decision still stands: tunebook.toml names the same metric, and its direction."""
    settings = store.project.settings
    return (
        decision.settings["training.metric"] == settings.metric and METRICS.get(settings.metric) == settings.direction
    )

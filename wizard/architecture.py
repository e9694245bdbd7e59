"""Third decision: a proven architecture, small at first (G1, G10)."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from presets import catalogue
from presets.catalogue import Architecture
from presets.language import Message, _, say
from state import decisions, measurements
from state.database import Store
from state.decisions import Decision
from state.errors import NotFound, NotYet
from wizard import configuration, contents, inspection, machine, model_names, quantity, speed
from wizard.question import Choice, Option, Question, Settled, Table

STEP = "architecture"
IMAGES = "image-classification"
# Images up to this many pixels a side are "small inputs" in the catalogue.
SMALL = 64
# The usual networks halve their input five times.
STRIDE = 32
# A rule of thumb for the first model, no limit: more parameters learn too, but each trial costs more.
PARAMETERS_PER_EXAMPLE = 100
# Tokens per word of English with a vocabulary of some thousands; characters per token where words are not spaced.
TOKENS_PER_WORD = 1.5
UNSPACED = 12
LONGEST = 512


@dataclass(frozen=True)
class Budget:
    """What a round may cost: the machine's speed, the seconds that one may take, and the trials at a time."""

    speed: speed.Speed
    allowed: float
    at_once: int

    def round_seconds(self, entry: Architecture, inputs: int, found: dict[str, Any]) -> float:
        """Time of a round from scratch with this architecture, by the first guess of a run's length."""
        return math.ceil(speed.ROUND / self.at_once) * speed.trial_seconds(self.speed, entry, inputs, found)


def ask(store: Store) -> Question:
    """The catalogue's architectures for the task, the smallest suitable one recommended."""
    found = inspection.known(store)
    task = store.project.settings.task
    device = machine.at_hand(configuration.current(store)["runtime.device"])
    entries = catalogue.architectures(task)
    budget = Budget(speed.of(store, device), speed.allowed_seconds(store), device.trials_at_once)
    best, reason = recommend(entries, found, task, budget)
    return Question(
        step=STEP,
        rows=("G1", "G10"),
        text=say(
            "Which architecture should be the start? (Any other name of {library} can be typed.)", library=best.library
        ),
        evidence=tuple(_evidence(found, task, device, best, budget.speed)),
        options=tuple(Option(entry.id, entry.id, _figures(entry, found, task, budget)) for entry in entries),
        recommended=best.id,
        reason=reason,
        table=_table(entries, found, task, budget),
        free="text",
    )


def settle(store: Store, question: Question, chosen: Choice) -> Settled:
    """The model and the size of its inputs."""
    found = inspection.known(store)
    task = store.project.settings.task
    entry = by_id(str(chosen))
    if entry is None:
        name = str(chosen).strip()
        if not re.fullmatch(r"[\w][\w./-]*", name, re.ASCII):
            raise NotFound("{name!r} is not the name of a model.", name=name)
        library = "timm" if task == IMAGES else "transformers"
        # Of transformers' names the hub has more than the library, each with its owner.
        hub = library == "transformers" and "/" in name
        if not hub and not model_names.is_known(library, name):
            if library == "transformers":
                raise NotFound(
                    "transformers has no model type {name!r}. Near it: {names}. A model of the hub is typed with its "
                    "owner, such as google-bert/bert-base-uncased.",
                    name=name,
                    names=model_names.similar(library, name) or "-",
                )
            raise NotFound(
                "{library} has no model {name!r}. Near it: {names}",
                library=library,
                name=name,
                names=model_names.similar(library, name) or "-",
            )
        model: dict[str, Any] = {"model.library": library, "model.name": name}
        reason = say("typed: a model of {library} outside the catalogue", library=library)
    else:
        model = {key: value for key, value in entry.overrides().items() if key != "data.task"}
        reason = question.reason if chosen == question.recommended else _about(entry)
    return Settled({**model, **_inputs(entry, found, task)}, reason)


def valid(store: Store, decision: Decision) -> bool:
    """Whether the decision still stands: it fits the project's task, and the network gets these data as it would get
    them by a decision now. Of data that were grey, or smaller, when it was made, it would see a part."""
    task = store.project.settings.task
    if (decision.settings.get("model.library") == "timm") != (task == IMAGES):
        return False
    found = inspection.fresh(store)
    if found is None or found.at <= decision.at:
        return True
    inputs = _inputs(by_id(str(decision.chosen)), found.result, task)
    return all(decision.settings.get(key) == value for key, value in inputs.items())


def chosen(store: Store) -> Architecture | None:
    """The catalogue's entry that was chosen; None for a typed name. Refuses where nothing was chosen yet."""
    decision = decisions.decision(store, STEP)
    if decision is None:
        raise NotYet("No architecture has been chosen yet.")
    return by_id(str(decision.chosen))


def normalisation(store: Store) -> str | None:
    """By which statistics the chosen network normalises ("batch", "group", "layer", "none"): by the catalogue, and of a
    typed name as a probe of it found; None where neither says so. Refuses where nothing was chosen yet."""
    entry = chosen(store)
    if entry is not None:
        return entry.normalisation
    name = configuration.current(store)["model.name"]
    probes = measurements.measurements(store, "probe")
    found = (one.result.get("normalisation") for one in reversed(probes) if one.subject.get("model.name") == name)
    return next((kind for kind in found if kind), None)


def by_id(id: str) -> Architecture | None:
    """The catalogue's entry of an id, if it has one."""
    return next((entry for entry in catalogue.architectures() if entry.id == id), None)


def recommend(
    entries: Sequence[Architecture], found: dict[str, Any], task: str, budget: Budget
) -> tuple[Architecture, Message]:
    """The architecture to start with, and the reason with the figures that it rests on (G1).

    Of the best understood family whose rounds fit into the budget, the largest size within the rule of thumb of
    parameters per example; where nothing fits, the fastest.
    """
    suitable = [entry for entry in entries if _suits(entry, found, task)] or list(entries)
    examples = int(found["splits"]["train"]["examples"])
    times = {entry.id: budget.round_seconds(entry, _side(entry, found, task), found) for entry in suitable}
    families = list(dict.fromkeys(entry.family for entry in suitable))
    figures = {
        "round": speed.ROUND,
        "allowed": quantity.duration(budget.allowed),
        "speed": quantity.large(budget.speed.dense),
        "source": budget.speed.source,
    }
    for family in families:
        affordable = [entry for entry in suitable if entry.family == family and times[entry.id] <= budget.allowed]
        if not affordable:
            continue
        within = [entry for entry in affordable if entry.parameters <= PARAMETERS_PER_EXAMPLE * examples]
        best = max(within, key=lambda entry: entry.macs) if within else min(affordable, key=lambda entry: entry.macs)
        why = (
            say("{title} is the best understood family for this task.", title=best.title)
            if family == families[0]
            else say("{title} is the best understood family that is fast enough here.", title=best.title)
        )
        size = (
            say("at most {limit} for each of {examples} examples", limit=PARAMETERS_PER_EXAMPLE, examples=examples)
            if within
            else say(
                "its smallest size, though more than {limit} for each of {examples} examples",
                limit=PARAMETERS_PER_EXAMPLE,
                examples=examples,
            )
        )
        return best, say(
            "{why} This size has {parameters} parameters ({size}), and a round of {round} trials takes about {time} of "
            "the {allowed} that it may, at {speed} multiply-adds a second ({source}). A larger one can follow.",
            why=why,
            parameters=quantity.large(best.parameters),
            size=size,
            time=quantity.duration(times[best.id]),
            **figures,
        )
    best = min(suitable, key=lambda entry: times[entry.id])
    return best, say(
        "{title} is proven and the fastest here; even so a round of {round} trials takes about {time}, more than the "
        "{allowed} that it may, at {speed} multiply-adds a second ({source}). Smaller inputs or a GPU would help.",
        title=best.title,
        time=quantity.duration(times[best.id]),
        **figures,
    )


def image_side(found: dict[str, Any]) -> int:
    """Pixels of the shorter side of the image in the middle."""
    return int(min(found["images"]["widths"][1], found["images"]["heights"][1]))


def _suits(entry: Architecture, found: dict[str, Any], task: str) -> bool:
    if task != IMAGES:
        return True
    return entry.small_inputs if image_side(found) <= SMALL else entry.input_size > SMALL


def _inputs(entry: Architecture | None, found: dict[str, Any], task: str) -> dict[str, Any]:
    if task == IMAGES:
        return {
            "data.image_size": _image_size(entry, found),
            "data.channels": 1 if contents.grey(found["images"]) else 3,
        }
    return {"data.max_length": _max_length(found["texts"])}


def _side(entry: Architecture, found: dict[str, Any], task: str) -> int:
    """Pixels a side, or tokens, that the network would get."""
    return _image_size(entry, found) if task == IMAGES else _max_length(found["texts"])


def _image_size(entry: Architecture | None, found: dict[str, Any]) -> int:
    """The images' own size, rounded up to what the strides of the network divide, at most the size it is known for."""
    own = max(STRIDE, math.ceil(image_side(found) / STRIDE) * STRIDE)
    if entry is None:
        return min(own, 224)
    # A vision transformer has one position embedding per patch: other sizes are another network.
    return entry.input_size if entry.fixed_input else min(own, max(entry.input_size, SMALL))


def _max_length(texts: dict[str, Any]) -> int:
    """Tokens that hold 95 % of the texts, in steps of 32, as far as networks usually take them."""
    return min(LONGEST, max(32, math.ceil(_tokens(texts, 2) / 32) * 32))


def _tokens(texts: dict[str, Any], place: int) -> float:
    """The tokens, by a usual figure, of the text at a place among those that are described: 1 in the middle, 2 longer
    than 95 % of them, 3 the longest."""
    words, characters = texts["words"][place], texts["characters"][place]
    return characters if characters > UNSPACED * max(words, 1) else words * TOKENS_PER_WORD


def _cut(texts: dict[str, Any]) -> Message:
    """Where texts end, and of how many the rest is lost: nothing says so later."""
    length = _max_length(texts)
    if _tokens(texts, 2) <= length:
        return say(
            "Texts are cut at {length} tokens, so that about 95% of them stay whole, by a usual figure of tokens a "
            "word. At twice the length a text takes more than twice the compute.",
            length=length,
        )
    return say(
        "Texts are cut at {length} tokens, as many as networks for texts usually take. By a usual figure of tokens a "
        "word {many} are longer and lose their end: where that tells the class, put it first in the text.",
        length=length,
        many=say("more than half of them") if _tokens(texts, 1) > length else say("more than 5% of them"),
    )


def _evidence(
    found: dict[str, Any], task: str, device: machine.Device, best: Architecture, rate: speed.Speed
) -> Iterator[Message]:
    yield say(
        "{examples} training examples; the device is {count} x {name} with {memory}.",
        examples=found["splits"]["train"]["examples"],
        count=device.count,
        name=device.name,
        memory=quantity.memory(device.memory),
    )
    inputs = _inputs(best, found, task)
    if task == IMAGES:
        yield say(
            "The images have {side} pixels a side; the recommended network gets them at {size} by {size} (channels: "
            "{channels}). At twice the size an example takes four times the compute.",
            side=image_side(found),
            size=inputs["data.image_size"],
            channels=inputs["data.channels"],
        )
    else:
        yield _cut(found["texts"])
    yield say(
        "The times of a trial are estimates: three times the multiply-adds for each of {examples} examples, at {speed} "
        "multiply-adds a second ({source}), a quarter of that for networks of depthwise convolutions.",
        examples=quantity.large(speed.first_guess(int(found["splits"]["train"]["examples"]))),
        speed=quantity.large(rate.dense),
        source=rate.source,
    )
    passes = speed.passes(int(found["splits"]["train"]["examples"]))
    if best.pretrained and passes > speed.FINE_TUNING_PASSES:
        yield say(
            "That is from scratch, {passes} passes over the data. Fine-tuning published weights usually takes {few}, "
            "and that much less time: the next question is about them.",
            passes=passes,
            few=speed.FINE_TUNING_PASSES,
        )
    if any(entry.normalisation == "batch" for entry in catalogue.architectures(task)):
        yield say(
            "Batch norm makes an example's result depend on the others in its batch: with few examples a batch its "
            "statistics are noisy, and another batch size is a little of another model. Layer norm does not care."
        )
    yield say(
        "A network of your own is better kept for later: with a proven one, results that disappoint are due to "
        "settings, not to the network, and there are published figures to compare with."
    )


def _about(entry: Architecture) -> Message:
    if entry.note is not None:
        return entry.note
    return say("{title}, {size}: {about}", title=entry.title, size=Message(entry.size), about=entry.about)


def _figures(entry: Architecture, found: dict[str, Any], task: str, budget: Budget) -> Message:
    """What a person weighs first, so that nobody has to look it up in the table."""
    return say(
        "{parameters} parameters, a trial about {time}. {about}",
        parameters=quantity.large(entry.parameters),
        time=quantity.duration(speed.trial_seconds(budget.speed, entry, _side(entry, found, task), found)),
        about=_about(entry),
    )


def _table(entries: Sequence[Architecture], found: dict[str, Any], task: str, budget: Budget) -> Table:
    rows = tuple(
        (
            entry.id,
            _("{title}, {size}").format(title=entry.title, size=_(entry.size)),
            quantity.large(entry.parameters),
            quantity.large(entry.macs),
            quantity.duration(
                speed.trial_seconds(budget.speed, entry, _side(entry, found, task), found),
            ).text(),
            str(entry.input_size),
            entry.normalisation,
            entry.pretrained or "-",
            entry.licence or "-",
            entry.paper,
        )
        for entry in entries
    )
    columns = (
        say("name"),
        say("family and size"),
        say("parameters"),
        say("multiply-adds"),
        say("a trial, about"),
        say("input"),
        say("norm"),
        say("published weights"),
        say("their licence"),
        say("paper"),
    )
    return Table(columns, rows)

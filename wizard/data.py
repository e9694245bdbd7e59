"""First decision: are these data fit to tune on? (G0)"""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Iterator, Sequence
from typing import Any

from presets.grain import grain
from presets.language import Message, say, told
from state.database import Store
from state.decisions import Decision
from state.errors import Invalid
from wizard import chance, class_names, configuration, contents, copies, inspection, measuring, quantity
from wizard.listing import SHOWN, some
from wizard.question import Choice, Option, Question, Settled

STEP = "data"
USE = "use"
# Below this, one example more or less right moves the error rate by 5 points and more.
FEWEST_FOR_VALIDATION = 20
# A larger share would leave less to learn from than to measure with.
LARGEST_FRACTION = 0.5
IMBALANCE = 3.0
# So many different numbers, most of them once, are no classes.
MANY_NUMBERS = 20
_NUMBER = re.compile(r"\s*[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?\s*", re.IGNORECASE)
# Classes, and files or copies, that are named in one sentence.
NAMED = 10
# With fewer examples of a class to learn from, its result is mostly luck.
FEWEST_OF_A_CLASS = 10
# The metrics that weigh all classes the same, and how much of one a single answer may move unmentioned (our judgement).
BY_CLASS, VISIBLE = ("balanced_error", "macro_f1"), 0.01


def ask(store: Store) -> Question:
    """What was found in the data, and whether to go on with them. Refuses data that no split can make usable."""
    found = inspection.known(store)
    fraction = float(configuration.current(store)["data.validation_fraction"])
    held_out = bool(found["splits"]["validation"].get("held_out"))
    if _numbers(found):
        raise Invalid(
            "The labels are {n} different numbers, such as {some}: that looks like a quantity to be predicted "
            "(regression), which is not built in. Name another column (`tunebook new {path} --label-column NAME`), put "
            "the numbers together into classes, or tune a script of your own with --command.",
            n=len(found["classes"]),
            some=found["classes"][:SHOWN],
            path=shlex.quote(str(store.project.root)),
        )
    if missing := _missing(found, "train"):
        raise Invalid("No training example of: {classes}. Add some, or remove the class.", classes=missing)
    larger = _larger_fraction(found, fraction) if held_out else None
    problem = _unusable(found, held_out, larger)
    if problem and larger is None:
        raise Invalid(problem.id, **problem.values)
    warnings = tuple(_warnings(store, found))
    evidence = (*warnings, *_findings(found, fraction))
    if problem:
        return Question(
            step=STEP,
            rows=("G0",),
            text=say("Which share of the examples should be held out for validation?"),
            evidence=(problem, *evidence),
            warnings=(problem, *warnings),
            options=(),
            recommended=larger,
            reason=say("The smallest share that makes the validation result mean something."),
            free="number",
        )
    go_on = say("go on; the split stays the same for the whole project")
    return Question(
        step=STEP,
        rows=("G0",),
        text=say(
            "Go on with these data? (A number above 0, at most {largest:g}, holds out another share for validation.)",
            largest=LARGEST_FRACTION,
        )
        if held_out
        else say("Go on with these data?"),
        evidence=evidence,
        options=(Option(USE, USE, go_on),),
        recommended=USE,
        reason=say(
            "{train} examples to learn from and {validation} to measure with, every class in both.",
            train=found["splits"]["train"]["examples"],
            validation=found["splits"]["validation"]["examples"],
        ),
        free="number" if held_out else "",
        warnings=warnings,
    )


def settle(store: Store, question: Question, chosen: Choice) -> Settled:
    """Going on keeps the split that was inspected; another share has to be inspected first."""
    if chosen == USE:
        fraction = float(configuration.current(store)["data.validation_fraction"])
        return Settled({"data.validation_fraction": fraction}, question.reason)
    fraction = float(chosen)
    if not 0 < fraction <= LARGEST_FRACTION:
        raise Invalid(
            "{fraction:g}: the share held out for validation must be more than 0 and at most {largest:g}.",
            fraction=fraction,
            largest=LARGEST_FRACTION,
        )
    reason = say("{fraction:.0%} of the examples are held out for validation.", fraction=fraction)
    return Settled({"data.validation_fraction": fraction}, reason)


def valid(store: Store, decision: Decision) -> bool:
    """Whether the decision still stands: going on was chosen after the inspection of the data as they are set now."""
    found = inspection.fresh(store)
    return decision.chosen == USE and found is not None and found.at <= decision.at


def largest_class(found: dict[str, Any]) -> tuple[str, float]:
    """Name of the largest class of the validation split and its share: what always naming it would get right."""
    split = found["splits"]["validation"]
    counts: Sequence[int] = split["per_class"]
    place = max(range(len(counts)), key=lambda index: counts[index])
    return quantity.name(found["classes"][place]), counts[place] / split["examples"]


def imbalance(found: dict[str, Any]) -> float:
    """How many times the examples of the smallest class the largest has in the training split."""
    counts: Sequence[int] = found["splits"]["train"]["per_class"]
    return max(counts) / max(min(counts), 1)


def _numbers(found: dict[str, Any]) -> bool:
    """Whether the labels of a table look like measured numbers: many of them, and hardly any that comes twice."""
    classes = found["classes"]
    examples = sum(split["examples"] for split in found["splits"].values() if split)
    return (
        bool(found.get("texts"))
        and len(classes) > max(MANY_NUMBERS, examples / 2)
        and all(_NUMBER.fullmatch(name) for name in classes)
    )


def _unusable(found: dict[str, Any], held_out: bool, larger: float | None) -> Message | None:
    """Why no conclusion could be drawn from the validation split; None where one can. `larger`: the share to hold out
    that would make it usable, if any does."""
    examples = found["splits"]["validation"]["examples"]
    if missing := _missing(found, "validation"):
        if held_out and larger is None:
            return say(
                "No validation example of: {classes}. Add examples, or remove the class: no share that could be held "
                "out would help.",
                classes=missing,
            )
        if held_out:
            return say(
                "No validation example of: {classes}. Add examples, hold out a larger share, or remove the class.",
                classes=missing,
            )
        return say(
            "No validation example of: {classes}. Move some there from the training split, or remove the "
            "validation split: a share is then held out, of every class.",
            classes=missing,
        )
    if (counted := copies.independent(found)) < FEWEST_FOR_VALIDATION <= examples:
        return say(
            "The {examples} validation examples are copies of each other to such a degree that they tell as much as "
            "{n} that differ: no difference between two configurations could be seen. Keep one of each, or add "
            "examples: they must tell as much as {fewest} at least, and some hundreds are better.",
            examples=examples,
            n=counted,
            fewest=FEWEST_FOR_VALIDATION,
        )
    if examples < FEWEST_FOR_VALIDATION:
        return say(
            "Only {n} validation examples: no difference between two configurations could be seen. There must be "
            "{fewest} at least, and some hundreds are better.",
            n=examples,
            fewest=FEWEST_FOR_VALIDATION,
        )
    return None


def _missing(found: dict[str, Any], split: str) -> list[str]:
    """The classes without an example in a split, the first few by name; empty where every class has one."""
    counts = found["splits"][split]["per_class"]
    missing = [quantity.name(name) for name, count in zip(found["classes"], counts, strict=True) if not count]
    return [*missing[:NAMED], *([".."] if len(missing) > NAMED else [])]


def _larger_fraction(found: dict[str, Any], fraction: float) -> float | None:
    """The share to hold out that would make the split usable, in steps of 5 %; None where there is none."""
    train, validation = found["splits"]["train"], found["splits"]["validation"]
    totals = [a + b for a, b in zip(train["per_class"], validation["per_class"], strict=True)]
    if min(totals) < 2:
        return None
    # Of examples with copies, so many more.
    fewest = FEWEST_FOR_VALIDATION * validation["examples"] / max(copies.independent(found), 1)
    needed = max(fewest / sum(totals), 1 / min(totals), fraction + 0.01)
    larger = math.ceil(round(needed * 20, 6)) / 20
    return larger if larger <= LARGEST_FRACTION else None


def _warnings(store: Store, found: dict[str, Any]) -> Iterator[Message]:
    """What makes results worth less until somebody does something about it, most important first."""
    if empty := found.get("empty"):
        yield say(
            "Class folders with nothing in them, left out: {named}. No trial knows such a class. Where there should be "
            "one, put its images there before going on; otherwise delete the folder.",
            named=some([quantity.name(folder) for folder in empty], len(empty)),
        )
    yield from _left_out(found)
    if max(found["skipped_total"], found["duplicates"]["across_splits"], copies.conflicting(found)) > SHOWN:
        known = inspection.fresh(store)
        assert known is not None  # this is about it
        place = store.project.measurement_folder(known.id) / measuring.RESULTS[inspection.KIND]
        yield say("More of them are named in {path}.", path=str(place))
    if found.get("images"):
        yield from contents.seen_in_part(found["images"])
    yield from _named_oddly(found["classes"])
    yield from _in_vain(found)
    yield from _few(found)
    yield from _coarse(found)


def _findings(found: dict[str, Any], fraction: float) -> Iterator[Message]:
    """What there is and what it means for tuning, most important first."""
    splits, classes = found["splits"], found["classes"]
    train, validation, test = splits["train"], splits["validation"], splits.get("test")
    yield say(
        "{classes} classes; {train} examples to learn from, {validation} to measure with.",
        classes=len(classes),
        train=train["examples"],
        validation=validation["examples"],
    )
    if validation.get("held_out"):
        yield say(
            "There is no ready-made validation split, so {fraction:.0%} of every class is held out, one example of it "
            "at least. Equal examples fall on the same side, and the split never changes.",
            fraction=fraction,
        )
    else:
        yield say("The ready-made validation split is used as it is.")
    yield say(
        "One validation example is {one:.2%} of the error rate; at an error rate of 10% its 95% interval is about "
        "{half:.1%} wide on either side, so smaller differences need repeated runs.",
        one=1 / validation["examples"],
        half=1.96 * math.sqrt(0.1 * 0.9 / copies.independent(found)),
    )
    if test:
        yield say("A test split of {n} examples is left alone until the tuning is over.", n=test["examples"])
    else:
        yield say(
            "There is no test split: the final result will look a little better than it is, being selected for. To "
            "know by how much, put examples that are used for nothing else into a test split before you go on."
        )
    yield from _balance(found)
    yield from copies.in_training(found)
    if found.get("images"):
        yield from contents.images(found["images"])
    if found.get("texts"):
        yield from contents.texts(found["texts"])


def _balance(found: dict[str, Any]) -> Iterator[Message]:
    counts: Sequence[int] = found["splits"]["train"]["per_class"]
    largest, smallest = max(counts), min(counts)
    few = quantity.name(found["classes"][list(counts).index(smallest)])
    name, share = largest_class(found)
    if imbalance(found) > IMBALANCE:
        yield say(
            "The classes are imbalanced: from {smallest} examples ({few}) to {largest}. Always naming {name} is right "
            "for {share:.1%} of the validation examples; only what is better than that has learnt something.",
            smallest=smallest,
            few=few,
            largest=largest,
            name=name,
            share=share,
        )
    else:
        yield say(
            "The classes are about equally frequent ({smallest} to {largest} training examples); always naming one is "
            "right for {share:.1%} at most.",
            smallest=smallest,
            largest=largest,
            share=share,
        )


def _named_oddly(classes: Sequence[str]) -> Iterator[Message]:
    """Labels that are most likely slips: each is a class of its own until somebody mends them."""
    if same := class_names.alike(classes):
        yield say(
            "Some classes differ in how they are written alone ({named}): are they the same? Then give them one name; "
            "until then each is a class of its own, and taking one for the other counts as a mistake.",
            named=some(same, len(same)),
        )
    if missing := class_names.missing(classes):
        yield say(
            "A class is called {named}, as a missing label is. If it is one, take its examples out.",
            named=some([repr(name) for name in missing], len(missing)),
        )


def _in_vain(found: dict[str, Any]) -> Iterator[Message]:
    """That no baseline can be told from chance, however good it is: better known before anything is trained."""
    if (remedy := enough(found)) is None:
        return
    name, share = largest_class(found)
    yield say(
        "Always naming {name} is right for {share:.1%} of the {examples} validation examples: even a perfect result "
        "could be luck, so that no baseline will be called better than chance. {remedy}",
        name=name,
        share=share,
        examples=found["splits"]["validation"]["examples"],
        remedy=remedy,
    )


def enough(found: dict[str, Any]) -> Message | None:
    """How many validation examples it takes to tell a perfect result from chance; None where there are enough."""
    validation, (_name, share) = found["splits"]["validation"], largest_class(found)
    counted = copies.independent(found)
    if share == 1 or chance.can_tell(share, counted):
        return None
    wanted = math.ceil(chance.fewest(share) * validation["examples"] / max(counted, 1))
    if not validation.get("held_out"):
        return say("Put more examples into the validation split: it takes some {n}.", n=wanted)
    fraction = math.ceil(wanted / (found["splits"]["train"]["examples"] + validation["examples"]) * 20) / 20
    if fraction <= LARGEST_FRACTION:
        return say("Hold out {fraction:.0%} of the examples.", fraction=fraction)
    return say("It takes some {n} to measure with: collect more, of the other classes above all.", n=wanted)


def _few(found: dict[str, Any]) -> Iterator[Message]:
    counts: Sequence[int] = found["splits"]["train"]["per_class"]
    named = zip(found["classes"], counts, strict=True)
    few = [f"{quantity.name(name)} {n}" for name, n in named if n < FEWEST_OF_A_CLASS]
    if few:
        yield say(
            "Few training examples of {n} classes ({named}): whether they are learnt is mostly luck. Collect more, or "
            "put them together with another class; pretrained weights help most here.",
            n=len(few),
            named=some(few, len(few)),
        )


def _coarse(found: dict[str, Any]) -> Iterator[Message]:
    """Where so few validation examples are of a class that a single one moves a metric of classes visibly."""
    validation = found["splits"]["validation"]
    counts: Sequence[int] = validation["per_class"]
    # Copies are answered alike: so many right or wrong answers come at once.
    at_once = validation["examples"] / max(copies.independent(found), 1)
    # Where all classes are alike, what was said of the error rate holds for these as well.
    least = max(VISIBLE / at_once, 2 / validation["examples"])
    coarse = [(metric, one) for metric in BY_CLASS if (one := grain(metric, counts)) and one.worth > least]
    if not coarse:
        return
    # The smallest always: by the F1 score an answer is worth a little more than its share of its class.
    smallest = min(n for n in counts if n)
    few = [
        f"{quantity.name(name)} {n}"
        for name, n in sorted(zip(found["classes"], counts, strict=True), key=lambda pair: pair[1])
        if n == smallest or (n > 0 and 1 / (n * len(counts)) > least)
    ]
    yield say(
        "Few validation examples of a class ({named}): a single answer is worth {worth}. A difference of about that "
        "much is no finding, and other seeds do not show it: {remedy}",
        named=some(few, len(few)),
        worth=some([say("{one:.1%} of {metric}", one=one.worth * at_once, metric=metric) for metric, one in coarse], 2),
        remedy=say("hold out a larger share, or judge by the error rate or the loss.")
        if validation.get("held_out")
        else say("put more of them into the validation split, or judge by the error rate or the loss."),
    )


def _left_out(found: dict[str, Any]) -> Iterator[Message]:
    """Examples that are in two splits or under two classes, and files that cannot be read."""
    yield from copies.told(found)
    if found["skipped_total"]:
        yield say(
            "Files or rows that cannot be read, and are left out: {n} ({listed}). If the data need them, mend or "
            "replace them; otherwise remove them, so that others count what you count.",
            n=found["skipped_total"],
            listed=some([_skipped(one) for one in found["skipped"]], found["skipped_total"]),
        )


def _skipped(one: dict[str, Any]) -> Message:
    return say("{path} ({reason})", path=one["path"], reason=told(one["reason"], one.get("said")))

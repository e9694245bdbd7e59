"""Eighth decision: how long a run is (G13). Fixed within a round, never searched (P15)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from presets.language import Message, say
from state import pipeline
from state.database import Store
from state.decisions import Decision
from state.errors import Invalid, Refusal
from state.measurements import Measurement
from wizard import batch_table, checks, configuration, inspection, optimizer, pace, probe, quantity, scaling, speed
from wizard.pace import Pace
from wizard.question import Choice, Option, Question, Settled, Table

STEP = "steps"
DAY = 86_400.0
# A single trial beyond a week is warned of, and one beyond a year refused (our judgement): a digit too many.
LONG_SECONDS, MOST_SECONDS = 7 * DAY, 365 * DAY
MEASURE, COMPARE = "measure", "batch-size"
# Rates of the sweep, two of them beyond its boundary at the most.
SWEEP_RATES = 7
SHORTER, LONGER = 1 / 3, 3
FEWEST = 20


def ask(store: Store) -> Question:
    """Some lengths with their passes over the data, the time of a trial and of a round, against the budget."""
    now, allowed = pace.known(store), speed.allowed_seconds(store)
    lengths, best = _lengths(now, _first_guess(store), allowed)
    known = checks.fresh(store, checks.LENGTH, provisional(store))
    if known is not None and (fitted := fitting(known.result)):
        best = fitted
        lengths = sorted({*lengths, best})
    whole = pace.round_seconds(now, best)
    return Question(
        step=STEP,
        rows=("G13", "P15"),
        text=say("How many steps should a run take? (Another number can be typed.)"),
        evidence=(
            say(
                "More steps make each run better and tuning easier; fewer give more trials and more rounds in the same "
                "time. The number can be raised later, when a short run shows what matters."
            ),
            say(
                "At {batch} examples a step, a step takes {time} on this machine, as the probe measured.",
                batch=now.batch,
                time=quantity.duration(now.step),
            ),
            say(
                "A round of {trials} trials, {slots} at a time, should end in {allowed}, a quarter of {hours:g} hours.",
                trials=speed.ROUND,
                slots=now.at_once,
                allowed=quantity.duration(allowed),
                hours=speed.day_hours(store),
            ),
            *_sampled(now, best),
            *(checks.verdict(said) for said in (known, compared(store)) if said is not None),
        ),
        options=(
            *(Option(length, str(length), _note(now, length)) for length in lengths),
            Option(MEASURE, MEASURE, _cost_of_measuring(store, now)),
            *((Option(COMPARE, COMPARE, cost_of_comparing(store)),) if comparable(store) else ()),
        ),
        recommended=best,
        reason=_reason(pace.passes(now, best), whole, allowed) if known is None else _measured_reason(known, whole),
        table=_table(store, now, lengths),
        free="integer",
    )


def settle(store: Store, question: Question, chosen: Choice) -> Settled:
    """The number of steps, with 40 evaluations on the way, of a sample where all would take too long (P16)."""
    if chosen == MEASURE:
        return Settled({}, checks.about(checks.LENGTH), lambda: checks.start(store, checks.LENGTH, provisional(store)))
    if chosen == COMPARE:
        kind, lacking = checks.BATCH_SIZE, undecided(store)
        return Settled({}, checks.about(kind), lambda: checks.start(store, kind, lacking))
    steps = int(chosen)
    if steps < 1:
        raise Invalid("{steps}: a run takes at least 1 step.", steps=steps)
    now = pace.known(store)
    warning = _long(store, now, steps) or _short(store, steps)
    settings = {"training.steps": steps, "training.evaluate_every": pace.every(steps)}
    if examples := pace.sample(now, steps):
        settings["training.evaluation_examples"] = examples
    if steps == question.recommended:
        return Settled(settings, question.reason, warning=warning)
    note = _note(now, steps)
    if not examples:
        return Settled(settings, say("chosen by hand: {note}", note=note), warning=warning)
    reason = say(
        "chosen by hand: {note}; an evaluation on the way takes {examples} of {total} validation examples",
        note=note,
        examples=examples,
        total=now.validation,
    )
    return Settled(settings, reason, warning=warning)


def _long(store: Store, now: Pace, steps: int) -> Message | None:
    """What to mind where a single trial takes more than the budget, or than a week; None where it does not. Refuses
    what would take more than a year, which is a slip."""
    # Beyond this no float holds the time.
    seconds = pace.trial_seconds(now, min(steps, pipeline.MOST))
    if steps > pipeline.MOST or seconds > MOST_SECONDS:
        raise Refusal(
            "{steps} steps: at {time} a step, as the probe measured, a single trial would take more than {days} days. "
            "Type fewer.",
            steps=steps,
            time=quantity.duration(now.step),
            days=round(MOST_SECONDS / DAY),
        )
    budget = store.project.settings.budget_hours
    told = {"steps": steps, "time": quantity.duration(seconds)}
    if budget and seconds > budget * 3600:
        return say(
            "With {steps} steps a single trial takes {time} on this machine, more than the whole budget of {hours:g} "
            "hours. If that was a slip, decide the number of steps anew.",
            hours=budget,
            **told,
        )
    if seconds > LONG_SECONDS:
        return say(
            "With {steps} steps a single trial takes {time} on this machine. If that was a slip, decide the number of "
            "steps anew.",
            **told,
        )
    return None


def _short(store: Store, steps: int) -> Message | None:
    """What to mind where a run is shorter than what the sweep of constant rates came to; None where it is not, and
    where there was none."""
    known = checks.fresh(store, checks.LENGTH, provisional(store))
    if known is None or not (fitted := fitting(known.result)) or steps >= fitted:
        return None
    told = {"steps": steps, "fitted": fitted}
    if not known.result["passed"]:
        return say(
            "{steps} steps are fewer than the {fitted} in which no constant rate has fitted the training split: such "
            "runs will most likely end while they still learn. If that was a slip, decide the number of steps anew.",
            **told,
        )
    return say(
        "{steps} steps are fewer than the {fitted} in which the fastest constant rate has fitted the training split: "
        "such runs may end while they still learn. If that was a slip, decide the number of steps anew.",
        **told,
    )


def valid(store: Store, decision: Decision) -> bool:
    """Whether the decision still stands: at this batch size, with this architecture in this size, from these weights,
    on inputs of this length."""
    if "training.steps" not in decision.settings:
        # The number was to be measured.
        return False
    then, now = configuration.settled(store, decision.id), configuration.settled(store)
    # Sizes of one family of transformers differ in settings alone, and fine-tuning takes a few passes.
    model = {key for key in (*then, *now) if key.startswith("model.")}
    rests_on = {*model, "training.batch_size", "data.image_size", "data.max_length"}
    return all(then.get(key) == now.get(key) for key in rests_on)


def fitting(result: Mapping[str, Any]) -> int:
    """The number of steps that a sweep of constant rates comes to; 0 where it tells none."""
    fitted = result["steps"] or result["limit"]
    # Two significant digits are as much as a sweep of a few rates can tell.
    return max(FEWEST, _rounded(fitted)) if fitted else 0


def measuring(store: Store) -> list[tuple[str, str]]:
    """Kind and id of the checks for the number of steps that are at work, or done and not recorded yet."""
    kinds = [(checks.LENGTH, provisional(store))]
    kinds += [(checks.BATCH_SIZE, undecided(store))] if comparable(store) else []
    return [(kind, id) for kind, lacking in kinds if (id := checks.under_way(store, kind, lacking)) is not None]


def provisional(store: Store) -> dict[str, Any]:
    """The longest run that the sweep tries: the longest that is offered by the first guess."""
    batch = configuration.current(store)["training.batch_size"]
    longest = _rounded(max(FEWEST, _first_guess(store) * LONGER / batch))
    return {
        "training.steps": longest,
        "training.evaluate_every": pace.every(longest),
        "training.evaluation_examples": 0,
    }


def undecided(store: Store) -> dict[str, Any]:
    """The first guess at the number of steps, while it is not decided."""
    values = configuration.current(store)
    if "training.steps" in values or "training.batch_size" not in values:
        return {}
    guess = _rounded(max(FEWEST, _first_guess(store) / values["training.batch_size"]))
    return {"training.steps": guess, "training.evaluate_every": pace.every(guess)}


def compared(store: Store) -> Measurement | None:
    """The comparison of batch sizes, where there is one of what is decided now."""
    return checks.fresh(store, checks.BATCH_SIZE, undecided(store)) if comparable(store) else None


def comparable(store: Store) -> bool:
    """Whether there are other batch sizes to compare the decided one with, and a first configuration to train."""
    # The batch size may be asked about again before there is a first configuration.
    decided = {"training.batch_size", "optimizer.learning_rate"} <= configuration.current(store).keys()
    try:
        return decided and not store.project.settings.command and bool(scaling.sizes(store))
    except Refusal:
        return False


def cost_of_comparing(store: Store) -> Message:
    """What the comparison of batch sizes does, and what it takes."""
    values, found = {**configuration.current(store), **undecided(store)}, probe.known(store)
    examples = values["training.steps"] * values["training.batch_size"]
    # 40 evaluations come to about as much per example as a forward pass of the validation split.
    looking = pace.EVALUATIONS * inspection.examples(store, "validation") * pace.FORWARD_SHARE
    sizes = scaling.sizes(store)
    times = (probe.step_seconds(found, size) / size for size in sizes)
    words = say(
        "{about} Here: {sizes}. About {time} at the speed that the probe measured, longer while others use the machine",
        about=checks.about(checks.BATCH_SIZE),
        sizes=list(sizes),
        time=quantity.duration(scaling.RATES * (examples + looking) * sum(times)),
    )
    if lacking := [size for size in scaling.wished(store) if size not in sizes]:
        return say("{words}. Left out, as not known to work: {lacking}", words=words, lacking=lacking)
    return words


def _cost_of_measuring(store: Store, now: Pace) -> Message:
    """What the sweep does, and the most it takes."""
    longest = provisional(store)["training.steps"]
    return say(
        "{about}; at most {time}, usually much less",
        about=checks.about(checks.LENGTH),
        time=quantity.duration(SWEEP_RATES * pace.trial_seconds(now, longest)),
    )


def _measured_reason(known: Measurement, time: float) -> Message:
    if not known.result["passed"]:
        return say(
            "No constant rate fitted the training split in the {limit} steps of the longest run, without "
            "regularisation: its length is the best guess, and may be too short. A round of it takes {time}.",
            limit=known.result["limit"],
            time=quantity.duration(time),
        )
    return say(
        "The steps in which the fastest constant rate fitted the training split, without regularisation: that is "
        "a start for the length of a run. A round of it takes {time}.",
        time=quantity.duration(time),
    )


def planned_examples(store: Store, used: Mapping[str, Any] | None = None) -> int:
    """Examples that a run sees: as decided, or the first guess; or with the configuration that is `used`."""
    values = used or configuration.current(store)
    if "training.steps" in values and "training.batch_size" in values:
        return values["training.steps"] * values["training.batch_size"]
    return _first_guess(store)


def _sampled(now: Pace, steps: int) -> Iterator[Message]:
    """Why evaluations take a sample, where they do."""
    if examples := pace.sample(now, steps):
        yield say(
            "Evaluating all {total} validation examples {times} times would take {share:.0%} of the time of a trial of "
            "{steps} steps. Each evaluation on the way takes {examples} of them, always the same and of each class its "
            "share; the best checkpoints, and so every result, are evaluated on all.",
            total=now.validation,
            times=pace.evaluations(steps),
            share=pace.share(now, steps),
            steps=steps,
            examples=examples,
        )


def _first_guess(store: Store) -> int:
    examples = inspection.examples(store)
    if optimizer.fine_tuning(store):
        return speed.FINE_TUNING_PASSES * examples
    return speed.first_guess(examples)


def _lengths(now: Pace, planned: int, allowed: float) -> tuple[list[int], int]:
    """Three lengths around the examples `planned`, and the one to recommend: the middle one, where a round of it fits.

    Where not even the shortest fits, the longest that does, and at least a pass over the data.
    """
    short, middle, long = (_rounded(max(FEWEST, planned * factor / now.batch)) for factor in (SHORTER, 1.0, LONGER))
    lengths = sorted({short, middle, long})
    if pace.round_seconds(now, middle) <= allowed:
        return lengths, middle
    if pace.round_seconds(now, short) <= allowed:
        return lengths, short
    a_pass = math.ceil(now.training / now.batch)
    # A still shorter run is evaluated at most 40 times, and on no larger sample.
    most = pace.EVALUATIONS / pace.evaluations(short) * pace.evaluating(now, short)
    fitting = max(int((allowed / pace.turns(now) - most) / now.step), FEWEST, a_pass)
    return sorted({fitting, *lengths}), fitting


def _rounded(steps: float) -> int:
    """Two significant digits are enough for a first guess."""
    scale = 10 ** max(0, math.floor(math.log10(steps)) - 1)
    return math.ceil(steps / scale) * scale


def _note(now: Pace, steps: int) -> Message:
    return say(
        "{passes:.1f} passes over the data, {trial} a trial, {round} a round of {trials}",
        passes=pace.passes(now, steps),
        trial=quantity.duration(pace.trial_seconds(now, steps)),
        round=quantity.duration(pace.round_seconds(now, steps)),
        trials=speed.ROUND,
    )


def _reason(passes: float, time: float, allowed: float) -> Message:
    if time > allowed:
        return say(
            "The shortest length; even so a round takes {time}. A smaller model, smaller inputs or fewer trials a "
            "round would help more than still fewer steps.",
            time=quantity.duration(time),
        )
    return say(
        "{passes:.1f} passes over the data: a first guess, long enough to see learning and short enough for a round in "
        "{time}. What the curves of the first round say corrects it.",
        passes=passes,
        time=quantity.duration(time),
    )


def _table(store: Store, now: Pace, lengths: list[int]) -> Table:
    settings, hours = store.project.settings, speed.day_hours(store)
    rows = tuple(
        (
            str(length),
            f"{pace.passes(now, length):.1f}",
            str(pace.every(length)),
            quantity.duration(pace.trial_seconds(now, length)).text(),
            quantity.duration(pace.round_seconds(now, length)).text(),
            # Of several devices each is paid for while it trains.
            *batch_table.shown(batch_table.taken(settings, speed.ROUND * pace.trial_seconds(now, length))),
            quantity.digits(hours * 3600 / pace.round_seconds(now, length)),
        )
        for length in lengths
    )
    columns = (
        say("steps"),
        say("passes"),
        say("evaluate every"),
        say("a trial"),
        say("a round of {trials}", trials=speed.ROUND),
        *(say("{resource} of a round", resource=resource) for resource in batch_table.resources(settings)),
        say("rounds in {hours:g} h", hours=hours),
    )
    return Table(columns, rows)

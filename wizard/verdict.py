"""Is the first result reasonable? The best trial of a baseline or a sweep against chance (G12)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from presets.language import Message, say, told
from state import by_metric, measure, trials
from state.database import Store
from state.errors import AtWork
from state.measure import Measure
from state.trials import Batch, Trial
from wizard import chance, optimizer, own_baseline
from wizard import own as hyperparameters

# The metric whose chance is judged: its complement has an exact distribution.
OF_CHANCE = "error_rate"


@dataclass(frozen=True)
class BaselineVerdict:
    """Whether the best trial of a batch is clearly better than chance, in a sentence and in figures.

    `trial` is that trial's id, "" where no trial of the batch ended with a result. `remark`: what the runner of a
    script of the user's own remarked about it, which is no reason for anything.
    """

    reasonable: bool
    message: Message
    figures: dict[str, Any]
    trial: str = ""
    remark: Message | None = None

    @property
    def told(self) -> Message:
        """The sentence, and the remark behind it."""
        return say("{first} {second}", first=self.message, second=self.remark) if self.remark else self.message


def ended(store: Store, batch: Batch) -> bool:
    """Whether every trial of the batch has come to its end."""
    return all(entry.status in trials.ENDED for entry in trials.trials(store, batch.name))


def judge(store: Store, name: str) -> BaselineVerdict:
    """Compare the best trial of a baseline or sweep with always naming the largest class, or with the level that the
    user of a pipeline of their own named. Refuses while any runs."""
    batch = trials.batch(store, name)
    if not ended(store, batch):
        raise AtWork("{name} is still at work.", name=name)
    listed = trials.trials(store, name)
    complete = [entry for entry in listed if entry.status == "complete" and entry.best is not None]
    now = measure.of_project(store.project.settings)
    if complete and not by_metric.only(complete, now):
        message = say(
            "{name} was judged by {former}; the metric is {metric} now, by which it says nothing. Run it once more.",
            name=name,
            former=complete[-1].metric,
            metric=now.metric,
        )
        if complete[-1].metric == now.metric:
            message = _turned(name, now)
        return BaselineVerdict(False, message, {"trials": len(listed), "complete": 0})
    complete = by_metric.only(complete, now)
    own = bool(store.project.settings.command)
    if not complete:
        return BaselineVerdict(False, _without_result(listed, own=own), {"trials": len(listed), "complete": 0})
    sign = -1 if now.direction == "max" else 1
    best = min(complete, key=lambda entry: sign * (entry.best if entry.best is not None else float("inf")))
    if own:
        reasonable, message, found = own_baseline.judge(store.project.settings, best)
        found |= {"trials": len(listed), "complete": len(complete)}
        if key := rate_key(store):
            found["learning_rate"] = trials.trial_settings(store, best)[key]
        remark = told(best.message, best.said) if best.message else None
        return BaselineVerdict(reasonable, message, found, best.id, remark)
    result = best.result or {}
    validation = result["validation"]
    found = chance.against_chance(validation["correct"], validation["per_class"], validation.get("independent"))
    looks = sum(_evaluations(store, entry) for entry in complete)
    corrected = chance.corrected(found.p_value, looks, _of_the_last(result), len(complete))
    reasonable = found.verdict == "better" and corrected <= chance.SIGNIFICANCE
    message = plain = found.message
    if found.verdict == "better" and not reasonable:
        message = say(
            "Perhaps luck: {correct} of {examples} validation examples are right, {accuracy:.1%}, but that is the best "
            "of {looks} evaluations, and always naming the largest class gives {majority:.1%}.",
            correct=found.correct,
            examples=found.examples,
            accuracy=found.accuracy,
            looks=looks,
            majority=found.majority,
        )
    metric = store.project.settings.metric
    last = (result.get("final") or {}).get(f"val/{metric}")
    if message is plain and looks > 1 and last is not None and last != best.best:
        message = say(
            "{first} That is the best of {looks} evaluations, which flatters it: the last came to {metric} {last:.4g}.",
            first=message,
            looks=looks,
            metric=metric,
            last=last,
        )
    level = chance.level(metric, validation["per_class"])
    if metric != OF_CHANCE:
        message = say("{first} {second}", first=message, second=_judged_by(metric, best, level))
    figures = {
        **dataclasses.asdict(found),
        "chance_level": level,
        "accuracy": found.accuracy,
        "verdict": found.verdict,
        "looks": looks,
        "corrected_p_value": corrected,
        "best": best.best,
        "best_step": best.best_step,
        "seconds": result.get("seconds"),
        "learning_rate": trials.trial_settings(store, best)[optimizer.LEARNING_RATE],
        "trials": len(listed),
        "complete": len(complete),
    }
    return BaselineVerdict(reasonable, message, figures, best.id)


def _turned(name: str, now: Measure) -> Message:
    """That a batch was judged by the metric of now, but in the other direction."""
    if now.direction == "max":
        return say(
            "{name} was judged by {metric} with less of it as better; now more is, by which it says nothing. Run it "
            "once more.",
            name=name,
            metric=now.metric,
        )
    return say(
        "{name} was judged by {metric} with more of it as better; now less is, by which it says nothing. Run it once "
        "more.",
        name=name,
        metric=now.metric,
    )


def _judged_by(metric: str, best: Trial, level: float) -> Message:
    """Where the metric is another than that which is judged: that, and how far the metric itself is from chance."""
    values = {"metric": metric, "best": best.best or 0.0, "level": level}
    if metric == "loss":
        return say(
            "Judged by right answers, whatever the metric: they alone have an exact distribution. Loss: {best:.4g}; "
            "always answering with the class shares gives {level:.4g}.",
            **values,
        )
    return say(
        "Judged by right answers, whatever the metric: they alone have an exact distribution. {metric}: {best:.4g}; "
        "always naming the largest class gives {level:.4g}.",
        **values,
    )


def rate_key(store: Store) -> str:
    """The learning rate by its name in the configuration; empty where the user's own pipeline has none."""
    return hyperparameters.rate(store.project) if store.project.settings.command else optimizer.LEARNING_RATE


def _of_the_last(result: Mapping[str, Any]) -> float:
    """The probability of as many right answers as the last evaluation has, by always naming the largest class."""
    validation, error = result["validation"], (result.get("final") or {}).get("val/error_rate")
    if error is None:
        return 1.0
    right = round((1 - error) * sum(validation["per_class"]))
    return chance.against_chance(right, validation["per_class"], validation.get("independent")).p_value


def _evaluations(store: Store, entry: Trial) -> int:
    every = trials.trial_settings(store, entry)["training.evaluate_every"]
    return max(1, -(-entry.steps_done // every))


def _without_result(listed: Sequence[Trial], *, own: bool) -> Message:
    first = listed[0]
    # What a script of the user's own calls its metric need be no loss.
    if all(entry.reason == "diverged" for entry in listed) and not own:
        return say("No result: the loss grew beyond all bounds ({message}).", message=told(first.message, first.said))
    return say(
        "No result: {trial} is {status}: {message}",
        trial=first.id,
        status=Message(first.status),
        message=told(first.message, first.said),
    )

"""Last decision: is the first result reasonable, clearly better than chance? (G12, G14)"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from typing import Literal

from presets.language import Message, _, say, stored, told
from state import by_metric, configurations, decisions, launches, measure, project, trials
from state.database import Store
from state.errors import NotYet, Refusal, Unanswered
from state.trials import Batch, NewTrial
from wizard import (
    better,
    checks,
    configuration,
    data,
    initial,
    inspection,
    measuring,
    own_baseline,
    own_metric,
    own_steps,
    quantity,
)
from wizard import own as hyperparameters
from wizard.baseline_running import KIND
from wizard.question import Choice, Option, Question, Settled, Table
from wizard.verdict import BaselineVerdict, ended, judge, rate_key

STEP = "baseline"
ACCEPT, SWEEP, OVERRIDE, AGAIN = "accept", "sweep", "override", "again"
GOAL, SWEEP_GOAL = "baseline", "learning-rate sweep"
# Five rates over four decades: a wrong order of magnitude is the commonest reason for a run that learns nothing.
SWEEP_FACTORS = (0.01, 0.1, 1.0, 10.0, 100.0)
# So many wrong answers are a few examples, and no measure of a configuration: as the review of a round has it.
FEW_ANSWERS = 2
# What a judged batch means for the way on: "broken" has no result for a reason other than divergence.
# Of "in vain" nothing can be told, as even a perfect one could be luck.
# "worse" is reasonable, but not as good as the best configuration so far; of "untold" nobody can tell that, since that
# one has no run by the metric of now; "former" was judged by another itself.
Outlook = Literal["reasonable", "worse", "untold", "chance", "at a loss", "in vain", "broken", "former"]


def plan(store: Store) -> Batch:
    """The baseline of the configuration as decided: one trial that is to run. One that has not ended yet goes on."""
    name = configuration.whole(store)
    existing = _of(store, name)
    if existing is not None and not ended(store, existing):
        for entry in filter(trials.stopped_alone, trials.trials(store, existing.name)):
            trials.ask(store, entry.id, "retry")
        trials.ask(store, existing.name, "run")
        return trials.batch(store, existing.name)
    return _add(store, name, GOAL, [NewTrial(GOAL, 1, {}, {}, {})])


def sweep(store: Store) -> Batch:
    """Five learning rates around the one decided, everything else the same, that are to run."""
    values, key = configuration.current(store), rate_key(store)
    dimension = key if store.project.settings.command else f"{values['optimizer.name']}.learning_rate"
    rates = [float(f"{values[key] * factor:.6g}") for factor in SWEEP_FACTORS]
    new = [NewTrial(SWEEP_GOAL, place, {}, {dimension: rate}, {key: rate}) for place, rate in enumerate(rates, 1)]
    return _add(store, configuration.whole(store), SWEEP_GOAL, new)


def latest(store: Store) -> Batch | None:
    """The newest baseline or sweep of the configuration as decided now; None where there is none."""
    return _of(store, configurations.name_of(store, configuration.checked(store)))


def accept(store: Store, name: str) -> None:
    """Launch the first configuration on the evidence of its baseline. Refuses one that is not clearly above chance."""
    verdict = judge(store, name)
    if not verdict.reasonable:
        raise Refusal("{name} is not clearly better than chance: it can only be overridden, with a reason.", name=name)
    _launch(store, name, verdict, verdict.message)


def override(store: Store, name: str, words: str) -> None:
    """Launch the first configuration although its baseline is not clearly above chance, or worse than the best so far.
    Refuses without a reason."""
    if not words.strip():
        raise Unanswered("To go on from a result that may be chance, or is worse than another, say why.")
    verdict = judge(store, name)
    reason = say("overridden ({words}). {message}", words=words.strip(), message=verdict.message)
    _launch(store, name, verdict, reason)


def ask(store: Store) -> Question:
    """What came out, and whether to go on from it. Refuses while nothing has come out yet."""
    batch = _judged(store)
    verdict = judge(store, batch.name)
    outlook = _outlook(store, batch, verdict)
    options, recommended, reason = _offer(store, batch, outlook, verdict)
    return Question(
        step=STEP,
        rows=("G12", "G14"),
        text=say("Is this a reasonable start?"),
        evidence=(verdict.told, *_help(store, batch, outlook)),
        options=options,
        recommended=recommended,
        reason=reason,
        table=_table(store, batch) if batch.goal == SWEEP_GOAL else None,
    )


def settle(store: Store, question: Question, chosen: Choice, words: str = "") -> Settled:
    """Accepting and overriding launch the configuration; another run or a sweep is planned."""
    name = _judged(store).name
    match chosen:
        case "sweep":
            return Settled({}, question.reason, lambda: sweep(store))
        case "one-batch" | "shuffle":
            kind = str(chosen)
            return Settled({}, checks.about(kind), lambda: checks.start(store, kind))
        case "again":
            return Settled({}, say("run once more"), lambda: plan(store))
        case str() if chosen.startswith(own_metric.AS_METRIC):
            metric = chosen.removeprefix(own_metric.AS_METRIC)

            def with_metric() -> None:
                store.project = own_metric.take_metric(store.project, metric)
                plan(store)

            return Settled({}, say("{metric} is what the script writes; run once more", metric=metric), with_metric)
        case "override":
            return Settled({}, say("overridden by hand"), lambda: override(store, name, words))
        case _:
            return Settled({}, question.reason, lambda: accept(store, name))


def valid(store: Store, decision: decisions.Decision) -> bool:
    """Whether the set-up is done: the configuration as decided now was launched from a baseline that was judged by the
    metric of now."""
    current = configurations.name_of(store, configuration.checked(store))
    now = measure.of_project(store.project.settings)
    return any(
        entry.decision == "adopt"
        and entry.candidate == current
        and trials.batch(store, entry.batch).kind == KIND
        and by_metric.of_batch(store, entry.batch) == now
        for entry in launches.launches(store)
    )


def _judged(store: Store) -> Batch:
    batch = latest(store)
    if batch is None:
        raise NotYet("The first configuration has not been run yet. Run the baseline first.")
    return batch


def _of(store: Store, name: str) -> Batch | None:
    # A sweep belongs also to the configuration that it led to.
    launched = {entry.batch for entry in launches.launches(store) if entry.candidate == name}
    found = [entry for entry in trials.batches(store, KIND) if entry.configuration == name or entry.name in launched]
    return found[-1] if found else None


def _add(store: Store, name: str, goal: str, new: Sequence[NewTrial]) -> Batch:
    return trials.add_batch(store, KIND, goal=goal, configuration=name, plan={}, trials=new, wanted="run")


def _launch(store: Store, name: str, verdict: BaselineVerdict, reason: Message) -> None:
    """The launch, after the learning rate that a sweep found has become that of the first configuration."""
    rate = verdict.figures.get("learning_rate")
    if rate is not None and rate != configuration.current(store)[rate_key(store)]:
        _adopt_rate(store, name, verdict, rate)
    best = launches.best(store)
    launches.launch(
        store,
        batch=name,
        candidate=configuration.whole(store),
        previous=best.hash if best else None,
        decision="adopt",
        reason=stored(reason),
        evidence={"trial": verdict.trial, **verdict.figures},
    )


def _adopt_rate(store: Store, name: str, verdict: BaselineVerdict, rate: float) -> None:
    earlier = decisions.decision(store, initial.STEP)
    assert earlier is not None  # the baseline is run with it
    key = rate_key(store)
    tried = [trials.trial_settings(store, entry)[key] for entry in trials.trials(store, name)]
    own = bool(store.project.settings.command)
    if own:
        # The values to start with are tunebook.toml's there, and the decision confirms them.
        store.project = project.change(store.project, **hyperparameters.adopted(store.project, key, rate))
    decisions.decide(
        store,
        initial.STEP,
        question=stored(say("Which of these learning rates should be the start?")),
        options=tried,
        recommended=own_steps.USE if own else rate,
        chosen=own_steps.USE if own else rate,
        reason=stored(say("the best of the {n} learning rates of {name}", n=len(tried), name=name)),
        evidence=[stored(verdict.message)],
        settings={**earlier.settings, key: rate},
    )


def _outlook(store: Store, batch: Batch, verdict: BaselineVerdict) -> Outlook:
    if by_metric.of_batch(store, batch.name) != measure.of_project(store.project.settings):
        return "former"
    if verdict.reasonable:
        if better.untold(store):
            return "untold"
        return "worse" if better.known(store, verdict) else "reasonable"
    if not verdict.trial and any(entry.reason != "diverged" for entry in trials.trials(store, batch.name)):
        return "broken"
    if verdict.figures.get("verdict") == "cannot tell":
        return "in vain"
    return "at a loss" if batch.goal == SWEEP_GOAL else "chance"


def _offer(
    store: Store, batch: Batch, outlook: Outlook, verdict: BaselineVerdict
) -> tuple[tuple[Option, ...], Choice | None, Message]:
    """What can be answered, what of it is recommended, and why."""
    anyway = Option(OVERRIDE, OVERRIDE, say("go on although it may be chance; recorded with your reason"), explain=True)
    if store.project.settings.command and outlook in ("chance", "at a loss"):
        return _offer_own(store, outlook, anyway)
    match outlook:
        case "reasonable":
            go_on = say("go on from here: it becomes the best configuration so far")
            return (Option(ACCEPT, ACCEPT, go_on),), ACCEPT, verdict.message
        case "worse":
            replace = say("go on from here although it is worse: it takes the best one's place; recorded with a reason")
            reason = say("Nothing is recommended: whether a worse result is to be the start is yours to say.")
            return (Option(OVERRIDE, OVERRIDE, replace, explain=True),), None, reason
        case "untold":
            replace = say(
                "go on from here: it takes the place of the best configuration so far; recorded with a reason"
            )
            reason = say("Nothing is recommended: which of the two is better has not been measured.")
            return (Option(OVERRIDE, OVERRIDE, replace, explain=True),), None, reason
        case "former":
            again = say("run it once more, judged by {metric}", metric=store.project.settings.metric)
            reason = say("By which it was judged is not the metric any more.")
            return (Option(AGAIN, AGAIN, again),), AGAIN, reason
        case "broken":
            first = trials.trials(store, batch.name)[0]
            again = say("run it once more, after the cause is mended")
            reason = say("The run did not come to a result; more runs of it would not either.")
            return (
                (*own_metric.other_metrics(store.project.settings, first), Option(AGAIN, AGAIN, again)),
                None,
                reason,
            )
        case "chance":
            rates = say("run {n} learning rates over {decades} decades", n=len(SWEEP_FACTORS), decades=4)
            known = checks.fresh(store, checks.ONE_BATCH)
            options = (_check(checks.ONE_BATCH), Option(SWEEP, SWEEP, rates), _check(checks.SHUFFLE), anyway)
            if known is None and verdict.trial:
                reason = say("Whether the network can learn at all is the quickest to find out, so it comes first.")
                return options, checks.ONE_BATCH, reason
            if known is None or known.result["passed"]:
                reason = say("A wrong learning rate is the commonest reason, and the next to find out.")
                return options, SWEEP, reason
            reason = say("Inputs, labels or model are at fault: nothing can be recommended before they are mended.")
            return options, None, reason
        case "in vain":
            reason = say("Nothing can be recommended: no run can be told from chance on this validation split.")
            return (anyway,), None, reason
        case "at a loss":
            options = (_check(checks.SHUFFLE), _check(checks.ONE_BATCH), anyway)
            if checks.fresh(store, checks.SHUFFLE) is None:
                reason = say("No learning rate helps: is there anything to learn in the labels?")
                return options, checks.SHUFFLE, reason
            reason = say("No learning rate helps: nothing can be recommended before the fault is found elsewhere.")
            return options, None, reason


def _offer_own(store: Store, outlook: Outlook, anyway: Option) -> tuple[tuple[Option, ...], Choice | None, Message]:
    """The same for a pipeline of the user's own, of which only the values can be tried."""
    again = Option(AGAIN, AGAIN, say("run it once more, after the script was mended"))
    if outlook == "chance" and rate_key(store):
        rates = say("run {n} learning rates over {decades} decades", n=len(SWEEP_FACTORS), decades=4)
        reason = say("A wrong learning rate is the commonest reason, and the next to find out.")
        return (Option(SWEEP, SWEEP, rates), again, anyway), SWEEP, reason
    reason = say("Nothing can be recommended: what is wrong is in your script, its data or its values.")
    return (again, anyway), None, reason


def _check(kind: str) -> Option:
    return Option(kind, kind, checks.about(kind))


def _checked(store: Store, number: int, kind: str) -> Message:
    """What a check said, or that it can be run."""
    known = checks.fresh(store, kind)
    said = (
        checks.verdict(known)
        if known
        else say("not run yet: choose {name!r}, or by command: tunebook check {name}", name=kind)
    )
    return say("{number}. {title}: {said}", number=number, title=measuring.TITLES[kind], said=said)


def checking(store: Store) -> list[tuple[str, str]]:
    """Kind and id of the checks at work, or done and not recorded yet."""
    kinds = (checks.ONE_BATCH, checks.SHUFFLE)
    return [(kind, id) for kind in kinds if (id := checks.under_way(store, kind)) is not None]


def _help(store: Store, batch: Batch, outlook: Outlook) -> Iterator[Message]:
    """What to look at when the result is not reasonable, in this order (G12)."""
    if outlook == "former":
        return
    if outlook in ("reasonable", "worse", "untold"):
        known = better.untold(store) if outlook == "untold" else better.known(store, judge(store, batch.name))
        if known is not None:
            yield known
        if (little := _little_left(store, batch)) is not None:
            yield little
        yield say(
            "Reasonable means that the whole way works, from data to result. It need not be good: making it good is "
            "what the rounds are for."
        )
        if store.project.settings.command:
            yield from own_baseline.costs(trials.trials(store, batch.name), store.project)
        return
    if outlook == "broken":
        first = trials.trials(store, batch.name)[0]
        yield say("What it printed is in {log}.", log=store.project.trial_folder(first.id) / "log.txt")
        if others := own_metric.other_metrics(store.project.settings, first):
            yield say(
                "Is one of these names the metric, the project can take it: tunebook new {folder} --metric {name}",
                folder=shlex.quote(str(store.project.root)),
                name=shlex.quote(others[0].label),
            )
        return
    if store.project.settings.command:
        yield say(
            "Look at the data first, then at the learning rate; then, in your script, whether one batch can be learnt "
            "by heart: its loss should go to nothing; then at more steps. Other values are given by answering the "
            "question about the first configuration again."
        )
        return
    found = inspection.known(store)
    if outlook == "in vain":
        if remedy := data.enough(found):
            yield remedy
        if found["splits"]["validation"].get("held_out"):
            yield say(
                "The question about the data is answered anew with: tunebook new {folder} --held-out SHARE",
                folder=shlex.quote(str(store.project.root)),
            )
        return
    yield _checked(store, 1, checks.ONE_BATCH)
    if outlook == "at a loss":
        yield say("2. The learning rate: five over four decades were tried, see the table.")
    else:
        yield say("2. The learning rate: a sweep over four decades takes five runs of this length.")
    yield _checked(store, 3, checks.SHUFFLE)
    yield say(
        "4. The data: {skipped} left out, {across} in two splits, {conflicting} under two classes. Look at some "
        "examples of each class: are the labels right?",
        skipped=found["skipped_total"],
        across=found["duplicates"]["across_splits"],
        conflicting=(found.get("copies") or {}).get("conflicting", 0),
    )
    yield say("Then more steps, or another architecture: answer those questions again.")


def _little_left(store: Store, batch: Batch) -> Message | None:
    """That a first result has so few wrong answers that a better one could hardly be told from it."""
    figures, metric = judge(store, batch.name).figures, store.project.settings.metric
    wrong = figures.get("examples", 0) - figures.get("correct", 0)
    if metric == "loss" or not figures.get("examples") or wrong > FEW_ANSWERS:
        return None
    return say(
        "It is wrong on {wrong} of {examples} examples: what rounds could still gain in {metric} is what one or two "
        "of them are worth, and chance moves it by as much. Tune on the log loss, hold more examples out, or make "
        "runs so much shorter that they differ.",
        wrong=wrong,
        examples=figures["examples"],
        metric=metric,
    )


def _table(store: Store, batch: Batch) -> Table:
    rows = tuple(
        (
            entry.id,
            quantity.setting(trials.trial_settings(store, entry)[rate_key(store)]),
            _(entry.status),
            "-" if entry.best is None else f"{entry.best:.4g}",
            told(entry.message, entry.said).text(),
        )
        for entry in trials.trials(store, batch.name)
    )
    metric = by_metric.of_batch(store, batch.name).metric
    columns = (say("trial"), say("learning rate"), say("status"), say("best {metric}", metric=metric), say("message"))
    return Table(columns, rows)

"""The questions of the set-up for a pipeline of the user's own: what is measured, and the values to start with.

Data, architecture, weights and optimizer are theirs: their script has decided on them already.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

from presets.language import Message, _, say
from state import declared, pipeline, project, usual_names
from state.database import Store
from state.decisions import Decision
from state.declared import Argument
from state.errors import Invalid, Refusal
from state.hyperparameters import OwnHyperparameter
from state.project import Settings
from state.usual_names import RESUMES
from wizard import doubts, own, quantity
from wizard import pipeline as naming
from wizard.question import Choice, Option, Question, Settled, Table

METRIC, INITIAL = "metric", "initial"
HELD_OUT, STAND_IN = "held-out", "held-out/stand-in"
USE = "use"
ONLY_YOU = say(
    "Only you can know: the split is made by your script. If it is not held out, stop here and hold out a share of the "
    "data first; tuning would only learn the examples by heart."
)


def ask_metric(store: Store) -> Question:
    """Whether what is tuned is measured on held-out examples and close to deployment; what guessing would reach."""
    settings = store.project.settings
    return Question(
        step=METRIC,
        rows=("G0",),
        text=say(
            "Is {metric} measured on examples that the training does not learn from? (A number can be typed instead: "
            "what guessing reaches, or a result that is known. Then the question comes again.)",
            metric=settings.metric,
            direction=settings.direction,
        )
        if settings.direction == "min"
        else say(
            "Is {metric}, of which more is better, measured on examples that the training does not learn from? (A "
            "number can be typed instead: what guessing reaches, or a result that is known. Then the question comes "
            "again.)",
            metric=settings.metric,
            direction=settings.direction,
        ),
        evidence=tuple(_about_metric(settings)),
        warnings=(ONLY_YOU, *_other_way(store), *_no_level(settings)),
        options=(
            Option(HELD_OUT, HELD_OUT, say("yes, on held-out examples, and it is close to what matters in deployment")),
            Option(STAND_IN, STAND_IN, say("yes, on held-out examples, while something else matters in deployment")),
        ),
        recommended=HELD_OUT,
        reason=ONLY_YOU,
        free="number",
        # What --metric says is its name alone.
        unanswered=say(
            "The question {step!r}, whether the metric is measured on held-out examples, has no answer. Give it with "
            "--measured-on held-out, or take the recommendations with --yes: it says the same.",
            step=METRIC,
        ),
    )


def _other_way(store: Store) -> Iterator[Message]:
    """That the direction is not the one that the name of the metric tells: the worst run would be the best."""
    settings = store.project.settings
    try:
        usual = naming.direction(settings.metric)
    except Refusal:
        return
    told = {"metric": settings.metric, "folder": shlex.quote(str(store.project.root))}
    if usual == "max" and settings.direction == "min":
        yield say(
            "By its name, more of {metric} is better, and this project looks for less of it: if that is not meant, the "
            "worst run will be its best. Then: tunebook new {folder} --direction max",
            **told,
        )
    elif usual == "min" and settings.direction == "max":
        yield say(
            "By its name, less of {metric} is better, and this project looks for more of it: if that is not meant, the "
            "worst run will be its best. Then: tunebook new {folder} --direction min",
            **told,
        )


def settle_metric(store: Store, question: Question, chosen: Choice) -> Settled:
    """A number is kept as the level to beat, and the question comes again."""
    if chosen not in (HELD_OUT, STAND_IN):
        level = float(chosen)

        def remember_level() -> None:
            store.project = project.change(store.project, chance=level)

        return Settled({}, say("{level:g} is the level to beat", level=level), remember_level)
    reason = say("taken to be held out: the split is made by the script, and nothing here can check it")
    if chosen == STAND_IN:
        reason = say(
            "taken to be held out, and a stand-in: what matters in deployment is something else, and must be checked "
            "there"
        )

    def remember() -> None:
        store.project = project.change(store.project, close_to_deployment=chosen == HELD_OUT)

    return Settled({}, reason, remember)


def metric_valid(store: Store, decision: Decision) -> bool:
    """Whether the decision still stands: for this metric, in this direction, which takes another level to beat."""
    now, asked = store.project.settings, decision.question.get("values", {})
    # An earlier version did not keep the direction.
    same = (asked.get("metric"), asked.get("direction", now.direction)) == (now.metric, now.direction)
    return decision.chosen in (HELD_OUT, STAND_IN) and same


def ask_initial(store: Store) -> Question:
    """The values to start with, and what rounds would search."""
    there = pipeline.own(store.project)
    pipeline.check(there)
    if not there.hyperparameters():
        return _ask_which(there)
    known = own.values(store.project)
    required = [f"{argument.name} ({argument.flag})" for argument in declared.ungiven(there)]
    lacking = [*pipeline.missing(there, known), *required]
    how = say(
        "Type name=value for another value, name=0.001..0.1:log for a range to search (:linear for equal steps), "
        "name=a,b for a list."
    )
    if lacking:
        return Question(
            step=INITIAL,
            rows=("G11",),
            text=say("Which value should {names} have at the start?", names=lacking),
            evidence=(how,),
            options=(),
            recommended=None,
            reason=say(
                "The command cannot run without it, and nothing says what is usual. On the command line: "
                "--set name=value."
            ),
            table=_table(store, known),
            free="assignments",
        )
    return Question(
        step=INITIAL,
        rows=("G11", "P2"),
        text=say("Start with these values?"),
        evidence=(*_about_values(store, there), *_warnings(store, there), how),
        warnings=tuple(_warnings(store, there)),
        options=(Option(USE, USE, say("simple, fast and small is the best start: nothing that is not needed")),),
        recommended=USE,
        reason=say("They are the values of your command as it stands."),
        table=_table(store, known),
        free="assignments",
        # What --set says is values, and not that these are all.
        unanswered=say(
            "The question {step!r}, whether to start with these values, has no answer. Take the recommendations with "
            "--yes: it starts with them. Others are given with --set NAME=VALUE.",
            step=INITIAL,
        ),
    )


def _ask_which(there: pipeline.Pipeline) -> Question:
    """For a command without any hyperparameter: which of those that its script declares it should get."""
    offered = own.offered(there)
    if not offered:
        raise Refusal(
            "The command has no hyperparameter, so there is nothing to tune: put a name in braces where a value "
            "stands, as in --lr {name}, in tunebook.toml (pipeline.command).",
            name="{lr}",
        )
    proposed = [f"{argument.name}={quantity.setting(argument.default)}" for argument in own.proposed(there)]
    return Question(
        step=INITIAL,
        rows=("G11", "P2"),
        text=say("Which hyperparameters of your script should be tuned? (Type them with their values.)"),
        evidence=(
            say("Your script declares: {options}", options=[_offer(argument) for argument in offered]),
            say("Those that are named are added to the command; the others stay as the script has them."),
        ),
        options=(),
        recommended=" ".join(proposed) or None,
        reason=say(
            "The learning rate matters most; with the seed, runs can be repeated, and batch size and steps are decided "
            "for all of them."
        ),
        free="assignments",
    )


def settle_initial(store: Store, question: Question, chosen: Choice) -> Settled:
    """The values go into the configuration; what is typed changes tunebook.toml, and the question comes again."""
    if chosen == USE and question.options:
        return Settled(_decided_here(store), say("the command's own values, confirmed"))
    try:
        typed = shlex.split(str(chosen))
    except ValueError:
        raise Invalid("{chosen!r} cannot be read: a quotation mark that opens is not closed.", chosen=chosen) from None
    changes = own.changed(store.project, typed)

    def remember() -> None:
        store.project = project.change(store.project, **changes)

    proposed = chosen == question.recommended
    return Settled({}, question.reason if proposed else say("typed by hand: {words}", words=str(chosen)), remember)


def initial_valid(store: Store, decision: Decision) -> bool:
    """Whether the decision still stands: the command takes these hyperparameters, and their values are the same."""
    lacking = pipeline.missing(pipeline.own(store.project), own.values(store.project))
    since = own.listed_since(store.project, decision.settings)
    now = {key: value for key, value in _decided_here(store).items() if key not in since}
    return decision.chosen == USE and decision.settings == now and not lacking


def _decided_here(store: Store) -> dict[str, Any]:
    """The values but for the batch size, which is decided by its speed."""
    return {key: value for key, value in own.values(store.project).items() if key != pipeline.BATCH_SIZE}


def _about_metric(settings: Settings) -> Iterator[Message]:
    yield say(
        "It is read by that name from what your script writes into {folder}: summary.csv, trainer_state.json, "
        "metrics.csv, or metrics.jsonl with one JSON object a line.",
        folder="{folder}",
    )
    if settings.chance is not None:
        yield say("The level to beat: {chance:g}.", chance=settings.chance)
    yield from _no_level(settings)
    yield say("Data, architecture, weights and optimizer are your script's: the questions about them do not apply.")


def _no_level(settings: Settings) -> Iterator[Message]:
    if settings.chance is None:
        yield say(
            "No level to beat is known: the first result can then only be called finite, not better than chance. Type "
            "the number, or give it as --chance NUMBER."
        )


def _about_values(store: Store, there: pipeline.Pipeline) -> Iterator[Message]:
    yield say("The command: {command}", command=store.project.settings.command)
    program = pipeline.program(there) or "-"
    if program == there.command[0]:
        yield say("It runs in {path}, without a shell, with your environment.", path=there.directory)
    else:
        yield say(
            "It runs in {path}, without a shell, with your environment; {word} is {program}.",
            path=there.directory,
            word=there.command[0],
            program=program,
        )
    for key, what in (
        (pipeline.SEED, say("seed")),
        (pipeline.BATCH_SIZE, say("batch size, which is never searched")),
        (pipeline.STEPS, say("number of steps, the same within a round")),
    ):
        if key in there.names:
            yield say("{name} is taken for the {what}.", name=there.names[key], what=what)
    yield from _accumulated(own.values(store.project))
    if offered := own.offered(there):
        yield say(
            "Your script declares more, which name=value adds to the command: {options}",
            options=[_offer(argument) for argument in offered],
        )


def _accumulated(known: dict[str, Any]) -> Iterator[Message]:
    """That a step learns from several batches."""
    size = known.get(pipeline.BATCH_SIZE)
    for key, times in known.items():
        if usual_names.leaf(key) in usual_names.ACCUMULATIONS and isinstance(times, int) and times > 1:
            yield say(
                "{name} is {times}: by its name, a step learns from so many batches of {size}. It is part of the batch "
                "size, and not searched either.",
                name=key,
                times=times,
                size=size or "-",
            )


def _warnings(store: Store, there: pipeline.Pipeline) -> Iterator[Message]:
    """What to know before anything is run, also where nobody is asked."""
    entries = {entry.name: entry for entry in store.project.settings.hyperparameters}
    yield from doubts.about(own.values(store.project), entries)
    for name, start, theirs in own.followed(store.project):
        yield say(
            "{name} starts with {start}, where your script has {theirs}: rounds search around the former. Is that what "
            "is meant?",
            name=name,
            start=quantity.setting(start),
            theirs=quantity.setting(theirs),
        )
    for name, start, theirs in own.moved(store.project):
        yield say(
            "{name} starts with {start}: {theirs}, which your script or its file has, is not among the values to try.",
            name=name,
            start=quantity.setting(start),
            theirs=quantity.setting(theirs),
        )
    yield from _strange(there)
    yield from _going_on(store, there)
    if pipeline.SEED not in there.names:
        yield say(
            "The command takes no seed, so repeated runs may be identical, and how far runs differ by chance is then "
            "not seen. A placeholder {seed} in it would mend that.",
            seed="{seed}",
        )


def _going_on(store: Store, there: pipeline.Pipeline) -> Iterator[Message]:
    """How a trial that was killed or stopped goes on; where nobody has said so, that the script seems to be able to."""
    if there.resume is not None:
        words = store.project.settings.resume
        yield say("Where a trial was killed or stopped it goes on from what the script has saved: {words}", words=words)
        return
    taking = [argument for argument in declared.arguments(there) if usual_names.leaf(argument.name) in RESUMES]
    if taking:
        flag = taking[0].flag
        yield say(
            "The script takes {flag}. A trial that is killed or stopped begins anew, unless you say how it goes on "
            "from what it has saved: tunebook new {path} --resume '{given}'",
            flag=flag,
            path=shlex.quote(str(store.project.root)),
            given=flag if taking[0].switch else f"{flag} {{folder}}/FILE",
        )


def _strange(there: pipeline.Pipeline) -> Iterator[Message]:
    """What the script, as far as its text tells, would refuse in its command."""
    if unknown := declared.undeclared(there):
        yield say(
            "Your script declares no option {options} that the command gives: as far as its text tells, it would stop "
            "at once.",
            options=list(unknown),
        )
    for flag, value, wanted in declared.misfits(there):
        yield say(
            "The command gives {flag} the value {value}, which your script does not take: it declares {wanted}.",
            flag=flag,
            value=value,
            wanted=wanted,
        )
    for argument in declared.one_sided(there):
        yield say(
            "The command leaves {flag} out where it is false, and your script then has it on. Write {switch} instead "
            "in tunebook.toml (pipeline.command).",
            flag=argument.flag,
            switch=argument.words[0],
        )
    for flag, value in declared.valueless(there):
        yield say(
            "The command gives {flag} the value {value}, and your script takes none there: it would stop at once. "
            "Write {switch} for both in tunebook.toml (pipeline.command): that gives {flag} where the value is true.",
            flag=flag,
            value=value,
            switch=next((one.words[0] for one in declared.arguments(there) if one.flag == flag), f"{{{flag}}}"),
        )


def _offer(argument: Argument) -> str:
    return argument.name if argument.default is None else f"{argument.name} ({quantity.setting(argument.default)})"


def _table(store: Store, known: dict[str, Any]) -> Table:
    there = pipeline.own(store.project)
    entries = {entry.name: entry for entry in store.project.settings.hyperparameters}
    rows = tuple(
        (
            key,
            quantity.setting(known[key]) if key in known else "-",
            _tried(entries[key]) if key in entries else "-",
            _("searched") if key in entries and entries[key].searched else _("fixed"),
            entries[key].about if key in entries else "",
        )
        for key in there.hyperparameters()
    )
    columns = (say("hyperparameter"), say("value"), say("values to try"), say("in a round"), say("meaning"))
    # Where the script says nothing about any of them, there is no column for it.
    told = len(columns) if any(row[-1] for row in rows) else len(columns) - 1
    return Table(columns[:told], tuple(row[:told] for row in rows))


def _tried(entry: OwnHyperparameter) -> str:
    if not entry.ranged:
        return "-"
    if entry.kind == "categorical":
        return ", ".join(quantity.setting(choice) for choice in entry.choices)
    low, high = (quantity.setting(end) for end in (entry.low, entry.high))
    return f"{low} .. {high} ({entry.scale})"

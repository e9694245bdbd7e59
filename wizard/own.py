"""The hyperparameters of the user's own pipeline: which there are, values at the start, and ranges to begin with."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable, Mapping
from typing import Any, cast, get_args

from state import declared, pipeline, template
from state.declared import Argument
from state.errors import Invalid, NotFound, Refusal
from state.hyperparameters import Kind, OwnHyperparameter, Scale, Value, fitting, idle, same
from state.pipeline import Pipeline
from state.project import Project, Settings
from state.usual_names import ACCUMULATIONS, EPOCHS, RATES, leaf
from wizard import quantity
from wizard.own_ranges import guess, usual_scale


def listed(there: Pipeline) -> tuple[OwnHyperparameter, ...]:
    """The hyperparameters that the command takes, and those of its configuration file that have an order: values and
    choices as the script declares them, ranges as names and values suggest."""
    written, options = there.defaults(), declared.filled(there)
    arguments = {flag: one for one in declared.arguments(there) for flag in (one.flag, *one.others)}
    found = []
    for key in there.hyperparameters():
        argument = arguments.get(options.get(there.place(key), ""))
        if argument is not None and key not in written:
            found.append(_declared(key, argument))
        elif not isinstance(written.get(key), str):
            unwritten = {pipeline.SEED: 0, **dict.fromkeys(pipeline.switches(there.command), False)}
            value = written.get(key, unwritten.get(key))
            # What the file says stays there, where it can be changed.
            entry = guess(key, value)
            found.append(dataclasses.replace(entry, default=None) if key in written else entry)
    return tuple(found)


def offered(there: Pipeline) -> tuple[Argument, ...]:
    """What the script declares beyond what the command gives: `changed` takes it in under its name."""
    present = declared.given(there)
    taken = {*there.hyperparameters(), *map(there.theirs, there.hyperparameters())}
    return tuple(
        argument
        for argument in declared.arguments(there)
        if present.isdisjoint((argument.flag, *argument.others)) and argument.name not in taken
    )


def proposed(there: Pipeline) -> tuple[Argument, ...]:
    """Of what is offered, what a first look needs: the learning rate, and seed, batch size and number of steps."""
    usual = {name for names in pipeline.USUAL.values() for name in names}
    return tuple(
        argument
        for argument in offered(there)
        if argument.default is not None
        and argument.name.lower() in {*RATES, *usual}
        # -1 stands for as many as it takes.
        and (isinstance(argument.default, str) or argument.default >= 0)
    )


def values(project: Project) -> dict[str, Any]:
    """What is known of every hyperparameter's value at the start, by the configuration's names."""
    own, listed = pipeline.own(project), project.settings.hyperparameters
    # One that was named the batch size since is listed by the script's name for it.
    given = {own.key(entry.name): entry.default for entry in listed if entry.default is not None}
    known = {**own.defaults(), **given}
    return {key: known[key] for key in own.hyperparameters() if key in known}


def listed_since(project: Project, decided: Mapping[str, Any]) -> set[str]:
    """What was listed after the values at the start were decided, to fill the command with another optimizer than
    theirs: it changes nothing of them."""
    return {one.name for one in pipeline.own(project).instead if idle(one.condition, decided)} - decided.keys()


def moved(project: Project) -> list[tuple[str, Value, Value]]:
    """Name, value at the start, and the value of the script or its file, where a list was given without that one."""
    there = pipeline.own(project)
    theirs = {entry.name: entry.default for entry in listed(there)} | there.defaults()
    return [
        (there.theirs(entry.name), entry.default, value)
        for entry in project.settings.hyperparameters
        if entry.choices and entry.default is not None and (value := theirs.get(entry.name)) is not None
        if not any(same(value, choice) for choice in entry.choices)
    ]


def followed(project: Project) -> list[tuple[str, Value, Value]]:
    """Name, value at the start, and the value of the script, of what rounds search around the start, where that is too
    far from the script's for its range to hold both."""
    there = pipeline.own(project)
    theirs = {entry.name: entry.default for entry in listed(there)} | there.defaults()
    return [
        (there.theirs(entry.name), entry.default, value)
        for entry in project.settings.hyperparameters
        if entry.searched
        and entry.default is not None
        and dataclasses.replace(entry, about="") == guess(entry.name, entry.default)
        if isinstance(value := theirs.get(entry.name), int | float) and entry.low is not None
        if not entry.low <= value <= (entry.high or value)
    ]


def rate(project: Project) -> str:
    """The learning rate by its name in the configuration; empty where there is none, or it is no number. Where each
    optimizer has its own, that of the one that the command has."""
    known = values(project)
    conditions = {entry.name: entry.condition for entry in project.settings.hyperparameters}
    named = (key for key in known if leaf(key) in RATES and not idle(conditions.get(key), known))
    return next((key for key in named if isinstance(known[key], float) and known[key] > 0), "")


def changed(project: Project, assignments: Iterable[str]) -> dict[str, Any]:
    """The settings that change by `name=value` (a value to start with), `name=0.001..0.1:log` (a range to search) or
    `name=a,b` (values to try). What the command does not take yet, but its script declares, is added to the command.

    A range without its scale has that which somebody said of the one before it, or which the name and the numbers
    suggest. Refuses an unknown name, what is neither, and a value of another type than the script or the file has.
    """
    settings, said = _with_roles(project), dict[str, str]()
    for assignment in assignments:
        name, equals, words = assignment.partition("=")
        if not equals or not name.strip() or not words.strip():
            raise Invalid("{assignment!r}: write it as name=value or name=low..high.", assignment=assignment)
        words = _listed(words.strip())
        there = pipeline.own(Project(project.root, settings))
        name = meant(there, name.strip())
        if there.key(name) not in there.hyperparameters():
            settings = _taken_in(there, settings, name)
            there = pipeline.own(Project(project.root, settings))
        key = there.key(name)
        if (before := said.setdefault(key, words)) != words:
            raise Refusal(
                "{name} is given twice ({before}; {words}): give it once. Values to try are a list, {name}=a,b.",
                name=name,
                before=before,
                words=words,
            )
        entries = {entry.name: entry for entry in settings.hyperparameters}
        written = there.defaults().get(key)
        entry = entries.get(key) or guess(key, written)
        # What was typed before may have been a list: which values there can be, the script and the file say.
        origin = next((found for found in listed(there) if found.name == key), guess(key, written))
        entries[key] = _with(entry, origin, words, written)
        _check_declared(there, entries[key])
        ordered = tuple(entries[known] for known in there.hyperparameters() if known in entries)
        settings = dataclasses.replace(settings, hyperparameters=ordered)
    now = {name: getattr(settings, name) for name in ("command", "seed", "batch_size", "steps", "hyperparameters")}
    return {name: value for name, value in now.items() if value != getattr(project.settings, name)}


def _check_declared(there: Pipeline, entry: OwnHyperparameter) -> None:
    """Refuse a value that the script says it does not take, or that is none for the list in the file."""
    for value in (entry.default, *entry.choices) if there.file else ():
        if there.file and value is not None:
            template.check(there.file, there.place(entry.name), value)
    argument = declared.of_name(there, there.place(entry.name))
    for value in (entry.default, *entry.choices) if argument is not None else ():
        if argument is not None and value is not None and (wanted := declared.misfit(argument, value)):
            raise Invalid(
                "{name}: {value!r} does not fit; wanted: {wanted}", name=entry.name, value=value, wanted=wanted
            )


def adopted(project: Project, key: str, value: float) -> dict[str, Any]:
    """The settings that change where a number that was tried becomes the start; a list of values to try without it
    takes it in."""
    listed = [
        dataclasses.replace(entry, default=value, choices=tuple(sorted((*entry.choices, value), key=float)))
        if entry.name == key and entry.choices and fitting(entry, value) is None
        else entry
        for entry in project.settings.hyperparameters
    ]
    longer = dataclasses.replace(project.settings, hyperparameters=tuple(listed))
    start = f"{pipeline.own(project).theirs(key)}={value!r}"
    return {"hyperparameters": longer.hyperparameters} | changed(Project(project.root, longer), [start])


def meant(there: Pipeline, name: str) -> str:
    """What the command or its script calls the hyperparameter that somebody names: a flag has hyphens where argparse's
    name has underscores, and of a dotted name the last part is enough where one alone ends so. The name itself where
    nothing is called so."""
    keys = there.hyperparameters()
    known = dict.fromkeys((*keys, *map(there.theirs, keys), *(argument.name for argument in declared.arguments(there))))
    if name in known:
        return name
    same = [one for one in known if one.replace("-", "_") == name.replace("-", "_")]
    ending = [key for key in keys if leaf(there.theirs(key)) == leaf(name)] if "." not in name else []
    return next(iter(same), ending[0] if len(ending) == 1 else name)


def roles(settings: Settings, there: Pipeline) -> Settings:
    """The settings with what the command calls seed, batch size and number of steps, where that can be told."""
    found = pipeline.guess(there.hyperparameters())
    return dataclasses.replace(
        settings,
        seed=settings.seed or found.get(pipeline.SEED, ""),
        batch_size=settings.batch_size or found.get(pipeline.BATCH_SIZE, ""),
        steps=settings.steps or found.get(pipeline.STEPS, ""),
    )


def _with_roles(project: Project) -> Settings:
    """The settings with the role of what was put into the command by hand since, unless it is listed without one."""
    now = project.settings
    listed = {entry.name for entry in now.hyperparameters}
    found = roles(now, pipeline.own(project))
    new = {part: name for part in ("seed", "batch_size", "steps") if (name := getattr(found, part)) not in listed}
    return dataclasses.replace(now, **{part: name for part, name in new.items() if name})


def _taken_in(there: Pipeline, settings: Settings, name: str) -> Settings:
    """The settings with an option of the script in the command. Refuses a name that the script does not declare."""
    argument = next((entry for entry in offered(there) if entry.name == name), None)
    fixed = next((entry for entry in declared.arguments(there) if entry.name == name), None)
    if argument is None and fixed is not None:
        raise Invalid(
            "{name}: the command gives {flag} a fixed value. To tune it, put {placeholder} in the place of that value "
            "in tunebook.toml (pipeline.command).",
            name=name,
            flag=fixed.flag,
            placeholder="{" + name + "}",
        )
    if argument is None:
        raise NotFound(
            "{name}: the command has no such hyperparameter; it has: {known}; its script declares: {declared}. What "
            "else it takes is written into the command, as --lr {lr}, or {switch} for a switch.",
            lr="{lr}",
            switch="{--amp}",
            name=name,
            known=[*map(there.theirs, there.hyperparameters())] or "-",
            declared=[entry.name for entry in offered(there)] or "-",
        )
    longer = dataclasses.replace(settings, command=" ".join((settings.command, *argument.words)))
    own = Pipeline((*there.command, *argument.words), there.directory, there.file, there.names)
    named = roles(longer, own)
    usual = {named.seed: pipeline.SEED, named.batch_size: pipeline.BATCH_SIZE, named.steps: pipeline.STEPS}
    key = usual.get(name, name)
    return dataclasses.replace(named, hyperparameters=(*settings.hyperparameters, _declared(key, argument)))


def _declared(key: str, argument: Argument) -> OwnHyperparameter:
    """What the script says of an option, with the range that its name and its default suggest."""
    default = argument.default
    if argument.several is not None:
        return OwnHyperparameter(key, default, about=argument.about)
    if argument.choices:
        kept = default if default in argument.choices else None
        return OwnHyperparameter(key, kept, choices=argument.choices, about=argument.about)
    if argument.kind == "float" and isinstance(default, int) and not isinstance(default, bool):
        default = float(default)
    if default is None and key == pipeline.SEED:
        default = 0
    if argument.kind and default is None:
        return OwnHyperparameter(key, None, argument.kind, about=argument.about)
    return dataclasses.replace(guess(key, default), about=argument.about)


def _with(entry: OwnHyperparameter, origin: OwnHyperparameter, words: str, written: Value | None) -> OwnHyperparameter:
    """The hyperparameter with a value, a range or a list as typed. `origin`: as script and file have it; `written`: its
    value in the configuration file, which stays there where it can."""
    if ".." in words:
        return _with_range(entry, words)
    if "," in words:
        return _with_choices(entry, origin, words, written)
    value = _value(words)
    _check_count(entry.name, value)
    if entry.default is None and not entry.ranged and entry.kind == "categorical":
        return dataclasses.replace(guess(entry.name, value), about=entry.about)
    fit = fitting(entry, value)
    if fit is None:
        raise _unfit(entry, words)
    # A range around the script's own value is a guess, and what somebody chose is a better centre.
    if (not entry.ranged and entry.default is None) or (entry == origin and not entry.choices):
        guessed = dataclasses.replace(guess(entry.name, fit), about=entry.about)
        if entry.kind == "categorical" or (entry.kind == guessed.kind and guessed.ranged >= entry.ranged):
            return guessed
    return dataclasses.replace(entry, default=fit)


def _with_choices(
    entry: OwnHyperparameter, origin: OwnHyperparameter, words: str, written: Value | None
) -> OwnHyperparameter:
    _check_searched(entry.name)
    choices: list[Value] = []
    for part in words.split(","):
        if not part.strip():
            raise Invalid(
                "{name}: a value is empty. A switch of your script is written {switch} in the command, and is then "
                "true or false.",
                name=entry.name,
                switch="{--" + entry.name.rpartition(".")[2].replace("_", "-") + "}",
            )
        value = fitting(origin, read := _value(part.strip()))
        # A whole number in a file does not say that there can be no other.
        if value is None and written is not None and origin.kind == "int" and isinstance(read, float):
            value = read
        if value is None:
            raise _unfit(origin, part.strip())
        if any(same(value, other) for other in choices):
            raise Invalid("{name}: {value} is there twice.", name=entry.name, value=part.strip())
        choices.append(value)
    # The start stays what it is where it is one of them; of the file's, that is told by nothing here.
    if entry.default is None and any(same(written, choice) for choice in choices):
        start = None
    else:
        start = next((choice for choice in choices if same(entry.default, choice)), choices[0])
    return OwnHyperparameter(entry.name, start, choices=tuple(choices), searched=True, about=entry.about)


def _unfit(entry: OwnHyperparameter, words: str) -> Refusal:
    wanted = ", ".join(map(str, entry.choices)) if entry.choices else entry.kind
    return Invalid("{name}: {value!r} does not fit; wanted: {wanted}", name=entry.name, value=words, wanted=wanted)


def _check_searched(key: str) -> None:
    if key in pipeline.USUAL or leaf(key) in (*EPOCHS, *ACCUMULATIONS):
        raise Invalid("{name} is decided, not searched: it takes one value.", name=key)


def _check_count(key: str, value: Value) -> None:
    """Refuse a batch size or a number of steps that is none."""
    counted = key in (pipeline.BATCH_SIZE, pipeline.STEPS)
    if counted and (isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1 or value < 1):
        raise Invalid("{name}: {value!r} does not fit; wanted: a whole number from 1 on.", name=key, value=value)
    if counted and isinstance(value, int | float) and value > pipeline.MOST:
        raise Invalid("{name}: {value!r} is more than any run makes. Give less.", name=key, value=value)


def _with_range(entry: OwnHyperparameter, words: str) -> OwnHyperparameter:
    span, _colon, scale = words.partition(":")
    ends = [_value(part) for part in span.split("..")]
    numbers = [end for end in ends if isinstance(end, int | float) and not isinstance(end, bool)]
    if len(ends) != 2 or len(numbers) != 2 or not all(map(math.isfinite, numbers)):
        raise Invalid("{words!r} is no range; write it as 0.001..0.1 or 0.001..0.1:log.", words=words)
    if numbers[0] == numbers[1]:
        raise Invalid(
            "{words!r}: both ends are the same; a single value is written {assignment}.",
            words=words,
            assignment=f"{entry.name}={quantity.setting(numbers[0])}",
        )
    if numbers[0] > numbers[1]:
        raise Invalid(
            "{words!r}: the low end of a range must be below the high end; write it as {low}..{high}, say.",
            words=words,
            low=min(numbers),
            high=max(numbers),
        )
    _check_searched(entry.name)
    whole = entry.kind == "int" or (entry.kind == "categorical" and all(isinstance(end, int) for end in numbers))
    low, high = numbers
    if scale not in ("", *get_args(Scale)):
        raise Invalid("There is no scale {scale}: linear, log, one-minus-log.", scale=scale)
    if scale == "log" and low <= 0:
        raise Invalid(
            "{words!r}: a logarithmic range must lie above 0; linear: {linear}",
            words=words,
            linear=f"{entry.name}={span}:linear",
        )
    if scale == "one-minus-log" and (high >= 1 or whole):
        raise Invalid("{words!r}: a one-minus-log range is of numbers below 1.", words=words)
    named = cast("Scale", scale) if scale else usual_scale(entry, low, high, whole=whole)
    kind: Kind = "int" if whole else "float"
    start = entry.default if isinstance(entry.default, int | float) else None
    return dataclasses.replace(
        entry, default=start, kind=kind, low=float(low), high=float(high), scale=named, choices=(), searched=True
    )


def _listed(words: str) -> str:
    """Lists as JSON and YAML write them, [0.9, 0.95], with blanks between their values instead."""
    if not words.startswith("["):
        return words
    try:
        lists = json.loads(f"[{words}]")
    except ValueError:
        return words
    plain = all(isinstance(one, list) and all(isinstance(item, Value) for item in one) for one in lists)
    return ",".join(" ".join(map(str, one)) for one in lists) if plain else words


def _value(words: str) -> Value:
    """A number or a switch as TOML, JSON and Python write them; anything else is text."""
    if words in ("True", "False"):
        return words == "True"
    try:
        value = json.loads(words)
    except ValueError:
        try:
            # What JSON does not write so: 1., .5, +3.
            value = float(words)
        except ValueError:
            return words
    finite = isinstance(value, float) and not math.isfinite(value)
    return words if finite or not isinstance(value, str | bool | int | float) else value

"""What a script declares of its options, read from its text: the script is not run for it.

By argparse here; by click, typer, absl and dataclasses in `state.declared_otherwise`.
"""

from __future__ import annotations

import ast
import dataclasses
import re
from collections.abc import Iterator, Mapping, Set
from pathlib import Path

from state import declared_otherwise
from state.hyperparameters import Kind, Value
from state.option import KINDS, Argument, as_typed, called, constant, constants, in_one_line, items
from state.pipeline import Pipeline, placeholders, switches
from state.pipeline import argument as written

LARGEST = 2**20
# The actions of argparse that make a switch, the last of them one with another flag that turns it off; and all by which
# an option takes no value.
BOTH = "BooleanOptionalAction"
SWITCHES = ("store_true", "store_false", BOTH)
SETTING = (*SWITCHES, "store_const", "append_const", "count")
# By these a parser takes whatever comes.
KNOWN = ("parse_known_args", "parse_known_intermixed_args")
# One value as it is, and not a list with one in it.
ONE = -1


def arguments(pipeline: Pipeline) -> tuple[Argument, ...]:
    """The options that the command's script declares; none where there is no Python script, or it cannot be read."""
    tree = _parsed(pipeline)
    # What one of several commands of a script requires, another does not know.
    several = any(isinstance(node, ast.Attribute) and node.attr == "add_subparsers" for node in ast.walk(tree))
    found: dict[str, Argument] = {}
    # One command of a script may have other defaults than the next.
    later = {} if several else _set_defaults(tree)
    for argument in (*filter(None, map(_argument, _calls(tree))), *declared_otherwise.options(tree)):
        argument = dataclasses.replace(argument, required=argument.required and not several)
        if argument.name in later:
            argument = dataclasses.replace(argument, default=as_typed(argument.kind, later[argument.name]))
        found.setdefault(argument.name, argument)
    return tuple(found.values())


def _parsed(pipeline: Pipeline) -> ast.Module:
    """The script that the command runs; an empty one where there is no Python script, or it cannot be read."""
    path, nothing = script(pipeline), ast.Module([], [])
    try:
        return nothing if path is None or path.stat().st_size > LARGEST else ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        # Whatever is wrong with it, running it will say.
        return nothing


def script(pipeline: Pipeline) -> Path | None:
    """The Python file that the command runs: named as it is, or as a module (`-m package.train`)."""
    words = [word for word in pipeline.command if not placeholders([word])]
    candidates = [word for word in words if word.endswith(".py")]
    if "-m" in words[:-1]:
        place = words[words.index("-m") + 1].replace(".", "/")
        candidates = [f"{place}.py", f"{place}/__main__.py", *candidates]
    return next((path for word in candidates if (path := pipeline.directory / word).is_file()), None)


def filled(pipeline: Pipeline) -> dict[str, str]:
    """Placeholder to the flag that it is the value of: `--lr {lr}`, `--lr={lr}`; and to that of a switch."""
    found = switches(pipeline.command)
    for before, word in zip(("", *pipeline.command), pipeline.command, strict=False):
        flag, equals, rest = word.partition("=")
        value = rest if equals and flag.startswith("-") else word
        named = placeholders([value])
        if len(named) == 1 and value in ("{" + named[0] + "}", "{*" + named[0] + "}"):
            found[named[0]] = flag if equals and flag.startswith("-") else before
    return found


def given(pipeline: Pipeline) -> set[str]:
    """The flags that the command gives already, with whatever value."""
    words = {word.partition("=")[0] for word in pipeline.command if word.startswith("-") and word != "--"}
    return {*words, *switches(pipeline.command).values()}


def ungiven(pipeline: Pipeline) -> tuple[Argument, ...]:
    """The options that the script requires and the command does not give, neither by another flag nor shortened."""
    words = given(pipeline)
    flags = {flag for call in _calls(_parsed(pipeline)) for flag in _flags(call)}
    return tuple(
        argument
        for argument in arguments(pipeline)
        if argument.required
        and not any(_gives(word, flag, flags) for word in words for flag in (argument.flag, *argument.others))
    )


def undeclared(pipeline: Pipeline) -> tuple[str, ...]:
    """The options of the command that its script declares none of; none where others may declare some, or where it
    takes whatever comes."""
    tree = _parsed(pipeline)
    calls = list(_calls(tree))
    if not calls or _elsewhere(tree) or any(len(_flags(call)) < len(call.args) - _positional(call) for call in calls):
        return ()
    flags = {flag for call in calls for flag in _flags(call)} | {"--help", "-h"}
    # What turns a switch off by a name of its own (BooleanOptionalAction).
    flags |= {f"--no-{flag[2:]}" for flag in flags if flag.startswith("--")}
    options = [switch or word.partition("=")[0] for word, switch, _following in _options(pipeline)]
    return tuple(word for word in options if not any(_gives(word, flag, flags) for flag in flags))


def misfits(pipeline: Pipeline) -> tuple[tuple[str, str, str], ...]:
    """Of the options that the command gives a value of its own: the flag, that value, and what the script takes, where
    it takes no such value."""
    found = []
    for word, switch, following in _options(pipeline):
        flag, equals, value = word.partition("=")
        value = value if equals else following
        entry = None if switch or placeholders([value]) else _of_flag(pipeline, flag)
        if entry is None or entry.switch or entry.several is not None:
            continue
        if value and (wanted := misfit(entry, value)):
            found.append((flag, value, wanted))
    return tuple(found)


def valueless(pipeline: Pipeline) -> tuple[tuple[str, str], ...]:
    """Of the options that the script takes without a value: the flag, and the value that the command gives it all the
    same. What may be an argument of the script's own behind a switch counts as one."""
    calls = list(_calls(_parsed(pipeline)))
    takes_none = {flag for call in calls if _sets(call) for flag in _flags(call)}
    takes_none |= declared_otherwise.without_value(_parsed(pipeline))
    positional = any(map(_positional, calls))
    found = []
    for word, switch, following in _options(pipeline):
        flag, equals, value = word.partition("=")
        own = following in (f"{{{flag.lstrip('-')}}}", f"{{{flag.lstrip('-').replace('-', '_')}}}")
        if switch or flag not in takes_none:
            continue
        if (
            equals
            or own
            or (not positional and following and not following.startswith("-") and not switches([following]))
        ):
            found.append((flag, value if equals else following))
    return tuple(found)


def one_sided(pipeline: Pipeline) -> tuple[Argument, ...]:
    """The switches that the command leaves out where they are off, and which the script then has on."""
    flags = [flag for word in pipeline.command if "|" not in word for flag in switches([word]).values()]
    return tuple(entry for flag in flags if (entry := _of_flag(pipeline, flag)) and entry.off and entry.default is True)


def _sets(call: ast.Call) -> bool:
    """Whether an add_argument declares what takes no value: a switch, or one that can be turned off by its name."""
    return _action({entry.arg: entry.value for entry in call.keywords if entry.arg}) in SETTING


def _action(said: Mapping[str, ast.expr]) -> Value | None:
    """What an option does, by the name that argparse has for it."""
    node = said.get("action")
    if node is None:
        return "store"
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", None) or constant(node)


def of_name(pipeline: Pipeline, name: str) -> Argument | None:
    """The option whose value a placeholder is; None where it is none's, or the script declares no such option."""
    flag = filled(pipeline).get(name)
    return None if flag is None else _of_flag(pipeline, flag)


def misfit(entry: Argument, value: Value) -> str:
    """What the script takes as this option, where it does not take that value; empty where it does."""
    text = written(value)
    if entry.several is not None:
        words = text.split()
        one = dataclasses.replace(entry, several=None)
        wanted = next((wanted for word in words if (wanted := misfit(one, word))), "")
        if wanted or (entry.several and len(words) != entry.several):
            count = entry.several or 2
            return f"{entry.name}='{' '.join([wanted or entry.kind or 'VALUE'] * count)}'"
        return ""
    if entry.choices and text not in map(written, entry.choices):
        return ", ".join(map(written, entry.choices))
    try:
        _ = int(text) if entry.kind == "int" else float(text) if entry.kind == "float" else None
    except ValueError:
        return entry.kind or ""
    return ""


def _of_flag(pipeline: Pipeline, flag: str) -> Argument | None:
    return next((entry for entry in arguments(pipeline) if flag in (entry.flag, *entry.others)), None)


def _options(pipeline: Pipeline) -> Iterator[tuple[str, str, str]]:
    """The options that the script gets: the argument, the flag of the switch that it is ("": it is none), and the
    argument behind it."""
    words = pipeline.command[begin(pipeline) :]
    for word, following in zip(words, (*words[1:], ""), strict=False):
        if word == "--":
            return
        switch = switches([word])
        if switch or (word.startswith("-") and not re.fullmatch(r"-[\d.].*|-", word) and not placeholders([word[:2]])):
            yield word, next(iter(switch.values()), ""), following


def begin(pipeline: Pipeline) -> int:
    """Where the arguments of the script begin: what comes before is said to the interpreter, or to a launcher."""
    path = script(pipeline)
    for place, word in enumerate(pipeline.command):
        if path is not None and not placeholders([word]) and pipeline.directory / word == path:
            return place + 1
    module = "-m" in pipeline.command[:-1] and path is not None
    return pipeline.command.index("-m") + 2 if module else len(pipeline.command)


def _elsewhere(tree: ast.Module) -> bool:
    """Whether a script may take options that its own text does not declare."""
    parsers = {
        target.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and _made(node.value)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    # What one parser knows nothing of, another may be given, which takes no more than it declares: as in timm's script.
    strict = any(called(call) in ("parse_args", "parse_intermixed_args") and call.args for call in calls)
    for call in calls:
        if called(call) == "add_subparsers" or (called(call) in KNOWN and not strict):
            return True
        if _made(call) and {entry.arg for entry in call.keywords} & {"parents", "prefix_chars", None}:
            return True
        given = [*call.args, *(entry.value for entry in call.keywords)]
        if any(isinstance(one, ast.Name) and one.id in parsers for one in given):
            return True
    # One that somebody else made may declare anything, and so may another library.
    return not any(called(call) == "ArgumentParser" for call in calls) or any(declared_otherwise.options(tree))


def _made(call: ast.Call) -> bool:
    return called(call) in ("ArgumentParser", "add_argument_group", "add_mutually_exclusive_group")


def _positional(call: ast.Call) -> int:
    """How many of the names of an add_argument are plainly none of an option."""
    words = map(constant, call.args)
    return sum(isinstance(word, str) and not word.startswith("-") for word in words)


def _gives(word: str, flag: str, flags: Set[str]) -> bool:
    """argparse takes `--learn` for `--learning-rate`, and `-b32` for `-b 32`, unless that is one of the `flags`."""
    if word in flags:
        return word == flag
    return flag.startswith(word) if word.startswith("--") else word.startswith(flag)


def _calls(tree: ast.Module, name: str = "add_argument") -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == name:
            yield node


def _set_defaults(tree: ast.Module) -> Mapping[str, Value | None]:
    """What set_defaults says, by the names of values: it counts more than what add_argument said."""
    return {
        entry.arg: constant(entry.value)
        for call in _calls(tree, "set_defaults")
        for entry in call.keywords
        if entry.arg is not None
    }


def _flags(call: ast.Call) -> list[str]:
    return [word for word in map(constant, call.args) if isinstance(word, str) and word.startswith("-")]


def _argument(call: ast.Call) -> Argument | None:
    """The option of an add_argument; None for a positional one, and for one that takes no value and is no switch that
    sets something."""
    flags = _flags(call)
    said = {entry.arg: entry.value for entry in call.keywords if entry.arg}
    if not flags:
        return None
    action, flag = _action(said), max(flags, key=len)
    about = in_one_line(said.get("help"))
    if action in SWITCHES:
        # Called by its flag: that of store_false may have the name of what it switches off.
        name = flag.lstrip("-").replace("-", "_")
        if action != BOTH:
            return Argument(flag, name, None, False, (), about, required=False, switch=True)
        default, required = (constant(said[key]) if key in said else None for key in ("default", "required"))
        return Argument(
            flag, name, None, default is True, (), about, required is True, switch=True, off=f"--no-{flag[2:]}"
        )
    several = _several(said.get("nargs"))
    if action != "store" or several is None:
        return None
    dest = constant(said["dest"]) if "dest" in said else None
    name = dest if isinstance(dest, str) else flag.lstrip("-").replace("-", "_")
    typed = said.get("type")
    kind = KINDS.get(typed.id) if isinstance(typed, ast.Name) else None
    options = said.get("choices")
    return Argument(
        flag,
        name,
        kind,
        _default(said.get("default"), kind, several=several != ONE),
        constants(options),
        about,
        constant(said["required"]) is True if "required" in said else False,
        others=tuple(other for other in flags if other != flag),
        several=None if several == ONE else several,
    )


def _several(nargs: ast.expr | None) -> int | None:
    """How many values an option takes, 0 for any number, ONE for one as it is; None where that is not known."""
    count = "?" if nargs is None else constant(nargs)
    if isinstance(count, int) and count > 0:
        return count
    return {"?": ONE, "+": 0, "*": 0}.get(str(count))


def _default(node: ast.expr | None, kind: Kind | None, *, several: bool) -> Value | None:
    """What an option has where it is not given: as it is, or several values with blanks between them."""
    if node is None:
        return None
    if not several:
        return as_typed(kind, constant(node))
    values = [constant(item) for item in items(node)]
    return " ".join(map(written, values)) or None if None not in values else None

"""What a script declares by click, typer, absl or dataclasses (HfArgumentParser), read from its text as that of
argparse is: the script is not run for it."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

from state.hyperparameters import Kind, Value
from state.option import (
    KINDS,
    Argument,
    as_typed,
    called,
    calls,
    constant,
    constants,
    in_one_line,
    items,
    keywords,
)

# Parsers that take dataclasses.
OF_DATACLASSES = ("HfArgumentParser", "TrlParser")
# What click calls the kinds of numbers.
_CLICK: dict[str, Kind] = {**KINDS, "INT": "int", "IntRange": "int", "FLOAT": "float", "FloatRange": "float"}
# What absl calls the kinds of values, beside those of KINDS.
_ABSL: dict[str, Kind | None] = {"DEFINE_integer": "int", "DEFINE_float": "float", "DEFINE_string": None}
# The options of Transformers' TrainingArguments that bear on what is learnt, with their defaults; a script has them
# where it only names that class. None: it depends on the version, or the value stands for another that is not given.
_OF_TRAINING: dict[str, tuple[Kind | None, Value | None]] = {
    "learning_rate": ("float", 5e-5),
    "per_device_train_batch_size": ("int", 8),
    "gradient_accumulation_steps": ("int", 1),
    "num_train_epochs": ("float", 3.0),
    "max_steps": ("int", None),
    "weight_decay": ("float", 0.0),
    "adam_beta1": ("float", 0.9),
    "adam_beta2": ("float", 0.999),
    "adam_epsilon": ("float", 1e-8),
    "max_grad_norm": ("float", 1.0),
    "lr_scheduler_type": (None, "linear"),
    "warmup_steps": ("float", 0.0),
    "label_smoothing_factor": ("float", 0.0),
    "optim": (None, None),
    "seed": ("int", 42),
    "output_dir": (None, None),
}


def options(tree: ast.Module) -> Iterator[Argument]:
    """The options that the script declares by any of these. Where it has several commands, none is required: what one
    requires, another does not know."""
    libraries = _imported(tree)
    if "click" in libraries:
        yield from _of_click(tree)
    if "typer" in libraries:
        yield from _of_typer(tree)
    if "absl" in libraries:
        yield from _of_absl(tree)
    yield from _of_dataclasses(tree)


def without_value(tree: ast.Module) -> set[str]:
    """The flags that take no value: switches, but for those of absl and of dataclasses, which take one as well."""
    libraries = _imported(tree)
    found = [*(_of_click(tree) if "click" in libraries else ()), *(_of_typer(tree) if "typer" in libraries else ())]
    return {flag for one in found if one.switch for flag in (one.flag, *one.others)}


def _imported(tree: ast.Module) -> set[str]:
    names = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return {name.partition(".")[0] for name in names}


def _commands(tree: ast.Module, *kinds: str) -> list[tuple[ast.FunctionDef, list[ast.expr]]]:
    """The functions that are made a command by a decorator of this name, with all of their decorators."""
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    return [(one, one.decorator_list) for one in functions if any(called(d) in kinds for d in one.decorator_list)]


def _flagged(flags: list[str]) -> tuple[str, str, tuple[str, ...]]:
    """Of flags as click has them, "--amp/--no-amp" among them: the one that names it, what turns it off, the others."""
    on = [flag.partition("/")[0].strip() for flag in flags]
    off = [flag.partition("/")[2].strip() for flag in flags if "/" in flag]
    first = next((flag for flag in on if flag.startswith("--")), on[0])
    return first, max(off, key=len, default=""), tuple(flag for flag in on if flag != first)


# click


def _of_click(tree: ast.Module) -> Iterator[Argument]:
    several = len(_commands(tree, "command")) > 1
    for node in ast.walk(tree):
        for decorator in node.decorator_list if isinstance(node, ast.FunctionDef) else ():
            named = called(decorator) == "option"
            if named and isinstance(decorator, ast.Call) and (argument := _click_option(decorator)):
                yield dataclasses.replace(argument, required=argument.required and not several)


def _click_option(call: ast.Call) -> Argument | None:
    """The option of a decorator; None for one that has no single value."""
    said, words = keywords(call), [word for word in map(constant, call.args) if isinstance(word, str)]
    flags = [word for word in words if word.startswith("-")]
    if not flags or "flag_value" in said or constant(said.get("multiple")) or constant(said.get("count")):
        return None
    flag, off, others = _flagged(flags)
    named = next((word for word in words if not word.startswith("-")), flag.lstrip("-").replace("-", "_").lower())
    about, default = in_one_line(said.get("help")), constant(said.get("default"))
    required = constant(said.get("required")) is True
    if off or constant(said.get("is_flag")) is True:
        on = default is True
        return Argument(flag, named, None, on, (), about, required, switch=True, others=others, off=off)
    kind, choices = _click_type(said.get("type"))
    count = constant(said.get("nargs"))
    if count is not None and (not isinstance(count, int) or count < 1):
        return None
    if count is not None and count > 1:
        values = constants(said.get("default"))
        default = " ".join(map(str, values)) or None
        return Argument(flag, named, kind, default, (), about, required, others=others, several=count)
    if "type" not in said:
        # click goes by what the default is.
        kind = KINDS.get(type(default).__name__)
    return Argument(flag, named, kind, as_typed(kind, default), choices, about, required, others=others)


def _click_type(node: ast.expr | None) -> tuple[Kind | None, tuple[Value, ...]]:
    name = called(node)
    if name == "Choice" and isinstance(node, ast.Call):
        return None, constants(node.args[0] if node.args else None)
    return _CLICK.get(name), ()


# typer, and what it shares with dataclasses: a name, a type and a default


@dataclass(frozen=True)
class _Typed:
    """What an annotation says: the kind of a number, whether it is a switch, which values there are, and how many."""

    kind: Kind | None = None
    switch: bool = False
    choices: tuple[Value, ...] = ()
    several: int | None = None


def _typed(node: ast.expr | None, enums: dict[str, dict[str, Value]]) -> _Typed:
    """What an annotation says; of `float | None` and Optional[float] what float does."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        try:
            node = ast.parse(node.value, mode="eval").body
        except SyntaxError:
            return _Typed()
    if isinstance(node, ast.BinOp):
        sides = [side for side in (node.left, node.right) if constant(side) is not None or called(side)]
        return next((found for side in sides if (found := _typed(side, enums)) != _Typed()), _Typed())
    if isinstance(node, ast.Subscript):
        inside, name = items(node.slice) or [node.slice], called(node.value)
        if name == "Literal":
            return _Typed(choices=tuple(value for value in map(constant, inside) if value is not None))
        if name in ("list", "List"):
            return dataclasses.replace(_typed(inside[0], enums), several=0)
        if name in ("tuple", "Tuple"):
            return dataclasses.replace(_typed(inside[0], enums), several=len(inside))
        return _typed(inside[0], enums) if name in ("Optional", "Union", "Annotated") else _Typed()
    name = called(node)
    return _Typed(KINDS.get(name), name == "bool", tuple(enums.get(name, {}).values()))


def _enums(tree: ast.Module) -> dict[str, dict[str, Value]]:
    """The enumerations of a script: name to its members with their values."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and any(called(base).endswith("Enum") for base in node.bases):
            lines = [line for line in node.body if isinstance(line, ast.Assign)]
            members = {called(line.targets[0]): constant(line.value) for line in lines}
            found[node.name] = {name: value for name, value in members.items() if value is not None}
    return found


def _standing(node: ast.expr | None, typed: _Typed, enums: dict[str, dict[str, Value]]) -> Value | None:
    """The default that stands there: several with blanks between them, and of a member of an enumeration its value."""
    if typed.several is not None:
        values = [constant(item) for item in items(node)]
        return " ".join(map(str, values)) or None if None not in values else None
    if isinstance(node, ast.Attribute):
        return enums.get(called(node.value), {}).get(node.attr)
    value = constant(node)
    # What is annotated as a float and written as a whole number is one all the same.
    return float(value) if typed.kind == "float" and isinstance(value, int) else as_typed(typed.kind, value)


def _of_typer(tree: ast.Module) -> Iterator[Argument]:
    run = {called(one) for call in calls(tree, "run") for one in call.args}
    commands = [function for function, _decorators in _commands(tree, "command", "callback")]
    commands += [one for one in ast.walk(tree) if isinstance(one, ast.FunctionDef) and one.name in run]
    enums = _enums(tree)
    for function in commands:
        taken, said = function.args, function.args.defaults
        defaults = [*[None] * (len(taken.args) - len(said)), *said, *taken.kw_defaults]
        for parameter, default in zip([*taken.args, *taken.kwonlyargs], defaults, strict=True):
            if argument := _parameter(parameter, default, enums):
                yield dataclasses.replace(argument, required=argument.required and len(commands) == 1)


def _parameter(parameter: ast.arg, default: ast.expr | None, enums: dict[str, dict[str, Value]]) -> Argument | None:
    """The option that a parameter of a command is; None for one that stands without a flag, or is given repeatedly."""
    annotation, about = parameter.annotation, default if isinstance(default, ast.Call) else None
    if isinstance(annotation, ast.Subscript) and called(annotation.value) == "Annotated":
        about = next((one for one in items(annotation.slice) if isinstance(one, ast.Call)), None)
    elif about is not None:
        # Three dots say that there is none.
        default = about.args[0] if about.args else keywords(about).get("default")
        default = None if isinstance(default, ast.Constant) and default.value is ... else default
    if (about is None and default is None) or called(about) == "Argument":
        return None
    typed = _typed(annotation, enums)
    if typed.several == 0:
        return None
    said = keywords(about) if about else {}
    words = [word for word in map(constant, about.args if about else ()) if isinstance(word, str)]
    flags = [word for word in words if word.startswith("-")]
    usual = "--" + parameter.arg.replace("_", "-")
    flag, off, others = _flagged(flags or [f"{usual}/--no-{usual[2:]}" if typed.switch else usual])
    if typed.switch:
        on = constant(default) is True
        return Argument(
            flag, parameter.arg, None, on, (), in_one_line(said.get("help")), False, True, others, off, None
        )
    return Argument(
        flag,
        parameter.arg,
        typed.kind,
        _standing(default, typed, enums),
        typed.choices,
        in_one_line(said.get("help")),
        default is None,
        others=others,
        several=typed.several,
    )


# absl


def _of_absl(tree: ast.Module) -> Iterator[Argument]:
    marked = [*calls(tree, "mark_flag_as_required", "mark_flags_as_required")]
    required = {name for call in marked for one in call.args for name in (constant(one), *constants(one))}
    for call in calls(tree, *_ABSL, "DEFINE_bool", "DEFINE_boolean", "DEFINE_enum"):
        kind = called(call)
        places = ("name", "default", *(("enum_values",) if kind == "DEFINE_enum" else ()), "help")
        said = dict(zip(places, call.args, strict=False)) | keywords(call)
        name, about = constant(said.get("name")), in_one_line(said.get("help"))
        if not isinstance(name, str):
            continue
        default, needed = constant(said.get("default")), name in required or constant(said.get("required")) is True
        if kind in ("DEFINE_bool", "DEFINE_boolean"):
            off = f"--no{name}"
            yield Argument(f"--{name}", name, None, default is True, (), about, needed, switch=True, off=off)
            continue
        typed = as_typed(_ABSL.get(kind), default)
        yield Argument(f"--{name}", name, _ABSL.get(kind), typed, constants(said.get("enum_values")), about, needed)


# dataclasses


def _of_dataclasses(tree: ast.Module) -> Iterator[Argument]:
    classes = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
    enums = _enums(tree)
    for call in calls(tree, *OF_DATACLASSES):
        given = [*call.args[:1], *(value for name, value in keywords(call).items() if name == "dataclass_types")]
        for one in given:
            for named in items(one) or [one]:
                yield from _fields(called(named), classes, enums)


def _fields(name: str, classes: dict[str, ast.ClassDef], enums: dict[str, dict[str, Value]]) -> Iterator[Argument]:
    """The options that a dataclass makes, its own before those of the classes it is made from: they go before these."""
    if name.endswith("TrainingArguments") and name not in classes:
        for option, (kind, default) in _OF_TRAINING.items():
            yield Argument(f"--{option}", option, kind, default, (), "", False, others=_hyphens(option))
    # Each once, however it names itself.
    found, classes = classes.get(name), {one: node for one, node in classes.items() if one != name}
    for line in found.body if found else ():
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name):
            yield _field(line.target.id, line, enums)
    for base in found.bases if found else ():
        yield from _fields(called(base), classes, enums)


def _field(name: str, line: ast.AnnAssign, enums: dict[str, dict[str, Value]]) -> Argument:
    typed, default, about, choices = _typed(line.annotation, enums), line.value, "", ()
    if isinstance(default, ast.Call) and called(default) == "field":
        said = keywords(default)
        about, choices = _metadata(said.get("metadata"))
        made = said.get("default_factory")
        default = made.body if isinstance(made, ast.Lambda) else said.get("default", made)
    required = default is None
    if typed.switch:
        on = constant(default) is True
        off = f"--no_{name}" if on else ""
        return Argument(f"--{name}", name, None, on, (), about, required, True, _hyphens(name), off, None)
    return Argument(
        f"--{name}",
        name,
        typed.kind,
        _standing(default, typed, enums),
        choices or typed.choices,
        about,
        required,
        others=_hyphens(name),
        several=typed.several,
    )


def _metadata(node: ast.expr | None) -> tuple[str, tuple[Value, ...]]:
    """What the metadata of a field say of it: a sentence, and the values that there are."""
    pairs = zip(node.keys, node.values, strict=True) if isinstance(node, ast.Dict) else ()
    said = {constant(key): value for key, value in pairs if key is not None}
    return in_one_line(said.get("help")), constants(said.get("choices"))


def _hyphens(name: str) -> tuple[str, ...]:
    """The other flag of an option whose name has underscores."""
    return (f"--{name.replace('_', '-')}",) if "_" in name else ()

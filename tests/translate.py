"""The catalogue of translations: `python -m tests.translate update|compile|check` (needs Babel).

update: take the messages from the code into the .po file; compile: write the .mo file; check: say what is missing.
"""

from __future__ import annotations

import ast
import io
import re
import string
import sys
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

HOME = Path(__file__).parent.parent
ROOMS = ("presets", "rounds", "state", "training", "tui", "wizard")
# The place of the message among the arguments of the functions and classes that take one; of refusals it is the first.
# The `about` sentences of the configuration's settings are translated where they are shown.
PLACES = {"_": 0, "say": 0, "said": 0, "phrase": 0, "Message": 0, "_setting": 1, "_required": 0}
# What is typed in Chinese texts with the signs that are typed.
TYPED = ("键=值, 键=值", '"键, 键"', "下限..上限")
# A Chinese character, or one of its signs; and a sign of half its width that stands beside one, or a bracket that opens
# after a blank: inside of names and calls there is none.
WIDE = r"[\u3000-\u30ff\u3400-\u9fff\uff00-\uffef]"
HALF = re.compile(rf"{WIDE} ?[(),;!?]|{WIDE}[.:](?!\w)|[(,;!?] ?{WIDE}| \(")
PO = HOME / "presets/locale/zh_CN/LC_MESSAGES/tunebook.po"
MO = PO.with_suffix(".mo")


def refusals(trees: Iterable[ast.Module]) -> set[str]:
    """The names of `state.errors.Refusal`, of `training.sentence.Spoken` and of every class derived from them: their
    first argument is a message."""
    bases: dict[str, set[str]] = {}
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                bases[node.name] = {base.id for base in node.bases if isinstance(base, ast.Name)}
    found = {"Refusal", "Spoken"}
    while more := {name for name, parents in bases.items() if parents & found} - found:
        found |= more
    return found


def in_code() -> Iterator[tuple[str, str]]:
    """File and text of every message that the rooms' code spells out, also within an f-string."""
    trees = {
        str(path.relative_to(HOME)): ast.parse(path.read_text(encoding="utf-8"))
        for room in ROOMS
        for path in sorted((HOME / room).glob("**/*.py"))
    }
    places = PLACES | dict.fromkeys(refusals(trees.values()), 0)
    for file, tree in trees.items():
        for node in ast.walk(tree):
            match node:
                case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=arguments) if name in places:
                    match arguments[places[name] : places[name] + 1]:
                        # An empty text is the catalogue's own header.
                        case [ast.Constant(value=str(text))] if text:
                            yield file, text


def in_presets() -> Iterator[tuple[str, str]]:
    """File and text of every English sentence in the TOML files that becomes a message."""
    for family in tomllib.loads((HOME / "presets/architectures.toml").read_text(encoding="utf-8")).values():
        yield "presets/architectures.toml", family["about"]
        yield "presets/architectures.toml", family["kind"]
        for size in family["sizes"]:
            yield "presets/architectures.toml", size["size"]
            if "note" in size:
                yield "presets/architectures.toml", size["note"]
    for optimizer in tomllib.loads((HOME / "presets/optimizers.toml").read_text(encoding="utf-8")).values():
        yield "presets/optimizers.toml", optimizer["title"]
        yield "presets/optimizers.toml", optimizer["about"]
        for entry in optimizer["hyperparameters"]:
            yield "presets/optimizers.toml", entry["source"]
            if "source" in (tuned := entry.get("fine_tuning", {})):
                yield "presets/optimizers.toml", tuned["source"]
    for tunable in tomllib.loads((HOME / "presets/spaces.toml").read_text(encoding="utf-8")).values():
        yield "presets/spaces.toml", tunable["source"]
        if "unit" in tunable:
            yield "presets/spaces.toml", tunable["unit"]


def extracted() -> Catalog:
    """Every message in the code and the preset files of the rooms."""
    catalog = Catalog(
        project="tunebook",
        locale="zh_CN",
        charset="utf-8",
        fuzzy=False,
        version="1",
        msgid_bugs_address="-",
        last_translator="-",
        language_team="-",
        header_comment="# Simplified Chinese texts of Tunebook. The ids come from the code: see tests/translate.py.",
    )
    for file, text in (*in_code(), *in_presets()):
        catalog.add(text, locations=[(file, 0)])
    return catalog


def translated() -> Catalog:
    """The Chinese catalogue as it is committed."""
    with PO.open("rb") as file:
        return read_po(file, locale="zh_CN")


def compiled(catalog: Catalog) -> bytes:
    """What the .mo file must hold for this catalogue."""
    buffer = io.BytesIO()
    write_mo(buffer, catalog)
    return buffer.getvalue()


def problems() -> Iterator[str]:
    """What is wrong with the translations, a sentence each: missing, fuzzy, other placeholders, signs of half
    the width, not used, .mo old."""
    code, chinese = extracted(), translated()
    for message in code:
        if not message.id:
            continue
        translation = chinese.get(message.id)
        if translation is not None and translation.fuzzy:
            yield f"translation is marked fuzzy: {message.id!r}"
        text = str(translation.string) if translation is not None else ""
        if found := wrong(str(message.id), text):
            yield f"{found}: {message.id!r} -> {text!r}"
    for message in chinese:
        if message.id and message.id not in code:
            yield f"no longer in the code: {message.id!r}"
    if not MO.exists() or MO.read_bytes() != compiled(chinese):
        yield "tunebook.mo is not what tunebook.po gives: run python -m tests.translate compile"


def wrong(message: str, translation: str) -> str:
    """What is wrong with a translation, in two words or three; empty where nothing is."""
    if not translation:
        return "no translation"
    if placeholders(translation) != placeholders(message):
        return "other placeholders"
    return "half-width sign" if half_width(translation) else ""


def half_width(text: str) -> bool:
    """Whether signs of half the width stand in a text in Chinese where others have the width of its characters."""
    for typed in TYPED:
        text = text.replace(typed, "")
    return bool(re.search(WIDE, text) and HALF.search(text))


def placeholders(template: str) -> list[tuple[str, str | None, str | None]]:
    """Name, format and conversion of each field, sorted: a translation may put them in another order."""
    return sorted(
        (name, spec or "", conversion or "")
        for _text, name, spec, conversion in string.Formatter().parse(template)
        if name is not None
    )


def update() -> None:
    """Bring the .po file in step with the code; translations that are there are kept, new ones are empty."""
    code, chinese = extracted(), translated()
    for message in code:
        if message.id and (known := chinese.get(message.id)) is not None:
            message.string = known.string
    # With the date of the moment, two runs over the same code would differ.
    code.creation_date, code.revision_date = chinese.creation_date, chinese.revision_date
    with PO.open("wb") as file:
        write_po(file, code, width=0, sort_output=True, include_lineno=False)


def main(arguments: list[str]) -> int:
    """Carry out one command; 1 where the check finds a problem, 2 for wrong use."""
    match arguments:
        case ["update"]:
            update()
        case ["compile"]:
            MO.write_bytes(compiled(translated()))
        case ["check"]:
            found = list(problems())
            print("\n".join(found) or "Every message has its translation.")
            return 1 if found else 0
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

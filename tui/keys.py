"""What is made from the table of keys: Textual's bindings, the line of hints, the help and the palette; and the keys
that a person prefers."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from textual.binding import Binding, BindingType

from state.errors import Invalid, NotFound
from tui.key_table import GROUPS, KEYS, NAMES, Key

# What else may be given to an action, besides single letters, digits and the signs above.
NAMED = ("enter", "tab", "shift+tab", "space", "backspace", "up", "down", "left", "right", "home", "end", "delete")


def remap(wanted: Mapping[str, str], source: str) -> None:
    """Give actions other keys: an action's id to its keys, with commas between. Call it before the screens are loaded:
    their bindings are made then. Refuses, with the `source` of the wish, what is unknown or means two things."""
    global KEYS
    known = {key.id: key for key in KEYS}
    for id, text in wanted.items():
        if id not in known:
            near = difflib.get_close_matches(id, known, 3) or list(known)[:3]
            raise NotFound("{source}: there is no action {id}; did you mean: {near}", source=source, id=id, near=near)
        known[id] = replace(known[id], keys=tuple(_parsed(part, id, source) for part in _split(text)))
    table = tuple(known.values())
    for group in GROUPS:
        taken: dict[str, str] = {}
        for key in (key for key in table if key.group in (group, "everywhere")):
            for name in key.keys:
                if name in taken:
                    raise Invalid(
                        "{source}: {key} cannot mean both {one} and {other}.",
                        source=source,
                        key=NAMES.get(name, name),
                        one=taken[name],
                        other=key.id,
                    )
                taken[name] = key.id
    KEYS = table


def _split(text: str) -> list[str]:
    """The keys of a list; a comma alone is the key."""
    return [text] if text.strip() == "," else [part.strip() for part in text.split(",")]


def _parsed(text: str, id: str, source: str) -> str:
    """A key by Textual's name. Refuses what is none, or what a terminal would not pass on."""
    name = {sign: name for name, sign in NAMES.items()}.get(text.strip(), text.strip())
    letter = len(name) == 1 and name.isascii() and name.isalnum()
    control = len(name) == 6 and name.startswith("ctrl+") and "a" <= name[5] <= "z" and name[5] not in "himjsz"
    function = name.startswith("f") and name[1:].isdecimal() and 1 <= int(name[1:]) <= 12
    if letter or control or function or name in NAMES or name in NAMED:
        return name
    raise Invalid(
        "{source}: {id} = {text!r} is no key. A key is a letter, a digit, a sign, ctrl+ with a letter that terminals "
        "pass on, f1 to f12, or one of: {named}",
        source=source,
        id=id,
        text=text,
        named=[*NAMED],
    )


def bindings(group: str) -> list[BindingType]:
    """The bindings of a group, for the BINDINGS of a widget, a screen or the app."""
    return [
        Binding(",".join(key.keys), key.action, key.label.text(), id=key.id, show=key.show is not None)
        for key in KEYS
        if key.group == group
    ]


@dataclass(frozen=True)
class Hinted:
    """An entry of the line of hints: `left/right point`."""

    keys: str
    name: str
    group: str


def hints(active: Mapping[str, Collection[str]]) -> list[Hinted]:
    """What is hinted at of these actions, each with its keys that work now (a line of typing takes letters for itself).

    In the order of the table; neighbours of one name are one entry.
    """
    found: list[Hinted] = []
    for key in KEYS:
        working = [name for name, own in zip(key.names, key.keys, strict=True) if own in active.get(key.id, ())]
        if key.show is None or not working:
            continue
        entry = Hinted(working[0], key.show.text(), key.group)
        if found and (found[-1].name, found[-1].group) == (entry.name, entry.group):
            entry = replace(entry, keys=f"{found.pop().keys}/{entry.keys}")
        found.append(entry)
    return found


def help_rows(groups: Iterable[str]) -> list[tuple[str, list[Key]]]:
    """The title of each group, and its keys."""
    return [(GROUPS[group].text(), [key for key in KEYS if key.group == group]) for group in groups]

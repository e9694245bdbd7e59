"""English and Chinese: one catalogue, English sentences as message ids, and messages that are stored untranslated.

A `Message` keeps its English template and its values apart, so that what is stored reads in either language later,
and a value (a class called `{x}`, a path with markup in it) is never taken for a template.
"""

from __future__ import annotations

import gettext
import json
import math
import numbers
import os
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path
from typing import Any, Protocol, SupportsFloat, TypeAlias, runtime_checkable

from presets.singular import of_one

LANGUAGES = ("en", "zh_CN")
LOCALE = Path(__file__).parent / "locale"


@runtime_checkable
class Phrase(Protocol):
    """What `Message` and the sentences of `training` have in common."""

    @property
    def id(self) -> str: ...

    @property
    def values(self) -> Mapping[str, Any]: ...


Value: TypeAlias = "str | SupportsFloat | os.PathLike[str] | Phrase | Sequence[Value]"

_language = "en"
_translations: gettext.NullTranslations = gettext.NullTranslations()


def choose(option: str | None, configured: str | None, environment: Mapping[str, str]) -> str:
    """The language to use, "en" or "zh_CN": the command-line option, else the configuration, else the locale.

    Raises ValueError where the option or the configuration names a language that there is none of.
    """
    for wanted in (option, configured):
        if wanted:
            return _code(wanted)
    # POSIX: the first of these that is set and not empty decides.
    locale = next((environment[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if environment.get(name)), "")
    return "zh_CN" if locale.lower().startswith("zh") else "en"


def _code(wanted: str) -> str:
    spelled = wanted.partition(".")[0].replace("-", "_").lower()
    if spelled in ("en", "en_us", "en_gb"):
        return "en"
    if spelled in ("zh", "zh_cn", "zh_hans", "zh_hans_cn"):
        return "zh_CN"
    raise ValueError(f"There is no language {wanted!r}: choose one of {', '.join(LANGUAGES)}.")


def set_language(code: str) -> None:
    """Translate into this language from now on. Call it before the screens are imported: their key labels are fixed
    then. Raises ValueError for an unknown code."""
    global _language, _translations
    _language = _code(code)
    _translations = (
        gettext.NullTranslations()
        if _language == "en"
        else gettext.translation("tunebook", LOCALE, languages=[_language])
    )


def current_language() -> str:
    """The language of `_` and `Message.text`: "en" or "zh_CN"."""
    return _language


def _(text: str) -> str:
    """The text in the current language; as it is where there is no translation."""
    # The catalogue keeps its own header under the empty id.
    return _translations.gettext(text) if text else ""


@dataclass(frozen=True)
class Message:
    """A sentence to be said in either language: an English template with fields (`{rate:.3g}`) and their values.

    Values are text, numbers, paths, other messages, or sequences of these. Raises ValueError where the template names
    a field without a value or reaches into one (`{x.y}`), TypeError for a value that cannot be stored.
    """

    id: str
    values: Mapping[str, Value] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", {name: _plain(name, value) for name, value in self.values.items()})
        for name in fields(self.id):
            if name not in self.values:
                raise ValueError(f"The message {self.id!r} has no value for {{{name}}}.")

    def text(self) -> str:
        """The sentence in the current language."""
        shown = {name: _shown(value) for name, value in self.values.items()}
        template = of_one(self.id, shown) if _language == "en" else _(self.id)
        return template.format(**shown)

    def json(self) -> str:
        """One line of standard JSON, for the store; `from_json` reads it."""
        return json.dumps(_packed(self), ensure_ascii=False, allow_nan=False)

    @staticmethod
    def from_json(text: str) -> Message:
        """The message that `json` wrote. Raises ValueError for anything else."""
        message = _unpacked(json.loads(text))
        if not isinstance(message, Message):
            raise ValueError(f"Not a stored message: {text[:80]!r}")
        return message


def say(template: str, /, **values: Value) -> Message:
    """A message from its English template, `say("{n} trials", n=3)`; the catalogue finds its template here."""
    return Message(template, values)


def sentences(*texts: str) -> str:
    """Texts one after the other, set as the language does: Chinese has no blank after its full stop."""
    join = _("{first} {second}")
    return reduce(lambda first, second: join.format(first=first, second=second), texts) if texts else ""


def bracketed(text: str, more: str) -> str:
    """A text with more of it in brackets, which in Chinese are as wide as its characters."""
    return _("{text} ({more})").format(text=text, more=more)


def labelled(name: str, text: str) -> str:
    """A text behind its name, with the language's colon."""
    return _("{name}: {text}").format(name=name, text=text)


def stored(message: Message) -> dict[str, Any]:
    """A message as a part of a record of the store; `restored` gives it back."""
    return json.loads(message.json())


def restored(content: Mapping[str, Any]) -> Message:
    """The message that `stored` put into a record. Raises ValueError for anything else."""
    return Message.from_json(json.dumps(content))


def told(message: str, said: object) -> Message:
    """What a trial or a measurement says, to be shown in either language: `said` is the template of the message with
    its values, stored by a process that may be anybody's. The message as it is where that is nothing of the kind."""
    try:
        found = Message.from_json(json.dumps(said))
        found.text()
    except (ValueError, TypeError, LookupError, AttributeError):
        return say("{text}", text=message)
    return found


def fields(template: str) -> tuple[str, ...]:
    """The names of the fields of a template, in order. Raises ValueError for a field that is not a plain name."""
    names = []
    for _literal, name, _spec, _conversion in string.Formatter().parse(template):
        if name is None:
            continue
        if not name.isidentifier():
            raise ValueError(f"The template {template!r} has a field {{{name}}} that is not a plain name.")
        names.append(name)
    return tuple(names)


def error_text(error: BaseException) -> str:
    """What to tell a person about an error: translated where it carries a template (`message`) and its `values`."""
    return error_message(error).text()


def error_message(error: BaseException) -> Message:
    """What to tell a person about an error, as a message to be stored."""
    template, values = getattr(error, "message", None), getattr(error, "values", None)
    if isinstance(template, Message):
        return template
    if isinstance(template, str) and isinstance(values, Mapping):
        return Message(template, values)
    return say("{text}", text=str(error) or type(error).__name__)


def _plain(name: str, value: Any) -> Value:
    """The value as the store can keep it: numpy's numbers and paths become Python's numbers and text."""
    if isinstance(value, str | bool | Message):
        return value
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, SupportsFloat):
        return float(value)
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Phrase):
        return Message(value.id, value.values)
    if isinstance(value, list | tuple):
        return tuple(_plain(name, item) for item in value)
    raise TypeError(f"The value of {{{name}}} is a {type(value).__name__}; a message takes text, numbers and messages.")


def _shown(value: Any) -> Any:
    if isinstance(value, Message):
        return value.text()
    if isinstance(value, tuple):
        return _(", ").join(str(_shown(item)) for item in value)
    return value


def _packed(value: Any) -> Any:
    if isinstance(value, Message):
        return {"id": value.id, "values": {name: _packed(item) for name, item in value.values.items()}}
    if isinstance(value, tuple):
        return [_packed(item) for item in value]
    # JSON has no word for these, and SQLite's JSON functions refuse Python's.
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": repr(value)}
    return value


def _unpacked(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_unpacked(item) for item in value)
    if isinstance(value, dict):
        if value.keys() == {"float"}:
            return float(value["float"])
        if value.keys() != {"id", "values"}:
            raise ValueError(f"Not a stored message: {value!r}")
        template, values = value["id"], value["values"]
        return Message(template, {name: _unpacked(item) for name, item in values.items()})
    return value

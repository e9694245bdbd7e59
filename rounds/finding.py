"""What a check of the review says: a verdict, the sentence, the figures behind it, and what to do next (P7)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from presets.language import Message

Verdict = Literal["pass", "warn", "fail", "cannot tell"]
# By what changes most of what is done next.
ORDER: tuple[Verdict, ...] = ("fail", "warn", "cannot tell", "pass")


@dataclass(frozen=True)
class Action:
    """A proposal: a code that the screens can act on, its sentence, and its figures (a new range, say)."""

    code: str
    message: Message
    payload: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Finding:
    """The answer of one check. `rule`: the row of the playbook it comes from. `figures` and payloads are plain data
    that JSON can keep: no NaN, no infinity."""

    check: str
    verdict: Verdict
    message: Message
    rule: str
    figures: Mapping[str, Any] = field(default_factory=dict)
    action: Action | None = None

    @property
    def key(self) -> str:
        """What tells it from the others of its review, also of a later one: the check, and what it is about. `past`:
        the end of a range, "low" or "high", of what may be found at both."""
        about = (self.figures.get(part) for part in ("study", "dimension", "key", "past"))
        return "/".join([self.check, *(str(part) for part in about if part)])

    def to_dict(self) -> dict[str, Any]:
        """A mapping that JSON can keep; `from_dict` reads it."""
        action = self.action and {
            "code": self.action.code,
            "message": self.action.message.json(),
            "payload": dict(self.action.payload),
        }
        return {
            "check": self.check,
            "verdict": self.verdict,
            "message": self.message.json(),
            "rule": self.rule,
            "figures": dict(self.figures),
            "action": action,
        }

    @staticmethod
    def from_dict(mapping: Mapping[str, Any]) -> Finding:
        """The finding that `to_dict` wrote. Raises KeyError or ValueError for anything else."""
        action = mapping["action"] and Action(
            mapping["action"]["code"], Message.from_json(mapping["action"]["message"]), mapping["action"]["payload"]
        )
        return Finding(
            mapping["check"],
            mapping["verdict"],
            Message.from_json(mapping["message"]),
            mapping["rule"],
            mapping["figures"],
            action,
        )

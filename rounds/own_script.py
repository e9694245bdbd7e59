"""What a review proposes to a script of the user's own: only what its command is given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from presets.language import say
from rounds.finding import Finding
from rounds.steps import STEPS

# What the built-in training can do by settings that another script need not have.
OF_THE_BUILT_IN = ("regularise", "stabilise", "steady", "stability_check")
OF_LENGTH = ("more_steps", "fewer_steps")


def possible(findings: Iterable[Finding], base: Mapping[str, Any]) -> tuple[Finding, ...]:
    """The findings, of which none proposes what a command with these settings could not be told; what would help is
    said all the same."""
    beyond = OF_THE_BUILT_IN if STEPS in base else (*OF_THE_BUILT_IN, *OF_LENGTH)
    return tuple(_said(finding, beyond) for finding in findings)


def _said(finding: Finding, beyond: tuple[str, ...]) -> Finding:
    if finding.action is None or finding.action.code not in beyond:
        return finding
    words = say(
        "{finding} The command has no parameter for what would help, so it is yours to change in the script: {what}",
        finding=finding.message,
        what=finding.action.message,
    )
    return replace(finding, message=words, action=None)

"""What a review proposes to a script of the user's own: only what its command is given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from presets.language import Message, say
from rounds.finding import Finding
from rounds.roles import is_length
from rounds.steps import STEPS
from state.usual_names import BATCH_SIZES, CLIPS, DECAYS, RATES, SHARES, WARMUPS, leaf

# What the built-in training can do by settings that another script need not have.
OF_THE_BUILT_IN = ("regularise", "stabilise", "steady", "validate_more", "stability_check")
# The parameters that help, by what is proposed.
HELPS = {
    "regularise": (*DECAYS, *SHARES),
    "stabilise": (*WARMUPS, *CLIPS, *RATES),
    "steady": BATCH_SIZES,
    "validate_more": BATCH_SIZES,
}
OF_LENGTH = ("more_steps", "fewer_steps")


def possible(findings: Iterable[Finding], base: Mapping[str, Any]) -> tuple[Finding, ...]:
    """The findings, of which none proposes what a command with these settings could not be told; what would help is
    said all the same."""
    beyond = OF_THE_BUILT_IN if STEPS in base else (*OF_THE_BUILT_IN, *OF_LENGTH)
    lengths = tuple(key for key in base if is_length(key))
    return tuple(_said(finding, beyond, lengths, base) for finding in findings)


def _about_length(finding: Finding, lengths: tuple[str, ...]) -> Message:
    """How the length of a run is changed, which no round can do: by another name than steps, or not by the command."""
    if lengths:
        return say(
            "{finding} How long a run is, {name} says in your command, and it is the same within a round: tunebook new "
            ". --set {name}=VALUE gives another one; then comes the baseline again.",
            finding=finding.message,
            name=lengths[0],
        )
    return say(
        "{finding} How long a run is, your command does not say. If its script has an option for it, tunebook new . "
        "--set epochs=VALUE puts it in, by the name it has there; then comes the baseline again.",
        finding=finding.message,
    )


def _said(finding: Finding, beyond: tuple[str, ...], lengths: tuple[str, ...], base: Mapping[str, Any]) -> Finding:
    if finding.action is None or finding.action.code not in beyond:
        return finding
    if finding.action.code in OF_LENGTH:
        return replace(finding, message=_about_length(finding, lengths), action=None)
    helps = HELPS.get(finding.action.code, ())
    own = sorted((key for key in base if leaf(key) in helps), key=lambda key: helps.index(leaf(key)))
    if own:
        words = say(
            "{finding} What may help: {what} Your command takes {names}: search it in the next round, tunebook round "
            "plan --about {name}.",
            finding=finding.message,
            what=finding.action.message,
            names=", ".join(own),
            name=own[0],
        )
        return replace(finding, message=words, action=None)
    words = say(
        "{finding} The command has no parameter for what would help, so it is yours to change in the script: {what}",
        finding=finding.message,
        what=finding.action.message,
    )
    return replace(finding, message=words, action=None)

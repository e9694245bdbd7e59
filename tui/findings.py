"""The findings of a review as the command line tells them: line by line, and as documents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from presets.language import _, bracketed
from rounds.finding import Finding
from state.dismissals import Dismissal
from tui.session import Session


def show_findings(session: Session, findings: tuple[Finding, ...], dismissed: Mapping[str, Dismissal]) -> None:
    """A line for each finding with its verdict and rule, and one for what to do about it, or why it is dismissed."""
    words = {"pass": _("pass"), "warn": _("warning"), "fail": _("wrong"), "cannot tell": _("cannot tell")}
    for finding in findings:
        held = dismissed.get(finding.key)
        verdict = _("dismissed") if held else words[finding.verdict]
        said = _("{verdict}: {finding}").format(verdict=verdict, finding=finding.message.text())
        session.progress(bracketed(said, f"{finding.key}, {finding.rule}"))
        if held:
            session.progress(
                "  " + _("by {author} at {time}").format(author=held.by, time=held.at) + f": {held.reason}"
            )
        elif finding.action:
            session.progress("  -> " + finding.action.message.text())


def finding_document(finding: Finding, dismissed: Dismissal | None = None) -> dict[str, Any]:
    """A finding as the JSON answers give it, its sentences in the language of the moment."""
    action = finding.action
    return {
        "key": finding.key,
        "check": finding.check,
        "rule": finding.rule,
        "verdict": finding.verdict,
        "message": finding.message,
        "figures": finding.figures,
        "action": action and {"code": action.code, "message": action.message, "payload": action.payload},
        "dismissed": dismissed and {"by": dismissed.by, "at": dismissed.at, "reason": dismissed.reason},
    }

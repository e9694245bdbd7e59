"""Whether logging out ends what was started, as systemd does where KillUserProcesses=yes is set."""

from __future__ import annotations

import getpass
import shutil
import subprocess
from typing import Literal

Fate = Literal["lives", "scope", "ends"]


def fate() -> Fate:
    """What becomes of a detached process when its user logs out: it lives; it lives in a scope of its own, since the
    user lingers; or it ends."""
    if "yes" not in _asked("KillUserProcesses"):
        return "lives"
    # Of the excluded users logind asks by name; by default that is root alone.
    user = _user()
    if user in _asked("KillExcludeUsers").split():
        return "lives"
    return "scope" if "yes" in _asked("Linger", user) and shutil.which("systemd-run") else "ends"


def wrapped(command: list[str]) -> list[str]:
    """The command so that it outlives the session where anything can make it."""
    if fate() != "scope":
        return command
    return ["systemd-run", "--user", "--scope", "--quiet", "--collect", "--", *command]


def _asked(name: str, user: str = "") -> str:
    """A property of logind (without a user: of logind itself); empty where there is no logind to ask."""
    command = ["loginctl", "show-user", *([user] if user else []), "--property", name, "--value"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return answer.stdout.strip()


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""

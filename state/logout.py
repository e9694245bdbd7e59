"""Whether logging out ends what was started, as systemd does where it is set up so; and what keeps it alive.

logind ends the processes of a session with it where `KillUserProcesses=yes` is set (logind.conf(5)), and the user's
own manager, with all that it holds, with the last session, unless the user lingers. A scope of that manager is no part
of any session.
"""

from __future__ import annotations

import os
import pwd
import re
import shutil
import subprocess
from pathlib import Path
from typing import Literal

Fate = Literal["lives", "scope", "ends"]

CGROUP = Path("/proc/self/cgroup")
# Where systemd puts the processes of a user: in a session, or below the user's own manager.
_PLACE = re.compile(r"/user-(\d+)\.slice/(session-|user@)")


def fate() -> Fate:
    """What becomes of a detached process that is started now when its user logs out: it lives; it lives in a scope of
    its own, since the user lingers; or it ends."""
    place = _place()
    if place is None:
        return "lives"
    owner, within = place
    if within == "user@":
        return "lives" if _lingers(owner) else "ends"
    if not _kills(owner):
        return "lives"
    return "scope" if _runtime() and _lingers(os.getuid()) else "ends"


def wrapped(command: list[str]) -> list[str]:
    """The command in a scope of its own where its session would end it: there it outlives the session of a user who
    lingers, whether they were allowed to before it began or since."""
    place, runtime = _place(), _runtime()
    if place is None or place[1] == "user@" or not runtime or not _kills(place[0]):
        return command
    scope = ["systemd-run", "--user", "--scope", "--quiet", "--collect", "--", *command]
    # Who became this user by sudo or su has its manager, but not the variable that says where.
    return scope if os.environ.get("XDG_RUNTIME_DIR") else ["env", f"XDG_RUNTIME_DIR={runtime}", *scope]


def _place() -> tuple[int, str] | None:
    """Whose session this process is part of ("session-"), or whose manager ("user@"); None for what is part of neither:
    a service, a container, a system without systemd."""
    try:
        found = _PLACE.search(CGROUP.read_text(errors="replace"))
    except OSError:
        return None
    return (int(found[1]), found[2]) if found else None


def _kills(user: int) -> bool:
    """Whether logind ends the processes of this user's sessions: by the rule of logind.conf(5)."""
    name = _name(user)
    said = _asked("KillUserProcesses", "KillOnlyUsers", "KillExcludeUsers")
    # logind does not say whether the list is empty or not set; where it is not set, root is excluded.
    excluded = said.get("KillExcludeUsers", "root").split()
    if name in excluded:
        return False
    only = said.get("KillOnlyUsers", "").split()
    return name in only if only else said.get("KillUserProcesses") == "yes"


def _lingers(user: int) -> bool:
    return _asked("Linger", user=_name(user)).get("Linger") == "yes"


def _runtime() -> str:
    """The folder by which this user's manager is reached; empty where there is none, or no program to ask it."""
    folder = os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    return folder if shutil.which("systemd-run") and Path(folder, "systemd", "private").exists() else ""


def _asked(*names: str, user: str = "") -> dict[str, str]:
    """Properties of logind (without a user: of logind itself) by their names; those that are empty, and where there is
    no logind to ask all, are left out."""
    command = ["loginctl", "show-user", *([user] if user else []), *(f"--property={name}" for name in names)]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True)
    except (OSError, subprocess.SubprocessError):
        return {}
    found = (line.partition("=") for line in answer.stdout.splitlines())
    return {name: value for name, _, value in found if value}


def _name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)

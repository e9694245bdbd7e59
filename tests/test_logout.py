"""Whether logging out ends what was started, with a `loginctl` that answers as logind does.

`make test-logout` holds the same against a real systemd, where one can be booted.
"""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from state import logout

NAME = pwd.getpwuid(os.getuid()).pw_name
SESSION = f"/user.slice/user-{os.getuid()}.slice/session-7.scope"
MANAGER = f"/user.slice/user-{os.getuid()}.slice/user@{os.getuid()}.service/app.slice/run-1.scope"
OTHERS = "/user.slice/user-123456.slice/session-7.scope"


@pytest.fixture
def logind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of programs, the only ones that are found, with one that stands for `systemd-run`, and a manager of the
    user's own that can be reached."""
    programs, runtime = tmp_path / "bin", tmp_path / "runtime"
    (runtime / "systemd").mkdir(parents=True)
    (runtime / "systemd" / "private").touch()
    programs.mkdir()
    _program(programs / "systemd-run", "")
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    monkeypatch.setattr(logout, "CGROUP", tmp_path / "cgroup")
    return programs


def _program(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def _says(programs: Path, place: str, answers: dict[str, str]) -> None:
    """A process at this place, and a logind that says so: it leaves out what is empty."""
    (programs.parent / "cgroup").write_text(f"9:name=systemd:/elsewhere\n0::{place}\n")
    lines = [f'case "$*" in *--property={name}*) echo "{name}={value}" ;; esac' for name, value in answers.items()]
    _program(programs / "loginctl", "\n".join(lines))


@pytest.mark.parametrize(
    ("place", "answers", "fate", "wrapped"),
    [
        (SESSION, {}, "lives", False),
        (SESSION, {"KillUserProcesses": "no"}, "lives", False),
        (SESSION, {"KillUserProcesses": "yes", "KillExcludeUsers": f"root {NAME}"}, "lives", False),
        (SESSION, {"KillUserProcesses": "yes", "KillExcludeUsers": "me", "Linger": "yes"}, "scope", True),
        (SESSION, {"KillUserProcesses": "yes", "KillExcludeUsers": "me", "Linger": "no"}, "ends", True),
        (SESSION, {"KillUserProcesses": "yes", "KillExcludeUsers": "me", "KillOnlyUsers": "you"}, "lives", False),
        (SESSION, {"KillUserProcesses": "no", "KillExcludeUsers": "me", "KillOnlyUsers": f"you {NAME}"}, "ends", True),
        # The manager, and what it holds, ends with the last session, whatever is killed with each.
        (MANAGER, {"KillUserProcesses": "no", "Linger": "no"}, "ends", False),
        (MANAGER, {"KillUserProcesses": "yes", "Linger": "yes"}, "lives", False),
        # Who became another by sudo is part of the session of whoever logged in.
        (OTHERS, {"KillUserProcesses": "yes", "Linger": "yes"}, "scope", True),
        ("/system.slice/cron.service", {"KillUserProcesses": "yes"}, "lives", False),
    ],
)
def test_what_logging_out_does_is_asked_of_logind(
    logind: Path, place: str, answers: dict[str, str], fate: str, wrapped: bool
) -> None:
    _says(logind, place, answers)
    assert logout.fate() == fate
    command = logout.wrapped(["x"])
    assert command[-1] == "x"
    assert (command[0] == "systemd-run") == wrapped


def test_root_is_excluded_where_nothing_is_set(logind: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """logind leaves root out by default, and does not list it."""
    monkeypatch.setattr(logout, "_name", lambda user: "root")
    _says(logind, SESSION, {"KillUserProcesses": "yes"})
    assert logout.fate() == "lives"
    assert logout.wrapped(["x"]) == ["x"]


def test_where_no_manager_can_be_reached_nothing_is_asked_of_it(
    logind: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _says(logind, SESSION, {"KillUserProcesses": "yes", "KillExcludeUsers": "me", "Linger": "yes"})
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "none"))
    assert logout.fate() == "ends"
    assert logout.wrapped(["x"]) == ["x"]


def test_without_systemd_whatever_is_detached_lives(logind: Path) -> None:
    assert logout.fate() == "lives"
    assert logout.wrapped(["x"]) == ["x"]

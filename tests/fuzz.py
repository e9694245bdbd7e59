"""Random keys on the screens in a real terminal: `python -m tests.fuzz STEPS [SEED]`.

The project has names that a terminal would obey and markup that Textual would. Whatever is pressed, the screens must
not end but by being left, and nothing of what the names would have a terminal do may be sent.
"""

from __future__ import annotations

import random
import re
import sys
import tempfile
from pathlib import Path

from state import runs
from state.project import Project
from tests import prepared, watched_round
from tests.prepared import SENTINEL
from tests.terminal import KEYS, Terminal, terminal
from tui.keys import KEYS as TABLE

# As often as the screens are given a moment to answer, and how long without a byte counts as an answer.
BURST, QUIET_SECONDS = 20, 0.1
SIZES = ((80, 24), (60, 20), (200, 50), (40, 10), (81, 25), (7, 2))
TYPED = ("12", "0.5", "abc", "[/b]", "中文", "{x}", "1e999", "-1", "0.1 1 log", "\u202e", "a" * 90)
# What no screen of ours sends: blinking, bells, titles, and the second half of the control characters.
# Textual asks for shapes of the mouse pointer.
POINTER = re.compile(rb"\x1b\]22;[a-z-]*\x07")
FORBIDDEN = re.compile(rb"\x1b\[(?:\d+;)*5(?:;\d+)*m|\x07|\x1b\][02];|\xc2[\x80-\x9f]|\xe2\x80[\xaa-\xae]")

# What gives the screen back to what was there before.
GIVEN_BACK = b"\x1b[?1049l"


def fuzz(steps: int, seed: int) -> str:
    """Press so many keys; returns what was done. Raises AssertionError where something went wrong."""
    with tempfile.TemporaryDirectory() as folder:
        chance = random.Random(seed)
        stage = chance.choice(("goal", "running", "ended", "launch", "second"))
        project = prepared.prepare(Path(folder) / "p", stage, hostile=True)
        started = left = 0
        with watched_round.supervised(project):
            try:
                while left < steps:
                    started += 1
                    left += _session(project, chance, steps - left)
            finally:
                _stop_measurements(project)
    return f"{steps} steps, seed {seed}, from {stage}: {started} sessions, all ended well"


def _session(project: Project, chance: random.Random, steps: int) -> int:
    """One session until somebody leaves it, or the steps are done; returns how many were."""
    pressed: list[str] = []
    with terminal(["--lang", chance.choice(("en", "zh_CN"))], project.root) as session:
        session.wait_for(SENTINEL)
        for step in range(1, steps + 1):
            pressed.append(_step(session, chance))
            if step % BURST == 0 or step == steps:
                session.wait_for_quiet(QUIET_SECONDS)
                # It may take a moment to end after that.
                leaving = GIVEN_BACK in session.sent
                _check(session, pressed)
                if leaving or session.process.poll() is not None:
                    break
        else:
            session.resize(80, 24)
            session.press("escape", *["escape"] * 9)
            session.wait_for_quiet(QUIET_SECONDS)
            assert session.process.poll() is None, _story(session, pressed)
            # Where something is typed, a letter does not leave.
            session.press("\x11")
        code = session.wait_for_end()
        assert code == 0, _story(session, pressed)
        _check(session, pressed)
    return len(pressed)


def _step(session: Terminal, chance: random.Random) -> str:
    """One thing that a person may do; returns it in words."""
    kind = chance.random()
    if session.process.poll() is not None:
        return "after the end"
    if kind < 0.02:
        size = chance.choice(SIZES)
        session.resize(*size)
        return f"resize {size}"
    if kind < 0.06:
        word = chance.choice(TYPED)
        session.press(word, "enter")
        return f"type {word!a}"
    if kind < 0.10:
        x, y = chance.randint(1, 80), chance.randint(1, 24)
        button = chance.choice((0, 0, 64, 65))
        session.press(f"\x1b[<{button};{x};{y}M", *([] if button else [f"\x1b[<0;{x};{y}m"]))
        return f"mouse {button} at {x}, {y}"
    key = chance.choice(_keys())
    session.press(key)
    return key


def _keys() -> list[str]:
    """Every key of the table but those that leave, and a few that mean nothing; going in and out more often."""
    known = [name for key in TABLE if key.id != "quit" for name in (*key.keys, *key.names)]
    usable = [name for name in known if name in KEYS or len(name) == 1]
    return [*usable, *["enter"] * 12, *["escape"] * 6, *"zZ9 ", "backspace"]


def _check(session: Terminal, pressed: list[str]) -> None:
    sent = POINTER.sub(b"", session.sent)
    found = FORBIDDEN.search(sent)
    if found:
        # It rings when it falls; why is said then.
        session.wait_for_quiet(2)
    around = sent[max(found.start() - 30, 0) : found.end() + 10] if found else b""
    assert found is None, f"sent {around!r} " + _story(session, pressed)
    assert "Traceback" not in session.text, _story(session, pressed)
    session.forget()


def _story(session: Terminal, pressed: list[str]) -> str:
    return f"after {', '.join(pressed[-60:])}:\n{session.text[-4000:]}"


def _stop_measurements(project: Project) -> None:
    """End the probes and inspections that somebody started by chance."""
    for folder in (project.folder / "measurements").glob("*"):
        runs.stop(folder, hard=True)


if __name__ == "__main__":
    print(fuzz(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(10**6)))

"""The whole way in a real terminal of 80x24, by keyboard alone: from the welcome page to an export that trains."""

from __future__ import annotations

import gettext
import json
import subprocess
import sys
from pathlib import Path

import pytest

from presets.language import LANGUAGES, LOCALE
from state import launches, trials
from state.project import open_project
from state.store import open_store
from tests.tmux import needed, tmux
from wizard import flow

# So few steps that trials take seconds, and enough that digits are learnt: a good pass over them.
BATCH_SIZE, STEPS, TRIALS = 32, 60, 3


@needed
@pytest.mark.parametrize("code", LANGUAGES)
def test_from_the_welcome_page_to_an_export_that_trains(tmp_path: Path, code: str) -> None:
    said = gettext.translation("tunebook", LOCALE, languages=[code], fallback=code == "en").gettext
    with tmux(["--lang", code], tmp_path) as screen:
        screen.wait_for(said("Try it on handwritten digits"))
        screen.press("Enter")
        screen.wait_for(said("Go on with the set-up"))
        screen.press("Enter")
        for step in flow.STEPS:
            heading = f"  {said(flow.title(step).id)}  [{said('set-up')}]"
            if step in ("batch_size", "baseline"):
                screen.wait_for(heading, f"s {said('start')}")
                screen.press("Enter")
            screen.wait_for(heading, said("recommended"), f"enter {said('choose')}")
            if step in ("batch_size", "steps"):
                screen.press("t")
                screen.wait_for(said("Type {what}:").format(what=said("a whole number")))
                screen.write(str(BATCH_SIZE if step == "batch_size" else STEPS))
            else:
                screen.press("Enter")
        screen.wait_for(said("Plan a round"), f"[{said('goal')}]")
        screen.press("Enter")
        screen.wait_for("learning_rate", f"s {said('start')}")
        screen.press("n")
        screen.wait_for(said("Number of trials:"))
        screen.press("BSpace", "BSpace")
        screen.write(str(TRIALS))
        screen.wait_for(f"s {said('start')}")
        screen.press("s")
        ended = said("{ended} of {total} ended").format(ended=TRIALS, total=TRIALS)
        screen.wait_for("  round-1  ", ended, f"v {said('review')}")
        screen.press("v")
        screen.wait_for(said("review of {name}").format(name="round-1"), f"l {said('launch')}")
        screen.press("l")
        screen.wait_for(said("s: run all sides again with fresh seeds"))
        screen.press("s")
        screen.wait_for("  launch-1  ", f"a {said('adopt')}")
        screen.press("a")
        # Of the question, its beginning: it may take more than a line.
        question = said("That is not what the runs suggest. Say why; it is recorded with the decision:")
        adopted, against = said("Adopted."), question[:12]
        if screen.wait_for_one(adopted, against) == against:
            screen.write("a rehearsal: 演练")
            # As one word, which no end of a line divides.
            screen.wait_for(adopted, "rehearsal")
        screen.press(":")
        screen.wait_for(said("Type a few letters of it; enter does it:"))
        screen.write("export")
        screen.wait_for(said("Folder to write:"))
        screen.press("Enter")
        # Where the folder's path is long, it begins a line of its own.
        screen.wait_for(said("Written: {folder}").partition("{")[0].strip())
        screen.press("C-q")
        screen.wait_for_end()

    root = tmp_path / "demo"
    with open_store(open_project(root)) as store:
        assert [entry.decision for entry in launches.launches(store)] == ["adopt", "adopt"]
        results = [entry.best for entry in trials.trials(store)]
    # Training it again needs none of this application, and comes to what one of its runs came to.
    command = [sys.executable, "train.py", "--output", "again"]
    done = subprocess.run(command, cwd=root / "export", capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    again = json.loads((root / "export" / "again" / "result.json").read_text())
    assert again["best"]["val/error_rate"] in results

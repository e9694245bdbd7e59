"""A review notices trials of a script of the user's own that broke off and said that all went well."""

from __future__ import annotations

from pathlib import Path

import pytest

from rounds import ended_early, planning, reviewing
from state import trials
from state.store import open_store
from tests import own_pipelines
from tests.test_own_project import drive, run_baseline
from wizard import flow

# It catches its own error, half way, and exits with 0; or stops where it pleases.
BREAKS_OFF = own_pipelines.SCRIPT.replace(
    "    batch = random", "    if step > 25 and args.lr > 8:\n        raise SystemExit(0)\n    batch = random"
)
STOPS_EARLY = own_pipelines.SCRIPT.replace(
    "    batch = random", "    if step > 20 + 10 * args.lr:\n        raise SystemExit(0)\n    batch = random"
)


@pytest.mark.parametrize(
    ("script", "told"), [(BREAKS_OFF, True), (STOPS_EARLY, False)], ids=["breaks off", "stops early"]
)
def test_what_ended_before_the_others_is_told(tmp_path: Path, script: str, told: bool) -> None:
    """What such a trial had come to by then was compared with what the others came to, without a word."""
    code = tmp_path / "code"
    own_pipelines.write_script(code, script)
    with open_store(own_pipelines.project(tmp_path / "p", code, "lr=0.5,1,2,9")) as store:
        run_baseline(store)
        flow.answer(store, "baseline", "accept")
        listed = drive(store, planning.save(store, planning.propose(store, trials=4), wanted="run", slots=2).name)
        broken = [entry.id for entry in listed if trials.trial_settings(store, entry)["lr"] == 9]
        found = [one for one in reviewing.review_batch(store, listed[0].batch) if one.check == ended_early.CHECK]
    assert len({entry.steps_done for entry in listed}) > 1
    assert [(one.verdict, one.figures["trials"]) for one in found] == ([("warn", broken)] if told else [])

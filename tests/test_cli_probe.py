"""`tunebook probe`: what was measured, counted in time and cost; measuring itself is in test_probe."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from presets import language
from state import launches, measurements
from state.project import open_project
from state.store import open_store
from tests import prepared, small_project
from tests.set_up import probed, set_up
from tests.test_cli import tunebook
from wizard import flow, probe


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project whose batch sizes have been measured."""
    with set_up(tmp_path / "p", "batch_size") as store:
        return store.project.root


def test_what_was_measured_is_shown_with_time_and_cost_of_so_many_steps(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Price and power are kept in tunebook.toml for the next time."""
    command = ("probe", "--project", root, "--price", "3.6", "--power", "500", "--steps", "1000", "--json")
    assert tunebook(*command) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["examples"] == 64_000
    row = answer["table"][0]
    # 64,000 examples at 800 a second: 80 seconds, and a thousand steps of 8 in 10.
    told = {"batch_size": 8, "examples": 64_000, "examples_seconds": 80.0, "steps": 1000, "steps_seconds": 10.0}
    told |= {"step_seconds": 0.01, "examples_per_second": 800.0, "device_seconds": 80.0}
    told |= {"price": 0.08, "energy_kwh": 80 / 3600 / 2}
    assert {name: row[name] for name in told} == pytest.approx(told)
    try:
        assert tunebook("--lang", "zh_CN", *command) == 0
    finally:
        language.set_language("en")
    assert json.loads(capsys.readouterr().out)["table"] == answer["table"]
    settings = open_project(root).settings
    assert (settings.price_per_hour, settings.power_watts) == (3.6, 500.0)
    assert tunebook("probe", "--project", root) == 0
    text = capsys.readouterr().out
    assert "recommended: batch 64" in text
    assert "kWh" in text


@pytest.mark.parametrize("option", ["--price", "--power", "--memory-cap"])
@pytest.mark.parametrize("value", ["abc", "-1", "nan", "inf", ""])
def test_what_is_no_amount_is_refused_in_a_sentence(
    root: Path, option: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tunebook("probe", "--project", root, option, value) == 2
    said = capsys.readouterr().err
    assert f"{value!r} is no amount" in said
    assert "Traceback" not in said


def test_an_amount_in_the_project_s_file_that_makes_no_sense_is_refused(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = root / "tunebook.toml"
    for value, part in (('"abc"', "wanted: a number"), ("-1.0", "0 or more"), ("nan", "0 or more")):
        text = place.read_text(encoding="utf-8")
        place.write_text(text.replace("price_per_hour = 0.0", f"price_per_hour = {value}"), encoding="utf-8")
        assert tunebook("probe", "--project", root) == 2
        assert part in capsys.readouterr().err
        place.write_text(text, encoding="utf-8")


def test_what_a_launch_has_adopted_is_what_is_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """After a comparison of optimizers the figures were still those of the set-up's, and no word said so."""
    project = prepared.prepare(tmp_path / "p", "goal")
    command = ("probe", "--project", project.root)
    with open_store(project) as store:
        best = launches.best(store)
        assert best is not None
        small_project.adopt(store, {**best.settings, "optimizer.name": "adamw"})
        used = probe.in_use(store)
        assert used is not None
        result = probe.known(store).result
        measurements.record(store, "probe-9", "probe", probe.subject(store, used), {**result, "recommended": 32})
        assert flow.standing(store).step is None
    assert tunebook(*command, "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["id"], answer["in_use"], answer["in_force"]) == ("probe-9", {"optimizer.name": "adamw"}, 64)
    assert tunebook(*command) == 0
    told = capsys.readouterr().out
    assert "With the best configuration, which has optimizer.name = adamw where the set-up has others:" in told
    assert "--optimizer=adamw --batch-size=32" in told
    # Who goes back to the set-up finds its figures there, and while it has an open question, they are what is meant.
    with open_store(project) as store:
        flow.answer(store, "optimizer", "adam")
        probed(store)
    assert tunebook(*command, "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["id"], answer["in_use"]) == ("probe-2", {})

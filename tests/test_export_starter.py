"""The export at the end of the set-up: it needs no result, trains by itself, and says why each value is what it is."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from state.errors import Refusal
from state.store import open_store
from tests import prepared, small_project
from tests.screens import NARROW, shown, wait_for_text
from tests.set_up import make, set_up
from tui import exporting_starter
from tui.app import Tunebook
from tui.main import main
from wizard import configuration


def test_the_configuration_of_the_set_up_trains_before_any_trial_ran(tmp_path: Path, digits: Path) -> None:
    """The folder needs nothing of Tunebook; every value has its reason above it."""
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "data").symlink_to(digits)
    with set_up(tmp_path / "p", "baseline", steps=6) as store:
        done = exporting_starter.export(store, tmp_path / "out")
    assert done.trial is None
    text = (done.folder / "config.toml").read_text(encoding="utf-8")
    assert "# ResNet is the best understood family for this task." in text
    values = tomllib.loads(text)
    assert values["model"]["name"] == "test_resnet"
    assert text.count("\n#") >= sum(len(section) for section in values.values())
    assert json.loads((done.folder / "environment.json").read_text())["trial"] is None
    # Fewer examples than the data that the set-up was told of, so smaller batches.
    (done.folder / "config.toml").write_text(text.replace("batch_size = 64", "batch_size = 16"), encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": ""}
    ran = subprocess.run(
        [sys.executable, "-P", "-c", "import sys; sys.path.insert(0, '.'); exec(open('train.py').read())"],
        cwd=done.folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert json.loads((done.folder / "run" / "result.json").read_text())["status"] == "complete"


def test_while_a_question_is_open_there_is_nothing_to_export(tmp_path: Path) -> None:
    with set_up(tmp_path / "p", "optimizer") as store:
        assert not exporting_starter.ready(store)
        with pytest.raises(Refusal, match=r"First comes the question 'optimizer'"):
            exporting_starter.export(store, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_pipeline_of_ones_own_is_exported_with_a_trial(tmp_path: Path) -> None:
    with (
        open_store(make(tmp_path / "p", command=("python", "train.py"))) as store,
        pytest.raises(Refusal, match="exported with a trial that ran it"),
    ):
        exporting_starter.export(store, tmp_path / "out", starter=True)


def test_the_command_writes_it_and_does_not_take_both_kinds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with set_up(tmp_path / "p", "baseline"):
        pass
    with pytest.raises(SystemExit) as ended:
        main(["export", str(tmp_path / "out"), "--project", str(tmp_path / "p"), "--json"])
    assert ended.value.code == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["trial"], answer["expected"], answer["folder"]) == (None, {}, str(tmp_path / "out"))
    with pytest.raises(SystemExit) as ended:
        main(["export", str(tmp_path / "two"), "--project", str(tmp_path / "p"), "--starter", "--trial", "x"])
    assert ended.value.code == 2


def test_that_it_has_run_is_not_denied(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a baseline that was no better than chance the export said that nothing had run with its configuration yet,
    and that nobody knew what it reaches."""
    arguments = ["export", str(tmp_path / "out"), "--project", str(tmp_path / "p")]
    with set_up(tmp_path / "p", "baseline") as store:
        with pytest.raises(SystemExit):
            main([*arguments, "--starter"])
        assert "nothing has run with it yet.\nTrain it with: cd" in capsys.readouterr().out
        assert "is not known yet" in (tmp_path / "out" / "README.md").read_text()
        shutil.rmtree(tmp_path / "out")

        small_project.batch(store, configuration.checked(store), kind="baseline")
        small_project.end(store, "baseline-1-001", 0.875)
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 0
    shown = capsys.readouterr()
    words = (
        "It has run as baseline-1-001, which came to val/error_rate 0.875; `--trial baseline-1-001` exports that run."
    )
    assert words in shown.err
    assert "nothing has run" not in shown.out
    readme = (tmp_path / "out" / "README.md").read_text()
    assert words in readme
    assert "is not known yet" not in readme


async def test_the_home_page_offers_it_at_the_end_of_the_set_up(tmp_path: Path) -> None:
    """Chosen by keys, at 80x24."""
    with set_up(tmp_path / "p", "baseline") as store:
        app = Tunebook(store.project.root)
        async with app.run_test(size=NARROW) as pilot:
            await wait_for_text(pilot, "the starter configuration: reasons, training script")
            app.open("export")
            await wait_for_text(pilot, "Nothing has run with it yet.")
            await pilot.press("enter")
            await wait_for_text(pilot, "It is the starter configuration. To train it:")
            assert "python train.py" in shown(app).replace("\n", "")
    assert (tmp_path / "p" / "export" / "config.toml").exists()


async def test_it_is_offered_among_all_that_can_be_done_once_there_is_a_best_configuration(tmp_path: Path) -> None:
    """From then on only `tunebook export --starter` wrote it: the page of the export writes the best."""
    project = prepared.prepare(tmp_path / "p", "goal")
    app = Tunebook(project.root)
    async with app.run_test(size=NARROW) as pilot:
        await wait_for_text(pilot, "Plan a round")
        await pilot.press("colon", *"starter", "enter")
        await wait_for_text(pilot, "Writes the starter configuration of the set-up")
        await pilot.press("enter")
        await wait_for_text(pilot, "It is the starter configuration. To train it:")
    assert (project.root / "export-starter" / "config.toml").exists()


async def test_what_was_written_is_read_to_its_end_in_a_small_window(tmp_path: Path) -> None:
    """Its last lines, with what to mind, were below the window, and nothing could be scrolled."""
    with set_up(tmp_path / "p", "baseline") as store:
        app = Tunebook(store.project.root)
        async with app.run_test(size=(50, 14)) as pilot:
            await wait_for_text(pilot, "Go on with the set-up")
            app.open("export")
            await wait_for_text(pilot, "Folder to write:")
            await pilot.press("enter")
            await wait_for_text(pilot, "up/down scroll")
            assert "train.py" not in shown(app)
            await pilot.press("end")
            await wait_for_text(pilot, "train.py")

"""The look at the test split: of the best configuration, with its exact interval, and every one counted."""

from __future__ import annotations

import dataclasses
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from scipy.stats import binomtest

from rounds import looking
from rounds.attending import Supervisor
from rounds.slots import Machine
from rounds.statistics import share_interval
from rounds.warm import ForkServer
from state import files, looks, repair, trials
from state.database import Store
from state.errors import Refusal
from state.store import open_store
from tests import small_project, training_runs, watched_round
from tests.screens import NARROW, shown, wait_for, wait_for_text
from training.config import check, unflat
from training.look import look
from tui.app import Tunebook
from tui.report import writing
from tui.say import figure

pytestmark = pytest.mark.usefixtures("quick_looks")


@pytest.mark.parametrize(("count", "total"), [(0, 10), (1, 10), (10, 10), (7, 360), (180, 360)])
def test_the_interval_of_a_share_is_the_exact_one(count: int, total: int) -> None:
    """Against scipy's Clopper-Pearson."""
    known = binomtest(count, total).proportion_ci(method="exact")
    assert share_interval(count, total) == pytest.approx((known.low, known.high))


def test_no_share_is_refused() -> None:
    """Nothing seen, or more than all."""
    for count, total in ((0, 0), (3, 2), (-1, 2)):
        with pytest.raises(ValueError, match="no share"):
            share_interval(count, total)


async def test_the_look_on_real_training(tmp_path: Path, digits: Path, fork_server: ForkServer) -> None:
    """A trained network on a test split of its own: right counts, one record, and a second look only with a reason.

    The first is begun in the screens, which close while it is at work: it is counted by whoever looks in next.
    """
    data = _split(digits, tmp_path / "data")
    with open_store(small_project.project(tmp_path / "p", data)) as opened:
        with pytest.raises(Refusal, match="no best configuration yet"):
            looking.subject(opened)
        small_project.adopt(opened, small_project.settings(data))
        with pytest.raises(Refusal, match="No complete run"):
            looking.look(opened)
        driven = Supervisor(opened, Machine(2), fork_server)
        trials.ask(opened, "baseline-1", "run")

        def finished() -> bool:
            driven.tick()
            return not trials.unfinished(opened)

        small_project.wait_for(finished, "the baseline did not end")
        examples = len(list((data / "test").glob("*/*.png")))
        with watched_round.supervised(opened.project):
            await _begin_in_the_screens(opened)
            small_project.wait_for(lambda: looking.under_way(opened) is None, "the look did not end")
            assert looks.looks(opened) == []
            assert f"of {examples} wrong" in writing.content(opened, "md")
            assert len(looks.looks(opened)) == 1
            await _seen_in_the_screens(opened, examples)
        seen = looking.seen(looks.looks(opened)[0])
        assert seen.look.result["examples"] == examples
        wrong = examples - seen.look.result["correct"]
        assert seen.error_rate == wrong / examples
        assert seen.low <= seen.error_rate <= seen.high
        assert "look number 1" in seen.message.text()
        with pytest.raises(Refusal, match="so far: 1;"):
            looking.look(opened)
        with pytest.raises(Refusal, match="is not UTF-8"):
            looking.begin(opened, reason=os.fsdecode(b"caf\xe9"))
        again = looking.look(opened, reason="the data were mended")
        assert again.look.number == 2
        # The same weights on the same examples.
        assert again.error_rate == seen.error_rate
        # Two who look in at once see the same look.
        looks.record(opened, 2, again.look.trial, again.look.configuration, "seen twice", again.look.result)
        assert len(looks.looks(opened)) == 2
    repair.rebuild(opened.project)
    with open_store(opened.project) as rebuilt:
        assert [entry.reason for entry in looks.looks(rebuilt)] == ["", "the data were mended"]


async def test_the_look_is_at_what_is_best_when_it_begins(tmp_path: Path) -> None:
    """A launch may be decided in another session while the page is open, or while it asks."""
    with open_store(small_project.project(tmp_path / "p", tmp_path / "data")) as store:
        app = Tunebook(store.project.root)
        with watched_round.supervised(store.project):
            _adopt(store, 0.05)
            async with app.run_test(size=NARROW) as pilot:
                app.open("look")
                await wait_for_text(pilot, "The best run of the best configuration: baseline-1-001")
                _adopt(store, 0.1)
                await wait_for_text(pilot, "The best run of the best configuration: baseline-2-001")
                await watched_round.press(pilot, "s")
                _adopt(store, 0.2)
                await watched_round.press(pilot, "up", "enter")
                await wait_for_text(pilot, "The best run is baseline-3-001 by now, and nothing was looked at.")
                assert looking.under_way(store) is None
                await wait_for_text(pilot, "The best run of the best configuration: baseline-3-001")


def _adopt(store: Store, rate: float) -> None:
    """Make a configuration the best one, whose run is complete."""
    settings = small_project.settings(store.project.root / "data", optimizer__learning_rate=rate)
    small_project.adopt(store, settings)
    small_project.end(store, trials.trials(store)[-1].id, 0.25)


def _split(digits: Path, data: Path) -> Path:
    """The digits in folders for training, validation and test."""
    for part in ("train", "val", "test"):
        for folder in sorted(digits.iterdir()):
            pictures = sorted(folder.iterdir())
            share = {"train": pictures[0::2], "val": pictures[1::4], "test": pictures[3::4]}[part]
            (data / part / folder.name).mkdir(parents=True)
            for picture in share:
                shutil.copy(picture, data / part / folder.name)
    return data


async def _begin_in_the_screens(store: Store) -> None:
    """Not without being asked whether all is decided; then it is at work."""
    app = Tunebook(store.project.root)
    async with app.run_test(size=NARROW) as pilot:
        await wait_for_text(pilot, "Plan a round")
        app.open("look")
        await wait_for_text(pilot, "The best run of the best configuration: baseline-1-001")
        await pilot.press("s")
        await wait_for_text(pilot, "Is everything decided?")
        await pilot.press("enter")
        await wait_for(pilot, lambda: "Is everything decided?" not in shown(app))
        assert looking.under_way(store) is None
        await pilot.press("s", "up", "enter")
        await wait_for_text(pilot, "Looking with baseline-1-001")
        await wait_for_text(pilot, "x stop")


async def _seen_in_the_screens(store: Store, examples: int) -> None:
    """With its interval; another one asks for a reason."""
    app = Tunebook(store.project.root)
    async with app.run_test(size=NARROW) as pilot:
        await wait_for_text(pilot, "Plan a round")
        app.open("look")
        await wait_for_text(pilot, f"of {examples} wrong")
        seen = looking.seen(looks.looks(store)[0])
        # Lines break between words, wherever these figures let them.
        assert all(f"{end:.2%}" in shown(app) for end in (seen.low, seen.high))
        await pilot.press("s")
        await wait_for_text(pilot, "Looks so far: 1;")
        await pilot.press("enter")
        await wait_for_text(pilot, "Say why")
        await pilot.press("escape", "escape")
        await wait_for_text(pilot, "looks so far: 1")


def test_data_without_a_test_split_say_so(tmp_path: Path, digits: Path, fork_server: ForkServer) -> None:
    """And the look that failed is not counted."""
    with open_store(small_project.project(tmp_path / "p", digits)) as opened:
        driven = Supervisor(opened, Machine(2), fork_server)
        small_project.adopt(opened, small_project.settings(digits, training__steps=4, training__evaluate_every=2))
        trials.ask(opened, "baseline-1", "run")

        def finished() -> bool:
            driven.tick()
            return not trials.unfinished(opened)

        small_project.wait_for(finished, "the baseline did not end")
        with pytest.raises(Refusal, match="there is no test split"):
            looking.look(opened)
        assert looks.looks(opened) == []
        assert "there is no test split" in looking.failure(opened)
        looking.begin(opened)
        looking.stop(opened)
        assert (looking.under_way(opened), looking.failure(opened)) == (None, "")


def test_a_look_says_what_the_run_came_to_by_the_metric_that_it_was_tuned_by(tmp_path: Path, digits: Path) -> None:
    """It told of right answers alone: how rare classes are found, for which a project is tuned by another metric, was
    in no sentence."""
    data = _split(digits, tmp_path / "data")
    few = {"training__steps": 8, "training__evaluate_every": 4}
    values = small_project.settings(data, training__metric="macro_f1", **few)
    with open_store(small_project.project(tmp_path / "p", data)) as store:
        small_project.adopt(store, values)
        run = files.make_folder(store.project.trial_folder("baseline-1-001"))
        training_runs.run_here(training_runs.write_toml(run / "config.toml", check(unflat(values))), run)
        seen = looking.look(store, "baseline-1-001")
        value = seen.look.result["macro_f1"]
        assert 0 < value < 1
        assert seen.message.text().endswith(f" By macro_f1, by which it was tuned: {value:.4g}.")
        report = writing.content(store, "md")
        assert "| tuned by |" in report
        assert rf"| macro\_f1 {figure(value)} |" in report
        # Looks of an earlier version, and those of what was tuned by its right answers, have none of that.
        told = dataclasses.replace(seen.look, result=seen.look.result | {"metric": "error_rate"})
        before = {key: value for key, value in seen.look.result.items() if key != "metric"}
        for look_ in (told, dataclasses.replace(seen.look, result=before)):
            assert looking.seen(look_).message.text().endswith("This was look number 1.")


def test_a_look_at_changed_data_is_refused(tmp_path: Path, digits: Path) -> None:
    """The network numbers the classes as they were: under other names every answer would count as wrong. What is
    added to the test split changes nothing that the run knows."""
    data = _split(digits, tmp_path / "data")
    kept, run = tmp_path / "kept", tmp_path / "baseline-1-001"
    shutil.move(data / "test", kept)
    run.mkdir()
    training_runs.run_here(training_runs.write_config(run / "config.toml", data), run)
    shutil.move(kept, data / "test")

    def seen() -> dict[str, Any]:
        return look(run, None, lambda _done, _total: None)

    before = seen()
    assert before["status"] == "complete"
    for part in ("train", "val", "test"):
        (data / part / "0").rename(data / part / "z")
    renamed = seen()
    assert renamed["status"] == "failed"
    assert "not those that baseline-1-001 was trained on" in renamed["message"]
    for part in ("train", "val", "test"):
        (data / part / "z").rename(data / part / "0")
    assert seen() == before
    picture = next((data / "train" / "0").iterdir())
    picture.unlink()
    assert seen()["status"] == "failed"

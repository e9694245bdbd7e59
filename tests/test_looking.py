"""The look at the test split: of the best configuration, with its exact interval, and every one counted."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from scipy.stats import binomtest

from rounds import looking
from rounds.attending import Supervisor
from rounds.slots import Machine
from rounds.statistics import share_interval
from rounds.warm import ForkServer
from state import looks, repair, trials
from state.errors import Refusal
from state.store import open_store
from tests import small_project


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


def test_the_look_on_real_training(tmp_path: Path, digits: Path, fork_server: ForkServer) -> None:
    """A trained network on a test split of its own: right counts, one record, and a second look only with a reason."""
    data = tmp_path / "data"
    for part in ("train", "val", "test"):
        for folder in sorted(digits.iterdir()):
            pictures = sorted(folder.iterdir())
            share = {"train": pictures[0::2], "val": pictures[1::4], "test": pictures[3::4]}[part]
            (data / part / folder.name).mkdir(parents=True)
            for picture in share:
                shutil.copy(picture, data / part / folder.name)
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
        seen = looking.look(opened)
        examples = sum(1 for _picture in (data / "test").glob("*/*.png"))
        assert seen.look.result["examples"] == examples
        wrong = examples - seen.look.result["correct"]
        assert seen.error_rate == wrong / examples
        assert seen.low <= seen.error_rate <= seen.high
        assert "look number 1" in seen.message.text()
        with pytest.raises(Refusal, match="looked at 1 times"):
            looking.look(opened)
        again = looking.look(opened, reason="the data were mended")
        assert again.look.number == 2
        # The same weights on the same examples.
        assert again.error_rate == seen.error_rate
    repair.rebuild(opened.project)
    with open_store(opened.project) as rebuilt:
        assert [entry.reason for entry in looks.looks(rebuilt)] == ["", "the data were mended"]


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

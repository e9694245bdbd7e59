"""Data that grow after the number of steps was decided: a design says how many epochs that is by now."""

from __future__ import annotations

from pathlib import Path

from rounds import planning
from state import launches, measurements
from state.store import open_store
from tests import small_project
from tests.set_up import DIGITS, changed, inspected, make


def test_a_round_on_more_data_says_how_many_epochs_its_steps_are_now(tmp_path: Path) -> None:
    """Told while the steps stay as they are; the length is nowhere changed by itself."""
    with open_store(make(tmp_path / "p")) as store:

        def told(steps: int | None = None) -> str:
            plan = planning.propose(store, trials=4, steps=steps)
            assert plan.base["training.steps"] == (steps or 100)
            return " ".join(note.text() for note in plan.notes if "epochs" in note.text())

        # 100 steps of 8 examples.
        inspected(store, changed(DIGITS, train={"examples": 400}))
        small_project.adopt(store, small_project.settings(tmp_path / "data", training__steps=100))
        assert told() == ""
        inspected(store, changed(DIGITS, train={"examples": 420}))
        assert told() == ""
        inspected(store, changed(DIGITS, train={"examples": 1600}))
        sentence = (
            "The number of steps, 100, was decided at 400 training examples (epochs: 2). There are 1600 by now "
            "(epochs: 0.5). To change that: --steps N"
        )
        assert told() == sentence
        assert told(steps=400) == ""
        # Once a launch has adopted another length on these data, that was decided for them.
        best = launches.best(store)
        assert best is not None
        small_project.adopt(store, {**best.settings, "training.steps": 400})
        plan = planning.propose(store, trials=4)
        assert not any("epochs" in note.text() for note in plan.notes)
        assert len(measurements.measurements(store, "inspection")) == 3

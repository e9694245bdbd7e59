"""Steps to a target by batch size: curves whose answer is known, and one real comparison of two sizes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from state import runs
from state.errors import Refusal
from state.project import open_project
from state.store import open_store
from tests.set_up import advance, make, probed, set_up, size
from tests.small_project import wait_for
from tests.training_runs import write_config
from training import checks as training_checks
from tui.main import main
from wizard import checks, flow, scaling, steps


def falling(reached: int | None, every: int, limit: int) -> list[list[float]]:
    """A curve that is at 0.1 from the step `reached` on, evaluated every so many steps, and at 0.5 before."""
    return [[step, 0.1 if reached is not None and step >= reached else 0.5] for step in range(every, limit + 1, every)]


def result(*reached: Sequence[int | None], looks: int = 40, **changes: Any) -> dict[str, Any]:
    """Batches of 8, 16, 32 … for 6400 examples; for each the step at which each of its rates comes to 0.1."""
    sizes = []
    for place, by_rate in enumerate(reached):
        batch, limit = 8 * 2**place, 800 // 2**place
        rates = [0.1 * 3**turn for turn in range(len(by_rate))]
        tried = [
            {"learning_rate": rate, "curve": falling(step, limit // looks, limit)}
            for rate, step in zip(rates, by_rate, strict=True)
        ]
        sizes.append({"batch_size": batch, "steps": limit, "tried": tried})
    times = [0.01] * len(sizes)
    given = {"metric": "error_rate", "direction": "min", "looks": looks, "sizes": sizes, "step_seconds": times}
    return {**given, **changes}


def test_the_first_evaluation_at_the_target_counts() -> None:
    assert scaling.crossing([[10, 0.5], [20, 0.2], [30, 0.3], [40, 0.1]], 0.2) == 20
    assert scaling.crossing([[10, 0.5], [20, 0.4]], 0.2) is None
    assert scaling.crossing([], 0.2) is None
    assert scaling.crossing([[10, 0.5], [20, 0.9]], 0.8, sign=-1) == 20


def test_half_the_steps_at_twice_the_batch_are_perfect() -> None:
    """Steps, rate, examples and seconds of every size, and its ratio to perfect scaling."""
    found = scaling.report(result([None, 400, 500], [300, 200, None], [None, 100, None]))
    assert [(one.batch_size, one.steps, one.examples) for one in found.sizes] == [
        (8, 400, 3200),
        (16, 200, 3200),
        (32, 100, 3200),
    ]
    assert [one.learning_rate for one in found.sizes] == pytest.approx([0.3] * 3)
    assert [one.seconds for one in found.sizes] == pytest.approx([4.0, 2.0, 1.0])
    assert [one.ratio for one in found.sizes] == [1.0, 1.0, 1.0]
    assert found.told
    assert "Perfect scaling holds up to 32" in scaling.verdict(found).text()
    assert "edge" not in scaling.verdict(found).text()


def test_where_the_steps_stop_halving_perfect_scaling_ends() -> None:
    """The largest size takes twice the steps that it should; its best rate is the highest one tried."""
    found = scaling.report(result([None, 400, None], [None, 200, None], [None, None, 200]))
    assert [one.ratio for one in found.sizes] == [1.0, 1.0, 2.0]
    assert [one.standing for one in found.sizes] == ["perfect", "perfect", "beyond"]
    assert found.told
    words = scaling.verdict(found).text()
    assert "Perfect scaling ends between 16 and 32: there it takes 2.00 times the steps" in words
    assert "At 32 the best learning rate is at the edge" in words


def test_a_size_that_never_reaches_the_target_cannot_tell() -> None:
    found = scaling.report(result([None, 400, None], [None, None, None]), 0.1)
    assert (found.source, found.told) == ("named", False)
    assert found.sizes[1].steps is found.sizes[1].ratio is found.sizes[1].seconds is None
    assert "Cannot tell where perfect scaling ends: a batch of 16 does not reach" in scaling.verdict(found).text()
    assert scaling.table(found).rows[1][1:6] == ("-",) * 5
    first = scaling.report(result([None, None, None], [None, 200, None]), 0.1)
    assert "a batch of 8 does not reach" in scaling.verdict(first).text()


def test_a_difference_of_one_interval_between_evaluations_cannot_tell() -> None:
    """With 8 looks of 50 steps at a batch of 16: 200 steps where 150 were perfect."""
    found = scaling.report(result([None, 300, None], [None, 200, None], looks=8))
    assert found.sizes[1].ratio == pytest.approx(4 / 3)
    assert (found.sizes[1].standing, found.told) == ("unknown", False)
    assert "an interval between evaluations, 50 steps, is as large as the difference" in scaling.verdict(found).text()
    # Reached at the first look by both: nothing is known about what lies before it.
    assert not scaling.report(result([None, 100, None], [None, 50, None], looks=8)).told
    assert scaling.report(result([None, 300, None], [None, 250, None], looks=8)).sizes[1].standing == "beyond"


def test_the_target_is_the_baselines_where_every_size_reaches_it() -> None:
    """Otherwise the best result of the size that does worst, so that every size has an answer."""
    both = result([None, 400, None], [None, 200, None])
    assert (scaling.report(both | {"baseline": 0.3}).target, scaling.report(both | {"baseline": 0.3}).source) == (
        0.3,
        "baseline",
    )
    assert scaling.report(both | {"baseline": 0.05}).source == "sizes"
    worse = scaling.report(result([None, 400, None], [None, None, None]))
    assert (worse.target, worse.source) == (0.5, "sizes")
    assert all(one.steps for one in worse.sizes)


def test_higher_is_better_for_a_metric_that_is_maximised() -> None:
    curves = [[[10, 0.2], [20, 0.9], [30, 0.8]], [[5, 0.3], [10, 0.7], [15, 0.6]]]
    sizes = [
        {"batch_size": 8 * (place + 1), "steps": len(curve) * 10, "tried": [{"learning_rate": 0.1, "curve": curve}]}
        for place, curve in enumerate(curves)
    ]
    found = scaling.report(result(sizes=sizes, looks=3, direction="max", metric="macro_f1", step_seconds=[1.0, 1.0]))
    assert found.target == 0.7
    assert [one.best for one in found.sizes] == [0.9, 0.7]
    assert [one.steps for one in found.sizes] == [20, 10]


def test_where_every_rate_diverges_that_is_said() -> None:
    sizes = [{"batch_size": one, "steps": 10, "tried": [{"learning_rate": 0.1, "curve": []}]} for one in (8, 16)]
    found = scaling.report(result(sizes=sizes, step_seconds=[1.0, 1.0]))
    assert (found.target, found.told) == (None, False)
    assert "No run came to a result" in scaling.verdict(found).text()


def test_the_rate_is_scaled_with_the_size() -> None:
    """Linear for SGD, by the square root for adaptive optimizers."""
    assert training_checks.scaled_rate(0.1, 4, "sgd") == pytest.approx(0.4)
    assert training_checks.scaled_rate(0.1, 4, "adamw") == pytest.approx(0.2)
    assert training_checks.scaled_rate(0.1, 0.25, "lamb") == pytest.approx(0.05)


def test_every_size_sees_the_same_examples_and_is_looked_at_as_often(digits: Path, tmp_path: Path) -> None:
    """Two sizes by real training: three rates each, from the configured one scaled to the size."""
    config = write_config(tmp_path / "c.toml", digits, training__steps=20, training__evaluate_every=20)
    (tmp_path / "out").mkdir()
    assert training_checks.run("batch-size", config, tmp_path / "out", None, (8, 16)) == 0
    found = json.loads((tmp_path / "out" / "result.json").read_text(encoding="utf-8"))
    assert [(one["batch_size"], one["steps"]) for one in found["sizes"]] == [(8, 40), (16, 20)]
    assert (found["examples"], found["looks"]) == (320, 20)
    for entry, rate in zip(found["sizes"], (0.025, 0.05), strict=True):
        assert [tried["learning_rate"] for tried in entry["tried"]] == pytest.approx([rate / 3, rate, rate * 3])
        for tried in entry["tried"]:
            assert [step for step, _ in tried["curve"]] == [
                (look + 1) * entry["steps"] // 20 for look in range(len(tried["curve"]))
            ]
    lines = [json.loads(line) for line in (tmp_path / "out" / "progress.jsonl").read_text().splitlines()]
    assert lines[-1]["total"] == 180
    assert all(0 < line["done"] <= 180 for line in lines)


def test_the_sizes_are_those_around_the_decided_one_that_work(tmp_path: Path) -> None:
    with set_up(tmp_path / "p", "steps", batch_size=32) as store:
        assert scaling.sizes(store) == (16, 32, 64)
    with set_up(tmp_path / "q", "steps", batch_size=64) as store:
        assert scaling.sizes(store) == (32, 64)
    with set_up(tmp_path / "r", "batch_size") as store, pytest.raises(Refusal, match="Decide on the batch size"):
        scaling.sizes(store)


def test_a_project_compares_two_sizes_by_command_and_in_its_questions(
    tmp_path: Path, digits: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Trained once; another target, and the questions, read the same curves."""
    root = tmp_path / "p"
    root.mkdir()
    (root / "data").symlink_to(digits)
    with open_store(make(root)) as store:
        advance(store, "steps", batch_size=64)
        assert "batch-size" in {option.value for option in flow.ask(store, "steps").options}
        flow.answer(store, "steps", 20)

    words: list[str] = []

    def checked(*given: str) -> dict[str, Any]:
        with pytest.raises(SystemExit) as ended:
            main(["check", "batch-size", "--project", str(root), "--json", *given])
        told = capsys.readouterr()
        answer = json.loads(told.out)
        words.append(told.err)
        assert ended.value.code == (0 if answer["passed"] else 1)
        return answer

    answer = checked()
    assert [one["batch_size"] for one in answer["sizes"]] == [32, 64]
    assert "Here: 32, 64. About" in words[0]
    assert "Left out, as not known to work: 128" in words[0]
    assert answer["source"] == "sizes"
    assert all(one["steps"] and one["seconds"] > 0 for one in answer["sizes"])
    easy = checked("--target", "1")
    assert (easy["id"], easy["source"], easy["target"]) == (answer["id"], "named", 1.0)
    hard = checked("--target", "0")
    assert hard["id"] == answer["id"]
    with open_store(open_project(root)) as store:
        known = checks.fresh(store, checks.BATCH_SIZE, steps.undecided(store))
        assert known is not None
        said = checks.verdict(known).text()
        for step in ("steps", "batch_size"):
            assert said in [message.text() for message in flow.ask(store, step).evidence]
    with pytest.raises(SystemExit) as ended:
        main(["check", "length", "--target", "0.1", "--project", str(root)])
    assert ended.value.code
    assert "--target belongs to the check batch-size." in capsys.readouterr().err


def test_the_comparison_is_started_from_the_question_about_the_steps(tmp_path: Path, digits: Path) -> None:
    """The question waits for it, at the first guess of the number of steps, and recommends the same after it."""
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "data").symlink_to(digits)
    with set_up(tmp_path / "p", "steps", batch_size=32) as store:
        (option,) = (one for one in flow.ask(store, "steps").options if one.value == steps.COMPARE)
        assert "About" in option.note.text()
        flow.answer(store, "steps", steps.COMPARE)
        standing = flow.standing(store)
        assert (standing.step, standing.needs) == ("steps", "check")
        folder = store.project.measurement_folder(str(standing.running))
        assert json.loads((folder / "subject.json").read_text(encoding="utf-8"))["sizes"] == [16, 32, 64]
        runs.stop(folder, hard=True)
        wait_for(lambda: not runs.alive(folder), "the comparison never ended")
        assert flow.standing(store) == flow.Standing("steps")


def test_the_comparison_is_not_offered_where_one_size_alone_works(tmp_path: Path) -> None:
    with set_up(tmp_path / "p", "batch_size") as store:
        probed(store, size(2, 0.01), recommended=2, largest_feasible=3)
        flow.answer(store, "batch_size", 2)
        advance(store, "steps")
        assert steps.COMPARE not in {one.value for one in flow.ask(store, "steps").options}

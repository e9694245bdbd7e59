"""What says how fast a command of the user's own trains."""

from __future__ import annotations

import io
import math
from pathlib import Path

import pytest
from tqdm import tqdm

from state import pace as pace_module
from state import printed
from state.pace import (
    AGAIN,
    EPOCH,
    LONGEST_SECONDS,
    RATE,
    START_SECONDS,
    Pace,
    Watch,
    comparable,
    counts_batches,
    pace,
    why_unknown,
)
from state.printed import Bar, Drawn

SEEN = [(0.0, 10), (2.0, 30), (4.0, 50)]
BAR = Drawn(6, 1.5, 50)
# As timm's script prints them; it writes a log to its standard error.
TIMM = (
    b"Train: 0 [   0/196 (  0%)]  Loss: 6.93 (6.93)  Time: 2.501s,   51.18/s  (2.501s,   51.18/s)  LR: 1.000e-05  "
    b"Data: 1.309 (1.309)\n"
    b"Train: 0 [  50/196 ( 26%)]  Loss: 6.91 (6.92)  Time: 0.125s, 1024.00/s  (0.172s,  744.19/s)  LR: 1.000e-05  "
    b"Data: 0.004 (0.029)\n"
    b"Test: [   0/39]  Time: 0.523 (0.523)  Loss:   6.901 ( 6.901)  Acc@1:   0.781 (  0.781)\n"
    b"INFO:train:Train: 1 [ 195/196 (100%)]  Loss: 6.90 (6.91)  Time: 0.128s, 1000.00/s  (0.131s,  977.10/s)\n"
)


@pytest.mark.parametrize(
    ("column", "prints", "bar", "counted_by", "found"),
    [
        ([10.0, 100.0, 110.0], [70.0], BAR, {"step"}, Pace(105.0, 5 / 105, None, "column")),
        # What was timed once has no spread.
        ([90.0], [], None, {"step"}, Pace(90.0, None, None, "column")),
        ([], [10.0, 90.0, 100.0, 110.0], None, {"step"}, Pace(100.0, 0.1, None, "printed")),
        ([], [], BAR, {"step"}, Pace(80.0, None, None, "rows")),
        # What a bar counts is a step, whatever the rows are by.
        ([], [], Drawn(60, 1.5, 50), {"epoch"}, Pace(320.0, None, 0.1, "bar", 50)),
        ([], [], BAR, {"step", "epoch"}, Pace(32.0, None, None, "bar", 50)),
        ([], [], BAR, {"line"}, Pace(32.0, None, None, "bar", 50)),
        # An epoch is no step of so many examples, however it is counted, by a bar too.
        ([], [], Drawn(15, 1.5, 10), {"epoch"}, Pace(None, None, 0.1, "epochs")),
        ([], [], Drawn(3, 0.5, 50), {"epoch"}, Pace(None, None, 0.1, "epochs")),
        ([90.0], [], None, {"epoch"}, Pace(90.0, None, 0.1, "column")),
    ],
)
def test_the_pace_comes_from_what_there_is(
    column: list[float], prints: list[float], bar: Drawn | None, counted_by: set[str], found: Pace
) -> None:
    assert pace(8, SEEN, column, prints, bar, counted_by) == found


@pytest.mark.parametrize(
    ("seen", "counted_by", "reason"),
    [
        ([], set(), "no steps"),
        # How many examples lie between two lines that say nothing of it, nobody knows.
        (SEEN, {"line"}, "no steps"),
        (SEEN, {"step", "epoch"}, "mixed"),
        ([(0.0, 0)], {"step"}, "no steps"),
        # Closer together than can be told apart; the clock would time the start of the command.
        ([(0.0, 10), (0.1, 50)], {"step"}, "too soon"),
        ([(0.0, 10)], {"step"}, "too soon"),
        ([(0.0, 1)], {"epoch"}, "too soon"),
    ],
)
def test_where_nothing_says_the_pace_the_reason_is_given(
    seen: list[tuple[float, int]], counted_by: set[str], reason: str
) -> None:
    assert pace(8, seen, [], [], None, counted_by) == reason


def test_lines_as_timm_prints_them_are_read_but_for_the_first_of_an_epoch(tmp_path: Path) -> None:
    assert printed.rates(TIMM) == [1024.0, 1000.0]
    log = tmp_path / "log.txt"
    log.write_bytes(TIMM)
    # What another run printed before says nothing of this one, and half a line nothing yet.
    watch = Watch(tmp_path, log, "top1")
    assert watch.pace(128) == "no steps"
    with log.open("ab") as file:
        file.write(TIMM + TIMM[: TIMM.index(b"Time: 0.125")])
    watch.look()
    assert watch.enough(0)
    assert watch.pace(128) == Pace(1000.0, None, None, "printed")
    assert watch.silent


def test_a_pace_that_is_not_finite_is_none(tmp_path: Path) -> None:
    """A script divides by no time at all."""
    watch = Watch(tmp_path, tmp_path / "log.txt", "top1")
    paces = ("40", "Infinity", "NaN", "1e999", '"inf"', "20", "20")
    rows = "".join(f'{{"step": {step}, "{RATE}": {said}}}\n' for step, said in enumerate(paces))
    (tmp_path / "metrics.jsonl").write_text(rows)
    watch.look()
    assert watch.pace(8) == Pace(20.0, 0.0, None, "column")


def test_bars_are_read_with_any_name_and_unit(tmp_path: Path) -> None:
    """As tqdm draws them where there is no terminal."""
    drawn = io.StringIO()
    for name, unit, of in (("Map", " examples", 9), ("loss 2.5e-01", "it", 8), (None, "it", 0)):
        with tqdm(range(of), name, file=drawn, unit=unit, mininterval=0) as bar:
            list(bar)
    for epoch in range(2):
        with tqdm(range(4), f"Epoch {epoch + 1}/2", file=drawn, unit="batch", mininterval=0) as bar:
            for _ in bar:
                # One inside of another moves the cursor between.
                list(tqdm(range(3), None, file=drawn, leave=False, mininterval=0))
    with tqdm(total=5, file=drawn, mininterval=0) as bar:
        bar.set_description("训练: 第 1 轮")
        bar.update(5)
    text = drawn.getvalue().encode()
    assert {(name, of) for name, _done, of in printed.bars(text)} == {
        ("Map", 9),
        ("loss", 8),
        ("Epoch", 4),
        ("", 3),
        ("", 5),
        ("训练: 第 轮", 5),
    }
    slow = b"train 0:  10%|#  | 1/10 [00:01<00:09,  1.01s/batch, loss=0.5]\r"
    assert printed.bars(slow) == [Bar("train", 1, 10)]
    # A name in colours, or all of it, was no bar.
    assert printed.bars(b"\x1b[32mtrain 0\x1b[0m:  10%|\x1b[34m#  \x1b[0m| 1/10 [00:01<00:09,  1.01s/batch]\r") == [
        Bar("train", 1, 10)
    ]
    assert printed.rates(TIMM.replace(b"Time:", b"\x1b[1;36mTime:\x1b[0m")) == printed.rates(TIMM)
    assert not printed.bars(b"10% of 1/10 [done]\nweights:  10%|#  | 1.2M/10.0M [00:01<00:09, 1.2MB/s]\n")
    log = tmp_path / "log.txt"
    log.touch()
    watch = Watch(tmp_path, log, "top1")
    log.write_bytes(slow + b" 20%|## | 2/10 [00:02<00:08,  1.00")
    watch.look()
    assert watch.pace(8) == "short bar"
    assert "(train 0/10) moved for less than 1 s" in why_unknown("short bar", watch.bars)["message"]


@pytest.mark.parametrize(
    "name", ["Epoch 1 [val]", "Epoch 1 val", "[valid]", "Epoch 3 (eval)", "test", "Validation DataLoader 0"]
)
def test_a_bar_of_evaluation_is_told_by_its_name_wherever_that_says_so(name: str) -> None:
    found = printed.Bars()
    for done in range(4):
        found.add(printed.bars(f"{name}:  10%|#  | {done}/40 [00:01<00:09,  3.2it/s]\r".encode()), float(done))
    assert found.longest() is None
    assert len(found.others) == 1


def test_bars_are_timed_within_their_passes_and_the_longest_is_that_of_training() -> None:
    """Files that are read before, steps of 0.2 s in two epochs, a bar that counts these, and a second of evaluation
    between them."""
    bars = printed.Bars()
    assert bars.longest() is None
    for file in range(31):
        bars.add([Bar("", file, 30)], file * 0.01)
    now = 5.0
    for epoch in range(3):
        bars.add([Bar("epochs", epoch, 10)], now)
        for step in range(11):
            bars.add([Bar("train", step, 10), Bar("train", step, 10)], now + step * 0.2)
        now += 2.0
        bars.add([Bar("", evaluated, 4) for evaluated in range(5)], now)
        now += 1.0
    longest = bars.longest()
    assert longest is not None
    assert (longest.name, longest.of, longest.steps, longest.sure) == ("train", 10, 27, True)
    assert longest.seconds == pytest.approx(27 * 0.2)


def test_a_bar_whose_name_says_nothing_is_asked_where_there_is_no_other() -> None:
    """It may be of data, and the training comes yet: nothing is stopped for it."""
    bars = printed.Bars()
    for done in range(40):
        bars.add([Bar("Encoding", done, 50), Bar("Validation DataLoader", done, 50), Bar("Map", done, 50)], done * 1.0)
    unsure = bars.longest()
    assert unsure is not None
    assert (unsure.name, unsure.sure, bars.others) == ("Encoding", False, ["Validation DataLoader", "Map"])
    for reason in ("silent", "no steps"):
        told = why_unknown(reason, bars, 60.0)["message"]
        assert "of something else than training (Validation DataLoader, Map)" in told
        # Of one that was stopped nobody knows what it would have written.
        assert ("neither steps, nor epochs" in told) == (reason == "no steps")
        assert ("tunebook probe --patience 5." in told) == (reason == "silent")
    for done in range(10):
        bars.add([Bar("", done, 60)], 40 + done * 0.1)
    assert bars.longest() == unsure
    for done in range(10, 20):
        bars.add([Bar("", done, 60)], 40 + done * 0.1)
    longest = bars.longest()
    assert longest is not None
    assert (longest.of, longest.sure) == (60, True)


def test_a_bar_that_ended_before_the_rows_is_none_of_the_training_unless_it_begins_again() -> None:
    """What is read first, and the batches of an epoch, which are followed by rows as well."""
    bars = printed.Bars()
    for done in range(5):
        bars.add([Bar("", done, 4)], done * 1.0)
    bars.row(1)
    found = bars.longest()
    assert found is not None
    assert found.once
    for done in range(5):
        bars.add([Bar("", done, 4)], 5 + done * 1.0)
    bars.row(2)
    found = bars.longest()
    assert found is not None
    assert not found.once
    before = printed.Bars()
    before.add([Bar("", done, 4) for done in range(5)], 1.0)
    before.row(1)
    before.row(1)
    assert before.longest() is not None
    before.row(2)
    assert before.longest() is None


@pytest.mark.parametrize(("counted", "left"), [("epoch", False), ("note", True)])
def test_lines_without_a_step_say_nothing_of_a_bar_that_ended_before_them(
    tmp_path: Path, counted: str, left: bool
) -> None:
    """Of one epoch there may be several, which follow its bar."""
    log, written = tmp_path / "log.txt", tmp_path / "metrics.jsonl"
    log.touch()
    watch = Watch(tmp_path, log, "top1")
    log.write_bytes(b" 50%|#  | 2/4 [00:01<00:09,  1.01it/s]\r100%|#  | 4/4 [00:01<00:00,  1.01it/s]\r")
    watch.look()
    for place in range(1, 5):
        with written.open("a") as file:
            file.write(f'{{"{counted}": {place}, "top1": 0.5}}\n')
        watch.look()
    assert (watch.bars.longest() is not None) == left


def test_a_bar_that_has_ended_is_no_sign_of_the_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was: what came after it had a minute from the start, however long the user said that it takes to begin."""
    now = 1000.0
    monkeypatch.setattr(pace_module.time, "monotonic", lambda: now)
    log = tmp_path / "log.txt"
    log.touch()
    watch = Watch(tmp_path, log, "top1")
    for done in (1, 2, 3, 4):
        log.write_bytes(log.read_bytes() + f"{25 * done}%|#  | {done}/4 [00:01<00:09,  1.01it/s]\r".encode())
        now += 1
        watch.look()
        assert watch.waiting == (done == 4)
    now = 1000.0 + START_SECONDS - 1
    watch.look()
    assert not watch.too_long()
    now += 2
    watch.look()
    assert watch.too_long()
    assert watch.waiting


@pytest.mark.parametrize(
    ("of", "batches"),
    [
        # 257 examples, the last batch whole or left out; all epochs in one bar.
        ({64: 5, 128: 3, 256: 2}, True),
        ({64: 4, 128: 2, 256: 1}, True),
        ({8: 330, 16: 170, 32: 90}, True),
        # Epochs, and files; where nothing is known nothing speaks against it.
        ({8: 10, 16: 10}, False),
        ({8: 2000, 16: 2000, 32: 2000}, False),
        ({8: None, 16: 40}, True),
    ],
)
def test_bars_that_go_to_as_many_at_every_size_count_no_batches(of: dict[int, int | None], batches: bool) -> None:
    assert counts_batches([{"batch_size": size, "of": count} for size, count in of.items()]) == batches


def test_sizes_are_compared_by_what_is_known_of_all_of_them() -> None:
    one, other = {"batch_size": 8, RATE: 90.0, EPOCH: 10.0}, {"batch_size": 16, RATE: None, EPOCH: 5.0}
    assert comparable([one]) == (RATE, {8: 90.0})
    assert comparable([one, other]) == (EPOCH, {8: 0.1, 16: 0.2})
    assert comparable([{"batch_size": 4, RATE: 50.0}, other]) is None
    assert comparable([]) is None
    assert comparable([one, {"batch_size": 32, RATE: math.inf}]) is None


@pytest.mark.parametrize(("first", "ends"), [(None, START_SECONDS), (5.0, LONGEST_SECONDS), (100.0, AGAIN * 100.0)])
def test_a_run_is_given_the_time_that_its_first_word_took_and_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: float | None, ends: float
) -> None:
    """Epochs of minutes come to a second one; what says nothing ends sooner."""
    now = 1000.0
    monkeypatch.setattr(pace_module.time, "monotonic", lambda: now)
    log = tmp_path / "log.txt"
    log.touch()
    watch = Watch(tmp_path, log, "top1")
    for second in range(int(ends) + 2):
        now = 1000.0 + second
        if second == first:
            log.write_bytes(TIMM)
        watch.look()
        assert watch.too_long() == (second > ends)

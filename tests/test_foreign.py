"""What scripts write: timm's, Transformers' and Lightning's files and JSON lines, half written, rewritten and odd."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from state.foreign import Reader


def test_timm_counts_epochs_from_zero_and_writes_into_a_folder_of_the_run(tmp_path: Path) -> None:
    path = tmp_path / "20260101-resnet" / "summary.csv"
    path.parent.mkdir()
    path.write_text("epoch,train_loss,eval_loss,eval_top1,eval_top5,lr\n0,2.3,2.2,18.5,60.0,0.1\n", encoding="utf-8")
    reader = Reader(tmp_path, "eval_top1")
    assert reader.read() == [
        {
            "step": 1,
            "epoch": 0.0,
            "train/loss": 2.3,
            "val/loss": 2.2,
            "val/eval_top1": 18.5,
            "eval_top5": 60.0,
            "learning_rate": 0.1,
        }
    ]
    assert reader.read() == []
    with path.open("a", encoding="utf-8") as file:
        file.write("1,2.1,2.0,25.0,70.0,0.1\n2,1.9,1.")
    assert [row["step"] for row in reader.read()] == [2]
    with path.open("a", encoding="utf-8") as file:
        file.write("8,31.0,75.0,0.1\n")
    assert [(row["step"], row["val/loss"]) for row in reader.read()] == [(3, 1.8)]


def test_transformers_state_is_read_whole_and_its_summary_is_no_point(tmp_path: Path) -> None:
    history = [
        {"loss": 0.7, "grad_norm": 1.5, "learning_rate": 5e-5, "epoch": 0.5, "step": 10},
        {"eval_loss": 0.6, "eval_accuracy": 0.7, "eval_runtime": 1.0, "epoch": 1.0, "step": 20},
    ]
    early = tmp_path / "checkpoint-20" / "trainer_state.json"
    early.parent.mkdir()
    early.write_text(json.dumps({"log_history": history, "best_metric": None}), encoding="utf-8")
    reader = Reader(tmp_path, "eval_accuracy")
    first, second = reader.read()
    assert first == {"step": 10, "train/loss": 0.7, "grad_norm": 1.5, "learning_rate": 5e-5, "epoch": 0.5}
    assert (second["val/eval_accuracy"], second["val/loss"]) == (0.7, 0.6)
    summary = {"train_runtime": 9.0, "train_loss": 0.55, "train_samples_per_second": 20.0, "epoch": 2.0, "step": 40}
    history += [{"eval_loss": 0.5, "eval_accuracy": 0.8, "epoch": 2.0, "step": 40}, summary]
    whole = json.dumps({"log_history": history})
    (tmp_path / "trainer_state.json").write_text(whole[:-40], encoding="utf-8")
    assert reader.read() == []
    (tmp_path / "trainer_state.json").write_text(whole, encoding="utf-8")
    (last,) = reader.read(ended=True)
    assert (last["step"], last["val/eval_accuracy"]) == (40, 0.8)
    assert "train/loss" not in last


@pytest.mark.parametrize("step", ['"x"', "null", "-5", "Infinity", "NaN", "1e30", "true"])
def test_a_row_of_transformers_whose_step_is_none_is_left_out_and_counted(tmp_path: Path, step: str) -> None:
    """It ended whoever read it, and with them the trial."""
    text = f'{{"log_history": [{{"step": {step}, "eval_loss": 2}}, {{"step": 3, "eval_loss": 1}}]}}'
    (tmp_path / "trainer_state.json").write_text(text, encoding="utf-8")
    reader = Reader(tmp_path, "eval_loss")
    assert reader.read() == [{"step": 3, "val/eval_loss": 1, "val/loss": 1}]
    (tmp_path / "trainer_state.json").write_text(text + "\n", encoding="utf-8")
    assert reader.read() == []
    assert [(unread, name) for unread, name, _line in reader.unread] == [(1, "trainer_state.json")]


def test_lightning_spreads_a_step_over_lines_and_rewrites_the_file_for_a_new_column(tmp_path: Path) -> None:
    path = tmp_path / "lightning_logs" / "version_0" / "metrics.csv"
    path.parent.mkdir(parents=True)
    path.write_text("epoch,step,train_loss\n0,49,1.5\n", encoding="utf-8")
    reader = Reader(tmp_path, "val_acc")
    assert reader.read() == [{"step": 49, "epoch": 0.0, "train/loss": 1.5}]
    path.write_text("epoch,step,train_loss,val_acc\n0,49,1.5,\n0,49,,0.6\n1,99,1.1,\n", encoding="utf-8")
    assert reader.read() == [{"step": 49, "val/val_acc": 0.6}, {"step": 99, "epoch": 1.0, "train/loss": 1.1}]


def test_json_lines_survive_torn_lines_foreign_values_and_a_missing_last_newline(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    lines = [
        '{"step": 1, "score": NaN, "note": "hello", "flag": true, "list": [1]}',
        "not json",
        "[1, 2]",
        '{"step": 2, "score": "inf", "huge": 1' + "0" * 400 + "}",
        '{"step": 1e30, "score": 3}',
    ]
    path.write_text("\n".join(lines) + '\n{"step": 9, "scor', encoding="utf-8")
    reader = Reader(tmp_path, "score")
    first, second = reader.read()
    assert first["step"] == 1
    assert math.isnan(first["val/score"])
    assert second == {"step": 2, "val/score": math.inf}
    with path.open("a", encoding="utf-8") as file:
        file.write('e": 4.5}')
    # Whole without an end of its line, and by that no later than the lines that were written with it: what comes when
    # the command has ended is timed by how long its end took.
    assert reader.read() == [{"step": 9, "val/score": 4.5}]
    assert not reader.read(ended=True)
    # No object, none at all, and a step that no store holds: nothing takes their place, and they are counted.
    assert reader.unread == [(3, "metrics.jsonl", "not json")]
    assert "note" not in reader.columns


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('{"global_step": 7, "score": 1}', {"step": 7, "val/score": 1}),
        ('{"epoch": 3, "score": 1}', {"step": 3, "epoch": 3, "val/score": 1}),
        ('{"score": 1}', {"step": 1, "val/score": 1}),
        ('{"step": 5, "val/score": 1, "loss": 2, "val_loss": 3}', None),
        ('{"step": 5}', None),
    ],
)
def test_the_step_comes_from_what_there_is(tmp_path: Path, line: str, expected: dict[str, float] | None) -> None:
    (tmp_path / "metrics.jsonl").write_text(line + "\n", encoding="utf-8")
    rows = Reader(tmp_path, "score").read(ended=True)
    if expected is not None:
        assert rows == [expected]
    elif rows:
        assert rows == [{"step": 5, "val/score": 1, "train/loss": 2, "val/loss": 3}]


def test_a_line_without_a_step_among_others_is_left_out_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    lines = [
        '{"score": 0.7}',
        '{"step": 10, "score": 0.1}',
        '{"step": "five", "score": "0.99"}',
        '{"score": 0.98}',
        '{"step": 20, "score": "bad", "loss": 1}',
        '{"step": 30, "score": "0.3"}',
    ]
    reader = Reader(tmp_path, "score")
    read = []
    with path.open("a", encoding="utf-8") as file:
        for line in lines:
            file.write(line + "\n")
            file.flush()
            read += reader.read()
    read += reader.read(ended=True)
    assert read == [
        {"step": 10, "val/score": 0.1},
        {"step": 20, "train/loss": 1},
        {"step": 30, "val/score": 0.3},
    ]
    assert reader.unread == [(4, "metrics.jsonl", '{"score": 0.7}')]


def test_lines_that_never_say_a_step_are_counted_by_their_place(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"score": 1}\n', encoding="utf-8")
    reader = Reader(tmp_path, "score")
    assert reader.read() == []
    with path.open("a", encoding="utf-8") as file:
        file.write('{"score": 2}\n{"epoch": 2.5, "score": 3}\n{"epoch": 3, "score": 4}\n')
    assert [(row["step"], row["val/score"]) for row in reader.read(ended=True)] == [(1, 1), (2, 2), (3, 3), (4, 4)]
    assert reader.unread == []


def test_json_lines_of_any_name_are_read_where_there_is_no_other_file(tmp_path: Path) -> None:
    """What a script logs for a dashboard was there, and not found."""
    path = tmp_path / "wandb" / "history.jsonl"
    path.parent.mkdir()
    path.write_text('{"_step": 1, "_runtime": 3.5, "val/acc": "70%"}\n', encoding="utf-8")
    reader = Reader(tmp_path, "acc")
    assert [(row["step"], row["val/acc"]) for row in reader.read()] == [(1, 70.0)]
    (tmp_path / "metrics.jsonl").write_text('{"step": 2, "acc": 71}\n', encoding="utf-8")
    assert [(row["step"], row["val/acc"]) for row in reader.read()] == [(2, 71)]


def test_a_metric_that_is_written_as_it_is_printed_is_read(tmp_path: Path) -> None:
    """ "73.70%" was refused, with the whole run."""
    rows = [{"step": 1, "acc": "73.70%"}, {"step": 2, "acc": " 75 % "}]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    reader = Reader(tmp_path, "acc")
    assert [row["val/acc"] for row in reader.read()] == [73.7, 75.0]
    assert not reader.unread


def test_a_metric_that_sounds_like_a_loss_is_what_it_is_said_to_be(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text('{"step": 1, "loss": 2.0}\n{"step": 2, "val_loss": 3.0}\n')
    assert Reader(tmp_path, "loss").read()[0] == {"step": 1, "val/loss": 2.0}
    assert Reader(tmp_path, "val_loss").read()[1] == {"step": 2, "val/val_loss": 3.0, "val/loss": 3.0}


def test_nothing_to_read_is_nothing_read(tmp_path: Path) -> None:
    assert Reader(tmp_path / "missing", "score").read(ended=True) == []
    (tmp_path / "metrics.csv").write_bytes(b"\xff\xfe\x00garbage")
    (tmp_path / "summary.csv").mkdir()
    reader = Reader(tmp_path, "score")
    assert reader.read(ended=True) == []


def test_what_timm_itself_writes_is_read(tmp_path: Path) -> None:
    """With the very function of its training script."""
    from timm.utils.summary import update_summary

    for epoch in range(2):
        train, evaluation = {"loss": 2.0 - epoch}, {"loss": 1.5 - epoch, "top1": 40.0 + epoch}
        update_summary(epoch, train, evaluation, tmp_path / "summary.csv", lr=0.1, write_header=epoch == 0)
    first, second = Reader(tmp_path, "eval_top1").read()
    assert (first["step"], first["val/eval_top1"], first["train/loss"], first["val/loss"]) == (1, 40.0, 2.0, 1.5)
    assert (second["step"], second["val/eval_top1"], second["learning_rate"]) == (2, 41.0, 0.1)


def test_what_transformers_itself_writes_is_read(tmp_path: Path) -> None:
    """With the very class that its Trainer keeps its log in."""
    from transformers.trainer_callback import TrainerState

    state = TrainerState(global_step=20, max_steps=20, num_train_epochs=1)
    state.log_history = [
        {"loss": 0.7, "grad_norm": 1.5, "learning_rate": 5e-5, "epoch": 0.5, "step": 10},
        {"eval_loss": 0.6, "eval_accuracy": 0.7, "eval_runtime": 1.0, "epoch": 1.0, "step": 20},
    ]
    state.save_to_json(str(tmp_path / "trainer_state.json"))
    first, second = Reader(tmp_path, "eval_accuracy").read()
    assert (first["step"], first["train/loss"], first["grad_norm"]) == (10, 0.7, 1.5)
    assert (second["step"], second["val/eval_accuracy"], second["val/loss"]) == (20, 0.7, 0.6)

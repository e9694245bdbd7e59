"""The inspection: a process of its own that says what the data hold, or why they cannot be used."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.image_folders import config, grey, two_classes
from training.data import open_dataset
from training.inspect import main
from training.train import about_data
from tui.digits import write_digits


def inspected(folder: Path, **data: Any) -> dict[str, Any]:
    """inspection.json for these settings of [data]; the inspection runs in this process."""
    folder.mkdir(exist_ok=True)
    lines = [f"{key} = {json.dumps(str(value) if isinstance(value, Path) else value)}" for key, value in data.items()]
    (folder / "data.toml").write_text("\n".join(["[data]", *lines, "[model]", "name = 3"]), encoding="utf-8")
    code = main(["--data", str(folder / "data.toml"), "--output", str(folder)])
    found = json.loads((folder / "inspection.json").read_text(encoding="utf-8"))
    assert code == (0 if found["status"] == "complete" else 1)
    return found


def test_digits_are_described_as_a_run_would_see_them(tmp_path: Path) -> None:
    write_digits(tmp_path / "digits")
    (tmp_path / "digits" / "3" / "broken.png").write_bytes(b"no image")
    (tmp_path / "digits" / "10").mkdir()
    found = inspected(tmp_path / "out", task="image-classification", path=tmp_path / "digits", split_seed=4)
    assert found["status"] == "complete"
    assert found["classes"] == list("0123456789")
    assert found["empty"] == ["10"]
    dataset = open_dataset(config(tmp_path / "digits", split_seed=4))
    for name, split in (("train", dataset.train), ("validation", dataset.validation)):
        assert found["splits"][name]["examples"] == len(split)
        assert found["splits"][name]["per_class"] == split.labels.bincount(minlength=10).tolist()
    assert found["splits"]["validation"]["held_out"] is True
    assert found["splits"]["test"] is None
    eight = [8, 8, 8]
    described = {"widths": eight, "heights": eight, "modes": {"L": 1797}, "several": 0, "brightest": 255}
    assert found["images"] == described
    assert found["skipped_total"] == 1
    assert [skip["path"] for skip in found["skipped"]] == ["3/broken.png"]
    assert found["seconds"] > 0
    progress = [json.loads(line) for line in (tmp_path / "out" / "progress.jsonl").read_text().splitlines()]
    assert progress[-1] == {"done": 1798, "total": 1798}
    assert [line["done"] for line in progress] == sorted(line["done"] for line in progress)


def test_what_no_network_gets_to_see_of_images_is_counted(tmp_path: Path) -> None:
    """Of animations and stacks of pages the first image alone, of 12 bits in files of 16 a sixteenth of the levels."""
    frames = [Image.new("L", (16, 16), level) for level in (0, 100, 200)]
    for kind in ("gif", "tif", "webp", "png"):
        (tmp_path / "data" / kind).mkdir(parents=True)
        frames[0].save(tmp_path / "data" / kind / f"several.{kind}", save_all=True, append_images=frames[1:])
        frames[0].save(tmp_path / "data" / kind / f"one.{kind}")
        for number in range(4):
            deep = np.full((16, 16), 4095 - number, np.uint16)
            Image.fromarray(deep).save(tmp_path / "data" / kind / f"deep {number}.png")
    # What a camera puts beside a photograph is no example.
    frames[0].save(tmp_path / "data" / "tif" / "photo.jpg", "MPO", save_all=True, append_images=frames[1:])
    found = inspected(tmp_path / "out", task="image-classification", path=tmp_path / "data", channels=1)
    assert found["skipped_total"] == 0
    assert found["images"]["several"] == 4
    assert found["images"]["brightest"] == 16


def test_copies_sizes_and_ready_made_splits_of_images(tmp_path: Path) -> None:
    two_classes(tmp_path / "data" / "train")
    grey(tmp_path / "data" / "train" / "dark" / "copy.png", 0)
    grey(tmp_path / "data" / "train" / "light" / "copy in another class.png", 0)
    grey(tmp_path / "data" / "train" / "light" / "wide.png", 90, (30, 20))
    grey(tmp_path / "data" / "val" / "dark" / "seen in train.png", 1)
    grey(tmp_path / "data" / "val" / "light" / "new.png", 60)
    grey(tmp_path / "data" / "test" / "light" / "seen in validation.png", 60)
    found = inspected(tmp_path / "out", task="image-classification", path=tmp_path / "data", channels=1)
    assert found["duplicates"] == {"within_train": 2, "across_splits": 2}
    assert found["copies"] == {
        "across": [
            ["train/dark/1.png", "val/dark/seen in train.png"],
            ["val/light/new.png", "test/light/seen in validation.png"],
        ],
        "conflicting": 1,
        "conflicting_validation": 0,
        "conflicts": [["train/dark/0.png", "dark", "train/light/copy in another class.png", "light"]],
    }
    assert found["splits"] == {
        "train": {"examples": 11, "per_class": [5, 6], "copies": 2, "independent": 7},
        "validation": {"examples": 2, "per_class": [1, 1], "copies": 0, "independent": 2, "held_out": False},
        "test": {"examples": 1, "per_class": [0, 1], "copies": 0, "independent": 1},
    }
    assert found["images"]["widths"] == [8, 8, 30]
    assert found["images"]["heights"] == [8, 8, 20]


def test_copies_within_a_ready_made_validation_split_are_counted_and_the_training_counts_the_same(
    tmp_path: Path,
) -> None:
    """200 files of 20 pictures: what is measured on them is measured on 20."""
    two_classes(tmp_path / "data" / "train")
    for shade in range(20):
        for number in range(10):
            folder = tmp_path / "data" / "val" / ("dark" if shade < 10 else "light")
            folder.mkdir(parents=True, exist_ok=True)
            grey(folder / f"{shade} {number}.png", 100 + shade)
    found = inspected(tmp_path / "out", task="image-classification", path=tmp_path / "data", channels=1)
    assert (found["splits"]["validation"]["copies"], found["splits"]["validation"]["independent"]) == (180, 20)
    for _ in ("read", "from the cache"):
        dataset = open_dataset(config(tmp_path / "data"), tmp_path / "cache")
        assert about_data(dataset)["validation"]["independent"] == 20


def test_pictures_that_are_nearly_in_the_training_split_are_found(tmp_path: Path) -> None:
    """Only files that are equal to the byte were; what was saved anew, scaled or touched up is known as well."""
    draw = np.random.default_rng(0)
    coarse = [Image.fromarray(draw.integers(0, 256, (6, 6, 3), np.uint8)) for _ in range(60)]
    pictures = [one.resize((64, 64), Image.Resampling.BICUBIC) for one in coarse]
    for number, picture in enumerate(pictures):
        folder = tmp_path / "data" / ("train" if number < 40 else "val") / ("even" if number % 2 == 0 else "odd")
        folder.mkdir(parents=True, exist_ok=True)
        picture.save(folder / f"{number}.png")
    assert inspected(tmp_path / "out", task="image-classification", path=tmp_path / "data")["near"] == {
        "compared": 20,
        "examples": 0,
        "named": [],
    }
    odd, touched = tmp_path / "data" / "val" / "odd", pictures[5].copy()
    touched.putpixel((30, 30), (255, 0, 0))
    touched.save(odd / "touched.png")
    pictures[7].save(odd / "saved anew.jpg", quality=75)
    pictures[9].resize((48, 48), Image.Resampling.BICUBIC).save(odd / "scaled.png")
    shutil.copy(tmp_path / "data" / "train" / "odd" / "11.png", odd / "equal.png")
    found = inspected(tmp_path / "out", task="image-classification", path=tmp_path / "data")
    assert found["duplicates"]["across_splits"] == 1
    assert found["near"]["examples"] == 3
    assert sorted(map(tuple, found["near"]["named"])) == [
        ("train/odd/5.png", "val/odd/touched.png"),
        ("train/odd/7.png", "val/odd/saved anew.jpg"),
        ("train/odd/9.png", "val/odd/scaled.png"),
    ]


def test_no_near_copies_are_claimed_of_tiny_pictures_or_of_blank_ones(tmp_path: Path) -> None:
    """Of 8 by 8 pixels one says too much of a picture; and blank pages are alike without being copies."""
    write_digits(tmp_path / "digits")
    assert inspected(tmp_path / "out", task="image-classification", path=tmp_path / "digits")["near"] is None
    draw = np.random.default_rng(0)
    for number in range(40):
        folder = tmp_path / "blank" / ("a" if number % 2 else "b")
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw.integers(250, 254, (64, 64), np.uint8)).save(folder / f"{number}.png")
    assert inspected(tmp_path / "out", task="image-classification", path=tmp_path / "blank")["near"]["examples"] == 0


def test_texts_that_differ_in_case_blanks_and_punctuation_from_the_training_split_are_found(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    train = ["Call me back!", "What a day", ":)", "Version 1.5 is out"]
    held = ["call  me BACK", "What a day", ":(", "Version 15 is out"]
    for name, some in (("train", train), ("val", held)):
        rows = [f"{text},{'a' if number % 2 else 'b'}" for number, text in enumerate(some)]
        (tmp_path / "data" / f"{name}.csv").write_text("\n".join(["text,label", *rows]))
    found = inspected(tmp_path / "out", task="text-classification", path=tmp_path / "data")
    assert found["duplicates"]["across_splits"] == 1
    assert found["near"] == {"compared": 3, "examples": 1, "named": [["Call me back!", "call  me BACK"]]}


def test_contents_of_several_classes_are_counted_in_the_split_in_which_no_model_can_be_right(tmp_path: Path) -> None:
    """Within training they may be learnt either way; in validation under one class they can be right."""
    two_classes(tmp_path / "data" / "train")
    for folder, shade in (("train/light", 0), ("val/dark", 60), ("val/light", 60), ("val/light", 1)):
        (tmp_path / "data" / folder).mkdir(parents=True, exist_ok=True)
        grey(tmp_path / "data" / folder / f"{shade} again.png", shade)
    found = inspected(tmp_path / "out", task="image-classification", path=tmp_path / "data", channels=1)
    assert (found["copies"]["conflicting"], found["copies"]["conflicting_validation"]) == (3, 1)


def test_copies_whose_names_are_no_valid_text_are_named(tmp_path: Path) -> None:
    two_classes(tmp_path / "data")
    shutil.copy(tmp_path / "data" / "dark" / "0.png", tmp_path / "data" / "light" / os.fsdecode(b"caf\xe9.png"))
    found = inspected(tmp_path / "out", task="image-classification", path=tmp_path / "data", channels=1)
    assert found["copies"]["conflicts"] == [["dark/0.png", "dark", "light/caf\\xe9.png", "light"]]


def test_texts_are_measured_in_characters_and_words_of_any_language(tmp_path: Path) -> None:
    texts = ["one two three", "one two three", "我爱你 ok", "x" * 40]
    lines = [json.dumps({"body": text, "class": "ab"[number % 2]}) for number, text in enumerate(texts)]
    path = tmp_path / "a [x].jsonl"
    path.write_text("\n".join([*lines, '{"body": "", "class": "a"}']), encoding="utf-8")
    found = inspected(tmp_path / "out", task="text-classification", path=path, text_column="body", label_column="class")
    assert found["task"] == "text-classification"
    assert found["texts"] == {"characters": [6, 13, 40, 40], "words": [1, 3, 4, 4], "unspaced": 0.25}
    assert found["duplicates"] == {"within_train": 1, "across_splits": 0}
    assert found["skipped"] == [{"path": "a [x].jsonl:5", "reason": "no text", "said": {"id": "no text", "values": {}}}]


def test_tables_beside_those_of_the_splits_are_named(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for name in ("train.csv", "dev.csv", "more.csv"):
        lines = [f"{name} {number},{'ab'[number % 2]}" for number in range(8)]
        (tmp_path / "data" / name).write_text("\n".join(["text,label", *lines]), encoding="utf-8")
    found = inspected(tmp_path / "out", task="text-classification", path=tmp_path / "data")
    assert found["splits"]["validation"]["per_class"] == [4, 4]
    assert [(skip["path"], skip["reason"]) for skip in found["skipped"]] == [
        ("more.csv", "beside the train file, not a split")
    ]


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ({"task": "image-classification", "path": "nowhere/图"}, "data.path: nowhere/图 does not exist."),
        ({"task": "images", "path": "x"}, "line 2: data.task: 'images'; allowed: one of image-classification"),
        (
            {"task": "image-classification", "path": "x", "channels": 2},
            "line 4: data.channels: 2; allowed: one of 1, 3",
        ),
        ({"task": "image-classification"}, "data.path: missing"),
        ({"task": "image-classification", "path": "x", "colour": True}, "data.colour: unknown key"),
    ],
)
def test_a_failure_is_one_clear_sentence(tmp_path: Path, data: dict[str, Any], problem: str) -> None:
    found = inspected(tmp_path / "out", **data)
    assert found["status"] == "failed"
    assert problem in found["message"]


def test_the_command_starts_without_torch_and_keeps_progress_apart_from_errors(tmp_path: Path) -> None:
    two_classes(tmp_path / "data")
    (tmp_path / "data.toml").write_text(f"[data]\ntask='image-classification'\npath='{tmp_path / 'data'}'\n")
    code = (
        "import runpy, sys; sys.argv[0] = 'inspect'\n"
        "try: runpy.run_module('training.inspect', run_name='__main__')\n"
        "except SystemExit as end: assert end.code == 0\n"
        "assert not {'torch', 'transformers', 'tokenizers', 'timm'} & set(sys.modules)\n"
    )
    command = [
        sys.executable,
        "-c",
        code,
        "--data",
        str(tmp_path / "data.toml"),
        "--output",
        str(tmp_path / "new" / "out"),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert sorted(path.name for path in (tmp_path / "new" / "out").iterdir()) == ["inspection.json", "progress.jsonl"]


def test_an_output_folder_that_cannot_be_written_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way")
    assert main(["--data", "x.toml", "--output", str(tmp_path / "file" / "out")]) == 1
    assert capsys.readouterr().err == f"{tmp_path / 'file' / 'out'}: Not a directory\n"


def test_a_table_of_the_names_of_images_is_told_as_what_it_is(tmp_path: Path) -> None:
    """It was taken for texts: a network would have learnt to tell "cat (1).png" from "dog (1).png"."""
    rows = [f"{name} ({n}).png,{name}" for n in range(30) for name in ("cat", "dog")]
    (tmp_path / "labels.csv").write_text("\n".join(["text,label", *rows]))
    found = inspected(tmp_path / "out", task="text-classification", path=tmp_path / "labels.csv")
    assert "column 'text' has the names of images, such as cat (0).png. Images are not read by way" in found["message"]


def test_labels_that_are_numbers_of_which_none_comes_twice_are_told_as_what_they_are(tmp_path: Path) -> None:
    """That nothing could be held out was true, and led nowhere."""
    rows = "".join(f"text {number},{number / 7:.3f}\n" for number in range(30))
    (tmp_path / "a.csv").write_text(f"text,label\n{rows}", encoding="utf-8")
    found = inspected(tmp_path / "out", task="text-classification", path=tmp_path / "a.csv")
    assert "the labels are 30 different numbers, such as 0.000, 0.143, 0.286" in found["message"]
    assert "(regression), which is not built in" in found["message"]


def test_the_inspection_knows_the_data_by_what_their_runs_know_them_by(tmp_path: Path) -> None:
    """By that, data that were moved are told from others without a run."""
    two_classes(tmp_path / "data")
    found = inspected(tmp_path / "out", task="image-classification", path=tmp_path / "data")
    assert found["identity"] == open_dataset(config(tmp_path / "data")).identity

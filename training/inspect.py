"""Looking at data before anything is decided: `python -m training.inspect --data FILE --output FOLDER`.

Every file or row is read once, as a run would read it. FILE is TOML with a [data] table; FOLDER gets progress.jsonl and
at the end inspection.json. No torch here, so that it starts at once.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from training import image_folders, images, machine, near, splits, texts
from training.config import ConfigError, Data, load_section
from training.record import reporter, write_json
from training.sentence import phrase, said_by
from training.splits import DataError, Part, Progress, Skipped, brief, majority_readable, printable

# More reasons than anyone reads; the total is always given.
LISTED = 1000
# So many labels that are numbers, each of them once, are no classes.
FEW_NUMBERS = 20
NUMBER = re.compile(r"\s*[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?\s*", re.IGNORECASE)
# Characters by which a text is named.
EXCERPT = 60
# Chinese and Japanese characters count as words of their own.
UNSPACED = r"\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
WORD = re.compile(rf"[{UNSPACED}]|[^\s{UNSPACED}]+")


def main(arguments: Sequence[str] | None = None) -> int:
    """Inspect and write inspection.json; 0: complete, 1: failed, with the reason in the file and on stderr."""
    parser = argparse.ArgumentParser(
        prog="python -m training.inspect", description="Read data once and say what is there."
    )
    parser.add_argument("--data", type=Path, required=True, help="TOML file with a [data] table")
    parser.add_argument("--output", type=Path, required=True, help="folder for inspection.json and progress.jsonl")
    options = parser.parse_args(arguments)
    began = time.monotonic()
    try:
        options.output.mkdir(parents=True, exist_ok=True)
        with open(options.output / "progress.jsonl", "w", encoding="utf-8") as file:
            try:
                found = {"status": "complete", **inspect(data_section(options.data), reporter(file))}
            except (DataError, ConfigError) as error:
                found = {"status": "failed", **said_by(error)}
        write_json(options.output / "inspection.json", {**found, "seconds": round(time.monotonic() - began, 3)})
    except OSError as error:
        print(f"{error.filename or options.output}: {error.strerror}", file=sys.stderr)
        return 1
    if found["status"] == "failed":
        print(found["message"], file=sys.stderr)
        return 1
    return 0


def data_section(path: Path) -> Data:
    """The [data] table of a TOML file. Raises ConfigError."""
    return load_section(path, "data")


def inspect(data: Data, progress: Progress | None = None) -> dict[str, Any]:
    """What the data hold, as plain JSON (G0). Raises DataError for what no run could use.

    `duplicates` counts contents, whatever their class: surplus copies among what training comes from, before anything
    is held out, and examples of a ready-made validation or test split that an earlier split has too. `copies` names
    some of them, and equal contents under different classes; `near` what is nearly in the training split (null: the
    images are too small to tell).
    """
    return {"task": data.task, **(_images if data.task == "image-classification" else _texts)(data, progress)}


def _images(data: Data, progress: Progress | None) -> dict[str, Any]:
    found = image_folders.listing(data.path)
    pictures = np.zeros((len(found.files), near.SIDE**2), np.uint8)

    def look(number: int, pixels: np.ndarray) -> None:
        pictures[number] = near.small(pixels)

    seen = images.examine(found, data.image_size, data.channels, machine.cores(), look=look, progress=progress)
    majority_readable(seen.skipped, len(found.files), phrase("{path}: images", path=data.path))
    images.every_class(found, seen.kept, seen.skipped)
    labels = np.array([file.label for file in found.files], np.int64)[seen.kept]
    parts = np.array([file.part for file in found.files], np.int64)[seen.kept]
    names = [printable(found.files[place].path) for place in seen.kept]
    described, roles = _splits(data, found.classes, labels, parts, seen.digests, names, held_out=found.held_out)
    large = np.median(seen.sizes.min(axis=1)) >= near.LEAST
    return {
        **described,
        "near": near.images(roles, seen.digests, pictures[seen.kept], names) if large else None,
        **_skipped((*found.skipped, *seen.skipped)),
        "empty": list(found.empty),
        "images": {
            "widths": _spread(seen.sizes[:, 0], 0, 50, 100),
            "heights": _spread(seen.sizes[:, 1], 0, 50, 100),
            "modes": dict(Counter(seen.modes).most_common()),
            "several": int(seen.several.sum()),
            "brightest": int(seen.brightest.max()),
        },
    }


def _texts(data: Data, progress: Progress | None) -> dict[str, Any]:
    found = texts.listing(data.path)
    table = texts.read(found, data, progress)
    if 2 * sum(text.lower().endswith(image_folders.ENDINGS) for text in table.texts) > len(table.texts):
        raise DataError(
            "{path}: column {column!r} has the names of images, such as {first}. Images are not read by way of a "
            "table: put each into a folder that is named after its class, and give the path of the folder of these.",
            path=printable(data.path),
            column=data.text_column,
            first=brief(table.texts[0]),
        )
    if len(table.classes) == len(table.labels) > FEW_NUMBERS and all(map(NUMBER.fullmatch, table.classes)):
        # Of these nothing could be held out either, but that is not what is wrong.
        raise DataError(
            "{path}: the labels are {n} different numbers, such as {some}, and none comes twice: that looks like a "
            "quantity to be predicted (regression), which is not built in. Name another column (data.label_column), "
            "put the numbers together into classes, or tune a script of your own.",
            path=printable(data.path),
            n=len(table.classes),
            some=", ".join(map(brief, table.classes[:3])),
        )
    digests, names = table.digests(), [text[:EXCERPT] for text in table.texts]
    described, roles = _splits(data, table.classes, table.labels, table.parts, digests, names, held_out=found.held_out)
    return {
        **described,
        "near": near.texts(roles, digests, table.texts, names),
        **_skipped((*found.skipped, *table.skipped)),
        "texts": {
            "characters": _spread(np.array([len(text) for text in table.texts]), 0, 50, 95, 100),
            "words": _spread(np.array([len(WORD.findall(text)) for text in table.texts]), 0, 50, 95, 100),
            "unspaced": _unspaced(table.texts),
        },
    }


def _splits(
    data: Data,
    classes: Sequence[str],
    labels: np.ndarray,
    parts: np.ndarray,
    digests: np.ndarray,
    names: Sequence[str],
    *,
    held_out: bool,
) -> tuple[dict[str, Any], np.ndarray]:
    """What the splits hold, and the split of each example."""
    share = (data.validation_fraction, data.split_seed) if held_out else None
    roles = splits.assign(classes, labels, parts, digests, share, data.path)
    within_train, across = splits.duplicates(parts, digests)

    def described(part: Part) -> dict[str, Any]:
        own, contents = labels[roles == part], digests[roles == part]
        return {
            "examples": len(own),
            "per_class": np.bincount(own, minlength=len(classes)).tolist(),
            "copies": len(own) - len({content.tobytes() for content in contents}),
            "independent": splits.independent(contents),
        }

    result = {
        "classes": list(classes),
        "identity": splits.identity(classes, labels, roles, digests),
        "splits": {
            "train": described(Part.TRAIN),
            "validation": {**described(Part.VALIDATION), "held_out": held_out},
            "test": described(Part.TEST) if (roles == Part.TEST).any() else None,
        },
        "duplicates": {"within_train": within_train, "across_splits": across},
        "copies": splits.copies(parts, labels, digests, names, classes, roles),
    }
    return result, roles


def _skipped(skipped: Sequence[Skipped]) -> dict[str, Any]:
    return {
        "skipped": [
            {"path": one.path, "reason": str(one.reason), "said": one.reason.packed()} for one in skipped[:LISTED]
        ],
        "skipped_total": len(skipped),
    }


def _unspaced(found: Sequence[str]) -> float:
    """The share of texts that are in Chinese or Japanese, by most of their characters."""
    ours, other = re.compile(f"[{UNSPACED}]"), re.compile(rf"[^\s{UNSPACED}]")
    return round(sum(len(ours.findall(text)) > len(other.findall(text)) for text in found) / max(len(found), 1), 3)


def _spread(values: np.ndarray, *percentiles: int) -> list[int]:
    """The values at these percentiles (0: the least, 50: the median), each one that occurs."""
    return np.percentile(values, percentiles, method="nearest").astype(int).tolist()


if __name__ == "__main__":
    sys.exit(main())

"""What a trained network says of new examples: `python -m training.predict FILES`, or `python predict.py FILES`.

FILES are images, or texts, one a line; - is standard input. For each example one JSON object a line: its class, and the
probability of each. A file that cannot be read is named on stderr, and has no line. It needs the run's folder, but not
the data.
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import nn

from training import device as devices
from training import model as models
from training.batches import Inputs
from training.checkpoint import Checkpoints
from training.config import Config, ConfigError, check, unflat
from training.dataset import Facts
from training.evaluation import batch_size
from training.splits import DataError, printable


@dataclass(frozen=True)
class Trained:
    """The best weights of a run in their network, and the classes in the order of its outputs."""

    network: nn.Module
    classes: tuple[str, ...]
    facts: Facts
    config: Config
    device: torch.device
    checkpoints: Path


def main(arguments: list[str] | None = None) -> NoReturn:
    """The command line."""
    parser = argparse.ArgumentParser(prog="predict", description="Classify new examples by a run's best weights.")
    parser.add_argument("--output", type=Path, default=Path("run"), help="folder of the run")
    parser.add_argument(
        "examples", nargs="+", metavar="FILE", help="an image, or texts, one a line; - is standard input"
    )
    options = parser.parse_args(arguments)
    unread: list[DataError] = []

    def complain(error: DataError) -> None:
        unread.append(error)
        print(error, file=sys.stderr, flush=True)

    try:
        trained = load_trained(options.output)
        for answer in predictions(trained, options.examples, complain):
            print(json.dumps(answer, ensure_ascii=False), flush=True)
    except OSError as error:
        sys.exit(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    except (ConfigError, DataError, SafetensorError, RuntimeError) as error:
        sys.exit(str(error))
    if unread:
        sys.exit(
            f"{len(unread)} of {len(options.examples)} files were left out, as said above. Mend or replace them, and "
            "predict these again."
        )
    sys.exit(0)


def load_trained(folder: Path) -> Trained:
    """The network of the run in `folder`. Raises DataError where no weights are, or none that say their classes."""
    checkpoints = folder / "checkpoints"
    path = Checkpoints.best_file(checkpoints)
    if path is None:
        raise DataError("{path}: there are no weights of a run. Train first.", path=printable(folder))
    with safe_open(path, framework="pt") as file:
        described = file.metadata() or {}
    if "classes" not in described:
        raise DataError("{path}: the weights do not say their classes. Train again.", path=printable(path))
    config, facts = check(unflat(json.loads(described["settings"]))), Facts(**json.loads(described["facts"]))
    device = devices.choose(config)
    devices.prepare(config, device)
    network = models.build(config, facts, saved=True).to(device)
    network.load_state_dict(load_file(path, device=str(device)))
    return Trained(network.eval(), tuple(json.loads(described["classes"])), facts, config, device, checkpoints)


def predictions(trained: Trained, names: list[str], complain: Callable[[DataError], None]) -> Iterator[dict[str, Any]]:
    """What is said of each example, in their order: it, its class, and the probability of each class. `complain` is
    told of each file that cannot be read."""
    size = batch_size(trained.config)
    images = trained.config.data.task == "image-classification"
    # By its name, or itself, and what the input is made of.
    examples: Iterator[tuple[str, Any]] = (
        _pixels(trained, names, complain) if images else ((line, line) for line in _lines(names, complain))
    )
    while some := list(islice(examples, size)):
        named, given = zip(*some, strict=True)
        inputs = torch.from_numpy(np.stack(given)) if images else _tokens(trained, given)
        for example, row in zip(named, _probabilities(trained, inputs), strict=True):
            said = dict(zip(trained.classes, row, strict=True))
            yield {"example": example, "class": trained.classes[int(np.argmax(row))], "probabilities": said}


def _probabilities(trained: Trained, inputs: Inputs) -> list[list[float]]:
    """One row an example, computed as in the evaluations of the run."""
    device, precision = trained.device, devices.precision(trained.config, trained.device)
    there = {key: part.to(device) for key, part in inputs.items()} if isinstance(inputs, dict) else inputs.to(device)
    with torch.inference_mode(), torch.autocast(device.type, dtype=precision, enabled=precision is not None):
        logits = trained.network(there)
    return logits.float().cpu().double().softmax(dim=1).tolist()


def _pixels(
    trained: Trained, names: list[str], complain: Callable[[DataError], None]
) -> Iterator[tuple[str, np.ndarray]]:
    """Each image by its name, turned, scaled and cut as those of the training were."""
    from training import images

    data = trained.config.data
    for name, content in _contents(names, complain):
        try:
            with warnings.catch_warnings():
                # As in the training: oddities in metadata do not touch the pixels.
                warnings.simplefilter("ignore")
                decoded = images.decode(content, data.image_size, data.channels)
        except images.Unreadable as error:
            complain(DataError("{path}: {reason}", path=printable(name), reason=error.sentence))
        else:
            yield printable(name), decoded.pixels


def _lines(names: list[str], complain: Callable[[DataError], None]) -> Iterator[str]:
    """The texts of the files, without the blanks around them, as in the training; a line without a text is none."""
    for name, content in _contents(names, complain):
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError:
            complain(DataError("{path}: is not UTF-8.", path=printable(name)))
        else:
            yield from (line.strip() for line in text.split("\n") if line.strip())


def _contents(names: list[str], complain: Callable[[DataError], None]) -> Iterator[tuple[str, bytes]]:
    """Each file by its name."""
    for name in names:
        try:
            content = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        except OSError as error:
            reason = str(error.strerror)
            complain(DataError("{path}: cannot be read: {reason}.", path=printable(name), reason=reason))
        else:
            yield name, content


def _tokens(trained: Trained, texts: Sequence[str]) -> Inputs:
    """The texts by the tokenizer of the training, cut and padded as there."""
    from training.text_data import Texts
    from training.tokenizer import SAVED, Tokenizer

    facts = trained.facts
    document = (trained.checkpoints / SAVED).read_text(encoding="utf-8")
    marks = Tokenizer(document, facts.vocabulary_size, facts.pad_id)
    ids = list(marks.encode(texts, trained.config.data.max_length))
    offsets = torch.from_numpy(np.cumsum([0, *map(len, ids)], dtype=np.int64))
    rows = torch.arange(len(texts))
    return Texts(torch.from_numpy(np.concatenate(ids)), offsets, facts.pad_id, rows, torch.zeros_like(rows)).inputs(
        rows
    )


if __name__ == "__main__":
    main()

"""One look at the test split: `python -m training.look --folder TRIAL --output FOLDER [--cache FOLDER]`.

Evaluates the best checkpoint of a finished run on the examples that neither trained nor validated. FOLDER gets
progress.jsonl and at the end result.json. Exit codes: 0 done, 1 failed; result.json says why.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import sys
from pathlib import Path
from typing import Any, NoReturn

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file

from training import device as devices
from training import model as models
from training import record, splits
from training.checkpoint import Checkpoints
from training.config import ConfigError, load
from training.data import open_dataset
from training.evaluation import batch_size, evaluate
from training.loop import facts
from training.sentence import said_by
from training.splits import DataError, Progress


def main(arguments: list[str] | None = None) -> NoReturn:
    """The command line."""
    parser = argparse.ArgumentParser(prog="look", description="Evaluate a run's best checkpoint on the test split.")
    parser.add_argument("--folder", type=Path, required=True, help="the folder of the run")
    parser.add_argument("--output", type=Path, required=True, help="folder for the result")
    parser.add_argument("--cache", type=Path, help="folder in which decoded data is kept for other runs")
    options = parser.parse_args(arguments)
    with record.lock(options.output):
        with open(options.output / "progress.jsonl", "w", encoding="utf-8") as file:
            result = look(options.folder, options.cache, record.reporter(file))
        record.write_json(options.output / "result.json", result)
    if result["status"] != "complete":
        print(result["message"], file=sys.stderr, flush=True)
    sys.exit(0 if result["status"] == "complete" else 1)


def look(folder: Path, cache: Path | None, progress: Progress) -> dict[str, Any]:
    """The result of the look, or why there is none."""
    try:
        return {"status": "complete", "message": ""} | evaluated(folder, cache, progress)
    except (ConfigError, DataError) as error:
        return {"status": "failed", **said_by(error)}
    except (OSError, SafetensorError, RuntimeError) as error:
        return {"status": "failed", "message": f"{type(error).__name__}: {error}"}


def evaluated(folder: Path, cache: Path | None, progress: Progress) -> dict[str, Any]:
    """Step, examples, correct answers, metrics, and which of these the run was judged by. Raises DataError where there
    is no test split or no checkpoint, and where the run was trained on other data: its classes and words may be
    numbered otherwise."""
    config = load(folder / "config.toml")
    path = Checkpoints.best_file(folder / "checkpoints")
    if path is None:
        raise DataError("{path}: no checkpoint of the best step is left.", path=splits.printable(folder))
    dataset = open_dataset(config, cache)
    if dataset.test is None:
        raise DataError(
            "{path}: there is no test split; name a folder or file 'test'.", path=splits.printable(config.data.path)
        )
    with safe_open(path, framework="pt") as file:
        trained_on = (file.metadata() or {}).get("data")
    # One of before the data were noted has nothing to say. What is in the test split makes no difference.
    if trained_on and trained_on != dataset.identity:
        raise DataError(
            "{path}: training or validation data are not those that {run} was trained on. Put them back as they were, "
            "or launch the configuration again, so that it is trained on the data as they are now.",
            path=splits.printable(config.data.path),
            run=folder.name,
        )
    device = devices.choose(config)
    devices.prepare(config, device)
    torch.manual_seed(0)
    network = models.build(config, facts(dataset), saved=True).to(device)
    network.load_state_dict(load_file(path, device=str(device)))
    examples, batches = len(dataset.test), itertools.count()

    def before_a_batch() -> bool:
        progress(min(next(batches) * batch_size(config), examples), examples)
        return False

    precision = devices.precision(config, device)
    found = evaluate(network, dataset.test, config, device, precision, stop=before_a_batch)
    assert found is not None
    values = dataclasses.asdict(found)
    return {
        **values,
        "metric": config.training.metric,
        "independent": dataset.independent[splits.Part.TEST],
        "step": int(path.stem.removeprefix("step-")),
        "device": devices.name(device),
    }


if __name__ == "__main__":
    main()

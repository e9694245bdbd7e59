"""Train one configuration: `python -m training.train --config FILE --output FOLDER`, or `python train.py` in an export.

Whatever happens, FOLDER/result.json says how it ended (unless the process is killed), and running it again goes on
from FOLDER/checkpoints. Exit codes: 0 complete, 3 infeasible, 1 failed, 143 stopped.
"""

from __future__ import annotations

import argparse
import errno
import signal
import sys
import time
import traceback
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from training import device as devices
from training import record
from training.config import ConfigError, load
from training.data import open_dataset
from training.dataset import Dataset
from training.loop import Run, Stopped, train
from training.meter import Diverged
from training.sentence import said, said_by
from training.splits import DataError, Part

EXIT_CODES = {"complete": 0, "failed": 1, "infeasible": 3, "stopped": 143}


def main(arguments: list[str] | None = None, data: str = "") -> NoReturn:
    """The command line. `data`: the identity of the data that the run is to repeat a result on, "" for any."""
    started = time.monotonic()
    parser = argparse.ArgumentParser(prog="train", description="Train one configuration, or go on with it.")
    parser.add_argument("--config", type=Path, default=default_config(), help="the configuration (TOML)")
    parser.add_argument("--output", type=Path, default=Path("run"), help="folder for metrics, result and checkpoints")
    parser.add_argument("--cache", type=Path, help="folder in which decoded data is kept for other runs")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an unexpected error")
    options = parser.parse_args(arguments)
    record.tolerant_output()
    try:
        with record.lock(options.output):
            sys.exit(run(options.config, options.output, options.cache, started, options.debug, data))
    except (record.Busy, OSError) as error:
        sys.exit(str(error))


def default_config() -> Path:
    """config.toml of the working directory, or where there is none, beside the script that was started."""
    here, beside = Path("config.toml"), Path(sys.argv[0]).with_name("config.toml")
    return beside if beside.exists() and not here.exists() else here


class StopRequest:
    """SIGTERM or Ctrl-C, once somebody listens. Until it is first asked, a signal interrupts what is going on, such as
    reading the data; from then on it only answers, and whoever asks ends in good order."""

    def __init__(self) -> None:
        self.requested = False
        self.asked = False

    def listen(self) -> None:
        """From here on a signal counts, one that has been waiting too: it raises Stopped, so call this where that is
        caught."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._note)
        # The fork server held them back until somebody would listen.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM, signal.SIGINT))

    def __call__(self) -> bool:
        self.asked = True
        return self.requested

    def _note(self, number: int, frame: FrameType | None) -> None:
        first, self.requested = not self.requested, True
        if first and not self.asked:
            raise Stopped


def run(
    config_path: Path, folder: Path, cache: Path | None, started: float, debug: bool = False, data: str = ""
) -> int:
    """Train in `folder`, whose lock is held, and write result.json; the exit code. `started` is by time.monotonic,
    `data` as `main` has it."""
    for earlier in ("result.json", "exit.json"):
        (folder / earlier).unlink(missing_ok=True)
    stop = StopRequest()
    result = blank_result()
    result["command"] = command(config_path, folder, cache)
    ongoing: Run | None = None
    try:
        stop.listen()
        result |= record.provenance()
        record.write_patch(folder, changed=result["changed"])
        config = load(config_path)
        device = devices.choose(config)
        precision = devices.precision(config, device)
        result |= {"device": devices.name(device), "precision": "bfloat16" if precision else "float32"}
        dataset = open_dataset(config, cache)
        result |= about_data(dataset)
        say_beginning(dataset, data)
        ongoing = Run(config, folder, device, stop, started)
        train(ongoing, dataset)
        result |= {"status": "complete", "reason": "", "message": ""}
    except Stopped:
        result |= {"status": "stopped", "reason": "stopped", **said("Stopped when asked to; run it again to go on.")}
    except Diverged as error:
        assert ongoing is not None
        ongoing.progress.step = error.step
        result |= {"status": "infeasible", "reason": "diverged", **said_by(error)}
    except ConfigError as error:
        result |= {"status": "failed", "reason": "config", **said_by(error)}
    except DataError as error:
        result |= {"status": "failed", "reason": "data", **said_by(error)}
    except Exception as error:
        result |= unexpected(error)
        log_traceback(folder, debug)
    stop()
    if ongoing is not None:
        result |= about_run(ongoing, result["validation"])
    record.write_json(folder / "result.json", result)
    if result["status"] == "complete":
        assert ongoing is not None
        best, metric = ongoing.progress.best[0], ongoing.config.training.metric
        print(f"best validation {metric} {getattr(best, metric)!r} at step {best.step}", flush=True)
    else:
        print(result["message"], file=sys.stderr, flush=True)
    return EXIT_CODES[result["status"]]


def command(config_path: Path, folder: Path, cache: Path | None) -> list[str]:
    """The command line of a run like this one, also of one that was forked."""
    parts = [sys.executable, "-m", "training.train", "--config", str(config_path), "--output", str(folder)]
    return [*parts, "--cache", str(cache)] if cache else parts


def blank_result() -> dict[str, Any]:
    """Every key of result.json that `record.provenance` has not, for a run that has come to nothing yet."""
    return {
        "status": "failed",
        "reason": "error",
        "message": "",
        "best": None,
        "final": None,
        "steps_done": 0,
        "seconds": 0.0,
        "first_step_seconds": None,
        "device": None,
        "precision": None,
        "peak_memory": None,
        "exact": None,
        "parameters": None,
        "data": None,
        "validation": None,
        "sample": None,
        "classes": [],
        "skipped_total": 0,
        "resumed": 0,
        "command": [],
    }


def about_data(dataset: Dataset) -> dict[str, Any]:
    """What result.json says of the data; `data` tells them from others, `per_class` counts the validation examples of
    each class, and `independent` says as how many different ones they count, of which some may be copies."""
    labels = dataset.validation.labels
    per_class = labels.bincount(minlength=len(dataset.classes)).tolist()
    return {
        "classes": list(dataset.classes),
        "skipped_total": len(dataset.skipped),
        "data": dataset.identity,
        "validation": {
            "examples": len(labels),
            "correct": None,
            "per_class": per_class,
            "independent": dataset.independent[Part.VALIDATION],
        },
    }


def say_beginning(dataset: Dataset, expected: str) -> None:
    """Lines on the data, for who watches; `expected`: the identity of other data that they should have, or ""."""
    print(
        f"{len(dataset.train)} examples to train on, {len(dataset.validation)} to validate on, "
        f"{len(dataset.classes)} classes",
        flush=True,
    )
    if expected and expected != dataset.identity:
        print("these are other data than those of the exported result, which will not be reached again", flush=True)
    if dataset.skipped:
        first = dataset.skipped[0]
        print(f"left out: {len(dataset.skipped)}, the first being {first.path}: {first.reason}", flush=True)


def about_run(run: Run, validation: dict[str, Any]) -> dict[str, Any]:
    """What result.json says of the training, finished or not; `correct` is that of the best evaluation, of so many
    `examples`. `sample`: where evaluations on the way took one, what it and the whole split said of the same weights.
    """
    progress = run.progress
    best = progress.best[0] if progress.best else None
    if best is not None:
        validation |= {"examples": best.examples, "correct": best.correct}
    whole = {entry.step: entry for entry in (*progress.best, progress.final) if entry is not None}
    sample = (
        {
            "examples": progress.sampled[0].examples,
            "checked": [
                {"step": entry.step, "sample": entry.metrics(), "whole": whole[entry.step].metrics()}
                for entry in progress.sampled
            ],
        }
        if progress.sampled
        else None
    )
    return {
        "best": {"step": best.step} | best.metrics() if best else None,
        "final": {"step": progress.final.step} | progress.final.metrics() if progress.final else None,
        "steps_done": progress.step,
        "seconds": progress.seconds,
        "first_step_seconds": run.first_step_seconds,
        "peak_memory": devices.peak_memory(run.device),
        "exact": devices.is_exact(),
        "parameters": run.parameters,
        "validation": validation,
        "sample": sample,
        "resumed": progress.resumed,
    }


def unexpected(error: Exception) -> dict[str, Any]:
    """Status and reason of an error that no check foresaw, and what a result says of it."""
    text = traceback.format_exception_only(error)[-1].strip()
    if devices.is_out_of_memory(error):
        return {"status": "infeasible", "reason": "out_of_memory", **said("Memory ran out: {error}", error=text)}
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        words = said("The disk is full: {error}. Make room and run it again to go on.", error=text)
        return {"status": "failed", "reason": "disk_full", **words}
    if devices.NOT_BUILT_FOR in text:
        words = said(
            "This torch was not built for such a GPU. Install one that was, or set CUDA_VISIBLE_DEVICES to nothing, so "
            "that the CPU is used."
        )
        return {"status": "failed", "reason": "config", **words}
    if devices.has_failed(error):
        # Below it torch says how to find the mistake in a kernel.
        error_text = text.partition("\n")[0]
        return {"status": "failed", "reason": "device", **said("The GPU failed: {error}", error=error_text)}
    return {"status": "failed", "reason": "error", "message": text}


def log_traceback(folder: Path, debug: bool) -> None:
    """Append the traceback of the error being handled to log.txt; to stderr as well only for who asks."""
    text = traceback.format_exc()
    if debug:
        print(text, file=sys.stderr)
    try:
        with (folder / "log.txt").open("a", encoding="utf-8", errors="backslashreplace") as log:
            log.write(text)
    except OSError as problem:
        print(f"The traceback could not be written: {problem}", file=sys.stderr)


if __name__ == "__main__":
    main()

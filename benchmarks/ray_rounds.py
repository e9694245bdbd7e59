"""The Ray Tune side of `benchmarks.rounds`: the same training as a trainable class, an actor for each trial.

    python -m benchmarks.ray_rounds FOLDER SETTINGS COUNT SLOTS

prints for each trial when it ended and how long it trained. A class, because a function runs in a thread of its actor,
where a training that saves itself on SIGTERM cannot set its handlers.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Any

from state import document

# A folder of its own: transformers would load Ray with every trial of ours if it lay beside.
RAY = Path(sys.prefix) / "ray"


def version() -> str | None:
    """The version of Ray that `make bench-rounds` has installed; None without one."""
    return next((found.version for found in metadata.distributions(name="ray", path=[str(RAY)])), None)


def run(folder: Path, settings: dict[str, Any], count: int, slots: int) -> list[tuple[float, float]]:
    """When each trial ended, and the seconds that it trained; in the order of their ends."""
    folder.mkdir(parents=True)
    command = [sys.executable, "-m", "benchmarks.ray_rounds", str(folder), json.dumps(settings), str(count), str(slots)]
    # Trials of a second are done before its own files would be worth anything.
    quiet = {
        **os.environ,
        "PYTHONPATH": str(RAY),
        "RAY_AIR_NEW_OUTPUT": "0",
        "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    }
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=quiet)
    return sorted((end, seconds) for end, seconds in json.loads(done.stdout.splitlines()[-1]))


def main(arguments: list[str]) -> None:
    """The trials, in this process and its actors."""
    import ray  # pyright: ignore[reportMissingImports]
    from ray import tune  # pyright: ignore[reportMissingImports]

    folder, settings = Path(arguments[0]), json.loads(arguments[1])
    count, slots = int(arguments[2]), int(arguments[3])

    class Trial(tune.Trainable):
        def setup(self, config: dict[str, Any]) -> None:
            self.values = {**settings, "training.seed": config["seed"]}

        def step(self) -> dict[str, Any]:
            from training import train

            place = folder / str(self.values["training.seed"])
            place.mkdir()
            (place / "config.toml").write_text(document.compose(self.values).as_string())
            with contextlib.redirect_stdout(io.StringIO()):
                train.run(place / "config.toml", place, folder / "cache", time.monotonic())
            result = json.loads((place / "result.json").read_text())
            return {"value": result["best"]["val/error_rate"], "done": True}

    ray.init(num_cpus=slots, include_dashboard=False, log_to_driver=False)
    tuner = tune.Tuner(
        tune.with_resources(Trial, {"cpu": 1}),
        param_space={"learning_rate": tune.loguniform(1e-3, 1e-1), "seed": tune.grid_search(list(range(count)))},
        tune_config=tune.TuneConfig(metric="value", mode="min", max_concurrent_trials=slots),
        run_config=tune.RunConfig(
            storage_path=str((folder / "ray").resolve()),
            verbose=0,
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
        ),
    )
    errors = tuner.fit().errors
    assert not errors, errors
    results = [folder / str(seed) / "result.json" for seed in range(count)]
    print(json.dumps([(path.stat().st_mtime, json.loads(path.read_text())["seconds"]) for path in results]))


if __name__ == "__main__":
    main(sys.argv[1:])

"""The other side of `benchmarks.rounds`: the same trials, points and writers through Optuna with SQLite storage."""

from __future__ import annotations

import json
import multiprocessing
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from state import document


@dataclass(frozen=True)
class Storage:
    """Seconds for a trial, for a point, and to open a study with all its trials and their points."""

    trial: float
    point: float
    opened: float


@dataclass(frozen=True)
class Writers:
    """What many processes that report at once came to."""

    points: int
    lost: int
    errors: int


def study(folder: Path) -> Any:
    """A study in a SQLite file of its own, as its documentation has it."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    folder.mkdir(parents=True, exist_ok=True)
    return optuna.create_study(study_name="s", storage=f"sqlite:///{folder}/s.db", load_if_exists=True)


def processes(folder: Path, settings: dict[str, Any], count: int, jobs: int = 1) -> list[tuple[float, float]]:
    """Each trial a process of its own that trains; when each ended, and the seconds that it trained. `n_jobs` above 1
    starts them from threads: the training itself, with its handlers of signals, needs the main one."""
    made = study(folder)

    def objective(trial: Any) -> float:
        return json.loads((_trained(folder / f"{trial.number}", settings, trial) / "result.json").read_text())["best"][
            "val/error_rate"
        ]

    ends: dict[int, float] = {}

    def ended(study: Any, trial: Any) -> None:
        ends[trial.number] = time.time()

    made.optimize(objective, n_trials=count, n_jobs=jobs, callbacks=[ended])
    spent = {number: json.loads((folder / f"{number}" / "result.json").read_text())["seconds"] for number in ends}
    return sorted((end, spent[number]) for number, end in ends.items())


def _trained(folder: Path, settings: dict[str, Any], trial: Any) -> Path:
    folder.mkdir(parents=True)
    trial.suggest_float("learning_rate", 1e-3, 1e-1, log=True)
    values = {**settings, "training.seed": trial.number}
    (folder / "config.toml").write_text(document.compose(values).as_string())
    command = [sys.executable, "-m", "training.train", "--config", str(folder / "config.toml"), "--output", str(folder)]
    subprocess.run([*command, "--cache", str(folder.parent / "cache")], check=True, capture_output=True)
    return folder


_INSIDE = """
import json, sys, time
from pathlib import Path
from benchmarks import optuna_rounds
print(json.dumps(optuna_rounds.inside_here(Path(sys.argv[1]), json.loads(sys.argv[2]), int(sys.argv[3]))))
"""


def inside(folder: Path, settings: dict[str, Any], count: int) -> float:
    """The trials one after the other in the process that optimizes, torch imported once (`n_jobs=1`)."""
    command = [sys.executable, "-c", _INSIDE, str(folder), json.dumps(settings), str(count)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


def inside_here(folder: Path, settings: dict[str, Any], count: int) -> float:
    """As `inside`, in this process."""
    import contextlib
    import io
    import signal

    from training import train

    made = study(folder)
    spent: list[float] = []
    ends: list[float] = []

    def objective(trial: Any) -> float:
        trial.suggest_float("learning_rate", 1e-3, 1e-1, log=True)
        place = folder / f"{trial.number}"
        place.mkdir()
        values = {**settings, "training.seed": trial.number}
        (place / "config.toml").write_text(document.compose(values).as_string())
        with contextlib.redirect_stdout(io.StringIO()):
            train.run(place / "config.toml", place, folder / "cache", time.monotonic())
        result = json.loads((place / "result.json").read_text())
        spent.append(result["seconds"])
        return result["best"]["val/error_rate"]

    made.optimize(objective, n_trials=count, callbacks=[lambda study, trial: ends.append(time.monotonic())])
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    return (ends[-1] - ends[0] - sum(spent[1:])) / (count - 1)


def storage(folder: Path, count: int, points: int, sample: int) -> Storage:
    """A share of the trials is recorded point by point to time that; all of them are put in at once to time opening."""
    import optuna

    made = study(folder)
    began = time.perf_counter()
    asked = [made.ask() for _ in range(sample)]
    for trial in asked:
        trial.suggest_float("a", 0, 1)
    trial_seconds = time.perf_counter() - began
    began = time.perf_counter()
    for trial in asked:
        for step in range(points):
            trial.report(1 / (step + 1), step)
    point = (time.perf_counter() - began) / (sample * points)
    began = time.perf_counter()
    for trial in asked:
        made.tell(trial, 0.1)
    trial_seconds += time.perf_counter() - began

    whole = study(folder / "whole")
    values = {step: 1 / (step + 1) for step in range(points)}
    distribution = optuna.distributions.FloatDistribution(0, 1)
    whole.add_trials(
        [
            optuna.trial.create_trial(
                params={"a": 0.5}, distributions={"a": distribution}, value=0.1, intermediate_values=values
            )
            for _ in range(count)
        ]
    )
    taken = []
    for _ in range(5):
        began = time.perf_counter()
        loaded = optuna.load_study(study_name="s", storage=f"sqlite:///{folder}/whole/s.db")
        assert sum(len(trial.intermediate_values) for trial in loaded.trials) == count * points
        taken.append(time.perf_counter() - began)
    return Storage(trial_seconds / sample, point, sorted(taken)[2])


def writers(folder: Path, count: int, seconds: float) -> Writers:
    """So many processes, each with a trial of its own, report as fast as they can for so long."""
    made = study(folder)
    told = multiprocessing.Queue()
    workers = [multiprocessing.Process(target=_report, args=(folder, seconds, told)) for _ in range(count)]
    for worker in workers:
        worker.start()
    answers = [told.get() for _ in workers]
    for worker in workers:
        worker.join()
    kept = sum(len(trial.intermediate_values) for trial in made.get_trials(deepcopy=False))
    written = sum(points for points, _errors in answers)
    return Writers(written, abs(written - kept), sum(errors for _points, errors in answers))


def _report(folder: Path, seconds: float, told: Any) -> None:
    import optuna

    points = errors = 0
    deadline = time.monotonic() + seconds
    try:
        loaded = optuna.load_study(study_name="s", storage=f"sqlite:///{folder}/s.db")
        trial = loaded.ask()
        while time.monotonic() < deadline:
            try:
                trial.report(0.5, points)
                points += 1
            # Whatever a report fails with, SQLAlchemy's errors of many types, is an error that a user would meet.
            except Exception as error:
                errors += 1
                print(error, file=sys.stderr)
            time.sleep(0.01)
    except Exception as error:
        errors += 1
        print(error, file=sys.stderr)
    told.put((points, errors))

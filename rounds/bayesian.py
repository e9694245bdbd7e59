"""The next point of a final study, by Bayesian optimisation: a pure function of what is known (P14).

Optuna's Gaussian process does the modelling, on a study that is built anew for each question and thrown away: the same
history gives the same proposal, whoever asks, and nothing but our own records is ever kept. A trial that diverged says
where it is not feasible, in a model of its own (Gelbart et al. 2014); to that of the objective it is neither good nor
bad (the median). One that ran out of memory or met a bug says nothing. It runs as a process of its own, because the
model needs torch:

    python -m rounds.bayesian <question.json >answer.json
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import blake2b
from statistics import median
from typing import Any

from state.errors import Refusal

# Points, and feasible ones among them (Optuna's n_startup_trials), before a model is better than an even spread.
FEWEST, FEWEST_FEASIBLE = 16, 10
# Far more than a question takes.
SECONDS = 300.0
FEASIBLE = "feasible"


@dataclass(frozen=True)
class Known:
    """A trial that has ended, or runs: its coordinates, its cost (lower is better; None: it diverged, or it runs)."""

    u: Mapping[str, float]
    cost: float | None
    running: bool = False


def available() -> bool:
    """Whether the optional library is installed."""
    return importlib.util.find_spec("optuna") is not None


def propose(choices: Mapping[str, int], known: Sequence[Known], count: int, seed: int) -> list[dict[str, float]]:
    """The next points, as coordinates in [0, 1). `choices`: dimension name to its number of choices without an order,
    0 for a range. Each point takes those before it for running.

    Refuses where the library is missing or failed, and where too little is known for a model.
    """
    ended = [trial for trial in known if not trial.running]
    feasible = sum(trial.cost is not None for trial in ended)
    if len(ended) < FEWEST or feasible < FEWEST_FEASIBLE:
        raise Refusal(
            "Bayesian search begins with {fewest} trials of the final space, {feasible} of them feasible; there are "
            "{have}, {good} feasible. Run a round in it first: tunebook round plan --goal minimise",
            fewest=FEWEST,
            feasible=FEWEST_FEASIBLE,
            have=len(ended),
            good=feasible,
        )
    if not available():
        raise Refusal("Bayesian search needs Optuna: install it with pip install 'tunebook[bo]'.")
    question = {
        "choices": dict(choices),
        "known": [asdict(trial) for trial in known],
        "count": count,
        "seed": seed,
    }
    # One thread: on these sizes more of them only wait for each other, and the last digits would depend on them.
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    try:
        answer = subprocess.run(
            [sys.executable, "-P", "-m", "rounds.bayesian"],
            input=json.dumps(question),
            capture_output=True,
            text=True,
            timeout=SECONDS,
            env=environment,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Refusal("Bayesian search gave no answer in {seconds:.0f} seconds.", seconds=SECONDS) from None
    if answer.returncode:
        last = next((line for line in reversed(answer.stderr.splitlines()) if line.strip()), "")
        raise Refusal("Bayesian search failed: {reason}", reason=last)
    return json.loads(answer.stdout)


def ask(question: Mapping[str, Any]) -> list[dict[str, float]]:
    """Answer a question in this process; see `propose`."""
    import optuna
    from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
    from optuna.trial import TrialState

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    space: dict[str, BaseDistribution] = {
        name: CategoricalDistribution(list(range(count))) if count else FloatDistribution(0.0, 1.0)
        for name, count in question["choices"].items()
    }
    # Neither the order of the history nor Optuna's own way of numbering has a say.
    known = sorted(question["known"], key=lambda trial: (trial["running"], json.dumps(trial, sort_keys=True)))
    costs = [trial["cost"] for trial in known if trial["cost"] is not None]
    found: list[dict[str, float]] = []
    for _place in range(question["count"]):
        study = optuna.create_study(sampler=_sampler(question["seed"], len(known)))
        for trial in known:
            params = {name: _inside(trial["u"][name], count) for name, count in question["choices"].items()}
            state = TrialState.RUNNING if trial["running"] else TrialState.COMPLETE
            diverged = trial["cost"] is None
            study.add_trial(
                optuna.create_trial(
                    state=state,
                    params=params,
                    distributions=space,
                    value=None if trial["running"] else median(costs) if diverged else trial["cost"],
                    constraints=None if trial["running"] else {FEASIBLE: 1.0 if diverged else -1.0},
                )
            )
        asked = study.ask(fixed_distributions=space)
        u = {name: _coordinate(asked.params[name], count) for name, count in question["choices"].items()}
        found.append(u)
        known = [*known, {"u": u, "cost": None, "running": True}]
    return found


def _sampler(seed: int, number: int) -> Any:
    from optuna.samplers import GPSampler

    drawn = int.from_bytes(blake2b(f"final/{seed}/{number}".encode(), digest_size=4).digest()) >> 1
    return GPSampler(seed=drawn, n_startup_trials=0, warn_independent_sampling=False)


def _inside(u: float, choices: int) -> float | int:
    return min(int(u * choices), choices - 1) if choices else min(max(u, 0.0), 1.0)


def _coordinate(value: Any, choices: int) -> float:
    # A coordinate of 1 lies outside the half-open interval that points live in.
    return (int(value) + 0.5) / choices if choices else min(float(value), 1 - 1e-9)


def main() -> int:
    """Read a question, write the answer."""
    import warnings

    warnings.simplefilter("ignore")
    print(json.dumps(ask(json.load(sys.stdin))))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The next point of a final study, by Bayesian optimisation: a pure function of what is known (P14).

Optuna's Gaussian process does the modelling, on a study that is built anew for each question and thrown away: the same
history gives the same proposal, whoever asks, and nothing but our own records is ever kept. A trial that diverged says
where it is not feasible, in a model of its own (Gelbart et al. 2014), and to that of the objective it is as bad as the
worst. One that ran out of memory or met a bug says nothing.

The model knows the whole space, but points are taken only from where the best trials lie: with as few trials as these
it is least sure at the corners, and a search that may go there does, above all for the later points of a lot. It runs
as a process of its own, because the model needs torch:

    python -m rounds.bayesian <question.json >answer.json
"""

from __future__ import annotations

import contextlib
import importlib.util
import itertools
import json
import math
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import blake2b
from importlib import metadata
from typing import Any

from rounds.space import Domain, Places
from state.errors import NotInstalled, NotYet, Refusal

# Points, and feasible ones among them (Optuna's n_startup_trials), before a model is better than an even spread.
FEWEST, FEWEST_FEASIBLE = 16, 10
# Points are looked for where so large a share of the feasible trials lies, the best of them, and so far beyond on
# either side, in shares of a range; among so many points that cover this evenly (our judgement).
BEST, FEWEST_BEST, BEYOND = 1 / 3, 5, 0.1
CANDIDATES = 2048
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


def _to_install() -> str:
    """The command that installs it, in the version that is replaced in part here (`ask`), for the Python that runs
    this: another one's pip would install it elsewhere."""
    with contextlib.suppress(metadata.PackageNotFoundError):
        for requirement in metadata.requires("tunebook") or ():
            # Others of its family have names that begin with its own.
            if re.match(r"optuna(?![\w.-])", requirement):
                return shlex.join([sys.executable, "-m", "pip", "install", requirement.partition(";")[0].strip()])
    return shlex.join([sys.executable, "-m", "pip", "install", "optuna"])


def propose(
    choices: Mapping[str, int],
    known: Sequence[Known],
    count: int,
    seed: int,
    domains: Sequence[Domain] = (),
    tried: Collection[Places] = (),
) -> list[dict[str, float]]:
    """The next points, as coordinates in [0, 1). `choices`: dimension name to its number of choices without an order,
    0 for a range. Each point takes those before it for running. `domains`: those of a space of separate values only, in
    the order of `choices`, of which nothing that was `tried` is proposed again; there must be enough that was not.

    Refuses where the library is missing or failed, and where too little is known for a model.
    """
    ended = [trial for trial in known if not trial.running]
    feasible = sum(trial.cost is not None for trial in ended)
    if len(ended) < FEWEST or feasible < FEWEST_FEASIBLE:
        raise NotYet(
            "Bayesian search begins with {fewest} trials of the final space, {feasible} of them feasible; there are "
            "{have}, {good} feasible. Run a round in it first: tunebook round plan --goal minimise",
            fewest=FEWEST,
            feasible=FEWEST_FEASIBLE,
            have=len(ended),
            good=feasible,
        )
    if not available():
        raise NotInstalled(
            "Bayesian search needs Optuna, which is not installed here. Install it: {command}", command=_to_install()
        )
    question = {
        "choices": dict(choices),
        "known": [asdict(trial) for trial in known],
        "count": count,
        "seed": seed,
        "domains": [domain.to_dict() for domain in domains],
        "tried": sorted(tried),
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
    feasible = [trial for trial in known if trial["cost"] is not None]
    worst, within = max(trial["cost"] for trial in feasible), _within(question["choices"], feasible)
    domains = dict(zip(question["choices"], map(Domain.from_dict, question.get("domains", ())), strict=False))
    tried = {tuple(places) for places in question.get("tried", ())}
    found: list[dict[str, float]] = []
    for _place in range(question["count"]):
        sampler = _sampler(question["seed"], len(known), within, question["choices"], domains, tried)
        study = optuna.create_study(sampler=sampler)
        for trial in known:
            params = {name: _inside(trial["u"][name], count) for name, count in question["choices"].items()}
            state = TrialState.RUNNING if trial["running"] else TrialState.COMPLETE
            # As the median, beside a cliff a quarter of the next points went over it (on made-up problems).
            diverged = trial["cost"] is None
            study.add_trial(
                optuna.create_trial(
                    state=state,
                    params=params,
                    distributions=space,
                    value=None if trial["running"] else worst if diverged else trial["cost"],
                    constraints=None if trial["running"] else {FEASIBLE: 1.0 if diverged else -1.0},
                )
            )
        asked = study.ask(fixed_distributions=space)
        u = {name: _coordinate(asked.params[name], count) for name, count in question["choices"].items()}
        found.append(u)
        tried.add(_places(domains, u))
        known = [*known, {"u": u, "cost": None, "running": True}]
    return found


def _within(choices: Mapping[str, int], feasible: Sequence[Mapping[str, Any]]) -> dict[str, tuple[float, float]]:
    """From where to where points are taken, by dimension name: the box of the best trials, somewhat enlarged. Choices
    without an order are all open."""
    count = max(round(len(feasible) * BEST), FEWEST_BEST)
    best = sorted(feasible, key=lambda trial: trial["cost"])[:count]
    places = {name: [trial["u"][name] for trial in best] for name, number in choices.items() if not number}
    return {name: (max(min(own) - BEYOND, 0.0), min(max(own) + BEYOND, 1.0)) for name, own in places.items()}


def _places(domains: Mapping[str, Domain], u: Mapping[str, float]) -> Places:
    return tuple(domain.middle(u[name]) for name, domain in domains.items())


def _untried(
    domains: Mapping[str, Domain],
    tried: Collection[Places],
    sampled: Sequence[Mapping[str, float]],
    narrowed: Sequence[Mapping[str, float]],
    within: Mapping[str, tuple[float, float]],
) -> list[Mapping[str, float]]:
    """The points to choose from in a space of separate values: none that was tried, and where there are such within the
    box of the best trials, these alone. All of the space that is left, where that is no more than are `sampled`."""
    if math.prod(domain.count or 0 for domain in domains.values()) <= CANDIDATES:
        everything = itertools.product(*(domain.middles() for domain in domains.values()))
        sampled = [dict(zip(domains, places, strict=True)) for places in everything]
        narrowed = [u for u in sampled if all(low <= u[name] <= high for name, (low, high) in within.items())]
    for points in (narrowed, sampled):
        if fresh := [u for u in points if _places(domains, u) not in tried]:
            return fresh
    return list(narrowed)


def _sampler(
    seed: int,
    number: int,
    within: Mapping[str, tuple[float, float]],
    choices: Mapping[str, int],
    domains: Mapping[str, Domain],
    tried: Collection[Places],
) -> Any:
    import numpy as np
    from optuna.samplers import GPSampler

    drawn = int.from_bytes(blake2b(f"final/{seed}/{number}".encode(), digest_size=4).digest()) >> 1

    class Within(GPSampler):
        """Optuna's own search for the best point goes through the whole space; this one keeps within a part of it."""

        def sample_relative(self, study: Any, trial: Any, search_space: dict[str, Any]) -> dict[str, Any]:
            # The columns of the points are in this order.
            self._names = list(search_space)
            return super().sample_relative(study, trial, search_space)

        def _optimize_acqf(self, acqf: Any, best_params: Any) -> Any:
            points = acqf.search_space.sample_normalized_params(CANDIDATES, rng=np.random.RandomState(drawn))
            sampled = points.copy()
            for place, name in enumerate(self._names):
                if name in within:
                    low, high = within[name]
                    points[:, place] = low + points[:, place] * (high - low)
            if domains:
                points = self._rows(_untried(domains, tried, self._points(sampled), self._points(points), within))
            return points[np.argmax(acqf.eval_acqf_no_grad(points))]

        def _points(self, rows: Any) -> list[dict[str, float]]:
            # Optuna leaves out what has one value only.
            alone = dict.fromkeys(choices, 0.5)
            return [
                alone | {name: _coordinate(value, choices[name]) for name, value in zip(self._names, row, strict=True)}
                for row in rows
            ]

        def _rows(self, points: Sequence[Mapping[str, float]]) -> Any:
            return np.array([[float(_inside(u[name], choices[name])) for name in self._names] for u in points])

    return Within(seed=drawn, n_startup_trials=0, warn_independent_sampling=False)


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

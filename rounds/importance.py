"""Which hyperparameters matter, and which act together: what each explains of the ranks of the trials, against what
chance explains (G19).

Ranks, because a cliff or one lucky trial must not decide; a diverged trial is the worst. Of each hyperparameter the
level and the bend (u, u squared; of choices one column each), of each pair the product, fitted by ridge regression
after the others. Shuffling the columns of an effect over the trials shows what it would explain by chance; the band is
that of the largest effect in each shuffle, so that a round in which nothing matters seldom says that something does.

Points of a sequence lie more evenly than shuffled ones, so that those bands are a little too low. So the largest
single effect must first exceed what shuffled ranks would give it, which is exact where nothing matters. Permuting the
residuals instead (Freedman and Lane) is worse: of so few trials most of what is left has been fitted away. So it has
after four others in a dozen trials, and what is left of a learning rate that decides alone is called chance: the one
that explains most is asked by itself as well. How often noise is taken for an effect, benchmarks/statistics.py tells.

Where few trials are good and the rest are all as bad, ranks are mostly those of the bad ones, and nothing explains
them. So nothing is said to matter little by whose values the best trials lie closer together than chance puts them.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from rounds.plan import Study
from rounds.record import Direction, TrialRecord, cost, ended, leading
from rounds.space import Dimension

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

# The boundary check wants as many.
FEWEST = 12
SHUFFLES = 200
# How often a study in which nothing matters says that something does, of single effects and of pairs each.
LEVEL = 0.05
# Two that act together and explain less are not worth a sentence: no range is chosen by it.
SLIGHT = 0.1
# What chance may explain for "it matters little" to mean anything, and the regression's penalty for each trial.
SMALL, RIDGE = 0.15, 0.02

Judged = Literal["matters", "little", "cannot tell"]


@dataclass(frozen=True)
class Effect:
    """One hyperparameter, or two that act together (`names`): the share of the ranks' variance that it explains beyond
    all others, what chance explains at most (`band`), and where the best trials lie (mean coordinate, by name, of what
    is ordered)."""

    names: tuple[str, ...]
    share: float
    band: float
    judged: Judged
    best: dict[str, float]


def effects(study: Study, records: Sequence[TrialRecord], direction: Direction, seed: int = 0) -> list[Effect]:
    """The effects of a study, the largest first; none where there are too few trials, or all the same."""
    import numpy as np

    counted = telling(study, records)
    dimensions = [d for d in study.dimensions if len({record.u[d.name] for record in counted}) > 1]
    feasible = sum(record.feasible for record in counted)
    if len(counted) < FEWEST or feasible < FEWEST // 2 or not dimensions:
        return []
    ranks = _ranks(np.array([cost(record, direction) for record in counted]))
    if not ranks.any():
        return []
    columns = {d.name: _columns(d, [record.u[d.name] for record in counted]) for d in dimensions}
    # The bend of what is ordered takes no part in what it does together with another.
    levels = {d.name: columns[d.name][:, :1] if d.domain.ordered else columns[d.name] for d in dimensions}
    random = np.random.Generator(np.random.PCG64(seed))
    orders = np.array([random.permutation(len(counted)) for _ in range(SHUFFLES)])
    single = {(name,): own for name, own in columns.items()}
    pairs = {
        (one, other): _products(levels[one], levels[other])
        for one, other in itertools.combinations(columns, 2)
        # With fewer trials than that the pairs cannot be told from the singles.
        if len(counted) > 2 * len(columns) + 2
    }
    everything = np.hstack(list(columns.values()))
    best = leading(counted, direction)
    first = np.argsort(ranks, kind="stable")[: len(best)]
    ordered = [d.name for d in dimensions if d.domain.ordered]
    places = {name: sum(record.u[name] for record in best) / len(best) for name in ordered} if best else {}
    found = []
    for group in (single, pairs):
        shares, chance, nothing = {}, [], []
        for names, own in group.items():
            others = [columns[name] for name in columns if name not in names] if group is single else [everything]
            shares[names], by_chance = _explained(ranks, own, others, orders)
            chance.append(by_chance)
            if group is single:
                nothing.append(_of_nothing(ranks, own, others, orders))
        if not chance:
            continue
        band = _band(chance)
        if nothing and max(shares.values()) <= _band(nothing):
            band = max(band, _band(nothing))
        judged: dict[tuple[str, ...], tuple[float, float, Judged]] = {
            names: (share, band, _judge(names, share, band)) for names, share in shares.items()
        }
        if group is single and (leader := _leading(ranks, single, orders)) is not None:
            names, share, band = leader
            if judged[names][-1] != "matters":
                judged[names] = (share, band, "matters")
        found += [
            Effect(names, *told, {name: places[name] for name in names if name in places})
            for names, told in judged.items()
        ]
    # By itself it may explain little and yet decide, with another.
    pairs_told = [effect for effect in found if len(effect.names) > 1 and effect.judged == "matters"]
    decides = {name for effect in pairs_told for name in effect.names}
    decides |= {name for name, own in levels.items() if _close(own, first, orders)}
    found = [
        replace(effect, judged="cannot tell") if effect.judged == "little" and decides & {*effect.names} else effect
        for effect in found
    ]
    return sorted(found, key=lambda effect: -effect.share)


def _leading(
    ranks: Array, single: Mapping[tuple[str, ...], Array], orders: Array
) -> tuple[tuple[str, ...], float, float] | None:
    """The one that explains most by itself, with its share and the band, where that is more than any explains of
    shuffled ranks; with half of the level, since it is asked beside the others."""
    import numpy as np

    shares = {names: float(_gains((ranks @ own)[None], own[None], ranks)[0]) for names, own in single.items()}
    chance = [_of_nothing(ranks, own, [], orders) for own in single.values()]
    band = float(np.quantile(np.max(chance, axis=0), 1 - LEVEL / 2))
    leader = max(shares, key=lambda names: shares[names])
    return (leader, shares[leader], band) if shares[leader] > band else None


def _close(own: Array, first: Array, orders: Array) -> bool:
    """Whether the first trials lie closer together in these columns than as many of any do by chance."""
    import numpy as np

    by_chance = own[orders[:, : len(first)]].var(axis=1).sum(axis=1)
    return float(own[first].var(axis=0).sum()) < float(np.quantile(by_chance, LEVEL))


def telling(study: Study, records: Sequence[TrialRecord]) -> list[TrialRecord]:
    """The trials of a study that effects are told by: what met a bug or ran out of memory says nothing of them."""
    return [record for record in ended(records, study.name) if record.feasible or record.reason == "diverged"]


def _band(chance: Sequence[Array]) -> float:
    """What the largest of some effects explains by chance at most, of each of which the shuffles are given."""
    import numpy as np

    return float(np.quantile(np.max(chance, axis=0), 1 - LEVEL))


def _judge(names: tuple[str, ...], share: float, band: float) -> Judged:
    if share > band:
        return "cannot tell" if len(names) > 1 and share < SLIGHT else "matters"
    return "little" if band <= SMALL else "cannot tell"


def _ranks(costs: Array) -> Array:
    """Ranks around zero, ties shared."""
    import numpy as np

    _values, inverse, counts = np.unique(costs, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - (counts - 1) / 2
    ranks = middle[inverse]
    return ranks - ranks.mean()


def _columns(dimension: Dimension, u: Sequence[float]) -> Array:
    import numpy as np

    place = np.array(u)
    if dimension.domain.ordered:
        x = 2 * place - 1
        return _scaled(np.column_stack([x, x * x]))
    number = (place * len(dimension.domain.choices)).astype(int)
    return _scaled(np.column_stack([number == choice for choice in np.unique(number)[1:]]).astype(float))


def _products(one: Array, other: Array) -> Array:
    """The products of two levels; of choices, of each with each."""
    import numpy as np

    return _scaled(np.column_stack([a * b for a in one.T for b in other.T]))


def _scaled(columns: Array) -> Array:
    import numpy as np

    middle = columns - columns.mean(axis=0)
    spread = np.sqrt((middle**2).mean(axis=0))
    return middle / np.where(spread > 0, spread, 1.0)


def _explained(ranks: Array, own: Array, others: list[Array], orders: Array) -> tuple[float, Array]:
    """What the columns explain beyond the others, as they are and in each of the orders."""
    import numpy as np

    left, tried = ranks, np.concatenate([own[None], own[orders]])
    if others:
        given = np.hstack(others)
        left, tried = left - _fitted(given, left), tried - _fitted(given, tried)
    gains = _gains(np.einsum("sik,i->sk", tried, left), tried, ranks)
    return float(min(gains[0], 1.0)), gains[1:]


def _of_nothing(ranks: Array, own: Array, others: list[Array], orders: Array) -> Array:
    """What the columns explain beyond the others where nothing matters: of the ranks in each of the orders."""
    import numpy as np

    left, tried = ranks[orders].T, own
    if others:
        given = np.hstack(others)
        left, tried = left - _fitted(given, left), tried - _fitted(given, tried)
    return _gains(left.T @ tried, tried[None], ranks)


def _fitted(given: Array, values: Array) -> Array:
    """What the given columns fit of the values."""
    import numpy as np

    size = len(given)
    gram = given.T @ given + RIDGE * size * np.eye(given.shape[1])
    return given @ np.linalg.solve(gram, given.T @ values)


def _gains(onto: Array, tried: Array, ranks: Array) -> Array:
    """The share of the ranks' variance that columns explain, from their products with what is left of it."""
    import numpy as np

    gram = np.einsum("sik,sil->skl", tried, tried) + RIDGE * len(ranks) * np.eye(tried.shape[2])
    gains = np.einsum("sk,sk->s", onto, np.linalg.solve(gram, onto[:, :, None])[:, :, 0]) / float(ranks @ ranks)
    return np.nan_to_num(gains, nan=0.0)

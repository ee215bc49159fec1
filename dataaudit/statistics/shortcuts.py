"""How well a small model tells a target from a few features: cross-validated, against permuted targets.

The model is ridge regression of the targets' indicators on indicators of the features' bins and levels (the tests compare it with
scikit-learn's ``Ridge``), and answers the target whose predicted share rises most over its share in the data: that maximises
balanced accuracy, so that a large class is no excuse. Its hat matrix does not depend on the targets, so that of thousands of
permutations each costs one matrix product, and no fit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from dataaudit.dedup.permutation import DRAWS, permutation_p, shuffled_within

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["FOLDS", "RIDGE", "Column", "Telling", "bins", "how_well", "indicators", "levels"]

FOLDS: Final = 5
RIDGE: Final = 1.0
"""Penalty: as much as one sample a bin that says nothing."""
BINS: Final = 8
"""Quantile bins of a number."""
LEVELS: Final = 16
"""Levels of a category that are told apart, the most frequent; from ``LEVEL_MINIMUM`` rows on."""
LEVEL_MINIMUM: Final = 5


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """A number or a category as a small model sees it: one bin or level a row."""

    codes: NDArray[np.int64]
    """(n,) index into ``names``."""
    names: tuple[str, ...]
    """What each bin or level is, in words: ``width 640``, ``JPEG quality 70–85``."""


@dataclass(frozen=True, slots=True)
class Telling:
    """How well a small model tells the target."""

    n: int
    accuracy: float
    """Mean over the targets of the share of each that is told right, out of fold (balanced accuracy)."""
    chance: float
    """The same where the targets are permuted, on average; one over their number where nothing was permuted."""
    gain: float
    """The share of the way from ``chance`` to 1."""
    p_value: float


def bins(name: str, values: NDArray[np.float64], digits: int = 3) -> Column:
    """Return a number as quantile bins, few distinct values each as its own; NaN is a bin of its own.

    Args:
        name: what it is, in words.
        values: (n,)
        digits: significant digits of the edges in the names.
    """
    known = values[np.isfinite(values)]
    distinct = np.unique(known)
    if len(distinct) <= BINS:
        edges = distinct[1:]
    else:
        cuts, times = np.unique(np.quantile(known, np.arange(BINS) / BINS, method="inverted_cdf"), return_counts=True)
        spikes = np.searchsorted(distinct, cuts[times > 1]) + 1  # a value that fills a bin is a bin of its own
        edges = np.union1d(cuts, distinct[spikes[spikes < len(distinct)]])
        edges = edges[edges > distinct[0]]
    codes = np.where(np.isfinite(values), np.searchsorted(edges, values, side="right"), len(edges) + 1)
    names = []
    for code in range(len(edges) + 1):
        inside = known[np.searchsorted(edges, known, side="right") == code]
        low, high = (f"{inside.min():.{digits}g}", f"{inside.max():.{digits}g}") if len(inside) else ("", "")
        names.append(f"{name} {low}" if low == high else f"{name} {low} to {high}")
    return Column(codes.astype(np.int64), (*names, f"no {name}"))


def levels(name: str, values: Sequence[str]) -> Column:
    """Return a category as its most frequent levels; all others are one. An empty value is a level of its own.

    Args:
        name: what it is, in words.
        values: (n,)
    """
    found, inverse, counts = np.unique(np.asarray(values, str), return_inverse=True, return_counts=True)
    kept = np.argsort(-counts, kind="stable")[:LEVELS]
    kept = kept[counts[kept] >= LEVEL_MINIMUM]
    code_of = np.full(len(found), len(kept))
    code_of[kept] = np.arange(len(kept))
    names = [f"{name} {value}" if (value := str(found[index])) else f"no {name}" for index in kept]
    return Column(code_of[inverse].astype(np.int64), (*names, f"another {name}"))


def indicators(columns: Sequence[Column]) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """Return the bins and levels of all columns as indicators (n, m), those that never vary left out, and their names."""
    tables = [column.codes[:, None] == np.arange(len(column.names)) for column in columns]
    table = np.concatenate(tables, axis=1)
    names = [name for column in columns for name in column.names]
    varies = np.flatnonzero(np.ptp(table.astype(np.int8), axis=0)).tolist()
    return table[:, varies].astype(np.float64), tuple(names[column] for column in varies)


def how_well(
    design: NDArray[np.float64],
    target: NDArray[np.int64],
    units: NDArray[np.int64],
    blocks: NDArray[np.int64],
    floor: float,
    draws: int = DRAWS,
) -> Telling:
    """Return how well the design tells the target, in ``FOLDS``-fold cross-validation with units kept whole.

    Args:
        design: (n, m) indicators, as :func:`indicators` gives them.
        target: (n,) codes from 0 to k - 1, each of them present.
        units: (n,) what is never torn between folds.
        blocks: (n,) rows whose targets are exchangeable where the features tell nothing have one code.
        floor: gain under which nothing is permuted: the p-value is then 1, which can only hide, never alarm.
        draws: permutations at most.
    """
    rng = np.random.default_rng(0)
    k = int(target.max()) + 1
    chance = 1 / k
    model = _Ridge(design, _folds(units, rng), np.bincount(target) / len(target))
    accuracy = float(model.balanced_accuracy(target[None])[0])
    if design.shape[1] == 0 or (accuracy - chance) / (1 - chance) < floor:
        return Telling(len(target), accuracy, chance, (accuracy - chance) / (1 - chance), 1.0)

    def draw(number: int) -> NDArray[np.float64]:
        return model.balanced_accuracy(target[shuffled_within(blocks, number, rng)])

    p_value, chance = permutation_p(accuracy, draw, draws)
    return Telling(len(target), accuracy, chance, (accuracy - chance) / (1 - chance), p_value)


def _folds(units: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the fold of each row: units are dealt in random order, so that folds know nothing of the targets."""
    _, inverse, counts = np.unique(units, return_inverse=True, return_counts=True)
    order = rng.permutation(len(counts))
    begins = np.cumsum(counts[order]) - counts[order]
    fold = np.empty(len(counts), np.int64)
    fold[order] = begins * FOLDS // len(units)
    return fold[inverse]


class _Ridge:
    """Ridge regression whose left side is solved once a fold."""

    def __init__(self, design: NDArray[np.float64], folds: NDArray[np.int64], shares: NDArray[np.float64]) -> None:
        self.shares = shares
        self.parts = [np.flatnonzero(folds == fold) for fold in range(FOLDS)]
        self.designs = [design[part] for part in self.parts]
        gram, sums = design.T @ design, design.sum(axis=0)
        penalty = RIDGE * np.eye(design.shape[1])
        self.left = [np.linalg.inv(gram - part.T @ part + penalty) for part in self.designs]
        self.sums = [sums - part.sum(axis=0) for part in self.designs]

    def answers(self, targets: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the out-of-fold answers to each of several targets, shape (b, n) as ``targets``."""
        k, b = len(self.shares), len(targets)
        right = [
            part.T @ (targets[:, rows].T[:, :, None] == np.arange(k)).reshape(len(rows), b * k).astype(np.float64)
            for part, rows in zip(self.designs, self.parts, strict=True)
        ]
        total = np.sum(right, axis=0)
        answers = np.empty_like(targets)
        for rows, part, left, sums, own in zip(self.parts, self.designs, self.left, self.sums, right, strict=True):
            expected = np.tile(np.outer(sums, self.shares), (1, b))
            rise = (part @ (left @ (total - own - expected))).reshape(len(rows), b, k) / self.shares
            answers[:, rows] = np.round(rise, 9).argmax(axis=2).T  # equal ones stay equal on every machine
        return answers

    def balanced_accuracy(self, targets: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the balanced accuracy of each of several targets, shape (b,)."""
        right = self.answers(targets) == targets
        k = len(self.shares)
        found: NDArray[np.float64] = np.mean(
            [(right & (targets == code)).sum(axis=1) / (targets == code).sum(axis=1) for code in range(k)], axis=0
        )
        return found

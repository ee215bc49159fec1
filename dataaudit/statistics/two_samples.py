"""Are two samples drawn from one population? Tests in many dimensions, by permutation, class by class and unit by unit.

A *unit* (a copy group, a declared group) is never torn: its rows of one sample are permuted as a block, among the blocks of the
same class, and never stand on both sides of a cross-validation. So neither group mates nor another class mix pass for evidence.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log, sqrt
from typing import TYPE_CHECKING, Final

import numpy as np

from dataaudit.statistics.drift import within_class_ranks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "Coverage",
    "Design",
    "Separability",
    "Spread",
    "coverage",
    "expected_coverage",
    "neighbours_for",
    "normal_scores",
    "principal_components",
    "quadratic",
    "separability",
    "spread",
    "tail_p",
    "within_class_auc",
]

PERMUTATIONS: Final = 399
FOLDS: Final = 5
SHUFFLES: Final = 5
"""Times a column is shuffled to measure its importance."""
EXCEEDANCES: Final = 10
"""Permutations as extreme as what was observed from which their share is p; with fewer, a tail is fitted."""
LEAST_SKEWNESS: Final = 0.01
"""Skewness of the permutations from which their tail is a gamma distribution's."""
COVERED: Final = 0.95
"""Share of neighbourhoods that is covered by chance, at least; it sets the number of neighbours."""


@dataclass(frozen=True, slots=True, eq=False)
class Design:
    """Who is compared with whom: the sample, class and unit of each row, and the permutations of the samples."""

    second: NDArray[np.float64]
    """(n,) 1 for a row of the second sample, 0 for one of the first."""
    classes: NDArray[np.int64]
    """(n,) class numbers from 0."""
    folds: NDArray[np.int64]
    """(n,) 0 to ``FOLDS`` - 1; a unit lies in one fold."""
    permuted: NDArray[np.float64]
    """(n, permutations) ``second`` as it might have been."""

    @classmethod
    def of(cls, second: ArrayLike, classes: ArrayLike, units: ArrayLike, seed: int, permutations: int = PERMUTATIONS) -> Design:
        """Draw the permutations and the folds.

        Args:
            second: (n,) whether a row is of the second sample.
            classes: (n,) class codes, any whole numbers.
            units: (n,) unit numbers, any whole numbers.
            seed: of the draws.
            permutations: how many.
        """
        rng = np.random.default_rng(seed)
        side = np.asarray(second, np.float64)
        _, kind = np.unique(np.asarray(classes), return_inverse=True)
        _, unit = np.unique(np.asarray(units), return_inverse=True)
        fold_of_unit = rng.permutation(int(unit.max()) + 1) % FOLDS
        _, first, block = np.unique(unit * 2 + side.astype(np.int64), return_index=True, return_inverse=True)
        side_of, class_of = side[first], kind[first]
        order = np.argsort(class_of, kind="stable")
        keys = class_of[order][:, None] + rng.random((first.size, permutations))
        shuffled = np.empty((first.size, permutations))
        shuffled[order] = side_of[order][np.argsort(keys, axis=0, kind="stable")]
        return cls(side, kind.astype(np.int64), fold_of_unit[unit], shuffled[block])


@dataclass(frozen=True, slots=True, eq=False)
class Separability:
    """How well a classifier that never saw a picture tells which of two samples it is of."""

    auc: float
    """Cross-validated, within classes: the chance that of two pictures of one class, one of each sample, the second sample's
    scores higher; 0.5 is none."""
    p_value: float
    scores: NDArray[np.float64]
    """(n,) out-of-fold scores: the higher, the more like the second sample."""
    importance: tuple[float, ...]
    """By how much the AUC falls where a group of columns is shuffled, one a group."""


def separability(features: NDArray[np.float64], groups: Sequence[Sequence[int]], design: Design, seed: int) -> Separability:
    """Run a classifier two-sample test: ridge regression of the sample on the features, scored out of fold.

    Lopez-Paz, Oquab (2017), Revisiting Classifier Two-Sample Tests, ICLR; the p-value is by permutation. The ridge is the number
    of columns (each scaled to variance 1): mild where rows abound, strong where they are few.

    Args:
        features: (n, d) finite.
        groups: the columns of each thing whose importance is asked for.
        design: who is compared with whom.
        seed: of the shuffles for the importance.
    """
    spread_of = features.std(axis=0)
    x = (features - features.mean(axis=0)) / np.where(spread_of > 0, spread_of, 1.0)
    y = np.column_stack([design.second, design.permuted])
    scores, fitted = np.zeros_like(y), []
    for fold in range(FOLDS):
        inside, outside = design.folds == fold, design.folds != fold
        if not inside.any() or not outside.any():
            continue
        known = y[outside]
        weights = _ridge(x[outside], known - known.mean(axis=0), float(x.shape[1]))
        scores[inside] = x[inside] @ weights + known.mean(axis=0)
        fitted.append((inside, weights[:, 0], known[:, 0].mean()))
    aucs = within_class_auc(scores, y, design.classes)
    observed = float(aucs[0])
    rng, falls = np.random.default_rng(seed), []
    for columns in groups:
        shuffled = []
        for _ in range(SHUFFLES):
            other, again = x.copy(), np.zeros(len(x))
            other[:, list(columns)] = x[rng.permutation(len(x))][:, list(columns)]
            for inside, weights_of, base in fitted:
                again[inside] = other[inside] @ weights_of + base
            shuffled.append(float(within_class_auc(again[:, None], y[:, :1], design.classes)[0]))
        falls.append(observed - float(np.mean(shuffled)))
    return Separability(observed, tail_p(observed, aucs[1:]), scores[:, 0], tuple(falls))


def _ridge(x: NDArray[np.float64], y: NDArray[np.float64], penalty: float) -> NDArray[np.float64]:
    """Return the weights (d, targets) of ridge regression through the origin, by the smaller of its two equal forms."""
    n, d = x.shape
    if d <= n:
        return np.asarray(np.linalg.solve(x.T @ x + penalty * np.eye(d), x.T @ y), np.float64)
    return np.asarray(x.T @ np.linalg.solve(x @ x.T + penalty * np.eye(n), y), np.float64)


def within_class_auc(scores: NDArray[np.float64], second: NDArray[np.float64], classes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return, for each column, the area under the ROC curve over pairs of one class, 0.5 where there is no such pair.

    The Mann–Whitney statistic of every class, added up. Equal scores are ordered as the rows are: shuffle them.

    Args:
        scores: (n, columns).
        second: (n, columns) 1 for rows of the second sample, 0 for the first.
        classes: (n,) class numbers from 0.
    """
    n, columns = scores.shape
    order = np.lexsort((scores, np.broadcast_to(classes[:, None], scores.shape)), axis=0)
    start = np.searchsorted(np.sort(classes), np.arange(int(classes.max()) + 1))
    rank = np.arange(1, n + 1)[:, None] - start[np.sort(classes)][:, None]
    of_second = np.take_along_axis(second, order, axis=0)
    sizes = np.zeros((int(classes.max()) + 1, columns))
    np.add.at(sizes, classes, second)
    total = np.bincount(classes)[:, None]
    wins = (rank * of_second).sum(axis=0) - (sizes * (sizes + 1) / 2).sum(axis=0)
    pairs = (sizes * (total - sizes)).sum(axis=0)
    auc: NDArray[np.float64] = np.where(pairs > 0, wins / np.maximum(pairs, 1.0), 0.5)
    return auc


def tail_p(observed: float, null: NDArray[np.float64]) -> float:
    """Return the one-sided p-value of an observed statistic among its permutations; large is extreme.

    ``(1 + #{null ≥ observed}) / (1 + permutations)`` (Phipson, Smyth 2010) where at least ``EXCEEDANCES`` reach it; else, and
    never above that share, the tail of the gamma distribution (Pearson's type III) with the permutations' mean, deviation and
    skewness, or of the normal one where they are not skewed to the right: a few hundred permutations then tell p-values small
    enough for a correction over many tests. Winkler et al. (2016), NeuroImage 141:502, § 2.4. Few large units make skewed
    distributions, of which the normal tail promises too much.
    """
    from scipy.special import gammaincc, ndtr  # noqa: PLC0415 - heavy

    reached = int((null >= observed - 1e-12).sum())
    share = (1 + reached) / (1 + null.size)
    deviation = float(null.std(ddof=1)) if null.size > 1 else 0.0
    if reached >= EXCEEDANCES or deviation <= 0:
        return share
    z = (observed - float(null.mean())) / deviation
    skewness = float((((null - null.mean()) / null.std()) ** 3).mean())
    tail = float(ndtr(-z))
    if skewness > LEAST_SKEWNESS:
        shape = 4 / skewness**2
        tail = max(tail, float(gammaincc(shape, max(shape + z * sqrt(shape), 0.0))))
    return min(share, tail)


@dataclass(frozen=True, slots=True)
class Spread:
    """How widely the second sample scatters beside the first."""

    ratio: float
    """Geometric mean over the columns of the second sample's standard deviation over the first's; under 1: narrower."""
    p_value: float
    """Two-sided."""
    ratios: tuple[float, ...]
    """One a column; NaN where one of the samples does not vary."""


def spread(scores: NDArray[np.float64], design: Design) -> Spread:
    """Compare the standard deviations of two samples, all columns together; p by permutation.

    Args:
        scores: (n, d) finite, comparable across classes (:func:`normal_scores`).
        design: who is compared with whom.
    """
    y = np.column_stack([design.second, design.permuted])
    of_second, of_first = _log_deviation(scores, y), _log_deviation(scores, 1.0 - y)
    with np.errstate(invalid="ignore"):
        ratios = of_second - of_first
    usable = np.isfinite(ratios).all(axis=1)
    if not usable.any():
        return Spread(1.0, 1.0, tuple(np.full(scores.shape[1], np.nan).tolist()))
    mean = ratios[usable].mean(axis=0)
    p_value = min(1.0, 2 * min(tail_p(float(mean[0]), mean[1:]), tail_p(-float(mean[0]), -mean[1:])))
    each = np.where(np.isfinite(ratios[:, 0]), np.exp(ratios[:, 0]), np.nan)
    return Spread(float(np.exp(mean[0])), p_value, tuple(each.tolist()))


def _log_deviation(values: NDArray[np.float64], chosen: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the log standard deviation of each column of values among the chosen rows of each draw, (d, draws)."""
    n = np.maximum(chosen.sum(axis=0), 1.0)
    mean = values.T @ chosen / n
    variance = (values**2).T @ chosen / n - mean**2
    with np.errstate(divide="ignore"):
        return np.where(variance > 1e-12, 0.5 * np.log(np.maximum(variance, 1e-300)), -np.inf)  # noqa: PLR2004 - rounding


@dataclass(frozen=True, slots=True, eq=False)
class Coverage:
    """How many neighbourhoods of the first sample the second reaches."""

    covered: float
    """Share of the first sample's rows among whose nearest rows there is one of the second, 0 to 1."""
    expected: float
    """What two samples of one population would give."""
    p_value: float
    """One-sided: small where the second reaches too few."""
    missed: NDArray[np.intp]
    """Rows of the first sample that the second does not reach."""
    neighbours: int


def coverage(points: NDArray[np.float64], design: Design) -> Coverage:
    """Count the neighbourhoods of the first sample that hold a row of the second.

    The neighbourhood of a row reaches to the k-th nearest row of its own sample; Naeem et al. (2020), Reliable Fidelity and
    Diversity Metrics for Generative Models, ICML, eq. 8. p by permutation.

    Args:
        points: (n, d) finite.
        design: who is compared with whom.
    """
    n_second = int(design.second.sum())
    n_first = len(points) - n_second
    k = neighbours_for(n_first, n_second)
    squares = (points**2).sum(axis=1)
    distance = squares[:, None] + squares[None, :] - 2 * (points @ points.T)
    np.fill_diagonal(distance, np.inf)
    nearest = np.argpartition(distance, k - 1, axis=1)[:, :k]
    draws = np.column_stack([design.second, design.permuted])
    reached = np.zeros(draws.shape, bool)
    for rank in range(k):  # among the k nearest of both samples, so nearer than the k-th nearest of its own
        reached |= draws[nearest[:, rank]] > 0
    of_first = draws == 0
    shares = (reached & of_first).sum(axis=0) / np.maximum(of_first.sum(axis=0), 1)
    p_value = tail_p(-float(shares[0]), -shares[1:])
    missed = np.flatnonzero(of_first[:, 0] & ~reached[:, 0])
    return Coverage(float(shares[0]), expected_coverage(n_first, n_second, k), p_value, missed, k)


def expected_coverage(n: int, m: int, k: int) -> float:
    """Return the coverage of n rows by m of the same population, k neighbours: 1 - Π (n - i) / (n + m - i), i = 1 … k.

    Naeem et al. (2020), eq. 9: a neighbourhood is missed where the k nearest of the other n + m - 1 rows are all of the first.
    """
    i = np.arange(1, k + 1)
    return 1.0 - float(np.prod(np.maximum(n - i, 0) / np.maximum(n + m - i, 1)))


def neighbours_for(n: int, m: int) -> int:
    """Return the fewest neighbours at which ``COVERED`` of n rows are covered by m of the same population, at least 1."""
    share = (n - 1) / (n + m - 1) if n > 1 else 0.0
    return min(max(1, n - 1), ceil(log(1 - COVERED) / log(share))) if 0 < share < 1 else 1


def normal_scores(values: ArrayLike, classes: ArrayLike) -> NDArray[np.float64]:
    """Return, column by column, the normal quantile of each value's rank within its class (van der Waerden), shape (n, d).

    Args:
        values: (n, d) finite.
        classes: (n,) class codes.
    """
    from scipy.special import ndtri  # noqa: PLC0415 - heavy

    table, codes = np.asarray(values, np.float64), np.asarray(classes, np.int64)
    ranks = np.column_stack([within_class_ranks(column, codes) for column in table.T])
    scores: NDArray[np.float64] = ndtri(ranks)
    return scores


def quadratic(columns: NDArray[np.float64]) -> tuple[NDArray[np.float64], tuple[tuple[int, ...], ...]]:
    """Return the columns, their squares and products, and for each column which of the new ones it takes part in.

    A linear classifier of these sees shifts, changes of spread and changes of correlation.
    """
    n_columns = columns.shape[1]
    made = [columns, columns**2]
    takes: list[list[int]] = [[i, n_columns + i] for i in range(n_columns)]
    position = 2 * n_columns
    for i in range(n_columns):
        for j in range(i + 1, n_columns):
            made.append((columns[:, i] * columns[:, j])[:, None])
            takes[i].append(position)
            takes[j].append(position)
            position += 1
    return np.column_stack(made), tuple(map(tuple, takes))


def principal_components(table: NDArray[np.float64], classes: NDArray[np.int64], most: int = 64) -> NDArray[np.float64]:
    """Return the first principal components of what is left of a table when every class's mean is taken off, (n, ≤ most).

    Each is in the table's own units, signed so that its largest entry is positive.

    Args:
        table: (n, d) finite.
        classes: (n,) class numbers from 0.
        most: components kept.
    """
    sums = np.zeros((int(classes.max()) + 1, table.shape[1]))
    np.add.at(sums, classes, table)
    centred = table - (sums / np.maximum(np.bincount(classes), 1)[:, None])[classes]
    left, singular, _ = np.linalg.svd(centred, full_matrices=False)
    kept = left[:, :most] * singular[:most]
    signs = np.sign(kept[np.argmax(np.abs(kept), axis=0), np.arange(kept.shape[1])])
    components: NDArray[np.float64] = kept * np.where(signs == 0, 1.0, signs)
    return components

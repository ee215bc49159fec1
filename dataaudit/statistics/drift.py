"""Do two splits hold the same kind of pictures? One property at a time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import comb, sqrt
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "DriftTest",
    "compare_distributions",
    "compare_within_classes",
    "smirnov_p",
    "standardised_distance",
    "within_class_ranks",
]

EXACT_UNTIL: Final = 10_000
"""Product of the two sample sizes up to which the exact null distribution is used; beyond it the asymptotic one."""


@dataclass(frozen=True, slots=True)
class DriftTest:
    """How two samples of one property compare."""

    statistic: float
    """Kolmogorov–Smirnov distance, 0 to 1: the largest gap between the two distribution functions."""
    p_value: float
    effect: float
    """Standardised Wasserstein distance, 0 to 2; see :func:`standardised_distance`."""
    mean_a: float
    mean_b: float


def compare_distributions(a: ArrayLike, b: ArrayLike) -> DriftTest:
    """Compare two samples of one property: Kolmogorov–Smirnov test and standardised Wasserstein distance.

    Ties (aspect ratios, sizes) make the test conservative, never liberal.

    Args:
        a: (n,) values; those that are not finite are left out.
        b: (m,) likewise.

    Raises:
        ValueError: if a sample has no finite value.
    """
    first, second = _finite(a), _finite(b)
    values = np.sort(np.concatenate((first, second)))
    below_a, below_b = (np.searchsorted(np.sort(each), values, side="right") for each in (first, second))
    steps = int(np.abs(below_a * second.size - below_b * first.size).max())
    return DriftTest(
        steps / (first.size * second.size),
        smirnov_p(steps, first.size, second.size),
        standardised_distance(first, second),
        float(first.mean()),
        float(second.mean()),
    )


def compare_within_classes(a: ArrayLike, classes_a: ArrayLike, b: ArrayLike, classes_b: ArrayLike) -> DriftTest | None:
    """Compare two samples of one property class by class, so that other class shares alone are no drift.

    Every value is replaced by its rank within its class (:func:`within_class_ranks`, over both samples); where no class
    drifts these ranks are exchangeable whatever the class shares. Test and effect are those of the ranks: for a small shift of
    δ standard deviations within every class the effect is about δ where the class shares agree, less where they do not.
    ``mean_a`` and ``mean_b`` are those of the values, ``mean_a`` weighted to b's class shares. Classes that one of the samples
    lacks take no part; None where they have none in common.

    Args:
        a: (n,) finite values.
        classes_a: (n,) class codes of a.
        b: (m,) finite values.
        classes_b: (m,) class codes of b.
    """
    first, second = np.asarray(a, np.float64), np.asarray(b, np.float64)
    codes_a, codes_b = np.asarray(classes_a, np.int64), np.asarray(classes_b, np.int64)
    shared = np.intersect1d(codes_a, codes_b)
    in_a, in_b = np.isin(codes_a, shared), np.isin(codes_b, shared)
    first, codes_a, second, codes_b = first[in_a], codes_a[in_a], second[in_b], codes_b[in_b]
    if not shared.size:
        return None
    ranks = within_class_ranks(np.concatenate((first, second)), np.concatenate((codes_a, codes_b)))
    counts_a, counts_b = (np.bincount(codes, minlength=int(shared[-1]) + 1) for codes in (codes_a, codes_b))
    weighted = float((first * (counts_b[codes_a] / counts_a[codes_a])).sum() / second.size)
    test = compare_distributions(ranks[: first.size], ranks[first.size :])
    return replace(test, mean_a=weighted, mean_b=float(second.mean()))


def within_class_ranks(values: NDArray[np.float64], classes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return each value's rank among the values of its class, as a share in (0, 1); ties share their mean rank.

    Args:
        values: (n,) finite values.
        classes: (n,) class codes.
    """
    order = np.lexsort((values, classes))
    v, c = values[order], classes[order]
    edges = np.append(True, c[1:] != c[:-1])
    runs = np.append(True, edges[1:] | (v[1:] != v[:-1]))
    first_of_run = np.flatnonzero(runs)
    middle = first_of_run + (np.diff(np.append(first_of_run, v.size)) - 1) / 2
    first_of_class = np.flatnonzero(edges)
    size = np.diff(np.append(first_of_class, v.size))
    of_class = np.cumsum(edges) - 1
    ranks = np.empty(v.size)
    ranks[order] = (middle[np.cumsum(runs) - 1] - first_of_class[of_class] + 0.5) / size[of_class]
    return ranks


def smirnov_p(steps: int, n: int, m: int) -> float:
    """Return the two-sided p-value of a two-sample Kolmogorov–Smirnov distance of ``steps / (n · m)``.

    Exact while n · m is at most ``EXACT_UNTIL``: of the C(n + m, n) equally likely orders of the two samples, lattice paths,
    those are counted that stay closer than ``steps`` to the diagonal (Hodges 1958, Arkiv för Matematik 3:469). Beyond, the
    Kolmogorov distribution with Stephens's (1970, JRSS B 32:115) correction for finite samples.

    Args:
        steps: the distance times n · m, a whole number from 0 to n · m.
        n: size of one sample, at least 1.
        m: size of the other.
    """
    if n * m > EXACT_UNTIL:
        from scipy.special import kolmogorov  # noqa: PLC0415 - heavy, and small samples need none

        root = sqrt(n * m / (n + m))
        return float(kolmogorov((root + 0.12 + 0.11 / root) * steps / (n * m)))
    if n > m:
        n, m = m, n
    paths = np.zeros(m + 1)
    paths[0] = 1.0
    for i in range(n + 1):  # paths[j]: ways to (i, j) with |i · m - j · n| < steps all along
        start, stop = max(0, (i * m - steps) // n + 1), min(m, -((-i * m - steps) // n) - 1) + 1
        paths[:start] = paths[stop:] = 0.0
        if i == 0:
            paths[start:stop] = 1.0
        else:
            np.cumsum(paths[start:stop], out=paths[start:stop])
    total = float(comb(n + m, n))
    return min(1.0, max(1.0 - float(paths[m]) / total, 2.0 / total if steps else 1.0))


def standardised_distance(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Return the Wasserstein-1 distance over the standard deviation of the two samples mixed in equal parts, 0 to 2.

    For a mere shift of δ standard deviations it is δ (Cohen's d) while δ is small; unlike d it also sees a change of spread
    or shape, and it stays finite where both samples are constant (then 2 for different constants). 0 where nothing varies.

    Args:
        a: (n,) finite values.
        b: (m,) finite values.
    """
    values = np.sort(np.concatenate((a, b)))
    below_a = np.searchsorted(np.sort(a), values[:-1], side="right") / a.size
    below_b = np.searchsorted(np.sort(b), values[:-1], side="right") / b.size
    distance = float((np.abs(below_a - below_b) * np.diff(values)).sum())
    spread = sqrt((float(a.var()) + float(b.var())) / 2 + (float(a.mean()) - float(b.mean())) ** 2 / 4)
    return min(2.0, distance / spread) if spread > 0 else 0.0


def _finite(values: ArrayLike) -> NDArray[np.float64]:
    column = np.asarray(values, np.float64).ravel()
    column = column[np.isfinite(column)]
    if not column.size:
        raise ValueError("expected at least one finite value in each sample")
    return column

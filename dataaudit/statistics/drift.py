"""Do two splits hold the same kind of pictures? One property at a time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import comb, sqrt
from typing import TYPE_CHECKING, Final

import numpy as np

from dataaudit.statistics.effective import design_effect

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "DriftTest",
    "compare_distributions",
    "compare_within_classes",
    "distance_interval",
    "kolmogorov_p",
    "permuted_p",
    "ranks_within_classes",
    "smirnov_p",
    "standardised_distance",
    "within_class_ranks",
]

BINS: Final = 100
DRAWS: Final = 499
EXACT_UNTIL: Final = 10_000
"""Product of the two sample sizes up to which the exact null distribution is used; beyond it the asymptotic one."""
FEW_UNITS: Final = 500
"""Units up to which a small p of clustered rows has to stand among permutations of whole units, too."""
DOUBTED: Final = 0.05
"""The p that is doubted so."""


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
    effective: tuple[float, float]
    """Independent rows that the two samples are worth: their sizes, less what the likeness of group mates takes."""


def compare_distributions(
    a: ArrayLike, b: ArrayLike, units: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None
) -> DriftTest:
    """Compare two samples of one property: Kolmogorov–Smirnov test and standardised Wasserstein distance.

    Ties (aspect ratios, sizes) make the test conservative, never liberal. Where rows belong together in units, the sizes that p
    is computed from are divided by the design effect of the ranks (:func:`~dataaudit.statistics.effective.design_effect`); of few
    units that is an estimate, and p is at least that of :func:`permuted_p`, unless no permutation reaches the distance at all.

    Args:
        a: (n,) values; without units, those that are not finite are left out.
        b: (m,) likewise.
        units: (n,) and (m,) unit numbers; None: every row is one of its own. With units, all values are finite.

    Raises:
        ValueError: if a sample has no finite value.
    """
    first, second = _finite(a), _finite(b)
    both = np.concatenate((first, second))
    order = np.argsort(both, kind="stable")
    values = both[order]
    below_a = np.cumsum(order < first.size)
    below_b = np.arange(1, both.size + 1) - below_a
    last = np.append(values[1:] != values[:-1], True)  # of its ties, where all of them are counted
    steps = int(np.abs(below_a[last] * second.size - below_b[last] * first.size).max())
    statistic = steps / (first.size * second.size)
    n, m = float(first.size), float(second.size)
    if units is None:
        p_value = smirnov_p(steps, first.size, second.size)
    else:
        ranks = np.empty(both.size, np.int64)
        ranks[order] = np.flatnonzero(np.append(True, last[:-1]))[np.append(0, np.cumsum(last)[:-1])]
        effects = design_effect(ranks, np.concatenate(units), np.repeat([0, 1], [first.size, second.size]))
        n, m = n / float(effects[0]), m / float(effects[1])
        alone = bool((effects == 1).all())
        p_value = smirnov_p(steps, first.size, second.size) if alone else kolmogorov_p(statistic, n, m)
        if p_value <= DOUBTED:
            p_value = max(p_value, permuted_p(ranks, *units))
    distance = standardised_distance(first, second)
    return DriftTest(statistic, p_value, distance, float(first.mean()), float(second.mean()), (n, m))


def compare_within_classes(
    a: ArrayLike,
    classes_a: ArrayLike,
    b: ArrayLike,
    classes_b: ArrayLike,
    units: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None,
) -> DriftTest | None:
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
        units: (n,) and (m,) unit numbers; None: every row is one of its own.
    """
    first, second = np.asarray(a, np.float64), np.asarray(b, np.float64)
    codes_a, codes_b = np.asarray(classes_a, np.int64), np.asarray(classes_b, np.int64)
    found = ranks_within_classes(first, codes_a, second, codes_b)
    if found is None:
        return None
    ranks_a, ranks_b, in_a, in_b = found
    first, codes_a, second, codes_b = first[in_a], codes_a[in_a], second[in_b], codes_b[in_b]
    counts_a, counts_b = (np.bincount(codes, minlength=int(codes_a.max()) + 1) for codes in (codes_a, codes_b))
    weighted = float((first * (counts_b[codes_a] / counts_a[codes_a])).sum() / second.size)
    test = compare_distributions(ranks_a, ranks_b, None if units is None else (units[0][in_a], units[1][in_b]))
    return replace(test, mean_a=weighted, mean_b=float(second.mean()))


def ranks_within_classes(
    a: NDArray[np.float64], classes_a: NDArray[np.int64], b: NDArray[np.float64], classes_b: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_]] | None:
    """Return the ranks within classes of two samples, and (n,) and (m,) which rows have one: those of classes both have.

    None where they have no class in common.
    """
    if not a.size or not b.size:
        return None
    least = int(min(classes_a.min(), classes_b.min()))
    size = int(max(classes_a.max(), classes_b.max())) - least + 1
    shared = np.bincount(classes_a - least, minlength=size) * np.bincount(classes_b - least, minlength=size) > 0
    if not shared.any():
        return None
    in_a, in_b = shared[classes_a - least], shared[classes_b - least]
    both = np.concatenate((a[in_a], b[in_b])), np.concatenate((classes_a[in_a], classes_b[in_b]))
    ranks = within_class_ranks(*both)
    n = int(in_a.sum())
    return ranks[:n], ranks[n:], in_a, in_b


def distance_interval(
    a: NDArray[np.float64], b: NDArray[np.float64], effective: tuple[float, float], seed: int = 0
) -> tuple[float, float]:
    """Return a 95 % interval of :func:`standardised_distance`, by the basic bootstrap, inside 0 to 2.

    As many rows as the samples are worth are drawn from each, from at most ``BINS`` bins of equal counts, so that a million cost
    no more than a thousand. The distance of two samples is too large on average; the basic interval reflects the draws about the
    estimate, and takes that off. Davison, Hinkley (1997), Bootstrap Methods, § 5.2.

    Args:
        a: (n,) finite values.
        b: (m,) finite values.
        effective: independent rows that each is worth (:class:`DriftTest`).
        seed: of the draws.
    """
    values = np.sort(np.concatenate((a, b)))
    edges = np.unique(values[np.linspace(0, values.size - 1, BINS + 1).astype(np.int64)])
    if edges.size < 2:  # noqa: PLR2004 - nothing varies
        return 0.0, 0.0
    bins = [np.clip(np.searchsorted(edges, each, side="right") - 1, 0, edges.size - 1) for each in (a, b)]
    sums = [np.bincount(bin_of, each, edges.size) for bin_of, each in zip(bins, (a, b), strict=True)]
    counts = [np.bincount(bin_of, minlength=edges.size) for bin_of in bins]
    centre = (sums[0] + sums[1]) / np.maximum(counts[0] + counts[1], 1)
    rng = np.random.default_rng(seed)
    draws = [
        rng.multinomial(max(1, round(n)), count / count.sum(), size=DRAWS) / max(1, round(n))
        for n, count in zip(effective, counts, strict=True)
    ]
    shares = [count[None, :] / count.sum() for count in counts]
    observed = float(_distances(shares[0], shares[1], centre)[0])
    low, high = np.quantile(_distances(draws[0], draws[1], centre), [0.025, 0.975]).tolist()
    shift = standardised_distance(a, b) - observed
    return max(0.0, 2 * observed - high + shift), min(2.0, max(0.0, 2 * observed - low + shift))


def _distances(a: NDArray[np.float64], b: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the standardised distance of every draw, (draws,), of shares (draws, bins) of ascending values (bins,)."""
    used = np.argsort(values, kind="stable")
    a, b, values = a[:, used], b[:, used], values[used]
    gaps = np.abs(np.cumsum(a, axis=1)[:, :-1] - np.cumsum(b, axis=1)[:, :-1]) @ np.diff(values)
    mean_a, mean_b = a @ values, b @ values
    variance = (a @ values**2 - mean_a**2 + b @ values**2 - mean_b**2) / 2 + (mean_a - mean_b) ** 2 / 4
    spread = np.sqrt(np.maximum(variance, 0.0))
    distances: NDArray[np.float64] = np.minimum(2.0, np.divide(gaps, spread, out=np.zeros_like(gaps), where=spread > 0))
    return distances


def within_class_ranks(values: NDArray[np.float64], classes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return each value's rank among the values of its class, as a share in (0, 1); ties share their mean rank.

    Args:
        values: (n,) finite values.
        classes: (n,) class codes.
    """
    order = np.argsort(values, kind="stable")
    codes = classes.astype(np.int16) if np.abs(classes).max() < 2**15 else classes  # small ones are sorted by their digits
    order = order[np.argsort(codes[order], kind="stable")]
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


def permuted_p(ranks: NDArray[np.intp], units_a: NDArray[np.int64], units_b: NDArray[np.int64]) -> float:
    """Return the p-value of a two-sample Kolmogorov–Smirnov distance, whole units being exchanged between the samples.

    By ``DRAWS`` permutations, the distances taken at ``BINS`` quantiles of both samples. 0 where no permutation reaches the
    distance, of more than ``FEW_UNITS`` units, and where every unit has one row: then this test has nothing to say.

    Args:
        ranks: (n + m,) of the rows of both samples.
        units_a: (n,) unit numbers of the first.
        units_b: (m,) of the second; a unit with rows in both counts as two.
    """
    side = np.repeat([0, 1], [units_a.size, units_b.size])
    block, of_row = np.unique(np.concatenate((units_a, units_b)) * 2 + side, return_inverse=True)
    if block.size > FEW_UNITS or block.size == ranks.size:
        return 0.0
    edges = np.unique(np.sort(ranks)[np.linspace(0, ranks.size - 1, BINS + 1).astype(np.int64)[1:]])
    bin_of = np.searchsorted(edges, ranks)
    counts = np.bincount(of_row * edges.size + bin_of, minlength=block.size * edges.size).reshape(block.size, edges.size)
    below = np.cumsum(counts.astype(np.float64), axis=1)
    draws = np.repeat((block % 2).astype(np.float64)[None, :], DRAWS + 1, axis=0)
    draws[1:] = np.random.default_rng(0).permuted(draws[1:], axis=1)
    second, both = draws @ below, below.sum(axis=0)
    first = both - second
    distance = np.abs(first / np.maximum(first[:, -1:], 1) - second / np.maximum(second[:, -1:], 1)).max(axis=1)
    reached = int((distance[1:] >= distance[0] - 1e-12).sum())
    return (1 + reached) / (1 + DRAWS) if reached else 0.0


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
        return kolmogorov_p(steps / (n * m), n, m)
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


def kolmogorov_p(distance: float, n: float, m: float) -> float:
    """Return the asymptotic p-value of a two-sample distance, with Stephens's (1970) correction; sizes need not be whole."""
    from scipy.special import kolmogorov  # noqa: PLC0415 - heavy, and small samples need none

    root = sqrt(n * m / (n + m))
    return float(kolmogorov((root + 0.12 + 0.11 / root) * distance))


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

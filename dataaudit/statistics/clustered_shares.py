"""Do two splits hold the classes in the same shares, where whole groups were put into one split or the other?

Twenty pictures of one patient are of one class and went where the patient went: they are not twenty pieces of evidence.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from dataaudit.statistics.corrections import benjamini_hochberg
from dataaudit.statistics.shares import Difference, differences, samples_per_class

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["Clusters", "Compared", "compared", "permutation_p", "shares_design_effect", "total_variation_interval"]

DRAWS: Final = 1_999
BOOTSTRAPS: Final = 999
MOST_CLUSTERS: Final = 5_000
"""Clusters up to which p is by permutation; beyond, by the chi-square corrected by its design effect."""
_CHUNK: Final = 200


class Clusters:
    """Rows of two splits, gathered by unit: how many of each class every unit has in each split."""

    def __init__(self, classes: ArrayLike, units: ArrayLike, second: ArrayLike) -> None:
        """Gather the rows.

        Args:
            classes: (n,) class numbers from 0.
            units: (n,) unit numbers from 0; a unit with rows in both splits counts as two clusters.
            second: (n,) whether a row is of the second split.
        """
        label, side = np.asarray(classes, np.int64), np.asarray(second, np.int64)
        used, cluster = np.unique(np.asarray(units, np.int64) * 2 + side, return_inverse=True)
        self.second: NDArray[np.float64] = (used % 2).astype(np.float64)
        """(clusters,) 1 for a cluster of the second split."""
        self.cluster: NDArray[np.int64] = cluster.astype(np.int64)
        """(n,) the cluster of each row."""
        self.label: NDArray[np.int64] = label
        self.single = used.size == label.size
        """Whether every row is a cluster of its own."""
        cells, counts = np.unique(label * used.size + self.cluster, return_counts=True)
        self.cells: tuple[NDArray[np.int64], ...] = (*np.divmod(cells, used.size), counts)
        """(cells,) each: the classes that clusters hold, ascending, the clusters, and how many rows."""

    def __len__(self) -> int:
        """Return the number of clusters."""
        return self.second.size


class Compared(NamedTuple):
    """Class shares of a split beside train's."""

    counts: tuple[NDArray[np.int64], NDArray[np.int64]]
    """Samples per class of train and of the split."""
    single: Difference | None
    """As if each sample were evidence of its own; None where they do not differ."""
    clusters: Clusters | None
    """Of the two, where single samples of some split differ and there are units; else None."""
    difference: Difference | None
    """What whole units, exchanged, bear out of it, with the larger p and q of the two tests; ``single`` where there are none."""


def compared(
    labels: NDArray[np.int32],
    splits: NDArray[np.int8],
    units: NDArray[np.int64] | None,
    *,
    others: Sequence[int],
    classes: int,
    alpha: float,
    least: float,
    seed: int = 0,
    wanted: Collection[int] | None = None,
) -> dict[int, Compared]:
    """Compare the class shares of splits with train's, as STR601 does.

    Args:
        labels: (m,) label codes of the samples, copies counted once.
        splits: (m,) codes of their splits; train is 0.
        units: (m,) numbers of what went into a split as a whole; None: every sample is a unit of its own.
        others: codes of the splits to compare with train; one without samples is left out.
        classes: how many there are.
        alpha: a split differs where q, after Benjamini–Hochberg over the splits, is below it …
        least: … and the total variation above this.
        seed: of simulations.
        wanted: if none of these differs as single samples whole units are not asked; None: ``others``.

    Returns:
        By the code of the split.
    """
    table = samples_per_class(labels, splits, max(others) + 1, classes)
    train, present = table[0], [split for split in others if table[split].any()]
    single = dict(
        zip(present, differences(train, [table[split] for split in present], alpha=alpha, least=least, seed=seed), strict=True)
    )
    if units is None or not any(single.get(split) for split in (others if wanted is None else wanted)):
        return {split: Compared((train, table[split]), found, None, found) for split, found in single.items()}
    gathered = {}
    for split in present:
        rows = (splits == 0) | (splits == split)
        gathered[split] = Clusters(labels[rows], units[rows], splits[rows] != 0)
    p_values = {split: permutation_p(clusters, seed) for split, clusters in gathered.items()}
    q_values = dict(zip(p_values, benjamini_hochberg(list(p_values.values())).tolist(), strict=True))
    result = {}
    for split, found in single.items():
        borne_out = None
        if found is not None and q_values[split] < alpha:
            test = replace(found.test, p_value=max(p_values[split], found.test.p_value))
            borne_out = Difference(test, max(q_values[split], found.q_value))
        result[split] = Compared((train, table[split]), found, gathered[split], borne_out)
    return result


def permutation_p(clusters: Clusters, seed: int = 0) -> float:
    """Return the p-value of Pearson's chi-square of homogeneity, whole clusters being exchanged between the splits.

    By ``DRAWS`` permutations, never under 1/2,000; from ``MOST_CLUSTERS`` clusters on by the chi-square distribution of the
    statistic over its design effect, the first-order correction of Rao and Scott (1981), JASA 76:221. The numbers of units and
    the order of rows have no say in it.

    Args:
        clusters: of the two splits.
        seed: of the permutations.
    """
    label, k = clusters.label, int(clusters.label.max()) + 1
    totals = np.bincount(label, minlength=k).astype(np.float64)
    observed = float(_chi_square(_counts(clusters, clusters.second[:, None], k), totals)[0])
    if len(clusters) > MOST_CLUSTERS:
        from scipy.special import chdtrc  # noqa: PLC0415 - heavy

        freedom = int((totals > 0).sum()) - 1
        return float(chdtrc(freedom, observed / shares_design_effect(clusters))) if freedom else 1.0
    rng = np.random.default_rng(seed)
    order = _by_content(clusters, totals)
    place = np.argsort(order)
    reached, left = 0, DRAWS
    while left:
        size = min(_CHUNK, left)
        draws = rng.permuted(np.repeat(clusters.second[order, None], size, axis=1), axis=0)[place]
        reached += int((_chi_square(_counts(clusters, draws, k), totals) >= observed * (1 - 1e-9)).sum())
        left -= size
    return float((1 + reached) / (1 + DRAWS))


def _by_content(clusters: Clusters, totals: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the clusters in an order that their splits and samples per class decide, and the names of classes hardly."""
    sides, (label, cluster, counts) = clusters.second.tolist(), clusters.cells
    holds: list[list[tuple[float, int]]] = [[] for _ in totals]  # by class
    for of, where, count in zip(label.tolist(), cluster.tolist(), counts.tolist(), strict=True):
        holds[of].append((sides[where], count))
    for held in holds:
        held.sort()
    ranks = np.argsort(sorted(range(totals.size), key=holds.__getitem__))[label]
    by_cluster = np.lexsort((ranks, cluster))
    ends = np.searchsorted(cluster[by_cluster], np.arange(1, len(clusters)))
    split = (np.split(column[by_cluster], ends) for column in (ranks, counts))
    contents = [(side, some.tolist(), numbers.tolist()) for side, some, numbers in zip(sides, *split, strict=True)]
    return np.array(sorted(range(len(clusters)), key=contents.__getitem__), np.intp)


def _counts(clusters: Clusters, second: NDArray[np.float64], k: int) -> NDArray[np.float64]:
    """Return the samples per class of the second split under each draw, (k, draws)."""
    label, cluster, weights = clusters.cells
    used, starts = np.unique(label, return_index=True)
    counts = np.zeros((k, second.shape[1]))
    counts[used] = np.add.reduceat(second[cluster] * weights[:, None], starts, axis=0)  # whole numbers: exact in any order
    return counts


def _chi_square(counts: NDArray[np.float64], totals: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return Pearson's statistic of each draw, given the second split's counts (k, draws) and both splits' totals (k,)."""
    used = totals > 0
    second, both = counts[used], totals[used][:, None]
    m, n = second.sum(axis=0), both.sum()
    of_second, of_first = both * m / n, both * (n - m) / n
    difference = (second - of_second) ** 2
    inverse = np.divide(1, of_second, out=np.zeros_like(of_second), where=of_second > 0)
    inverse += np.divide(1, of_first, out=np.zeros_like(of_first), where=of_first > 0)
    statistic: NDArray[np.float64] = (difference * inverse).sum(axis=0)
    return statistic


def shares_design_effect(clusters: Clusters) -> float:
    """Return by how much clusters inflate the variance of the class shares, at least 1: Rao and Scott's mean design effect.

    ``Σ_f Σ_k (c_fk - m_f p_k)² / p_k / (n (K - 1))`` for clusters f of m_f rows, c_fk of them of class k, of share p_k in both
    splits together: 1 where every row is a cluster of its own, Σm² / n where clusters are of one class each.
    """
    totals = np.bincount(clusters.label).astype(np.float64)
    shares = totals[totals > 0] / totals.sum()
    if shares.size < 2:  # noqa: PLR2004 - one class has no shares
        return 1.0
    sizes = np.bincount(clusters.cluster).astype(np.float64)
    keys, counts = np.unique(clusters.cluster * totals.size + clusters.label, return_counts=True)
    of_class = (totals / totals.sum())[keys % totals.size]
    # Σ_k (c - m p)² / p = Σ_k c² / p - m²
    spread: float = float((counts.astype(np.float64) ** 2 / of_class).sum()) - float((sizes**2).sum())
    return max(1.0, spread / (float(totals.sum()) * float(shares.size - 1)))


def total_variation_interval(
    counts_a: ArrayLike, counts_b: ArrayLike, design_effect: float = 1.0, seed: int = 0
) -> tuple[float, float]:
    """Return a 95 % interval of the total variation between two splits' class shares, by the basic bootstrap, in 0 to 1.

    Draws of both splits, each of as many samples as it is worth. The total variation of two samples is too large on average; the
    basic interval reflects the draws about the estimate, and takes that off. Davison, Hinkley (1997), § 5.2.

    Args:
        counts_a: (classes,) samples per class of one split, not all zero.
        counts_b: (classes,) of the other, likewise.
        design_effect: samples that count for one.
        seed: of the draws.
    """
    rng = np.random.default_rng(seed)
    shares = [np.asarray(counts, np.float64) / np.sum(counts) for counts in (counts_a, counts_b)]
    sizes = [max(1, round(float(np.sum(counts)) / design_effect)) for counts in (counts_a, counts_b)]
    draws = [rng.multinomial(size, share, BOOTSTRAPS) / size for size, share in zip(sizes, shares, strict=True)]
    observed = float(np.abs(shares[0] - shares[1]).sum()) / 2
    low, high = np.quantile(np.abs(draws[0] - draws[1]).sum(axis=1) / 2, [0.025, 0.975]).tolist()
    return max(0.0, 2 * observed - high), min(1.0, max(0.0, 2 * observed - low))

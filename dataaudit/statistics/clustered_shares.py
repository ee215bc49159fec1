"""Do two splits hold the classes in the same shares, where whole groups were put into one split or the other?

Twenty pictures of one patient are of one class and went where the patient went: they are not twenty pieces of evidence.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from dataaudit.statistics.corrections import benjamini_hochberg
from dataaudit.statistics.shares import Difference

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["Clusters", "borne_out", "permutation_p", "shares_design_effect", "total_variation_interval"]

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

    def __len__(self) -> int:
        """Return the number of clusters."""
        return self.second.size


def borne_out(
    differences: Sequence[Difference | None], clusters: Sequence[Clusters], *, alpha: float, seed: int = 0
) -> tuple[Difference | None, ...]:
    """Return which differences of class shares whole groups bear out; of these STR601 warns where groups are declared.

    Args:
        differences: as ``shares.differences`` gives them of the splits that were compared; None where there is none.
        clusters: of train and each of these splits.
        alpha: of q, after Benjamini–Hochberg over the splits.
        seed: of the permutations.

    Returns:
        Those that stay, with the larger p and q of the two tests; None elsewhere.
    """
    if not any(differences):
        return tuple(differences)
    p_values = [permutation_p(each, seed) for each in clusters]
    return tuple(
        None
        if found is None or q >= alpha
        else Difference(replace(found.test, p_value=max(p, found.test.p_value)), max(q, found.q_value))
        for found, p, q in zip(differences, p_values, benjamini_hochberg(p_values).tolist(), strict=True)
    )


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
    of_second = np.bincount(clusters.label, clusters.second[clusters.cluster], totals.size)
    rank = np.argsort(np.lexsort((of_second, totals)))
    keys, counts = np.unique(clusters.cluster * totals.size + rank[clusters.label], return_counts=True)
    owner, ranks = np.divmod(keys, totals.size)
    ends = np.searchsorted(owner, np.arange(1, len(clusters)))
    contents = [
        (second, some.tolist(), numbers.tolist())
        for second, some, numbers in zip(clusters.second.tolist(), np.split(ranks, ends), np.split(counts, ends), strict=True)
    ]
    return np.array(sorted(range(len(clusters)), key=contents.__getitem__), np.intp)


def _counts(clusters: Clusters, second: NDArray[np.float64], k: int) -> NDArray[np.float64]:
    """Return the samples per class of the second split under each draw, (k, draws)."""
    keys, weights = np.unique(clusters.label * len(clusters) + clusters.cluster, return_counts=True)
    counts = np.zeros((k, second.shape[1]))
    np.add.at(counts, keys // len(clusters), second[keys % len(clusters)] * weights[:, None])
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

"""Do two splits hold the classes in the same shares?"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from dataaudit.statistics.corrections import benjamini_hochberg

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["Difference", "ShareTest", "compare_shares", "differences", "samples_per_class", "total_variation"]

SMALLEST_EXPECTED: Final = 5.0
"""Expected count under which the chi-square distribution is not trusted (Cochran 1954) and the test is simulated."""
DRAWS: Final = 9_999
_CHUNK: Final = 1_000


@dataclass(frozen=True, slots=True)
class ShareTest:
    """How two splits' class shares compare: the test and two effect sizes."""

    statistic: float
    """Pearson's chi-square of the 2 × classes table."""
    p_value: float
    total_variation: float
    """0 to 1: the share of one split that would have to change class to match the other."""
    cramers_v: float
    """0 to 1."""
    method: Literal["chi-square", "Monte-Carlo", "trivial"]
    """How p was found; ``trivial``: a single class, nothing to differ."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A split whose class shares differ from train's, surely and by enough to matter."""

    test: ShareTest
    q_value: float
    """After Benjamini–Hochberg over the splits that were compared."""


def samples_per_class(labels: NDArray[np.int32], splits: NDArray[np.int8], count: int, classes: int) -> NDArray[np.int64]:
    """Return the samples of each of the first ``count`` splits, by class, shape (count, classes).

    Args:
        labels: (m,) label codes, from 0.
        splits: (m,) split codes, from 0; other splits are not counted.
        count: of splits.
        classes: how many there are.
    """
    cells = np.bincount(splits * np.int64(classes) + labels, minlength=count * classes)
    return cells[: count * classes].reshape(count, classes)


def differences(
    train: ArrayLike, others: Sequence[ArrayLike], *, alpha: float, least: float, seed: int = 0
) -> tuple[Difference | None, ...]:
    """Return where class shares differ from train's, every sample being evidence of its own.

    A split differs where q < ``alpha`` (sure) and the total variation exceeds ``least`` (worth a person's time).

    Args:
        train: (classes,) samples per class of train, copies counted once.
        others: (classes,) of each other split, likewise; a split without samples differs from nothing.
        alpha: of q.
        least: total variation, 0 to 1.
        seed: of the Monte-Carlo draws.

    Returns:
        One entry a split of ``others``; None where it does not differ.
    """
    present = [index for index, other in enumerate(others) if np.any(other)] if np.any(train) else []
    found: list[Difference | None] = [None] * len(others)
    if any(total_variation(train, others[index]) > least for index in present):  # else no p is needed
        tests = [compare_shares(train, others[index], seed) for index in present]
        for index, test, q in zip(present, tests, benjamini_hochberg([test.p_value for test in tests]).tolist(), strict=True):
            if q < alpha and test.total_variation > least:
                found[index] = Difference(test, q)
    return tuple(found)


def total_variation(counts_a: ArrayLike, counts_b: ArrayLike) -> float:
    """Return half the summed absolute difference of the class shares, 0 (equal) to 1 (no class in common).

    Args:
        counts_a: (classes,) samples per class of one split, not all zero.
        counts_b: (classes,) of the other, likewise.
    """
    a, b = _counts(counts_a, counts_b)
    return float(np.abs(a * b.sum() - b * a.sum()).sum() / (2 * a.sum() * b.sum()))


def compare_shares(counts_a: ArrayLike, counts_b: ArrayLike, seed: int = 0) -> ShareTest:
    """Test whether two splits draw their classes from the same shares.

    Pearson's chi-square where every expected count is at least 5; else a Monte-Carlo test of the same statistic over 9,999
    tables with the same margins (multivariate hypergeometric), whose p is never under 1/10,000.

    Args:
        counts_a: (classes,) samples per class of one split, not all zero.
        counts_b: (classes,) of the other, likewise.
        seed: of the Monte-Carlo draws.

    Raises:
        ValueError: if the lengths differ, a count is negative or a split is empty.
    """
    a, b = _counts(counts_a, counts_b)
    distance = total_variation(a, b)
    order = np.lexsort((a, a + b))  # neither sums nor draws may depend on the order of the classes, and so on their names
    order = order[(a + b)[order] > 0]
    a, b = a[order], b[order]
    if a.size < 2:  # noqa: PLR2004 - two classes are the least that can differ
        return ShareTest(0.0, 1.0, distance, 0.0, "trivial")
    statistic = float(_chi_square(a[None, :], a + b)[0])
    smallest = (a + b).min() * min(a.sum(), b.sum()) / (a + b).sum()
    v = sqrt(statistic / float((a + b).sum()))
    if smallest >= SMALLEST_EXPECTED:
        from scipy.special import chdtrc  # noqa: PLC0415 - heavy, and most runs need no p

        return ShareTest(statistic, float(chdtrc(a.size - 1, statistic)), distance, v, "chi-square")
    return ShareTest(statistic, _simulated_p(a, b, statistic, seed), distance, v, "Monte-Carlo")


def _counts(counts_a: ArrayLike, counts_b: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    a, b = np.asarray(counts_a, np.int64).ravel(), np.asarray(counts_b, np.int64).ravel()
    if a.shape != b.shape or (a < 0).any() or (b < 0).any() or not a.any() or not b.any():
        message = f"expected two rows of counts of the same classes, none empty; found {a.tolist()} and {b.tolist()}"
        raise ValueError(message)
    return a, b


def _chi_square(tables: NDArray[np.int64], totals: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return Pearson's chi-square of 2 × k tables given their first rows (draws, k) and the shared column sums (k,)."""
    n, n_a = totals.sum(), tables.sum(axis=1, keepdims=True)
    expected_a, expected_b = n_a * totals / n, (n - n_a) * totals / n
    chi: NDArray[np.float64] = ((tables - expected_a) ** 2 * (1 / expected_a + 1 / expected_b)).sum(axis=1)
    return chi


def _simulated_p(a: NDArray[np.int64], b: NDArray[np.int64], statistic: float, seed: int) -> float:
    rng = np.random.default_rng(seed)
    totals, as_large, left = a + b, 0, DRAWS
    while left:
        draws = rng.multivariate_hypergeometric(totals, int(a.sum()), size=min(_CHUNK, left), method="marginals")
        as_large += int((_chi_square(draws, totals) >= statistic * (1 - 1e-9)).sum())
        left -= len(draws)
    return (1 + as_large) / (1 + DRAWS)

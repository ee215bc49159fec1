"""What a split of n samples can show: the smallest difference between two accuracies, and what it may miss.

Every power is that of a two-sided test at ``alpha``, by the normal approximation.
"""

from __future__ import annotations

from math import sqrt
from statistics import NormalDist
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "chance_of_missing",
    "label_ceiling",
    "paired_difference",
    "paired_power",
    "unpaired_difference",
    "unpaired_power",
]

POWER: Final = 0.8
ALPHA: Final = 0.05
_STEPS: Final = 60
_NORMAL = NormalDist()


def unpaired_power(difference: float, n: float, accuracy: float, alpha: float = ALPHA) -> float:
    """Return the power of the two-proportion z test: each run scored on n samples of its own.

    Fleiss, Levin, Paik (2003), Statistical Methods for Rates and Proportions, eq. 4.14 without continuity correction.

    Args:
        difference: between the two accuracies, in (0, ``accuracy``].
        n: samples of each run.
        accuracy: of the better run; the other is ``difference`` worse.
        alpha: level of the test.
    """
    other = accuracy - difference
    mean = (accuracy + other) / 2
    spread = sqrt(accuracy * (1 - accuracy) + other * (1 - other))
    bar = _NORMAL.inv_cdf(1 - alpha / 2) * sqrt(2 * mean * (1 - mean))
    return _phi(difference * sqrt(n) - bar, spread)


def paired_power(difference: float, n: float, disagreement: float, alpha: float = ALPHA) -> float:
    """Return the power of McNemar's test: two runs scored on the same n samples.

    Connor (1987), Biometrics 43:207; Miettinen (1968), Biometrics 24:339.

    Args:
        difference: between the two accuracies, in (0, ``disagreement``].
        n: samples.
        disagreement: share of the samples that exactly one of the two runs gets right.
        alpha: level of the test.
    """
    bar = _NORMAL.inv_cdf(1 - alpha / 2) * sqrt(disagreement)
    return _phi(difference * sqrt(n) - bar, sqrt(max(disagreement - difference**2, 0.0)))


def unpaired_difference(n: float, accuracy: float, power: float = POWER, alpha: float = ALPHA) -> float | None:
    """Return the smallest difference that :func:`unpaired_power` shows with probability ``power``; None where none can be."""
    return _smallest(lambda difference: unpaired_power(difference, n, accuracy, alpha), accuracy, power)


def paired_difference(n: float, disagreement: float, power: float = POWER, alpha: float = ALPHA) -> float | None:
    """Return the smallest difference that :func:`paired_power` shows with probability ``power``; None where none can be.

    Where it exceeds ``disagreement``, runs that disagree just so much are assumed: one is right wherever the other is.
    """
    return _smallest(lambda difference: paired_power(difference, n, max(difference, disagreement), alpha), 1.0, power)


def _phi(numerator: float, spread: float) -> float:
    return _NORMAL.cdf(numerator / spread) if spread > 0 else float(numerator > 0)


def _smallest(power_of: Callable[[float], float], most: float, power: float) -> float | None:
    """Bisect: power grows with the difference."""
    if power_of(most) < power:
        return None
    low, high = 0.0, most
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if power_of(middle) >= power else (middle, high)
    return high


def chance_of_missing(sizes: ArrayLike, drawn: int) -> NDArray[np.float64]:
    """Return, for each class, the chance that ``drawn`` samples, drawn at random without replacement, hold none of it.

    C(n - k, drawn) / C(n, drawn) for a class of k (hypergeometric, exact), shape (classes,).

    Args:
        sizes: (classes,) samples of each class, n in all.
        drawn: 0 to n.

    Raises:
        ValueError: if more samples are to be drawn than there are.
    """
    from scipy.special import gammaln  # noqa: PLC0415 - heavy

    k = np.asarray(sizes, np.float64)
    n = float(k.sum())
    if not 0 <= drawn <= n:
        message = f"expected to draw 0 to {n:.0f} samples, found {drawn}"
        raise ValueError(message)
    left = n - k
    fits = left >= drawn
    rest = np.where(fits, left, drawn)
    log = gammaln(rest + 1) - gammaln(rest - drawn + 1) - gammaln(n + 1) + gammaln(n - drawn + 1)
    chance: NDArray[np.float64] = np.where(fits, np.exp(np.minimum(log, 0.0)), 0.0)
    return chance


def label_ceiling(pictures: ArrayLike, labels: ArrayLike) -> float:
    """Return the best accuracy that anything can reach that answers copies of one picture alike, 0 to 1; 1 for no samples.

    Of every picture the commonest of its labels can be right: Σ max count / n.

    Args:
        pictures: (n,) the number of each sample's picture (its copy group).
        labels: (n,) label codes.
    """
    picture, label = np.asarray(pictures, np.int64), np.asarray(labels, np.int64)
    if not picture.size:
        return 1.0
    pairs, counts = np.unique(np.stack([picture, label]), axis=1, return_counts=True)
    first = np.flatnonzero(np.append(True, pairs[0, 1:] != pairs[0, :-1]))
    return float(np.maximum.reduceat(counts, first).sum() / picture.size)

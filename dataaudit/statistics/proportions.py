"""Intervals for a proportion."""

from __future__ import annotations

from math import sqrt
from statistics import NormalDist

__all__ = ["wilson"]


def wilson(successes: float, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return Wilson's score interval of a proportion, both ends in [0, 1].

    It holds its level at small n and near 0 and 1, where the textbook interval does not. Wilson (1927), JASA 22:209;
    Brown, Cai, DasGupta (2001), Statistical Science 16:101.

    Args:
        successes: number of successes, 0 to ``n``; need not be whole (an accuracy times n).
        n: number of trials, at least 1.
        confidence: level of the interval, in (0, 1).

    Raises:
        ValueError: if ``n`` is below 1 or ``successes`` outside 0 to ``n``.
    """
    if n < 1 or not 0 <= successes <= n:
        message = f"expected 0 <= successes <= n and n >= 1, found successes {successes} of n {n}"
        raise ValueError(message)
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share = successes / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, min(centre - half, share)), min(1.0, max(centre + half, share))

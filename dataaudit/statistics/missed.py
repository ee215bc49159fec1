"""How many copies may a search have missed, given what share of planted ones it found?"""

from __future__ import annotations

__all__ = ["missed_at_most"]


def missed_at_most(found: int, recall: float, most: int, confidence: float = 0.95) -> int:
    """Return the largest number of missed copies that finding only ``found`` does not speak against.

    The number found is binomial: of ``found + m`` copies each is found with probability ``recall``. The answer is the
    largest m for which finding ``found`` or fewer has a probability of at least ``1 - confidence`` (a one-sided exact
    test, inverted; Clopper and Pearson, Biometrika 26, 1934).

    Args:
        found: copies found.
        recall: 0 to 1; a lower bound of it makes the answer an upper bound.
        most: no more can have been missed: the pictures that are left.
        confidence: in (0, 1).
    """
    from scipy.stats import binom  # noqa: PLC0415 - heavy

    possible, impossible = 0, most + 1
    while impossible - possible > 1:  # the probability falls as m grows
        missed = (possible + impossible) // 2
        if binom.cdf(found, found + missed, recall) >= 1.0 - confidence:
            possible = missed
        else:
            impossible = missed
    return possible

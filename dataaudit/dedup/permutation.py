"""How often chance does as well: permutation p-values that stop as soon as chance is seen to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

__all__ = ["DRAWS", "permutation_p", "shuffled_within"]

DRAWS: Final = 2_999
"""Permutations at most: the smallest p-value is 1/3,000, under .01 after Benjamini–Hochberg over 30 tests."""
ENOUGH: Final = 20
"""Permutations that do as well as what was observed, after which drawing stops."""
HOPELESS: Final = 8.0
"""Deviations above the mean of the permuted values at which drawing stops, too: none of the others would come near."""
_BATCH: Final = 50
_SURVEY: Final = 200
"""Permutations after which that is asked."""


def permutation_p(observed: float, draw: Callable[[int], NDArray[np.float64]], draws: int = DRAWS) -> tuple[float, float]:
    """Return the p-value of a statistic (large is unusual), and the mean of the permuted ones.

    Sequential: after ``ENOUGH`` permuted values at or above the observed one, at draw L, p is ``ENOUGH / L``; else
    ``(1 + as large) / (1 + draws)``. Both hold their level exactly. Besag, Clifford (1991), Biometrika 78:301; Phipson, Smyth
    (2010), SAGMB 9:39. Where the observed value lies ``HOPELESS`` deviations above them, p is told to be ``1 / (1 + draws)``,
    which is the least that all draws could have said, without drawing them.

    Args:
        observed: the statistic of the data.
        draw: called with a number; returns that many statistics of independently permuted data.
        draws: permutations at most.
    """
    values = np.zeros(0)
    while len(values) < draws:
        values = np.concatenate([values, draw(min(_BATCH, draws - len(values)))])
        as_large = np.flatnonzero(values >= observed - 1e-12)
        if len(as_large) >= ENOUGH:
            return ENOUGH / (int(as_large[ENOUGH - 1]) + 1), float(values.mean())
        if not len(as_large) and len(values) >= _SURVEY and observed > values.mean() + HOPELESS * max(values.std(), 1e-9):
            break
    return (1 + len(as_large)) / (1 + draws), float(values.mean())


def shuffled_within(blocks: NDArray[np.int64], number: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return permutations of the rows that exchange rows of one block only, shape (number, n).

    Args:
        blocks: (n,) block of each row.
        number: of permutations.
        rng: the source of chance.
    """
    order = np.argsort(blocks, kind="stable")
    sorted_blocks = blocks[order]
    found = np.empty((number, len(blocks)), np.int64)
    for each in range(number):
        found[each, order] = order[np.lexsort((rng.random(len(blocks)), sorted_blocks))]
    return found

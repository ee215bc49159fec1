"""What a random split would leak."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["VALIDATION_SHARE", "expected_leak"]

VALIDATION_SHARE: Final = 0.2
"""The share people set aside: ``validation_split=0.2``."""


def expected_leak(group_sizes: ArrayLike, n: int, validation_share: float = VALIDATION_SHARE) -> float:
    """Return the share of validation that has a group mate in train, expected over random splits, 0 to 1.

    ``m = round(validation_share · n)`` of n samples are drawn without replacement. A sample of a group of g that was drawn is
    clean only if its g - 1 mates were drawn too: ``∏ (m - i) / (n - i)``, i = 1 … g - 1 (hypergeometric, exact).

    Args:
        group_sizes: (groups,) sizes of the groups; groups of one may be given or left out.
        n: samples in all, at least the sum of the sizes.
        validation_share: in (0, 1).

    Raises:
        ValueError: if the groups hold more than n samples.
    """
    sizes, counts = np.unique(np.asarray(group_sizes, np.int64).ravel(), return_counts=True)
    if int((sizes * counts).sum()) > n:
        message = f"expected groups of at most {n} samples in all, found {int((sizes * counts).sum())}"
        raise ValueError(message)
    m = round(validation_share * n)
    if not 0 < m < n:
        return 0.0
    leaked = 0.0
    for size, count in zip(sizes.tolist(), counts.tolist(), strict=True):
        mates = np.arange(1, size, dtype=np.float64)
        all_drawn = float(np.prod(np.maximum(m - mates, 0.0) / (n - mates)))
        leaked += size * count * (1.0 - all_drawn)
    return leaked / n

"""Corrections for making many tests at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["benjamini_hochberg"]


def benjamini_hochberg(p_values: ArrayLike) -> NDArray[np.float64]:
    """Return the q-values (adjusted p-values) of a family of tests, shape (n,), in the order given.

    Rejecting every test with ``q < alpha`` keeps the expected share of false rejections at or under ``alpha`` for independent
    and for positively dependent tests. Benjamini, Hochberg (1995), JRSS B 57:289; Benjamini, Yekutieli (2001).

    Args:
        p_values: (n,) in [0, 1]; n may be 0.

    Raises:
        ValueError: if a p-value is not in [0, 1].
    """
    p = np.asarray(p_values, np.float64).ravel()
    if not ((p >= 0) & (p <= 1)).all():
        raise ValueError("expected p-values in [0, 1]")
    order = np.argsort(p, kind="stable")
    scaled = p[order] * p.size / np.arange(1, p.size + 1)
    q = np.empty_like(p)
    q[order] = np.minimum.accumulate(scaled[::-1])[::-1]
    return np.minimum(q, 1.0)

"""Ranks within runs of equal values, in NumPy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def ranks(keys: NDArray[np.signedinteger]) -> NDArray[np.int64]:
    """Return the place of each element in its run of equal keys, from 0; (n,).

    Args:
        keys: (n,) not negative, equal ones side by side.
    """
    starts = np.flatnonzero(np.diff(keys, prepend=-1))
    return np.arange(len(keys)) - np.repeat(starts, np.diff(starts, append=len(keys)))

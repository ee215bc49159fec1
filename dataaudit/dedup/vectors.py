"""The vectors by which pictures are searched: one of each picture, and another of what lies within its border, where it has one.

A picture that was padded, framed or shrunk onto a ground is near the other by what lies within; a picture on a ground that is
its own is found by the whole when what lies within is not told alike. Both are tried, and a pair is as near as its nearest two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dataaudit.features.mapped import column, release, some_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from dataaudit.domain import FeatureTable

__all__ = ["Vectors", "by_content", "described"]

_BLOCK = 4096


@dataclass(frozen=True, slots=True, eq=False)
class Vectors:
    """The vectors of some pictures."""

    values: NDArray[np.float16]
    """(v, d) of length 1, or zeros, which are not searched."""
    of: NDArray[np.int64]
    """(v,) the picture that each is of, a row of the features."""
    order: NDArray[np.int64]
    """(m,) those that are searched, in an order that contents decide, those of a picture side by side."""

    @classmethod
    def of_pictures(cls, features: FeatureTable, rows: NDArray[np.int64]) -> Vectors:
        """Return the vectors of ``rows``, of all of which the descriptor says something (see :func:`described`)."""
        order = rows[by_content(features, rows)]
        told = _told(features.inner_descriptor, order)
        bordered = order[told]
        whole, size = features.descriptor, len(features)
        if not len(bordered):
            return cls(whole, np.arange(size), order)
        values = column((size + len(bordered), whole.shape[1]), whole.dtype)
        for part in _blocks(size):
            values[part] = whole[part]
            release(whole)
            release(values)
        values[size:] = some_of(features.inner_descriptor, bordered)
        of = np.append(np.arange(size), bordered)
        both = np.insert(order, np.flatnonzero(told) + 1, size + np.arange(len(bordered)))
        return cls(values, of, both)

    @property
    def whole(self) -> NDArray[np.int64]:
        """Those of ``order`` that are of whole pictures."""
        whole: NDArray[np.int64] = self.order[self.order == self.of[self.order]]
        return whole

    def of_some(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the vectors that are searched and are of one of ``rows``."""
        searched: NDArray[np.int64] = self.order[np.isin(self.of[self.order], rows)]
        return searched


def described(features: FeatureTable, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return those of ``rows`` that the descriptor says anything of."""
    return rows[_told(features.descriptor, rows)]


def by_content(features: FeatureTable, rows: NDArray[np.int64]) -> NDArray[np.intp]:
    """Return the places of ``rows`` in the order of their content digests: a draw that names have no say in."""
    return np.lexsort(features.sha256[rows].T[::-1])


def _told(vectors: NDArray[np.float16], rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return of which rows the vector is not zero."""
    told = [some_of(vectors, rows[part]).any(axis=1) for part in _blocks(len(rows))]
    return np.concatenate([np.empty(0, bool), *told])


def _blocks(size: int) -> Iterator[slice]:
    return (slice(start, min(start + _BLOCK, size)) for start in range(0, size, _BLOCK))

"""Pairs of crowds: of thousands of pictures that are all near one another (nearly blank, a long burst) only some are kept.

m such pictures are m² / 2 pairs, in up to eight orientations each: more than memory holds, and than anyone verifies. Kept are
the nearest of every picture, and pairs enough that whatever the dropped ones connect stays connected (a spanning forest, by
Borůvka's rounds: O. Borůvka, 1926). A picture without a crowd loses nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from dataaudit.dedup.components import components
from dataaudit.dedup.ranks import ranks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pairs = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int8], NDArray[np.int16]]

__all__ = ["MOST", "Crowd"]

MOST: Final = 64
"""Nominations of a picture (a pair counts once for each orientation) up to which none is dropped."""
_PENDING: Final = 1 << 21  # pairs collected before they are looked through
_FAR: Final = np.iinfo(np.int16).max


class Crowd:
    """Collects pairs with their orientation and distance, and keeps what is worth it."""

    def __init__(self, size: int) -> None:
        """Collect pairs of rows below ``size``."""
        self._parts: list[Pairs] = []
        self._pending = 0
        self._held = 0
        self._limit = np.full(size, _FAR, np.int16)  # the largest distance that is still among a row's nearest
        self._component = np.arange(size)

    def add(self, a: NDArray[np.int64], b: NDArray[np.int64], way: NDArray[np.int8], distance: NDArray[np.int16]) -> None:
        """Add pairs, ``a < b``; those that are certain to be dropped are dropped at once."""
        useful = (distance <= self._limit[a]) | (distance <= self._limit[b]) | (self._component[a] != self._component[b])
        self._parts.append((a[useful], b[useful], way[useful], distance[useful]))
        self._pending += int(useful.sum())
        if self._pending > max(_PENDING, self._held):
            self._look_through()

    def kept(self) -> Pairs:
        """Return the pairs kept, sorted by (a, b, orientation), each once, with its smallest distance."""
        self._look_through()
        return self._parts[0]

    def _look_through(self) -> None:
        none = np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.int8), np.empty(0, np.int16)
        a, b, way, distance = (np.concatenate(column) for column in zip(none, *self._parts, strict=True))
        order = np.lexsort((distance, way, b, a))
        new = (np.diff(a[order], prepend=-1) != 0) | (np.diff(b[order], prepend=-1) != 0) | (np.diff(way[order], prepend=-1) != 0)
        order = order[new]
        a, b, way, distance = a[order], b[order], way[order], distance[order]
        near = self._nearest(a, b, distance)
        keep = near | _connecting(len(self._limit), a, b, distance, near)
        self._parts, self._pending, self._held = [(a[keep], b[keep], way[keep], distance[keep])], 0, int(keep.sum())
        self._component = components(len(self._limit), a[keep], b[keep])

    def _nearest(self, a: NDArray[np.int64], b: NDArray[np.int64], distance: NDArray[np.int16]) -> NDArray[np.bool_]:
        """Return which pairs are among the nearest of either row; remember how near that is."""
        near = np.ones(len(a), bool)
        crowded = np.bincount(np.concatenate([a, b]), minlength=len(self._limit)) > MOST
        if not crowded.any():
            return near
        near = ~(crowded[a] & crowded[b])
        row, pair = np.concatenate([a, b]), np.tile(np.arange(len(a)), 2)
        of_crowd = crowded[row]
        row, pair = row[of_crowd], pair[of_crowd]
        order = np.lexsort((pair, distance[pair], row))
        row, pair = row[order], pair[order]
        rank = ranks(row)
        near[pair[rank < MOST]] = True
        last = rank == MOST - 1
        self._limit[row[last]] = distance[pair[last]]
        return near


def _connecting(
    size: int, a: NDArray[np.int64], b: NDArray[np.int64], distance: NDArray[np.int16], kept: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Return pairs that connect what the kept ones leave apart: of every component the nearest that leads out, in rounds."""
    chosen = np.zeros(len(a), bool)
    while True:
        component = components(size, a[kept | chosen], b[kept | chosen])
        out = np.flatnonzero(component[a] != component[b])
        if not len(out):
            return chosen
        home, pair = np.concatenate([component[a[out]], component[b[out]]]), np.tile(out, 2)
        order = np.lexsort((pair, distance[pair], home))
        chosen[pair[order[np.diff(home[order], prepend=-1) != 0]]] = True

"""An index of unit vectors: an inverted file. Vectors lie in cells around centres; a search looks into the nearest few.

Sivic and Zisserman, "Video Google", ICCV 2003; the centres are found by spherical k-means (Dhillon and Modha, Machine
Learning 2001). Vectors are whole numbers whose products float32 holds exactly (see ``neighbours``), sums are taken in whole
numbers, and centres are rounded to such: the cells are the same for any number of threads and on any machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Whole = NDArray[np.int16] | NDArray[np.float32]
    """Vectors of whole numbers."""

__all__ = ["Cells"]

_A_ROOT: Final = 8.0  # cells for each square root of the number of vectors: finding the cells then costs what searching them does
_A_CELL: Final = 16  # vectors a cell that the centres are learned from
_ROUNDS: Final = 5
_BLOCK: Final = 2048


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """The centres, and which vectors lie around each."""

    centres: NDArray[np.float32]
    """(cells, d)."""
    cell: NDArray[np.int32]
    """(n,) the cell each vector lies in: that of its nearest centre, the first of equally near ones."""
    members: NDArray[np.int64]
    """(n,) the vectors, cell by cell, ascending in each."""
    starts: NDArray[np.int64]
    """(cells + 1,) cell ``c`` holds ``members[starts[c]:starts[c + 1]]``."""

    @classmethod
    def of(cls, vectors: Whole, unit: float) -> Cells:
        """Index vectors, (n, d) of length ``unit``; the first ones, which should be a fair sample, are learned from."""
        count = min(len(vectors), 1 << round(np.log2(_A_ROOT * np.sqrt(len(vectors)))))
        centres = _learned(vectors[: _A_CELL * count], count, unit)
        cell = _nearest_centre(vectors, centres)
        starts = np.concatenate([[0], np.cumsum(np.bincount(cell, minlength=count))])
        return cls(centres, cell, np.argsort(cell, kind="stable"), starts)

    def ranks(self, vectors: Whole, cell: NDArray[np.int32]) -> NDArray[np.int64]:
        """Return how many centres are nearer to each vector than that of the cell given with it; both (m,)."""
        rank = np.empty(len(vectors), np.int64)
        for rows, products in _products(vectors, self.centres):
            own = np.take_along_axis(products, cell[rows, None], axis=1)
            rank[rows] = (products > own).sum(axis=1)
        return rank

    def probed(self, vectors: Whole, probes: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Yield, for each cell, the vectors that have it among their ``probes`` nearest, and those that lie in it.

        Each cell comes once, and each vector with each of its cells.
        """
        probes = min(probes, len(self.centres))
        rows, cells = [], []
        for block, products in _products(vectors, self.centres):
            least = np.partition(products, -probes, axis=1)[:, -probes, None]
            row, cell = np.nonzero(products >= least)
            rows.append((row + block.start).astype(np.int32))
            cells.append(cell.astype(np.int32))
        row, cell = np.concatenate(rows), np.concatenate(cells)
        row = row[np.argsort(cell, kind="stable")]
        bounds = np.concatenate([[0], np.cumsum(np.bincount(cell, minlength=len(self.centres)))])
        for number in np.flatnonzero(np.diff(bounds)).tolist():
            yield row[bounds[number] : bounds[number + 1]], self.members[self.starts[number] : self.starts[number + 1]]


def _products(vectors: Whole, centres: NDArray[np.float32]) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    for start in range(0, len(vectors), _BLOCK):
        rows = slice(start, min(start + _BLOCK, len(vectors)))
        yield rows, vectors[rows].astype(np.float32, copy=False) @ centres.T


def _nearest_centre(vectors: Whole, centres: NDArray[np.float32]) -> NDArray[np.int32]:
    cell = np.empty(len(vectors), np.int32)
    for rows, products in _products(vectors, centres):
        cell[rows] = products.argmax(axis=1)
    return cell


def _learned(sample: Whole, count: int, unit: float) -> NDArray[np.float32]:
    """Return the centres of the sample, (count, d); a centre that none is nearest to stays where it was."""
    centres = sample[:count].astype(np.float32)
    for _ in range(_ROUNDS):
        cell = _nearest_centre(sample, centres)
        order = np.argsort(cell, kind="stable")
        present, starts = np.unique(cell[order], return_index=True)
        sums = np.add.reduceat(sample[order].astype(np.float64), starts, axis=0)  # whole numbers: exact
        lengths = np.sqrt((sums * sums).sum(axis=1, keepdims=True))
        centres[present] = np.rint(sums * (unit / np.maximum(lengths, 1.0)))
    return centres

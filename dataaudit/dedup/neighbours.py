"""The nearest pictures by copy descriptor: a search of unit vectors by their cosine, normalised against a background.

The score of a pair is its cosine less half of each one's *nearness*, its mean cosine to its 6th to 15th nearest in a
background sample (score normalisation; Pizzi et al., SSCD, arXiv 2202.10261, §4.4): pictures of a crowded kind must be
more alike. Up to 20,000 pictures the search is exact, above them by an index whose recall is measured in every run.

Vectors are rounded to whole multiples of 1/4000. A product of two of them, and every part sum of it, is then a whole
number below 2²⁴ (Cauchy–Schwarz), which float32 holds exactly: whatever order a matrix product sums in, on however many
threads and with whatever library, its bits are the same. The rounding changes a cosine by about .0001.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from dataaudit.dedup.cells import Cells
from dataaudit.dedup.ranks import ranks
from dataaudit.domain import IndexRecall

if TYPE_CHECKING:
    from numpy.typing import NDArray

    _Pairs = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]

__all__ = ["Neighbours", "nearest"]

EXACT_UP_TO: Final = 20_000
"""Vectors up to which every pair is looked at."""
SAMPLED: Final = 500
AIM: Final = 0.99
"""Share of the sampled pairs that lie in the cells that are looked into."""
FEWEST_PROBES: Final = 4

UNIT: Final = 4000.0
"""Whole steps to the length of a vector; with rounding and float16 its square stays below 2²⁴."""
BACKGROUND: Final = 4096
"""Pictures that stand for all of them where nearness is measured."""
NORMALISATION: Final = 0.5
NEAR: Final = (6, 15)
"""The first and last of the nearest background pictures whose mean cosine is a picture's nearness."""
_ROWS: Final = 1024
_COLUMNS: Final = 4096  # a tile of scores is 16 MiB
_PENDING: Final = 1 << 20  # pairs kept before the best of them are chosen


@dataclass(frozen=True, slots=True, eq=False)
class Neighbours:
    """The pairs found, each once for every end that has the other among its nearest."""

    query: NDArray[np.int64]
    other: NDArray[np.int64]
    score: NDArray[np.float64]
    recall: IndexRecall | None = None
    """None where every pair was looked at."""


def nearest(vectors: NDArray[np.float16], order: NDArray[np.intp], count: int, least: float) -> Neighbours:
    """Find each vector's ``count`` nearest others of a score of at least ``least``.

    Up to ``EXACT_UP_TO`` vectors all pairs are looked at. Above, an index is (``cells``): how many cells are looked into is
    set so that of the pairs that an exact search of ``SAMPLED`` vectors finds nearly all would be; how many of those of
    ``SAMPLED`` other vectors were found after all is its recall.

    Args:
        vectors: (n, d), of length 1.
        order: (n,) a permutation that the contents decide, not their names: where scores are equal it decides, and the
            background and the samples are drawn by it.
        count: neighbours of a vector, at least 1.
        least: normalised score, -1 to 1.

    Returns:
        Pairs of rows of ``vectors``.
    """
    table = _Table.of(vectors, order)
    exact = len(table) <= EXACT_UP_TO
    query, other, score = _by_tiles(table, count, least) if exact else _by_cells(table, count, least)
    recall = None if exact else _recall(table, (query, other), count, least)
    return Neighbours(order[query].astype(np.int64), order[other].astype(np.int64), score, recall)


def _by_tiles(table: _Table, count: int, least: float) -> _Pairs:
    best = _Best(len(table), count)
    for start in range(0, len(table), _ROWS):
        rows = np.arange(start, min(start + _ROWS, len(table)))
        for first in range(start - start % _COLUMNS, len(table), _COLUMNS):
            a, b, score = table.pairs(rows, np.arange(first, min(first + _COLUMNS, len(table))), least)
            once = a < b  # the tiles on the diagonal hold each pair twice
            best.add(a[once], b[once], score[once])
    return best.chosen()


def _by_cells(table: _Table, count: int, least: float) -> _Pairs:
    cells = Cells.of(table.vectors, UNIT)
    query, other, _ = _exactly(table, _drawn(len(table), 0), count, least)
    needed = np.minimum(
        cells.ranks(table.vectors[query], cells.cell[other]), cells.ranks(table.vectors[other], cells.cell[query])
    )
    probes = int(np.quantile(needed, AIM, method="inverted_cdf")) + 1 if len(needed) else 0
    best = _Best(len(table), count)
    for rows, columns in cells.probed(table.vectors, max(probes, FEWEST_PROBES)):
        for start in range(0, len(rows), _ROWS):
            for first in range(0, len(columns), _COLUMNS):
                a, b, score = table.pairs(rows[start : start + _ROWS], columns[first : first + _COLUMNS], least)
                apart = a != b
                best.add(a[apart], b[apart], score[apart])
    return best.chosen()


def _recall(table: _Table, found: tuple[NDArray[np.int64], NDArray[np.int64]], count: int, least: float) -> IndexRecall:
    query, other, _ = _exactly(table, _drawn(len(table), 1), count, least)
    known = _pair_keys(*found, len(table))
    seen = np.isin(_pair_keys(query, other, len(table)), known)
    return IndexRecall(min(SAMPLED, len(table)), len(query), int(seen.sum()))


def _pair_keys(a: NDArray[np.int64], b: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    return np.minimum(a, b) * size + np.maximum(a, b)


def _drawn(size: int, sample: int) -> NDArray[np.int64]:
    """Return every ``size / SAMPLED``-th row, or those half way between: two samples that share none."""
    return ((np.arange(SAMPLED) + 0.5 * sample) * (size / SAMPLED)).astype(np.int64)


def _exactly(table: _Table, rows: NDArray[np.int64], count: int, least: float) -> _Pairs:
    """Return the pairs of some rows, each with its best, by looking at everything."""
    best = _Best(len(table), count)
    for first in range(0, len(table), _COLUMNS):
        a, b, score = table.pairs(rows, np.arange(first, min(first + _COLUMNS, len(table))), least)
        apart = a != b
        best.add(a[apart], b[apart], score[apart], both=False)
    return best.chosen()


@dataclass(frozen=True, slots=True, eq=False)
class _Table:
    """The vectors in whole numbers, and their nearness in the unit of their products."""

    vectors: NDArray[np.float32]
    nearness: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.vectors)

    @classmethod
    def of(cls, vectors: NDArray[np.float16], order: NDArray[np.intp]) -> _Table:
        whole = np.empty(vectors.shape, np.float32)
        for start in range(0, len(order), _COLUMNS):
            part = slice(start, start + _COLUMNS)
            whole[part] = in_units(vectors[order[part]])
        return cls(whole, nearness(whole, whole[:BACKGROUND]))

    def pairs(self, rows: NDArray[np.int64], columns: NDArray[np.int64], least: float) -> _Pairs:
        """Return the pairs of a tile that score at least ``least``: row, column, score."""
        products = self.vectors[rows] @ self.vectors[columns].T
        bound = np.float32(NORMALISATION) * self.nearness
        margins = products - bound[columns]
        row, column = np.nonzero(margins >= (np.float32(least * UNIT**2 - 16.0) + bound[rows])[:, None])  # float32 rounds by 2
        a, b = rows[row], columns[column]
        both = self.nearness[a].astype(np.float64) + self.nearness[b]
        score = (products[row, column] - NORMALISATION * both) / UNIT**2
        enough = score >= least
        return a[enough], b[enough], score[enough]


def in_units(vectors: NDArray[np.float16]) -> NDArray[np.float32]:
    """Return vectors of length 1 as whole multiples of 1 / ``UNIT``."""
    whole: NDArray[np.float32] = np.rint(vectors.astype(np.float32) * np.float32(UNIT))
    return whole


def nearness(vectors: NDArray[np.float32], background: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return each vector's mean product with its 6th to 15th nearest of the background, a sample of them all; (n,)."""
    first, last = min(NEAR[0], len(background)), min(NEAR[1], len(background))
    means = np.empty(len(vectors), np.float32)
    for start in range(0, len(vectors), _ROWS):
        products = vectors[start : start + _ROWS] @ background.T
        products.partition(len(background) - last, axis=1)
        near = np.sort(products[:, len(background) - last :], axis=1)[:, : last - first + 1]
        means[start : start + _ROWS] = near.mean(axis=1, dtype=np.float64)
    return means


class _Best:
    """The best pairs of every row, of all that were added."""

    def __init__(self, rows: int, count: int) -> None:
        self._count = count
        self._row_type = np.int32 if rows < np.iinfo(np.int32).max else np.int64
        self._parts: list[tuple[NDArray[np.signedinteger], NDArray[np.signedinteger], NDArray[np.float64]]] = []
        self._pending = 0
        self._held = 0

    def add(self, a: NDArray[np.int64], b: NDArray[np.int64], score: NDArray[np.float64], *, both: bool = True) -> None:
        """Add pairs, in any number of copies: each may be among the best of a, and of b if ``both``."""
        a, b = a.astype(self._row_type), b.astype(self._row_type)
        self._parts += [(a, b, score), (b, a, score)] if both else [(a, b, score)]
        self._pending += len(a)
        if self._pending > max(_PENDING, self._held):
            self._choose()

    def chosen(self) -> _Pairs:
        """Return row, other and score of the best ``count`` pairs of every row, the best first; ties by the smaller other."""
        self._choose()
        row, other, score = self._parts[0]
        return row.astype(np.int64), other.astype(np.int64), score

    def _choose(self) -> None:
        empty = np.empty(0, self._row_type)
        row, other, score = (np.concatenate(column) for column in zip((empty, empty, np.empty(0)), *self._parts, strict=True))
        order = np.lexsort((other, -score, row))
        order = order[_first_of_runs(row[order], other[order])]
        row, other, score = row[order], other[order], score[order]
        keep = ranks(row) < self._count
        self._parts = [(row[keep], other[keep], score[keep])]
        self._held, self._pending = int(keep.sum()), 0


def _first_of_runs(row: NDArray[np.signedinteger], other: NDArray[np.signedinteger]) -> NDArray[np.bool_]:
    first = np.ones(len(row), bool)
    first[1:] = (row[1:] != row[:-1]) | (other[1:] != other[:-1])
    return first

"""The nearest pictures by copy descriptor: a search of unit vectors by their cosine, normalised against a background.

The score of a pair is its cosine less half of each one's *nearness*, its mean cosine to its 6th to 15th nearest in a
background sample (score normalisation; Pizzi et al., SSCD, arXiv 2202.10261, §4.4): pictures of a crowded kind must be
more alike. Up to 100,000 pictures the search is exact, above them by an index whose recall is measured in every run.

Vectors are rounded to whole multiples of 1/4000. A product of two of them, and every part sum of it, is then a whole
number below 2²⁴ (Cauchy–Schwarz), which float32 holds exactly: whatever order a matrix product sums in, on however many
threads and with whatever library, its bits are the same. The rounding changes a cosine by about .0001.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from dataaudit.dedup.cells import Cells
from dataaudit.dedup.ranks import ranks
from dataaudit.domain import IndexRecall
from dataaudit.features.mapped import release

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from dataaudit.dedup.cells import Whole

    _Pairs = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]
    _Held = tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]  # place of the row, column, margin
    Keep = Callable[[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]], NDArray[np.bool_]]

__all__ = ["DOWN", "FAR", "FIRST", "Neighbours", "nearest"]

EXACT_UP_TO: Final = 100_000
"""Vectors up to which every pair is looked at."""
SAMPLED: Final = 500
AIM: Final = 0.95
"""Share of the sampled pairs that lie in the cells that are looked into."""
FEWEST_PROBES: Final = 4

UNIT: Final = 4000.0
"""Whole steps to the length of a vector; with rounding and float16 its square stays below 2²⁴."""
BACKGROUND: Final = 4096
"""Pictures that stand for all of them where nearness is measured."""
NORMALISATION: Final = 0.5
NEAR: Final = (6, 15)
"""The first and last of the nearest background pictures whose mean cosine is a picture's nearness."""
FIRST: Final = 3
"""The nearest of a picture that are not doubted at first sight: of 13,199 copies that six local features
bear out 97.9 % are among those of one of the two. Of a copy with holes or text in it the stronger corners, by which others are
doubted, are those of what covers it: of six holes in a picture 14 features agree, and none of the stronger half."""
DOWN: Final = 6
"""The place from which a neighbour is some way down the list."""
FAR: Final = 16
"""The place from which a neighbour is far down the list."""
_STEPS: Final = (1, FIRST, DOWN, FAR)
"""Places between which what is asked of a pair may differ."""
_ROWS: Final = 1024
_COLUMNS: Final = 2048  # a tile of scores is 8 MiB
_BLOCK: Final = 8192  # vectors whose nearest are sought together in an index, at least; of many a 32nd, so that tiles are large
_OWN: Final = 2  # vectors of a picture, at most
_HELD: Final = 4  # times what is asked for: more is not kept of a block before the best are chosen
_PLACED: Final = 2048  # pairs whose places are looked up together
_NEARNESS: Final = 512  # rows whose products with the background are held together: 8 MiB
ROUNDED: Final = np.float32(16.0)
"""Of products less a bound, in float32: they are off by less."""


@dataclass(frozen=True, slots=True, eq=False)
class Neighbours:
    """The pairs found, each once: of every pair one is among the nearest of the other."""

    a: NDArray[np.int64]
    b: NDArray[np.int64]
    """Larger than a."""
    score: NDArray[np.float64]
    recall: IndexRecall | None = None
    """Of the index, before anything was left out; None where every pair was looked at."""


def nearest(
    vectors: NDArray[np.float16],
    order: NDArray[np.signedinteger],
    count: int,
    least: float,
    keep: Keep | None = None,
    of: NDArray[np.int64] | None = None,
) -> Neighbours:
    """Find each picture's ``count`` nearest others of a score of at least ``least``, by one vector of each or two.

    Up to ``EXACT_UP_TO`` vectors all pairs are looked at. Above, an index is (``cells``): how many cells are looked into is
    set so that of the pairs that an exact search of ``SAMPLED`` vectors finds nearly all would be; how many of those of
    ``SAMPLED`` other vectors were found after all is its recall.

    Args:
        vectors: (n, d); those that are searched are of length 1.
        order: (m,) their rows, in an order that the contents decide, not their names: where scores are equal it decides, and the
            background and the samples are drawn by it.
        count: neighbours of a vector, at least 1.
        least: normalised score, -1 to 1.
        keep: given pairs (a < b, their score, and the place of one among the nearest of the other, from 0, the better of the
            two as far as it is known), which of them to keep; asked some thousands at a time, so that all of them are never
            held at once. About each pair once, and again where a better place is found later, beyond one of ``_STEPS``; it stands
            if it is kept either time, so a better place must not count against it. None: all.
        of: (n,) the picture that each vector is of. Those of one picture, two at most, lie side by side in ``order``; of two
            pictures' the nearest count. None: each is of its own.

    Returns:
        Pairs of pictures.
    """
    table = _Table.of(vectors, order, np.arange(len(vectors)) if of is None else of)
    exact = len(table) <= EXACT_UP_TO
    sample = None if exact else _Sample.of(table, count, least)
    nearest_of = np.full((len(table.pictures), count), -1, np.int32)
    parts: list[_Pairs] = []
    for found in _by_tiles(table, count, least) if exact else _by_cells(table, count, least):
        row, other, score = table.by_picture(*found, count)
        in_row = ranks(row)
        nearest_of[row, in_row] = other
        if sample is not None:
            sample.look_for(row, other)
        in_other = _places(nearest_of, row, other)  # not of rows that follow
        better = np.searchsorted(_STEPS, in_row, "right") < np.searchsorted(_STEPS, in_other, "right")
        new = (in_other == count) | (other > row) | (better & (other < row[:1]))  # the last: asked about with rows before these
        place = np.minimum(in_row, in_other)
        one, two = table.pictures[row[new]], table.pictures[other[new]]
        pairs = np.minimum(one, two), np.maximum(one, two), score[new]
        kept = slice(None) if keep is None else keep(*pairs, place[new])
        parts.append((pairs[0][kept], pairs[1][kept], pairs[2][kept]))
    empty = np.empty(0, np.int64)
    a, b, score = (np.concatenate(column) for column in zip((empty, empty, np.empty(0)), *parts, strict=True))
    _, once = np.unique(a * (1 + b.max(initial=0)) + b, return_index=True)
    return Neighbours(a[once], b[once], score[once], None if sample is None else sample.recall())


def _places(lists: NDArray[np.int32], wanted: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the place of each of ``wanted`` in the list of its row; where it is not in it, the length of the lists."""
    places = np.empty(len(rows), np.int64)
    for start in range(0, len(rows), _PLACED):
        part = slice(start, start + _PLACED)
        same = lists[rows[part]] == wanted[part, None]
        places[part] = np.where(same.any(axis=1), same.argmax(axis=1), lists.shape[1])
    return places


def _by_tiles(table: _Table, count: int, least: float) -> Iterator[_Pairs]:
    """Yield the nearest of some rows after the other, by looking at everything: row, other, score; the best of a row first."""
    for rows in table.blocks(np.arange(len(table)), _ROWS):
        yield _exactly(table, rows, count, least)


def _exactly(table: _Table, rows: NDArray[np.int64], count: int, least: float) -> _Pairs:
    best = _Best(table, rows, count, least)
    for first in range(_COLUMNS, len(table), _COLUMNS):
        best.look(np.arange(len(rows)), np.arange(first, min(first + _COLUMNS, len(table))))
    return best.chosen()


def _by_cells(table: _Table, count: int, least: float) -> Iterator[_Pairs]:
    """Yield the same by looking into the cells around each vector, and at a few vectors that all are compared with."""
    cells = Cells.of(table.vectors, UNIT)
    query, other, _ = _exactly(table, _drawn(len(table), 0), count, least)
    needed = cells.ranks(table.vectors[query], cells.cell[other])
    probes = int(np.quantile(needed, AIM, method="inverted_cdf")) + 1 if len(needed) else 0
    block = max(_BLOCK, len(table) // 32)
    for rows in table.blocks(np.arange(len(table)), block):
        best = _Best(table, rows, count, least)
        for some, columns in cells.probed(table.vectors[rows], max(probes, FEWEST_PROBES)):
            new = columns[np.searchsorted(columns, _COLUMNS) :]
            for first in range(0, len(new), _COLUMNS):
                for at in range(0, len(some), _ROWS):
                    best.look(some[at : at + _ROWS], new[first : first + _COLUMNS])
        row, other, score = best.chosen()
        for some in table.blocks(rows, _ROWS):
            part = slice(*np.searchsorted(row, [some[0], some[-1] + 1]).tolist())
            yield row[part], other[part], score[part]


@dataclass(slots=True, eq=False)
class _Sample:
    """Some of the pairs that an exact search finds, and which of them were found."""

    keys: NDArray[np.int64]
    found: NDArray[np.bool_]
    size: int

    @classmethod
    def of(cls, table: _Table, count: int, least: float) -> _Sample:
        query, other, _ = _exactly(table, _drawn(len(table), 1), count, least)
        size = len(table.pictures)
        keys = _pair_keys(table.picture[query], table.picture[other], size)
        return cls(keys, np.zeros(len(keys), bool), size)

    def look_for(self, row: NDArray[np.int64], other: NDArray[np.int64]) -> None:
        """Note those that are among the given pairs."""
        self.found |= np.isin(self.keys, _pair_keys(row, other, self.size))

    def recall(self) -> IndexRecall:
        return IndexRecall(min(SAMPLED, self.size), len(self.keys), int(self.found.sum()))


def _pair_keys(a: NDArray[np.int64], b: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    return np.minimum(a, b) * size + np.maximum(a, b)


def _drawn(size: int, sample: int) -> NDArray[np.int64]:
    """Return every ``size / SAMPLED``-th row, or those half way between: two samples that share none."""
    return ((np.arange(SAMPLED) + 0.5 * sample) * (size / SAMPLED)).astype(np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class _Table:
    """The vectors in whole numbers, and their nearness in the unit of their products."""

    vectors: NDArray[np.int16]
    picture: NDArray[np.int64]
    """(n,) that each is of, a place in ``pictures``, ascending."""
    pictures: NDArray[np.int64]
    nearness: NDArray[np.float32]
    bound: NDArray[np.float32]
    """The part of nearness that is taken off, to the nearest whole number: a product less it is exact (unless it is below 0)."""

    def __len__(self) -> int:
        return len(self.vectors)

    @classmethod
    def of(cls, vectors: NDArray[np.float16], order: NDArray[np.signedinteger], of: NDArray[np.int64]) -> _Table:
        whole: NDArray[np.int16] = np.empty((len(order), vectors.shape[1]), np.int16)
        for start in range(0, len(order), _COLUMNS):
            part = slice(start, start + _COLUMNS)
            whole[part] = in_units(vectors[order[part]])
            release(vectors)
        first = np.flatnonzero(np.diff(of[order], prepend=-1))
        picture = np.repeat(np.arange(len(first)), np.diff(first, append=len(order)))
        near = nearness(whole, whole[first[:BACKGROUND]])
        return cls(whole, picture, of[order][first], near, np.rint(np.float32(NORMALISATION) * near))

    def blocks(self, rows: NDArray[np.int64], size: int) -> Iterator[NDArray[np.int64]]:
        """Yield rows that lie side by side, about ``size`` at a time, those of a picture together."""
        bounds = np.searchsorted(self.picture[rows], self.picture[rows[::size]])
        for start, stop in pairwise([*bounds.tolist(), len(rows)]):
            if stop > start:
                yield rows[start:stop]

    def by_picture(self, row: NDArray[np.int64], other: NDArray[np.int64], score: NDArray[np.float64], count: int) -> _Pairs:
        """Return the ``count`` nearest pictures of pictures, of all of whose vectors the nearest are given; the best first."""
        row, other = self.picture[row], self.picture[other]
        order = np.lexsort((-score, other, row))
        order = order[ranks(row[order] * len(self.pictures) + other[order]) == 0]
        order = order[np.lexsort((other[order], -score[order], row[order]))]
        order = order[ranks(row[order]) < count]
        return row[order], other[order], score[order]

    def products(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the products of a tile, exact."""
        return self.vectors[rows].astype(np.float32) @ self.vectors[columns].astype(np.float32).T

    def scores(
        self, rows: NDArray[np.int64], columns: NDArray[np.signedinteger], products: NDArray[np.float32]
    ) -> NDArray[np.float64]:
        """Return the normalised scores of pairs; all (pairs,)."""
        both = self.nearness[rows].astype(np.float64) + self.nearness[columns]
        scores: NDArray[np.float64] = (products - NORMALISATION * both) / UNIT**2
        return scores


def in_units(vectors: NDArray[np.float16]) -> NDArray[np.float32]:
    """Return vectors of length 1 as whole multiples of 1 / ``UNIT``."""
    whole: NDArray[np.float32] = np.rint(vectors.astype(np.float32) * np.float32(UNIT))
    return whole


def nearness(vectors: Whole, background: Whole) -> NDArray[np.float32]:
    """Return each vector's mean product with its 6th to 15th nearest of the background, a sample of them all; (n,)."""
    first, last = min(NEAR[0], len(background)), min(NEAR[1], len(background))
    means = np.empty(len(vectors), np.float32)
    background = background.astype(np.float32, copy=False)
    for start in range(0, len(vectors), _NEARNESS):
        products = vectors[start : start + _NEARNESS].astype(np.float32, copy=False) @ background.T
        products.partition(len(background) - last, axis=1)
        near = np.sort(products[:, len(background) - last :], axis=1)[:, : last - first + 1]
        means[start : start + _NEARNESS] = near.mean(axis=1, dtype=np.float64)
    return means


class _Best:
    """The nearest of some rows, of all columns that were looked at, the first ``_COLUMNS`` to begin with.

    Of each row a margin (product less the column's bound) is known that its nearest reach; what does not is not kept.
    """

    def __init__(self, table: _Table, rows: NDArray[np.int64], count: int, least: float) -> None:
        self._table, self._rows, self._count, self._least = table, rows, count, least
        self._floor = table.bound[rows] + np.float32(least * UNIT**2) - ROUNDED
        self._parts: list[_Held] = []
        self._held = 0
        for first in range(0, len(rows), _ROWS):
            self.look(np.arange(first, min(first + _ROWS, len(rows))), np.arange(min(_COLUMNS, len(table))), first=True)

    def look(self, some: NDArray[np.intp], columns: NDArray[np.int64], *, first: bool = False) -> None:
        """Look at columns that some of the rows, by their places, were not compared with yet."""
        margins = self._table.products(self._rows[some], columns)
        margins -= self._table.bound[columns]
        more = self._count + _OWN
        if first and len(columns) >= more:
            last = np.partition(margins, -more, axis=1)[:, -more]
            self._floor[some] = np.maximum(self._floor[some], last - ROUNDED)
        flat = np.flatnonzero(margins >= self._floor[some][:, None])  # quicker than of two dimensions
        row, column = np.divmod(flat, len(columns))
        place, other = some[row], columns[column]
        apart = self._table.picture[self._rows[place]] != self._table.picture[other]
        self._parts.append((place[apart].astype(np.int32), other[apart].astype(np.int32), margins.ravel()[flat[apart]]))
        self._held += len(place)
        if self._held > _HELD * self._count * len(self._rows):
            self._narrow()

    def chosen(self) -> _Pairs:
        """Return row, other and score of the nearest of every row, the nearest first; ties by the smaller other."""
        place, other, margins = self._narrow()
        score, best = self._ranked(place, other, margins)
        return self._rows[place[best]], other[best].astype(np.int64), score[best]

    def _narrow(self) -> _Held:
        """Keep what may be among the nearest, and return it, row by row."""
        empty = np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0, np.float32)
        place, other, margins = (np.concatenate(column) for column in zip(empty, *self._parts, strict=True))
        order = np.argsort(place, kind="stable")
        place, other, margins = place[order], other[order], margins[order]
        starts = np.searchsorted(place, np.arange(0, len(self._rows) + _ROWS, _ROWS))
        for first, (start, stop) in zip(range(0, len(self._rows), _ROWS), pairwise(starts.tolist()), strict=False):
            rank = ranks(place[start:stop])
            if len(rank) and rank.max() >= self._count:
                lists = np.full((min(_ROWS, len(self._rows) - first), rank.max() + 1), -np.inf, np.float32)
                lists[place[start:stop] - first, rank] = margins[start:stop]
                last = np.partition(lists, -self._count, axis=1)[:, -self._count]
                rows = slice(first, first + _ROWS)
                self._floor[rows] = np.maximum(self._floor[rows], last - ROUNDED)
        near = margins >= self._floor[place]
        place, other, margins = place[near], other[near], margins[near]
        if len(place) > _HELD // 2 * self._count * len(self._rows):  # many are equally near
            best = self._ranked(place, other, margins)[1]
            place, other, margins = place[best], other[best], margins[best]
        self._parts, self._held = [(place, other, margins)], len(place)
        return self._parts[0]

    def _ranked(
        self, place: NDArray[np.int32], other: NDArray[np.int32], margins: NDArray[np.float32]
    ) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
        """Return the scores, and which are the nearest of every row, the nearest first; ties by the smaller other."""
        score = self._table.scores(self._rows[place], other, margins + self._table.bound[other])
        order = np.lexsort((other, -score, place))
        best = order[ranks(place[order]) < self._count]
        return score, best[score[best] >= self._least]

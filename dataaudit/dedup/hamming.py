"""All pairs of 64-bit hashes within a Hamming radius: exact, sub-quadratic, in NumPy.

Multi-index hashing (Norouzi, Punjani and Fleet, "Fast exact search in Hamming space with multi-index hashing",
TPAMI 2014): cut the hash into bands and search band ``i`` within radius ``r_i``. Two hashes that differ in more than
``r_i`` bits of *every* band differ in at least ``sum(r_i + 1)`` bits, so radii with ``sum(r_i + 1) > radius`` miss
nothing. Each pair found is reported once, by the first band that sees it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import combinations
from math import comb
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

BITS: Final = 64
_WIDEST_BAND: Final = 22  # a table of 2^22 offsets is 32 MiB
_CHUNK: Final = 1 << 17  # queries looked up together, or candidates of crowded buckets: they stay in the processor's cache
_PROBE_COST: Final = 0.4  # looking a key up costs less than half of what comparing a candidate does (measured)
_CROWD: Final = 8  # items of a bucket that are compared one by one; beyond, all that are left at once


@dataclass(frozen=True, slots=True)
class Band:
    """Bits ``[shift, shift + width)`` of the hash, searched within ``radius``."""

    shift: int
    width: int
    radius: int

    @property
    def mask(self) -> int:
        """The band's bits as a 64-bit mask."""
        return ((1 << self.width) - 1) << self.shift


def pairs_within(
    queries: NDArray[np.uint64], index: NDArray[np.uint64], radius: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8]]:
    """Return every (query, index) pair of hashes that differ in at most ``radius`` bits.

    Args:
        queries: (m,) hashes looked up.
        index: (n,) hashes searched.
        radius: bits, 0 to 63.

    Returns:
        Query rows, index rows and distances, each (pairs,), sorted by query row, then index row. A query that is
        itself in the index is paired with itself.
    """
    empty = np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.uint8)
    found = [empty, *stream_within(queries, index, radius)]
    query, item, distance = (np.concatenate(column) for column in zip(*found, strict=True))
    order = np.lexsort((item, query))
    return query[order], item[order], distance[order]


def stream_within(
    queries: NDArray[np.uint64], index: NDArray[np.uint64], radius: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8]]]:
    """Yield what :func:`pairs_within` returns piece by piece, in no order that means anything: memory stays bounded."""
    if not len(queries) or not len(index):
        return
    bands = plan_bands(len(index), radius)
    for number in range(len(bands)):
        for query, item, difference in _search_band(queries, index, bands[number], radius):
            seen = np.zeros(len(query), bool)
            for earlier in bands[:number]:
                seen |= np.bitwise_count(difference & np.uint64(earlier.mask)) <= earlier.radius
            new = ~seen
            yield query[new], item[new], np.bitwise_count(difference[new])


@cache
def plan_bands(size: int, radius: int) -> tuple[Band, ...]:
    """Choose the bands that make a search of ``size`` hashes cheapest, by expected probes and candidates a query."""

    def cost(bands: tuple[Band, ...]) -> float:
        return sum(
            sum(comb(band.width, flips) for flips in range(band.radius + 1)) * (_PROBE_COST + size / 2.0**band.width)
            for band in bands
        )

    return min((_cut(count, radius) for count in range(3, min(radius, BITS // 2) + 4)), key=cost)


def _cut(count: int, radius: int) -> tuple[Band, ...]:
    widths = [BITS // count + (number < BITS % count) for number in range(count)]
    spare = radius + 1 - count  # sum(r_i + 1) must reach radius + 1; a radius of -1 leaves the band out
    radii = [spare // count + (number < spare % count) for number in range(count)]
    shifts = np.cumsum([0, *widths]).tolist()
    return tuple(Band(shift, width, reach) for shift, width, reach in zip(shifts, widths, radii, strict=False) if reach >= 0)


_Differences = tuple["NDArray[np.int64]", "NDArray[np.int64]", "NDArray[np.uint64]"]
"""Query rows, index rows, and the bits in which they differ."""


def _search_band(queries: NDArray[np.uint64], index: NDArray[np.uint64], band: Band, radius: int) -> Iterator[_Differences]:
    """Yield the pairs within ``radius`` that one band sees. Both sides are sorted by key, so that memory is read in order."""
    keys = _band_key(index, band)
    order = np.argsort(keys, kind="stable")
    items, counts = index[order], np.bincount(keys, minlength=1 << band.width).astype(np.int32)
    starts = (np.cumsum(counts) - counts).astype(np.int32)
    query_keys = _band_key(queries, band)
    query_order = np.argsort(query_keys, kind="stable")
    for first in range(0, len(queries), _CHUNK):
        rows = query_order[first : first + _CHUNK]
        chunk, chunk_keys = queries[rows], query_keys[rows]
        for flips in _flips(band.width, band.radius):
            probed = chunk_keys ^ np.int32(flips)
            count = counts[probed]
            hit = np.flatnonzero(count)
            for query, place, difference in _compared(chunk[hit], starts[probed[hit]], count[hit], items, radius):
                yield rows[hit[query]], order[place], difference


def _compared(
    queries: NDArray[np.uint64], starts: NDArray[np.int32], counts: NDArray[np.int32], items: NDArray[np.uint64], radius: int
) -> Iterator[_Differences]:
    """Yield which ``items[start : start + count]`` lie within ``radius`` of each query: places in both."""
    left = np.arange(len(queries))
    for step in range(_CROWD):
        places = starts[left] + np.int32(step)
        difference = queries[left] ^ items[places]
        near = np.flatnonzero(np.bitwise_count(difference) <= radius)
        if len(near):
            yield left[near], places[near].astype(np.int64), difference[near]
        left = left[counts[left] > step + 1]
        if not len(left):
            return
    for query, place in _expanded(starts[left].astype(np.int64) + _CROWD, counts[left].astype(np.int64) - _CROWD):
        difference = queries[left[query]] ^ items[place]
        near = np.flatnonzero(np.bitwise_count(difference) <= radius)
        yield left[query[near]], place[near], difference[near]


def _band_key(hashes: NDArray[np.uint64], band: Band) -> NDArray[np.int32]:
    return ((hashes >> np.uint64(band.shift)) & np.uint64((1 << band.width) - 1)).astype(np.int32)


@cache
def _flips(width: int, radius: int) -> tuple[int, ...]:
    return tuple(sum(1 << bit for bit in bits) for flips in range(radius + 1) for bits in combinations(range(width), flips))


def _expanded(starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Expand ranges ``start … start + length`` (none empty) in chunks of bounded memory: number of the range, value."""
    ends = np.cumsum(lengths)
    first = 0
    while first < len(ends):
        done = int(ends[first - 1]) if first else 0
        last = max(first + 1, int(np.searchsorted(ends, done + _CHUNK, side="right")))
        size = lengths[first:last]
        within = np.arange(int(ends[last - 1]) - done) - np.repeat(ends[first:last] - size - done, size)
        yield np.repeat(np.arange(first, last), size), np.repeat(starts[first:last], size) + within
        first = last

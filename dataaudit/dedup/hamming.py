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
_CHUNK: Final = 1 << 22  # candidate pairs looked at together: 32 MiB an array
_PROBE_COST: Final = 3.0  # looking a key up costs about three candidate comparisons (measured)


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
    if not len(queries) or not len(index):
        return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.uint8)
    bands = plan_bands(len(index), radius)
    found = [_search_band(queries, index, bands, number, radius) for number in range(len(bands))]
    query, item, distance = (np.concatenate(column) for column in zip(*found, strict=True))
    order = np.lexsort((item, query))
    return query[order], item[order], distance[order]


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


def _search_band(
    queries: NDArray[np.uint64], index: NDArray[np.uint64], bands: tuple[Band, ...], number: int, radius: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8]]:
    band = bands[number]
    keys = _band_key(index, band)
    order = np.argsort(keys, kind="stable")
    starts = np.zeros((1 << band.width) + 1, np.int64)
    np.cumsum(np.bincount(keys, minlength=1 << band.width), out=starts[1:])
    query_keys = _band_key(queries, band)
    query_parts, item_parts, distance_parts = [], [], []
    for flips in _flips(band.width, band.radius):
        probed = query_keys ^ flips
        for query, item in _candidates(starts[probed], starts[probed + 1], order):
            difference = queries[query] ^ index[item]
            distance = np.bitwise_count(difference)
            keep = distance <= radius
            for earlier in bands[:number]:
                keep &= np.bitwise_count(difference & np.uint64(earlier.mask)) > earlier.radius
            query_parts.append(query[keep])
            item_parts.append(item[keep])
            distance_parts.append(distance[keep])
    empty = np.empty(0, np.int64)
    return (
        np.concatenate([empty, *query_parts]),
        np.concatenate([empty, *item_parts]),
        np.concatenate([empty.astype(np.uint8), *distance_parts]),
    )


def _band_key(hashes: NDArray[np.uint64], band: Band) -> NDArray[np.int64]:
    return ((hashes >> np.uint64(band.shift)) & np.uint64((1 << band.width) - 1)).astype(np.int64)


@cache
def _flips(width: int, radius: int) -> tuple[int, ...]:
    return tuple(sum(1 << bit for bit in bits) for flips in range(radius + 1) for bits in combinations(range(width), flips))


def _candidates(
    starts: NDArray[np.int64], stops: NDArray[np.int64], order: NDArray[np.intp]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Expand the bucket ``order[start:stop]`` of every query, in chunks of bounded memory."""
    lengths = stops - starts
    asked = np.flatnonzero(lengths)
    ends = np.cumsum(lengths[asked])
    first = 0
    while first < len(asked):
        done = int(ends[first - 1]) if first else 0
        last = max(first + 1, int(np.searchsorted(ends, done + _CHUNK, side="right")))
        rows = asked[first:last]
        size = lengths[rows]
        query = np.repeat(rows, size)
        within = np.arange(int(ends[last - 1]) - done) - np.repeat(ends[first:last] - size - done, size)
        yield query, order[np.repeat(starts[rows], size) + within]
        first = last

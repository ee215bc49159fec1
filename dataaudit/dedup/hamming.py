"""All pairs of 64-bit hashes within a Hamming radius: exact, sub-quadratic, in NumPy.

Multi-index hashing (Norouzi, Punjani and Fleet, "Fast exact search in Hamming space with multi-index hashing",
TPAMI 2014): cut the hash into bands and search band ``i`` within radius ``r_i``. Two hashes that differ in more than
``r_i`` bits of *every* band differ in at least ``sum(r_i + 1)`` bits, so radii with ``sum(r_i + 1) > radius`` miss
nothing.

A band is not searched by flipping its bits (232 look-ups for two of 21), but by leaving bits out: any two bits lie together
on a line of a projective plane (21 points, 21 lines of five), so that two hashes within two bits of one another agree on
what one of the lines leaves. The lines are the translates of a perfect difference set (J. Singer, "A theorem in finite
projective geometry and some applications to number theory", Trans. AMS 1938). Hashes and queries are sorted by what a line
leaves, and memory is read in order. Each pair found is reported once, by the first line of the first band that sees it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial
from itertools import chain, combinations
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    Found = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint64]]
    """Query rows, index rows, and the bits in which they differ."""

BITS: Final = 63
"""Bits that bands are cut of; the 64th, which a perceptual hash masks, is compared all the same."""
_CHUNK: Final = 1 << 16  # queries compared together, or candidates of crowded buckets: they stay in the processor's cache
_FEW: Final = 512  # queries of which all that is left of their buckets is compared at once
_SORT_COST: Final = 6.0  # sorting a hash by what a line leaves costs what comparing six candidates does (measured)
_DIFFERENCE_SETS: Final = {
    7: (0, 1, 3),
    13: (0, 1, 3, 9),
    21: (0, 1, 4, 14, 16),
    31: (0, 1, 3, 8, 12, 18),
    57: (0, 1, 3, 13, 32, 36, 43, 52),
    73: (0, 1, 3, 7, 15, 31, 36, 54, 63),
}
"""Perfect difference sets: every number but 0 is the difference, modulo the key, of exactly one pair."""
_COMPARED_EACH: Final = 256  # queries up to which every hash is compared
_BLOCK: Final = 5  # bits left out where only one may differ
_NO_LINE: Final = 255


@dataclass(frozen=True, slots=True)
class Band:
    """Bits ``[shift, shift + width)`` of the hash, searched within ``radius`` (0 to 2)."""

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
    empty = np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.uint64)
    found = [empty, *chain.from_iterable(search() for search in searches_within(queries, index, radius))]
    query, item, difference = (np.concatenate(column) for column in zip(*found, strict=True))
    order = np.lexsort((item, query))
    return query[order], item[order], np.bitwise_count(difference)[order]


def searches_within(
    queries: NDArray[np.uint64], index: NDArray[np.uint64], radius: int
) -> tuple[Callable[[], Iterator[Found]], ...]:
    """Return searches that together yield what :func:`pairs_within` returns, piece by piece: memory stays bounded.

    They share nothing that changes, so that they may run on several threads.
    """
    if not len(queries) or not len(index):
        return ()
    if len(queries) <= _COMPARED_EACH:
        return (partial(_each, queries, index, radius),)
    bands = plan_bands(len(index), radius)
    return tuple(
        partial(_search_line, queries, index, bands[: number + 1], line, radius)
        for number, band in enumerate(bands)
        for line in range(len(cover(band.width, band.radius)))
    )


def _each(queries: NDArray[np.uint64], index: NDArray[np.uint64], radius: int) -> Iterator[Found]:
    """Yield what is within the radius of each query: of few it is quicker to compare each than to sort the index."""

    def one_by_one() -> Iterator[Found]:
        for number, query in enumerate(queries):
            difference = index ^ query
            item = np.flatnonzero(np.bitwise_count(difference) <= radius)
            yield np.full(len(item), number), item, difference[item]

    return _together(one_by_one())


@cache
def plan_bands(size: int, radius: int) -> tuple[Band, ...]:
    """Choose the bands that make a search of ``size`` hashes cheapest, by expected look-ups and candidates a query."""

    def cost(bands: tuple[Band, ...]) -> float:
        lines = [(band.width, line.bit_count()) for band in bands for line in cover(band.width, band.radius)]
        return sum(_SORT_COST + 2.0**width / size + size / 2.0 ** (width - left_out) for width, left_out in lines)

    fewest = max(3, -(-(radius + 1) // 3))  # bands of 21 bits and less, none searched within more than two
    return min((_cut(count, radius) for count in range(fewest, fewest + 4)), key=cost)


def _cut(count: int, radius: int) -> tuple[Band, ...]:
    widths = [BITS // count + (number < BITS % count) for number in range(count)]
    spare = radius + 1 - count  # sum(r_i + 1) must reach radius + 1; a radius of -1 leaves the band out
    radii = [spare // count + (number < spare % count) for number in range(count)]
    shifts = np.cumsum([0, *widths]).tolist()
    return tuple(Band(shift, width, reach) for shift, width, reach in zip(shifts, widths, radii, strict=False) if reach >= 0)


@cache
def cover(width: int, radius: int) -> tuple[int, ...]:
    """Return sets of the bits ``0 … width - 1``, as masks, such that any ``radius`` bits (0 to 2) lie in one of them."""
    if radius == 0:
        return (0,)
    if radius == 1:
        return tuple(((1 << min(_BLOCK, width - start)) - 1) << start for start in range(0, width, _BLOCK))
    points = min(size for size in _DIFFERENCE_SETS if size >= width)
    lines = {
        sum(1 << point for place in _DIFFERENCE_SETS[points] if (point := (place + shift) % points) < width)
        for shift in range(points)
    }
    return tuple(sorted(line for line in lines if not any(line != other and line & other == line for other in lines)))


@cache
def _first_line(width: int, radius: int) -> NDArray[np.uint8]:
    """Return the first line of its cover that a difference of a band lies in, (2^width,); 255: no line is to see it."""
    first = np.full(1 << width, _NO_LINE, np.uint8)
    lines = cover(width, radius)
    for count in range(radius + 1):
        for bits in combinations(range(width), count):
            difference = sum(1 << bit for bit in bits)
            first[difference] = next(number for number, line in enumerate(lines) if difference & ~line == 0)
    return first


def _search_line(
    queries: NDArray[np.uint64], index: NDArray[np.uint64], bands: tuple[Band, ...], number: int, radius: int
) -> Iterator[Found]:
    """Yield the pairs that a line of the last of the bands is the first to see."""
    *earlier, band = bands
    left = ((1 << band.width) - 1) & ~cover(band.width, band.radius)[number]
    first_line = _first_line(band.width, band.radius)
    kept_of = _side_by_side(band.width, left)
    keys, query_keys = kept_of[_band_of(index, band)], kept_of[_band_of(queries, band)]
    order, query_order = sorted_places(keys), sorted_places(query_keys)
    counts = np.bincount(keys, minlength=1 << left.bit_count())
    starts = np.cumsum(counts) - counts
    items = np.concatenate([index[order], np.zeros(counts.max(), np.uint64)])  # who is through reads on for a while
    for first in range(0, len(queries), _CHUNK):
        rows = query_order[first : first + _CHUNK]
        chunk_keys = query_keys[rows]
        compared = _compared(queries[rows], starts[chunk_keys], counts[chunk_keys], items, radius)
        for query, place, difference in _together(compared):
            new = np.flatnonzero(first_line[_band_of(difference, band)] == number)
            query, place, difference = query[new], place[new], difference[new]  # noqa: PLW2901 - what is left of them
            for other in earlier:
                new = np.flatnonzero(np.bitwise_count(difference & np.uint64(other.mask)) > other.radius)
                query, place, difference = query[new], place[new], difference[new]  # noqa: PLW2901
            if len(query):
                yield rows[query], order[place], difference


def sorted_places(keys: NDArray[np.unsignedinteger]) -> NDArray[np.int64]:
    """Return the places of keys below 2³² from the least to the largest, of equal ones the first first; (n,).

    What a stable ``argsort`` returns, of a million keys of 32 bits in a fifth of the time: numbers of 64 bits, no two of them
    equal, are sorted in vectors. (Of 16 bits, which NumPy sorts by their digits, in about the same.)
    """
    numbered = keys.astype(np.uint64)
    numbered <<= np.uint64(32)
    numbered |= np.arange(len(keys), dtype=np.uint64)
    numbered.sort()
    numbered &= np.uint64(2**32 - 1)
    return numbered.view(np.int64)


def _compared(
    queries: NDArray[np.uint64], starts: NDArray[np.int64], counts: NDArray[np.int64], items: NDArray[np.uint64], radius: int
) -> Iterator[Found]:
    """Yield which ``items[start : start + count]`` lie within ``radius`` of each query: places in both."""
    left = np.flatnonzero(counts)
    hashes, places, ends = queries[left], starts[left], starts[left] + counts[left]
    while len(left) > _FEW:
        steps = max(1, int(np.partition(ends - places, len(left) // 4)[len(left) // 4]))  # then a quarter is through
        for _ in range(steps):
            difference = hashes ^ items[places]
            near = np.flatnonzero(np.bitwise_count(difference) <= radius)
            if len(near):
                near = near[places[near] < ends[near]]
                yield left[near], places[near], difference[near]
            places += 1
        more = places < ends
        left, hashes, places, ends = left[more], hashes[more], places[more], ends[more]
    for query, place in _expanded(places, ends - places):
        difference = hashes[query] ^ items[place]
        near = np.flatnonzero(np.bitwise_count(difference) <= radius)
        if len(near):
            yield left[query[near]], place[near], difference[near]


def _together(pieces: Iterator[Found]) -> Iterator[Found]:
    """Yield pieces joined to larger ones: what is done to a piece costs as much as a thousand pairs do."""
    waiting: list[Found] = []
    held = 0
    for piece in pieces:
        waiting.append(piece)
        held += len(piece[0])
        if held >= _CHUNK:
            yield _joined(waiting)
            waiting, held = [], 0
    if waiting:
        yield _joined(waiting)


def _joined(pieces: list[Found]) -> Found:
    query, place, difference = (np.concatenate(column) for column in zip(*pieces, strict=True))
    return query, place, difference


def _band_of(hashes: NDArray[np.uint64], band: Band) -> NDArray[np.uint32]:
    """Return the bits of a band."""
    return ((hashes >> np.uint64(band.shift)) & np.uint64((1 << band.width) - 1)).astype(np.uint32)


def _side_by_side(width: int, kept: int) -> NDArray[np.uint16] | NDArray[np.uint32]:
    """Return for every number of ``width`` bits its bits of ``kept``, a mask, side by side; (2^width,).

    As narrow as they fit, so that the table stays in the processor's cache.
    """
    numbers = np.arange(1 << width, dtype=np.uint32)
    places = [place for place in range(width) if kept >> place & 1]
    moved = np.zeros(1 << width, np.uint32)
    for to, place in enumerate(places):
        moved |= (numbers >> np.uint32(place) & np.uint32(1)) << np.uint32(to)
    return moved.astype(np.uint16) if len(places) <= np.iinfo(np.uint16).bits else moved


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

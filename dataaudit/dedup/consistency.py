"""May two pictures be copies? Asked of their local features alone, without a pixel: do they lie alike up to an affine map?

Each feature of a is matched to its nearest of b by Hamming distance, if none of a is nearer to that one, and the second nearest
of b is not as near (the ratio test; Lowe, IJCV 2004). Of the best matches every three give an affine map; what counts is
how many of them agree on one (RANSAC, Fischler and Bolles 1981, with every sample drawn). Of unrelated pictures six hardly
ever do.

Pairs are the last axis of what is computed of many: NumPy then works on whole rows of them, and the least of a column is as
quickly found as that of a row.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from itertools import combinations
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from dataaudit.features.keypoints import strongest
from dataaudit.features.mapped import some_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

__all__ = ["Agreed", "agreed", "agreement", "first_sight", "least_distance"]

_RATIO: Final = 0.95
_DRAWN: Final = 12  # the best matches of a pair; every three of them give a map …
_DRAWN_FIRST: Final = 8  # … and so many at first sight, by half of the features
_COUNTED: Final = 32  # the best matches that may agree with it
_TOLERANCE: Final = 2.0  # pixels of the 72-px view
_LEAST_AREA: Final = 60.0  # square pixels of the parallelogram of three points: less says nothing of a map
_SQUEEZE: Final = 2.2  # largest singular value over smallest: more is no believable map
_GROWTH: Final = 16.0  # of areas, either way
_BLOCK: Final = 512  # pairs at a time: 16 MiB a thread; threads with fewer wait for one another (measured) …
_BLOCK_OF_FEW: Final = 2048  # … of whose features few are looked at …
_MAPPED: Final = 256  # … and whose maps are tried at a time: 60 MiB more where all are copies
_READ: Final = 3 << 20  # bytes of features that a thread reads at a time, of a and of b each
_AT_ONCE: Final = 1 << 17  # bit strings compared at a time: they stay in the processor's cache
_NONE: Final = 255


def agreement(keypoints: NDArray[np.uint8], a: NDArray[np.int64], b: NDArray[np.int64], most: int = 1) -> NDArray[np.int64]:
    """Count the matches that agree on one affine map, for each of many pairs.

    Args:
        keypoints: (n, features, 18) local features (``features.keypoints``) of all pictures; at most 128 of each. Of those in
            a file (``features.mapped``) a few are held at a time.
        a: (pairs,) rows of the first pictures.
        b: (pairs,) rows of the second.
        most: threads to work on.

    Returns:
        (pairs,), 0 to 32: the most that agree, with a as it is or mirrored.
    """
    return _asked(partial(_block, drawn=_DRAWN), keypoints, a, b, most, slice(None), _BLOCK)


def first_sight(keypoints: NDArray[np.uint8], a: NDArray[np.int64], b: NDArray[np.int64], most: int = 1) -> NDArray[np.int64]:
    """Count likewise at a third of the cost, by the stronger half of the features: fewer than four say there is no more.

    Of 5,314 copies of Caltech-101 in 27 families in which six agree four of these do in 98.8 %, of 2,506 in the 14 that move
    pictures most or hide a part of them in 98.2 %; of others that are near by descriptor in 13 to 18 %, and five in 2 to 7 %.
    """
    return _asked(partial(_block, drawn=_DRAWN_FIRST), keypoints, a, b, most, strongest(2), _BLOCK)


def least_distance(keypoints: NDArray[np.uint8], a: NDArray[np.int64], b: NDArray[np.int64], most: int = 1) -> NDArray[np.int64]:
    """Return how many of 128 bits the nearest two of the strongest features differ in, at a seventh of the cost of first sight.

    A feature of a is taken as it is and mirrored; 255 where a picture has none. Of 43 copies far down each other's lists
    of neighbours 38 have two within 12 bits, and 17 % of strangers (of 32-px pictures 30 %); of 76 some way down 72 within 14,
    and 27 to 36 % (59 %).
    """
    return _asked(_nearest, keypoints, a, b, most, strongest(5), _BLOCK_OF_FEW)


def _asked(
    question: Callable[[NDArray[np.uint8], NDArray[np.uint8]], NDArray[np.int64]],
    keypoints: NDArray[np.uint8],
    a: NDArray[np.int64],
    b: NDArray[np.int64],
    most: int,
    chosen: slice | list[int],
    block: int,
) -> NDArray[np.int64]:
    """Ask of the ``chosen`` features of a and of b, (pairs, features, 18) each, at most ``block`` pairs at a time; (pairs,)."""
    count = len(range(keypoints.shape[1])[chosen] if isinstance(chosen, slice) else chosen)
    at_once = max(block, _READ // (count * keypoints.shape[2]) // block * block)
    rounds = -(-len(a) // (at_once * most))
    size = max(1, -(-len(a) // max(1, rounds * most)))  # every thread has as much to do

    def ask(start: int) -> NDArray[np.int64]:
        some = slice(start, start + size)
        of_a, of_b = (some_of(keypoints, rows[some], chosen) for rows in (a, b))
        parts = [slice(first, first + block) for first in range(0, len(of_a), block)]
        return np.concatenate([question(of_a[part], of_b[part]) for part in parts])

    with ThreadPoolExecutor(most) as threads:
        answers = list(threads.map(ask, range(0, len(a), size)))
    return np.concatenate([np.empty(0, np.int64), *answers])


def _nearest(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the least distance between a feature of a, as it is or mirrored, and one of b; ``_NONE`` where there is none."""
    as_it_is, mirrored = (apart.min(axis=(0, 1)) for _, apart in _apart_both_ways(a, b))
    nearest: NDArray[np.int64] = np.minimum(as_it_is, mirrored).astype(np.int64)
    return nearest


class Agreed(NamedTuple):
    """The matches of two pictures that agree on one affine map."""

    mirrored: bool
    """Whether the map mirrors a."""
    a: NDArray[np.float32]
    """(n, 2) x and y in the view of a, which is not mirrored."""
    b: NDArray[np.float32]
    """(n, 2) likewise in that of b."""


def agreed(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> Agreed:
    """Return those matches of one pair, (features, 18) each, that :func:`agreement` counts; none where no three give a map."""
    best = Agreed(mirrored=False, a=np.empty((0, 2), np.float32), b=np.empty((0, 2), np.float32))
    for mirrored, points_a, points_b, valid in _both_ways(a[None], b[None]):
        _, agree = _maps(points_a, points_b, valid, _DRAWN)
        if len(agree):
            chosen = agree[agree.sum(axis=1).argmax()]
            if chosen.sum() > len(best.a):
                best = Agreed(
                    mirrored, points_a[0, chosen] * np.array([-1 if mirrored else 1, 1], np.float32), points_b[0, chosen]
                )
    return best


def _block(a: NDArray[np.uint8], b: NDArray[np.uint8], drawn: int) -> NDArray[np.int64]:
    best = np.zeros(len(a), np.int64)
    for _, points_a, points_b, valid in _both_ways(a, b):
        for start in range(0, len(a), _MAPPED):
            some = slice(start, start + _MAPPED)
            pair, agree = _maps(points_a[some], points_b[some], valid[some], drawn)
            np.maximum.at(best[some], pair, agree.sum(axis=1))
    return best


def _both_ways(
    a: NDArray[np.uint8], b: NDArray[np.uint8]
) -> Iterator[tuple[bool, NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]]:
    """Yield, for a as it is and mirrored, where the best matches of each pair lie, (pairs, m, 2) twice, and which are any."""
    for mirrored, apart in _apart_both_ways(a, b):
        distance, feature_a, feature_b = _matches(apart)
        points_a = np.take_along_axis(a[..., :2], feature_a[..., None], axis=1).astype(np.float32)
        points_b = np.take_along_axis(b[..., :2], feature_b[..., None], axis=1).astype(np.float32)
        if mirrored:
            points_a[..., 0] *= -1
        yield mirrored, points_a, points_b, distance < _NONE


def _apart_both_ways(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> Iterator[tuple[bool, NDArray[np.uint8]]]:
    """Yield, for a as it is and mirrored, what :func:`_distances` gives, and ``_NONE`` where one of the two is none."""
    bits_a, bits_b = _words(a), _words(b)
    absent_a, absent_b = (_absent(features, bits) for features, bits in ((a, bits_a), (b, bits_b)))
    for mirrored in (False, True):
        apart = _distances(bits_a[::-1] if mirrored else bits_a, bits_b)
        apart |= absent_a
        apart |= absent_b[:, None]
        yield mirrored, apart


def _words(features: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Return the bits of features, (2, features, pairs): those of a mirror image are the same words in the other order."""
    return np.ascontiguousarray(np.ascontiguousarray(features[..., 2:]).view(np.uint64).transpose(2, 1, 0))


def _absent(features: NDArray[np.uint8], bits: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """Return, (features, pairs), ``_NONE`` where a row is of zeros and no feature, else 0; ``bits`` as of :func:`_words`."""
    present = (bits[0] | bits[1]).astype(bool) | features[..., 0].T.astype(bool) | features[..., 1].T.astype(bool)
    return np.where(present, np.uint8(0), np.uint8(_NONE))


def _distances(a: NDArray[np.uint64], b: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """Return the Hamming distances, (features of b, features of a, pairs), of what :func:`_words` gives of a and of b."""
    distance = np.empty((b.shape[1], *a.shape[1:]), np.uint8)
    rows = max(1, _AT_ONCE // a[0].size)
    for start in range(0, len(distance), rows):
        part = slice(start, start + rows)
        np.bitwise_count(b[0, part, None] ^ a[0], out=distance[part])
        distance[part] += np.bitwise_count(b[1, part, None] ^ a[1])
    return distance


def _matches(distance: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.intp], NDArray[np.intp]]:
    """Return the best matches of each pair: Hamming distance (``_NONE``: no match), feature of a, feature of b; (pairs, 3 to 32).

    Args:
        distance: (features of b, features of a, pairs), ``_NONE`` where one of the two is none; it is written over.
    """
    nearest_of_b = distance.min(axis=1)
    # Distance and number in one: of equally near features the first, found by a minimum, which is quicker than its place.
    numbered = np.multiply(distance, np.uint16(128))
    numbered |= np.arange(len(distance), dtype=np.uint16)[:, None, None]
    first = numbered.min(axis=0)
    nearest, best = (first & 127).astype(np.intp), (first >> 7).astype(np.uint8)
    feature, pair = np.ogrid[: nearest.shape[0], : nearest.shape[1]]
    distance[nearest, feature, pair] = _NONE
    clear = best < _RATIO * distance.min(axis=0)
    mutual = best <= nearest_of_b[nearest, pair]
    best[~(clear & mutual)] = _NONE
    best, nearest = np.ascontiguousarray(best.T), nearest.T
    chosen = np.argsort(best, axis=1, kind="stable")[:, :_COUNTED]
    chosen = chosen[:, : max(3, int((best < _NONE).sum(axis=1).max()))]
    return np.take_along_axis(best, chosen, axis=1), chosen, np.take_along_axis(nearest, chosen, axis=1)


def _maps(
    a: NDArray[np.float32], b: NDArray[np.float32], valid: NDArray[np.bool_], drawn: int
) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Return, of each believable affine map of a onto b, points (pairs, m, 2): its pair, and which points agree, (maps, m).

    Each three of the first ``drawn`` points give a map.
    """
    drawn = min(drawn, a.shape[1])
    i, j, k = _triples(drawn)
    (ax, ay), (bx, by) = (np.ascontiguousarray(points[:, :drawn].T) for points in (a, b))
    present = np.ascontiguousarray(valid[:, :drawn].T)
    ux, uy, vx, vy = (p[j] - p[i] for p in (ax, ay, bx, by))
    sx, sy, tx, ty = (p[k] - p[i] for p in (ax, ay, bx, by))
    area, area_b = ux * sy - uy * sx, vx * ty - vy * tx
    usable = (np.abs(area) > _LEAST_AREA) & present[i] & present[j] & present[k]
    area = np.where(usable, area, np.float32(1.0))
    # The map's linear part (xx xy; yx yy) takes (u, s) to (v, t).
    xx, xy = (vx * sy - tx * uy) / area, (tx * ux - vx * sx) / area
    yx, yy = (vy * sy - ty * uy) / area, (ty * ux - vy * sx) / area
    growth = area_b / area
    usable &= (growth > 1 / _GROWTH) & (growth < _GROWTH)
    usable &= xx**2 + xy**2 + yx**2 + yy**2 <= (_SQUEEZE + 1 / _SQUEEZE) * growth
    triple, pair = np.nonzero(usable)
    xx, xy, yx, yy = (part[triple, pair][:, None] for part in (xx, xy, yx, yy))
    # x and y apart: rows of pairs of numbers are ten times as slow.
    from_ax, from_ay, from_bx, from_by = (_from(points[..., axis], pair, i[triple]) for points in (a, b) for axis in (0, 1))
    off_x = xx * from_ax + xy * from_ay - from_bx
    off_y = yx * from_ax + yy * from_ay - from_by
    return pair, (off_x**2 + off_y**2 <= _TOLERANCE**2) & valid[pair]


def _from(values: NDArray[np.float32], pair: NDArray[np.intp], first: NDArray[np.intp]) -> NDArray[np.float32]:
    """Return a pair's values, (pairs, m), for each map, less that of its first point; (maps, m)."""
    less: NDArray[np.float32] = np.ascontiguousarray(values).take(pair, axis=0)
    less -= values[pair, first][:, None]
    return less


@cache
def _triples(matches: int) -> NDArray[np.intp]:
    return np.array(list(combinations(range(matches), 3)), np.intp).T

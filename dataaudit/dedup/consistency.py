"""May two pictures be copies? Asked of their local features alone, without a pixel: do they lie alike up to an affine map?

Each feature of a is matched to its nearest of b by Hamming distance, if none of a is nearer to that one, and the second nearest
of b is not as near (the ratio test; Lowe, IJCV 2004). Of the best matches every three give an affine map; what counts is
how many of them agree on one (RANSAC, Fischler and Bolles 1981, with every sample drawn). Of unrelated pictures six hardly
ever do.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import combinations
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from dataaudit.features.mapped import release

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["Agreed", "agreed", "agreement"]

_RATIO: Final = 0.95
_DRAWN: Final = 12  # the best matches of a pair; every three of them give a map
_COUNTED: Final = 32  # the best matches that may agree with it
_TOLERANCE: Final = 2.0  # pixels of the 72-px view
_LEAST_AREA: Final = 60.0  # square pixels of the parallelogram of three points: less says nothing of a map
_SQUEEZE: Final = 2.2  # largest singular value over smallest: more is no believable map
_GROWTH: Final = 16.0  # of areas, either way
_BLOCK: Final = 128  # pairs at a time: 12 MiB a thread; threads with 32 wait for one another (measured)
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

    def count(start: int) -> NDArray[np.int64]:
        some = slice(start, start + _BLOCK)
        of_a, of_b = keypoints[a[some]], keypoints[b[some]]
        release(keypoints)
        return _block(of_a, of_b)

    with ThreadPoolExecutor(most) as threads:
        counts = list(threads.map(count, range(0, len(a), _BLOCK)))
    return np.concatenate([np.empty(0, np.int64), *counts])


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
        _, agree = _maps(points_a, points_b, valid)
        if len(agree):
            chosen = agree[agree.sum(axis=1).argmax()]
            if chosen.sum() > len(best.a):
                best = Agreed(
                    mirrored, points_a[0, chosen] * np.array([-1 if mirrored else 1, 1], np.float32), points_b[0, chosen]
                )
    return best


def _block(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> NDArray[np.int64]:
    best = np.zeros(len(a), np.int64)
    for _, points_a, points_b, valid in _both_ways(a, b):
        pair, agree = _maps(points_a, points_b, valid)
        np.maximum.at(best, pair, agree.sum(axis=1))
    return best


def _both_ways(
    a: NDArray[np.uint8], b: NDArray[np.uint8]
) -> Iterator[tuple[bool, NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]]:
    """Yield, for a as it is and mirrored, where the best matches of each pair lie, (pairs, m, 2) twice, and which are any."""
    bits_a, bits_b = _words(a), _words(b)
    absent_a, absent_b = np.asarray(~a.any(axis=2)), np.asarray(~b.any(axis=2))
    absent = absent_b[:, :, None] | absent_a[:, None, :]
    for mirrored in (False, True):
        distance, feature_a, feature_b = _matches(bits_a[::-1] if mirrored else bits_a, bits_b, absent)
        points_a = np.take_along_axis(a[..., :2], feature_a[..., None], axis=1).astype(np.float32)
        points_b = np.take_along_axis(b[..., :2], feature_b[..., None], axis=1).astype(np.float32)
        if mirrored:
            points_a[..., 0] *= -1
        yield mirrored, points_a, points_b, distance < _NONE


def _words(features: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Return the bits of features, (2, pairs, features): those of a mirror image are the same words in the other order."""
    return np.ascontiguousarray(np.moveaxis(np.ascontiguousarray(features[..., 2:]).view(np.uint64), 2, 0))


def _matches(
    a: NDArray[np.uint64], b: NDArray[np.uint64], absent: NDArray[np.bool_]
) -> tuple[NDArray[np.uint8], NDArray[np.intp], NDArray[np.intp]]:
    """Return the best matches of each pair: Hamming distance (``_NONE``: no match), feature of a, feature of b; (pairs, 3 to 32).

    Args:
        a: (2, pairs, features).
        b: likewise.
        absent: (pairs, features of b, features of a) whether one of the two is none.
    """
    different = b[0][:, :, None] ^ a[0][:, None, :]
    distance = np.bitwise_count(different)
    np.bitwise_xor(b[1][:, :, None], a[1][:, None, :], out=different)
    distance += np.bitwise_count(different)
    if absent.any():
        distance[absent] = _NONE
    nearest_of_b = distance.min(axis=2)
    # Distance and number in one: of equally near features the first, found by a minimum, which is quicker than its place.
    numbered = np.left_shift(distance, 7, dtype=np.uint16)
    numbered |= np.arange(distance.shape[1], dtype=np.uint16)[:, None]
    first = numbered.min(axis=1)
    nearest, best = (first & 127).astype(np.intp), (first >> 7).astype(np.uint8)
    np.put_along_axis(distance, nearest[:, None, :], _NONE, axis=1)
    clear = best < _RATIO * distance.min(axis=1)
    mutual = best <= np.take_along_axis(nearest_of_b, nearest, axis=1)
    best[~(clear & mutual)] = _NONE
    chosen = np.argsort(best, axis=1, kind="stable")[:, :_COUNTED]
    chosen = chosen[:, : max(3, int((best < _NONE).sum(axis=1).max()))]
    return np.take_along_axis(best, chosen, axis=1), chosen, np.take_along_axis(nearest, chosen, axis=1)


def _maps(a: NDArray[np.float32], b: NDArray[np.float32], valid: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Return, of each believable affine map of a onto b, points (pairs, m, 2): its pair, and which points agree, (maps, m)."""
    i, j, k = _triples(min(_DRAWN, a.shape[1]))
    (ax, ay), (bx, by) = np.moveaxis(a, 2, 0), np.moveaxis(b, 2, 0)
    ux, uy, vx, vy = (p[:, j] - p[:, i] for p in (ax, ay, bx, by))
    sx, sy, tx, ty = (p[:, k] - p[:, i] for p in (ax, ay, bx, by))
    area, area_b = ux * sy - uy * sx, vx * ty - vy * tx
    usable = (np.abs(area) > _LEAST_AREA) & valid[:, i] & valid[:, j] & valid[:, k]
    area = np.where(usable, area, 1.0)
    # The map's linear part (xx xy; yx yy) takes (u, s) to (v, t).
    xx, xy = (vx * sy - tx * uy) / area, (tx * ux - vx * sx) / area
    yx, yy = (vy * sy - ty * uy) / area, (ty * ux - vy * sx) / area
    growth = area_b / area
    usable &= (growth > 1 / _GROWTH) & (growth < _GROWTH)
    usable &= xx**2 + xy**2 + yx**2 + yy**2 <= (_SQUEEZE + 1 / _SQUEEZE) * growth
    pair, triple = np.nonzero(usable)
    origin = i[triple]
    x, y = ax[pair] - ax[pair, origin][:, None], ay[pair] - ay[pair, origin][:, None]
    xx, xy, yx, yy = (part[pair, triple][:, None] for part in (xx, xy, yx, yy))
    off_x = xx * x + xy * y - (bx[pair] - bx[pair, origin][:, None])
    off_y = yx * x + yy * y - (by[pair] - by[pair, origin][:, None])
    return pair, (off_x**2 + off_y**2 <= _TOLERANCE**2) & valid[pair]


@cache
def _triples(matches: int) -> NDArray[np.intp]:
    return np.array(list(combinations(range(matches), 3)), np.intp).T

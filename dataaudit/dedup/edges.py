"""Nominate what is partly covered: its edges look like those of its source, whatever lies on the rest.

Of a picture of which a third is covered, by a patch, a logo or a random erasing, the hashes of the whole and the copy descriptor
tell little; but a strip along one side, and one above or below, are as they were. One of the four edges must be within few bits,
and a second one near, or else the local features must agree. Copies that were moved besides are left to the descriptor.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np

from dataaudit.dedup.consistency import agreement
from dataaudit.dedup.crowds import Crowd
from dataaudit.dedup.hamming import BITS, searches_within
from dataaudit.dedup.nominations import AFTER_HASHES, INVERSE, Nominations, closest
from dataaudit.dedup.threads import in_order
from dataaudit.domain import DIHEDRAL
from dataaudit.features.hashes import EDGES, turned_edges

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from dataaudit.config import Config
    from dataaudit.dedup.crowds import Pairs
    from dataaudit.dedup.hamming import Found
    from dataaudit.domain import FeatureTable

__all__ = ["covered_edges"]

_NEAREST: Final = 3  # bits of 63 in which one edge may differ; one fewer …
_MANY: Final = 100_000  # … among more pictures than this, where local features are not asked either
_SECOND: Final = 8  # bits in which another edge may
_COMMON: Final = 64  # partners of an edge from which it is a template's (a window's frame, a bar), and tells nothing
_SAMPLE: Final = 1024  # pictures that this is told from, and more of many …
_FEW_OF_SAMPLE: Final = 4  # … of which so many are no crowd
_PLAIN: Final = 64


def covered_edges(
    features: FeatureTable, rows: NDArray[np.int64], config: Config, few: NDArray[np.int64] | None = None
) -> Nominations:
    """Nominate pairs of ``rows``, of which one is among ``few`` where these are given, with edges that look the same.

    In each of the eight orientations; of a crowd only its nearest (see ``crowds``). A nearly plain edge tells nothing.
    """
    if not config.transformed:
        rows = rows[:0]
    crowd = Crowd(len(features))
    many = len(rows) > _MANY
    turned, still = _Edges(features, rows if few is None else few), _Edges(features, rows, orientations=1)
    sample = still.of_contents(min(len(rows), max(_SAMPLE, len(rows) // 256)))
    for edge in range(len(EDGES)):
        query = turned.telling(edge, sample, len(rows))
        item = np.flatnonzero(still.hashes[:, edge]) if few is not None else query[turned.way[query] == 0] // DIHEDRAL
        searches = searches_within(turned.hashes[query, edge], still.hashes[item, edge], _NEAREST - many)
        pair_up = partial(_confirmed, turned, query, still, item, None if many else config.agreement)
        for pairs in in_order([partial(pair_up, search) for search in searches], config.workers):
            crowd.add(*pairs)
    a, b, ways, bits = crowd.kept()
    return closest(a, b, ways.astype(np.int64), AFTER_HASHES + bits / BITS)


class _Edges:
    """The edges of pictures, in eight orientations or as they are."""

    def __init__(self, features: FeatureTable, rows: NDArray[np.int64], orientations: int = DIHEDRAL) -> None:
        """Turn those of ``rows``."""
        upright = features.edge_hashes[rows]
        self.hashes: NDArray[np.uint64] = upright if orientations == 1 else turned_edges(upright).reshape(-1, len(EDGES))
        """(n × orientations, 4)."""
        self.orientations = orientations
        self.digest = features.sha256[rows, 0]
        self.row, self.way = np.repeat(rows, orientations), np.tile(np.arange(orientations, dtype=np.int8), len(rows))
        self.keypoints = features.keypoints

    def of_contents(self, count: int) -> NDArray[np.uint64]:
        """Return the edges of ``count`` pictures, a draw that names have no say in: (count, 4)."""
        return self.hashes[np.argpartition(self.digest, count - 1)[:count]] if count else self.hashes

    def telling(self, edge: int, sample: NDArray[np.uint64], size: int) -> NDArray[np.intp]:
        """Return the places where an edge is not plain, nor, by a sample of all ``size`` pictures, that of too many."""
        shown = np.flatnonzero(self.hashes[:, edge])
        few = max(_FEW_OF_SAMPLE, _COMMON * len(sample) / max(size, 1))
        partners = np.zeros(len(self.hashes), np.int64)
        for search in searches_within(self.hashes[shown, edge], sample[sample[:, edge] != 0, edge], _NEAREST):
            for query, _, _ in search():
                np.add.at(partners, shown[query], 1)
        of_picture = np.repeat(partners.reshape(-1, self.orientations).sum(axis=1), self.orientations)
        told: NDArray[np.intp] = shown[of_picture[shown] <= few]
        return told


def _confirmed(
    turned: _Edges,
    queries: NDArray[np.intp],
    still: _Edges,
    items: NDArray[np.intp],
    least: float | None,
    search: Callable[[], Iterator[Found]],
) -> Iterator[Pairs]:
    """Yield which pairs of a search have more in common than an edge.

    Args:
        turned: what was sought …
        queries: … at these places of it …
        still: … among these …
        items: … at those places.
        least: local features that must agree where no second edge is near; None: they are not asked.
        search: yields places in ``queries`` and ``items``.
    """
    for query, item, _ in search():
        one, other = queries[query], items[item]
        new = turned.row[one] != still.row[other]
        one, other = one[new], other[new]
        apart = np.bitwise_count(turned.hashes[one] ^ still.hashes[other]).astype(np.int16)
        apart[(turned.hashes[one] == 0) | (still.hashes[other] == 0)] = _PLAIN
        first, second = np.sort(apart, axis=1)[:, :2].T
        keep = second <= _SECOND
        if least is not None:
            unsure = np.flatnonzero(~keep)
            keep[unsure] = agreement(turned.keypoints, turned.row[one[unsure]], still.row[other[unsure]]) >= least
        one, other, bits = one[keep], other[keep], (first + second)[keep]
        a, b, way = turned.row[one], still.row[other], turned.way[one]
        yield np.minimum(a, b), np.maximum(a, b), np.where(a < b, way, INVERSE[way]).astype(np.int8), bits

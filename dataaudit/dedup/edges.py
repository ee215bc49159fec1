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
_PLAIN: Final = 64


def covered_edges(
    features: FeatureTable, rows: NDArray[np.int64], config: Config, few: NDArray[np.int64] | None = None
) -> Nominations:
    """Nominate pairs of ``rows``, of which one is among ``few`` where these are given, with edges that look the same.

    In each of the eight orientations; of a crowd only its nearest (see ``crowds``). A nearly plain edge tells nothing.
    """
    crowd = Crowd(len(features))
    asked = rows if few is None else few
    many = len(rows) > _MANY
    turned, still = turned_edges(features.edge_hashes[asked]), features.edge_hashes[rows]
    for edge in range(len(EDGES)) if config.transformed else ():
        query, orientation = np.nonzero(turned[..., edge])
        item = np.flatnonzero(still[:, edge])
        found = searches_within(turned[query, orientation, edge], still[item, edge], _NEAREST - many)
        confirmed = partial(_confirmed, features, asked[query], orientation, rows[item], least=None if many else config.agreement)
        for pairs in in_order([partial(confirmed, search) for search in found], config.workers):
            crowd.add(*pairs)
    a, b, ways, bits = crowd.kept()
    return closest(a, b, ways.astype(np.int64), AFTER_HASHES + bits / BITS)


def _confirmed(
    features: FeatureTable,
    queries: NDArray[np.int64],
    orientations: NDArray[np.intp],
    items: NDArray[np.int64],
    search: Callable[[], Iterator[Found]],
    *,
    least: float | None,
) -> Iterator[Pairs]:
    """Yield which pairs of a search, of ``queries`` in their orientations among ``items``, have more in common than an edge.

    ``least``: local features that must agree where no second edge is near; None: those are not asked.
    """
    for query, item, _ in search():
        turned, orientation, still = queries[query], orientations[query], items[item]
        of_turned, of_still = features.edge_hashes[turned], features.edge_hashes[still]
        of_turned = turned_edges(of_turned)[np.arange(len(turned)), orientation]
        apart = np.bitwise_count(of_turned ^ of_still).astype(np.int16)
        apart[(of_turned == 0) | (of_still == 0)] = _PLAIN
        first, second = np.sort(apart, axis=1)[:, :2].T
        keep = (turned != still) & (second <= _SECOND)
        if least is not None:
            unsure = np.flatnonzero((turned != still) & ~keep)
            keep[unsure] = agreement(features.keypoints, turned[unsure], still[unsure]) >= least
        turned, still, orientation = turned[keep], still[keep], orientation[keep]
        way = np.where(turned < still, orientation, INVERSE[orientation]).astype(np.int8)
        yield np.minimum(turned, still), np.maximum(turned, still), way, (first + second)[keep]

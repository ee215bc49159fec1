"""Nominate what is partly covered: its edges look like those of its source, whatever lies on the rest.

Of a picture of which a third is covered, by a patch, a logo or a random erasing, the hashes of the whole and the copy descriptor
tell little; but unless the cover is long and narrow, a strip at one side and one above or below are as they were. One of the four
edges must be within few bits, and a second one near, or else the local features must agree (not asked above 100,000 pictures).
Copies that were moved besides are left to the descriptor.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np

from dataaudit.dedup.consistency import agreement
from dataaudit.dedup.crowds import Crowd
from dataaudit.dedup.hamming import BITS, searches_within
from dataaudit.dedup.nominations import AFTER_HASHES, Nominations, closest, in_order_of_content, in_order_of_rows
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
_COMMON: Final = 64  # partners of an edge from which it is a template's (a window's frame, a bar), and tells nothing, …
_SAMPLE: Final = 1024  # … told from so many pictures, and from a 16th of many
_UNLIKE: Final = 64  # bits, of an edge that is nearly plain in one of the two


def covered_edges(
    features: FeatureTable, rows: NDArray[np.int64], config: Config, few: NDArray[np.int64] | None = None
) -> Nominations:
    """Nominate pairs of ``rows``, of which one is among ``few`` where these are given, with edges that look the same.

    In each of the eight orientations; of a crowd only its nearest (see ``crowds``). A nearly plain edge tells nothing.
    """
    crowd = Crowd(len(features))
    if config.transformed and len(rows):
        asked, many = rows if few is None else few, len(rows) > _MANY
        upright, turned = features.edge_hashes[rows], turned_edges(features.edge_hashes[asked]).reshape(-1, len(EDGES))
        size = min(len(rows), max(_SAMPLE, len(rows) // 16))
        sample = upright[np.argpartition(features.sha256[rows, 0], size - 1)[:size]]  # names have no say in it
        radius = _NEAREST - many
        for edge in range(len(EDGES)):
            query = _telling(turned[:, edge], sample[:, edge], radius, _COMMON * size / len(rows), every=few is not None)
            item = np.flatnonzero(upright[:, edge]) if few is not None else query[query % DIHEDRAL == 0] // DIHEDRAL
            searches = searches_within(turned[query, edge], upright[item, edge], radius)
            confirmed = partial(_confirmed, features, asked, turned, query, rows[item], least=None if many else config.agreement)
            for pairs in in_order([partial(confirmed, search) for search in searches], config.workers):
                crowd.add(*pairs)
    a, b, ways, bits = crowd.kept()
    return closest(a, b, ways.astype(np.int64), AFTER_HASHES + bits / BITS)


def _telling(
    turned: NDArray[np.uint64], sample: NDArray[np.uint64], radius: int, most: float, *, every: bool
) -> NDArray[np.intp]:
    """Return the places of one edge in ``turned``, (n × 8), that are not plain, nor of a picture with too many partners.

    Those are counted in a sample, of which a picture may itself be one: as the picture lies, for templates seldom lie otherwise;
    in ``every`` orientation, of which the largest number counts, where it is not left out of what is searched.
    """
    shown = np.flatnonzero(turned)
    counted = shown if every else shown[shown % DIHEDRAL == 0]
    partners = np.zeros(len(turned), np.int64)
    for search in searches_within(turned[counted], sample[sample > 0], radius):
        for query, _, _ in search():
            np.add.at(partners, counted[query], 1)
    common = partners.reshape(-1, DIHEDRAL).max(axis=1) > most
    telling: NDArray[np.intp] = shown[~common[shown // DIHEDRAL]]
    return telling


def _confirmed(
    features: FeatureTable,
    asked: NDArray[np.int64],
    turned: NDArray[np.uint64],
    queries: NDArray[np.intp],
    items: NDArray[np.int64],
    search: Callable[[], Iterator[Found]],
    *,
    least: float | None,
) -> Iterator[Pairs]:
    """Yield which pairs of a search have more in common than an edge.

    Args:
        features: of all rows.
        asked: rows that others are sought for.
        turned: (asked × 8, 4) their edges in the eight orientations.
        queries: places in ``turned`` that were sought.
        items: rows among which they were.
        search: yields places in ``queries`` and ``items``.
        least: local features that must agree where no second edge is near; None: they are not asked.
    """
    for query, item, _ in search():
        place, still = queries[query], items[item]
        row = asked[place // DIHEDRAL]
        new = row != still
        place, row, still = place[new], row[new], still[new]
        of_turned, of_still = turned[place], features.edge_hashes[still]
        apart = np.bitwise_count(of_turned ^ of_still).astype(np.int16)
        apart[(of_turned == 0) | (of_still == 0)] = _UNLIKE
        first, second = np.sort(apart, axis=1)[:, :2].T
        a, b, way = in_order_of_rows(row, still, place % DIHEDRAL)
        keep = second <= _SECOND
        if least is not None:
            unsure = np.flatnonzero(~keep)
            keep[unsure] = agreement(features.keypoints, *in_order_of_content(features, a[unsure], b[unsure])) >= least
        yield a[keep], b[keep], way[keep], (first + second)[keep]

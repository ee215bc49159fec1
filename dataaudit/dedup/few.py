"""A few pictures against all of them: what a check of some new files needs, without the search of each against each.

The nominations of a few rows are those that :mod:`dataaudit.dedup.candidates` would make of pairs they have a part in, but for
the descriptor's. Of these more nearest are looked at, for whether the few are among the nearest *of the others* is not found
out, and no more is asked of a pair than of a nearest one. Of a picture that is among the nearest of very many some may be missed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from dataaudit.dedup.candidates import (
    NOT_MEAN,
    borne_out,
    by_score,
    descriptor_least,
    distance256,
    few_keypoints,
    hash_radius,
    neighbours_asked,
)
from dataaudit.dedup.edges import covered_edges
from dataaudit.dedup.hamming import pairs_within
from dataaudit.dedup.neighbours import BACKGROUND, NEAR, NORMALISATION, ROUNDED, UNIT, in_units, nearness
from dataaudit.dedup.nominations import Nominations, closest, in_order_of_rows, merged
from dataaudit.dedup.ranks import ranks
from dataaudit.dedup.vectors import Vectors, described
from dataaudit.domain import DIHEDRAL

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dataaudit.config import Config
    from dataaudit.domain import FeatureTable

__all__ = ["nearest_among", "nominate_few"]

_MORE: Final = 4  # times config.neighbours that are looked at of each of the few, at least: as many as among a million
_OF_INDEX: Final = 16  # nearest of an index, at most: nothing but their score says that they may be copies
_PRODUCTS: Final = 1 << 24  # held at once


def nominate_few(features: FeatureTable, rows: NDArray[np.int64], few: NDArray[np.int64], config: Config) -> Nominations:
    """Nominate pairs of ``rows`` of which at least one is among ``few`` (which are among ``rows``)."""
    return merged(
        [
            _by_hash(features, rows, few, config),
            _by_descriptor(features, rows, few, config),
            covered_edges(features, rows, config, few),
        ]
    )


def _by_hash(features: FeatureTable, rows: NDArray[np.int64], few: NDArray[np.int64], config: Config) -> Nominations:
    """Look for each orientation of the few among the upright hashes, and for the few among each orientation of the others."""
    upright_few, upright = features.phash64[few, 0] & NOT_MEAN, features.phash64[rows, 0] & NOT_MEAN
    radius, found = hash_radius(len(rows), config), []
    for orientation in range(DIHEDRAL):
        query, item, _ = pairs_within(features.phash64[few, orientation] & NOT_MEAN, upright, radius)
        found.append((few[query], rows[item], orientation))
        query, item, _ = pairs_within(upright_few, features.phash64[rows, orientation] & NOT_MEAN, radius)
        found.append((rows[item], few[query], orientation))
    columns = []
    for turned, still, orientation in found:
        distance = distance256(features, turned, orientation, still)
        keep = (turned != still) & (distance <= config.hamming256)
        columns.append((*in_order_of_rows(turned[keep], still[keep], orientation), distance[keep] / 255.0))
    return closest(*(np.concatenate(column) for column in zip(*columns, strict=True)))


def _by_descriptor(features: FeatureTable, rows: NDArray[np.int64], few: NDArray[np.int64], config: Config) -> Nominations:
    """Nominate the nearest of each of the few, normalised as in :mod:`dataaudit.dedup.neighbours`."""
    empty = np.empty(0, np.int64)
    rows, few = described(features, rows), described(features, few)
    if not config.transformed or not config.neighbours or len(rows) < 2 or not len(few):  # noqa: PLR2004 - a pair
        return Nominations(empty, empty, empty, np.empty(0))
    least = descriptor_least(len(rows), config)
    vectors = Vectors.of_pictures(features, rows)
    asked = vectors.of_some(few)
    block = max(1, _PRODUCTS // len(vectors.order))
    blocks = [asked[start : start + block] for start in range(0, len(asked), block)]
    count = max(_MORE * config.neighbours, neighbours_asked(len(rows), config))
    best = [_best(vectors, some, least, count) for some in blocks]
    one, other, score = (np.concatenate(column) for column in zip(*best, strict=True))
    a, b = np.minimum(one, other), np.maximum(one, other)
    order = np.lexsort((-score, b, a))
    once = order[ranks(a[order] * len(features) + b[order]) == 0]
    a, b, score = a[once], b[once], score[once]
    place = np.zeros(len(a), np.int64)  # perhaps, among the nearest of the others
    too_few = few_keypoints(features, _distinct(np.concatenate([a, b]), len(features)))
    kept = borne_out(features, too_few, a, b, score, place, least, config)
    return by_score(features, a[kept], b[kept], score[kept])


def _distinct(numbers: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Return which of the numbers below ``size`` there are, ascending."""
    present = np.zeros(size, bool)
    present[numbers] = True
    return np.flatnonzero(present)


def _best(
    vectors: Vectors, few: NDArray[np.int64], least: float, count: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Return the pictures of each of the few vectors and of its ``count`` best others, and their scores; the best first.

    None is below ``least``.

    To know how near a picture is to the background costs most, so it is found out of few: first of those of the largest
    products, which say how good the others must be; then, by an eighth of the background, which is never nearer than all
    of it, of what may still be as good.
    """
    values, rows = vectors.values, vectors.order
    picture, picture_few = vectors.of[rows], vectors.of[few]
    background = in_units(values[vectors.whole[:BACKGROUND]])
    asked = in_units(values[few])
    near_few = NORMALISATION * nearness(asked, background).astype(np.float64)
    parts = [in_units(values[rows[start : start + BACKGROUND]]) for start in range(0, len(rows), BACKGROUND)]
    products = np.concatenate([asked @ part.T for part in parts], axis=1)
    near = np.full(len(rows), np.nan)

    def learn(places: NDArray[np.int64]) -> None:
        new = _distinct(places[np.isnan(near[places])], len(rows))
        near[new] = NORMALISATION * nearness(in_units(values[rows[new]]), background)

    def scores(query: NDArray[np.int64], place: NDArray[np.int64]) -> NDArray[np.float64]:
        known: NDArray[np.float64] = (products[query, place] - (near_few[query] + near[place])) / UNIT**2
        known[picture_few[query] == picture[place]] = -np.inf
        return known

    if len(rows) <= BACKGROUND:  # among few, nearness may be below 0, the least that is reckoned with below
        learn(np.arange(len(rows)))
    first = min(2 * count, len(rows))
    place = np.argpartition(-products, first - 1, axis=1)[:, :first]
    query = np.repeat(np.arange(len(few)), first)
    learn(place.reshape(-1))
    best = np.sort(scores(query, place.reshape(-1)).reshape(len(few), first), axis=1)
    enough = np.maximum(least, best[:, -count]) if first >= count else np.full(len(few), least)
    floor = enough * UNIT**2 + near_few
    bound = np.nan_to_num(near)
    query, place = np.nonzero(products - bound.astype(np.float32) >= floor[:, None].astype(np.float32) - ROUNDED)
    unknown = _distinct(place[np.isnan(near[place])], len(rows))
    eighth = background[:: max(1, min(8, len(background) // NEAR[1]))]
    bound[unknown] = NORMALISATION * np.maximum(nearness(in_units(values[rows[unknown]]), eighth), 0.0)
    hopeful = products[query, place] - bound[place] >= floor[query] - ROUNDED
    query, place = query[hopeful], place[hopeful]
    learn(place)
    score = scores(query, place)
    keep = score >= enough[query]
    query, place, score = query[keep], place[keep], score[keep]
    order = np.lexsort((rows[place], -score, query))
    order = order[ranks(query[order]) < count]
    return picture_few[query[order]], picture[place[order]], score[order]


def nearest_among(
    few: NDArray[np.float16], index: NDArray[np.float16], config: Config
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return, of each of a few descriptors, its 16 nearest of an index that are near enough: (few, index).

    ``config.neighbours``, where these are fewer.
    """
    empty = np.empty(0, np.int64)
    if not config.transformed or not config.neighbours or not len(few) or not len(index):
        return empty, empty
    least = descriptor_least(len(few) + len(index), config)
    asked, others = in_units(few), in_units(index)
    background = others[:: max(1, len(others) // BACKGROUND)][:BACKGROUND]
    products = asked @ others.T
    wanted = min(config.neighbours, _OF_INDEX)
    count = min(_MORE * wanted, len(others))
    nearest = np.argpartition(-products, count - 1, axis=1)[:, :count]
    query = np.repeat(np.arange(len(asked)), count)
    other = nearest.reshape(-1)
    near = nearness(asked, background)[query].astype(np.float64) + nearness(others[other], background)
    score = (products[query, other] - NORMALISATION * near) / UNIT**2
    order = np.lexsort((other, -score, query))
    keep = order[(np.arange(len(order)) % count < wanted) & (score[order] >= least)]
    return query[keep].astype(np.int64), other[keep].astype(np.int64)

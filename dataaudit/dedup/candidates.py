"""Nominators: cheap searches that propose pairs for the verifier. What none of them proposes is never looked at.

A nominator is a function ``(features, rows, config) → Nominations``; ``NOMINATORS`` is their visible list.
"""

from __future__ import annotations

from dataclasses import fields, replace
from functools import partial
from math import ceil, log10
from typing import TYPE_CHECKING, Final

import numpy as np

from dataaudit.dedup.consistency import agreement, first_sight, least_distance
from dataaudit.dedup.crowds import Crowd
from dataaudit.dedup.edges import covered_edges
from dataaudit.dedup.hamming import searches_within
from dataaudit.dedup.neighbours import DOWN, FAR, FIRST, nearest
from dataaudit.dedup.nominations import AFTER_HASHES, Nominations, closest, in_order_of_content, in_order_of_rows, merged
from dataaudit.dedup.threads import in_order
from dataaudit.dedup.vectors import Vectors, described
from dataaudit.domain import DIHEDRAL
from dataaudit.engines.memory import give_back
from dataaudit.features.mapped import release, some_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from dataaudit.config import Config
    from dataaudit.dedup.crowds import Pairs
    from dataaudit.dedup.hamming import Found
    from dataaudit.domain import FeatureTable

NOT_MEAN: Final = np.uint64(~(1 << 63) & (2**64 - 1))
"""Mask of a hash's first word without its first bit, the mean grey: unstable under brightness."""

_SCORE_A_DECADE: Final = 0.06  # by which the threshold rises when there are ten times as many pictures (measured)
_FULL_RADIUS_UP_TO: Final = 100_000
_BITS_A_DECADE: Final = 5.0
_LEAST_RADIUS: Final = 4
_FEW_KEYPOINTS: Final = 24
_A_FAR: Final = 6.8  # features that a score as much again above the least as descriptor_far stands for (measured)
_BARELY: Final = 5 / 6  # of descriptor_far: a score that is not so much above the least asks for one more
_NEAR: Final = 14, 12  # bits of 128: of a pair DOWN, or FAR down, each other's list two of the strongest features must be as near
_PROMISING: Final = 4
"""Local features that agree at first sight; FAR down one more: 2 of 76 copies lack it, three in four strangers."""
_BLOCK: Final = 4096


def dihedral_hash(features: FeatureTable, rows: NDArray[np.int64], config: Config) -> Nominations:
    """Nominate by perceptual hash in eight orientations: near in 64 bits, confirmed by 256.

    Every pair of ``rows`` with an orientation within :func:`hash_radius` bits of 63 (the mean is masked) and within
    ``config.hamming256`` of 255 is nominated in each such orientation; of a crowd, only its nearest (see ``crowds``).
    """
    found = searches_within(
        features.phash64[rows].reshape(-1) & NOT_MEAN, features.phash64[rows, 0] & NOT_MEAN, hash_radius(len(rows), config)
    )
    crowd = Crowd(len(features))
    for a, b, way, distance in in_order(
        [partial(_confirmed, features, rows, config, search) for search in found], config.workers
    ):
        crowd.add(a, b, way, distance)
    a, b, ways, distances = crowd.kept()
    return closest(a, b, ways.astype(np.int64), distances / 255.0)


def _confirmed(
    features: FeatureTable, rows: NDArray[np.int64], config: Config, search: Callable[[], Iterator[Found]]
) -> Iterator[Pairs]:
    """Yield which pairs of a search (of each of ``rows`` in eight orientations, among them as they are) 256 bits confirm."""
    for query, still, _ in search():
        turned, orientation = np.divmod(query, DIHEDRAL)
        different = np.flatnonzero(turned != still)
        turned, still, orientation = rows[turned[different]], rows[still[different]], orientation[different]  # noqa: PLW2901 - rows
        distance = distance256(features, turned, orientation, still)
        keep = np.flatnonzero(distance <= config.hamming256)
        turned, still, orientation, distance = turned[keep], still[keep], orientation[keep], distance[keep]  # noqa: PLW2901
        yield *in_order_of_rows(turned, still, orientation), distance.astype(np.int16)


def hash_radius(images: int, config: Config) -> int:
    """Return the bits of 63 within which hashes are near: ``config.hamming64`` up to 100,000 images, five fewer a decade above.

    The wider the radius the more has to be looked at: at 10⁶ images 8 bits cost five times what 5 do. Of 250 photographs within
    5 bits of their copy: JPEG 30, half the size, blurred, noisy, grey, squashed 100 %, 30 % brighter 94 %, cropped by 5 % half.
    Those that are farther apart are the descriptor's to find.
    """
    fewer = ceil(_BITS_A_DECADE * log10(max(1.0, images / _FULL_RADIUS_UP_TO)))
    return max(min(config.hamming64, _LEAST_RADIUS), config.hamming64 - fewer)


def descriptor_neighbours(features: FeatureTable, rows: NDArray[np.int64], config: Config) -> Nominations:
    """Nominate each picture's nearest by copy descriptor, if they are near enough.

    See :mod:`dataaudit.dedup.neighbours`. The threshold rises with the number of pictures, so that the number of false
    nominations a picture does not.
    """
    rows = described(features, rows)
    if not config.transformed or not config.neighbours or len(rows) < 2:  # noqa: PLR2004 - a pair
        empty = np.empty(0, np.int64)
        return Nominations(empty, empty, empty, np.empty(0))
    least, few = descriptor_least(len(rows), config), few_keypoints(features, rows)

    def keep(
        a: NDArray[np.int64], b: NDArray[np.int64], score: NDArray[np.float64], place: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        return borne_out(features, few, a, b, score, place, least, config)

    vectors = Vectors.of_pictures(features, rows)
    found = nearest(vectors.values, vectors.order, neighbours_asked(len(rows), config), least, keep, vectors.of)
    return replace(by_score(features, found.a, found.b, found.score), index_recall=found.recall)


def by_score(features: FeatureTable, a: NDArray[np.int64], b: NDArray[np.int64], score: NDArray[np.float64]) -> Nominations:
    """Return nominations, ``a < b``, by normalised score of the descriptors.

    Each in the orientation in which the perceptual hashes are nearest, however far they are: it is tried as it is, for what is
    covered in good part cannot be registered, and often was not moved.
    """
    found = closest(a, b, np.full(len(a), -1), AFTER_HASHES + np.maximum(1.0 - score, 0.0) / 2.0)
    apart = np.stack([distance256(features, found.a, orientation, found.b) for orientation in range(DIHEDRAL)])
    return replace(found, orientation=apart.argmin(axis=0))


def few_keypoints(features: FeatureTable, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which of ``rows`` have too few local features to be asked, (n,) a flag a row of ``features``; not of others."""
    few = np.zeros(len(features), bool)
    for start in range(0, len(rows), _BLOCK):
        part = rows[start : start + _BLOCK]
        few[part] = some_of(features.keypoints, part).any(axis=2).sum(axis=1) < _FEW_KEYPOINTS
    return few


def borne_out(
    features: FeatureTable,
    few: NDArray[np.bool_],
    a: NDArray[np.int64],
    b: NDArray[np.int64],
    score: NDArray[np.float64],
    place: NDArray[np.int64],
    least: float,
    config: Config,
) -> NDArray[np.bool_]:
    """Return which pairs, ``a < b``, near by descriptor, the local features of both bear out, where neither has too ``few``.

    Where one has (a smooth or tiny picture), the pair stands if its score is clearly above ``least``. Where one is the other's
    nearest, at ``place`` 0, fewer have to agree the higher the score is above ``least``, or above what that is among 10,000
    pictures if that is more: the features of fine, even textures are not the same at another scale. One more
    has to where neither is the other's nearest, or the score is barely above that; and again one where neither is among the
    other's ``FIRST``. The latter must be promising at first sight before all their features are asked, and where each is ``FAR``
    down the other's list more so; and before that, where each is ``DOWN`` it, two of the strongest features be near.
    """
    unheard = few[a] | few[b]
    kept: NDArray[np.bool_] = unheard & (score >= least + config.descriptor_clear)
    above = score - max(least, config.descriptor_score)
    times_far = above / max(config.descriptor_far, 1e-6)
    fewer = np.where(place == 0, np.maximum(_A_FAR * (times_far - 1.0), 0.0), 0.0)
    needed = config.agreement - fewer + ((place > 0) | (times_far < _BARELY)) + (place >= FIRST)
    a, b = in_order_of_content(features, a, b)
    hopeful = ~unheard
    down = np.flatnonzero(hopeful & (place >= DOWN))
    nearest_two = least_distance(features.keypoints, a[down], b[down], config.workers)
    hopeful[down] = nearest_two <= np.where(place[down] < FAR, *_NEAR)
    doubted = hopeful & (place >= FIRST)
    agreeing_first = first_sight(features.keypoints, a[doubted], b[doubted], config.workers)
    hopeful[doubted] = agreeing_first >= _PROMISING + (place[doubted] >= FAR)
    asked = np.flatnonzero(hopeful)
    agreeing = agreement(features.keypoints, a[asked], b[asked], config.workers)
    kept[asked] = agreeing >= needed[asked]
    return kept


def descriptor_least(size: int, config: Config) -> float:
    """Return the score from which a pair of ``size`` pictures is nominated."""
    return config.descriptor_score + _SCORE_A_DECADE * max(-1.0, float(np.log10(size / 10_000)))


def neighbours_asked(size: int, config: Config) -> int:
    """Return how many nearest of each of ``size`` pictures are looked at: a copy has more before it where there are more.

    ``config.neighbours`` up to 1,000 pictures, and as many more a decade.
    """
    return round(config.neighbours * max(1.0, log10(size / 100)))


NOMINATORS: Final[tuple[Callable[[FeatureTable, NDArray[np.int64], Config], Nominations], ...]] = (
    dihedral_hash,
    descriptor_neighbours,
    covered_edges,
)
"""Every search that proposes pairs. A new one is a function here; where only a few files are asked about, one in ``few``."""


def nominate(features: FeatureTable, rows: NDArray[np.int64], config: Config) -> Nominations:
    """Ask every nominator and merge what they propose. Each lets go of the columns in files, and of what it freed."""
    found = []
    for nominator in NOMINATORS:
        found.append(nominator(features, rows, config))
        for column in fields(features):
            release(getattr(features, column.name))
        give_back()
    return merged(found)


def distance256(
    features: FeatureTable, turned: NDArray[np.int64], orientation: int | NDArray[np.int64], still: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return the bits of 255 in which ``turned``, in an orientation (or each in its own), differs from ``still``; (pairs,)."""
    return bits_apart(features.phash256[turned, orientation], features.phash256[still, 0])


def bits_apart(one: NDArray[np.uint64], other: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return the bits of 255 in which hashes of 256 bits, (pairs, 4) or one for all, differ; (pairs,)."""
    difference = one ^ other
    difference[:, 0] &= NOT_MEAN
    distance: NDArray[np.int64] = np.bitwise_count(difference).sum(axis=1, dtype=np.int64)
    return distance

"""The copy groups as the LEK, DUP and LBL rules look at them, and how a pair of copies is put in words."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from dataaudit.domain import RELATIONS, CopyPair, Transform
from dataaudit.statistics.copies import one_of_each
from dataaudit.wording import likeness, percent, region

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from dataaudit.domain import FeatureTable, Measurements, Relation

__all__ = [
    "NOT_SEARCHED",
    "CopyGroup",
    "closest",
    "closest_first",
    "copy_groups",
    "counted_once",
    "how_alike",
    "same_content",
    "sentence",
]

NOT_SEARCHED: Final = (
    "not-applicable: left out by --no-transformed; of transformed copies only mirrored and turned ones are found"
)


@dataclass(frozen=True, slots=True)
class CopyGroup:
    """Two or more rows that are proved to show the same picture, and the proved edges that join them."""

    rows: tuple[int, ...]
    pairs: tuple[CopyPair, ...]


def copy_groups(measurements: Measurements) -> Iterator[CopyGroup]:
    """Yield the copy groups in the order of their first rows, each with its proved pairs."""
    component = measurements.copies.component
    edges: dict[int, list[CopyPair]] = defaultdict(list)
    for pair in measurements.copies.pairs:
        if pair.verdict == "proved":
            edges[int(component[pair.a])].append(pair)
    for rows in measurements.copies.groups():
        yield CopyGroup(rows, tuple(edges[rows[0]]))


def closest_first(pairs: Iterable[CopyPair]) -> tuple[CopyPair, ...]:
    """Return the pairs sorted by how close they are: relation, then similarity, then rows."""
    return tuple(sorted(pairs, key=lambda pair: (RELATIONS.index(pair.relation), -pair.similarity, pair.a, pair.b)))


def same_content(features: FeatureTable, first: int, second: int) -> Literal["exact", "pixel"] | None:
    """Say whether two rows are equal byte for byte, or pixel for pixel, or neither."""
    words = features.sha256[first]
    if words.any() and bool((words == features.sha256[second]).all()):
        return "exact"
    digest = features.pixel_digest[first]
    return "pixel" if digest and digest == features.pixel_digest[second] else None


def closest(
    measurements: Measurements, group: CopyGroup, rows: Iterable[int], apart: NDArray[np.generic] | None = None
) -> CopyPair:
    """Return the closest pair among ``rows`` of a group; with ``apart`` (n,), of two rows that differ in it.

    Equal content is seen even where the graph links the two rows only by way of others. Where no proved edge joins two such
    rows and none are equal, they are known through a chain: the pair returned is then the first two rows, with the loosest
    relation and the lowest similarity of the group's edges, and no transform.

    Raises:
        ValueError: if no two of the rows qualify.
    """
    members = sorted(rows)
    inside = set(members)
    direct = [
        pair
        for pair in group.pairs
        if pair.a in inside and pair.b in inside and (apart is None or apart[pair.a] != apart[pair.b])
    ]
    equal = [
        CopyPair(a, b, same, "proved", 1.0, 1.0, Transform())
        for a, b in _equal_pairs(measurements.features, members, apart)
        if (same := same_content(measurements.features, a, b))
    ]
    found = closest_first([*direct, *equal])
    if found:
        return found[0]
    a, b = next((a, b) for a, b in combinations(members, 2) if apart is None or apart[a] != apart[b])
    loosest = closest_first(group.pairs)[-1]
    return CopyPair(a, b, loosest.relation, "proved", min(pair.similarity for pair in group.pairs), loosest.overlap)


def _equal_pairs(features: FeatureTable, members: list[int], apart: NDArray[np.generic] | None) -> Iterator[tuple[int, int]]:
    """Yield one pair of rows of equal content a digest, in ascending order; with ``apart``, rows that differ in it."""
    for column in (features.sha256, features.pixel_digest[:, None]):
        rows_of: dict[bytes, list[int]] = defaultdict(list)
        for row in members:
            if column[row].any():
                rows_of[column[row].tobytes()].append(row)
        for rows in rows_of.values():
            other = next((row for row in rows[1:] if apart is None or apart[row] != apart[rows[0]]), None)
            if other is not None:
                yield rows[0], other


def sentence(measurements: Measurements, pair: CopyPair) -> str:
    """Say what a pair is, of the file in the later split: ``val/cat/07.jpg is train/cat/113.jpg, mirrored, similarity 0.97``."""
    paths, told = measurements.catalog.paths, measurements.scored_last(pair)
    return f"{paths[told.b]} {how_alike(told, paths[told.a])}"


def how_alike(pair: CopyPair, other: str) -> str:
    """Say how file b of a pair relates to ``other``, which is a."""
    if pair.relation == "exact":
        return f"is the same file as {other}, byte for byte"
    if pair.relation == "pixel":
        return f"has the same pixels as {other}, in another file"
    told = [f"{'is' if pair.verdict == 'proved' else 'may be'} {other}"]
    if pair.transform is None or pair.relation == "near":
        told.append(_LOOSE[pair.relation])
    else:
        told.append(pair.transform.describe())
        told += [f"overlap {percent(pair.overlap, 0)}"] * (pair.overlap < _WHOLE)
    told.append(f"similarity {likeness(pair.similarity)}")
    told += [f"differs {region(pair.differs)}"] if pair.differs is not None else []
    return ", ".join(told)


_WHOLE = 0.99
_LOOSE: dict[Relation, str] = {"near": "re-encoded, resized or retouched", "transformed": "in another view"}


def counted_once(measurements: Measurements) -> NDArray[np.bool_]:
    """Return (n,) True for the first row of every copy group within a split and label, and for every row without copies.

    Statistics are made on these rows, so that copies do not pass for evidence.
    """
    catalog = measurements.catalog
    mask = np.zeros(len(catalog), bool)
    mask[one_of_each(np.arange(len(catalog)), measurements.copies.component, catalog.split_codes, catalog.label_codes)] = True
    return mask

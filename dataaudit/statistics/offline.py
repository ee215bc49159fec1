"""Offline augmentation: transformed copies piled up on disk, and the policy that made them.

Of every copy group the *original* is guessed: among its largest pictures the one whose name all the others begin with, else the
one that lies in the middle of the others, for augmentation draws about the original. The transforms from it to the others are
taken apart as Keras's ``ImageDataGenerator`` puts them together (``keras/src/legacy/preprocessing/image.py``: out → in =
rotation · shift · shear · zoom of x and y), and the ranges are read off their quantiles. Shifts are told as they are, of the
width and of the height: of pictures that are not square Keras takes the width's range of the height, and the height's of the
width (measured with Keras 3.15).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from math import atan2, cos, degrees, hypot, sin
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

import numpy as np

from dataaudit.domain import Policy, Transform

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from dataaudit.domain import CopyPair, FeatureTable, Measurements

__all__ = ["Pile", "offline", "policy"]

FEWEST: Final = 10, 20
"""Pictures that have augmented copies, and copies, from which these are told as offline augmentation."""
VARIED: Final = 0.2
"""Share of the copies that are more than shifted: overlapping shots of one scene are shifted only."""
SLIGHT: Final = 0.06
"""Distance of a map from the identity, in halves of the frame, under which a copy is no augmented one."""
AS_LARGE: Final = 0.8
"""Pixels of a picture, as a share of those of the largest of its group, from which it may be the original."""
SEEN: Final = 0.05
"""Share of the copies that must show a kind of change for it to belong to the policy."""
SHEARED: Final = 0.25
"""The same for shear, which rotation and uneven zoom together pass for."""
MOST: Final = 4_000
"""Copies whose transforms are taken apart; of more, evenly spaced ones."""
NOISE: Final = {"rotation": 1.5, "shift": 0.02, "shear": 5.0, "zoom": 0.04}
"""What registration alone may show: degrees, fractions, degrees, factor."""
FULL_CIRCLE: Final = 30.0
"""Degrees beside the quarter turns from which these are no turns of their own but part of a rotation by any angle."""

_DIHEDRAL: Final = np.array(
    [
        np.array([[s, 0], [0, t]]) if straight else np.array([[0, s], [t, 0]])
        for straight in (1, 0)
        for s in (1, -1)
        for t in (1, -1)
    ]
)


@dataclass(frozen=True, slots=True)
class Pile:
    """One picture and its augmented copies."""

    original: int
    copies: tuple[int, ...]
    maps: tuple[NDArray[np.float64], ...]
    """One a copy, (3, 3), pixel centres of the original to those of the copy."""


def offline(measurements: Measurements, rows: NDArray[np.bool_]) -> tuple[Pile, ...]:
    """Return the pictures of ``rows``, (n,), that have augmented copies there; none where it is no offline augmentation.

    That takes ``FEWEST`` of both, and copies of which ``VARIED`` are mirrored, turned, zoomed or sheared: bursts and
    overlapping shots are not.
    """
    found = tuple(_piles(measurements, rows))
    if len(found) < FEWEST[0] or sum(len(pile.copies) for pile in found) < FEWEST[1]:
        return ()
    varied = [more for pile in found for more in _more_than_shifted(pile, measurements.features)]
    return found if np.mean(varied) >= VARIED else ()


def policy(measurements: Measurements, piles: Sequence[Pile]) -> Policy:
    """Return what the copies of at least one pile tell of the policy that made them."""
    features = measurements.features
    every = [(pile.original, row, change) for pile in piles for row, change in zip(pile.copies, pile.maps, strict=True)]
    drawn = [every[index] for index in np.unique(np.linspace(0, len(every) - 1, min(len(every), MOST)).astype(int))]
    named = [
        (Transform.of_whole(change, size, other), other)
        for first, row, change in drawn
        for size, other in [(_size(features, first), _size(features, row))]
    ]
    turns = np.array([round(transform.rotation / 90.0) % 4 for transform, _ in named])
    mirrored = np.array([transform.mirrored for transform, _ in named])
    values = np.array([_keras(transform, size) for transform, size in named])  # rotation, width, height, shear, two zooms
    rotation = _range(values[:, 0], NOISE["rotation"])
    if rotation > FULL_CIRCLE and np.isin(turns, (1, 3)).mean() > SEEN:
        rotation, turns = 180.0, np.zeros_like(turns)
    flips = bool((mirrored & (turns == 2)).mean() > SEEN)  # noqa: PLR2004 - a mirrored half turn is an upside-down flip
    upside_down = (turns == 2) & (flips | mirrored)  # noqa: PLR2004
    sideways = np.where(upside_down, ~mirrored, mirrored)
    return Policy(
        pictures=len(piles),
        copies=len(every),
        rotation_range=float(round(rotation)),
        width_shift_range=round(_range(values[:, 1], NOISE["shift"]), 2),
        height_shift_range=round(_range(values[:, 2], NOISE["shift"]), 2),
        shear_range=float(round(_range(values[:, 3], NOISE["shear"], SHEARED))),
        zoom_range=_zoom(values[:, 4:].ravel()),
        horizontal_flip=_share(sideways),
        vertical_flip=_share(upside_down),
        quarter_turns=_share((turns > 0) & ~upside_down),
    )


def _piles(measurements: Measurements, rows: NDArray[np.bool_]) -> Iterator[Pile]:
    component, features = measurements.copies.component, measurements.features
    edges: dict[int, list[CopyPair]] = defaultdict(list)
    for pair in measurements.copies.pairs:
        if pair.verdict == "proved":
            edges[int(component[pair.a])].append(pair)
    for group in measurements.copies.groups():
        pairs = edges[group[0]]
        members = [row for row in group if rows[row]]
        if len(members) > 1 and any(pair.relation == "transformed" for pair in pairs):
            maps = _from_first(group[0], pairs, features)
            members = [row for row in members if row in maps]
            if len(members) > 1:
                pile = _pile(members, maps, measurements)
                if pile.copies:
                    yield pile


def _from_first(first: int, pairs: Iterable[CopyPair], features: FeatureTable) -> dict[int, NDArray[np.float64]]:
    """Return the map, (3, 3) in pixels, from the group's first row to every row that a chain of known transforms leads to."""
    beside: dict[int, list[tuple[int, NDArray[np.float64]]]] = defaultdict(list)
    for pair in pairs:
        transform = Transform() if pair.transform is None and pair.relation in {"exact", "pixel"} else pair.transform
        if transform is not None:
            forth = transform.whole(_size(features, pair.a), _size(features, pair.b))
            beside[pair.a].append((pair.b, forth))
            beside[pair.b].append((pair.a, np.asarray(np.linalg.inv(forth), np.float64)))
    maps: dict[int, NDArray[np.float64]] = {first: np.eye(3)}
    waiting = [first]
    for row in waiting:  # breadth first: chains are short, and their errors small
        for other, forth in beside[row]:
            if other not in maps:
                maps[other] = forth @ maps[row]
                waiting.append(other)
    return maps


def _pile(members: list[int], maps: dict[int, NDArray[np.float64]], measurements: Measurements) -> Pile:
    """Guess the original and keep what is more than another encoding of it."""
    features, paths = measurements.features, measurements.catalog.paths
    frames = np.array([_halves(_size(features, row)) for row in members])
    there = frames @ np.array([maps[row] for row in members])  # (k, 3, 3), onto -1 … 1
    back = np.linalg.inv(there)
    between = there[None, :] @ back[:, None]  # [i, j]: from i to j
    between /= between[..., 2:, 2:]  # a homography is told by its ratios: 1 at the centre
    pixels = features.width[members].astype(np.int64) * features.height[members]
    far = np.round(_apart(between).sum(axis=1), 3)
    large = np.flatnonzero(pixels >= AS_LARGE * pixels.max()).tolist()
    stems = [PurePosixPath(paths[row]).stem for row in members]
    namesakes = [i for i in large if all(stem.startswith(stems[i]) for stem in stems)]
    index = min(namesakes if len(namesakes) == 1 else large, key=lambda i: (far[i], len(paths[members[i]]), paths[members[i]]))
    straight = np.linalg.norm(between[index] - np.eye(3), axis=(1, 2))
    moved = [j for j in range(len(members)) if j != index and straight[j] > SLIGHT]
    original = members[index]
    from_original = np.linalg.inv(maps[original])
    return Pile(original, tuple(members[j] for j in moved), tuple(maps[members[j]] @ from_original for j in moved))


def _apart(between: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how far maps, (…, 3, 3) of frames -1 … 1, are from the nearest flip or quarter turn, (…)."""
    off = np.linalg.norm(between[..., None, :2, :2] - _DIHEDRAL, axis=(-2, -1)).min(axis=-1)
    return np.asarray(off + np.linalg.norm(between[..., :2, 2], axis=-1), np.float64)


def _more_than_shifted(pile: Pile, features: FeatureTable) -> list[bool]:
    start = np.linalg.inv(_halves(_size(features, pile.original)))
    frames = [_halves(_size(features, row)) @ change @ start for row, change in zip(pile.copies, pile.maps, strict=True)]
    return [bool(np.linalg.norm((frame / frame[2, 2])[:, :2] - np.eye(3)[:, :2]) > SLIGHT) for frame in frames]


def _keras(transform: Transform, size: tuple[int, int]) -> tuple[float, ...]:
    """Return rotation (degrees), width and height shift, shear (degrees), zooms of x and y; no quarter turns, no perspective."""
    rest = Transform(False, transform.rotation - 90.0 * round(transform.rotation / 90.0), transform.scale, transform.shear)  # noqa: FBT003
    linear = rest.matrix(size, size)[:2, :2]
    back = np.linalg.inv(linear)
    moved = -back @ (np.array(transform.shift) * size)
    angle = atan2(back[1, 0], back[0, 0])
    unturned = np.array([[cos(angle), sin(angle)], [-sin(angle), cos(angle)]])
    upper, drawn = unturned @ back, unturned @ moved
    return (
        degrees(angle),
        float(drawn[0]) / size[0],
        float(drawn[1]) / size[1],
        degrees(atan2(-upper[0, 1], upper[1, 1])),
        float(upper[0, 0]),
        hypot(float(upper[0, 1]), float(upper[1, 1])),
    )


def _range(values: NDArray[np.float64], noise: float, seen: float = SEEN) -> float:
    """Return r of the uniform distribution on -r … r that the values beyond the noise come from; 0 where they are few.

    The 75 % quantile of |value| is .75 r; neither a few odd values nor some originals guessed wrong (which widen the tails)
    move it much. One fixed value is its own median.
    """
    size = np.abs(values)
    size = size[size > noise]
    if len(size) < seen * len(values):
        return 0.0
    low, middle, upper, high = np.quantile(size, (0.05, 0.5, 0.75, 0.95))
    return float(middle if high - low < 0.1 * middle else upper / 0.75)


def _zoom(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return the ends of the uniform distribution of the zooms, symmetrical where they are nearly so."""
    down, up = (_range(np.maximum(sign * (values - 1.0), 0.0), NOISE["zoom"]) for sign in (-1, 1))
    if down and up and abs(down - up) < 0.25 * max(down, up):
        down = up = (down + up) / 2
    return round(1.0 - down, 2), round(1.0 + up, 2)


def _share(mask: NDArray[np.bool_]) -> float:
    share = float(mask.mean())
    return round(share, 3) if share >= SEEN else 0.0


def _halves(size: tuple[int, int]) -> NDArray[np.float64]:
    """The map of pixel centres onto a frame from -1 to 1."""
    width, height = size
    return np.array([[2.0 / width, 0.0, 1.0 / width - 1.0], [0.0, 2.0 / height, 1.0 / height - 1.0], [0.0, 0.0, 1.0]])


def _size(features: FeatureTable, row: int) -> tuple[int, int]:
    return int(features.width[row]), int(features.height[row])

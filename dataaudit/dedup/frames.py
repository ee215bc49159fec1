"""Frames: pictures that share what stands around their content, and not the content."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dataaudit.domain import CopyPair
    from dataaudit.transform import Box

    Boxes = tuple[Box, ...]

__all__ = ["framed"]

_CELLS: Final = 32  # a side, by which regions are compared
_SAME_REGION: Final = 0.6  # intersection over union
_ELSEWHERE: Final = 0.5  # under it two pictures differ in another region


def framed(pairs: list[CopyPair], component: NDArray[np.int64], parts: dict[tuple[int, int], Boxes]) -> list[CopyPair]:
    """Return the pairs whose pictures share a frame or a background, not a content.

    Two pictures that are alike but for a region may be a copy with an overlay. Where a picture is alike, but for that same
    region, to two others that are no copies of one another, what they share is a template: a screenshot's window, a slide, a
    camera that does not move. Not so where these two differ elsewhere: two copies of one picture, each with its own overlay.

    Args:
        pairs: those with a region in which they differ.
        component: (rows,) the copy groups that pairs without such a region make.
        parts: of a pair, what its region is made of: holes in two copies of one picture lie each at their own places.
    """
    regions: dict[int, list[tuple[int, int]]] = {}
    for index, pair in enumerate(pairs):
        if pair.differs is not None:
            for row, other in ((pair.a, pair.b), (pair.b, pair.a)):
                regions.setdefault(row, []).append((index, other))

    def common(region: Boxes, a: int, b: int) -> float:
        """How much of that region two rows share as what they differ in; all where nothing is known of them."""
        other = parts.get((min(a, b), max(a, b)))
        return 1.0 if other is None else _common_share(region, other)

    found: set[int] = set()
    for row, seen in regions.items():
        for index, one in seen:
            if index in found:
                continue
            region = parts[pairs[index].a, pairs[index].b]
            others = (two for _, two in seen if component[two] != component[one])
            if any(common(region, row, two) >= _SAME_REGION and common(region, one, two) >= _ELSEWHERE for two in others):
                found.add(index)
    return [pairs[index] for index in sorted(found)]


def _common_share(a: Boxes, b: Boxes) -> float:
    """Return the intersection of two regions over their union; of boxes on a grid, where there are several."""
    if len(a) == len(b) == 1:
        (one,), (two,) = a, b
        width = min(one[0] + one[2], two[0] + two[2]) - max(one[0], two[0])
        height = min(one[1] + one[3], two[1] + two[3]) - max(one[1], two[1])
        common = max(width, 0.0) * max(height, 0.0)
        return common / (one[2] * one[3] + two[2] * two[3] - common)
    there, here = _raster(a), _raster(b)
    return float((there & here).sum() / max((there | here).sum(), 1))


@lru_cache(maxsize=4096)
def _raster(parts: Boxes) -> NDArray[np.bool_]:
    """Return (``_CELLS``, ``_CELLS``) the cells whose middles lie in one of the boxes."""
    middles = (np.arange(_CELLS) + 0.5) / _CELLS
    mask = np.zeros((_CELLS, _CELLS), bool)
    for left, top, width, height in parts:
        across, down = (middles >= left) & (middles < left + width), (middles >= top) & (middles < top + height)
        mask |= down[:, None] & across
    return mask

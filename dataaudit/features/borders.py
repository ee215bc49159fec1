"""The border of one colour around a picture: fill, padding, letterbox, frame, or the plain ground of a product or a drawing.

What lies within it is what two pictures have in common of which one was padded, framed or shrunk onto a ground, and is described
apart (``FeatureTable.inner_descriptor``): of 200 photographs padded to a square the descriptors of the whole find 180, with those
of what lies within all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["inner_box"]

_ALIKE: Final = 8  # levels of a channel by which a border's cells may be off its colour: what averages leave of noise
_LEAST: Final = 2  # cells: a border of one may be the rim of an enlarged picture
_SPARSE: Final = 4  # of the edges one in so many cells is looked at first
_FEWEST: Final = 16  # cells either way that must be left


def inner_box(cells: NDArray[np.uint8]) -> tuple[int, int, int, int] | None:
    """Return left, top, right and bottom, in cells, of what lies within a picture's border; None where it has none.

    Each side's is of one colour.

    Args:
        cells: (side, side, 3) averages of the picture's fields.
    """
    side = len(cells)
    greens = (edge[::_SPARSE, 1].tolist() for edge in (cells[0], cells[-1], cells[:, 0], cells[:, -1]))
    if all(max(green) - min(green) > 2 * _ALIKE for green in greens):  # of most photographs: a quick answer
        return None
    planes = np.ascontiguousarray(cells.transpose(2, 0, 1))
    rows = columns = (0, side)
    for _ in range(2):  # a frame's sides are seen when its top and bottom are gone, and the other way round
        rows = _narrowed(planes[:, :, slice(*columns)], rows)
        columns = _narrowed(planes[:, slice(*rows)].swapaxes(1, 2), columns)
    (top, bottom), (left, right) = (_without_rims(kept, side) for kept in (rows, columns))
    return None if (left, top, right, bottom) == (0, 0, side, side) else (left, top, right, bottom)


def _narrowed(lines: NDArray[np.uint8], kept: tuple[int, int]) -> tuple[int, int]:
    """Return which lines are left without those of one colour at either end; all, if too few would be."""
    inner = lines[:, slice(*kept)]
    low, high = (2 * extreme.astype(np.int16) for extreme in (inner.min(axis=2), inner.max(axis=2)))
    first, last = kept[0] + _of_one_colour(low, high), kept[1] - _of_one_colour(low[:, ::-1], high[:, ::-1])
    return (first, last) if last - first >= _FEWEST else kept


def _of_one_colour(low: NDArray[np.int16], high: NDArray[np.int16]) -> int:
    """Return how many lines, from the first, are of the first one's colour; (3, lines), twice the extremes of each."""
    colour = (low[:, :1] + high[:, :1]) // 2
    other: NDArray[np.bool_] = np.any((high - colour > 2 * _ALIKE) | (colour - low > 2 * _ALIKE), axis=0)
    return int(other.argmax()) if other.any() else len(other)


def _without_rims(kept: tuple[int, int], side: int) -> tuple[int, int]:
    first, last = kept
    return first if first >= _LEAST else 0, last if side - last >= _LEAST else side

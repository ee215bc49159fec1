"""Two aligned squares of luma, compared window by window.

Both are band-passed by a difference of Gaussians and correlated in windows, which lie on a grid, ``MARGIN`` from the border. Blur
and window means are products with fixed matrices, ``G X Gᵀ``, exact at the borders (reflected).
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

__all__ = [
    "GRID",
    "MARGIN",
    "SIDE",
    "SMALL_GRID",
    "TEXTURE",
    "Compared",
    "Grid",
    "compared",
    "content",
    "corners",
    "spread_over",
    "textured",
]

SIDE: Final = 128
"""Pixels a side of the square that pictures are compared at; smaller pictures at half of it."""


class Grid(NamedTuple):
    """The windows of a square; pixels."""

    window: int
    """Their side."""
    stride: int
    """From one to the next."""


GRID: Final = Grid(17, 4)
"""By which pictures are compared."""
SMALL_GRID: Final = Grid(9, 2)
"""By which it is found what covers a tiny picture (what covers a third of it leaves none of the others untouched), and whether
what is alike of it is more than lines. As a measure of likeness these windows are too small: noise and JPEG 30 lose a tenth."""
MARGIN: Final = 4
"""Pixels at the border that only some resamplings touch, and no window looks at."""
TEXTURE: Final = 1.5
"""Grey levels of band-passed standard deviation from which a window is textured."""
_BANDS: Final = {SIDE: (1.2, 4.0), SIDE // 2: (1.6, 4.0)}
"""Standard deviations of the band by side, pixels. That of tiny pictures is coarser: an augmented copy of one was interpolated at
the scale of its finest details (of 32-px copies by Keras's layers .74 are proved by the band of large pictures, .87 by this; 2
and 5 prove .02 more, and two photographs of one building)."""
_PLAIN: Final = 8.0  # grey levels that a border's pixels may differ from its outermost line …
_NARROW, _BESIDE = 2, 4  # … pixels: a border is wider than this, and so much beside it still sees its edge
_ACROSS: Final = 0.1  # of the gradient's energy in a window, what stands across its main direction: less is lines


class Compared(NamedTuple):
    """Two squares, window by window; (windows, windows), float32 where nothing else is said."""

    grid: Grid
    correlation: NDArray[np.float32]
    """-1 to 1."""
    deviation_a: NDArray[np.float32]
    """Standard deviation of what is compared of a, grey levels."""
    deviation_b: NDArray[np.float32]
    """Likewise of b."""
    counted: NDArray[np.bool_]
    """Whether the window is shown, and textured in *either* picture: where one of them is covered or missing, it must tell."""
    bands: tuple[NDArray[np.float32], NDArray[np.float32]]
    """a and b band-passed, (side, side)."""

    @property
    def energy(self) -> NDArray[np.float32]:
        """The larger of the two deviations."""
        return np.maximum(self.deviation_a, self.deviation_b)


def compared(
    a: NDArray[np.float32], b: NDArray[np.float32], shown: NDArray[np.float32] | None, least: float, grid: Grid = GRID
) -> Compared:
    """Correlate two squares (side × side, 0 to 255) window by window.

    Args:
        a: one picture.
        b: the other.
        shown: (side, side), 1 where both pictures show something and 0 elsewhere; None: everywhere.
        least: the share of a window that must be shown for it to count.
        grid: the windows.
    """
    windows = _means(len(a), grid)
    weight: NDArray[np.float32] | None = (
        None if shown is None else np.maximum(windows @ shown @ windows.T, 1e-6).astype(np.float32)
    )
    band_a, band_b = _bands((a, b), shown)

    def mean(values: NDArray[np.float32]) -> NDArray[np.float32]:
        means = windows @ values @ windows.T
        return (means if weight is None else means / weight).astype(np.float32, copy=False)

    mean_a, mean_b = mean(band_a), mean(band_b)
    deviation_a = np.sqrt(np.maximum(mean(band_a * band_a) - mean_a**2, 0.0))
    deviation_b = np.sqrt(np.maximum(mean(band_b * band_b) - mean_b**2, 0.0))
    correlation = (mean(band_a * band_b) - mean_a * mean_b) / np.maximum(deviation_a * deviation_b, 1e-3)
    counted = (deviation_a > TEXTURE) | (deviation_b > TEXTURE)
    if weight is not None:
        counted &= weight > least
    return Compared(grid, correlation, deviation_a, deviation_b, counted, (band_a, band_b))


def corners(band: NDArray[np.float32], shown: NDArray[np.float32] | None, grid: Grid = GRID) -> NDArray[np.bool_]:
    """Return the windows that hold more than lines of one direction, by the structure tensor (Förstner and Gülch, 1987)."""
    windows = _means(len(band), grid)
    down, right = (np.gradient(band, axis=axis) for axis in (0, 1))
    if shown is not None:  # where the picture ends is no gradient of it
        inside = shown.copy()
        for axis in (0, 1):
            for step in (1, -1):
                inside *= np.roll(shown, step, axis)
        down, right = down * inside, right * inside
    xx, yy, xy = (windows @ product @ windows.T for product in (right * right, down * down, right * down))
    found: NDArray[np.bool_] = xx + yy - np.hypot(xx - yy, 2.0 * xy) >= 2.0 * _ACROSS * (xx + yy)
    return found


def content(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return where a square shows something within a plain border: (side, side) 1 there, 0 in the border and beside it.

    1 everywhere where it has no border, or is plain.
    """
    shown = np.ones_like(picture)
    for turns in range(4):
        lines = np.rot90(picture, turns)
        plain = np.abs(lines - np.median(lines[0])).max(axis=1) <= _PLAIN
        width = int(np.argmin(plain))  # lines from this side on, 0 where all of them are plain
        if width > _NARROW:
            np.rot90(shown, turns)[: width + _BESIDE] = 0.0
    return shown if shown.any() else np.ones_like(picture)


def textured(picture: NDArray[np.float32]) -> int:
    """Return the number of textured windows of a square."""
    windows, band = _means(len(picture), GRID), next(_bands([picture], None))
    mean = windows @ band @ windows.T
    return int((np.sqrt(np.maximum(windows @ (band * band) @ windows.T - mean**2, 0.0)) > TEXTURE).sum())


def spread_over(chosen: NDArray[np.bool_], side: int) -> NDArray[np.float32]:
    """Return, for each pixel, how many of the chosen windows look at it: (windows, windows) flags to (side, side) counts."""
    seen = (_means(side, GRID) > 0).astype(np.float32)
    return seen.T @ chosen.astype(np.float32) @ seen


def _bands(pictures: Sequence[NDArray[np.float32]], shown: NDArray[np.float32] | None) -> Iterator[NDArray[np.float32]]:
    """Band-pass squares of one size; where only a part is shown, as if the rest did not exist (normalised convolution)."""
    fine, coarse = (_blur(len(pictures[0]), sigma) for sigma in _BANDS[len(pictures[0])])
    shares = () if shown is None else [np.maximum(blur @ shown @ blur.T, 1e-3) for blur in (coarse, fine)]
    for picture in pictures:
        if shown is None:
            yield (fine @ picture @ fine.T - coarse @ picture @ coarse.T).astype(np.float32, copy=False)
        else:
            masked = picture * shown
            low, high = (blur @ masked @ blur.T / share for blur, share in zip((coarse, fine), shares, strict=True))
            yield ((high - low) * shown).astype(np.float32, copy=False)


@cache
def _blur(side: int, sigma: float) -> NDArray[np.float32]:
    """(side, side) matrix of a Gaussian blur with reflected borders; rows sum to 1."""
    reach = int(4 * sigma) + 1
    offsets: NDArray[np.float64] = np.arange(-reach, reach + 1, dtype=np.float64)
    kernel = np.exp(-0.5 * (offsets / sigma) ** 2)
    matrix = np.zeros((side, side))
    for row in range(side):
        column = np.abs(row + offsets + 0.5) - 0.5  # reflected at the first …
        column = np.minimum(column, 2 * side - 1 - column)  # … and at the last pixel's edge
        np.add.at(matrix[row], column.astype(int), kernel / kernel.sum())
    return matrix.astype(np.float32)


@cache
def _means(side: int, grid: Grid) -> NDArray[np.float32]:
    """(windows, side) matrix of the means of a grid's windows inside the margin."""
    starts = range(MARGIN, side - MARGIN - grid.window + 1, grid.stride)
    matrix = np.zeros((len(starts), side), np.float32)
    for row, start in enumerate(starts):
        matrix[row, start : start + grid.window] = 1.0 / grid.window
    return matrix

"""Local features: up to 80 corners of a picture and what stands around each of them, in 1,440 bytes.

Corners are those of the minimum eigenvalue (Shi and Tomasi, "Good features to track", CVPR 1994) at three scales, turned by
the patch's intensity centroid (Rosin, CVIU 1999) and described by 128 comparisons of two smoothed pixels each (BRIEF,
Calonder et al., ECCV 2010). The comparisons lie symmetrically about the patch's own axis: those of a mirror image are
the same bits in another order, so mirrored copies need no features of their own.

They tell without any pixel whether two pictures may be copies (``dedup.consistency``). Runs in workers only.
"""

from __future__ import annotations

from functools import cache
from itertools import accumulate
from typing import TYPE_CHECKING, Final

import numpy as np

from dataaudit.engines.memory import unlimited

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

    from numpy.typing import NDArray
    from PIL import Image

__all__ = ["COUNT", "WIDTH", "local_features", "prepare", "strongest", "view_of", "view_size"]

COUNT: Final = 80
"""Local features of a picture, at most."""
WIDTH: Final = 18
"""Bytes of a local feature: x, y, and 128 bits; the second 64 bits are the first 64 of the mirror image."""
_SHORT_SIDE: Final = 72  # pixels; positions are whole pixels of this view
_LONG_SIDE: Final = 240
_WANTED: Final = {1.0: 46, 0.71: 23, 0.5: 11}  # corners by scale, as many as there is area; the last takes what the others left
_REACH: Final = 9  # pixels around a corner that its description looks at
_BORDER: Final = _REACH + 1
_SHEET: Final = _LONG_SIDE + 2 * _BORDER  # pixels a row of a sheet
_ANGLES: Final = 64  # that a patch may be turned by
_SPREAD: Final = 5.0  # standard deviation of the compared pixels' places
_QUALITY: Final = 0.01  # of the strongest corner
_APART: Final = 3  # pixels between corners


def strongest(part: int) -> list[int]:
    """Return the places of the strongest ``part``-th of a picture's features at each scale, as long as it has all of them."""
    starts = accumulate(_WANTED.values(), initial=0)
    return [start + place for start, wanted in zip(starts, _WANTED.values(), strict=False) for place in range(-(-wanted // part))]


def local_features(views: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Return the local features of pictures, (n, ``COUNT``, ``WIDTH``) uint8; rows of zeros where one has fewer corners.

    Args:
        views: what :func:`view_of` gives of each.
    """
    found = np.zeros((len(views), COUNT, WIDTH), np.uint8)
    for features, view in zip(found, views, strict=True):
        points, places, sheet = _corners(view)
        if len(points):
            features[: len(points), :2] = points
            features[: len(points), 2:] = np.packbits(_comparisons(sheet, places), axis=1)
    return found


def view_of(luma: Image.Image) -> NDArray[np.uint8]:
    """Return the view, (height, width) uint8, that a picture's local features are those of.

    Args:
        luma: the measured picture in mode ``L``.
    """
    from PIL import Image as Pillow  # noqa: PLC0415 - workers only

    size = view_size(luma.size)
    method = Pillow.Resampling.BOX if max(size) < max(luma.size) else Pillow.Resampling.BICUBIC
    return np.asarray(luma.resize(size, method))


def view_size(size: tuple[int, int], short_side: int = _SHORT_SIDE, long_side: int = _LONG_SIDE) -> tuple[int, int]:
    """Return width and height, pixels, of a view of a picture of ``size``; by default that which local features have places in.

    Its short side is ``short_side``, unless its long side would be more than ``long_side``.
    """
    scale = min(short_side / min(size), long_side / max(size))
    width, height = size
    return max(1, round(width * scale)), max(1, round(height * scale))


def _corners(view: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.intp], NDArray[np.uint8]]:
    """Find the strongest corners of a view at each scale.

    Returns:
        x and y of each in the view, (n, 2); where it is in the sheet, (n, 2); and the sheet: the smoothed view at each scale, one
        below the other, each with a border that every description stays inside.
    """
    cv2 = _opencv()
    height, width = view.shape
    sizes = [(max(1, round(width * scale)), max(1, round(height * scale))) for scale in _WANTED]
    sheet = np.empty((sum(size[1] + 2 * _BORDER for size in sizes), _SHEET), np.uint8)
    points, places, top, left = [], [], 0, COUNT
    for (scale, wanted), size in zip(_WANTED.items(), sizes, strict=True):
        level = view if scale == 1 else cv2.resize(view, size, interpolation=cv2.INTER_AREA)
        found = cv2.goodFeaturesToTrack(level, left if scale == min(_WANTED) else wanted, _QUALITY, _APART)
        corners = np.zeros((0, 2), np.float32) if found is None else found[:, 0]  # whole pixels
        points.append((corners + 0.5) / scale - 0.5)
        places.append(corners + np.array([_BORDER, top + _BORDER], np.float32))
        padded = cv2.copyMakeBorder(cv2.blur(level, (3, 3)), *(4 * [_BORDER]), cv2.BORDER_REFLECT_101)
        sheet[top : top + len(padded), : padded.shape[1]] = padded
        top, left = top + len(padded), left - len(corners)
    return np.rint(np.concatenate(points)).clip(0, 255).astype(np.uint8), np.concatenate(places).astype(np.intp), sheet


def _comparisons(sheet: NDArray[np.uint8], places: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Compare smoothed pixels around each place (x, y) of the sheet in the patch's own direction: (n, 128) bool."""
    x, y = places.T
    (height, width), side = sheet.shape, 2 * _REACH + 1
    windows = np.ndarray((height - side + 1, width - side + 1, side, side), np.uint8, sheet, 0, 2 * sheet.strides)
    patch = windows[y - _REACH, x - _REACH].reshape(len(places), -1)
    moment_x, moment_y = (patch.astype(np.float32) @ _disc()).T  # sums of whole numbers below 2²⁴: exact in any order
    turned = np.rint(np.arctan2(moment_y, moment_x) * np.float32(_ANGLES / (2 * np.pi))).astype(np.intp) % _ANGLES
    looked_at = sheet.ravel().take(_turned_pattern().take(turned, axis=0) + (y * _SHEET + x)[:, None])
    compared: NDArray[np.bool_] = looked_at[:, : 8 * (WIDTH - 2)] < looked_at[:, 8 * (WIDTH - 2) :]
    return compared


@cache
def _disc() -> NDArray[np.float32]:
    """Return x and y of the pixels of a patch, row by row; 0 and 0 of those outside the disc, (pixels, 2)."""
    y, x = np.mgrid[-_REACH : _REACH + 1, -_REACH : _REACH + 1]
    inside = x**2 + y**2 <= _REACH**2 + 1
    return np.stack([(x * inside).ravel(), (y * inside).ravel()], axis=1).astype(np.float32)


@cache
def _turned_pattern() -> NDArray[np.intp]:
    """Return where in a sheet, from the centre, all first, then all second pixels of the comparisons are, (``_ANGLES``, 256)."""
    x, y = (np.concatenate([part[:, 0], part[:, 1]]) for part in (_pattern()[:, ::2], _pattern()[:, 1::2]))
    angle = 2 * np.pi * np.arange(_ANGLES)[:, None] / _ANGLES
    # Rounded to whole 1/1024 first: angles that mirror one another must not differ in a last digit that decides a pixel.
    cos, sin = np.rint(1024 * np.cos(angle)) / 1024, np.rint(1024 * np.sin(angle)) / 1024
    across, down = np.rint(cos * x - sin * y).astype(np.intp), np.rint(sin * x + cos * y).astype(np.intp)
    pattern: NDArray[np.intp] = down * _SHEET + across
    return pattern


@cache
def _pattern() -> NDArray[np.float32]:
    """(128, 4): x and y of the two pixels of each comparison, x along the patch's direction; 64 and their mirror images."""
    draws = np.random.default_rng(11).normal(0.0, _SPREAD, (4096, 4)).clip(-_REACH, _REACH)
    inside = (np.hypot(draws[:, 0], draws[:, 1]) <= _REACH) & (np.hypot(draws[:, 2], draws[:, 3]) <= _REACH)
    apart = np.hypot(draws[:, 0] - draws[:, 2], draws[:, 1] - draws[:, 3]) >= 2  # noqa: PLR2004 - pixels
    off_axis = np.abs(draws[:, 1]) + np.abs(draws[:, 3]) >= 0.8  # noqa: PLR2004 - else its mirror image is itself
    half = draws[inside & apart & off_axis][:64]
    return np.concatenate([half, half * [1, -1, 1, -1]]).astype(np.float32)


def prepare() -> None:
    """Load OpenCV."""
    _opencv()


@cache
def _opencv() -> ModuleType:
    """Load OpenCV outside the memory limit: its size is not the picture's fault."""
    with unlimited():
        import cv2  # noqa: PLC0415 - workers only

        cv2.setNumThreads(1)
    return cv2

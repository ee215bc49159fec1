"""The one verifier: do two nominated pictures show the same picture?

Both are brought to the same square of luma, one in the nominated orientation, band-passed by a difference of
Gaussians, and compared by normalised cross-correlation in windows. Band and windows take brightness, contrast, colour,
vignettes, re-encoding and mild blur out of the comparison; what remains is whether the *details* stand in the
same places. ``lm`` is the energy-weighted median over the textured windows, ``lq`` their lower quartile: a copy is
alike nearly everywhere, a look-alike only here and there.

Blur and window means are products with fixed matrices, ``G X Gᵀ``, exact at the borders (reflected).
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np

from dataaudit.domain import DIHEDRAL
from dataaudit.features.decode import DecodeError, load

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

SIDE: Final = 128
"""Pixels a side of the square that pictures are compared at; smaller pictures at half of it."""
WINDOW: Final = 17
_STRIDE: Final = 4
_MARGIN: Final = 4  # pixels at the border that only some resamplings touch
_FINE, _COARSE = 1.2, 4.0  # standard deviations of the band, pixels
_TEXTURE: Final = 1.5  # grey levels of band-passed standard deviation from which a window is textured
ENOUGH_TEXTURE: Final = 10
"""Textured windows, of 676 (128 px) or 100 (64 px), that a picture must have to be compared."""
_REMEMBERED: Final = 256  # decoded squares a worker keeps: 16 MiB


@dataclass(frozen=True, slots=True)
class Question:
    """Is picture ``a``, in one of ``orientations``, picture ``b``?"""

    a: Path
    b: Path
    orientations: tuple[int, ...]
    max_pixels: int


@dataclass(frozen=True, slots=True)
class Answer:
    """How alike two pictures are in the best of the orientations asked for."""

    orientation: int
    median: float
    """``lm``, -1 to 1."""
    quartile: float
    """``lq``, -1 to 1."""
    textured: tuple[int, int]
    """Textured windows of a and of b."""
    failure: str = ""
    """Why the pictures could not be compared; empty where they were."""

    @property
    def comparable(self) -> bool:
        """Whether the numbers mean anything: both pictures were read, and have enough texture."""
        return not self.failure and min(self.textured) >= ENOUGH_TEXTURE


def answer_all(questions: Sequence[Question], begin: Callable[[int], None]) -> tuple[Answer, ...]:
    """Answer a batch of questions; runs in a worker. Consecutive questions share their decoded pictures."""
    answers = []
    for number, question in enumerate(questions):
        begin(number)
        answers.append(answer(question))
    return tuple(answers)


def answer(question: Question) -> Answer:
    """Compare one pair. Of orientations that are equally good (a symmetric picture) the first is taken."""
    try:
        a, b = square(question.a, question.max_pixels), square(question.b, question.max_pixels)
    except DecodeError as error:
        return Answer(0, 0.0, 0.0, (0, 0), failure=str(error))
    side = min(len(a), len(b))
    a, b = (_halved(picture) if len(picture) > side else picture for picture in (a, b))
    best: Answer | None = None
    for orientation in question.orientations:
        tried = compare(turned(a, orientation), b, orientation)
        if best is None or tried.median > best.median + 0.01:
            best = tried
    assert best is not None, "a question names at least one orientation"  # noqa: S101 - an invariant of ours
    return best


def compare(a: NDArray[np.float32], b: NDArray[np.float32], orientation: int = 0) -> Answer:
    """Correlate two aligned squares of luma (side × side, float32, 0 to 255) window by window.

    A window counts if it is textured in *either* picture: where one of them is covered or missing, it must tell.
    """
    side = len(a)
    band_a, band_b = _band(a), _band(b)
    windows = _window_means(side)
    mean_a, mean_b = windows @ band_a @ windows.T, windows @ band_b @ windows.T
    variance_a = np.maximum(windows @ (band_a * band_a) @ windows.T - mean_a**2, 0.0)
    variance_b = np.maximum(windows @ (band_b * band_b) @ windows.T - mean_b**2, 0.0)
    covariance = windows @ (band_a * band_b) @ windows.T - mean_a * mean_b
    deviation_a, deviation_b = np.sqrt(variance_a), np.sqrt(variance_b)
    correlation = covariance / np.maximum(deviation_a * deviation_b, 1e-3)
    textured_a, textured_b = deviation_a > _TEXTURE, deviation_b > _TEXTURE
    counted = textured_a | textured_b
    textured = (int(textured_a.sum()), int(textured_b.sum()))
    if not counted.any():
        return Answer(orientation, 0.0, 0.0, textured)
    values, energy = correlation[counted], np.maximum(deviation_a, deviation_b)[counted]
    return Answer(orientation, _weighted_median(values, energy), float(np.quantile(values, 0.25)), textured)


def turned(picture: NDArray[np.float32], orientation: int) -> NDArray[np.float32]:
    """Bring a square into an orientation of ``domain.DIHEDRAL``: mirror left-right, then rotate counter-clockwise."""
    mirrored = picture[:, ::-1] if orientation >= DIHEDRAL // 2 else picture
    return np.rot90(mirrored, orientation % 4)


_squares: OrderedDict[Path, NDArray[np.float32]] = OrderedDict()  # a worker's memory of what it has just decoded


def square(path: Path, max_pixels: int) -> NDArray[np.float32]:
    """Decode a file and return its luma as a square of ``SIDE`` or, for a tiny picture, half of it; float32, 0 to 255.

    Raises:
        DecodeError: if the file cannot be decoded.
    """
    if path in _squares:
        _squares.move_to_end(path)
        return _squares[path]
    from PIL import Image  # noqa: PLC0415 - workers only

    rgb = load(path, max_pixels).rgb
    side = SIDE if min(rgb.shape[:2]) > SIDE // 2 else SIDE // 2
    luma = Image.fromarray(rgb).convert("L").resize((side, side), Image.Resampling.LANCZOS)
    _squares[path] = np.asarray(luma, np.float32)
    if len(_squares) > _REMEMBERED:
        _squares.popitem(last=False)
    return _squares[path]


def _halved(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    half = len(picture) // 2
    halved: NDArray[np.float32] = picture.reshape(half, 2, half, 2).mean(axis=(1, 3), dtype=np.float32)
    return halved


def _band(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    fine, coarse = _blur(len(picture), _FINE), _blur(len(picture), _COARSE)
    return (fine @ picture @ fine.T - coarse @ picture @ coarse.T).astype(np.float32, copy=False)


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
def _window_means(side: int) -> NDArray[np.float32]:
    """(windows, side) matrix of the means of windows ``WINDOW`` wide, ``_STRIDE`` apart, inside the margin."""
    starts = range(_MARGIN, side - _MARGIN - WINDOW + 1, _STRIDE)
    matrix = np.zeros((len(starts), side), np.float32)
    for row, start in enumerate(starts):
        matrix[row, start : start + WINDOW] = 1.0 / WINDOW
    return matrix


def _weighted_median(values: NDArray[np.float32], weights: NDArray[np.float32]) -> float:
    order = np.argsort(values, kind="stable")
    total = np.cumsum(weights[order], dtype=np.float64)
    return float(values[order][np.searchsorted(total, total[-1] / 2.0)])

"""The statistics of a measured picture (``domain.PROPERTY_NAMES``), cheap, and the same on every machine.

All sums are sums of whole numbers, exact in any order; floats appear in the last steps only. ``L`` is Pillow's Rec. 601
luma, 0.299 R + 0.587 G + 0.114 B rounded to 0–255.

============== ============================================================================== ===================
property       formula                                                                        range
============== ============================================================================== ===================
luminance      mean of L                                                                      0–255
contrast       standard deviation of L                                                        0–127.5
sharpness      log2(1 + variance of the 4-neighbour Laplacian of L resized to 128×128)        0 (flat) – about 17
saturation     mean of (max − min) / max over R, G, B; black is 0 (the S of HSV)              0–1
colourfulness  √(σ²rg + σ²yb) + 0.3 · √(μ²rg + μ²yb), rg = R − G, yb = (R + G)/2 − B          0 – about 255
entropy        −Σ p log2 p over the 256 values of L                                           0–8 bits
aspect         stored width / stored height                                                   > 0
megapixels     stored width · stored height / 10⁶                                             > 0
bits_per_pixel 8 · length of the file / stored pixels                                         > 0
============== ============================================================================== ===================

Sharpness is measured at one scale whatever the picture's size, so that a large picture is not "blurred"; saturation
and colourfulness on a regular grid of 64×64 of the measured picture's own pixels (a sample: of 84 photographs and
microscope fields 19 in 20 were within 1.1 % of what all pixels give, half of them within 0.14 %). Colourfulness is
Hasler and Süsstrunk, "Measuring colorfulness in natural images", 2003 (M̂⁽³⁾); sharpness after Pech-Pacheco et al.,
"Diatom autofocusing in brightfield microscopy", 2000.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dataaudit.features.decode import Picture

__all__ = ["COLOUR_SIDE", "SHARPNESS_SIDE", "colour_statistics", "luma_statistics", "properties", "sharpness"]

COLOUR_SIDE: Final = 64
"""Side of the grid of pixels that saturation and colourfulness are computed from."""
SHARPNESS_SIDE: Final = 128
"""Side of the luma that sharpness is computed from."""


def properties(picture: Picture, luma: Image.Image, file_bytes: int) -> tuple[float, ...]:
    """Return the statistics of ``picture`` in the order of ``domain.PROPERTY_NAMES``.

    Args:
        picture: the measured picture.
        luma: the same in mode L (``picture.image.convert("L")``).
        file_bytes: length of the file.
    """
    luminance, contrast, entropy = luma_statistics(luma.histogram())
    grid = picture.image.resize((COLOUR_SIDE, COLOUR_SIDE), Image.Resampling.NEAREST)
    saturation, colourfulness = colour_statistics(np.asarray(grid))
    side = (SHARPNESS_SIDE, SHARPNESS_SIDE)
    small = luma.resize(side, Image.Resampling.BILINEAR, reducing_gap=1.0)
    pixels = picture.width * picture.height
    return (
        luminance,
        contrast,
        sharpness(np.asarray(small)),
        saturation,
        colourfulness,
        entropy,
        picture.width / picture.height,
        pixels / 1e6,
        8 * file_bytes / pixels,
    )


def luma_statistics(histogram: list[int]) -> tuple[float, float, float]:
    """Return mean, standard deviation and entropy (bits) of a 256-bin histogram."""
    counts = np.array(histogram, np.int64)
    values = np.arange(256)
    total = int(counts.sum())
    first, second = int(counts @ values), int(counts @ (values * values))
    shares = counts[counts > 0] / total
    entropy = -float(np.sum(shares * np.log2(shares)))
    return first / total, _deviation(total, first, second), max(entropy, 0.0)


def colour_statistics(rgb: NDArray[np.uint8]) -> tuple[float, float]:
    """Return saturation and colourfulness of pixels, shape (h, w, 3)."""
    red, green, blue = np.ascontiguousarray(rgb.reshape(-1, 3).T).astype(np.float64)
    highest = np.maximum(np.maximum(red, green), blue)
    spread = highest - np.minimum(np.minimum(red, green), blue)
    # whole multiples of 2⁻³², so that the order of the sum does not matter
    saturation = float(np.floor(spread * 2.0**32 / np.maximum(highest, 1.0)).sum()) / 2.0**32 / red.size
    rg, yb = red - green, red + green - 2.0 * blue  # yb doubled, to stay whole
    rg_mean, rg_deviation = _moments(rg)
    yb_mean, yb_deviation = _moments(yb)
    return saturation, math.hypot(rg_deviation, yb_deviation / 2) + 0.3 * math.hypot(rg_mean, yb_mean / 2)


def sharpness(luma: NDArray[np.uint8]) -> float:
    """Return log2(1 + variance of the 4-neighbour Laplacian) of a luma, shape (h, w), at least 3×3."""
    values = luma.astype(np.float64)
    laplacian = values[:-2, 1:-1] + values[2:, 1:-1] + values[1:-1, :-2] + values[1:-1, 2:] - 4.0 * values[1:-1, 1:-1]
    _, deviation = _moments(laplacian.ravel())
    return math.log2(1.0 + deviation**2)


def _moments(whole: NDArray[np.float64]) -> tuple[float, float]:
    """Return mean and standard deviation of whole numbers: their sums are exact below 2⁵³, in any order."""
    first, second = int(whole.sum()), int(whole @ whole)
    return first / whole.size, _deviation(whole.size, first, second)


def _deviation(n: int, first: int, second: int) -> float:
    """Return the standard deviation (of the population) from n and the integer sums of values and squares."""
    return math.sqrt(n * second - first * first) / n

"""The statistics of a measured picture (``domain.PROPERTY_NAMES``), cheap, and the same on every machine.

All sums are sums of whole numbers, exact in any order; floats appear in the last steps only. ``L`` is the 128×128 luma of
``views.py``, ``R, G, B`` its 64×64 colours.

============== ============================================================================== ===================
property       formula                                                                        range
============== ============================================================================== ===================
luminance      mean of L                                                                      0–255
contrast       standard deviation of L                                                        0–127.5
sharpness      log2(1 + variance of the 4-neighbour Laplacian of L)                           0 (flat) – about 17
saturation     mean of (max − min) / max over R, G, B; black is 0 (the S of HSV)              0–1
colourfulness  √(σ²rg + σ²yb) + 0.3 · √(μ²rg + μ²yb), rg = R − G, yb = (R + G)/2 − B          0 – about 255
entropy        −Σ p log2 p over the 256 values of L                                           0–8 bits
aspect         stored width / stored height                                                   > 0
megapixels     stored width · stored height / 10⁶                                             > 0
bits_per_pixel 8 · length of the file / stored pixels                                         > 0
============== ============================================================================== ===================

One scale for all: a large picture is not "blurred", and contrast does not grow with the pixels. Saturation and
colourfulness are those of a sample of the pixels (of 84 photographs and microscope fields 19 in 20 were within 1.1 %
of what all pixels give, half of them within 0.14 %). Colourfulness is
Hasler and Süsstrunk, "Measuring colorfulness in natural images", 2003 (M̂⁽³⁾); sharpness after Pech-Pacheco et al.,
"Diatom autofocusing in brightfield microscopy", 2000.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dataaudit.features.views import Views

__all__ = ["colour_statistics", "luma_statistics", "properties", "sharpness"]


def properties(seen: Views, sizes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the statistics of n pictures in the order of ``domain.PROPERTY_NAMES``, shape (n, 9).

    Args:
        seen: their views.
        sizes: (n, 3) stored width and height in pixels, and the length of the file in bytes.
    """
    luminance, contrast, entropy = luma_statistics(seen.histograms)
    saturation, colourfulness = colour_statistics(seen.colours)
    width, height, length = sizes.T
    pixels = width * height
    found = (
        luminance,
        contrast,
        sharpness(seen.luma),
        saturation,
        colourfulness,
        entropy,
        width / height,
        pixels / 1e6,
        8 * length / pixels,
    )
    return np.stack(found, axis=1)


def luma_statistics(histograms: NDArray[np.int64]) -> tuple[NDArray[np.float64], ...]:
    """Return means, standard deviations and entropies (bits) of histograms, shape (n, 256)."""
    values = np.arange(256)
    total = histograms.sum(axis=1)
    first, second = histograms @ values, histograms @ values**2
    shares = histograms / total[:, None]
    entropy = -np.sum(shares * np.log2(np.where(histograms > 0, shares, 1.0)), axis=1)
    return first / total, _deviation(total, first, second), np.maximum(entropy, 0.0)


def colour_statistics(rgb: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return saturations and colourfulnesses of pictures, shape (n, h, w, 3)."""
    planes = np.ascontiguousarray(rgb.reshape(len(rgb), -1, 3).transpose(0, 2, 1))
    size = planes.shape[2]
    moments = np.empty((len(rgb), 4, 4))
    homogeneous = np.ones((4, size))
    for picture, plane in enumerate(planes):
        homogeneous[:3] = plane
        np.matmul(homogeneous, homogeneous.T, out=moments[picture])  # sums of whole numbers below 2⁵³: exact
    whole = moments.astype(np.int64)
    rg_mean, rg_deviation = _of_combination(size, whole, np.array([1, -1, 0]))
    yb_mean, yb_deviation = _of_combination(size, whole, np.array([1, 1, -2]))  # doubled, to stay whole
    spread, offset = np.hypot(rg_deviation, yb_deviation / 2), np.hypot(rg_mean, yb_mean / 2)
    return _saturation(planes), spread + 0.3 * offset


def _of_combination(
    size: int, moments: NDArray[np.int64], weights: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and standard deviation of a weighted sum of three planes from the products of (planes, 1), (n, 4, 4)."""
    first = moments[:, :3, 3] @ weights
    second = (moments[:, :3, :3] @ weights) @ weights
    return first / size, _deviation(np.int64(size), first, second)


def _saturation(planes: NDArray[np.uint8]) -> NDArray[np.float64]:
    red, green, blue = planes.transpose(1, 0, 2)
    highest = np.maximum(np.maximum(red, green), blue)
    shares = (highest - np.minimum(np.minimum(red, green), blue)).astype(np.float32)
    shares *= np.float32(2**16)
    shares /= np.maximum(highest, np.uint8(1))
    # whole multiples of 2⁻¹⁶, so that the order of the sum does not matter
    mean: NDArray[np.float64] = shares.astype(np.int32).sum(axis=1, dtype=np.int64) / 2**16 / planes.shape[2]
    return mean


def sharpness(lumas: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return log2(1 + variance of the 4-neighbour Laplacian) of lumas, shape (n, h, w), at least 3×3."""
    size = (lumas.shape[1] - 2) * (lumas.shape[2] - 2)
    first, second = np.empty(len(lumas), np.int64), np.empty(len(lumas), np.int64)
    for picture, luma in enumerate(lumas):  # one after the other: that stays in the processor's cache
        values, width = luma.astype(np.int16).ravel(), luma.shape[1]
        laplacian = values[width:-width] * np.int16(-4)  # as one long line; what crosses its bends is left out
        laplacian += values[: -2 * width]
        laplacian += values[2 * width :]
        laplacian += values[width - 1 : -width - 1]
        laplacian += values[width + 1 : values.size - width + 1]
        whole = laplacian.reshape(-1, width)[:, 1:-1].astype(np.float64).ravel()
        first[picture], second[picture] = whole.sum(), whole @ whole  # exact: below 2⁵³
    found: NDArray[np.float64] = np.log2(1.0 + _deviation(np.int64(size), first, second) ** 2)
    return found


def _deviation(n: NDArray[np.int64] | np.int64, first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the standard deviation (of the population) from n and the whole sums of values and squares."""
    found: NDArray[np.float64] = np.sqrt(n * second - first * first) / n
    return found

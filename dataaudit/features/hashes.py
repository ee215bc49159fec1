"""64- and 256-bit perceptual hashes, in all eight orientations, for a batch of pictures at once.

The hash is that of ``imagehash.phash`` (DCT of the 32×32 or 64×64 luma, its low 8×8 or 16×16 block against the
block's median), bit for bit but for coefficients that tie with the median: there imagehash returns the rounding
noise of its transform, and this module 0. A coefficient ties when it lies within the step of ``TIE``.

- *Bit order*: row-major, vertical frequency first; the first bit is the most significant one (of word 0 for 256
  bits), as in imagehash's hexadecimal string. The first bit is the DC coefficient, which imagehash keeps; it is not
  stable under brightness, so whoever compares hashes masks it.
- *Orientations* (``domain.DIHEDRAL``) cost no transform: a mirror image changes the sign of the odd frequencies of
  its axis, a quarter turn is a transpose and a mirror.
- *The lumas* are Pillow's own Lanczos resize, replayed bit for bit as a banded matrix product (twice as fast): Pillow
  works in integers (weights of 22 bits, rounded to 8 bits between the passes), which 53-bit floats hold exactly.
- Floats do not depend on the batch: each picture is multiplied on its own, in arrays of one fixed shape.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["TIE", "dct_block", "hash_bits", "pack_bits", "phashes", "square_lumas"]

TIE: Final = 2.0**-9
"""Coefficients (of 0–255 luma, unnormalised DCT: about 1e4 in a photo) are rounded to this step before comparison.
The transform's own error is some 1e-9, so equal coefficients become equal whatever the machine's rounding."""
OVERSAMPLING: Final = 4
"""The luma side is this many times the block's: imagehash's ``highfreq_factor``."""


@lru_cache(maxsize=4)
def _basis(side: int) -> NDArray[np.float64]:
    """Return the ``side / OVERSAMPLING`` lowest rows of SciPy's unnormalised DCT-II: 2·cos(π·u·(2x+1) / 2·side)."""
    u, x = np.mgrid[: side // OVERSAMPLING, :side]
    basis: NDArray[np.float64] = 2.0 * np.cos(np.pi * u * (2 * x + 1) / (2 * side))
    return basis


def dct_block(luma: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the low-frequency DCT blocks of square lumas, shape (n, side, side) → (n, side/4, side/4), on the tie grid."""
    basis = _basis(luma.shape[-1])
    block = np.matmul(np.matmul(basis, luma.astype(np.float64)), basis.T)
    rounded: NDArray[np.float64] = np.rint(block / TIE) * TIE
    return rounded


def hash_bits(block: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return the bits of blocks (n, s, s) in the eight orientations, shape (n, 8, s, s)."""
    side = block.shape[-1]
    sign = 1.0 - 2.0 * (np.arange(side) % 2)
    bits = np.empty((len(block), 8, side, side), bool)
    for flip_rows in (False, True):
        for flip_columns in (False, True):
            flipped = block * (sign[:, None] if flip_rows else 1.0) * (sign if flip_columns else 1.0)
            above = flipped > np.median(flipped, axis=(1, 2), keepdims=True)
            upright, turned = _ORIENTATION_OF[flip_rows, flip_columns]
            bits[:, upright] = above
            bits[:, turned] = above.transpose(0, 2, 1)
    return bits


_ORIENTATION_OF: Final = {
    (False, False): (0, 5),
    (False, True): (4, 1),
    (True, False): (6, 3),
    (True, True): (2, 7),
}
"""(rows flipped, columns flipped) → the orientation that is, and the one that is when transposed afterwards.

Mirroring left-right (4) negates odd columns, upside down (6 = 4, then half a turn) odd rows, half a turn (2) both. A
quarter turn counter-clockwise is a left-right mirror, then a transpose (1); clockwise, an upside-down one (3)."""


def pack_bits(bits: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """Pack (…, 64·w) bits into (…, w) words, the first bit the most significant."""
    packed = np.packbits(bits, axis=-1)
    return np.ascontiguousarray(packed).view(">u8").astype(np.uint64)


def phashes(lumas: Sequence[NDArray[np.uint8]], batch_size: int) -> NDArray[np.uint64]:
    """Return the hashes of square lumas of one side, padded to ``batch_size``: (n, 8, words), words = (side/4)²/64."""
    side = lumas[0].shape[-1]
    padded = np.zeros((batch_size, side, side), np.uint8)
    padded[: len(lumas)] = lumas
    bits = hash_bits(dct_block(padded))[: len(lumas)]
    return pack_bits(bits.reshape(len(lumas), 8, -1))


_SIDES: Final = (32, 64)
_BLOCK: Final = 8  # output pixels of one product: its window is nearly as narrow as the filter
_LOBES: Final = 3.0
_UNIT: Final = 2.0**22  # Pillow's weights are integers of this
_REPLAY_UP_TO: Final = 2048
"""Pixels a side up to which the product is used; longer pictures are rare, and their weights would be large.
Tall pictures (height + side > 2 · width) are Pillow's too: from version 13 it resizes their columns first."""


def square_lumas(luma: Image.Image) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return a mode-L picture resized to 32×32 and to 64×64, equal to ``luma.resize(…, LANCZOS)`` in every pixel."""
    if max(luma.size) > _REPLAY_UP_TO or luma.height + _SIDES[-1] > 2 * luma.width:
        small, large = (np.asarray(luma.resize((side, side), Image.Resampling.LANCZOS)) for side in _SIDES)
        return small, large
    columns = np.asarray(luma).astype(np.float64).T
    narrow = _to_bytes(_products(columns, luma.width, _SIDES))  # (32 + 64, height), rows first as in Pillow
    parts = np.split(narrow, [_SIDES[0]])
    small, large = (
        _to_bytes(_products(part.T, luma.height, (side,))).astype(np.uint8) for part, side in zip(parts, _SIDES, strict=True)
    )
    return small, large


def _products(lines: NDArray[np.float64], length: int, sides: tuple[int, ...]) -> NDArray[np.float64]:
    """Return the weighted sums of ``lines``, shape (length, m), for each of the ``sides``: (sum of sides, m)."""
    sums = np.empty((sum(sides), lines.shape[1]))
    row = 0
    for side in sides:
        for start, stop, weights in _weight_blocks(length, side):
            np.matmul(weights, lines[start:stop], out=sums[row : row + _BLOCK])
            row += _BLOCK
    return sums


def _to_bytes(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Round weighted sums to 0–255 in place, half upwards, as Pillow does."""
    sums += _UNIT / 2
    sums *= 1 / _UNIT
    np.floor(sums, out=sums)
    return np.clip(sums, 0, 255, out=sums)


@lru_cache(maxsize=512)
def _weight_blocks(length: int, side: int) -> tuple[tuple[int, int, NDArray[np.float64]], ...]:
    """Return the weights in blocks of output pixels: (first pixel, last + 1, weights of those, shape (8, pixels))."""
    weights = _lanczos(length, side).T
    blocks = []
    for row in range(0, side, _BLOCK):
        block = weights[row : row + _BLOCK]
        used = np.flatnonzero(block.any(axis=0))
        start, stop = int(used[0]), int(used[-1]) + 1
        blocks.append((start, stop, np.ascontiguousarray(block[:, start:stop])))
    return tuple(blocks)


def _lanczos(length: int, side: int) -> NDArray[np.float64]:
    """Return Pillow's Lanczos weights from ``length`` pixels to ``side``, shape (length, side), whole numbers.

    After ``precompute_coeffs`` and ``normalize_coeffs_8bpc`` of Pillow's ``src/libImaging/Resample.c``.
    """
    scale = length / side
    stretch = max(scale, 1.0)
    centre = (np.arange(side) + 0.5) * scale
    first = np.maximum((centre - _LOBES * stretch + 0.5).astype(np.int64), 0)
    last = np.minimum((centre + _LOBES * stretch + 0.5).astype(np.int64), length)
    pixel = np.arange(length)[:, None]
    x = (pixel - centre + 0.5) * (1.0 / stretch)
    inside = (pixel >= first) & (pixel < last) & (x >= -_LOBES) & (x < _LOBES)
    weights = np.where(inside, np.sinc(x) * np.sinc(x / _LOBES), 0.0)
    weights *= 1.0 / weights.sum(axis=0)
    whole: NDArray[np.float64] = np.trunc(weights * _UNIT + np.copysign(0.5, weights))
    return whole

"""64- and 256-bit perceptual hashes, in all eight orientations, for a batch of pictures at once.

The hash is that of ``imagehash.phash`` (DCT of a 32×32 or 64×64 luma, its low 8×8 or 16×16 block against the block's
median) of these views of the picture, bit for bit but for coefficients that tie with the median: there imagehash returns
the rounding noise of its transform, and this module 0. A coefficient ties when it lies within the step of ``TIE``.
imagehash would resize the whole picture by Lanczos' filter in place of the box's average: ten times the cost, and of 120
photos and their copies no better told.

- *Bit order*: row-major, vertical frequency first; the first bit is the most significant one (of word 0 for 256
  bits), as in imagehash's hexadecimal string. The first bit is the DC coefficient, which imagehash keeps; it is not
  stable under brightness, so whoever compares hashes masks it.
- *Orientations* (``domain.DIHEDRAL``) cost no transform: a mirror image changes the sign of the odd frequencies of
  its axis, a quarter turn is a transpose and a mirror.
- Floats do not depend on the batch: each picture is multiplied on its own, in arrays of one fixed shape.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["TIE", "dct_block", "hash_bits", "pack_bits", "phashes"]

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
    middle = side * side // 2
    for (flip_rows, flip_columns), (upright, turned) in _ORIENTATION_OF.items():
        flipped = block * ((sign[:, None] if flip_rows else 1.0) * (sign if flip_columns else 1.0))
        ordered = np.partition(flipped.reshape(len(block), -1), (middle - 1, middle), axis=1)
        median = ordered[:, middle - 1 : middle + 1].mean(axis=1)
        above = flipped > median[:, None, None]
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


def phashes(lumas: Sequence[NDArray[np.uint8]] | NDArray[np.uint8], batch_size: int) -> NDArray[np.uint64]:
    """Return the hashes of square lumas of one side, padded to ``batch_size``: (n, 8, words), words = (side/4)²/64."""
    side = lumas[0].shape[-1]
    padded = np.zeros((batch_size, side, side), np.uint8)
    padded[: len(lumas)] = lumas
    bits = hash_bits(dct_block(padded))[: len(lumas)]
    return pack_bits(bits.reshape(len(lumas), 8, -1))

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
- The hashes of the four *edges* (``edge_hashes``) are of strips a fifth of the picture wide: two of them and more are left
  where a third of it is covered by what is not long and narrow. Their bits are signs of coefficients: those of a turned
  picture are the same bits elsewhere.
- Floats do not depend on the batch: each picture is multiplied on its own, in arrays of one fixed shape.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["EDGES", "TIE", "dct_block", "edge_hashes", "hash_bits", "pack_bits", "phashes", "turned_edges"]

TIE: Final = 2.0**-9
"""Coefficients (of 0–255 luma, unnormalised DCT: about 1e4 in a photo) are rounded to this step before comparison.
The transform's own error is some 1e-9, so equal coefficients become equal whatever the machine's rounding."""
EDGES: Final = ("top", "right", "bottom", "left")
_STRIP: Final = 0.2  # of the side
_PLAIN: Final = 8.0  # grey levels of standard deviation under which a strip tells nothing
_ODD: Final = np.uint64(0x5555555555555555)  # of 8 × 8 bits, row by row, the first the most significant: the odd columns
OVERSAMPLING: Final = 4
"""The luma side is this many times the block's: imagehash's ``highfreq_factor``."""


@lru_cache(maxsize=4)
def _lowest(side: int, count: int) -> NDArray[np.float64]:
    """Return the ``count`` lowest rows of SciPy's unnormalised DCT-II: 2·cos(π·u·(2x+1) / 2·side)."""
    u, x = np.mgrid[:count, :side]
    basis: NDArray[np.float64] = 2.0 * np.cos(np.pi * u * (2 * x + 1) / (2 * side))
    return basis


def dct_block(luma: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the low-frequency DCT blocks of square lumas, shape (n, side, side) → (n, side/4, side/4), on the tie grid."""
    side = luma.shape[-1]
    basis = _lowest(side, side // OVERSAMPLING)
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


def edge_hashes(lumas: NDArray[np.uint8], batch_size: int) -> NDArray[np.uint64]:
    """Return the hashes of the four edges of square lumas (n, side, side), padded to ``batch_size``: (n, 4), as ``EDGES``.

    The first bit is set, the others are the signs of a strip's low 8×8 coefficients (DCT-II); 0 where it is nearly plain.
    """
    side = lumas.shape[-1]
    padded = np.zeros((batch_size, side, side))
    padded[: len(lumas)] = lumas
    width = round(_STRIP * side)
    along, across = (_lowest(length, 8) for length in (side, width))
    strips = (
        (padded[:, :width], across, along),
        (padded[:, :, -width:], along, across),
        (padded[:, -width:], across, along),
        (padded[:, :, :width], along, across),
    )
    found = np.zeros((len(lumas), len(strips)), np.uint64)
    for edge, (strip, rows, columns) in enumerate(strips):
        bits = np.rint(np.matmul(np.matmul(rows, strip), columns.T) / TIE)[: len(lumas)] > 0
        bits[:, 0, 0] = True
        told = _deviates(strip[: len(lumas)])
        found[told, edge] = pack_bits(bits[told].reshape(-1, 64))[:, 0]
    return found


def _deviates(strips: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return of which strips, (n, height, width) whole numbers, the standard deviation is at least ``_PLAIN``; exact."""
    pixels = strips[0].size
    squares = np.einsum("nij,nij->n", strips, strips)
    deviates: NDArray[np.bool_] = pixels * squares - strips.sum(axis=(1, 2)) ** 2 >= (_PLAIN * pixels) ** 2
    return deviates


def turned_edges(hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return what :func:`edge_hashes` gives for pictures in the eight orientations: (n, 4) to (n, 8, 4).

    Exact but where a coefficient is 0.
    """
    found = np.empty((len(hashes), 8, len(EDGES)), np.uint64)
    for first, start in ((0, hashes), (4, _mirrored(hashes[:, [0, 3, 2, 1]]))):
        found[:, first] = start
        for turns in range(1, 4):  # a quarter turn counter-clockwise brings the right edge to the top, the top to the left …
            found[:, first + turns] = _transposed(_mirrored(found[:, first + turns - 1][:, [1, 2, 3, 0]]))
    return found


def _mirrored(hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return the hashes of strips mirrored left-right: odd frequencies across change their sign."""
    mirrored: NDArray[np.uint64] = np.where(hashes > 0, hashes ^ _ODD, 0)
    return mirrored


def _transposed(hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Transpose 8 × 8 bits (Warren, Hacker's Delight, 2nd ed., section 7-3)."""
    for shift, mask in ((7, 0x00AA00AA00AA00AA), (14, 0x0000CCCC0000CCCC), (28, 0x00000000F0F0F0F0)):
        moved = (hashes ^ (hashes >> np.uint64(shift))) & np.uint64(mask)
        hashes = hashes ^ moved ^ (moved << np.uint64(shift))
    return hashes

"""The views of measured pictures: small pictures of fixed sizes, from which alone every feature is computed.

Fixed sizes make the features of large and small pictures comparable, their cost the same, and batches of them plain arrays.
A picture is *box-averaged* to 128×128: the cheapest filter that leaves nothing out, and the one by which sharpness and
contrast depend least on a picture's size (40 photos from 128 to 900 px: log2 of the Laplacian's variance within .2, where a
triangle filter moves it by .7). Smaller pictures are interpolated. All else is made of that square.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

from dataaudit.features.descriptor import squashed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["COLOUR_SIDE", "SIDE", "Thumbnails", "Views", "pixel_digests", "thumbnails", "views"]

SIDE: Final = 128
"""Side of the square that a picture is brought to, pixels."""
COLOUR_SIDE: Final = 64
"""Side of the square that the colour statistics and the copy descriptor see."""


@dataclass(frozen=True, slots=True, eq=False)
class Thumbnails:
    """What one picture's views are made of."""

    square: Image.Image
    """Mode RGB, 128×128."""
    colours: Image.Image
    """Mode RGB, 64×64."""
    pixels: bytes
    """Size and pixels of a measured picture that is no larger than the square, of which the square would tell less."""


@dataclass(frozen=True, slots=True, eq=False)
class Views:
    """The views of n pictures, uint8, 0–255. Luma is Pillow's Rec. 601, 0.299 R + 0.587 G + 0.114 B, rounded."""

    luma: NDArray[np.uint8]
    """(n, 128, 128)"""
    half: NDArray[np.uint8]
    """(n, 64, 64), means of 2×2 of ``luma``."""
    quarter: NDArray[np.uint8]
    """(n, 32, 32), means of 2×2 of ``half``."""
    colours: NDArray[np.uint8]
    """(n, 64, 64, 3)"""
    histograms: NDArray[np.int64]
    """(n, 256) counts of ``luma``."""
    pixels: tuple[bytes | memoryview, ...]
    """What tells each picture from others: its square, (128, 128, 3), or its pixels."""


def thumbnails(picture: Image.Image) -> Thumbnails:
    """Return the thumbnails of a measured picture (mode RGB)."""
    if min(picture.size) >= SIDE:
        square = picture.resize((SIDE, SIDE), Image.Resampling.BOX)
        return Thumbnails(square, square.reduce(2), b"")
    square = picture.resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    pixels = f"{picture.size} ".encode() + picture.tobytes() if max(picture.size) <= SIDE else b""
    return Thumbnails(square, Image.fromarray(squashed(picture)), pixels)


def views(pictures: Sequence[Thumbnails]) -> Views:
    """Return the views of a batch, made on one sheet: Pillow halves and hands over all of them in the time of a few."""
    count = len(pictures)
    squares = Image.new("RGB", (SIDE, SIDE * count))
    colours = Image.new("RGB", (COLOUR_SIDE, COLOUR_SIDE * count))
    for place, picture in enumerate(pictures):
        squares.paste(picture.square, (0, SIDE * place))
        colours.paste(picture.colours, (0, COLOUR_SIDE * place))
    luma = squares.convert("L")
    halves = luma.reduce(2)
    half, quarter = SIDE // 2, SIDE // 4
    lumas = np.asarray(luma).reshape(count, SIDE, SIDE)
    whole = np.asarray(squares).reshape(count, SIDE, SIDE, 3)
    return Views(
        luma=lumas,
        half=np.asarray(halves).reshape(count, half, half),
        quarter=np.asarray(halves.reduce(2)).reshape(count, quarter, quarter),
        colours=np.asarray(colours).reshape(count, COLOUR_SIDE, COLOUR_SIDE, 3),
        histograms=np.stack([np.bincount(one.reshape(-1), minlength=256) for one in lumas]),
        pixels=tuple(picture.pixels or square.data for picture, square in zip(pictures, whole, strict=True)),
    )


def pixel_digests(seen: Views, sizes: NDArray[np.int64]) -> list[int]:
    """Return 64 bits of SHA-256 over the stored size and ``seen.pixels`` of n pictures.

    Equal for the same pixels of the same size. For others too, if their averages over the 128×128 fields of the square are the
    same in every channel, which takes a change that nobody sees; pictures up to 128×128 are told apart by every pixel.

    Args:
        seen: their views.
        sizes: (n, 2 or more) whose first columns are the stored width and height.
    """
    found = []
    for pixels, (width, height, *_) in zip(seen.pixels, sizes.tolist(), strict=True):
        digest = hashlib.sha256(f"{width} {height} ".encode())
        digest.update(pixels)
        found.append(int.from_bytes(digest.digest()[:8], "big"))
    return found

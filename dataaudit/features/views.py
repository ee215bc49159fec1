"""The views of measured pictures: small pictures of fixed sizes, from which alone every feature is computed.

Fixed sizes make the features of large and small pictures comparable, their cost the same, and batches of them plain arrays.
The luma is *box-averaged* to 128×128: the cheapest filter that leaves nothing out, and the one by which sharpness and
contrast depend least on a picture's size (40 photos from 128 to 900 px: log2 of the Laplacian's variance within .2, where a
triangle filter moves it by .7). Smaller pictures are interpolated. Colours are single pixels on a regular grid;
only the network, which sees textures, is given averages.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

from dataaudit.features.descriptor import squashed, squashed_inner
from dataaudit.features.keypoints import view_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["COLOUR_SIDE", "SIDE", "Thumbnails", "Views", "pixel_digests", "thumbnails", "views"]

SIDE: Final = 128
"""Side of the square that a picture is brought to, pixels."""
COLOUR_SIDE: Final = 64
"""Side of the grid of pixels that the colour statistics are computed from."""


@dataclass(frozen=True, slots=True, eq=False)
class Thumbnails:
    """What one picture's views are made of."""

    luma: Image.Image
    """Mode L, 128×128."""
    colours: Image.Image
    """Mode RGB, 64×64, the measured picture's own pixels on a regular grid."""
    squashed: NDArray[np.uint8] | None
    """(64, 64, 3) as the copy descriptor sees it, if it is to."""
    inner: NDArray[np.uint8] | None
    """Likewise of what lies within a border of one colour, if there is one."""
    corner_view: NDArray[np.uint8] | None
    """(height, width) what its local features are those of (``keypoints.view_of``), likewise."""
    pixels: bytes
    """Size and pixels of a measured picture that is no larger than 128×128, of which the views would tell less."""


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
    pixels: tuple[bytes, ...]
    """Size and pixels of the small ones among the measured pictures; empty for the others."""


def thumbnails(picture: Image.Image, *, described: bool = False) -> Thumbnails:
    """Return the thumbnails of a measured picture (mode RGB)."""
    method = Image.Resampling.BOX if min(picture.size) >= SIDE else Image.Resampling.BILINEAR
    grey = picture.convert("L")
    luma = grey.resize((SIDE, SIDE), method)
    colours = picture.resize((COLOUR_SIDE, COLOUR_SIDE), Image.Resampling.NEAREST)
    pixels = f"{picture.size} ".encode() + picture.tobytes() if max(picture.size) <= SIDE else b""
    if not described:
        return Thumbnails(luma, colours, None, None, None, pixels)
    whole = squashed(picture)
    return Thumbnails(luma, colours, whole, squashed_inner(picture, whole), view_of(grey), pixels)


def views(pictures: Sequence[Thumbnails]) -> Views:
    """Return the views of a batch, made on one sheet: Pillow halves and hands over all of them in the time of a few."""
    count = len(pictures)
    luma = Image.new("L", (SIDE, SIDE * count))
    colours = Image.new("RGB", (COLOUR_SIDE, COLOUR_SIDE * count))
    for place, picture in enumerate(pictures):
        luma.paste(picture.luma, (0, SIDE * place))
        colours.paste(picture.colours, (0, COLOUR_SIDE * place))
    halves = luma.reduce(2)
    half, quarter = SIDE // 2, SIDE // 4
    return Views(
        luma=np.asarray(luma).reshape(count, SIDE, SIDE),
        half=np.asarray(halves).reshape(count, half, half),
        quarter=np.asarray(halves.reduce(2)).reshape(count, quarter, quarter),
        colours=np.asarray(colours).reshape(count, COLOUR_SIDE, COLOUR_SIDE, 3),
        histograms=np.array([picture.luma.histogram() for picture in pictures], np.int64),
        pixels=tuple(picture.pixels for picture in pictures),
    )


def pixel_digests(seen: Views, sizes: NDArray[np.int64]) -> list[int]:
    """Return 64 bits of SHA-256 over the stored size, luma and colours of n pictures, of small ones over every pixel.

    Equal for the same pixels of the same size. For others too, if the averages of 128×128 fields are the same in luma, and the
    pixels of the grid in every channel, which takes a change that nobody sees.

    Args:
        seen: their views.
        sizes: (n, 2 or more) whose first columns are the stored width and height.
    """
    found = []
    for luma, colours, pixels, (width, height, *_) in zip(seen.luma, seen.colours, seen.pixels, sizes.tolist(), strict=True):
        digest = hashlib.sha256(f"{width} {height} ".encode())
        digest.update(pixels or luma.data)
        digest.update(b"" if pixels else colours.data)
        found.append(int.from_bytes(digest.digest()[:8], "big"))
    return found

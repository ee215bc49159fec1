"""What a file tells of where it came from: the encoder, the camera and the time, and the edges of the picture.

None of it is content, so whatever of it tells the class, or the split, is a shortcut (``scanners/shortcuts.py``).
"""

from __future__ import annotations

import hashlib
from array import array
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

from dataaudit.features.descriptor import SIDE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from PIL import Image

__all__ = ["CAMERA_BYTES", "REGIONS", "colours", "jpeg_coding", "jpeg_quality", "origin"]

_SIDES: Final = ("top", "right", "bottom", "left", "top left", "top right", "bottom right", "bottom left")
REGIONS: Final = ("whole", *_SIDES, *(f"inner {side}" for side in _SIDES))
"""What ``FeatureTable.colours`` is the mean of: the picture, its four edges (1/64 thick), its four corners (1/8 wide), and the
edges and corners of its inner half, with which the outer ones are compared."""
CAMERA_BYTES: Final = 32
"""Bytes kept of a camera's name."""
_MAKE, _MODEL, _EXIF, _TAKEN = 0x010F, 0x0110, 0x8769, 0x9003
_CORNER: Final = 8  # pixels of the 64 that a squashed picture is wide
_IJG_LUMA: Final = (
    *(16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80),
    *(62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95),
    *(98, 112, 100, 103, 99),
)
"""Annex K of the JPEG standard, which libjpeg scales by the quality (``jpeg_quality_scaling``)."""


def _scaled_sum(quality: int) -> int:
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality  # noqa: PLR2004 - libjpeg's formula
    return sum(min(max((entry * scale + 50) // 100, 1), 255) for entry in _IJG_LUMA)


_SUMS: Final = np.array([_scaled_sum(quality) for quality in range(100, 0, -1)])
"""Sums of libjpeg's luma tables from quality 100 down to 1, ascending."""


def jpeg_quality(luma_table: Sequence[int]) -> int:
    """Return the libjpeg quality, 1 to 100, whose luma table has the sum nearest to this one's.

    Exact for the tables that libjpeg (Pillow, OpenCV, ImageMagick) writes; an equivalent for those of cameras and Photoshop.
    """
    return 100 - int(np.abs(_SUMS - sum(luma_table)).argmin())


def jpeg_coding(image: Image.Image) -> tuple[int, int]:
    """Return a 64-bit digest of how a JPEG was encoded, and its quality (:func:`jpeg_quality`); (0, 0) for no JPEG.

    The digest covers the quantisation tables, the chroma sampling, and whether it is progressive.
    """
    tables: Mapping[int, Sequence[int]] | None = getattr(image, "quantization", None)
    if not tables:
        return 0, 0
    layers = tuple(map(tuple, getattr(image, "layer", ())))
    sorted_tables = tuple((number, array("H", table).tobytes()) for number, table in sorted(tables.items()))
    return _coding(layers, bool(image.info.get("progressive")), sorted_tables)


@lru_cache(maxsize=1024)  # a dataset's files have few encoders
def _coding(layers: tuple[tuple[int, ...], ...], progressive: bool, tables: tuple[tuple[int, bytes], ...]) -> tuple[int, int]:  # noqa: FBT001 - as above
    digest = hashlib.blake2b(repr(([*layers], progressive)).encode(), digest_size=8)
    for number, table in tables:
        digest.update(bytes([number]) + table)
    return int.from_bytes(digest.digest(), "big"), jpeg_quality(array("H", tables[0][1]))


def origin(exif: Image.Exif) -> tuple[bytes, int]:
    """Return the camera, and when the picture was taken by the camera's clock.

    Returns:
        ``b"Canon EOS 5D"`` (make and model, ASCII, ``CAMERA_BYTES`` at most; empty: unknown), and the seconds from
        1970-01-01T00:00:00 to DateTimeOriginal as if it were UTC (0: unknown).
    """
    if not exif:
        return b"", 0
    make, model = _clean(exif.get(_MAKE)), _clean(exif.get(_MODEL))
    camera = model if model.lower().startswith(make.lower()) else f"{make} {model}"
    taken = exif.get_ifd(_EXIF).get(_TAKEN) if _EXIF in exif else None
    return camera.strip().encode("ascii", "replace")[:CAMERA_BYTES].rstrip(), _seconds(taken)


def _clean(text: object) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split()) if isinstance(text, str) else ""


def _seconds(text: object) -> int:
    if not isinstance(text, str):
        return 0
    try:
        return int(datetime.strptime(text.strip("\0 ")[:19], "%Y:%m:%d %H:%M:%S").replace(tzinfo=UTC).timestamp())
    except ValueError:
        return 0


def colours(squashed: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the mean colours of the ``REGIONS`` of squashed pictures, and how much their edges vary.

    Args:
        squashed: (n, 64, 64, 3), the pictures' pixels on a regular grid.

    Returns:
        (n, 17, 3) mean R, G, B, rounded; (n, 8) standard deviation of (R + G + B) / 3, rounded, along the top, right, bottom and
        left edge, and the inner ones. Sums are whole numbers, so that nothing depends on the batch.
    """
    n, side = squashed.shape[:2]
    pixels = squashed.astype(np.float32)  # whole sums below 2²⁴ are exact
    boxes = np.matmul(_SPANS, np.matmul(_SPANS, pixels.reshape(n, side, -1)).reshape(n, len(_SPANS), side, 3))
    inner = pixels[:, _INSET:-_INSET, _INSET:-_INSET]
    means, spreads = [_rounded(boxes[:, 0, 0], side * side)[:, None]], []
    for ring, corners in ((pixels, _OUTER), (inner, _INNER)):
        edges = np.stack([ring[:, 0], ring[:, :, -1], ring[:, -1], ring[:, :, 0]], axis=1)
        length = edges.shape[2]
        means += [_rounded(edges.sum(axis=2), length)]
        means += [_rounded(np.stack([boxes[:, y, x] for y, x in corners], axis=1), _CORNER * _CORNER)]
        grey = edges.sum(axis=3).astype(np.float64)
        variance = length * (grey * grey).sum(axis=2) - grey.sum(axis=2) ** 2
        spreads.append(np.rint(np.sqrt(variance) / (3 * length)).astype(np.uint8))
    return np.concatenate(means, axis=1), np.concatenate(spreads, axis=1)


def _rounded(sums: NDArray[np.float32], size: int) -> NDArray[np.uint8]:
    return ((2 * sums.astype(np.int64) + size) // (2 * size)).astype(np.uint8)


_INSET: Final = SIDE // 4
_SPANS: Final = np.zeros((5, SIDE), np.float32)
"""What is summed along either axis: everything; the first and the last 8 pixels; those of the inner half."""
_SPANS[0] = _SPANS[1, :_CORNER] = _SPANS[2, -_CORNER:] = 1
_SPANS[3, _INSET : _INSET + _CORNER] = _SPANS[4, -_INSET - _CORNER : -_INSET] = 1
_OUTER: Final = ((1, 1), (1, 2), (2, 2), (2, 1))
_INNER: Final = ((3, 3), (3, 4), (4, 4), (4, 3))

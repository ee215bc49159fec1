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

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from PIL import Image

__all__ = ["CAMERA_BYTES", "REGIONS", "colours", "jpeg_coding", "jpeg_quality", "origin"]

REGIONS: Final = ("whole", "top", "right", "bottom", "left", "top left", "top right", "bottom right", "bottom left")
"""What ``FeatureTable.colours`` is the mean of: the picture, its four edges (1/64 thick), its four corners (1/8 wide)."""
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
        (n, 9, 3) mean R, G, B, rounded; (n, 4) standard deviation of R + G + B over 3 along the top, right, bottom and left edge,
        rounded. Sums are whole numbers, so that nothing depends on the batch.
    """
    first, last, corner = slice(0, 1), slice(-1, None), (slice(0, _CORNER), slice(-_CORNER, None))
    every = slice(None)
    edges = ((first, every), (every, last), (last, every), (every, first))
    regions = ((every, every), *edges, *((corner[y], corner[x]) for y, x in ((0, 0), (0, 1), (1, 1), (1, 0))))
    parts = [squashed[:, y, x] for y, x in regions]
    means = np.stack([_rounded(_sums(part), part.shape[1] * part.shape[2]) for part in parts], axis=1)
    spreads = []
    for part in parts[1:5]:
        grey = part.reshape(len(part), -1, 3).sum(axis=2, dtype=np.int64)
        size = 3 * grey.shape[1]
        variance = grey.shape[1] * (grey * grey).sum(axis=1) - grey.sum(axis=1) ** 2
        spreads.append(np.rint(np.sqrt(variance) / size))
    return means, np.stack(spreads, axis=1).astype(np.uint8)


def _sums(part: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return (n, 3) sums of pixels (n, h, w, 3): first of columns, in 16 bits (h is 64 at most), which is far quicker."""
    n, height, width, _ = part.shape
    columns = part.reshape(n, height, 3 * width).sum(axis=1, dtype=np.uint16)
    sums: NDArray[np.int64] = columns.reshape(n, width, 3).sum(axis=1, dtype=np.int64)
    return sums


def _rounded(sums: NDArray[np.int64], size: int) -> NDArray[np.uint8]:
    return ((2 * sums + size) // (2 * size)).astype(np.uint8)
